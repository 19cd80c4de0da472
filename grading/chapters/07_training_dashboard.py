# %% [markdown] head=true
# After this chapter you can
#
# - read a training run while it happens: what a good one looks like, and four ways it can go
#   wrong;
# - say what `eval()` does, what `no_grad()` does, and why an evaluation needs both;
# - measure a model without changing it;
# - run an experiment that is repeatable to the last digit, and choose a learning rate by a rule.
#
# **Builds on** the complete loop (chapter 05) and on batches (chapter 06).

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("07", "", "")

# %% [markdown]
# ## A run that you can watch
#
# So far a run was a list of losses, read after the fact. Now you watch one live. The task: 160
# points on two circles, one inside the other. The network has two inputs (the point's coordinates),
# one hidden layer of 16 tanh units and two logits.

# %% tags=["setup"]
import math

from torch import nn

from course_lib.data import circles

# %%
points, labels = circles(160)
print("points:", list(points.shape), " labels:", list(labels.shape))
radius = points.norm(dim=1)
for label in (0, 1):
    print(f"mean radius of class {label}: {radius[labels == label].mean():.2f}")

# %% [markdown]
# The network assigns each point of the plane to class 0 or class 1. Where it changes its mind is
# the **decision boundary**, the black line below. Before you press Train, make three predictions.
# Random weights draw some boundary: how many of the points does it have on the right side? How many
# after the last step? And when does the loss fall fastest?

# %%
predict("p07_1", "", "right at first: a tenth / half / nine tenths")
predict("p07_2", "", "right at the end: half / three quarters / nearly all")
predict("p07_3", "", "the loss falls fastest: at the start / somewhere later / evenly")

# %% panel="dashboard"

# %% [markdown]
# Press Train. The run goes on while you watch, and Pause stops it. Step makes one update, which is
# one batch; Reset goes back to the initial settings and weights. A new learning rate takes effect
# at once, in the middle of the run. Changing anything else starts a new run. The other buttons are
# experiments; they come below.
#
# What you see, in this order:
#
# - **A line that means nothing.** Random weights draw some line or arc that has nothing to do with
#   the circles. About half of the points are on the right side.
# - **A curve that wraps.** The line bends, one end after the other, until it closes around the
#   inner circle.
# - **Steep, then slow.** The loss stays on a plateau near 0.69 at first: as long as the boundary is
#   a line, no line is good. Then it falls steeply while the curve closes. At the end it creeps,
#   because the points that are still wrong lie near the boundary.
#
# The 0.69 is not an accident. It is the loss of a network that gives both classes a probability of one
# half:

# %%
print(f"-log(1/2) = {-math.log(0.5):.3f}")

# %% [markdown]
# Here is the same kind of run in numbers. `Trainer` is the course's own loop, with the five lines
# you know in each step; here it watches for you.

# %%
from course_lib import training
from course_lib.models import MLP


def watch(optimizer_class, lr, batch_size, epochs, seed=0):
    """Train like the dashboard: (loss, accuracy) on all points per epoch, and all batch losses."""
    model = MLP(2, 16, 2, activation=nn.Tanh, seed=seed)
    optimizer, loss_fn = optimizer_class(model.parameters(), lr=lr), nn.CrossEntropyLoss()
    trainer = training.Trainer(model, optimizer, loss_fn, points, labels, batch_size, seed=seed)
    epoch_results, batch_losses = [], []
    for _ in range(epochs):
        batch_losses += [record.loss for record in trainer.run(trainer.steps_per_epoch)]
        epoch_results.append(training.evaluate(model, loss_fn, points, labels))
    return epoch_results, batch_losses


# %%
Adam, SGD = torch.optim.Adam, torch.optim.SGD
results, _ = watch(Adam, lr=0.01, batch_size=16, epochs=50)
for epoch in (1, 10, 20, 30, 50):
    loss, accuracy = results[epoch - 1]
    print(f"after epoch {epoch:2}: loss {loss:.2f}, accuracy {accuracy:.2f}")
