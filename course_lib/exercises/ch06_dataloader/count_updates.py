"""``count_updates``, public half."""

from collections.abc import Iterator
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name


def _observe(function: Any, case: Case, notes: Notes) -> None:
    notes["returned"] = [function(*arguments) for arguments in case["questions"]]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    kinds = [type_name(value) for value in returned if type(value) is not int]
    yield Finding(not kinds, "the result is an int", f"yours is {', '.join(kinds[:1])}")
    for (n, batch_size, drop_last), right, value in zip(
        case["questions"], case["right"], returned, strict=True
    ):
        words = f"{n:,} examples, batch size {batch_size}, drop_last={drop_last}: {right}"
        good = isinstance(value, int | float) and value == right
        yield Finding(good, words, f"yours is {value!r:.20}")


EXERCISE = Exercise(
    name="count_updates",
    points=1,
    task="How many optimizer steps does one epoch make?",
    aspects=(Aspect("count", "the number of batches in one epoch", 1, ("returned",)),),
    hints=(
        "Count the full batches first: // divides and drops the rest. Then ask whether something "
        "is left over, and whether the left-over batch counts.",
        "n_examples % batch_size is what is left after the full batches. It makes one more batch "
        "when it is not 0 and drop_last is False.",
    ),
    observe=_observe,
    fields=("returned",),
    public_cases=lambda: [
        {
            "questions": [
                (1000, 32, False),
                (1000, 32, True),
                (96, 32, False),
                (5, 32, False),
                (5, 32, True),
            ],
            "right": [32, 31, 3, 1, 0],
        }
    ],
    properties=_properties,
)
