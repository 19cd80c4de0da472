"""Chapter 02, public half: the exercises' checks and drivers, and the quiz's questions."""

import math
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import type_name
from course_lib.quiz import Question

#: What the chapter builds, below every Python name of it: functions, methods, ``nn`` classes.
FORBIDDEN = (
    "aten:softmax",
    "aten:safe_softmax",
    "aten:log_softmax",
    "aten:cross_entropy_loss",
    "aten:nll_loss",
    "aten:nll_loss2d",
    "aten:mse_loss",
)

# --- what the three drivers share ---------------------------------------------------------------


def strided(tensor: Tensor) -> Tensor:
    """The same numbers in every second place of memory: a tensor that is not contiguous."""
    return torch.stack((tensor, tensor), dim=-1)[..., 0]


def as_given(case: Case, name: str) -> Tensor:
    """A tensor of the case as the learner's function gets it: contiguous or not."""
    return strided(case[name]) if case["strided"] else case[name].clone()


def gradient_at(leaf: Tensor, call: Callable[[], Any], upstream: Tensor | None) -> Tensor | None:
    """The gradient that reaches ``leaf`` from what ``call()`` returns; None when none does."""
    result = call()
    if not isinstance(result, Tensor) or not result.requires_grad:
        return None
    if upstream is None:
        upstream = torch.ones_like(result)
    if upstream.shape != result.shape:
        return None
    (gradient,) = torch.autograd.grad(result, leaf, upstream, allow_unused=True)
    return gradient


def leaf_of(case: Case, name: str) -> Tensor:
    """A tensor of the case as a leaf that collects a gradient."""
    return as_given(case, name).detach().requires_grad_()


def _scalar(value: Any) -> float | None:
    """The number in a 0-dimensional tensor; None for anything else."""
    if isinstance(value, Tensor) and value.shape == () and value.is_floating_point():
        return value.item()
    return None


def _seen(value: Any) -> str:
    """What a check says about a result that is not right: its number, its shape or its type."""
    if not isinstance(value, Tensor):
        return f"yours is {type_name(value)}"
    number = _scalar(value)
    return f"yours has shape {list(value.shape)}" if number is None else f"yours is {number:.4g}"


def _has_dtype(result: Tensor, given: Tensor) -> tuple[bool, str]:
    return result.dtype == given.dtype, f"{given.dtype} came in, {result.dtype} came out"


def _is_about(value: Any, expected: float, digits: int = 4) -> bool:
    number = _scalar(value)
    return number is not None and abs(number - expected) < 10.0**-digits


# --- softmax ------------------------------------------------------------------------------------


def softmax_case(kind: str, logits: Tensor, upstream: Tensor | None = None, strided: bool = False):
    """A case. ``kind`` is "plain", "large" (logits beyond exp's range) or "gradient", which sends
    ``upstream`` back through the result."""
    return {"kind": kind, "logits": logits, "upstream": upstream, "strided": strided}


def observe_softmax(function: Any, case: Case, notes: Notes) -> None:
    if case["kind"] == "gradient":
        logits = leaf_of(case, "logits")
        notes["gradient"] = gradient_at(logits, lambda: function(logits), case["upstream"])
        return
    logits = as_given(case, "logits")
    large = case["kind"] == "large"
    notes["result_for_large_logits" if large else "returned"] = function(logits)
    notes["logits_afterwards"] = logits


def _public_softmax_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(2)
    # Neighbours differ by exactly 1, in another order in each row.
    steps = torch.stack([torch.randperm(5, generator=generator) for _ in range(3)]).float()
    logits = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    upstream = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    return [
        softmax_case("plain", torch.tensor([2.0, 1.0, 0.1])),
        softmax_case("plain", steps, strided=True),
        softmax_case("plain", logits),
        softmax_case("large", torch.tensor([[1000.0, 999.0, 998.0], [-1000.0, -1001.0, -1002.0]])),
        softmax_case("large", torch.tensor([[1000.0, -1000.0, 0.0], [5.0, -1000.0, 1000.0]])),
        softmax_case("gradient", logits, upstream),
    ]


