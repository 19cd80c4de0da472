"""``python -m grading``: the commands of authors and instructors.

Each command lives in a module of its own and is imported when it is called, so that ``--help``
answers at once. What a person can fix ends in one line on stderr and exit status 2.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

try:
    import typer
    from typer.core import TyperGroup
except ImportError:
    sys.exit(
        "error: this Python lacks what grading needs, typer for one: run `make setup`, then use "
        ".venv/bin/python"
    )

from course_lib.app.terminal import answer
from grading.errors import Problem, chapter_called
from grading.paths import COURSE_FOLDER, CourseFolder


class _Commands(TyperGroup):
    """One line on stderr and exit status 2 for a ``Problem``."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except Problem as problem:
            typer.echo(f"error: {problem}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode=None,  # importing rich takes a third of the start of `--help`
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Make the course's notebooks and grade what learners hand in.",
)

Chapters = Annotated[
    list[str] | None, typer.Argument(help="Chapters by name or number (05); all if none is given.")
]


def _folder(course: Path) -> Path:
    """Else a file would pass for a course directory in which nothing was graded yet."""
    if course.exists() and not course.is_dir():
        raise Problem(f"{course} is a file; --course takes a folder.")
    return course


Course = Annotated[
    Path,
    typer.Option("--course", help="The instructor's working folder.", callback=_folder),
]


@app.command()
def build(
    chapters: Chapters = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Chapters built at a time; default: one per core.")
    ] = None,
) -> None:
    """Author: make the notebooks, solved, from the text sources."""
    from grading.authoring.build import build as build_chapters

    build_chapters(chapters or [], jobs, report=_report)


@app.command()
def verify(chapters: Chapters = None) -> None:
    """Author: prove that each exercise and quiz is complete.

    And that its tests work.
    """
    from grading.authoring.verify import verify as verify_chapters

    if not verify_chapters(chapters or []):
        raise typer.Exit(1)


Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="EXERCISE", help="Only this; may be given more than once."),
]

Jobs = Annotated[
    int | None, typer.Option(min=1, help="Exercises at a time; default: one per core.")
]


