"""``causal_attention``, secret half. Long because it has 40 named mistakes."""

import math
from functools import partial

import torch
from torch.nn import functional as F

from course_lib.exercises.ch10_the_same_loop.causal_attention import drawn_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, Misconception, wrong

WEIGHTS = 'scores.masked_fill(later, float("-inf")).softmax(dim=-1)'
#: A solution that is named after a known mistake has to have these in common with it.
_mistake = partial(wrong, also=("result", "shares"))


def _cases(generator: torch.Generator) -> list[Case]:
    def case(*asks, batch=2, heads=2, time=5, width=3, **settings):
        return drawn_case(generator, (batch, heads, time, width), *asks, **settings)

    times = [size(generator, 5, 9) for _ in range(4)]
    return [
        # Square: what mixes up time and width is asked elsewhere.
        case("causal", time=times[0], width=times[0]),
        case("causal", batch=1, heads=3, time=times[1], width=times[1]),
        case("weights", time=times[1], width=times[1]),
        case("weights", batch=3, heads=1, time=6, width=6, scale=0.0),
        case("scores", time=times[2], width=10, scale=1.5),
        case("scores", batch=3, heads=1, time=7, width=2, width_of_v=5),
        case("whole", time=times[3], width=4, width_of_v=2, strided=True),
        case("whole", time=6, width=8, dtype=torch.float32),
        case("whole", batch=2, heads=1, time=1, width=4),
        # Scores in the hundreds: what is masked must stay out of it all the same.
        case("whole", time=5, width=4, scale=300.0),
        case("graph", time=4, width=4, strided=True),
        case("graph", batch=1, heads=3, time=5, width=5),
    ]


def _softmax_over(name: str, dim: int) -> Misconception:
    return _mistake(
        f"softmax over the {name}",
        edit("softmax(dim=-1)", f"softmax(dim={dim})"),
        f"Your softmax runs over the {name}. Each query's weights must add up to 1: it runs over "
        "the keys, the last dimension.",
    )


def _mask_of(size: str) -> Misconception:
    return _mistake(
        "mask of the wrong size",
        edit("torch.ones(time, time,", f"torch.ones({size},"),
        "Your mask has as many rows or columns as q is wide. It needs one for each position: "
        "[time, time].",
    )


def _instead_of_values(name: str, others: str, code: str) -> Misconception:
    return _mistake(
        name,
        edit("weights @ v", f"weights @ {code}"),
        f"You weight the {others}. The values are what is passed on: weights @ v.",
    )


def _torch_attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _einsum_and_addition(q, k, v):
    scores = torch.einsum("bhtd,bhsd->bhts", q, k) * q.shape[-1] ** -0.5
    wall = torch.full(scores.shape[-2:], -math.inf, dtype=q.dtype).triu(1)
    return torch.einsum("bhts,bhse->bhte", torch.softmax(scores + wall, dim=3), v)


def _position_by_position(q, k, v):
    """No mask at all: each position is only shown what it may see."""
    outputs = []
    for t in range(q.shape[2]):
        seen_k, seen_v = k[:, :, : t + 1], v[:, :, : t + 1]
        scores = (q[:, :, t : t + 1] * seen_k).sum(dim=-1, keepdim=True) / math.sqrt(q.size(-1))
        outputs.append((scores.softmax(dim=2) * seen_v).sum(dim=2))
    return torch.stack(outputs, dim=2)


