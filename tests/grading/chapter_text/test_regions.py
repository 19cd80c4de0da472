"""Solution regions and the stubs that take their place."""

import ast
from textwrap import dedent

import pytest

from grading.chapter_text.regions import RegionError, cut_solutions, find_regions, solution_lines

FUNCTION = dedent('''\
    def double(x):
        """Twice x."""
        ### BEGIN SOLUTION
        return 2 * x
        ### END SOLUTION''')

QUIZ = dedent("""\
    # EXERCISE q05_1 (1 point)
    ### BEGIN SOLUTION
    q05_1 = "B"
    ### STUB
    # q05_1 = None  # "A", "B", "C" or "D"
    ### END SOLUTION""")

CLINIC = dedent("""\
    def clinic(x):
        ### BEGIN SOLUTION
        return [v for v in x if v]
        ### STUB
        # # repair the loop
        # for v in x:
        #     pass
        #
        # return v
        ### END SOLUTION""")


def test_a_region_without_a_stub_raises_not_implemented_at_its_own_depth():
    stub = cut_solutions(FUNCTION, "double")
    assert "2 * x" not in stub
    assert stub.splitlines()[:2] == ["def double(x):", '    """Twice x."""']
    namespace = {}
    exec(stub, namespace)
    with pytest.raises(NotImplementedError, match="double"):
        namespace["double"](1)


def test_a_quiz_stub_does_not_raise():
    assert cut_solutions(QUIZ, "q05_1") == (
        '# EXERCISE q05_1 (1 point)\nq05_1 = None  # "A", "B", "C" or "D"'
    )


def test_a_stub_keeps_its_inner_indentation_blank_lines_and_comments():
    assert cut_solutions(CLINIC, "clinic") == dedent("""\
        def clinic(x):
            # repair the loop
            for v in x:
                pass

            return v""")


def test_several_regions_of_a_cell_are_all_cut():
    stub = cut_solutions(f"{FUNCTION}\n\n\n{CLINIC}", "double")
    assert "SOLUTION" not in stub
    assert "STUB" not in stub
    assert [node.name for node in ast.parse(stub).body] == ["double", "clinic"]


def test_solution_lines_are_the_secret_ones_only():
    assert [line.strip() for line in solution_lines(CLINIC)] == ["return [v for v in x if v]"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1", "no "),
        ("### BEGIN SOLUTION\nx = 1", "without"),
        ("### END SOLUTION", "without"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "second"),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "top level"),
        ("  ### BEGIN SOLUTION\n  ### STUB\n  y = 2\n  ### END SOLUTION", "not a comment"),
        ("  ### BEGIN SOLUTION\n  ### STUB\n  ### STUB\n  ### END SOLUTION", "second"),
        ("  # BEGIN SOLUTION\n  # END SOLUTION", "write"),
    ],
)
def test_marks_that_would_release_a_solution_or_stop_run_all_are_refused(source, complaint):
    with pytest.raises(RegionError, match=complaint):
        cut_solutions(source, "x")


def test_a_cell_without_marks_has_no_regions():
    assert find_regions("x = 1\ny = 2") == []
