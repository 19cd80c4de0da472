"""Chapter 01, public half: the exercises' checks and drivers, and the quiz's questions."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.exercises.support.leaf_models import LEAF_MODELS, hooks_on
from course_lib.quiz import Question


def _seen(value: Any) -> str:
    """What a check says about a result that is not right: its shape or its type."""
    shape = f" {list(value.shape)}" if isinstance(value, Tensor) else ""
    return f"yours is {type_name(value)}{shape}"


def _near(value: Any, expected: Tensor) -> bool:
    if not isinstance(value, Tensor) or value.shape != expected.shape:
        return False
    return torch.allclose(value.to(expected.dtype), expected, rtol=1e-4, atol=1e-5)


# --- build_mlp ----------------------------------------------------------------------------------


def mlp_case(generator: torch.Generator, n: int, sizes: tuple[int, int, int]) -> dict[str, Any]:
    """A case: ``sizes`` are (in, hidden, out), all different, so that a layer is known by its
    shape. The weights are put into the learner's layers; every bias is far from 0."""
    features, hidden, out = sizes

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "sizes": list(sizes),
        "x": normal(n, features),
        "weights": [normal(hidden, features), normal(out, hidden)],
        "biases": [1.5 * normal(hidden), 2 + normal(out)],
    }


def observe_build_mlp(function: Any, case: Case, notes: Notes) -> None:
    model = function(*case["sizes"])
    notes["is_module"] = isinstance(model, nn.Module)
    notes["layers"] = notes["output"] = notes["gradient"] = None
    if not isinstance(model, nn.Module):
        notes["type"] = "a class" if isinstance(model, type) else type_name(model)
        return
    notes["weights"] = len(list(model.parameters()))
    notes["layers"] = _layer_sizes(model)
    # Run before the weights are filled in: a lazy layer knows its sizes only after that.
    first, second = _first_run(model, case), _run(model, case["x"])
    notes["result"] = type_name(first)
    notes["repeatable"] = isinstance(first, Tensor) and _near(second, first)
    notes["layers"] = _layer_sizes(model)
    if not _fill(model, case):
        return
    output = _run(model, case["x"])
    notes["output"] = output
    if isinstance(output, Tensor) and output.requires_grad:
        output.square().sum().backward()
        (first,) = (m for m in _linears(model) if m.out_features == case["sizes"][1])
        notes["gradient"] = first.weight.grad


def _run(model: nn.Module, x: Tensor) -> Any:
    try:
        return model(x)
    except NotImplementedError:  # what PyTorch raises for a class without forward()
        raise AttributeError("your model has no method called forward") from None


def _first_run(model: nn.Module, case: Case) -> Any:
    """As ``_run``; where layers do not fit, PyTorch's error also says which there are."""
    try:
        return _run(model, case["x"])
    except RuntimeError as error:
        if "shapes cannot be multiplied" in str(error):
            sizes = [(layer.in_features, layer.out_features) for layer in _linears(model)]
            layers = ", ".join(f"{a} -> {b}" for a, b in sizes) or "none"
            call = f"build_mlp({', '.join(map(str, case['sizes']))})"
            error.args = (f"{error}. For {call} your linear layers are {layers}",)
        raise


def _linears(model: nn.Module) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def _layer_sizes(model: nn.Module) -> list[list[int]]:
    """[in, out] of every linear layer, smallest first: the order of registration is free."""
    return sorted([layer.in_features, layer.out_features] for layer in _linears(model))


def _fill(model: nn.Module, case: Case) -> bool:
    """Write the case's weights into the two layers; False when they are not the two asked for."""
    features, hidden, out = case["sizes"]
    layers = {(layer.in_features, layer.out_features): layer for layer in _linears(model)}
    wanted = [(features, hidden), (hidden, out)]
    if len(_linears(model)) != 2 or set(layers) != set(wanted):
        return False
    with torch.no_grad():
        for sizes, weight, bias in zip(wanted, case["weights"], case["biases"], strict=True):
            layers[sizes].weight.copy_(weight)
            if layers[sizes].bias is not None:
                layers[sizes].bias.copy_(bias)
    return True


