# %% [markdown] head=true
# After this chapter you can
#
# - write the complete training loop from memory, and say why every line is where it is;
# - say what happens when one line is missing, doubled or moved, before you run it;
# - report a loss that means something: per example, as a plain number, once per epoch;
# - train as if with a large batch when only a small one fits into memory.
#
# **Builds on** the loss (chapter 02), gradients (chapter 03) and the optimizer's step (chapter 04).
#
# At the end you train on handwritten digits using only parts that you wrote yourself.

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("05", "", "")

# %% [markdown]
# ## Five lines
#
# You have met the four beats one by one. Here they are together, on one batch `x, y`:
#
# ```python
# predictions = model(x)            # forward:  predict
# loss = loss_fn(predictions, y)    # loss:     judge
# optimizer.zero_grad()             #           clear the old gradients
# loss.backward()                   # backward: find the directions
# optimizer.step()                  # step:     move the weights
# ```
#
# Four beats and one chore. `zero_grad()` is not a beat of its own: it learns nothing and moves
# nothing. It tidies up, so that `backward()` starts from zero.
#
# Each line has its place for a reason:
#
# | line | must come after | because |
# |---|---|---|
# | forward | - | it needs only the batch |
# | loss | forward | it judges the predictions |
# | backward | loss | it starts at the loss and walks back through its graph |
# | step | backward | it moves by the gradients that backward has just made |
# | zero_grad | step, and before the next backward | backward adds to whatever is there |
#
# You need three terms for counting. A **batch** is the handful of examples that one iteration of
# the loop sees. A **step** is one update of the weights, so one iteration is one step. An **epoch**
# is one pass over all the data.

# %%
n_examples, batch_size = 1000, 32
full_batches, rest = divmod(n_examples, batch_size)
print(f"one epoch: {full_batches} full batches and one of {rest} = {full_batches + 1} steps")
print(f"ten epochs: {10 * (full_batches + 1)} steps")

# %% [markdown]
# ## Play the beats in another order
#
# What if `zero_grad()` comes somewhere else? What if `step()` comes too early? Write down what you
# expect from these three orders before you try them:
#
# 1. `step` first, before the forward pass;
# 2. `zero_grad` between `backward` and `step`;
# 3. `step` after the forward pass, but before `backward`.

# %%
predict("p05_1", "", "order 1: learns / stands still / explodes / raises an error")
predict("p05_2", "", "order 2: learns / stands still / explodes / raises an error")
predict("p05_3", "", "order 3: learns / stands still / explodes / raises an error")

# %% [markdown]
# Each arrangement below is actually run: 200 batches of a small network that learns a sine curve.
# Set the slots one by one, and read the verdict. A slot can stay empty, and a beat can come
# twice.

# %% panel="beat_sequencer"

# %%
from course_lib.simulations.beat_runs import run_order

fates = {"learning": "learns", "unchanged": "stands still", "error": "raises an error"}
for question, order in (("p05_1", "SFLZB"), ("p05_2", "FLBZS"), ("p05_3", "FSLZB")):
    outcome(question, fates.get(run_order(order).outcome, "explodes"))  # F forward, L loss, ...

# %% [markdown]
# What you have seen, with the reasons:
#
# - **`zero_grad` has three good places.** Before the forward pass, before `backward`, after `step`:
#   the numbers are the same to the last bit. It can go anywhere between `step()` and the next
#   `backward()`.
# - **`zero_grad` between `backward` and `step` stops everything.** The fresh gradients are thrown
#   away before the step can use them. No error, no warning, and no weight ever moves.
# - **`step` at the very front** still learns, one batch late. On the first batch there are no
#   gradients, so it does nothing; from then on it moves by the previous batch's gradients.
# - **`step` between forward and `backward`** raises an error, from the second batch on. It changes
#   the weights in place, and the graph of this batch still needs their old values. (With a single
#   trained layer nothing needs them, and no error is raised.)
#
# The next cell shows the first half of that third point: a `step()` before any `backward()` is
# harmless.

# %%
layer = torch.nn.Linear(3, 1)
before = layer.weight.detach().clone()
torch.optim.SGD(layer.parameters(), lr=0.5).step()
print("gradient:", layer.weight.grad)
print("weights unchanged:", torch.equal(before, layer.weight))

# %% [markdown]
# And here is the error from the last point, caught so that you can read it. "Modified by an inplace
# operation" is autograd's way of saying: you moved the weights under a graph that still needs them.

