"""Grading a class: in parallel, resumable, from stored results, on a cluster; and its report.

The smallest chapter and three learners (``class_of_three``). Where a kernel is not the point, ``run`` is counted, or
answered from what the first grading stored.
"""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from PIL import Image
from typer.testing import CliRunner

from course_lib.chapters import find_chapter
from grading.__main__ import app
from grading.classroom import grade_class
from grading.classroom.cache import ResultStore, job_key
from grading.classroom.marks import Marks
from grading.classroom.pipeline import Submission, prepare
from grading.classroom.secret import course_secret
from grading.classroom.workers import LocalWorkers, run_all, run_elsewhere
from grading.errors import Failure
from grading.intake.matching import is_solution
from grading.intake.released import read_release
from grading.nbgrader.course import load_course
from grading.nbgrader.writer import Writer
from grading.paths import REPOSITORY
from grading.runner import run as run_module
from grading.runner.limits import Limits
from grading.runner.replies import Reply
from grading.runner.run import Job, RunRecord
from tests.grading.class_of_three import POINTS, grade
from tests.grading.handing_in import as_bytes
from tests.grading.versioned import clear_versions
from tests.modules_loaded import SLOW, loaded_by

pytestmark = [pytest.mark.usefixtures("sandbox"), pytest.mark.slow]

CHAPTER = find_chapter("00")


def _scores(results: dict[str, grade_class.Result]) -> dict[str, float | None]:
    return {name: r.outcome.score if r.outcome else None for name, r in results.items()}


def _gradebook(course: Path) -> dict[str, dict[str, float | None]]:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {
            submission.student.id: {grade.name: grade.auto_score for grade in notebook.grades}
            for submission in gradebook.assignment_submissions(CHAPTER.id)
            for notebook in submission.notebooks
        }


@pytest.fixture
def course(graded, tmp_path) -> Path:
    """The graded course, to be changed. Its configuration names no folder but its own."""
    return Path(shutil.copytree(graded[0], tmp_path / "course"))


@pytest.fixture
def kernels(monkeypatch) -> list[Job]:
    """The jobs that needed a kernel."""
    used: list[Job] = []
    real = run_module.run

    def counted(job: Job) -> RunRecord:
        used.append(job)
        return real(job)

    monkeypatch.setattr(run_module, "run", counted)
    return used


def test_marks(graded):
    course, results = graded
    assert _scores(results) == POINTS
    for learner, result in results.items():
        assert _gradebook(course)[learner] == {i.grade_id: i.score for i in result.outcome.items}


# --- stored results ----------------------------------------------------------------------------------


def test_an_unchanged_class_is_neither_run_nor_written(course, kernels, monkeypatch):
    monkeypatch.setattr(Writer, "begin", None)  # not even begun
    monkeypatch.setattr(Writer, "write", None)
    monkeypatch.setattr(Writer, "feedback", None)
    results = grade(course)
    assert {result.work for result in results.values()} == {"unchanged"}
    assert _scores(results) == POINTS
    assert not kernels


def test_an_unchanged_class_needs_nothing_that_judges_or_runs(course):
    report = course / "report.json"
    loaded = loaded_by("grading", "grade", "00", "--course", str(course), "--json", str(report))
    assert json.loads(report.read_text())["learners"].keys() == POINTS.keys()
    assert "grading.classroom.grade_class" in loaded
    assert loaded.isdisjoint((*SLOW, "grading.classroom.pipeline", "grading.runner.kernel"))


