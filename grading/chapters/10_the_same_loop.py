# %% [markdown] head=true
# After this chapter you can
#
# - build autograd for single numbers, and say why gradients are added up and in which order;
# - write causal attention, and recognise a language model that was trained without the mask;
# - train with several workers, and say what is averaged, and when that equals one large batch;
# - turn a reward into a loss, and say why such a loss is noisy and how it can be fooled.
#
# **Builds on** everything: the backward pass (chapter 03), the loop (chapter 05), batches and shuffling
# (chapter 06), modes (chapter 07).
#
# Most courses end with a list of links. This one goes there, with the loop that you have.

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("10", "", "")

# %% [markdown]
# ## Four other things
#
# The digits are done. In this chapter the same four beats train four other things: numbers without
# PyTorch, a language model, one model on two machines, and a player who is told only the score.
#
# | part | forward | loss | backward | step |
# |---|---|---|---|---|
# | 1. your own autograd | your `Value` | squared error | **yours** | SGD by hand |
# | 2. a transformer | **attention** | cross-entropy | PyTorch's | Adam |
# | 3. two machines | each its own examples | mean over its own | PyTorch's, **then averaged** | the same in all |
# | 4. a reward | act | **made from rewards** | PyTorch's | Adam |
#
# In each row one beat is new, and the others stay as they were. Mistakes stay silent: each part has a
# run that looks fine and is not.
#
# None of the four is the real thing. Each is as small as it can be while the idea still works, and each
# part ends by saying what is missing.

# %% [markdown]
# ## 1. Autograd from inside
#
# In chapter 03 you walked through PyTorch's graph. Now you build one. Every number is a `Value` that
# remembers what it was computed from, and how strongly it reacts to each of these parents:
#
# | computed as | parents | slopes |
# |---|---|---|
# | a + b | a, b | 1, 1 |
# | a * b | a, b | b, a |
# | t = tanh(a) | a | 1 - t² |
#
# Going back, a value's gradient times the slope is what a parent gets. Take L = a * b + a, with a = 2
# and b = 3. What are dL/da and dL/db?

# %%
predict("p10_1", "", "two numbers")

# %%
a = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(3.0, requires_grad=True)
loss = a * b + a
loss.backward()
print(f"dL/da = {a.grad.item():g}, dL/db = {b.grad.item():g}")
outcome("p10_1", a.grad.item(), b.grad.item())

# %% [markdown]
# a is used twice: once in the product, where the slope is b = 3, and once in the sum, where it is 1.
# Both arrive, and they are **added**: 4. That is the first rule, and the reason why `.grad` is always
# added to.
#
# The second rule is about order. A value may pass its gradient on only when all of it has arrived;
# otherwise its parents get a part of it, or get it twice. In chapter 03's panel you saw a node wait for
# its second arrow. So count first how often each value is used, and go on with a parent when its last
# use has reported.
#
# A third, practical rule: no recursion. A function that calls itself for every parent is short and
# elegant, and Python stops it after 1,000 calls.

# %%
import sys


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


print("1,000 calls deep is the limit, or a few more:", sys.getrecursionlimit() < 10_000)
try:
    deep(10 * sys.getrecursionlimit())
except RecursionError as error:
    print(type(error).__name__)

# %% [markdown]
# A chain of 10,000 operations is nothing unusual: that is a loop over a long sequence. So walk with a
# list of values that are still to be visited.
#
# ### Exercise: `Value`
#
# Write the class. The stub has the methods; `math.tanh` is allowed, PyTorch is not. Go step by step, and
# run the check after each: first the numbers, then gradients where every value is used once, then values
# that are used twice, then the long chain and a second `backward()`.

# %% tags=["setup"]
import math

# %% solution="Value"
class Value:
    """A number that remembers what it was computed from, so that backward() can walk back.

    Value(2.0) has .data, a Python float, and .grad, which is 0.0 at first. a + b, a * b and a.tanh()
    make new Values; in a + b and a * b one of the two may be a plain number.

    backward() adds to the .grad of every Value that self was computed from, and of self, how much
    self changes per change of it. It works for chains of 10,000 operations. No PyTorch in here.
    """

    ### BEGIN SOLUTION
    def __init__(self, data, parents=()):
        self.data = float(data)
        self.grad = 0.0
        self.parents = parents  # pairs: what it was made from, and the slope

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, ((self, 1 - t**2),))

    def backward(self):
        uses, found = {self: 0}, [self]
        while found:
            node = found.pop()
            for parent, _ in node.parents:
                if parent not in uses:
                    uses[parent] = 0
                    found.append(parent)
                uses[parent] += 1

        gradients, ready = {self: 1.0}, [self]
        while ready:
            node = ready.pop()
            node.grad += gradients[node]
            for parent, slope in node.parents:
                gradients[parent] = gradients.get(parent, 0.0) + slope * gradients[node]
                uses[parent] -= 1
                if uses[parent] == 0:
                    ready.append(parent)
    ### STUB
    # def __init__(self, data):
    #     raise NotImplementedError("Write Value, then run the check below.")
    #
    # def __add__(self, other):
    #     """self + other; other is a Value or a plain number."""
    #
    # def __mul__(self, other):
    #     """self * other; other is a Value or a plain number."""
    #
    # __radd__, __rmul__ = __add__, __mul__  # for a plain number on the left, as in 2 * value
    #
    # def tanh(self):
    #     """tanh of self."""
    #
    # def backward(self):
    #     """Add d(self)/d(value) to the .grad of every value that self was computed from."""
    ### END SOLUTION


# %% tests="Value"

