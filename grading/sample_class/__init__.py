"""The sample class: what invented learners wrote, and the notebooks that they would hand in.

A file per learner and chapter holds their cells, each under ``# %% NAME`` with the name of an
exercise or a question; other names become scratch cells. Put into the released notebook, they make
the submission. ``# through: colab`` or ``# through: cut off`` says what the file went through. Called
by ``grading.classroom.demo``.
"""

import json
import random
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course_lib.chapters import CHAPTERS, Chapter
from grading.intake.matching import grade_id_of

SAMPLES = Path(__file__).parent
_CELL = re.compile(r"^# %% (\w+)\n", re.MULTILINE)
_THROUGH = re.compile(r"^# through: (.+)$", re.MULTILINE)


def sampled_chapters() -> list[Chapter]:
    """The chapters for which there are samples."""
    return [chapter for chapter in CHAPTERS if (SAMPLES / chapter.id).is_dir()]


def sample_files(chapter: Chapter) -> list[Path]:
    """The samples of a chapter; a file's stem is the learner's name."""
    return sorted((SAMPLES / chapter.id).glob("learner-*.py"))


def submission(sample: Path, release: NotebookNode) -> bytes:
    """The notebook file that this learner hands in."""
    text = sample.read_text(encoding="utf-8")
    head, *parts = _CELL.split(text)
    notebook = nbformat.from_dict(release)
    for name, source in zip(parts[::2], parts[1::2], strict=True):
        _write_cell(notebook, name, source.strip())
    through = _THROUGH.search(head)
    match through and through[1]:
        case None:
            return nbformat.writes(notebook).encode()
        case "colab":
            return _through_colab(notebook, sample.stem)
        case "cut off":
            data = nbformat.writes(notebook).encode()
            return data[: len(data) // 2]
        case other:
            raise ValueError(f"{sample}: nothing is known of {other!r}")


def _write_cell(notebook: NotebookNode, name: str, source: str) -> None:
    """Replace what stands below the marker of the cell called ``name``, or add a cell."""
    for cell in notebook.cells:
        if grade_id_of(cell) == name:
            marker = cell.source.split("\n")[0]
            cell.source = f"{marker}\n{source}"
            return
    notebook.cells.append(new_code_cell(source, id=f"own-{name}"))


def _through_colab(notebook: NotebookNode, learner: str) -> bytes:
    """What Colab's editor makes of a notebook: ids in the metadata, data of its own, widgets without
    their state. The cell of the second exercise was typed again, so only its marker identifies it."""
    rng = random.Random(learner)
    tree = json.loads(nbformat.writes(notebook))
    tree["nbformat_minor"] = 0
    tree["metadata"]["colab"] = {"provenance": [], "toc_visible": True}
    tree["metadata"]["kernelspec"] = {"name": "python3-colab", "display_name": "Python 3"}
    widgets = {"0a1b2c": {"model_module": "@jupyter-widgets/controls", "state": {}}}
    tree["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": widgets}
    solutions = [
        cell for cell in tree["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")
    ]
    for cell in tree["cells"]:
        cell["metadata"]["id"] = cell.pop("id")
        if cell["cell_type"] == "code":
            cell["metadata"]["executionInfo"] = {"status": "ok", "elapsed": rng.randrange(4000)}
            cell["metadata"]["outputId"] = f"{rng.getrandbits(64):016x}"
    solutions[1]["metadata"] = {"id": f"{rng.getrandbits(48):012x}"}
    return json.dumps(tree, indent=2).encode()
