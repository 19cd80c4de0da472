"""Files as editors, mail programs and bad luck leave them: mended, or one line in the report."""

import codecs
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from grading.classroom.grade_class import Result, _print_results
from grading.intake.reading import Unreadable
from grading.intake.submissions import submissions
from tests.hostile.handing_in import CHAPTER, RIGHT, Batch, Case
from tests.hostile.judging import assert_holds, assert_honest_unchanged

Tree = dict[str, Any]
NOTEBOOK = f"{CHAPTER.id}.ipynb"


def _text(tree: Tree) -> str:
    return json.dumps(tree, ensure_ascii=False)


def _changed(change: Callable[[Tree], None]) -> Callable[[Tree], bytes]:
    def damage(tree: Tree) -> bytes:
        change(tree)
        return json.dumps(tree).encode()

    return damage


def _cells(change: Callable[[dict], None]) -> Callable[[Tree], bytes]:
    return _changed(lambda tree: [change(cell) for cell in tree["cells"]])


def _cell(tree: Tree, name: str) -> dict:
    return next(
        c for c in tree["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name
    )


def _version_3(tree: Tree) -> bytes:
    cells = []
    for cell in tree["cells"]:
        old = {"cell_type": cell["cell_type"], "metadata": cell["metadata"]}
        if cell["cell_type"] == "code":
            old |= {
                "input": cell["source"],
                "language": "python",
                "outputs": [],
                "collapsed": False,
            }
        else:
            old["source"] = cell["source"]
        cells.append(old)
    sheet = {"cells": cells, "metadata": {}}
    return json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [sheet]}
    ).encode()


def _version_4_0(tree: Tree) -> None:
    tree["nbformat_minor"] = 0
    for cell in tree["cells"]:
        cell.pop("id")


def _all_lost(cell: dict) -> None:
    cell.pop("id")
    cell["metadata"] = {}


def _duplicated(tree: Tree) -> None:
    tree["cells"] = [copy for cell in tree["cells"] for copy in (cell, dict(cell))]


def _wrong_before_right(tree: Tree) -> None:
    """An earlier, wrong try stands above under the same id, as after copy and paste."""
    wrong = dict(_cell(tree, "first_bad_step"), source="def first_bad_step(losses): return 0")
    tree["cells"].insert(2, wrong)


def _retyped(tree: Tree) -> None:
    for name, kind in (("order_the_beats", "raw"), ("q00_1", "markdown")):
        _cell(tree, name)["cell_type"] = kind


def _greedy_flags(tree: Tree) -> None:
    """A learner who gives more points to what is right, and none to what is wrong."""
    _cell(tree, "q00_3")["source"] = "q00_3 = 'B'"
    _cell(tree, "q00_3__test")["metadata"]["nbgrader"]["points"] = 0
    _cell(tree, "q00_1__test")["metadata"]["nbgrader"]["points"] = 1000
    _cell(tree, "first_bad_step__test")["source"] = "1000"
    _cell(tree, "first_bad_step__test")["outputs"] = [
        {"output_type": "execute_result", "data": {"text/plain": "1000"}, "metadata": {}}
    ]


def _checks_deleted(tree: Tree) -> None:
    tree["cells"] = [c for c in tree["cells"] if not c["metadata"].get("nbgrader", {}).get("grade")]


def _swapped(tree: Tree) -> None:
    """The ids of two cells exchanged: the markers say which is which."""
    one, other = _cell(tree, "q00_1__test"), _cell(tree, "q00_2__test")
    one["id"], other["id"] = other["id"], one["id"]


def _wild_outputs(cell: dict) -> None:
    cell["outputs"] = [{"output_type": "display_data", "data": {"text/html": "<script>steal()"}}, 5]
    cell["attachments"] = {"a.svg": {"image/svg+xml": "<svg onload='steal()'/>"}}
    cell["execution_count"] = "many"


def _odd_text(tree: Tree) -> None:
    cell = _cell(tree, "q00_1")
    cell["source"] = ["# \ud800 \x1b[31m \u202e\r\n", 7, None, "q00_1 = 'D'\r\n"]
    tree["metadata"] = {"kernelspec": {"name": "\ud800\x1b[2J<script>steal()</script>"}}


def _not_a_number(tree: Tree) -> bytes:
    tree["metadata"]["zoom"] = float("nan")
    tree["cells"][0]["metadata"]["size"] = float("inf")
    return json.dumps(tree).encode()


def _giant_numbers(tree: Tree) -> bytes:
    text = json.dumps(tree)
    return text.replace('"nbformat": 4', '"nbformat": 1' + "0" * 9000, 1).encode()


