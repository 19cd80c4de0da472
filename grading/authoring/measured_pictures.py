"""Pictures that show how long something took on the machine that made them. They come out a little
different each time; ``build`` keeps the stored one where nothing else has changed."""

import base64
import io
import re

import numpy as np
from matplotlib.image import imread
from nbformat import NotebookNode

from course_lib.simulations import load

_PANEL = re.compile(r'^panel\("(\w+)"')


def keep_measured_pictures(made: NotebookNode, stored: NotebookNode) -> None:
    """Put into ``made`` the stored picture of each panel that measures, if sentence and the part of the
    picture that its settings decide are the same."""
    before = {cell.id: cell for cell in stored.cells}
    for cell in made.cells:
        found = _PANEL.match(cell.source)
        share = getattr(load(found[1]), "measured_from", 1) if found else 1
        if share == 1 or cell.id not in before:
            continue
        for new, old in zip(cell.outputs, before[cell.id].get("outputs", ()), strict=False):
            if "image/png" in new.get("data", {}) and _same_but_for_times(new, old, share):
                new.data["image/png"] = old.data["image/png"]


def _same_but_for_times(new: NotebookNode, old: NotebookNode, share: float) -> bool:
    one, other = (dict(output.get("data", {})) for output in (new, old))
    pictures = [_pixels(data.pop("image/png", "")) for data in (one, other)]
    if one != other or pictures[1] is None or pictures[0].shape != pictures[1].shape:
        return False
    width = int(share * pictures[0].shape[1])
    return np.array_equal(*(picture[:, :width] for picture in pictures))


def _pixels(png: str) -> np.ndarray | None:
    return imread(io.BytesIO(base64.b64decode(png)), format="png") if png else None
