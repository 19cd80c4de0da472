# %% [markdown] head=true
# After this chapter you can
#
# - say what a gradient tells you, and check one by nudging;
# - read the graph that autograd records, and say what `backward()` does with it;
# - compute the gradients of a linear model by hand;
# - measure gradients layer by layer, and find the layer at which a run exploded.
#
# **Builds on** the forward pass (chapter 01) and the loss (chapter 02).

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("03", "", "")

# %% tags=["setup"]
import math
import statistics

# %% [markdown]
# ## Which way, and how steep
#
# Forward has made predictions, and the loss has judged them. Now the weights should change so that
# the loss falls. Which way should each weight move, and which weights matter most? The third beat,
# **backward**, answers that for every weight at once.
#
# Start with the smallest model there is: one weight, one bias, one example. The model predicts
# w·x + b. Take w = 2, b = 1, x = 3, and a target of 5.

# %%
w, b, x, target = 2.0, 1.0, 3.0, 5.0
prediction = w * x + b
loss = (prediction - target) ** 2
print(f"prediction {prediction:.0f}, loss {loss:.0f}")

# %% [markdown]
# The prediction is 2 too high, so the loss is 4. Suppose you raise w by 0.001. By how much does the
# loss change: about 0.001, about 0.012, or about 4?

# %%
predict("p03_1", "", "0.001 / 0.012 / 4")

# %%
nudge = 0.001
nudged_loss = ((w + nudge) * x + b - target) ** 2
print(f"the loss changes by {nudged_loss - loss:.6f}")
print(f"per unit of w that is {(nudged_loss - loss) / nudge:.3f}")
change = nudged_loss - loss
outcome("p03_1", str(min((0.001, 0.012, 4), key=lambda guess: abs(guess - change))))

# %% [markdown]
# About 0.012: twelve times the nudge. That factor of 12 is the **gradient** of the loss with respect
# to w, written dL/dw. It says how much the loss changes per small change of the weight.
#
# There are two things it does not tell you. It does not say how far to move: the slope under your
# feet does not tell you where the valley is. And it holds for *small* changes only; a nudge of 1
# changes the loss by 21, not by 12.

# %%
print(f"a nudge of 1 changes the loss by {((w + 1) * x + b - target) ** 2 - loss:.0f}")

# %% [markdown]
# ## The same number by the chain rule
#
# Nudging works, but it needs an extra forward pass for every single weight. A network with 100,000
# weights would need 100,000 of them. The chain rule needs a single pass.
#
# Write the computation as a chain of small steps, and give each one its own small derivative:
#
# | step | value | its derivative | value |
# |---|---|---|---|
# | product = w · x | 6 | d product / dw = x | 3 |
# | prediction = product + b | 7 | d prediction / d product = 1, d prediction / db = 1 | 1 |
# | error = prediction - target | 2 | d error / d prediction = 1 | 1 |
# | loss = error² | 4 | d loss / d error = 2 · error | 4 |
#
# Each derivative looks at one step and nothing else. Now go from the loss back to w, and multiply
# what you find on the way: 4 · 1 · 1 · 3. On the way to b you find 4 · 1 · 1.

# %%
error = prediction - target
dL_derror = 2 * error
dL_dprediction = dL_derror * 1
dL_dw = dL_dprediction * x
dL_db = dL_dprediction * 1
print(f"dL/dw = {dL_dw:.0f}, dL/db = {dL_db:.0f}")

# %% [markdown]
# 12 again, and 4 for the bias. In one line: dL/dw = 2 (7 - 5) · 3.
#
# The picture below shows this walk. Blue numbers are values, computed from left to right. Green
# numbers are gradients, computed from right to left: each is the one to its right, times the factor
# on the arrow.
#
# Before you move a slider, two questions. What value of w makes its gradient 0? And which
# gradient becomes 0 when you set the *input* x to 0?

# %%
predict("p03_2", "", "w, one number")
predict("p03_3", "", "0 when x is 0: dL/dw / dL/db / both")

# %% panel="gradient_flow"

# %%
from course_lib.simulations import load

