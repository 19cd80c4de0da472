"""``python -m grading watch``: grades work when it is handed in, and gives the page back.

Submissions come through nbgrader's exchange folder, or as folders in ``submitted/``. One warm pool of
workers grades them; ``attempts`` has the policies and what is done. Stopped at any moment, it goes on
from there; a second one stands by.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import typer
from traitlets.config import Config

from course_lib.chapters import Chapter
from grading.classroom.attempts import (
    Note,
    Notes,
    next_attempts,
    over_the_limit,
    policies_of,
)
from grading.classroom.grade_class import grade_submissions
from grading.classroom.marks import Marks
from grading.classroom.results import Result
from grading.classroom.turns import only_watcher
from grading.classroom.workers import LocalWorkers, Workers
from grading.errors import Problem, chapters_called
from grading.intake.reading import printable
from grading.intake.submissions import SECRET, HandedIn, submissions
from grading.nbgrader.course import load_course
from grading.nbgrader.exchange import Attempt, attempts, release_page, take
from grading.nbgrader.reasons import reason_of
from grading.nbgrader.scores import due_date
from grading.nbgrader.timestamps import course_zone
from grading.paths import CourseFolder
from grading.runner.sandbox import check_protection

#: Seconds between looks, and the longest pause after something went wrong.
INTERVAL = 2.0
_LONGEST = 60.0


def _say(line: str) -> None:
    typer.echo(f"{datetime.now():%H:%M:%S} {line}")


def watch(names: list[str], course: Path, once: bool = False, jobs: int | None = None) -> None:
    """Watch the chapters called ``names`` (all that are released, without any) until interrupted;
    ``once`` deals with what is there and ends."""
    check_protection(True)
    load_course(course)
    released = [
        one for one in chapters_called(names) if CourseFolder(course).release(one).is_file()
    ]
    if not released:
        raise Problem(f"no chapter is released in {course}: run `python -m grading release`.")
    with only_watcher(course), LocalWorkers(jobs) as workers:
        watched = [Watched(chapter, course, workers) for chapter in released]
        _say(f"Watching {', '.join(chapter.id for chapter in released)}; Ctrl-C stops it.")
        pause = INTERVAL
        while True:
            # A full disk, a locked gradebook: later it may be well again.
            try:
                config = load_course(course)
                busy = [one.look(config) for one in watched]
                pause = INTERVAL
            except (Problem, OSError) as error:
                if once:
                    raise Problem(reason_of(error)) from None
                busy, pause = [], min(2 * pause, _LONGEST)
                _say(f"error: {reason_of(error)} Trying again in {pause:g} s.")
            if any(busy):
                continue
            if once:
                return
            time.sleep(pause)


class Watched:
    """One chapter that is watched."""

    def __init__(
        self, chapter: Chapter, course: Path, workers: Workers, say: Callable[[str], None] = _say
    ) -> None:
        self.chapter, self.course, self.workers, self.say = chapter, course, workers, say
        self.submitted = CourseFolder(course).submitted
        self.notes, self.marks = Notes(course, chapter), Marks(course, chapter)
        self._seen: dict[str, object] = {}
        self._graded: dict[str, object] = {}

    def look(self, config: Config) -> bool:
        """Deal with what has come, by the course's settings; whether there was anything."""
        policies, found = policies_of(config), attempts(config, self.chapter.id)
        for attempt in over_the_limit(found, policies.attempts_per_day, course_zone(config) or UTC):
            if self.notes.get(attempt) is None:
                limit = f"{policies.attempts_per_day} on one day are graded"
                self._note(attempt, problem=f"not graded: {limit}")
        show = policies.feedback == "at once" or self._is_due(config)
        waiting = next_attempts(found, self.notes, policies.counts)
        for result in self._grade(config, waiting):
            if show and result.feedback is not None:
                release_page(config, result.learner, self.chapter.id)
            score = result.outcome.score if result.outcome else None
            shown = show and result.feedback is not None
            self._note(waiting[result.learner], score, result.problem, shown)
        for attempt in waiting.values():
            if self.notes.get(attempt) is None:  # else it would come up at every look
                self._note(attempt, problem="not graded: its folder is not a learner's")
        if policies.counts == "last":
            self._leave_out_older(found)
        else:
            list(self._grade(config, self._better(found)))
        if show:
            self._show_the_rest(config, found)
        changed = self._changed()
        before = {one.learner: self.marks.get(one.learner) for one in changed}
        for result in self._grade_folders(changed):
            noted = before[result.learner]
            known = noted is not None and noted.problem != "" and noted.problem == result.problem
            if result.work != "unchanged" and not known:
                score = result.outcome.score if result.outcome else None
                self._tell(result.learner, score, result.problem)
        return bool(waiting or changed)

    def _is_due(self, config: Config) -> bool:
        due = due_date(config, self.chapter.id)
        return due is None or datetime.now(UTC) >= due

    def _grade(self, config: Config, chosen: dict[str, Attempt]) -> Iterator[Result]:
        for attempt in chosen.values():
            take(config, attempt, self._folder(attempt))
        return self._grade_folders([one for one in self._handed_in() if one.learner in chosen])

    def _grade_folders(self, handed_in: list[HandedIn]) -> Iterator[Result]:
        if handed_in:
            states = {one.learner: _state(one.folder) for one in handed_in}
            yield from grade_submissions(self.chapter, self.course, handed_in, workers=self.workers)
            self._graded |= states

    def _leave_out_older(self, found: list[Attempt]) -> None:
        """What nobody will grade: a later attempt has been."""
        newest: dict[str, Attempt] = {}
        for attempt in reversed(found):
            if self.notes.get(attempt) is not None:
                newest.setdefault(attempt.learner, attempt)
            elif attempt.learner in newest:
                name = attempt.folder.name
                self.notes.put(Note(name, attempt.learner, problem="a later one counts"))

    def _better(self, found: list[Attempt]) -> dict[str, Attempt]:
        """By learner, the best attempt, where another one is in the gradebook."""
        chosen = {}
        for learner in {attempt.learner for attempt in found}:
            best = self.notes.best(learner, found)
            if best and not _same_secret(best.folder, self._folder(best)):
                chosen[learner] = best
        return chosen

    def _show_the_rest(self, config: Config, found: list[Attempt]) -> None:
        """Pages that were held back until the due date: of the attempts that count."""
        noted = [note for note in map(self.notes.get, found) if note is not None]
        held = [note for note in noted if note.score is not None and not note.shown]
        for learner in {note.learner for note in held}:
            release_page(config, learner, self.chapter.id)
        for note in held:
            self.notes.put(replace(note, shown=True))

    def _note(
        self, attempt: Attempt, score: float | None = None, problem: str = "", shown: bool = False
    ) -> None:
        self.notes.put(Note(attempt.folder.name, attempt.learner, score, problem, shown))
        self._tell(attempt.learner, score, problem)

    def _tell(self, learner: str, score: float | None, problem: str) -> None:
        points = problem if score is None else f"{score:g} points"
        self.say(f"{self.chapter.id}, {printable(learner)}: {points}")

    def _changed(self) -> list[HandedIn]:
        """Folders that are not as they were when they were last graded, and that nobody is writing
        just now."""
        changed = []
        for one in self._handed_in():
            state = _state(one.folder)
            if self._graded.get(one.learner) != state:
                if self._seen.get(one.learner, state) == state:
                    changed.append(one)
                self._seen[one.learner] = state
        return changed

    def _handed_in(self) -> list[HandedIn]:
        return submissions(self.submitted, self.chapter)

    def _folder(self, attempt: Attempt) -> Path:
        return self.submitted / attempt.learner / self.chapter.id


def _same_secret(one: Path, other: Path) -> bool:
    try:
        return (one / SECRET).read_bytes() == (other / SECRET).read_bytes()
    except OSError:
        return False


def _state(folder: Path) -> object:
    """What changes when a file in there does."""
    found = []
    for top, _, names in os.walk(folder):
        for name in sorted(names):
            with suppress(OSError):
                status = os.lstat(os.path.join(top, name))
                found.append((top, name, status.st_mtime_ns, status.st_size, status.st_ino))
    return found
