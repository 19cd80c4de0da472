# %% [markdown] head=true
# After this chapter you can
#
# - choose the loss that fits a problem, and say what a value like 2.303 or 0.0134 means;
# - compute a cross-entropy from logits with pen and paper;
# - write softmax and cross-entropy so that they survive logits of 10,000;
# - recognise two mistakes that raise no error: one softmax too many, and shapes that fit by
#   accident.
#
# **Builds on** the forward pass (chapter 01): a batch goes in, logits `[batch, classes]` come out.

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("02", "", "")

# %% [markdown]
# ## One number to make small
#
# The forward pass has produced predictions. The second beat judges them: the **loss** turns all
# predictions of a batch into one number, and training makes that number small.
#
# Why not use the accuracy, the share of right answers? It is the number that people ask for. Suppose
# you nudge the scores of a model by 0.01, in the right direction. How much does the accuracy of three
# examples move, and how much does the loss?

# %%
predict("p02_1", "", "both / only the accuracy / only the loss / neither")

# %%
from torch.nn import functional as F

logits = torch.tensor([[1.0, 0.8], [0.3, 0.5], [2.0, 0.1]])
targets = torch.tensor([0, 0, 0])
seen = []
for name, scores in (("before", logits), ("nudged", logits + torch.tensor([0.01, 0.0]))):
    accuracy = (scores.argmax(dim=1) == targets).float().mean()
    seen.append((accuracy, F.cross_entropy(scores, targets)))
    print(f"{name}: accuracy {accuracy:.3f}, loss {F.cross_entropy(scores, targets):.4f}")
moved = tuple(bool(old != new) for old, new in zip(*seen))
words = {(True, True): "both", (True, False): "only the accuracy", (False, True): "only the loss"}
outcome("p02_1", words.get(moved, "neither"))

# %% [markdown]
# The accuracy stays at 0.667: it moves only when some example changes sides. The loss moves with
# every nudge. That is what training needs: a number that says, for the tiniest change of a weight,
# whether it was a change for the better. Accuracy is for reading; the loss is for learning.
#
# Which loss you need depends on the question the model answers:
#
# | the model answers | last layer gives | loss | targets |
# |---|---|---|---|
# | how much? (price, temperature) | numbers, `[N]` or `[N, D]` | `nn.MSELoss` | floats of the same shape |
# | which one of C classes? | logits `[N, C]` | `nn.CrossEntropyLoss` | class indices, int64 `[N]` |
# | yes or no? (also several at once) | logits `[N]` or `[N, D]` | `nn.BCEWithLogitsLoss` | floats 0.0 or 1.0 of the same shape |
#
# In this chapter you write the first two yourself. The third is cross-entropy for two classes.

# %% [markdown]
# ## How far off? The squared error
#
# A model predicts [2.5, 3.1, 4.0], and the truth is [3.0, 3.0, 4.0]. The **mean squared error** takes
# the differences, squares them, and averages. Work it out before you run the cell.

# %%
predict("p02_2", "", "one number")

# %%
prediction = torch.tensor([2.5, 3.1, 4.0])
target = torch.tensor([3.0, 3.0, 4.0])
squared = (prediction - target) ** 2
print("squared differences:", [round(s, 4) for s in squared.tolist()])
print(f"their mean: {squared.mean():.4f}")
outcome("p02_2", round(squared.mean().item(), 4), within=0.002)

# %% [markdown]
# Missing by 0.5 costs 25 times as much as missing by 0.1. Squaring makes large errors expensive,
# keeps +1 and -1 from cancelling, and has a slope everywhere.
#
# Now a mistake that is hard to find, because nothing complains. A linear layer with one output
# gives predictions of shape `[N, 1]`; the targets in your file have shape `[N]`. Here the
# predictions are perfect. What does the same formula say?

# %%
predict("p02_3", "", 'a number, or "an error"')

# %%
target = torch.tensor([1.0, 2.0, 3.0, 4.0])
perfect = target.reshape(4, 1)
difference = perfect - target
print("shape of the difference:", list(difference.shape))
print(f"perfect predictions cost {(difference**2).mean():.2f}")
mean_only = torch.full((4, 1), 2.5)
print(f"always predicting 2.5 costs {((mean_only - target) ** 2).mean():.2f}")
outcome("p02_3", round((difference**2).mean().item(), 4))

