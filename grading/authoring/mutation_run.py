"""``python -m grading mutants``: are the hidden tests good enough to notice every small mistake?

Each mutant of a reference solution runs through the judge on several secrets. One that earns full
marks on all of them survives: a hidden case is missing, or the mutant is equivalent under the
contract, and then the exercise's ``ANSWER`` lists it with the reason (``equivalent``).
"""

import json
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from course_lib.exercises import all_exercises, find_exercise
from course_lib.exercises.checking.model import Observation
from grading.answers import find_answer
from grading.authoring.mutants import Mutant, evenly, mutants_of
from grading.authoring.solutions import Solution, TooSlow, elsewhere, known_solutions
from grading.chapter_text.reference import reference_source
from grading.errors import Failure, Problem
from grading.judging.judge import has_full_marks, judge_exercise

#: Secrets that the case sets are drawn from, besides those of the matrix.
SECRETS = tuple(range(101, 201))
_MEMORY = 4 * 2**30
#: The kind of a known mistake, which is judged beside the mutants.
KNOWN = "known mistake"
#: Goals over all mutants and known mistakes that somebody might hand in: at least this share gets a
#: name; of those of exercises with two or more points at most this share earns nothing, and the mean
#: share of the points is at least this.
NAMED, NOTHING, MEAN = 0.9, 0.2, 0.45


@dataclass(frozen=True)
class MutantVerdict:
    """What the judge says of one mutant, with the first secret on which it loses points, or with the
    last one. ``survived`` is whether it earned full marks on all of them. ``stillborn``: it cannot be
    defined, or raises on most inputs, which its author sees before anybody tests it."""

    exercise: str
    name: str
    kind: str
    survived: bool
    listed: bool
    score: float
    max_score: float
    misconception: str | None = None
    message: str = ""
    stillborn: bool = False


def exercise_verdicts(
    name: str, secrets: int = 3, sample: int | None = None, named: bool = True
) -> list[MutantVerdict]:
    """The verdict on every mutant of an exercise; of at most ``sample`` of them, evenly spread. Where
    they need not be ``named``, it is only asked whether they survive, which takes much less time."""
    mutants = mutants_of(reference_source(name))
    equivalent = find_answer(name).equivalent
    unknown = set(equivalent) - {mutant.name for mutant in mutants}
    if unknown:
        raise Problem(f"{name}: {sorted(unknown)[0]!r} is listed as equivalent; no mutant has it.")
    if sample is not None:
        mutants = evenly(mutants, sample)
    with elsewhere():
        return [_verdict(name, mutant, SECRETS[:secrets], equivalent, named) for mutant in mutants]


def _verdict(
    name: str, mutant: Mutant, secrets: Sequence[int], equivalent: Any, named: bool
) -> MutantVerdict:
    solution = Solution(find_exercise(name), "mutant", mutant.name, mutant.source)
    listed, points = mutant.name in equivalent, float(solution.exercise.points)

    def lost(message: str = "", stillborn: bool = False) -> MutantVerdict:
        said = 0.0, points, None, message, stillborn
        return MutantVerdict(name, mutant.name, mutant.kind, False, listed, *said)

    try:
        _ = solution.subjects
    except Exception as error:  # it cannot even be defined
        return lost(f"{type(error).__name__}: {error}", stillborn=True)
    for secret in secrets:
        try:
            observed = solution.observed(secret)
        except TooSlow:  # it came between two cases
            return lost("it did not end")
        if not has_full_marks(name, secret, observed):
            return _judged(solution, mutant.kind, listed, secret, observed) if named else lost()
    return MutantVerdict(name, mutant.name, mutant.kind, True, listed, points, points)


def known_verdicts(name: str) -> list[MutantVerdict]:
    """The verdict on each known mistake of an exercise."""
    secret = SECRETS[0]
    with elsewhere():
        return [
            _judged(solution, KNOWN, False, secret, solution.observed(secret, free=True))
            for solution in known_solutions(find_exercise(name))
            if solution.kind == "misconception"
        ]


def _judged(
    solution: Solution, kind: str, listed: bool, secret: int, observed: Sequence[Any]
) -> MutantVerdict:
    name, outcome = solution.exercise.name, judge_exercise(solution.exercise.name, secret, observed)
    said = outcome.score, outcome.max_score, outcome.misconception, outcome.message
    return MutantVerdict(name, solution.label, kind, False, listed, *said, _raises_mostly(observed))


