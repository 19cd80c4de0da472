"""What a learner opens: it runs to its end unsolved, and holds nothing that is the grader's."""

import json
import re
import resource
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

from course_lib.chapters import Chapter
from grading.chapter_source import read_chapter
from grading.execute import execute_notebook
from grading.places import REPOSITORY, released_notebook, text_source
from grading.regions import cut_solutions, solution_lines

#: Seconds of the kernel's own computing, so that a busy machine does not count.
MOST_SECONDS = 20
#: Shorter lines ("return loss", "else:") are no secret.
SECRET_LENGTH = 12


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


def answers_of(chapter: Chapter):
    return import_module(f"grading.answers.{chapter.module}")


@pytest.mark.slow
def test_it_runs_from_top_to_bottom_unsolved_and_quickly(chapter, tmp_path):
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    execute_notebook(notebook, tmp_path, chapter.id)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert notebook.cells[-1].cell_type == "markdown" or notebook.cells[-1].execution_count
    assert seconds < MOST_SECONDS


def test_no_line_of_a_solution_is_in_it(chapter):
    cells = read_chapter(text_source(chapter))
    exercises = [cell for cell in cells if cell.role in ("solution", "paste")]
    shown = [cell.text for cell in cells if cell not in exercises]
    shown += [cut_solutions(cell.text, cell.name) for cell in exercises]
    taught = {line.strip().lstrip("# ") for text in shown for line in text.splitlines()}
    secret = {line.strip() for cell in exercises for line in solution_lines(cell.text)} - taught
    secret = {line for line in secret if len(line) >= SECRET_LENGTH}
    assert secret, "every line of the solutions is shown in the chapter's text"
    text = released_text(chapter)
    assert [line for line in secret if line in text] == []


def test_no_hidden_test_no_mark_and_nothing_of_grading_is_in_it(chapter):
    text = released_text(chapter)
    for secret in ("HIDDEN TEST", "SOLUTION", "### STUB", "grading.", "import grade", "grade_quiz"):
        assert secret not in text


def test_quiz_answers_are_empty(chapter):
    text = released_text(chapter)
    for key in answers_of(chapter).QUIZ:
        assert f"\n{key.id} = None" in text
        assert not re.search(rf"\b{key.id}\s*=\s*['\"]", text)


def test_no_explanation_is_in_it_or_in_the_learners_library(chapter):
    answers = answers_of(chapter)
    sentences = [why for key in answers.QUIZ for why in key.why.values()]
    sentences += [wrong.sentence for answer in answers.ANSWERS for wrong in answer.misconceptions]
    text = squeezed(released_text(chapter) + library_text())
    assert [sentence for sentence in sentences if squeezed(sentence) in text] == []


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


def test_it_opens_on_colab_and_anywhere(chapter):
    notebook = nbformat.read(released_notebook(chapter), as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.name == "python"
    assert f"/notebooks/{chapter.id}.ipynb" in notebook.cells[0].source


def test_every_released_notebook_has_a_source_and_the_reverse():
    from .conftest import WRITTEN

    released = {path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
    assert released == {f"{chapter.id}.ipynb" for chapter in WRITTEN}
    left = {path.name for path in Path(REPOSITORY / "grading" / "source").iterdir()}
    assert left == {chapter.id for chapter in WRITTEN}
