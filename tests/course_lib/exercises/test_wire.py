"""What the learner's process sends back is data, bounded and checked before it is looked at."""

import json
import math
import struct

import pytest
import torch

from course_lib.exercises.checking.wire import (
    MAGIC,
    MAX_BYTES,
    Foreign,
    WireError,
    in_short,
    pack,
    unpack,
)


def message(tree: object, blob: bytes = b"") -> bytes:
    text = json.dumps(tree).encode()
    return MAGIC + struct.pack("<I", len(text)) + text + blob


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -2.5,
        math.inf,
        "text",
        [1, (2.0, "x"), []],
        {"a": {"b": [1]}},
        {0.1: [1.0], 2: "two"},
        (),
    ],
    ids=repr,
)
def test_plain_values_come_back_as_what_they_were(value):
    got = unpack(pack(value))
    assert got == value
    assert type(got) is type(value)


def test_nan_comes_back_as_nan():
    assert math.isnan(unpack(pack(math.nan)))


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]
)
def test_tensors_keep_dtype_shape_and_values(dtype):
    tensor = torch.arange(6).reshape(2, 3).to(dtype).t()
    got = unpack(pack([tensor]))[0]
    assert got.dtype == dtype
    assert torch.equal(got, tensor)


def test_a_tensor_says_whether_it_belongs_to_a_graph():
    w = torch.ones(2, requires_grad=True)
    got = unpack(pack([w * 2, w.detach()]))
    assert [t.requires_grad for t in got] == [True, False]


def test_other_objects_become_a_note_of_their_type():
    got = unpack(pack({"returned": object(), "many": {1, 2}}))
    assert isinstance(got["returned"], Foreign)
    assert got["many"].type_name == "set"


def test_an_object_whose_repr_fails_is_no_problem():
    class Rude:
        def __repr__(self):
            raise RuntimeError("no")

    assert unpack(pack(Rude())).text == ""


def nested(depth: int) -> list:
    tree: list = ["l", []]
    for _ in range(depth):
        tree = ["l", [tree]]
    return tree


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"TLW1",
        b"\x80\x04K\x01.",  # a pickle
        message([]),
        message(["z", 1]),
        message(["x", "0", False]),
        message(["x", 0, False], b"junk"),
        message(["d", [[["l", []], 1]]]),
        message(["d", [["key"]]]),
        message(["f", "1e999"]),
        message({"a": 1}),
        message(nested(60)),
        MAGIC + struct.pack("<I", 10**6) + b"[]",
        MAGIC + struct.pack("<I", 3) + b"NaN",
        MAGIC + struct.pack("<I", 20_000) + b"[" * 20_000,
        message(["l", [None] * 300_000]),
        MAGIC + struct.pack("<I", 3_000_000) + b"[" + b"[]," * 999_999 + b"0]",
    ],
    ids=range(17),
)
def test_malformed_messages_are_refused_with_a_wire_error(data):
    with pytest.raises(WireError):
        unpack(data)


def test_a_message_that_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(WireError, match="at most"):
        unpack(pack("x" * 1000) + bytes(MAX_BYTES))


def test_what_unfolds_to_any_size_is_refused_before_it_costs_anything():
    lists = ["forward"]
    for _ in range(12):
        lists = [lists] * 10
    for value in (lists, torch.zeros(1).expand(2**40), ["x" * 2**20] * 17):
        with pytest.raises(WireError, match="too large"):
            pack(value)


@pytest.mark.parametrize("number", ["9" * 4000, str(2**63), str(-(2**63))], ids=len)
def test_a_number_that_no_sender_of_ours_writes_is_refused(number):
    body = number.encode()
    with pytest.raises(WireError, match="too large"):
        unpack(b"TLW1" + len(body).to_bytes(4, "little") + body)


def test_the_largest_numbers_that_are_sent_come_back():
    for number in (2**63 - 1, -(2**63) + 1):
        assert unpack(pack(number)) == number
    assert unpack(pack(2**63)) == Foreign("int", "too large")


def test_a_tensor_that_is_named_again_and_again_is_decoded_once():
    data = pack([torch.ones(2), 3])
    again = data.replace(b'["x", "0", false], 3]', b'["x","0",0],["x","0",0]]', 1)
    length = int.from_bytes(data[4:8], "little") + len(again) - len(data)
    again = again[:4] + length.to_bytes(4, "little") + again[8:]
    assert again != data
    first, second = unpack(again)
    assert first is second


def test_a_value_in_short_is_itself_if_plain_and_its_type_if_not():
    assert [in_short(value) for value in (3, None, "relu", torch.ones(1))] == [
        "3",
        "None",
        "'relu'",
        "a Tensor",
    ]
    assert len(in_short("x" * 200)) == 30
