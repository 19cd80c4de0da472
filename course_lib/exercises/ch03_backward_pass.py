"""Chapter 03, public half: the exercises' checks and drivers, and the quiz's questions."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import kind_of
from course_lib.quiz import Question

#: Every way to have PyTorch differentiate.
AUTOGRAD = (
    "torch.Tensor.backward",
    "torch.autograd.backward",
    "torch.autograd.grad",
    "torch.autograd.functional.*",
    "torch.autograd.forward_ad.*",
    "torch.func.*",
)


def _seen(value: Any) -> str:
    """What a learner returned, in a few words."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} Tensor {list(value.shape)}"
    return f"a {type(value).__name__}" if value is not None else "None"


# --- numerical_gradient -------------------------------------------------------------------------


def nudge_case(
    generator: torch.Generator,
    *shape: int,
    eps: float | None,
    kind: str = "plain",
    returns: str = "tensor",
    cubic: bool = True,
) -> dict[str, Any]:
    """A case: f(w) = sum(a w^3 + b w^2 + c w) + sum(d w)^2, with coefficients of w's shape.

    The last term ties the entries of w together. ``cubic=False`` gives a = 0. ``eps=None`` leaves
    it to the default. ``kind`` is "plain", "transposed" (w is not contiguous) or "leaf" (w requires
    gradients).
    """

    def normal() -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    a, b, c, d, w = (normal() for _ in range(5))
    a = a + a.sign() if cubic else torch.zeros_like(a)  # away from 0: eps shows in every entry
    return {"a": a, "b": b, "c": c, "d": d, "w": w, "eps": eps, "kind": kind, "returns": returns}


def _argument(case: Case) -> Tensor:
    """w as the learner gets it. Memory layout does not survive the way here, so it is made here."""
    w = case["w"].detach().clone()
    if case["kind"] == "transposed":
        w = w.transpose(0, -1).contiguous().transpose(0, -1)
    return w.requires_grad_(case["kind"] == "leaf")


def scalar_function(case: Case) -> Callable[[Tensor], Tensor | float]:
    """The f of a case; it insists on w's shape."""
    a, b, c, d = (case[name] for name in "abcd")

    def f(w: Tensor) -> Tensor | float:
        if not isinstance(w, Tensor) or w.shape != a.shape:
            raise ValueError(f"f takes a tensor of w's shape {list(a.shape)}, not {_seen(w)}")
        value = (a * w**3 + b * w**2 + c * w).sum() + (d * w).sum() ** 2
        return value.item() if case["returns"] == "float" else value

    return f


def observe_numerical_gradient(function: Any, case: Case, notes: Notes) -> None:
    w = _argument(case)
    eps = () if case["eps"] is None else (case["eps"],)
    plain = case["kind"] == "plain" and w.dim() in (1, 2)
    try:
        notes["gradient" if plain else "any_gradient"] = function(scalar_function(case), w, *eps)
    finally:
        if plain:
            notes["w_after"] = w.detach().clone()


def properties_numerical_gradient(case: Case, observation: Observation) -> Iterator[Finding]:
    result = observation.get("gradient", observation.get("any_gradient"))
    w = _argument(case)
    fits = isinstance(result, Tensor) and result.shape == w.shape and result.dtype == w.dtype
    text = "the result is a tensor with w's shape and dtype"
    yield Finding(fits, text, f"yours is {_seen(result)}, w is {_seen(w)}")
    if "w_after" in observation.values:
        kept = torch.equal(observation["w_after"], w)
        yield Finding(kept, "w is bit for bit what it was", "yours has changed")
    if not fits:
        return
    text = "the result is detached: it belongs to no graph"
    yield Finding(not result.requires_grad, text, "yours requires gradients")
    w = w.detach().requires_grad_()
    (exact,) = torch.autograd.grad(scalar_function(case | {"returns": "tensor"})(w), w)
    got = _beside("autograd says", exact, result)
    if case["a"].any():
        # A cube's slope, measured over a distance, is off by a known amount: the eps that was used.
        expected = exact + case["a"] * case["eps"] ** 2
        eps = case["eps"]
        text = f"with eps={eps} a slope is measured between w - {eps} and w + {eps}"
        got = _beside("for this f that gives", expected, result)
        yield Finding(_close(expected, result), text, got)
    elif case["kind"] == "plain":
        yield Finding(_close(exact, result), "for a parabola it agrees with autograd", got)
    else:
        yield Finding(_close(exact, result), f"it is right for {_KINDS_OF_W[case['kind']]}", got)


