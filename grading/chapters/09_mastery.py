# %% [markdown] head=true
# After this chapter you can
#
# - name the bug from what you see, for the eight bugs that cost people the most hours;
# - fix each of them, and say why the fix works;
# - write the loop that you would hand to a colleague: any device, a schedule, clipping, validation,
#   the best weights, early stopping and mixed precision;
# - spot five mistakes that many templates on the internet contain.
#
# **Builds on** everything: the loop (chapter 05), evaluation (chapter 07), schedules and
# checkpoints (chapter 08). One of the capstone's points uses mixed precision (chapter 08b).
#
# Most of it needs no new ideas. This is the chapter where you find out what you know.

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("09", "", "")

# %% [markdown]
# ## Eight patients
#
# Most training loops that do not work have one of eight bugs. You have met them all, or nearly:
#
# 1. `zero_grad` forgotten
# 2. wrong loss
# 3. wrong device
# 4. `train()` / `eval()` forgotten
# 5. learning rate too high
# 6. learning rate too low
# 7. no `no_grad` in validation
# 8. mismatched shapes
#
# Most of the eight raise no error. How many do you expect to raise one? And of the silent ones,
# which would you notice last?

# %%
predict("p09_1", "", "how many raise an error: 0 / 1 / 2 / 3 / 4 or more")

# %% [markdown]
# Below are eight patients in a different order. Each is a real training run with one of these bugs;
# the dashed curve is the same run without it. For each of them:
#
# 1. look at the curve, or read the error;
# 2. make a guess;
# 3. tick *Reveal the bug*, and untick it before you go on to the next patient.

# %% panel="bug_clinic"

# %%
from course_lib.simulations import load

clinic = load("bug_clinic")
failed = 0
for patient in range(1, 9):
    run = clinic.compute({"patient": patient, "guess": 0, "reveal": False}).run
    failed += bool(run.error)
outcome("p09_1", str(failed) if failed < 4 else "4 or more")

# %% [markdown]
# This is what there was to see:
#
# - **Two patients stop at once**, with an error that names the reason if you can read it: two
#   devices, or two shapes. These bugs are loud, and so they are cheap.
# - **Three look like a learning problem**: a loss that grows, leaps or does not move. Here the
#   healthy curve helps. Without one, change the learning rate by a factor of ten and see what
#   happens.
# - **Three are quiet**: a loss that falls and then sticks, a validation result that is too
#   pessimistic, memory that fills up. The model may be fine in all three. You notice these last.
#
# And one bug is both: mismatched shapes are loud *or* silent. You will see the silent kind in a
# moment.

# %% [markdown]
# ## The cheat sheet
#
# | | what you see | the bug | the fix |
# |---|---|---|---|
# | 1 | the loss oscillates and grows, or falls suspiciously fast at a small rate | `zero_grad` forgotten | `optimizer.zero_grad()` once per step, before `backward()` |
# | 2 | the loss does not fall, sticks (at 1.46 with ten classes), or is exactly 0 | wrong loss | logits into `CrossEntropyLoss`, targets as class indices |
# | 3 | `RuntimeError: ... is not on the expected device` | wrong device | `x, y = x.to(device), y.to(device)` |
# | 4 | validation jumps about and looks worse than the model is | `train()` / `eval()` forgotten | `model.eval()` before validation, `model.train()` before training |
# | 5 | the loss leaps; with squared error it becomes inf or NaN | learning rate too high | divide it by 10; clip the gradients |
# | 6 | the loss hardly moves | learning rate too low | multiply it by 10; warm up instead of staying low for ever |
# | 7 | memory grows during validation | no `no_grad` in validation | `with torch.no_grad():` and `.item()` |
# | 8 | `mat1 and mat2 shapes cannot be multiplied`, or no error and a model that predicts the mean | mismatched shapes | print shapes; `flatten(1)`; same shape for predictions and targets |
#
# The course's page `docs/cheat_sheet.md` has the same table, to print and hang beside your
# screen, with five steps of first aid below it.
#
# Three rows deserve a closer look.

