"""A mistake as an edit of a right solution: ``edit("optimizer.zero_grad()\\n", "")``.

Nobody has to keep a second copy of the reference with switches, and what a learner did differently
can be read in one line. Applied when the wrong solution is first needed.
"""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grading.chapter_text.reference import edited, replaced, run_source


@dataclass(frozen=True)
class Edit:
    """Replacements (old, new), made one after another; each old text must occur exactly once.

    They change the reference solution, or ``base`` where one is given: a function or class of the
    answers, for instance one of the variants.
    """

    replacements: tuple[tuple[str, str], ...]
    base: Callable[..., Any] | None = None

    def edit(self, old: str, new: str) -> "Edit":
        """The same with one more replacement."""
        return Edit((*self.replacements, (old, new)), self.base)

    def subjects(self, exercise: str) -> tuple[Any, ...]:
        """The wrong solution, runnable: the subjects of ``exercise``. Raises ``Problem``."""
        if self.base is None:
            return edited(exercise, self.replacements)
        where = f"{self.base.__module__}.{self.base.__qualname__}"
        source = textwrap.dedent(inspect.getsource(self.base))
        for old, new in self.replacements:
            source = replaced(source, old, new, where)
        namespace = dict(inspect.getmodule(self.base).__dict__)
        run_source(source, namespace, f"<{where}: edited {abs(hash(source)):x}>")
        return (namespace[self.base.__name__],)


def edit(old: str, new: str, of: Callable[..., Any] | None = None) -> Edit:
    """The reference solution with ``old`` replaced by ``new``; ``of`` names another base.

    ``edit("a", "b").edit("c", "d")`` makes two replacements.
    """
    return Edit(((old, new),), of)