first_good = next(i + 1 for i, (_, accuracy) in enumerate(results) if accuracy >= 0.95)
print("between epoch 15 and 35 it first reaches 95 %:", 15 <= first_good <= 35)
untrained_model = MLP(2, 16, 2, activation=nn.Tanh, seed=0)
_, at_first = training.evaluate(untrained_model, nn.CrossEntropyLoss(), points, labels)
first_parts = {"a tenth": 0.1, "half": 0.5, "nine tenths": 0.9}
last_parts = {"half": 0.5, "three quarters": 0.75, "nearly all": 1.0}
outcome("p07_1", min(first_parts, key=lambda part: abs(first_parts[part] - at_first)))
outcome("p07_2", min(last_parts, key=lambda part: abs(last_parts[part] - results[-1][1])))
tens = [results[epoch][0] for epoch in (0, 9, 19, 29, 39, 49)]
falls = [before - after for before, after in zip(tens, tens[1:])]  # in ten epochs each
steepest = falls.index(max(falls))
evenly = max(falls) < 2 * min(falls)
outcome("p07_3", "evenly" if evenly else "somewhere later" if steepest else "at the start")

# %% [markdown]
# ## Ruin it on purpose
#
# A healthy curve teaches little. Spoil one thing at a time, and learn what each mistake looks like,
# so that you recognise it when you meet it. The row of buttons in the dashboard holds these
# experiments: press one after you have written down your prediction.
#
# **Experiment 1: a learning rate of 10** (the button *SGD at 10*; *Explode* does it to Adam).
# Folklore says that the loss goes to infinity. Does it?

# %%
predict("p07_4", "", "infinity / NaN / large but finite")

# %%
all_losses = []
for optimizer_class in (SGD, Adam):
    results, batch_losses = watch(optimizer_class, lr=10, batch_size=16, epochs=50)
    all_losses += batch_losses
    finite = all(math.isfinite(loss) for loss in batch_losses)
    leaps, fits = max(batch_losses) > 50, results[-1][1] >= 0.9
    name = optimizer_class.__name__
    print(f"{name:4} a batch loss above 50: {leaps}; all finite: {finite}; fits: {fits}")
is_nan = any(math.isnan(loss) for loss in all_losses)
finite = all(math.isfinite(loss) for loss in all_losses)
outcome("p07_4", "NaN" if is_nan else "large but finite" if finite else "infinity")

# %% [markdown]
# It leaps far above 50, where guessing costs 0.69, and stays finite. It never fits, either. The reason
# is the loss. Cross-entropy's gradient at a logit is *probability minus target*: whatever happens,
# it lies between -1 and 1. Steps are far too long, but they do not feed on themselves.
#
# Squared error has no such bound: its gradient grows with the error. Here both outputs get a
# target, +1 for the right class and -1 for the other. In the dashboard, press *SGD at 10*, set *Loss*
# to squared error, and press Train.

# %%
targets = 2.0 * nn.functional.one_hot(labels) - 1
model = MLP(2, 16, 2, activation=nn.Tanh, seed=0)
optimizer, loss_fn = SGD(model.parameters(), lr=10), nn.MSELoss()
trainer = training.Trainer(model, optimizer, loss_fn, points, targets, batch_size=16)
losses = [record.loss for record in trainer.run(30)]
print("all finite:", all(math.isfinite(loss) for loss in losses))
print("gone within 20 updates:", not math.isfinite(losses[19]))

# %% [markdown]
# A larger error makes a larger gradient, a larger step, and a still larger error. That loop ends in
# infinity, and the update after that in NaN. So *"the loss is NaN"* and *"the loss leaps about"*
# can be the same mistake with two different losses. First thing to try: divide the rate by 10.
#
# **Experiment 2: *Adam at 0.0001*.** Nothing leaps here. What does the curve do in 50 epochs?

# %%
results, _ = watch(Adam, lr=0.0001, batch_size=16, epochs=50)
print(f"loss after epoch 1: {results[0][0]:.2f}, after epoch 50: {results[-1][0]:.2f}")

