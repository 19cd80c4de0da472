"""What stands in for nbgrader's own steps, named in ``grading.nbgrader.config``: two when a chapter is
released, run by nbgrader's ``generate_assignment``, and one for all steps that would run a submission."""

import textwrap

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor
from nbgrader.utils import is_solution

from grading.chapter_text.regions import BEGIN, RegionError, cut_solutions

#: What a reader without a kernel (GitHub, nbviewer, a screen reader) can show.
STATIC_KINDS = ("image/png", "text/plain")
#: GitHub and nbviewer do not wrap plain text.
WORDS_WIDTH = 88


class ClearSolutionRegions(ClearSolutions):
    """Takes the stub from the region itself: a quiz cell must not raise, a clinic cell starts from
    broken code, and one global stub text fits neither."""

    def _replace_solution_region(self, cell: NotebookNode, language: str) -> bool:
        if not is_solution(cell):
            return BEGIN in cell.source  # nbgrader says what is wrong with that
        try:
            cell.source = cut_solutions(cell.source, cell.metadata.nbgrader.grade_id)
        except RegionError as error:
            raise RuntimeError(f"cell {cell.metadata.nbgrader.grade_id}: {error}") from error
        return True


class KeepPanelOutputs(NbGraderPreprocessor):
    """Clears outputs, except the pictures and sentences of panels: nbgrader's ``ClearOutput`` would
    leave a reader without a kernel with nothing."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, cell_index: int):
        if cell.cell_type != "code":
            return cell, resources
        cell.execution_count = None
        cell.metadata.pop("execution", None)
        kept = cell.outputs if "panel" in cell.metadata.get("tags", []) else []
        cell.outputs = [each for output in kept for each in _static(output)]
        return cell, resources


class Refuse(NbGraderPreprocessor):
    """Ends a conversion that would run a submission unprotected."""

    def preprocess(self, nb: NotebookNode, resources: dict):
        raise RuntimeError(
            "nbgrader would run this submission as you: use `python -m grading grade`"
        )


def _static(output: NotebookNode) -> list[NotebookNode]:
    """The picture with its alternative text, and the words once more as an output of their own: of
    one output such readers show the picture alone."""
    if output.output_type not in ("display_data", "execute_result"):
        return []
    output.data = NotebookNode({k: v for k, v in output.data.items() if k in STATIC_KINDS})
    output.metadata = NotebookNode({k: v for k, v in output.metadata.items() if k in output.data})
    if output.output_type == "execute_result":
        output.execution_count = None
    if "image/png" not in output.data or "text/plain" not in output.data:
        return [output] if output.data else []
    words = output.data["text/plain"]
    output.metadata["image/png"] = NotebookNode(alt=". ".join(words.splitlines()))
    wrapped = "\n".join(textwrap.fill(line, WORDS_WIDTH) for line in words.splitlines())
    return [output, new_output("display_data", data={"text/plain": wrapped})]
