"""``python -m grading grade CHAPTER``: all submissions of a chapter, into gradebook and feedback.

Runs go to worker processes; this process prepares, judges and is the only one that writes. What
was found out before is looked up (``cache``, ``marks``), so a grader that was killed goes on
where it was. One learner's broken file, crash or failed write is a line in the report, no more.

First the whole class is looked through for what is unchanged, which takes milliseconds each. What judges
and writes the rest takes seconds to import, torch for one: so it is imported where it is first needed,
while the workers start.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from course_lib.chapters import Chapter
from grading.classroom.marks import Mark, Marks
from grading.classroom.results import Result, Work, write_results
from grading.classroom.secret import course_secret
from grading.classroom.turns import only_writer
from grading.classroom.versions import digest, judge_version
from grading.classroom.workers import ClusterWorkers, Here, LocalWorkers, Workers, run_all
from grading.errors import Problem, chapter_called
from grading.intake.reading import Unreadable, printable
from grading.intake.released import read_release
from grading.intake.submissions import HandedIn, Submission, submissions
from grading.intake.times import UnknownTime, read_time, utc_text
from grading.nbgrader.course import feedback_page, load_course
from grading.nbgrader.gradebook_snapshot import Standing
from grading.nbgrader.locks import GradebookLocked
from grading.nbgrader.reasons import reason_of
from grading.nbgrader.timestamps import agree, course_zone
from grading.paths import CourseFolder
from grading.runner.limits import Limits
from grading.runner.sandbox import UNPROTECTED

if TYPE_CHECKING:
    from grading.classroom.cache import ResultStore
    from grading.classroom.pipeline import Prepared
    from grading.nbgrader.writer import Writer
    from grading.runner.run import Job, RunRecord


def grade_class(
    name: str,
    course: Path,
    sandbox: bool = True,
    jobs: int | None = None,
    scheduler: str | None = None,
    warm: bool = True,
    json_file: Path | None = None,
    learners: Sequence[str] = (),
    begun: LocalWorkers | None = None,
) -> list[Result]:
    """Grade every submission of the chapter called ``name``, or those of ``learners``, and print the
    marks; for programs they go to ``json_file``, too. ``begun`` are workers that start already."""
    chapter = chapter_called(name)
    console = Console()
    if not sandbox:
        console.print(f"Grading without a sandbox. {UNPROTECTED}", style="yellow")
    handed_in = submissions(CourseFolder(course).submitted, chapter)
    if not handed_in:
        place = CourseFolder(course).submission("<learner>", chapter)
        raise Problem(f"no submissions in {place}/.")
    unknown = set(learners) - {one.learner for one in handed_in}
    if unknown:
        raise Problem(f"nothing was handed in by {', '.join(map(printable, sorted(unknown)))}.")
    if learners:
        handed_in = [one for one in handed_in if one.learner in learners]
    workers = begun or (LocalWorkers(jobs) if scheduler is None else ClusterWorkers(scheduler))
    with workers, _progress() as progress:
        grading = grade_submissions(chapter, course, handed_in, sandbox, workers, warm)
        results = list(progress.track(grading, len(handed_in), description=chapter.id))
    results.sort(key=lambda result: result.learner)
    _print_results(chapter, results, console)
    if json_file is not None:
        write_results(json_file, chapter, results)
    return results


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns,
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=120,
    )


def grade_submissions(
    chapter: Chapter,
    course: Path,
    handed_in: list[HandedIn],
    sandbox: bool = True,
    workers: Workers | None = None,
    warm: bool = True,
) -> Iterator[Result]:
    """Grade and write the submissions, each as it is done; without ``workers`` they run here."""
    workers = workers or Here()
    with only_writer(course, chapter):
        grading, new = _Grading(chapter, course, sandbox, warm), []
        for one in handed_in:
            done = grading.look(one).result
            if done is None:
                new.append(one)
            else:
                yield done
        if new:
            workers.get_ready(len(new), sandbox, grading.limits if warm else None)
        for attempt, answer in run_all(grading.attempts(new, workers), workers):
            yield attempt.result or grading.finish(attempt, answer)


@dataclass(frozen=True)
class _Attempt:
    """A submission on its way: ``result`` when nothing is left to do, ``record`` when it need not
    run, ``run_key`` to store the record under when it does."""

    one: HandedIn
    timestamp: str | None = None
    time_problem: str = ""
    key: str = ""
    submission: Submission | None = None
    prepared: "Prepared | None" = None
    run_key: str = ""
    record: "RunRecord | None" = None
    result: Result | None = None


class _Grading:
    """One grading of a chapter: the only writer of gradebook, pages, marks and stored results."""

    def __init__(self, chapter: Chapter, course: Path, sandbox: bool, warm: bool) -> None:
        config, folder = load_course(course), CourseFolder(course)
        release = folder.release(chapter)
        self.chapter, self.sandbox, self.warm = chapter, sandbox, warm
        self.course, self.config, self.folder = course, config, folder
        self.release = read_release(release)
        self.secret = course_secret(course)
        self.marks = Marks(course, chapter)
        self.standing = Standing(config, chapter.id)
        self.zone = course_zone(config)
        self.limits = Limits()
        # Everything but the submission that a mark follows from.
        self.version = digest(
            judge_version(chapter),
            release.read_bytes(),
            self.secret,
            folder.config.read_bytes(),
            self.standing.due,
            json.dumps([asdict(self.limits), sandbox]),
        )

    @cached_property
    def writer(self) -> "Writer":
        from grading.nbgrader.writer import Writer

        return Writer(self.course, self.config, self.chapter.id)

    @cached_property
    def store(self) -> "ResultStore":
        from grading.classroom.cache import ResultStore

        return ResultStore(self.folder.runs)

    def attempts(
        self, handed_in: list[HandedIn], workers: Workers
    ) -> "Iterator[tuple[_Attempt, Job | None]]":
        """Each submission with the job to run; without one when its record is known."""
        busy: list[Prepared] = []
        slots = workers.slots()
        for one in handed_in:
            attempt = self._begin(one)
            runs = attempt.result is None and attempt.record is None
            prepared = attempt.prepared if runs else None
            yield attempt, prepared.job if prepared else None
            if prepared and len(busy) < slots:
                busy.append(prepared)
                if len(busy) == slots:
                    self._use_the_wait(busy)
        if 0 < len(busy) < slots:
            self._use_the_wait(busy)

    def _use_the_wait(self, busy: "list[Prepared]") -> None:
        """Do what is done once for a class, now that all workers have something to do. What goes wrong is said
        where it is needed."""
        from grading.classroom.pipeline import foresee

        with contextlib.suppress(Exception):
            for prepared in busy:
                foresee(prepared)
            self.writer.get_ready(self.release)

    def look(self, one: HandedIn) -> _Attempt:
        """The attempt with its result where none is to be found: it is unchanged, or cannot be graded.
        May be called again, and then looks again."""
        one.mended.clear()
        # A folder's name may be any bytes; neither gradebook nor nbgrader takes what is not text.
        if one.learner != one.learner.encode(errors="replace").decode():
            problem = "not graded: the name of the folder is not UTF-8: rename it"
            return _Attempt(one, result=Result(one.learner, problem=problem))
        unseen = _unseen_by_nbgrader(one.learner)
        if unseen:
            problem = f"not graded: {unseen}"
            self.marks.put(Mark(one.learner, problem=problem))
            return _Attempt(one, result=Result(one.learner, problem=problem))
        timestamp, time_problem = self._time(one)
        attempt = _Attempt(one, timestamp, time_problem)
        try:
            try:
                submission = Submission(one.notebook(self.chapter), one.companions())
            except Unreadable as error:
                return replace(attempt, result=self._unreadable(attempt, b"", error))
            key = self._key(one, submission, timestamp)
            return replace(
                attempt, key=key, submission=submission, result=self._unchanged(one, key)
            )
        except Exception as error:
            return replace(attempt, result=self._failed(attempt, error))

    def _begin(self, one: HandedIn) -> _Attempt:
        """The attempt, repaired and with its cases, and with the record of its run if there is one."""
        attempt = self.look(one)
        if attempt.result is not None:
            return attempt
        from grading.classroom.cache import job_key
        from grading.classroom.pipeline import prepare

        try:
            self.marks.forget(one.learner)
            self.writer.begin(one.learner, attempt.timestamp)
            try:
                prepared = prepare(
                    attempt.submission,
                    self.release,
                    self.secret,
                    self.limits,
                    self.sandbox,
                    self.warm,
                )
            except Unreadable as error:
                data = attempt.submission.notebook
                return replace(attempt, result=self._unreadable(attempt, data, error))
            run_key = job_key(prepared.job)
            record = self.store.get(run_key)
            return replace(attempt, prepared=prepared, run_key=run_key, record=record)
        except Exception as error:
            return replace(attempt, result=self._failed(attempt, error))

    def _time(self, one: HandedIn) -> tuple[str | None, str]:
        """When it was handed in, else why that is unknown: "" where nothing follows from it."""
        time, problem = None, ""
        try:
            data = one.timestamp()
            if data is None:
                problem = "there is no timestamp.txt" if self.standing.due else ""
            else:
                try:
                    time = read_time(data, self.zone)
                except UnknownTime as error:
                    problem = str(error)
                agree(one.folder, data, time)
        except Unreadable as error:
            problem = str(error)
        if problem:
            one.mended.append(
                f"The time of submission is unknown ({problem}), so nothing was taken off for "
                "lateness; your instructor decides."
            )
        return None if time is None else utc_text(time), problem

    def _key(self, one: HandedIn, submission: Submission, timestamp: str | None) -> str:
        files = [part for item in sorted(submission.companions.items()) for part in item]
        parts = (timestamp or "", json.dumps(one.mended), submission.notebook, *files)
        return digest(self.version, one.learner, *parts)

    def _unchanged(self, one: HandedIn, key: str) -> Result | None:
        """The result of the last grading, if all that it follows from and all that it wrote is as
        it was. A page is made again when scores or comments were given by hand since."""
        mark = self.marks.get(one.learner)
        if mark is None or mark.key != key or mark.outcome is None:
            return None
        if not self.standing.holds(one.learner, mark.outcome):
            return None
        page = feedback_page(self.config, one.learner, self.chapter.id)
        by_hand = self.standing.by_hand(one.learner)
        if mark.by_hand != by_hand or not page.is_file():
            self.writer.feedback(one.learner)
            self.marks.put(replace(mark, by_hand=by_hand))
        return Result(
            one.learner, mark.outcome, page, work="unchanged", time_problem=mark.time_problem
        )

    def finish(self, attempt: _Attempt, answer: bytes | Exception | None) -> Result:
        """Judge what came back, write it, and note that it is written."""
        from grading.classroom.pipeline import conclude
        from grading.runner.run import RunRecord

        one, timestamp, prepared = attempt.one, attempt.timestamp, attempt.prepared
        try:
            record = attempt.record
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                record = RunRecord.unpacked(answer)
                if record.is_final:
                    self.store.put(attempt.run_key, answer)
            graded = conclude(self.chapter, prepared, record, one.learner)
            problems = (*one.mended, *graded.outcome.problems)
            outcome = replace(graded.outcome, problems=problems)
            # Nobody knows the one that is made up here: such a page is fetched by nobody.
            secret = one.secret() or digest(self.secret, one.learner, self.chapter.id)
            self.writer.write(one.learner, graded.notebook, outcome, timestamp, secret)
            page = self.writer.feedback(one.learner)
            key = attempt.key if record.is_final else ""
            by_hand = self.standing.by_hand(one.learner)
            unknown = attempt.time_problem
            self.marks.put(Mark(one.learner, key, by_hand, outcome, time_problem=unknown))
        except Exception as error:
            return self._failed(attempt, error)
        work: Work = "judged" if attempt.record is not None else "run"
        return Result(one.learner, outcome, page, work=work, time_problem=unknown)

    def _failed(self, attempt: _Attempt, error: Exception) -> Result:
        """Whatever went wrong, the other learners are to be graded, unless all would fail alike."""
        if isinstance(error, GradebookLocked):
            raise error
        one = attempt.one
        reason = str(error)
        if not isinstance(error, Problem):
            reason = f"{type(error).__name__}: {reason_of(error)}"
        problem = f"could not be graded: {printable(' '.join(reason.split()))}"
        try:
            self.marks.forget(one.learner)
            self.writer.begin(one.learner, attempt.timestamp)
            self.marks.put(Mark(one.learner, problem=problem))
        except Exception as again:  # nothing can be written: go no further
            said = printable(" ".join(reason_of(again).split()))
            raise Problem(
                f"{printable(one.learner)} {problem}; and that could not be written down: {said}. "
                "Once this is fixed, run `grade` again: it goes on from there."
            ) from None
        return Result(one.learner, problem=problem)

    def _unreadable(self, attempt: _Attempt, data: bytes, error: Unreadable) -> Result:
        one, problem = attempt.one, f"not graded: {error}"
        self.marks.forget(one.learner)
        self.writer.begin(one.learner, attempt.timestamp)
        self.writer.set_aside(one.learner, data, str(error))
        self.marks.put(Mark(one.learner, problem=problem))
        return Result(one.learner, problem=problem)


def _unseen_by_nbgrader(name: str) -> str:
    """Why nbgrader's lists would lack a learner of that name; "" when they have it."""
    if name.startswith("."):
        return "nbgrader does not see folders whose names begin with a dot: rename it"
    if printable(name) != name or "<" in name or ">" in name:
        return "formgrader does not show names with < or > or control characters: rename the folder"
    return ""


def _print_results(chapter: Chapter, results: list[Result], console: Console) -> None:
    table = Table(title=f"{chapter.id}: {chapter.title}", title_justify="left")
    table.add_column("learner")
    table.add_column("points", justify="right")
    table.add_column("misconceptions, and what could not be graded", overflow="fold")
    for result in results:
        learner = escape(printable(result.learner))
        if result.outcome is None:
            table.add_row(learner, "-", f"[red]! {escape(result.problem)}[/]")
            continue
        outcome = result.outcome
        named = [item.misconception for item in outcome.items if item.misconception]
        scored = f"{outcome.score:g} / {outcome.max_score:g}"
        if result.time_problem:
            named.append(f"[time of submission unknown: {result.time_problem}]")
        table.add_row(learner, scored, escape(", ".join(named)))
    console.print(table)
    works = [result.work for result in results]
    console.print(
        f"{len(works)} submission{'' if len(works) == 1 else 's'}: {works.count('run')} run, "
        f"{works.count('judged')} judged again from stored runs, {works.count('unchanged')} unchanged."
    )
