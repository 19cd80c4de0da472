"""What a page without a kernel has to show of a released chapter's panels."""

import json
from dataclasses import dataclass

from course_lib.chapters import Chapter
from grading.paths import released_notebook


@dataclass(frozen=True)
class StaticPanel:
    """The two lines of a panel's plain text."""

    title: str
    sentence: str

    @property
    def alternative_text(self) -> str:
        return f"{self.title}. {self.sentence}"


def static_panels(chapter: Chapter) -> list[StaticPanel]:
    """The panels of a released notebook in their order, as their outputs' plain text names them."""
    notebook = json.loads(released_notebook(chapter).read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    texts = [each["data"]["text/plain"] for each in outputs if "image/png" in each.get("data", {})]
    return [StaticPanel(*"".join(text).split("\n", 1)) for text in texts]


def squeezed(text: str) -> str:
    """With single spaces: how a page wraps does not count."""
    return " ".join(text.split())