# %% [markdown]
# ### A network of Values
#
# Does it train? Below is a network with two inputs, three tanh units and one output, on the four points
# of XOR, with squared error. It starts from the same weights twice: once as `Value`s, once as a tensor
# with PyTorch's autograd. Will the two have the same losses, step by step, to nine digits?

# %%
predict("p10_2", "", "to nine digits: equal / different")

# %%
points = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]
generator = torch.Generator().manual_seed(4)
start = torch.randn(13, generator=generator, dtype=torch.float64).tolist()


def network(w, inputs, tanh):
    """Three units with two weights and a bias each, then three weights and a bias."""
    hidden = [
        tanh(w[3 * i] * inputs[0] + w[3 * i + 1] * inputs[1] + w[3 * i + 2]) for i in range(3)
    ]
    return w[9] * hidden[0] + w[10] * hidden[1] + w[11] * hidden[2] + w[12]


def total_loss(w, tanh):
    errors = [network(w, inputs, tanh) + -1.0 * target for inputs, target in points]
    total = errors[0] * errors[0]
    for error in errors[1:]:
        total = total + error * error
    return total


# %%
def train_values(steps, lr):
    """The loop by hand, with your Values; the loss of each step."""
    w, losses = [Value(number) for number in start], []
    for _ in range(steps):
        loss = total_loss(w, lambda value: value.tanh())
        loss.backward()
        losses.append(loss.data)
        w = [Value(value.data - lr * value.grad) for value in w]  # new ones have no old gradient
    return losses


def train_tensors(steps, lr):
    w, losses = torch.tensor(start, dtype=torch.float64, requires_grad=True), []
    optimizer = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        loss = total_loss(w, torch.tanh)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


try:
    mine, theirs = train_values(60, lr=0.1), train_tensors(60, lr=0.1)
except (NotImplementedError, TypeError, AttributeError):
    mine = None
    print("Write Value above, then run this cell again.")

# %%
if mine:
    for step in (0, 10, 59):
        print(f"step {step:2}: yours {mine[step]:.4f}, PyTorch's {theirs[step]:.4f}")
    same = max(abs(a - b) for a, b in zip(mine, theirs)) < 1e-9
    print("equal to nine digits:", same)
    outcome("p10_2", "equal" if same else "different")

# %% [markdown]
# The same numbers, to nine digits and more: there is nothing else inside. Look for the four beats in
# `train_values`. Where is `zero_grad`? There is none, because each step makes new Values, whose gradient
# is 0.0.
#
# **What is missing.** One Python object for each number is thousands of times slower than a tensor.
# PyTorch's nodes hold whole tensors, so broadcasting has to be undone on the way back; they notice when
# something they need was changed in place; and they free what they no longer need.

# %% [markdown]
# ## 2. A transformer
#
# A language model does one thing: it reads the beginning of a text and says which character comes next.
# Here the texts are sums. The notebook makes them itself; there is nothing to download.

# %%
CHARACTERS = "0123456789+="
texts = [f"{a}+{b}={a + b}" for a in range(10, 90) for b in range(10, 100 - a)]
tokens = torch.tensor([[CHARACTERS.index(character) for character in text] for text in texts])


def to_text(row):
    return "".join(CHARACTERS[i] for i in row)


print(f"{len(texts):,} sums of {len(texts[0])} characters:", ", ".join(texts[::800]))
print(f"as tokens: {texts[0]} is {tokens[0].tolist()}")

# %% [markdown]
# Where do the targets come from? From the text itself, moved by one: at each position the target is
# the next character. So one sum gives seven little exercises at once.

# %%
inputs, targets = tokens[:, :-1], tokens[:, 1:]
for place in range(inputs.shape[1]):
    print(f"reads {to_text(inputs[0, : place + 1]):8} and should say {to_text(targets[0, [place]])}")

# %% [markdown]
# Which of the seven can a model learn to predict for sure, and which can nobody know? (The first
# number's second digit, for example, is anybody's guess.) How many are sure?

# %%
predict("p10_3", "", "one number, of seven")

# %%
sure = []
for place in range(7):
    beginnings, continued = ({text[:n] for text in texts} for n in (place + 1, place + 2))
    if len(beginnings) == len(continued):  # each beginning goes on in one way only
        sure.append(place + 1)
print("sure after character:", sure)
outcome("p10_3", len(sure))

# %% [markdown]
# The `+`, the `=` and the two digits of the result can be known; the digits of the two numbers cannot.
# So the loss of a perfect model is far from 0 here. Remember that: a loss *below* what anybody can
# know is a sign of cheating.
#
# ### How a position looks back
#
# To say the first digit of the result, the model must look at what stands four and more characters
# earlier. That is what **attention** does. From the numbers at each position three vectors are
# computed: a **query** ("what am I looking for?"), a **key** ("what do I have?") and a **value** ("what
# do I pass on?"). Then, for every position t:
#
# 1. The *score* of position s is the dot product of query t and key s.
# 2. A softmax turns the scores of a row into *weights* that add up to 1.
# 3. The output at t is the mean of all values with these weights.
#
# With matrices that is three lines: `q @ k.transpose(-2, -1)`, a softmax over the last dimension, and
# `weights @ v`. There are several *heads*, each with queries and keys of its own; they are just one more
# dimension: `[batch, heads, time, width]`.
#
# Two details decide whether it works. The first is the **scale**. How large is a dot product of two
# random vectors of width 4, of width 64?

# %%
predict("p10_4", "", "two whole numbers: the typical size at width 4, at width 64")

# %%
generator, spreads = torch.Generator().manual_seed(0), []
for width in (4, 64):
    q, k = torch.randn(2, 20_000, width, generator=generator)
    scores = (q * k).sum(dim=1)
    spreads.append(round(scores.std().item()))
    print(f"width {width:2}: spread {scores.std():.0f}, divided by the root {scores.std() / width**0.5:.1f}")
