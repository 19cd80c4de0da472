# %% [markdown] head=true
# After this chapter you can
#
# - write the steps of SGD, momentum and Adam, and say what each one keeps in memory;
# - choose a learning rate, and recognise one that is too large or too small;
# - update weights without confusing autograd;
# - clip gradients, and say what clipping repairs and what it does not.
#
# **Builds on** gradients and norms (chapter 03).

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("04", "", "")

# %% [markdown]
# ## Against the gradient
#
# Forward, loss, backward: every weight now has a gradient, the slope of the loss under its feet. The
# fourth beat, the **step**, moves the weights. This is the plainest rule there is:
#
# w ← w - lr · g
#
# g is the gradient, and lr the **learning rate**, a small number that you choose. A weight is
# 1.0 and its gradient is 2.0; lr is 0.1. What is the weight after one step?

# %%
predict("p04_1", "", "one number")

# %%
w = torch.tensor(1.0, requires_grad=True)
w.grad = torch.tensor(2.0)
optimizer = torch.optim.SGD([w], lr=0.1)
optimizer.step()
print(f"w = {w.item():.1f}")
outcome("p04_1", round(w.item(), 3))

# %% [markdown]
# It falls by 0.1 · 2.0 = 0.2. The slope was positive: the loss rises with w, so downhill is the
# other way. Hence the minus sign.
#
# The rule is called **SGD**, stochastic gradient descent. "Stochastic" does not mean that the step is
# random. The gradient comes from one batch, and batches are drawn at random.

# %% [markdown]
# ## How large a step
#
# The gradient says how steep it is, not how far the valley is. How far to go is your decision. Take
# the bowl L = w², whose gradient is 2w, start at w = 1, and make 20 steps. Which of the four rates
# brings w closest to 0, and which makes things worse?

# %%
predict("p04_2", "", "closest to 0: 0.01 / 0.4 / 0.9 / 1.1")
predict("p04_3", "", "worse than before: 0.01 / 0.4 / 0.9 / 1.1")

# %%
ends = {}
for lr in (0.01, 0.4, 0.9, 1.1):
    w, path = 1.0, []
    for _ in range(20):
        w = w - lr * 2 * w
        path.append(w)
    first = ", ".join(f"{value:.2f}" for value in path[:4])
    ends[lr] = abs(path[-1])
    print(f"lr {lr:<4}: {first}, ... after 20 steps {path[-1]:.3g}")
outcome("p04_2", str(min(ends, key=ends.get)))
outcome("p04_3", ", ".join(str(lr) for lr, end in ends.items() if end > 1.0))

# %% [markdown]
# Each step multiplies w by 1 - 2·lr. At 0.01 that is 0.98: slow. At 0.4 it is 0.2: quick. At 0.9 it is
# -0.8: every step lands on the *other side*, a little closer. At 1.1 it is -1.2: every step lands on
# the other side, farther away.
#
# The limit is where the factor is -1: lr · curvature = 2. Here the curvature, the slope of the
# slope, is 2, so the limit is 1. A steeper bowl has a lower limit. And a network has many
# directions with many curvatures, but one learning rate for all of them. The steepest direction
# sets the limit; the flattest one decides how long you wait.

# %% [markdown]
# ## Updating weights without confusing autograd
#
# In plain Python the rule is one line. With tensors there are two traps. Here is the first:

# %%
w = torch.tensor(1.0, requires_grad=True)
parameters = [w]
for p in parameters:
    p = p - 0.1 * 2.0
print("p:", round(p.item(), 1), "| in the list:", parameters[0].item())

# %% [markdown]
# `p = p - ...` makes a **new** tensor and gives it the name p. The model still holds the old one, and
# nothing has been learned. You must change the tensor itself, **in place**: `p -= ...`, or
# `p.sub_(...)`. But that is where the second trap is:

# %%
try:
    w -= 0.1 * 2.0
except RuntimeError as error:
    print("RuntimeError:", str(error)[:78])

# %% [markdown]
# Read it from the end. You are changing a tensor in place. It is a **leaf that requires grad**: a
# parameter. Autograd records everything that is done with it, and an update is not part of the
# network. Tell it to look away:

# %%
with torch.no_grad():
    w -= 0.1 * 2.0
print(round(w.item(), 1), "| still requires gradients:", w.requires_grad)

# %% [markdown]
# In older code you will see `w.data -= ...`. It also works, but it hides mistakes. Suppose
# something changes w between forward and backward. The gradient of w² at 3 should be 6. What comes
# out?

# %%
predict("p04_4", "", "6 / another number / an error")

