"""``cross_entropy``, secret half. Long: it names many slips in one formula."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.exercises.ch02_loss_functions.cross_entropy import cross_entropy_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.compare import Difference, difference
from grading.answers.draw import normal as _normal
from grading.answers.edit import edit
from grading.answers.model import Answer, raises, wrong

LOG_P = "logits - logits.logsumexp(dim=1, keepdim=True)"
RESULT = "-log_probabilities[rows, targets].mean()"


def _cases(generator: torch.Generator) -> list[Case]:
    def case(kind, n, classes, *, dtype=torch.float64, strided=False):
        logits = 2 * _normal(generator, n, classes, dtype=dtype)
        targets = torch.randint(classes, (n,), generator=generator)
        return cross_entropy_case(kind, logits, targets, strided)

    def large(n, classes, level, *, right, dtype=torch.float64):
        """One logit of each row at +level, all others at -level; the targets are it, or are not."""
        while True:
            winner = torch.randint(classes, (n,), generator=generator)
            targets = winner if right else (winner + 1) % classes
            # Two rows share a winner; where targets are others, one of them wins nowhere; and one is no
            # row's number, if it can be: so normalising down a column and picking rows always miss.
            shared = len(winner.unique()) < n
            apart = right or not bool(torch.isin(targets, winner).all())
            if shared and apart and (classes <= n or int(targets.max()) >= n):
                break
        logits = torch.full((n, classes), -level, dtype=dtype)
        logits[torch.arange(n), winner] = level
        noise = _normal(generator, n, classes, dtype=dtype)
        return cross_entropy_case("large", logits + noise, targets)

    far_below = case("large", 5, 4)
    # Rows on levels of their own: one maximum for all of them is no help.
    level = torch.tensor([[1e4], [0.0], [-1e4]], dtype=torch.float64)
    apart = case("large", 3, 4)
    return [
        case("plain", 5, 3),
        case("plain", 4, 6, dtype=torch.float32, strided=True),
        case("plain", 1, 4),
        case("plain", 3, 1),
        case("plain", 9, 2, strided=True),
        large(4, 3, 1e4, right=False),
        large(3, 5, 1e4, right=True),
        large(6, 4, 300.0, right=False, dtype=torch.float32),
        far_below | {"logits": far_below["logits"] - 1e4},
        apart | {"logits": apart["logits"] + level},
        case("gradient", 6, 3),
        case("gradient", 3, 5, strided=True),
    ]


def _given(case: Case) -> str:
    """As what the learner sees: how many examples and classes, and how large the logits are."""
    n, classes = case["logits"].shape
    examples = "1 example" if n == 1 else f"{n} examples"
    largest = case["logits"].abs().max().item()
    size = f", logits as large as {largest:.0f}" if case["kind"] == "large" else ""
    return f"with {examples} and {classes} {'class' if classes == 1 else 'classes'}{size}"


def _rows_cannot_broadcast(case: Case) -> bool:
    n, classes = case["logits"].shape
    return n not in (1, classes) and classes != 1


def _true_loss(case: Case) -> Tensor:
    return F.cross_entropy(case["logits"], case["targets"])


def _loss_is_right(case: Case, got: Observation) -> bool:
    if case["kind"] != "plain" or got.error is not None:
        return got.error is None
    return difference(_true_loss(case), got.get("returned"), 1e-4, 1e-6) is None


def _right_but_where_large(shows: Callable[[float, float], bool]):
    """Recognises a loss that is right for small logits and that ``shows(true, loss)`` for large ones."""

    def recognise(case: Case, got: Observation) -> bool:
        if case["kind"] != "large":
            return _loss_is_right(case, got)
        loss = got.get("loss_for_large_logits")
        one = isinstance(loss, Tensor) and loss.numel() == 1
        return shows(_true_loss(case).item(), loss.item() if one else 0.0)

    return recognise


def _log_meets_zero(true: float, loss: float) -> bool:
    """Infinite where the target's probability is 0, right where it is not."""
    return loss == math.inf if true > 50 else math.isclose(loss, true, rel_tol=1e-4, abs_tol=1e-6)


def _hidden_by_epsilon(true: float, loss: float) -> bool:
    """Finite, but capped far below the loss of a confident mistake."""
    if true > 50:
        return 5 < loss < true / 2
    return math.isclose(loss, true, rel_tol=1e-3, abs_tol=1e-4)


_loss_overflows = _right_but_where_large(lambda true, loss: not math.isfinite(loss))


