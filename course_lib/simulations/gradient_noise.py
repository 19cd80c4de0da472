"""How far a batch's gradient lies from the gradient over all the data (chapter 06):
``course_lib.panel("gradient_noise")``.

The gradients of all single digits are computed once; the gradient of a batch is the mean of its
examples' gradients, so that hundreds of batches of any size cost little.
"""

import math
import timeit
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from course_lib.beats import BACKWARD, INK, STEP
from course_lib.data import digits, generator_of
from course_lib.models import MLP
from course_lib.simulations.base import Artists, Choice, Settings, Slider, sweep
from course_lib.simulations.common import bold_inside, doubled
from course_lib.training import Trainer

SIZES = tuple(2**k for k in range(11))  # 1 to 1,024
DRAWS = 200  # batches drawn of each size
_TRAINED_STEPS = 100
#: Updates that are timed for each size; an epoch of single examples would take half a second.
_TIMED = 20
_CLOUD_LIMITS = ((-3, 5), (-4, 4))
_NOISE_LIMITS = (0.05, 40)


@dataclass(frozen=True)
class Measured:
    """For each of ``SIZES``: ``noise``, the root mean square distance of the batches' gradients
    from the full one, in lengths of the full one; ``cosine``, the median cosine between the two;
    ``clouds`` ``[DRAWS, 2]``, the batches' gradients along the full one and across it."""

    noise: tuple[float, ...]
    cosine: tuple[float, ...]
    clouds: tuple[np.ndarray, ...]
    spread: float  # the same distance for single examples, over all of them
    examples: int

    def root_law(self) -> list[float]:
        """spread / sqrt(batch size), with the factor for drawing without replacement: when a batch
        is all the data, nothing is left to chance."""
        n = self.examples
        return [self.spread * math.sqrt((n - size) / (size * (n - 1))) for size in SIZES]


