"""The four beats of the training loop: the one place that defines their names, order and looks.

Every figure, table and check message in the course takes its colours from here. The colours are
Okabe and Ito's palette, which stays distinct for the three common kinds of colour blindness; the
symbol, the marker and the line style say the same again without colour.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Beat:
    """One event of the loop.

    ``letter`` is used in sequences ("FLBS"), ``line`` is the course's usual source line for it,
    ``marker`` and ``linestyle`` are Matplotlib's. ``color`` is for lines, areas and symbols,
    ``ink`` is the same hue for text on white, dark enough to read.
    """

    name: str
    letter: str
    color: str
    symbol: str
    marker: str
    linestyle: str | tuple
    line: str
    meaning: str
    ink: str


FORWARD = Beat(
    "forward", "F", "#0072B2", "\u25b6", ">", "-", "predictions = model(x)", "predict", "#0072B2"
)
LOSS = Beat(
    "loss",
    "L",
    "#D55E00",
    "\u25cf",
    "o",
    "--",
    "loss = loss_fn(predictions, y)",
    "judge",
    "#B04D00",
)
BACKWARD = Beat(
    "backward",
    "B",
    "#009E73",
    "\u25c0",
    "<",
    "-.",
    "loss.backward()",
    "find the directions",
    "#007556",
)
STEP = Beat("step", "S", "#CC79A7", "\u25a0", "s", ":", "optimizer.step()", "move", "#A94D82")

#: The four beats, in order.
BEATS: tuple[Beat, ...] = (FORWARD, LOSS, BACKWARD, STEP)

#: Clearing the gradients is not a beat: neutral grey.
ZERO_GRAD = Beat(
    "zero_grad",
    "Z",
    "#767676",
    "\u25cb",
    "x",
    (0, (1, 1)),
    "optimizer.zero_grad()",
    "clear",
    "#6B6B6B",
)

#: Everything a loop does, in the usual order of the five lines.
LOOP: tuple[Beat, ...] = (FORWARD, LOSS, ZERO_GRAD, BACKWARD, STEP)

BY_NAME: dict[str, Beat] = {beat.name: beat for beat in LOOP}
BY_LETTER: dict[str, Beat] = {beat.letter: beat for beat in LOOP}

#: For curves that belong to no beat (a healthy run, a second optimizer).
INK = "#222222"
AZURE = "#3D97F2"
BROWN = "#8C6946"
GREY = ZERO_GRAD.color
#: The palette's other colours are too light for lines on white: for areas with an edge or text.
SKY = "#56B4E9"
ORANGE = "#E69F00"
YELLOW = "#F0E442"
