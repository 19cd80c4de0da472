"""Pictures as layers: what changes from one to the next is small, and is stored without loss.

A picture is an array ``[height, width]`` of uint32, one opaque RGBA pixel each. Used by
``recording.py``; the player draws the layers on top of each other.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

_WEBP = {"format": "WEBP", "lossless": True, "method": 3, "quality": 50}


def overlay(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The pixels of ``after`` that differ, transparent elsewhere; None when nothing differs."""
    changed = before != after
    return np.where(changed, after, np.uint32(0)) if changed.any() else None


def encode(layer: np.ndarray) -> bytes:
    """The layer as a WebP file, without loss."""
    rgba = np.ascontiguousarray(layer).view(np.uint8).reshape(*layer.shape, 4)
    image = Image.fromarray(rgba, "RGBA")
    file = io.BytesIO()
    (image if (layer >> 24 == 0).any() else image.convert("RGB")).save(file, **_WEBP)
    return file.getvalue()


def decode(files: list[Path]) -> np.ndarray:
    """The picture that these layers make, the lowest first."""
    picture: np.ndarray | None = None
    for file in files:
        with Image.open(file) as image:
            layer = np.asarray(image.convert("RGBA")).view(np.uint32)[..., 0]
        picture = layer if picture is None else np.where(layer >> 24 > 0, layer, picture)
    assert picture is not None
    return picture


def from_rgba(rgba: np.ndarray) -> np.ndarray:
    """A copy of ``[height, width, 4]`` uint8 as a picture; its opacity is dropped."""
    picture = np.ascontiguousarray(rgba).view(np.uint32)[..., 0].copy()
    picture |= np.uint32(0xFF000000)
    return picture
