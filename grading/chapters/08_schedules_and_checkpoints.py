# %% [markdown] head=true
# After this chapter you can
#
# - change the learning rate while you train, and say what each common schedule does;
# - save a run so that it goes on after a crash as if nothing had happened;
# - say what is lost when a checkpoint holds less than everything, and see it in a curve;
# - stop training at the right moment, and keep the best weights rather than the last ones.
#
# **Builds on** the optimizer (chapter 04), the loop (chapter 05), the loader (chapter 06) and
# `evaluate` (chapter 07).

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("08", "", "")

# %% [markdown]
# ## One learning rate does not fit a whole run
#
# Far from the goal, large steps save time. Close to it, they jump over it. Mini-batches make this
# worse: their gradients are noisy, so even at the best point there is a push in some direction,
# and a large rate turns each push into a jump.
#
# Take the bowl L = w²/2 from chapter 05, start at w = 20, and add noise to every gradient. Three
# runs of 300 steps: a high rate, a low rate, and one that falls from high to low. Which of them
# ends closest to 0?

# %%
predict("p08_1", "", "ends closest to 0: high / low / falling")

# %%
plans = {"high": lambda t: 0.5, "low": lambda t: 0.005, "falling": lambda t: 0.5 * (1 - t / 300)}
ends = {}
for name, plan in plans.items():
    w, distances, generator = 20.0, [], torch.Generator().manual_seed(0)
    for t in range(300):
        gradient = w + 3 * torch.randn((), generator=generator).item()
        w -= plan(t) * gradient
        distances.append(abs(w))
    ends[name] = sum(distances[-30:]) / 30
    print(f"{name:8s} mean distance from 0 over the last 30 steps: {ends[name]:.1f}")
outcome("p08_1", min(ends, key=ends.get))

# %% [markdown]
# The high rate arrives after a few steps and then dances around the bottom. The low rate does not
# dance, but it is still on its way. The falling one does both jobs: it arrives early and then
# settles down. So: **start high, end low.**
#
# Why, then, do many schedules start *low*? Remember Adam's first step from chapter 04. How far does
# it move a weight whose gradient is 0.001, and one whose gradient is 100, at a rate of 0.1?

# %%
predict("p08_2", "", "two distances")

# %%
distances = []
for gradient in (0.001, 100.0):
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.1)
    (gradient * w).sum().backward()
    optimizer.step()
    distances.append(round(abs(w.item()), 3))
    print(f"gradient {gradient:g}: the first step moves w by {abs(w.item()):.3f}")
outcome("p08_2", distances)

# %% [markdown]
# Both move by the full rate. At its first step Adam has seen one batch, and moves every weight as
# far as it can on the strength of that batch. In a deep network this can throw the weights to a
# place from which they never recover. A **warm-up** lets the rate grow over the first 5 to 10 % of
# the steps, while the averages fill.

# %% [markdown]
# ## Five schedules
#
# All of these come with PyTorch, in `torch.optim.lr_scheduler`, and the curves below are what the
# real schedulers write into a real optimizer. Before you look: how many of the five end at (almost)
# 0, below a thousandth of the highest rate?

# %%
predict("p08_3", "", "how many: 1 / 2 / 3 / 4 / 5")

# %% panel="lr_schedules"

# %%
from course_lib.simulations import load

simulation = load("lr_schedules")
defaults = {control.name: control.default for control in simulation.controls}
rates = simulation.compute(defaults).rates
low = [name for name, rate in rates.items() if rate[-1] < rate.max() / 1000]
print("below a thousandth at the end:", ", ".join(low))
outcome("p08_3", str(len(low)))

# %% [markdown]
# Try the extremes: a warm-up of 0 % makes the last schedule the same as the cosine. A gamma of 1
# makes the steps flat. On the logarithmic axis the steps become a straight staircase, because each
# of them divides by the same number.
#
# | schedule | what it does | when |
# |---|---|---|
# | constant | nothing | a first try, to see that the loop works |
# | `StepLR` | multiplies by `gamma` (0.1) every `step_size` epochs (30) | classic image networks |
# | `CosineAnnealingLR` | half a cosine down over `T_max` epochs (100) | a good default |
# | `OneCycleLR` | up, then down to almost 0, once per **batch** | short runs at high rates |
# | warm-up + cosine | a line up over the first 5-10 %, then a cosine | the default for large language models |
#
# A scheduler has one method to call, `scheduler.step()`, and its place is **after**
# `optimizer.step()`:
#
# ```python
# for epoch in range(epochs):
#     train_one_epoch(model, loader, loss_fn, optimizer)   # optimizer.step() is in here
#     scheduler.step()                                     # the rate of the next epoch
# ```
#
# What does a scheduler do when it is called before that? It moves on, and the first rate is never
# used. PyTorch notices and warns.

