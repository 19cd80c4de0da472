"""``softmax``, public half."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch02_loss_functions import tensors
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def softmax_case(
    logits: Tensor, *, large: bool = False, upstream: Tensor | None = None, strided: bool = False
) -> Case:
    """A case. ``large`` logits are beyond exp's range; ``upstream`` is sent back through the result,
    and then only the gradient counts."""
    small = not large and upstream is None
    asks = ("ratios", "sums") if small else ("stable",) if large else ("graph",)
    own = {"large": large, "upstream": upstream, "strided": strided}
    return {"logits": logits, "asks": asks, **own}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    if case["upstream"] is not None:
        tensors.note_slope(notes, tensors.leaf_of(case, "logits"), function, case["upstream"])
    logits = tensors.as_given(case, "logits")
    result = function(logits)
    if case["upstream"] is None:
        notes["returned_for_large" if case["large"] else "returned"] = result
    notes["logits_afterwards"] = logits


def _facts(case: Case, observation: Observation) -> dict[str, bool]:
    """The two things that make a row right, each for itself. A row that is the same whatever the logits
    are has no sum that counts."""
    result, logits = observation.get("returned"), case["logits"]
    if not isinstance(result, Tensor) or (result.shape, result.dtype) != (
        logits.shape,
        logits.dtype,
    ):
        return {"ratios_right": False, "sums_right": False}
    ratios = result.detach().log() - logits
    level = tensors.near(result, result.mean(-1, keepdim=True)) and logits.shape[-1] > 1
    return {
        "ratios_right": tensors.near(ratios, ratios.mean(-1, keepdim=True), 3e-5),
        "sums_right": tensors.near(result.sum(-1), 1.0) and not level,
    }


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(2)
    # Neighbours differ by exactly 1, in another order in each row.
    steps = torch.stack([torch.randperm(5, generator=generator) for _ in range(3)]).float()
    logits = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    upstream = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    return [
        softmax_case(torch.tensor([2.0, 1.0, 0.1])),
        softmax_case(steps, strided=True),
        softmax_case(logits),
        softmax_case(
            torch.tensor([[1000.0, 999.0, 998.0], [-1000.0, -1001.0, -1002.0]]), large=True
        ),
        softmax_case(torch.tensor([[1000.0, -1000.0, 0.0], [5.0, -1000.0, 1000.0]]), large=True),
        softmax_case(logits, upstream=upstream),
    ]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    logits = case["logits"]
    kept = torch.equal(observation["logits_afterwards"], logits)
    unchanged = Finding(kept, "the logits you were given are unchanged")
    if case["upstream"] is not None:
        yield from tensors.slope_findings(observation, "the probabilities")
        yield unchanged
        return
    large = case["large"]
    result = observation["returned_for_large" if large else "returned"]
    same = isinstance(result, Tensor) and result.shape == logits.shape
    got = f"the logits have shape {list(logits.shape)}, {tensors.seen(result)}"
    yield Finding(same, "the result is a tensor of the logits' shape", got)
    if not same:
        return
    if large:
        finite = bool(result.isfinite().all())
        text = "logits of 1000 or -1000 give finite numbers: no inf and no nan"
        worst = (~result.isfinite()).sum(-1).argmax()
        yield Finding(finite, text, f"a row became {_numbers(result[worst])}")
        if not finite:  # what follows from it would only hide the cause
            return
    else:
        yield tensors.dtype_finding(result, logits, "the logits'")
    if logits.shape == (3,):
        known = tensors.near(result, torch.tensor([0.659, 0.242, 0.099]), 1e-3)
        text = "the logits [2.0, 1.0, 0.1] become [0.659, 0.242, 0.099]"
        yield Finding(known, text, f"yours become {_numbers(result)}")
    # The first line that is wrong is said of the first aspect: the ratios come before the sums.
    yield _about_the_ratios(logits, result)
    sums = result.sum(-1)
    got = f"one of yours sums to {sums.flatten()[(sums - 1).abs().argmax()]:.3g}"
    # float32 holds a log-sum-exp of 1000 to 6e-5 only: a right way through it is that far off.
    near_1 = tensors.near(sums, 1.0, 1e-3 if large else 1e-5)
    yield Finding(near_1, "the entries along the last dimension sum to 1", got)
    if not large:
        between = bool(((result >= 0) & (result <= 1)).all())
        got = f"yours range from {result.min():.3g} to {result.max():.3g}"
        if not result.isfinite().all():
            got = "some of yours are nan or inf"
        yield Finding(between, "every entry lies between 0 and 1", got)
    yield unchanged


def _about_the_ratios(logits: Tensor, result: Tensor) -> Finding:
    spread = logits.max(-1).values - logits.min(-1).values
    if bool((spread > 80).any()):  # the smaller probabilities are 0 in any float
        lost = ((result > 0.5) != (logits == logits.max(-1, True).values)).any(-1)
        got = f"a row became {_numbers(result[lost][0])}" if lost.any() else ""
        text = "a logit that is larger by 1000 takes the whole row, like [1, 0, 0]"
        return Finding(not lost.any(), text, got)
    top, low = result.max(-1).values, result.min(-1).values
    text = "a logit that is larger by 1 has 2.718 times the probability, in every row"
    off = ~((torch.log(top / low) - spread).abs() <= 1e-3)
    return Finding(not off.any(), text, _odd_ratio(result[off], spread[off]))


def _odd_ratio(rows: Tensor, spread: Tensor) -> str:
    """What is wrong with the first of these rows: its ratio, or an entry that can have none."""
    if not len(rows):
        return ""
    odd = rows[0][~((rows[0] > 0) & rows[0].isfinite())]
    if len(odd):
        return f"in a row of yours a probability is {odd[0] + 0.0:.3g}"
    times = (rows[0].max() / rows[0].min()) ** (1 / spread[0])
    return f"in a row of yours it has {times:.4g} times the probability"


def _numbers(row: Tensor) -> str:
    return "[" + ", ".join(f"{value + 0.0:.3f}" for value in row.tolist()) + "]"


EXERCISE = Exercise(
    name="softmax",
    points=2,
    task="Turn logits into probabilities along the last dimension, however large they are.",
    aspects=(
        Aspect(
            "ratios",
            "a larger logit has a larger probability, by the exponential of the difference",
            0.5,
            ("ratios_right",),
        ),
        Aspect("sums", "the last dimension sums to 1", 0.5, ("sums_right",)),
        Aspect(
            "stable",
            "large logits give the right probabilities, too",
            0.5,
            ("returned_for_large",),
        ),
        Aspect(
            "graph",
            "gradients flow through the result, and the input stays unchanged",
            0.5,
            ("slope_agrees", "logits_afterwards"),
        ),
    ),
    hints=(
        "Two steps: make every number positive with exp, then divide by the sum of the last "
        "dimension. Keep that dimension in the sum (keepdim=True), or the shapes do not fit.",
        "Adding the same number to all logits of a row does not change the probabilities. So "
        "choose a number that makes the largest logit of each row 0: then exp never sees anything "
        "above 0.",
    ),
    observe=_observe,
    fields=("returned", "returned_for_large", "gradient", "slope_agrees", "logits_afterwards"),
    facts=_facts,
    derived=("ratios_right", "sums_right"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=tensors.FORBIDDEN,
)