_KINDS_OF_W = {
    "scalar": "a w without dimensions",
    "transposed": "a transposed w",
    "leaf": "a w that requires gradients",
}


def _numbers(tensor: Tensor, digits: int = 3) -> str:
    first = tensor.detach().flatten()[:3].tolist()
    shown = ", ".join(f"{v:.{digits}{'f' if abs(v) < 1e6 else 'e'}}" for v in first)
    return f"[{shown}{', ...' if tensor.numel() > 3 else ''}]"


def _beside(words: str, expected: Tensor, got: Tensor) -> str:
    """Both with so many digits that a small difference can be seen."""
    digits = next((d for d in (3, 6) if _numbers(expected, d) != _numbers(got, d)), 9)
    return f"{words} {_numbers(expected, digits)}, yours is {_numbers(got, digits)}"


def _close(expected: Tensor, got: Tensor) -> bool:
    return torch.allclose(expected, got.detach(), rtol=1e-5, atol=1e-7)


def _public_nudges() -> list[Case]:
    generator = torch.Generator().manual_seed(31)
    return [
        nudge_case(generator, 3, eps=0.1, cubic=False),
        nudge_case(generator, 2, 3, eps=0.5, returns="float"),
        nudge_case(generator, eps=None, cubic=False, kind="scalar"),
        nudge_case(generator, 2, 3, eps=0.1, cubic=False, kind="transposed"),
        nudge_case(generator, 2, eps=0.1, cubic=False, kind="leaf"),
    ]


NUMERICAL_GRADIENT = Exercise(
    name="numerical_gradient",
    points=2,
    task="Measure the gradient of f at w by nudging one entry at a time, both ways.",
    aspects=(
        Aspect("central", "the slope is measured by central differences", 1, ("gradient",)),
        Aspect(
            "any_w",
            "it works for any shape and layout of w, and the result is detached",
            0.5,
            ("any_gradient",),
        ),
        Aspect("unchanged", "w is as it was afterwards", 0.5, ("w_after",), after=("central",)),
    ),
    hints=(
        "For each entry: a copy of w in which this one entry is larger by eps, and a copy in which "
        "it is smaller by eps. Take f of both. The copies are 2 * eps apart: divide the difference "
        "of the two values by that.",
        "Copies keep w safe: flat = w.detach().flatten().clone(), change flat[i], and give f "
        "flat.reshape(w.shape). Collect one slope per i, and give the result w's shape at the end.",
    ),
    observe=observe_numerical_gradient,
    public_cases=_public_nudges,
    properties=properties_numerical_gradient,
    forbidden=(*AUTOGRAD, "torch.gradient"),
)


# --- linear_gradients ---------------------------------------------------------------------------


def regression_case(
    generator: torch.Generator,
    n: int,
    d: int,
    *,
    dtype: str = "float64",
    transposed: bool = False,
    grad_mode: bool = True,
) -> dict[str, Any]:
    """A case: x ``[n, d]``, y ``[n]``, w ``[d]``, b 0-dim. float32 ones are judged apart."""

    def normal(*shape: int) -> Tensor:
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
        return numbers.to(getattr(torch, dtype))

    return {
        "x": normal(n, d),
        "y": 2 + normal(n),
        "w": normal(d),
        "b": normal(),
        "transposed": transposed,
        "grad_mode": grad_mode,
    }


def observe_linear_gradients(function: Any, case: Case, notes: Notes) -> None:
    x, y, w, b = (case[name] for name in "xywb")
    if case["transposed"]:
        x = x.T.contiguous().T
    given = [part.clone() for part in (x, y, w, b)]
    with nullcontext() if case["grad_mode"] else torch.no_grad():
        returned = function(x, y, w, b)
    notes["unchanged"] = all(map(torch.equal, (x, y, w, b), given))
    notes["pair"] = isinstance(returned, tuple | list) and len(returned) == 2
    parts = list(returned) if notes.values["pair"] else [returned, None]
    # Whether the tensors carry a graph is left free.
    parts = [part.detach() if isinstance(part, Tensor) else part for part in parts]
    plain = x.dtype == torch.float64 and not case["transposed"]
    notes["w_gradient" if plain else "any_w_gradient"] = parts[0]
    notes["b_gradient" if plain else "any_b_gradient"] = parts[1]


