"""Chapter 02, secret half: cases, misconceptions, right variants and the quiz's key."""

import math
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.exercises import ch02_loss_functions as public
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import difference
from grading.answers.model import Answer, Misconception, QuizKey


def _normal(generator: torch.Generator, *shape: int, dtype=torch.float64) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


# --- softmax ------------------------------------------------------------------------------------


def _softmax_cases(generator: torch.Generator) -> list[Case]:
    def normal(*shape, scale=2.0, dtype=torch.float64):
        return scale * _normal(generator, *shape, dtype=dtype)

    # Rows at +10000 and at -10000, close together inside a row: one maximum for all is no help.
    level = torch.tensor([1e4, -1e4, 0.0, -1e4], dtype=torch.float64)
    in_one_row = 1e4 * torch.randint(-1, 2, (3, 6), generator=generator).double()
    in_one_row[1, [2, 4]] = torch.tensor([1e4, -1e4], dtype=torch.float64)
    return [
        public.softmax_case("plain", normal(5)),
        public.softmax_case("plain", normal(3, 7, dtype=torch.float32)),
        public.softmax_case("plain", normal(6, 4), strided=True),
        public.softmax_case("plain", normal(2, 3, 5, dtype=torch.float32), strided=True),
        public.softmax_case("plain", normal(2, 5, 3, 4)),
        public.softmax_case("large", level[:, None] + normal(4, 3)),
        public.softmax_case("large", in_one_row + normal(3, 6)),
        public.softmax_case("large", (300 * normal(4, 5)).round().float()),
        public.softmax_case("gradient", normal(4, 6), normal(4, 6)),
        public.softmax_case("gradient", normal(2, 3, 5), normal(2, 3, 5), strided=True),
    ]


def _softmax_with(shift=None, dim=-1, finish=lambda p: p):
    """Exponentials over their sum along ``dim``, after ``shift(logits)`` was subtracted."""

    def softmax(logits):
        shifted = logits if shift is None else logits - shift(logits)
        exp = shifted.exp()
        return finish(exp / exp.sum(dim=dim, keepdim=True))

    return softmax


def _row_maximum(logits):
    return logits.max(dim=-1, keepdim=True).values


def _whole_tensor(logits):
    exp = (logits - logits.max()).exp()
    return exp / exp.sum()


def _second_dimension(logits):
    exp = (logits - logits.max(dim=1, keepdim=True).values).exp()
    return exp / exp.sum(dim=1, keepdim=True)


def _first_dimension(logits):
    exp = (logits - logits.max(dim=0, keepdim=True).values).exp()
    return exp / exp.sum(dim=0, keepdim=True)


def _epsilon_below(logits):
    exp = logits.exp()
    return exp / (exp.sum(dim=-1, keepdim=True) + 1e-12)


def _no_keepdim(logits):
    exp = (logits - _row_maximum(logits)).exp()
    return exp / exp.sum(dim=-1)


def _no_exponential(logits):
    return logits / logits.sum(dim=-1, keepdim=True)


def _in_place(logits):
    logits -= logits.max(dim=-1, keepdim=True).values
    exp = logits.exp()
    return exp / exp.sum(dim=-1, keepdim=True)


def _shifted_in_the_callers_tensor(logits):
    with torch.no_grad():
        logits -= _row_maximum(logits)
    exp = logits.exp()
    return exp / exp.sum(dim=-1, keepdim=True)


def _sum_detached(logits):
    exp = (logits - _row_maximum(logits)).exp()
    return exp / exp.sum(dim=-1, keepdim=True).detach()


def _one_sigmoid_each(logits):
    return 1 / (1 + (-logits).exp())


def _pair_subtracted(logits):
    exp = (logits - logits.max(dim=-1, keepdim=True)).exp()
    return exp / exp.sum(dim=-1, keepdim=True)


def _clamped(logits):
    exp = logits.clamp(-80, 80).exp()
    return exp / exp.sum(dim=-1, keepdim=True)


def _nan_replaced(logits):
    exp = logits.exp()
    return torch.nan_to_num(exp / exp.sum(dim=-1, keepdim=True))


def _not_divided(logits):
    return (logits - _row_maximum(logits)).exp()


def _divided_by_the_maximum(logits):
    exp = (logits / _row_maximum(logits)).exp()
    return exp / exp.sum(dim=-1, keepdim=True)


def _shifted_above_only(logits):
    return (logits - _row_maximum(logits)).exp() / logits.exp().sum(dim=-1, keepdim=True)


def _shifted_below_only(logits):
    return logits.exp() / (logits - _row_maximum(logits)).exp().sum(dim=-1, keepdim=True)


def _a_pair_was_subtracted(case: Case, got: Observation) -> bool:
    return got.error is not None and "return_types.max" in got.error.message


