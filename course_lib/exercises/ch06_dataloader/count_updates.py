"""``count_updates``, public half."""

from collections.abc import Iterator
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support.numbers import number_in


def _observe(function: Any, case: Case, notes: Notes) -> None:
    returned = [
        function(*(argument for argument in arguments if argument is not None))
        for arguments in case["questions"]
    ]
    notes["returned"] = returned
    notes["numbers"] = [number_in(value) for value in returned]


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    return {"all_ints": all(type(value) is int for value in observation["returned"])}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    kinds = [a_type(value) for value in observation["returned"] if type(value) is not int]
    yield Finding(not kinds, "the result is an int", f"yours is {', '.join(kinds[:1])}")
    for (n, batch_size, drop_last), right, value in zip(
        case["questions"], case["right"], observation["numbers"], strict=True
    ):
        dropping = "" if drop_last is None else f", with drop_last={drop_last},"
        updates = f"{right} update{'s' * (right != 1)}"
        words = f"{n:,} examples at batch size {batch_size}{dropping} make {updates}"
        got = "yours gives no number" if value is None else f"yours gives {value:g}"
        yield Finding(value == right, words, got)


EXERCISE = Exercise(
    name="count_updates",
    points=1,
    task="How many optimizer steps does one epoch make?",
    aspects=(
        Aspect("count", "the number of batches in one epoch", 0.5, ("numbers",)),
        Aspect("int", "the result is an int", 0.5, ("all_ints",), after=("count",)),
    ),
    hints=(
        "Count the full batches first: // divides and drops the rest. Then ask whether something "
        "is left over, and whether the left-over batch counts.",
        "n_examples % batch_size is what is left after the full batches. It makes one more batch "
        "when it is not 0 and drop_last is False.",
    ),
    observe=_observe,
    fields=("returned", "numbers"),
    facts=_facts,
    derived=("all_ints",),
    public_cases=lambda: [
        {
            "questions": [
                (1000, 32, None),
                (1000, 32, True),
                (96, 32, False),
                (97, 32, False),
                (5, 32, False),
                (5, 32, True),
            ],
            "right": [32, 31, 3, 4, 1, 0],
        }
    ],
    properties=_properties,
)
