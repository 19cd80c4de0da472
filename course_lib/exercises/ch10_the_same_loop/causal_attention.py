"""``causal_attention``, public half."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type

#: Every way to have PyTorch attend.
ATTENTION = (
    "torch.nn.functional.scaled_dot_product_attention",
    "torch._C._nn.scaled_dot_product_attention",
    "aten:scaled_dot_product_flash_attention_for_cpu",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.MultiheadAttention",
    "torch.nn.TransformerEncoderLayer",
)


def attention_case(
    *asks: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    strided: bool = False,
) -> dict[str, Any]:
    """A case: q, k ``[B, H, T, D]``, v ``[B, H, T, E]``. With ``strided`` they are handed over as a
    view of ``[B, T, H, D]``, as a model that splits heads does it."""
    return {"asks": asks, "q": q, "k": k, "v": v, "strided": strided}


def drawn_case(
    generator: torch.Generator,
    shape: tuple[int, int, int, int],
    *asks: str,
    width_of_v: int | None = None,
    dtype: torch.dtype = torch.float64,
    scale: float = 1.0,
    strided: bool = False,
) -> dict[str, Any]:
    """A case with random numbers. ``shape`` is ``[B, H, T, D]``; a ``scale`` of 0 gives queries of
    zero, which look at all positions alike."""

    def normal(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator, dtype=torch.float64).to(dtype)

    wide = (*shape[:3], width_of_v or shape[3])
    q, k, v = scale * normal(*shape), normal(*shape), normal(*wide)
    return attention_case(*asks, q=q, k=k, v=v, strided=strided)


def _observe(function: Any, case: Case, notes: Notes) -> None:
    given = [case[name].clone() for name in ("q", "k", "v")]
    if case["strided"]:
        given = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in given]
    for x in given:
        x.requires_grad_()
    before = [x.detach().clone() for x in given]
    result = function(*given)
    notes["result"] = result.detach() if isinstance(result, Tensor) else result
    notes["inputs_kept"] = all(torch.equal(a, b) for a, b in zip(before, given, strict=True))
    if not isinstance(result, Tensor) or result.dim() != 4:
        return
    notes["last"] = result.detach()[:, :, -1]
    notes["gradients"] = None
    if result.requires_grad:
        weights = torch.linspace(0.5, 1.5, result.numel(), dtype=result.dtype).reshape(result.shape)
        notes["gradients"] = list(torch.autograd.grad((result * weights).sum(), given))


def running_means(v: Tensor) -> Tensor:
    """The mean of all positions up to each one, ``[..., time, width]``."""
    count = torch.arange(1, v.shape[-2] + 1, dtype=v.dtype).unsqueeze(-1)
    return v.cumsum(dim=-2) / count


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """What the result hangs on: of each position's output, whether it is a number."""
    result = observation["result"]
    return {"finite": bool(result.isfinite().all())}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    q, v, result = case["q"], case["v"], observation["result"]
    is_tensor = isinstance(result, Tensor)
    wanted = list(v.shape)
    got = f"yours is {list(result.shape) if is_tensor else a_type(result)}"
    shaped = is_tensor and list(result.shape) == wanted
    yield Finding(shaped, "the result has the shape of v: [batch, heads, time, width of v]", got)
    if not shaped:
        return
    dtypes = f"{q.dtype} came in, {result.dtype} came out"
    yield Finding(result.dtype == v.dtype, "the result has the dtype of its inputs", dtypes)
    yield Finding(bool(result.isfinite().all()), "no output is NaN or infinite")
    tolerance = 1e-9 if v.dtype == torch.float64 else 1e-5
    result, v = result.double(), v.double()
    first = result[:, :, 0]
    yield Finding(
        bool((first - v[:, :, 0]).abs().max() < tolerance),
        "the first position looks at itself alone: its output is v[0]",
    )
    if not case["q"].any():
        yield Finding(
            bool((result - running_means(v)).abs().max() < tolerance),
            "queries of zero look at all positions up to their own alike: the mean of v[0] to v[t]",
        )
        return
    wanted_last, got_last = _last_number(case["q"], case["k"], v), result[0, 0, -1, 0].item()
    yield Finding(
        math.isclose(got_last, wanted_last, rel_tol=1e-4, abs_tol=1e-5),
        "the last position's output is the mean of all values, weighted by a softmax of its scaled "
        "scores",
        f"its first number should be {wanted_last:.4f}, yours is {got_last:.4f}",
    )
    low, high = v.amin(dim=-2, keepdim=True), v.amax(dim=-2, keepdim=True)
    inside = bool(((result > low - tolerance) & (result < high + tolerance)).all())
    yield Finding(inside, "each output is a mean of values: within their smallest and largest")
    if list(q.shape) == [1, 1, 2, 4] and q.abs().max() == 1:
        # Two positions, scores 0 and 4 at the last one; 4 / sqrt(4) = 2.
        share = 1 / (1 + math.exp(-2))
        known = (1 - share) * v[0, 0, 0, 0].item() + share * v[0, 0, 1, 0].item()
        last = result[0, 0, 1, 0].item()
        yield Finding(
            abs(last - known) < 1e-6,
            "scores of 0 and 4 with a width of 4 become 0 and 2, and weights of 0.119 and 0.881",
            f"the values are {v[0, 0, 0, 0]:g} and {v[0, 0, 1, 0]:g}, your output is {last:.4f}",
        )
    yield Finding(observation["gradients"] is not None, "gradients flow back to q, k and v")
    yield Finding(observation["inputs_kept"], "q, k and v are unchanged")