# %%
import warnings

optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    scheduler.step()
    print("rate of the first step:", optimizer.param_groups[0]["lr"], "instead of 0.1")
    optimizer.step()
print("PyTorch warns:", any("before `optimizer.step()`" in str(w.message) for w in caught))

# %% [markdown]
# That line shows where the learning rate lives: in `optimizer.param_groups[0]["lr"]`. A scheduler
# does nothing but write there. You can write there yourself, too, and soon you will.

# %% [markdown]
# ## Two schedulers with a surprise
#
# A cosine with `T_max=100` reaches 0 at epoch 100. You decide to train on, to epoch 200. What is the
# rate at epochs 150 and 200, if it started at 0.1?

# %%
predict("p08_4", "", "two numbers")

# %%
optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
scheduler, late = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100), []
for epoch in range(201):
    if epoch in (150, 200):
        late.append(round(optimizer.param_groups[0]["lr"], 4))
    if epoch % 50 == 0:
        print(f"epoch {epoch:3d}: learning rate {optimizer.param_groups[0]['lr']:.3f}")
    optimizer.step()
    scheduler.step()
outcome("p08_4", late)

# %% [markdown]
# A cosine does not know that you wanted to stop. It rises again: 0.05, then 0.1. Set `T_max` to the
# length of the run, or end the run there.
#
# `OneCycleLR` has three quirks. It sets its own rates (and momentum) and ignores the `lr` you gave
# the optimizer; it counts **batches**; and it refuses to go past its end.

# %%
optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=7.0)  # 7.0 is ignored
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=100)
rates, beta1 = [], []
for step in range(100):
    rates.append(optimizer.param_groups[0]["lr"])
    beta1.append(optimizer.param_groups[0]["betas"][0])
    optimizer.step()
    if step < 99:
        scheduler.step()
print(f"starts at {rates[0]:.4f}, highest at step {rates.index(max(rates))}, ends at {rates[-1]:.0e}")
print(f"Adam's beta1: {beta1[0]:.2f} at first, {min(beta1):.2f} at the peak, {beta1[-1]:.2f} at the end")

# %%
try:
    scheduler.step()
    scheduler.step()
except ValueError as error:
    print("ValueError:", str(error)[:24])

# %% [markdown]
# So `total_steps` is `epochs * len(loader)`, and `scheduler.step()` goes inside the loop over
# batches. Called once per *epoch* instead, it raises no error: the rate creeps along the first part
# of its rise, and the run ends before it has begun to fall.

# %% [markdown]
# ## Exercise: warm-up and cosine
#
# PyTorch has the pieces of the last schedule, but all of it fits into a few lines of your own.
# One fact you need: `math.cos` takes radians, `math.cos(0)` is 1, `math.cos(math.pi)` is -1, and
# between them the cosine falls slowly, then fast, then slowly.

# %%
import math

for progress in (0, 0.25, 0.5, 0.75, 1):
    print(f"progress {progress:4.2f}: cosine {math.cos(math.pi * progress):+.3f}")

# %% [markdown]
# The function has three cases: the line up, the cosine down, and after the end. Take them one at a
# time; the check tells you which ones work. Stuck? `hint("warmup_cosine")`.

# %% solution="warmup_cosine"
import math