# %% [markdown]
# It moves by 0.02 in nearly 500 updates: no error, no noise, and no progress. First thing to try:
# multiply the rate by 10.
#
# **Experiment 3: *SGD against Adam*, both at 0.1.** Which one is smoother, and which one is
# quicker? Count the epochs that end with a *higher* loss than the one before.

# %%
predict("p07_5", "", "quicker: SGD / Adam")
predict("p07_6", "", "smoother: SGD / Adam")

# %%
rougher, sooner = {}, {}
for optimizer_class in (SGD, Adam):
    results, _ = watch(optimizer_class, lr=0.1, batch_size=16, epochs=50)
    rises = sum(after[0] > before[0] for before, after in zip(results, results[1:]))
    early = max(accuracy for _, accuracy in results[:20])
    often = "often" if rises > 5 else "hardly ever"
    name, quick = optimizer_class.__name__, early >= 0.95
    rougher[name], sooner[name] = rises, early
    print(f"{name:4} the loss rises {often}; 95 % within 20 epochs: {quick}")
outcome("p07_5", max(sooner, key=sooner.get))
outcome("p07_6", min(rougher, key=rougher.get))

# %% [markdown]
# SGD glides and is slow; Adam is there in a few epochs and jitters from then on. The same number
# 0.1 means different things to them. SGD multiplies it by the gradient, and gradients are small here.
# Adam divides the gradient by its usual size first, so its steps are many times longer, even near
# the bottom, where they leap from side to side. You cannot compare the rates of different
# optimizers.
#
# **Experiment 4: batch size.** Adam at 0.01, 50 epochs, batches of 16 or of 128. Same data, same
# epochs. Same result?

# %%
predict("p07_7", "", "16 is better / 128 is better / about the same")

# %%
ends = {}
for batch_size, epochs in ((16, 50), (128, 50), (128, 250)):
    results, batch_losses = watch(Adam, 0.01, batch_size, epochs)
    print(
        f"batch {batch_size:3}, {epochs:3} epochs = {len(batch_losses)} updates:"
        f" loss below 0.2: {results[-1][0] < 0.2}"
    )
    ends[batch_size, epochs] = results[-1][0]
ratio = ends[128, 50] / ends[16, 50]
alike = 0.8 < ratio < 1.25
outcome("p07_7", "about the same" if alike else f"{16 if ratio > 1 else 128} is better")

# %% [markdown]
# Equal epochs are not equal updates. With 128 an epoch has two updates, with 16 it has ten. After
# 50 epochs the run with large batches has made 100 steps and is behind; give it 500, and it gets
# there too.
#
# The button *Batch 1 against 128* shows the extreme, and *Second run beside it* offers both views:
# as many epochs, or as many updates. With batches of 1 each step depends on one point, so the
# curve jumps.
#
# When two runs differ, ask first whether they made the same number of updates.

# %% [markdown]
# ## Two switches that look alike
#
# To know how good a model is, you run it without training it. Two lines go with almost every
# evaluation: `model.eval()` and `with torch.no_grad():`. They are often taken to be the same
# thing. Test it: a network with dropout, in all four combinations. For each, two questions:
#
# - do two calls on the same input give the **same** numbers?
# - does the output carry a **graph**, so that `backward()` would work?
#
# Fill in the table before you run the next cell.

# %%
choices = "same, graph / same, no graph / different, graph / different, no graph"
predict("p07_8", "", f"model.train(), recording: {choices}")
predict("p07_9", "", f"model.train(), no_grad: {choices}")
predict("p07_10", "", f"model.eval(), recording: {choices}")
predict("p07_11", "", f"model.eval(), no_grad: {choices}")

# %%
model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 2))
table = []
for training_mode in (True, False):
    for recording in (True, False):
        model.train(training_mode)
        with torch.set_grad_enabled(recording):
            first, second = model(points), model(points)
        row = "model.train()" if training_mode else "model.eval() "
        column = "recording" if recording else "no_grad  "
        numbers = "same numbers     " if torch.allclose(first, second) else "different numbers"
        print(row, column, "->", numbers, "graph" if first.requires_grad else "no graph")
        same = "same" if torch.allclose(first, second) else "different"
        table.append(f"{same}, {'graph' if first.requires_grad else 'no graph'}")
