"""What is kept of a cell's outputs: text, PNG pictures, streams and errors, bounded in size.

HTML or JavaScript of a learner would run in the instructor's browser, so neither is kept. Called by
``kernel`` with each message as it arrives; what a message claims to be is checked here.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from grading.intake.reading import clean_text
from grading.runner.limits import Limits

_PNG = b"\x89PNG\r\n\x1a\n"
_NAME_CHARACTERS = 200
_TRACEBACK_LINES = 100


@dataclass
class OutputBudget:
    """What a notebook's outputs may still take, in bytes and in number: each takes the page's maker
    as long as a line of text."""

    left: int
    outputs: int

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True


@dataclass
class CellOutputs:
    """Collects the outputs of one cell as nbformat's output objects."""

    limits: Limits
    budget: OutputBudget
    kept: list[dict[str, Any]] = field(default_factory=list)
    cut: bool = False
    _text_bytes: int = 0
    _clear_on_next: bool = False

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Take in one message. ``kind`` is Jupyter's message type."""
        if kind == "clear_output":
            if content.get("wait") is True:
                self._clear_on_next = True
            else:
                self._clear()
            return
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return
        if self._clear_on_next:
            self._clear()
        if kind == "stream":
            self._stream(content)
        elif kind == "error":
            self._error(content)
        else:
            self._display(content)

    def result(self) -> list[dict[str, Any]]:
        """What was kept, with a note at the end when something was left out."""
        if not self.cut:
            return self.kept
        note = {"output_type": "stream", "name": "stdout", "text": "... output cut here ...\n"}
        return [*self.kept, note]

    def _clear(self) -> None:
        self.kept.clear()
        self._text_bytes = 0
        self._clear_on_next = False

    def _stream(self, content: dict[str, Any]) -> None:
        text = self._text(content.get("text"))
        if not text:
            return
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        last = self.kept[-1] if self.kept else None
        if last and last["output_type"] == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self._keep({"output_type": "stream", "name": name, "text": text})

    def _error(self, content: dict[str, Any]) -> None:
        lines = content.get("traceback")
        lines = lines if isinstance(lines, list) else []
        self._keep(
            {
                "output_type": "error",
                "ename": _string(content.get("ename"))[:_NAME_CHARACTERS],
                "evalue": self._text(content.get("evalue")),
                "traceback": [self._text(line) for line in lines[:_TRACEBACK_LINES]],
            }
        )

    def _display(self, content: dict[str, Any]) -> None:
        bundle = content.get("data")
        if not isinstance(bundle, dict):
            return
        data = {
            "image/png": self._picture(bundle.get("image/png")),
            "text/plain": self._text(bundle.get("text/plain")),
        }
        data = {kind: value for kind, value in data.items() if value}
        if data:
            self._keep({"output_type": "display_data", "data": data, "metadata": {}})

    def _picture(self, value: Any) -> str:
        """Base64 text of a true PNG, encoded again; "" for anything else."""
        if not isinstance(value, str):
            return ""
        try:
            data = base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            return ""
        if not data.startswith(_PNG):
            return ""
        if len(data) > self.limits.picture_bytes or not self.budget.take(len(data)):
            self.cut = True
            return ""
        return base64.b64encode(data).decode()

    def _text(self, value: Any) -> str:
        text = clean_text(_string(value)[: self.limits.cell_text_bytes])
        room = self.limits.cell_text_bytes - self._text_bytes
        if len(text) > room or not self.budget.take(len(text)):
            self.cut = True
            text = text[:room] if room > 0 and self.budget.take(room) else ""
        elif isinstance(value, str) and len(value) > self.limits.cell_text_bytes:
            self.cut = True
        self._text_bytes += len(text)
        return text

    def _keep(self, output: dict[str, Any]) -> None:
        if len(self.kept) >= self.limits.cell_outputs or self.budget.outputs <= 0:
            self.cut = True
            return
        self.budget.outputs -= 1
        self.kept.append(output)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