def _public_mlp_cases() -> list[Case]:
    """Weights of 0, 1 and -1, whose outputs can be told without a network."""
    ones = {
        "sizes": [3, 4, 2],
        # Sums of 7 and -7: a ReLU6 is no ReLU.
        "x": torch.tensor([[-1.0, 2.0, 6.0], [1.0, -2.0, -6.0]]),
        "weights": [torch.ones(4, 3), torch.ones(2, 4)],
        "biases": [torch.zeros(4), torch.zeros(2)],
    }
    biases = ones | {
        "weights": [torch.zeros(4, 3), torch.ones(2, 4)],
        "biases": [torch.ones(4), torch.tensor([-5.0, 10.0])],
    }
    return [ones, biases]


def properties_build_mlp(case: Case, observation: Observation) -> Iterator[Finding]:
    is_module = observation["is_module"]
    yield Finding(is_module, "the result is an nn.Module", f"yours is {observation.get('type')}")
    if not is_module:
        return
    features, hidden, out = case["sizes"]
    layers, output = observation["layers"], observation["output"]
    wanted = sorted([[features, hidden], [hidden, out]])
    text = (
        f"build_mlp({features}, {hidden}, {out}) holds two linear layers, "
        f"{features} -> {hidden} and {hidden} -> {out}"
    )
    seen = ", ".join(f"{a} -> {b}" for a, b in layers) or "no linear layer that PyTorch knows of"
    yield Finding(layers == wanted, text, f"yours holds {seen}")
    if layers != wanted:
        return
    if not case["biases"][0].any():
        # The hidden sums are 7 and -7 in each of four units.
        right = isinstance(output, Tensor) and output.shape == (2, 2)
        text = "a batch [2, 3] comes out as [2, 2]"
        yield Finding(right, text, _seen(output))
        if right:
            text = "with all weights 1, the inputs -1, 2, 6 give 28: no large value is squeezed"
            yield Finding(_near(output[0], torch.full((2,), 28.0)), text, _row(output[0]))
            text = "the inputs 1, -2, -6 give 0: hidden values below 0 are cut off"
            yield Finding(_near(output[1], torch.zeros(2)), text, _row(output[1]))
    else:
        row = output[0] if isinstance(output, Tensor) and output.dim() else None
        # Four hidden units hold their bias 1, so the sum is 4; the last biases shift it.
        text = "both layers add their bias, and the logits may be negative: [-1, 14]"
        yield Finding(_near(row, torch.tensor([-1.0, 14.0])), text, _row(row))
        flows = isinstance(observation["gradient"], Tensor)
        yield Finding(flows, "a gradient flows back to the first layer's weight")


def _row(value: Any) -> str:
    if not isinstance(value, Tensor):
        return _seen(value)
    numbers = ", ".join(f"{number:.3g}" for number in value.flatten().tolist())
    return f"yours gives [{numbers}]"


BUILD_MLP = Exercise(
    name="build_mlp",
    points=2,
    task="Build a network of two linear layers with a ReLU between them.",
    aspects=(
        Aspect("layers", "it holds two linear layers of the right sizes", 1, ("layers",)),
        Aspect(
            "output",
            "it computes linear, ReLU, linear, and returns logits",
            1,
            ("output", "gradient"),
            after=("layers",),
        ),
    ),
    hints=(
        "Two ways are equally good: a class like the one above with the layers made in __init__ "
        "and used in forward, of which you return an instance; or nn.Sequential(...), which runs "
        "its modules one after another.",
        "The first layer goes from in_features to hidden, the second from hidden to out_features. "
        "nn.ReLU() stands between them, and nothing at all after the second.",
    ),
    observe=observe_build_mlp,
    public_cases=_public_mlp_cases,
    properties=properties_build_mlp,
    forbidden=("course_lib.models.MLP",),
)


