"""A name that is missing in a kernel: advice instead of a traceback, and still an error."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from course_lib.exercises.checking import advice
from course_lib.exercises.checking.check import run_check


@pytest.fixture
def shell(monkeypatch, capsys):
    """An IPython of its own, with the advice in it; what it shows can be read from capsys."""
    shell = InteractiveShell()
    shell.colors = "nocolor"
    advice.install(shell)
    return shell


def shown(shell, capsys, *cells: str) -> str:
    """What the last of the cells shows; it must have failed as it does without us."""
    for cell in cells:
        result = shell.run_cell(cell)
        text = capsys.readouterr().out
    assert isinstance(result.error_in_exec, NameError), "Run All must stop here"
    assert str(result.error_in_exec).startswith("name '")
    return text


@pytest.mark.parametrize(
    ("call", "marker"),
    [
        ('check("fit", fit)', "# EXERCISE fit"),
        ('check_quiz("q05_1", q05_1)', "# EXERCISE q05_1"),
        ("save_checkpoint", "# EXERCISE checkpointing"),
    ],
)
def test_a_check_before_its_exercise_says_which_cell_to_run(shell, capsys, call, marker):
    text = shown(shell, capsys, "from course_lib import check, check_quiz", call)
    assert text.startswith("NameError: name '")
    assert marker in " ".join(text.split())
    assert "Traceback" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", ["check", "panel", "torch", "hand_in"])
def test_a_forgotten_set_up_cell_is_named(shell, capsys, name):
    text = shown(shell, capsys, f'{name}("x")')
    assert "run the first code cell" in text
    assert "Traceback" not in text


def test_another_missing_name_of_one_letter_is_no_answer_to_a_quiz(shell, capsys):
    assert "between quotes" not in shown(shell, capsys, "qkv = d")


@pytest.mark.parametrize("letter", ["B", "d"])
def test_a_letter_without_quotes_is_told_that_it_needs_them(shell, capsys, letter):
    cell = f"# EXERCISE q05_1 (1 point)\nq05_1 = {letter}  # a comment"
    text = shown(shell, capsys, cell)
    assert f'The letter stands between quotes: "{letter}".' in text
    assert "restart" not in text, "nothing is wrong with the kernel"
    assert "Traceback" not in text


def test_any_other_name_at_the_top_of_a_cell_keeps_its_traceback_and_gets_advice(shell, capsys):
    text = shown(shell, capsys, "loader")
    assert "Traceback" in text
    assert "run all cells above this one" in " ".join(text.split())


def test_a_check_asks_for_the_spelling_of_a_name_that_no_cell_of_the_course_makes():
    def wrong(model, loss):
        return statistcs.mean([1.0])  # noqa: F821

    advice_given = run_check("gradient_norms", wrong).advice
    assert "Is statistcs spelled right?" in advice_given
    assert 'Stuck? hint("gradient_norms")' in advice_given


def test_a_check_asks_for_the_import_of_a_module_of_python():
    def wrong(logits):
        return math.exp(logits)  # noqa: F821

    assert "run a cell that says import math" in run_check("softmax", wrong).advice


def test_a_variable_with_the_name_of_a_module_needs_no_import(shell):
    shell.run_cell("def softmax(logits):\n    return token * logits\n", store_history=True)
    advice_given = run_check("softmax", shell.user_ns["softmax"]).advice
    assert "Is token spelled right?" in advice_given


def test_a_name_that_is_missing_inside_a_function_keeps_its_traceback(shell, capsys):
    text = shown(shell, capsys, "def f():\n    return lodaer\n\nf()")
    assert "Traceback" in text
    assert "lodaer" in text
    assert "run all cells" not in text
    text = shown(shell, capsys, "def g():\n    return fit\n\ng()")
    assert "Traceback" in text
    assert "# EXERCISE fit" in text


def test_other_errors_are_shown_as_ever(shell, capsys):
    result = shell.run_cell("1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_installing_twice_and_beside_another_handler_keeps_both(capsys):
    shell = InteractiveShell()
    seen = []

    def other(shell, etype, value, tb, tb_offset=None):
        seen.append(etype)

    shell.set_custom_exc((KeyError,), other)
    advice.install(shell)
    advice.install(shell)
    shell.run_cell("{}['a']")
    assert seen == [KeyError]
    assert "# EXERCISE fit" in shown(shell, capsys, "fit")


def test_outside_ipython_nothing_happens(monkeypatch):
    monkeypatch.setattr(advice, "in_ipython", lambda: None)
    advice.install()


def test_the_check_says_which_cell_to_run_when_a_helper_is_missing():
    def train_one_epoch(model, loader, loss_fn, optimizer):
        return sgd_step(model)  # noqa: F821 - an exercise of another chapter

    text = " ".join(repr(run_check("train_one_epoch", train_one_epoch)).split())
    assert "NameError" in text
    assert '"# EXERCISE sgd_step"' in text


def test_the_courses_own_jupyterlab_knows_a_forgotten_set_up_cell(
    tmp_path, monkeypatch, repository
):
    """Its kernels have the advice from their start, before any cell was run."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    from course_lib.app.lab import _write_kernel

    monkeypatch.setenv("JUPYTER_PATH", "")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(repository))
    _write_kernel(tmp_path / "lab")
    call = new_code_cell('check("fit", fit)', metadata={"tags": ["raises-exception"]})
    NotebookClient(new_notebook(cells=[call]), kernel_name="python3", timeout=60).execute()
    (error,) = [output for output in call.outputs if output.output_type == "error"]
    assert (error.ename, error.evalue) == ("NameError", "name 'check' is not defined")
    assert "run the first code cell" in "\n".join(error.traceback)
