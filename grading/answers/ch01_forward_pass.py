"""Chapter 01, secret half: cases, misconceptions, right variants and the quiz's key."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.exercises import ch01_forward_pass as public
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import difference
from grading.answers.model import Answer, Misconception, QuizKey

# --- build_mlp ----------------------------------------------------------------------------------


def _mlp_cases(generator: torch.Generator) -> list[Case]:
    return [
        public.mlp_case(generator, 7, (5, 6, 4)),
        public.mlp_case(generator, 3, (4, 9, 2)),
        # Large inputs: hidden values have no upper limit.
        _fourfold(public.mlp_case(generator, 5, (8, 3, 6))),
    ]


def _fourfold(case: Case) -> Case:
    return {**case, "x": 4 * case["x"]}


def _sequential(*make):
    """A ``build_mlp`` that stacks what each function makes of (in, hidden, out)."""

    def build_mlp(in_features, hidden, out_features):
        return nn.Sequential(*(m(in_features, hidden, out_features) for m in make))

    return build_mlp


def _first(i, h, o):
    return nn.Linear(i, h)


def _last(i, h, o):
    return nn.Linear(h, o)


def _relu(i, h, o):
    return nn.ReLU()


class _InAList(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.layers = [nn.Linear(in_features, hidden), nn.Linear(hidden, out_features)]

    def forward(self, x):
        return self.layers[1](torch.relu(self.layers[0](x)))


class _NewLayersInForward(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.sizes = in_features, hidden, out_features

    def forward(self, x):
        in_features, hidden, out_features = self.sizes
        h = torch.relu(nn.Linear(in_features, hidden)(x))
        return nn.Linear(hidden, out_features)(h)


class _Detached(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.fc2 = nn.Linear(hidden, out_features)

    def forward(self, x):
        with torch.no_grad():
            return self.fc2(torch.relu(self.fc1(x)))


class _NoForward(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.fc2 = nn.Linear(hidden, out_features)

    def foward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


def _of_class(cls):
    def build_mlp(in_features, hidden, out_features):
        return cls(in_features, hidden, out_features)

    return build_mlp


def _capped_at_six(in_features, hidden, out_features):
    return nn.Sequential(
        nn.Linear(in_features, hidden), nn.ReLU6(), nn.Linear(hidden, out_features)
    )


def _textbook_sizes(in_features, hidden, out_features):
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


class _NoSuper(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        self.fc1 = nn.Linear(in_features, hidden)
        self.fc2 = nn.Linear(hidden, out_features)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class _ForwardWithoutReturn(_Detached):
    def forward(self, x):
        self.fc2(torch.relu(self.fc1(x)))


class _ReluMadeFromData(_Detached):
    def forward(self, x):
        return self.fc2(nn.ReLU(self.fc1(x)))


class _Winners(_Detached):
    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x))).argmax(dim=1)


class _OwnWeights(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.W1 = nn.Parameter(torch.randn(hidden, in_features))
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.W2 = nn.Parameter(torch.randn(out_features, hidden))
        self.b2 = nn.Parameter(torch.zeros(out_features))

    def forward(self, x):
        return torch.relu(x @ self.W1.T + self.b1) @ self.W2.T + self.b2


def _class_itself(in_features, hidden, out_features):
    return _Detached


def _layers_in_a_list(in_features, hidden, out_features):
    return [nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out_features)]


def _nothing_returned(in_features, hidden, out_features):
    nn.Sequential(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out_features))


def _returned(kind: str):
    return lambda case, got: got.error is None and got.get("type") == kind


def _raised(words: str):
    return lambda case, got: got.error is not None and words in got.error.message


def _layers_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """As field by field, in words for what is no module at all."""
    if got.get("is_module") is not True:
        return f"the result is no nn.Module but {got.get('type')}"
    wanted, layers = expected["layers"], got.get("layers")
    if difference(wanted, layers, 0, 0) is None:
        return None
    shown = ", ".join(f"{pair[0]} -> {pair[1]}" for pair in layers) or "none that PyTorch knows of"
    return (
        "linear layers: expected "
        + " and ".join(f"{a} -> {b}" for a, b in wanted)
        + f", got {shown}"
    )


def _does_not_fit(case: Case, got: Observation) -> bool:
    return got.error is not None and "mat1 and mat2" in got.error.message


def _is_textbook(case: Case, got: Observation) -> bool:
    return got.get("layers") == [[128, 10], [784, 128]]


# Right, written differently.


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


def _registered_backwards(in_features, hidden, out_features):
    return _RegisteredBackwards(in_features, hidden, out_features)


def _module_list(in_features, hidden, out_features):
    return _InAModuleList(in_features, hidden, out_features)


def _lazy_layers(in_features, hidden, out_features):
    return nn.Sequential(nn.LazyLinear(hidden), nn.ReLU(), nn.LazyLinear(out_features))


def _nested_with_extras(in_features, hidden, out_features):
    body = nn.Sequential(nn.Flatten(), nn.Linear(in_features, hidden), nn.Threshold(0.0, 0.0))
    return nn.Sequential(body, nn.Identity(), nn.Linear(hidden, out_features)).train()


BUILD_MLP = Answer(
    exercise="build_mlp",
    cases=_mlp_cases,
    tolerance=(1e-4, 1e-5),
    compare={"layers": _layers_problem},
    variants=(_registered_backwards, _module_list, _lazy_layers, _nested_with_extras),
    misconceptions=(
        Misconception(
            "no activation",
            _sequential(_first, _last),
            "Nothing stands between the two linear layers, and two in a row are no more than one. "
            "The ReLU between them is what makes the network more than a straight line.",
        ),
        Misconception(
            "softmax at the end",
            _sequential(_first, _relu, _last, lambda *_: nn.Softmax(dim=1)),
            "The model ends in a softmax. Return the raw scores, the logits: the loss of chapter "
            "02 does the rest, and a softmax before it spoils the training.",
        ),
        Misconception(
            "softmax at the end",
            _sequential(_first, _relu, _last, lambda *_: nn.LogSoftmax(dim=1)),
            "The model ends in a log-softmax. Return the raw scores, the logits: the loss of "
            "chapter 02 does the rest.",
        ),
        Misconception(
            "ReLU on the logits",
            _sequential(_first, _relu, _last, _relu),
            "A ReLU stands after the last layer too, so no logit can be negative and the gradient "
            "is zero wherever it would be. The last layer's output leaves as it is.",
        ),
        Misconception(
            "ReLU in the wrong place",
            _sequential(_first, _last, _relu),
            "The ReLU stands after the second layer. It belongs between the two: the hidden "
            "values are cut off at 0, the logits are not.",
        ),
        Misconception(
            "ReLU in the wrong place",
            _sequential(_relu, _first, _last),
            "The ReLU stands before the first layer and cuts the inputs. It belongs between the "
            "two layers.",
        ),
        Misconception(
            "no bias",
            _sequential(
                lambda i, h, o: nn.Linear(i, h, bias=False),
                _relu,
                lambda i, h, o: nn.Linear(h, o, bias=False),
            ),
            "bias=False takes away each unit's threshold. Leave it out: nn.Linear has a bias by "
            "default.",
        ),
        Misconception(
            "no bias",
            _sequential(lambda i, h, o: nn.Linear(i, h, bias=False), _relu, _last),
            "The first layer has bias=False. Leave it out: nn.Linear has a bias by default.",
        ),
        Misconception(
            "no bias",
            _sequential(_first, _relu, lambda i, h, o: nn.Linear(h, o, bias=False)),
            "The second layer has bias=False. Leave it out: nn.Linear has a bias by default.",
        ),
        Misconception(
            "sigmoid at the end",
            _sequential(_first, _relu, _last, lambda *_: nn.Sigmoid()),
            "The model ends in a sigmoid. Return the raw scores, the logits.",
        ),
        Misconception(
            "another activation",
            _sequential(_first, lambda *_: nn.LeakyReLU(), _last),
            "Between the layers stands a leaky ReLU, which lets a little pass below 0. The exercise "
            "asks for a ReLU, which cuts off there.",
        ),
        Misconception(
            "another activation",
            _capped_at_six,
            "Between the layers stands a ReLU6, which also cuts off above 6. A ReLU has no upper "
            "limit.",
        ),
        Misconception(
            "another activation",
            _sequential(_first, lambda *_: nn.GELU(), _last),
            "Between the layers stands a GELU. The exercise asks for a ReLU, which cuts off at 0 "
            "and leaves the rest alone.",
        ),
        Misconception(
            "dropout added",
            _sequential(_first, _relu, lambda *_: nn.Dropout(0.2), _last),
            "The same batch gives other outputs each time: something in your model draws random "
            "numbers, such as dropout. Linear, ReLU, linear is all that is asked for.",
            recognise=lambda case, got: (
                got.error is None
                and got.get("result") == "Tensor"
                and got.get("repeatable") is False
                and got.get("weights") == 4
            ),
        ),
        Misconception(
            "super().__init__() forgotten",
            _of_class(_NoSuper),
            "Before a layer can be stored, nn.Module needs its own set-up: the first line of "
            "__init__ is super().__init__().",
            recognise=_raised("before Module.__init__() call"),
        ),
        Misconception(
            "ReLU without parentheses",
            _sequential(_first, lambda *_: nn.ReLU, _last),
            "nn.ReLU is a class. nn.ReLU() makes the module that nn.Sequential can run.",
            recognise=_raised("is not a Module subclass"),
        ),
        Misconception(
            "data given to nn.ReLU",
            _of_class(_ReluMadeFromData),
            "nn.ReLU(x) makes a module and takes x for an option. Make the module first and call "
            "it with the data, self.relu(x), or use torch.relu(x).",
            recognise=_raised("must be Tensor, not ReLU"),
        ),
        Misconception(
            "forward returns nothing",
            _of_class(_ForwardWithoutReturn),
            "Your forward computes the logits and does not return them. Its last line is "
            "`return ...`.",
            recognise=lambda case, got: got.error is None and got.get("result") == "None",
        ),
        Misconception(
            "classes instead of logits",
            _of_class(_Winners),
            "argmax gives the winning class. Return the scores themselves, one per class: the loss "
            "needs to know how close the race was.",
        ),
        Misconception(
            "model not returned",
            _nothing_returned,
            "Your function makes a model and returns nothing. Its last line is `return model`.",
            recognise=_returned("None"),
        ),
        Misconception(
            "class instead of a model",
            _class_itself,
            "You return the class. Call it with its sizes, and return the model that comes out.",
            recognise=_returned("a class"),
        ),
        Misconception(
            "list instead of a model",
            _layers_in_a_list,
            "A list of layers cannot be called. nn.Sequential(...) makes one module of them, which "
            "runs them one after another.",
            recognise=lambda case, got: got.get("type") in ("list", "tuple"),
        ),
        Misconception(
            "weights instead of layers",
            _of_class(_OwnWeights),
            "Your network holds weights of its own and no nn.Linear. That works; here two nn.Linear "
            "layers are asked for. Writing them from tensors is the next exercise.",
            also=("weights",),
        ),
        Misconception(
            "another activation",
            _sequential(_first, lambda *_: nn.Sigmoid(), _last),
            "Between the layers stands a sigmoid. The exercise asks for a ReLU, which cuts off at "
            "0 and leaves the rest alone.",
        ),
        Misconception(
            "another activation",
            _sequential(_first, lambda *_: nn.Tanh(), _last),
            "Between the layers stands a tanh. The exercise asks for a ReLU, which cuts off at 0 "
            "and leaves the rest alone.",
        ),
        Misconception(
            "sizes written down instead of taken",
            _textbook_sizes,
            "The layers are 784 -> 128 -> 10 whatever is asked for. Use the three arguments.",
            recognise=_is_textbook,
        ),
        Misconception(
            "sizes swapped",
            _sequential(lambda i, h, o: nn.Linear(h, i), _relu, lambda i, h, o: nn.Linear(o, h)),
            "nn.Linear takes the number of inputs first and the number of outputs second. The "
            "weight is stored the other way round, [out, in], but that is PyTorch's business.",
            recognise=lambda case, got: (
                _does_not_fit(case, got)
                and got.get("layers")
                == sorted([[case["sizes"][1], case["sizes"][0]], case["sizes"][:0:-1]])
            ),
        ),
        Misconception(
            "one layer too many",
            _sequential(_first, _relu, lambda i, h, o: nn.Linear(h, h), _relu, _last),
            "There is a second hidden layer. The network asked for has two linear layers: one "
            "into the hidden units, one out of them.",
        ),
        Misconception(
            "layers in a Python list",
            _of_class(_InAList),
            "PyTorch does not look into a plain list: model.parameters() is empty, and nothing "
            "would be trained. Give each layer its own attribute, or use nn.ModuleList.",
            also=("repeatable", "weights"),
        ),
        Misconception(
            "layers made in forward",
            _of_class(_NewLayersInForward),
            "New layers with new random weights are made at each call. Make them once, in "
            "__init__, and use them in forward.",
            also=("repeatable", "weights"),
        ),
        Misconception(
            "no forward",
            _of_class(_NoForward),
            "Your class has no method that is called exactly `forward`, so PyTorch has nothing to "
            "run. Check the spelling and the indentation.",
            recognise=lambda case, got: (
                got.error is not None and "no method called forward" in got.error.message
            ),
        ),
        Misconception(
            "graph cut off",
            _of_class(_Detached),
            "The output is right, but no graph leads back to the weights, so they cannot be "
            "trained. Leave out no_grad() and detach() in forward.",
        ),
    ),
)

# --- manual_forward -----------------------------------------------------------------------------


def _forward_cases(generator: torch.Generator) -> list[Case]:
    def case(kind, n, *sizes, dtype=torch.float64, strided=False):
        return public.forward_case(kind, generator, n, sizes, dtype, strided)

    return [
        case("plain", 6, 4, 5, 3),
        case("plain", 4, 3, 7, 2, dtype=torch.float32, strided=True),
        case("plain", 5, 4, 4, 4),  # square: a missing transpose raises nothing
        case("plain", 1, 2, 6, 3, strided=True),
        case("gradient", 5, 3, 6, 4),
        case("gradient", 4, 5, 2, 3, dtype=torch.float32, strided=True),
    ]


def _with(hidden, out):
    def manual_forward(x, W1, b1, W2, b2):
        return out(hidden(x, W1, b1), W2, b2)

    return manual_forward


def _linear(x, W, b):
    return x @ W.T + b


def _linear_relu(x, W, b):
    return torch.relu(x @ W.T + b)


def _no_bias(x, W, b):
    return x @ W.T


def _no_bias_relu(x, W, b):
    return torch.relu(x @ W.T)


def _not_transposed(x, W1, b1, W2, b2):
    return torch.relu(x @ W1 + b1) @ W2 + b2


def _transposed_where_it_must(x, W1, b1, W2, b2):
    """Turns a weight only where the shapes would not fit otherwise."""

    def turned(h, W):
        return W if W.shape[0] == h.shape[1] else W.T

    h = torch.relu(x @ turned(x, W1) + b1)
    return h @ turned(h, W2) + b2


def _left_in_columns(x, W1, b1, W2, b2):
    return W2 @ torch.relu(W1 @ x.T + b1[:, None]) + b2[:, None]


def _entry_by_entry(x, W1, b1, W2, b2):
    return torch.relu(x * W1.T + b1) * W2.T + b2


def _first_layer_only(x, W1, b1, W2, b2):
    return torch.relu(x @ W1.T + b1)


def _in_float32(x, W1, b1, W2, b2):
    x, W1, b1, W2, b2 = (tensor.float() for tensor in (x, W1, b1, W2, b2))
    return torch.relu(x @ W1.T + b1) @ W2.T + b2


def _in_numpy(x, W1, b1, W2, b2):
    x, W1, b1, W2, b2 = (tensor.numpy() for tensor in (x, W1, b1, W2, b2))
    return torch.from_numpy((x @ W1.T + b1).clip(0) @ W2.T + b2)


def _bias_as_a_column(x, W1, b1, W2, b2):
    return torch.relu(x @ W1.T + b1[:, None]) @ W2.T + b2[:, None]


def _weight_in_front(x, W1, b1, W2, b2):
    return W2 @ torch.relu(W1 @ x + b1) + b2


def _raises_where_sizes_differ(words: str):
    """Recognises an error of the first layer, wherever its sizes do not fit by accident."""

    def recognise(case: Case, got: Observation) -> bool:
        (hidden, features), n = case["W1"].shape, len(case["x"])
        if len({hidden, features, n, 1}) < 4:
            return True
        return got.error is not None and words in got.error.message

    return recognise


def _through_numpy(case: Case, got: Observation) -> bool:
    """Right numbers, and an error as soon as a gradient is wanted."""
    if case["kind"] == "plain":
        return got.error is None
    return got.error is not None and "Can't call numpy()" in got.error.message


# Right, written differently.


def _columns(x, W1, b1, W2, b2):
    """Examples as columns, as in the textbooks."""
    hidden = (W1 @ x.t() + b1.unsqueeze(1)).clamp_min(0)
    return (W2 @ hidden + b2.unsqueeze(1)).t()


def _einsum(x, W1, b1, W2, b2):
    hidden = torch.einsum("ni,hi->nh", x, W1) + b1
    hidden = hidden * (hidden > 0)
    return torch.einsum("nh,oh->no", hidden, W2) + b2


def _addmm(x, W1, b1, W2, b2):
    hidden = torch.addmm(b1, x, W1.transpose(0, 1))
    hidden = torch.maximum(hidden, torch.zeros_like(hidden))
    return torch.addmm(b2, hidden, W2.mT)


def _one_example_at_a_time(x, W1, b1, W2, b2):
    rows = []
    for example in x:
        hidden = torch.mv(W1, example) + b1
        hidden = torch.where(hidden > 0, hidden, torch.zeros_like(hidden))
        rows.append(torch.mv(W2, hidden) + b2)
    return torch.stack(rows)


def _bias_as_a_weight(x, W1, b1, W2, b2):
    """A column of ones carries the bias."""
    one = x.new_ones(len(x), 1)
    first = torch.cat((W1, b1[:, None]), dim=1)
    second = torch.cat((W2, b2[:, None]), dim=1)
    hidden = torch.relu(torch.cat((x, one), dim=1).matmul(first.T))
    return torch.cat((hidden, one), dim=1).matmul(second.T)


MANUAL_FORWARD = Answer(
    exercise="manual_forward",
    cases=_forward_cases,
    tolerance=(1e-4, 1e-5),
    variants=(_columns, _einsum, _addmm, _one_example_at_a_time, _bias_as_a_weight),
    misconceptions=(
        Misconception(
            "missing transpose",
            _not_transposed,
            "PyTorch stores a weight as [out, in], so the product is x @ W.T. With a square "
            "weight x @ W raises nothing and is still wrong.",
        ),
        Misconception(
            "missing transpose",
            _transposed_where_it_must,
            "You turn a weight only where the shapes would not fit. A square one needs W.T as "
            "well: its rows belong to the outputs.",
        ),
        Misconception(
            "ReLU after the last layer",
            _with(_linear_relu, _linear_relu),
            "A ReLU stands after the second layer too. Logits may be negative: cut off the hidden "
            "values only.",
        ),
        Misconception(
            "ReLU after the last layer",
            _with(_linear, _linear_relu),
            "The ReLU stands after the second layer. It belongs after the first: the hidden "
            "values are cut off, the logits are not.",
        ),
        Misconception(
            "bias dropped",
            _with(_no_bias_relu, _no_bias),
            "Neither b1 nor b2 is added. A linear layer computes x @ W.T + b.",
        ),
        Misconception(
            "bias dropped",
            _with(_no_bias_relu, _linear),
            "b1 is not added. A linear layer computes x @ W.T + b.",
        ),
        Misconception(
            "bias dropped",
            _with(_linear_relu, _no_bias),
            "b2 is not added. A linear layer computes x @ W.T + b.",
        ),
        Misconception(
            "bias added after the ReLU",
            _with(lambda x, W, b: torch.relu(x @ W.T) + b, _linear),
            "b1 is added after the ReLU. It belongs before: the bias decides where a unit begins "
            "to answer.",
        ),
        Misconception(
            "no activation",
            _with(_linear, _linear),
            "There is no ReLU between the layers, so both together are one straight line.",
        ),
        Misconception(
            "absolute value for ReLU",
            _with(lambda x, W, b: (x @ W.T + b).abs(), _linear),
            "You turn negative hidden values round. A ReLU cuts them off: they become 0.",
        ),
        Misconception(
            "another activation",
            _with(lambda x, W, b: torch.tanh(x @ W.T + b), _linear),
            "Between the layers stands a tanh. The exercise asks for a ReLU.",
        ),
        Misconception(
            "bias subtracted",
            _with(lambda x, W, b: torch.relu(x @ W.T - b), lambda x, W, b: x @ W.T - b),
            "You subtract the biases. A linear layer computes x @ W.T + b.",
        ),
        Misconception(
            "examples left in columns",
            _left_in_columns,
            "You compute with one example per column, and the result stays so: [out, N]. Turn it "
            "back with .T at the end.",
        ),
        Misconception(
            "entries multiplied one by one",
            _entry_by_entry,
            "`*` multiplies entry by entry. A layer sums products over its inputs: that is the "
            "matrix product, `@`.",
            recognise=_raises_where_sizes_differ("at non-singleton dimension 1"),
        ),
        Misconception(
            "bias as a column",
            _bias_as_a_column,
            "You turn the bias into a column, so it would be added per example. It belongs to the "
            "outputs: b1 as it is fits every row of [N, hidden].",
            recognise=_raises_where_sizes_differ("at non-singleton dimension 0"),
        ),
        Misconception(
            "weight in front of the batch",
            _weight_in_front,
            "You multiply W1 @ x, and the inner sizes do not fit: x has one example per row. "
            "x @ W1.T works on all rows at once.",
            recognise=_raises_where_sizes_differ("mat1 and mat2 shapes cannot be multiplied"),
        ),
        Misconception(
            "second layer missing",
            _first_layer_only,
            "You return the hidden values. The second layer, with W2 and b2, is still to come.",
        ),
        Misconception(
            "dtype changed",
            _in_float32,
            "You convert to float32. The result keeps the dtype of x: leave .float() out.",
        ),
        Misconception(
            "computed in NumPy",
            _in_numpy,
            "NumPy records no graph, so no gradient can flow back. Compute with the tensors "
            "themselves: @, .T, + and torch.relu.",
            recognise=_through_numpy,
        ),
        Misconception(
            "another activation",
            _with(lambda x, W, b: torch.sigmoid(x @ W.T + b), _linear),
            "Between the layers stands a sigmoid. The exercise asks for a ReLU.",
        ),
        Misconception(
            "softmax at the end",
            _with(_linear_relu, lambda x, W, b: (x @ W.T + b).softmax(dim=1)),
            "You return probabilities. The logits are asked for, the raw scores.",
        ),
        Misconception(
            "graph cut off",
            _with(lambda x, W, b: torch.relu(x.detach() @ W.detach().T + b.detach()), _linear),
            "The numbers are right, but the first layer is cut off from the graph, so its weight "
            "could not be trained. Leave out detach(), .data and no_grad().",
        ),
        Misconception(
            "graph cut off",
            torch.no_grad()(_with(_linear_relu, _linear)),
            "The numbers are right, but nothing was recorded, so no weight could be trained. "
            "Leave out detach(), .data and no_grad().",
        ),
    ),
)

# --- trace_shapes -------------------------------------------------------------------------------


def _trace_cases(generator: torch.Generator) -> list[Case]:
    def drawn(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    def case(model: str, count: int, training: bool = True) -> Case:
        sizes = [drawn(2, 6) + 5 * i for i in range(count)]
        return public.trace_case(model, sizes, drawn(2, 9), training)

    return [
        case("nested", 4),
        case("pictures", 3, training=False),
        case("backwards", 3),
        case("repeated", 3, training=False),
        case("shared", 2),
        case("leaf", 2),
    ]


def _leaves(model):
    return [(name, m) for name, m in model.named_modules() if not list(m.children())]


def _shape(output):
    return tuple(output.shape)


def _hooked(modules, entry, finish=lambda model, trace: trace, remove=True):
    """Hooks on ``modules(model)`` that append ``entry(name, module, inputs, output)``."""

    def trace_shapes(model, x):
        trace, handles = [], []
        for name, module in modules(model):

            def hook(module, inputs, output, name=name):
                trace.append(entry(name, module, inputs, output))

            handles.append(module.register_forward_hook(hook))
        model(x)
        if remove:
            for handle in handles:
                handle.remove()
        return finish(model, list(trace))

    return trace_shapes


def _name_and_shape(name, module, inputs, output):
    return name, _shape(output)


def _registration_order(model, trace):
    shapes = dict(trace)
    return [(name, shapes[name]) for name, _ in _leaves(model) if name in shapes]


def _one_name_for_all(model, x):
    trace, handles = [], []
    for name, module in _leaves(model):
        handles.append(
            module.register_forward_hook(lambda m, i, output: trace.append((name, _shape(output))))  # noqa: B023
        )
    model(x)
    for handle in handles:
        handle.remove()
    return trace


def _all_hooks_cleared(model, x):
    trace = _hooked(_leaves, _name_and_shape, remove=False)(model, x)
    for module in model.modules():
        module._forward_hooks.clear()
    return trace


def _left_in_eval_mode(model, x):
    model.eval()
    return _hooked(_leaves, _name_and_shape)(model, x)


def _ran_twice(model, x):
    trace, handles = [], []
    for name, module in _leaves(model):

        def hook(module, inputs, output, name=name):
            trace.append((name, _shape(output)))

        handles.append(module.register_forward_hook(hook))
    model(x)
    model(x)
    for handle in handles:
        handle.remove()
    return trace


def _only_the_last_removed(model, x):
    trace = []
    for name, module in _leaves(model):
        handle = module.register_forward_hook(
            lambda m, i, output, name=name: trace.append((name, _shape(output)))
        )
    model(x)
    handle.remove()
    return trace


def _never_run(model, x):
    trace, handles = [], []
    for name, module in _leaves(model):
        handles.append(
            module.register_forward_hook(
                lambda m, i, output, name=name: trace.append((name, _shape(output)))
            )
        )
    for handle in handles:
        handle.remove()
    return trace


def _leaves_called_in_turn(model, x):
    trace = []
    for name, module in _leaves(model):
        x = module(x)
        trace.append((name, _shape(x)))
    return trace


def _shapes_of_the_weights(model, x):
    return [(name, _shape(p)) for name, p in model.named_parameters()]


def _without_the_model_itself(model):
    return [(name, module) for name, module in _leaves(model) if name]


def _no_sequential(model):
    found = model.named_modules()
    return [(n, m) for n, m in found if not isinstance(m, nn.Sequential) and m is not model]


def _forward_called_directly(model, x):
    trace, handles = [], []
    for name, module in _leaves(model):
        handles.append(
            module.register_forward_hook(
                lambda m, i, output, name=name: trace.append((name, _shape(output)))
            )
        )
    model.forward(x)
    for handle in handles:
        handle.remove()
    return trace


def _under_all_names(model):
    found = model.named_modules(remove_duplicate=False)
    return [(name, m) for name, m in found if not list(m.children())]


# Right, written differently.


def _global_hook(model, x):
    """One hook for all modules everywhere."""
    names = {module: name for name, module in model.named_modules()}
    trace = []

    def hook(module, inputs, output):
        if module in names and not any(True for _ in module.children()):
            trace.append((names[module], output.size()))

    handle = nn.modules.module.register_module_forward_hook(hook)
    try:
        model(x)
    finally:
        handle.remove()
    return trace


def _forward_replaced(model, x):
    """Each leaf's forward is replaced on the instance, and put back."""
    trace = []
    leaves = _leaves(model)
    for name, module in leaves:

        def forward(*args, _name=name, _original=module.forward):
            result = _original(*args)
            trace.append((_name, tuple(result.shape)))
            return result

        module.forward = forward
    model(x)
    for _, module in leaves:
        del module.forward
    return trace


