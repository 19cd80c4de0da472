"""Reading a chapter's text source: roles, names, and what an author is told about a mistake."""

import pytest

from grading.chapter_text.cells import parse_chapter, read_chapter
from grading.errors import Problem

HEAD = "# %% [markdown] head=true\n# After this chapter you can count.\n\n# %% setup=true\n"
EXERCISE = '\n# %% solution="count"\ndef count():\n    pass\n\n# %% tests="count"\n'


def read(text):
    return parse_chapter(text, "made_up.py")


def test_cells_know_their_role_name_text_and_line():
    cells = read(
        HEAD + '\n# %% panel="zero_grad"\n' + EXERCISE + '\n# %% quiz="q05_1"\n'
        '\n# %% tags=["setup"]\nimport math\n\n# %% [markdown]\n# Some **text**.\n'
    )
    assert [(cell.role, cell.name) for cell in cells] == [
        ("head", "head"),
        ("setup", "setup"),
        ("panel", "zero_grad"),
        ("solution", "count"),
        ("tests", "count"),
        ("quiz", "q05_1"),
        ("plain", ""),
        ("plain", ""),
    ]
    assert cells[0].text == "After this chapter you can count."
    assert cells[6].tags == ("setup",)
    assert (cells[7].kind, cells[7].text) == ("markdown", "Some **text**.")
    assert [cell.where for cell in cells[:3]] == [
        "made_up.py:1",
        "made_up.py:4",
        "made_up.py:6",
    ]


def test_the_head_cell_can_ask_colab_for_a_gpu():
    text = HEAD.replace("head=true", 'head=true accelerator="GPU"')
    assert read(text)[0].accelerator == "GPU"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\n", "must start"),
        ("# %% setup=true\n", "must start"),
        ("# %% [markdown] head=true\n# Text.\n", "set-?up"),
        (HEAD + "\n# %%\n", "empty"),
        (HEAD + "\n# %% setup=true\n", "setup"),
        (HEAD.replace("setup=true\n", "setup=true\nx = 1\n"), "leave it empty"),
        (HEAD + '\n# %% solutoin="count"\nx = 1\n', "solutoin"),
        (HEAD + "\n# %% solution=count\nx = 1\n", "metadata"),
        (HEAD + "\n# %% A title\nx = 1\n", "title"),
        (HEAD + '\n# %% solution="count"\nx = 1\n', "no tests"),
        (HEAD + '\n# %% tests="count"\n', "no solution"),
        (HEAD + EXERCISE + EXERCISE, "already used"),
        (HEAD + '\n# %% paste="a"\nx = 1\n' * 2, "already used"),
        (HEAD + '\n# %% solution="a" tests="b"\nx = 1\n', "one role"),
        (HEAD + '\n# %% solution="not a name"\nx = 1\n', "letters"),
        (HEAD + "\n# %% panel=true\n", "write panel="),
        (HEAD + '\n# %% [markdown] panel="zero_grad"\n# Text.\n', "cannot be a markdown cell"),
    ],
)
def test_a_mistake_is_named_with_its_file(text, complaint):
    with pytest.raises(Problem, match=complaint) as caught:
        read(text)
    assert "made_up.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_bytes_that_are_no_text_are_problems(tmp_path):
    with pytest.raises(Problem, match="does not exist"):
        read_chapter(tmp_path / "none.py")
    (tmp_path / "latin.py").write_bytes(b"# %% \xe9\xff")
    with pytest.raises(Problem, match="UTF-8"):
        read_chapter(tmp_path / "latin.py")
