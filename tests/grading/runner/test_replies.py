"""A kernel's answer is taken apart only when it is exactly of its form, whatever a process sends."""

import base64
import json
import struct

import pytest

from course_lib.exercises.checking import wire
from course_lib.exercises.checking.observe import _answer, _failure, _part
from course_lib.exercises.checking.wire import MAX_BYTES, pack
from grading.runner import replies
from grading.runner.replies import Reply, replies_from

SEEN = {"values": {"returned": 1.0}, "events": [], "error": None}
HEAD = json.dumps({"nonce": "n", "name": "fit"}).encode() + b"\n"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _behind(*parts: bytes) -> bytes:
    return HEAD + b"".join(struct.pack("<I", len(part)) + part for part in parts)


def test_what_was_seen_stays_packed_and_what_was_raised_is_known():
    raised = {**SEEN, "error": ["NameError", "name 'x' is not defined", "x"]}
    text = _answer("n", "fit", [_part(SEEN), _part(raised), _failure("timeout", "20 s")])
    assert replies_from(text, "n", "fit", 3) == [
        Reply(packed=pack(SEEN)),
        Reply(error="NameError", packed=pack(raised)),
        Reply(failure="timeout", detail="20 s"),
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("not base64", 1),
        (_text(b"no line"), 1),
        (_text(b"x" * 10_000 + b"\n"), 0),
        (_text(b"[" * 4_000 + b"\n"), 0),
        (_text(HEAD), 1),
        (_text(_behind(_part(SEEN))), 2),
        (_text(_behind(_part(SEEN), _part(SEEN))), 1),
        (_text(_behind(_part(SEEN)) + b"more"), 1),
        (_text(_behind(_part(SEEN))[:-1]), 1),
        (_text(_behind(b"")), 1),
        (_text(_behind(b"no line")), 1),
        (_text(_behind(b'{"error": ["NameError"]}\n')), 1),
        (_text(_behind(b'{"error": "", "packed": "AAAA"}\n')), 1),
        (_text(_behind(b'{"error": "\\ud800"}\n')), 1),
        (_text(HEAD + struct.pack("<I", 2**32 - 1) + b"{}\n"), 1),
        (_text(_behind(b"{}\n" + bytes(MAX_BYTES))), 1),
        (_text(b'{"nonce": "n", "name": "another"}\n' + _behind(_part(SEEN))[len(HEAD) :]), 1),
        (_text(b'{"nonce": "old", "name": "fit"}\n' + _behind(_part(SEEN))[len(HEAD) :]), 1),
        (
            _text(
                b'{"nonce": "n", "name": "fit", "score": 4}\n' + _behind(_part(SEEN))[len(HEAD) :]
            ),
            1,
        ),
    ],
    ids=range(20),
)
def test_anything_else_is_no_answer(text, count):
    assert replies_from(text, "n", "fit", count) is None


def test_results_that_are_too_large_together_are_left_out_one_by_one():
    large = _part({**SEEN, "values": {"returned": "x" * (MAX_BYTES // 2)}})
    replies = replies_from(_answer("n", "fit", [large] * 3), "n", "fit", 3)
    assert [reply.failure for reply in replies] == ["", "too large", "too large"]


def test_one_bound_holds_on_both_sides():
    assert replies.MAX_BYTES == wire.MAX_BYTES
