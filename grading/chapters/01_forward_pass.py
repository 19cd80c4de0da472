# %% [markdown] head=true
# After this chapter you can
#
# - write a network as a class, and say what shape a batch has after every layer;
# - count a network's parameters in your head, and know why a weight is stored as `[out, in]`;
# - compute a forward pass from plain tensors, without any layers;
# - look inside any model with forward hooks, and take them off again.
#
# **Builds on** the four beats (chapter 00), of which this is the first, and on Python classes.

# %% setup=true

# %% [markdown]
# ## A batch of pictures
#
# The course trains on handwritten digits: 1,797 pictures of 28 x 28 grey values. A layer that
# connects everything with everything ignores rows and columns, so each picture comes as one
# long row of 28 * 28 = 784 numbers between 0 and 1.

# %%
from course_lib.data import digits

images, labels = digits(size=28)
x, y = images[:32], labels[:32]  # a batch: the first 32 pictures and what they show
print("images:", list(images.shape), "labels:", list(labels.shape))
print("one batch x:", list(x.shape), "y:", list(y.shape))

# %%
from course_lib.beats import FORWARD
from course_lib.figures import finish, new_axes, show_figure

figure, axes = new_axes(8, 3.2, columns=2, width_ratios=(1, 2))
axes[0].imshow(x[3].reshape(28, 28), cmap="Greys")
axes[0].grid(visible=False)
finish(axes[0], f"A picture of a {y[3]} ...", "column", "row")
axes[1].plot(x[3], color=FORWARD.color, lw=0.9)
finish(axes[1], "... is a row of 784 numbers", "position in the row", "grey value")
show_figure(
    figure, "Left: a handwritten three. Right: the same 784 grey values, one after another."
)

# %% [markdown]
# `x` has the shape `[32, 784]`: 32 examples, 784 numbers each. The first dimension is always the
# batch. Everything in this chapter is about what happens to the second.

# %% [markdown]
# ## A network is a class
#
# Here is the network you will use throughout the course: two **linear layers** with a **ReLU**
# between them: 784 numbers in, 128 in the middle, 10 out, one per digit.
#
# Each output of a linear layer is a weighted sum: every input times its own weight, plus
# one more number, the **bias**. A ReLU looks at each number on its own: it turns negative numbers
# into 0, and leaves the rest as they are.

# %%
from torch import nn


class MLP(nn.Module):
    def __init__(self):
        super().__init__()  # lets PyTorch keep a list of the layers below
        self.fc1 = nn.Linear(784, 128)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(x)))


torch.manual_seed(0)  # the layers start with random weights: the same ones on every run
model = MLP()
print(model)

# %% [markdown]
# `__init__` makes the parts, `forward` says how a batch runs through them. *MLP* stands for
# multilayer perceptron. The 128 numbers in the middle are called **hidden**: they are not visible
# from outside.
#
# You call the model like a function: `model(x)`. Before you do, write down the three shapes that a
# batch of 32 pictures takes on its way through.

# %%
predict("p01_1", "", "three shapes, each like [32, 784]: after fc1, relu and fc2")

# %%
after_fc1 = model.fc1(x)
after_relu = model.relu(after_fc1)
logits = model.fc2(after_relu)
for name, tensor in (("x", x), ("fc1", after_fc1), ("relu", after_relu), ("fc2", logits)):
    print(f"{name:>4}: {list(tensor.shape)}")
print("the same as model(x):", torch.allclose(logits, model(x), atol=1e-5))
outcome("p01_1", after_fc1.shape, after_relu.shape, logits.shape)

# %% [markdown]
# `[batch, 784]` → `[batch, 128]` → `[batch, 128]` → `[batch, 10]`. A linear layer changes the last
# dimension; the ReLU changes none. The batch dimension passes through untouched: 32 examples go in,
# 32 come out, and no example ever sees another.
#
# Predict before you move the sliders. If you double the batch, what happens to the number of
# parameters, to the memory of the outputs, and to the work? And which of the three modules holds
# nearly all of the parameters?

