"""Pieces of text to be put in order: two lists and five buttons, all of them worked by keyboard.

Called by ``course_lib.ordering``. Only widgets that ipywidgets 7.7.1 (Colab) and 8 both have.
"""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from course_lib.panels import markup

_MOST_ROWS = 16
# Code stands in columns, and a list keeps the height of its rows.
_RULES = (
    "<style>.course-lines select{flex:none;font-family:var(--jp-code-font-family,monospace);"
    "font-size:var(--jp-code-font-size,13px);overflow:auto}"
    ".course-lines .widget-label{max-width:none!important;align-self:flex-start!important;font-weight:600}</style>"
)


def arrange(title: str, pieces: Sequence[str], check: Callable[[list[str]], Any]) -> widgets.VBox:
    """Widgets that move ``pieces`` from a list to the reader's own and show what ``check`` gives for
    that order: an object with ``_repr_html_``."""
    rest = _list("Still to be placed", _options(pieces, range(len(pieces))), len(pieces))
    own = _list("Your order", [], len(pieces))
    said = widgets.HTML(layout=widgets.Layout(width="auto"))
    order: list[int] = []

    def redraw(chosen: int | None) -> None:
        rest.options = _options(pieces, [n for n in range(len(pieces)) if n not in order])
        own.options = _options(pieces, order)
        own.value = chosen if chosen in order else (order[-1] if order else None)

    def take(_: Any) -> None:
        if rest.value is not None:
            at = order.index(own.value) + 1 if own.value in order else len(order)
            order.insert(at, rest.value)
            redraw(order[at])

    def put_back(_: Any) -> None:
        if own.value in order:
            order.remove(own.value)
            redraw(None)

    def move(by: int) -> Callable[[Any], None]:
        def moved(_: Any) -> None:
            if own.value not in order:
                return
            at = order.index(own.value)
            if 0 <= at + by < len(order):
                order[at], order[at + by] = order[at + by], order[at]
                redraw(order[at + by])

        return moved

    def run(_: Any) -> None:
        said.value = check([pieces[number] for number in order])._repr_html_()

    buttons = []
    for label, action in (
        ("Take", take),
        ("Put back", put_back),
        ("Move up", move(-1)),
        ("Move down", move(1)),
        ("Check", run),
    ):
        button = widgets.Button(description=label)
        button.on_click(action)
        buttons.append(button)
    heading = widgets.HTML(markup.heading(title) + _RULES + markup.LISTS_KEEP_ARROW_KEYS)
    row = widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap"))
    box = widgets.VBox([heading, rest, own, row, said])
    box.add_class("course-panel").add_class("course-lines")
    return box


def _list(label: str, options: list[tuple[str, int]], most: int) -> widgets.Select:
    """A list as wide as the page, its label above it."""
    layout = widgets.Layout(width="auto", height="auto", flex_flow="column", align_items="stretch")
    style = {"description_width": "auto"}
    rows = min(most, _MOST_ROWS)
    return widgets.Select(options=options, rows=rows, description=label, layout=layout, style=style)


def _options(pieces: Sequence[str], numbers: Sequence[int] | range) -> list[tuple[str, int]]:
    """What a list shows, where a browser would drop leading spaces and line breaks."""
    shown = [each.replace(" ", "\u00a0").replace("\n", " \u23ce ") for each in pieces]
    return [(f"{n + 1}: {shown[n]}", n) for n in numbers]