# %% [markdown]
# No error, no warning, and a loss of 2.50 for flawless predictions. PyTorch *broadcasts*: it
# stretches `[4, 1]` and `[4]` to a `[4, 4]` table, in which every prediction meets every target. The
# cheapest answer is then to predict the mean of all targets every time. A model trained this way
# learns exactly that, and its loss even falls on the way there.
#
# `nn.MSELoss` does the same arithmetic, but it speaks up:

# %%
import warnings

with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    loss = torch.nn.MSELoss()(perfect, target)
print(f"loss {loss:.2f} and {len(heard)} warning:")
print(str(heard[0].message)[:95], "...")

# %% [markdown]
# A warning is easy to miss among a thousand lines of output. An error is not. Your own version will
# raise one. You need two things for it: shapes can be compared, and `raise` stops a function.

# %%
print("equal shapes:", perfect.shape == target.shape)


def half_of(n):
    if n % 2:
        raise ValueError(f"n must be even, not {n}")
    return n // 2


try:
    half_of(7)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## Exercise: mean squared error
#
# Write `mse`. It rejects differing shapes before it computes anything. Compute with PyTorch's
# operations and return a tensor, not a Python number: `backward()`, the next beat, starts from the
# loss and follows those operations back. There are two hints: `hint("mse")`.

# %% solution="mse"
def mse(prediction, target):
    """Compute the mean squared error of two float tensors of the same shape, with any dimensions.

    Returns the mean over all elements: a tensor with no dimensions (shape []). backward() works
    on it.

    Raises ValueError when the two shapes differ, before any arithmetic.

    F.mse_loss and nn.MSELoss are not allowed.
    """
    ### BEGIN SOLUTION
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {list(prediction.shape)}, target {list(target.shape)}")
    return ((prediction - target) ** 2).mean()
    ### END SOLUTION


# %% tests="mse"

# %% [markdown]
# ## From scores to probabilities
#
# For a question like "which digit is this?" the model gives one raw score per class, a **logit**.
# Logits may be negative and add up to anything. **Softmax** turns them into probabilities: `exp` makes
# every score positive, and dividing by the sum makes them add up to 1.

# %%
logits = torch.tensor([2.0, 1.0, 0.1])
exp = logits.exp()
print("exp:", [round(e, 3) for e in exp.tolist()], "sum:", round(exp.sum().item(), 3))
print("probabilities:", [round(p, 3) for p in (exp / exp.sum()).tolist()])

# %% [markdown]
# Only differences between logits count: a logit that is larger by 1 gets e = 2.718 times the
# probability, whatever the two values are. So what happens to the probabilities when you add 50 to
# all three logits? And when you add 1000?

# %%
predict("p02_4", "", "with 50 the probabilities: stay / change / become nan")
predict("p02_5", "", "with 1000: stay / change / become nan")

# %%
for added in (0, 50, 1000):
    exp = (logits + added).exp()
    print(f"+{added}:", [round(p, 3) for p in (exp / exp.sum()).tolist()])
print(f"exp(88) = {torch.tensor(88.0).exp():.2e}, exp(89) = {torch.tensor(89.0).exp():.2e}")
for question, added in (("p02_4", 50), ("p02_5", 1000)):
    exp = (logits + added).exp()
    p = exp / exp.sum()
    same = torch.allclose(p, torch.softmax(logits, dim=0), atol=1e-3)
    outcome(question, "become nan" if p.isnan().any() else "stay" if same else "change")

# %% [markdown]
# Adding 50 changes nothing, as it should. Adding 1000 should change nothing either, but a float32
# holds numbers up to about 3.4e38, and `exp` passes that between 88 and 89. It becomes inf, and
# inf / inf is nan, *not a number*. One nan in a loss, and after the next step every weight is nan.
#
# You have already seen the way out: a shift does not change the probabilities. So you may shift the
# logits to wherever `exp` is safe, each row by its own amount.
#
# For a batch you need the sum (or the maximum) of each *row*. `keepdim=True` keeps the dimension that
# was reduced, with length 1, so that the result fits back onto the rows:

# %%
scores = torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
print("sum(dim=-1):              ", list(scores.sum(dim=-1).shape))
print("sum(dim=-1, keepdim=True):", list(scores.sum(dim=-1, keepdim=True).shape))
largest = scores.max(dim=-1, keepdim=True)  # a pair: the values, and where they were found
print("largest of each row:", largest.values.tolist(), "at", largest.indices.tolist())

# %% [markdown]
# ## Exercise: softmax
#
# Write `softmax` for tensors with any number of dimensions: the classes are always in the last one.
# A milestone: get small logits right first, run the check, then deal with the large ones. Hints:
# `hint("softmax")`.

