"""``preference_loss``, public half."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch10_the_same_loop import results
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation


def preference_case(
    *asks: str, chosen: Tensor, rejected: Tensor, margin: float | None = None
) -> dict[str, Any]:
    """A case: scores ``[N]``. With ``margin=None`` the argument is left out."""
    return {"asks": asks, "chosen": chosen, "rejected": rejected, "margin": margin}


def drawn_case(
    generator: torch.Generator,
    *asks: str,
    n: int,
    margin: float | None = None,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Any]:
    """A case with random scores. Of the first pair the chosen answer has the higher score by at least
    1, of the second the rejected one."""
    chosen, rejected = torch.randn(2, n, generator=generator, dtype=torch.float64) * 1.5
    for place, sign in enumerate((1.0, -1.0)[:n]):
        apart = (chosen[place] - rejected[place]).abs() + 1.4
        chosen[place] = rejected[place] + sign * apart
    return preference_case(
        *asks, chosen=(chosen + 0.4).to(dtype), rejected=rejected.to(dtype), margin=margin
    )


def _observe(function: Any, case: Case, notes: Notes) -> None:
    chosen, rejected = (case[name].clone().requires_grad_() for name in ("chosen", "rejected"))
    margin = case["margin"]
    loss = function(chosen, rejected, **({} if margin is None else {"margin": margin}))
    notes["loss"] = results.without_graph(loss)
    notes["gradients"] = None
    if isinstance(loss, Tensor) and loss.requires_grad and loss.shape == ():
        notes["gradients"] = list(torch.autograd.grad(loss, [chosen, rejected], allow_unused=True))
    if "margin" in case["asks"]:
        lower, plain = case["chosen"] - margin, case["chosen"].clone()
        for name, scores in (("lowered", lower), ("plain", plain)):
            loss = function(scores, case["rejected"].clone(), margin=0.0)
            notes[name] = results.without_graph(loss)


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """The loss as a number; which way a step would move the scores; and of the pairs that are 10,000
    apart, the first the right way round and the second the wrong way, which one is pulled."""
    facts: dict[str, Any] = {"number": results.number_in(observation["loss"])}
    if "margin" in case["asks"]:
        loss, others = observation["loss"], (observation["lowered"], observation["plain"])
        facts["margin_counts"] = results.is_the_first(loss, *others)
    gradients = observation["gradients"] or [None, None]
    complete = all(g is not None for g in gradients)
    up, down = ([0.0], [0.0]) if not complete else [g.tolist() for g in gradients]
    facts["moves"] = complete and max(up) < 0 < min(down)
    if "stable" in case["asks"]:
        facts["finite"] = complete and all(map(math.isfinite, (facts["number"], *up, *down)))
        facts["one_is_pulled"] = facts["finite"] and all(
            (abs(first) > abs(second) / 2) != (abs(second) > abs(first) / 2)
            for first, second in (up[:2], down[:2])
        )
    return facts


def true_loss(case: Case) -> float:
    """The loss in plain Python: log(1 + e^-d), written so that it never overflows."""
    margin = case["margin"] or 0.0
    pairs = zip(case["chosen"].tolist(), case["rejected"].tolist(), strict=True)
    differences = [a - b - margin for a, b in pairs]
    terms = [max(-d, 0.0) + math.log1p(math.exp(-abs(d))) for d in differences]
    return sum(terms) / len(terms)


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    loss, margin, asks = observation["loss"], case["margin"], case["asks"]
    if "margin" in asks:
        text = "a margin has the same effect as lowering the chosen scores by that much"
        lowered = results.seen(observation["lowered"])
        got = f"with margin={margin:g} {results.seen(loss)}; with lower scores {lowered}"
        if results.same_result(loss, observation["plain"]):
            got = f"the margin makes no difference: with and without it {results.seen(loss)}"
        yield Finding(observation["margin_counts"], text, got)
        return
    known = results.number_of(loss) is not None
    yield Finding(known, "the loss is a tensor with no dimensions: one number", results.seen(loss))
    if "value" in asks and known:
        wanted = true_loss(case)
        if torch.equal(case["chosen"], case["rejected"]):
            text = "with equal scores the loss is log(2) = 0.693, however many pairs there are"
            got = results.seen(loss)
        else:
            text = "the loss is the mean of -log(sigmoid(chosen - rejected))"
            got = f"that is {wanted:.4g} here, {results.seen(loss)}"
        yield Finding(results.is_about(loss, wanted, 1e-4), text, got)
    gradients = observation["gradients"]
    flows = gradients is not None and all(g is not None for g in gradients)
    if "moves" in asks:
        if known:
            yield Finding(flows, "a gradient flows back to both scores")
        text = "a step raises each chosen score and lowers each rejected one"
        yield Finding(observation["moves"], text)
    if "stable" in asks:
        text = "with scores 10,000 apart, either way round, the loss and both gradients are finite"
        got = results.seen(loss) if flows or not known else "in yours, a score gets no gradient"
        yield Finding(observation["finite"], text, got)
        text = "of two pairs 10,000 apart, only the one the wrong way round still gets a gradient"
        yield Finding(observation["one_is_pulled"], text)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(107)
    level = torch.tensor([1.5, -2.0, 0.3]).double()
    far = torch.tensor([1e4, -1e4, 2.0]).double()
    return [
        preference_case("value", "moves", chosen=level, rejected=level.clone()),
        drawn_case(generator, "value", "moves", n=5),
        drawn_case(generator, "margin", n=4, margin=0.75),
        preference_case("stable", chosen=far, rejected=torch.zeros(3).double()),
    ]


EXERCISE = Exercise(
    name="preference_loss",
    points=2,
    task="Learn a score from comparisons.",
    aspects=(
        Aspect("value", "the mean of -log(sigmoid(chosen - rejected))", 0.5, ("number",)),
        Aspect("moves", "its gradient pulls the two scores apart", 0.5, ("moves",)),
        Aspect("margin", "a margin is subtracted from the difference", 0.5, ("margin_counts",)),
        Aspect(
            "stable",
            "finite loss and gradients for differences of 10,000 and -10,000",
            0.5,
            ("finite", "one_is_pulled"),
        ),
    ),
    hints=(
        'The difference of the two scores is the logit of "the first answer is preferred". The loss is '
        "minus the log of that probability: chapter 02's cross-entropy for two classes.",
        "sigmoid(-10000) is 0 in floating point, and log(0) is minus infinity. "
        "torch.nn.functional.logsigmoid computes the logarithm without the detour.",
    ),
    observe=_observe,
    fields=("loss", "gradients", "lowered", "plain"),
    facts=_facts,
    derived=("number", "margin_counts", "moves", "finite", "one_is_pulled"),
    public_cases=_public_cases,
    properties=_properties,
)