row = torch.tensor([1.0, 0.0, -1.0])
for scale in (1, 8):
    print(f"softmax of {(scale * row).tolist()}: {[round(w, 2) for w in (scale * row).softmax(0).tolist()]}")
outcome("p10_4", spreads)

# %% [markdown]
# Scores grow with the root of the width, and a softmax of large scores is nearly one-hot: one position
# gets everything, and almost no gradient flows. Divided by the root of the width, scores are about 1,
# whatever the width.
#
# The second is the **mask**. In training the model sees the whole sum at once, and position t should
# predict character t + 1. If it could look at position t + 1, it would copy. So a position may look at
# itself and at what is before it, and at nothing later: the mask is *causal*.
#
# Here is a row of three equal scores whose last entry is to be hidden, in three ways. Which one is right?

# %%
predict("p10_5", "", "weight 0 after the softmax / score 0 before it / score -inf before it")

# %%
scores = torch.tensor([2.0, 2.0, 2.0])
hidden = torch.tensor([False, False, True])
ways = {
    "weight 0 after the softmax": scores.softmax(0).masked_fill(hidden, 0.0),
    "score 0 before it": scores.masked_fill(hidden, 0.0).softmax(0),
    "score -inf before it": scores.masked_fill(hidden, float("-inf")).softmax(0),
}
for name, weights in ways.items():
    shown = [round(w, 2) for w in weights.tolist()]
    print(f"{name:27}: {shown}, together {weights.sum().item():.2f}")
right = [name for name, w in ways.items() if w[2] == 0 and abs(w.sum().item() - 1) < 1e-6]
outcome("p10_5", right)

# %% [markdown]
# Only the last one hides the entry *and* leaves weights that add up to 1. exp(0) is 1, so a score of 0
# hides nothing; exp(-inf) is 0.
#
# ### Exercise: causal attention

# %% solution="causal_attention"
def causal_attention(q, k, v):
    """Attention in which each position looks at itself and at earlier positions only.

    q, k  queries and keys, [batch, heads, time, width]
    v     values, [batch, heads, time, any width]
    Returns [batch, heads, time, width of v], with a graph back to q, k and v. Position t gets a mean
    of the values 0 to t, weighted by a softmax over q[t] . k[s] / sqrt(width of q).
    F.scaled_dot_product_attention and nn.MultiheadAttention may not be called.
    """
    ### BEGIN SOLUTION
    time, width = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) / math.sqrt(width)
    later = torch.ones(time, time, dtype=torch.bool).triu(diagonal=1)
    weights = scores.masked_fill(later, float("-inf")).softmax(dim=-1)
    return weights @ v
    ### END SOLUTION


# %% tests="causal_attention"

# %% [markdown]
# ### Train it
#
# `Transformer` in `course_lib.models` is all the rest: an embedding for each character and one for each
# place, your attention, a small MLP, and a linear layer that gives 12 logits. What attention and MLP give
# is added to what was there, and normalised before. You have met every part but attention in earlier
# chapters.
#
# And who trains it? Your own `train_one_epoch` of chapter 05. Paste it below; if you leave the cell empty,
# the same five lines of the course are used, and the output says so. This part is not graded.

# %% paste="own_train_one_epoch"
### BEGIN SOLUTION
def own_train_one_epoch(model, loader, loss_fn, optimizer):
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


### STUB
# own_train_one_epoch = None  # yours of chapter 05: def own_train_one_epoch(...)
### END SOLUTION

# %% [markdown]
# Logits are `[batch, 7, 12]` and targets `[batch, 7]`. Cross-entropy wants a list of examples, so both
# are flattened: each position of each sum is an example. The last 240 sums of a random order are set
# aside. A guess costs log(12) = 2.48.

# %%
from course_lib.data import loader
from course_lib.models import Transformer


def loss_fn(logits, y):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())


def five_lines(model, train_loader, loss_fn, optimizer):
    total = 0.0
    for x, y in train_loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(train_loader)


order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))
train_tokens, unseen = tokens[order[:3000]], tokens[order[3000:]]
train_loader = loader(train_tokens[:, :-1], train_tokens[:, 1:], batch_size=60, seed=0)

# %%
train_epoch = own_train_one_epoch or five_lines
language_model = Transformer(len(CHARACTERS), 7, causal_attention, width=64, heads=4, seed=0)
optimizer = torch.optim.Adam(language_model.parameters(), lr=0.006)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=15)
losses = []
try:
    for epoch in range(15):
        losses.append(train_epoch(language_model, train_loader, loss_fn, optimizer))
        scheduler.step()
    whose = "yours" if own_train_one_epoch else "the course's; paste yours above"
    print(f"train_one_epoch: {whose}")
    print("first epoch below a guess:", losses[0] < 2.48, "- last epoch below 1:", losses[-1] < 1)
except NotImplementedError:
    print("Write causal_attention above, then run this cell again.")

# %% [markdown]
# The last loss is between 0.8 and 1, and no better model would get much lower: the digits of the two
# numbers can only be guessed.
#
# Nothing in the loop has changed. It does not know that its examples are texts.

# %% [markdown]
# ### Let it write
#
# A language model writes by predicting, appending what it predicted, and reading it again. The simplest
# way takes the most likely character each time. Two things to mind: what comes next stands at the
# *last* position, and the model was built for at most `context` positions, so give it no more than its
# last ones.
#
# ### Exercise: `generate`

