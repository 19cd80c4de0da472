"""Do submissions get the same marks whether or not demonstrations are left out?

``python -m benchmarks.same_marks [CHAPTER ...] [--learners 0]`` runs each submission twice, without demonstrations
where none is needed and with every cell, and compares the verdicts word for word: the sample class, each chapter's
right solutions, and every known mistake that is an edit of one of them, each in a notebook of its own.
``--learners 300`` adds a class of honest work. All of it takes more than an hour on two cores;
``--without-mistakes`` leaves out the known ones. Ends with 1 where a verdict differs.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import nbformat

from benchmarks.grading import honest_notebook
from course_lib.chapters import CHAPTERS, Chapter, find_chapter
from course_lib.exercises import chapter_exercises
from grading.answers import find_answer
from grading.answers.edit import Edit
from grading.chapter_text.reference import reference_source, replaced
from grading.classroom.pipeline import Prepared, Submission, conclude, prepare
from grading.classroom.workers import LocalWorkers, run_all
from grading.intake.matching import grade_id_of, is_solution
from grading.intake.reading import Unreadable
from grading.intake.released import read_release
from grading.judging.outcomes import ItemOutcome
from grading.paths import released_notebook, solved_notebook
from grading.runner.run import Job, RunRecord
from grading.sample_class import sample_files, submission

_SECRET = b"for this comparison, thirty-two by"


@dataclass(frozen=True)
class Work:
    """A submission, its chapter, and what to call it."""

    chapter: Chapter
    label: str
    data: bytes


@dataclass
class Compared:
    """How many submissions were run both ways, in how many of them something was left out, and which
    verdicts differ."""

    submissions: int
    shortened: int
    different: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("chapters", nargs="*")
    parser.add_argument("--learners", type=int, default=0)
    parser.add_argument("--without-mistakes", action="store_true")
    options = parser.parse_args()
    chapters = [find_chapter(name) for name in options.chapters] or list(CHAPTERS)
    most = 1 if options.without_mistakes else None
    groups = {each.id: [*samples(each), *islice(known(each), most)] for each in chapters}
    honest = find_chapter("05")
    groups["honest work"] = [
        Work(honest, f"honest {number}", honest_notebook(honest, number))
        for number in range(options.learners)
    ]
    differ = 0
    for name, works in groups.items():
        if works:
            compared = compare(works)
            differ += len(compared.different)
            for line in compared.different:
                print(line)
            print(
                f"{name}: {compared.submissions} submissions, {compared.shortened} of them without "
                f"some demonstrations: {len(compared.different)} verdicts differ.",
                flush=True,
            )
    return 1 if differ else 0


def samples(chapter: Chapter) -> Iterator[Work]:
    """What the sample class hands in."""
    release = read_release(released_notebook(chapter))
    for sample in sample_files(chapter):
        yield Work(chapter, sample.stem, submission(sample, release))


def known(chapter: Chapter) -> Iterator[Work]:
    """The solved chapter, and once for each mistake that is an edit of a solution in it."""
    solved = nbformat.read(solved_notebook(chapter), as_version=4)
    sources = {grade_id_of(cell): cell.source for cell in solved.cells if is_solution(cell)}
    yield Work(chapter, "solved", _notebook(chapter, sources))
    for exercise in chapter_exercises(chapter):
        for mistake in find_answer(exercise.name).misconceptions:
            made = mistake.solution
            if isinstance(made, Edit) and made.base is None:
                source = reference_source(exercise.name)
                for old, new in made.replacements:
                    source = replaced(source, old, new, exercise.name)
                changed = _notebook(chapter, {**sources, exercise.name: source})
                yield Work(chapter, f"{exercise.name}: {mistake.name}", changed)


def _notebook(chapter: Chapter, sources: dict[str, str]) -> bytes:
    notebook = nbformat.from_dict(read_release(released_notebook(chapter)))
    for cell in notebook.cells:
        cell.source = sources.get(grade_id_of(cell), cell.source)
    return nbformat.writes(notebook).encode()


def compare(works: list[Work]) -> Compared:
    """Run each both ways. What cannot be read is passed over: it is not run at all."""
    prepared: list[tuple[Work, Prepared]] = []
    for work in works:
        release = read_release(released_notebook(work.chapter))
        try:
            prepared.append((work, prepare(Submission(work.data), release, _SECRET)))
        except Unreadable:
            continue
    shortened = [index for index, (_, one) in enumerate(prepared) if one.job.demonstrations]
    jobs: list[tuple[tuple[int, bool], Job]] = []
    for index in shortened:
        job = prepared[index][1].job
        jobs += [((index, True), job), ((index, False), replace(job, demonstrations={}))]
    found: dict[tuple[int, bool], tuple[ItemOutcome, ...]] = {}
    with LocalWorkers() as workers:
        for (index, short), answer in run_all(jobs, workers):
            if not isinstance(answer, bytes):
                raise SystemExit(f"{prepared[index][0].label}: {answer}")
            work, one = prepared[index]
            outcome = conclude(work.chapter, one, RunRecord.unpacked(answer)).outcome
            found[index, short] = outcome.items
    different = [
        f"{work.chapter.number} {work.label}: {short}, and with every cell {whole}"
        for index in shortened
        for work in [prepared[index][0]]
        for short, whole in zip(found[index, True], found[index, False], strict=True)
        if short != whole
    ]
    return Compared(len(prepared), len(shortened), different)


if __name__ == "__main__":
    sys.exit(main())