flow = load("gradient_flow").compute  # the simulation without its sliders
start = {"w": 2.0, "x": 3.0, "b": 1.0, "target": 5.0}
low, high = -5.0, 5.0  # halve the interval in which the gradient changes its sign
for _ in range(40):
    middle = (low + high) / 2
    if flow(start | {"w": middle}).gradients["w"] > 0:
        high = middle
    else:
        low = middle
outcome("p03_2", round(middle, 2), within=0.05)
gone = {name: flow(start | {"x": 0.0}).gradients[name] == 0 for name in ("w", "b")}
outcome("p03_3", "both" if all(gone.values()) else "dL/dw" if gone["w"] else "dL/db")

# %% [markdown]
# The gradient of w vanishes at the bottom of the bowl, at w = 4/3, where the prediction is exactly 5.
# With the slider you come close: 1.3.
#
# With x = 0 the weight has no say in the prediction, so dL/dw = 0, however wrong the prediction is.
# The bias still learns. That is a general rule: **a weight's gradient is the error that comes back,
# times the input that went in.** Weights whose input is 0 do not move.
#
# Look at the sign too. The gradient is positive where the loss rises with w. To lower the loss, move
# *against* it; that is chapter 04.

# %% [markdown]
# ## Exercise: measure a gradient by nudging
#
# Before you let PyTorch do it, build the tool that checks it. A better nudge goes both ways:
#
# slope at w ≈ (f(w + eps) - f(w - eps)) / (2 · eps)
#
# This is a **central difference**. Why both ways? On a curve, a one-sided nudge measures the slope
# between w and a point to its right; the two-sided one is centred on w. Here are both for the sine
# at 1, whose true slope is cos(1). Which one wins, and what happens when eps becomes very small?

# %%
predict("p03_4", "", "as eps shrinks, the error: falls / rises / falls, then rises")

# %%
from course_lib.beats import BACKWARD, INK
from course_lib.figures import finish, new_axes, show_figure

steps = [10.0**-k for k in range(1, 13)]
true_slope = math.cos(1)
one_sided = [abs((math.sin(1 + e) - math.sin(1)) / e - true_slope) for e in steps]
central = [abs((math.sin(1 + e) - math.sin(1 - e)) / (2 * e) - true_slope) for e in steps]

# %%
figure, axes = new_axes()
axes.loglog(steps, one_sided, color=INK, ls="--", marker="o", ms=4, label="one-sided")
axes.loglog(steps, central, color=BACKWARD.color, marker="s", ms=4, label="central")
title = "Central differences win; the smallest eps does not"
finish(axes, title, "eps, the size of the nudge", "error of the measured slope")
show_figure(
    figure,
    f"At eps = 0.01 the error is {one_sided[1]:.4f} one-sided and {central[1]:.6f} central. "
    "For very small eps both errors grow again.",
)
best = central.index(min(central))  # where the error is smallest, from the largest eps on
words = {0: "rises", len(steps) - 1: "falls"}
outcome("p03_4", words.get(best, "falls, then rises"))

# %% [markdown]
# Read it from right to left: as eps shrinks, both errors fall, the central one twice as fast on
# this scale. Then they rise again. When two values of f differ only in their last digits,
# subtracting them leaves little but rounding error. For float64, an eps around 1e-4 or 1e-5 works
# well for central differences.
#
# With tensors you need a way to visit every entry, whatever the shape. `flatten()` gives all
# entries in one row, `reshape` restores the shape, and `clone()` makes a copy that you may
# change. `torch.zeros_like(flat)` makes a tensor of the same shape and dtype, in which you can collect
# the slopes. (`view(-1)` does not work for every tensor: a transposed one is laid out in memory in
# a different order. It is not *contiguous*.)

# %%
w = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
flat = w.T.flatten().clone()
flat[1] += 0.5
print(flat.tolist())
print(flat.reshape(w.T.shape).tolist())
print("w is as it was:", w.tolist())

# %% [markdown]
# Now write it. `w` may have any shape, even none (`torch.tensor(2.0)`), and the result has the same
# shape. Nudge copies: the `w` you are given must stay untouched. `float(...)` turns what `f`
# returns into a plain number, and `w.detach()` is `w` without any history, in case it has one.
#
# The check below says "not attempted yet" before you start. There are two hints:
# `hint("numerical_gradient")`.


