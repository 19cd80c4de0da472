"""``softmax``, secret half. Long: it names many slips in one formula."""

import functools
import math
from functools import partial

import torch
from torch import Tensor

from course_lib.exercises.ch02_loss_functions.softmax import softmax_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import difference
from grading.answers.draw import normal as _normal
from grading.answers.edit import edit
from grading.answers.model import Answer, Misconception, raises

#: Of rows that miss in the same way, only what came back tells which mistake it was.
wrong = partial(Misconception, also=("returned",))
LARGEST = "logits.max(dim=-1, keepdim=True).values"
SHIFTED = "(logits - largest).exp()"
SUM = "exp.sum(dim=-1, keepdim=True)"
RESULT = f"exp / {SUM}"


def _cases(generator: torch.Generator) -> list[Case]:
    def normal(*shape, dtype=torch.float64):
        return 2 * _normal(generator, *shape, dtype=dtype)

    def clear(*shape, dtype=torch.float64):
        """No row's largest logit or sum is near 0: what divides by one of them misses alike in every set."""
        rows = normal(math.prod(shape[:-1]), shape[-1], dtype=dtype)
        while (near_0 := torch.minimum(rows.amax(1).abs(), rows.sum(1).abs()) < 0.5).any():
            rows[near_0] = normal(*rows[near_0].shape, dtype=dtype)
        return rows.reshape(shape)

    # Rows at +10000 and at -10000, close together inside a row: one maximum for all is no help.
    level = torch.tensor([1e4, -1e4, 0.0, -1e4], dtype=torch.float64)
    in_one_row = 1e4 * torch.randint(-1, 2, (3, 6), generator=generator).double()
    in_one_row[1, [2, 4]] = torch.tensor([1e4, -1e4], dtype=torch.float64)
    return [
        softmax_case(clear(5)),
        softmax_case(clear(4, 1)),
        softmax_case(clear(3, 7, dtype=torch.float32)),
        softmax_case(clear(6, 4), strided=True),
        softmax_case(clear(2, 3, 5, dtype=torch.float32), strided=True),
        softmax_case(clear(2, 5, 3, 4)),
        softmax_case(level[:, None] + normal(4, 3), large=True),
        softmax_case(in_one_row + normal(3, 6), large=True),
        softmax_case((300 * normal(4, 5)).round().float(), large=True),
        softmax_case(clear(4, 6), upstream=normal(4, 6)),
        softmax_case(clear(2, 3, 5), upstream=normal(2, 3, 5), strided=True),
        softmax_case(clear(4), upstream=normal(4)),
    ]


def _flattens_large_logits(case: Case, got: Observation) -> bool:
    """Right for small logits; for large ones finite, adding up to 1, and not right."""
    if not case["large"] or not _logits_left_alone(case, got):
        return _softmax_is_right(case, got)
    result = got.get("returned_for_large")
    if not isinstance(result, Tensor) or result.shape != case["logits"].shape:
        return False
    # Far off, or not at all: a little off is the rounding of a right way in float32.
    off = (result - torch.softmax(case["logits"], dim=-1)).abs().max().item()
    sums = result.sum(-1)
    return not 1e-3 < off < 0.03 and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)


def _large_rows_are(finite: bool):
    """Recognises what is right for small logits, and for large ones all finite, or not."""

    def recognise(case: Case, got: Observation) -> bool:
        if not case["large"]:
            return _softmax_is_right(case, got)
        result = got.get("returned_for_large")
        return isinstance(result, Tensor) and bool(result.isfinite().all()) == finite

    return recognise


def _softmax_is_right(case: Case, got: Observation) -> bool:
    if got.error is not None:
        return False
    p, upstream = torch.softmax(case["logits"], dim=-1), case["upstream"]
    if upstream is not None:
        gradient = p * (upstream - (upstream * p).sum(-1, keepdim=True))
        return difference(gradient, got.get("gradient"), 1e-4, 1e-6) is None
    name = "returned_for_large" if case["large"] else "returned"
    return _logits_left_alone(case, got) and difference(p, got.get(name), 1e-3, 1e-6) is None


