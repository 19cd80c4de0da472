"""Pictures as layers: what changes from one to the next is small, and is stored without loss.

A picture is an array ``[height, width]`` of uint32, one opaque RGBA pixel each. Used by
``recording.py``; the player draws the layers on top of each other.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

#: Up to so many changed pixels, a palette is tried beside WebP; above, WebP always wins.
_SMALL = 40_000
_WEBP = {"format": "WEBP", "lossless": True, "method": 3, "quality": 50}


def overlay(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The pixels of ``after`` that differ, transparent elsewhere; None when nothing differs."""
    changed = before != after
    return np.where(changed, after, np.uint32(0)) if changed.any() else None


def encode(layer: np.ndarray) -> tuple[bytes, str]:
    """The layer as a file and the file's suffix: WebP or, where that is smaller, palette PNG."""
    best = _saved(_image(layer), **_WEBP), ".webp"
    palette = _palette(layer)
    if palette is not None:
        best = min(best, (_saved(palette, format="PNG", optimize=True), ".png"), key=_length)
    return best


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


def _palette(layer: np.ndarray) -> Image.Image | None:
    shown = layer[layer >> 24 > 0]
    if len(shown) > _SMALL:
        return None
    colors = np.unique(shown)
    if len(colors) > 255:
        return None
    # Number 0 is what is transparent.
    numbers = np.zeros(layer.shape, np.uint8)
    numbers[layer >> 24 > 0] = np.searchsorted(colors, shown) + 1
    image = Image.fromarray(numbers, "P")
    rgb = colors.view(np.uint8).reshape(-1, 4)[:, :3]
    image.putpalette(bytes(3) + rgb.tobytes())
    image.info["transparency"] = 0
    return image


def _image(layer: np.ndarray) -> Image.Image:
    rgba = np.ascontiguousarray(layer).view(np.uint8).reshape(*layer.shape, 4)
    image = Image.fromarray(rgba, "RGBA")
    return image if (layer >> 24 == 0).any() else image.convert("RGB")


def _saved(image: Image.Image, **how) -> bytes:
    file = io.BytesIO()
    image.save(file, **how)
    return file.getvalue()


def _length(choice: tuple[bytes, str]) -> int:
    return len(choice[0])
