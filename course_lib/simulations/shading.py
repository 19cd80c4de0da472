"""A shaded plane that can change many times a second; drawn by ``dashboard_picture``."""

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import Colormap, to_rgba_array
from torch import Tensor
from torch.nn import functional


class Shading(Artist):
    """Fills ``axes`` with the colours of ``values``, a grid ``[rows, columns]`` from the lower left.

    Values go from 0 to 1; NaN gets the colour ``missing``. ``imshow`` does the same but takes five
    times as long, which would slow down a live picture.
    """

    def __init__(self, axes: Axes, colormap: Colormap, missing: str) -> None:
        super().__init__()
        self.zorder = 1
        self.values: Tensor = torch.full((2, 2), 0.5)
        self._levels = colormap.N
        colors = to_rgba_array([*map(colormap, range(colormap.N)), missing])
        self._colors = (colors * 255).round().astype(np.uint8)
        axes.add_artist(self)

    def draw(self, renderer: RendererBase) -> None:
        if not self.get_visible():
            return
        place = self.axes.bbox
        fine = functional.interpolate(
            self.values[None, None],
            size=(round(place.height), round(place.width)),
            mode="bilinear",
            align_corners=True,
        )[0, 0]
        level = (fine * self._levels).clamp(0, self._levels - 1).nan_to_num(self._levels)
        context = renderer.new_gc()
        colors = self._colors[level.to(torch.uint8).numpy()]
        renderer.draw_image(context, place.x0, place.y0, colors)
        context.restore()
