"""Cases and observations as bytes: JSON for the structure, safetensors for the tensors, never pickle.

The grader sends cases into the learner's process and reads observations that a hostile process may
have written, so ``unpack`` bounds size, depth and number of nodes before it builds anything.
Known types come back as what they were; any other object becomes a ``Foreign`` note.
"""

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import torch

from course_lib.exercises.checking.model import MAX_BYTES

MAGIC = b"TLW1"
MAX_DEPTH = 16
MAX_NODES = 200_000
_TEXT_LIMIT = 2_000


class WireError(ValueError):
    """The bytes are not a message of this format, or are larger or deeper than allowed."""


@dataclass(frozen=True)
class Foreign:
    """Stands for an object that is not carried: the name of its type and the start of its repr."""

    type_name: str
    text: str = ""


def type_name(value: Any) -> str:
    """What a learner would call the type: ``float``, ``Tensor``, ``numpy.float64``, ``None``."""
    if isinstance(value, Foreign):
        return value.type_name
    if value is None:
        return "None"
    kind = type(value)
    if isinstance(value, torch.Tensor):
        return "Tensor"
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def as_tuple(value: Any) -> Any:
    """A named tuple as the tuple that it is, before it leaves the process: elsewhere a type that is not known
    by name is a note. Anything else as it came."""
    return tuple(value) if isinstance(value, tuple) else value


def a_type(value: Any) -> str:
    """The type with its article, for sentences: ``a Tensor``, ``an int``, ``None``."""
    name = type_name(value)
    if name == "None":
        return name
    name = name or "object"  # a forged one may have no name
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def in_short(value: Any) -> str:
    """A plain value as Python writes it, the start of it if it is long; of anything else its type."""
    plain = value is None or isinstance(value, int | float | str)
    return f"{value!r:.30}" if plain else a_type(value)


def kind_of(value: Any) -> str:
    """The type, and what is inside: of a tuple one by one (``tuple of float, Tensor``), of a list each
    type once (``list of float, Tensor``), and three at the most."""
    name = type_name(value)
    inside = [type_name(each) for each in value] if type(value) in (list, tuple) else []
    kinds = list(dict.fromkeys(inside)) if type(value) is list else inside
    more = ", ..." if len(kinds) > 3 else ""
    return f"{name} of {', '.join(kinds[:3])}{more}" if kinds else name


def pack(value: Any) -> bytes:
    """``value`` as bytes: None, bool, int, float, str, list, tuple, dict with scalar keys, Tensor.

    Raises ``WireError`` for more than ``unpack`` would read, before it takes time or memory: a
    few lists that hold each other unfold to any size.
    """
    from safetensors.torch import save

    encoder = _Encoder()
    text = json.dumps(encoder.encode(value, 0), allow_nan=False).encode()
    blob = save(encoder.tensors) if encoder.tensors else b""
    return MAGIC + struct.pack("<I", len(text)) + text + blob


def unpack(data: bytes) -> Any:
    """The value that ``pack`` was given. Raises ``WireError`` for anything malformed or too large."""
    from safetensors.torch import load

    if len(data) > MAX_BYTES:
        raise WireError(f"message of {len(data)} bytes; at most {MAX_BYTES} are read")
    if data[:4] != MAGIC or len(data) < 8:
        raise WireError("not a message of this format")
    (length,) = struct.unpack("<I", data[4:8])
    if 8 + length > len(data):
        raise WireError("the message is cut short")
    text = data[8 : 8 + length]
    # Parsed, an empty list takes thirty times the memory of its two bytes.
    if text.count(b"[") + text.count(b"{") > 4 * MAX_NODES:
        raise WireError("the message has too many parts")
    try:
        tree = json.loads(text.decode(), parse_constant=_no_constant)
        blob = data[8 + length :]
        with torch.device("cpu"):  # an empty one would be made on the learner's default device
            tensors = load(blob) if blob else {}
        return _Decoder(tensors).decode(tree, 0)
    except WireError:
        raise
    except Exception as error:  # a hostile writer may provoke any error of the two parsers
        raise WireError(f"malformed message: {type(error).__name__}") from None


