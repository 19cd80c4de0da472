"""``gradient_norms``, public half."""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.ch03_backward_pass.shared import seen
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.draw import normal


class _TwoHeads(nn.Module):
    """A body and two heads, of which a loss may use one."""

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
    drawn = partial(normal, generator, dtype=getattr(torch, dtype))
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in _TwoHeads(*sizes).state_dict().items()}
    asks = ("names",) if unused or frozen else ("names", "norms", "gradients")
    return {
        "asks": ("fresh",) if stale else asks,
        "parameters": {name: drawn(*shape) for name, shape in shapes.items()},
        "x": drawn(n, sizes[0]),
        "targets": drawn(n, sizes[2]),
        "stale": stale,
        "unused": unused,
        "frozen": frozen,
        "silent": silent,
    }


def _build(case: Case) -> tuple[nn.Module, Tensor]:
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


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, loss = _build(case)
    try:
        returned = function(model, loss)
        # A defaultdict is as good as a dict, and only here it is known for one.
        notes["returned"] = _with_names(returned) if isinstance(returned, dict) else returned
    finally:
        gradients = {}
        for name, parameter in model.named_parameters():
            gradient = parameter.grad
            # Cleared to None or to zeros: both are clear for a parameter that the loss does not use.
            clear = gradient is None or not (in_graph(case, name) or bool(gradient.any()))
            gradients[name] = None if clear else gradient.detach().clone()
        notes["gradients"] = gradients


def _with_names(returned: dict) -> dict:
    """The returned dict, with each key that is not a string described in words: a dict whose keys are
    tensors cannot be sent to the grader."""
    return {
        key if isinstance(key, str) else f"entry {number} ({a_type(key)})": value
        for number, (key, value) in enumerate(returned.items(), 1)
    }


def _lengths(case: Case) -> dict[str, float]:
    """How long each gradient of a fresh backward pass is, without saying how that is computed."""
    model, loss = _build(case | {"stale": False})
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {
        name: math.dist(g.flatten().tolist(), [0.0] * g.numel()) for name, g in gradients.items()
    }


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """The dict that came back, entry by entry: which are too many, missing, or off."""
    returned, lengths = observation["returned"], _lengths(case)
    if not isinstance(returned, dict):
        return {"listed_outside": False}

    def right(name: str) -> bool:
        norm = returned[name]
        return type(norm) is float and math.isclose(norm, lengths[name], rel_tol=1e-4, abs_tol=1e-6)

    return {
        "named_right": returned.keys() == lengths.keys(),
        "listed_outside": any(n in returned and not in_graph(case, n) for n in case["parameters"]),
        "surplus": [name for name in returned if name not in lengths],
        "missing": [name for name in lengths if name not in returned],
        "off": [name for name in lengths if name in returned and not right(name)],
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned, gradients = observation["returned"], observation["gradients"]
    is_dict = isinstance(returned, dict)
    yield Finding(is_dict, "the result is a dict", f"yours is {seen(returned)}")
    surplus = [name for name, g in gradients.items() if g is not None and not in_graph(case, name)]
    lacking = [name for name, g in gradients.items() if g is None and in_graph(case, name)]
    yield Finding(
        not surplus and not lacking,
        "afterwards the loss's parameters hold a gradient, and no others do",
        _listed({"there is none on": lacking, "there is still one on": surplus}),
    )
    if not is_dict:
        return
    yield Finding(
        not observation["surplus"] and not observation["missing"],
        "the keys are the names of the parameters that got a gradient",
        _listed({"yours lack": observation["missing"], "yours also have": observation["surplus"]}),
    )
    odd = [value for value in returned.values() if type(value) is not float]
    got = f"one of yours is {seen(odd[0])}" if odd else ""
    yield Finding(not odd, "the values are Python floats", got)
    off = [name for name in observation["off"] if type(returned[name]) is float]
    text, got = "a norm is the length of this loss's whole gradient, with nothing older added", ""
    if off:
        length = _lengths(case)[off[0]]
        got = f"{off[0]}: the length is {length:.4f}, yours is {returned[off[0]]:.4f}"
    yield Finding(not off, text, got)


def _listed(faults: dict[str, list]) -> str:
    return "; ".join(f"{fault} {_names(names)}" for fault, names in faults.items() if names)


def _names(names: Iterable) -> str:
    """At most three; a key that is not a name is described by its type."""
    shown = [name if isinstance(name, str) else seen(name) for name in names]
    return ", ".join(sorted(shown)[:3]) + (", ..." if len(shown) > 3 else "")


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(33)
    return [
        norms_case(generator, 5, (3, 4, 2)),
        norms_case(generator, 6, (2, 3, 4), stale=True),
        norms_case(generator, 4, (3, 2, 3), stale=True, unused=True),
        norms_case(generator, 7, (4, 3, 2), dtype="float32", frozen=True, silent=True),
    ]


EXERCISE = Exercise(
    name="gradient_norms",
    points=2,
    task="Run a fresh backward pass and report the length of each parameter's gradient.",
    aspects=(
        Aspect(
            "names",
            "the dict has the names of the parameters that got a gradient, and no others",
            0.5,
            ("named_right",),
        ),
        Aspect("norms", "the norms of this loss's gradients are right", 0.5, ("returned",)),
        Aspect("gradients", "afterwards .grad holds the loss's gradients", 0.5, ("gradients",)),
        Aspect(
            "fresh",
            "gradients from before count for nothing, and are gone afterwards",
            0.5,
            ("gradients", "listed_outside"),
        ),
    ),
    hints=(
        "Three things to do: throw away the old gradients, run backward, then walk over "
        "model.named_parameters() and measure.",
        "A parameter that the loss does not use has .grad None after model.zero_grad() and "
        "backward(): leave it out. p.grad.norm() is the L2 norm, .item() makes it a float.",
    ),
    observe=_observe,
    fields=("returned", "gradients"),
    facts=_facts,
    derived=("named_right", "listed_outside", "surplus", "missing", "off"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=("course_lib.recorder.layer_norms",),
)
