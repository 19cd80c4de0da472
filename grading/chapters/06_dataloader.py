# %% [markdown] head=true
# After this chapter you can
#
# - say what a `DataLoader` does for you, and write its core yourself;
# - choose a batch size knowing its two costs, noise and time;
# - explain why sorted data makes a network forget, and see it happen;
# - split data into training and validation, and scale both without a leak.
#
# **Builds on** the complete loop (chapter 05), where `loader` was anything that yields pairs
# `x, y`.

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("06", "", "")

# %% [markdown]
# ## Three jobs
#
# In chapter 05 the batches were ready-made. Something has to make them, and PyTorch splits that
# work between two objects:
#
# - a **dataset** knows the examples: how many there are, and what number `i` is;
# - a **loader** decides which example is shown when.
#
# The loader has three jobs: it cuts the data into **batches**, it **shuffles** the data again for
# each epoch, and it can **load in parallel**, so that the next batch is ready when the last one has
# been used.
#
# Here are both. `TensorDataset` is the simplest dataset: it takes matching rows from several
# tensors. `generator_of(0)` is a source of random numbers with the seed 0, so that you get the same
# batches each time; more about it below.

# %% tags=["setup"]
from torch.utils.data import DataLoader, Dataset, TensorDataset

from course_lib.data import digits, generator_of
from course_lib.models import MLP

# %%
images, labels = digits(size=8)  # 1,797 handwritten digits, 8x8 pixels each, values from 0 to 1
dataset = TensorDataset(images, labels)
image, label = dataset[0]
print("examples:", len(dataset), " one example:", list(image.shape), "and the label", label.item())
loader = DataLoader(dataset, batch_size=32, shuffle=True, generator=generator_of(0))
x, y = next(iter(loader))
print("one batch:", list(x.shape), "and", list(y.shape))

# %% [markdown]
# Make that last line a habit. Before you train on new data, take one batch and print its
# shapes. The most common first error in a new project is a batch that does not fit the model. Here
# the pictures arrive as 8x8 squares, but the model expects 64 numbers in a row:

# %%
model = MLP(64, 32, 10, seed=0)
squares = x.reshape(-1, 8, 8)
try:
    model(squares)
except RuntimeError as error:
    print("RuntimeError:", error)
print("what arrived:", list(squares.shape), " after flatten:", list(squares.flatten(1).shape))

# %% [markdown]
# "mat1 and mat2" are the batch and the weight, seen as matrices. The message gives sizes; the
# printed shape tells you where they come from.
#
# ## How many updates make an epoch?
#
# Take 1,000 examples in batches of 32. How many batches are there, and how large is the last one?

# %%
predict("p06_1", "", "two numbers: batches, size of the last one")

# %%
thousand, found = TensorDataset(torch.zeros(1000, 1)), {}
for drop_last in (False, True):
    sizes = [len(x) for (x,) in DataLoader(thousand, batch_size=32, drop_last=drop_last)]
    found[drop_last] = (len(sizes), sizes[-1])
    print(f"drop_last={drop_last}: {len(sizes)} batches, the last of {sizes[-1]}")
outcome("p06_1", found[False])

# %% [markdown]
# 31 full batches and one of 8: 32 updates. With `drop_last=True` the small one is left out: 31. Why
# would you want that? A batch of 1 or 2 has a very noisy gradient, and batch norm cannot work with
# a single example. In evaluation you want every example, so there `drop_last` stays False.
#
# ## Exercise: count the updates
#
# Python has what you need: `n // b` counts the full batches, `n % b` is the remainder. Hints:
# `hint("count_updates")`.

# %% solution="count_updates"
def count_updates(n_examples, batch_size, drop_last=False):
    """Count the optimizer steps in one epoch: one per batch.

    n_examples  0 or more
    batch_size  1 or more
    drop_last   leave out the last batch when it is smaller than batch_size

    Returns an int.
    """
    ### BEGIN SOLUTION
    full, rest = divmod(n_examples, batch_size)
    if rest > 0 and not drop_last:
        return full + 1
    return full
    ### END SOLUTION


# %% tests="count_updates"