# %% solution="numerical_gradient"
def numerical_gradient(f, w, eps=1e-4):
    """Measure the gradient of ``f`` at ``w`` by central differences.

    f    takes a tensor of w's shape, returns a float or a 0-dim tensor
    w    a tensor of any shape, even 0-dim, not always contiguous; it may require
         gradients
    eps  how far an entry is nudged, up and down: its slope is measured between
         w - eps and w + eps

    Returns a tensor with w's shape and dtype, detached: one slope per entry of w.
    Afterwards w is unchanged, bit for bit.
    Nothing that differentiates is allowed: torch.autograd, backward(), torch.func,
    torch.gradient.
    """
    ### BEGIN SOLUTION
    flat = w.detach().flatten()
    slopes = torch.zeros_like(flat)
    for i in range(len(flat)):
        up, down = flat.clone(), flat.clone()
        up[i] += eps
        down[i] -= eps
        slopes[i] = float(f(up.reshape(w.shape)) - f(down.reshape(w.shape))) / (2 * eps)
    return slopes.reshape(w.shape)
    ### END SOLUTION


# %% tests="numerical_gradient"

# %% [markdown]
# ## What the forward pass leaves behind
#
# PyTorch does not nudge. While the forward pass runs, autograd writes down what was computed from
# what: a graph. Ask a result for its `grad_fn`, and you have the graph's last node.

# %%
w = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(1.0, requires_grad=True)
x, target = torch.tensor(3.0), torch.tensor(5.0)
prediction = w * x + b
loss = (prediction - target) ** 2
print("loss.grad_fn:      ", type(loss.grad_fn).__name__)
print("one node before it:", type(loss.grad_fn.next_functions[0][0]).__name__)
print("w:", w.grad_fn, "and is a leaf:", w.is_leaf, "| loss is a leaf:", loss.is_leaf)

# %% [markdown]
# `requires_grad=True` marks the tensors whose gradient you want. Parameters of an `nn.Module` have it
# set already. The inputs x and target do not need it: you will not change them.
#
# A tensor that you made yourself is a **leaf**: nothing was computed to get it. (This is a
# different kind of leaf from chapter 01's, a module without children.) Everything computed from a
# leaf that requires gradients carries a `grad_fn`, the way back.
#
# Now call `backward()`. What changes: the weights, the loss, or something else?

# %%
predict("p03_5", "", "the weights / the loss / something else")

# %%
was = w.item(), loss.item()
print("before:", w.grad, b.grad)
loss.backward()
print("after: ", w.grad, b.grad)
print(f"w is {w.item():.0f}, b is {b.item():.0f}, loss is {loss.item():.0f}; x.grad is {x.grad}")
moved = "the weights" if w.item() != was[0] else "the loss" if loss.item() != was[1] else ""
outcome("p03_5", moved or "something else")

# %% [markdown]
# 12 and 4, the numbers you found by hand. They ended up in `.grad` of the two leaves. That is all
# `backward()` leaves behind: **it moves no weight and does not change the loss.** And x, which
# asked for no gradient, got none.
#
# Your tool from above should agree. (If you have not written it yet, this cell says so.)


# %%
def loss_at(w):
    return (w * 3 + 1 - 5) ** 2


try:
    measured = numerical_gradient(loss_at, torch.tensor(2.0, dtype=torch.float64))
    print("measured:", measured)
except NotImplementedError:
    print("Write numerical_gradient above, then run this cell again.")

# %% [markdown]
# ## Walk the graph
#
# A real network's graph is not a chain. It is a **directed acyclic graph**: it branches at every
# layer, because a layer passes gradients to its weight, to its bias and to the layer before it.
#
# Step through it. The first network has two layers with a *tanh* between them, which bends the values
# as a ReLU does, but smoothly. In the second network the hidden values go two ways,
# through a layer and around it, and meet again in a sum. Find the node with two arrows into it. What
# must it do before it can go on?

# %%
predict("p03_6", "", "choose one of them / wait for both and add / go on twice")

# %% panel="graph_walker"

