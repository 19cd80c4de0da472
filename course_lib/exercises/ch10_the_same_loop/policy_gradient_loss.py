"""``policy_gradient_loss``, public half."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch10_the_same_loop import results
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.support import draw


def policy_case(
    generator: torch.Generator,
    *asks: str,
    n: int,
    baseline: str = "none",
    dtype: torch.dtype = torch.float64,
) -> dict[str, Any]:
    """A case: ``n`` actions. ``baseline`` is "none" (the argument is left out), "None", "number" or
    "tensor"."""
    normal = partial(draw.normal, generator)
    logits = torch.stack([normal(n), normal(n), normal(n)], dim=1)
    values = {
        "none": None,
        "None": None,
        "number": round(0.5 + torch.rand((), generator=generator).item(), 3),
        "tensor": (0.5 * normal(n) + 1).to(dtype),
    }
    return {
        "asks": asks,
        "log_probs": logits.log_softmax(dim=1)[:, 0].to(dtype),
        "rewards": (2 * normal(n) + 1).to(dtype),
        "baseline": values[baseline],
        "passed": baseline != "none",
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    log_probs = case["log_probs"].clone().requires_grad_()
    rewards = case["rewards"].clone().requires_grad_()
    arguments = [log_probs, rewards]
    baseline = case["baseline"]
    if isinstance(baseline, Tensor):
        baseline = baseline.clone().requires_grad_()
    if case["passed"]:
        arguments.append(baseline)
    loss = function(*arguments)
    notes["loss"] = results.without_graph(loss)
    leaves = [x for x in arguments if isinstance(x, Tensor)]
    gradients: list[Tensor | None] = [None] * len(leaves)
    if isinstance(loss, Tensor) and loss.requires_grad and loss.shape == ():
        gradients = list(torch.autograd.grad(loss, leaves, allow_unused=True))
    notes["gradient"] = gradients[0]
    reached = [g is not None and bool(g.any()) for g in gradients[1:]]
    notes["reaches_rewards"], notes["reaches_baseline"] = reached[0], any(reached[1:])
    if "baseline" in case["asks"]:
        zero = 0 * case["baseline"]
        lower = case["rewards"] - case["baseline"]
        for name, rewards in (("lowered", lower), ("without", case["rewards"].clone())):
            notes[name] = results.without_graph(function(case["log_probs"].clone(), rewards, zero))


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """The loss as a number; whether a step follows the rewards, and whether the baseline does what
    lower rewards would do."""
    gradient = observation["gradient"]
    facts: dict[str, Any] = {
        "number": results.number_in(observation["loss"]),
        "reaches_log_probs": gradient is not None and bool(gradient.any()),
        "follows_rewards": False,
    }
    if gradient is not None:
        shares = gradient / case["rewards"]
        facts["follows_rewards"] = bool(shares[0] < 0) and torch.allclose(
            shares, shares[0].expand_as(shares), rtol=1e-3
        )
    if "baseline" in case["asks"]:
        loss, others = observation["loss"], (observation["lowered"], observation["without"])
        facts["baseline_counts"] = results.is_the_first(loss, *others)
    return facts


def true_loss(case: Case) -> tuple[float, list[float]]:
    """The loss and its gradient at the log-probabilities, written out in plain Python."""
    n = len(case["rewards"])
    baseline = case["baseline"]
    baselines = baseline.tolist() if isinstance(baseline, Tensor) else [baseline or 0.0] * n
    advantages = [r - b for r, b in zip(case["rewards"].tolist(), baselines, strict=True)]
    terms = [p * a for p, a in zip(case["log_probs"].tolist(), advantages, strict=True)]
    return -sum(terms) / n, [-a / n for a in advantages]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    loss, asks = observation["loss"], case["asks"]
    if "baseline" in asks:
        text = "a baseline has the same effect as rewards that are lower by that much"
        lowered = results.seen(observation["lowered"])
        got = f"with the baseline {results.seen(loss)}; with lower rewards {lowered}"
        if results.same_result(loss, observation["without"]):
            got = f"the baseline makes no difference: with and without it {results.seen(loss)}"
        yield Finding(observation["baseline_counts"], text, got)
    known = results.number_of(loss) is not None
    if "value" in asks:
        text = "the loss is a tensor with no dimensions: one number"
        yield Finding(known, text, results.seen(loss))
        if known:
            wanted, _ = true_loss(case)
            text = "without a baseline the loss is minus the mean of log_prob * reward"
            got = f"that is {wanted:.4g} here, {results.seen(loss)}"
            yield Finding(results.is_about(loss, wanted, 1e-4), text, got)
    if "learns" in asks:
        if known:
            flows = observation["gradient"] is not None
            yield Finding(flows, "the log_probs get a gradient from the loss")
        text = "a step makes each action more likely in proportion to its reward"
        yield Finding(observation["follows_rewards"], text)
    if "constant" in asks:
        yield Finding(observation["reaches_log_probs"], "a gradient reaches the log_probs")
        yield Finding(not observation["reaches_rewards"], "no gradient reaches the rewards")
        yield Finding(not observation["reaches_baseline"], "no gradient reaches the baseline")


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(106)
    return [
        policy_case(generator, "value", "learns", "constant", n=4),
        policy_case(generator, "baseline", n=5, baseline="number"),
        policy_case(generator, "baseline", "constant", n=3, baseline="tensor"),
        policy_case(generator, "value", "learns", n=3, baseline="None"),
    ]


EXERCISE = Exercise(
    name="policy_gradient_loss",
    points=2,
    task="A loss that raises the probability of what was rewarded.",
    aspects=(
        Aspect("value", "minus the mean of log-probability times reward", 0.5, ("number",)),
        Aspect(
            "learns",
            "its gradient follows the rewards",
            0.5,
            ("follows_rewards",),
        ),
        Aspect("baseline", "a baseline is subtracted from the rewards", 0.5, ("baseline_counts",)),
        Aspect(
            "constant",
            "rewards and baseline are numbers to the loss: no gradient reaches them",
            0.5,
            ("reaches_rewards", "reaches_baseline", "reaches_log_probs"),
        ),
    ),
    hints=(
        "Each action's log-probability is weighted by how good it turned out to be: its reward, or "
        "how far the reward is above the baseline. An optimizer makes losses *small*; mind the sign.",
        "advantages = rewards, or rewards - baseline when there is one (test `is None`: a tensor of several "
        "numbers has no truth value). advantages.detach() keeps the gradient out of a baseline that is a network.",
    ),
    observe=_observe,
    fields=(
        "loss",
        "gradient",
        "reaches_rewards",
        "reaches_baseline",
        "lowered",
        "without",
    ),
    facts=_facts,
    derived=("number", "reaches_log_probs", "follows_rewards", "baseline_counts"),
    public_cases=_public_cases,
    properties=_properties,
)