def properties_linear_gradients(case: Case, observation: Observation) -> Iterator[Finding]:
    text = "the result is a pair: the gradient of w, then the gradient of b"
    any_case = "any_" if "any_w_gradient" in observation.values else ""
    returned = observation[f"{any_case}w_gradient"]  # all of it, where it is no pair
    seen = _seen(returned) if isinstance(returned, Tensor) else kind_of(returned)
    yield Finding(observation["pair"] is True, text, f"yours is {seen}")
    if observation["pair"] is not True:
        return
    yield Finding(observation["unchanged"], "x, y, w and b are left as they were")
    w, b = case["w"].clone().requires_grad_(), case["b"].clone().requires_grad_()
    exact = torch.autograd.grad(((case["x"] @ w + b - case["y"]) ** 2).mean(), (w, b))
    for name, expected in zip("wb", exact, strict=True):
        got = observation[f"{any_case}{name}_gradient"]
        fits = (
            isinstance(got, Tensor) and got.shape == expected.shape and got.dtype == expected.dtype
        )
        yield Finding(
            fits,
            f"the gradient of {name} is a tensor with {name}'s shape and dtype",
            f"yours is {_seen(got)}, {name} is {_seen(expected)}",
        )
        if fits:
            right = torch.allclose(expected, got, rtol=1e-3, atol=1e-4)
            seen = _beside("autograd says", expected, got)
            yield Finding(right, f"the gradient of {name} is autograd's", seen)


def _public_regressions() -> list[Case]:
    generator = torch.Generator().manual_seed(32)
    textbook = {
        "x": torch.tensor([[3.0]], dtype=torch.float64),
        "y": torch.tensor([5.0], dtype=torch.float64),
        "w": torch.tensor([2.0], dtype=torch.float64),
        "b": torch.tensor(1.0, dtype=torch.float64),
        "transposed": False,
        "grad_mode": True,
    }
    return [
        textbook,
        regression_case(generator, 7, 3),
        regression_case(generator, 6, 4, dtype="float32", transposed=True, grad_mode=False),
    ]


LINEAR_GRADIENTS = Exercise(
    name="linear_gradients",
    points=3,
    task="The gradients of a linear model with mean squared error, by hand.",
    aspects=(
        Aspect("weights", "the gradient of w is right", 1, ("w_gradient",)),
        Aspect("bias", "the gradient of b is right", 1, ("b_gradient",)),
        Aspect(
            "any_input",
            "it works for float32, any memory layout and without gradient mode",
            1,
            ("any_w_gradient", "any_b_gradient", "unchanged"),
            after=("weights",),
        ),
    ),
    hints=(
        "Start with one example, as in the text: the error times 2, then times what the weight was "
        "multiplied by. Then average over the examples.",
        "With error = x @ w + b - y, of shape [N]: dL/db is the mean of 2 * error. For dL/dw[j], "
        "each error is first multiplied by its own x[:, j]; all j at once are one product with "
        "x.T.",
    ),
    observe=observe_linear_gradients,
    public_cases=_public_regressions,
    properties=properties_linear_gradients,
    forbidden=AUTOGRAD,
)


# --- gradient_norms -----------------------------------------------------------------------------


class _TwoHeads(nn.Module):
    """A body and two heads, of which a loss may use one. ``scale`` multiplies the body's output."""

    def __init__(self, features: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, hidden), nn.Tanh())
        self.head = nn.Linear(hidden, outputs)
        self.other_head = nn.Linear(hidden, outputs + 1)


