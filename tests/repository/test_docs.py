"""What the documents say is so: chapters, commands, links, the picture's numbers."""

import importlib.util
import json
import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from course_lib.about import REPOSITORY as PUBLISHED_AS
from course_lib.about import TAG
from course_lib.chapters import CHAPTERS
from grading.paths import REPOSITORY

DOCUMENTS = [
    path
    for path in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"))
    if path.is_file()
]
NOTEBOOKS = [REPOSITORY / "notebooks" / f"{chapter.id}.ipynb" for chapter in CHAPTERS]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
#: Addresses of our own files at the released tag, as chapters name them, are links like the others.
_OURS = f"https://github.com/{PUBLISHED_AS}/blob/{TAG}/"


def _name(path: Path) -> str:
    return path.name


def _markdown(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def _without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes from the headings of a file."""
    headings = re.findall(r"^#+ +(.+?) *$", _without_code(_markdown(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def _dead_links(document: Path) -> list[str]:
    dead = []
    for link in _LINK.findall(_without_code(_markdown(document))):
        address, _, anchor = link.partition("#")
        if address.startswith(_OURS):
            target = REPOSITORY / unquote(address.removeprefix(_OURS))
        elif re.match(r"[a-z]+:", address):
            continue
        else:
            target = document.parent / unquote(address) if address else document
        readable = target.suffix in (".md", ".ipynb")
        if not target.exists() or (anchor and not (readable and anchor in _anchors(target))):
            dead.append(link)
    return dead


def test_readme_lists_the_chapters():
    rows = re.findall(r"^\| (\d\w*) \| \[(.+?)\]\((.+?)\) \| (\d+) \|$", README, re.MULTILINE)
    assert rows == [
        (each.number, each.title, f"notebooks/{each.id}.ipynb", str(each.minutes))
        for each in CHAPTERS
    ]


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS], ids=_name)
def test_links_lead_somewhere(document):
    assert _dead_links(document) == []


def test_a_dead_link_would_be_noticed(tmp_path):
    (tmp_path / "there.md").write_text("# What `zero_grad` does\n\n[a](#what-zero_grad-does)\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#what-zero_grad-does) [c](gone.md) [d](there.md#gone) [e](#no)\n"
        f"[f]({_OURS}docs/glossary.md) [g]({_OURS}docs/gone.md) [h](https://example.org/)\n"
    )
    assert _dead_links(tmp_path / "there.md") == []
    assert _dead_links(page) == ["gone.md", "there.md#gone", "#no", f"{_OURS}docs/gone.md"]


def _commands(document: Path) -> list[list[str]]:
    """What stands in code, inline or as a block, line by line, split into words."""
    text = _markdown(document)
    blocks = re.findall(r"^ *```\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0] for block in blocks for line in block.splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", _without_code(text))]
    commands = []
    for line in lines:
        try:
            commands.append(shlex.split(line))
        except ValueError:  # a piece of code with a lonely quote is not a command
            continue
    return commands


def _known_commands() -> dict[str, dict[str, set[str]]]:
    """Of each module that is run with ``-m``: its commands, each with its options."""
    import argparse

    from typer.main import get_command

    from course_lib.__main__ import _parser
    from grading.__main__ import app

    learner = next(
        each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction)
    )
    return {
        "grading": {
            name: {option for each in command.params for option in each.opts}
            for name, command in get_command(app).commands.items()
        },
        "course_lib": {
            name: set(parser._option_string_actions) for name, parser in learner.choices.items()
        },
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_commands_in_documents_exist(document):
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    known = _known_commands()
    for words in _commands(document):
        line = " ".join(words)
        if "make" in words[:-1] and "apt" not in words:
            assert words[words.index("make") + 1] in targets, line
        if "-m" in words[1:3]:
            module, *rest = words[words.index("-m") + 1 :]
            # Who looks for pip switches setuptools' own distutils off for the rest of the process.
            assert module == "pip" or importlib.util.find_spec(module), line
            if module in known and rest:
                assert rest[0] in known[module], line
                options = {word.split("=")[0] for word in rest if word.startswith("--")}
                assert options <= known[module][rest[0]] | {"--help"}, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_documents_name_the_locked_torch_and_the_repositorys_address(document):
    """``course_lib/about.py`` holds the address; what is written by hand agrees with it."""
    text = document.read_text(encoding="utf-8")
    pins = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    locked = re.search(r"^torch==(\S+)$", pins, re.MULTILINE).group(1)
    assert set(re.findall(r"\btorch==([\d.]+\d)", text)) <= {locked}
    course = PUBLISHED_AS.split("/")[1]
    assert set(re.findall(rf"[\w-]+/{course}\b", text)) <= {PUBLISHED_AS}
    assert set(re.findall(r"\bv(\d+\.\d+\.\d+)\b", text)) <= {TAG.removeprefix("v")}


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