# %% solution="softmax"
def softmax(logits):
    """Turn logits into probabilities.

    logits: a float tensor with one dimension or more; the classes are in the last.

    Returns a new tensor of the same shape and dtype. Its entries lie between 0 and 1 and sum to 1
    along the last dimension. It stays finite for logits as large as 10000 or as small as -10000,
    gradients flow through it, and `logits` is left as it was.

    Do not use torch.softmax, log_softmax or their aliases: they are what you build here.
    exp, log, max, logsumexp and indexing are allowed.
    """
    ### BEGIN SOLUTION
    largest = logits.max(dim=-1, keepdim=True).values
    exp = (logits - largest).exp()
    return exp / exp.sum(dim=-1, keepdim=True)
    ### END SOLUTION


# %% tests="softmax"

# %% [markdown]
# ## What a wrong probability costs
#
# The model gives the right answer the probability p. What should that cost? Nothing when p is 1. More
# and more as p falls. The **negative logarithm**, -log p, does both. How much more does p = 0.01 cost
# than p = 0.99: about 5 times, 50 times, or 500 times?

# %%
predict("p02_6", "", "5 / 50 / 500")

# %%
for p in (0.99, 0.9, 0.5, 0.01):
    print(f"-log({p}) = {-torch.tensor(p).log():.3f}")
ratio = (torch.tensor(0.01).log() / torch.tensor(0.99).log()).item()
print(f"ratio of the outer two: {ratio:.0f}")
outcome("p02_6", str(min((5, 50, 500), key=lambda guess: abs(guess - ratio))))

# %% [markdown]
# Being sure and wrong costs 4.605, being sure and right 0.010. The unit is the *nat*: `log` is the
# natural logarithm.
#
# Now look at the slope, because the slope is what drives training: how much the loss changes when
# p, or a logit, or a weight changes a little. It is also called the **gradient**. Move P(correct)
# from 0.66 to 0.01 and read the two slopes: how steep is -log p there, how steep is the squared
# error (1 - p)²? Then play with the three logits on the right: can you bring the loss to 0?

# %%
predict("p02_7", "", "two numbers: the slope of -log p at 0.01, that of (1 - p)²")

# %% panel="loss_landscape"

# %% [markdown]
# You can ask PyTorch for a slope. (`requires_grad=True` says that you will ask; chapter 03 shows
# how the answer is found.)

# %%
p, slopes = torch.tensor(0.01, requires_grad=True), []
for name, loss in (("-log p", -p.log()), ("(1 - p)²", (1 - p) ** 2)):
    (slope,) = torch.autograd.grad(loss, p)
    slopes.append(round(slope.item(), 2))
    print(f"{name} at p = 0.01: slope {slope:.2f}")
outcome("p02_7", slopes, within=0.1)

# %% [markdown]
# At p = 0.01 the logarithm has a slope of -100: get away from here. The squared error's is -1.98:
# it is almost indifferent between a bad answer and a terrible one.
#
# It gets worse for the squared error, because p itself comes out of a softmax, which is flat where the
# model is sure. Take a model that is sure and wrong: logits [-5, 5] and target 0. How hard does each
# loss push the first logit up?

# %%
for name in ("cross-entropy", "squared error"):
    logits = torch.tensor([-5.0, 5.0], requires_grad=True)
    p = torch.softmax(logits, dim=0)[0]
    loss = -p.log() if name == "cross-entropy" else (1 - p) ** 2
    loss.backward()
    print(f"{name}: loss {loss.item():.2f}, gradient at the first logit {logits.grad[0]:.6f}")

# %% [markdown]
# The logarithm undoes the flatness: its gradient is probability minus 1, here almost -1. The squared
# error's gradient has all but vanished, so the model would stay wrong for a long time. This is why
# classifiers are trained with cross-entropy.

# %% [markdown]
# ## Cross-entropy: softmax and logarithm in one
#
# The **cross-entropy** of one example: take the softmax of its logits, pick the probability of the
# right class, and take minus its log. For a batch, take the mean over the examples. The targets are
# class *indices*, like 2, not probabilities and not one-hot rows like [0, 0, 1].

# %%
logits = torch.tensor([[2.0, 1.0, 0.1], [5.0, 0.0, 0.0]])
targets = torch.tensor([0, 0])
probabilities = torch.softmax(logits, dim=1)
for row, target in zip(probabilities, targets):
    print(f"P(right) = {row[target]:.4f}, loss {-row[target].log():.4f}")