# %%
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.ones(4, 2), torch.zeros(4, 1)
try:
    for batch in (1, 2):
        loss = torch.nn.functional.mse_loss(model(x), y)
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()
except RuntimeError as error:
    print(f"batch {batch}: RuntimeError: {str(error)[:92]} ...")

# %% [markdown]
# ## What `zero_grad` protects you from
#
# `backward()` does not overwrite gradients, it **adds** to them. Suppose three batches have the
# gradients 2.0, 1.8 and 1.5, and `.grad` is never cleared. What does it hold after each of them?

# %%
predict("p05_4", "", "three numbers")

# %%
w, held = torch.tensor(1.0, requires_grad=True), []
for gradient in (2.0, 1.8, 1.5):
    loss = gradient * w  # its derivative with respect to w is that number
    loss.backward()
    held.append(round(w.grad.item(), 3))
    print(f"gradient of this batch {gradient:.1f}, w.grad holds {w.grad.item():.1f}")
outcome("p05_4", held)

# %% [markdown]
# 2.0, 3.8, 5.3: each step would move by the sum of everything so far.
#
# In training the gradients change as the weights move, and something stranger happens. Take the
# bowl L = w²/2, whose gradient is w itself. Start at w = 2 with a learning rate of 0.1, and never
# clear the gradient.

# %%
w = torch.tensor(2.0, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
sums, positions = [], []
for step in range(60):
    loss = w**2 / 2
    loss.backward()
    sums.append(w.grad.item())
    optimizer.step()
    positions.append(w.item())
print("w.grad:", [round(s, 2) for s in sums[:7]])
print(f"over 60 steps w.grad swings from {min(sums):.1f} to {max(sums):.1f}")
print(f"and w from {min(positions):.1f} to {max(positions):.1f}: it never settles at 0")

# %% [markdown]
# The sum keeps its sign after w has passed the bottom, because it remembers all those downhill
# pushes. It turns only when enough opposite gradients have been added. This is momentum with a
# coefficient of 1: a swing without friction.
#
# So a loop without `zero_grad` is not random, and it is not always a disaster. Before you move the
# slider: at the **smallest** learning rate, which run ends with the lower loss, the one that clears
# or the one that never does?

# %%
predict("p05_5", "", "cleared / never cleared")

# %% panel="zero_grad"

# %%
from course_lib.simulations import load

slowest = load("zero_grad").compute({"lr": 0.001})
lower = slowest.cleared.losses[-1] < slowest.kept.losses[-1]
outcome("p05_5", "cleared" if lower else "never cleared")

# %% [markdown]
# At the default rate of 0.1 the uncleared run ends hundreds of times higher. At 0.001 it is the *better*
# one: the plain steps are too small, and accumulating gradients makes them larger. Both have
# the same cause. This is why "my loss falls, so my loop is right" proves nothing: a loop without
# `zero_grad` can look fine on easy data at a small rate, and blow up when you raise it.

# %% [markdown]
# ## What train mode changes
#
# Two common layers behave differently during training. **Dropout** switches off random units, so
# that the network cannot rely on any single one. **Batch norm** standardises each unit over the
# batch it sees, and keeps running averages for later. Both must know whether you are training:
# `model.train()` and `model.eval()` set that flag and do nothing else.

# %%
x = torch.ones(1, 10_000)
dropout = torch.nn.Dropout(p=0.5)
dropout.train()
dropped = dropout(x)
print("train mode:", dropped.unique().tolist(), f"with a mean of {dropped.mean():.1f}")
dropout.eval()
print("eval mode: ", dropout(x).unique().tolist())

# %%
norm = torch.nn.BatchNorm1d(1)
batch = torch.tensor([[9.0], [10.0], [11.0]])
norm.train()
print("train mode:", [round(v, 2) + 0.0 for v in norm(batch).flatten().tolist()])
print("running mean after one batch:", round(norm.running_mean.item(), 2))
norm.eval()
print("eval mode: ", [round(v, 2) for v in norm(batch).flatten().tolist()])

# %% [markdown]
# In train mode dropout zeroes about half of the units and doubles the rest, so that their mean
# stays about the same. Batch norm uses this batch's own mean, 10; in eval mode it uses the running
# mean, which is only 1 after a single batch. A function that trains therefore starts with
# `model.train()`: it cannot know which mode the model was left in.

# %% [markdown]
# ## A loss worth logging
#
# One number per epoch is a good rhythm, because single batches jump about. But which number? Here
# are the batch losses of an epoch with batches of 32, 32 and a last one of 8. The last batch went
# badly.

# %%
batch_losses = [0.50, 0.40, 2.00]  # each is the mean over its batch
batch_sizes = [32, 32, 8]
mean_of_means = sum(batch_losses) / len(batch_losses)
per_example = sum(b * n for b, n in zip(batch_losses, batch_sizes)) / sum(batch_sizes)
print(f"mean of the batch means: {mean_of_means:.3f}")
print(f"mean over all examples:  {per_example:.3f}")

# %% [markdown]
# 0.967 against 0.622. In the first number the 8 examples of the last batch weigh as much as the 32
# in each of the other batches. Multiply each batch's mean by its size, add these up, and divide by
# the number of examples.
#
# The second trap is what you add up. `loss` is a tensor that carries its graph. Add tensors, and
# every graph of the epoch stays in memory. `loss.item()` gives the plain number.

# %%
model = torch.nn.Linear(4, 1)
total, total_number = 0.0, 0.0
for _ in range(3):
    loss = model(torch.ones(2, 4)).mean()
    total += loss
    total_number += loss.item()
print("sum of tensors:", type(total).__name__, "that keeps", type(total.grad_fn).__name__)
print("sum of items:  ", type(total_number).__name__)

# %% [markdown]
# One more surprising fact: a loss that is a *mean* does not give larger gradients for larger
# batches. With every example repeated, the gradient is the same:

# %%
x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [5.0]])
for copies in (1, 2):
    w = torch.tensor([[0.0]], requires_grad=True)
    loss = torch.nn.functional.mse_loss(x.repeat(copies, 1) @ w, y.repeat(copies, 1))
    loss.backward()
    print(f"{2 * copies} examples: gradient {w.grad.item():.1f}")

