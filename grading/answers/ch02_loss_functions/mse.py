"""``mse``, secret half. Long: right and wrong solutions have many ways to compare shapes."""

import torch

from course_lib.exercises.ch02_loss_functions.mse import mse_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import normal as _normal
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

DIFFER = "prediction.shape != target.shape"
RAISE = 'raise ValueError(f"prediction {list(prediction.shape)}, target {list(target.shape)}")'
SQUARES = "((prediction - target) ** 2)"


def _cases(generator: torch.Generator) -> list[Case]:
    def pair(*shape, dtype=torch.float64, **settings):
        prediction = _normal(generator, *shape, dtype=dtype)
        return mse_case(prediction, _normal(generator, *shape, dtype=dtype), **settings)

    def differing(first, second):
        return mse_case(_normal(generator, *first), _normal(generator, *second))

    return [
        pair(7),
        pair(5, 3, dtype=torch.float32, strided=True),
        pair(2, 4, 3, strided=True),
        pair(6, 1, dtype=torch.float32),
        pair(1),
        pair(4, 6, gradient=True),
        pair(5, strided=True, gradient=True),
        differing((6, 1), (6,)),
        differing((5,), (5, 1)),
        differing((1, 4), (3, 4)),
        differing((4, 3), (3, 4)),
        differing((2, 6), (3, 4)),
        differing((3,), (1,)),
    ]


class _ShapeMismatch(ValueError):
    pass


def _dot_product(prediction, target):
    if list(prediction.size()) != list(target.size()):
        raise _ShapeMismatch("sizes")
    flat = (target - prediction).reshape(-1)
    return flat @ flat / flat.numel()


def _element_by_element(prediction, target):
    if prediction.ndim != target.ndim or any(
        a != b for a, b in zip(prediction.shape, target.shape, strict=True)
    ):
        raise ValueError
    pairs = zip(prediction.flatten(), target.flatten(), strict=True)
    return sum((a - b) * (a - b) for a, b in pairs) / prediction.numel()


def _from_the_norm(prediction, target):
    if not prediction.shape == target.shape:
        raise ValueError("two shapes")
    return torch.linalg.vector_norm(prediction - target) ** 2 / torch.numel(target)


def _with_einsum(prediction, target):
    match tuple(prediction.shape), tuple(target.shape):
        case a, b if a != b:
            raise ValueError(a, b)
    off = torch.sub(target, prediction).flatten()
    return torch.einsum("i,i", off, off).div(off.numel())


