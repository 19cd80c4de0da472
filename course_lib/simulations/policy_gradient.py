"""Learning from rewards alone (chapter 10): ``course_lib.panel("policy_gradient")``.

Five levers, each with a reward of its own plus noise, and a policy that is a softmax over five logits.
Each step pulls a few levers and follows REINFORCE. Twenty such runs are computed at once, in float64. The
variance of the gradient is not estimated but computed: with five levers all outcomes can be added up.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.beats import BACKWARD, FORWARD, GREY, INK, LOSS
from course_lib.data import generator_of
from course_lib.simulations.base import Artists, Choice, Settings, Toggle, sweep

#: Mean reward of each lever, and the standard deviation of what is added to it.
REWARDS = (4.0, 4.5, 5.0, 5.5, 6.0)
NOISE = 0.5
PULLS = 8  # per step
STEPS = 150
RUNS = 20
RATES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Run:
    """``returns`` ``[STEPS + 1, RUNS]``: the expected reward of each run's policy, unscaled;
    ``variance`` ``[STEPS + 1]``: of the gradient of one step, summed over the logits, mean over the
    runs; ``policies`` ``[RUNS, levers]`` at the end."""

    returns: np.ndarray
    variance: np.ndarray
    policies: np.ndarray

    @property
    def best(self) -> int:
        """In how many runs the best lever is pulled more often than not."""
        return int((self.policies[:, -1] > 0.5).sum())


@dataclass(frozen=True)
class State:
    baseline: bool
    lr: float
    scale: float
    run: Run
    other: Run  # the same with the baseline the other way


class PolicyGradient:
    name = "policy_gradient"
    title = "Policy gradient: learning from rewards alone"
    size = (10.4, 4.4)
    controls = (
        Toggle("baseline", "Baseline", default=False),
        Choice("lr", "Learning rate", tuple((rate, f"{rate:g}") for rate in RATES), default=0.1),
        Choice(
            "scale", "Rewards times", tuple((scale, f"{scale:g}") for scale in SCALES), default=1.0
        ),
    )
    recording = (sweep(baseline=(False, True), lr=RATES, scale=SCALES),)

    def compute(self, settings: Settings) -> State:
        baseline, lr = bool(settings["baseline"]), float(settings["lr"])
        scale = float(settings["scale"])
        run, other = train(baseline, lr, scale), train(not baseline, lr, scale)
        return State(baseline, lr, scale, run, other)

    def layout(self, figure: Figure) -> Artists:
        returns, variance, bars = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 0.9))
        artists: dict[str, Artist | list[Artist]] = {}
        returns.set(xlim=(0, STEPS), ylim=(REWARDS[0] - 0.1, REWARDS[-1] + 0.25))
        returns.set(xlabel="step", ylabel="expected reward (not multiplied)")
        returns.axhline(REWARDS[-1], color=INK, lw=1.3, ls=":")
        returns.text(STEPS, REWARDS[-1] + 0.03, "best lever", ha="right", va="bottom")
        artists["return title"] = returns.set_title(" ")
        artists["runs"] = [
            returns.plot([], [], color=FORWARD.color, lw=0.8, alpha=0.45)[0] for _ in range(RUNS)
        ]
        (artists["mean"],) = returns.plot(
            [], [], color=FORWARD.color, lw=3, label="mean of 20 runs"
        )
        (artists["other mean"],) = returns.plot([], [], color=INK, lw=1.8, ls="--", label=" ")
        artists["return legend"] = returns.legend(loc="lower right")

        variance.set(xlim=(0, STEPS), yscale="log", ylim=(1e-6, 1e4))
        variance.set(xlabel="step", ylabel="variance of a step's gradient")
        artists["variance title"] = variance.set_title(" ")
        (artists["with"],) = variance.plot([], [], color=BACKWARD.color, label="with a baseline")
        (artists["without"],) = variance.plot(
            [], [], color=LOSS.color, ls="--", label="without a baseline"
        )
        variance.legend(loc="lower left")

        bars.set(xlim=(-0.6, 4.6), ylim=(0, 1.08), xlabel="mean reward of the lever")
        bars.set_ylabel("probability at the end")
        bars.set_xticks(range(5), [f"{reward:g}" for reward in REWARDS])
        bars.grid(visible=False, axis="x")
        artists["bars title"] = bars.set_title(" ")
        artists["bars"] = list(bars.bar(range(5), [0.5] * 5, width=0.66, color=FORWARD.color))
        artists["dots"] = [
            bars.plot([], [], ".", color=INK, ms=5, alpha=0.7, zorder=4)[0] for _ in range(5)
        ]
        bars.axhline(0.2, color=GREY, lw=1.2, ls=":")
        return artists

    def update(self, artists: Artists, state: State) -> None:
        steps = np.arange(STEPS + 1)
        artists["return title"].set_text(_verdict(state))
        for i, curve in enumerate(artists["runs"]):
            curve.set_data(steps, state.run.returns[:, i])
        artists["mean"].set_data(steps, state.run.returns.mean(axis=1))
        artists["other mean"].set_data(steps, state.other.returns.mean(axis=1))
        words = "without a baseline" if state.baseline else "with a baseline"
        artists["return legend"].get_texts()[1].set_text(words)
        with_it, without = (state.run, state.other) if state.baseline else (state.other, state.run)
        artists["with"].set_data(steps, np.maximum(with_it.variance, 1.1e-6))
        artists["without"].set_data(steps, np.maximum(without.variance, 1.1e-6))
        ratio = without.variance[0] / with_it.variance[0]
        artists["variance title"].set_text(f"Without: {ratio:.0f} times the variance")
        artists["bars title"].set_text(f"{state.run.best} of {RUNS} runs found it")
        jitter = np.linspace(-0.22, 0.22, RUNS)
        means = state.run.policies.mean(axis=0)
        for lever, (bar, dots) in enumerate(zip(artists["bars"], artists["dots"], strict=True)):
            bar.set_height(means[lever])
            dots.set_data(lever + jitter, state.run.policies[:, lever])

    def describe(self, state: State) -> str:
        run, other = state.run, state.other
        return (
            f"{_verdict(state)}: {'with' if state.baseline else 'without'} a baseline, learning rate "
            f"{state.lr:g}, rewards times {state.scale:g}. After {STEPS} steps the policies' expected "
            f"reward is {run.returns[-1].mean():.2f} on average, between "
            f"{run.returns[-1].min():.2f} and {run.returns[-1].max():.2f}; the best lever gives "
            f"{REWARDS[-1]:g}, and {run.best} of {RUNS} runs settled on it. The first step's gradient "
            f"has the variance {_number(run.variance[0])}, and {_number(other.variance[0])} "
            f"{'without' if state.baseline else 'with'} a baseline."
        )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def _verdict(state: State) -> str:
    run = state.run
    if run.returns[-1].mean() < REWARDS[0] + 1.3:
        return "Hardly any progress yet"
    if run.best == RUNS:
        return "Every run finds the best lever"
    if run.best > RUNS // 2:
        return "Most runs find the best lever"
    if (run.policies.max(axis=1) > 0.9).sum() > RUNS // 2:
        return "Most runs settle on a worse lever"
    return "On the way"


@lru_cache
def train(baseline: bool, lr: float, scale: float) -> Run:
    """``RUNS`` policies side by side; the same chance for every setting."""
    generator = generator_of(0)
    means = scale * torch.tensor(REWARDS, dtype=torch.float64)
    logits = torch.zeros(RUNS, len(REWARDS), dtype=torch.float64)
    returns, variance = [], []
    for step in range(STEPS + 1):
        policy = logits.softmax(dim=1)
        returns.append((policy @ means) / scale)
        variance.append(_variance(policy, means, scale, baseline).mean())
        if step == STEPS:
            break
        chance = torch.rand(RUNS, PULLS, generator=generator, dtype=torch.float64)
        # The lever at which the sum of probabilities passes the drawn number.
        levers = (chance.unsqueeze(2) > policy.cumsum(dim=1)[:, None, :-1]).sum(dim=2)
        noise = torch.randn(RUNS, PULLS, generator=generator, dtype=torch.float64)
        rewards = means[levers] + scale * NOISE * noise
        # The expected reward of the policy, so that the gradient stays unbiased.
        advantages = rewards - (policy @ means).unsqueeze(1) if baseline else rewards
        # d log p(lever) / d logits = (1 at the lever, 0 elsewhere) - p
        one_hot = torch.nn.functional.one_hot(levers, len(REWARDS)).double()
        gradient = (advantages.unsqueeze(2) * (one_hot - policy.unsqueeze(1))).mean(dim=1)
        logits = logits + lr * gradient
    return Run(
        torch.stack(returns).numpy(), torch.stack(variance).numpy(), logits.softmax(dim=1).numpy()
    )


def _variance(policy: Tensor, means: Tensor, scale: float, baseline: bool) -> Tensor:
    """The variance of one step's gradient for each run, ``[RUNS]``, summed over the logits: of one
    pull, over all levers and the noise, divided by the number of pulls."""
    offset = (policy @ means).unsqueeze(1) if baseline else 0.0
    advantages = means - offset  # [runs or 1, levers]
    identity = torch.eye(len(means), dtype=torch.float64)
    directions = identity.unsqueeze(0) - policy.unsqueeze(1)  # [runs, lever, logits]
    mean = (policy.unsqueeze(2) * (advantages.unsqueeze(-1) * directions)).sum(dim=1)
    squares = (advantages**2 + (scale * NOISE) ** 2) * directions.square().sum(dim=2)
    return ((policy * squares).sum(dim=1) - mean.square().sum(dim=1)) / PULLS
