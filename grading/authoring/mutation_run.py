"""``python -m grading mutants``: are the hidden tests good enough to notice every small mistake?

Each mutant of a reference solution runs through the judge on several secrets. One that earns full
marks on all of them survives: a hidden case is missing, or the mutant is equivalent under the
contract, and then the exercise's ``ANSWER`` lists it with the reason (``equivalent``).
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from course_lib.chapters import Chapter
from course_lib.exercises import chapter_exercises, chapter_of, find_exercise
from course_lib.exercises.checking.observe import observe
from grading.answers import find_answer
from grading.authoring.mutants import Mutant, mutants_of
from grading.authoring.solutions import SECONDS, TooSlow, elsewhere, stopped_after
from grading.chapter_text.reference import reference_source, run_source, solved_namespace
from grading.errors import Problem
from grading.judging.cases import case_set
from grading.judging.judge import has_full_marks, judge_exercise

#: Secrets that the case sets are drawn from, besides those of the matrix.
SECRETS = tuple(range(101, 201))
_MEMORY = 4 * 2**30


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
    misconception: str | None
    message: str
    stillborn: bool = False


def exercise_verdicts(
    name: str, secrets: int = 3, sample: int | None = None, named: bool = True
) -> list[MutantVerdict]:
    """The verdict on every mutant of an exercise; of at most ``sample`` of them, evenly spread. Where
    they need not be ``named``, it is only asked whether they survive, which takes much less time."""
    source = reference_source(name)
    mutants = mutants_of(source)
    if sample is not None and len(mutants) > sample:
        step = len(mutants) / sample
        mutants = [mutants[int(i * step)] for i in range(sample)]
    equivalent = find_answer(name).equivalent
    unknown = set(equivalent) - {mutant.name for mutant in mutants_of(source)}
    if unknown:
        raise Problem(f"{name}: {sorted(unknown)[0]!r} is listed as equivalent; no mutant has it.")
    with elsewhere():
        return [_verdict(name, mutant, SECRETS[:secrets], equivalent, named) for mutant in mutants]


def _verdict(
    name: str, mutant: Mutant, secrets: Sequence[int], equivalent: Any, named: bool
) -> MutantVerdict:
    exercise = find_exercise(name)
    namespace = dict(solved_namespace(chapter_of(name)))
    listed = mutant.name in equivalent

    points = float(exercise.points)

    def verdict(
        survived: bool, score: float, misconception: str | None, message: str, stillborn=False
    ) -> MutantVerdict:
        said = (score, points, misconception, message, stillborn)
        return MutantVerdict(name, mutant.name, mutant.kind, survived, listed, *said)

    try:
        run_source(mutant.source, namespace, f"<{name}: {mutant.name}>")
        subjects = tuple(namespace[subject] for subject in exercise.subjects)
    except Exception as error:  # it cannot even be defined
        return verdict(False, 0.0, None, f"{type(error).__name__}: {error}", stillborn=True)
    for secret in secrets:
        cases = case_set(name, secret)
        try:
            with stopped_after(SECONDS):
                observed = [observe(exercise, subjects, case) for case in cases.cases]
        except TooSlow:  # it came between two cases
            return verdict(False, 0.0, None, "it did not end")
        if has_full_marks(name, secret, observed):
            continue
        if not named:
            return verdict(False, 0.0, None, "")
        outcome = judge_exercise(name, secret, observed)
        stillborn = 3 * sum(each.error is not None for each in observed) > 2 * len(observed)
        return verdict(False, outcome.score, outcome.misconception, outcome.message, stillborn)
    return verdict(True, points, None, "")


def prepare_worker() -> None:
    """One thread, and memory that a mutant cannot exceed: for each process that tries solutions."""
    import resource

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def mutation_test(chapters: Sequence[Chapter], secrets: int, output: Path | None) -> bool:
    """Print mutants, killed and equivalent by chapter, and every survivor; False when there is a
    survivor that is not listed, or a listed one that is killed."""
    names = [exercise.name for chapter in chapters for exercise in chapter_exercises(chapter)]
    context = get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, prepare_worker) as pool:
        results = dict(
            zip(names, pool.map(exercise_verdicts, names, [secrets] * len(names)), strict=True)
        )
    verdicts = [each for of_one in results.values() for each in of_one]
    if output is not None:
        output.write_text(json.dumps([asdict(each) for each in verdicts], indent=1))
    console = Console()
    console.print(_table(chapters, results))
    wrong = [each for each in verdicts if each.survived != each.listed]
    for each in wrong:
        what = "survives" if each.survived else "is listed as equivalent, and killed"
        console.print(f"{each.exercise}: {each.name}  ({each.kind}) {what}", markup=False)
    if any(each.survived for each in wrong):
        console.print(
            "Draw a case that notices what survives, or, if the task allows it, list it in the "
            "ANSWER under equivalent, by the words before the bracket, with the reason.",
            markup=False,
        )
    return not wrong


def _table(chapters: Sequence[Chapter], results: dict[str, list[MutantVerdict]]) -> Table:
    columns = (
        "mutants",
        "killed",
        "stillborn",
        "equivalent",
        "survive",
        "named",
        "nothing earned",
        "mean share",
    )
    table = Table("chapter", *columns, title="Mutants of the reference solutions")
    groups = [
        (f"{chapter.number} {chapter.title}", [e.name for e in chapter_exercises(chapter)])
        for chapter in chapters
    ]
    for title, names in [*groups, ("all", list(results))]:
        every = [each for name in names for each in results[name]]
        killed = [each for each in every if not each.survived]
        born = [each for each in killed if not each.stillborn]
        counted = [each for each in born if each.max_score >= 2]
        nothing = sum(each.score == 0 for each in counted)
        mean = sum(each.score / each.max_score for each in counted) / max(len(counted), 1)
        named = sum(each.misconception is not None for each in born)
        table.add_row(
            title,
            str(len(every)),
            str(len(killed)),
            str(len(killed) - len(born)),
            str(sum(each.survived and each.listed for each in every)),
            str(sum(each.survived and not each.listed for each in every)),
            f"{named / max(len(born), 1):.0%}",
            f"{nothing / max(len(counted), 1):.0%}",
            f"{mean:.2f}",
        )
    return table
