"""A picture of measured times is kept where nothing but the times has changed."""

import base64
import io
from copy import deepcopy

import matplotlib.image
import nbformat.v4
import numpy as np
import pytest

from course_lib.simulations import load
from grading.authoring.measured_pictures import keep_measured_pictures


def notebook(name: str, pixels: np.ndarray, sentence: str = "A sentence.") -> nbformat.NotebookNode:
    file = io.BytesIO()
    matplotlib.image.imsave(file, pixels, format="png")
    png = base64.b64encode(file.getvalue()).decode()
    output = nbformat.v4.new_output("display_data", {"image/png": png, "text/plain": sentence})
    cell = nbformat.v4.new_code_cell(f'panel("{name}", ask="p")', id="panel", outputs=[output])
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.fixture
def picture() -> np.ndarray:
    return np.zeros((10, 100, 3))


def changed(pixels: np.ndarray, share: float) -> np.ndarray:
    other = pixels.copy()
    other[3, int(share * pixels.shape[1])] = 1
    return other


@pytest.mark.parametrize(
    ("name", "share", "sentence", "kept"),
    [
        ("gradient_noise", 0.9, "A sentence.", True),
        ("gradient_noise", 0.1, "A sentence.", False),
        ("gradient_noise", 0.9, "Another one.", False),
        ("zero_grad", 0.9, "A sentence.", False),
    ],
)
def test_only_the_part_with_the_times_may_differ(picture, name, share, sentence, kept):
    stored, made = notebook(name, picture), notebook(name, changed(picture, share), sentence)
    keep_measured_pictures(made, stored)
    pictures = [each.cells[0].outputs[0].data["image/png"] for each in (stored, made)]
    assert (pictures[0] == pictures[1]) is kept


def test_a_cell_that_is_new_keeps_its_own_picture(picture):
    made = notebook("gradient_noise", picture)
    before = deepcopy(made)
    keep_measured_pictures(made, nbformat.v4.new_notebook())
    assert made == before


def test_two_panels_measure():
    assert 0 < load("gradient_noise").measured_from < 1
    assert 0 < load("data_parallel").measured_from < 1