def properties_softmax(case: Case, observation: Observation) -> Iterator[Finding]:
    logits = case["logits"]
    if case["kind"] == "gradient":
        gradient = observation["gradient"]
        flows = gradient is not None and bool(gradient.any())
        yield Finding(flows, "a gradient flows from the probabilities back to the logits")
        if flows:
            # Raising all logits of a row changes no probability, whatever is asked of them.
            text = "the gradients of a row's logits add up to 0"
            yield Finding(_near(gradient.sum(-1), 0.0), text)
        return
    large = case["kind"] == "large"
    result = observation["result_for_large_logits" if large else "returned"]
    same = isinstance(result, Tensor) and result.shape == logits.shape
    seen = f"the logits are {list(logits.shape)}, {_seen(result)}"
    yield Finding(same, "the result is a tensor of the logits' shape", seen)
    if not same:
        return
    if large:
        finite = bool(result.isfinite().all())
        text = "logits of 1000 or -1000 give numbers: no inf and no nan"
        yield Finding(finite, text, f"a row became {_worst_row(result)}")
        if not finite:  # what follows from it would only hide the cause
            return
    else:
        ok, seen = _has_dtype(result, logits)
        yield Finding(ok, "the result has the logits' dtype", seen)
        between = bool(((result >= 0) & (result <= 1)).all())
        seen = f"yours go from {result.min():.3g} to {result.max():.3g}"
        yield Finding(between, "every entry lies between 0 and 1", seen)
    if logits.shape == (3,):
        known = _near(result, torch.tensor([0.659, 0.242, 0.099]), 1e-3)
        text = "the logits [2.0, 1.0, 0.1] become [0.659, 0.242, 0.099]"
        yield Finding(known, text, f"yours become {_numbers(result)}")
    sums = result.sum(-1)
    seen = f"one of yours sums to {sums.flatten()[(sums - 1).abs().argmax()]:.3g}"
    # float32 holds a log-sum-exp of 1000 to 6e-5 only: a right way through it is that far off.
    near_1 = _near(sums, 1.0, 1e-3 if large else 1e-5)
    yield Finding(near_1, "the entries along the last dimension sum to 1", seen)
    spread = logits.max(-1).values - logits.min(-1).values
    if bool((spread > 80).any()):  # the smaller probabilities are 0 in any float
        won = torch.equal((result > 0.5).long(), (logits == logits.max(-1, True).values).long())
        yield Finding(won, "a logit that is larger by 1000 takes the whole row, like [1, 0, 0]")
    else:
        top, low = result.max(-1).values, result.min(-1).values
        yield Finding(
            _near(torch.log(top / low), spread, 1e-3),
            "a logit that is larger by 1 has 2.718 times the probability, in every row",
        )
    unchanged = torch.equal(observation["logits_afterwards"], logits)
    yield Finding(unchanged, "the logits that you were given are unchanged")


def _numbers(row: Tensor) -> str:
    return "[" + ", ".join(f"{value:.3f}" for value in row.tolist()) + "]"


def _worst_row(table: Tensor) -> str:
    """The row with the most entries that are inf or nan."""
    return _numbers(table[(~table.isfinite()).sum(-1).argmax()])


def _near(value: Tensor, expected: Any, tolerance: float = 1e-5) -> bool:
    return bool(((value - expected).abs() <= tolerance).all())


