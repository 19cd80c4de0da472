"""``order_the_beats``, public half."""

from collections.abc import Iterator, Mapping
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type

BEATS = ("forward", "loss", "backward", "step")


def beats_cases() -> list[Case]:
    """One, for the function takes no arguments."""
    return [{"asks": ("order",)}]


def _observe(function: Any, case: Case, notes: Notes) -> None:
    returned = function()
    # A member of an enumeration of strings is a string, too, and only here it is known for one.
    if isinstance(returned, list):
        returned = [str.__str__(word) if isinstance(word, str) else word for word in returned]
    notes["returned"] = returned


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """The words without what learners add to a beat's name: capitals, parentheses, spaces."""
    returned = observation["returned"]
    words = returned if isinstance(returned, list) else []
    strings = [word if isinstance(word, str) else "" for word in words]
    return {"plain": [s.strip().lower().removesuffix("()").removesuffix(" pass") for s in strings]}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    is_list = isinstance(returned, list)
    yield Finding(is_list, "the result is a list", f"yours is {a_type(returned)}")
    if not is_list:
        return
    entries = "1 entry" if len(returned) == 1 else f"{len(returned)} entries"
    yield Finding(len(returned) == 4, "there are four beats", f"your list has {entries}")
    for name in BEATS:
        pairs = zip(returned, observation["plain"], strict=True)
        near = [word for word, plain in pairs if plain == name != word]
        got = f"yours is spelt {near[0]!r:.30}" if near else ""
        yield Finding(returned.count(name) == 1, f'"{name}" appears once', got)
    if sorted(map(str, returned)) == sorted(BEATS):
        for text, early, late in (
            ("you predict before you judge", "forward", "loss"),
            ("you judge before you look for directions", "loss", "backward"),
            ("you know the directions before you move", "backward", "step"),
        ):
            yield Finding(returned.index(early) < returned.index(late), text)


EXERCISE = Exercise(
    name="order_the_beats",
    points=1,
    task="Return the names of the four beats in order.",
    aspects=(Aspect("order", "the four beats are in order", 1, ("returned",)),),
    hints=(
        "Say it aloud: predict, judge, find the directions, move.",
        'Return a list of four strings. Predicting is "forward", moving is "step".',
    ),
    observe=_observe,
    fields=("returned",),
    facts=_facts,
    derived=("plain",),
    public_cases=beats_cases,
    properties=_properties,
)