# %% [markdown]
# ### Row 2: where does 1.46 come from?
#
# A softmax before `CrossEntropyLoss` feeds it numbers between 0 and 1, and it takes them for
# logits. The best case is 1 for the right class and 0 for the nine others. What is the loss then?

# %%
predict("p09_2", "", "a number")

# %%
loss_fn = torch.nn.CrossEntropyLoss()
perfect = torch.nn.functional.one_hot(torch.tensor([3]), 10).float()
target = torch.tensor([3])
print(f"sure and right, given as probabilities: {loss_fn(perfect, target).item():.3f}")
outcome("p09_2", round(loss_fn(perfect, target).item(), 3), within=0.05)
print(f"sure and right, given as logits:        {loss_fn(100 * perfect, target).item():.3f}")
one_column = torch.tensor([[-2.0], [0.5], [3.0]])
print(f"one column: {loss_fn(one_column, torch.ones(3, 1)).abs().item():.3f}, whatever it says")

# %% [markdown]
# A perfect network would still report 1.461. Its gradient is weak as well, because two softmaxes in
# a row flatten everything, so with a plain optimizer it hardly learns at all.
#
# The last line is the other half of the row. A softmax over a single column is always 1, so the
# loss is 0 whatever the network says, and nothing is learned. A loss of exactly 0 from the first
# batch on is never good news.

# %% [markdown]
# ### Row 3: where does a tensor live?
#
# Every tensor and every weight is on a *device*: the CPU or a GPU. An operation needs all its
# inputs on the same one. You do not need a GPU to see the error. On every machine PyTorch has a
# device called `"meta"`, whose tensors have a shape but no numbers.

# %%
model = torch.nn.Linear(3, 2)
x = torch.ones(4, 3)
print("weights on", next(model.parameters()).device, "- data on", x.device)
try:
    model(x.to("meta"))
except RuntimeError as error:
    print("RuntimeError:", str(error).splitlines()[0])

# %% [markdown]
# `next(model.parameters())` is the model's first parameter, and its `.device` tells you where the
# model is. There is one trap in moving: **a model moves itself, a tensor gives you a moved copy.**
# What does the next cell print?

# %%
predict("p09_3", "", "the weights are on: cpu / meta")
predict("p09_4", "", "the data is on: cpu / meta")

# %%
model.to("meta")  # the result is not used here
x.to("meta")  # and not here either
print("weights on", next(model.parameters()).device, "- data on", x.device)
outcome("p09_3", next(model.parameters()).device.type)
outcome("p09_4", x.device.type)

# %% [markdown]
# So it is `model.to(device)`, but `x = x.to(device)`. And one line, which many templates forget,
# makes a script run with and without a GPU:

# %%
device = "cuda" if torch.cuda.is_available() else "cpu"
model = torch.nn.Linear(3, 2).to(device)
print("the same device:", model(x.to(device)).device == next(model.parameters()).device)

# %% [markdown]
# ### Row 8: the silent kind
#
# The predictions are `[128, 1]`, the targets `[128]`, and the squared error is written by hand.
# What shape does their difference have, and what will the network learn?

# %%
predict("p09_5", "", "[128] / [128, 1] / [128, 128]")
predict("p09_6", "", "it learns: the sine curve / the mean of all targets / nothing")

# %%
from course_lib.data import sine
from course_lib.models import MLP