print(f"mean {F.cross_entropy(logits, targets):.4f}")

# %% [markdown]
# [2.0, 1.0, 0.1] gives the right class 0.659 and costs 0.417. [5, 0, 0] is right beyond doubt and
# still costs 0.0134: softmax never reaches 1, so a cross-entropy never reaches 0. Training always has
# a little left to gain.
#
# A number worth remembering: what is the loss of a network with 10 classes that knows nothing and
# gives all classes the same logit?

# %%
predict("p02_8", "", "one number")

# %%
nothing_learned = torch.zeros(1, 10)
loss = F.cross_entropy(nothing_learned, torch.tensor([7]))
print(f"no idea, 10 classes: {loss:.3f} = log(10)")
outcome("p02_8", round(loss.item(), 3), within=0.05)

# %% [markdown]
# 2.303. When a fresh classifier for digits starts near 2.3, the plumbing is right. When it starts at
# 40 or at 0.001, stop and look before you train.
#
# ### Why the two belong together
#
# PyTorch computes softmax and logarithm as one function. Would it not be clearer to take the softmax
# first, and then its log? Try it on a confident mistake: logits [10000, -10000], and the right
# class is the second.

# %%
predict("p02_9", "", "log of the softmax gives: 0 / 20000 / inf")

# %%
confident = torch.tensor([10000.0, -10000.0])
print("log of softmax:", torch.softmax(confident, dim=0).log().tolist())
print("F.cross_entropy:", F.cross_entropy(confident, torch.tensor(1)).item())
outcome("p02_9", f"{-torch.softmax(confident, dim=0).log()[1]:.0f}")

# %% [markdown]
# The small probability has become exactly 0, and its log is -inf. Nothing can be learned from an
# infinite loss. With logarithms the problem never arises, because a division becomes a subtraction:
#
# log(exp(z₁) / sum) = z₁ - log(sum)
#
# The second term is the **log-sum-exp** of the row. `torch.logsumexp` shifts by the largest logit
# before it uses `exp`, as you did:

# %%
row = torch.tensor([1000.0, 999.0, 998.1])
print("log(sum(exp)):", row.exp().sum().log().item())
print("logsumexp:    ", round(row.logsumexp(dim=0).item(), 3))

# %% [markdown]
# One trick is left: picking one entry from each row. Index with two tensors of the same length, the
# row numbers and the column numbers. They are read in pairs: (0, 2), (1, 0), (2, 1).

# %%
table = torch.tensor([[10, 11, 12], [20, 21, 22], [30, 31, 32]])
rows, columns = torch.arange(3), torch.tensor([2, 0, 1])
print("one entry per row:", table[rows, columns].tolist())
print("not the same:     ", table[:, columns].tolist())

# %% [markdown]
# ## Exercise: cross-entropy
#
# Write `cross_entropy` for a batch. Keep it: in chapter 05 you train on digits with your own
# function. Milestones: one row with one target first, then the batch, then logits of 10,000. Hints:
# `hint("cross_entropy")`.

# %% solution="cross_entropy"
def cross_entropy(logits, targets):
    """Compute the cross-entropy loss of a batch, as nn.CrossEntropyLoss() does.

    logits: a float tensor [N, C], one row per example, one raw score per class.
    targets: an int64 tensor [N], the index (0 to C - 1) of each example's right class.

    Returns the mean of the N losses: a tensor with no dimensions (shape []), in the logits' dtype,
    in nats. It is correct for logits up to +-10000, and backward() works on it.

    F.cross_entropy, nll_loss, log_softmax, softmax and their nn classes are not allowed.
    """
    ### BEGIN SOLUTION
    log_probabilities = logits - logits.logsumexp(dim=1, keepdim=True)
    rows = torch.arange(len(targets))
    return -log_probabilities[rows, targets].mean()
    ### END SOLUTION


# %% tests="cross_entropy"

# %% [markdown]
# ## One softmax too many
#
# `nn.CrossEntropyLoss` expects logits. Many models end in a softmax all the same, because "the
# output should be probabilities". Nothing complains: probabilities are numbers, and any numbers can
# be logits. There are 10 classes, and the model becomes as sure as it can of the right one. How low
# does the loss get?

# %%
predict("p02_10", "", "the lowest loss")

# %%
from course_lib.beats import INK, LOSS
from course_lib.figures import finish, new_axes, show_figure