def test_what_is_new_names_the_package_that_is_missing(course, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    file = course / "submitted" / "ann" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    file.write_bytes(file.read_bytes() + b" ")
    done = subprocess.run(
        [sys.executable, "-m", "grading", "grade", "00", "--course", str(course)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.strip() == "error: torch is missing or broken here: run `make setup`"


def test_changed_answers_need_no_kernel(course, kernels, monkeypatch):
    monkeypatch.setattr(grade_class, "judge_version", lambda chapter: "another key")
    results = grade(course)
    assert {result.work for result in results.values()} == {"judged"}
    assert _scores(results) == POINTS
    assert not kernels


def test_changed_review_flags_are_judged_from_stored_runs(course, kernels, other_repository):
    assert {result.work for result in grade(course).values()} == {"unchanged"}
    with (other_repository / "grading" / "judging" / "review_flags.py").open("a") as file:
        file.write("# one more flag\n")
    clear_versions()
    assert {result.work for result in grade(course).values()} == {"judged"}
    assert not kernels


@pytest.mark.parametrize("half", ["course_lib/exercises", "grading/answers"])
def test_a_change_in_another_chapters_exercise_touches_no_result(
    course, kernels, other_repository, half
):
    [module] = [
        path
        for path in sorted((other_repository / half).rglob("*.py"))
        if path.relative_to(other_repository / half).parts[0].startswith("ch05")
    ][:1]
    module.write_text(module.read_text() + "# changed\n")
    clear_versions()
    assert {result.work for result in grade(course).values()} == {"unchanged"}
    assert not kernels


def test_another_submission_runs_alone(course, kernels):
    file = course / "submitted" / "cleo" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    file.write_bytes((course / "submitted" / "ann" / CHAPTER.id / file.name).read_bytes())
    (file.parent / "notes.txt").write_text("a file beside it counts")
    results = grade(course)
    assert {name: result.work for name, result in results.items()} == {
        "ann": "unchanged",
        "bob": "unchanged",
        "cleo": "run",
    }
    assert _scores(results) == {**POINTS, "cleo": 6.0}
    assert len(kernels) == 1


@pytest.mark.parametrize("lost", ["gradebook", "autograded", "feedback"])
def test_what_was_lost_is_written_again(course, kernels, lost):
    if lost == "gradebook":
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            row = gradebook.find_grade("q00_1__test", CHAPTER.id, CHAPTER.id, "ann")
            row.auto_score = 0.0
            gradebook.db.commit()
    else:
        shutil.rmtree(course / lost / "ann")
    results = grade(course)
    assert results["ann"].work == ("unchanged" if lost == "feedback" else "judged")
    assert results["bob"].work == "unchanged"
    assert _gradebook(course)["ann"]["q00_1__test"] == 1.0
    assert results["ann"].feedback.is_file()
    assert not kernels


def test_a_result_that_time_cut_short_is_not_kept(course, monkeypatch):
    def stopped(job: Job) -> RunRecord:
        late = Failure("timeout", "Your code was called, and it was not done after 60 s.")
        return RunRecord(dict.fromkeys(job.queries, late), cut_short=True)

    stored = set((course / "results" / "runs").rglob("*"))
    # Another cell, not another byte of the file: such a byte may lead to the same cases, and then
    # to the same run, which is stored.
    file = course / "submitted" / "ann" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    next(cell for cell in notebook.cells if is_solution(cell)).source += "\n# once more"
    file.write_bytes(as_bytes(notebook))
    monkeypatch.setattr(run_module, "run", stopped)
    assert _scores(grade(course))["ann"] == 0.0
    again = grade(course)
    assert [again[name].work for name in POINTS] == ["run", "unchanged", "unchanged"]
    assert set((course / "results" / "runs").rglob("*")) == stored


def test_a_case_that_took_too_long_is_not_final():
    assert RunRecord({"a__test": [Reply(packed=b"x")]}).is_final
    assert not RunRecord({"a__test": [Reply(failure="timeout", detail="2 s")]}).is_final
    assert not RunRecord({"a__test": Failure("timeout", "It was stopped.")}).is_final
    assert RunRecord({"a__test": Failure("error", "It raised.")}).is_final


def test_a_record_comes_back_as_it_was(graded, tmp_path):
    """As bytes, from the store, and judged the same; damaged files count as none."""
    course, _ = graded
    paths = [path for path in (course / "results" / "runs").rglob("*") if path.is_file()]
    assert len(paths) == 3
    for path in paths:
        data = path.read_bytes().partition(b"\n")[2]
        assert RunRecord.unpacked(data).packed() == data
        assert path.stat().st_mode & 0o077 == 0
    store = ResultStore(tmp_path)
    assert store.get("ab12") is None
    store.put("ab12", data)
    assert store.get("ab12") is not None
    [written] = [path for path in tmp_path.rglob("*") if path.is_file()]
    written.write_bytes(written.read_bytes()[:-1])
    assert store.get("ab12") is None


def test_the_key_of_a_job_follows_from_its_content(graded):
    course, _ = graded
    released = read_release(course / "release" / CHAPTER.id / f"{CHAPTER.id}.ipynb")
    file = course / "submitted" / "ann" / CHAPTER.id / f"{CHAPTER.id}.ipynb"

    def key(companions=None, secret=course_secret(course), **limits) -> str:  # noqa: B008
        submission = Submission(file.read_bytes(), companions or {})
        return job_key(prepare(submission, released, secret, Limits(**limits)).job)

    keys = [key(), key({"a.py": b"1"}), key({"a.py": b"2"}), key(secret=b"x" * 32), key(replays=1)]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


# --- what people gave by hand, and lateness --------------------------------------------------------


def test_a_manual_score_and_a_comment_survive_and_reach_the_page(course, kernels):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("q00_1__test", CHAPTER.id, CHAPTER.id, "bob").manual_score = 0.5
        comment = gradebook.find_comment("first_bad_step", CHAPTER.id, CHAPTER.id, "bob")
        comment.manual_comment = "Nicely done."
        gradebook.db.commit()
    results = grade(course)
    assert results["bob"].work == "unchanged"
    assert "Nicely done." in results["bob"].feedback.read_text()
    file = course / "submitted" / "bob" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    (file.parent / "timestamp.txt").write_text("2026-01-02 03:04:05 UTC")  # judged and written anew
    results = grade(course)
    assert results["bob"].work == "judged"
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        row = gradebook.find_grade("q00_1__test", CHAPTER.id, CHAPTER.id, "bob")
        assert (row.auto_score, row.manual_score, row.score) == (0.0, 0.5, 0.5)
    assert "Nicely done." in results["bob"].feedback.read_text()
    assert not kernels


def test_a_late_submission_is_penalised_once_there_is_a_due_date(course, kernels):
    folder = course / "submitted" / "ann" / CHAPTER.id
    (folder / "timestamp.txt").write_text("2026-03-02 10:00:00 UTC")
    with (course / "nbgrader_config.py").open("a") as config:
        config.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    for due, score in ((None, 6.0), (datetime(2026, 3, 1), 0.0), (datetime(2026, 3, 3), 6.0)):
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            gradebook.find_assignment(CHAPTER.id).duedate = due
            gradebook.db.commit()
        assert _scores(grade(course))["ann"] == 6.0
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            found = gradebook.find_submission(CHAPTER.id, "ann")
            assert found.score - (found.late_submission_penalty or 0.0) == score
    assert not kernels


def test_a_time_that_is_not_certain_is_reported_and_takes_no_points(course, kernels):
    """Due 23:59 in Berlin; handed in at 23:58, said in ways that nbgrader takes for something else."""
    said = {"ann": "2026-10-12 23:58:00 CEST", "bob": "12.10.2026 21:58", "cleo": None}
    for learner, text in said.items():
        file = course / "submitted" / learner / CHAPTER.id / "timestamp.txt"
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.find_assignment(CHAPTER.id).duedate = datetime(2026, 10, 12, 21, 59)
        gradebook.find_submission(CHAPTER.id, "ann").timestamp = datetime(2026, 10, 14)
        gradebook.db.commit()
    results = grade(course)
    assert _scores(results) == POINTS
    assert "CEST" in results["ann"].time_problem
    assert "12.10.2026" in results["bob"].time_problem
    assert "no timestamp.txt" in results["cleo"].time_problem
    for learner in said:
        assert "time of submission is unknown" in results[learner].feedback.read_text().lower()
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            found = gradebook.find_submission(CHAPTER.id, learner)
            assert (found.timestamp, found.late_submission_penalty) == (None, 0.0)
    report = CliRunner().invoke(app, ["report", "00", "--course", str(course)])
    assert "Time of submission unknown, lateness left to you: 3" in report.stdout
    again = grade(course)
    assert {result.work for result in again.values()} == {"unchanged"}
    assert again["ann"].time_problem == results["ann"].time_problem
    # Formgrader reads the file itself: what it would stumble over stands beside it.
    api = NbGraderAPI(config=load_course(course))
    assert api.get_submitted_timestamp(CHAPTER.id, "ann") is None
    assert api.get_autograded_students(CHAPTER.id) == set(said)
    # The course's own zone makes the abbreviation certain.
    with (course / "nbgrader_config.py").open("a") as config:
        config.write('c.Exchange.timezone = "Europe/Berlin"\n')
    assert grade(course)["ann"].time_problem == ""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        found = gradebook.find_submission(CHAPTER.id, "ann")
        assert (found.timestamp, found.total_seconds_late) == (datetime(2026, 10, 12, 21, 58), 0)
    assert not kernels


def test_export_agrees_with_grade_notebook(graded, tmp_path):
    course, results = graded
    target = tmp_path / "grades.csv"
    command = [sys.executable, "-m", "nbgrader", "export", f"--CsvExportPlugin.to={target}"]
    subprocess.run(command, cwd=course, check=True, capture_output=True)
    with target.open() as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert exported == POINTS
    file = course / "submitted" / "bob" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    done = CliRunner().invoke(app, ["grade-notebook", str(file), "--json", "--course", str(course)])
    assert json.loads(done.stdout) == results["bob"].outcome.as_json()


def test_the_evidence_for_a_mark_can_be_looked_at(course, kernels):
    arguments = ["observed", "00", "bob", "--course", str(course)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "came list of 4: 'loss', 'forward', 'backward', 'step'" in result.stdout
    assert "expected list of 4: 'forward', 'loss', 'backward', 'step'" in result.stdout
    assert "== q00_1" in result.stdout
    only = CliRunner().invoke(app, [*arguments, "--exercise", "q00_1"])
    assert only.stdout.splitlines()[0] == "== q00_1"
    assert "'A'" in only.stdout
    nobody = CliRunner().invoke(app, ["observed", "00", "eve", "--course", str(course)])
    assert (nobody.exit_code, nobody.stderr.count("\n")) == (2, 1)
    assert not kernels


# --- killed and gone on ------------------------------------------------------------------------------


def _command(course: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "grading", "grade", "00", "--course", str(course), *options]


def _wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_ctrl_c_while_the_server_of_the_workers_imports_says_nothing(handed_in, tmp_path):
    course = Path(shutil.copytree(handed_in, tmp_path / "course"))
    grader = subprocess.Popen(
        _command(course),
        cwd=REPOSITORY,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As from a terminal: tests may have been started where Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )

    def has_torch(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return any("torch" in file.path for file in process.memory_maps())
        return False

    try:
        _wait_for(lambda: any(map(has_torch, psutil.Process(grader.pid).children(recursive=True))))
    finally:
        os.killpg(grader.pid, signal.SIGINT)
    assert grader.communicate(timeout=120)[0].strip() == ""
    assert grader.returncode == 130


def test_a_grader_that_was_killed_goes_on_where_it_was(handed_in, graded, tmp_path, kernels):
    course = Path(shutil.copytree(handed_in, tmp_path / "course"))
    grader = subprocess.Popen(
        _command(course, "--jobs", "1"),
        cwd=REPOSITORY,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    family: set[psutil.Process] = set()

    def first_is_done() -> bool:
        family.update(psutil.Process(grader.pid).children(recursive=True))
        assert grader.poll() is None
        return any(mark.outcome for mark in Marks(course, CHAPTER).all())

    try:
        _wait_for(first_is_done)
    finally:
        os.killpg(grader.pid, signal.SIGKILL)
        grader.wait()
    _wait_for(lambda: not any(one.is_running() and one.status() != "zombie" for one in family), 20)
    finished = [mark for mark in Marks(course, CHAPTER).all() if mark.outcome]
    stored = [path for path in (course / "results" / "runs").rglob("*") if path.is_file()]
    results = grade(course)
    assert 1 <= len(finished) <= len(stored) <= 3
    assert len(kernels) == 3 - len(stored)
    assert [r.work for r in results.values()].count("unchanged") == len(finished)
    assert _scores(results) == POINTS
    assert _gradebook(course) == _gradebook(graded[0])


def test_killed_at_any_moment_it_ends_with_the_same_marks(handed_in, graded, tmp_path):
    """One grading that is killed again and again: while a kernel runs, when a result was stored, in
    the middle of writing to the gradebook, between gradebook and page, and at random moments."""
    course = Path(shutil.copytree(handed_in, tmp_path / "course"))
    random = Random(4)

    def there(pattern: str) -> int:
        return sum(1 for path in course.glob(pattern) if path.is_file())

    def at(condition: Callable[[], bool]) -> Callable[[subprocess.Popen], bool]:
        return lambda grader: condition()

    def after(seconds: float) -> Callable[[subprocess.Popen], bool]:
        until = time.monotonic() + seconds
        return lambda grader: time.monotonic() > until

    def kernel(grader: subprocess.Popen) -> bool:
        family = psutil.Process(grader.pid).children(recursive=True)
        return any(one.name() == "bwrap" for one in family)

    stored, pages = "results/runs/*/*", "feedback/*/*/*.html"
    moments = (
        lambda: kernel,
        lambda: after(random.uniform(1, 6)),
        lambda: at(lambda: there(stored) >= 1),
        lambda: at((course / "gradebook.db-journal").exists),
        lambda: at(lambda: there("autograded/*/*/*.ipynb") > there(pages)),
        lambda: after(random.uniform(2, 8)),
        lambda: at(lambda: there(pages) >= 2),
    )
    killed = 0
    for moment in moments:
        reached = moment()
        grader = subprocess.Popen(
            _command(course, "--jobs", "1"),
            cwd=REPOSITORY,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while grader.poll() is None:
                with contextlib.suppress(psutil.Error):
                    if reached(grader):
                        killed += 1
                        break
                time.sleep(0.001)  # or looking takes a core from the grader
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(grader.pid, signal.SIGKILL)
            grader.wait()
    assert killed >= 4  # what is quick may be over before it is seen
    results = grade(course)
    assert _scores(results) == POINTS
    assert _gradebook(course) == _gradebook(graded[0])
    for learner in POINTS:
        pages = [one / "feedback" / learner / CHAPTER.id for one in (course, graded[0])]
        ours, theirs = [(page / f"{CHAPTER.id}.html").read_bytes() for page in pages]
        assert ours == theirs


def test_two_processes_give_the_marks_of_one(handed_in, graded, tmp_path):
    """Through the command, as an instructor calls it."""
    course = Path(shutil.copytree(handed_in, tmp_path / "course"))
    done = subprocess.run(
        _command(course, "--jobs", "2"), cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "3 submissions: 3 run" in done.stdout
    assert "loss before forward" in done.stdout
    assert _gradebook(course) == _gradebook(graded[0])
    marks = {mark.learner: mark.outcome for mark in Marks(course, CHAPTER).all()}
    assert marks == {name: result.outcome for name, result in graded[1].items()}


class _Killer(threading.Thread):
    """Kills the first of these processes that has a kernel below it; ``killed`` says which."""

    def __init__(self, processes: Callable[[], list[psutil.Process]]) -> None:
        super().__init__(daemon=True)
        self.processes, self.killed = processes, 0
        self.start()

    def run(self) -> None:
        while not self.killed:
            with contextlib.suppress(psutil.Error):
                for one in self.processes():
                    if one.children():
                        one.kill()
                        self.killed = one.pid
                        return
            time.sleep(0.05)


def _is_forkserver(process: psutil.Process) -> bool:
    try:
        return "forkserver" in " ".join(process.cmdline())
    except psutil.Error:  # one that has ended tells nothing, and must not hide the others
        return False


def test_a_worker_killed_in_mid_run_changes_no_mark(course):
    """Its job runs again, in a new pool."""
    shutil.rmtree(course / "results")
    with LocalWorkers(1) as workers:

        def pool() -> list[psutil.Process]:
            mine = psutil.Process().children(recursive=True)
            return [one for one in mine if _is_forkserver(one)][1:]

        killer = _Killer(pool)
        assert _scores(grade(course, workers)) == POINTS
        assert killer.killed
        assert len(workers._pools) == 2


def test_a_job_that_ends_its_worker_each_time_is_given_up(monkeypatch):
    """Only that job: what ran beside it is done."""
    monkeypatch.setattr("grading.classroom.workers.run_packed", _packed_or_dead)
    with LocalWorkers(2) as workers:
        jobs = [
            (name, Job(nbformat.v4.new_notebook(), {}, CHAPTER.id, {name: b""})) for name in "aXb"
        ]
        answers = dict(run_all(jobs, workers))
    assert "ended 3 times" in str(answers.pop("X"))
    assert answers == {"a": b"a", "b": b"b"}


def _packed_or_dead(job: Job) -> bytes:
    [name] = job.companions
    if name == "X":
        os._exit(9)
    return name.encode()


def test_a_worker_with_another_version_refuses():
    with pytest.raises(Exception, match="a different version"):
        run_elsewhere(Job(nbformat.v4.new_notebook(), {}), "old")


# --- a cluster ---------------------------------------------------------------------------------------


def test_a_cluster_gives_the_same_marks_though_a_worker_dies(course, graded, tmp_path):
    """A real scheduler and two worker processes on 127.0.0.1, which have an empty folder only."""
    pytest.importorskip("distributed", reason="distributed is not installed: --scheduler needs it")
    shutil.rmtree(course / "results")
    own = {**os.environ, "PYTHONPATH": str(REPOSITORY), "DASK_DISTRIBUTED__DASHBOARD__LINK": ""}
    (tmp_path / "empty").mkdir()
    note = tmp_path / "scheduler.json"

    def start(module: str, *options: str) -> subprocess.Popen:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"distributed.cli.{module}",
                "--scheduler-file",
                str(note),
                *options,
            ],
            cwd=tmp_path / "empty",
            env=own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    started = [start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")]
    try:
        _wait_for(note.exists)
        address = json.loads(note.read_text())["address"]
        options = ("--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        started += [start("dask_worker", *options) for _ in range(2)]

        def workers() -> list[psutil.Process]:
            return [
                child
                for one in started[1:]
                for child in psutil.Process(one.pid).children(recursive=True)
                if "spawn_main" in " ".join(child.cmdline())
            ]

        _wait_for(lambda: len(workers()) == 2)
        killer = _Killer(workers)
        done = subprocess.run(
            _command(course, "--scheduler", address),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert killer.killed
        assert "3 submissions: 3 run" in done.stdout
        assert _gradebook(course) == _gradebook(graded[0])
    finally:
        for one in reversed(started):
            one.terminate()
        for one in started:
            one.wait(timeout=30)


def test_a_scheduler_that_is_not_there_is_one_line(course):
    pytest.importorskip("distributed", reason="distributed is not installed: --scheduler needs it")
    result = CliRunner().invoke(app, [*_command(course)[3:], "--scheduler", "tcp://127.0.0.1:9"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "cannot reach the scheduler" in result.stderr


def test_a_missing_dask_is_one_line(course, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = CliRunner().invoke(app, [*_command(course)[3:], "--scheduler", "tcp://127.0.0.1:9"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "needs Dask" in result.stderr


# --- the report --------------------------------------------------------------------------------------


def test_report_as_table_csv_and_picture(course, tmp_path):
    files = [tmp_path / "class.csv", tmp_path / "class.png"]
    arguments = ["report", "00", "--course", str(course), "--csv", files[0], "--png", files[1]]
    result = CliRunner().invoke(app, [str(part) for part in arguments])
    assert result.exit_code == 0, result.output
    assert "3 learners: median 4 of 6 points, 1 with full marks." in result.stdout
    assert "loss before forward" in result.stdout
    with files[0].open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert ("learners with misconception", "order_the_beats", "loss before forward", "1") in rows
    assert ("learners with score", "", "4", "1") in rows
    assert ("learners with verdict", "q00_1", "failed", "1") in rows
    scores = [int(value) for kind, _, _, value in rows if kind == "learners with score"]
    assert scores == [1, 0, 0, 0, 1, 0, 1]
    with Image.open(files[1]) as picture:
        assert picture.width == 1000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["report", "00"], "run `python -m grading grade 00"),
        (["report", "77"], "77"),
        (["grade", "00", "--jobs", "2", "--scheduler", "tcp://a:1"], "--jobs"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(handed_in, arguments, reason):
    result = CliRunner().invoke(app, [*arguments, "--course", str(handed_in)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr


def test_a_file_is_no_course_directory(tmp_path):
    file = tmp_path / "course"
    file.touch()
    result = CliRunner().invoke(app, ["report", "00", "--course", str(file)])
    assert result.exit_code == 2
    assert result.stderr == f"error: {file} is a file; --course takes a folder.\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX")
def test_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.ipynb"
    os.mkfifo(pipe)
    result = CliRunner().invoke(app, ["grade-notebook", str(pipe)])
    assert result.exit_code == 2
    assert result.stderr == f"error: {pipe}: not a file.\n"


def test_a_gradebook_that_cannot_be_written_ends_the_command_in_one_line(course, monkeypatch):
    def full(self, learner, timestamp):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(grade_class, "judge_version", lambda chapter: "another key")
    monkeypatch.setattr(Writer, "begin", full)
    result = CliRunner().invoke(app, ["grade", "00", "--course", str(course), "--jobs", "1"])
    assert result.exit_code == 2
    assert result.stderr.strip().count("\n") == 0
    assert "No space left on device; and that could not be written down" in " ".join(
        result.stderr.split()
    )


def test_report_names_who_could_not_be_graded(course, tmp_path):
    file = course / "submitted" / "bob" / CHAPTER.id / f"{CHAPTER.id}.ipynb"
    file.write_bytes(b'{"cells": [')
    assert load_course(course)
    grade(course)
    result = CliRunner().invoke(app, ["report", "00", "--course", str(course)])
    assert "Not graded: 1" in result.stdout
    assert "bob: not graded" in result.stdout
    assert "2 learners" in result.stdout