# --- manual_forward -----------------------------------------------------------------------------

_TENSORS = ("x", "W1", "b1", "W2", "b2")


def forward_case(
    kind: str,
    generator: torch.Generator,
    n: int,
    sizes: tuple[int, int, int],
    dtype: torch.dtype = torch.float64,
    strided: bool = False,
) -> dict[str, Any]:
    """A case: ``sizes`` are (in, hidden, out). ``kind`` is "plain" or "gradient"; ``strided``
    hands over tensors that are not contiguous."""
    features, hidden, out = sizes
    shapes = ((n, features), (hidden, features), (hidden,), (out, hidden), (out,))
    tensors = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes
    )
    return {"kind": kind, "strided": strided, **dict(zip(_TENSORS, tensors, strict=True))}


def observe_manual_forward(function: Any, case: Case, notes: Notes) -> None:
    tensors = [case[name].clone() for name in _TENSORS]
    if case["strided"]:
        tensors = [torch.stack((tensor, tensor), dim=-1)[..., 0] for tensor in tensors]
    if case["kind"] == "plain":
        notes["returned"] = function(*tensors)
        notes["tensors_afterwards"] = tensors
        return
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    result = function(*leaves)
    notes["gradients"] = None
    if isinstance(result, Tensor) and result.requires_grad:
        gradients = torch.autograd.grad(result.square().sum(), leaves, allow_unused=True)
        notes["gradients"] = list(gradients)


def _public_forward_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(1)
    known = {
        "kind": "plain",
        "strided": False,
        "x": torch.tensor([[1.0, 2.0], [0.0, 1.0]]),
        "W1": torch.tensor([[1.0, 0.0], [0.0, -1.0], [1.0, 1.0]]),
        "b1": torch.tensor([0.0, 0.0, -2.0]),
        "W2": torch.tensor([[1.0, 1.0, -3.0]]),
        "b2": torch.tensor([0.5]),
    }
    # Square weights: a missing transpose raises nothing here.
    square = {
        "x": torch.tensor([[1.0, 2.0]]),
        "W1": torch.tensor([[1.0, 10.0], [0.0, 1.0]]),
        "b1": torch.tensor([0.0, 0.0]),
        "W2": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        "b2": torch.tensor([0.0, 0.0]),
    }
    double = {name: known[name].double() for name in _TENSORS}
    return [
        known,
        known | square,
        known | double,
        forward_case("gradient", generator, 4, (3, 5, 2)),
    ]


def properties_manual_forward(case: Case, observation: Observation) -> Iterator[Finding]:
    if case["kind"] == "gradient":
        gradients = observation["gradients"]
        reached = [
            name
            for name, gradient in zip(_TENSORS, gradients or [], strict=False)
            if isinstance(gradient, Tensor)
        ]
        missing = [name for name in _TENSORS if name not in reached]
        text = "gradients flow back to x, W1, b1, W2 and b2"
        yield Finding(not missing, text, f"none reaches {', '.join(missing)}")
        return
    result = observation["returned"]
    if case["W1"].shape == (3, 2):
        shape = isinstance(result, Tensor) and result.shape == (2, 1)
        text = "x [2, 2], W1 [3, 2] and W2 [1, 3] give a result [2, 1]"
        yield Finding(shape, text, _seen(result))
        if shape:
            # Row 0: hidden [1, -2, 1] becomes [1, 0, 1]; row 1: [0, -1, -1] becomes 0.
            right = _near(result, torch.tensor([[-1.5], [0.5]]))
            text = "the example worked out in the text gives -1.5 and 0.5"
            yield Finding(right, text, _row(result))
        if shape:
            dtypes = f"{case['x'].dtype} came in, {result.dtype} came out"
            yield Finding(result.dtype == case["x"].dtype, "the result has x's dtype", dtypes)
    else:
        # 1 * 1 + 10 * 2 = 21 and 0 * 1 + 1 * 2 = 2.
        text = "square weights are read row by row too: each row of W1 belongs to one output"
        yield Finding(_near(result, torch.tensor([[21.0, 2.0]])), text, _row(result))
    same = all(
        torch.equal(after, case[name])
        for after, name in zip(observation["tensors_afterwards"], _TENSORS, strict=True)
    )
    yield Finding(same, "the five tensors are unchanged")


