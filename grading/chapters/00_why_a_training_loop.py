# %% [markdown] head=true
# After this chapter you can
#
# - name the four beats of the training loop, and say what each is for;
# - say what your own loop shows you that a ready-made `fit()` hides;
# - find the step, the layer and the batch at which a training run went wrong;
# - use this course's checks, hints and points.
#
# **Builds on** basic Python and a rough idea of what a neural network is: layers of numbers, called
# weights, that are adjusted until the outputs are useful.

# %% setup=true

# %% [markdown]
# ## One call, or five lines
#
# In many libraries, training a network is one call: `model.fit(data)`. It returns after a while, and
# the network has learned. Or it has not. Then you would like to look inside, and there is nothing
# to look at.
#
# PyTorch has no `fit`. It hands you the parts and trusts you to put them together. That is more
# typing, about five lines, and it gives you three things:
#
# - **control**: you can read every batch, every direction and every update, and change what you
#   want where you want it: log more, shorten a step that is too long, take easy examples first,
#   compute with fewer bits;
# - **debugging**: when a number looks odd, you stop there and look;
# - **reproducible research**: nothing happens that is not written in your loop.

# %% [markdown]
# ## The four beats
#
# Every iteration of a training loop has four beats:
#
# | beat | what it does | in one word |
# |---|---|---|
# | **forward** | the network makes predictions for a batch of examples | predict |
# | **loss** | one number says how wrong they are | judge |
# | **backward** | for each weight, in which direction would the loss fall? | find the directions |
# | **step** | every weight moves a little in its direction | move |
#
# What backward finds has a name: the **gradients**, one per weight. A gradient points to where the loss
# rises, so the step goes the other way.
#
# Then comes the next batch, and the next, until the loss stops falling: the weights have
# *converged*.
#
# Each beat has a colour that stays the same through the whole course, in every figure and in every
# message. Here they are, with the symbols that say the same without colour.

# %%
from course_lib.figures import show_beats

show_beats()

# %% [markdown]
# Here is a whole training run in PyTorch, on 1,797 pictures of handwritten digits. First the parts:
# the pictures, a small network with random weights, a loss to judge it, and an optimizer to move
# the weights.

# %%
from course_lib.data import digits, loader
from course_lib.models import MLP

images, labels = digits(size=8)
model = MLP(64, 32, 10, seed=0)
loss_fn = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
print(f"{len(images):,} pictures of {images.shape[1]} grey values")
right = (model(images).argmax(dim=1) == labels).float().mean().item()
print(f"share of digits recognised before training: {right:.0%}")

# %% [markdown]
# With random weights the network guesses: there are ten digits. It is about to see every picture
# three times. How many in a hundred will it recognise then?

# %%
predict("p00_1", "", "out of a hundred")

# %% [markdown]
# Now the loop. Read it for the beats; the details come in the next chapters.

# %%
for epoch in range(3):  # an epoch is one pass over all the pictures
    for x, y in loader(images, labels, batch_size=64, seed=epoch):
        predictions = model(x)  # forward
        loss = loss_fn(predictions, y)  # loss
        optimizer.zero_grad()  # clear the old gradients
        loss.backward()  # backward
        optimizer.step()  # step
    print(f"epoch {epoch}: loss of the last batch {loss.item():.2f}")

# %%
right = (model(images).argmax(dim=1) == labels).float().mean().item()
print(f"share of digits recognised: {right:.0%}")
outcome("p00_1", round(100 * right), within=5)

# %% [markdown]
# Five lines and a moment of computing. Nobody told the network what a seven looks like; it was only
# told, batch after batch, how wrong it was. The rest of this course is about those five lines.

