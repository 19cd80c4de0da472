"""Strict comparison of an observed value with an expected one: same type, shape and dtype, finite
where finite is due, no broadcasting, no missing part. Called by the judge and by answer keys."""

import math
from typing import Any

import torch

from course_lib.exercises.checking.wire import Foreign, type_name


def difference(expected: Any, got: Any, rtol: float, atol: float) -> str | None:
    """What is wrong with ``got``, in words for the learner; None when it equals ``expected``.

    Floats and floating-point tensors are equal within ``atol + rtol * |expected|``; NaN equals NaN
    and an infinity itself. Everything else is compared exactly.
    """
    if isinstance(expected, torch.Tensor):
        return _tensor_difference(expected, got, rtol, atol)
    if isinstance(expected, Foreign):
        same = isinstance(got, Foreign) and got.type_name == expected.type_name
        return None if same else f"expected {expected.type_name}, got {type_name(got)}"
    if type(expected) is not type(got):
        return f"expected {_shown(expected)}, got {_shown(got)}"
    if isinstance(expected, float):
        return None if close(expected, got, rtol, atol) else _values(expected, got)
    if isinstance(expected, list | tuple):
        return _sequence_difference(expected, got, rtol, atol)
    if isinstance(expected, dict):
        return _dict_difference(expected, got, rtol, atol)
    return None if expected == got else _values(expected, got)


def close(expected: float, got: float, rtol: float, atol: float) -> bool:
    """Whether two floats are equal within the tolerance."""
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    if math.isinf(expected) or math.isinf(got):
        return expected == got
    return abs(expected - got) <= atol + rtol * abs(expected)


def _tensor_difference(expected: torch.Tensor, got: Any, rtol: float, atol: float) -> str | None:
    if not isinstance(got, torch.Tensor):
        return f"expected a Tensor {_shape(expected)}, got {_shown(got)}"
    if got.shape != expected.shape:
        return f"expected shape {_shape(expected)}, got {_shape(got)}"
    if got.dtype != expected.dtype:
        return f"expected dtype {_dtype(expected)}, got {_dtype(got)}"
    if got.requires_grad != expected.requires_grad:
        state = "part of the graph" if expected.requires_grad else "detached from the graph"
        return f"expected a result that is {state}; this one is not"
    a, b = expected.detach(), got.detach()
    if not a.is_floating_point():
        wrong = (a != b).sum().item()
        return None if not wrong else f"{wrong} of {a.numel()} entries differ"
    a, b = a.double(), b.double()
    equal = ((a - b).abs() <= atol + rtol * a.abs()) | (a == b) | (a.isnan() & b.isnan())
    if bool(equal.all()):
        return None
    bad = int((~equal).sum())
    worst = (~equal).flatten().nonzero()[0].item()
    pair = _values(a.flatten()[worst].item(), b.flatten()[worst].item())
    return pair if a.numel() == 1 else f"{bad} of {a.numel()} entries differ; the first: {pair}"


def _sequence_difference(expected: Any, got: Any, rtol: float, atol: float) -> str | None:
    if len(expected) != len(got):
        return f"expected {len(expected)} entries, got {len(got)}"
    for index, (a, b) in enumerate(zip(expected, got, strict=True)):
        problem = difference(a, b, rtol, atol)
        if problem:
            return f"entry {index}: {problem}"
    return None


def _dict_difference(expected: dict, got: dict, rtol: float, atol: float) -> str | None:
    if set(expected) != set(got):
        missing = [key for key in expected if key not in got]
        extra = [key for key in got if key not in expected]
        return f"missing keys: {missing or 'none'}; keys too many: {extra or 'none'}"
    for key, value in expected.items():
        problem = difference(value, got[key], rtol, atol)
        if problem:
            return f"{key}: {problem}"
    return None


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool | str):
        return repr(value)[:60]
    if isinstance(value, int | float):
        return f"the {type(value).__name__} {value:.6g}"
    if isinstance(value, torch.Tensor):
        return f"a Tensor {_shape(value)}"
    return f"a {type_name(value)}"


def _values(expected: Any, got: Any) -> str:
    def shown(value: Any) -> str:
        return f"{value:.6g}" if isinstance(value, float) else repr(value)[:60]

    return f"expected {shown(expected)}, got {shown(got)}"


def _shape(tensor: torch.Tensor) -> str:
    return str(list(tensor.shape))


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
