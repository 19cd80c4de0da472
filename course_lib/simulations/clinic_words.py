"""The words of ``bug_clinic``: the eight bugs of ``docs/cheat_sheet.md``, in its order."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """``row`` and ``name`` are the cheat sheet's. ``sees``: what one observes, without a name for
    it, as the picture's title. ``code``: the faulty line, and ``repair``: the lines instead.
    ``why`` explains the symptom. ``otherwise``: what one would see if it were this bug, said to
    those who guessed it of another patient."""

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
        "The loss falls, and sticks far above 0",
        "cross_entropy(logits.softmax(1), y)",
        "cross_entropy(logits, y)",
        "The loss applies a softmax itself. Fed with probabilities of ten classes, it cannot get below 1.46.",
        "the loss would stick at a fixed value, such as 1.46 with ten classes, or be exactly 0",
    ),
    Bug(
        3,
        "wrong device",
        "No curve: stopped in the first batch",
        "predictions = model(x)",
        "x, y = x.to(device), y.to(device)\npredictions = model(x)",
        'The weights are on "cpu", the batch is on "meta", a device that every machine has. With '
        'a GPU you read "cuda:0" there.',
        "an error would name two devices",
    ),
    Bug(
        4,
        "train() / eval() forgotten",
        "Validation jumps about, far above the other curve",
        "with torch.no_grad():\n    val_loss = ...",
        "model.eval()\nwith torch.no_grad():\n    val_loss = ...",
        "Both curves judge the same weights. In train mode dropout still drops, and batch norm "
        "uses this batch of four.",
        "validation would look worse than the model is, and differ when you repeat it",
    ),
    Bug(
        5,
        "learning rate too high",
        "The loss leaps, and does not come down for good",
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
        "Direction right, steps far too short. Multiply by 10, and again, until it moves.",
        "the loss would fall all the time, but hardly, and there would be no error",
    ),
    Bug(
        7,
        "no no_grad in validation",
        "Memory grows with every batch",
        "total += loss_fn(model(x), y)",
        "with torch.no_grad():\n    total += loss_fn(model(x), y).item()",
        "Each loss in the sum keeps its graph, and the graph keeps the batch and its activations.",
        "the numbers would be right, and the memory would grow",
    ),
    Bug(
        8,
        "mismatched shapes",
        "No curve: stopped in the first batch",
        "predictions = model(x)",
        "predictions = model(x.flatten(1))",
        "x is [32, 28, 28]. The layer takes its last dimension, 28, for the features, and all "
        "32 x 28 = 896 rows for examples.",
        "an error would name two shapes, or the model would predict the mean without an error",
    ),
)

#: Patient 1 has the bug of this row of the cheat sheet, and so on: mixed, so that it is a guess.
PATIENTS: tuple[int, ...] = (4, 8, 6, 1, 3, 2, 5, 7)


def bug_of(patient: int) -> Bug:
    """What patient 1 to 8 has."""
    return BUGS[PATIENTS[patient - 1] - 1]