MANUAL_FORWARD = Exercise(
    name="manual_forward",
    points=2,
    task="Compute linear, ReLU, linear from tensors alone, without torch.nn.",
    aspects=(
        Aspect("values", "the logits are right", 1, ("returned", "tensors_afterwards")),
        Aspect(
            "gradients",
            "gradients reach all five tensors",
            1,
            ("gradients",),
            after=("values",),
        ),
    ),
    hints=(
        "Write down the shapes: x is [N, in], W1 is [hidden, in], and you need [N, hidden]. Which "
        "of the two must be turned for the matrix product to fit? A plain + adds a bias to every row.",
        "A linear layer computes x @ W.T + b. Between the two, everything below 0 becomes 0: "
        "torch.relu, or clamp(min=0). After the second layer nothing more happens.",
    ),
    observe=observe_manual_forward,
    public_cases=_public_forward_cases,
    properties=properties_manual_forward,
    forbidden=("torch.nn.functional.*", "torch.nn.Module"),
)


# --- trace_shapes -------------------------------------------------------------------------------


def trace_case(model: str, sizes: list[int], n: int, training: bool = True) -> dict[str, Any]:
    """A case: a model of ``LEAF_MODELS`` built with ``sizes``, and a batch of ``n`` examples."""
    return {"model": model, "sizes": sizes, "n": n, "training": training}


def observe_trace_shapes(function: Any, case: Case, notes: Notes) -> None:
    model, x = LEAF_MODELS[case["model"]].build(case["sizes"], case["n"])
    model.train(case["training"])
    calls: list[int] = []
    # A hook that was there before: it must still be there afterwards.
    list(model.modules())[-1].register_forward_hook(lambda *_: calls.append(1))
    before = hooks_on(model)
    plain = LEAF_MODELS[case["model"]].plain
    notes["trace" if plain else "unusual_trace"] = _as_tuples(function(model, x))
    notes["older_hook_ran_inside"] = len(calls)
    notes["hooks_left"] = hooks_on(model) - before
    notes["modes"] = [module.training for module in model.modules()]
    calls.clear()
    model(x)
    notes["older_hook_runs"] = len(calls)


def _as_tuples(trace: Any) -> Any:
    """``torch.Size`` and lists inside the list are as good as tuples."""
    if not isinstance(trace, list):
        return trace
    return [
        (pair[0], tuple(pair[1]) if isinstance(pair[1], tuple | list) else pair[1])
        if isinstance(pair, tuple | list) and len(pair) == 2
        else pair
        for pair in trace
    ]


def _public_trace_cases() -> list[Case]:
    cases = (
        (
            trace_case("nested", [3, 5, 4, 2], 7),
            [("0", (7, 5)), ("1.0", (7, 5)), ("1.1", (7, 4)), ("2", (7, 2))],
            "the nested model's four leaves are listed, and no container",
        ),
        (
            trace_case("backwards", [3, 5, 2], 4, training=False),
            [("second", (4, 5)), ("activation", (4, 5)), ("first", (4, 2))],
            "the order is the one in which the modules run, not the one of registration",
        ),
        (
            trace_case("repeated", [4, 3, 2], 6),
            [("a", (6, 3)), ("relu", (6, 3)), ("b", (6, 3)), ("relu", (6, 3)), ("c", (6, 2))],
            "a module that runs twice is listed twice, one that never runs is not listed",
        ),
        (
            trace_case("shared", [3, 2], 4),
            [
                ("blocks.0.norm", (4, 3)),
                ("blocks.0.activation", (4, 3)),
                ("blocks.0.linear", (4, 3)),
                ("blocks.1.norm", (4, 3)),
                ("blocks.0.activation", (4, 3)),
                ("blocks.1.linear", (4, 3)),
                ("head", (4, 2)),
            ],
            "a module that sits at two places is listed under its first name both times",
        ),
        (
            trace_case("leaf", [3, 2], 5),
            [("", (5, 2))],
            'a model that is itself a leaf has the name ""',
        ),
    )
    return [case | {"expected": expected, "text": text} for case, expected, text in cases]


