"""What stands in for two of nbgrader's own steps when a chapter is released, named in
``grading.nbgrader.config`` and run by nbgrader's ``generate_assignment``."""

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor
from nbgrader.utils import is_solution

from grading.regions import BEGIN, RegionError, cut_solutions

#: What a reader without a kernel (GitHub, nbviewer, a screen reader) can show.
STATIC_KINDS = ("image/png", "text/plain")


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
        cell.outputs = [static for output in kept if (static := _static(output))]
        return cell, resources


def _static(output: NotebookNode) -> NotebookNode | None:
    if output.output_type not in ("display_data", "execute_result"):
        return None
    output.data = NotebookNode({k: v for k, v in output.data.items() if k in STATIC_KINDS})
    output.metadata = NotebookNode({k: v for k, v in output.metadata.items() if k in output.data})
    if output.output_type == "execute_result":
        output.execution_count = None
    return output if output.data else None