# %% solution="generate"
def generate(model, tokens, n_new, context):
    """Continue each row of ``tokens`` with the model's most likely token, again and again.

    model    model(tokens) is [batch, time, vocabulary]: for each position the logits of the token
             that follows it
    tokens   [batch, time], int64: where each row starts
    n_new    how many tokens to add
    context  the model takes at most this many tokens: give it the last ones

    The model runs in eval mode and records no gradients; afterwards it is in the mode it was in.
    Returns [batch, time + n_new], int64: the given tokens, followed by the new ones.
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for _ in range(n_new):
            logits = model(tokens[:, -context:])
            most_likely = logits[:, -1].argmax(dim=-1, keepdim=True)
            tokens = torch.cat([tokens, most_likely], dim=1)
    model.train(was_training)
    return tokens
    ### END SOLUTION


# %% tests="generate"

# %% [markdown]
# How many of the 240 sums that it has never seen will it get right?

# %%
predict("p10_6", "", "more than half / at most half")

# %%
try:
    answers = generate(language_model, unseen[:, :6], 2, context=7) if losses else None
except NotImplementedError:
    answers = None
    print("Write generate above, then run this cell again.")
if answers is not None:
    right = (answers == unseen).all(dim=1)
    print("it writes sums, such as", to_text(answers[0]), "and", to_text(answers[1]))
    most = right.sum().item() > 120
    print("more than half of the 240 unseen sums are right:", most)
    outcome("p10_6", "more than half" if most else "at most half")

# %% [markdown]
# It has learned to add, carrying included, from examples alone, in a few seconds. (Ask it for a sum
# with three digits, and you see how narrow that is.)
#
# ### Where does it look?
#
# The panel trains two even smaller models on sums of one digit, such as 7+9=16: one with the mask, one
# without. Before you move anything: at position 4 the model has read `7+9=` and must say the first digit
# of the result.
#
# 1. Where does head 2 look from there, with the mask and without?
# 2. Which of the two has the lower training loss, and which one writes better sums?

# %%
predict("p10_7", "", "with the mask at the: first number / plus / second number / answer")
predict("p10_8", "", "without it at the: first number / plus / second number / answer")
predict("p10_9", "", "the lower loss: with the mask / without it")
predict("p10_10", "", "the better sums: with the mask / without it")

# %% panel="attention_map"

# %%
from course_lib.simulations import load

masked, unmasked = (
    load("attention_map").compute({"place": 4, "head": 2, "step": 200, "mask": mask})
    for mask in (True, False)
)
for question, state in (("p10_7", masked), ("p10_8", unmasked)):
    weights = state.snapshot.weights[state.head, state.place]
    places = ("first number", "plus", "second number", "equals sign", "answer")
    outcome(question, places[weights.argmax()])
outcome("p10_9", "with the mask" if masked.loss < unmasked.loss else "without it")
better = masked.snapshot.right > unmasked.snapshot.right
outcome("p10_10", "with the mask" if better else "without it")

# %% [markdown]
# What there was to see:
#
# - **With the mask** head 2 looks from position 4 at the second number. At position 5, where the last
#   digit is due, head 1 looks at the second number and head 2 mostly at the first: the model gathers
#   what it has to add.
# - **Without the mask** head 2 puts all of its weight at position 4 on position 5: on the very digit
#   that it is asked to predict. Its loss falls to 0.00, far below the dotted line, where nobody
#   can get by honest means.
# - **And it writes nonsense**: asked 7+9= it writes 59. In training the answer was there to be
#   copied; when it writes, that position does not exist yet. The model with the mask gets all 100 sums
#   right.
#
# So the lower loss belongs to the worse model. Nothing crashed and no warning came. The sign is a loss
# that is too good to be true.
#
# One thing that attention is *not*: a memory. Nothing is kept between two calls; the model knows what
# stands in its context and what is in its weights, and nothing else.
#
# **What is missing.** Dozens of blocks instead of one, words instead of characters, and text by the
# trillion. When it writes, a real model keeps keys and values instead of computing them again, and draws
# from the probabilities instead of always taking the largest.

# %% [markdown]
# ## 3. Two machines
#
# A batch too large for one machine is shared out. Every worker has a *replica* of the model and a part of
# the examples, its *shard*. Each runs forward, loss and backward on its own. Then the gradients are
# averaged over the workers, and every replica takes the same step. Nobody ever sends a weight.
#
# You know this sum: it is chapter 05's accumulation, in space instead of time. When does it give exactly
# what one large batch would give: always, or only when the shards are equally large?

# %%
predict("p10_11", "", "shards of 8 and 8: equal / different")
predict("p10_12", "", "shards of 12 and 4: equal / different")

# %%
from course_lib.data import digits
from course_lib.models import MLP

images, labels = digits(size=8)
model = MLP(64, 16, 10, seed=0)
digits_loss_fn = torch.nn.CrossEntropyLoss()


def gradient_of(rows):
    """The gradient of the mean loss over these rows, as one long vector."""
    model.zero_grad()
    digits_loss_fn(model(images[rows]), labels[rows]).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


whole = gradient_of(slice(0, 16))
for question, cut in (("p10_11", 8), ("p10_12", 12)):
    averaged = (gradient_of(slice(0, cut)) + gradient_of(slice(cut, 16))) / 2
    same = (averaged - whole).abs().max().item() < 1e-6
    print(f"shards of {cut} and {16 - cut}: equal to one batch of 16 to 1e-6: {same}")
    outcome(question, "equal" if same else "different")

# %% [markdown]
# With equal shards the mean of the means is the mean. With 12 and 4 each of the four counts three times as
# much as each of the twelve. Nothing breaks; it is just another loss, and nobody says so.
#
# So every worker needs equally many examples, and there is a harder reason: averaging is a meeting. A
# worker with one batch more waits for the others' gradients, and they never come.
#
# Who reads what, then? All workers draw the *same* random order, and worker r takes every
# `world_size`-th example from place r on. Where the examples do not divide evenly, there are two ways:
# fill the order up with a few examples from its beginning, or leave a few out. With n = 10 and 4
# workers: how many does each worker read, in each of the two ways?

# %%
predict("p10_13", "", "two numbers: filled up, left out")

# %%
from torch.utils.data import DistributedSampler

read = []
for drop_last in (False, True):
    shards = [
        list(DistributedSampler(range(10), 4, rank, shuffle=False, drop_last=drop_last))
        for rank in range(4)
    ]
    print(f"drop_last={drop_last!s:5}:", *shards)
    read += {len(shard) for shard in shards}
outcome("p10_13", read)

# %% [markdown]
# Three each, where 0 and 1 come twice; or two each, where 8 and 9 are left out. That is PyTorch's
# `DistributedSampler` without shuffling. Yours shuffles. The trap is the seed: it must be the same for
# all ranks, or the shards overlap, and different in every epoch.
#
# ### Exercise: `shard_indices`
#
# Draw the order with a `torch.Generator` of your own. `DistributedSampler` may not be called.

# %% solution="shard_indices"
def shard_indices(n, rank, world_size, epoch, seed, drop_last=False):
    """The examples that worker ``rank`` of ``world_size`` (ranks count from 0) reads in an epoch.

    n         number of examples, at least world_size
    epoch     each epoch has its own random order, ...
    seed      ... and so has each seed; equal seed and epoch give the same order in every worker
    Every worker gets equally many: n / world_size, rounded up, where the order is filled up with
    examples from its own beginning; or rounded down with drop_last=True, where the rest is left out.
    PyTorch's global random state stays as it is.

    Returns a list of ints from 0 to n - 1.
    """
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(seed + 1000 * epoch)
    order = torch.randperm(n, generator=generator).tolist()
    share = n // world_size if drop_last else math.ceil(n / world_size)
    order += order  # as much of it again as is needed
    return order[rank : share * world_size : world_size]
    ### END SOLUTION


# %% tests="shard_indices"

# %% [markdown]
# ### Exercise: `average_gradients`
#
# Here all replicas live in one process, so you can reach them all. Two things to mind. A parameter that
# took no part in a replica's loss has the gradient None there: it counts as zero. And every replica needs
# tensors of its own.

# %% solution="average_gradients"
def average_gradients(models):
    """Give every replica the mean of all replicas' gradients, parameter by parameter.

    models  a list of models of the same architecture; their parameters stay as they are
    A gradient that is None in some replicas counts as zero there; one that is None in all stays None.
    Each replica gets tensors of its own: changing one replica's .grad changes no other's.
    """
    ### BEGIN SOLUTION
    for replicas in zip(*(model.parameters() for model in models)):
        gradients = [p.grad for p in replicas if p.grad is not None]
        if gradients:
            mean = sum(gradients) / len(replicas)
            for p in replicas:
                p.grad = mean.clone()
    ### END SOLUTION


# %% tests="average_gradients"

# %% [markdown]
# Both of your functions at work: two replicas, 20 steps, against one model that sees both shards as one
# batch. How far apart will their weights be at the end?

# %%
predict("p10_14", "", "less than 1e-6 / more")

# %%
def step_all(models, batches, average):
    """One step of each model on its own batch."""
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
    for model, optimizer, rows in zip(models, optimizers, batches):
        optimizer.zero_grad()
        digits_loss_fn(model(images[rows]), labels[rows]).backward()
    if average:
        average_gradients(models)
    for optimizer in optimizers:
        optimizer.step()


def weights_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


alone, *replicas = [MLP(64, 16, 10, seed=0) for _ in range(3)]
one = None
try:
    shards = [shard_indices(1280, rank, 2, epoch=0, seed=0) for rank in range(2)]
    for first in range(0, 640, 32):
        parts = [shard[first : first + 32] for shard in shards]
        step_all(replicas, parts, average=True)
        step_all([alone], [parts[0] + parts[1]], average=False)
    one, two, large = map(weights_of, (*replicas, alone))
    print("replicas equal to the last bit:", torch.equal(one, two))
    same = (one - large).abs().max().item() < 1e-6
    print("equal to one large batch to 1e-6:", same)
    outcome("p10_14", "less than 1e-6" if same else "more")
except NotImplementedError:
    print("Write shard_indices and average_gradients above, then run this cell again.")

# %% [markdown]
# The replicas agree to the last bit, for they start equal and take equal steps. The large batch adds in
# another order, so there the last bits differ, and no more.
#
# ### Now with real processes
#
# `course_lib.data_parallel` starts a Python process for each worker, which talk to each other through
# `torch.distributed` (with gloo, over 127.0.0.1), and ends them when they are done, whatever happens. The
# heart of a worker is this:
#
# ```python
# loss = F.cross_entropy(model(x), y)
# model.zero_grad()
# loss.backward()
# for p in model.parameters():
#     torch.distributed.all_reduce(p.grad)  # every worker gets the sum
#     p.grad /= world_size
# # ... and the step
# ```
#
# Where sockets are refused, it says so and runs the same arithmetic in one process. It takes a few
# seconds, because each process has to import PyTorch first. Will the workers end with the weights of the
# replicas above?

# %%
predict("p10_15", "", "to 1e-6: yes / no")

# %%
from course_lib import data_parallel

try:
    shards = [shard_indices(1280, rank, 2, epoch=0, seed=0) for rank in range(2)]
except NotImplementedError:
    shards = None
    print("Write shard_indices above, then run this cell again.")

if shards:
    trained = data_parallel.train(MLP(64, 16, 10, seed=0), images, labels, shards)
    print(trained.note or f"{trained.processes} processes took {len(trained.losses[0])} steps each")
    print("all workers have the same weights:", trained.distance() < 1e-6)
    if one is not None:
        same = (weights_of(trained.models[0]) - one).abs().max().item() < 1e-6
        print("they are those of the replicas above:", same)
        outcome("p10_15", "yes" if same else "no")

# %% [markdown]
# Two processes, which shared nothing but gradients, have the same model. The panel does it with up to four
# workers. Before you try it: two workers, each with its own digits (0 to 4 and 5 to 9). What happens to the
# loss on *all* digits, without averaging and with it?

# %%
predict("p10_16", "", "without averaging the loss: rises / falls")
predict("p10_17", "", "with averaging the loss: rises / falls")

# %% panel="data_parallel"

# %%
for question, average in (("p10_16", False), ("p10_17", True)):
    settings = {"workers": 2, "average": average, "shards": "own"}
    curves = load("data_parallel").compute(settings).run.losses
    outcome(question, "rises" if curves[-1].mean() > curves[0].mean() else "falls")

# %% [markdown]
# - **Without averaging**, each replica learns its own digits and forgets the others: the loss on all digits
#   rises above the 2.3 of a guess. With shards that look alike the replicas only drift apart.
# - **With averaging** all curves fall together, on the grey one: one large batch. Even with lopsided
#   shards, because the mean over the shards is the mean over the batch.
# - **The time** is measured on your machine. A worker's share of the computing shrinks, averaging does not,
#   and here nothing even travels over a network: at some number of workers more of them do not help.
#
# What is averaged matters. It is the gradients, before the step: not the losses, which are only logged,
# and not the weights, which need no averaging because they never differ.
#
# **What is missing.** `DistributedDataParallel` sends the first gradients while backward still computes the
# others. Batch norm sees only its own worker's batch. A machine that dies takes the meeting down with it.
# And none of it helps when the model itself does not fit: then its weights are split up as well.

# %% [markdown]
# ## 4. A loss that is a reward
#
# So far every example came with its right answer. Now nobody knows it. There are five levers; you pull one
# and get a reward. Which one to pull is up to a *policy*: probabilities, from a softmax over five logits.
#
# The reward comes from outside. It is a number without a graph, so there is nothing to walk back. What can
# be differentiated is the probability of what you did. **REINFORCE** uses this: make an action more
# likely in proportion to the reward that it brought,
#
# loss = -mean(log_prob * reward)
#
# On average its gradient points exactly where the expected reward rises. Single steps are very noisy:
# with eight pulls you have seen eight rewards, and nothing of what the other levers would have given.
#
# All five levers give between 4 and 6, so every reward is positive, and *every* lever that was pulled
# becomes more likely. What would happen to the gradient if you subtracted 5 from all rewards?

# %%
predict("p10_18", "", "its mean: stays / changes")
predict("p10_19", "", "its noise: shrinks / stays / grows")

# %%
reward = torch.tensor([4.0, 4.5, 5.0, 5.5, 6.0], dtype=torch.float64)
policy = torch.full((5,), 0.2, dtype=torch.float64)
# The gradient of log p(lever) at the logits is 1 at the lever, 0 elsewhere, minus the policy.
directions = torch.eye(5, dtype=torch.float64) - policy
means, variances = [], []
for baseline in (0.0, 5.0):
    gradients = (reward - baseline).unsqueeze(1) * directions  # one row for each lever
    mean = policy @ gradients
    variance = policy @ (gradients - mean).square().sum(dim=1)
    print(f"baseline {baseline:g}: mean {[round(g, 2) + 0.0 for g in mean.tolist()]}, variance {variance:.2f}")
    means.append(mean)
    variances.append(variance.item())
outcome("p10_18", "stays" if torch.allclose(*means) else "changes")
ratio = round(variances[1] / variances[0], 2)
outcome("p10_19", "shrinks" if ratio < 1 else "grows" if ratio > 1 else "stays")

# %% [markdown]
# All five levers are added up here, so this is exact. The mean does not change at all: the estimate
# stays *unbiased*. The variance falls from 20.30 to 0.30. A number that is subtracted from the rewards is a
# **baseline**; with it, what was better than expected becomes more likely, and what was worse less so.
#
# A baseline is often predicted by a second network, and the rewards may come from one. This loss must not
# train either of them.
#
# ### Exercise: `policy_gradient_loss`

# %% solution="policy_gradient_loss"
def policy_gradient_loss(log_probs, rewards, baseline=None):
    """The loss whose gradient makes actions with a high reward more likely (REINFORCE).

    log_probs  [N], the logarithm of the probability that the policy gave to each action taken
    rewards    [N], what each action brought
    baseline   None, a number or [N]: subtracted from the rewards

    Returns a 0-dim tensor: minus the mean of log_prob * (reward - baseline). Its gradient reaches
    log_probs, and neither rewards nor baseline.
    """
    ### BEGIN SOLUTION
    advantages = rewards if baseline is None else rewards - baseline
    return -(log_probs * advantages.detach()).mean()
    ### END SOLUTION


# %% tests="policy_gradient_loss"

# %% [markdown]
# In the panel 20 policies learn side by side, each from eight pulls a step. Predict, then try, all without
# a baseline:
#
# 1. At the default rate of 0.1: do all 20 find the best lever?
# 2. At a learning rate of 1: do more of them find it, or fewer?
# 3. All rewards ten times as large: what does that resemble?

# %%
predict("p10_20", "", "all 20: yes / no")
predict("p10_21", "", "at a rate of 1: more / fewer")
predict("p10_22", "", "rewards times ten: a higher rate / a lower rate / a baseline")

# %% panel="policy_gradient"

# %%
def levers(**changed):
    settings = {"baseline": False, "lr": 0.1, "scale": 1.0} | changed
    return load("policy_gradient").compute(settings).run


default, fast = levers(), levers(lr=1.0)
outcome("p10_20", "yes" if default.best == 20 else "no")
outcome("p10_21", "more" if fast.best > default.best else "fewer")
slow, tenfold, quiet = levers(lr=0.02), levers(scale=10.0), levers(baseline=True)
similar = {"a higher rate": fast, "a lower rate": slow, "a baseline": quiet}
apart = {name: abs(run.returns - tenfold.returns).mean() for name, run in similar.items()}
outcome("p10_22", min(apart, key=apart.get))

# %% [markdown]
# - **Without a baseline** 13 of 20 runs settle on the best lever. The others were lucky with a worse one
#   early on, and what is pulled often gets rewarded often. With a baseline all 20 find it, at the same rate.
# - **At a learning rate of 1** without a baseline most runs settle on a worse lever within a few steps:
#   a policy that is sure of itself no longer tries anything else, and so never learns that it is wrong.
#   No loss explodes; the curves just stop. With a baseline all 20 runs find the best one.
# - **Ten times the rewards** is ten times the gradient, so it acts like ten times the learning rate. That is
#   why rewards are scaled in practice.
#
# Note what you did *not* look at: the loss. In this part it is only a handle for gradients. It can go up
# while the policy improves; look at the return.

# %% [markdown]
# ### A corridor
#
# Levers are over after one pull. Here is a game with several moves: a corridor with seven places. You start
# at place 2; place 0 is a pit and place 6 the exit, worth 1. Every move costs 0.05. Which move was the good
# one? Nobody says. So every move of a game gets the game's whole return.

# %%
def play(policy, generator, games=32):
    """Play games at once. Returns log_probs and returns, one of each per move, and the mean return."""
    place = torch.full((games,), 2)
    playing = torch.ones(games, dtype=torch.bool)
    total, log_probs, moved = torch.zeros(games), [], []
    for _ in range(20):
        log_policy = policy[place].log_softmax(dim=1)  # [games, left or right]
        chance = torch.rand(games, generator=generator)
        move = (chance < log_policy[:, 1].detach().exp()).long()  # 1 is right
        log_probs.append(log_policy[torch.arange(games), move])
        moved.append(playing)
        place = torch.where(playing, place + 2 * move - 1, place)
        total = total - 0.05 * playing + 1.0 * (playing & (place == 6))
        playing = playing & (place > 0) & (place < 6)
    moved = torch.stack(moved)
    return torch.stack(log_probs)[moved], total.expand(20, games)[moved], total.mean().item()


# %% [markdown]
# The shortest way is four moves: the best return is 1 - 4 * 0.05 = 0.8. Look for the four beats.

# %%
policy = torch.zeros(7, 2, requires_grad=True)  # for each place: a logit for left, one for right
optimizer = torch.optim.Adam([policy], lr=0.1)
generator = torch.Generator().manual_seed(0)
mean_returns = []
try:
    for step in range(60):
        log_probs, returns, mean_return = play(policy, generator)  # forward: act
        loss = policy_gradient_loss(log_probs, returns, baseline=returns.mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean_returns.append(mean_return)
    print("below 0.4 in the first five steps:", sum(mean_returns[:5]) / 5 < 0.4)
    print("above 0.7 in the last ten steps: ", sum(mean_returns[-10:]) / 10 > 0.7)
except NotImplementedError:
    print("Write policy_gradient_loss above, then run this cell again.")

# %%
from course_lib.beats import FORWARD, INK
from course_lib.figures import finish, new_axes, show_figure

if mean_returns:
    figure, axes = new_axes()
    axes.plot(mean_returns, color=FORWARD.color, label="mean of 32 games")
    axes.axhline(0.8, color=INK, ls=":", lw=1.6, label="the shortest way")
    finish(axes, "It finds the exit without ever being told", "step", "return of a game")
    show_figure(figure, "The mean return rises from about 0 to the best possible, 0.8.")

# %% [markdown]
# ### What people prefer
#
# For a chat model there is not even a score. What people can do is compare: of two answers, this one is
# better. So training from human feedback (RLHF) has two steps:
#
# 1. A **reward model** gives each answer a score, so that preferred answers score higher.
# 2. The policy, which is the chat model, is pushed towards a high score, on a **leash**: it pays for
#    every step away from where it started.
#
# For the first, the probability that answer A is preferred to B is sigmoid(score A - score B): the
# difference of the scores is a logit. Its loss is the one you know, minus the log of the probability of
# what people said. And the trap is the one you know from chapter 02:

# %%
difference = torch.tensor(-200.0)
print("in two steps:", torch.sigmoid(difference).log().item())
print("in one:      ", torch.nn.functional.logsigmoid(difference).item())

# %% [markdown]
# ### Exercise: `preference_loss`
#
# With a `margin` the chosen answer has to be better by that much before the loss is content.

# %% solution="preference_loss"
def preference_loss(chosen, rejected, margin=0.0):
    """The loss of a reward model that learns from comparisons.

    chosen    [N], the scores of the answers that people preferred
    rejected  [N], the scores of the answers they were compared with
    margin    by how much a chosen answer's score should be higher at least, a number

    Returns a 0-dim tensor: the mean of -log(sigmoid(d)), where d is how far the chosen score is above
    the rejected one, less the margin. It and its gradient are finite for d = 10,000 and -10,000, too.
    """
    ### BEGIN SOLUTION
    return -torch.nn.functional.logsigmoid(chosen - rejected - margin).mean()
    ### END SOLUTION


# %% tests="preference_loss"

# %% [markdown]
# Now both steps. To keep it small an answer is only its length, 1 to 10 sentences. People like longer
# answers better, up to six sentences; beyond that they get bored. But the comparisons are all between
# answers of 1 to 6 sentences, because the model hardly ever wrote longer ones.
#
# Which of the ten lengths will the reward model like best?

# %%
predict("p10_23", "", "one number, from 1 to 10")

# %%
lengths = torch.arange(1.0, 11.0).unsqueeze(1)
liked = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 4.0, 2.0, 0.0, -2.0])  # what people feel
generator = torch.Generator().manual_seed(0)
a, b = torch.randint(6, (2, 300), generator=generator)  # 300 pairs, of 1 to 6 sentences
a_wins = torch.rand(300, generator=generator) < torch.sigmoid(liked[a] - liked[b])
chosen, rejected = torch.where(a_wins, a, b), torch.where(a_wins, b, a)

reward_model = torch.nn.Linear(1, 1)
optimizer = torch.optim.Adam(reward_model.parameters(), lr=0.05)
torch.nn.init.zeros_(reward_model.weight)
try:
    for step in range(100):
        loss = preference_loss(
            reward_model(lengths[chosen]).squeeze(1), reward_model(lengths[rejected]).squeeze(1)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    slope = reward_model.weight.item()
    print("the slope of the score is near 1, as between 1 and 6 sentences:", 0.7 < slope < 1.3)
    favourite = reward_model(lengths).argmax().item() + 1
    print("its favourite length:", favourite)
    outcome("p10_23", favourite)
except NotImplementedError:
    slope = None
    print("Write preference_loss above, then run this cell again.")

# %% [markdown]
# It has learned its comparisons well, and believes in ten sentences: a reward model is only as good as its
# comparisons, and nobody compared those. A good loss on them says nothing about what lies beyond.
#
# Now push the policy. It starts with answers of 1 to 6 sentences, and one in a hundred of its weights for
# each longer one. With a leash of strength beta the reward is
#
# score - beta * (log_prob - log_prob at the start)
#
# Will people like the result more or less than the answers at the start, with beta = 0 and with beta = 2?

# %%
predict("p10_24", "", "with beta = 0: more / less")
predict("p10_25", "", "with beta = 2: more / less")

# %%
def push(score, beta):
    """REINFORCE on answers that the policy draws itself. Returns its probabilities."""
    at_start = torch.tensor([1.0] * 6 + [0.01] * 4).log().log_softmax(dim=0)
    logits = at_start.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    generator = torch.Generator().manual_seed(0)
    for step in range(300):
        log_probs = logits.log_softmax(dim=0)
        answers = torch.multinomial(
            log_probs.detach().exp(), 128, replacement=True, generator=generator
        )
        rewards = score[answers] - beta * (log_probs - at_start).detach()[answers]
        loss = policy_gradient_loss(log_probs[answers], rewards, baseline=rewards.mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return at_start.exp(), logits.detach().softmax(dim=0)


try:
    results = None
    if slope:
        score = reward_model(lengths).squeeze(1).detach()
        results = {beta: push(score, beta) for beta in (0, 2)}
except NotImplementedError:
    print("Write policy_gradient_loss above, then run this cell again.")
if results:
    before, loose = results[0]
    _, leashed = results[2]
    print(f"at the start people like the answers {before @ liked:.1f}, with beta = 0 {loose @ liked:.0f}")
    print("with beta = 2 more than at the start:", (leashed @ liked > before @ liked + 0.5).item())
    scores = [(policy @ score).item() for policy in (before, leashed, loose)]
    print("the reward model likes beta = 0 best:", scores == sorted(scores))
    for question, policy in (("p10_24", loose), ("p10_25", leashed)):
        outcome(question, "more" if policy @ liked > before @ liked else "less")

# %% [markdown]
# Without the leash the policy has found what the reward model overrates, ten sentences, and people like it
# least. Its reward is the highest of all. This is *reward hacking*. On the leash it stays among the answers
# that the reward model knows, and there it has become better than it was.
#
# The leash does not make the reward model right. It keeps the policy where it was not yet proven wrong.
#
# **What is missing.** Real policies are language models, whose actions are tokens and whose log-probability
# is a sum over an answer. Their updates are limited step by step (PPO), or the reward model is left out
# altogether and the policy trained on the comparisons themselves (DPO), with the very loss that you have
# just written.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q10_1 = "A"`. The check says only whether you gave
# an answer; the correct answers and the reasons come with your grade.

# %% quiz="q10_1"

# %% quiz="q10_2"

# %% quiz="q10_3"

# %% [markdown]
# ## Recap
#
# 1. Autograd is two rules: gradients that meet are added, and a value passes its own on when all of it has
#    arrived.
# 2. Attention is a mean of values, weighted by a softmax over scaled scores. The causal mask comes before the
#    softmax; without it the loss is too good to be true.
# 3. Data parallel training averages gradients. With equal shards that is one large batch.
# 4. REINFORCE is unbiased and noisy: a baseline takes away noise and leaves the mean alone.
# 5. A reward model is only as good as its comparisons, and a policy finds out where it is not.
#
# **From the bug cheat sheet:** its last table has this chapter's four. They have one thing in common: no
# error, and a number that looks fine.
#
# **Where next:** you have seen forward, loss, backward and step in five settings by now. Whatever you
# train next, look for the four, and ask which one is new.