# %% [markdown]
# ## Exercise: one epoch
#
# Write the loop of one epoch. You have seen every line of it. Two things are easy to forget: the
# mode, and the size of the last batch (which is `len(y)`).
#
# `loss_fn` returns the mean over its batch. `loader` is anything that yields pairs `x, y` when you
# loop over it.
#
# The check below says "not attempted yet" before you start; later it shows your own beats beside an
# allowed order. There are two hints: `hint("train_one_epoch")`.

# %% solution="train_one_epoch"
def train_one_epoch(model, loader, loss_fn, optimizer):
    """Train ``model`` for one pass over ``loader``.

    loader     yields pairs (x, y): x is [batch, features], y is [batch]
    loss_fn    loss_fn(predictions, y) is the mean loss of the batch, a 0-dim tensor
    optimizer  holds the model's parameters

    The model is left in train mode. Gradients from before the call have no influence.
    The Trainer of course_lib is not allowed.
    Returns the mean loss per example over the epoch, with each batch's loss taken
    before its step: a Python float.
    """
    ### BEGIN SOLUTION
    model.train()
    total_loss, n_examples = 0.0, 0
    for x, y in loader:
        predictions = model(x)
        loss = loss_fn(predictions, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(y)
        n_examples += len(y)
    return total_loss / n_examples
    ### END SOLUTION


# %% tests="train_one_epoch"

# %% [markdown]
# ## Exercise: many epochs
#
# One epoch is rarely enough. `fit` repeats `train_one_epoch` and keeps score. With `epochs=0` it
# trains nothing and returns an empty list.

# %% solution="fit"
def fit(model, loader, loss_fn, optimizer, epochs):
    """Train for ``epochs`` epochs with ``train_one_epoch``.

    It trains this model with this optimizer, for all epochs. The Trainer of course_lib
    is not allowed.
    Returns a list with one float per epoch: its mean loss, first epoch first.
    """
    ### BEGIN SOLUTION
    history = []
    for _ in range(epochs):
        history.append(train_one_epoch(model, loader, loss_fn, optimizer))
    return history
    ### END SOLUTION


# %% tests="fit"

# %% [markdown]
# ## Exercise: a large batch in small pieces
#
# Sometimes the batch you want does not fit into memory. Now it is useful that `backward()` adds:
# run several small batches, let their gradients add up, and step once. This is **gradient
# accumulation**.
#
# One detail decides whether it is correct. The gradient of one large batch is the *mean* over its
# examples, and adding four small batches gives the *sum* of four means. Which is larger, and by
# how much?

# %%
x, y = torch.arange(8.0).reshape(8, 1), torch.ones(8, 1)
gradients = {}
for name, pieces in (("one batch of 8", 1), ("four batches of 2, added", 4)):
    w = torch.tensor([[0.5]], requires_grad=True)
    for x_piece, y_piece in zip(x.chunk(pieces), y.chunk(pieces)):
        torch.nn.functional.mse_loss(x_piece @ w, y_piece).backward()
    gradients[name] = w.grad.item()
    print(f"{name}: {w.grad.item():.2f}")
ratio = gradients["four batches of 2, added"] / gradients["one batch of 8"]
print(f"ratio: {ratio:.1f}")

# %% [markdown]
# The sum is four times too large. Divide each small loss by the number of batches in its group
# before `backward()`, and the two agree.
#
# Now write it. All batches have the same size. When the number of batches is not a multiple of
# `accumulate_steps`, the last group is shorter: 7 batches in groups of 3 make groups of 3, 3 and 1.
# Its gradient is the mean over its *own* length, and it gets a step like the others.
#
# A milestone on the way: get the full groups right first, and run the check; then the last group.

# %% solution="train_with_accumulation"
def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
    """Train for one pass over ``loader`` with one optimizer step per group of batches.

    accumulate_steps  batches per group; the last group may be shorter
    All batches have the same size; len(loader) is their number. Each step uses the mean
    of the gradients of its group's batches, and nothing else: gradients from before
    the call have no influence, and no group is left without its step at the end.
    The Trainer of course_lib is not allowed.

    Returns the number of optimizer steps: an int.
    """
    ### BEGIN SOLUTION
    model.train()
    optimizer.zero_grad()
    n_batches, n_steps = len(loader), 0
    for i, (x, y) in enumerate(loader):
        group_start = i - i % accumulate_steps
        group_length = min(accumulate_steps, n_batches - group_start)
        predictions = model(x)
        loss = loss_fn(predictions, y)
        (loss / group_length).backward()
        if i + 1 == group_start + group_length:
            optimizer.step()
            optimizer.zero_grad()
            n_steps += 1
    return n_steps
    ### END SOLUTION


# %% tests="train_with_accumulation"

# %% [markdown]
# ## Finale: nothing but your own parts
#
# You have written a cross-entropy (chapter 02), an Adam step (chapter 04) and now the loop. Put them
# together and train on real handwritten digits: 1,797 pictures, each 784 numbers between 0 and 1.
#
# Paste your functions into the next two cells, under the names given there. If you leave a cell
# empty, PyTorch's part is used in its place, and the output says so. This part is not graded.

# %% paste="own_cross_entropy"
### BEGIN SOLUTION
def own_cross_entropy(logits, targets):
    log_probabilities = logits - logits.logsumexp(dim=1, keepdim=True)
    return -log_probabilities[torch.arange(len(targets)), targets].mean()


### STUB
# own_cross_entropy = None  # your cross_entropy of chapter 02: def own_cross_entropy(...)
### END SOLUTION

# %% paste="own_adam_step"
### BEGIN SOLUTION
def own_adam_step(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    beta1, beta2 = betas
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            t, m, v = state.get(i, (0, torch.zeros_like(p), torch.zeros_like(p)))
            t, m, v = t + 1, beta1 * m + (1 - beta1) * p.grad, beta2 * v + (1 - beta2) * p.grad**2
            state[i] = (t, m, v)
            m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
            p -= lr * m_hat / (v_hat.sqrt() + eps)


### STUB
# own_adam_step = None  # your adam_step of chapter 04: def own_adam_step(...)
### END SOLUTION

# %% [markdown]
# An optimizer is an object with `zero_grad()` and `step()`. A few lines turn your function into one.

# %%
class OwnAdam:
    """Your ``adam_step`` behind the two methods that a loop calls."""

    def __init__(self, params, lr):
        self.params, self.lr, self.state = list(params), lr, {}

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        own_adam_step(self.params, self.state, lr=self.lr)


# %%
from course_lib.data import digits, loader
from course_lib.models import MLP

images, labels = digits(size=28)
print("images:", list(images.shape), "labels:", list(labels.shape))

# %% [markdown]
# The last 297 pictures are set aside. Your network trains on the other 1,500, and afterwards you
# ask it about pictures it has never seen.
#
# Two predictions first. At the very start the network guesses among ten digits: what is the loss
# of a guess, minus the logarithm of one tenth? And how many of the 297 pictures will it classify
# correctly after five epochs?

# %%
loss_of_a_guess, classified_correctly = "", ""


# %%
def train_digits(loss_fn, make_optimizer):
    """Your loop on 1,500 digits, five epochs from the same start: losses, and the network."""
    model = MLP(784, 128, 10, seed=0)
    optimizer = make_optimizer(model.parameters())
    digit_loader = loader(images[:1500], labels[:1500], batch_size=64, seed=0)
    return [train_one_epoch(model, digit_loader, loss_fn, optimizer) for _ in range(5)], model


loss_fn = own_cross_entropy or torch.nn.CrossEntropyLoss()
make_optimizer = OwnAdam if own_adam_step else torch.optim.Adam
try:
    own, model = train_digits(loss_fn, lambda params: make_optimizer(params, lr=1e-3))
    theirs, _ = train_digits(
        torch.nn.CrossEntropyLoss(), lambda params: torch.optim.Adam(params, lr=1e-3)
    )
except NotImplementedError:
    own = theirs = None
    print("Write train_one_epoch above, then run this cell again.")
if own and not all(isinstance(loss, float) for loss in own):
    own = None
    print("train_one_epoch does not return a float yet. See its check, then run this cell again.")

# %%
from course_lib.beats import INK, LOSS
from course_lib.figures import finish, new_axes, show_figure

if own:
    same = max(abs(a - b) for a, b in zip(own, theirs)) < 1e-3
    figure, axes = new_axes()
    axes.plot(range(1, 6), theirs, color=INK, lw=1.6, ls="--", label="PyTorch's parts")
    axes.plot(range(1, 6), own, color=LOSS.color, lw=0, marker=LOSS.marker, ms=9, label="yours")
    axes.set(xticks=range(1, 6), ylim=(0, None))
    curves = "the same curve" if same else "different curves"
    finish(axes, f"Your parts and PyTorch's draw {curves}", "epoch", "mean loss per example")
    show_figure(figure, f"Your loss goes from {own[0]:.2f} in epoch 1 to {own[-1]:.2f} in epoch 5.")
    print("The same as with PyTorch's parts, to three decimals:", same)
parts = {"own_cross_entropy": own_cross_entropy, "own_adam_step": own_adam_step}
for name, part in parts.items():
    print(f"{name}: {'yours' if part else 'borrowed from PyTorch; paste yours above, as ' + name}")

# %% [markdown]
# A guess costs -log(1/10) = 2.30, and the first epoch's mean is well below that: the network learns
# while the epoch runs. Now show it the 297 pictures. Its answer is the digit with the largest logit,
# and `argmax` finds it.

# %%
if own:
    with torch.no_grad():
        answers = model(images[1500:]).argmax(dim=1)
    right = answers == labels[1500:]
    print(f"a guess costs {torch.tensor(10.0).log().item():.2f}")
    print("more than 250 of the 297 classified correctly:", right.sum().item() > 250)

# %%
if own:
    shown = torch.cat([right.nonzero()[:7, 0], (~right).nonzero()[:3, 0]])
    names = [f"{answers[i]}" if right[i] else f"{answers[i]} ({labels[1500 + i]})" for i in shown]
    figure, axes = new_axes(8, 1.7)
    axes.imshow(torch.cat([images[1500 + i].reshape(28, 28) for i in shown], dim=1), cmap="Greys")
    axes.set(xticks=[14 + 28 * k for k in range(len(shown))], xticklabels=names, yticks=[])
    axes.grid(False)
    finish(axes, "Your network reads digits it has never seen", "its answer (and the truth)", "")
    show_figure(
        figure,
        "Seven pictures it classifies correctly, then three it does not, with its answer below\n"
        "each; the right digit is in brackets.",
    )

# %% [markdown]
# Look at the mistakes on the right: some of them would make you hesitate too. Whether a network does
# well on pictures it has not seen is a separate question; chapters 06 and 07 are about it.
#
# You have just trained a network that reads handwriting, and nothing in it is hidden from you: the
# loss, the update and the loop are yours. From here on, when a loop misbehaves, you know which five
# lines to look at.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q05_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q05_1"

# %% quiz="q05_2"

# %% quiz="q05_3"

# %% [markdown]
# ## Recap
#
# 1. Forward, loss, backward, step; and `zero_grad()` anywhere between `step()` and the next
#    `backward()`.
# 2. `backward()` adds. Uncleared gradients act like momentum with a coefficient of 1: sometimes
#    faster, sometimes a disaster.
# 3. A training function sets train mode itself; dropout and batch norm depend on it.
# 4. Log the mean per *example*, as a number (`loss.item()`), once per epoch.
# 5. Accumulation: divide by the length of the group, clear once per group, give the last group its
#    step.
#
# **From the bug cheat sheet:** *`zero_grad` forgotten* - the loss oscillates and grows, or, at a
# small rate, falls suspiciously fast. Fix: one line, once per step.
#
# **Where next:** in chapter 06 you take the `loader` apart: batches, shuffling, and why sorted data
# makes a network forget.
