"""One value in three floating-point formats (chapter 08b): ``course_lib.panel("number_formats")``.

Everything shown is read from PyTorch: the ranges from ``torch.finfo``, what is stored from a cast,
the bits from the cast tensor's own memory.
"""

import math
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure

from course_lib.beats import AZURE, BROWN, INK
from course_lib.simulations.base import Artists, Settings, Slider, sweep

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
#: The integer type of the same width, to read a float's bits, and the number of exponent bits.
_LAYOUT = {"float32": (torch.int32, 8), "bfloat16": (torch.int16, 8), "float16": (torch.int16, 5)}
_LIMITS = (1e-47, 1e42)


@dataclass(frozen=True)
class Stored:
    """What a format makes of a value: the number, its bits, and what kind of number it is."""

    value: float
    bits: str
    kind: str
    one_plus: float


@dataclass(frozen=True)
class State:
    value: float
    stored: dict[str, Stored]


class NumberFormats:
    name = "number_formats"
    title = "Number formats: one value, three formats"
    size = (10.2, 4.9)
    controls = (Slider("value", "Value", 1e-46, 1e40, default=1e-6, step=0.25, log=True),)
    #: Half decades, which include the slider's start.
    recording = (sweep(value=(float(f"{10 ** (i / 2):.10g}") for i in range(-92, 81))),)

    def compute(self, settings: Settings) -> State:
        value = float(settings["value"])
        return State(value, {name: _store(name, value) for name in FORMATS})

    def layout(self, figure: Figure) -> Artists:
        axes = figure.subplots()
        axes.set(xscale="log", xlim=_LIMITS, ylim=(2.95, -0.55), xlabel="absolute value")
        axes.set_yticks(range(3), list(FORMATS))
        axes.set_xticks([10.0**e for e in range(-45, 46, 15)])
        axes.grid(visible=False, axis="y")
        artists = {"title": axes.set_title(" ")}
        for row, (name, dtype) in enumerate(FORMATS.items()):
            info = torch.finfo(dtype)
            largest, normal = info.max, info.smallest_normal
            subnormal = normal * info.eps
            (normal_line,) = axes.plot(
                [normal, largest], [row, row], color=AZURE, lw=13, solid_capstyle="butt", zorder=1
            )
            (subnormal_line,) = axes.plot(
                [subnormal, normal], [row, row], color=BROWN, lw=6, solid_capstyle="butt", zorder=1
            )
            axes.text(subnormal / 4, row, "0", ha="right", va="center", color="#5A5A5A")
            axes.text(largest * 4, row, "inf", ha="left", va="center", color="#5A5A5A")
            artists[f"{name} words"] = axes.text(
                2e-47, row + 0.22, "", va="top", fontsize=10, linespacing=1.5, in_layout=False
            )
            (artists[f"{name} mark"],) = axes.plot([], [], "D", color=INK, ms=9, zorder=4)
        (artists["line"],) = axes.plot([], [], color=INK, lw=1.2, ls=":", zorder=2)
        figure.legend(
            [normal_line, subnormal_line],
            ["normal numbers", "subnormal numbers (fewer bits)"],
            loc="outside lower center",
            ncols=2,
        )
        return artists

    def update(self, artists: Artists, state: State) -> None:
        artists["title"].set_text(_verdict(state))
        # Above and below the bars: not through the words under them, nor through "0" and "inf".
        parts = (-0.3, -0.13, math.nan, 0.13, 0.19, math.nan)
        rows = [row + part for row in range(len(FORMATS)) for part in parts]
        artists["line"].set_data([state.value] * len(rows), rows)
        for row, (name, stored) in enumerate(state.stored.items()):
            inside = stored.kind in ("normal", "subnormal")
            artists[f"{name} mark"].set_data([stored.value] if inside else [], [row] * inside)
            artists[f"{name} words"].set_text(
                f"{_stores(stored, state.value)}  ({stored.kind})   and 1 + value as {stored.one_plus:.9g}\n"
                f"sign, exponent and fraction bits: {stored.bits}"
            )

    def describe(self, state: State) -> str:
        parts = [
            f"{name} {_stores(stored, state.value)} ({stored.kind}) and 1 + value as {stored.one_plus:.9g}"
            for name, stored in state.stored.items()
        ]
        return f"{_verdict(state)}. Of the value {state.value:.3g}, {'; '.join(parts)}."


def _store(name: str, value: float) -> Stored:
    dtype = FORMATS[name]
    exact = torch.tensor([value, 1 + value], dtype=torch.float64)
    cast = exact.to(dtype)
    stored, one_plus = cast.double().tolist()
    normal = torch.finfo(dtype).smallest_normal
    if stored == 0:
        kind = "underflow"
    elif math.isinf(stored):
        kind = "overflow"
    else:
        kind = "normal" if stored >= normal else "subnormal"
    return Stored(stored, _bits(name, cast[:1]), kind, one_plus)


def _bits(name: str, cast: torch.Tensor) -> str:
    """Sign, exponent and fraction bits of a one-element tensor, with spaces between them."""
    integer, exponent_bits = _LAYOUT[name]
    width = torch.iinfo(integer).bits
    digits = format(cast.view(integer).item() % 2**width, f"0{width}b")
    return f"{digits[0]} {digits[1 : 1 + exponent_bits]} {digits[1 + exponent_bits :]}"


def _stores(stored: Stored, value: float) -> str:
    if stored.kind in ("underflow", "overflow"):
        return "stores 0" if stored.kind == "underflow" else "stores infinity"
    error = abs(stored.value - value) / value
    return f"stores {stored.value:.6g}, relative error {error:.1g}"


def _verdict(state: State) -> str:
    for kind, what, stored_as in (
        ("underflow", "Too small for", "stored as zero"),
        ("overflow", "Too large for", "stored as infinity"),
        ("subnormal", "A subnormal number in", "stored with fewer bits"),
    ):
        if names := [name for name, s in state.stored.items() if s.kind == kind]:
            *others, last = names
            listed = f"{', '.join(others)} and {last}" if others else last
            return f"{what} {listed}: {stored_as}"
    return "All three formats can store it, each as precisely as it can"