x, y = sine()  # y = sin(2x), both [128, 1]
targets = y.squeeze(1)  # [128]
model = MLP(1, 16, 1, activation=torch.nn.Tanh, seed=0)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for _ in range(300):
    predictions = model(x)
    loss = ((predictions - targets) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
print("shape of the difference:", list((predictions - targets).shape))
print(f"the targets lie between {y.min().item():.2f} and {y.max().item():.2f}")
spread = (predictions.max() - predictions.min()).item()
print(f"the predictions differ by less than 0.1: {spread < 0.1}")
outcome("p09_5", str(list((predictions - targets).shape)))
flat = abs(predictions.mean().item() - targets.mean().item()) < 0.1 and spread < 0.1
outcome("p09_6", "the mean of all targets" if flat else "the sine curve")

# %% [markdown]
# PyTorch broadcasts: every prediction is compared with every target. The best answer for all
# targets at once is their mean, here 0, so that is what the network learns. `torch.nn.MSELoss`
# warns about these shapes; a formula written by hand does not. Print both shapes once, before the
# first epoch.

# %% [markdown]
# ## The bug clinic
#
# Now it is your turn: eight short functions, one bug each, in mixed order. Each contains its broken
# code: change as little as possible, usually one line. All checks are red before you start. Each
# patient's owner tells you what they saw.
#
# ### Patient A
#
# "I read pictures and feed them to one linear layer. It never gets past the first batch. The error
# talks about 896 rows, and I swear I gave it 32 pictures of 28 times 28."

# %% solution="clinic_a"
def clinic_a(model, images):
    """Compute the logits for a batch of pictures.

    images  [N, height, width]; model is a linear layer for height * width numbers
    Returns the logits, [N, classes]: row i belongs to picture i.
    """
    ### BEGIN SOLUTION
    return model(images.flatten(1))
    ### STUB
    # return model(images)
    ### END SOLUTION


# %% tests="clinic_a"

# %% [markdown]
# ### Patient B
#
# "My network recognises a picture as a 3. I show it the very same picture again, and it is an 8.
# And after a day of answering questions it has become worse, although I never trained it. But I do
# use `no_grad`, so it is evaluating, isn't it?"

# %% solution="clinic_b"
def clinic_b(model, x):
    """Compute a trained model's logits for new examples x, [N, features], as in practical use:
    the same on every call, and nothing in the model learns from x.

    Returns the logits, [N, classes], without a graph. It may leave the model in either mode.
    """
    ### BEGIN SOLUTION
    model.eval()
    with torch.no_grad():
        return model(x)
    ### STUB
    # with torch.no_grad():
    #     return model(x)
    ### END SOLUTION


# %% tests="clinic_b"

# %% [markdown]
# ### Patient C
#
# "The first steps go well. Then the loss starts to swing, each time a little higher. I divided the
# learning rate by ten. Now it swings later."

# %% solution="clinic_c"
def clinic_c(model, loader, loss_fn, optimizer):
    """Train for one pass over the loader. Gradients from before the call have no influence.

    Returns a list with the loss of each batch, a float, computed before its step.
    """
    ### BEGIN SOLUTION
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### STUB
    # losses = []
    # for x, y in loader:
    #     loss = loss_fn(model(x), y)
    #     loss.backward()
    #     optimizer.step()
    #     losses.append(loss.item())
    # return losses
    ### END SOLUTION


# %% tests="clinic_c"

# %% [markdown]
# ### Patient D
#
# "Thirty points, one line, two numbers to find. What can go wrong? It returns `(nan, nan)`. I have
# looked at the data: it is fine, and nothing in it is larger than a few units."

# %% solution="clinic_d"
def clinic_d(x, y):
    """Fit the line w * x + b to points x, y, both [N], by gradient descent; x is between -1 and 1.

    Returns (w, b), two Python floats, within 2 % of the least-squares line.
    """
    ### BEGIN SOLUTION
    w = torch.zeros((), requires_grad=True)
    b = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=0.3)
    for _ in range(300):
        loss = ((w * x + b - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return w.item(), b.item()
    ### STUB
    # w = torch.zeros((), requires_grad=True)
    # b = torch.zeros((), requires_grad=True)
    # optimizer = torch.optim.SGD([w, b], lr=3.0)
    # for _ in range(300):
    #     loss = ((w * x + b - y) ** 2).mean()
    #     optimizer.zero_grad()
    #     loss.backward()
    #     optimizer.step()
    # return w.item(), b.item()
    ### END SOLUTION


# %% tests="clinic_d"

# %% [markdown]
# ### Patient E
#
# "Nearly all my training pictures are recognised, and still my loss will not go below 1.46. With
# a different optimizer it hardly learns at all. I have tried larger networks, and smaller ones."

# %% solution="clinic_e"
def clinic_e(logits, targets):
    """Compute the mean cross-entropy of logits [N, classes] for targets [N], class indices.

    Returns a 0-dim tensor that backward() works on.
    """
    ### BEGIN SOLUTION
    return torch.nn.functional.cross_entropy(logits, targets)
    ### STUB
    # probabilities = torch.softmax(logits, dim=1)
    # return torch.nn.functional.cross_entropy(probabilities, targets)
    ### END SOLUTION


# %% tests="clinic_e"

# %% [markdown]
# ### Patient F
#
# "My validation gives the right number. On the small set, that is. On the large one the machine
# runs out of memory half-way, although each batch is small. By the way, the number prints with
# something called `grad_fn` after it."

# %% solution="clinic_f"
def clinic_f(model, loader, loss_fn):
    """Compute the mean loss per example over the loader's batches; model is already in eval mode.
    Nothing is recorded for a backward pass, and the model is left as it was.

    Returns a Python float.
    """
    ### BEGIN SOLUTION
    total, n_examples = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            total += loss_fn(model(x), y).item() * len(y)
            n_examples += len(y)
    return total / n_examples
    ### STUB
    # total, n_examples = 0.0, 0
    # for x, y in loader:
    #     total += loss_fn(model(x), y) * len(y)
    #     n_examples += len(y)
    # return total / n_examples
    ### END SOLUTION


# %% tests="clinic_f"

# %% [markdown]
# ### Patient G
#
# "It ran for months on my laptop. On the new computer, which has a GPU, it stops at the first line.
# My data comes from a file, batch by batch." The check has no GPU either: it puts the model on
# `"meta"`.

# %% solution="clinic_g"
def clinic_g(model, x):
    """Compute the model's output for x, [N, features]; x is on the CPU, the model on any device.

    Returns the output on the model's device.
    """
    ### BEGIN SOLUTION
    device = next(model.parameters()).device
    return model(x.to(device))
    ### STUB
    # return model(x)
    ### END SOLUTION


# %% tests="clinic_g"

# %% [markdown]
# ### Patient H
#
# "No error, and the loss falls at every single step; I have checked. After 300 steps all weights
# are still close to zero."

# %% solution="clinic_h"
def clinic_h(x, y):
    """Find weights w, [features], so that x @ w is close to y; x is [N, features], y is [N].
    The best weights lie between -1 and 1.

    Returns w without a graph; each weight is within 0.05 of the least-squares solution.
    """
    ### BEGIN SOLUTION
    w = torch.zeros(x.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.05)
    for _ in range(300):
        loss = ((x @ w - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return w.detach()
    ### STUB
    # w = torch.zeros(x.shape[1], requires_grad=True)
    # optimizer = torch.optim.Adam([w], lr=0.00001)
    # for _ in range(300):
    #     loss = ((x @ w - y) ** 2).mean()
    #     optimizer.zero_grad()
    #     loss.backward()
    #     optimizer.step()
    # return w.detach()
    ### END SOLUTION


# %% tests="clinic_h"

# %% [markdown]
# ## The production loop
#
# Five lines train a network. A loop that others rely on has more, and each addition prevents
# something that goes wrong sooner or later:
#
# | addition | what it protects you from | chapter |
# |---|---|---|
# | `x, y = x.to(device), y.to(device)` | a script that runs on one machine only | above |
# | AdamW with weight decay | weights that grow needlessly | below |
# | a schedule for the learning rate | steps that are too long at the end | 08 |
# | gradient clipping | one bad batch that ruins a run | 00, 04 |
# | autocast, in the forward pass | the fast half of a GPU standing idle | 08b |
# | validation in eval mode, without a graph | numbers that mean nothing; memory that fills up | 05, 07 |
# | keeping the best weights | a last epoch that is worse than an earlier one | 08 |
# | early stopping | paying for epochs that only overfit | 08 |
# | a history of plain numbers | not knowing what happened | 05 |
#
# Two of these need some explanation. **AdamW** is Adam with *weight decay*: each step first
# multiplies every weight by 1 - lr * weight_decay, then does what Adam does. With a gradient of
# zero you see the shrinking alone.

# %%
w = torch.tensor([2.0], requires_grad=True)
optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
w.grad = torch.zeros(1)
for step in range(3):
    optimizer.step()
    print(f"after step {step}: w = {w.item():.4f} = 2 * 0.95 ** {step + 1}")

# %% [markdown]
# And the **cosine schedule** of chapter 08: the rate of epoch e, counted from 0, is
# lr * (1 + cos(pi * e / epochs)) / 2. The scheduler steps once per epoch, after the optimizer. Note
# when to read the rate: before the scheduler steps, if you want the rate that this epoch used.

# %%
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
for epoch in range(4):
    optimizer.step()  # stands for a whole epoch of steps
    print(f"epoch {epoch} used lr {optimizer.param_groups[0]['lr']:.4f}")
    scheduler.step()

# %% [markdown]
# ## Get it right
#
# Here are five points that many templates get wrong, each with a cell that shows the difference.
#
# ### 1. Unscale before you clip
#
# With float16 the loss is scaled up before `backward()`, and so are all gradients. Below, the true
# gradient is 3, the scale is 1024, and the norm is to be clipped to 1. The learning rate is 1, so w
# should move by exactly 1. By how much does it move when the gradients are clipped while they are
# still scaled?

# %%
predict("p09_7", "", "a number")

# %%
for unscale_first in (True, False):
    w = torch.tensor([3.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale((w**2 / 2).sum()).backward()
    if unscale_first:
        scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_([w], max_norm=1.0)
    scaler.step(optimizer)
    print(f"unscaled before clipping: {unscale_first!s:5}  w moved by {3 - w.item():.6f}")
outcome("p09_7", round(3 - w.item(), 6), within=0.0003)

# %% [markdown]
# A thousand times too little: 3072 is clipped to 1, and then divided by 1024. With AdamW the
# mistake is harder to see, because Adam divides by the size of the gradients anyway. That is why it
# survives in so many templates. With bfloat16 there is no scaler, and the question does not
# arise.
#
# ### 2. Weight each batch by its size
#
# Chapter 05 said this about the training loss; it is just as true of validation. Here is one
# network, evaluated on the same 264 pictures of digits with loaders of different batch sizes.
# Should the result depend on the batch size?

# %%
from course_lib.data import digits, loader

images, labels = digits(size=8)
model = MLP(64, 32, 10, seed=0)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(2):
    for x, y in loader(images[:600], labels[:600], batch_size=32):
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# %%
val_images, val_labels = images[600:864], labels[600:864]
for batch_size in (264, 256, 64, 32):
    val_loader = loader(val_images, val_labels, batch_size=batch_size, shuffle=False)
    with torch.no_grad():
        results = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
    batch_means = sum(mean for mean, _ in results) / len(results)
    per_example = sum(mean * n for mean, n in results) / len(val_labels)
    print(f"batch size {batch_size}: batch means {batch_means:.2f}, per example {per_example:.2f}")

# %% [markdown]
# The mean per example stays the same. The mean of the batch means changes with the loader,
# because the last 8 pictures, which are hard ones here, weigh as much as a full batch. Two people
# with the same model would report 0.80 and 0.69.
#
# ### 3. Run on the CPU too
#
# `.cuda()` in the middle of a loop, `autocast("cuda")`, a `GradScaler()` without a device: each
# ties the loop to a machine with a GPU, and none of your colleagues can debug it on a train. Take
# the device as an argument, and pass it on. `torch.autocast` expects the device's type, `"cpu"` or
# `"cuda"`:

# %%
device = torch.device(device)
layer = torch.nn.Linear(3, 2).to(device)
with torch.autocast(device.type, dtype=torch.bfloat16):
    print("forward pass in", layer(torch.ones(1, 3, device=device)).dtype)
print("weights stay in", layer.weight.dtype)

# %% [markdown]
# ### 4. Load with `weights_only=True`
#
# A file written by `torch.save` is a pickle, and unpickling can run any code that its author put
# in. `weights_only=True` reads tensors and plain containers and refuses the rest. It has been the
# default since PyTorch 2.6; write it out all the same, for those with an older version. What
# happens to each of these two files?

# %%
predict("p09_8", "", "the model itself: loaded / refused")
predict("p09_9", "", "its state_dict: loaded / refused")

# %%
import io

fates = []
for what, thing in (("the model itself", model), ("its state_dict", model.state_dict())):
    file = io.BytesIO()  # a file in memory
    torch.save(thing, file)
    file.seek(0)
    try:
        torch.load(file, weights_only=True)
        print(f"{what}: loaded")
        fates.append("loaded")
    except Exception as error:
        print(f"{what}: {type(error).__name__}")
        fates.append("refused")
for question, fate in zip(("p09_8", "p09_9"), fates):
    outcome(question, fate)

# %% [markdown]
# The whole model is refused: to rebuild it, Python would have to import and call your classes. That
# is also why such a file breaks when you rename one. Save the `state_dict`.
#
# ### 5. `no_grad` saves memory
#
# It is often sold as a way to make validation fast. What it certainly does is something else: it
# saves memory. Autograd calls the first of two *hooks* for every tensor that it keeps for the
# backward pass, so you can count the bytes.

# %%
images, labels = digits(size=28)
model = MLP(784, 128, 10, seed=0)
kept = []


def note(tensor):
    kept.append(tensor.numel() * tensor.element_size())
    return tensor


# %%
for grad in (True, False):
    kept.clear()
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with torch.set_grad_enabled(grad), hooks:
        loss = loss_fn(model(images[:256]), labels[:256])
    print(f"gradients recorded: {grad!s:5}  kept for backward: {sum(kept):,} bytes")

# %% [markdown]
# A megabyte for one batch of a tiny network, against nothing at all. Most of it, 802,816 bytes, is
# the batch itself: 256 pictures of 784 numbers of 4 bytes. For a large model it is gigabytes, and
# patient 8 above shows what happens when a sum of losses keeps every graph alive.
#
# Time is another matter. The forward pass computes the same products either way, so `no_grad` saves
# little. Do not promise more than that; measure.

# %% [markdown]
# ## Capstone: the production loop
#
# Write it. You have written every piece in an earlier chapter, and your own code from there is the
# best place to look things up. The docstring is the contract. Go through four milestones, and run
# the check after each; its lines name the milestone they belong to.
#
# **Milestone 1: it trains.** AdamW, cross-entropy, `model.train()` in every epoch, the mean loss
# per example in `"train_loss"`. Return the dict with all four keys from the start; put 0.0 where a
# number is still missing.
#
# **Milestone 2: it trains well.** The cosine schedule with one step per epoch, the rate of each
# epoch in `"lr"`, and clipping between `backward()` and `step()`.
#
# **Milestone 3: it validates, and keeps the best.** Eval mode, no graph, mean per example. Whenever
# `val_loss` is smaller than ever before, keep a *copy* of the weights: `state_dict()` holds
# references, which go on changing. `copy.deepcopy(model.state_dict())` is a copy. At the end load
# the best one into the model. Every comparison with NaN is false, so `val_loss < best_loss` rejects
# NaN by itself.
#
# **Milestone 4: it runs everywhere.** `patience` (count the epochs without a new best, start again
# at each best), `device`, and `amp`. For `amp`, autocast takes `enabled=amp`, and with bfloat16
# that is all. Autocast belongs around the forward pass and the loss in training; `backward()` stays
# outside.
#
# `math` and `copy` are imported in the next cell. There are two hints: `hint("train")`.

# %% tags=["setup"]
import copy
import math

# %% solution="train"
def train(
    model,
    train_loader,
    val_loader,
    *,
    epochs=100,
    lr=3e-4,
    weight_decay=0.01,
    max_norm=1.0,
    patience=None,
    device=None,
    amp=False,
):
    """Train a classifier with AdamW on the cross-entropy, and leave the best weights in it.

    epochs, lr, weight_decay  settings of the run; the rate of epoch e, counted from 0, is
                              lr * (1 + cos(pi * e / epochs)) / 2
    max_norm  the gradients' common norm is clipped to this (after unscaling)
    patience  stop after this many epochs in a row without a new smallest val_loss;
              None never stops early
    device    None (the model's own), a name or a torch.device
    amp       True: the training forward pass runs under autocast, in bfloat16 without a
              scaler or in float16 with a GradScaler; the weights stay float32

    Validation runs in eval mode and records no gradients. NaN is never the best.
    Returns a dict: "train_loss", "val_loss" (means per example) and "lr", lists of Python
    floats with one entry per epoch that was run, and "best_epoch", the number of the epoch
    with the smallest val_loss, counted from 0 (the first one if several are equal).
    The Trainer of course_lib.training is not allowed.
    """
    ### BEGIN SOLUTION
    device = device or next(model.parameters()).device
    model.to(device)
    device_type = torch.device(device).type
    loss_fn = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    history = {"train_loss": [], "val_loss": [], "lr": [], "best_epoch": 0}
    best_loss, best_state, waited = math.inf, None, 0

    for epoch in range(epochs):
        model.train()
        total_loss, n_examples = 0.0, 0
        for x, y in train_loader:
            x, y = x.to(device), y.to(device)
            with torch.autocast(device_type, dtype=torch.bfloat16, enabled=amp):
                loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
            total_loss += loss.item() * len(y)
            n_examples += len(y)
        history["train_loss"].append(total_loss / n_examples)
        history["lr"].append(optimizer.param_groups[0]["lr"])
        scheduler.step()

        model.eval()
        total_loss, n_examples = 0.0, 0
        with torch.no_grad():
            for x, y in val_loader:
                x, y = x.to(device), y.to(device)
                total_loss += loss_fn(model(x), y).item() * len(y)
                n_examples += len(y)
        val_loss = total_loss / n_examples
        history["val_loss"].append(val_loss)

        if val_loss < best_loss:
            best_loss, best_state, waited = val_loss, copy.deepcopy(model.state_dict()), 0
            history["best_epoch"] = epoch
        else:
            waited += 1
            if waited == patience:
                break

    if best_state is not None:
        model.load_state_dict(best_state)
    return history
    ### END SOLUTION


# %% tests="train"

# %% [markdown]
# ### Your loop at work
#
# Chapter 05 ended with a network trained on digits using only your own parts. Here is the grown-up
# version: 1,200 pictures to train on, 300 to validate on, and 297 that nothing has ever looked at.
#
# Thirty epochs are a lot for such a small set, and `patience` is 5. Before you run it: will the
# best epoch be the last one?

# %%
predict("p09_10", "", "yes / no")

# %%
order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
train_part, val_part, test_part = order.split([1200, 300, 297])
train_loader = loader(images[train_part], labels[train_part], batch_size=64, seed=0)
val_loader = loader(images[val_part], labels[val_part], batch_size=128, shuffle=False)
model = MLP(784, 128, 10, seed=0)
try:
    history = train(model, train_loader, val_loader, epochs=30, lr=0.01, patience=5)
except NotImplementedError:
    history = None
    print("Write train above, then run this cell again.")

# %%
from course_lib.beats import INK, LOSS
from course_lib.figures import finish, new_axes, show_figure

if history:
    best, epochs_run = history["best_epoch"], len(history["val_loss"])
    figure, axes = new_axes()
    axes.plot(history["train_loss"], color=INK, ls="--", lw=1.6, label="training loss")
    axes.plot(history["val_loss"], color=LOSS.color, label="validation loss")
    lowest = history["val_loss"][best]
    axes.plot(best, lowest, "*", color=INK, mec="white", ms=16, label=f"best: epoch {best}")
    axes.set(yscale="log")
    finish(axes, "The best epoch's weights are the ones to keep", "epoch", "mean loss per example")
    show_figure(
        figure, f"Training goes on falling; validation stops falling, at about {lowest:.1f}."
    )
    print("the best epoch was not the last one:", best < epochs_run - 1)
    outcome("p09_10", "no" if best < epochs_run - 1 else "yes")
    print("stopped before 30 epochs were over:", epochs_run < 30)

# %%
model.eval()
with torch.no_grad():
    right = (model(images[test_part]).argmax(dim=1) == labels[test_part]).float().mean().item()
if history:
    print("more than 95 % of 297 unseen digits recognised:", right > 0.95)

# %% [markdown]
# From some epoch on the training loss falls and the validation loss does not: the network learns
# its own pictures by heart. Your loop noticed it, stopped, and restored the best weights.
#
# The third set is the honest one. You chose the best epoch by the validation set, so its loss is a
# little too flattering; nothing was chosen by the test set.
#
# Now break it. Comment out one line at a time (`model.eval()`, the clipping, the scheduler's
# step, the copy) and run the check each time. If you can say beforehand which finding turns red,
# that is the best proof that you understand your loop. And it is yours: take it with you.

# %% [markdown]
# ## Where next
#
# **Transformers: the same loop.** Below is a small one: an embedding, one encoder layer with
# attention, a linear layer. It reads six digits and says which is the largest. Look for what is
# different in the five lines.

# %%
with torch.random.fork_rng():
    torch.manual_seed(0)
    encoder = torch.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    model = torch.nn.Sequential(
        torch.nn.Embedding(10, 16), encoder, torch.nn.Flatten(), torch.nn.Linear(6 * 16, 10)
    )
    sequences = torch.randint(10, (512, 6))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

# %%
for epoch in range(6):
    for x, y in loader(sequences, sequences.amax(dim=1), batch_size=64, seed=epoch):
        predictions = model(x)
        loss = loss_fn(predictions, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
right = (model(sequences).argmax(dim=1) == sequences.amax(dim=1)).float().mean().item()
print("more than 90 % of the sequences right:", right > 0.9)

# %% [markdown]
# Nothing is different. What makes language models hard is their size, their data and their cost,
# and a loop that runs for weeks. From here there are three roads, and chapter 10 goes a few steps down
# each of them:
#
# - **Distributed training.** With `DistributedDataParallel` (DDP) each GPU has the whole model and
#   part of the batch; during `backward()` the gradients are averaged over all of them, and every
#   GPU takes the same step. You know the arithmetic: it is chapter 05's accumulation, in space
#   instead of time. When the model does not fit on one GPU, FSDP splits the weights and the
#   optimizer's state as well.
# - **Autograd in depth.** Custom `torch.autograd.Function`s, gradients of gradients, `torch.func`,
#   checkpointing that trades time for memory. Chapter 03's walk backwards by hand is the seed of all of it.
# - **RLHF.** For a chat model no target says which answer is right. A second network, trained on
#   people's choices between two answers, gives a score, and the loss is computed from that score.
#   Forward, loss, backward, step: only the loss comes from somewhere else.
#
# And there is a fourth: in a month, write the loop again on an empty page. What you can build
# yourself, you have understood.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q09_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q09_1"

# %% quiz="q09_2"

# %% quiz="q09_3"

# %% [markdown]
# ## Recap
#
# 1. Eight bugs explain most loops that do not work. Two of them are loud; learn to see the quiet
#    ones.
# 2. First aid: look at the data, overfit one batch, print gradient norms, divide the rate by 10.
# 3. Unscale before clipping, weight validation by batch size, take the device as an argument.
# 4. Save the `state_dict`, load with `weights_only=True`, keep a *copy* of the best weights.
# 5. `eval()` is about layers, `no_grad` about memory. You need both, and neither does the other's
#    job.
#
# **From the bug cheat sheet:** all eight. Row 3, *wrong device*, is this chapter's own:
# `x, y = x.to(device), y.to(device)`.
#
# **Where next:** your own data. Take the loop you wrote here, and train something you care about. And
# in chapter 10 the same four beats train a transformer, two machines at once, and a policy that is
# told only its reward. If you answered the ten questions before chapter 00, call
# `course_lib.before_after("after")`.