# %%
walk = load("graph_walker").compute({"network": "shortcut", "step": 0}).walk
arrows = [end for _, end in walk.edges]
twice = max(set(arrows), key=arrows.count)  # the node with two arrows into it
visits = sum(visit.place == walk.visits[twice].place for visit in walk.visits)
hidden = torch.tensor(3.0, requires_grad=True)
(hidden + 2 * hidden).backward()  # one way and another, as in the picture
added = hidden.grad.item() == 1 + 2
outcome("p03_6", "wait for both and add" if visits == 1 and added else "go on twice")

# %% [markdown]
# - The walk starts at the loss, with dL/dL = 1, and visits every node once.
# - `AddmmBackward0` is a linear layer. It passes on up to three gradients. The first layer passes
#   on only two: its input x does not need one.
# - `AccumulateGrad` is a dead end: a leaf. Here the gradient is *added* to `.grad`.
# - A node that was used twice waits until both gradients have arrived, and **adds** them. `TanhBackward0`
#   in the second network is one. If a value influences the loss along two paths, its influences add
#   up.
#
# Note the sizes as well. `gets [4, 3]` is the gradient of 4 examples with 3 hidden values: a gradient
# always has the shape of the tensor it belongs to.

# %% [markdown]
# ## Gradients add up
#
# "Added to `.grad`" has a consequence. Run forward and backward again without clearing anything.
# What is `w.grad` now: 12, 24, or an error?

# %%
predict("p03_7", "", "12 / 24 / an error")

# %%
loss = (w * x + b - target) ** 2  # a new forward pass records a new graph
loss.backward()
second = w.grad.item()
print(f"after a second forward and backward, w.grad is {second:.0f}")
w.grad = None
b.grad = None
loss = (w * x + b - target) ** 2
loss.backward(retain_graph=True)
loss.backward()
print(f"twice on one retained graph: {w.grad.item():.0f}")
outcome("p03_7", f"{second:.0f}")

# %% [markdown]
# 24: `backward()` adds to what is there. Setting `.grad` to None clears it; `model.zero_grad()` and
# `optimizer.zero_grad()` do that for all parameters of a model.
#
# Without `retain_graph=True`, a second walk over the *same* graph is an error. The values that the
# walk needs were freed as it went along:

# %%
loss = (w * x + b - target) ** 2
loss.backward()
try:
    loss.backward()
except RuntimeError as error:
    print("RuntimeError:", str(error)[:55], "...")

# %% [markdown]
# You will rarely want `retain_graph=True` in a training loop. A fresh batch means a fresh forward pass,
# and that means a fresh graph.

# %% [markdown]
# ## Reading autograd's first messages
#
# Almost everyone meets these four messages. They are caught here, so that you can read them in
# peace.


# %%
def attempt(title, action):
    try:
        action()
    except RuntimeError as error:
        print(f"{title}\n    {str(error).splitlines()[0][:70]} ...")


v = torch.tensor([1.0, 2.0], requires_grad=True)
attempt("1. nothing asked for a gradient", torch.tensor(3.0).backward)
attempt("2. more than one number", (v * 2).backward)
total = (v**2).sum()
total.backward()
attempt("3. the graph is gone", total.backward)
attempt("4. out of the graph", v.numpy)

# %% [markdown]
# | message begins | what it means | what to do |
# |---|---|---|
# | element 0 of tensors does not require grad | there is no graph behind this loss | look for `detach()`, `.item()` or `no_grad()` on the way, or for frozen parameters |
# | grad can be implicitly created only for scalar outputs | `backward()` starts at one number | reduce the loss, with `.mean()` for instance |
# | Trying to backward through the graph a second time | the graph was freed by the first walk | run the forward pass again |
# | Can't call numpy() on Tensor that requires grad | NumPy knows nothing about graphs | `tensor.detach().numpy()` |
#
# The graph also explains a memory problem. A loss that you keep in a list keeps its whole graph
# alive. When you only evaluate, switch the recording off:

# %%
model = torch.nn.Linear(3, 1)
with torch.no_grad():
    predictions = model(torch.ones(2, 3))
print("recorded inside no_grad:", predictions.grad_fn is not None)
print("recorded outside:", model(torch.ones(2, 3)).grad_fn is not None)

# %% [markdown]
# ## Exercise: the gradients of a linear model, by hand
#
# Once in your life, do autograd's work yourself. The model is x @ w + b with N examples and D
# features; the loss is the mean squared error.
#
# Start from the one example above: dL/dw = 2 · error · x. With N examples the loss is the *mean* of N
# such losses, so the gradient is the mean of N such gradients. With D features, each weight has its
# own input: the gradient of w[j] uses the column x[:, j].
#
# One product handles all D columns at once. See what `x.T @ v` adds up:

