"""Review flags: which cells reach into the machinery that observes them. Called by ``classroom.pipeline``; takes no point.

What a learner's process can do to itself cannot be judged from its source: this finds the plain
cases, for a person to review. An honest cell may be named too.
"""

import re

from nbformat import NotebookNode

from grading.intake.matching import is_locked, tags_of

_REACHES = re.compile(
    r"course_lib\.exercises\.\w+|course_lib\.exercises import (?!check\b|hint\b)\w+|"
    r"_getframe|currentframe|f_back|inspect\.stack|gc\.get_\w+|settrace|setprofile|addaudithook|"
    r"__code__|cell_contents|TorchDispatchMode|_disable_current_modes|torch\.library|"
    r"user_expressions|forbidden|refusing|\bctypes\b|builtins\.__import__|sys\.modules[\[.]"
)
_CELLS_NAMED = 5


def review_flags(notebook: NotebookNode) -> list[str]:
    """A sentence per cell of the learner's that names parts of the checks or ways to them."""
    notes = []
    for number, cell in enumerate(notebook.cells, 1):
        own = cell.cell_type == "code" and not is_locked(cell) and "setup" not in tags_of(cell)
        found = _REACHES.search(cell.source) if own else None
        if found:
            notes.append(f"Cell {number} mentions {found[0][:60]}: please review manually.")
    return notes[:_CELLS_NAMED]
