"""What a learner opens: it runs to its end unsolved, and holds nothing that is the grader's.

Where there is a browser, ``tests/browser`` runs each chapter as learners do, with the same conditions.
"""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import Chapter
from course_lib.quiz import chapter_questions
from grading.answers import chapter_answers, chapter_keys
from grading.authoring.execute import execute_notebook
from grading.chapter_text.cells import read_chapter
from grading.chapter_text.regions import cut_solutions, solution_lines
from grading.paths import REPOSITORY, released_notebook, text_source
from tests.notebooks.conftest import WRITTEN

pytestmark = pytest.mark.apart("chapter")

_LIST_ITEM = re.compile(r"\s*([-+*]|\d+[.)])\s")
#: Shorter lines ("return loss", "else:") are not secrets.
SECRET_LENGTH = 12
#: What only the solved notebook holds.
GRADERS_MARKS = ("HIDDEN TEST", "(BEGIN|END) SOLUTION", "### STUB", r"(from|import) grading")


def released_text(chapter: Chapter) -> str:
    """All a learner gets in the notebook: sources, outputs and metadata, pictures apart."""
    notebook = json.loads(released_notebook(chapter).read_text(encoding="utf-8"))
    parts = [json.dumps(notebook["metadata"])]
    for cell in notebook["cells"]:
        parts += ["".join(cell["source"]), json.dumps(cell["metadata"])]
        for output in cell.get("outputs", []):
            data = {k: v for k, v in output.get("data", {}).items() if k != "image/png"}
            parts.append(json.dumps([output.get("text"), data], ensure_ascii=False))
    return "\n".join(parts)


def library_text() -> str:
    files = sorted((REPOSITORY / "course_lib").rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def squeezed(text: str) -> str:
    """Without line breaks, quotes and runs of spaces: a sentence is found however it is wrapped."""
    return re.sub(r"[\s\"'\\]+", " ", text)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("chromium") is not None, reason="tests/browser/test_chapters.py runs it"
)
def test_it_runs_from_top_to_bottom_unsolved(chapter, tmp_path):
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    execute_notebook(notebook, tmp_path, chapter.id)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


def solution_secrets(chapter: Chapter) -> set[str]:
    """The lines of the solutions, apart from those that the chapter's own text teaches."""
    cells = read_chapter(text_source(chapter))
    exercises = [cell for cell in cells if cell.role in ("solution", "paste")]
    shown = [cell.text for cell in cells if cell not in exercises]
    shown += [cut_solutions(cell.text, cell.name) for cell in exercises]
    shown += [f"{each.text} {each.options}" for each in chapter_questions(chapter)]
    taught = "\n".join(shown)
    lines = {line.strip() for cell in exercises for line in solution_lines(cell.text)}
    return {line for line in lines if len(line) >= SECRET_LENGTH and line not in taught}


def explanations(chapter: Chapter) -> set[str]:
    """Why each option of the quiz is right or wrong, and what is said of each misconception."""
    sentences = {why for key in chapter_keys(chapter) for why in key.why.values()}
    for answer in chapter_answers(chapter):
        sentences |= {wrong.sentence for wrong in answer.misconceptions}
    return sentences


def leaks(chapter: Chapter, text: str) -> list[str]:
    """Everything in ``text`` that is the grader's alone."""
    found = [line for line in solution_secrets(chapter) if line in text]
    found += [mark for mark in GRADERS_MARKS if re.search(mark, text)]
    found += [each for each in explanations(chapter) if squeezed(each) in squeezed(text)]
    return found


def test_nothing_of_the_grader_is_in_it(chapter):
    assert solution_secrets(chapter)
    assert explanations(chapter)
    assert leaks(chapter, released_text(chapter)) == []


def test_no_explanation_is_in_the_learners_library(chapter):
    library = squeezed(library_text())
    assert [each for each in explanations(chapter) if squeezed(each) in library] == []


def test_a_planted_leak_is_noticed(chapter):
    line = min(solution_secrets(chapter))
    sentence = min(explanations(chapter))
    wrapped = sentence.replace(" ", "\n    ", 1)
    for planted in (
        f"    {line}  # so",
        wrapped,
        "### BEGIN HIDDEN TESTS",
        "### END SOLUTION",
        "from grading.inprocess import grade",
    ):
        assert leaks(chapter, f"some text\n{planted}\nmore"), planted


def test_quiz_answers_are_empty(chapter):
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    for key in chapter_keys(chapter):
        assert cells[key.id].splitlines()[1:] == [f'{key.id} = None  # "A", "B", "C" or "D"']


def test_only_panels_keep_an_output_and_it_is_a_picture_with_its_words(chapter):
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    panels = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        assert cell.execution_count is None
        if "panel" not in cell.metadata.get("tags", []):
            assert cell.outputs == []
            continue
        panels += 1
        kinds = {kind for output in cell.outputs for kind in output.data}
        assert kinds == {"image/png", "text/plain"}, cell.source
    assert panels


def test_no_dash_within_a_sentence_is_shown_as_a_list(chapter):
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "markdown"):
        for paragraph in cell.source.split("\n\n"):
            first, *others = paragraph.strip("\n").split("\n")
            if not _LIST_ITEM.match(first):
                assert not [line for line in others if _LIST_ITEM.match(line)], paragraph


def test_it_opens_on_colab_and_anywhere(chapter):
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.name == "python"
    assert f"/notebooks/{chapter.id}.ipynb" in notebook.cells[0].source


def test_every_released_notebook_has_a_source_and_the_reverse():
    released = {path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
    assert released == {f"{chapter.id}.ipynb" for chapter in WRITTEN}
    left = {path.name for path in Path(REPOSITORY / "grading" / "source").iterdir()}
    assert left == {chapter.id for chapter in WRITTEN}