# %%
x = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])  # [N, D] = [3, 2]
v = torch.tensor([1.0, 0.0, -1.0])  # one number per example
print("x.T @ v:", (x.T @ v).round(decimals=3).tolist())
print("by hand:", [1 * 1.0 + 2 * 0.0 + 3 * -1.0, 10 * 1.0 + 20 * 0.0 + 30 * -1.0])

# %% [markdown]
# It is a sum over the examples, one per feature. Remember that this is a sum, but the loss is a
# mean.


# %% solution="linear_gradients"
def linear_gradients(x, y, w, b):
    """Compute the gradients of the mean squared error of ``x @ w + b``, without autograd,
    backward() or torch.func.

    x  inputs, [N, D]          w  weights, [D]
    y  targets, [N]            b  bias, 0-dim
    The loss is the mean over the N examples of (x @ w + b - y) squared. All four are
    float32 or all are float64.

    Returns a pair of tensors: dL/dw, [D], and dL/db, 0-dim, in the inputs' dtype.
    """
    ### BEGIN SOLUTION
    error = x @ w + b - y
    return 2 * x.T @ error / len(y), 2 * error.mean()
    ### END SOLUTION


# %% tests="linear_gradients"

# %% [markdown]
# ## Exercise: how large are the gradients?
#
# A network has thousands of gradients. One number per parameter is enough to see whether a layer
# learns: the length of its gradient, the **L2 norm**, which is the root of the sum of squares.
#
# `named_parameters()` gives names and parameters. After `backward()`, which of them have a `.grad`?

# %%
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
model[2].bias.requires_grad_(False)  # frozen: it will not be trained
loss = (model(torch.ones(4, 2)) ** 2).mean()
loss.backward()
for name, p in model.named_parameters():
    print(name, list(p.shape), "gradient:", None if p.grad is None else list(p.grad.shape))

# %%
g = torch.tensor([3.0, 4.0])
print("norm of [3, 4]:", g.norm().item(), "by hand:", math.sqrt(3.0**2 + 4.0**2))

# %% [markdown]
# Watch out for two things. Parameters may still hold gradients from an earlier loss: clear them
# first (`model.zero_grad()` sets each `.grad` to None). And a parameter that is frozen, or that
# this loss does not use, has `.grad` None afterwards: leave it out. That is not the same as a
# gradient of zero.


# %% solution="gradient_norms"
def gradient_norms(model, loss):
    """Run a fresh backward pass and measure each parameter's gradient.

    model  an nn.Module whose parameters may still hold old gradients
    loss   a 0-dim tensor with its graph; no backward pass has been run on it

    Returns a dict from parameter name to the L2 norm of its gradient, a Python float.
    A parameter that gets no gradient from this loss is left out, even if it held an
    old one; a gradient of zeros is listed as 0.0.
    Afterwards .grad holds the fresh gradients of this loss.
    layer_norms of course_lib.recorder is not allowed.
    """
    ### BEGIN SOLUTION
    model.zero_grad()
    loss.backward()
    return {
        name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None
    }
    ### END SOLUTION


# %% tests="gradient_norms"

# %% [markdown]
# ## Exercise: back to the run that went wrong
#
# In chapter 00 you stopped a run at step 47 and found by eye which layer blew up. Now you have
# the norms, one per layer and step. Let a function find it.
#
# What is an explosion? A norm far above what is *usual* for that layer. "Usual" means the
# **median** of the norms so far. Why not the mean? Look at a layer with one early spike:

# %%
norms = [1.0, 1.2, 90.0, 0.9, 1.1, 1.0]
print(f"mean {statistics.mean(norms):.1f}, median {statistics.median(norms):.2f}")
later = 30.0
print("30 is more than 10 times the mean:  ", later > 10 * statistics.mean(norms))
print("30 is more than 10 times the median:", later > 10 * statistics.median(norms))