def _logits_left_alone(case: Case, got: Observation) -> bool:
    return difference(case["logits"], got.get("logits_afterwards"), 0.0, 0.0) is None


def _sum_lost_its_dimension(case: Case, got: Observation) -> bool:
    if case["logits"].dim() == 1:
        return _softmax_is_right(case, got)
    if case["logits"].shape[-1] == 1:  # it broadcasts by accident
        return got.error is None
    return got.error is not None and "must match the size" in got.error.message


def _subtract_logsumexp(logits):
    return (logits - logits.logsumexp(-1, keepdim=True)).exp()


def _slope_of_logsumexp(logits):
    """Softmax is the gradient of log-sum-exp."""
    with torch.enable_grad():
        wanted = logits.requires_grad
        z = logits if wanted else logits.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(z.logsumexp(-1).sum(), z, create_graph=wanted)
    return slope


def _one_row_at_a_time(logits):
    rows = []
    for row in logits.reshape(-1, logits.shape[-1]):
        e = torch.exp(row - max(row.tolist()))
        rows.append(e / sum(e))
    return torch.stack(rows).reshape(logits.shape)


def _pairwise_differences(logits):
    return 1 / (logits.unsqueeze(-2) - logits.unsqueeze(-1)).exp().sum(-1)


def _with_amax_and_einsum(logits):
    top = logits.detach().amax(-1, keepdim=True)
    e = torch.e ** (logits - top)
    return torch.einsum("...c,...->...c", e, e.sum(-1).reciprocal())


def _with_a_closure(logits):
    """Row after row in recursion, over any number of dimensions."""

    def of_row(row):
        shifted = row - row.max().detach()
        return shifted.exp() / shifted.exp().sum()

    def of(table):
        return of_row(table) if table.dim() == 1 else torch.stack([of(part) for part in table])

    return of(logits)


class _Softmax:
    """Typed, with the odds against the row's last class."""

    __name__ = "callable_object"

    def __call__(self, logits: Tensor) -> Tensor:
        highest, _ = logits.topk(1, dim=-1)
        odds = torch.pow(torch.e, logits.sub(highest))
        return odds.div(torch.sum(odds, -1, keepdim=True))


def _with_vmap(logits):
    """One row's softmax, lifted over every other dimension."""

    def of(row):
        return (row - functools.reduce(torch.logaddexp, row.unbind())).exp()

    for _ in range(logits.dim() - 1):
        of = torch.vmap(of)
    return of(logits)


class _WithSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits):
        powers = torch.exp2((logits - logits.amax(-1, True)) / math.log(2))
        ctx.save_for_backward(p := powers / powers.sum(-1, True))
        return p

    @staticmethod
    def backward(ctx, upstream):
        (p,) = ctx.saved_tensors
        return p * (upstream - (upstream * p).sum(-1, True))


def _with_a_slope_of_its_own(logits):
    return _WithSlope.apply(logits)


