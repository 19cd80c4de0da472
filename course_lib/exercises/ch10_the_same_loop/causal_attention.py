"""``causal_attention``, public half.

Long: the check reads the weights off the results, to judge mask, scale and softmax apart.
"""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.ch10_the_same_loop.results import without_graph
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support import draw

#: Every way to have PyTorch attend.
ATTENTION = (
    "torch.nn.functional.scaled_dot_product_attention",
    "torch._C._nn.scaled_dot_product_attention",
    "aten:scaled_dot_product_flash_attention_for_cpu",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.MultiheadAttention",
    "torch.nn.TransformerEncoderLayer",
)


def drawn_case(
    generator: torch.Generator,
    shape: tuple[int, int, int, int],
    *asks: str,
    width_of_v: int | None = None,
    dtype: torch.dtype = torch.float64,
    scale: float = 1.0,
    strided: bool = False,
) -> dict[str, Any]:
    """A case with random numbers: q, k ``[B, H, T, D]``, which is the ``shape``, v ``[B, H, T, E]``. A
    ``scale`` of 0 gives queries of zero, which look at all positions alike. With ``strided`` they are
    handed over as a view of ``[B, T, H, D]``, as a model that splits heads does it."""

    normal = partial(draw.normal, generator, dtype=dtype)
    wide = (*shape[:3], width_of_v or shape[3])
    q, k, v = scale * normal(*shape), normal(*shape), normal(*wide)
    return {"asks": asks, "q": q, "k": k, "v": v, "strided": strided}


def _observe(function: Any, case: Case, notes: Notes) -> None:
    given = [case[name].clone() for name in ("q", "k", "v")]
    if case["strided"]:
        given = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in given]
    for x in given:
        x.requires_grad_()
    before = [x.detach().clone() for x in given]
    result = function(*given)
    notes["result"] = without_graph(result)
    notes["inputs_kept"] = all(torch.equal(a, b) for a, b in zip(before, given, strict=True))
    if "graph" in case["asks"]:
        notes["slopes_agree"] = _slopes_agree(function, given, result)
    if not {"causal", "weights", "scores"}.isdisjoint(case["asks"]):
        q, k, _ = (x.detach() for x in given)
        # Values of which each is 1 at its own place and 0 elsewhere: the output is the weights.
        own = torch.eye(q.shape[2], dtype=q.dtype).expand(*q.shape[:2], -1, -1).clone()
        notes["shares"] = without_graph(function(q, k, own))


def _slopes_agree(function: Any, given: list[Tensor], result: Any) -> list[bool]:
    """Of q, k and v: is the gradient that reaches it the slope of what the function computes? True
    also of a function that computes something else, and False where nothing arrives."""
    if not isinstance(result, Tensor) or not result.requires_grad:
        return [False] * 3

    def total(result: Tensor) -> Tensor:
        weights = torch.linspace(0.5, 1.5, result.numel(), dtype=result.dtype)
        return (result * weights.reshape(result.shape)).sum()

    agree = []
    gradients = torch.autograd.grad(total(result), given, allow_unused=True)
    for place, gradient in enumerate(gradients):
        if gradient is None:
            agree.append(False)
            continue
        direction = torch.linspace(-1.0, 1.5, gradient.numel(), dtype=gradient.dtype).cos()
        direction, ends = direction.reshape(gradient.shape), []
        for step in (1e-5, -1e-5):
            moved = [x.detach().clone() for x in given]
            moved[place] += step * direction
            ends.append(total(function(*moved)).item())
        slope = (ends[0] - ends[1]) / 2e-5
        own = (gradient * direction).sum().item()
        agree.append(abs(slope) > 1e-7 and math.isclose(slope, own, rel_tol=1e-4, abs_tol=1e-7))
    return agree


