"""What Colab installs: course_lib alone, small, without a solution or a key."""

import re
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from course_lib import __version__
from course_lib.about import TAG
from grading.answers import chapter_answers, chapter_keys
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
    assert Path(wheel.filename).stat().st_size < 300_000


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