def warmup_cosine(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    """Compute the learning rate at ``step``, counted from 0.

    Before ``warmup_steps`` it is max_lr * step / warmup_steps. From there half a cosine
    leads from max_lr, at ``warmup_steps``, down to min_lr, at ``total_steps``; from
    ``total_steps`` on it stays at min_lr. ``warmup_steps`` may be 0, and may equal
    ``total_steps``. The schedulers of torch.optim.lr_scheduler are not allowed.

    Returns a Python float.
    """
    ### BEGIN SOLUTION
    if step >= total_steps:
        return min_lr
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2
    ### END SOLUTION

# %% tests="warmup_cosine"

# %% [markdown]
# Here is your schedule at work, twice: as a curve, and in a loop that writes it into the optimizer
# before each step. `for group in optimizer.param_groups` reaches every group of parameters.

# %%
from course_lib.beats import INK, LOSS, STEP
from course_lib.figures import finish, new_axes, show_figure

try:
    rates = [float(warmup_cosine(step, 100, 10, 0.1)) for step in range(121)]
except Exception as error:
    rates = []
    print(f"{type(error).__name__}: {error}")
    print("Run the cells above with warmup_cosine finished, then this one again.")
if rates:
    figure, axes = new_axes()
    axes.plot(rates, color=STEP.color, ls=STEP.linestyle)
    finish(axes, "Up in a line, down in a cosine, then the floor", "step", "learning rate")
    top = rates.index(max(rates))
    show_figure(figure, f"The rate climbs to {max(rates):.2f} at step {top} and ends at {rates[-1]:.2f}.")

# %%
w = torch.tensor(3.0, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=1.0)  # this rate is overwritten
for step in range(len(rates)):
    for group in optimizer.param_groups:
        group["lr"] = rates[step]
    loss = w**2 / 2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
if rates:
    print(f"w went from 3.00 to {w.item():.2f}")

# %% [markdown]
# ## When the machine crashes
#
# Training takes hours or weeks, and machines stop: a power cut, a time limit, a full disk. A
# **checkpoint** is a file that a run can continue from. What must it hold?
#
# Suppose a run of 60 epochs crashes after epoch 40. You start again with new objects, and restore
# everything **except the optimizer's state**. What will the loss do next?

# %%
predict("p08_5", "", "go on as before / jump up / stay higher for good")

# %% panel="crash_and_resume"

# %%
simulation = load("crash_and_resume")
saved = {"weights": True, "optimizer": False, "scheduler": True, "rng": True}
state = simulation.compute({"crash": 40, **saved})
whole, resumed = state.rest, state.resumed.losses
tenth = len(whole) // 10
jumps = resumed[:tenth].max() > 1.5 * whole[:tenth].max()
stays = resumed[-tenth:].mean() > 1.5 * whole[-tenth:].mean()
outcome("p08_5", "stay higher for good" if stays else "jump up" if jumps else "go on as before")

# %% [markdown]
# Play with the checkboxes, and move the crash. What you find with one box unticked and the others
# ticked:
#
# - **Everything saved:** the two curves are the same, to the last bit. That is what "resumed" means.
# - **Optimizer lost:** a jump. Two things are lost at once: Adam's averages, and the learning rate.
#   (After a crash in the first 10 epochs you see none: the rate has fallen little by then.)
# - **Scheduler lost:** no bump, but the rate on the right leaves its schedule.
# - **Random generator lost:** no bump, but different batches, so a different run.
# - **The bump heals.** Often the damaged run even ends lower. Saving everything does not make a
#   *better* run; it makes the *same* run. You need that to compare two ideas, to find a bug that
#   appears at step 40,000, and to trust a curve that was interrupted five times.
#
# Why is the learning rate lost with the optimizer, although the scheduler was saved? Look at where
# it is kept.

# %%
w = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.Adam([w], lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=60)
for _ in range(40):
    w.sum().backward()
    optimizer.step()
    scheduler.step()
saved = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
print("per parameter:", ", ".join(saved["optimizer"]["state"][0]))
print(f"learning rate: {saved['optimizer']['param_groups'][0]['lr']:.3f}")

# %%
new_optimizer = torch.optim.Adam([w], lr=0.1)
new_scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(new_optimizer, T_max=60)
new_scheduler.load_state_dict(saved["scheduler"])
print(f"scheduler restored: rate {new_optimizer.param_groups[0]['lr']:.3f}")
new_optimizer.load_state_dict(saved["optimizer"])
print(f"optimizer restored: rate {new_optimizer.param_groups[0]['lr']:.3f}")

# %% [markdown]
# `exp_avg` and `exp_avg_sq` are Adam's two averages. The scheduler restores its own count, but does
# not write the rate back; the optimizer brings it along.
#
# ## The pieces of a checkpoint
#
# **`state_dict()`** returns a dict of everything an object remembers. It is a dict of *references*:
# it does not copy. What does `kept` hold at the end of the next cell: the weight before the change,
# or after it?

# %%
predict("p08_6", "", "before / after")

# %%
import copy

model = torch.nn.Linear(1, 1, bias=False)
torch.nn.init.constant_(model.weight, 1.0)
kept, copied = model.state_dict(), copy.deepcopy(model.state_dict())
with torch.no_grad():
    model.weight += 5.0  # training goes on
print("kept:  ", kept["weight"].item())
print("copied:", copied["weight"].item())
outcome("p08_6", "before" if kept["weight"].item() == 1.0 else "after")

# %% [markdown]
# A file is a copy, too. **`torch.save`** writes a dict that may hold numbers, strings, tensors and
# other dicts; **`torch.load`** reads it. The file below is in a temporary folder and is gone after
# the `with` block.

# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "example.pt")
    torch.save({"model": model.state_dict(), "epoch": 3}, path)
    loaded = torch.load(path, weights_only=True)
print("keys:", list(loaded), "epoch:", loaded["epoch"])
print("into a new model:", torch.nn.Linear(1, 1, bias=False).load_state_dict(loaded["model"]))

# %% [markdown]
# **`weights_only=True`** matters. A file with arbitrary Python objects is a *pickle*, and a pickle
# can run any code while it is opened. With `weights_only=True`, tensors and plain data are read, and
# anything else is refused. Which of these two is refused: a `state_dict`, or a whole model?

# %%
with tempfile.TemporaryDirectory() as folder:
    for name, content in (("state_dict", model.state_dict()), ("whole model", model)):
        path = Path(folder, "example.pt")
        torch.save(content, path)
        try:
            torch.load(path, weights_only=True)
            print(f"{name}: opened")
        except Exception as error:
            print(f"{name}: refused with {type(error).__name__}")

# %% [markdown]
# A pickled model has a second problem: the file holds the *name* of its class, not its code. Rename
# a class, move a module, change `forward`, and old files break or give wrong results. Save the
# `state_dict`, and build the model from code.
#
# **The random state.** Shuffling and dropout draw from PyTorch's generator. Its state is a tensor
# that you can read and restore:

# %%
with torch.random.fork_rng():  # the reader's own random numbers stay as they are
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = torch.randperm(5).tolist()
    second = torch.randperm(5).tolist()
    torch.set_rng_state(state)
    print("again from the saved state:", torch.randperm(5).tolist() == first)
    print("without restoring, a different order:", first != second)

# %% [markdown]
# With a GPU there is `torch.cuda.get_rng_state_all()` for its generators, and with mixed precision
# the `GradScaler` has a `state_dict()` of its own; you will meet it in lab 08b. Everything else is
# the same.
#
# So this is what a run consists of, at the end of an epoch:
#
# | part | what it remembers | without it |
# |---|---|---|
# | the model's `state_dict()` | weights, and *buffers* such as batch norm's running averages | everything learned is lost |
# | the optimizer's `state_dict()` | Adam's averages and step counts; the learning rate | a jump |
# | the scheduler's `state_dict()` | its place in the schedule | the rate leaves its schedule |
# | PyTorch's random state | where the next random number comes from | different batches, different dropout |
# | the epoch number | how far the run is | epochs done twice, or never |
#
# `load_state_dict(...)` is the way back in, for model, optimizer and scheduler alike. It fills the
# object that you have; it does not make a new one.
#
# ## Exercise: save and resume
#
# Write the two functions. `load_checkpoint` gets new objects and fills them; a run that continues
# from there must equal, to the last bit, one that never stopped. The first milestone: save and load
# model and optimizer, and run the check; then the rest, one by one. Stuck? `hint("checkpointing")`.

# %% solution="checkpointing"
def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write the state of a run to the file at ``path`` (a str or a Path).

    epoch  the epoch that has just finished, counted from 0
    Everything that an exact continuation needs goes into the file, PyTorch's random
    state included, and torch.load(path, weights_only=True) opens it. Saving changes
    nothing in the run, not even the model's train or eval mode. Returns nothing.
    """
    ### BEGIN SOLUTION
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
        "rng_state": torch.get_rng_state(),
    }
    torch.save(checkpoint, path)
    ### END SOLUTION


def load_checkpoint(path, model, optimizer, scheduler):
    """Restore the run that was saved at ``path`` into these three new objects.

    A run that continues from here equals, exactly, one that was never interrupted. The
    scheduler may be any of PyTorch's. Train or eval mode stays as it is.
    Returns the first epoch still to run: an int.
    """
    ### BEGIN SOLUTION
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    torch.set_rng_state(checkpoint["rng_state"])
    return checkpoint["epoch"] + 1
    ### END SOLUTION

# %% tests="checkpointing"

# %% [markdown]
# This is how the two are used: load if there is a file, and save at the end of each epoch.
#
# ```python
# first_epoch = load_checkpoint(path, model, optimizer, scheduler) if path.exists() else 0
# for epoch in range(first_epoch, epochs):
#     train_one_epoch(model, loader, loss_fn, optimizer)
#     scheduler.step()
#     save_checkpoint(path, model, optimizer, scheduler, epoch)
# ```
#
# A careful habit: save to a temporary name first, then rename the file to `path`. A crash while
# saving then leaves the old file intact.

# %% [markdown]
# ## When to stop
#
# The training loss falls as long as you let it. The **validation loss**, on data that the model never
# trains on, falls at first and rises when the network begins to learn the noise by heart: that is
# overfitting, and you see it nowhere else. The best model is the one at the lowest point of that
# curve.
#
# You do not know where the lowest point is until it is behind you. **Early stopping** waits: when
# the validation loss has not improved for `patience` epochs in a row, it stops, and the best weights
# are restored. The curve is noisy, so an epoch without improvement means little. How much patience
# do you need? A good run has 120 epochs; guess before you move the slider.

# %%
predict("p08_7", "", "enough for the best within 1 %: 1 / 3 / 10 / 50 epochs")

# %% panel="early_stopping"

# %%
stops = load("early_stopping").compute({"patience": 1, "run": "slow"})
lowest = stops.validation.min()
enough = [
    patience
    for patience in (1, 3, 10, 50)
    if stops.stops[patience - 1].best_loss <= 1.01 * lowest
]
outcome("p08_7", f"{enough[0]} epochs" if enough[0] == 50 else str(enough[0]))

# %% [markdown]
# With a patience of 1 the first small rise ends the run, long before the best epoch. A few more
# epochs find most of it, and beyond about ten there is hardly anything left to find: more patience
# costs time and gains nothing. That is why 10 is a common default.
#
# In that slow run the curve only levels off. Choose the run that overfits strongly, and it turns
# up:

# %%
from course_lib.simulations import load

run = load("early_stopping").compute({"patience": 10, "run": "strong"})
losses = run.validation
print(f"lowest validation loss {losses.min():.1f}, at the end {losses[-1]:.1f}")
print(f"kept with a patience of 10: {run.stop.best_loss:.1f}, stopped early: {run.stop.epoch < 40}")

# %% [markdown]
# The training loss goes on falling there, and if you keep the last weights, you keep bad ones.
#
# Two details decide whether it works. You must keep a **copy** of the best weights, or they
# train on with the model. And NaN must not count as an improvement. Which of these comparisons is
# true?

# %%
nan = float("nan")
print("nan < 0.5:", nan < 0.5, "  nan > 0.5:", nan > 0.5, "  not nan >= 0.5:", not nan >= 0.5)

# %% [markdown]
# Every comparison with NaN is False. So how you phrase the question decides on which side NaN
# falls.
#
# ## Exercise: early stopping
#
# Write a class with one method. You call `.step(val_loss, model)` at the end of each epoch; it
# answers "stop now?". Stuck? `hint("EarlyStopping")`.

# %% solution="EarlyStopping"
import copy
import math


class EarlyStopping:
    """Watches the validation loss and says when to stop.

    An epoch is an improvement when val_loss < best_loss - min_delta. NaN never is.

    best_loss   the loss of the last improvement; infinity before the first one
    best_state  a copy of the model's state_dict at that epoch; None before
    """

    def __init__(self, patience=10, min_delta=0.0):
        ### BEGIN SOLUTION
        self.patience = patience
        self.min_delta = min_delta
        self.best_loss = math.inf
        self.best_state = None
        self.bad_epochs = 0
        ### END SOLUTION

    def step(self, val_loss, model):
        """Record the epoch's validation loss (a float). Returns True to stop, else False.

        It returns True at the ``patience``-th epoch in a row without an improvement. The
        model and its mode are left as they are: the caller loads best_state into it.
        """
        ### BEGIN SOLUTION
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss = val_loss
            self.best_state = copy.deepcopy(model.state_dict())
            self.bad_epochs = 0
        else:
            self.bad_epochs += 1
        return self.bad_epochs >= self.patience
        ### END SOLUTION

# %% tests="EarlyStopping"

# %% [markdown]
# ## Finale: a run that looks after itself
#
# The digits again, but with little data: 200 pictures to train on, 400 to validate on. Your
# schedule sets the rate before each step, and your `EarlyStopping` ends the run and returns the
# best weights. This part is not graded.

# %%
from course_lib.data import digits, loader
from course_lib.models import MLP
from course_lib.training import evaluate  # yours from chapter 07, but for whole tensors

images, labels = digits(size=8)
order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
train, val = order[:200], order[200:600]
loss_fn = torch.nn.CrossEntropyLoss()


def run_digits(epochs=60, max_lr=0.01):
    """Train with your schedule until your EarlyStopping says stop: losses per epoch, and the model."""
    model, stopper, history = MLP(64, 64, 10, seed=0), EarlyStopping(patience=10), []
    digit_loader = loader(images[train], labels[train], batch_size=20, seed=0)
    optimizer = torch.optim.Adam(model.parameters())
    step, total_steps = 0, epochs * len(digit_loader)
    for _ in range(epochs):
        for x, y in digit_loader:
            for group in optimizer.param_groups:
                group["lr"] = warmup_cosine(step, total_steps, total_steps // 10, max_lr)
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        train_loss, _ = evaluate(model, loss_fn, images[train], labels[train])
        val_loss, _ = evaluate(model, loss_fn, images[val], labels[val])
        history.append((train_loss, val_loss))
        if stopper.step(val_loss, model):
            break
    model.load_state_dict(stopper.best_state)
    return history, model


# %%
try:
    history, model = run_digits()
except Exception as error:
    history = []
    print(f"{type(error).__name__}: {error}")
    print("Run the cells above with warmup_cosine and EarlyStopping finished, then this one again.")
if history:
    best = min(val_loss for _, val_loss in history)
    figure, axes = new_axes()
    axes.plot([t for t, _ in history], color=INK, ls="--", lw=1.6, label="training loss")
    axes.plot([v for _, v in history], color=LOSS.color, label="validation loss")
    axes.set(yscale="log")
    finish(axes, "The run stops itself and keeps its best", "epoch", "mean loss per example")
    show_figure(figure, f"The validation loss falls from {history[0][1]:.1f} to {best:.1f}.")
    back, accuracy = evaluate(model, loss_fn, images[val], labels[val])
    print("stopped before epoch 60:", len(history) < 60)
    print("the model has the weights of the best epoch:", abs(back - best) < 1e-6)

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q08_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q08_1"

# %% quiz="q08_2"

# %% quiz="q08_3"

# %% [markdown]
# ## Recap
#
# 1. Start high to arrive, end low to settle; warm up while Adam's averages are empty.
# 2. `scheduler.step()` comes after `optimizer.step()`: once per epoch, but once per batch for
#    `OneCycleLR`; a cosine rises again after `T_max`.
# 3. A checkpoint holds model, optimizer, scheduler, epoch and random state (and the scaler). The
#    learning rate lives in the optimizer.
# 4. `state_dict()` gives references: copy to keep. Never pickle a model; load with
#    `weights_only=True`.
# 5. Stop when the validation loss has not improved for `patience` epochs in a row, and restore a
#    copy of the best weights.
#
# **From the bug cheat sheet:** *learning rate too low* - the loss hardly moves: multiply it by 10,
# and warm up so that the start survives it. *Learning rate too high* - the loss leaps: divide by 10,
# or let it fall over the run.
#
# **Where next:** lab 08b makes the same loop faster and smaller with mixed precision; chapter 09 puts
# everything into one production loop.
