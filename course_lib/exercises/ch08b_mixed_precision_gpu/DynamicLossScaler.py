"""``DynamicLossScaler``, public half."""

import inspect
import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type, type_name


def scaler_case(
    *asks: str,
    slopes: list[list[list[float]]],
    lr: float = 0.1,
    groups: bool = False,
    **options: float,
) -> Case:
    """A case of a scaler that is made with ``options``.

    ``slopes[iteration][optimizer]`` are the true gradients of that optimizer's parameter; an
    infinity or a NaN among them makes the iteration overflow. With ``groups`` the first optimizer
    has two groups, and its gradients are in the second.
    """
    return {"asks": asks, "options": options, "slopes": slopes, "lr": lr, "groups": groups}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    slopes = case["slopes"]
    # Each optimizer has two parameters, so that an overflow may be in either.
    params = [
        [torch.ones_like(part, requires_grad=True) for part in parts if len(part)]
        for parts in (torch.tensor(own).tensor_split(2) for own in slopes[0])
    ]
    unused = torch.ones(2, requires_grad=True)  # a parameter that never gets a gradient
    groups = [{"params": [unused]}, {"params": params[0]}]
    first = groups if case["groups"] else [*params[0], unused]
    optimizers = [
        torch.optim.SGD(first if i == 0 else own, lr=case["lr"]) for i, own in enumerate(params)
    ]
    scaler = function(**case["options"])
    # Another one, with settings of its own: neither knows of the other.
    other = function(init_scale=3.0, growth_factor=7.0, backoff_factor=0.125, growth_interval=1)
    notes["default_interval"] = _default_interval(function)
    scales, taken, gradients, moved, scales_after_steps = [_scale_of(scaler)], [], [], [], []
    for iteration in slopes:
        for optimizer in optimizers:
            optimizer.zero_grad()
        for own, slope in zip(params, iteration, strict=True):
            scaled = scaler.scale((torch.cat(own) * torch.tensor(slope)).sum())
            if not isinstance(scaled, Tensor):
                raise TypeError(f"scale(loss) should return the scaled loss, not {a_type(scaled)}")
            scaled.backward()
        before = [_values(own) for own in params]
        taken.append([scaler.step(optimizer) for optimizer in optimizers])
        moved.append([not torch.equal(a, _values(b)) for a, b in zip(before, params, strict=True)])
        gradients.append(
            [
                torch.cat([p.grad for p in own]) if have_moved else None
                for own, have_moved in zip(params, moved[-1], strict=True)
            ]
        )
        scales_after_steps.append(_scale_of(scaler))
        _overflow(other)
        scaler.update()
        scales.append(_scale_of(scaler))
    notes["scales"] = scales
    notes["first_scale"] = scales[0]
    notes["scales_after_steps"] = scales_after_steps
    notes["taken"] = taken
    notes["moved"] = moved
    notes["parameters"] = [_values(own) for own in params]
    notes["gradients"] = gradients


def _values(params: list[Tensor]) -> Tensor:
    return torch.cat([p.detach() for p in params])


def _overflow(scaler: Any) -> None:
    """A round of another scaler, which overflows: nothing of it concerns the first one."""
    parameter = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    (scaler.scale(parameter.sum()) * math.inf).backward()
    scaler.step(optimizer)
    scaler.update()


def _default_interval(cls: Any) -> int:
    """What growth_interval is by default: nobody can wait for so many updates."""
    try:
        return inspect.signature(cls).parameters["growth_interval"].default
    except (KeyError, TypeError, ValueError):
        return 2000


def _scale_of(scaler: Any) -> Any:
    result = scaler.scale(torch.tensor(1.0))
    return (
        float(result) if isinstance(result, Tensor) and result.numel() == 1 else type_name(result)
    )


def wrong_step(due: list[list[bool]], taken: list[list[Any]]) -> str:
    """The first step that returns something else than is ``due``, in words; "" where none does."""
    for number, (wanted, own) in enumerate(zip(due, taken, strict=True), 1):
        for place, (right, got) in enumerate(zip(wanted, own, strict=True)):
            if got is not right:
                whose = whose_in(wanted, place)
                shown = got if got is None or type(got) is bool else a_type(got)
                return (
                    f"in round {number} {whose}step should return {right}; yours returned {shown}"
                )
    return ""


def whose_in(optimizers: list[Any], place: int) -> str:
    """ "the second optimizer's ", where there are several."""
    return f"the {('first', 'second')[place]} optimizer's " if len(optimizers) > 1 else ""


def shown_scale(scale: Any) -> str:
    return f"{scale:.10g}" if type(scale) is float else a_type(scale)