SOFTMAX = Exercise(
    name="softmax",
    points=2,
    task="Turn logits into probabilities along the last dimension, however large they are.",
    aspects=(
        Aspect("values", "the last dimension holds the right probabilities", 1, ("returned",)),
        Aspect(
            "stable",
            "large logits give numbers, gradients flow, the input stays as it was",
            1,
            ("result_for_large_logits", "gradient", "logits_afterwards"),
            after=("values",),
        ),
    ),
    hints=(
        "Two steps: make every number positive with exp, then divide by the sum of the last "
        "dimension. Keep that dimension in the sum (keepdim=True), or the shapes do not fit.",
        "Adding the same number to all logits of a row changes no probability. So choose a number "
        "that makes the largest logit of each row 0: then exp never sees anything above 0.",
    ),
    observe=observe_softmax,
    public_cases=_public_softmax_cases,
    properties=properties_softmax,
    forbidden=FORBIDDEN,
)


# --- cross_entropy ------------------------------------------------------------------------------


def cross_entropy_case(kind: str, logits: Tensor, targets: Tensor, strided: bool = False):
    """A case: logits ``[N, C]``, targets ``[N]``. ``kind`` is "plain", "large" or "gradient"."""
    return {"kind": kind, "logits": logits, "targets": targets, "strided": strided}


def observe_cross_entropy(function: Any, case: Case, notes: Notes) -> None:
    kind, targets = case["kind"], case["targets"].clone()
    if kind != "gradient":
        logits = as_given(case, "logits")
        result = function(logits, targets)
        notes["loss_for_large_logits" if kind == "large" else "returned"] = result
        notes["inputs_afterwards"] = [logits, targets]
    if kind != "plain":
        logits = leaf_of(case, "logits")
        gradient = gradient_at(logits, lambda: function(logits, targets), None)
        notes["gradient_for_large_logits" if kind == "large" else "gradient"] = gradient


def _public_cross_entropy_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    targets = torch.tensor([2, 0, 1, 2])
    return [
        cross_entropy_case("plain", torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0])),
        cross_entropy_case("plain", torch.tensor([[5.0, 0.0, 0.0]]), torch.tensor([0])),
        cross_entropy_case(
            "plain", torch.tensor([[5.0, 0.0, 0.0], [2.0, 1.0, 0.1]]), torch.tensor([0, 1])
        ),
        cross_entropy_case("plain", torch.zeros(7, 10, dtype=torch.float64), torch.arange(7)),
        cross_entropy_case("plain", logits, targets, strided=True),
        cross_entropy_case("large", torch.tensor([[1e4, -1e4]]).double(), torch.tensor([1])),
        cross_entropy_case("gradient", logits, targets),
    ]


def properties_cross_entropy(case: Case, observation: Observation) -> Iterator[Finding]:
    logits = case["logits"]
    if case["kind"] == "gradient":
        gradient = observation["gradient"]
        flows = gradient is not None and bool(gradient.any())
        yield Finding(flows, "a gradient flows from the loss back to the logits")
        if flows:
            # Raising all logits of a row changes no loss.
            yield Finding(_near(gradient.sum(-1), 0.0), "the gradients of a row add up to 0")
        return
    if case["kind"] == "large":
        loss = observation["loss_for_large_logits"]
        text = "logits [10000, -10000] with target 1 cost 20000: not inf, not nan"
        yield Finding(_is_about(loss, 20_000.0), text, _seen(loss))
        return
    loss = observation["returned"]
    is_scalar = isinstance(loss, Tensor) and loss.shape == ()
    seen = _seen(loss)
    yield Finding(is_scalar, "the result is a tensor with no dimensions: one number", seen)
    if is_scalar:
        ok, dtypes = _has_dtype(loss, logits)
        yield Finding(ok, "the result has the logits' dtype", dtypes)
    if logits.shape == (1, 3):
        first = logits[0, 0].item()
        shown, known = ("[2, 1, 0.1]", 0.417) if first == 2.0 else ("[5, 0, 0]", 0.0134)
        digits = 3 if first == 2.0 else 4
        text = f"logits {shown} with target 0 cost {known}"
        yield Finding(_is_about(loss, known, digits), text, seen)
    elif logits.shape == (2, 3):
        text = "two examples that cost 0.0134 and 1.417 cost 0.715 together"
        yield Finding(_is_about(loss, 0.7152, 3), text, seen)
    elif logits.shape == (7, 10):
        text = "equal logits for 10 classes cost log(10) = 2.303, whatever the targets are"
        yield Finding(_is_about(loss, math.log(10)), text, seen)
    else:
        unchanged = all(
            torch.equal(after, case[name])
            for after, name in zip(
                observation["inputs_afterwards"], ("logits", "targets"), strict=True
            )
        )
        yield Finding(unchanged, "logits and targets are unchanged")


