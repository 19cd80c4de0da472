"""``preference_loss``, public half."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch10_the_same_loop.results import is_about, number_of, seen
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
    """A case with random scores."""
    chosen, rejected = torch.randn(2, n, generator=generator, dtype=torch.float64) * 1.5
    return preference_case(
        *asks, chosen=(chosen + 0.4).to(dtype), rejected=rejected.to(dtype), margin=margin
    )


def _observe(function: Any, case: Case, notes: Notes) -> None:
    chosen, rejected = (case[name].clone().requires_grad_() for name in ("chosen", "rejected"))
    more = {} if case["margin"] is None else {"margin": case["margin"]}
    loss = function(chosen, rejected, **more)
    notes["loss"] = loss.detach() if isinstance(loss, Tensor) else loss
    notes["gradients"] = None
    if isinstance(loss, Tensor) and loss.requires_grad and loss.shape == ():
        notes["gradients"] = list(torch.autograd.grad(loss, [chosen, rejected], allow_unused=True))


def true_loss(case: Case) -> float:
    """The loss in plain Python: log(1 + e^-d), written so that it never overflows."""
    margin = case["margin"] or 0.0
    pairs = zip(case["chosen"].tolist(), case["rejected"].tolist(), strict=True)
    differences = [a - b - margin for a, b in pairs]
    terms = [max(-d, 0.0) + math.log1p(math.exp(-abs(d))) for d in differences]
    return sum(terms) / len(terms)


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    loss, margin = observation["loss"], case["margin"]
    known = number_of(loss) is not None
    yield Finding(known, "the loss is a tensor with no dimensions: one number", seen(loss))
    if not known:
        return
    wanted = true_loss(case)
    extreme = bool(((case["chosen"] - case["rejected"]).abs() > 1000).any())
    if extreme:
        text = "differences of 10,000 and -10,000 give the right, finite loss"
        yield Finding(is_about(loss, wanted, 1e-4), text, f"that is {wanted:.6g}, {seen(loss)}")
    elif margin:
        text = "with a margin, the difference has to be larger by that much"
        yield Finding(is_about(loss, wanted, 1e-4), text, f"that is {wanted:.4g}, {seen(loss)}")
    elif torch.equal(case["chosen"], case["rejected"]):
        text = "equal scores cost log(2) = 0.693 a pair, whatever the number of pairs"
        yield Finding(is_about(loss, wanted, 1e-4), text, seen(loss))
    else:
        text = "it is the mean of -log(sigmoid(chosen - rejected))"
        yield Finding(is_about(loss, wanted, 1e-4), text, f"that is {wanted:.4g}, {seen(loss)}")
    gradients = observation["gradients"]
    flows = gradients is not None and all(g is not None for g in gradients)
    yield Finding(flows, "a gradient flows back to both scores")
    if flows:
        finite = all(bool(g.isfinite().all()) for g in gradients)
        yield Finding(finite, "all gradients are finite")
        up = bool((gradients[0] <= 0).all()) and bool((gradients[1] >= 0).all())
        yield Finding(up, "a step raises chosen scores and lowers rejected ones")


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(107)
    level = torch.tensor([1.5, -2.0, 0.3]).double()
    far = torch.tensor([1e4, -1e4, 2.0]).double()
    return [
        preference_case("loss", chosen=level, rejected=level.clone()),
        drawn_case(generator, "loss", n=5),
        drawn_case(generator, "margin", n=4, margin=0.75),
        preference_case("stable", chosen=far, rejected=torch.zeros(3).double()),
    ]


EXERCISE = Exercise(
    name="preference_loss",
    points=2,
    task="Learn a score from comparisons.",
    aspects=(
        Aspect("loss", "the mean of -log(sigmoid(chosen - rejected))", 1, ("loss", "gradients")),
        Aspect("margin", "a margin is subtracted from the difference", 0.5, ("loss", "gradients")),
        Aspect(
            "stable",
            "finite loss and gradients for differences of 10,000 and -10,000",
            0.5,
            ("loss", "gradients"),
        ),
    ),
    hints=(
        'The difference of the two scores is the logit of "the first answer is preferred". The loss is '
        "minus the log of that probability: chapter 02's cross-entropy for two classes.",
        "sigmoid(-10000) is 0 in floating point, and log(0) is minus infinity. "
        "torch.nn.functional.logsigmoid computes the logarithm without the detour.",
    ),
    observe=_observe,
    fields=("loss", "gradients"),
    public_cases=_public_cases,
    properties=_properties,
)
