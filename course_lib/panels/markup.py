"""The panels' HTML: heading, picture, sentence and status line.

Used by ``panel.py``. Core widgets have gaps for people who do not see the screen: the handle of a
slider has no name and ``Image`` has no alternative text. Hence the picture is an ``<img>`` of ours,
and the snippet that runs when it has loaded gives the handles their labels.
"""

import base64
from html import escape

_TEXT = "color: var(--jp-content-font-color1, inherit); font-family: inherit;"

# Runs in the page after each picture. The words come from the labels that are already there. Where
# a page forbids such snippets, nothing happens. The live region has to be an element that stays,
# which is the widget around the sentence: its text is replaced each time. The last line starts the
# clock of a live panel on ipywidgets 7, whose page does not listen to the kernel (see live.py).
_WHEN_LOADED = (
    "var p=this.closest('.course-panel');if(p){"
    "p.querySelectorAll('.noUi-handle,.ui-slider-handle').forEach(function(h){"
    "var w=h.closest('.widget-slider,.widget-hslider,.widget-inline-hbox'),"
    "l=w&&w.querySelector('.widget-label'),r=w&&w.querySelector('.widget-readout');"
    "h.setAttribute('role','slider');"
    "if(l)h.setAttribute('aria-label',l.textContent);"
    "if(r)h.setAttribute('aria-valuetext',r.textContent);});"
    "var s=p.querySelector('.course-sentence'),i=s&&s.querySelector('[aria-live]');"
    "if(i)s.setAttribute('aria-live',i.getAttribute('aria-live'));"
    "var t=this.dataset.start,b=p.querySelector('.widget-play button');"
    "if(t&&b&&p.dataset.started!==t){p.dataset.started=t;b.click();}}"
)

_RULES = (
    "<style>"
    ".course-panel .noUi-handle:focus-visible,.course-panel .ui-slider-handle:focus,"
    ".course-panel button:focus-visible,.course-panel select:focus-visible"
    "{outline:3px solid #56B4E9;outline-offset:1px}"
    ".course-panel .widget-label{overflow:visible;white-space:normal;height:auto;line-height:1.25;align-self:center}"
    ".course-panel .widget-html,.course-panel .widget-html-content{height:auto;line-height:1.45}"
    "</style>"
)


def heading(title: str) -> str:
    """The panel's title, and its few style rules."""
    return (
        f'{_RULES}<div role="heading" aria-level="3" '
        f'style="{_TEXT} font-size: 16px; font-weight: 600; margin: 2px 0;">{escape(title)}</div>'
    )


def picture(png: bytes, alt: str, size: tuple[int, int], start: int | None = None) -> str:
    """The picture: fixed size and decoded at once, so that a new one does not flicker.

    ``start``: a number that the page has not seen yet starts the clock, once.
    """
    width, height = size
    mark = "" if start is None else f'data-start="{start}" '
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<img alt="{escape(alt)}" width="{width}" height="{height}" decoding="sync" '
        f'style="max-width: 100%; height: auto; border-radius: 4px; background: white;" '
        f'{mark}onload="{_WHEN_LOADED}" src="data:image/png;base64,{data}">'
    )


def sentence(words: str, announce: bool = True) -> str:
    """The numbers in words. ``announce=False`` while a run plays: no screen reader keeps up."""
    live = "polite" if announce else "off"
    return (
        f'<div aria-live="{live}" style="{_TEXT} font-size: 14px; max-width: 75em;">'
        f"{escape(words)}</div>"
    )


def status(error: BaseException | None) -> str:
    """An error in one line, or nothing."""
    if error is None:
        return ""
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        '<div role="alert" style="font-size: 14px; color: var(--jp-error-color0, #b00020); '
        f'white-space: pre-wrap;"><b>This did not work.</b> {escape(words)}</div>'
    )