# %%
predict("p01_2", "", "the parameters: stay / double")
predict("p01_3", "", "the memory: stays / doubles")
predict("p01_4", "", "the work: stays / doubles")
predict("p01_5", "", "nearly all parameters: fc1 / relu / fc2")

# %% panel="shape_tracker"

# %%
from course_lib.simulations import load

small, large = (
    load("shape_tracker").compute({"batch_size": n, "hidden": 128}) for n in (32, 64)
)
for question, cost, words in (
    ("p01_2", "parameters", ("stay", "double")),
    ("p01_3", "kibibytes", ("stays", "doubles")),
    ("p01_4", "multiply_adds", ("stays", "doubles")),
):
    outcome(question, words[large.total(cost) == 2 * small.total(cost)])
outcome("p01_5", max(small.layers, key=lambda layer: layer.parameters).name)

# %% [markdown]
# PyTorch itself measured everything in that picture, on a real batch. Memory and work grow with
# the batch; the parameters do not, because all examples share them. Of 101,770 parameters, `fc1`
# holds 100,480. And about half of the hidden numbers are 0 after the ReLU.
#
# ### What a layer stores
#
# `nn.Linear(784, 128)` has a weight and a bias. What shape is the weight: `[784, 128]` or
# `[128, 784]`?

# %%
predict("p01_6", "", "[784, 128] / [128, 784]")

# %%
for name, parameter in model.named_parameters():
    print(f"{name}: {list(parameter.shape)} = {parameter.numel():,}")
print(f"total: {sum(p.numel() for p in model.parameters()):,}")
outcome("p01_6", str(list(model.fc1.weight.shape)))

# %% [markdown]
# `[128, 784]`, which is `[out, in]`: one row of 784 weights for each of the 128 outputs. To count,
# multiply and add: 784 * 128 weights and 128 biases make 100,480.
#
# With this layout the layer computes `x @ W.T + b`. The transpose `.T` turns the weight so that the
# shapes fit, `[32, 784] @ [784, 128]`, and the bias is added to every row. Textbooks often write a
# weight as `[in, out]` and leave out the transpose. Both are the same network; in PyTorch,
# `.weight` holds `[out, in]`.

# %%
W, b = model.fc1.weight, model.fc1.bias
by_hand = x @ W.T + b
print("same as the layer:", torch.allclose(by_hand, model.fc1(x), atol=1e-5))

# %% [markdown]
# ## Exercise: build the network
#
# Build the same kind of network for any three sizes. A class is one way. The other is
# `nn.Sequential`, which runs its modules one after another:

# %%
two_steps = nn.Sequential(nn.Linear(784, 10), nn.Sigmoid())
print("through both steps:", list(two_steps(x).shape))

# %% [markdown]
# Write the body of the function, run its cell, then run the check below it. There are two hints:
# `hint("build_mlp")`.

# %% solution="build_mlp"
def build_mlp(in_features, hidden, out_features):
    """Build a network: linear layer, ReLU, linear layer.

    in_features   how many numbers per example go in
    hidden        outputs of the first layer, inputs of the second
    out_features  how many numbers per example come out

    Returns an nn.Module. It maps a batch [N, in_features] to logits [N, out_features], raw
    scores with nothing applied after the last layer. Both layers have a bias; names and
    starting values are up to you. The MLP of course_lib.models is not allowed.
    """
    ### BEGIN SOLUTION
    return torch.nn.Sequential(
        torch.nn.Linear(in_features, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, out_features),
    )
    ### END SOLUTION


# %% tests="build_mlp"

# %% [markdown]
# ## Two layers by hand
#
# Take a network small enough to work out on paper: 2 inputs, 3 hidden units, 1 output.
#
# - The input is [1, 2].
# - The rows of the first weight are [1, 0], [0, -1] and [1, 1]; its biases are 0, 0 and -2.
# - The second weight is [1, 1, -3]; its bias is 0.5.
#
# Each hidden unit multiplies its row by the input, entry by entry, sums the products and adds its
# bias. Then comes the ReLU. The output unit computes such a sum too, without a ReLU. What comes
# out? And for the input [0, 1]?

# %%
predict("p01_7", "", "two numbers")