def _large_numbers(tree: Tree) -> None:
    tree["nbformat_minor"] = 10**300
    for cell in tree["cells"]:
        cell["execution_count"] = 10**4000


def _zipped(tree: Tree) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(NOTEBOOK, json.dumps(tree))
    return data.getvalue()


def _same_key_twice(tree: Tree) -> bytes:
    return json.dumps(tree).replace('"cells": [', '"cells": [], "cells": [', 1).encode()


def _many_lists(tree: Tree) -> bytes:
    """Three million lists, which take two hundred megabytes and more once they are parsed."""
    return json.dumps(tree)[:-1].encode() + b', "more": [' + b"[]," * 3_000_000 + b"[]]}"


def _long_code(tree: Tree) -> None:
    """Below the last check, where it is not run; to colour it took gigabytes."""
    for kind in ("code", "markdown"):
        tree["cells"].append(
            {"cell_type": kind, "metadata": {}, "source": "x = [" + "1, " * 500_000 + "]"}
        )


def _nested_metadata(tree: Tree) -> None:
    nest: Any = 1
    for _ in range(300):
        nest = [nest]
    tree["metadata"]["nest"] = nest
    tree["cells"][1]["metadata"]["nest"] = nest


def _folder(path: Path) -> None:
    path.with_name(NOTEBOOK).unlink()
    path.with_name(NOTEBOOK).mkdir()


def _pipe(path: Path) -> None:
    path.with_name(NOTEBOOK).unlink()
    os.mkfifo(path.with_name(NOTEBOOK))


def _link(path: Path) -> None:
    path.with_name(NOTEBOOK).unlink()
    honest = path.parent.parent.parent / "a-honest" / CHAPTER.id / NOTEBOOK
    path.with_name(NOTEBOOK).symlink_to(honest)


def _renamed(path: Path) -> None:
    path.with_name(NOTEBOOK).rename(path.with_name(f"Copy of {CHAPTER.id} (1).ipynb"))


def _nothing(path: Path) -> None:
    path.with_name(NOTEBOOK).unlink()


def _copies(path: Path) -> None:
    _renamed(path)
    shutil.copy(path.with_name(f"Copy of {CHAPTER.id} (1).ipynb"), path.with_name("another.ipynb"))


def _beside(action: Callable[[Path], None]) -> dict[str, Callable[[Path], None]]:
    return {"unused": action}


def _many_links(path: Path) -> None:
    for number in range(3_000):
        path.with_name(f"link-{number}").symlink_to("/etc/hostname")


def _folder_without_a_name(path: Path) -> None:
    """A learner's folder whose name is no text, as an archive from another system may bring it."""
    (path.parents[2] / os.fsdecode(b"\xff") / CHAPTER.id).mkdir(parents=True)


def _undecodable_names(path: Path) -> None:
    folder = os.fsencode(path.parent)
    os.symlink("/etc/hostname", folder + b"/\xff<img src=x>\n.csv")
    Path(os.fsdecode(folder + b"/\xfe.csv")).write_bytes(b"1")
    (path.parent / "a\nb").mkdir()
    (path.parent / "a\nb" / "data.csv").write_bytes(b"1")


NO_POINTS = dict.fromkeys(RIGHT, 0.0)