@app.command()
def mutants(
    chapters: Chapters = None,
    only: Only = None,
    secrets: Annotated[
        int, typer.Option(min=1, max=100, help="Case sets that each mutant meets.")
    ] = 3,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every verdict there, as JSON.")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Author: are small changes of reference solutions noticed?

    Each solution is changed in one place after another.
    """
    from grading.authoring.mutation_run import mutation_test
    from grading.authoring.solutions import exercises_called

    if not mutation_test(exercises_called(chapters or [], only or []), secrets, json, jobs):
        raise typer.Exit(1)


@app.command()
def fairness(
    chapters: Chapters = None,
    only: Only = None,
    sets: Annotated[int, typer.Option(min=2, max=100, help="Case sets to compare.")] = 30,
    mutants: Annotated[
        int, typer.Option(min=0, help="Small changes of each reference solution to try, too.")
    ] = 0,
    jobs: Jobs = None,
) -> None:
    """Author: is the same work judged the same?

    By all case sets, and by the check and by grading.
    """
    from grading.authoring.fairness import fairness as compare
    from grading.authoring.solutions import exercises_called

    if not compare(exercises_called(chapters or [], only or []), sets, mutants, jobs):
        raise typer.Exit(1)


@app.command()
def messages(
    chapters: Chapters = None,
    only: Only = None,
    mutants: Annotated[
        int, typer.Option(min=0, help="Small changes of each reference solution to show, too.")
    ] = 0,
) -> None:
    """Author: every message on known wrong solutions.

    Of grading and of the check, side by side, as Markdown.
    """
    from grading.authoring.messages import messages as all_messages
    from grading.authoring.solutions import exercises_called

    for line in all_messages(exercises_called(chapters or [], only or []), mutants):
        typer.echo(line)


@app.command()
def release(
    chapters: Chapters = None,
    course: Course = COURSE_FOLDER,
    graded: Annotated[
        bool,
        typer.Option("--graded", help="The edition whose quizzes give no answers; remembered."),
    ] = False,
    own_questions: Annotated[
        bool,
        typer.Option(
            "--own-questions",
            help="Graded, with a number question drawn for each learner's name; remembered.",
        ),
    ] = False,
) -> None:
    """Author, instructor: make what learners open.

    And the course directory, ready to grade.
    """
    from grading.authoring.release import release as release_chapters

    changed = []

    def changing(chapter, changes) -> None:
        changed.append(chapter)
        for line in (f"{chapter.id}, a new version:", *changes.lines()):
            typer.echo(line)

    release_chapters(
        chapters or [],
        course,
        report=_report,
        graded=graded,
        own_questions=own_questions,
        changing=changing,
    )
    typer.echo(f"The course directory is {course.resolve()}.")
    for chapter in changed:
        from grading.classroom.grade_class import grade_class

        grade_class(chapter.id, course)


@app.command()
def publish(
    repository: Annotated[
        str, typer.Option(help="OWNER/NAME, as in github.com/OWNER/NAME.", show_default=False)
    ],
) -> None:
    """Author: put your repository's address everywhere.

    Into badges, set-up cells and links.
    """
    from grading.authoring.publish import publish as publish_as

    for name in publish_as(repository):
        typer.echo(name)
    typer.echo(f"These files name {repository} now; the notebooks are what their sources make.")


Sandbox = Annotated[
    bool, typer.Option("--sandbox/--no-sandbox", help="Run submissions in bubblewrap, or as you.")
]

WarmKernels = Annotated[
    bool,
    typer.Option(
        "--warm-kernels/--cold-kernels",
        help="Fork kernels from a sandboxed process, or start a new process for each: slower.",
    ),
]


@app.command("grade-notebook")
def grade_notebook(
    file: Annotated[Path, typer.Argument(help="A submitted notebook.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    chapter: Annotated[
        str | None, typer.Option(help="Its chapter; recognised by name or content if left out.")
    ] = None,
    sandbox: Sandbox = True,
    warm_kernels: WarmKernels = True,
    course: Course = COURSE_FOLDER,
) -> None:
    """Instructor: grade one notebook now, without a database."""
    from grading.classroom.grade_notebook import grade_notebook as grade_file

    grade_file(file, chapter, json, sandbox, course, warm_kernels)


@app.command()
def grade(
    chapter: Annotated[str, typer.Argument(help="A chapter by name or number (05).")],
    course: Course = COURSE_FOLDER,
    sandbox: Sandbox = True,
    warm_kernels: WarmKernels = True,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Submissions at a time; default: one per core.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Run on a Dask cluster instead: tcp://HOST:8786.")
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(help="Write everyone's result there, too, as `grade-notebook --json` does."),
    ] = None,
    learner: Annotated[
        list[str] | None, typer.Option(help="Only this learner; may be given more than once.")
    ] = None,
    container: Annotated[
        bool,
        typer.Option("--container", help="In podman or docker: for machines without bubblewrap."),
    ] = False,
) -> None:
    """Instructor: grade all submissions of a chapter.

    Their points go into the gradebook, and feedback pages are made.

    If it is stopped, run it again: it continues where it was.
    """
    if container:
        from grading.classroom.container import grade_in_container

        options = [f"--jobs={jobs}"] if jobs else []
        options += [f"--learner={name}" for name in learner or []]
        options += [] if warm_kernels else ["--cold-kernels"]
        if scheduler is not None or not sandbox:
            raise Problem("--container has a sandbox and workers of its own: leave out the others.")
        raise typer.Exit(grade_in_container(chapter, course, options, json))
    if jobs is not None and scheduler is not None:
        raise Problem("--jobs is for this machine; with --scheduler its workers are used.")
    begun = None
    if scheduler is None and sandbox and warm_kernels:
        begun = _workers_for_new(chapter, course, jobs, len(learner or []))
    with begun or nullcontext():  # they start while this process imports the rest
        from grading.classroom.grade_class import grade_class

        grade_class(
            chapter, course, sandbox, jobs, scheduler, warm_kernels, json, learner or [], begun
        )


def _workers_for_new(name: str, course: Path, jobs: int | None, named: int):
    """Workers that get ready for what looks new in a class; None where nothing does. No more than
    ``named`` submissions are graded, if it is not 0."""
    from grading.classroom.prefork import likely_new

    chapter, folder = chapter_called(name), CourseFolder(course)
    new = likely_new(folder.submitted, folder.marks(chapter), chapter.id)
    if not new:
        return None
    from grading.classroom.workers import LocalWorkers
    from grading.runner.limits import Limits

    workers = LocalWorkers(jobs)
    workers.get_ready(min(new, named or new), True, Limits())
    return workers


@app.command()
def report(
    chapter: Annotated[
        str | None,
        typer.Argument(help="A chapter by name or number; without it, the whole course."),
    ] = None,
    course: Course = COURSE_FOLDER,
    csv: Annotated[Path | None, typer.Option(help="Also write the numbers to this file.")] = None,
    png: Annotated[
        Path | None, typer.Option(help="Also write one picture to this file: of a chapter.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page without names: of the whole course.")
    ] = None,
) -> None:
    """Instructor: how the class did, as last graded.

    In a chapter or in the whole course.
    """
    from grading.classroom.report import report as report_class
    from grading.classroom.report import report_course

    if chapter is None:
        if png is not None:
            raise Problem("--png is for one chapter; of the whole course there is --html.")
        report_course(course, csv, html)
    elif html is not None:
        raise Problem("--html is of the whole course: leave out the chapter.")
    else:
        report_class(chapter, course, csv, png)


@app.command()
def export(
    to: Annotated[str, typer.Option(help="canvas, moodle or csv.", show_default=False)],
    chapters: Chapters = None,
    course: Course = COURSE_FOLDER,
    roster: Annotated[
        Path | None, typer.Option(help="The grade book or worksheet that the platform exported.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table there.")] = None,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Make an archive of the feedback pages, too.")
    ] = False,
    column: Annotated[
        str | None, typer.Option(help="The roster's column of the chapter, where it is not clear.")
    ] = None,
) -> None:
    """Instructor: scores and pages for the learning platform."""
    from grading.classroom.export import export as export_class

    export_class(chapters or [], to, course, roster, out, feedback, column)


@app.command()
def observed(
    chapter: Annotated[str, typer.Argument(help="A chapter by name or number (05).")],
    learner: Annotated[str, typer.Argument(help="The name of the learner's folder.")],
    course: Course = COURSE_FOLDER,
    exercise: Annotated[str | None, typer.Option(help="Only this exercise or question.")] = None,
) -> None:
    """Instructor: what one submission did on each case.

    And what was expected, as last graded.
    """
    from grading.classroom.evidence import observed as lines_of

    for line in lines_of(chapter, learner, course, exercise):
        typer.echo(line)


@app.command()
def watch(
    chapters: Chapters = None,
    course: Course = COURSE_FOLDER,
    once: Annotated[
        bool, typer.Option("--once", help="Deal with what is there, then stop.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Submissions at a time; default: one per core.")
    ] = None,
) -> None:
    """Instructor: grade what is handed in, at once.

    And give its page back.
    """
    from grading.classroom.prefork import start_server

    start_server()
    from grading.classroom.watch import watch as watch_course

    watch_course(chapters or [], course, once, jobs)


@app.command()
def rename(
    old: Annotated[str, typer.Argument(help="The name of a learner's folder.")],
    new: Annotated[str, typer.Argument(help="What it is to be called.")],
    course: Course = COURSE_FOLDER,
) -> None:
    """Instructor: give a learner another name.

    In the folders and in the gradebook.
    """
    from grading.classroom.rename import rename as rename_learner

    rename_learner(old, new, course)


@app.command()
def demo() -> None:
    """Instructor: grade the sample class, in a fresh folder."""
    from grading.classroom.demo import demo as grade_sample_class

    grade_sample_class()


def _report(chapter, changed: bool) -> None:
    typer.echo(f"{chapter.id}: {'written' if changed else 'unchanged'}")


if __name__ == "__main__":
    sys.exit(answer(lambda: app(prog_name="python -m grading"), "run `make setup`"))