def _flattens_large_logits(case: Case, got: Observation) -> bool:
    """Right for small logits; for large ones finite, adding up to 1, and not right."""
    if case["kind"] != "large" or not _logits_left_alone(case, got):
        return _softmax_is_right(case, got)
    result = got.get("result_for_large_logits")
    return (
        isinstance(result, Tensor)
        and bool(result.isfinite().all())
        and torch.allclose(result.sum(-1), torch.ones_like(result.sum(-1)), atol=1e-4)
    )


def _hides_nan(case: Case, got: Observation) -> bool:
    """Right for small logits; for large ones finite, with rows that do not add up to 1."""
    if case["kind"] != "large":
        return _softmax_is_right(case, got)
    result = got.get("result_for_large_logits")
    return isinstance(result, Tensor) and bool(result.isfinite().all())


def _softmax_is_right(case: Case, got: Observation) -> bool:
    if got.error is not None:
        return False
    if case["kind"] == "gradient":
        logits = case["logits"].clone().requires_grad_()
        expected = public.gradient_at(
            logits, lambda: torch.softmax(logits, dim=-1), case["upstream"]
        )
        return difference(expected, got.get("gradient"), 1e-4, 1e-6) is None
    name = "returned" if case["kind"] == "plain" else "result_for_large_logits"
    expected = torch.softmax(case["logits"], dim=-1)
    return _logits_left_alone(case, got) and (
        difference(expected, got.get(name), 1e-3, 1e-6) is None
    )


def _logits_left_alone(case: Case, got: Observation) -> bool:
    return difference(case["logits"], got.get("logits_afterwards"), 0.0, 0.0) is None


def _overflows(case: Case, got: Observation) -> bool:
    if case["kind"] != "large":
        return _softmax_is_right(case, got)
    result = got.get("result_for_large_logits")
    return isinstance(result, Tensor) and not bool(result.isfinite().all())


def _sum_lost_its_dimension(case: Case, got: Observation) -> bool:
    if case["logits"].dim() == 1:
        return _softmax_is_right(case, got)
    return got.error is not None and "must match the size" in got.error.message


# Right, written differently.


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


SOFTMAX = Answer(
    exercise="softmax",
    cases=_softmax_cases,
    tolerance=(2e-5, 1e-6),
    # float32 holds a log-sum-exp of 2000 to 1.2e-4 only, and what follows from it is that far off.
    tolerances={"result_for_large_logits": (3e-4, 1e-6)},
    variants=(
        _subtract_logsumexp,
        _slope_of_logsumexp,
        _one_row_at_a_time,
        _pairwise_differences,
        _with_amax_and_einsum,
    ),
    misconceptions=(
        Misconception(
            "one maximum for the whole batch",
            _softmax_with(shift=lambda logits: logits.max()),
            "You subtract the largest logit of the whole tensor. A row that lies far below it "
            "turns into zeros only, and 0 / 0 is nan: subtract each row's own maximum.",
        ),
        Misconception(
            "epsilon in the denominator",
            _epsilon_below,
            "A small number under the division line hides 0 / 0, but exp still overflows for "
            "large logits and still turns very negative rows into zeros. Subtract the row's "
            "maximum instead.",
        ),
        Misconception(
            "shifted by something else",
            _softmax_with(shift=lambda logits: logits.mean(dim=-1, keepdim=True)),
            "You subtract the row's mean. What lies far above it still overflows: subtract the "
            "row's largest logit, so that exp never sees anything above 0.",
        ),
        Misconception(
            "shifted by something else",
            _softmax_with(shift=lambda logits: logits.min(dim=-1, keepdim=True).values),
            "You subtract the row's smallest logit, which makes the others larger still. Subtract "
            "the largest one, so that exp never sees anything above 0.",
        ),
        Misconception(
            "shifted above the line only",
            _shifted_above_only,
            "You shift the logits in the numerator and not in the sum below it, so the two do not "
            "belong together. Shift once, and use the shifted ones in both places.",
        ),
        Misconception(
            "shifted below the line only",
            _shifted_below_only,
            "You shift the logits in the sum and not in the numerator, so the two do not belong "
            "together. Shift once, and use the shifted ones in both places.",
        ),
        Misconception(
            "naive overflow",
            _softmax_with(),
            "exp of a large logit is inf, and inf / inf is nan. Subtract the row's largest logit "
            "first: no probability changes, and exp sees nothing above 0.",
            recognise=_overflows,
        ),
        Misconception(
            "wrong dimension",
            _first_dimension,
            "You normalise along the first dimension, so the examples of a batch compete with "
            "each other. The classes are in the last dimension: dim=-1.",
        ),
        Misconception(
            "wrong dimension",
            _second_dimension,
            "dim=1 is the last dimension of a two-dimensional tensor only. Write dim=-1, which is "
            "the last one of any tensor.",
        ),
        Misconception(
            "whole tensor normalised",
            _whole_tensor,
            "All entries together sum to 1. Each row is a distribution of its own: sum and divide "
            "along the last dimension.",
        ),
        Misconception(
            "keepdim forgotten",
            _no_keepdim,
            "sum(dim=-1) and max(dim=-1) remove the last dimension, and what is left does not fit "
            "onto the rows. With keepdim=True it stays, with length 1.",
            recognise=_sum_lost_its_dimension,
        ),
        Misconception(
            "the pair of max subtracted",
            _pair_subtracted,
            "max(dim=...) returns a pair, the values and their places. Subtract the values: "
            "logits.max(dim=-1, keepdim=True).values.",
            recognise=_a_pair_was_subtracted,
        ),
        Misconception(
            "logits clamped",
            _clamped,
            "You cut large logits off, so 1000 and 999 become equal and their difference is lost. "
            "A shift keeps it: subtract the row's largest logit.",
            recognise=_flattens_large_logits,
        ),
        Misconception(
            "nan replaced",
            _nan_replaced,
            "You replace nan by a number after it has come up. The probabilities are lost by then: "
            "subtract the row's largest logit before exp, and no nan comes up.",
            recognise=_hides_nan,
        ),
        Misconception(
            "not divided by the sum",
            _not_divided,
            "exp makes the scores positive; what makes them probabilities is the division by their "
            "sum.",
        ),
        Misconception(
            "divided by the maximum",
            _divided_by_the_maximum,
            "You divide by the largest logit. That changes the differences, and with them the "
            "probabilities: subtract it.",
        ),
        Misconception(
            "no exponential",
            _no_exponential,
            "You divide the logits themselves by their sum. Logits may be negative: exp makes "
            "them positive first.",
        ),
        Misconception(
            "logarithm returned",
            _softmax_with(_row_maximum, finish=torch.log),
            "These are log-probabilities. They are what a loss needs; here the probabilities "
            "themselves are asked for.",
        ),
        Misconception(
            "a sigmoid for each class",
            _one_sigmoid_each,
            "You squash every logit on its own, so a row need not sum to 1. The classes share one "
            "total: divide by the sum of the row's exponentials.",
        ),
        Misconception(
            "input changed in place",
            _in_place,
            "`logits -= ...` writes into the tensor that the caller gave you, and PyTorch refuses "
            "it where a gradient is wanted. Make a new tensor: `logits - ...`.",
        ),
        Misconception(
            "input changed in place",
            _shifted_in_the_callers_tensor,
            "`logits -= ...` writes into the tensor that the caller gave you. no_grad hides "
            "PyTorch's protest, and the caller's logits are others now. Make a new tensor: "
            "`logits - ...`.",
        ),
        Misconception(
            "sum cut off from the graph",
            _sum_detached,
            "The probabilities are right, but their sum is detached, so backward() takes it for a "
            "constant. Raising one logit lowers the other probabilities, and that goes through "
            "the sum: leave out detach() there.",
        ),
        Misconception(
            "detached result",
            _softmax_with(_row_maximum, finish=torch.detach),
            "The probabilities are right, but cut off from the graph, so nothing can be trained "
            "through them. Leave out detach(), .data and no_grad().",
        ),
    ),
)