# %%
w = torch.tensor(3.0, requires_grad=True)
y = w**2
w.data -= 3.0
y.backward()
print("after .data:   the gradient is", w.grad.item())
got = w.grad.item()

w = torch.tensor(3.0, requires_grad=True)
y = w**2
with torch.no_grad():
    w -= 3.0
try:
    y.backward()
except RuntimeError as error:
    print("after no_grad: RuntimeError:", str(error)[:51], "...")
outcome("p04_4", "6" if got == 6 else "another number")

# %% [markdown]
# `.data` goes behind autograd's back, and you get a wrong gradient without a word. Under `no_grad`
# autograd knows that the value has changed, and refuses to compute nonsense.

# %% [markdown]
# ## Exercise: SGD
#
# It takes three lines, and one more for parameters whose `.grad` is None: those played no part in
# the loss, and stay as they are. Leave `.grad` itself alone; clearing it is not this function's
# job.
#
# The check below says "not attempted yet" before you start. There are two hints:
# `hint("sgd_step")`.


# %% solution="sgd_step"
def sgd_step(params, lr):
    """Take one step of plain gradient descent, in place.

    params  any iterable of parameters, for instance model.parameters()
    lr      the learning rate, a float

    Each parameter that has a gradient moves by lr times its gradient, downhill. The
    others stay as they are. Parameters keep their memory, gradients keep their values,
    and gradient mode is the same afterwards as before. torch.optim is not allowed.
    Returns nothing.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p -= lr * p.grad
    ### END SOLUTION


# %% tests="sgd_step"

# %% [markdown]
# Your step is the fourth beat. You know the other three, so here is a model that learns a line:
# y = 2x + 1 with some noise. (If you have not written `sgd_step` yet, this cell says so.)

# %%
from course_lib.data import regression
from course_lib.models import MLP

x, y = regression(n=128, seed=0)
model = MLP(1, 1, seed=0)  # a single linear layer
loss_fn = torch.nn.MSELoss()
try:
    for step in range(61):
        predictions = model(x)
        loss = loss_fn(predictions, y)
        model.zero_grad()
        loss.backward()
        if step % 20 == 0:
            print(f"step {step:2}: loss {loss.item():.2f}")
        sgd_step(model.parameters(), lr=0.1)
    slope, intercept = (p.item() for p in model.parameters())
    print(f"slope {slope:.1f}, intercept {intercept:.1f}")
except NotImplementedError:
    print("Write sgd_step above, then run this cell again.")

# %% [markdown]
# The loss falls to the level of the noise in the data and stays there: no line can do better. Slope
# and intercept come out right. You have seen all four beats at work, and the last one is yours.

# %% [markdown]
# ## Momentum: a ball that gathers speed
#
# Plain SGD forgets. Each step knows one gradient and nothing about the earlier ones. **Momentum**
# keeps a velocity for each parameter:
#
# 1. v ← 0.9 · v + g
# 2. w ← w - lr · v
#
# Suppose the gradient is 1.0 at every step: a long, even slope. The first velocity is 1.0. How
# large does it become?

# %%
predict("p04_5", "", "1 / 1.9 / about 10 / without limit")

# %%
velocity, seen = 0.0, []
for _ in range(100):
    velocity = 0.9 * velocity + 1.0
    seen.append(velocity)
print("first five:", [round(v, 2) for v in seen[:5]])
print(f"after 100 steps: {seen[-1]:.2f}")
grows = seen[-1] - seen[-2]  # by so much in the last step
outcome("p04_5", "without limit" if grows > 0.01 else f"about {seen[-1]:.0f}")

# %% [markdown]
# It grows to 10 times the gradient, which is 1 / (1 - 0.9). On a long, even slope momentum is ten
# times as fast. And where gradients keep changing sign, they cancel in the sum: zig-zags become
# calmer. It also does what a ball does: it rolls past the bottom, and comes back.
#
# Note where the learning rate is. The velocity holds *gradients*; lr comes in when you move. When
# lr changes from one step to the next (chapter 08), it acts at once on everything accumulated so
# far.
#
# The function gets its velocities from outside: a list with one tensor per parameter, all zeros before
# the first step. What you compute must be in that list afterwards, or the next call has nothing to
# build on. `enumerate` counts the items while you loop, and `zip` loops over two things side by
# side:

# %%
velocities = [torch.zeros(2), torch.zeros(())]
for i, v in enumerate(velocities):
    velocities[i] = v + 1.0  # written back: the list now holds the new tensor
print(velocities)


# %% solution="momentum_step"
def momentum_step(params, velocities, lr, momentum=0.9):
    """Take one step of gradient descent with momentum, as torch.optim.SGD does it.

    params      any iterable of parameters
    velocities  a list of tensors, entry i for parameter i; zeros before the first step
    lr          the learning rate of this step; it may be different next time
    momentum    how much of a velocity is left after a step

    Parameters change in place. The new velocities are in the list afterwards: its
    tensors changed in place, or its entries replaced. A parameter without a gradient
    keeps its value and its velocity. Gradients keep their values, and gradient mode is
    the same afterwards as before. torch.optim is not allowed. Returns nothing.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is not None:
                velocities[i] = momentum * velocities[i] + p.grad
                p -= lr * velocities[i]
    ### END SOLUTION