# %% [markdown]
# One spike lifts the mean for a long time and hides what comes after it. The median hardly notices.
# For an even number of values, `statistics.median` takes the mean of the two middle ones.
#
# A second trap is NaN, "not a number". Is NaN larger than 10?

# %%
predict("p03_8", "", "True / False / an error")

# %%
nan = float("nan")
print("nan > 10:", nan > 10, "| nan < 10:", nan < 10, "| nan == nan:", nan == nan)
print("isfinite:", math.isfinite(nan), math.isfinite(float("inf")), math.isfinite(3.0))
outcome("p03_8", str(nan > 10))

# %% [markdown]
# Every comparison with NaN is False, so `norm > 10 * median` misses the worst case of all. Call
# `math.isfinite` first.
#
# When several layers explode at one step, the one that grew by the largest *factor* is the suspect.
# `max` finds the key with the largest value, and in a tie the first one:

# %%
ratios = {"fc1": 12.0, "head": 2400.0, "fc2": 17.0}
print(max(ratios, key=ratios.get))

# %% [markdown]
# The rules in full are in the docstring. Milestones: first the plain case, the earliest step with a
# norm above `factor` times the median; then NaN and infinity; then several layers at one step. Run
# the check after each.


# %% solution="first_explosion"
def first_explosion(history, factor=10.0):
    """Find where the gradients first exploded.

    history  a dict from layer name to its gradient norms, one float per step; all
             lists have the same length
    factor   a layer explodes at step t when its norm there is infinite or NaN, or is
             more than `factor` times the median of its norms at the steps before t

    Steps 0 to 4 are never explosions. The median of an even number of norms is the
    mean of the two middle ones; norms that are infinite or NaN are left out of it.
    When several layers explode at one step, the largest ratio norm / median decides.
    It counts as infinite for a norm that is not finite, and for a positive norm over
    a median of 0. If ratios are equal, the first layer in the dict wins.

    Returns (step, layer name) of the earliest explosion, or None.
    """
    ### BEGIN SOLUTION
    n_steps = len(next(iter(history.values())))
    for t in range(5, n_steps):
        ratios = {}
        for layer, norms in history.items():
            median = statistics.median(norm for norm in norms[:t] if math.isfinite(norm))
            if not math.isfinite(norms[t]) or (median == 0 and norms[t] > 0):
                ratios[layer] = math.inf
            elif norms[t] > factor * median:
                ratios[layer] = norms[t] / median
        if ratios:
            return t, max(ratios, key=ratios.get)
    return None
    ### END SOLUTION


# %% tests="first_explosion"

# %% [markdown]
# And here is the run from chapter 00, with the gradient norms of its three layers. What does your
# function say?

# %%
from course_lib.simulations import load

run = load("run_gone_wrong").compute({"step": 79, "lr": 0.3, "clip": False}).run
history = {layer: run.gradients[layer].tolist() for layer in run.gradients}
for layer, norms in history.items():
    ratio = norms[47] / statistics.median(norms[:47])
    print(f"{layer:5} at step 47: about {float(f'{ratio:.1g}'):g} times the usual norm")
try:
    print("first explosion:", first_explosion(history))
except NotImplementedError:
    print("Write first_explosion above, then run this cell again.")

# %% [markdown]
# All three layers jump at step 47, two of them to about ten times their usual norm. `head` stands out
# for its ratio. It is the one layer that sees the side column. A weight's gradient is the error
# times its *input*, and the input was 999.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q03_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q03_1"

# %% quiz="q03_2"

# %% quiz="q03_3"

# %% [markdown]
# ## Recap
#
# 1. A gradient says how much the loss changes per small change of a weight: slope times nudge.
# 2. The forward pass records a graph; `backward()` walks it from the loss, multiplying local
#    derivatives and adding where paths meet.
# 3. Gradients land in `.grad` of the leaves. `backward()` moves no weight.
# 4. They are added to what is there: clear them, or they pile up.
# 5. A weight's gradient is the error that comes back times the input that went in; norms per layer
#    show where a run breaks.
#
# **From the bug cheat sheet:** *`zero_grad` forgotten* - you have seen why: `backward()` adds.
# *No `no_grad` in validation* - every recorded graph that is kept costs memory; switch the recording
# off when you only evaluate.
#
# **Where next:** you have a direction for every weight. In chapter 04 you decide how far to go.
