"""``python -m grading`` for authors: quick help, and one clear line for what a person can put right."""

import subprocess
import sys

import pytest

from grading.paths import REPOSITORY


def python(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )


def test_help_needs_nothing_heavy():
    heavy = "{'torch', 'numpy', 'nbformat', 'nbgrader', 'jupytext', 'nbclient'}"
    result = python("-c", f"import grading.__main__, sys; print({heavy} & set(sys.modules))")
    assert result.stdout.strip() == "set()"


def test_notebooks_are_read_without_a_grammar_of_web_addresses():
    program = (
        "import grading, nbformat, sys; print(sys.modules['rfc3987_syntax'], 'lark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "None False\n", done.stderr


def test_help_lists_the_authors_commands():
    result = python("-m", "grading", "--help")
    assert result.returncode == 0
    for command in ("build", "verify", "release"):
        assert command in result.stdout


@pytest.mark.parametrize("command", ["build", "verify", "release"])
def test_a_wrong_chapter_is_one_line_and_exit_status_2(command):
    result = python("-m", "grading", command, "5", "nonsense")
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "'nonsense'" in line
    assert "05_complete_loop" in line


def test_a_course_that_is_a_file_is_one_line_and_exit_status_2(tmp_path):
    course = tmp_path / "course"
    course.write_text("no folder")
    result = python("-m", "grading", "release", "05", "--course", str(course))
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert str(course) in line


def test_08_is_never_08b():
    from course_lib.chapters import CHAPTERS
    from grading.errors import chapters_called

    assert [chapter.number for chapter in chapters_called(["8b", "08", "08"])] == ["08", "08b"]
    assert chapters_called([]) == list(CHAPTERS)
