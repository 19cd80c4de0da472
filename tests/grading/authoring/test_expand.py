"""From short metadata to the notebook that nbgrader knows."""

import nbformat
import pytest

from course_lib.chapters import find_chapter
from course_lib.exercises import find_exercise
from grading.authoring.expand import expand_chapter
from grading.chapter_text.cells import parse_chapter
from grading.errors import Problem

CHAPTER = find_chapter("05")
HEAD = "# %% [markdown] head=true\n# After this chapter you can write a loop.\n\n# %% setup=true\n"
EXERCISE = '''
# %% solution="fit"
def fit(model, loader, loss_fn, optimizer, epochs):
    """Mean loss of every epoch."""
    ### BEGIN SOLUTION
    return []
    ### END SOLUTION

# %% tests="fit"
'''
REST = '\n# %% panel="zero_grad"\n\n# %% quiz="q05_1"\n\n# %% [markdown]\n# The end.\n'


def expand(text, chapter=CHAPTER):
    return expand_chapter(chapter, parse_chapter(text, "made_up.py"))


def cells_of(text):
    return {cell.id: cell for cell in expand(text).cells}


def test_the_head_has_title_badge_and_minutes_above_the_authors_text():
    lines = cells_of(HEAD)["head"].source.splitlines()
    assert lines[0] == "# 05. The complete loop"
    assert "colab-badge.svg" in lines[2]
    assert "/notebooks/05_complete_loop.ipynb" in lines[2]
    assert "80 minutes" in lines[2]
    assert lines[-1] == "After this chapter you can write a loop."


def test_the_setup_cell_is_the_same_in_every_chapter_and_does_nothing_here():
    one, other = (expand(HEAD, find_chapter(name)).cells[1] for name in ("00", "09"))
    assert one == other
    assert one.metadata.tags == ["setup"]
    namespace = {}
    exec(one.source, namespace)
    assert {"torch", "check", "check_quiz", "hand_in", "hint", "panel", "solution"} <= set(
        namespace
    )


def test_an_exercise_gets_nbgraders_metadata_and_its_marker():
    cell = cells_of(HEAD + EXERCISE)["fit"]
    points = find_exercise("fit").points
    assert cell.source.splitlines()[:2] == [
        f"# EXERCISE fit ({points} points)",
        "# easy, about 4 minutes",
    ]
    assert cell.metadata.nbgrader == {
        "schema_version": 3,
        "grade_id": "fit",
        "grade": False,
        "solution": True,
        "locked": False,
        "task": False,
    }


def test_a_test_cell_checks_and_grades_the_same_subjects():
    cell = cells_of(HEAD + EXERCISE)["fit__test"]
    assert cell.source.splitlines() == [
        "# CHECK fit",
        'check("fit", fit)',
        "### BEGIN HIDDEN TESTS",
        "from grading.inprocess import grade",
        'grade("fit", fit)',
        "### END HIDDEN TESTS",
    ]
    assert cell.metadata.nbgrader == {
        "schema_version": 3,
        "grade_id": "fit__test",
        "grade": True,
        "solution": False,
        "locked": True,
        "task": False,
        "points": find_exercise("fit").points,
    }
    assert cell.metadata.tags == ["raises-exception"]


def test_a_panel_cell_shows_its_simulation_or_what_the_author_wrote():
    cells = cells_of(HEAD + REST + '\n# %% panel="zero_grad" tags=["wide"]\np = panel("x")\n')
    assert cells["panel-zero_grad"].source == 'panel("zero_grad")'
    assert cells["panel-zero_grad"].metadata.tags == ["panel"]
    assert cells["panel-zero_grad-2"].source == 'p = panel("x")'
    assert cells["panel-zero_grad-2"].metadata.tags == ["panel", "wide"]


def test_a_quiz_becomes_question_answer_and_check():
    cells = cells_of(HEAD + REST)
    question = cells["q05_1__question"]
    assert question.cell_type == "markdown"
    assert question.source.startswith("**Question 1.** ")
    options = question.source.splitlines()[-4:]
    assert [line.split()[1] for line in options] == ["**A**", "**B**", "**C**", "**D**"]
    assert cells["q05_1"].source.splitlines()[0] == "# EXERCISE q05_1 (1 point)"
    assert cells["q05_1"].metadata.nbgrader.solution
    test = cells["q05_1__test"]
    assert 'check_quiz("q05_1", q05_1)' in test.source
    assert 'grade_quiz("q05_1", q05_1)' in test.source
    assert test.metadata.nbgrader.points == 1


def test_a_cell_to_paste_into_is_a_solution_cell_that_earns_nothing():
    region = "### BEGIN SOLUTION\nown = min\n### STUB\n# own = None\n### END SOLUTION"
    cells = cells_of(HEAD + f'\n# %% paste="own"\n{region}\n')
    assert cells["own"].source == region
    assert cells["own"].metadata.nbgrader.solution
    assert not cells["own"].metadata.nbgrader.grade
    assert "own__test" not in cells


def test_every_chapter_ends_with_a_cell_that_hands_it_in():
    notebook = expand(HEAD + EXERCISE + REST)
    text, call = notebook.cells[-2:]
    assert text.source.startswith("## Hand in")
    assert call.source == 'hand_in("05_complete_loop")'
    assert call.id == "hand-in"
    assert call.metadata.tags == ["hand-in", "nbval-skip"]
    assert "nbgrader" not in call.metadata


def test_a_notebook_says_to_which_chapter_and_version_it_belongs():
    from course_lib import __version__

    assert expand(HEAD).metadata.course == {"chapter": CHAPTER.id, "version": __version__}


def test_inserting_a_cell_changes_no_other_id():
    text = HEAD + "\n# %%\nx = 1\n\n# %%\nx = 1\n" + EXERCISE + REST
    longer = text.replace("\n# %%\nx = 1\n", "\n# %%\nnew = 0\n\n# %%\nx = 1\n", 1)
    before, after = (list(cells_of(each)) for each in (text, longer))
    assert [id for id in after if id in before] == before
    assert len(after) == len(before) + 1


def test_ids_are_valid_and_differ_between_chapters():
    text = HEAD + "\n# %%\nx = 1\n"
    five, six = expand(text), expand(text, find_chapter("06"))
    nbformat.validate(five)
    assert five.cells[2].id != six.cells[2].id


def test_a_gpu_chapter_asks_colab_for_one():
    assert expand(HEAD.replace("head=true", 'head=true accelerator="GPU"')).metadata.accelerator
    assert "accelerator" not in expand(HEAD).metadata


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (EXERCISE.replace('"fit"', '"fitt"'), "fitt"),
        (EXERCISE.replace("    ### BEGIN SOLUTION\n", ""), "without"),
        ('\n# %% quiz="q99_1"\n', "q99_1"),
    ],
)
def test_an_unknown_name_or_a_broken_region_is_named_with_its_line(text, complaint):
    with pytest.raises(Problem, match=complaint) as caught:
        expand(HEAD + text)
    assert "made_up.py:" in str(caught.value)