# --- cross_entropy ------------------------------------------------------------------------------


def _cross_entropy_cases(generator: torch.Generator) -> list[Case]:
    def case(kind, n, classes, *, dtype=torch.float64, strided=False):
        logits = 2 * _normal(generator, n, classes, dtype=dtype)
        targets = torch.randint(classes, (n,), generator=generator)
        return public.cross_entropy_case(kind, logits, targets, strided)

    def large(n, classes, level, *, right, dtype=torch.float64):
        """One logit of each row at +level, all others at -level; the targets are it, or are not."""
        winner = torch.randint(classes, (n,), generator=generator)
        logits = torch.full((n, classes), -level, dtype=dtype)
        logits[torch.arange(n), winner] = level
        targets = winner if right else (winner + 1) % classes
        noise = _normal(generator, n, classes, dtype=dtype)
        return public.cross_entropy_case("large", logits + noise, targets)

    far_below = case("large", 5, 4)
    # Rows on levels of their own: one maximum for all of them is no help.
    level = torch.tensor([[1e4], [0.0], [-1e4]], dtype=torch.float64)
    apart = case("large", 3, 4)
    return [
        case("plain", 5, 3),
        case("plain", 4, 6, dtype=torch.float32, strided=True),
        case("plain", 1, 4),
        case("plain", 9, 2, strided=True),
        large(4, 3, 1e4, right=False),
        large(3, 5, 1e4, right=True),
        large(6, 4, 300.0, right=False, dtype=torch.float32),
        far_below | {"logits": far_below["logits"] - 1e4},
        apart | {"logits": apart["logits"] + level},
        case("gradient", 6, 3),
        case("gradient", 3, 5, dtype=torch.float32, strided=True),
    ]


def _log_probabilities(logits):
    return logits - logits.logsumexp(dim=1, keepdim=True)


def _picked(table, targets):
    return table[torch.arange(len(targets)), targets]


def _negative_log_likelihood(table_of, finish=torch.mean):
    """``finish`` of minus the target's entry in ``table_of(logits)``."""

    def cross_entropy(logits, targets):
        return finish(-_picked(table_of(logits), targets))

    return cross_entropy