def _gradient_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """The slope of the loss, right or wrong; at large logits only where the loss itself is right, for
    a wrong loss there has cost its point already."""
    if case["kind"] == "gradient":
        return difference(expected["slope_agrees"], got.get("slope_agrees"), 0.0, 0.0)
    if case["kind"] == "plain":
        return None
    name = "loss_for_large_logits"
    if difference(expected[name], got.get(name), 2e-5, 1e-6):
        return None
    name = "gradient_for_large_logits"
    if got.get(name) is None:
        return Difference("no gradient reaches the logits")
    problem = difference(expected[name], got.get(name), 1e-2, 1e-3)
    return problem and Difference(f"in the gradient {problem}")


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


def _with_a_closure(logits, targets):
    tops = logits.detach().amax(dim=1)

    def cost(i):
        shifted = logits[i] - tops[i]
        return shifted.exp().sum().log() - shifted[targets[i]]

    return sum(map(cost, range(logits.shape[0]))) / len(targets)


class _CrossEntropy:
    """Typed, with einsum and a table of zeros and ones."""

    __name__ = "callable_object"

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        picked = torch.eye(logits.shape[1], dtype=logits.dtype)[targets]
        own = torch.einsum("nc,nc->n", logits, picked)
        return torch.logsumexp(logits, dim=-1).sub(own).mean()


def _with_vmap(logits, targets):
    def cost(row, target):
        return row.logsumexp(0) - row.gather(0, target[None]).squeeze()

    return torch.vmap(cost)(logits, targets).mean()


def _with_where(logits, targets):
    is_target = torch.arange(logits.size(-1)) == targets[:, None]
    costs = torch.where(is_target, logits.logsumexp(-1, keepdim=True) - logits, 0.0)
    return costs.sum() / targets.numel()


