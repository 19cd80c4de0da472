"""``linear_gradients``, secret half."""

from functools import partial

import torch

from course_lib.exercises.ch03_backward_pass.linear_gradients import regression_case
from course_lib.exercises.checking.model import Case
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

ERROR = "error = x @ w + b - y\n"
W_GRADIENT, B_GRADIENT = "2 * x.T @ error / len(y)", "2 * error.mean()"


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(regression_case, generator)
    return [
        case(7, 3),
        case(4, 6, grad_mode=False),
        case(1, 5),
        case(9, 2, dtype="float32"),
        case(5, 3, dtype="float32", transposed=True, grad_mode=False),
        case(6, 4, transposed=True),
    ]


def _with_matrix_product(x, y, w, b):
    n = x.shape[0]
    residual = y - (x @ w + b)
    return -2 / n * (x.T @ residual), -2 / n * residual.sum()


def _with_einsum(x, y, w, b):
    error = torch.einsum("nd,d->n", x, w).add(b).sub(y)
    scale = 2 / len(y)
    return scale * torch.einsum("n,nd->d", error, x), scale * torch.einsum("n->", error)


def _example_by_example(x, y, w, b):
    w_gradient, b_gradient = torch.zeros_like(w), torch.zeros_like(b)
    for row, target in zip(x, y, strict=True):
        pull = 2 * (row @ w + b - target) / len(y)
        w_gradient += pull * row
        b_gradient += pull
    return w_gradient, b_gradient


def _with_column_of_ones(x, y, w, b):
    """The bias is the weight of an input that is always 1."""
    extended = torch.cat([x, torch.ones_like(y)[:, None]], dim=1)
    weights = torch.cat([w, b.reshape(1)])
    gradient = 2 * extended.T @ (extended @ weights - y) / y.numel()
    return gradient[:-1], gradient[-1]


def _by_comprehension(x, y, w, b):
    pull = [2.0 * (row.dot(w) + b - target) for row, target in zip(x, y, strict=True)]
    return (
        torch.stack([p * row for p, row in zip(pull, x, strict=True)]).mean(0),
        torch.stack(pull).mean(),
    )


def _through_numpy(x, y, w, b):
    X, targets, weights, bias = (part.detach().cpu().numpy() for part in (x, y, w, b))
    error = X @ weights + bias - targets
    slopes = (2 * X * error[:, None]).mean(axis=0)
    return torch.from_numpy(slopes).to(w), torch.tensor(2 * error.mean()).to(b)


def _with_vmap(x, y, w, b):
    def of_one(row, target):
        pull = 2 * (row @ w + b - target)
        return pull * row, pull

    return tuple(part.mean(0) for part in torch.vmap(of_one)(x, y))


def _from_the_normal_equations(x, y, w, b):
    """No errors of single examples: means of products, and a list for a pair."""
    n, mean = len(x), x.mean(dim=0)
    return [2 * (x.T @ x @ w / n + b * mean - x.T @ y / n), 2 * (mean @ w + b - y.mean())]


