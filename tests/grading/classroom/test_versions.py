"""Which stored results a change of the code touches: versions follow the folders."""

from pathlib import Path

import pytest

from course_lib.chapters import find_chapter
from grading.classroom.versions import judge_version, run_version
from tests.grading.versioned import clear_versions

CHAPTER, OTHER = find_chapter("00"), find_chapter("05")


def _versions() -> tuple[str, str, str, str]:
    clear_versions()
    return (
        run_version(CHAPTER.id),
        run_version(OTHER.id),
        judge_version(CHAPTER),
        judge_version(OTHER),
    )


def _changed(path: Path) -> tuple[bool, ...]:
    before = _versions()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.read_text() + "# changed\n" if path.exists() else "# new\n")
    return tuple(a != b for a, b in zip(before, _versions(), strict=True))


RUN_ALL, JUDGE_ALL = (True, True, True, True), (False, False, True, True)
RUN_ONE, JUDGE_ONE = (True, False, True, False), (False, False, True, False)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("grading/runner/run.py", RUN_ALL),
        ("grading/runner/inside/start.py", RUN_ALL),
        ("grading/runner/a_new_one.py", RUN_ALL),
        ("grading/intake/repair.py", RUN_ALL),
        ("course_lib/exercises/checking/observe.py", RUN_ALL),
        ("course_lib/exercises/support/stopping.py", RUN_ALL),
        ("course_lib/training.py", RUN_ALL),
        ("grading/judging/review_flags.py", JUDGE_ALL),
        ("grading/judging/a_new_one.py", JUDGE_ALL),
        ("grading/answers/compare.py", JUDGE_ALL),
        ("grading/chapter_text/reference.py", JUDGE_ALL),
        ("grading/classroom/pipeline.py", JUDGE_ALL),
        ("grading/nbgrader/verdict.py", JUDGE_ALL),
        ("grading/nbgrader/templates/verdict.html.jinja", JUDGE_ALL),
        (f"course_lib/exercises/{CHAPTER.module}/a_new_one.py", RUN_ONE),
        (f"grading/answers/{CHAPTER.module}/a_new_one.py", JUDGE_ONE),
        (f"grading/chapters/{CHAPTER.id}.py", JUDGE_ONE),
        ("grading/classroom/report.py", (False,) * 4),
        ("grading/authoring/build.py", (False,) * 4),
    ],
)
def test_a_change_touches_the_results_that_depend_on_it(other_repository, module, expected):
    assert _changed(other_repository / module) == expected


def test_a_chapters_own_halves_are_files_or_folders(other_repository):
    """Whichever a half is, its text counts for its chapter alone."""
    for half, expected in (("course_lib/exercises", RUN_ONE), ("grading/answers", JUDGE_ONE)):
        own = [
            path
            for path in (other_repository / half).rglob("*.py")
            if path.relative_to(other_repository / half).parts[0].startswith(CHAPTER.module)
        ]
        assert own
        assert _changed(own[0]) == expected