def norms_case(
    generator: torch.Generator,
    n: int,
    sizes: tuple[int, int, int],
    *,
    dtype: str = "float64",
    stale: bool = False,
    unused: bool = False,
    frozen: bool = False,
    silent: bool = False,
) -> dict[str, Any]:
    """A case with sizes (features, hidden, outputs).

    ``stale``: old gradients lie on all parameters that train. ``unused``: the second head is not in
    the loss's graph. ``frozen``: the body's bias requires no gradient. ``silent``: the first head's
    output is multiplied by 0, so that its gradients are zero.
    """
    features, hidden, outputs = sizes

    def normal(*shape: int) -> Tensor:
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
        return numbers.to(getattr(torch, dtype))

    shapes = {
        "body.0.weight": (hidden, features),
        "body.0.bias": (hidden,),
        "head.weight": (outputs, hidden),
        "head.bias": (outputs,),
        "other_head.weight": (outputs + 1, hidden),
        "other_head.bias": (outputs + 1,),
    }
    return {
        "parameters": {name: normal(*shape) for name, shape in shapes.items()},
        "x": normal(n, features),
        "targets": normal(n, outputs),
        "stale": stale,
        "unused": unused,
        "frozen": frozen,
        "silent": silent,
    }


def build_norms(case: Case) -> tuple[nn.Module, Tensor]:
    """The model and the loss of a case, fresh, before any backward pass."""
    hidden, features = case["parameters"]["body.0.weight"].shape
    model = _TwoHeads(features, hidden, case["targets"].shape[1]).to(case["x"].dtype)
    model.load_state_dict(case["parameters"])
    model.body[0].bias.requires_grad_(not case["frozen"])
    if case["stale"]:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.full_like(parameter, 0.7)
    features_of_x = model.body(case["x"])
    outputs = model.head(features_of_x) * (0.0 if case["silent"] else 1.0)
    loss = ((outputs - case["targets"]) ** 2).mean()
    if not case["unused"]:
        loss = loss + 0.5 * (model.other_head(features_of_x) ** 2).mean()
    return model, loss


def in_graph(case: Case, name: str) -> bool:
    """Whether the parameter takes part in the case's loss."""
    return not (case["unused"] and name.startswith("other_head")) and not (
        case["frozen"] and name == "body.0.bias"
    )


def observe_gradient_norms(function: Any, case: Case, notes: Notes) -> None:
    model, loss = build_norms(case)
    try:
        notes["returned"] = function(model, loss)
    finally:
        gradients = {}
        for name, parameter in model.named_parameters():
            gradient = parameter.grad
            # Cleared to None or to zeros: both are clear for a parameter that the loss does not use.
            clear = gradient is None or not (in_graph(case, name) or bool(gradient.any()))
            gradients[name] = None if clear else gradient.detach().clone()
        notes["gradients"] = gradients


def properties_gradient_norms(case: Case, observation: Observation) -> Iterator[Finding]:
    returned, gradients = observation["returned"], observation["gradients"]
    expected = [name for name in case["parameters"] if in_graph(case, name)]
    is_dict = isinstance(returned, dict)
    yield Finding(is_dict, "the result is a dict", f"yours is {_seen(returned)}")
    surplus = [name for name, g in gradients.items() if g is not None and not in_graph(case, name)]
    lacking = [name for name in expected if gradients[name] is None]
    yield Finding(
        not surplus and not lacking,
        "afterwards the loss's parameters hold a gradient, and no others do",
        f"there is one on: {_names(surplus)}; none on: {_names(lacking)}",
    )
    if not is_dict:
        return
    yield Finding(
        set(returned) == set(expected),
        "the keys are the names of the parameters that got a gradient",
        f"too many: {_names(set(returned) - set(expected))}; "
        f"missing: {_names(set(expected) - set(returned))}",
    )
    values = list(returned.values())
    floats = all(isinstance(value, float) for value in values)
    odd = next((value for value in values if not isinstance(value, float)), None)
    yield Finding(floats, "the values are Python floats", f"one of yours is {_seen(odd)}")
    name = "head.bias"
    if isinstance(returned.get(name), float):
        yield from _length_findings(case, returned[name], name)


def _length_findings(case: Case, got: float, name: str) -> Iterator[Finding]:
    """One entry against a fresh backward pass, without saying how a length is computed."""
    model, loss = build_norms(case | {"stale": False})
    loss.backward()
    length = math.dist(
        dict(model.named_parameters())[name].grad.tolist(), [0.0] * len(case["targets"][0])
    )
    yield Finding(
        math.isclose(got, length, rel_tol=1e-4, abs_tol=1e-6),
        "a norm is the length of this loss's gradient, and of nothing older",
        f"{name}: the length is {length:.4f}, yours is {got:.4f}",
    )


