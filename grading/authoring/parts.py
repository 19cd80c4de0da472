"""Cuts a reference solution into pieces to be put in order, with a wrong piece or two among them.

The wrong ones come from the misconceptions: one line, changed. Where none is of that kind, from small
changes of the reference. Called by ``answers_pack``; ``course_lib.ordering`` shows the pieces.
"""

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from course_lib.exercises.checking.check import NOT_RIGHT
from course_lib.exercises.checking.model import Exercise
from grading.answers import find_answer
from grading.answers.edit import Edit
from grading.authoring.mutants import mutants_of
from grading.authoring.solutions import Solution
from grading.chapter_text.reference import replaced, solution_cell
from grading.chapter_text.regions import find_regions, solved

#: Exercises with fewer lines are typed sooner than put in order.
FEWEST_LINES = 5
_MOST_PIECES, _MOST_WRONG = 12, 2
#: Small changes of the reference to try, where misconceptions give too little.
_MOST_TRIED = 24


def parts_of(exercise: Exercise) -> dict[str, Any] | None:
    """The pieces in the right order, the wrong ones with the place of the right one, and the code
    before and after them; None for a short solution."""
    text = solution_cell(exercise.name).text
    regions = find_regions(text)
    longest = max(regions, key=lambda region: len(region.solution))
    lines = [line for line in longest.solution if line.strip()]
    if len(lines) < FEWEST_LINES:
        return None
    all_lines = text.split("\n")
    before, after = all_lines[: longest.start], all_lines[longest.end + 1 :]
    parts = {
        "before": solved("\n".join(before)),
        "pieces": _pieces(lines),
        "after": solved("\n".join(after)).rstrip("\n"),
    }
    return parts | {"wrong": _wrong_pieces(exercise, parts)}


def source_of(parts: dict[str, Any], pieces: list[str]) -> str:
    """The solution with these pieces."""
    return "\n".join((parts["before"], *pieces, parts["after"])) + "\n"


def _pieces(lines: list[str]) -> list[str]:
    """At most ``_MOST_PIECES``, each of whole lines: the head of a block gets its first line, then
    lines of one depth come together."""
    pieces = [[line] for line in lines]
    while len(pieces) > _MOST_PIECES:

        def cost(i: int) -> tuple[int, int]:
            last, following = pieces[i][-1], pieces[i + 1][0]
            head = last.rstrip().endswith(":") and not following.rstrip().endswith(":")
            kind = 0 if head else 1 if _depth(last) == _depth(following) else 2
            return len(pieces[i]) + len(pieces[i + 1]), kind

        i = min(range(len(pieces) - 1), key=cost)
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
    return ["\n".join(piece) for piece in pieces]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _wrong_pieces(exercise: Exercise, parts: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for place, piece in _candidates(exercise, parts):
        taken = {*parts["pieces"], *(each["piece"] for each in found)}
        if piece in taken or place in {each["place"] for each in found}:
            continue
        pieces = list(parts["pieces"])
        pieces[place] = piece
        solution = Solution(exercise, "mutant", f"piece {place}", source_of(parts, pieces))
        if solution.checked().state == NOT_RIGHT:
            found.append({"place": place, "piece": piece})
        if len(found) == _MOST_WRONG:
            break
    return found


def _candidates(exercise: Exercise, parts: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """(place, piece): pieces in which one line is another."""
    reference = source_of(parts, parts["pieces"])
    for wrong in find_answer(exercise.name).misconceptions:
        if isinstance(wrong.solution, Edit) and wrong.solution.base is None:
            source = _edited(reference, wrong.solution)
            if source:
                yield from _changed_line(parts, reference, source)
    plain = ast.unparse(ast.parse(reference))
    mutants = mutants_of(reference)
    for mutant in mutants[:: max(1, len(mutants) // _MOST_TRIED)]:
        yield from _changed_line(parts, plain, mutant.source)


def _edited(source: str, edit: Edit) -> str:
    """The source with the replacements; "" where one spans what is cut here."""
    for old, new in edit.replacements:
        if source.count(old) != 1:
            return ""
        source = replaced(source, old, new, "the solution")
    return source


def _changed_line(parts: dict[str, Any], before: str, after: str) -> Iterator[tuple[int, str]]:
    """The piece with the one line that differs between two sources, where it is one."""
    old, new = before.splitlines(), after.splitlines()
    changes = [each for each in SequenceMatcher(None, old, new).get_opcodes() if each[0] != "equal"]
    if [(tag, b - a, d - c) for tag, a, b, c, d in changes] != [("replace", 1, 1)]:
        return
    was, becomes = old[changes[0][1]].strip(), new[changes[0][3]].strip()
    for place, piece in enumerate(parts["pieces"]):
        lines = piece.split("\n")
        if [line.strip() for line in lines].count(was) == 1:
            at = [line.strip() for line in lines].index(was)
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            lines[at] = indent + becomes
            yield place, "\n".join(lines)
            return