def _typed_with_a_generator(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if not torch.Size.__eq__(prediction.shape, target.shape):
        raise ValueError("the shapes differ")
    rows = zip(prediction.reshape(-1).split(3), target.reshape(-1).split(3), strict=True)
    return torch.stack([(p - t).pow(2).sum() for p, t in rows]).sum() / prediction.numel()


def _variance_and_bias(prediction, target):
    """The mean square is the variance plus the square of the mean."""
    try:
        assert prediction.shape == target.shape
    except AssertionError as error:
        raise ValueError("one shape for both, please") from error
    error = prediction - target
    return error.var(correction=0) + error.mean() ** 2


def _with_vmap(prediction, target):
    if prediction.dim() != target.dim() or prediction.size() != target.size():
        raise ValueError(f"{prediction.size()} is not {target.size()}")
    own = prediction.clone()
    own -= target
    costs = torch.vmap(torch.square)(own.ravel())
    while costs.dim():
        costs = costs.mean(0)
    return costs


ANSWER = Answer(
    exercise="mse",
    cases=_cases,
    given=lambda case: f"with a prediction and a target of shape {list(case['target'].shape)}",
    tolerance=(2e-5, 1e-6),
    equivalent={
        "return ((prediction - target) ** 2).mean() -> "
        "return torch.as_tensor(((prediction - target) ** 2).mean())": "It is a tensor.",
        **dict.fromkeys(
            (
                "ValueError(f'prediction {list(prediction.shape)}, target {list(target.shape)}') -> "
                "ValueError()",
                "list(prediction.shape) -> list()",
                "list(target.shape) -> list()",
                "prediction -> target #3",
                "target -> prediction #3",
            ),
            "What the error says is free.",
        ),
    },
    variants=(
        _dot_product,
        _element_by_element,
        _from_the_norm,
        _with_einsum,
        _typed_with_a_generator,
        _variance_and_bias,
        _with_vmap,
    ),
    misconceptions=(
        wrong(
            "broadcasting",
            edit(DIFFER, "False"),
            "Differing shapes are not rejected. [N, 1] minus [N] is an N x N table of all pairs, "
            "and its mean looks like a loss: compare the shapes first.",
        ),
        wrong(
            "lengths compared instead of shapes",
            edit(DIFFER, "len(prediction) != len(target)"),
            "len() is the size of the first dimension only: [N, 1] and [N] pass. Compare .shape.",
        ),
        wrong(
            "numbers of elements compared instead of shapes",
            edit(DIFFER, "prediction.numel() != target.numel()"),
            "[N, 1] and [N] hold the same number of elements but still broadcast to N x N. Compare "
            ".shape.",
        ),
        wrong(
            "numbers of dimensions compared instead of shapes",
            edit(DIFFER, "prediction.dim() != target.dim()"),
            "[1, D] and [N, D] have the same number of dimensions but still broadcast. Compare "
            ".shape.",
        ),
        wrong(
            "reshaped instead of refused",
            edit(DIFFER, "False").edit("- target)", "- target.reshape(prediction.shape))"),
            "You bend the target into the prediction's shape. That hides the caller's mistake, "
            "and for [4, 3] and [3, 4] it pairs the wrong numbers: raise a ValueError.",
        ),
        wrong(
            "assert instead of a ValueError",
            edit("raise ValueError", "raise AssertionError"),
            "assert raises an AssertionError, and `python -O` removes it. Write "
            "`raise ValueError(...)`.",
        ),
        wrong(
            "error returned instead of raised",
            edit("raise ValueError", "return ValueError"),
            "You return the error as if it were a loss. `raise` stops the caller; `return` lets "
            "the mistake travel on.",
            also=("returned_instead",),
        ),
        wrong(
            "nothing raised",
            edit(RAISE, "return None"),
            "For differing shapes your function returns None, and the caller finds out later, "
            "somewhere else. `raise ValueError(...)` stops where the mistake is.",
            also=("returned_instead",),
        ),
        wrong(
            "shapes compared too late",
            edit("    if prediction", "    prediction - target\n    if prediction"),
            "You subtract first and compare the shapes afterwards. Where the two do not even "
            "broadcast, the subtraction raises its own error before yours: compare first.",
        ),
        wrong(
            "another kind of error",
            edit("raise ValueError", "raise TypeError"),
            "You raise an error, but not a ValueError, which is what callers look for: `raise "
            "ValueError(...)`.",
        ),
        wrong(
            "equal shapes refused",
            edit("!=", "=="),
            "Your test is the wrong way round: you reject equal shapes and let different ones "
            "pass. Raise when the shapes are !=.",
        ),
        wrong(
            "input changed in place",
            edit(
                "return ((prediction - target) ** 2)",
                "prediction -= target\n    return (prediction**2)",
            ),
            "`prediction -= ...` writes into the tensor that the caller gave you, and PyTorch "
            "refuses that where a gradient is needed. Make a new tensor: prediction - target.",
        ),
        wrong(
            "no reduction",
            edit(".mean()", ""),
            "You return one squared error per element. backward() needs one number: their mean.",
        ),
        wrong(
            "mean over one dimension",
            edit(".mean()", ".mean(dim=-1)"),
            "mean(dim=...) averages along one dimension and keeps the others. mean() without an "
            "argument averages over all elements.",
        ),
        wrong(
            "not squared",
            edit(" ** 2", ""),
            "You average the differences themselves, so +1 and -1 cancel, and the loss can fall "
            "below 0. Square them first.",
        ),
        wrong(
            "not squared",
            edit(" ** 2", " * 2"),
            "You double the differences. Squaring them is ** 2.",
        ),
        wrong(
            "another power",
            edit(" ** 2", " ** 3"),
            "You take the third power of the differences, which keeps their sign. Square them.",
        ),
        wrong(
            "added instead of subtracted",
            edit("- target)", "+ target)"),
            "You add the target to the prediction. An error is their difference.",
        ),
        *(
            wrong(
                "no difference taken",
                edit("(prediction - target)", one),
                f"You square the {one} itself, and the {other} plays no part. Square the difference.",
            )
            for one, other in (("prediction", "target"), ("target", "prediction"))
        ),
        wrong(
            "sum",
            edit(".mean()", ".sum()"),
            "You add up the squared errors. Return their mean: divide by their number.",
        ),
        wrong(
            "RMSE",
            edit(".mean()", ".mean().sqrt()"),
            "The square root makes this the root mean squared error. Leave it out: MSE has no "
            "root, and its gradient is simpler.",
        ),
        wrong(
            "MAE",
            edit(SQUARES, "(prediction - target).abs()"),
            "This is the mean absolute error. Square the differences instead: large errors then "
            "count more.",
        ),
        wrong(
            "divided by the batch size",
            edit(".mean()", ".sum() / len(prediction)"),
            "You divide by the length of the first dimension only. The mean is over all elements: "
            "divide by their number.",
        ),
        wrong(
            "half of it",
            edit(".mean()", ".mean() / 2"),
            "Some textbooks halve the squared error to make its derivative prettier. PyTorch and "
            "this exercise do not.",
        ),
        wrong(
            "squared mean",
            edit(f"{SQUARES}.mean()", "(prediction - target).mean() ** 2"),
            "You average first and square afterwards, so errors of +1 and -1 cancel. Square each "
            "difference, then average.",
        ),
        wrong(
            "detached result",
            edit("(prediction - target)", "(prediction.detach() - target)"),
            "The number is right, but it is cut off from the prediction's graph, so nothing can "
            "be trained with it. Leave out detach(), .data and item().",
        ),
        wrong(
            "detached result",
            edit(".mean()", ".mean().item()"),
            "item() makes a Python number, which has no graph, so backward() cannot run. Return "
            "the tensor; whoever logs it can call item().",
        ),
    ),
)