CROSS_ENTROPY = Exercise(
    name="cross_entropy",
    points=3,
    task="The mean cross-entropy of a batch of logits and class indices.",
    aspects=(
        Aspect("values", "the loss is the batch's mean cross-entropy", 1, ("returned",)),
        Aspect(
            "stable",
            "logits of 10000 and -10000 give the right loss",
            1,
            ("loss_for_large_logits", "inputs_afterwards"),
            after=("values",),
        ),
        Aspect(
            "gradient",
            "the right gradient reaches the logits",
            1,
            ("gradient",),
            after=("values",),
        ),
    ),
    hints=(
        "Two steps: the log-probability of every class of every row, [N, C]; then, of each row, "
        "the one entry at its target. Minus their mean is the loss. Row i's entry at targets[i]: "
        "index with two tensors of length N, the row numbers and the targets.",
        "Do not take the log of a probability: it may have become 0. In logarithms the division "
        "turns into a subtraction: the log-probability of a class is its logit minus the "
        "log-sum-exp of its row, and logits.logsumexp(dim=1, keepdim=True) never overflows.",
    ),
    observe=observe_cross_entropy,
    public_cases=_public_cross_entropy_cases,
    properties=properties_cross_entropy,
    forbidden=FORBIDDEN,
)


# --- mse ----------------------------------------------------------------------------------------


def mse_case(kind: str, prediction: Tensor, target: Tensor, strided: bool = False):
    """A case. ``kind`` is "plain", "gradient" or "shapes": shapes that differ."""
    return {"kind": kind, "prediction": prediction, "target": target, "strided": strided}


def observe_mse(function: Any, case: Case, notes: Notes) -> None:
    target = as_given(case, "target")
    if case["kind"] == "gradient":
        prediction = leaf_of(case, "prediction")
        notes["gradient"] = gradient_at(prediction, lambda: function(prediction, target), None)
        return
    prediction = as_given(case, "prediction")
    if case["kind"] == "plain":
        notes["returned"] = function(prediction, target)
        notes["inputs_afterwards"] = [prediction, target]
        return
    notes["raised"] = notes["message"] = None
    try:
        notes["returned_instead"] = type_name(function(prediction, target))
    except ValueError:  # a subclass is as good
        notes["raised"] = "ValueError"
    except NotImplementedError:
        raise
    except Exception as error:
        notes["raised"], notes["message"] = type(error).__name__, str(error)[:200]


def _public_mse_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(4)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    tables = normal(4, 3), normal(4, 3)
    return [
        mse_case("plain", torch.tensor([2.5, 3.1, 4.0]), torch.tensor([3.0, 3.0, 4.0])),
        mse_case("plain", torch.full((4, 3), 2.0), torch.full((4, 3), 5.0), strided=True),
        mse_case("plain", torch.tensor([[1.0, -1.0]]).double(), torch.zeros(1, 2).double()),
        mse_case("gradient", *tables),
        mse_case("shapes", normal(4, 1), normal(4)),
        mse_case("shapes", normal(3, 2), normal(2, 3)),
    ]


