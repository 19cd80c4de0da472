"""Makes the pictures of README.md: ``make pictures``. Each is what a panel shows, really computed."""

from pathlib import Path

import torch

from course_lib.panels import panel

FOLDER = Path(__file__).parent
#: 50 epochs of 10 batches.
STEPS = 500


def main() -> None:
    torch.set_num_threads(1)  # sums in one fixed order: the same picture on every machine
    dashboard = panel("dashboard", lr=0.1, optimizer="sgd", second="optimizer")
    for _ in range(STEPS):
        dashboard.single_step()
    (FOLDER / "dashboard.png").write_bytes(dashboard.png)
    (FOLDER / "dashboard.txt").write_text(dashboard.sentence + "\n", encoding="utf-8")
    print(dashboard.sentence)


if __name__ == "__main__":
    main()