def _mean_over_classes(logits, targets):
    one_hot = torch.zeros_like(logits)
    one_hot[torch.arange(len(targets)), targets] = 1
    return -(one_hot * _log_probabilities(logits)).mean()


def _every_row_with_every_target(logits, targets):
    return -_log_probabilities(logits)[:, targets].mean()


def _without_graph(logits, targets):
    with torch.no_grad():
        return -_picked(_log_probabilities(logits), targets).mean()


def _python_number(logits, targets):
    return (-_picked(_log_probabilities(logits), targets).mean()).item()


def _without_keepdim(logits, targets):
    return -_picked(logits - logits.logsumexp(dim=1), targets).mean()


def _rows_picked_by_target(logits, targets):
    return -_log_probabilities(logits)[targets].mean()


def _shift_not_undone(logits, targets):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    return -_picked(logits - shifted.logsumexp(dim=1, keepdim=True), targets).mean()


def _squared_miss(logits, targets):
    return ((1 - _picked(torch.softmax(logits, dim=1), targets)) ** 2).mean()


def _logarithm_to_base(base):
    def cross_entropy(logits, targets):
        return -_picked(_log_probabilities(logits), targets).mean() / math.log(base)

    return cross_entropy


def _largest_probability(logits, targets):
    return -_log_probabilities(logits).max(dim=1).values.mean()


def _entropy(logits, targets):
    log_p = _log_probabilities(logits)
    return -(log_p.exp() * log_p).sum(dim=1).mean()


def _divided_by_the_classes(logits, targets):
    return -_picked(_log_probabilities(logits), targets).sum() / logits.shape[1]


def _rows_lost_their_dimension(case: Case, got: Observation) -> bool:
    n, classes = case["logits"].shape
    if n in (1, classes):  # it broadcasts by accident
        return got.error is None
    return got.error is not None and "must match the size" in got.error.message


def _sign_forgotten(logits, targets):
    return _picked(_log_probabilities(logits), targets).mean()


def _log_forgotten(logits, targets):
    return -_picked(torch.softmax(logits, dim=1), targets).mean()


def _only_the_targets_logit(logits, targets):
    return -_picked(logits, targets).mean()


def _naive_softmax(logits):
    return logits.exp() / logits.exp().sum(dim=1, keepdim=True)


def _log_of_sum_of_exp(logits):
    return logits - logits.exp().sum(dim=1, keepdim=True).log()


def _one_maximum_for_all(logits):
    shifted = logits - logits.max()
    return shifted - shifted.exp().sum(dim=1, keepdim=True).log()


def _normaliser_detached(logits):
    return logits - logits.logsumexp(dim=1, keepdim=True).detach()


def _across_the_batch(logits):
    return logits - logits.logsumexp(dim=0, keepdim=True)


def _true_loss(case: Case) -> Tensor:
    return F.cross_entropy(case["logits"], case["targets"])


def _loss_is_right(case: Case, got: Observation) -> bool:
    if case["kind"] != "plain" or got.error is not None:
        return got.error is None
    return difference(_true_loss(case), got.get("returned"), 1e-4, 1e-6) is None


def _large_loss(got: Observation) -> float:
    loss = got.get("loss_for_large_logits")
    return loss.item() if isinstance(loss, Tensor) and loss.numel() == 1 else 0.0


def _log_meets_zero(case: Case, got: Observation) -> bool:
    """Infinite where the target's probability is 0, right where it is not."""
    if case["kind"] != "large":
        return _loss_is_right(case, got)
    true, loss = _true_loss(case).item(), _large_loss(got)
    return loss == math.inf if true > 50 else math.isclose(loss, true, rel_tol=1e-4, abs_tol=1e-6)


def _hidden_by_epsilon(case: Case, got: Observation) -> bool:
    """Finite, but capped far below the loss of a confident mistake."""
    if case["kind"] != "large":
        return _loss_is_right(case, got)
    true, loss = _true_loss(case).item(), _large_loss(got)
    if true > 50:
        return 5 < loss < true / 2
    return math.isclose(loss, true, rel_tol=1e-3, abs_tol=1e-4)


def _loss_overflows(case: Case, got: Observation) -> bool:
    if case["kind"] != "large":
        return _loss_is_right(case, got)
    return not math.isfinite(_large_loss(got))


def _gradient_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """The gradient everywhere; at large logits only where the loss itself is right, for a wrong
    loss there has cost its point already."""
    if case["kind"] == "gradient":
        return difference(expected["gradient"], got.get("gradient"), 2e-5, 1e-6)
    if case["kind"] == "plain":
        return None
    name = "loss_for_large_logits"
    if difference(expected[name], got.get(name), 2e-5, 1e-6):
        return None
    name = "gradient_for_large_logits"
    problem = difference(expected[name], got.get(name), 2e-5, 1e-5)
    return problem and f"gradient for large logits: {problem}"


# Right, written differently.