# %% tests="momentum_step"

# %% [markdown]
# ## Adam: a step of about lr
#
# SGD's step is proportional to the gradient, and gradients differ by orders of magnitude from layer
# to layer. **Adam** measures, for every single weight, how large its gradients usually are, and
# divides by that. What is left is the direction, and a length of about lr.
#
# Try it with the real one. One weight has a gradient of 0.01, another has a gradient of 100; lr is
# 0.001. How far does each move in the first step?

# %%
predict("p04_6", "", "two numbers")

# %%
weights = torch.zeros(2, requires_grad=True)
weights.grad = torch.tensor([0.01, 100.0])
torch.optim.Adam([weights], lr=0.001).step()
print([round(value, 6) for value in weights.tolist()])
outcome("p04_6", [round(abs(value), 6) for value in weights.tolist()])

# %% [markdown]
# Both move by 0.001. That is why one rate fits many networks: it is a length per step, not a
# factor. Common starting points are 1e-3 (PyTorch's default) and **3e-4**.
#
# Adam keeps two running means for each weight, and its own count of steps t:
#
# 1. t ← t + 1
# 2. m ← β₁ · m + (1 - β₁) · g: the **first moment**, the mean of recent gradients (β₁ = 0.9)
# 3. v ← β₂ · v + (1 - β₂) · g²: the **second moment**, the mean of their squares (β₂ = 0.999)
# 4. m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ): the **bias correction**
# 5. w ← w - lr · m̂ / (√v̂ + eps)
#
# Unlike momentum, m is a mean and not a sum: the new gradient comes in with a weight of 0.1.
#
# Why line 4? Both means start at zero, and that zero is not a gradient that was ever measured. Let
# the gradient be 2.0 at every step; a fair mean would then be 2.0 from the start.

# %%
m = 0.0
for t in range(1, 5):
    m = 0.9 * m + 0.1 * 2.0
    print(f"t = {t}: m = {m:.3f}, corrected {m / (1 - 0.9**t):.3f}")

# %% [markdown]
# Without the correction m starts far too small, and v, with its 0.999, even more so: it needs
# thousands of steps. The correction divides by the share that has been filled so far, and is exact
# from the first step on.
#
# `eps` keeps the division possible when all gradients were zero. It is added **after** taking the
# root. Under the root, the same number would count for far more:

# %%
tiny_v, eps = 1e-12, 1e-8
print(f"after the root: {tiny_v**0.5 + eps:.2e}, under the root: {(tiny_v + eps) ** 0.5:.2e}")

# %% [markdown]
# ## Exercise: Adam
#
# Between two calls, your function must remember t, m and v for each parameter. That is what `state`
# is for: a dict that is empty at first and yours to use. `state.get(i, ...)` returns what is stored
# under i, or the second argument if there is nothing yet.
#
# Each parameter counts its own steps. A counter shared by all parameters would run too fast, and
# a parameter that had no gradient this time has not made a step.
#
# Milestones: the first step alone is worth a point. Then many steps in a row; then parameters without
# a gradient.