def _no_constant(name: str) -> None:
    raise WireError(f"bare {name} in a message")


class _Encoder:
    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.nodes = 0
        self.bytes = 0

    def encode(self, value: Any, depth: int) -> Any:
        self._count(0)
        if depth > MAX_DEPTH:
            return ["o", "nested too deeply", ""]
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            self._count(len(value))
            return value
        if kind is int:
            return value if abs(value) < 2**63 else ["o", "int", "too large"]
        if kind is float:
            return value if math.isfinite(value) else ["f", repr(value)]
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if kind in (list, tuple, torch.Size):
            tag = "l" if kind is list else "t"
            return [tag, [self.encode(item, depth + 1) for item in value]]
        if kind is dict and all(type(key) in (str, int, float, bool) for key in value):
            pairs = [
                [self.encode(key, depth + 1), self.encode(item, depth + 1)]
                for key, item in value.items()
            ]
            return ["d", pairs]
        if isinstance(value, Foreign):
            return ["o", value.type_name, value.text]
        return ["o", type_name(value), _short_repr(value)]

    def _tensor(self, value: torch.Tensor) -> Any:
        if value.layout != torch.strided or value.device.type == "meta":
            return ["o", f"Tensor ({value.layout}, {value.device.type})", ""]
        self._count(value.numel() * value.element_size())
        name = str(len(self.tensors))
        data = value.detach().to("cpu").clone(memory_format=torch.contiguous_format)
        self.tensors[name] = data
        return ["x", name, bool(value.requires_grad)]

    def _count(self, size: int) -> None:
        self.nodes += 1
        self.bytes += size
        if self.nodes > MAX_NODES or self.bytes > MAX_BYTES:
            raise WireError("the value has too many parts, or is too large")


def _short_repr(value: Any) -> str:
    try:
        return repr(value)[:200]
    except Exception:  # a learner's __repr__ may fail; the type's name is enough
        return ""


class _Decoder:
    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors
        self.nodes = 0

    def decode(self, tree: Any, depth: int) -> Any:
        self.nodes += 1
        if depth > 2 * MAX_DEPTH or self.nodes > MAX_NODES:
            raise WireError("the message is nested too deeply or has too many parts")
        if type(tree) is int and abs(tree) >= 2**63:
            raise WireError("a number in a message is too large")
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
            raise WireError("unexpected part in a message")
        tag, *rest = tree
        if tag in ("l", "t") and len(rest) == 1 and isinstance(rest[0], list):
            items = [self.decode(item, depth + 1) for item in rest[0]]
            return items if tag == "l" else tuple(items)
        if tag == "d" and len(rest) == 1 and isinstance(rest[0], list):
            return {self._key(pair, depth): self.decode(pair[1], depth + 1) for pair in rest[0]}
        if tag == "f" and rest in (["nan"], ["inf"], ["-inf"]):
            return float(rest[0])
        if tag == "x" and len(rest) == 2 and rest[0] in self.tensors:
            return self._tensor(*rest)
        if tag == "o" and len(rest) == 2 and all(isinstance(part, str) for part in rest):
            return Foreign(rest[0][:_TEXT_LIMIT], rest[1][:_TEXT_LIMIT])
        raise WireError(f"unexpected tag {tag[:20]!r} in a message")

    def _key(self, pair: Any, depth: int) -> Any:
        if not isinstance(pair, list) or len(pair) != 2:
            raise WireError("unexpected pair in a message")
        key = self.decode(pair[0], depth + 1)
        if not isinstance(key, str | int | float):
            raise WireError("unexpected key in a message")
        return key

    def _tensor(self, name: str, requires_grad: Any) -> torch.Tensor:
        tensor = self.tensors[name]  # decoded once, however often a message names it
        differentiable = tensor.is_floating_point() or tensor.is_complex()
        return tensor.requires_grad_(bool(requires_grad) and differentiable)