ANSWER = Answer(
    exercise="linear_gradients",
    cases=_cases,
    # float32 sums in another order.
    tolerances={"single_w_gradient": (1e-4, 1e-5), "single_b_gradient": (1e-4, 1e-5)},
    equivalent={
        "return (2 * x.T @ error / len(y), 2 * error.mean()) -> "
        "return list((2 * x.T @ error / len(y), 2 * error.mean()))": "A list of two is a pair, too.",
        "y -> x #2": "Only the length is taken, and both have the same.",
    },
    results=("w_gradient", "b_gradient"),
    variants=(
        _with_matrix_product,
        _with_einsum,
        _example_by_example,
        _with_column_of_ones,
        _by_comprehension,
        _through_numpy,
        _with_vmap,
        _from_the_normal_equations,
    ),
    misconceptions=(
        wrong(
            "factor 2 missing",
            edit("2 * x.T", "x.T").edit(B_GRADIENT, "error.mean()"),
            "Both gradients are half of what they should be: the derivative of error squared is "
            "2 * error.",
        ),
        wrong(
            "factor 2 missing",
            edit(B_GRADIENT, "error.mean()"),
            "The gradient of b is half of what it should be: the derivative of error squared is "
            "2 * error, for the bias as for the weights.",
        ),
        wrong(
            "factor 2 missing",
            edit("2 * x.T", "x.T"),
            "The gradient of w is half of what it should be: the derivative of error squared is "
            "2 * error, for the weights as for the bias.",
        ),
        wrong(
            "sum for mean",
            edit("error.mean()", "error.sum()"),
            "The gradient of w is a mean over the examples, but that of b is still a sum. Divide "
            "it by N.",
        ),
        wrong(
            "bias left out of the prediction",
            edit(ERROR, "error = x @ w - y\n"),
            "Your error leaves the bias out. The prediction is x @ w + b.",
        ),
        wrong(
            "target added",
            edit(ERROR, "error = x @ w + b + y\n"),
            "You add y to the prediction. The error is the prediction minus y.",
        ),
        wrong(
            "bias subtracted",
            edit(ERROR, "error = x @ w - b - y\n"),
            "You subtract the bias. The prediction is x @ w + b.",
        ),
        wrong(
            "inputs left out of the prediction",
            edit(ERROR, "error = b - y\n"),
            "Your prediction is the bias alone. It should be x @ w + b.",
        ),
        wrong(
            "prediction left out of the error",
            edit(ERROR, "error = y\n"),
            "You multiply the inputs by y itself. The error is the prediction minus y.",
        ),
        wrong(
            "prediction left out of the error",
            edit("x.T @ error", "x.T @ y"),
            "In the gradient of w you multiply the inputs by y itself. Multiply them by the error, the "
            "prediction minus y.",
        ),
        wrong(
            "prediction left out of the error",
            edit("error.mean()", "y.mean()"),
            "Your gradient of b is twice the mean of y. It should be twice the mean of the error, the "
            "prediction minus y.",
        ),
        wrong(
            "multiplied by N",
            edit("/ len(y)", "* len(y)"),
            "You multiply the sum over the examples by their number. A mean divides by it.",
        ),
        wrong(
            "divided by the error",
            edit("2 * error.mean()", "2 / error.mean()"),
            "You divide 2 by the mean error. The derivative of error squared is 2 times the error.",
        ),
        wrong(
            "divided by the inputs",
            edit("2 * x.T", "2 / x.T"),
            "You divide 2 by the inputs. Multiply each error by 2 and by its input.",
        ),
        *(
            wrong(
                "factor 3",
                edit(f"2 * {other}", f"3 * {other}"),
                f"The gradient of {name} is one and a half times what it should be: the derivative of "
                "error squared is 2 * error.",
            )
            for name, other in (("w", "x.T"), ("b", "error.mean()"))
        ),
        wrong(
            "error squared",
            edit(ERROR, "error = (x @ w + b - y) ** 2\n"),
            "You multiply by the squared error. That is the loss; its derivative is 2 * error.",
        ),
        wrong(
            "divided by the number of features",
            edit("len(y)", "x.shape[1]"),
            "You divide by D, the number of features. The loss is a mean over the N examples: "
            "divide by N.",
        ),
        wrong(
            "multiplied by the parameter",
            edit(W_GRADIENT, f"{B_GRADIENT} * w"),
            "You multiply by the weight itself. A weight's influence on the prediction is its "
            "input: multiply each error by its x.",
        ),
        wrong(
            "one gradient per example",
            edit(B_GRADIENT, "2 * error"),
            "You return one number per example for b. There is one bias: average over the examples.",
        ),
        wrong(
            "weights moved",
            edit(W_GRADIENT, f"w - {W_GRADIENT}").edit(B_GRADIENT, f"b - {B_GRADIENT}"),
            "You return new weights. Return the gradients themselves; moving against them is the "
            "next beat.",
        ),
        wrong(
            "Python number for a tensor",
            edit("error.mean()", "error.mean().item()"),
            "The gradient of b is right, but it is a Python number. Leave out item(): return a "
            "0-dim tensor.",
        ),
        wrong(
            "sum for mean",
            edit(" / len(y)", "").edit("error.mean()", "error.sum()"),
            "You sum over the examples. The loss is a mean, so its gradient is a mean too: divide "
            "by N.",
        ),
        wrong(
            "sum for mean",
            edit(" / len(y)", ""),
            "The gradient of b is a mean over the examples, but that of w is still a sum: x.T @ "
            "error sums over N examples. Divide it by N.",
        ),
        wrong(
            "sign",
            edit(ERROR, "error = y - (x @ w + b)\n"),
            "Both gradients point the wrong way. The error to differentiate is prediction minus "
            "target; with target minus prediction a minus sign comes out of the inner derivative.",
        ),
        wrong(
            "error not multiplied by x",
            edit(W_GRADIENT, f"{B_GRADIENT} * torch.ones_like(w)"),
            "Each weight gets the same gradient as the bias. A weight's influence is its input: "
            "multiply each error by its x before you average.",
        ),
        wrong(
            "averages multiplied",
            edit(W_GRADIENT, f"{B_GRADIENT} * x.mean(dim=0)"),
            "You multiply the mean error by the mean input. The mean of the products is a "
            "different number: multiply example by example, then average.",
        ),
        wrong(
            "mean over the features too",
            edit("len(y)", "x.numel()"),
            "You divide by N * D. The loss is a mean over the N examples only: divide by N.",
        ),
        wrong(
            "pair swapped",
            edit(f"{W_GRADIENT}, {B_GRADIENT}", f"{B_GRADIENT}, {W_GRADIENT}"),
            "Both gradients are right but in the wrong order: w first, then b.",
        ),
        wrong(
            "target forgotten",
            edit(ERROR, "error = x @ w + b\n"),
            "Your gradients do not depend on y. The loss is the squared difference between "
            "prediction and target.",
        ),
    ),
)