def properties_mse(case: Case, observation: Observation) -> Iterator[Finding]:
    prediction, target = case["prediction"], case["target"]
    if case["kind"] == "gradient":
        gradient = observation["gradient"]
        # Where the prediction is too high, a higher one costs more: equal signs.
        signs = gradient is not None and torch.equal(gradient.sign(), (prediction - target).sign())
        yield Finding(signs, "a gradient flows from the loss back to the prediction")
        return
    if case["kind"] == "shapes":
        text = (
            f"prediction {list(prediction.shape)} with target {list(target.shape)} "
            "raises a ValueError"
        )
        raised = observation["raised"]
        seen = f"yours raised {raised or 'nothing'}"
        if observation.get("message"):
            seen += f": {textwrap.shorten(observation['message'], 120, placeholder=' ...')}"
        yield Finding(raised == "ValueError", text, seen)
        return
    loss = observation["returned"]
    is_scalar = isinstance(loss, Tensor) and loss.shape == ()
    seen = _seen(loss)
    yield Finding(is_scalar, "the result is a tensor with no dimensions: one number", seen)
    if is_scalar:
        ok, dtypes = _has_dtype(loss, prediction)
        yield Finding(ok, "the result has the prediction's dtype", dtypes)
    if prediction.shape == (3,):
        text = "[2.5, 3.1, 4.0] against [3.0, 3.0, 4.0] costs 0.0867"
        yield Finding(_is_about(loss, 0.0867), text, seen)
    elif prediction.shape == (4, 3):
        yield Finding(_is_about(loss, 9.0), "a table that is 3 off everywhere costs 9", seen)
    else:
        text = "errors of 1 and -1 do not cancel: the loss is 1"
        yield Finding(_is_about(loss, 1.0), text, seen)
    same = [case["prediction"], case["target"]]
    unchanged = all(
        torch.equal(after, before)
        for after, before in zip(observation["inputs_afterwards"], same, strict=True)
    )
    yield Finding(unchanged, "prediction and target are unchanged")


MSE = Exercise(
    name="mse",
    points=2,
    task="The mean squared error of two tensors of one shape; refuse two shapes.",
    aspects=(
        Aspect("values", "the loss is the mean squared error", 1, ("returned", "gradient")),
        Aspect(
            "shapes",
            "shapes that differ raise a ValueError",
            1,
            ("raised", "inputs_afterwards"),
            after=("values",),
        ),
    ),
    hints=(
        "Difference, square, mean over all elements. Before any of it, compare the two shapes: a "
        "tensor's .shape can be compared with == or !=.",
        '`raise ValueError(f"...")` stops the function with a message. Put both shapes into the '
        "message: whoever meets it then sees at once which side to mend.",
    ),
    observe=observe_mse,
    public_cases=_public_mse_cases,
    properties=properties_mse,
    forbidden=FORBIDDEN,
)

EXERCISES = (MSE, SOFTMAX, CROSS_ENTROPY)

QUESTIONS = (
    Question(
        "q02_1",
        "A model gives the logits [5, 0, 0], and class 0 is right. How large is the cross-entropy "
        "loss, roughly?",
        {
            "A": "\u22125: minus the logit of the right class.",
            "B": "0.987: the probability of the right class.",
            "C": "Exactly 0: the right class has won by far.",
            "D": "0.0134: small, but not zero.",
        },
    ),
    Question(
        "q02_2",
        "Your model for 10 classes ends in a softmax, and you train it with "
        "`nn.CrossEntropyLoss`. What do you see?",
        {
            "A": "Training runs without a message, but the loss never gets below about 1.46.",
            "B": "PyTorch raises an error: it expects logits, not probabilities.",
            "C": "No difference at all: the softmax of a softmax is the same softmax.",
            "D": "The loss becomes negative as soon as the model is sure.",
        },
    ),
    Question(
        "q02_3",
        "`p` has shape `[32, 1]` and `y` has shape `[32]`. What does "
        "`((p - y) ** 2).mean()` compute?",
        {
            "A": "The mean over the 32 squared errors, as intended.",
            "B": "Nothing: PyTorch raises a RuntimeError about the shapes.",
            "C": "The mean over a 32 x 32 table of all pairs, without a word.",
            "D": "The right mean, together with a warning about the shapes.",
        },
    ),
)