def _names(names: Iterable) -> str:
    return ", ".join(sorted(map(str, names))[:3]) or "none"


def _public_norms() -> list[Case]:
    generator = torch.Generator().manual_seed(33)
    return [
        norms_case(generator, 5, (3, 4, 2)),
        norms_case(generator, 6, (2, 3, 4), stale=True),
        norms_case(generator, 4, (3, 2, 3), stale=True, unused=True),
        norms_case(generator, 7, (4, 3, 2), dtype="float32", frozen=True, silent=True),
    ]


GRADIENT_NORMS = Exercise(
    name="gradient_norms",
    points=2,
    task="Run a fresh backward pass and report the length of each parameter's gradient.",
    aspects=(
        Aspect("norms", "the norms of this loss's gradients, by name", 1, ("returned",)),
        Aspect("gradients", "afterwards .grad holds the fresh gradients", 1, ("gradients",)),
    ),
    hints=(
        "Three pieces of work: throw away the old gradients, run backward, then walk over "
        "model.named_parameters() and measure.",
        "A parameter that the loss does not use has .grad None after model.zero_grad() and "
        "backward(): leave it out. p.grad.norm() is the L2 norm, .item() makes it a float.",
    ),
    observe=observe_gradient_norms,
    public_cases=_public_norms,
    properties=properties_gradient_norms,
    forbidden=("course_lib.recorder.layer_norms",),
)


# --- first_explosion ----------------------------------------------------------------------------


def history_case(
    kind: str, history: dict[str, Sequence[float]], factor: float | None = None, **known: Any
) -> dict[str, Any]:
    """A case: ``kind`` names the aspect it serves; ``factor=None`` leaves it to the default.

    Public cases bring ``answer`` and ``text``, a statement of what is right.
    """
    lists = {name: [float(norm) for norm in norms] for name, norms in history.items()}
    return {"kind": kind, "history": lists, "factor": factor, **known}


def observe_first_explosion(function: Any, case: Case, notes: Notes) -> None:
    factor = () if case["factor"] is None else (case["factor"],)
    result = function(case["history"], *factor)
    notes[case["kind"]] = tuple(result) if isinstance(result, list) else result


def properties_first_explosion(case: Case, observation: Observation) -> Iterator[Finding]:
    got = observation[case["kind"]]
    right = type(got) is type(case["answer"]) and got == case["answer"]
    yield Finding(right, case["text"], f"yours is {got!r:.60}, expected is {case['answer']!r}")


def _calm(**changed: dict[int, float]) -> dict[str, list[float]]:
    """Eight quiet steps of two layers, with some norms changed: layer -> {step: norm}."""
    history = {"fc1": [1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 1.0, 1.1], "head": [0.5, 0.6, 0.5, 0.4] * 2}
    for layer, norms in changed.items():
        for step, norm in norms.items():
            history[layer][step] = norm
    return history


