"""``build_mlp``, secret half. Long, because of its 32 mistakes."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.exercises.ch01_forward_pass.build_mlp import mlp_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import difference
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, raises, wrong

FIRST = "        torch.nn.Linear(in_features, hidden),\n"
RELU = "        torch.nn.ReLU(),\n"
LAST = "        torch.nn.Linear(hidden, out_features),\n"
UNBIASED = {layer: layer.replace("),", ", bias=False),") for layer in (FIRST, LAST)}


def _cases(generator: torch.Generator) -> list[Case]:
    *cases, large = [
        mlp_case(generator, n, sizes)
        for n, sizes in ((7, (5, 6, 4)), (3, (4, 9, 2)), (6, (3, 2, 1)), (5, (8, 3, 6)))
    ]
    # Large inputs: hidden values have no upper limit.
    return [*cases, large | {"x": 4 * large["x"]}]


class _AsAClass(nn.Module):
    """Right; what follows changes a line of it. Called with the sizes it gives the model."""

    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.fc2 = nn.Linear(hidden, out_features)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class _OwnWeights(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.W1 = nn.Parameter(torch.randn(hidden, in_features))
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.W2 = nn.Parameter(torch.randn(out_features, hidden))
        self.b2 = nn.Parameter(torch.zeros(out_features))

    def forward(self, x):
        return torch.relu(x @ self.W1.T + self.b1) @ self.W2.T + self.b2


def _layers_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """As field by field, in words for what is no module at all."""
    if got.get("is_module") is not True:
        return f"the result is {got.get('type')}, not an nn.Module"
    wanted, layers = expected["layers"], got.get("layers")
    if difference(wanted, layers, 0, 0) is None:
        return None
    shown = ", ".join(f"{pair[0]} -> {pair[1]}" for pair in layers) or "none that PyTorch knows of"
    call = f"build_mlp({', '.join(map(str, case['sizes']))})"
    asked = " and ".join(f"{a} -> {b}" for a, b in wanted)
    return f"{call} should hold the linear layers {asked}; yours holds {shown}"


class _RegisteredBackwards(nn.Module):
    def __init__(self, i, h, o):
        super().__init__()
        self.out = nn.Linear(h, o)
        self.inner = nn.Linear(i, h)
        nn.init.zeros_(self.inner.bias)

    def forward(self, x):
        return self.out(self.inner(x).clamp(min=0))


class _InAModuleList(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x), inplace=True)
        return last(x)


def _lazy_layers(in_features, hidden, out_features):
    return nn.Sequential(nn.LazyLinear(hidden), nn.ReLU(), nn.LazyLinear(out_features))


def _nested_with_extras(in_features, hidden, out_features):
    body = nn.Sequential(nn.Flatten(), nn.Linear(in_features, hidden), nn.Threshold(0.0, 0.0))
    return nn.Sequential(body, nn.Identity(), nn.Linear(hidden, out_features)).train()


def _from_an_ordered_dict(in_features: int, hidden: int, out_features: int) -> nn.Module:
    layers = OrderedDict(up=nn.Linear(in_features, hidden))
    layers |= {"bend": nn.ReLU(inplace=True), "down": nn.Linear(hidden, out_features)}
    return nn.Sequential(layers)


class _WithEinsum(nn.Module):
    """The layers hold the weights, and forward computes with them."""

    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.add_module("one", nn.Linear(in_features, hidden))
        self.add_module("two", nn.Linear(hidden, out_features))

    def forward(self, x):
        def layer(name, z):
            part = self.get_submodule(name)
            return torch.einsum("ni,oi->no", z, part.weight) + part.bias

        return layer("two", layer("one", x).clamp_min(0))


class _Hooked(nn.Module):
    """The ReLU is a hook on the first layer."""

    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.up, self.down = nn.Linear(in_features, hidden), nn.Linear(hidden, out_features)
        self.up.register_forward_hook(lambda layer, inputs, output: output.relu())

    def forward(self, x):
        return self.down(self.up(x))


class _SubclassOfSequential(nn.Sequential):
    def __init__(self, *sizes: int) -> None:
        pairs = [(nn.Linear(a, b), nn.LeakyReLU(0.0)) for a, b in pairwise(sizes)]
        super().__init__(*(layer for pair in pairs for layer in pair))
        del self[-1]


ANSWER = Answer(
    exercise="build_mlp",
    cases=_cases,
    tolerance=(1e-4, 1e-5),
    # Entries near 0 of float32 gradients up to 10,000: 3e-5 apart in 60 secrets, by another order of sums.
    tolerances={"gradient": (1e-4, 2e-4)},
    compare={"layers": _layers_problem},
    given=lambda case: f"with weights that the test fills in and a batch {list(case['x'].shape)}",
    variants=(
        _RegisteredBackwards,
        _InAModuleList,
        _lazy_layers,
        _nested_with_extras,
        _from_an_ordered_dict,
        _WithEinsum,
        _Hooked,
        _SubclassOfSequential,
    ),
    misconceptions=(
        wrong(
            "no activation",
            edit(RELU, ""),
            "There is nothing between the two linear layers, and two in a row can do no more than "
            "one. The ReLU between them is what makes the network more than a straight line.",
        ),
        wrong(
            "softmax at the end",
            edit(LAST, f"{LAST}torch.nn.Softmax(dim=1),\n"),
            "The model ends in a softmax. Return the raw scores, the logits: the loss of chapter "
            "02 does the rest, and a softmax before it spoils the training.",
        ),
        wrong(
            "softmax at the end",
            edit(LAST, f"{LAST}torch.nn.LogSoftmax(dim=1),\n"),
            "The model ends in a log-softmax. Return the raw scores, the logits: the loss of "
            "chapter 02 does the rest.",
        ),
        wrong(
            "ReLU on the logits",
            edit(LAST, LAST + RELU),
            "There is a ReLU after the last layer too, so no logit can be negative, and the "
            "gradient is zero wherever one would be. Return the last layer's output as it is.",
        ),
        wrong(
            "ReLU in the wrong place",
            edit(RELU, "").edit(LAST, LAST + RELU),
            "The ReLU comes after the second layer. It belongs between the two: the hidden values "
            "are cut off at 0, the logits are not.",
        ),
        wrong(
            "ReLU in the wrong place",
            edit(RELU, "").edit(FIRST, RELU + FIRST),
            "The ReLU comes before the first layer and cuts off the inputs. It belongs between the "
            "two layers.",
        ),
        wrong(
            "no bias",
            edit(FIRST, UNBIASED[FIRST]).edit(LAST, UNBIASED[LAST]),
            "bias=False takes away each unit's threshold. Leave it out: nn.Linear has a bias by "
            "default.",
        ),
        *(
            wrong(
                "no bias",
                edit(layer, UNBIASED[layer]),
                f"The {place} layer has bias=False. Leave it out: nn.Linear has a bias by default.",
            )
            for place, layer in (("first", FIRST), ("second", LAST))
        ),
        wrong(
            "sigmoid at the end",
            edit(LAST, f"{LAST}torch.nn.Sigmoid(),\n"),
            "The model ends in a sigmoid. Return the raw scores, the logits.",
        ),
        wrong(
            "another activation",
            edit("ReLU()", "LeakyReLU()"),
            "There is a leaky ReLU between the layers, which lets a little through below 0. The "
            "exercise asks for a ReLU, which cuts off there.",
        ),
        wrong(
            "another activation",
            edit("ReLU()", "ReLU6()"),
            "There is a ReLU6 between the layers, which also cuts off above 6. A ReLU has no upper "
            "limit.",
        ),
        wrong(
            "another activation",
            edit("ReLU()", "GELU()"),
            "There is a GELU between the layers. The exercise asks for a ReLU, which cuts off at 0 "
            "and leaves the rest alone.",
        ),
        wrong(
            "dropout added",
            edit(LAST, f"torch.nn.Dropout(0.2),\n{LAST}"),
            "The same batch gives different outputs each time: something in your model, such as "
            "dropout, draws random numbers. Linear, ReLU, linear is all you need.",
            recognise=lambda case, got: (
                got.error is None
                and got.get("result") == "Tensor"
                and got.get("repeatable") is False
                and got.get("weights") == 4
            ),
        ),
        wrong(
            "super().__init__() forgotten",
            edit("        super().__init__()\n", "", of=_AsAClass),
            "Before a layer can be stored, nn.Module needs its own set-up: the first line of "
            "__init__ is super().__init__().",
            recognise=raises("before Module.__init__() call"),
        ),
        wrong(
            "ReLU without parentheses",
            edit("ReLU()", "ReLU"),
            "nn.ReLU is a class. nn.ReLU() makes the module that nn.Sequential can run.",
            recognise=raises("is not a Module subclass"),
        ),
        wrong(
            "data given to nn.ReLU",
            edit("torch.relu", "nn.ReLU", of=_AsAClass),
            "nn.ReLU(x) makes a module and takes x as an option. Make the module first and call it "
            "with the data, self.relu(x), or use torch.relu(x).",
            recognise=raises("must be Tensor, not ReLU"),
        ),
        wrong(
            "forward returns nothing",
            edit("return self", "self", of=_AsAClass),
            "Your forward computes the logits but does not return them. Its last line should be "
            "`return ...`.",
            recognise=lambda case, got: got.error is None and got.get("result") == "None",
        ),
        wrong(
            "classes instead of logits",
            edit("(self.fc1(x)))", "(self.fc1(x))).argmax(dim=1)", of=_AsAClass),
            "argmax gives the winning class. Return the scores themselves, one per class: the loss "
            "needs to know how close the race was.",
        ),
        wrong(
            "model not returned",
            edit("return torch", "torch"),
            "Your function returns nothing. Make the model, and let its last line be `return model`.",
            recognise=lambda case, got: got.error is None and got.get("type") == "None",
        ),
        wrong(
            "class instead of a model",
            lambda *sizes: _AsAClass,
            "You return the class. Call it with its sizes, and return the model that comes out.",
            recognise=lambda case, got: got.error is None and got.get("type") == "a class",
        ),
        wrong(
            "list instead of a model",
            edit("torch.nn.Sequential(", "[").edit("\n    )", "\n    ]"),
            "A list of layers cannot be called. nn.Sequential(...) turns them into one module, "
            "which runs them one after another.",
            recognise=lambda case, got: got.get("type") in ("a list", "a tuple"),
        ),
        wrong(
            "weights instead of layers",
            _OwnWeights,
            "Your network holds its own weights and no nn.Linear. That works, but this exercise "
            "asks for two nn.Linear layers. Writing them from tensors is the next one.",
            also=("weights",),
        ),
        *(
            wrong(
                "another activation",
                edit("ReLU()", f"{name}()"),
                f"There is a {name.lower()} between the layers. The exercise asks for a ReLU, which "
                "cuts off at 0 and leaves the rest alone.",
            )
            for name in ("Sigmoid", "Tanh")
        ),
        wrong(
            "sizes written down instead of taken",
            edit("(in_features, hidden)", "(784, 128)").edit("(hidden, out_features)", "(128, 10)"),
            "The layers are 784 -> 128 -> 10 whatever sizes are asked for. Use the three "
            "arguments.",
            recognise=lambda case, got: got.get("layers") == [[128, 10], [784, 128]],
        ),
        wrong(
            "sizes swapped",
            edit("(in_features, hidden)", "(hidden, in_features)").edit(
                "(hidden, out_features)", "(out_features, hidden)"
            ),
            "nn.Linear takes the number of inputs first and the number of outputs second. The "
            "weight is stored the other way round, [out, in], but that is PyTorch's business.",
            recognise=lambda case, got: (
                raises("mat1 and mat2")(case, got)
                and got.get("layers")
                == sorted([[case["sizes"][1], case["sizes"][0]], case["sizes"][:0:-1]])
            ),
        ),
        wrong(
            "one layer too many",
            edit(LAST, f"torch.nn.Linear(hidden, hidden),\n{RELU}{LAST}"),
            "There is a second hidden layer. The exercise asks for two linear layers: one into the "
            "hidden units, one out of them.",
        ),
        wrong(
            "layers in a Python list",
            edit("nn.Linear(in_features, hidden)", "[nn.Linear(in_features, hidden)]", of=_AsAClass)
            .edit("nn.Linear(hidden, out_features)", "[nn.Linear(hidden, out_features)]")
            .edit("self.fc2(torch.relu(self.fc1(x)))", "self.fc2[0](torch.relu(self.fc1[0](x)))"),
            "PyTorch does not look inside a plain list: model.parameters() is empty, and nothing "
            "would be trained. Give each layer its own attribute, or use nn.ModuleList.",
            also=("repeatable", "weights"),
        ),
        wrong(
            "layers made in forward",
            edit("nn.Linear(in_features, hidden)", "in_features, hidden", of=_AsAClass)
            .edit("nn.Linear(hidden, out_features)", "hidden, out_features")
            .edit("self.fc2(", "nn.Linear(*self.fc2)(")
            .edit("self.fc1(", "nn.Linear(*self.fc1)("),
            "Each call makes new layers with new random weights. Make them once, in __init__, and "
            "use them in forward.",
            also=("repeatable", "weights"),
        ),
        wrong(
            "no forward",
            edit("def forward", "def foward", of=_AsAClass),
            "Your class has no method called exactly `forward`, so PyTorch has nothing to run. "
            "Check the spelling and the indentation.",
            recognise=raises("no method called forward"),
        ),
        wrong(
            "graph cut off",
            edit("(self.fc1(x)))", "(self.fc1(x))).detach()", of=_AsAClass),
            "The output is right, but no graph leads back to the weights, so they cannot be "
            "trained. Leave out no_grad() and detach() in forward.",
        ),
    ),
    symptoms=(
        Symptom(
            "other layers than asked for",
            edit(LAST, LAST.replace("out_features", "in_features")),
            "Your model does not hold the two linear layers that were asked for: one from in_features to "
            "hidden, one from hidden to out_features.",
            lambda wrong, trials: any(t.got["layers"] != t.expected["layers"] for t in trials),
        ),
    ),
)