def properties_trace_shapes(case: Case, observation: Observation) -> Iterator[Finding]:
    name = "trace" if LEAF_MODELS[case["model"]].plain else "unusual_trace"
    trace = observation[name]
    is_list = isinstance(trace, list)
    yield Finding(is_list, "the result is a list of (name, shape) pairs", _seen(trace))
    if is_list:
        seen = ", ".join(_entry(entry) for entry in trace[:6]) or "nothing"
        yield Finding(trace == case["expected"], case["text"], f"yours lists {seen}")
    left = observation["hooks_left"]
    yield Finding(left <= 0, "your hooks are gone afterwards", f"{left} are left")
    runs = observation["older_hook_runs"] > 0
    yield Finding(runs, "a hook that somebody else had registered is still there")
    modes = all(mode == case["training"] for mode in observation["modes"])
    yield Finding(modes, "train or eval mode is as it was")


def _entry(entry: Any) -> str:
    if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], tuple):
        return f'"{entry[0]}" {list(entry[1])}'
    return f"{entry!r:.30}"


TRACE_SHAPES = Exercise(
    name="trace_shapes",
    points=3,
    task="List a model's leaf modules in the order they run, with their output shapes.",
    aspects=(
        Aspect("trace", "the leaves are listed with their shapes", 1, ("trace",)),
        Aspect(
            "order",
            "the order is that of execution, also for unusual models",
            1,
            ("unusual_trace",),
            after=("trace",),
        ),
        Aspect(
            "clean",
            "the model is left as it was",
            1,
            ("hooks_left", "older_hook_runs", "modes"),
            after=("trace",),
        ),
    ),
    hints=(
        "Three parts: register a hook on every leaf of model.named_modules() and keep the handles; "
        "run model(x) once; remove all handles. Each hook appends one pair to a list.",
        "A leaf has no children: list(module.children()) is empty. A hook is called as "
        "hook(module, inputs, output) and does not know its module's name: make it in a small "
        "function that takes the name, or give it a default argument name=name.",
    ),
    observe=observe_trace_shapes,
    public_cases=_public_trace_cases,
    properties=properties_trace_shapes,
)

EXERCISES = (BUILD_MLP, MANUAL_FORWARD, TRACE_SHAPES)

QUESTIONS = (
    Question(
        "q01_1",
        "A batch of shape `[16, 784]` goes through `nn.Linear(784, 128)`. What shape comes out?",
        {
            "A": "`[128, 784]`",
            "B": "`[16, 128]`",
            "C": "`[784, 128]`",
            "D": "`[16, 784, 128]`",
        },
    ),
    Question(
        "q01_2",
        "How many numbers does `nn.Linear(784, 128)` learn?",
        {
            "A": "100,352",
            "B": "912",
            "C": "That depends on the batch size.",
            "D": "100,480",
        },
    ),
    Question(
        "q01_3",
        "Why does everybody write `model(x)` and nobody `model.forward(x)`?",
        {
            "A": "`model(x)` also runs the registered hooks, before and after `forward`.",
            "B": "`model.forward(x)` does not record the graph, so `backward()` fails.",
            "C": "`forward` is private: calling it raises an error.",
            "D": "`model(x)` is compiled and therefore quicker.",
        },
    ),
)