# %% solution="adam_step"
def adam_step(params, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """Take one step of Adam, as torch.optim.Adam does it.

    params  any iterable of parameters: the same ones in the same order at each call
    state   a dict, empty at the first call; store in it what the next call needs
    lr      the learning rate of this step
    betas   how much of the first and of the second moment is left after a step
    eps     added to the root of the corrected second moment

    Parameters change in place. Each parameter counts its own steps, from 1; one
    without a gradient keeps its value, its moments and its count. Gradients keep their
    values, and gradient mode is the same afterwards as before. torch.optim is not allowed.
    Returns nothing.
    """
    ### BEGIN SOLUTION
    beta1, beta2 = betas
    with torch.no_grad():
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            t, m, v = state.get(i, (0, torch.zeros_like(p), torch.zeros_like(p)))
            t = t + 1
            m = beta1 * m + (1 - beta1) * p.grad
            v = beta2 * v + (1 - beta2) * p.grad**2
            state[i] = (t, m, v)
            m_hat = m / (1 - beta1**t)
            v_hat = v / (1 - beta2**t)
            p -= lr * m_hat / (v_hat.sqrt() + eps)
    ### END SOLUTION


# %% tests="adam_step"

# %% [markdown]
# ## The race
#
# Now let the three run side by side in a ravine with steep walls and a floor that falls gently.
# They have the same start, the same learning rate and exact gradients. The curvature across the
# valley is 60, along it 1.
#
# Across the valley, SGD's limit is 2 / 60 = 0.0333, and the default rate is 0.032. Before you look:
# which is at the minimum first? And which of them get there at all when the rate is 0.1?

# %%
predict("p04_7", "", "first at 0.032: SGD / momentum / Adam")
predict("p04_8", "", "there at 0.1: none / SGD / momentum / Adam / all")

# %% [markdown]
# "There" means staying within 0.1 of a minimum, which is marked with a star. *Train* or one of the
# experiments plays the race; the sliders change rate and start.

# %% panel="optimizer_race"

# %% [markdown]
# - **SGD** jumps from wall to wall: 0.032 · 60 = 1.92, so each step multiplies the height above the
#   floor by 1 - 1.92 = -0.92. It gets there all the same, at step 114.
# - **Momentum** swings widely, and is there at step 61.
# - **Adam** crosses the floor only 3 times. Its path is the shortest by far, but it is *not there*
#   after 150 steps: at 0.032 a step, it is a long way.
# - At a rate of **0.1** SGD and momentum are thrown out at once. Adam is there at step 56.
#
# So the honest summary is not "Adam is faster". **Adam is smoother, and survives rates that kill SGD. At
# a rate that suits SGD, SGD can get there first, zig-zags and all.**
#
# Try the saddle as well. At a saddle the gradient is zero, but it is not a minimum. SGD, whose
# steps shrink with the gradient, sits there for a long time.
#
# The same numbers, without the picture:

# %%
from course_lib.simulations import load

race = load("optimizer_race")
settings = {"surface": "ravine", "right": 0, "up": 0}
arrived = {0.032: {}, 0.1: {}}
for lr in (0.032, 0.1):
    for name, path in race.compute(settings | {"lr": lr}).paths.items():
        fate = f"thrown out at step {path.left}" if path.left else "not there after 150 steps"
        fate = f"there at step {path.there}" if path.there else fate
        if path.there:
            arrived[lr][name] = path.there
        print(f"lr {lr}: {name} {fate}, crossings of the floor: {path.crossings(150)}")
outcome("p04_7", min(arrived[0.032], key=arrived[0.032].get))
outcome("p04_8", "all" if len(arrived[0.1]) == 3 else ", ".join(arrived[0.1]) or "none")

# %% [markdown]
# You may have read that "SGD generalises better". That has been observed in many image tasks, but
# it is not a law. Measure it on yours.

# %% [markdown]
# ## Weight decay, and the W in AdamW
#
# **Weight decay** pulls every weight towards zero a little at each step, which keeps unneeded
# weights small. The old way adds decay · w to the gradient. In SGD that is the same thing. In Adam
# it is not: the sum is divided by its own size, and the pull becomes a step of lr.
#
# **AdamW** takes the decay out of the gradient and applies it to the weight directly: w ← w - lr · decay · w.
# Take a weight of 1.0 with a gradient of zero, a decay of 0.01 and an lr of 0.1: how far does each
# optimizer move it?

# %%
predict("p04_9", "", "two numbers: how far Adam moves it, how far AdamW does")

# %%
moved = []
for name in ("Adam", "AdamW"):
    w = torch.tensor(1.0, requires_grad=True)
    w.grad = torch.tensor(0.0)
    getattr(torch.optim, name)([w], lr=0.1, weight_decay=0.01).step()
    moved.append(round(1 - w.item(), 4))
    print(f"{name}: 1.0 becomes {w.item():.3f}")
outcome("p04_9", moved)

# %% [markdown]
# AdamW shrinks the weight by lr · decay, a thousandth. Adam moves it by a whole lr, whatever the decay
# was. Decoupled, the decay does what its number says.
#
# | optimizer | rule | keeps per weight | when |
# |---|---|---|---|
# | SGD | w ← w - lr · g | nothing | simple problems; when you want to see what happens |
# | SGD with momentum | v ← 0.9 v + g, w ← w - lr · v | 1 number | faster than SGD; image networks with a tuned rate |
# | Adam | w ← w - lr · m̂ / (√v̂ + eps) | 2 numbers | the default: little tuning |
# | AdamW | Adam, and w ← w - lr · decay · w | 2 numbers | language models; whenever you want weight decay |

# %% [markdown]
# ## Exercise: clip the gradients
#
# One bad batch can produce gradients that are a thousand times too large, and one step with them
# wrecks the weights. **Clipping** is the safety belt: when the norm of *all gradients together* is
# above `max_norm`, all of them are multiplied by one factor, so that the norm is `max_norm`.
#
# Why together, and why a factor? Compare with clamping each entry:

# %%
g = torch.tensor([3.0, 4.0])  # its norm is 5
clipped = g * (1.0 / g.norm())
clamped = g.clamp(-1.0, 1.0)
print("clipped to norm 1:", [round(v, 1) for v in clipped.tolist()])
print("clamped to [-1, 1]:", clamped.tolist())

# %% [markdown]
# One factor keeps the direction: 3 to 4 stays 0.6 to 0.8. Clamping changes it. Clipping each
# parameter by its own norm changes the common direction too.
#
# The common norm is that of all gradients laid end to end: add the squares of every entry of every
# gradient, then take the root. And note what `params` may be. `model.parameters()` is a generator,
# and a generator can be read only once:

# %%
model = torch.nn.Linear(3, 2)
params = model.parameters()
print("first reading: ", len(list(params)), "parameters")
print("second reading:", len(list(params)), "parameters")


# %% solution="clip_gradients"
def clip_gradients(params, max_norm):
    """Scale all gradients, in place, so that their common L2 norm is at most max_norm.

    params    any iterable of parameters; those without a gradient are ignored
    max_norm  the largest norm allowed, above 0

    The common norm is that of all gradients laid end to end. When it is larger than
    max_norm, every gradient is multiplied by max_norm / norm; otherwise nothing
    changes. torch.nn.utils.clip_grad_norm_ is not allowed.

    Returns the common norm before clipping: a Python float, 0.0 when there are no
    gradients.
    """
    ### BEGIN SOLUTION
    gradients = [p.grad for p in params if p.grad is not None]
    norm = sum((g**2).sum().item() for g in gradients) ** 0.5
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return float(norm)
    ### END SOLUTION


# %% tests="clip_gradients"

# %% [markdown]
# What does clipping repair? Back to the run from chapter 00, where batch 47 holds the value 999.
# Will the loss of that batch be lower with clipping? And the losses after it?

# %%
predict("p04_10", "", "the loss at 47: lower / the same")
predict("p04_11", "", "the losses after it: lower / the same")

# %%
pairs = []
for clip in (False, True):
    run = load("run_gone_wrong").compute({"step": 79, "lr": 0.3, "clip": clip}).run
    at_47, after, end = run.losses[47], run.losses[48:58].max(), run.losses[-10:].mean()
    pairs.append((at_47, after))
    shown = (f"{float(f'{value:.1g}'):g}" for value in (at_47, after, end))
    print(
        "clipped:  " if clip else "unclipped:",
        "at 47 {}, highest after {}, last ten {}".format(*shown),
    )
for question, without, clipped in zip(("p04_10", "p04_11"), *pairs):
    outcome(question, "lower" if clipped < without / 2 else "the same")

# %% [markdown]
# The loss of the bad batch is the same: clipping does not repair the batch, and the loss is computed
# before the step. What changes is the *step*: instead of leaping, the weights take a step of
# ordinary length, and the next batch finds them in order.
#
# So clipping limits the damage of rare accidents. It does not cure a learning rate that is too large,
# and it does not find the 999 in your data. That is why the function returns the norm *before*
# clipping: log it, and look at it.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q04_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q04_1"

# %% quiz="q04_2"

# %% quiz="q04_3"

# %% [markdown]
# ## Recap
#
# 1. SGD: w ← w - lr · g. Past lr · curvature = 2 every step leads farther away.
# 2. Momentum adds gradients up in a velocity: up to 10 times the speed at 0.9, and calmer zig-zags.
# 3. Adam divides by the usual size of the gradient: a step of about lr. Bias correction fixes its
#    first steps.
# 4. Update in place, under `torch.no_grad()`.
# 5. Clipping scales all gradients by one factor; it limits the damage of a bad batch.
#
# **From the bug cheat sheet:** *learning rate too high* - the loss leaps, or becomes infinite or
# NaN: divide by 10, clip. *Learning rate too low* - the loss hardly moves: multiply by 10, or warm up.
#
# **Where next:** you have written all four beats. In chapter 05 you put them into a loop, and find out
# what every line protects you from.
