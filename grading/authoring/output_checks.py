"""What an executed solved notebook must fulfil before ``build`` writes it; each check raises a
``Problem`` that names chapter and cell."""

from pathlib import Path

from nbformat import NotebookNode

from grading.errors import Problem

#: What Jupyter leaves beside an open notebook.
_IGNORED = {".ipynb_checkpoints"}


def check_points(notebook: NotebookNode, name: str) -> None:
    """The solution earns full marks in its own hidden tests. Test cells may raise, so a failure
    there would otherwise go unseen."""
    for cell in notebook.cells:
        graded = cell.metadata.get("nbgrader", {})
        if not graded.get("grade"):
            continue
        where = f"{name}, {graded['grade_id']}"
        for output in cell.outputs:
            if output.output_type == "error":
                raise Problem(f"{where}: {output.ename}: {' '.join(output.evalue.split())}")
        results = [output for output in cell.outputs if output.output_type == "execute_result"]
        shown = results[-1].data.get("text/plain", "") if results else "nothing"
        try:
            points = float(shown)
        except ValueError:
            raise Problem(f"{where}: the hidden test must give points, not {shown}.") from None
        if points != graded["points"]:
            raise Problem(
                f"{where}: the solution earns {points:g} of {graded['points']} points: "
                "fix the solution cell or the answers."
            )


def check_pictures(notebook: NotebookNode, name: str) -> None:
    """A figure is seen, not only named, and a panel shows something where no kernel runs."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        shown = [output.data for output in cell.outputs if "data" in output]
        where = f"{name}, cell {cell.id}"
        for data in shown:
            if data.get("text/plain", "").startswith("<Figure") and "image/png" not in data:
                raise Problem(f"{where}: shows the words {data['text/plain']!r} and no picture.")
        if "panel" in cell.metadata.get("tags", []) and not any(
            {"image/png", "text/plain"} <= set(data) for data in shown
        ):
            raise Problem(f"{where}: a panel must end in a picture with its sentence.")


def check_nothing_left(path: Path) -> None:
    """Nothing lies beside the notebook: nbgrader hands every file there to the learners."""
    left = {item.name for item in path.parent.iterdir()} - {path.name} - _IGNORED
    if left:
        raise Problem(
            f"{path.parent} holds {', '.join(sorted(left))}: learners would get it too. Delete it, "
            "and let the chapter's cells write to a temporary folder."
        )