class _Tracer:
    def __init__(self, name, trace):
        self.name, self.trace = name, trace

    def __call__(self, module, args, kwargs, output):
        self.trace += [[self.name, list(output.shape)]]


def _callable_objects(model, x):
    """Pairs and shapes as lists, all modules visited, containers skipped."""
    trace = []
    handles = [
        module.register_forward_hook(_Tracer(name, trace), with_kwargs=True)
        for name, module in model.named_modules()
        if len(module._modules) == 0
    ]
    with torch.no_grad():
        model(x)
    [handle.remove() for handle in handles]
    return trace


TRACE_SHAPES = Answer(
    exercise="trace_shapes",
    cases=_trace_cases,
    variants=(_global_hook, _forward_replaced, _callable_objects),
    misconceptions=(
        Misconception(
            "containers listed",
            _hooked(lambda model: model.named_modules(), _name_and_shape),
            "Containers such as nn.Sequential, and the model itself, are listed as well. Hook "
            "leaves only: modules without children.",
        ),
        Misconception(
            "top level only",
            _hooked(lambda model: model.named_children(), _name_and_shape),
            "named_children() gives the first level only. named_modules() walks through all of "
            "them.",
        ),
        Misconception(
            "registration order instead of execution order",
            _hooked(_leaves, _name_and_shape, _registration_order),
            "The list follows the order in which the modules were registered. Let each hook "
            "append when it runs: that is the order of execution.",
        ),
        Misconception(
            "each module once",
            _hooked(_leaves, _name_and_shape, lambda model, trace: list(dict(trace).items())),
            "A module that runs twice appears once only. Collect pairs in a list: a dictionary "
            "keeps one entry per name.",
        ),
        Misconception(
            "one name for all",
            _one_name_for_all,
            "All entries carry the name of the last module. A function looks up `name` when it "
            "runs, and by then the loop is over: bind it with a default argument, name=name.",
        ),
        Misconception(
            "input shapes",
            _hooked(_leaves, lambda name, module, inputs, output: (name, _shape(inputs[0]))),
            "These are the shapes that go in. A hook gets (module, inputs, output): take the last.",
        ),
        Misconception(
            "batch dimension dropped",
            _hooked(_leaves, lambda name, module, inputs, output: (name, _shape(output)[1:])),
            "The first dimension, the batch, is missing from the shapes. Report them whole.",
        ),
        Misconception(
            "class names instead of names",
            _hooked(_leaves, lambda n, module, i, out: (type(module).__name__, _shape(out))),
            'You report the class ("Linear"). The name is where the module sits in the model, as '
            "named_modules() gives it.",
        ),
        Misconception(
            "forward called directly",
            _forward_called_directly,
            "You call model.forward(x), which skips the hooks of the model itself. When the model "
            "is a single layer, those are all there are. Call model(x).",
            also=("older_hook_ran_inside",),
        ),
        Misconception(
            "the model itself left out",
            _hooked(_without_the_model_itself, _name_and_shape),
            'You skip the module with the name "". When the model is a single layer, it is itself '
            "a leaf: ask for children, not for the name.",
        ),
        Misconception(
            "containers known by their class",
            _hooked(_no_sequential, _name_and_shape),
            "You leave out nn.Sequential and the model itself. Other containers, and classes of "
            "one's own, have children too; and a model may be a leaf. Ask for children.",
        ),
        Misconception(
            "linear layers only",
            _hooked(
                lambda model: [(n, m) for n, m in _leaves(model) if isinstance(m, nn.Linear)],
                _name_and_shape,
            ),
            "You list linear layers only. Every leaf is asked for: activations, dropout and the "
            "others too.",
        ),
        Misconception(
            "several names for one module",
            _hooked(_under_all_names, _name_and_shape),
            "A module that sits at two places in the model gets a hook for each of its names, so "
            "each of its runs is noted twice. named_modules() gives it once, under its first name.",
        ),
        Misconception(
            "the weights' shapes",
            _shapes_of_the_weights,
            "These are the shapes of the parameters, and they do not depend on x. Run the model, "
            "and let hooks note the shapes of the outputs.",
        ),
        Misconception(
            "leaves called one after another",
            _leaves_called_in_turn,
            "You call the leaves yourself, in the order in which they are registered. Only the "
            "model's forward knows the real way: call model(x), and let hooks listen.",
        ),
        Misconception(
            "model never run",
            _never_run,
            "Your hooks are put on and taken off, and no batch has passed in between. Call "
            "model(x) before you remove them.",
        ),
        Misconception(
            "shapes in a dictionary",
            _hooked(_leaves, _name_and_shape, lambda model, trace: dict(trace)),
            "You return a dictionary, which keeps one entry per name. Return the list of pairs: a "
            "module that runs twice has two.",
        ),
        Misconception(
            "only the last handle removed",
            _only_the_last_removed,
            "Each round of your loop overwrites the handle of the one before, so only the last "
            "hook is removed. Keep all handles in a list.",
        ),
        Misconception(
            "run twice",
            _ran_twice,
            "The model runs twice while the hooks are on, so everything is listed twice. One call "
            "of model(x) is enough.",
        ),
        Misconception(
            "everybody's hooks removed",
            _all_hooks_cleared,
            "You clear all hooks of the model, somebody else's too. Keep the handles that "
            "register_forward_hook returns, and remove those.",
        ),
        Misconception(
            "left in eval mode",
            _left_in_eval_mode,
            "You switch the model to eval mode and leave it there. Whoever trains it next does so "
            "without dropout: run it in the mode it is in.",
        ),
        Misconception(
            "hooks left behind",
            _hooked(_leaves, _name_and_shape, remove=False),
            "Your hooks stay on the model: each later forward pass runs them, and each call of "
            "trace_shapes adds more. Call remove() on every handle.",
            recognise=lambda case, got: got.error is None and got.get("hooks_left", 0) > 0,
        ),
    ),
)

