"""Makes the pictures of README.md: ``make pictures``. Each is what a panel shows, really computed."""

from pathlib import Path

import torch

from course_lib.panels.canvas import Canvas
from course_lib.simulations import load
from course_lib.simulations.base import defaults

FOLDER = Path(__file__).parent
#: 50 epochs of 10 batches.
STEPS = 500


def main() -> None:
    torch.set_num_threads(1)  # sums in one fixed order: the same picture on every machine
    dashboard = load("dashboard")
    settings = {**defaults(dashboard), "lr": 0.1, "optimizer": "sgd", "second": "optimizer"}
    state = dashboard.compute(settings)
    canvas = Canvas(dashboard, state)
    state = dashboard.step(state, STEPS)
    sentence = dashboard.describe(state)
    (FOLDER / "dashboard.png").write_bytes(canvas.draw(state))
    (FOLDER / "dashboard.txt").write_text(sentence + "\n", encoding="utf-8")
    print(sentence)


if __name__ == "__main__":
    main()
