"""Outputs that differ between two runs although they show the same are settled by the build."""

import base64
import io
import sys
from pathlib import Path
from threading import Event

import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from grading.authoring.execute import (
    WIDGET_VIEW,
    clean_outputs,
    execute_notebook,
    strip_png_remarks,
)
from grading.errors import Problem


def picture(software: str) -> bytes:
    figure, file = Figure(figsize=(1, 1)), io.BytesIO()
    figure.subplots().plot([0, 1])
    figure.savefig(file, format="png", metadata={"Software": software})
    return file.getvalue()


def cleaned(*outputs):
    notebook = new_notebook(cells=[new_code_cell("x", outputs=list(outputs))])
    clean_outputs(notebook)
    return notebook


def shown(**data):
    return new_output("display_data", {kind.replace("_", "/"): text for kind, text in data.items()})


def test_two_versions_of_the_drawing_software_give_the_same_bytes():
    old, new = picture("Matplotlib version3.10.0"), picture("Matplotlib version3.11.2")
    assert old != new
    assert strip_png_remarks(old) == strip_png_remarks(new)
    pixels = [Image.open(io.BytesIO(png)).tobytes() for png in (old, strip_png_remarks(old))]
    assert pixels[0] == pixels[1]


def test_what_is_no_png_stays_as_it_is():
    assert strip_png_remarks(b"GIF89a...") == b"GIF89a..."


def test_widget_views_go_and_the_static_twin_stays():
    png = base64.b64encode(picture("x")).decode()
    output = shown(text_plain="loss 2.30", image_png=png)
    output.data[WIDGET_VIEW] = {"model_id": "5f0c", "version_major": 2}
    (kept,) = cleaned(output).cells[0].outputs
    assert set(kept.data) == {"text/plain", "image/png"}


def test_an_output_that_was_only_a_widget_goes_altogether():
    output = new_output("display_data", {WIDGET_VIEW: {"model_id": "5f0c"}})
    assert cleaned(output).cells[0].outputs == []


def test_addresses_are_settled_and_hexadecimal_numbers_are_not():
    first, second = (
        cleaned(
            shown(text_plain="<Line2D at 0x7f3a5c0b9d10>"),
            new_output("stream", text="0x7f800000 is inf; <object at 0x7f3a5c0b9d10>\n"),
        )
        .cells[0]
        .outputs
    )
    assert first.data["text/plain"] == "<Line2D at 0x0>"
    assert second.text == "0x7f800000 is inf; <object at 0x0>\n"


def test_the_notebook_names_no_patch_version():
    notebook = new_notebook(cells=[], metadata={"widgets": {"a": 1}, "accelerator": "GPU"})
    notebook.metadata["language_info"] = {"version": "3.11.7"}
    clean_outputs(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info", "accelerator"}
    assert "3.11" not in str(notebook.metadata)
    assert notebook.metadata.kernelspec.name == "python3"


def run(folder: Path, *sources: str):
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    execute_notebook(notebook, folder, "05_complete_loop")
    return notebook


def test_cells_run_in_this_interpreter_in_their_folder_and_import_this_repository(tmp_path):
    notebook = run(
        tmp_path,
        "import sys, pathlib, course_lib, grading\nprint(sys.executable)\nprint(pathlib.Path.cwd())",
    )
    assert notebook.cells[0].outputs[0].text.splitlines() == [sys.executable, str(tmp_path)]


def test_a_cell_that_raises_is_named_in_one_line(tmp_path):
    with pytest.raises(
        Problem, match=r"05_complete_loop, cell 2 .*'1 / 0'.*ZeroDivisionError"
    ) as e:
        run(tmp_path, "x = 1", "1 / 0", "y = 2")
    assert "\n" not in str(e.value)


def test_a_cell_that_kills_the_kernel_is_named(tmp_path):
    with pytest.raises(Problem, match=r"cell 1 .*killed the kernel"):
        run(tmp_path, "import os; os._exit(1)")


def test_a_build_that_is_stopped_runs_no_further_cell(tmp_path):
    stop = Event()
    stop.set()
    notebook = new_notebook(cells=[new_code_cell("print('ran')")])
    with pytest.raises(Problem, match="05_complete_loop: stopped at"):
        execute_notebook(notebook, tmp_path, "05_complete_loop", stop)
    assert notebook.cells[0].outputs == []