def _last_number(q: Tensor, k: Tensor, v: Tensor) -> float:
    """The first number of the last position's output, in the first head."""
    query, keys, values = q[0, 0, -1].tolist(), k[0, 0].tolist(), v[0, 0, :, 0].tolist()
    scores = [sum(map(float.__mul__, query, key)) / math.sqrt(len(query)) for key in keys]
    powers = [math.exp(score - max(scores)) for score in scores]
    return sum(map(float.__mul__, powers, values)) / sum(powers)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(10)
    zero = torch.tensor([0.0, 0, 0, 0]).double()
    one = torch.tensor([1.0, 1, 1, 1]).double()
    known = attention_case(
        "weights",
        q=torch.stack([one, one]).reshape(1, 1, 2, 4),
        k=torch.stack([zero, one]).reshape(1, 1, 2, 4),
        v=torch.tensor([0.0, 10.0]).double().reshape(1, 1, 2, 1),
    )
    return [
        drawn_case(generator, (2, 2, 5, 3), "causal", scale=0.0),
        known,
        drawn_case(generator, (2, 3, 4, 8), "whole", width_of_v=5, strided=True),
        drawn_case(generator, (3, 1, 1, 4), "whole", dtype=torch.float32),
    ]


EXERCISE = Exercise(
    name="causal_attention",
    points=4,
    task="Attention that looks back and never ahead.",
    aspects=(
        Aspect(
            "causal",
            "position t sees the positions 0 to t, itself included",
            1.5,
            ("result",),
        ),
        Aspect(
            "weights",
            "a softmax over the scaled scores weighs the values",
            1.5,
            ("last",),
        ),
        Aspect(
            "whole",
            "both together, for any sizes, with gradients, and nothing is changed",
            1,
            ("result", "gradients", "inputs_kept"),
        ),
    ),
    hints=(
        "q @ k.transpose(-2, -1) has the shape [batch, heads, time, time]: row t holds the scores of "
        "query t for every key. Divide by the root of the width, mask, softmax over the last "
        "dimension, times v.",
        "A masked score must get the weight 0 *after* the softmax, and the others must still add up to "
        "1. So set it to minus infinity *before* the softmax: scores.masked_fill(later, float('-inf')), "
        "where later is True above the diagonal, torch.ones(T, T).triu(diagonal=1) == 1.",
    ),
    observe=_observe,
    fields=("result", "last", "gradients", "inputs_kept"),
    facts=_facts,
    derived=("finite",),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=ATTENTION,
)
