"""The words of ``bug_clinic``: the eight bugs of ``docs/cheat_sheet.md``, in its order."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """``row`` and ``name`` are the cheat sheet's. ``sees``: what you observe, without naming the
    bug, as the picture's title. ``code``: the faulty line, and ``repair``: the lines to write
    instead. ``why`` explains the symptom. ``otherwise``: what you would see if it were this bug,
    shown when it was guessed for a different patient."""

    row: int
    name: str
    sees: str
    code: str
    repair: str
    why: str
    otherwise: str


BUGS: tuple[Bug, ...] = (
    Bug(
        1,
        "zero_grad forgotten",
        "The loss oscillates and grows",
        "loss.backward()",
        "optimizer.zero_grad()\nloss.backward()",
        "backward() adds: each step moves by the sum of all batches so far.",
        "the loss would swing up and down more and more, or fall suspiciously fast",
    ),
    Bug(
        2,
        "wrong loss",
        "The loss falls, then sticks far above 0",
        "cross_entropy(logits.softmax(1), y)",
        "cross_entropy(logits, y)",
        "The loss applies a softmax itself. Given probabilities of ten classes, it cannot go below "
        "1.46.",
        "the loss would stick at a fixed value, such as 1.46 with ten classes, or be exactly 0",
    ),
    Bug(
        3,
        "wrong device",
        "No curve: stopped at the first batch",
        "predictions = model(x)",
        "x, y = x.to(device), y.to(device)\npredictions = model(x)",
        'The weights are on "cpu", the batch is on "meta", a device that every machine has. With '
        'a GPU you would see "cuda:0" there.',
        "an error would name two devices",
    ),
    Bug(
        4,
        "train() / eval() forgotten",
        "Validation jumps about, far above the other curve",
        "with torch.no_grad():\n    val_loss = ...",
        "model.eval()\nwith torch.no_grad():\n    val_loss = ...",
        "Both curves evaluate the same weights. In train mode dropout still drops, and batch norm "
        "uses this batch of four.",
        "validation would look worse than the model is, and differ when you repeat it",
    ),
    Bug(
        5,
        "learning rate too high",
        "The loss leaps, and never settles",
        "SGD(model.parameters(), lr=10)",
        "SGD(model.parameters(), lr=1)",
        "Each step overshoots. Cross-entropy stays finite; squared error would reach infinity.",
        "the loss would leap from the first steps on, or become infinite or NaN",
    ),
    Bug(
        6,
        "learning rate too low",
        "The loss hardly moves",
        "SGD(model.parameters(), lr=0.0001)",
        "SGD(model.parameters(), lr=1)",
        "The direction is right, but the steps are far too short. Multiply by 10, and again, until "
        "it moves.",
        "the loss would keep falling, but hardly at all, and there would be no error",
    ),
    Bug(
        7,
        "no no_grad in validation",
        "Memory grows with every batch",
        "total += loss_fn(model(x), y)",
        "with torch.no_grad():\n    total += loss_fn(model(x), y).item()",
        "Each loss in the sum keeps its graph, and the graph keeps the batch and its activations.",
        "the numbers would be right, but the memory would grow",
    ),
    Bug(
        8,
        "mismatched shapes",
        "No curve: stopped at the first batch",
        "predictions = model(x)",
        "predictions = model(x.flatten(1))",
        "x is [32, 28, 28]. The layer takes its last dimension, 28, for the features, and all "
        "32 x 28 = 896 rows for examples.",
        "an error would name two shapes, or the model would predict the mean without an error",
    ),
)

#: Patient 1 has the bug in this row of the cheat sheet, and so on: mixed, to make it a guess.
PATIENTS: tuple[int, ...] = (4, 8, 6, 1, 3, 2, 5, 7)


def bug_of(patient: int) -> Bug:
    """The bug of patient 1 to 8."""
    return BUGS[PATIENTS[patient - 1] - 1]