sure = torch.linspace(0, 12, 49)
logits = torch.zeros(49, 10)
logits[:, 3] = sure
targets = torch.full((49,), 3)
once = F.cross_entropy(logits, targets, reduction="none")
twice = F.cross_entropy(torch.softmax(logits, dim=1), targets, reduction="none")

# %%
figure, axes = new_axes()
axes.plot(sure, twice, color=INK, ls="--", label="softmax first (the bug)")
axes.plot(sure, once, color=LOSS.color, label="logits, as it should be")
axes.set(ylim=(0, 2.5), xlim=(0, 12))
finish(
    axes,
    "With one softmax too many the loss stops at 1.46",
    "logit of the right class (the nine others are 0)",
    "loss (nats)",
)
show_figure(
    figure,
    f"Both start at {once[0]:.3f}. With logits the loss falls to {once[-1]:.4f}; "
    f"with softmax first it ends at {twice[-1]:.4f}.",
)
outcome("p02_10", round(twice.min().item(), 2), within=0.1)

# %% [markdown]
# The first softmax gives numbers between 0 and 1. To the second one these are ten logits that differ
# by at most 1: it sees a model that never makes up its mind. The best case is a 1 and nine 0s, and
# costs -log(e / (e + 9)) = 1.46. A 10-class loss that will not go below 1.46 is the mark of this
# bug. The accuracy may look decent, which is why the bug survives. The gradients are weak as well:

# %%
for name in ("logits", "softmax first"):
    z = torch.zeros(1, 10)
    z[0, 5] = 4.0  # fairly sure of class 5, but class 3 is right
    z.requires_grad_()
    loss = F.cross_entropy(z if name == "logits" else z.softmax(dim=1), torch.tensor([3]))
    loss.backward()
    print(f"{name}: gradient at the right class {z.grad[0, 3]:.3f}")

# %% [markdown]
# The fix is to delete the softmax from the model. Where you want to *show* probabilities, apply it
# outside, after the fact.

# %% [markdown]
# ## The loss moves, the accuracy does not
#
# Four examples with two classes. Three are right by a margin of 1 between the logits, one is wrong by
# 0.4. Now the model keeps its opinions and becomes more and more sure: all logits are multiplied by
# the same growing factor. What does the accuracy do, and what does the loss?

# %%
predict("p02_11", "", "the accuracy: rises / stays / falls")
predict("p02_12", "", "the loss: falls / rises / falls, then rises")

# %%
logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.4]])
targets = torch.tensor([0, 0, 0, 0])
accuracies, losses = [], []
for factor in (1, 2, 6):
    scores = factor * logits
    accuracies.append((scores.argmax(dim=1) == targets).float().mean().item())
    losses.append(F.cross_entropy(scores, targets).item())
    print(f"factor {factor}: accuracy {accuracies[-1]:.2f}, loss {losses[-1]:.3f}")
change = accuracies[2] - accuracies[0]
outcome("p02_11", "rises" if change > 0 else "falls" if change < 0 else "stays")
outcome("p02_12", ", then ".join("falls" if b < a else "rises" for a, b in zip(losses, losses[1:])))

# %% [markdown]
# The accuracy stays at 0.75 throughout. The loss first falls from 0.463 to 0.388, because three
# right answers become surer. Then it rises to 0.624, because the one mistake becomes confident, and
# confident mistakes cost most.
#
# So read both. A falling loss with a flat accuracy is normal: the model gets surer of what it knew. A
# rising loss with a flat accuracy on data it has not trained on means overconfidence. You will meet
# it again in chapter 08.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q02_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q02_1"

# %% quiz="q02_2"

# %% quiz="q02_3"

# %% [markdown]
# ## Recap
#
# 1. The loss is one number that feels every small change of a weight; accuracy does not.
# 2. For numbers, mean squared error. For one of C classes, cross-entropy on logits, with class
#    indices.
# 3. Cross-entropy is -log of the probability of the right class: 2.303 for guessing among ten,
#    never 0.
# 4. Shift before `exp`, and stay in logarithms: logit minus log-sum-exp.
# 5. Equal shapes for `mse`, no softmax before `CrossEntropyLoss`: both mistakes are silent.
#
# **From the bug cheat sheet:** *wrong loss* - the loss does not fall, or falls and the predictions
# are garbage. Check that the loss fits the question, that there is no softmax before cross-entropy
# (a floor at 1.46 for ten classes), and that both shapes are the same.
#
# **Where next:** in chapter 03 `backward()` finds out how each weight should move to make this one
# number smaller.