# %% [markdown]
# ## Exercise: order the beats
#
# Time for your first exercise. All exercises in this course work the same way:
#
# 1. You write your answer in the cell that starts with `# EXERCISE`, in place of the line that
#    raises `NotImplementedError`. Then you run that cell.
# 2. You run the cell below it, `# CHECK`. It answers at once. A check that is not green **before**
#    you start is expected: it says "not attempted yet".
# 3. You change your answer as often as you like. When you are stuck, `hint("order_the_beats")` in
#    any cell gives a first hint; call it again for a second one.
#
# The number in the first line is what the exercise is worth. When your teacher grades the notebook,
# hidden tests try your code with different numbers from the check's, and the parts that are right
# count even if others are not.
#
# Return the names `"backward"`, `"forward"`, `"loss"`, `"step"` in the right order.


# %% solution="order_the_beats"
def order_the_beats():
    """Return the names of the four beats in order: a list of four strings."""
    ### BEGIN SOLUTION
    return ["forward", "loss", "backward", "step"]
    ### END SOLUTION


# %% tests="order_the_beats"

# %% [markdown]
# ## A run goes wrong
#
# Now to the reason for all this. Below is a real training run on the same digits. Beside each picture
# the network gets one more number, a reading from a sensor, called the *side column*. The network
# has three layers, `fc1`, `fc2` and `head`; the side column goes into `head` alone.
#
# The loss falls, and at step 47 it explodes. (Steps are counted from 0, as always in Python.) With
# `fit()` you would see the curve and could only guess. Write down your guess first: what made the loss
# explode in the middle of a run that was going well? And which layer is pulled most strongly then?

# %%
predict("p00_2", "", "the learning rate / the data / a bug in the loop")
predict("p00_3", "", "fc1 / fc2 / head")

# %% [markdown]
# You need two terms for the panel. A **gradient norm** is one number for how strongly a layer is
# pulled: the length of its whole gradient, all entries taken together. And **clipping** shortens
# the gradients when their common norm is above a limit; chapter 04 explains it.
#
# Move the first slider to step 47. Which layer is pulled far more strongly than before? Then look at
# the batch.

# %% panel="run_gone_wrong"

# %%
from course_lib.simulations import load

simulation = load("run_gone_wrong")
run = simulation.compute({"step": 47, "lr": 0.3, "clip": False}).run
times = {}
for layer, norms in run.gradients.items():
    usual = torch.tensor(norms[:47]).median().item()  # the median: the middle one of those before
    times[layer] = norms[47] / usual
    print(f"{layer}: {norms[47]:.1f}, {times[layer]:,.0f} times the usual {usual:.2f}")
print("side column of the batch:", set(run.side[47].tolist()))
outcome("p00_2", "the data" if set(run.side[47].tolist()) == {999.0} else "the learning rate")
outcome("p00_3", max(times, key=times.get))

# %% [markdown]
# At step 47, `head` has a gradient more than 2,000 times its usual size. The other two layers jump
# as well, about tenfold, but they only pass on what `head` sends back. So the trouble enters at
# `head`, and only `head` sees the side column. There it is: **999** in every example of the
# batch. That is how the file writes "missing".
#
# Every line of code did what it says. The data was bad.
#
# Now imagine clipping switched on. What do you expect at step 47 and after it: no leap at all, or a
# leap that heals? Write it down, then tick the box in the panel and run the next cell.

# %%
predict("p00_4", "", "no leap / a leap that heals / a leap that stays")

# %%
for clip in (False, True):
    run = simulation.compute({"step": 47, "lr": 0.3, "clip": clip}).run
    print(f"clipping {'on: ' if clip else 'off:'} loss at step 47: {run.losses[47]:.0f}, "
          f"highest in steps 48 to 59: {run.losses[48:60].max():.1f}, "
          f"weight norm of head after it: {run.weights['head'][47]:.0f}")  # fmt: skip
before, at, after = run.losses[46], run.losses[47], run.losses[48:60].max()  # with clipping on
leap = "a leap that heals" if after < at / 10 else "a leap that stays"
outcome("p00_4", leap if at > 10 * before else "no leap")

