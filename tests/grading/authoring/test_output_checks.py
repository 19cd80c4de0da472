"""What a built notebook must fulfil before it is written."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grading.authoring.output_checks import check_pictures, check_points
from grading.errors import Problem


def graded(*outputs):
    metadata = {"nbgrader": {"grade": True, "grade_id": "fit__test", "points": 4}}
    return new_notebook(cells=[new_code_cell("x", metadata=metadata, outputs=list(outputs))])


def result(text):
    return new_output("execute_result", {"text/plain": text})


def test_full_points_are_accepted():
    check_points(graded(new_output("stream", text="Right\n"), result("4")), "05")


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        ([result("3.5")], "3.5 of 4"),
        ([result("'4 points'")], "must give points"),
        ([], "nothing"),
        ([result("nan")], "nan of 4"),
        ([new_output("error", ename="KeyError", evalue="'x'", traceback=[])], "KeyError"),
    ],
)
def test_a_solution_without_full_points_is_refused(outputs, complaint):
    with pytest.raises(Problem, match=complaint) as caught:
        check_points(graded(*outputs), "05")
    assert "fit__test" in str(caught.value)


def shown(tags, **data):
    output = new_output(
        "display_data", {kind.replace("_", "/"): text for kind, text in data.items()}
    )
    return new_notebook(cells=[new_code_cell("x", metadata={"tags": tags}, outputs=[output])])


def test_a_picture_with_its_sentence_is_accepted():
    check_pictures(shown(["panel"], image_png="aGk=", text_plain="loss 2.3"), "05")


def test_a_figure_that_is_only_named_is_refused():
    with pytest.raises(Problem, match="no picture"):
        check_pictures(shown([], text_plain="<Figure size 700x360 with 1 Axes>"), "05")


def test_a_panel_without_its_static_twin_is_refused():
    with pytest.raises(Problem, match="panel must end"):
        check_pictures(shown(["panel"], text_plain="VBox(children=())"), "05")
