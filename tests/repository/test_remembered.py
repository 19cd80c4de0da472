"""What was green is left out until something changes that it depends on: tried in a made-up repository."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import remembered
from tests.conftest import REPOSITORY, pytest_configure
from tests.remembered import (
    CHAPTERS_OF,
    READ_DOCUMENTS,
    READ_TESTS,
    START_NO_GRADER,
    Files,
    Remembered,
    imported_by,
)
from tests.remembered import chapter_number as number

MODULE = "tests/grading/test_double.py"
TESTS = """\
import pytest
from product import double

pytestmark = pytest.mark.apart("chapter")

@pytest.mark.parametrize("chapter", ["00", "05"])
def test_chapter(chapter):
    assert double(int(chapter)) == 2 * int(chapter)

def test_two():
    assert double(2) == 4

def test_not_here():
    pytest.skip("not on this machine")
"""
FILES = {
    "product.py": "def double(x):\n    return 2 * x\n",
    "README.md": "It doubles.",
    "course_lib/exercises/ch05_complete_loop/fit.py": "",
    "tests/helper.py": "",
    "tests/test_other.py": "",
    "pyproject.toml": '[tool.pytest.ini_options]\nmarkers = ["apart"]\n',
    MODULE: TESTS,
}

#: Of the product: files of learners, of both, and of the grader alone.
PRODUCT = [
    "course_lib/beats.py",
    "notebooks/05_complete_loop.ipynb",
    "grading/source/05_complete_loop/05_complete_loop.ipynb",
    "grading/answers/ch05_complete_loop/fit.py",
    "grading/classroom/grade_class.py",
]
GRADER = re.compile(
    r"""((?<!`python )-m[\s"',]+|\(["'])grading(["'](?! / "source")| )|grading\.__main__"""
)


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("green\n__pycache__\n")
    monkeypatch.syspath_prepend(tmp_path)
    # Two texts of one second and one length would be taken for the same.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


class Ends:
    """How each test ended: by its name, in short."""

    def __init__(self) -> None:
        self.by_name: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            why = report.longrepr[2] if report.skipped else ""
            known = "green before" in why
            self.by_name[report.nodeid.partition("::")[2]] = "known" if known else report.outcome


def run(folder: Path) -> dict[str, str]:
    for module in ("product", "tests.grading.test_double"):  # of another test or run
        sys.modules.pop(module, None)
    ends = Ends()
    plugins = [Remembered(folder, folder / "green"), ends]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={folder}"]
    options += ["-p", "no:unraisableexception"]  # looks for garbage of all tests before, five times
    pytest.main([*options, "-c", str(folder / "pyproject.toml"), str(folder / MODULE)], plugins)
    return ends.by_name


def test_what_was_green_is_known_and_what_was_skipped_is_tried_again(made_up):
    passed = dict.fromkeys(("test_chapter[00]", "test_chapter[05]", "test_two"), "passed")
    assert run(made_up) == {**passed, "test_not_here": "skipped"}
    known = dict.fromkeys(passed, "known")
    assert run(made_up) == {**known, "test_not_here": "skipped"}


@pytest.mark.parametrize(
    ("file", "known"),
    [
        ("product.py", ()),
        ("tests/helper.py", ()),
        (MODULE, ()),
        ("new.py", ()),
        ("course_lib/exercises/ch05_complete_loop/fit.py", ("test_chapter[00]",)),
        ("README.md", ("test_chapter[00]", "test_chapter[05]", "test_two")),
        ("tests/test_other.py", ("test_chapter[00]", "test_chapter[05]", "test_two")),
    ],
)
def test_a_changed_file_is_why_tests_run_again(made_up, file, known):
    first = run(made_up)
    with (made_up / file).open("a") as changed:
        changed.write("\n# changed\n")
    ends = run(made_up)
    assert {name for name, end in ends.items() if end == "known"} == set(known)
    assert {name: "passed" if end == "known" else end for name, end in ends.items()} == first


def test_one_red_test_lets_all_of_its_unit_run_again(made_up):
    (made_up / "product.py").write_text("def double(x):\n    return 2 * x if x != 2 else 5\n")
    for _ in range(2):
        assert run(made_up)["test_two"] == "failed"
    assert run(made_up)["test_chapter[00]"] == "known"
    (made_up / "product.py").write_text("def double(x):\n    return 2 * x if x != 5 else 5\n")
    ends = run(made_up)
    assert [ends["test_chapter[05]"], ends["test_two"]] == ["failed", "passed"]


def test_where_git_cannot_say_what_there_is_everything_runs(made_up):
    (made_up / ".git").rename(made_up / "no-git")
    for _ in range(2):
        assert "known" not in run(made_up).values()


@pytest.mark.parametrize("setting", ["ATEN_CPU_CAPABILITY", "COURSE_CONTAINER"])
def test_another_setting_is_another_state(made_up, monkeypatch, setting):
    before = Files(made_up).state(MODULE, frozenset())
    remembered._surroundings.cache_clear()
    monkeypatch.setenv(setting, "1")
    assert Files(made_up).state(MODULE, frozenset()) != before
    remembered._surroundings.cache_clear()


def test_files_of_chapters_are_known_and_questions_belong_to_all():
    assert number("notebooks/05_complete_loop.ipynb") == "05"
    assert number("grading/answers/ch08b_mixed_precision_gpu/amp_train_step.py") == "08b"
    assert number("answers/course_answers/fit.json") == "05"
    assert number("answers/course_answers/quiz_05.json") == ""
    assert number("course_lib/drills/ch05.py") == ""
    assert number("course_lib/exercises/checking/check.py") == ""


def test_what_is_named_is_there():
    for path in (*READ_DOCUMENTS, *READ_TESTS, *START_NO_GRADER, *CHAPTERS_OF):
        assert (REPOSITORY / path).exists(), path


def test_what_is_not_imported_is_not_read():
    read = {
        module: [name for name in PRODUCT if remembered._is_read(name, module)]
        for module in (
            "tests/browser/test_chapters.py",
            "tests/course_lib/exercises/test_check_on_a_screen.py",
            "tests/notebooks/test_nbval.py",
            "tests/hostile/test_dying.py",
        )
    }
    assert list(read.values()) == [PRODUCT[:3], PRODUCT[:4], PRODUCT[:4], PRODUCT]


def starts_the_grader(module: Path) -> bool:
    """By itself or a helper. What they import is seen in their imports: this is what they call by name."""
    name = module.relative_to(REPOSITORY).as_posix()
    helpers = {each for each in imported_by(name) if each.startswith(("tests.", "benchmarks."))}
    paths = [REPOSITORY / f"{each.replace('.', '/')}.py" for each in helpers]
    return any(GRADER.search(path.read_text("utf-8")) for path in paths if path.is_file())


def test_those_that_are_said_to_start_no_command_of_the_grader_do_not():
    found = [REPOSITORY / path for path in START_NO_GRADER]
    modules = {
        each for path in found for each in ({path} if path.is_file() else path.rglob("test_*.py"))
    }
    assert len(modules) > 30
    assert not {module.name for module in modules if starts_the_grader(module)}
    assert starts_the_grader(REPOSITORY / "tests/course_lib/app/test_command_line.py")
    assert starts_the_grader(REPOSITORY / "tests/grading/classroom/test_grade_class.py")


@pytest.mark.parametrize(
    ("folder", "files", "module"),
    [
        ("docs/site", "*.py", "tests/site/test_recording.py"),
        ("docs/site", "*.py", "tests/browser/test_recorded_panels.py"),
        ("grading/source", "*.ipynb", "tests/notebooks/test_nbval.py"),
        ("notebooks", "*.ipynb", "tests/browser/test_chapters.py"),
    ],
)
def test_what_is_imported_unseen_is_known(folder, files, module):
    texts = [path.read_text("utf-8") for path in (REPOSITORY / folder).rglob(files)]
    named = {
        name for text in texts for name in re.findall(r"(?:from|import) (grading[\w.]*)", text)
    }
    assert texts
    assert named <= imported_by(module)


@pytest.mark.parametrize(
    ("asked", "ci", "plugins"), [(True, "", 1), (True, "true", 0), (False, "", 0)]
)
def test_make_test_remembers_and_ci_does_not(monkeypatch, asked, ci, plugins):
    monkeypatch.setenv("CI", ci)
    registered = []
    manager = SimpleNamespace(register=registered.append)
    pytest_configure(SimpleNamespace(getoption=lambda _: asked, pluginmanager=manager))
    assert len(registered) == plugins