@dataclass(frozen=True)
class State:
    place: int  # in SIZES
    trained: bool
    measured: Measured
    epoch_seconds: tuple[float, ...]

    @property
    def size(self) -> int:
        return SIZES[self.place]

    @property
    def updates(self) -> int:
        return -(-self.measured.examples // self.size)


class GradientNoise:
    name = "gradient_noise"
    title = "Gradient noise: what a batch knows about all the data"
    size = (10.2, 4.5)
    measured_from = 0.62
    controls = (
        Slider(
            "batch_size", "Batch size", low=1, high=SIZES[-1], default=16, step=math.log10(2),
            log=True, integer=True,
        ),
        Choice(
            "when", "The network is",
            (("start", "untrained"), ("trained", f"trained for {_TRAINED_STEPS} steps")),
            default="start",
        ),
    )  # fmt: skip

    recording = (sweep(when=("start", "trained"), batch_size=(2**i for i in range(11))),)

    def compute(self, settings: Settings) -> State:
        exponent = math.log2(max(1, settings["batch_size"]))
        place = min(range(len(SIZES)), key=lambda k: abs(k - exponent))
        trained = settings["when"] == "trained"
        return State(place, trained, _measure(trained), _epoch_seconds())

    def layout(self, figure: Figure) -> Artists:
        cloud, noise, cost = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
        artists: dict[str, Artist] = {}
        cloud.set(xlim=_CLOUD_LIMITS[0], ylim=_CLOUD_LIMITS[1])
        cloud.set(
            xlabel="along the full gradient (the arrow)", ylabel="across it, where it varies most"
        )
        artists["cloud title"] = cloud.set_title(" ")
        (artists["cloud"],) = cloud.plot(
            [], [], BACKWARD.marker, color=BACKWARD.color, ms=5, alpha=0.55, mew=0
        )
        cloud.annotate(
            "", (1, 0), (0, 0), zorder=5,
            arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 2.4, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip

        noise.set(ylabel="distance (full gradient = 1)", ylim=_NOISE_LIMITS)
        noise.set_title("Noise falls as 1/\u221abatch")
        noise.axhline(1, color=INK, lw=1.8, ls=":", label="as large as the gradient")
        (artists["law"],) = noise.plot([], [], color=INK, lw=1.5, ls="--", label="1/\u221abatch")
        (artists["noise"],) = noise.plot(
            [], [], BACKWARD.marker, color=BACKWARD.color, ms=7, label="measured"
        )
        noise.legend(loc="lower left")

        cost.set(ylabel="time per epoch (ms, measured here)", ylim=(0.4, 4000))
        cost.set_title("Few large steps are quick")
        seconds = _epoch_seconds()
        cost.plot(
            SIZES, [1e3 * value for value in seconds], color=STEP.color, marker=STEP.marker, ls=":"
        )
        for key, axes in (("noise", noise), ("cost", cost)):
            axes.set(xscale="log", yscale="log", xlim=(0.7, 1500), xlabel="batch size")
            axes.set_xticks((1, 4, 16, 64, 256, 1024), ("1", "4", "16", "64", "256", "1024"))
            (artists[f"{key} here"],) = axes.plot([], [], "o", ms=15, mfc="none", mec=INK, mew=1.8)
            artists[f"{key} words"] = bold_inside(axes, 0.98, 0.97)
        return artists

    def update(self, artists: Artists, state: State) -> None:
        measured, place = state.measured, state.place
        cloud = measured.clouds[place]
        artists["cloud"].set_data(cloud[:, 0], cloud[:, 1])
        low, high = np.transpose(_CLOUD_LIMITS)
        outside = int((~((cloud > low) & (cloud < high)).all(axis=1)).sum())
        artists["cloud title"].set_text(
            f"{DRAWS} gradients, {outside} off the picture"
            if outside
            else f"{DRAWS} batches, {DRAWS} gradients"
        )
        artists["noise"].set_data(SIZES, measured.noise)
        artists["law"].set_data(SIZES, measured.root_law())
        noise = measured.noise[place]
        artists["noise here"].set_data([state.size], [noise])
        artists["noise words"].set_text(f"batch {state.size:,}: {noise:.2f}")
        milliseconds = 1e3 * state.epoch_seconds[place]
        artists["cost here"].set_data([state.size], [milliseconds])
        plural = "s" * (state.updates != 1)
        artists["cost words"].set_text(f"{state.updates:,} update{plural} per epoch")

    def describe(self, state: State) -> str:
        network = f"after {_TRAINED_STEPS} steps" if state.trained else "before training"
        noise = state.measured.noise[state.place]
        angle = math.degrees(math.acos(state.measured.cosine[state.place]))
        return (
            f"With batches of {state.size:,}, {network}: a batch's gradient is typically {noise:.2f} "
            f"times the full gradient's length away from it, at an angle of {angle:.0f} degrees, and "
            f"an epoch makes {state.updates:,} updates."
        )


def example_gradients(model: nn.Module, X: Tensor, y: Tensor) -> Tensor:
    """The gradient of each single example's loss, ``[examples, parameters]``."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(values: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(model, values, (x.unsqueeze(0),))
        return F.cross_entropy(logits, label.unsqueeze(0))

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, X, y)
    return torch.cat([gradient.flatten(1) for gradient in gradients.values()], dim=1)


@lru_cache
def _measure(trained: bool) -> Measured:
    X, y = doubled(digits(size=8))
    model = MLP(64, 32, 10, seed=0).double()
    if trained:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        Trainer(model, optimizer, F.cross_entropy, X, y, 32).run(_TRAINED_STEPS)
    gradients = example_gradients(model, X, y)
    full = gradients.mean(dim=0)
    length = full.norm()
    generator = generator_of(0)
    along = full / length
    across = _widest_direction(gradients - full, along, generator)
    flat = torch.stack([gradients @ along, gradients @ across], dim=1) / length
    spread = ((gradients - full).square().sum(dim=1).mean().sqrt() / length).item()
    noise, cosine, clouds = [], [], []
    for size in SIZES:
        # A row holds 1 / size at the examples of one batch: the product is the batches' means.
        weights = torch.zeros(DRAWS, len(X), dtype=torch.float64)
        chosen = torch.rand(DRAWS, len(X), generator=generator).topk(size, dim=1).indices
        weights.scatter_(1, chosen, 1 / size)
        means = weights @ gradients
        noise.append(((means - full).square().sum(dim=1).mean().sqrt() / length).item())
        cosine.append(F.cosine_similarity(means, full.expand_as(means)).median().item())
        clouds.append((weights @ flat).numpy())
    return Measured(tuple(noise), tuple(cosine), tuple(clouds), spread, len(X))


def _widest_direction(centred: Tensor, along: Tensor, generator: torch.Generator) -> Tensor:
    """The direction perpendicular to ``along`` in which the gradients vary most (power method)."""
    direction = torch.randn(centred.shape[1], generator=generator, dtype=centred.dtype)
    for _ in range(12):
        direction -= (direction @ along) * along
        direction /= direction.norm()
        direction = centred.T @ (centred @ direction)
    direction -= (direction @ along) * along
    return direction / direction.norm()


@lru_cache
def _epoch_seconds() -> tuple[float, ...]:
    """Time of one epoch's updates for each batch size, from the fastest of a few of them."""
    X, y = digits(size=8)
    model = MLP(64, 32, 10, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def update(x: Tensor, labels: Tensor) -> None:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seconds = []
    for size in SIZES:
        times = timeit.repeat(partial(update, X[:size], y[:size]), repeat=_TIMED, number=1)
        seconds.append(-(-len(X) // size) * min(times))  # the least disturbed one
    return tuple(seconds)
