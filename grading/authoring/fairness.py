"""``python -m grading fairness``: is the same work always judged the same?

Over right solutions, known mistakes and mutants of each exercise two things are compared:

- **between case sets**: points, aspects and name are equal in all of them. Which set a submission
  meets is drawn by its bytes, so a comment must not decide.
- **between check and grade**: the instant check says "Right" if and only if every set gives full
  marks.

An exception that has a reason stands in the exercise's ``ANSWER``, by the solution's label
(``uneven``, ``secret_only``).
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from rich.console import Console

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.check import RIGHT, CheckResult
from grading.answers import find_answer
from grading.authoring.mutation_run import prepare_worker
from grading.authoring.solutions import (
    Solution,
    TooSlow,
    elsewhere,
    known_solutions,
    mutant_solutions,
)
from grading.judging.outcomes import ItemOutcome

#: The first of the case sets; those of the matrix and of the mutants are others.
FIRST_SEED = 1_001


@dataclass(frozen=True)
class Unfair:
    """A solution that is not judged the same; ``what`` is "uneven" or "secret_only", as the field
    of ``Answer`` that may list it. ``listed`` without a ``detail``: it is judged the same after all."""

    label: str
    what: str
    detail: str
    listed: bool

    @property
    def ok(self) -> bool:
        return self.listed and bool(self.detail)


@dataclass(frozen=True)
class Judged:
    """What all sets say of one solution, and what the check says."""

    solution: Solution
    outcomes: tuple[ItemOutcome, ...]
    check: CheckResult

    @property
    def uneven(self) -> str:
        """How the sets differ; "" when they agree."""
        seen = Counter(
            (each.score, tuple(a.score for a in each.aspects), each.misconception or "no name")
            for each in self.outcomes
        )
        if len(seen) == 1:
            return ""
        most = self.outcomes[0].max_score
        return "; ".join(
            f"{score:g} of {most:g} {list(map(float, aspects))} {name!r} in {times} sets"
            for (score, aspects, name), times in seen.most_common()
        )

    @property
    def disagreement(self) -> str:
        """How check and grade differ; "" when they agree."""
        says_right = self.check.state == RIGHT
        is_full = all(each.score == each.max_score for each in self.outcomes)
        if says_right == is_full:
            return ""
        least = min(self.outcomes, key=lambda each: each.score)
        return (
            f"the check says {self.check.state!r}, grading gives {least.score:g} of "
            f"{least.max_score:g}: {least.misconception or least.message}"
        )


def exercise_fairness(name: str, sets: int, mutants: int) -> tuple[int, list[Unfair]]:
    """How many solutions of the exercise were tried, and what is unfair or listed in vain."""
    answer, tried, found = find_answer(name), set(), []
    count = 0
    for judged in _all_judged(name, sets, mutants):
        count += 1
        label = judged.solution.label
        tried.add(label)
        for what, detail in (("uneven", judged.uneven), ("secret_only", judged.disagreement)):
            if detail:
                listed = label in getattr(answer, what)
                found.append(Unfair(label, what, detail, listed))
    for what in ("uneven", "secret_only"):
        # Listed and judged the same; of a sample of mutants not all listed ones are tried.
        in_vain = tried - {each.label for each in found if each.what == what}
        listed = [label for label in getattr(answer, what) if label in in_vain]
        found += [Unfair(label, what, "", True) for label in listed]
    return count, found


def _all_judged(name: str, sets: int, mutants: int) -> Iterator[Judged]:
    exercise = find_exercise(name)
    known = [each for each in known_solutions(exercise) if each.label != "untouched stub"]
    with elsewhere():
        for solution in [*known, *mutant_solutions(exercise, mutants)]:
            try:
                seeds = range(FIRST_SEED, FIRST_SEED + sets)
                outcomes = tuple(solution.graded(seed) for seed in seeds)
                yield Judged(solution, outcomes, solution.checked())
            except TooSlow:  # nor would it end in the check
                continue


def fairness(names: Sequence[str], sets: int, mutants: int, jobs: int | None = None) -> bool:
    """Print of each exercise in ``names``, as it is done, what is unfair and not listed, and what is
    listed in vain; whether there was nothing."""
    console, count, kinds = Console(soft_wrap=True), 0, Counter()
    workers = jobs or os.cpu_count()
    with ProcessPoolExecutor(workers, get_context("spawn"), prepare_worker) as pool:
        running = {pool.submit(exercise_fairness, name, sets, mutants): name for name in names}
        for done in as_completed(running):
            tried, found = done.result()
            wrong = [each for each in found if not each.ok]
            console.print(
                f"{running[done]}: {tried} solutions, {len(wrong) or 'nothing'} unfair",
                highlight=False,
            )
            for each in wrong:
                console.print(
                    f"    {each.label}\n        {each.what}: {each.detail or 'listed in vain'}",
                    markup=False,
                    highlight=False,
                )
            count += tried
            kinds.update(each.what for each in wrong)
    console.print(
        f"{count} solutions over {sets} case sets: {kinds['uneven']} judged unevenly, of "
        f"{kinds['secret_only']} check and grade disagree, exceptions with a reason left aside."
    )
    return not kinds