def running_means(v: Tensor) -> Tensor:
    """The mean of all positions up to each one, ``[..., time, width]``."""
    count = torch.arange(1, v.shape[-2] + 1, dtype=v.dtype).unsqueeze(-1)
    return v.cumsum(dim=-2) / count


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """What the weights say: whether a position gives later ones a share, and itself and all earlier
    ones; whether a row's shares add up to 1; and the last row, whatever it adds up to. Of values that
    are as wide as there are positions; ``any_width``: what came back has that width, too."""
    shares = observation.get("shares")
    time = case["q"].shape[2]
    if not isinstance(shares, Tensor) or shares.shape != (*case["q"].shape[:2], time, time):
        none = dict.fromkeys(("looks_back", "adds_up", "weighs", "any_width"), False)
        return none | {"looks_ahead": True, "last_row": None}
    finite, counts = bool(shares.isfinite().all()), shares.double() != 0
    last = shares[:, :, -1].double()
    return {
        "looks_ahead": bool(counts.triu(1).any()) or not finite,
        "looks_back": finite and bool((counts | counts.new_ones(counts.shape).triu(1)).all()),
        "adds_up": finite
        and bool(((shares.double().sum(dim=-1) - 1).abs() < 1e-5).all())
        and bool((shares >= 0).all()),
        "weighs": bool(counts.sum(dim=-1).max() > 1),
        "last_row": last / last.sum(dim=-1, keepdim=True),
        "any_width": True,
    }


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    q, v, result, asks = case["q"], case["v"], observation["result"], case["asks"]
    is_tensor = isinstance(result, Tensor)
    wanted = list(v.shape)
    got = f"yours is {list(result.shape) if is_tensor else a_type(result)}"
    shaped = is_tensor and list(result.shape) == wanted
    the_shape = Finding(
        shaped, "the result has the shape of v: [batch, heads, time, width of v]", got
    )
    if not is_tensor:
        yield the_shape
    if "shares" in observation.values:
        yield from _findings_on_weights(case, observation)
    if "graph" in asks:
        without = [n for n, ok in zip("qkv", observation["slopes_agree"], strict=True) if not ok]
        text = "gradients flow back to q, k and v, and are the slopes of the result"
        yield Finding(not without, text, f"yours are missing or wrong for {', '.join(without)}")
        yield Finding(observation["inputs_kept"], "q, k and v are unchanged")
    if not is_tensor:
        return
    yield the_shape
    if not shaped:
        return
    dtypes = f"{q.dtype} came in, {result.dtype} came out"
    yield Finding(result.dtype == v.dtype, "the result has the dtype of its inputs", dtypes)
    yield Finding(bool(result.isfinite().all()), "no output is NaN or infinite")
    tolerance = 1e-9 if v.dtype == torch.float64 else 1e-5
    result, v = result.double(), v.double()
    if "whole" in asks:
        first = bool((result[:, :, 0] - v[:, :, 0]).abs().max() < tolerance)
        yield Finding(first, "the first position looks at itself alone: its output is v[0]")
        if not case["q"].any():
            text = (
                "with queries of zero, each position weights all positions up to its own equally: the "
                "mean of v[0] to v[t]"
            )
            good = bool((result - running_means(v)).abs().max() < tolerance)
            yield Finding(good, text)
            return
        wanted_last = (_last_weights(case["q"], case["k"]) @ v[0, 0, :, 0]).item()
        got_last = result[0, 0, -1, 0].item()
        yield Finding(
            math.isclose(got_last, wanted_last, rel_tol=1e-4, abs_tol=1e-5),
            "the last position's output is the mean of all values, weighted by a softmax of its scaled "
            "scores",
            f"its first number should be {wanted_last:.4f}, yours is {got_last:.4f}",
        )
        low, high = v.amin(dim=-2, keepdim=True), v.amax(dim=-2, keepdim=True)
        inside = bool(((result > low - tolerance) & (result < high + tolerance)).all())
        yield Finding(inside, "each output is a mean of values: within their smallest and largest")


_NOT_AHEAD = "no position looks at a later one"
_SEVERAL = "each output but the first mixes several values"
_WEIGHTS = {
    "causal": "each position looks at itself and at all that come before it",
    "weights": "the weights of each position add up to 1, and none is negative",
    "scores": "the weights of the last position are in the proportions of a softmax of its scaled scores",
}
#: What is said of weights that do not show.
_UNSEEN = {"causal": (_WEIGHTS["causal"], _NOT_AHEAD), "weights": (_SEVERAL, _WEIGHTS["weights"])}


