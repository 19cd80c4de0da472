"""What Colab installs: course_lib alone, small, without a solution or a key; and the answers pack."""

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from course_lib import __version__
from course_lib.about import TAG
from grading.answers import chapter_answers, chapter_keys
from grading.authoring.answers_pack import FOLDER
from grading.chapter_text.cells import read_chapter
from grading.chapter_text.regions import find_regions
from grading.paths import REPOSITORY, text_source
from tests.notebooks.conftest import WRITTEN
from tests.notebooks.test_released import squeezed


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel_file)


def test_wheel_holds_course_lib_alone(wheel):
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"course_lib"}


def test_wheel_holds_every_module_of_course_lib(wheel):
    modules = {
        str(path.relative_to(REPOSITORY).as_posix())
        for path in (REPOSITORY / "course_lib").rglob("*.py")
    }
    assert modules <= set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (path,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(path))


def test_wheel_holds_no_file_but_modules(wheel):
    files = [name for name in wheel.namelist() if name.startswith("course_lib/")]
    assert [name for name in files if not name.endswith(".py")] == []


def test_wheel_holds_nothing_of_the_grader(wheel):
    texts = {name: wheel.read(name).decode("utf-8") for name in wheel.namelist()}
    code = {name: text for name, text in texts.items() if name.startswith("course_lib/")}
    mark = re.compile(r"^\s*(### (BEGIN|STUB|END)|(from|import) grading\b)", re.MULTILINE)
    assert [name for name, text in code.items() if mark.search(text)] == []
    everything = squeezed("\n".join(texts.values()))
    secrets = [why for each in WRITTEN for key in chapter_keys(each) for why in key.why.values()]
    answers = [answer for each in WRITTEN for answer in chapter_answers(each)]
    secrets += [wrong.sentence for answer in answers for wrong in answer.misconceptions]
    assert len(secrets) > 200
    assert [each for each in secrets if squeezed(each) in everything] == []


def test_wheel_holds_no_solution(wheel):
    """Not one whole body of a solution, however it is wrapped."""
    texts = [wheel.read(name).decode("utf-8", "replace") for name in wheel.namelist()]
    shipped = [" ".join(text.split()) for text in texts]
    bodies = {
        (cell.name, " ".join("\n".join(region.solution).split()))
        for chapter in WRITTEN
        for cell in read_chapter(text_source(chapter))
        if cell.role == "solution"
        for region in find_regions(cell.text)
    }
    assert len(bodies) > 40
    long_enough = {(name, body) for name, body in bodies if len(body) >= 40}
    assert [name for name, body in long_enough if any(body in text for text in shipped)] == []


def test_wheel_is_small(wheel):
    # Colab loads it in a moment. It grows with the sentences of checks and quizzes: 402 kB now.
    assert Path(wheel.filename).stat().st_size < 450_000


def test_wheel_has_the_version_of_the_library_and_the_changelog_knows_it(wheel, metadata):
    assert Path(wheel.filename).name.split("-")[1] == __version__
    assert metadata["Version"] == __version__
    assert f"v{__version__}" == TAG
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\d+\.\d+\.\d+)\b", changelog, re.MULTILINE)
    assert sections[0] == __version__, "the newest section is another version's"


def test_wheel_carries_both_licences(wheel, metadata):
    assert metadata["License-Expression"] == "BSD-3-Clause AND CC-BY-4.0"
    carried = {Path(name).name for name in wheel.namelist() if "/licenses/" in name}
    assert carried == set(metadata.get_all("License-File")) == {"LICENSE", "LICENSE-text"}


@pytest.fixture(scope="module")
def installed(wheel_file: Path, answers_wheel_file: Path, tmp_path_factory) -> Path:
    """Both wheels as pip lays them out, with no repository beside them."""
    folder = tmp_path_factory.mktemp("installed")
    for path in (wheel_file, answers_wheel_file):
        zipfile.ZipFile(path).extractall(folder)
    return folder


def test_the_answers_are_a_wheel_of_the_same_version_with_data_and_no_code(answers_wheel_file):
    assert answers_wheel_file.name.split("-")[1] == __version__
    names = zipfile.ZipFile(answers_wheel_file).namelist()
    files = {Path(name).name for name in names if name.startswith("course_answers/")}
    assert files == {path.name for path in FOLDER.glob("*.*")}
    assert {name for name in files if name.endswith(".py")} == {"__init__.py"}


def test_with_both_wheels_the_quiz_answers_and_the_solution_opens(installed, tmp_path):
    code = """
import course_lib
from course_lib import answers, progress
progress.record("fit", passed=True)
for use in (lambda: None, course_lib.use_answers):
    use()
    course_lib.check_quiz("q05_1", "A")
    course_lib.solution("fit")
print(answers.folder())
"""
    environment = {**os.environ, "PYTHONPATH": str(installed), "COURSE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = re.split(r"(?=\u2713 q05_1: A is right)", done.stdout)
    assert "A is noted" in before
    assert "def fit(" not in before
    assert "def fit(" in after
    assert done.stdout.splitlines()[-1] == str(installed / "course_answers")
