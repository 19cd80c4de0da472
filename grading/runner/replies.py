"""A kernel's answer to one question, taken apart without reading what the learner's code gave back: that
stays packed as it came, and only the judge unpacks it.

Called by ``run``. Everything here was written by a hostile process: sizes are bounded before anything is
read, and anything not exactly of this form is discarded.
"""

import base64
import struct

import msgspec

from course_lib.exercises.checking.model import MAX_BYTES

_LONGEST_LINE = 4_096


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    error: str = ""
    failure: str = ""
    detail: str = ""


class Reply(_Line, frozen=True, forbid_unknown_fields=False):
    """What came of one case: ``packed``, with the type of the exception that the learner's code raised if
    any; or the kind of ``failure`` and its ``detail``."""

    packed: bytes = b""

    @property
    def lacks_a_name(self) -> bool:
        """Was the exercise's own name not defined, or one that its code uses?"""
        return self.failure == "missing" or self.error == "NameError"


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    nonce: str
    name: str


def replies_from(text: str, nonce: str, name: str, count: int) -> list[Reply] | None:
    """The ``count`` replies in an answer (``observe`` says how it is made); None when it is not the answer
    to this question, or not well formed."""
    try:
        line, rest = _first_line(base64.b64decode(text, validate=True))
        head = msgspec.json.decode(line, type=_Head)
        if (head.nonce, head.name) != (nonce, name):
            return None
        replies = []
        for _ in range(count):
            (length,) = struct.unpack_from("<I", rest)
            part, rest = rest[4 : 4 + length], rest[4 + length :]
            if not 0 < len(part) == length <= MAX_BYTES:
                return None
            line, packed = _first_line(part)
            said = msgspec.json.decode(line, type=_Line)
            replies.append(Reply(said.error, said.failure, said.detail, packed))
    except (ValueError, struct.error, msgspec.MsgspecError):
        return None
    return replies if not rest else None


def _first_line(data: bytes) -> tuple[bytes, bytes]:
    end = data.index(b"\n", 0, _LONGEST_LINE)
    return data[:end], data[end + 1 :]
