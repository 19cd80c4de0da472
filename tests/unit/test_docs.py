"""What the documents say is so: chapters, commands, links, the picture's numbers."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from course_lib.chapters import CHAPTERS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    path
    for path in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"))
    if path.is_file()
]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_readme_lists_the_chapters():
    rows = re.findall(r"^\| (\d\w*) \| (.+?) \| (\d+) \|$", README, re.MULTILINE)
    assert rows == [(each.number, each.title, str(each.minutes)) for each in CHAPTERS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text)
    missing = [
        target
        for target in targets
        if not re.match(r"[a-z]+:", target) and not (document.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(document):
    text = document.read_text(encoding="utf-8")
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^|\n)make ([a-z-]+)", text))
    assert named <= targets
    from grading.__main__ import app

    names = [each.name or each.callback.__name__ for each in app.registered_commands]
    for command in re.findall(r"python -m grading ([a-z-]+)", text):
        assert command in names


def test_make_help_describes_every_target():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    public = set(re.findall(r"^\.PHONY: ([a-z-]+)", makefile, re.MULTILINE)) - {"install"}
    done = subprocess.run(
        ["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    shown = re.findall(r"^make (\S+) +\S", done.stdout, re.MULTILINE)
    assert set(shown) == public


def test_readmes_picture_is_what_its_script_computes(tmp_path):
    script = REPOSITORY / "docs" / "images" / "render.py"
    spec = importlib.util.spec_from_file_location("render", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FOLDER = tmp_path
    module.main()
    committed = (script.parent / "dashboard.txt").read_text(encoding="utf-8")
    assert (tmp_path / "dashboard.txt").read_text(encoding="utf-8") == committed
    on_their_side = [
        round(float(share) * 160) for share in re.findall(r"accuracy (0\.\d+)", committed)
    ]
    in_words = re.search(r"with SGD, (\d+) of 160 .* with Adam, (\d+)\.", README)
    assert [int(number) for number in in_words.groups()] == on_their_side