def _shown(scales: list[Any]) -> str:
    return f"[{', '.join(map(shown_scale, scales[:16]))}]"[:80]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    options, parameters = case["options"], observation["parameters"]
    scales = observation["scales"]
    first = options.get("init_scale", 2.0**16)
    given = "init_scale" in options
    got = f"with init_scale={first:g}" if given else f"without init_scale it is {first:g};"
    got += f" yours is {_shown(scales[:1])[1:-1]}"
    yield Finding(scales[0] == first, "scale(1.0) is init_scale at first", got)
    taken = observation["taken"]
    booleans = all(type(result) is bool for results in taken for result in results)
    yield Finding(booleans, "step returns True or False", f"yours is {taken[0][0]!r:.30}")
    if "scaling" in case["asks"]:
        moved = 1 - case["lr"] * torch.tensor([step[0] for step in case["slopes"]]).sum(dim=0)
        text = "a step moves the weights by the true, unscaled gradient"
        yield Finding(torch.allclose(parameters[0], moved, atol=1e-5), text)
    if "skipping" in case["asks"] and not case["groups"]:
        finite = all(bool(p.isfinite().all()) for p in parameters)
        text = "a step with an infinite gradient is skipped, and the weights stay finite"
        yield Finding(finite and False in [r for results in taken for r in results], text)
        factor = options.get("backoff_factor", 0.5)
        text = f"after a step with inf or NaN, update() multiplies the scale by backoff_factor = {factor:g}"
        for number, (before, now) in enumerate(itertools.pairwise(scales), 1):
            if not math.isfinite(sum(map(sum, case["slopes"][number - 1]))):
                got = f"update {number} follows such a step; your scales are {_shown(scales)}"
                good = type(before) is float and now == factor * before
                yield Finding(good, text, got)
        same = observation["scales_after_steps"] == scales[:-1]
        yield Finding(same, "step leaves the scale as it is")
    if case["groups"]:
        text = "with two optimizers, each is stepped or skipped on its own"
        wanted = [[all(map(math.isfinite, own)) for own in each] for each in case["slopes"]]
        yield Finding(taken == wanted, text, wrong_step(wanted, taken))
        moved = 1 - case["lr"] * torch.tensor(case["slopes"][0][1])
        good = torch.allclose(parameters[1], moved, atol=1e-5)
        yield Finding(good, "after one optimizer's overflow the other's step has the right length")
        text = "an inf in any optimizer's step backs the scale off at the next update()"
        yield Finding(scales[1] == first / 2, text, f"your scales are {_shown(scales)}")
    if "growth" in case["asks"]:
        interval = observation["default_interval"]
        text = "growth_interval is 2000 where none is given"
        yield Finding(interval == 2000, text, f"yours is {interval!r:.20}")
    overflows = [not math.isfinite(sum(map(sum, iteration))) for iteration in case["slopes"]]
    if "growth" in case["asks"] and any(overflows):
        wanted = [first, first, first / 2, first / 2, first]
        text = "after an overflow the count of good updates starts over"
        got = f"the scales should be {_shown(wanted)}; yours are {_shown(scales)}"
        yield Finding(scales == wanted, text, got)
    elif "growth" in case["asks"]:
        interval = options["growth_interval"]
        grown = first * options.get("growth_factor", 2.0)
        text = f"after {interval} good updates in a row, and not before, the scale is {grown:g}"
        good = scales[interval - 1] == first and scales[interval] == grown
        yield Finding(good, text, f"your scales are {_shown(scales)}")
        if good and len(scales) > 2 * interval:
            again = grown * options.get("growth_factor", 2.0)
            text = (
                f"after {interval} more good updates, and not before, it grows again, to {again:g}"
            )
            good = scales[2 * interval - 1] == grown and scales[2 * interval] == again
            yield Finding(good, text, f"your scales are {_shown(scales)}")


EXERCISE = Exercise(
    name="DynamicLossScaler",
    points=4,
    task="The scaler itself.",
    aspects=(
        Aspect(
            "scaling",
            "scaled before backward, unscaled before the step",
            1,
            ("first_scale", "parameters", "gradients"),
        ),
        Aspect(
            "skipping",
            "a step with inf or NaN is skipped, each optimizer on its own",
            1,
            ("taken", "moved"),
        ),
        Aspect(
            "backoff",
            "any inf or NaN backs the scale off at update()",
            1,
            ("scales", "scales_after_steps"),
        ),
        Aspect(
            "growth",
            "growth_interval good updates in a row raise the scale",
            1,
            ("scales", "default_interval"),
        ),
    ),
    hints=(
        "Three things to remember between the calls: the scale, how many good updates there were "
        "in a row, and whether any step since the last update met an inf or NaN.",
        "In step: look at every p.grad of optimizer.param_groups; if all are finite, divide them "
        "by the scale and call optimizer.step(). In update: back off and start counting again, or "
        "count one more and grow when the interval is reached.",
    ),
    observe=_observe,
    fields=(
        "scales",
        "first_scale",
        "taken",
        "moved",
        "parameters",
        "gradients",
        "default_interval",
        "scales_after_steps",
    ),
    public_cases=lambda: [
        scaler_case("scaling", init_scale=8.0, slopes=[[[1.0, -2.0, 0.5]], [[0.5, 1.0, 3.0]]]),
        scaler_case(
            "skipping",
            "backoff",
            init_scale=4.0,
            slopes=[[[1.0, 2.0]], [[math.inf, 1.0]], [[1.0, 1.0]]],
        ),
        scaler_case("skipping", "backoff", init_scale=1.0, slopes=[[[-math.inf]], [[math.nan]]]),
        scaler_case("growth", init_scale=2.0, growth_interval=3, slopes=[[[1.0]]] * 7),
        scaler_case("growth", init_scale=2.0, growth_interval=3, slopes=[[[1.0], [2.0]]] * 4),
        scaler_case("scaling", slopes=[[[1.0, 2.0]]]),
        scaler_case(
            "skipping",
            "backoff",
            init_scale=4.0,
            slopes=[[[math.inf, 1.0], [0.5, 2.0]]],
            groups=True,
        ),
        scaler_case(
            "growth",
            init_scale=4.0,
            growth_interval=2,
            slopes=[[[1.0]], [[math.nan]], [[1.0]], [[1.0]]],
        ),
    ],
    properties=_properties,
    forbidden=("torch.amp.GradScaler",),
)