def _raises_mostly(observed: Sequence[Observation | Failure]) -> bool:
    raised = [isinstance(each, Failure) or each.error is not None for each in observed]
    return 3 * sum(raised) > 2 * len(raised)


def _all_verdicts(name: str, secrets: int) -> list[MutantVerdict]:
    return exercise_verdicts(name, secrets) + known_verdicts(name)


def prepare_worker() -> None:
    """One thread, and memory that a mutant cannot exceed: for each process that tries solutions."""
    import resource

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def mutation_test(
    names: Sequence[str], secrets: int, output: Path | None, jobs: int | None = None
) -> bool:
    """Print what became of the mutants of each exercise in ``names``, and every survivor; for all
    exercises also which goals are missed. False when there is a survivor that is not listed, a listed
    one that is killed, or a goal that is missed."""
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), context, prepare_worker) as pool:
        found = pool.map(_all_verdicts, names, [secrets] * len(names))
        results = dict(zip(names, found, strict=True))
    verdicts = [each for of_one in results.values() for each in of_one]
    if output is not None:
        output.write_text(json.dumps([asdict(each) for each in verdicts], indent=1))
    console = Console(width=max(Console().width, 120), markup=False)
    console.print(_table(results))
    wrong = [each for each in verdicts if each.survived != each.listed]
    for each in wrong:
        what = "survives" if each.survived else "is listed as equivalent, and killed"
        console.print(f"{each.exercise}: {each.name}  ({each.kind}) {what}")
    if any(each.survived for each in wrong):
        console.print(
            "Draw a case that notices what survives, or, if the task allows it, list it in the "
            "ANSWER under equivalent, by the words before the bracket, with the reason."
        )
    missed = Summary.of(verdicts).missed_goals() if set(names) == set(all_exercises()) else []
    for goal in missed:
        console.print(goal)
    return not wrong and not missed


@dataclass(frozen=True)
class Summary:
    """What became of some mutants and known mistakes. Shares are of those that are wrong and not
    stillborn: ``named`` of all of them, ``nothing`` earned and ``mean`` share of the points of those
    of exercises with two or more points. NaN where there is none."""

    mutants: int
    killed: int
    stillborn: int
    equivalent: int
    survive: int
    known: int
    named: float
    nothing: float
    mean: float

    @classmethod
    def of(cls, verdicts: Sequence[MutantVerdict]) -> "Summary":
        mutants = [each for each in verdicts if each.kind != KNOWN]
        killed = [each for each in mutants if not each.survived]
        born = [each for each in verdicts if not each.survived and not each.stillborn]
        counted = [each for each in born if each.max_score >= 2]
        return cls(
            mutants=len(mutants),
            killed=len(killed),
            stillborn=sum(each.stillborn for each in killed),
            equivalent=sum(each.survived and each.listed for each in mutants),
            survive=sum(each.survived and not each.listed for each in mutants),
            known=len(verdicts) - len(mutants),
            named=_mean(each.misconception is not None for each in born),
            nothing=_mean(each.score == 0 for each in counted),
            mean=_mean(each.score / each.max_score for each in counted),
        )

    def missed_goals(self) -> list[str]:
        """A line for each goal that is missed."""
        lines = []
        if self.named < NAMED:
            lines.append(f"{self.named:.0%} get a name; the goal is {NAMED:.0%}.")
        if self.nothing > NOTHING:
            lines.append(f"{self.nothing:.0%} earn nothing; the goal is at most {NOTHING:.0%}.")
        if self.mean < MEAN:
            lines.append(f"They earn {self.mean:.2f} of the points; the goal is {MEAN:.2f}.")
        return lines


def _mean(values: Iterable[float]) -> float:
    return statistics.mean([float(each) for each in values] or [math.nan])


def _table(results: Mapping[str, Sequence[MutantVerdict]]) -> Table:
    columns = [each.name for each in fields(Summary)]
    table = Table("exercise", *columns, title="Mutants of the reference solutions; known mistakes")
    for name, verdicts in results.items():
        table.add_row(name, *_cells(Summary.of(verdicts)))
    table.add_section()
    table.add_row("all", *_cells(Summary.of([e for of_one in results.values() for e in of_one])))
    return table


def _cells(summary: Summary) -> list[str]:
    *counts, named, nothing, mean = astuple(summary)
    shares = ["" if math.isnan(each) else f"{each:.0%}" for each in (named, nothing)]
    return [*map(str, counts), *shares, "" if math.isnan(mean) else f"{mean:.2f}"]