def _public_histories() -> list[Case]:
    def case(kind: str, history: dict, answer: Any, text: str, factor: float | None = None):
        return history_case(kind, history, factor, answer=answer, text=text)

    nan, inf = math.nan, math.inf
    middles = "the median of an even number of norms is the mean of the two middle ones"
    two_sides = {"fc1": [1.0, 9.0, 1.0, 9.0, 1.0, 20.0, 30.0, 30.0, 30.0, 30.0, 30.0, 30.0]}
    silent = {"fc1": [0.0] * 6 + [0.1, 0.1], "head": [0.5] * 6 + [90.0, 0.5]}
    return [
        case(
            "found",
            _calm(head={6: 40.0}, fc1={7: 900.0}),
            (6, "head"),
            "the earliest explosion is found",
        ),
        case("found", _calm(), None, "a calm history gives None"),
        case("found", _calm(fc1={2: 50.0}), None, "nothing before step 5 explodes"),
        case("found", _calm(head={7: 30.0}), (7, "head"), "the last step is looked at too"),
        case(
            "found",
            _calm(fc1={1: 90.0, 6: 30.0}),
            (6, "fc1"),
            "usual is the median of the steps before, which one early spike does not move",
        ),
        case("found", two_sides, (5, "fc1"), "a step is judged by the steps before it alone"),
        case("found", {"fc1": [1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 15.0]}, None, middles),
        case("found", {"fc1": [1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 25.0]}, (6, "fc1"), middles),
        case(
            "found",
            {"fc1": [0.5, 0.5, 0.5, 0.5, 0.5, 1.5, 2.0]},
            (6, "fc1"),
            "with factor=3, a norm explodes above 3 times the median, not at it",
            3.0,
        ),
        case("non_finite", _calm(fc1={6: nan}), (6, "fc1"), "a norm that is NaN is an explosion"),
        case(
            "non_finite",
            _calm(head={5: inf}, fc1={7: 50.0}),
            (5, "head"),
            "a norm that is infinite is an explosion",
        ),
        case(
            "non_finite",
            _calm(fc1={0: inf, 1: inf, 2: inf, 3: inf, 7: 50.0}),
            (7, "fc1"),
            "norms that are infinite or NaN are left out of the median",
        ),
        case(
            "culprit",
            _calm(fc1={5: 60.0}, head={5: 50.0}),
            (5, "head"),
            "at one step, the layer that grew by the largest factor is named",
        ),
        case(
            "culprit",
            _calm(fc1={6: nan}, head={6: inf}),
            (6, "fc1"),
            "of equal ratios the first layer in the dict wins",
        ),
        case(
            "found",
            {"fc1": [1.0] * 10 + [6.0] * 5 + [15.0, 1.0]},
            (15, "fc1"),
            "all steps before count, not the last few only",
        ),
        case(
            "culprit",
            silent,
            (6, "fc1"),
            "a positive norm over a median of 0 has an infinite ratio",
        ),
    ]


FIRST_EXPLOSION = Exercise(
    name="first_explosion",
    points=3,
    task="Find the step and the layer at which the gradients first exploded.",
    aspects=(
        Aspect("found", "the earliest explosion, against the median before it", 1, ("found",)),
        Aspect("non_finite", "infinity and NaN are explosions too", 1, ("non_finite",)),
        Aspect("culprit", "at one step, the largest ratio decides", 1, ("culprit",)),
    ),
    hints=(
        "Go through the steps from 5 on, and at each step through the layers. The first step with "
        "any explosion ends the search; collect that step's ratios and take the largest.",
        "For a layer at step t: before = its finite norms of the steps 0 to t - 1, and "
        "statistics.median(before). The ratio is infinite when the norm is not finite "
        "(math.isfinite), or when it is positive and the median is 0. max() keeps the first of "
        "equal ones.",
    ),
    observe=observe_first_explosion,
    public_cases=_public_histories,
    properties=properties_first_explosion,
)

EXERCISES = (NUMERICAL_GRADIENT, LINEAR_GRADIENTS, GRADIENT_NORMS, FIRST_EXPLOSION)

QUESTIONS = (
    Question(
        "q03_1",
        "`loss.backward()` has just returned. What is different now?",
        {
            "A": "The weights have moved a little downhill.",
            "B": "`loss` has a smaller value than before.",
            "C": "Every intermediate result of the forward pass has its `.grad` filled.",
            "D": "The parameters that the loss depends on have their `.grad` filled.",
        },
    ),
    Question(
        "q03_2",
        "With w = 2, b = 1, x = 3 and target 5, the loss (w x + b - target)² has dL/dw = 12. "
        "What does the 12 tell you?",
        {
            "A": "The best w is 2 - 12 = -10.",
            "B": "Raising w by 0.001 raises the loss by about 0.012.",
            "C": "The loss at this point is 12.",
            "D": "The next optimizer step sets w to 12.",
        },
    ),
    Question(
        "q03_3",
        "You run forward and backward on one batch, then forward and backward on another, and clear "
        "nothing in between. What does `.grad` hold?",
        {
            "A": "The sum of the two gradients.",
            "B": "The gradient of the second batch.",
            "C": "The mean of the two gradients.",
            "D": "The gradient of the first batch: the second `backward()` raises an error.",
        },
    ),
)