# %%
small, outputs = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), []
numbers = ([[1.0, 0.0], [0.0, -1.0], [1.0, 1.0]], [0.0, 0.0, -2.0], [[1.0, 1.0, -3.0]], [0.5])
for parameter, value in zip(small.parameters(), numbers):
    parameter.data = torch.tensor(value)  # sets the weights and biases
for row in ([1.0, 2.0], [0.0, 1.0]):
    sums, output = small[0](torch.tensor([row])), small(torch.tensor([row]))
    outputs.append(round(output.item(), 3))
    print(f"{row}: sums {sums.round(decimals=3).tolist()[0]}, output {output.item():.1f}")
outcome("p01_7", outputs)

# %% [markdown]
# For [1, 2] the hidden sums are 1, -2 and 1. The ReLU makes them 1, 0, 1, and the output is
# 1 + 0 - 3 + 0.5 = -1.5. For [0, 1] the sums are 0, -1 and -1, the ReLU leaves three zeros, and only
# the bias 0.5 comes out.
#
# ### What the ReLU is for
#
# Cutting off below 0 looks like a small thing. Take it out. Then the network has two linear layers
# in a row, 784 → 128 → 10. Can they do more than a single layer 784 → 10 could?

# %%
predict("p01_8", "", "more / the same")

# %%
W1, b1, W2, b2 = model.parameters()
two_layers = model.fc2(model.fc1(x))  # the same weights, no ReLU between them
weight, bias = W2 @ W1, W2 @ b1 + b2  # multiplied out: [10, 784] and [10]
same = torch.allclose(two_layers, x @ weight.T + bias, atol=1e-4)
print("the same outputs:", same)
print(f"parameters: 101,770 in two layers, {weight.numel() + bias.numel():,} in one")
outcome("p01_8", "the same" if same else "more")

# %% [markdown]
# The same. Two straight lines in a row are one straight line, however many parameters you spend. The
# bend between the layers is what lets the network draw curves.
#
# ### A trap that raises no error
#
# Forget the transpose, and PyTorch complains that the shapes do not fit. Unless the weight is square:

# %%
square = torch.tensor([[1.0, 10.0], [0.0, 1.0]])
row = torch.tensor([[1.0, 2.0]])
print("x @ W.T:", (row @ square.T).round(decimals=3).tolist())
print("x @ W:  ", (row @ square).round(decimals=3).tolist())

# %% [markdown]
# Two different answers, no error. A network with equally wide layers would run, and compute
# something other than you think.

# %% [markdown]
# ## Exercise: the forward pass without layers
#
# Compute the same network from five tensors. `torch.nn` is off limits here, and so is
# `torch.nn.functional`; `@`, `.T` and `torch.relu` are allowed. Hints: `hint("manual_forward")`.
#
# A term from the docstring: the **dtype** of a tensor is the kind of number in it. So far that was
# float32, with about 7 digits; the check also passes float64, with about 16, and expects the result
# to be float64 too.

# %% solution="manual_forward"
def manual_forward(x, W1, b1, W2, b2):
    """Compute linear layer, ReLU, linear layer from five tensors, without torch.nn and its
    functional.

    x       [N, in]         the batch
    W1, b1  [hidden, in], [hidden]   weight and bias of the first layer, as PyTorch stores them
    W2, b2  [out, hidden], [out]     the same for the second layer

    Returns the logits, [N, out], in x's dtype. Gradients flow back to all five tensors, and none
    of them is changed.
    """
    ### BEGIN SOLUTION
    hidden = torch.relu(x @ W1.T + b1)
    return hidden @ W2.T + b2
    ### END SOLUTION


# %% tests="manual_forward"

# %% [markdown]
# ## Logits are not probabilities
#
# The 10 outputs per picture are **logits**: raw scores, any real numbers. The largest one is the
# network's answer. **Softmax** turns them into probabilities that sum to 1. Does it also change
# which digit wins?

# %%
predict("p01_9", "", "yes / no")