def _with_gather(logits, targets):
    top = logits.max(dim=1, keepdim=True).values
    shifted = logits - top
    log_sum = shifted.exp().sum(dim=1, keepdim=True).log()
    return (log_sum - shifted.gather(1, targets.unsqueeze(1))).mean()


def _margins_to_the_target(logits, targets):
    """log(sum exp(z_c - z_target)): the target's own term is exp(0)."""
    own = logits[torch.arange(logits.shape[0]), targets]
    return torch.logsumexp(logits - own[:, None], dim=-1).sum() / logits.shape[0]


def _one_example_at_a_time(logits, targets):
    losses = []
    for row, target in zip(logits, targets, strict=True):
        losses.append(row.logsumexp(0) - row[target.item()])
    return torch.stack(losses).mean()


def _with_one_hot_sum(logits, targets):
    one_hot = F.one_hot(targets, num_classes=logits.size(1)).to(logits.dtype)
    log_p = logits - torch.logsumexp(logits, 1, True)
    return -(one_hot * log_p).sum(1).mean(0)


def _with_logaddexp(logits, targets):
    total = logits[:, 0]
    for column in logits.unbind(1)[1:]:
        total = torch.logaddexp(total, column)
    return torch.mean(total - logits.take_along_dim(targets[:, None], 1).squeeze(1))


CROSS_ENTROPY = Answer(
    exercise="cross_entropy",
    cases=_cross_entropy_cases,
    tolerance=(2e-5, 1e-6),
    oracle=F.cross_entropy,
    compare={"gradient": _gradient_problem},
    variants=(
        _with_gather,
        _margins_to_the_target,
        _one_example_at_a_time,
        _with_one_hot_sum,
        _with_logaddexp,
    ),
    misconceptions=(
        Misconception(
            "sum",
            _negative_log_likelihood(_log_probabilities, torch.sum),
            "You add up the examples' losses. The mean is asked for: it does not grow with the "
            "batch, and neither do its gradients.",
        ),
        Misconception(
            "no reduction",
            _negative_log_likelihood(_log_probabilities, lambda losses: losses),
            "You return one loss per example. backward() needs one number: their mean.",
        ),
        Misconception(
            "softmax twice",
            _negative_log_likelihood(lambda logits: torch.softmax(logits, 1).log_softmax(1)),
            "A softmax is applied to what is already a softmax. Its outputs lie between 0 and 1, "
            "so the second one sees almost equal logits and the loss cannot get near zero.",
        ),
        Misconception(
            "log of zero",
            _negative_log_likelihood(lambda logits: torch.softmax(logits, dim=1).log()),
            "You take the log of a probability. For a confident mistake it has become exactly 0, "
            "and -log(0) is inf. Stay in logarithms: logit minus log-sum-exp.",
            recognise=_log_meets_zero,
        ),
        Misconception(
            "log of zero hidden by an epsilon",
            _negative_log_likelihood(lambda logits: (torch.softmax(logits, dim=1) + 1e-9).log()),
            "The small number under the log keeps inf away, and caps the loss: a confident "
            "mistake costs about 20 instead of its real price, and its gradient is gone. "
            "Use logit minus log-sum-exp.",
            recognise=_hidden_by_epsilon,
        ),
        Misconception(
            "naive overflow",
            _negative_log_likelihood(lambda logits: _naive_softmax(logits).log()),
            "exp of a large logit is inf, and what follows is inf or nan. logsumexp, or "
            "subtracting the row's maximum first, avoids it.",
            recognise=_loss_overflows,
        ),
        Misconception(
            "naive overflow",
            _negative_log_likelihood(_log_of_sum_of_exp),
            "log(sum(exp(...))) overflows although its result would be small. logsumexp computes "
            "the same without ever leaving the range.",
            recognise=_loss_overflows,
        ),
        Misconception(
            "one maximum for the whole batch",
            _negative_log_likelihood(_one_maximum_for_all),
            "You subtract the largest logit of the whole batch. In a row that lies far below it "
            "every exp is 0, and log(0) is -inf: subtract each row's own maximum.",
        ),
        Misconception(
            "normaliser cut off from the graph",
            _negative_log_likelihood(_normaliser_detached),
            "The loss is right, but its log-sum-exp is detached, so backward() sees the target's "
            "logit alone and the other classes are never pushed down. Leave out detach() there.",
        ),
        Misconception(
            "mean over classes too",
            _mean_over_classes,
            "You average over all N x C entries, so the loss is too small by the number of "
            "classes. Each row has one target, hence one term: divide by N.",
        ),
        Misconception(
            "every row with every target",
            _every_row_with_every_target,
            "[:, targets] takes, for every row, the columns of all targets: an N x N table. One "
            "entry per row is wanted: index with the row numbers and the targets together.",
        ),
        Misconception(
            "rows picked by target",
            _rows_picked_by_target,
            "[targets] picks whole rows, by the numbers of the classes. One entry of each row is "
            "wanted: index with the row numbers and the targets together.",
        ),
        Misconception(
            "keepdim forgotten",
            _without_keepdim,
            "logsumexp(dim=1) has shape [N] and does not fit onto the rows of [N, C]. With "
            "keepdim=True it is [N, 1].",
            recognise=_rows_lost_their_dimension,
        ),
        Misconception(
            "shift not undone",
            _shift_not_undone,
            "You shift the logits inside the log-sum-exp and not the logit that you subtract it "
            "from. Use the shifted logits in both places, or add the shift to the log-sum-exp.",
        ),
        Misconception(
            "squared error of the probability",
            _squared_miss,
            "You square the distance to 1. Cross-entropy is minus the log of the right class's "
            "probability, which grows without limit for a confident mistake.",
        ),
        Misconception(
            "another logarithm",
            _logarithm_to_base(10),
            "Your logarithm has the base 10. The unit here is the nat: torch.log and logsumexp use "
            "the natural logarithm.",
        ),
        Misconception(
            "another logarithm",
            _logarithm_to_base(2),
            "Your logarithm has the base 2. The unit here is the nat: torch.log and logsumexp use "
            "the natural logarithm.",
        ),
        Misconception(
            "largest probability instead of the target's",
            _largest_probability,
            "You take the class that the model likes best, so it is never wrong. Take the class "
            "that is right: the entry at the target.",
        ),
        Misconception(
            "entropy of the prediction",
            _entropy,
            "You compute how undecided the model is, and the targets do not come in. Take the "
            "log-probability of each row's target.",
        ),
        Misconception(
            "divided by the number of classes",
            _divided_by_the_classes,
            "You divide the sum by the number of classes. The mean is over the examples: divide by "
            "N.",
        ),
        Misconception(
            "softmax across the batch",
            _negative_log_likelihood(_across_the_batch),
            "You normalise along the batch, so examples compete with each other. The classes are "
            "in dimension 1.",
        ),
        Misconception(
            "sign forgotten",
            _sign_forgotten,
            "Log-probabilities are never positive, so their mean is negative. The loss is minus "
            "that: training makes it small.",
        ),
        Misconception(
            "log forgotten",
            _log_forgotten,
            "You average minus the probabilities. Without the log a confident mistake costs "
            "hardly more than a doubtful one.",
        ),
        Misconception(
            "only the target's logit",
            _only_the_targets_logit,
            "Minus the target's logit has no lower end, and the other classes do not count. "
            "Normalise first: logit minus log-sum-exp.",
        ),
        Misconception(
            "detached result",
            _without_graph,
            "The number is right, but it is cut off from the graph, so backward() has no way "
            "back. Leave out detach(), .data and no_grad().",
        ),
        Misconception(
            "detached result",
            _python_number,
            "item() makes a Python number, which has no graph: backward() is gone. Return the "
            "tensor; whoever logs it can call item().",
        ),
    ),
)