def _findings_on_weights(case: Case, observation: Observation) -> Iterator[Finding]:
    asks, shares = case["asks"], observation["shares"]
    text = "with values of another width the result has that width, too"
    is_tensor = isinstance(shares, Tensor)
    got = f"yours has the shape {list(shares.shape)}" if is_tensor else f"yours is {a_type(shares)}"
    yield Finding(observation["any_width"], text, got)
    if _without_values(observation["result"], shares):
        got = "yours does not depend on v, so its weights do not show"
    elif observation["any_width"]:
        got = ""
    if got:
        for name in asks:
            lines = _UNSEEN.get(name, (_WEIGHTS[name],) if name in _WEIGHTS else ())
            yield from (Finding(False, line, got) for line in lines)
        return
    if "causal" in asks:
        finite = bool(shares.isfinite().all())
        got = "" if finite else "some of your weights are NaN or infinite"
        yield Finding(observation["looks_back"], _WEIGHTS["causal"], got)
        if finite:
            yield Finding(not observation["looks_ahead"], _NOT_AHEAD)
    if "weights" in asks:
        yield Finding(observation["weighs"], _SEVERAL)
        sums = shares[0, 0].sum(dim=-1)
        got = f"those of the first position add up to {sums[0]:.3g}, of the last to {sums[-1]:.3g}"
        yield Finding(observation["adds_up"], _WEIGHTS["weights"], got)
    if "scores" in asks:
        wanted, row = _last_weights(case["q"], case["k"]), observation["last_row"][0, 0]
        good = torch.allclose(row, wanted, rtol=1e-4, atol=1e-6)
        got = f"the first position's share is {wanted[0]:.4f} of them, yours is {row[0]:.4f}"
        yield Finding(good, _WEIGHTS["scores"], got)
        if list(case["q"].shape) == [1, 1, 2, 4]:
            # Two positions, scores 0 and 4 at the last one; 4 / sqrt(4) = 2.
            text = (
                "scores of 0 and 4 with a width of 4 become 0 and 2, and weights of 0.119 and 0.881"
            )
            yield Finding(good, text, f"yours are {row[0]:.3f} and {row[1]:.3f}")


def _without_values(result: Any, shares: Any) -> bool:
    """Whether the same came back for v and for other values: then ``shares`` are not the weights."""
    return (
        isinstance(result, Tensor)
        and isinstance(shares, Tensor)
        and result.shape == shares.shape
        and torch.allclose(result, shares, equal_nan=True)
    )


def _last_weights(q: Tensor, k: Tensor) -> Tensor:
    """The weights of the last position in the first head, written out."""
    query, keys = q[0, 0, -1].tolist(), k[0, 0].tolist()
    scores = [sum(map(float.__mul__, query, key)) / math.sqrt(len(query)) for key in keys]
    powers = [math.exp(score - max(scores)) for score in scores]
    return torch.tensor(powers, dtype=torch.float64) / sum(powers)


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(10)
    zero = torch.tensor([0.0, 0, 0, 0]).double()
    one = torch.tensor([1.0, 1, 1, 1]).double()
    known = {
        "asks": ("scores",),
        "q": torch.stack([one, one]).reshape(1, 1, 2, 4),
        "k": torch.stack([zero, one]).reshape(1, 1, 2, 4),
        "v": torch.tensor([0.0, 10.0]).double().reshape(1, 1, 2, 1),
        "strided": False,
    }
    return [
        drawn_case(generator, (2, 2, 5, 3), "causal", "weights", "whole", scale=0.0),
        known,
        drawn_case(
            generator,
            (2, 3, 4, 8),
            *("causal", "weights", "scores", "whole", "graph"),
            width_of_v=5,
            strided=True,
        ),
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
            1,
            ("looks_ahead", "looks_back"),
        ),
        Aspect("weights", "the weights of a position add up to 1", 1, ("adds_up", "weighs")),
        Aspect(
            "scores",
            "the weights are in the proportions of a softmax of the scaled scores",
            1,
            ("last_row",),
        ),
        Aspect("whole", "the weighted mean of the values, for any sizes", 0.5, ("result",)),
        Aspect(
            "graph",
            "gradients flow back to q, k and v, which stay unchanged",
            0.5,
            ("slopes_agree", "inputs_kept"),
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
    fields=("result", "shares", "slopes_agree", "inputs_kept"),
    facts=_facts,
    derived=("looks_ahead", "looks_back", "adds_up", "weighs", "last_row", "any_width"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=ATTENTION,
)