# %% [markdown]
# The leap is as high with clipping as without. It has to be: the loss is computed *before* anything
# can be clipped. (It is not the same to the digit, because clipping has also shortened a few
# gradients on the way to step 47.) But without clipping that one batch throws the weights of `head`
# far away, and the run does not recover. With clipping the weights move only a little, and the next
# batch finds them almost unharmed.
#
# Clipping does not repair a batch. It stops one batch from wrecking the weights.

# %% [markdown]
# ## Exercise: find the first bad step
#
# You will not always sit beside a run and watch. Write a function that finds the step where a loss
# curve went bad: the first step whose loss is not a finite number, or is more than `factor` times
# the smallest loss before it.
#
# Two things help. `math.isfinite` tells you whether a number is finite; and every comparison with
# NaN ("not a number") is false, which catches many people out:

# %% tags=["setup"]
import math

# %%
nan, infinity = float("nan"), float("inf")
print("isfinite:", math.isfinite(2.5), math.isfinite(nan), math.isfinite(infinity))
print("nan > 1:", nan > 1, " nan < 1:", nan < 1, " nan == nan:", nan == nan)


# %% solution="first_bad_step"
def first_bad_step(losses, factor=3.0):
    """Find the first step at which a run went bad.

    losses  a list of positive floats, one per step; some may be NaN or infinite
    factor  a loss may be up to this many times the smallest finite loss before it

    Step 0 is bad only when its loss is not finite.
    Returns the number of the step, counted from 0, as an int; None if no step is bad.
    """
    ### BEGIN SOLUTION
    smallest = math.inf
    for step, loss in enumerate(losses):
        if not math.isfinite(loss) or loss > factor * smallest:
            return step
        smallest = min(smallest, loss)
    return None
    ### END SOLUTION


# %% tests="first_bad_step"

# %% [markdown]
# Your function on the run above:

# %%
losses = simulation.compute({"step": 47, "lr": 0.3, "clip": False}).run.losses.tolist()
try:
    print("first bad step:", first_bad_step(losses))
except NotImplementedError:
    print("You have not written first_bad_step yet.")

# %% [markdown]
# ## How this course works
#
# There are twelve chapters, which take about sixteen hours. Each has simulations to play with,
# exercises, and a quiz of three questions. Ideas come in three steps: you *predict*, you *run*, and
# then you read the *explanation*. Do write your prediction down: the cell after it says what came. You
# learn most from wrong ones, and nobody else sees them.
#
# "Run All" works at any time: unsolved exercises never block a later simulation. `[*]` beside a cell
# means that it is still running; the stop button in the toolbar (a square) stops it. A check stops
# code that does not end on its own after half a minute.
#
# Between a hint and the solution there is one more step: `parts("first_bad_step")` shows the lines of a
# solution, shuffled, to be put in order. `another("00")` asks a number question about a chapter, as
# often as you like. If you want to know at the end what you have learned, call
# `course_lib.before_after("before")` now: ten questions, of which nothing is said before chapter 09
# is done.
#
# Run `!python -m course_lib status` in any cell to see your progress through all chapters, and
# `!python -m course_lib progress export FILE` to take it along; it stays on your machine. In a
# terminal, `python -m course_lib review` asks what is due again.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q00_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q00_1"

# %% quiz="q00_2"

# %% quiz="q00_3"

# %% [markdown]
# ## Recap
#
# 1. Forward, loss, backward, step: predict, judge, find the directions, move. Repeat.
# 2. PyTorch gives you the parts. Your own loop shows every value between them.
# 3. When a run goes wrong, look for the step, then the layer, then the batch.
# 4. Clipping does not repair a bad batch; it limits the damage.
# 5. NaN compares false with everything: call `math.isfinite` first.
#
# **From the bug cheat sheet:** *the loss leaps*. Here a bad batch was the cause; a learning rate
# that is too high is the more common one, and chapter 07 shows it.
#
# **Where next:** chapter 01 takes the first beat apart, the forward pass.
