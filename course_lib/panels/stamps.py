"""Text that was drawn before is stamped, not drawn again.

Drawing a line of text takes Matplotlib a millisecond or two, and most of the text in a picture
is in the previous one too. Used by ``canvas.py`` for the texts among the moving artists.
"""

from collections import OrderedDict
from math import ceil, floor

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

#: How many stamps are kept, some 10 kB each.
_CAPACITY = 400
#: Pixels around a text's box, for the soft edges of its letters.
_MARGIN = 2


class TextStamps:
    """Draws artists with ``renderer``, and repeated texts faster than it could."""

    def __init__(self, renderer: RendererAgg) -> None:
        self._renderer = renderer
        self._scratch = RendererAgg(renderer.width, renderer.height, renderer.dpi)
        self._stamps: OrderedDict[tuple, tuple[np.ndarray, np.ndarray]] = OrderedDict()

    def draw(self, artist: Artist) -> None:
        """``artist.draw(renderer)``, from a stamp if ``artist`` is a text like an earlier one."""
        if type(artist) is not Text or not self._stamp(artist):
            artist.draw(self._renderer)

    def _stamp(self, text: Text) -> bool:
        """Stamp ``text``; False if it is not of the plain kind that can be stamped."""
        if not text.get_visible() or not text.get_text():
            return True
        clipped = text.get_clip_on() and text.get_clip_box() is not None
        if clipped or text.get_bbox_patch() or text.get_path_effects():
            return False
        box = text.get_window_extent(self._scratch)
        left, right = floor(box.x0) - _MARGIN, ceil(box.x1) + _MARGIN
        # Matplotlib counts lines from the bottom, pixels from the top.
        height = int(self._scratch.height)
        top, bottom = height - ceil(box.y1) - _MARGIN, height - floor(box.y0) + _MARGIN
        if left < 0 or top < 0 or right > self._scratch.width or bottom > height:
            return False
        key = (*_looks(text), right - left, bottom - top, box.x0 % 1 > 0.5, box.y0 % 1 > 0.5)
        stamp = self._stamps.get(key)
        if stamp is None:
            self._scratch.clear()
            text.draw(self._scratch)
            drawn = np.asarray(self._scratch.buffer_rgba())[top:bottom, left:right]
            stamp = self._stamps[key] = _premultiplied(drawn)
            if len(self._stamps) > _CAPACITY:
                self._stamps.popitem(last=False)
        else:
            self._stamps.move_to_end(key)
        ink, through = stamp
        target = np.asarray(self._renderer.buffer_rgba())[top:bottom, left:right, :3]
        target[...] = (ink + target * through + 0.5).astype(np.uint8)
        return True


def _looks(text: Text) -> tuple:
    font = text.get_fontproperties()
    return (
        text.get_text(),
        hash(font),
        text.get_color(),
        text.get_alpha(),
        text.get_rotation(),
        text.get_horizontalalignment(),
        text._linespacing,
    )


def _premultiplied(rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour times opacity ``[rows, columns, 3]``, what shines through ``[rows, columns, 1]``."""
    opacity = rgba[..., 3:].astype(np.float32) / 255
    return rgba[..., :3] * opacity, 1 - opacity