def _exponentials(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The softmax written out: shifted, masked with zeros, divided by its own sums."""
    time = torch.arange(q.shape[-2])
    allowed = time[:, None] >= time[None, :]
    scores = torch.matmul(q / q.shape[-1] ** 0.5, k.mT)
    scores = torch.where(allowed, scores, torch.finfo(q.dtype).min)
    powers = (scores - scores.amax(dim=-1, keepdim=True).detach()).exp() * allowed
    return (powers / powers.sum(dim=-1, keepdim=True)) @ v


class _WithBias:
    """A callable that keeps its mask."""

    def __init__(self):
        self.mask = torch.tril(torch.ones(64, 64)).bool()

    def __call__(self, q, k, v):
        n = q.shape[2]
        scores = torch.baddbmm(
            torch.zeros(1, dtype=q.dtype),
            q.flatten(0, 1),
            k.flatten(0, 1).transpose(1, 2),
            alpha=1 / math.sqrt(k.shape[3]),
        )
        scores = scores.masked_fill(~self.mask[:n, :n], -torch.inf)
        return torch.bmm(scores.softmax(-1), v.flatten(0, 1)).unflatten(0, q.shape[:2])


def _attend_and_keep_a_mask(q, k, v):
    return _WithBias()(q, k, v)


def _with_vmap(q, k, v):
    def of_one(q, k, v):
        scores, time = q @ k.T / math.sqrt(q.shape[-1]), torch.arange(len(q))
        return scores.where(time[:, None] >= time, -torch.inf).softmax(-1) @ v

    return torch.vmap(torch.vmap(of_one))(q, k, v)


def _key_by_key(q, k, v):
    """As fused kernels do it: a running maximum, a running sum, and a running result."""
    time = torch.arange(q.shape[2])
    highest, total = torch.full_like(q[..., :1], -math.inf), torch.zeros_like(q[..., :1])
    result = torch.zeros_like(v)
    for s in time.tolist():
        score = (q * k[:, :, s, None]).sum(-1, keepdim=True) / math.sqrt(q.size(-1))
        score = score.masked_fill((time < s)[:, None], -math.inf)
        new = torch.maximum(highest, score.detach())
        shrink, power = (highest - new).exp(), (score - new).exp()
        highest, total = new, total * shrink + power
        result = result * shrink + power * v[:, :, s, None]
    return result / total


ANSWER = Answer(
    exercise="causal_attention",
    cases=_cases,
    oracle=_torch_attention,
    tolerance=(1e-5, 2e-6),
    equivalent={
        "return weights @ v -> return torch.as_tensor(weights @ v)": "It is a tensor already.",
        "q -> k": "q and k have the same shape.",
        "-2 -> 2": "Of four dimensions these are the same.",
        "-2 -> 2 #2": "Of four dimensions these are the same.",
        "k.transpose(-2, -1) -> k.transpose(-1, -2)": "Transposing has no direction.",
    },
    variants=(
        _einsum_and_addition,
        _position_by_position,
        _exponentials,
        _attend_and_keep_a_mask,
        _with_vmap,
        _key_by_key,
    ),
    misconceptions=(
        _mistake(
            "no mask",
            edit(WEIGHTS, "scores.softmax(dim=-1)"),
            "Every position sees the whole sequence, so in training it can read the answer off the "
            "next position. Mask the scores above the diagonal.",
        ),
        _mistake(
            "mask after the softmax",
            edit(WEIGHTS, "scores.softmax(dim=-1).masked_fill(later, 0.0)"),
            "You mask after the softmax, so the weights that are left no longer add up to 1. Set the "
            "scores to minus infinity before it.",
        ),
        _mistake(
            "future instead of past",
            edit(".triu(diagonal=1)", ".tril(diagonal=-1)"),
            "Your mask hides the past and shows the future. Hide what lies above the diagonal: row t "
            "is the query, column s the key, and s > t is later.",
        ),
        _mistake(
            "diagonal masked too",
            edit(".triu(diagonal=1)", ".triu(diagonal=0)").edit('float("-inf")', "-1e9"),
            "A position may look at itself; you hide the diagonal, too. The mask starts one above it: "
            "triu(diagonal=1).",
        ),
        _mistake(
            "NaN in a row that is masked whole",
            edit(".triu(diagonal=1)", ".triu()"),
            "Your mask hides the diagonal, too, so the first position sees nothing: a softmax over "
            "minus infinities alone is NaN. The mask starts one above the diagonal: "
            "triu(diagonal=1).",
        ),
        _mistake(
            "scale missing",
            edit(" / math.sqrt(width)", ""),
            "The scores are not divided by the root of the width. So they grow with the width, and the "
            "softmax puts nearly all weight on one position.",
        ),
        _mistake(
            "scaled by the width",
            edit("math.sqrt(width)", "width"),
            "You divide the scores by the width. Divide by its root: a sum of D random products is as "
            "large as the root of D.",
        ),
        _mistake(
            "scaled by the root of the time",
            edit("math.sqrt(width)", "math.sqrt(time)"),
            "You divide the scores by the root of the number of positions. What makes them large is "
            "the width of q and k: divide by its root.",
        ),
        _mistake(
            "multiplied by the root",
            edit("/ math.sqrt(width)", "* math.sqrt(width)"),
            "You multiply the scores by the root of the width; divide by it.",
        ),
        _softmax_over("queries", -2),
        _mistake(
            "masked scores set to 0",
            edit('float("-inf")', "0.0"),
            "A score of 0 is not a weight of 0: exp(0) is 1, so masked positions still take part. Set "
            "them to minus infinity.",
        ),
        _mistake(
            "queries and keys swapped",
            edit("q @ k.transpose(-2, -1)", "k @ q.transpose(-2, -1)"),
            "Rows and columns are swapped: row t must hold the scores of *query* t, q @ k.transpose"
            "(-2, -1).",
        ),
        _mistake(
            "no softmax",
            edit(WEIGHTS, "scores.masked_fill(later, 0.0)"),
            "You weight the values by the raw scores. The weights come from a softmax: none is "
            "negative, and each row adds up to 1.",
        ),
        _mistake(
            "detached",
            edit("return weights @ v", "return weights.detach() @ v"),
            "The values are right, but the weights are cut off from the graph, so q and k never "
            "learn. Leave out detach(), .data and no_grad().",
        ),
        _mistake(
            "weights turned round",
            edit("weights @ v", "weights.transpose(-2, -1) @ v"),
            "Your weights are transposed before they meet the values: row t must weight what position "
            "t gets.",
        ),
        _mistake(
            "nothing returned",
            edit("return weights", "weights"),
            "Return the weighted values; without a return, your function gives back None.",
        ),
        _mistake(
            "a list returned",
            edit("return weights @ v", "return list(weights @ v)"),
            "You return a list. The result is one tensor, [batch, heads, time, width of v].",
        ),
        _mistake(
            "result detached",
            edit("return weights @ v", "return (weights @ v).detach()"),
            "The values are right, but the result is cut off from the graph, so nothing in the model can "
            "learn. Leave out detach(), .data and no_grad().",
        ),
        _mistake(
            "one position too far",
            edit("diagonal=1", "diagonal=2"),
            "Each position sees the one after it, which is the very answer in training. The mask starts "
            "one above the diagonal: triu(diagonal=1).",
        ),
        _softmax_over("heads", 1),
        _softmax_over("batch", 0),
        _mistake(
            "the weights returned",
            edit("weights @ v", "weights"),
            "You return the weights themselves. Weight the values by them: weights @ v.",
        ),
        _mistake(
            "the values returned",
            edit("weights @ v", "v"),
            "You return the values as they came; the weights have no influence. Weight the values "
            "by them: weights @ v.",
        ),
        _mistake(
            "scores for weights",
            edit("weights @ v", "scores @ v"),
            "You weight the values by the scores as they are, neither masked nor through a softmax. "
            "Weight them by what the softmax gives.",
        ),
        _instead_of_values("keys for values", "keys", "k"),
        _instead_of_values("queries for values", "queries", "q"),
        _instead_of_values("scores weighted", "scores", "scores"),
        _mistake(
            "scaled by the width of the values",
            edit("q.shape[-2:]", "v.shape[-2:]"),
            "You divide the scores by the root of the width of v. They are sums over the width of q "
            "and k: divide by its root.",
        ),
        _mistake(
            "keys with themselves",
            edit("q @ k.transpose", "k @ k.transpose"),
            "You compare the keys with themselves, so the queries have no influence. Use q @ "
            "k.transpose(-2, -1).",
        ),
        _mistake(
            "queries with themselves",
            edit("q @ k.transpose", "q @ q.transpose"),
            "You compare the queries with themselves, so the keys have no influence. Use q @ "
            "k.transpose(-2, -1).",
        ),
        _mistake(
            "values for queries",
            edit("q @ k.transpose", "v @ k.transpose"),
            "You compare the values with the keys, which need not even have the same width. Compare "
            "the queries: q @ k.transpose(-2, -1).",
        ),
        _mistake(
            "values compared",
            edit("q @ k.transpose", "q @ v.transpose"),
            "You compare the queries with the values, which need not even have the same width. "
            "Compare them with the keys: q @ k.transpose(-2, -1).",
        ),
        _mask_of("width, width"),
        _mistake(
            "keys not transposed",
            edit("k.transpose(-2, -1)", "k"),
            "You multiply q by k as it is. Each query meets each key only when k is transposed: q @ "
            "k.transpose(-2, -1).",
        ),
        _mistake(
            "multiplied element by element",
            edit("q @ k.tr", "q * k.tr"),
            "`*` multiplies element by element. The scores are dot products, one for each pair of "
            "positions: use `@`.",
        ),
        _mistake(
            "weighted element by element",
            edit("weights @ v", "weights * v"),
            "`*` multiplies element by element. Each output is a sum over the positions: use `@`.",
        ),
        _mask_of("width, time"),
        _mask_of("time, width"),
        _mistake(
            "queries taken for scores",
            edit("q @ k.transpose(-2, -1)", "q"),
            "You take the queries themselves for scores. A score is the dot product of a query and a "
            "key: q @ k.transpose(-2, -1).",
        ),
        _mistake(
            "keys taken for scores",
            edit("q @ k.transpose(-2, -1)", "k.transpose(-2, -1)"),
            "You take the keys themselves for scores. A score is the dot product of a query and a "
            "key: q @ k.transpose(-2, -1).",
        ),
    ),
)
