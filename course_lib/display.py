"""How the course speaks to a learner: a framed text in a notebook, plain text everywhere else.

Called by ``check``, ``hint``, ``solution`` and ``hand_in``. Text keeps the colours of the page, so
that it can be read on a light and on a dark one; the frame's colour only repeats what a symbol and a
word say.
"""

import html
import re
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: Columns and lines of a small terminal window.
WIDTH, HEIGHT = 80, 30
#: Dark enough on white, light enough on black.
GREY, ORANGE, GREEN = "#767676", "#D55E00", "#009E73"

_FRAME = (
    "border-left:4px solid {color};padding:.4em .8em;margin:.3em 0;"
    "color:var(--jp-content-font-color1, inherit);"
    "font-family:var(--jp-content-font-family, sans-serif);line-height:1.45"
)
_CODE = re.compile(r"`([^`]+)`")
#: What a terminal without Unicode shows instead.
_PLAIN = str.maketrans({"\u25cb": "o", "\u2717": "x", "\u2713": "v", "\u2026": "..."})


@dataclass(frozen=True)
class Text:
    """Paragraphs, one to a line of ``text``."""

    text: str

    def __repr__(self) -> str:
        return "\n".join(line for part in self.text.split("\n") for line in wrap(part, ""))

    def _repr_html_(self) -> str:
        return frame([as_html(part) for part in self.text.split("\n")])


def show(result: Any) -> None:
    """Display ``result`` in a notebook; print it where there is none, in IPython's terminal too."""
    shell = in_ipython()
    if shell is not None:
        from IPython.core.displaypub import DisplayPublisher
        from IPython.display import display

        # This one prints everything as it is, also where the terminal cannot show it.
        if type(shell.display_pub) is not DisplayPublisher:
            display(result)
            return
    write(repr(result))


def in_ipython() -> Any:
    """The running IPython shell, or None."""
    # Where IPython runs, it has been imported.
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def write(text: str) -> None:
    """Print, also to a terminal that cannot show every character."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        text = text.translate(_PLAIN).encode("ascii", "replace").decode()
    print(text)


def wrap(text: str, indent: str) -> list[str]:
    """Lines of at most ``WIDTH`` characters; those after the first stand two further in."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    ) or [""]


def as_html(text: str) -> str:
    """``text`` as HTML; leading spaces stay, and what stands between backticks is set as code."""
    words = text.lstrip(" ")
    indent = "\u00a0" * (len(text) - len(words))
    return indent + _CODE.sub(r"<code>\1</code>", html.escape(words))


def frame(parts: Iterable[str], color: str = GREY) -> str:
    """HTML parts, each on a line of its own, behind a coloured bar."""
    lines = "".join(f"<div>{part}</div>" for part in parts)
    return f'<div class="course-check" role="status" style="{_FRAME.format(color=color)}">{lines}</div>'