for question, entry in zip(("p07_8", "p07_9", "p07_10", "p07_11"), table):
    outcome(question, entry)

# %% [markdown]
# The mode decides the numbers, recording decides the graph, and neither affects the other:
#
# | | recording | under `no_grad()` |
# |---|---|---|
# | `train()` | different numbers, graph: **training** | different numbers, no graph: a wrong measurement |
# | `eval()` | same numbers, graph: right but wasteful | same numbers, no graph: **evaluation** |
#
# `eval()` sets a flag, `training = False`, on every module. Dropout and batch norm read it; most
# other layers do not. `no_grad()` tells autograd to record nothing, which saves the memory for the
# graph. Neither of them freezes a weight.
#
# One more trap: the flag stays set. A loop that evaluates once per epoch and forgets to switch back
# trains without dropout from then on. So remember the mode, and restore it. The mode is the
# attribute `model.training`, and `model.train(mode)` sets either one.

# %%
model.eval()
was_training = model.training
print("was_training:", was_training)
model.train(was_training)
print("afterwards:  ", model.training)

# %% [markdown]
# ## Exercise: measure without leaving a trace
#
# Write `evaluate`. You know the mean loss per example from chapter 05: weight each batch's mean by
# the batch's size. For the accuracy, count: the prediction is the class with the largest logit,
# which `argmax` finds.

# %%
logits = torch.tensor([[2.0, -1.0], [0.3, 0.9], [1.5, 1.4]])
y = torch.tensor([0, 1, 1])
print("predictions:", logits.argmax(dim=1).tolist())
print("right:", (logits.argmax(dim=1) == y).sum().item(), "of", len(y))

# %% [markdown]
# A milestone on the way: the two numbers first, and the check will confirm them; then the mode and
# the graph. Hints: `hint("evaluate")`.