# %% [markdown]
# ## How large should a batch be?
#
# There are two extremes. **All the data as one batch**: the exact gradient, but a single step for
# all that work; a large data set does not even fit into memory. **One example as a batch**: a step
# after each example, and each step follows the whim of that one example. What lies between them is
# a **mini-batch**, and this is what people mean by "batch".
#
# How noisy is the mean of a few examples? Forget networks for a moment: draw `batch_size` random
# numbers whose spread (their standard deviation, the typical distance from their mean) is 1, and
# take their mean. If you go from 16 to 64 numbers, what happens to the spread of that mean?

# %%
predict("p06_2", "", "the same / half / a quarter")

# %%
generator, spread = generator_of(0), {}
for batch_size in (1, 4, 16, 64):
    means = torch.randn(10_000, batch_size, generator=generator).mean(dim=1)
    spread[batch_size] = means.std().item()
    print(f"batch of {batch_size:2}: the means spread by {spread[batch_size]:.2f}")
parts = {"the same": 1, "half": 0.5, "a quarter": 0.25}
outcome("p06_2", min(parts, key=lambda part: abs(parts[part] - spread[64] / spread[16])))

# %% [markdown]
# Four times the numbers, half the spread: it falls as 1/sqrt(batch size). It is the variance, the
# square of the spread, that falls to a quarter.
#
# A batch's gradient is such a mean, of its examples' gradients. Below you see 200 of them for each
# batch size. On the left each mark is the gradient of one batch; the arrow is the gradient over all
# the data, the full gradient, and its length is the unit. In the middle is the noise: how far a
# batch's gradient typically lies from the full one. On the right is what an epoch costs.
#
# At which size will the noise be as small as the gradient itself (the dotted line in the middle)?
# Then move the slider from 1 to 1,024 and look for it.

# %%
predict("p06_3", "", "at about: 4 / 100 / 1000")

# %% panel="gradient_noise"

# %% [markdown]
# The same numbers, without the picture:

# %%
from course_lib.simulations import load

gradient_noise = load("gradient_noise")  # the simulation without its sliders
small_enough = []
for batch_size in (1, 16, 64, 128, 1024):
    state = gradient_noise.compute({"batch_size": batch_size, "when": "start"})
    distance = state.measured.noise[state.place]
    small_enough += [batch_size] if distance <= 1 else []
    print(f"batch {batch_size:4}: noise / gradient = {distance:.1f}, {state.updates} updates")
first = small_enough[0]
outcome("p06_3", str(min((4, 100, 1000), key=lambda guess: max(guess / first, first / guess))))

# %% [markdown]
# Between 64 and 128 examples the noise is as large as the gradient. Below that, a batch's gradient
# is mostly noise, and training works all the same: the noise cancels over many steps, and what
# the batches agree on remains.
#
# Two things fall when batches grow. The noise falls as 1/sqrt(batch), so the second half of the
# examples buys little. The time per epoch falls too, because one large step is hardly slower than
# one small step on hardware that works in parallel. But the number of updates falls with it: 1,797
# of them at batch size 1, two at 1,024.
#
# So people work in the middle: typically **32 to 512**.

# %% [markdown]
# ## Does the order matter?
#
# Data often comes sorted: all zeros first, then all ones. Train on it in this order, batch after
# batch, for several epochs. Every example is seen as often as with shuffling. What accuracy do you
# expect at the end: on the zeros, on the nines, and overall?

# %%
predict("p06_4", "", "the accuracy on the zeros: about 0 / about a half / about 1")
predict("p06_5", "", "on the nines: about 0 / about a half / about 1")
predict("p06_6", "", "overall: about a tenth / about a half / about 1")

# %% panel="shuffling"

# %% [markdown]
# Each row is a digit, each column a moment of the run; dark means the network knows the digit.
# Above, with shuffled data, everything darkens. Below, a diagonal appears: each class is learned
# when its turn comes and lost when the next one begins. At the end the network says "nine" to
# almost everything.
#
# Nothing is broken. Each step does what it should: it makes *this batch's* loss smaller. In a batch
# of nines the quickest way is to raise the logit of nine everywhere, and no other class pushes
# back. In a mixed batch the other classes do. This is called **catastrophic forgetting**.
#
# Try the other controls before you go on:
#
# - with a smaller learning rate the network forgets more slowly, and learns more slowly too;
# - shuffling *whole batches* of sorted data helps a lot, but each batch still pulls one way;
# - shuffling within a window of two classes helps little: the windows before the last are forgotten.
#   Shuffle all the data.

