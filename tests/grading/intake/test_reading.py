"""Files as learners and their tools leave them: read, or refused in one clear line."""

import json

import pytest

from grading.intake.reading import Unreadable, read_notebook

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [{"cell_type": "code", "id": "a", "metadata": {}, "source": ["x = 1\n", "y = 'é'"]}],
}


def _read(tree: object) -> list[str]:
    return [cell.source for cell in read_notebook(json.dumps(tree).encode()).cells]


def test_a_plain_notebook_is_read_without_remarks():
    read = read_notebook(json.dumps(NOTEBOOK).encode())
    assert [cell.source for cell in read.cells] == ["x = 1\ny = 'é'"]
    assert read.mended == []


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_other_encodings_are_read_and_mentioned(encoding):
    data = json.dumps(NOTEBOOK, ensure_ascii=False).encode(encoding)
    read = read_notebook(data)
    assert read.cells[0].source.endswith("y = 'é'")
    assert len(read.mended) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<html><body>404</body></html>", "web page"),
        (b"import torch\n", "Python script"),
        (json.dumps(NOTEBOOK).encode()[:-20], "cut off"),
        (b'{"cells": [\n<<<<<<< HEAD\n=======\n>>>>>>> theirs\n]}', "merge"),
        (b"[1, 2]", "not a notebook"),
        (b"{}", "no list of cells"),
        (b'{"cells": 3, "nbformat": 4}', "no list of cells"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\x00\x01\x02\x03", "not valid JSON"),
        (b"\xff\xfe\x00", "utf-16"),
        (json.dumps({"nbformat": 2, "worksheets": 3}).encode(), "old notebook format"),
        (json.dumps({"nbformat": 4, "cells": [{}] * 3000}).encode(), "3000 cells"),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_line(data, reason):
    with pytest.raises(Unreadable, match=reason) as refused:
        read_notebook(data)
    assert "\n" not in str(refused.value)


def test_an_old_notebook_is_upgraded():
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [
            {
                "metadata": {},
                "cells": [
                    {"cell_type": "heading", "level": 1, "metadata": {}, "source": "Title"},
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": "x = 1",
                        "language": "python",
                        "metadata": {},
                        "outputs": [],
                    },
                ],
            }
        ],
    }
    read = read_notebook(json.dumps(old).encode())
    assert [cell.source for cell in read.cells] == ["# Title", "x = 1"]
    assert "old format" in read.mended[0]


@pytest.mark.parametrize(
    "cell",
    [
        {"cell_type": "code", "source": None},
        {"cell_type": "code", "source": [1, {}, "x = 1"], "metadata": []},
        {"cell_type": 7, "source": "text", "id": ["a"], "outputs": {"a": 1}},
        {"cell_type": "code", "source": "lone \ud800 surrogate\r\n", "metadata": {"tags": "x"}},
        {},
    ],
)
def test_malformed_cells_do_no_harm(cell):
    read = read_notebook(json.dumps({**NOTEBOOK, "cells": [cell, None, 3]}).encode())
    assert len(read.cells) == 1
    read.cells[0].source.encode("utf-8")
    assert "2 entries" in read.mended[0]


def test_a_wrong_format_number_is_read_as_version_4():
    assert _read({**NOTEBOOK, "nbformat": 17}) == ["x = 1\ny = 'é'"]
    assert _read({"cells": NOTEBOOK["cells"]}) == ["x = 1\ny = 'é'"]