ANSWERS = (BUILD_MLP, MANUAL_FORWARD, TRACE_SHAPES)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_output_shape() -> str:
    shape = list(nn.Linear(784, 128)(torch.zeros(16, 784)).shape)
    options = {"A": [128, 784], "B": [16, 128], "C": [784, 128], "D": [16, 784, 128]}
    return "".join(letter for letter, option in options.items() if option == shape)


def _prove_parameter_count() -> str:
    layer = nn.Linear(784, 128)
    counts = set()
    for batch in (1, 16):
        layer(torch.zeros(batch, 784))
        counts.add(sum(p.numel() for p in layer.parameters()))
    if len(counts) > 1:
        return "C"
    options = {"A": 100_352, "B": 912, "D": 100_480}
    return "".join(letter for letter, option in options.items() if option in counts)


def _prove_call_runs_hooks() -> str:
    model = nn.Linear(3, 2)
    seen = []
    model.register_forward_pre_hook(lambda *_: seen.append("before"))
    model.register_forward_hook(lambda *_: seen.append("after"))
    x = torch.ones(4, 3)
    try:
        direct = model.forward(x)
    except Exception:
        return "C"
    if direct.grad_fn is None:
        return "B"
    skipped = not seen
    called = model(x)
    return "A" if skipped and seen == ["before", "after"] and called.equal(direct) else "D"


QUIZ = (
    QuizKey(
        "q01_1",
        "B",
        {
            "A": "That is the shape of the layer's weight, [out, in].",
            "B": "Only the last dimension changes: 784 inputs become 128 outputs, for each of the "
            "16 examples.",
            "C": "That is a weight written the textbook's way, [in, out]. The batch is missing.",
            "D": "A linear layer sums over its inputs; it adds no dimension.",
        },
        _prove_output_shape,
    ),
    QuizKey(
        "q01_2",
        "D",
        {
            "A": "Those are the weights, 784 x 128. The 128 biases are missing.",
            "B": "That is 784 + 128. Every input is connected with every output: multiply.",
            "C": "All examples share the same weights; the batch size adds none.",
            "D": "784 x 128 weights and 128 biases.",
        },
        _prove_parameter_count,
    ),
    QuizKey(
        "q01_3",
        "A",
        {
            "A": "A direct call of forward skips them, and so whatever relies on them is wrong.",
            "B": "Both record the same graph.",
            "C": "It runs, which is why the mistake is easy to miss.",
            "D": "Nothing is compiled, unless you ask for torch.compile.",
        },
        _prove_call_runs_hooks,
    ),
)