ANSWER = Answer(
    exercise="softmax",
    cases=_cases,
    given=lambda case: (
        f"with {'large ' if case['large'] else ''}logits of shape {list(case['logits'].shape)}"
    ),
    tolerance=(2e-5, 1e-6),
    # float32 holds a log-sum-exp of 2000 to 1.2e-4 only, and what follows from it is that far off.
    tolerances={"returned_for_large": (3e-4, 1e-6)},
    equivalent={
        "return exp / exp.sum(dim=-1, keepdim=True) -> "
        "return torch.as_tensor(exp / exp.sum(dim=-1, keepdim=True))": "It is a tensor."
    },
    results=("returned", "returned_for_large"),
    variants=(
        _subtract_logsumexp,
        _slope_of_logsumexp,
        _one_row_at_a_time,
        _pairwise_differences,
        _with_amax_and_einsum,
        _with_a_closure,
        _Softmax(),
        _with_vmap,
        _with_a_slope_of_its_own,
    ),
    misconceptions=(
        wrong(
            "one maximum for the whole batch",
            edit(LARGEST, "logits.max()"),
            "You subtract the largest logit of the whole tensor. A row that lies far below it "
            "turns into all zeros, and 0 / 0 is nan: subtract each row's own maximum.",
        ),
        wrong(
            "epsilon in the denominator",
            edit(SHIFTED, "logits.exp()").edit(SUM, f"({SUM} + 1e-12)"),
            "A small number in the denominator hides 0 / 0, but exp still overflows for large "
            "logits and still turns very negative rows into zeros. Subtract the row's maximum "
            "instead.",
        ),
        wrong(
            "shifted by something else",
            edit(LARGEST, "logits.mean(dim=-1, keepdim=True)"),
            "You subtract the row's mean. What lies far above it still overflows: subtract the "
            "row's largest logit, so that exp never sees anything above 0.",
        ),
        wrong(
            "shifted by something else",
            edit(LARGEST, "logits.min(dim=-1, keepdim=True).values"),
            "You subtract the row's smallest logit, which makes the others larger still. Subtract "
            "the largest one, so that exp never sees anything above 0.",
        ),
        wrong(
            "shifted above the line only",
            edit(SUM, "logits.exp().sum(dim=-1, keepdim=True)"),
            "You shift the logits in the numerator but not in the sum below it, so the two do not "
            "match. Shift once, and use the shifted logits in both places.",
        ),
        wrong(
            "shifted below the line only",
            edit("return exp /", "return logits.exp() /"),
            "You shift the logits in the sum but not in the numerator, so the two do not match. "
            "Shift once, and use the shifted logits in both places.",
        ),
        wrong(
            "naive overflow",
            edit(SHIFTED, "logits.exp()"),
            "exp of a large logit is inf, and inf / inf is nan. Subtract the row's largest logit "
            "first: the probabilities stay the same, and exp sees nothing above 0.",
            recognise=_large_rows_are(finite=False),
        ),
        wrong(
            "wrong dimension",
            edit(LARGEST, "logits.max(dim=0, keepdim=True).values").edit(
                SUM, "exp.sum(dim=0, keepdim=True)"
            ),
            "You normalise along the first dimension, so the examples of a batch compete with "
            "each other. The classes are in the last dimension: dim=-1.",
        ),
        wrong(
            "wrong dimension",
            edit(LARGEST, "logits.max(dim=1, keepdim=True).values").edit(
                SUM, "exp.sum(dim=1, keepdim=True)"
            ),
            "dim=1 is the last dimension only of a two-dimensional tensor. Write dim=-1, which is "
            "the last one of any tensor.",
        ),
        wrong(
            "whole tensor normalised",
            edit(LARGEST, "logits.max()").edit(SUM, "exp.sum()"),
            "All entries together sum to 1. Each row is a distribution of its own: sum and divide "
            "along the last dimension.",
        ),
        wrong(
            "keepdim forgotten",
            edit(SUM, "exp.sum(dim=-1)"),
            "sum(dim=-1) and max(dim=-1) remove the last dimension, and what is left does not fit "
            "onto the rows. With keepdim=True it stays, with length 1.",
            recognise=_sum_lost_its_dimension,
        ),
        wrong(
            "the pair of max subtracted",
            edit("keepdim=True).values", "keepdim=True)"),
            "max(dim=...) returns a pair, the values and their indices. Subtract the values: "
            "logits.max(dim=-1, keepdim=True).values.",
            recognise=raises("return_types.max"),
        ),
        wrong(
            "logits clamped",
            edit(SHIFTED, "logits.clamp(-80, 80).exp()"),
            "You cut large logits off, so 1000 and 999 become equal and their difference is lost. "
            "A shift keeps it: subtract the row's largest logit.",
            recognise=_flattens_large_logits,
        ),
        wrong(
            "nan replaced",
            edit(SHIFTED, "logits.exp()").edit(RESULT, f"torch.nan_to_num({RESULT})"),
            "You replace nan with a number after it has appeared. The probabilities are lost by "
            "then: subtract the row's largest logit before exp, and no nan appears.",
            recognise=_large_rows_are(finite=True),
        ),
        wrong(
            "not divided by the sum",
            edit(RESULT, "exp"),
            "exp makes the scores positive; dividing by their sum makes them probabilities.",
        ),
        wrong(
            "divided by the maximum",
            edit("logits - largest", "logits / largest"),
            "You divide by the largest logit. That changes the differences, and with them the "
            "probabilities: subtract it.",
        ),
        wrong(
            "no exponential",
            edit(RESULT, "logits / logits.sum(dim=-1, keepdim=True)"),
            "You divide the logits themselves by their sum. Logits may be negative: exp makes "
            "them positive first.",
        ),
        wrong(
            "no exponential",
            edit(SHIFTED, "logits - largest"),
            "You divide the shifted logits by their sum. They are not positive: exp makes them so.",
        ),
        wrong(
            "no exponential above the line",
            edit("return exp /", "return logits /"),
            "You divide the logits themselves by the sum of the exponentials. Divide the exponentials by it.",
        ),
        wrong(
            "no exponential below the line",
            edit("/ exp.sum", "/ logits.sum"),
            "You divide the exponentials by the sum of the logits. Divide by the sum of the "
            "exponentials.",
        ),
        wrong(
            "multiplied by the sum",
            edit("exp / exp", "exp * exp"),
            "You multiply by the sum of the exponentials. Divide by it, so that the row sums to 1.",
        ),
        wrong(
            "wrong dimension",
            edit(LARGEST, "logits.max(dim=0, keepdim=True).values"),
            "You subtract the largest logit of each column, which changes the differences inside a row. "
            "Subtract the row's own: dim=-1.",
        ),
        wrong(
            "wrong dimension",
            edit(SUM, "exp.sum(dim=0, keepdim=True)"),
            "You divide by the sums along the first dimension, so the examples of a batch compete with "
            "each other. The classes are in the last dimension: dim=-1.",
        ),
        wrong(
            "logarithm returned",
            edit(RESULT, f"({RESULT}).log()"),
            "These are log-probabilities. They are what a loss needs, but softmax returns the "
            "probabilities themselves.",
        ),
        wrong(
            "a sigmoid for each class",
            edit(RESULT, "1 / (1 + (-logits).exp())"),
            "You squash every logit on its own, so a row need not sum to 1. The classes share one "
            "total: divide by the sum of the row's exponentials.",
        ),
        wrong(
            "input changed in place",
            edit("    exp = " + SHIFTED, "    logits -= largest\n    exp = logits.exp()"),
            "`logits -= ...` writes into the tensor that the caller gave you, and PyTorch refuses "
            "that where a gradient is needed. Make a new tensor: `logits - ...`.",
        ),
        wrong(
            "input changed in place",
            edit(
                "    exp = " + SHIFTED,
                "    with torch.no_grad():\n        logits -= largest\n    exp = logits.exp()",
            ),
            "`logits -= ...` writes into the tensor that the caller gave you. no_grad hides "
            "PyTorch's protest, and the caller's logits have changed. Make a new tensor: `logits - "
            "...`.",
        ),
        wrong(
            "sum cut off from the graph",
            edit(SUM, f"{SUM}.detach()"),
            "The probabilities are right, but their sum is detached, so backward() treats it as a "
            "constant. Raising one logit lowers the other probabilities, and that goes through the "
            "sum: leave out detach() there.",
            also=("gradient",),
        ),
        wrong(
            "detached result",
            edit(RESULT, f"({RESULT}).detach()"),
            "The probabilities are right, but cut off from the graph, so nothing can be trained "
            "through them. Leave out detach(), .data and no_grad().",
        ),
    ),
)