# %%
shuffling = load("shuffling")  # the simulation without its sliders
for order in ("sorted", "windows", "blocks"):
    state = shuffling.compute({"step": 565, "order": order, "lr": 0.1})
    if order == "sorted":
        at_the_end = state.other.accuracy[-1]  # of each digit
    print(f"{order:8}: mean accuracy at the end {state.other.accuracy[-1].mean():.2f}")
print(f"shuffled: mean accuracy at the end {state.shuffled.accuracy[-1].mean():.2f}")
parts = {"about 0": 0, "about a tenth": 0.1, "about a half": 0.5, "about 1": 1}
accuracies = (at_the_end[0], at_the_end[9], at_the_end.mean())
for question, accuracy in zip(("p06_4", "p06_5", "p06_6"), accuracies):
    outcome(question, min(parts, key=lambda part: abs(parts[part] - accuracy)))

# %% [markdown]
# You do not need a simulation to see it. Here are two sorted epochs, in the five lines that you
# know:

# %%
order = labels.argsort(stable=True)
loader = DataLoader(TensorDataset(images[order], labels[order]), batch_size=16, shuffle=False)
model = MLP(64, 32, 10, seed=0)
loss_fn = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    for x, y in loader:
        predictions = model(x)
        loss = loss_fn(predictions, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
answers = model(images).argmax(dim=1)
for digit in (0, 9):
    print(f"accuracy on digit {digit}: {(answers[labels == digit] == digit).float().mean():.2f}")
print(f"it says nine to {(answers == 9).float().mean():.2f} of all digits")

# %% [markdown]
# ## What the exercise needs
#
# You are about to write a loader. You need three tools for it.
#
# **A generator function** yields values one at a time. Its body runs up to the next `yield`, waits
# there, and goes on when the next value is requested. So no more than one batch is in memory.


# %%
def three_squares():
    for i in (1, 2, 3):
        print("  computing", i)
        yield i * i


for square in three_squares():
    print("got", square)

# %% [markdown]
# **A tensor of row numbers** picks rows, from `images` and from `labels` alike. Whatever order the
# numbers are in, a picture keeps its label as long as you use the same numbers for both.

# %%
rows = torch.tensor([4, 0, 2])
print("labels of rows 4, 0, 2:", labels[rows].tolist(), " pictures:", list(images[rows].shape))

# %% [markdown]
# **A `torch.Generator`** holds a random state. Drawing from it advances the state, so two draws
# differ; two generators with the same seed give the same sequence. `torch.randperm(n,
# generator=generator)` draws a random order. With `generator=None` it draws from PyTorch's global
# state, the one that `torch.manual_seed` sets.

# %%
generator, other_generator = generator_of(1), generator_of(1)  # the same seed
print("first: ", torch.randperm(6, generator=generator).tolist())
print("second:", torch.randperm(6, generator=generator).tolist())
print("other: ", torch.randperm(6, generator=other_generator).tolist())

# %% [markdown]
# ## Exercise: a loader from scratch
#
# One call is one pass over the data. Milestones: `shuffle=False` first, then `drop_last`, then the
# random order; the check tells you how far you are. Hints: `hint("iterate_batches")`.

# %% solution="iterate_batches"
def iterate_batches(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
    """Yield one pass over the data, batch by batch: a generator of tuples (x, y).

    X, y       tensors with the same number of examples, along their first dimension
    shuffle    a new random order for each pass; False keeps the order and draws
               no random numbers
    drop_last  leave out the last batch when it is smaller than batch_size
    generator  the torch.Generator that the order is drawn from, which advances it;
               None: PyTorch's global random state, which torch.manual_seed sets

    Each example comes once, x with its own y. X and y are left as they are.
    torch.utils.data.DataLoader and the loaders of course_lib.data are not allowed.
    """
    ### BEGIN SOLUTION
    n = len(X)
    order = torch.randperm(n, generator=generator) if shuffle else torch.arange(n)
    for start in range(0, n, batch_size):
        rows = order[start : start + batch_size]
        if drop_last and len(rows) < batch_size:
            return
        yield X[rows], y[rows]
    ### END SOLUTION


# %% tests="iterate_batches"

# %% [markdown]
# What you have written does the first two jobs of `DataLoader`. The third needs other processes.
# These are the settings that you will meet:
#
# | setting | usual value | why |
# |---|---|---|
# | `batch_size` | 32 to 512 | noise against time and memory |
# | `shuffle` | True for training, False for evaluation | sorted data is forgotten |
# | `num_workers` | 4 to 8, depending on the cores | other processes prepare the next batches |
# | `pin_memory` | True with a GPU | the batch waits in memory that a GPU reads faster |
# | `drop_last` | True for training, False for evaluation | no tiny batch; but evaluate every example |
#
# For data that is already in memory, like these digits, `num_workers=0`, which uses no other
# processes, is fastest: starting them and passing batches between them costs more than it saves.

# %% [markdown]
# ## Two piles
#
# A network with enough weights can learn its training data by heart. How would you notice? Not from
# the training loss: that falls. Train on only 60 digits, and keep 500 others aside. How do the two
# losses develop?
#
# (`Trainer` is the course's own loop, the five lines that you know: `run(n)` makes n steps.
# `evaluate` returns loss and accuracy; in chapter 07 you write it yourself.)

# %%
predict("p06_7", "", "the training loss: falls / rises / falls, then rises")
predict("p06_8", "", "the loss on the others: falls / rises / falls, then rises")

# %%
from course_lib.training import Trainer, evaluate

order = torch.randperm(len(images), generator=generator_of(0))
few, others = order[:60], order[-500:]
model = MLP(64, 128, 10, seed=0)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
trainer = Trainer(model, optimizer, loss_fn, images[few], labels[few], batch_size=16)
train_losses, val_losses = [], []
for _ in range(60):
    trainer.run(trainer.steps_per_epoch)
    train_losses.append(evaluate(model, loss_fn, images[few], labels[few])[0])
    val_losses.append(evaluate(model, loss_fn, images[others], labels[others])[0])

# %%
from course_lib.beats import INK, LOSS
from course_lib.figures import finish, new_axes, show_figure

figure, axes = new_axes()
axes.plot(range(1, 61), train_losses, color=INK, ls="--", label="60 training digits")
axes.plot(range(1, 61), val_losses, color=LOSS.color, label="500 others")
axes.set(ylim=(0, 2.2), xlim=(0, 61))
finish(axes, "Learned by heart is not learned", "epoch", "mean loss per example")
best = min(val_losses)
show_figure(figure, f"The loss on the others falls to {best:.1f}, then rises again.")
print("training loss below 0.01 at the end:", train_losses[-1] < 0.01)
print("loss on the others more than 10 % above its best:", val_losses[-1] > 1.1 * best)
for question, losses in (("p06_7", train_losses), ("p06_8", val_losses)):
    falls, rises = min(losses) < losses[0] / 1.1, losses[-1] > 1.1 * min(losses) + 0.01
    both = "falls, then rises" if rises else "falls"
    outcome(question, both if falls else "rises")

# %% [markdown]
# The training loss goes to almost zero. The loss on digits that the network never trained on has a
# lowest point and rises after it. That is **overfitting**, and you only see it because you kept
# some data aside: the **validation** part. It must never be trained on, or it stops telling you
# anything.
#
# How do you choose which examples to keep aside? Not the last 20 %: in sorted data those belong to
# the last few classes.

# %%
last_fifth = labels.sort().values[-len(labels) // 5 :]
print("digits in the last fifth of the sorted data:", last_fifth.unique().tolist())

# %% [markdown]
# ## Exercise: split at random
#
# Return two tensors of indices. `images[train]` and `images[val]` are then the two piles. Python's
# `round` determines how many go to validation. Hints: `hint("train_val_split")`.

# %% solution="train_val_split"
def train_val_split(n, val_fraction, generator=None):
    """Split the indices 0 to n - 1 at random.

    val_fraction  from 0 to 1; round(n * val_fraction) indices go to validation
    generator     the torch.Generator to draw from; None: PyTorch's global random
                  state. The same state gives the same split.

    Returns (train, val): two int64 tensors, both in shuffled order. They have no
    index in common, and together they hold all of them.
    torch.utils.data.random_split is not allowed: it is what you build.
    """
    ### BEGIN SOLUTION
    order = torch.randperm(n, generator=generator)
    n_train = n - round(n * val_fraction)
    return order[:n_train], order[n_train:]
    ### END SOLUTION


# %% tests="train_val_split"

# %% [markdown]
# ## One scale for all features
#
# Features come in different units: a price in thousands, an age in tens, a share between 0 and 1.
# The gradient of a weight is proportional to its input, so the largest unit dominates every step.
# The remedy is **standardising**: for each feature, subtract its mean and divide by its standard
# deviation. That is one mean and one deviation *per feature*, taken over the examples, `dim=0`.

# %%
table = torch.tensor([[2000.0, 30.0], [4000.0, 50.0], [3000.0, 40.0]])
mean, std = table.mean(dim=0), table.std(dim=0, correction=0)
print("mean:", mean.tolist(), " std:", [round(s, 1) for s in std.tolist()])
print([[round(v, 2) for v in row] for row in ((table - mean) / std).tolist()])

# %% [markdown]
# `correction=0` divides by the number of examples N. Without it, PyTorch divides by N - 1.
#
# Now a trick question. You have standardised the training data. Which mean and standard
# deviation do you use for the validation data?

# %%
predict("p06_9", "", "its own / those of the training data / those of all data")

# %% [markdown]
# Those of the **training data**. The model learned that "0.5" means half a deviation above the
# *training* mean; with other statistics the same picture becomes different numbers. And statistics
# of all the data would let the validation part influence the training: a **leak**. The validation
# data stands for the future, and the future has no say in what you compute today. There is one more
# trap in the digits themselves. Some pixels at the edge are empty in every picture. What is their
# standard deviation, and what does dividing by it give?

# %%
constant = images.amax(dim=0) == images.amin(dim=0)
print("constant pixels:", int(constant.sum()), "of", images.shape[1])
divided = (images - images.mean(dim=0)) / images.std(dim=0, correction=0)
n_nan = int(divided.isnan().sum())
print("entries that are NaN:", n_nan, "=", int(constant.sum()), "x", len(images))
train_part, val_part = images[:1500], images[1500:]
whose = {
    "its own": lambda val: val,
    "those of the training data": lambda val: train_part,
    "those of all data": lambda val: torch.cat([train_part, val]),
}  # which of them does not change when the validation data does?
fixed = [name for name, data in whose.items() if data(val_part).mean() == data(2 * val_part).mean()]
outcome("p06_9", *fixed)

# %% [markdown]
# 0 / 0 is NaN, and one NaN in a batch makes the whole loss NaN. A constant feature carries no
# information: give it a standard deviation of 1, and it becomes 0.
#
# How do you find such a feature? Comparing the computed deviation with 0 is not safe. Here is the
# number 0.1 ten times, added up one after another:

# %%
column, total = [0.1] * 10, 0.0
for value in column:
    total += value
deviation = abs(column[0] - total / len(column))  # the same for all ten
print("exactly zero:", deviation == 0, "  below 1e-6:", deviation < 1e-6)
print("largest equals smallest:", max(column) == min(column))

# %% [markdown]
# The sum was rounded. "Largest equals smallest" involves no rounding. To put a 1 where a condition
# holds, use `torch.where(condition, 1.0, std)`.
#
# ## Exercise: a dataset that standardises
#
# A dataset is a class with two methods: `len(dataset)` calls `__len__`, and `dataset[i]` calls
# `__getitem__`. `torch.as_tensor(X, dtype=torch.float32)` takes tensors and NumPy arrays alike. The
# `DataLoader` does the rest: it fetches examples one by one and stacks them into a batch.
#
# Milestones: mean and std first, then the items, then the two special cases (constant features,
# and given statistics). Hints: `hint("StandardizedDataset")`.

# %% solution="StandardizedDataset"
class StandardizedDataset(Dataset):
    """Features with mean 0 and standard deviation 1, each with its label.

    X     tensor or NumPy array [N, features]
    y     N labels: a tensor or a list; they come back as they are
    mean  float32 tensor [features] to subtract; None: the mean of X
    std   float32 tensor [features] to divide by; None: the population standard
          deviation of X (divide by N), with a 1 for each constant feature, that
          is, one whose largest value equals its smallest

    self.mean and self.std hold what is used, so that validation data can use it too:
    StandardizedDataset(X_val, y_val, train_set.mean, train_set.std)
    """

    def __init__(self, X, y, mean=None, std=None):
        ### BEGIN SOLUTION
        X = torch.as_tensor(X, dtype=torch.float32)
        if mean is None:
            mean = X.mean(dim=0)
        if std is None:
            std = X.std(dim=0, correction=0)
            constant = X.amax(dim=0) == X.amin(dim=0)
            std = torch.where(constant, torch.ones_like(std), std)
        self.mean, self.std = mean, std
        self.X, self.y = (X - mean) / std, y
        ### END SOLUTION

    def __len__(self):
        """Return the number of examples."""
        ### BEGIN SOLUTION
        return len(self.X)
        ### END SOLUTION

    def __getitem__(self, i):
        """Return example i: a tuple of its features, float32 [features], and its label."""
        ### BEGIN SOLUTION
        return self.X[i], self.y[i]
        ### END SOLUTION


# %% tests="StandardizedDataset"

# %% [markdown]
# ## Finale: the digits, from raw numbers to validation
#
# Everything from this chapter in one run: your split, your standardised datasets, your loader, and
# the five lines. The validation data uses the statistics of the training data.

# %% tags=["raises-exception"]
generator, ready = generator_of(0), False
try:
    train, val = train_val_split(len(images), 0.2, generator=generator)
    train_set = StandardizedDataset(images[train], labels[train])
    val_set = StandardizedDataset(images[val], labels[val], train_set.mean, train_set.std)
    train_images, train_labels = next(iter(DataLoader(train_set, batch_size=len(train_set))))
    val_images, val_labels = next(iter(DataLoader(val_set, batch_size=len(val_set))))
    batches = list(iterate_batches(train_images, train_labels, 32, generator=generator))
    print("batches in an epoch:", len(batches))
    ready = True
except NotImplementedError:
    print("Write the exercises above, then run this cell again.")

# %% tags=["raises-exception"]
if ready:
    model = MLP(64, 32, 10, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(10):
        for x, y in iterate_batches(train_images, train_labels, 32, generator=generator):
            predictions = model(x)
            loss = loss_fn(predictions, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    parts = {"training": (train_images, train_labels), "validation": (val_images, val_labels)}
    for name, (x, y) in parts.items():
        loss, accuracy = evaluate(model, loss_fn, x, y)
        print(f"{name:10}: {len(x):4} digits, more than 90 % right: {accuracy > 0.9}")

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q06_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q06_1"

# %% quiz="q06_2"

# %% quiz="q06_3"

# %% [markdown]
# ## Recap
#
# 1. A dataset knows the examples; a loader decides which one is shown when: batches, shuffling,
#    parallel loading.
# 2. The noise of a batch's gradient falls as 1/sqrt(batch size); 32 to 512 is the usual range.
# 3. Sorted data makes a network forget: shuffle the examples again for each epoch.
# 4. Only data kept aside shows overfitting; choose it at random, and never train on it.
# 5. Statistics come from the training part alone, one per feature; a constant feature gets a
#    standard deviation of 1.
#
# **From the bug cheat sheet:** *mismatched shapes* - "mat1 and mat2 shapes cannot be
# multiplied". Fix: take one batch from the loader and print its shapes before anything else.
#
# **Where next:** in chapter 07 you watch a run while it happens, and measure it properly.