CASES = (
    Case("byte order mark", damage=lambda tree: codecs.BOM_UTF8 + _text(tree).encode()),
    Case("UTF-16", damage=lambda tree: _text(tree).encode("utf-16")),
    Case("UTF-16 without a mark", damage=lambda tree: _text(tree).encode("utf-16-be")),
    Case("nbformat 3", damage=_version_3),
    Case("nbformat 4.0 without ids", damage=_changed(_version_4_0)),
    Case("ids and metadata lost", damage=_cells(_all_lost), says="had lost its grading data"),
    Case("every cell twice", damage=_changed(_duplicated)),
    Case("an earlier try with the same id", damage=_changed(_wrong_before_right)),
    Case("retyped cells", damage=_changed(_retyped), says="was a raw cell"),
    Case("points and checks edited", damage=_changed(_greedy_flags), points={"q00_3": 0.0}),
    Case("checks deleted", damage=_changed(_checks_deleted), says="it was restored"),
    Case("ids of two checks exchanged", damage=_changed(_swapped)),
    Case("stored outputs that are hostile", damage=_cells(_wild_outputs)),
    Case("lone surrogates and numbers as source", damage=_changed(_odd_text)),
    Case("NaN and infinity in JSON", damage=_not_a_number),
    Case("large numbers", damage=_changed(_large_numbers)),
    Case("one key twice", damage=_same_key_twice),
    Case("metadata nested 300 deep", damage=_changed(_nested_metadata)),
    Case("renamed by a browser", beside=_beside(_renamed), says="was named"),
    Case("names beside it that are no text", beside=_beside(_undecodable_names)),
    Case(
        "three thousand links beside it",
        beside=_beside(_many_links),
        says="2990 more files were not used",
    ),
    Case("a learner's folder whose name is no text", beside=_beside(_folder_without_a_name)),
    Case("a million numbers in one cell", damage=_changed(_long_code)),
    Case("timestamp that is none", beside={"timestamp.txt": b"\x1b[31m yesterday, <b>late</b>"}),
    Case(
        "a note instead of cells",
        damage=_changed(
            lambda tree: tree.update(cells=[{"cell_type": "markdown", "source": "ill"}])
        ),
        points=NO_POINTS,
        says="was missing",
    ),
    Case("no cells at all", damage=_changed(lambda tree: tree.pop("cells")), unreadable="no list"),
    Case("cut off", damage=lambda tree: json.dumps(tree).encode()[:-300], unreadable="cut off"),
    Case("numbers of 9000 digits", damage=_giant_numbers, unreadable="not valid JSON"),
    Case("nested too deeply", damage=lambda tree: b'{"cells": ' + b"[" * 90_000, unreadable="deep"),
    Case("three million lists", damage=_many_lists, unreadable="more lists and objects"),
    Case("empty", damage=lambda tree: b"", unreadable="empty"),
    Case("binary", damage=lambda tree: bytes(range(256)) * 40, unreadable="claims to be utf-16"),
    Case("a zip", damage=_zipped, unreadable="not valid JSON"),
    Case(
        "a list",
        damage=lambda tree: json.dumps(tree["cells"]).encode(),
        unreadable="not a notebook",
    ),
    Case("a page of HTML", damage=lambda tree: b"<!DOCTYPE html><p>404", unreadable="web page"),
    Case(
        "51 MB of spaces",
        damage=lambda tree: b"{" + b" " * (51 * 2**20),
        unreadable="larger than 50 MB",
    ),
    Case("a folder in its place", beside=_beside(_folder), unreadable="not an ordinary file"),
    Case("a named pipe in its place", beside=_beside(_pipe), unreadable="not an ordinary file"),
    Case(
        "a link to a neighbour's file", beside=_beside(_link), unreadable="links are not followed"
    ),
    Case("an empty folder", beside=_beside(_nothing), unreadable="is missing"),
    Case("two notebooks that could be meant", beside=_beside(_copies)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(batch: Batch, case: Case):
    assert_holds(batch, case)


def test_the_honest_are_unharmed(batch: Batch, undisturbed):
    assert_honest_unchanged(batch, undisturbed)


def test_whose_folders_name_is_no_text_is_told(batch: Batch):
    if "\udcff" in batch.results:  # its case may not be selected
        result = batch.results["\udcff"]
        assert (result.outcome, result.problem) == (
            None,
            "not graded: the name of the folder is not UTF-8: rename it",
        )


def test_the_page_shows_the_beginning_of_what_is_long(batch: Batch):
    learner = batch.learner_of.get("a million numbers in one cell")
    if learner:
        page = batch.course / "feedback" / learner / CHAPTER.id / f"{CHAPTER.id}.html"
        assert "more characters are in the submitted file" in page.read_text(encoding="utf-8")
        assert page.stat().st_size < 2**21


def test_names_of_folders_do_not_move_the_terminals_cursor():
    screen = io.StringIO()
    wild = "a\x1b[2J\u202e\udcff[red]"
    _print_results(CHAPTER, [Result(wild, problem="no")], Console(file=screen, width=100))
    assert "a [2J" in screen.getvalue()
    assert "[red]" in screen.getvalue()
    assert not {"\x1b", "\u202e", "\udcff"} & set(screen.getvalue())


def test_a_folder_that_may_not_be_looked_into_is_one_line(tmp_path, monkeypatch):
    """As root everything may be read, so the refusal is acted."""
    for learner in ("ann", "ben"):
        (tmp_path / learner / CHAPTER.id).mkdir(parents=True)
    true_lstat = os.lstat

    def lstat(path, **more):
        if "ann" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return true_lstat(path, **more)

    monkeypatch.setattr(os, "lstat", lstat)
    monkeypatch.setattr(os, "access", lambda path, mode: "ann" not in os.fspath(path))
    ann, ben = submissions(tmp_path, CHAPTER)
    assert (ann.learner, ben.learner, ann.timestamp()) == ("ann", "ben", None)
    with pytest.raises(Unreadable, match="its folder cannot be read"):
        ann.notebook(CHAPTER)
