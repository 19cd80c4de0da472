"""The panels' HTML: heading, picture, sentence and status line.

Used by ``widgets.py``. Core widgets have gaps for people who cannot see the screen or use a mouse:
the handle of a slider and the number beside it have no name, toggle buttons do not say which of
them is chosen, ``Image`` has no alternative text. So the picture is our own ``<img>``, and
the snippet that runs when it has loaded fills these gaps.
"""

import base64
from html import escape

from course_lib.beats import FORWARD

_TEXT = "color: var(--jp-content-font-color1, inherit); font-family: inherit;"

#: A screen reader reads a new sentence when no other has come for this long: while a slider is
#: dragged, there are twenty per second.
REST_MILLISECONDS = 700

# Runs in the page after each picture. The words come from the labels that are already there. Where
# a page forbids such snippets, nothing happens. The live region is an element that stays, otherwise
# screen readers do not notice that its text changes. JupyterLab takes the arrow keys for its cells
# even when a list has the focus, unless told otherwise. A picture that has to be scrolled takes the
# focus, so that the keys scroll it. The last line starts the clock of a live
# panel on ipywidgets 7, whose page does not listen to the kernel (see live.py).
_WHEN_LOADED = (
    "var p=this.closest('.course-panel');if(p){"
    "p.querySelectorAll('.noUi-handle,.ui-slider-handle').forEach(function(h){"
    "var w=h.closest('.widget-slider,.widget-hslider,.widget-inline-hbox'),"
    "l=w&&w.querySelector('.widget-label'),r=w&&w.querySelector('.widget-readout');"
    "h.setAttribute('role','slider');"
    "if(l)h.setAttribute('aria-label',l.textContent);"
    "if(r)h.setAttribute('aria-valuetext',r.textContent);"
    "if(l&&r){r.setAttribute('role','textbox');"
    "r.setAttribute('aria-label',l.textContent+', as a number');}});"
    "p.querySelectorAll('.widget-toggle-buttons').forEach(function(g){"
    "var l=g.querySelector('.widget-label');g.setAttribute('role','group');"
    "if(l)g.setAttribute('aria-label',l.textContent);"
    "g.querySelectorAll('button').forEach(function(b){"
    "b.setAttribute('aria-pressed',b.classList.contains('mod-active'));});});"
    "var q=p.querySelector('.course-picture');"
    "if(q&&q.scrollWidth>q.clientWidth)q.tabIndex=0;else if(q)q.removeAttribute('tabindex');"
    "p.querySelectorAll('select').forEach(function(e){"
    "e.setAttribute('data-lm-suppress-shortcuts','true');});"
    "var n=p.querySelector('.course-news'),i=this;clearTimeout(p.courseRest);"
    "p.courseRest=setTimeout(function(){if(!n||!i.dataset.announce)return;"
    "if(p.courseSaid&&p.courseSaid!==i.alt)n.textContent=i.alt;p.courseSaid=i.alt;},"
    f"{REST_MILLISECONDS});"
    "var t=this.dataset.start,b=p.querySelector('.widget-play button');"
    "if(t&&b&&p.dataset.started!==t){p.dataset.started=t;b.click();}}"
)

#: For a box of lists without a picture: they keep the arrow keys, like those beside one.
LISTS_KEEP_ARROW_KEYS = (
    '<img alt="" style="display:none" onload="if(!window.courseLists){window.courseLists=true;'
    "document.addEventListener('focusin',function(e){if(e.target.matches('.course-panel select'))"
    "e.target.setAttribute('data-lm-suppress-shortcuts','true');});}\" "
    'src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">'
)

# The outline is visible on the white of JupyterLab's light theme and on the black of its dark one.
# The chosen one of several buttons is marked by more than a shade of grey.
# A picture in a narrow place, as at 200 % zoom, stays large enough to read, and scrolls by itself.
_RULES = (
    "<style>"
    ".course-panel .noUi-handle:focus-visible,.course-panel .ui-slider-handle:focus,"
    ".course-panel button:focus-visible,.course-panel select:focus-visible,"
    ".course-panel input:focus-visible,.course-panel .widget-readout:focus-visible,"
    ".course-picture:focus-visible"
    f"{{outline:3px solid {FORWARD.color}!important;outline-offset:1px}}"
    ".course-panel .widget-toggle-buttons button{width:auto;min-width:76px}"
    ".course-panel .widget-toggle-buttons .mod-active"
    "{font-weight:700;box-shadow:inset 0 -3px 0 currentColor}"
    ".course-panel .widget-label{max-width:40%;overflow:visible;white-space:normal;height:auto;line-height:1.25;align-self:center}"
    ".course-panel .widget-html,.course-panel .widget-html-content{height:auto;line-height:1.45}"
    ".course-panel select{min-width:0;flex:1 1 0}"
    ".course-picture{overflow-x:auto}.course-picture img{min-width:640px}"
    ".course-news{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}"
    "</style>"
)


def heading(title: str) -> str:
    """The panel's title, its few style rules, and the text that only screen readers get."""
    return (
        f'{_RULES}<div class="course-news" role="status"></div><div role="heading" aria-level="3" '
        f'style="{_TEXT} font-size: 16px; font-weight: 600; margin: 2px 0;">{escape(title)}</div>'
    )


def picture(
    png: bytes, alt: str, size: tuple[int, int], start: int | None = None, announce: bool = True
) -> str:
    """The picture: fixed size and decoded at once, so that a new one does not flicker.

    ``announce=False`` while a run plays: no screen reader could keep up. ``start``: a number that
    the page has not seen yet starts the clock, once.
    """
    width, height = size
    marks = 'data-announce="yes" ' if announce else ""
    marks += "" if start is None else f'data-start="{start}" '
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<img alt="{escape(alt)}" width="{width}" height="{height}" decoding="sync" '
        f'style="max-width: 100%; height: auto; border-radius: 4px; background: white;" '
        f'{marks}onload="{_WHEN_LOADED}" src="data:image/png;base64,{data}">'
    )


def sentence(words: str) -> str:
    """The numbers in words."""
    return f'<div style="{_TEXT} font-size: 14px; max-width: 75em;">{escape(words)}</div>'


def status(error: BaseException | None) -> str:
    """An error in one line, or nothing."""
    if error is None:
        return ""
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        '<div role="alert" style="font-size: 14px; color: var(--jp-error-color0, #b00020); '
        f'white-space: pre-wrap;"><b>This did not work.</b> {escape(words)}</div>'
    )
