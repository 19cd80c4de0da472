"""Chapter 00, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import torch

from grading.answers.model import QuizKey


def _prove_order() -> str:
    """Only one of the four orders runs and changes the weights in its first turn."""
    orders = {"A": "LFBS", "B": "FBLS", "C": "FLSB", "D": "FLBS"}
    works = []
    for letter, order in orders.items():
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x, y = torch.ones(3, 2), torch.full((3, 1), 9.0)
        before = model.weight.detach().clone()
        known: dict[str, torch.Tensor] = {}
        try:
            for beat in order:
                if beat == "F":
                    known["predictions"] = model(x)
                elif beat == "L":
                    known["loss"] = (known["predictions"] - y).square().mean()
                elif beat == "B":
                    known["loss"].backward()
                else:
                    optimizer.step()
        except KeyError:
            continue
        if not torch.equal(before, model.weight):
            works.append(letter)
    return "".join(works)


def _prove_clipping() -> str:
    from course_lib.simulations.run_gone_wrong import BAD_STEP, RunGoneWrong

    losses = RunGoneWrong().compute({"step": BAD_STEP, "lr": 0.3, "clip": True}).run.losses
    usual = losses[BAD_STEP - 7 : BAD_STEP].mean()
    if losses[BAD_STEP] <= 20 * usual:
        return "B"
    return "A" if losses[BAD_STEP + 1 :].max() < 1.5 * usual else ""


QUIZ = (
    QuizKey(
        "q00_1",
        "D",
        {
            "A": "The loss has no predictions to judge yet.",
            "B": "backward starts from the loss, which does not exist yet.",
            "C": "It moves before any direction for this batch is known.",
            "D": "Predict, judge, find the directions, move.",
        },
        _prove_order,
    ),
    QuizKey(
        "q00_2",
        "C",
        {
            "A": "A loop prevents nothing; it lets you look.",
            "B": "Nothing is repaired unless you write the repair, clipping for example.",
            "C": "Every intermediate value is yours to read.",
            "D": "An explicit loop is not about speed.",
        },
    ),
    QuizKey(
        "q00_3",
        "A",
        {
            "A": "The weights moved only a little, so the next batch finds them almost unharmed.",
            "B": "The loss at step 47 is computed before any gradient is clipped: it leaps.",
            "C": "Clipping shortens the gradient and keeps its direction; it does not erase it.",
            "D": "Clipping never stops training.",
        },
        _prove_clipping,
    ),
)