# --- mse ----------------------------------------------------------------------------------------


def _mse_cases(generator: torch.Generator) -> list[Case]:
    def pair(kind, *shape, dtype=torch.float64, strided=False):
        prediction = _normal(generator, *shape, dtype=dtype)
        return public.mse_case(kind, prediction, _normal(generator, *shape, dtype=dtype), strided)

    def differing(first, second):
        return public.mse_case("shapes", _normal(generator, *first), _normal(generator, *second))

    return [
        pair("plain", 7),
        pair("plain", 5, 3, dtype=torch.float32, strided=True),
        pair("plain", 2, 4, 3, strided=True),
        pair("plain", 6, 1, dtype=torch.float32),
        pair("gradient", 4, 6),
        pair("gradient", 5, dtype=torch.float32, strided=True),
        differing((6, 1), (6,)),
        differing((5,), (5, 1)),
        differing((1, 4), (3, 4)),
        differing((4, 3), (3, 4)),
        differing((2, 6), (3, 4)),
        differing((3,), (1,)),
    ]


def _mse_with(reduce, check=None):
    def mse(prediction, target):
        if check is not None and not check(prediction, target):
            raise ValueError(f"{tuple(prediction.shape)} and {tuple(target.shape)}")
        return reduce(prediction - target)

    return mse


def _same_shape(prediction, target):
    return prediction.shape == target.shape


def _mean_square(difference):
    return (difference**2).mean()


def _reshaped(prediction, target):
    return _mean_square(prediction - target.reshape(prediction.shape))


def _assertion(prediction, target):
    assert prediction.shape == target.shape, "shapes differ"
    return _mean_square(prediction - target)


def _error_returned(prediction, target):
    if prediction.shape != target.shape:
        return ValueError("shapes differ")
    return _mean_square(prediction - target)