# %%
logits = model(x)
probabilities = torch.softmax(logits, dim=1)
print("logits of the first picture:", " ".join(f"{value:.2f}" for value in logits[0].tolist()))
print(f"smallest {logits.min():.1f}, so these are not probabilities")
print(f"softmax: smallest {probabilities.min():.2f}, first row sums to {probabilities[0].sum():.3f}")
same = torch.equal(logits.argmax(dim=1), probabilities.argmax(dim=1))
print("same winners:", same)
outcome("p01_9", "no" if same else "yes")

# %% [markdown]
# It does not: a larger score stays larger. So the model ends with the logits and leaves softmax
# out. The loss of chapter 02 applies it itself, in a way that is safer with large numbers; a second
# softmax in the model would spoil the training.

# %% [markdown]
# ## The forward pass leaves a trail
#
# Running the model gives more than numbers. While it runs, PyTorch writes down which operation made
# which tensor, so that `backward()` can walk back later. This record is called the **graph**. Its last
# operation is attached to the result, as its `grad_fn`. What do you expect there for our last
# layer?

# %%
predict("p01_10", "", "a multiplication / an addition / both in one")

# %%
print("model(x):      ", type(model(x).grad_fn).__name__)
print("without a bias:", type(nn.Linear(784, 10, bias=False)(x).grad_fn).__name__)
print("a single row:  ", type(model.fc1(x[0]).grad_fn).__name__)
with torch.no_grad():
    print("under no_grad: ", model(x).grad_fn)
name = type(model(x).grad_fn).__name__  # mm: matrix multiplication
added, multiplied = "add" in name.lower(), "mm" in name.lower()
outcome("p01_10", "both in one" if added and multiplied else "an addition" if added else name)

# %% [markdown]
# `AddmmBackward0`: multiply the matrices and add the bias, done as one operation. You see this name
# for a batch (2-D input) and a layer with a bias; without a bias it is `MmBackward0`, and a single
# row is reshaped around it. Under `torch.no_grad()` nothing is written down, which saves memory
# where no `backward()` will follow. Chapter 03 walks this trail.

# %% [markdown]
# ## Why `model(x)` and not `model.forward(x)`
#
# You wrote `forward`, and you call `model(x)`. Between the two is `nn.Module.__call__`, which does
# four things in this order: **pre-hooks**, `forward`, **forward hooks**, and back to you. A hook is
# your own function, which PyTorch calls at that moment:
#
# ```python
# def pre_hook(module, inputs): ...       # before forward; inputs is a tuple
# def hook(module, inputs, output): ...   # after forward
# ```
#
# Registering one gives you a **handle**, and `handle.remove()` takes the hook off again. The
# next cell puts one of each kind on `fc2` and calls it both ways. Which of the two hooks prints a
# line when `model.fc2.forward(...)` is called directly?

# %%
predict("p01_11", "", "both / only the pre-hook / neither")

# %%
called = []


def hook(module, inputs, output):
    called.append("hook")
    print(f"   hook: {list(inputs[0].shape)} became {list(output.shape)}")


def pre_hook(module, inputs):
    called.append("pre-hook")
    print("   pre-hook")


handle = model.fc2.register_forward_hook(hook)
before = model.fc2.register_forward_pre_hook(pre_hook)
print("model.fc2(...):")
model.fc2(after_relu)
print("model.fc2.forward(...):")
called.clear()
model.fc2.forward(after_relu)
direct = {0: "neither", 1: "only the pre-hook", 2: "both"}[len(called)]
handle.remove()
before.remove()
print("after remove():")
model.fc2(after_relu)
print("   hooks left:", len(model.fc2._forward_hooks))
outcome("p01_11", direct)

# %% [markdown]
# The direct call computes the same numbers and silently skips every hook. Whatever relies on them,
# like the shape tracker above, sees nothing. So write `model(x)`.
#
# ### Finding the modules
#
# Hooks are most useful on all layers at once. `named_modules()` walks through a model and yields
# each module with its name: the model itself with the name "", then its children, and their
# children. A module without children is a **leaf**: that is where the computing happens.

# %%
nested = nn.Sequential(nn.Linear(784, 16), nn.Sequential(nn.ReLU(), nn.Linear(16, 10)))
for name, module in nested.named_modules():
    children = len(list(module.children()))
    print(f"{name!r:>6} {type(module).__name__:<10} {children} children")