# %% solution="evaluate"
def evaluate(model, loader, loss_fn):
    """Measure a classifier without changing anything.

    model:   returns logits [batch, classes]; it may arrive in train or in eval mode
    loader:  any iterable of (x, y) batches; the last one may be smaller. It need
             not be a DataLoader, so do not rely on loader.dataset
    loss_fn: takes logits and labels, returns the mean over the batch

    Returns (loss, accuracy), two Python floats: the mean loss per example, and
    the fraction of all examples whose largest logit is the right one.

    Dropout and batch norm behave as in evaluation, and no graph is recorded.
    Afterwards the model is in the mode it arrived in. The evaluate of
    course_lib.training is not allowed.
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    total_loss, n_right, n_examples = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            total_loss += loss_fn(logits, y).item() * len(y)
            n_right += (logits.argmax(dim=1) == y).sum().item()
            n_examples += len(y)
    model.train(was_training)
    return total_loss / n_examples, n_right / n_examples
    ### END SOLUTION


# %% tests="evaluate"

# %% [markdown]
# ## A repeatable experiment
#
# You want to know whether a change helps. So you run with it and without it, and compare. But how
# much do two runs differ when *nothing* is changed except the random start?

# %%
predict("p07_12", "", "the final losses: equal / a few hundredths apart / far apart")

# %%
finals = []
for seed in (0, 1, 2):
    results, _ = watch(Adam, lr=0.01, batch_size=16, epochs=50, seed=seed)
    finals.append(results[-1][0])
    reached = next(i + 1 for i, (_, accuracy) in enumerate(results) if accuracy >= 0.95)
    print(f"seed {seed}: final loss {results[-1][0]:.2f}, 95 % after epoch {reached}")
apart = max(finals) - min(finals)
near = "a few hundredths apart" if apart < 0.15 else "far apart"
outcome("p07_12", "equal" if apart == 0 else near)

# %% [markdown]
# By a few hundredths in the loss, and by several epochs in speed. A change with a smaller effect
# than that has shown nothing. Two rules follow:
#
# - **Fix the seed** while you compare, so that only your change differs.
# - **Repeat with other seeds** before you believe the result.
#
# What is random in a run? The initial weights and the order of the batches (and dropout, if there
# is any). All of them draw from PyTorch's random state, and `torch.manual_seed(seed)` sets it. That
# determines everything drawn afterwards:

# %%
for _ in range(2):
    torch.manual_seed(7)
    weight, order = nn.Linear(2, 1).weight, torch.randperm(6)
    print([round(w, 2) for w in weight.flatten().tolist()], order.tolist())

# %% [markdown]
# Note "afterwards": a model built *before* the seed is set does not depend on it. And a model
# built outside the function goes on learning from call to call. A run should build everything
# itself.
#
# You need two tools for the next exercise. `order.split(batch_size)` cuts a random order into
# batches of rows. And a list with one pair in it is a loader too, with all points in one batch:
# what `evaluate` needs at the end of an epoch.

# %%
order = torch.randperm(10)
print("rows per batch:", [len(rows) for rows in order.split(4)])
for x, y in [(points, labels)]:
    print("one batch of", len(x))

# %% [markdown]
# ## Exercise: one run, start to end
#
# Write `run_experiment`: everything from the seed to the history. The network, the data and the
# loss are the dashboard's. A milestone: get `"adam"` to work and run the check; then the
# second optimizer and the error for an unknown name. Hints: `hint("run_experiment")`.

# %% solution="run_experiment"
def run_experiment(optimizer_name, lr, batch_size, epochs, seed):
    """Train a fresh network on the two circles and keep score.

    optimizer_name: "sgd" (torch.optim.SGD) or "adam" (torch.optim.Adam)
    seed:           determines the initial weights and the order of the batches

    The data is circles(160), the network is 2 -> 16 -> 2 with a tanh in between,
    the loss is cross-entropy, and the batches are shuffled.

    Returns {"loss": [...], "accuracy": [...]}: two new lists of Python floats,
    one entry per epoch. The same arguments give the same numbers, whatever was
    drawn before; a different seed gives different ones.
    Raises ValueError for any other optimizer_name. The Trainer of
    course_lib.training is not allowed.
    """
    ### BEGIN SOLUTION
    torch.manual_seed(seed)  # before anything is drawn
    points, labels = circles(160)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    if optimizer_name == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    elif optimizer_name == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    else:
        raise ValueError(f'optimizer_name is "sgd" or "adam", not {optimizer_name!r}')
    loss_fn = nn.CrossEntropyLoss()
    history = {"loss": [], "accuracy": []}
    for _ in range(epochs):
        for rows in torch.randperm(len(points)).split(batch_size):
            x, y = points[rows], labels[rows]
            predictions = model(x)
            loss = loss_fn(predictions, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        mean_loss, accuracy = evaluate(model, [(points, labels)], loss_fn)
        history["loss"].append(mean_loss)
        history["accuracy"].append(accuracy)
    return history
    ### END SOLUTION


# %% tests="run_experiment"

# %% [markdown]
# ## Exercise: choose the learning rate
#
# Run several rates, and take the one that ends lowest. That sounds like one call to `min`. But some
# of the runs have diverged. What does `min` make of NaN?

# %%
predict("p07_13", "", "min([nan, 0.5]): nan / 0.5")
predict("p07_14", "", "min([0.5, nan]): nan / 0.5")

# %%
nan = float("nan")
print("nan < 0.5:", nan < 0.5, "  nan > 0.5:", nan > 0.5, "  nan == nan:", nan == nan)
print("min([nan, 0.5]) =", min([nan, 0.5]), "  min([0.5, nan]) =", min([0.5, nan]))
outcome("p07_13", str(min([nan, 0.5])))
outcome("p07_14", str(min([0.5, nan])))

# %% [markdown]
# Every comparison with NaN is False, so `min` keeps whatever comes first. A diverged run can win
# because of its place in the list. Take the diverged runs out before you compare;
# `math.isfinite(value)` is False for NaN and for infinity.
#
# What counts is the final loss, not a low one that a run touched in the middle before it rose
# again. Hints: `hint("best_learning_rate")`.

# %% solution="best_learning_rate"
def best_learning_rate(results):
    """Choose among finished runs.

    results: a dict, learning rate -> list of losses, one per epoch

    Returns the learning rate with the lowest last loss. A run with a NaN or
    an infinity anywhere in its list has diverged and is never chosen. results
    is left as it was.
    Raises ValueError when every run diverged.
    """
    ### BEGIN SOLUTION
    finite = {
        lr: losses
        for lr, losses in results.items()
        if all(math.isfinite(loss) for loss in losses)
    }
    if not finite:
        raise ValueError("every run diverged")
    return min(finite, key=lambda lr: finite[lr][-1])
    ### END SOLUTION


# %% tests="best_learning_rate"

# %% [markdown]
# Now all three together: five rates for Adam, thirty epochs each, the same seed. At which rate do
# you expect the lowest final loss?

# %%
predict("p07_15", "", "1 / 0.1 / 0.01 / 0.001 / 0.0001")

# %% tags=["raises-exception"]
rates = (1.0, 0.1, 0.01, 0.001, 0.0001)
try:
    sweep = {}
    for lr in rates:
        losses = run_experiment("adam", lr, 16, 30, seed=0)["loss"]
        sweep[lr] = [float(loss) for loss in losses]
    best = best_learning_rate(sweep)
    print(f"lowest final loss at rate {best:g}")
    outcome("p07_15", f"{best:g}")
except (NotImplementedError, TypeError, KeyError) as error:
    sweep = None
    print(f"{type(error).__name__}: finish the three functions above, then run this cell again.")

# %% tags=["raises-exception"]
from course_lib.beats import AZURE, BROWN, GREY, INK, LOSS
from course_lib.figures import finish, new_axes, show_figure

looks = zip((GREY, LOSS.color, INK, AZURE, BROWN), ("-", "--", "-.", ":", (0, (6, 2))))
if sweep:
    figure, axes = new_axes(7.4, 3.8)
    for (lr, losses), (color, style) in zip(sweep.items(), looks):
        axes.plot(range(1, len(losses) + 1), losses, color=color, ls=style, label=f"lr {lr:g}")
    axes.set(yscale="log", xlim=(0, 40), xticks=(1, 10, 20, 30))
    finish(axes, "Too low creeps, too high leaps", "epoch", "loss on all points (log scale)")
    moved = abs(sweep[0.0001][-1] - sweep[0.0001][0])
    show_figure(figure, f"Rate {best:g} ends lowest; rate 0.0001 moves the loss by {moved:.2f}.")

# %% [markdown]
# Factors of ten make the right first grid: the useful range of a learning rate is often about one
# such factor wide, and a wrong power of ten is what ruins a run. Notice what "best" depends on:
# thirty epochs, batches of 16, one seed, and the loss on the very points that the network trained
# on. Change any of these, and the best rate may change too. The next chapter has the cure for the
# jitter of the high rates: start high, end low.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q07_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q07_1"

# %% quiz="q07_2"

# %% quiz="q07_3"

# %% [markdown]
# ## Recap
#
# 1. A healthy curve is steep, then slow; leaps mean the rate is too high, a flat line that it is
#    too low.
# 2. At a rate of 10 cross-entropy leaps and stays finite; squared error with SGD reaches infinity.
# 3. `eval()` changes what dropout and batch norm do; `no_grad()` stops the recording. An evaluation
#    needs both, and restores the mode.
# 4. Equal epochs are not equal updates.
# 5. One run is an anecdote: fix the seed to compare, change the seed to believe.
#
# **From the bug cheat sheet:** *`train()` / `eval()` forgotten* - dropout and batch norm
# misbehave; the same model gets a different accuracy each time. *No `no_grad` in validation* -
# memory fills with unused graphs. *Learning rate too high* - the loss leaps: divide by 10. *Too
# low* - it hardly moves: multiply by 10.
#
# **Where next:** in chapter 08 the learning rate changes during the run, and a run survives a
# crash.