def _mse_detached(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError("shapes differ")
    return _mean_square(prediction.detach() - target)


def _shapes_too_late(prediction, target):
    difference = prediction - target
    if prediction.shape != target.shape:
        raise ValueError("shapes differ")
    return _mean_square(difference)


def _another_error(prediction, target):
    if prediction.shape != target.shape:
        raise TypeError("shapes differ")
    return _mean_square(prediction - target)


def _nothing_for_two_shapes(prediction, target):
    if prediction.shape == target.shape:
        return _mean_square(prediction - target)


def _refuses_equal_shapes(prediction, target):
    if prediction.shape == target.shape:
        raise ValueError("shapes differ")
    return _mean_square(prediction - target)


def _mse_in_place(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError("shapes differ")
    prediction -= target
    return _mean_square(prediction)


# Right, written differently.


def _mse_plainly(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {prediction.shape} and target {target.shape} differ")
    return (prediction - target).square().mean()


class _ShapeMismatch(ValueError):
    pass


def _mse_dot_product(prediction, target):
    if list(prediction.size()) != list(target.size()):
        raise _ShapeMismatch("sizes")
    flat = (target - prediction).reshape(-1)
    return flat @ flat / flat.numel()


def _mse_element_by_element(prediction, target):
    if prediction.ndim != target.ndim or any(
        a != b for a, b in zip(prediction.shape, target.shape, strict=True)
    ):
        raise ValueError
    pairs = zip(prediction.flatten(), target.flatten(), strict=True)
    return sum((a - b) * (a - b) for a, b in pairs) / prediction.numel()


def _mse_from_the_norm(prediction, target):
    if not prediction.shape == target.shape:
        raise ValueError("two shapes")
    return torch.linalg.vector_norm(prediction - target) ** 2 / torch.numel(target)


MSE = Answer(
    exercise="mse",
    cases=_mse_cases,
    tolerance=(2e-5, 1e-6),
    oracle=_mse_plainly,
    variants=(_mse_dot_product, _mse_element_by_element, _mse_from_the_norm),
    misconceptions=(
        Misconception(
            "broadcasting",
            _mse_with(_mean_square),
            "Shapes that differ are not refused. [N, 1] minus [N] is an N x N table of all pairs, "
            "and its mean looks like a loss: compare the shapes first.",
        ),
        Misconception(
            "lengths compared instead of shapes",
            _mse_with(_mean_square, lambda a, b: len(a) == len(b)),
            "len() is the size of the first dimension only: [N, 1] and [N] pass. Compare .shape.",
        ),
        Misconception(
            "numbers of elements compared instead of shapes",
            _mse_with(_mean_square, lambda a, b: a.numel() == b.numel()),
            "[N, 1] and [N] hold equally many numbers and still broadcast to N x N. Compare "
            ".shape.",
        ),
        Misconception(
            "numbers of dimensions compared instead of shapes",
            _mse_with(_mean_square, lambda a, b: a.dim() == b.dim()),
            "[1, D] and [N, D] have equally many dimensions and still broadcast. Compare .shape.",
        ),
        Misconception(
            "reshaped instead of refused",
            _reshaped,
            "You bend the target into the prediction's shape. That hides the caller's mistake, "
            "and for [4, 3] and [3, 4] it pairs the wrong numbers: raise a ValueError.",
        ),
        Misconception(
            "assert instead of a ValueError",
            _assertion,
            "assert raises an AssertionError, and `python -O` removes it. Write "
            "`raise ValueError(...)`.",
        ),
        Misconception(
            "error returned instead of raised",
            _error_returned,
            "You return the error as if it were a loss. `raise` stops the caller; `return` lets "
            "the mistake travel on.",
            also=("returned_instead",),
        ),
        Misconception(
            "nothing raised",
            _nothing_for_two_shapes,
            "For shapes that differ your function returns None, and the caller finds out later, "
            "somewhere else. `raise ValueError(...)` stops at the place of the mistake.",
            also=("returned_instead",),
        ),
        Misconception(
            "shapes compared too late",
            _shapes_too_late,
            "You subtract first and compare the shapes after. Where the two do not even broadcast, "
            "the subtraction raises its own error before yours: compare first.",
        ),
        Misconception(
            "another kind of error",
            _another_error,
            "You raise an error, and not a ValueError. Callers who expect one look for that: "
            "`raise ValueError(...)`.",
        ),
        Misconception(
            "equal shapes refused",
            _refuses_equal_shapes,
            "Your test is turned round: you refuse equal shapes and let different ones pass. "
            "Raise when the shapes are !=.",
        ),
        Misconception(
            "input changed in place",
            _mse_in_place,
            "`prediction -= ...` writes into the tensor that the caller gave you, and PyTorch "
            "refuses it where a gradient is wanted. Make a new tensor: prediction - target.",
        ),
        Misconception(
            "no reduction",
            _mse_with(lambda d: d**2, _same_shape),
            "You return one squared error per element. backward() needs one number: their mean.",
        ),
        Misconception(
            "mean over one dimension",
            _mse_with(lambda d: (d**2).mean(dim=-1), _same_shape),
            "mean(dim=...) averages along one dimension and leaves the others. mean() without an "
            "argument averages over all elements.",
        ),
        Misconception(
            "not squared",
            _mse_with(lambda d: d.mean(), _same_shape),
            "You average the differences themselves, so +1 and -1 cancel, and the loss can fall "
            "below 0. Square them first.",
        ),
        Misconception(
            "sum",
            _mse_with(lambda d: (d**2).sum(), _same_shape),
            "You add up the squared errors. The mean is asked for: divide by their number.",
        ),
        Misconception(
            "RMSE",
            _mse_with(lambda d: (d**2).mean().sqrt(), _same_shape),
            "The square root makes this the root mean squared error. Leave it out: MSE has no "
            "root, and its gradient is simpler.",
        ),
        Misconception(
            "MAE",
            _mse_with(lambda d: d.abs().mean(), _same_shape),
            "This is the mean absolute error. Square the differences instead: large errors then "
            "count more.",
        ),
        Misconception(
            "divided by the batch size",
            _mse_with(lambda d: (d**2).sum() / len(d), _same_shape),
            "You divide by the length of the first dimension only. The mean is over all elements: "
            "divide by their number.",
        ),
        Misconception(
            "half of it",
            _mse_with(lambda d: (d**2).mean() / 2, _same_shape),
            "Some textbooks halve the squared error to make its derivative prettier. PyTorch and "
            "this exercise do not.",
        ),
        Misconception(
            "squared mean",
            _mse_with(lambda d: d.mean() ** 2, _same_shape),
            "You average first and square after, so errors of +1 and -1 cancel. Square each "
            "difference, then average.",
        ),
        Misconception(
            "detached result",
            _mse_detached,
            "The number is right, but it is cut off from the prediction's graph, so nothing can "
            "be trained with it. Leave out detach(), .data and item().",
        ),
        Misconception(
            "detached result",
            _mse_with(lambda d: (d**2).mean().item(), _same_shape),
            "item() makes a Python number, which has no graph: backward() is gone. Return the "
            "tensor; whoever logs it can call item().",
        ),
    ),
)

ANSWERS = (MSE, SOFTMAX, CROSS_ENTROPY)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_loss_of_a_sure_model() -> str:
    logits = torch.tensor([[5.0, 0.0, 0.0]])
    loss = F.cross_entropy(logits, torch.tensor([0])).item()
    probability = torch.softmax(logits, dim=1)[0, 0].item()
    options = {"A": -5.0, "B": 0.987, "C": 0.0, "D": 0.0134}
    assert math.isclose(probability, options["B"], abs_tol=5e-4)
    return min(options, key=lambda letter: abs(options[letter] - loss))


def _prove_softmax_twice() -> str:
    """The best that a softmax output can do is all of it on the target: what does that cost?"""
    target = torch.tensor([3])
    before = torch.full((1, 10), -1e4)
    before[0, 3] = 1e4
    try:
        best = F.cross_entropy(torch.softmax(before, dim=1), target).item()
    except RuntimeError:
        return "B"
    if best < 0:
        return "D"
    once = torch.softmax(torch.tensor([[2.0, 1.0, 0.1]]), dim=1)
    if torch.allclose(once, torch.softmax(once, dim=1), atol=1e-3):
        return "C"
    return "A" if math.isclose(best, 1.46, abs_tol=0.005) else ""


def _prove_silent_broadcasting() -> str:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(32, 1, generator=generator)
    y = torch.randn(32, generator=generator)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            loss = ((p - y) ** 2).mean()
        except RuntimeError:
            return "B"
    if heard:
        return "D"
    if torch.isclose(loss, nn.MSELoss()(p.squeeze(1), y)):
        return "A"
    pairs = torch.tensor([[(a - b) ** 2 for b in y.tolist()] for a in p[:, 0].tolist()])
    return "C" if torch.isclose(loss, pairs.mean()) else ""


QUIZ = (
    QuizKey(
        "q02_1",
        "D",
        {
            "A": "The other classes count too, and the loss is never negative.",
            "B": "That is the probability itself. The loss is minus its logarithm.",
            "C": "Softmax never reaches 1 for finite logits, so something is always left to pay.",
            "D": "The probability is 0.987, and -log(0.987) is 0.0134.",
        },
        _prove_loss_of_a_sure_model,
    ),
    QuizKey(
        "q02_2",
        "A",
        {
            "A": "The inner softmax ends at 1, so the outer one sees logits from 0 to 1 only: "
            "at best -log(e / (e + 9)) = 1.46.",
            "B": "Probabilities are real numbers like any others, so they pass for logits.",
            "C": "The second softmax sees numbers between 0 and 1 and flattens them.",
            "D": "Cross-entropy is minus the log of a probability: it cannot be negative.",
        },
        _prove_softmax_twice,
    ),
    QuizKey(
        "q02_3",
        "C",
        {
            "A": "That needs equal shapes: both [32], or both [32, 1].",
            "B": "Broadcasting stretches both to [32, 32], so the shapes do fit.",
            "C": "Each prediction meets each target; a model trained on it learns to predict the "
            "mean of all targets.",
            "D": "nn.MSELoss warns. Plain arithmetic says nothing.",
        },
        _prove_silent_broadcasting,
    ),
)