ANSWER = Answer(
    exercise="cross_entropy",
    cases=_cases,
    given=_given,
    tolerance=(2e-5, 1e-6),
    oracle=F.cross_entropy,
    compare={"gradient": _gradient_problem},
    equivalent={
        "return -log_probabilities[rows, targets].mean() -> "
        "return torch.as_tensor(-log_probabilities[rows, targets].mean())": "It is a tensor.",
        **dict.fromkeys(
            ("targets -> logits", "targets -> log_probabilities"),
            "Only the length is taken, and all have the same.",
        ),
    },
    results=("returned", "loss_for_large_logits"),
    variants=(
        _with_gather,
        _margins_to_the_target,
        _one_example_at_a_time,
        _with_one_hot_sum,
        _with_logaddexp,
        _with_a_closure,
        _CrossEntropy(),
        _with_vmap,
        _with_where,
    ),
    misconceptions=(
        wrong(
            "sum",
            edit(".mean()", ".sum()"),
            "You add up the examples' losses. Return their mean: it does not grow with the batch, "
            "and neither do its gradients.",
        ),
        wrong(
            "no reduction",
            edit(".mean()", ""),
            "You return one loss per example. backward() needs one number: their mean.",
        ),
        wrong(
            "softmax twice",
            edit(LOG_P, "torch.softmax(logits, 1).log_softmax(1)"),
            "A softmax is applied to what is already a softmax. Its outputs lie between 0 and 1, "
            "so the second one sees almost equal logits and the loss cannot get near zero.",
        ),
        wrong(
            "log of zero",
            edit(LOG_P, "torch.softmax(logits, dim=1).log()"),
            "You take the log of a probability. For a confident mistake it becomes exactly 0, and "
            "-log(0) is inf. Stay in logarithms: logit minus log-sum-exp.",
            recognise=_right_but_where_large(_log_meets_zero),
        ),
        wrong(
            "log of zero hidden by an epsilon",
            edit(LOG_P, "(torch.softmax(logits, dim=1) + 1e-9).log()"),
            "The small number inside the log keeps inf away, but caps the loss: a confident "
            "mistake costs about 20 instead of its real cost, and for that example no gradient is left. "
            "Use logit minus log-sum-exp.",
            recognise=_right_but_where_large(_hidden_by_epsilon),
        ),
        wrong(
            "naive overflow",
            edit(LOG_P, "(logits.exp() / logits.exp().sum(dim=1, keepdim=True)).log()"),
            "exp of a large logit is inf, and what follows is inf or nan. logsumexp, or "
            "subtracting the row's maximum first, avoids it.",
            recognise=_loss_overflows,
        ),
        wrong(
            "naive overflow",
            edit(LOG_P, "logits - logits.exp().sum(dim=1, keepdim=True).log()"),
            "log(sum(exp(...))) overflows although its result would be small. logsumexp computes "
            "the same value without ever overflowing.",
            recognise=_loss_overflows,
        ),
        wrong(
            "one maximum for the whole batch",
            edit(LOG_P, "(z := logits - logits.max()) - z.exp().sum(dim=1, keepdim=True).log()"),
            "You subtract the largest logit of the whole batch. In a row that lies far below it, "
            "every exp is 0, and log(0) is -inf: subtract each row's own maximum.",
        ),
        wrong(
            "normaliser cut off from the graph",
            edit("keepdim=True)", "keepdim=True).detach()"),
            "The loss is right, but its log-sum-exp is detached, so backward() sees the target's "
            "logit alone and the other classes are never pushed down. Leave out detach() there.",
            also=("gradient",),
        ),
        wrong(
            "input changed in place",
            edit(
                "    log_probabilities =",
                "    logits -= logits.max(dim=1, keepdim=True).values\n    log_probabilities =",
            ),
            "`logits -= ...` writes into the tensor that the caller gave you, and PyTorch refuses "
            "that where a gradient is needed. Make a new tensor: logits - ...",
        ),
        wrong(
            "mean over classes too",
            edit(".mean()", ".sum() / logits.numel()"),
            "You average over all N x C entries, so the loss is too small by a factor of C, the "
            "number of classes. Each row has one target, hence one term: divide by N.",
        ),
        wrong(
            "every row with every target",
            edit("[rows, targets]", "[:, targets]"),
            "[:, targets] takes, for every row, the columns of all targets: an N x N table. You "
            "need one entry per row: index with the row numbers and the targets together.",
        ),
        wrong(
            "rows picked by target",
            edit("[rows, targets]", "[targets]"),
            "[targets] picks whole rows, by the numbers of the classes. You need one entry from "
            "each row: index with the row numbers and the targets together.",
        ),
        wrong(
            "keepdim forgotten",
            edit("dim=1, keepdim=True", "dim=1"),
            "logsumexp(dim=1) has shape [N] and does not fit onto the rows of [N, C]. With "
            "keepdim=True it is [N, 1].",
            recognise=raises("must match the size", _rows_cannot_broadcast),
        ),
        wrong(
            "shift not undone",
            edit(
                LOG_P,
                "logits - (logits - logits.max(dim=1, keepdim=True).values).logsumexp(1, True)",
            ),
            "You shift the logits inside the log-sum-exp, but not the logit you subtract it from. "
            "Use the shifted logits in both places, or add the shift to the log-sum-exp.",
        ),
        wrong(
            "squared error of the probability",
            edit(RESULT, "((1 - torch.softmax(logits, dim=1)[rows, targets]) ** 2).mean()"),
            "You square the distance to 1. Cross-entropy is minus the log of the right class's "
            "probability, which grows without limit for a confident mistake.",
        ),
        *(
            wrong(
                "another logarithm",
                edit(".mean()", f".mean() / {math.log(base)}"),
                f"Your logarithm is in base {base}. The unit here is the nat: torch.log and logsumexp "
                "use the natural logarithm.",
            )
            for base in (10, 2)
        ),
        wrong(
            "largest probability instead of the target's",
            edit("[rows, targets]", ".max(dim=1).values"),
            "You take the class that the model likes best, so it is never wrong. Take the class "
            "that is right: the entry at the target.",
        ),
        wrong(
            "entropy of the prediction",
            edit(RESULT, "-(log_probabilities.exp() * log_probabilities).sum(dim=1).mean()"),
            "You compute how undecided the model is, and the targets play no part. Take the "
            "log-probability of each row's target.",
        ),
        wrong(
            "divided by the number of classes",
            edit(".mean()", ".sum() / logits.shape[1]"),
            "You divide the sum by the number of classes. The mean is over the examples: divide by "
            "N.",
        ),
        wrong(
            "softmax across the batch",
            edit("dim=1", "dim=0"),
            "You normalise along the batch, so examples compete with each other. The classes are "
            "in dimension 1.",
        ),
        wrong(
            "sign forgotten",
            edit("return -", "return "),
            "Log-probabilities are never positive, so their mean is negative. The loss is minus "
            "that: training makes it small.",
        ),
        wrong(
            "log forgotten",
            edit(LOG_P, "torch.softmax(logits, dim=1)"),
            "You average minus the probabilities. Without the log, a confident mistake costs "
            "hardly more than a hesitant one.",
        ),
        wrong(
            "only the target's logit",
            edit(LOG_P, "logits"),
            "Minus the target's logit has no lower limit, and the other classes do not count. "
            "Normalise first: logit minus log-sum-exp.",
        ),
        wrong(
            "detached result",
            edit(".mean()", ".mean().detach()"),
            "The number is right, but it is cut off from the graph, so backward() has no way "
            "back. Leave out detach(), .data and no_grad().",
        ),
        wrong(
            "detached result",
            edit(".mean()", ".mean().item()"),
            "item() makes a Python number, which has no graph, so backward() cannot run. Return "
            "the tensor; whoever logs it can call item().",
        ),
    ),
)