# %% [markdown]
# Python has a trap for you when you make functions in a loop. Three functions are made here, for 0,
# 1 and 2. What do they return when they are called after the loop?

# %%
predict("p01_12", "", "three numbers")

# %%
late = [lambda: i for i in range(3)]
bound = [lambda i=i: i for i in range(3)]
print("looked up when called:   ", [function() for function in late])
print("bound when made:         ", [function() for function in bound])
outcome("p01_12", [function() for function in late])

# %% [markdown]
# A function looks up `i` when it *runs*, and by then the loop has finished. A default argument,
# `i=i`, stores the value at once. The same goes for a hook that needs to know the name of its
# module.

# %% [markdown]
# ## Exercise: trace the shapes
#
# Write the function that you reach for when shapes do not fit: it runs a model once and lists the
# output shape of every leaf. It takes three steps: put hooks on, run, take them off. A milestone:
# get the list right for a plain model first, and run the check; then look at modules that run twice
# or in a different order. Hints: `hint("trace_shapes")`.

# %% solution="trace_shapes"
def trace_shapes(model, x):
    """Run ``model`` on the batch ``x`` and list the output shapes of its leaf modules.

    A leaf is a module without children. Each leaf output is one tensor.

    Returns a list of pairs (name, shape), one per run of a leaf, in the order in which they ran:
    [("fc1", (32, 128)), ...]. The name is the one of model.named_modules(), which is "" when the
    model itself is a leaf; the shape is a tuple that includes the batch. A leaf that runs twice is
    listed twice, one that never runs is not listed.

    Afterwards your hooks are gone and any others are still there.
    """
    ### BEGIN SOLUTION
    trace, handles = [], []

    def add_hook(name, module):
        def note_shape(module, inputs, output):
            trace.append((name, tuple(output.shape)))

        handles.append(module.register_forward_hook(note_shape))

    for name, module in model.named_modules():
        if not list(module.children()):
            add_hook(name, module)
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return trace
    ### END SOLUTION


# %% tests="trace_shapes"

# %% [markdown]
# ## When shapes do not fit
#
# This is the most common error in a forward pass: the pictures go in as 28 x 28, without being
# flattened into rows. Read the message before you read on: what are the two numbers in the middle?

# %%
pictures = x.reshape(32, 28, 28)
try:
    model(pictures)
except RuntimeError as error:
    print("RuntimeError:", error)
print("flattened again:", list(model(pictures.flatten(start_dim=1)).shape))

# %% [markdown]
# *mat1* is what you passed in: 32 * 28 = 896 rows of 28 numbers. *mat2* is the transposed weight,
# 784 x 128. The inner numbers, 28 and 784, would have to be equal. So the layer wants rows of 784 and
# got rows of 28, and the fix is `flatten(start_dim=1)`, which keeps the batch and joins the rest.
#
# Two related errors: with a GPU, a model on one device and a batch on the other raise a
# `RuntimeError` that names both devices (move both with `.to(device)`), and an integer batch raises
# one about dtypes (`x.float()`).

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q01_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q01_1"

# %% quiz="q01_2"

# %% quiz="q01_3"

# %% [markdown]
# ## Recap
#
# 1. A network is a class: the parts in `__init__`, the path through them in `forward`, called as
#    `model(x)`.
# 2. `[batch, 784]` → `[batch, 128]` → `[batch, 128]` → `[batch, 10]`: layers change the last
#    dimension; examples never meet.
# 3. A linear layer is `x @ W.T + b` with W stored as `[out, in]`; 784 → 128 has 100,480 parameters.
# 4. The bend between two linear layers is what makes them more than one. Logits leave the model raw.
# 5. Running a model records the graph and calls the hooks; remove your hooks by their handles.
#
# **From the bug cheat sheet:** *mismatched shapes* - "mat1 and mat2 shapes cannot be multiplied".
# Print the shapes, layer by layer; the inner two numbers must be equal. *Wrong device* - a
# RuntimeError that names two devices: move model and batch to the same one.
#
# **Where next:** you have the logits. Chapter 02 turns them into one number that says how wrong
# they are.
