"""Chapter 03, secret half: cases, misconceptions, right variants and the quiz's key."""

import math
import statistics
from itertools import product

import torch
from torch import nn

from course_lib.exercises import ch03_backward_pass as public
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.model import Answer, Misconception, QuizKey

# --- numerical_gradient -------------------------------------------------------------------------


def _nudge_cases(generator: torch.Generator) -> list[Case]:
    def case(*shape, eps, **settings):
        return public.nudge_case(generator, *shape, eps=eps, **settings)

    return [
        case(12, eps=0.1),
        case(3, 5, eps=None),
        case(2, 7, eps=0.25, returns="float"),
        case(eps=0.3, kind="scalar"),
        case(3, 2, eps=0.05, kind="transposed", returns="float"),
        case(2, 3, 4, eps=None, kind="transposed"),
        case(5, eps=None, kind="leaf"),
        case(2, 3, eps=0.2, kind="leaf", returns="float"),
    ]


def _nudge(slope=lambda f, plus, minus, w, eps: (f(plus) - f(minus)) / (2 * eps), *, used=None):
    """Differences on copies of w, entry by entry, with one mistake or none."""

    def numerical_gradient(f, w, eps=1e-4):
        eps = used(eps) if used else eps
        w = w.detach()
        result = torch.zeros(w.numel(), dtype=w.dtype)
        for i in range(w.numel()):
            step = torch.zeros(w.numel(), dtype=w.dtype)
            step[i] = eps
            step = step.reshape(w.shape)
            result[i] = float(slope(f, w + step, w - step, w, eps))
        return result.reshape(w.shape)

    return numerical_gradient


def _flattened(f, w, eps=1e-4):
    return _nudge()(f, w, eps).flatten()


def _all_at_once(f, w, eps=1e-4):
    w = w.detach()
    slope = float(f(w + eps) - f(w - eps)) / (2 * eps)
    return torch.full_like(w, slope)


def _never_restored(f, w, eps=1e-4):
    result = torch.zeros(w.numel(), dtype=w.dtype)
    with torch.no_grad():
        flat = w.view(-1)
        for i in range(w.numel()):
            flat[i] += eps
            above = float(f(w))
            flat[i] -= 2 * eps
            result[i] = (above - float(f(w))) / (2 * eps)
    return result.reshape(w.shape)


def _restored_by_arithmetic(f, w, eps=1e-4):
    result = torch.zeros(w.shape, dtype=w.dtype)
    with torch.no_grad():
        for place in product(*map(range, w.shape)):
            w[place] += eps
            above = float(f(w))
            w[place] -= 2 * eps
            below = float(f(w))
            w[place] += eps
            result[place] = (above - below) / (2 * eps)
    return result


def _drift(case: Case, got: Observation) -> float | None:
    """How far w has moved where it was looked at afterwards."""
    if "w_after" not in got.values:
        return None
    return (got["w_after"] - case["w"]).abs().max().item()


def _w_has_moved(case: Case, got: Observation) -> bool:
    drift = _drift(case, got)
    return drift is None or drift > 1e-9


def _w_has_rounding_errors(case: Case, got: Observation) -> bool:
    drift = _drift(case, got)
    return drift is None or 0 < drift <= 1e-9


def _graph_kept(f, w, eps=1e-4):
    basis = torch.eye(w.numel(), dtype=w.dtype).reshape(-1, *w.shape)
    slopes = [(f(w + eps * e) - f(w - eps * e)) / (2 * eps) for e in basis]
    return torch.stack([torch.as_tensor(s, dtype=w.dtype) for s in slopes]).reshape(w.shape)


def _flat_to_f(f, w, eps=1e-4):
    flat = w.detach().flatten()
    step = eps * torch.eye(len(flat), dtype=w.dtype)
    slopes = [float(f(flat + e) - f(flat - e)) / (2 * eps) for e in step]
    return torch.tensor(slopes, dtype=w.dtype).reshape(w.shape)


def _one_copy_for_both(f, w, eps=1e-4):
    result = torch.zeros(w.numel(), dtype=w.dtype)
    for i in range(w.numel()):
        up = down = w.detach().flatten().clone()
        up[i] += eps
        down[i] -= eps
        result[i] = float(f(up.reshape(w.shape)) - f(down.reshape(w.shape))) / (2 * eps)
    return result.reshape(w.shape)


def _copies_never_renewed(f, w, eps=1e-4):
    up, down = w.detach().flatten().clone(), w.detach().flatten().clone()
    result = torch.zeros_like(up)
    for i in range(len(up)):
        up[i] += eps
        down[i] -= eps
        result[i] = float(f(up.reshape(w.shape)) - f(down.reshape(w.shape))) / (2 * eps)
    return result.reshape(w.shape)


def _row_by_row(f, w, eps=1e-4):
    result = torch.zeros_like(w.detach())
    for i in range(len(w)):
        up, down = w.detach().clone(), w.detach().clone()
        up[i] += eps
        down[i] -= eps
        result[i] = float(f(up) - f(down)) / (2 * eps)
    return result


def _with_view(f, w, eps=1e-4):
    flat = w.detach().view(-1)
    return _nudge()(f, flat.view(w.shape), eps)


def _returned_in_the_loop(f, w, eps=1e-4):
    slopes = _nudge()(f, w, eps).flatten()
    slopes[1:] = 0
    return slopes.reshape(w.shape)


def _view_does_not_fit(case: Case, got: Observation) -> bool:
    if case["kind"] != "transposed":
        return got.error is None and not _drift(case, got)
    return got.error is not None and "view size is not compatible" in got.error.message


# Right, written differently.


def _along_basis_vectors(f, w, eps=1e-4):
    with torch.no_grad():
        basis = eps * torch.eye(w.numel(), dtype=w.dtype)
        slopes = [float(f(w + e.view(w.shape)) - f(w - e.view(w.shape))) for e in basis]
    return torch.tensor(slopes, dtype=w.dtype).view(w.shape) / (2 * eps)


def _in_place_and_put_back(f, w, eps=1e-4):
    """Nudges w itself, and puts the saved value back."""
    result = torch.empty_like(w, requires_grad=False)
    with torch.no_grad():
        for place in product(*map(range, w.shape)):
            saved = w[place].item()
            w[place] = saved + eps
            above = f(w)
            w[place] = saved - eps
            below = f(w)
            w[place] = saved
            result[place] = (above - below) / eps / 2
    return result.detach()


def _through_numpy(f, w, eps=1e-4):
    import numpy as np

    values = w.detach().numpy().copy()
    result = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        pair = []
        for sign in (1, -1):
            nudged = values.copy()
            nudged[place] += sign * eps
            pair.append(float(f(torch.from_numpy(np.asarray(nudged)))))
        result[place] = (pair[0] - pair[1]) / (2 * eps)
    return torch.from_numpy(np.asarray(result))


def _recursive(f, w, eps=1e-4):
    """One dimension after another; a 0-dim rest is a single slope."""

    def slopes(place):
        if len(place) == w.dim():
            up, down = w.detach().clone(), w.detach().clone()
            up[place] += eps
            down[place] -= eps
            return torch.as_tensor((f(up) - f(down)) / (2 * eps), dtype=w.dtype)
        return torch.stack([slopes((*place, i)) for i in range(w.shape[len(place)])])

    return slopes(()).detach()


NUMERICAL_GRADIENT = Answer(
    exercise="numerical_gradient",
    cases=_nudge_cases,
    # w must be what it was to the last bit.
    tolerances={"w_after": (0.0, 0.0)},
    variants=(_along_basis_vectors, _in_place_and_put_back, _through_numpy, _recursive),
    misconceptions=(
        Misconception(
            "forward difference",
            _nudge(lambda f, plus, minus, w, eps: (f(plus) - f(w)) / eps),
            "You compare f(w + eps) with f(w): a one-sided difference, whose error shrinks only "
            "like eps. Compare f(w + eps) with f(w - eps): its error shrinks like eps squared.",
        ),
        Misconception(
            "backward difference",
            _nudge(lambda f, plus, minus, w, eps: (f(w) - f(minus)) / eps),
            "You compare f(w) with f(w - eps): a one-sided difference, whose error shrinks only "
            "like eps. Compare f(w + eps) with f(w - eps): its error shrinks like eps squared.",
        ),
        Misconception(
            "factor 2 missing",
            _nudge(lambda f, plus, minus, w, eps: (f(plus) - f(minus)) / eps),
            "You divide by eps. The two points w + eps and w - eps are 2 * eps apart, so your "
            "slopes are twice too large.",
        ),
        Misconception(
            "multiplied by eps",
            _nudge(lambda f, plus, minus, w, eps: (f(plus) - f(minus)) / 2 * eps),
            "/ 2 * eps divides by 2 and multiplies by eps: Python works from left to right. Write "
            "/ (2 * eps).",
        ),
        Misconception(
            "sign",
            _nudge(lambda f, plus, minus, w, eps: (f(minus) - f(plus)) / (2 * eps)),
            "Your slopes have the wrong sign: subtract the value below from the value above, "
            "f(w + eps) - f(w - eps).",
        ),
        Misconception(
            "one copy for both directions",
            _one_copy_for_both,
            "Both names belong to one and the same copy, so what you add you take away again, and "
            "f sees the same place twice. Make two copies: call clone() for each.",
        ),
        Misconception(
            "copies never renewed",
            _copies_never_renewed,
            "Your copies keep the nudges of the entries before. Begin each round of the loop with "
            "fresh copies of w.",
        ),
        Misconception(
            "rows nudged as a whole",
            _row_by_row,
            "w[i] is a whole row of a table, and all its entries are nudged together; a tensor "
            "without dimensions has no rows at all. Flatten w, and nudge one entry at a time.",
        ),
        Misconception(
            "flat tensor given to f",
            _flat_to_f,
            "f expects a tensor of w's shape, and you give it the flat one. Reshape the nudged copy "
            "before you call f.",
        ),
        Misconception(
            "view for reshape",
            _with_view,
            "view(-1) fails for a tensor whose rows do not lie one after another in memory, such "
            "as a transposed one. flatten() and reshape work for all.",
            recognise=_view_does_not_fit,
        ),
        Misconception(
            "returned inside the loop",
            _returned_in_the_loop,
            "Only the first entry has a slope: `return` stands inside the loop. It belongs behind "
            "it.",
        ),
        Misconception(
            "list returned",
            lambda f, w, eps=1e-4: _nudge()(f, w, eps).tolist(),
            "You return a list of numbers. Make a tensor of it, with w's shape and dtype.",
        ),
        Misconception(
            "result in float32",
            lambda f, w, eps=1e-4: _nudge()(f, w, eps).float(),
            "Your result is float32, because torch.zeros makes that by default. Give it w's dtype: "
            "torch.zeros_like(...), or dtype=w.dtype.",
        ),
        Misconception(
            "all entries nudged at once",
            _all_at_once,
            "You nudge every entry of w at the same time, which measures one slope: the sum of "
            "all. The gradient has one slope per entry, so nudge one entry at a time.",
        ),
        Misconception(
            "eps ignored",
            _nudge(used=lambda eps: 1e-4),
            "Your step is always 1e-4, whatever eps is given. Nudge by eps.",
        ),
        Misconception(
            "nudged by half of eps",
            _nudge(used=lambda eps: eps / 2),
            "Your two points are eps apart. The exercise nudges by eps in each direction, so they "
            "are 2 * eps apart.",
        ),
        Misconception(
            "result flattened",
            _flattened,
            "Your slopes are right but stand in one long row. Give the result w's shape, so that "
            "each slope stands where its entry stands.",
        ),
        Misconception(
            "graph kept in the result",
            _graph_kept,
            "When w requires gradients, your result carries a graph with it. A gradient is a plain "
            "number: work on w.detach() or under torch.no_grad().",
        ),
        Misconception(
            "w left changed",
            _never_restored,
            "You nudge w itself and do not undo it, so the next entry is measured at another "
            "place, and the caller's w has moved. Nudge a copy.",
            recognise=_w_has_moved,
        ),
        Misconception(
            "w left changed",
            _restored_by_arithmetic,
            "You add eps, subtract 2 * eps and add eps again. Rounding makes that a slightly other "
            "number: nudge a copy, or put the saved value back.",
            recognise=_w_has_rounding_errors,
        ),
    ),
)

# --- linear_gradients ---------------------------------------------------------------------------


def _regression_cases(generator: torch.Generator) -> list[Case]:
    def case(n, d, **settings):
        return public.regression_case(generator, n, d, **settings)

    return [
        case(7, 3),
        case(4, 6, grad_mode=False),
        case(1, 5),
        case(9, 2, dtype="float32"),
        case(5, 3, dtype="float32", transposed=True, grad_mode=False),
        case(6, 4, transposed=True),
    ]


def _linear(
    *,
    factor=2.0,
    for_w=lambda x, error: (x * error[:, None]).mean(dim=0),
    for_b=lambda x, error: error.mean(),
    error=lambda prediction, y: prediction - y,
    pair=lambda w_gradient, b_gradient: (w_gradient, b_gradient),
):
    """The two gradients with one mistake or none."""

    def linear_gradients(x, y, w, b):
        e = error(x @ w + b, y)
        return pair(factor * for_w(x, e), factor * for_b(x, e))

    return linear_gradients


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


LINEAR_GRADIENTS = Answer(
    exercise="linear_gradients",
    cases=_regression_cases,
    # float32 sums in another order.
    tolerances={"any_w_gradient": (1e-4, 1e-5), "any_b_gradient": (1e-4, 1e-5)},
    variants=(_with_matrix_product, _with_einsum, _example_by_example, _with_column_of_ones),
    misconceptions=(
        Misconception(
            "factor 2 missing",
            _linear(factor=1.0),
            "Both gradients are half of what they should be: the derivative of error squared is "
            "2 * error.",
        ),
        Misconception(
            "factor 2 missing",
            _linear(for_b=lambda x, e: e.mean() / 2),
            "The gradient of b is half of what it should be: the derivative of error squared is "
            "2 * error, for the bias as for the weights.",
        ),
        Misconception(
            "factor 2 missing",
            _linear(for_w=lambda x, e: (x * e[:, None]).mean(dim=0) / 2),
            "The gradient of w is half of what it should be: the derivative of error squared is "
            "2 * error, for the weights as for the bias.",
        ),
        Misconception(
            "sum for mean",
            _linear(for_b=lambda x, e: e.sum()),
            "The gradient of w is a mean over the examples, that of b still a sum. Divide it by N.",
        ),
        Misconception(
            "bias left out of the prediction",
            lambda x, y, w, b: _linear()(x, y, w, torch.zeros_like(b)),
            "Your error leaves the bias out. The prediction is x @ w + b.",
        ),
        Misconception(
            "error squared",
            _linear(error=lambda prediction, y: (prediction - y) ** 2),
            "You multiply by the squared error. That is the loss; its derivative is 2 * error.",
        ),
        Misconception(
            "divided by the number of features",
            _linear(for_w=lambda x, e: x.T @ e / x.shape[1]),
            "You divide by D, the number of features. The loss is a mean over the N examples: "
            "divide by N.",
        ),
        Misconception(
            "multiplied by the parameter",
            lambda x, y, w, b: (2 * (x @ w + b - y).mean() * w, 2 * (x @ w + b - y).mean()),
            "You multiply by the weight itself. A weight's influence on the prediction is its "
            "*input*: multiply each error by its x.",
        ),
        Misconception(
            "one gradient per example",
            _linear(for_b=lambda x, e: e),
            "You return one number per example for b. There is one bias: average over the examples.",
        ),
        Misconception(
            "weights moved",
            lambda x, y, w, b: tuple(
                p - g for p, g in zip((w, b), _linear()(x, y, w, b), strict=True)
            ),
            "You return new weights. The gradients themselves are asked for; moving along them is "
            "the next beat.",
        ),
        Misconception(
            "Python number for a tensor",
            _linear(pair=lambda w_gradient, b_gradient: (w_gradient, b_gradient.item())),
            "The gradient of b is right, but a Python number. Leave item() out: a 0-dim tensor is "
            "asked for.",
        ),
        Misconception(
            "sum for mean",
            _linear(for_w=lambda x, e: x.T @ e, for_b=lambda x, e: e.sum()),
            "You add up over the examples. The loss is a mean, so its gradient is a mean too: "
            "divide by N.",
        ),
        Misconception(
            "sum for mean",
            _linear(for_w=lambda x, e: x.T @ e),
            "The gradient of b is a mean over the examples, that of w still a sum: x.T @ error "
            "adds up over N examples. Divide it by N.",
        ),
        Misconception(
            "sign",
            _linear(error=lambda prediction, y: y - prediction),
            "Both gradients point the wrong way. The error to differentiate is prediction minus "
            "target; with target minus prediction a minus sign comes out of the inner derivative.",
        ),
        Misconception(
            "error not multiplied by x",
            _linear(for_w=lambda x, e: e.mean() * torch.ones_like(x[0])),
            "Each weight gets the same gradient as the bias. A weight's influence is its input: "
            "multiply each error by its x before you average.",
        ),
        Misconception(
            "averages multiplied",
            _linear(for_w=lambda x, e: x.mean(dim=0) * e.mean()),
            "You multiply the mean error by the mean input. The mean of the products is another "
            "number: multiply example by example, then average.",
        ),
        Misconception(
            "mean over the features too",
            _linear(for_w=lambda x, e: x.T @ e / x.numel()),
            "You divide by N * D. The loss is a mean over the N examples only: divide by N.",
        ),
        Misconception(
            "pair swapped",
            _linear(pair=lambda w_gradient, b_gradient: (b_gradient, w_gradient)),
            "Both gradients are right, in the wrong order: w first, then b.",
        ),
        Misconception(
            "target forgotten",
            _linear(error=lambda prediction, y: prediction),
            "Your gradients do not depend on y. The loss is the squared difference between "
            "prediction and target.",
        ),
    ),
)

# --- gradient_norms -----------------------------------------------------------------------------


def _norms_cases(generator: torch.Generator) -> list[Case]:
    def case(n, sizes, **settings):
        return public.norms_case(generator, n, sizes, **settings)

    return [
        case(5, (3, 4, 2)),
        case(6, (2, 5, 3), stale=True),
        case(4, (4, 3, 2), stale=True, unused=True),
        case(7, (3, 2, 4), stale=True, frozen=True),
        case(3, (5, 4, 3), unused=True, silent=True),
        case(8, (2, 3, 5), dtype="float32", stale=True, frozen=True, unused=True),
    ]


def _norms(measure=lambda g: g.norm().item(), *, clear=True, missing="skip"):
    """Clear, backward, measure: with one mistake or none."""

    def gradient_norms(model, loss):
        if clear:
            model.zero_grad()
        loss.backward()
        norms = {}
        for name, p in model.named_parameters():
            if p.grad is not None or missing == "crash":
                norms[name] = measure(p.grad)
            elif missing == "zero":
                norms[name] = 0.0
        return norms

    return gradient_norms


def _cleared_after_backward(model, loss):
    loss.backward()
    model.zero_grad()
    return {
        name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None
    }


def _crashed_on_none(case: Case, got: Observation) -> bool:
    """The code fails on exactly those cases that have a parameter without a gradient."""
    complete = all(public.in_graph(case, name) for name in case["parameters"])
    if complete:
        return got.error is None
    return got.error is not None and "None" in got.error.message


def _zeros_for_none(model, loss):
    model.zero_grad(set_to_none=False)
    loss.backward()
    return {
        name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None
    }


def _zeros_where_nothing_came(case: Case, got: Observation) -> bool:
    """Everything is right, but parameters outside the graph are listed too, as 0.0."""
    returned = got.get("returned")
    if got.error is not None or not isinstance(returned, dict):
        return False
    outside = [name for name in case["parameters"] if not public.in_graph(case, name)]
    right = _norms()(*public.build_norms(case))
    listed = {name: value for name, value in returned.items() if name not in outside}
    close = listed.keys() == right.keys() and all(
        isinstance(value, float) and math.isclose(value, right[name], rel_tol=1e-4, abs_tol=1e-6)
        for name, value in listed.items()
    )
    zeros = [name for name in outside if name in returned]
    # Only where old gradients were set to zeros, or wherever there was None.
    listed_at_all = bool(zeros) or not (case["stale"] and case["unused"])
    return close and listed_at_all and all(returned[name] == 0.0 for name in zeros)


def _boolean_of_a_tensor(case: Case, got: Observation) -> bool:
    return got.error is not None and "Boolean value of Tensor" in got.error.message


def _cleared_after_measuring(model, loss):
    result = _norms()(model, loss)
    model.zero_grad()
    return result


def _norms_of_the_weights(model, loss):
    return {
        name: dict(model.named_parameters())[name].norm().item() for name in _norms()(model, loss)
    }


def _one_norm_for_all(model, loss):
    return math.hypot(*_norms()(model, loss).values())


def _list_of_norms(model, loss):
    return list(_norms()(model, loss).values())


def _zero_gradients_left_out(model, loss):
    return {name: norm for name, norm in _norms()(model, loss).items() if norm > 0}


def _backward_twice(model, loss):
    model.zero_grad()
    loss.backward(retain_graph=True)
    loss.backward()
    return {n: p.grad.norm().item() for n, p in model.named_parameters() if p.grad is not None}


def _no_backward(model, loss):
    return {n: p.grad.norm().item() for n, p in model.named_parameters() if p.grad is not None}


def _truth_of_a_gradient(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad}


# Right, written differently.


def _with_autograd_grad(model, loss):
    names, parameters = zip(*model.named_parameters(), strict=True)
    trained = [p for p in parameters if p.requires_grad]
    gradients = dict(
        zip(map(id, trained), torch.autograd.grad(loss, trained, allow_unused=True), strict=True)
    )
    norms = {}
    for name, p in zip(names, parameters, strict=True):
        p.grad = gradients.get(id(p))
        if p.grad is not None:
            norms[name] = float(torch.linalg.vector_norm(p.grad))
    return norms


def _with_squares_and_none(model, loss):
    for p in model.parameters():
        p.grad = None
    loss.backward()
    return {
        name: math.sqrt((p.grad.double() ** 2).sum())
        for name, p in reversed(list(model.named_parameters()))
        if p.grad is not None
    }


def _with_hooks(model, loss):
    """Each tensor tells its own norm when its gradient arrives."""
    norms = {}
    model.zero_grad(set_to_none=True)
    handles = [
        p.register_hook(lambda g, name=name: norms.__setitem__(name, g.flatten().dot(g.flatten())))
        for name, p in model.named_parameters()
        if p.requires_grad
    ]
    loss.backward()
    for handle in handles:
        handle.remove()
    return {name: square.sqrt().item() for name, square in norms.items()}


GRADIENT_NORMS = Answer(
    exercise="gradient_norms",
    cases=_norms_cases,
    variants=(_with_autograd_grad, _with_squares_and_none, _with_hooks),
    misconceptions=(
        Misconception(
            "stale gradients added",
            _norms(clear=False),
            "backward() adds to what lies in .grad. Gradients of an earlier loss were still there, "
            "so you measured the sum: clear them first.",
        ),
        Misconception(
            "stale gradients added",
            _norms(clear=False, missing="crash"),
            "backward() adds to what lies in .grad, so clear it first. And a parameter that the loss "
            "does not use has .grad None, which has no norm: leave it out.",
        ),
        Misconception(
            "L1",
            _norms(lambda g: g.abs().sum().item()),
            "You add up the absolute values: that is the L1 norm. The L2 norm is the root of the "
            "sum of squares.",
        ),
        Misconception(
            "squared",
            _norms(lambda g: (g**2).sum().item()),
            "You report the sum of squares. The L2 norm is its square root.",
        ),
        Misconception(
            "mean in place of sum",
            _norms(lambda g: (g**2).mean().sqrt().item()),
            "You take the root of the mean square, which is smaller the more entries there are. "
            "The L2 norm is the root of the sum of squares.",
        ),
        Misconception(
            "largest entry",
            _norms(lambda g: g.abs().max().item()),
            "You report the largest entry. The L2 norm takes all entries together: the root of the "
            "sum of their squares.",
        ),
        Misconception(
            "cleared after measuring",
            _cleared_after_measuring,
            "Your norms are right, and then you throw the gradients away. The caller still needs "
            "them for the step: clear at the beginning, not at the end.",
        ),
        Misconception(
            "norms of the weights",
            _norms_of_the_weights,
            "You measure the weights themselves. Their gradients are in .grad: p.grad.norm().",
        ),
        Misconception(
            "one norm for all",
            _one_norm_for_all,
            "You return one number for the whole model. One per parameter is asked for, by name.",
        ),
        Misconception(
            "list instead of a dict",
            _list_of_norms,
            "You return the norms without their names. A dict says which belongs to which parameter.",
        ),
        Misconception(
            "zero gradients left out",
            _zero_gradients_left_out,
            "You leave out gradients that are zero. They were computed, and a zero is a finding: "
            "leave out those that are None.",
        ),
        Misconception(
            "backward called twice",
            _backward_twice,
            "You run backward() twice, and gradients add up: yours are twice too large.",
        ),
        Misconception(
            "backward not called",
            _no_backward,
            "You measure what lies in .grad from before. Run loss.backward() first.",
        ),
        Misconception(
            "truth of a tensor",
            _truth_of_a_gradient,
            "`if p.grad` asks whether a whole tensor is true, and PyTorch cannot say. Ask "
            "`if p.grad is not None`.",
            recognise=_boolean_of_a_tensor,
        ),
        Misconception(
            "crash on a parameter without gradient",
            _norms(missing="crash"),
            "A parameter that the loss does not use, or that is frozen, has .grad None, and None "
            "has no norm. Leave such parameters out.",
            recognise=_crashed_on_none,
        ),
        Misconception(
            "tensors in place of numbers",
            _norms(lambda g: g.norm()),
            "The values are tensors. A number for a log is a Python float: call .item().",
        ),
        Misconception(
            "cleared after backward",
            _cleared_after_backward,
            "There is nothing left to measure: the gradients are cleared, and no backward() follows. "
            "Clear first, then call backward(), then measure.",
        ),
        Misconception(
            "zeros for parameters without gradient",
            _norms(missing="zero"),
            "You list parameters that got no gradient as 0.0. That hides a difference: a zero "
            "gradient was computed, a missing one means that the loss does not depend on the "
            "parameter. Leave those out.",
            recognise=_zeros_where_nothing_came,
        ),
        Misconception(
            "zeros for parameters without gradient",
            _zeros_for_none,
            "With set_to_none=False an old gradient becomes zeros, and a parameter that the loss "
            "does not use then looks as if it had a gradient of 0. Clear to None, and leave out "
            "what stays None.",
            recognise=_zeros_where_nothing_came,
        ),
    ),
)

# --- first_explosion ----------------------------------------------------------------------------

_LAYERS = ("fc1", "fc2", "head", "conv", "gate", "embed")


class _Run:
    """A calm history of ``steps`` norms per layer, into which a case plants its events."""

    def __init__(
        self, generator: torch.Generator, steps: int, layers: int = 3, jitter: float = 0.2
    ):
        self.generator, self.steps = generator, steps
        order = torch.randperm(len(_LAYERS), generator=generator)[:layers].tolist()
        self.names = [_LAYERS[i] for i in order]
        self.levels = [10 ** (2 * self.uniform() - 1) for _ in order]
        self.history = {
            name: [level * math.exp(jitter * self.normal()) for _ in range(steps)]
            for name, level in zip(self.names, self.levels, strict=True)
        }

    def uniform(self) -> float:
        return torch.rand((), generator=self.generator, dtype=torch.float64).item()

    def normal(self) -> float:
        return torch.randn((), generator=self.generator, dtype=torch.float64).item()

    def grow(self, layer: int, step: int, factor: float) -> "_Run":
        """Multiply one norm; ``factor`` gets a few percent of noise."""
        self.history[self.names[layer]][step] *= factor * (1 + 0.05 * self.uniform())
        return self

    def put(self, layer: int, step: int, value: float) -> "_Run":
        self.history[self.names[layer]][step] = value
        return self

    def start(self, layer: int, *shape: float) -> "_Run":
        """The first norms of a layer, as multiples of its level, in a random order."""
        order = torch.randperm(len(shape), generator=self.generator).tolist()
        for step, i in enumerate(order):
            noise = 1 + 0.02 * self.uniform()
            self.history[self.names[layer]][step] = self.levels[layer] * shape[i] * noise
        return self

    def case(self, kind: str, factor: float | None = None) -> Case:
        return public.history_case(kind, self.history, factor)


def _history_cases(generator: torch.Generator) -> list[Case]:
    def run(steps: int, **settings) -> _Run:
        return _Run(generator, steps, **settings)

    nan, inf = math.nan, math.inf
    tail = run(24).grow(0, 9, 40)
    for step in range(10, 24):  # the weights are wrecked: the norms never come down again
        tail.grow(0, step, 30).grow(1, step, 4)
    silent = run(14)
    for step in range(14):
        silent.put(1, step, 0.0)
    woken = run(15).grow(2, 12, 300)
    tied = run(13)
    for step in range(9):
        woken.put(1, step, 0.0)
        tied.put(0, step, 0.0)
    woken.put(1, 9, 0.03)
    # The first of three infinite ratios: a positive norm over a zero median.
    tied.put(0, 9, 0.2).put(1, 9, nan).put(2, 9, inf)
    return [
        run(30).grow(1, 12, 40).grow(0, 20, 500).grow(2, 25, 60).case("found"),
        # Even counts: the median lies between the two middle values.
        _between_the_middles(run(16)).grow(1, 11, 90).case("found"),
        _just_above_the_median(run(18)).grow(2, 13, 90).case("found"),
        # A spike among the first steps lifts the mean, not the median.
        run(20).grow(2, 2, 100).grow(2, 8, 12.5).grow(1, 15, 300).case("found"),
        _median_with_itself(run(17)).grow(1, 12, 70).case("found"),
        tail.case("found"),
        _exactly_the_factor(run(14)).grow(2, 11, 40).case("found", 4.0),
        run(19, jitter=0.05).grow(0, 8, 5).grow(1, 14, 60).case("found", 3.0),
        run(12, layers=2).grow(1, 11, 35).case("found"),
        silent.case("found"),
        run(4).grow(0, 3, 400).case("found"),
        _risen_of_late(run(19)).case("found"),
        run(18).grow(1, 3, 0.04).grow(0, 13, 60).case("found"),
        _loud_at_first(run(18)).case("found"),
        run(16)
        .put(0, 0, inf)
        .put(0, 1, inf)
        .put(0, 2, inf)
        .put(0, 4, inf)
        .grow(0, 7, 30)
        .case("non_finite"),
        run(20).put(0, 9, nan).grow(1, 14, 100).case("non_finite"),
        run(18, layers=4).put(2, 7, inf).grow(0, 12, 100).case("non_finite"),
        run(16).put(1, 5, nan).put(2, 8, inf).case("non_finite"),
        run(17).put(2, 1, nan).put(2, 3, inf).put(2, 4, nan).grow(2, 6, 30).case("non_finite"),
        _nan_among_the_first(run(14)).grow(2, 11, 60).case("non_finite"),
        _several_at_once(run(15, layers=4), 8, (20, 60, 15, 1), (0, -1, 4, 0)).case("culprit"),
        _several_at_once(run(15, layers=4), 10, (25, 1, 14, 90), (3, 0, 0, -2)).case("culprit"),
        run(13).grow(0, 8, 900).put(2, 8, nan).case("culprit"),
        run(13).grow(2, 9, 900).put(1, 9, inf).put(0, 9, nan).case("culprit"),
        tied.case("culprit"),
        woken.case("culprit"),
    ]


def _between_the_middles(run: _Run) -> _Run:
    """Step 6 is 15 times the lower of the two middle values, but 7.5 times the median."""
    level = run.levels[0]
    return run.start(0, 1, 1, 1, 3, 3, 3).put(0, 6, 15 * level)


def _nan_among_the_first(run: _Run) -> _Run:
    """Step 5 is 8 times the median of the finite norms. A NaN before them spoils the sorting: in
    the middle of what comes out lies a norm that step 5 exceeds 12 times."""
    level = run.levels[0]
    for step, norm in enumerate((math.nan, 8.0, 1.0, 1.0, 2.0, 12.0)):
        run.put(0, step, norm * level)
    return run


def _just_above_the_median(run: _Run) -> _Run:
    """Step 8 is 12.5 times the median, but only 8.3 times the upper of the two middle values."""
    level = run.levels[0]
    return run.start(0, 1, 1, 1, 1, 3, 3, 3, 3).put(0, 8, 25.5 * level)


def _median_with_itself(run: _Run) -> _Run:
    """Step 5 is 20 times the median before it, and 4 times the median that includes it."""
    level = run.levels[0]
    return run.start(0, 1, 1, 1, 9, 9).put(0, 5, 20 * level)


def _risen_of_late(run: _Run) -> _Run:
    """Step 15 is 15 times the median of all steps before, and 2.5 times that of the last five."""
    level = run.levels[1]
    for step in range(15):
        run.put(1, step, level * (1 if step < 10 else 6) * (1 + 0.02 * run.uniform()))
    return run.put(1, 15, 15.5 * level)


def _loud_at_first(run: _Run) -> _Run:
    """Step 14 is 15 times the median of all steps before, and no larger than the first five."""
    level = run.levels[2]
    for step in range(14):
        run.put(2, step, level * (18 if step < 5 else 1) * (1 + 0.02 * run.uniform()))
    return run.put(2, 14, 15.5 * level)


def _exactly_the_factor(run: _Run) -> _Run:
    """Step 7 is 4 times the median, to the last bit: not *more* than 4 times."""
    for step in range(run.steps):
        run.put(0, step, 0.5)
    return run.put(0, 7, 2.0)


def _several_at_once(run: _Run, step: int, factors: tuple, exponents: tuple) -> _Run:
    """Layers of very different size grow at one step: the largest norm is not the largest ratio."""
    for layer, (factor, exponent) in enumerate(zip(factors, exponents, strict=True)):
        name = run.names[layer]
        run.history[name] = [norm * 10.0**exponent for norm in run.history[name]]
        run.grow(layer, step, factor)
    return run


def _search(
    *,
    middle=statistics.median,
    current=0,
    start=5,
    whole_run=False,
    keep_non_finite=False,
    nan_explodes=True,
    any_non_finite=True,
    at_least=False,
    pick=lambda found, history, t: max(found, key=found.get),
    which=lambda found: found[0],
    last_step=0,
    fixed_factor=None,
    zero_median=lambda norm: math.inf,
    window=lambda norms: norms,
):
    """The search with one mistake or none."""

    def explosions(history, factor):
        steps = len(next(iter(history.values())))
        for t in range(start, steps - last_step):
            found = {}
            for name, norms in history.items():
                before = norms if whole_run else norms[: t + current]
                before = window(before)
                if not keep_non_finite:
                    before = [norm for norm in before if math.isfinite(norm)]
                usual, norm = middle(before), norms[t]
                if not math.isfinite(norm):
                    if not any_non_finite or (math.isnan(norm) and not nan_explodes):
                        continue
                    found[name] = math.inf
                elif norm > factor * usual or (at_least and norm >= factor * usual > 0):
                    found[name] = norm / usual if usual else zero_median(norm)
            if found:
                yield t, pick(found, history, t), max(found.values())

    def first_explosion(history, factor=10.0):
        found = list(explosions(history, fixed_factor or factor))
        if not found:
            return None
        step, layer, _ = which(found)
        return step, layer

    return first_explosion


def _layer_by_layer(history, factor=10.0):
    for layer, norms in history.items():
        for t in range(5, len(norms)):
            usual = statistics.median(norm for norm in norms[:t] if math.isfinite(norm))
            if not math.isfinite(norms[t]) or norms[t] > factor * usual:
                return t, layer
    return None


def _layer_then_step(history, factor=10.0):
    found = _search()(history, factor)
    return found and found[::-1]


def _step_alone(history, factor=10.0):
    found = _search()(history, factor)
    return found and found[0]


def _one_median_for_all(history, factor=10.0):
    steps = len(next(iter(history.values())))
    for t in range(5, steps):
        before = [n for norms in history.values() for n in norms[:t] if math.isfinite(n)]
        usual, found = statistics.median(before), {}
        for layer, norms in history.items():
            if not math.isfinite(norms[t]):
                found[layer] = math.inf
            elif norms[t] > factor * usual:
                found[layer] = norms[t] / usual if usual else math.inf
        if found:
            return t, max(found, key=found.get)
    return None


def _gives_up_after_step_5(history, factor=10.0):
    found = _search()(history, factor)
    return found if found and found[0] == 5 else None


def _last_of_equals(found, history, t):
    return max(reversed(list(found)), key=found.get)


def _middle_or_0(norms):
    return statistics.median(norms) if norms else 0.0


def _divide_by_zero(norm):
    raise ZeroDivisionError("float division by zero")


def _largest(found):
    return max(found, key=lambda item: item[2])


# Right, written differently.


def _ratios_first(history, factor=10.0):
    """All ratios of a step in one list, then the largest."""
    steps = min(map(len, history.values()))
    for step in range(5, steps):
        ratios = []
        for norms in history.values():
            usual = statistics.median(n for n in norms[:step] if math.isfinite(n))
            if not math.isfinite(norms[step]):
                ratios.append(math.inf)
            elif usual == 0:
                ratios.append(math.inf if norms[step] > 0 else 0.0)
            else:
                ratios.append(norms[step] / usual)
        if max(ratios) > factor:
            return step, list(history)[ratios.index(max(ratios))]
    return None


def _with_sorting(history, factor=10.0):
    """Every explosion of the run as (step, -ratio, place), then the smallest."""
    candidates = []
    for place, norms in enumerate(history.values()):
        for step, norm in enumerate(norms):
            if step < 5:
                continue
            known = sorted(n for n in norms[:step] if abs(n) < math.inf)
            half = len(known) // 2
            usual = known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2
            finite = abs(norm) < math.inf
            if finite and not norm > factor * usual:
                continue
            ratio = norm / usual if finite and usual > 0 else math.inf
            candidates.append((step, -ratio, place))
    if not candidates:
        return None
    step, _, place = min(candidates)
    return step, list(history)[place]


def _with_tensors(history, factor=10.0):
    """torch.quantile interpolates between the middle values; nan_to_num makes NaN infinite."""
    names = list(history)
    table = torch.tensor([history[name] for name in names], dtype=torch.float64)
    for step in range(5, table.shape[1]):
        ratios = []
        for row in table:
            before = row[:step][torch.isfinite(row[:step])]
            ratio = (row[step] / torch.quantile(before, 0.5)).item()
            quiet = row[step] == 0
            ratios.append(0.0 if quiet else math.inf if math.isnan(ratio) else ratio)
        worst = max(range(len(names)), key=ratios.__getitem__)
        if ratios[worst] > factor:
            return step, names[worst]
    return None


def _overlooks_nan(case: Case, got: Observation) -> bool:
    """Infinities are found, NaN is passed over; whatever else may be wrong besides."""
    if case["kind"] != "non_finite":
        return True
    right = _ratios_first(case["history"], case["factor"] or 10.0)
    norm = case["history"][right[1]][right[0]]
    if math.isinf(norm):
        return got.get("non_finite") == right
    if math.isnan(norm):
        found = got["non_finite"]
        return found is None or found[0] > right[0]
    return True


FIRST_EXPLOSION = Answer(
    exercise="first_explosion",
    cases=_history_cases,
    variants=(_ratios_first, _with_sorting, _with_tensors),
    misconceptions=(
        Misconception(
            "mean for median",
            _search(middle=statistics.mean),
            "You compare with the mean. One early spike lifts the mean for the rest of the run and "
            "hides later explosions; the median does not notice it.",
        ),
        Misconception(
            "current step included in the median",
            _search(current=1),
            "Your median includes the norm that you are judging. Use the steps before t only: "
            "norms[:t].",
        ),
        Misconception(
            "median of the whole run",
            _search(whole_run=True),
            "Your median looks at the whole run, so what comes after an explosion decides whether "
            "it was one. Use the steps before t only: norms[:t].",
        ),
        Misconception(
            "lower middle value for median",
            _search(middle=statistics.median_low),
            "With an even number of norms you take the lower of the two middle ones, as "
            "torch.median does. The median is their mean: statistics.median.",
        ),
        Misconception(
            "upper middle value for median",
            _search(middle=statistics.median_high),
            "With an even number of norms you take the upper of the two middle ones. The median is "
            "their mean: statistics.median.",
        ),
        Misconception(
            "NaN ignored",
            _search(nan_explodes=False),
            "Every comparison with NaN is False, so norm > factor * median never notices it. Ask "
            "math.isfinite(norm) first.",
            recognise=_overlooks_nan,
        ),
        Misconception(
            "compared with the last few steps",
            _search(middle=_middle_or_0, window=lambda norms: norms[-5:]),
            "Your median looks at the last few steps only. When the norms have risen slowly, it has "
            "risen with them: use all steps before t.",
        ),
        Misconception(
            "compared with the first few steps",
            _search(middle=_middle_or_0, window=lambda norms: norms[:5]),
            "Your median looks at the first five steps only, for ever. What is usual changes during "
            "a run: use all steps before t.",
        ),
        Misconception(
            "compared with the previous step only",
            _search(middle=_middle_or_0, window=lambda norms: norms[-1:]),
            "You compare with the step just before. One odd step then decides about the next: use "
            "the median of all steps before t.",
        ),
        Misconception(
            "compared with the smallest norm",
            _search(middle=min),
            "You compare with the smallest norm so far, as chapter 00 did with losses. What is "
            "usual for a layer is the median of its norms.",
        ),
        Misconception(
            "one median for all layers",
            _one_median_for_all,
            "You take one median over all layers. Layers differ in size: each is compared with its "
            "own norms.",
        ),
        Misconception(
            "layers searched one after another",
            _layer_by_layer,
            "You search the first layer through the whole run before you look at the second. Let "
            "the loop over steps be the outer one: the earliest step counts.",
        ),
        Misconception(
            "last of equal ratios",
            _search(pick=_last_of_equals),
            "Of layers with equal ratios you return the last. The first in the dict wins: >, not "
            ">=, when you compare with the best so far.",
        ),
        Misconception(
            "infinity kept in the median",
            _search(keep_non_finite=True, window=lambda n: [v for v in n if not math.isnan(v)]),
            "You leave NaN out of the median, and infinity stays in. Leave out both: "
            "math.isfinite is False for either.",
        ),
        Misconception(
            "search begins at step 6",
            _search(start=6),
            "Your search begins one step late. Steps are counted from 0: with five norms before it, "
            "step 5 is the first that can explode.",
        ),
        Misconception(
            "layer before step",
            _layer_then_step,
            "The pair is right, in the wrong order: the step first, then the layer.",
        ),
        Misconception(
            "step without layer",
            _step_alone,
            "You return the step alone. Return the pair: the step and the layer that exploded.",
        ),
        Misconception(
            "None inside the loop",
            _gives_up_after_step_5,
            "`return None` stands inside the loop, so you give up after step 5. It belongs behind "
            "the loop.",
        ),
        Misconception(
            "non-finite norms ignored",
            _search(any_non_finite=False),
            "You skip norms that are infinite or NaN. They are the worst explosions of all: treat "
            "their ratio as infinite.",
        ),
        Misconception(
            "non-finite norms kept in the median",
            _search(keep_non_finite=True),
            "Infinite and NaN norms of the first steps stay in your medians, and no list with a "
            "NaN in it can be sorted. Leave non-finite norms out of the median.",
        ),
        Misconception(
            "last instead of first",
            _search(which=lambda found: found[-1]),
            "You return the last explosion. Everything after the first one is its consequence: "
            "stop at the first step that has any.",
        ),
        Misconception(
            "largest instead of first",
            _search(which=_largest),
            "You return the largest explosion of the run. The first one is the cause, however "
            "small: only among the layers of that step does the largest ratio decide.",
        ),
        Misconception(
            "first layer instead of largest ratio",
            _search(pick=lambda found, history, t: next(iter(found))),
            "At a step where several layers explode you return the first of them. Compare their "
            "ratios and return the largest.",
        ),
        Misconception(
            "largest norm instead of largest ratio",
            _search(
                pick=lambda found, history, t: max(
                    found,
                    key=lambda name: (
                        history[name][t] if math.isfinite(history[name][t]) else math.inf
                    ),
                )
            ),
            "At a step where several layers explode you return the one with the largest norm. "
            "Layers differ in size: the largest ratio to a layer's own median decides.",
        ),
        Misconception(
            "steps before 5 count",
            _search(start=1),
            "You judge the first steps too. With fewer than five norms a median says little: "
            "begin at step 5.",
        ),
        Misconception(
            "the factor itself counts",
            _search(at_least=True),
            "A norm of exactly factor times the median is no explosion yet: it must be larger.",
        ),
        Misconception(
            "last step never looked at",
            _search(last_step=1),
            "Your search ends one step early: range(5, n) already stops at step n - 1.",
        ),
        Misconception(
            "factor ignored",
            _search(fixed_factor=10.0),
            "You always use 10. The caller may pass another factor.",
        ),
        Misconception(
            "division by zero",
            _search(zero_median=_divide_by_zero),
            "A layer that was silent so far has a median of 0, and you divide by it. A positive "
            "norm over a zero median counts as an infinite ratio.",
        ),
    ),
)

ANSWERS = (NUMERICAL_GRADIENT, LINEAR_GRADIENTS, GRADIENT_NORMS, FIRST_EXPLOSION)

# --- quiz ---------------------------------------------------------------------------------------


def _prove_what_backward_changes() -> str:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    before = [p.detach().clone() for p in model.parameters()]
    hidden = model[1](model[0](torch.ones(2, 3)))
    loss = (model[2](hidden) ** 2).mean()
    value = loss.item()
    loss.backward()
    if any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)):
        return "A"
    if loss.item() != value:
        return "B"
    if not hidden.is_leaf and hidden.retains_grad:
        return "C"
    return "D" if all(p.grad is not None for p in model.parameters()) else ""


def _prove_slope_times_step() -> str:
    def loss_at(w):
        return (w * 3.0 + 1.0 - 5.0) ** 2

    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    loss_at(w).backward()
    if w.grad.item() != 12:
        return ""
    if loss_at(2.0) == 12:
        return "C"
    if loss_at(-10.0) < loss_at(4 / 3):  # the best w is 4/3
        return "A"
    optimizer = torch.optim.SGD([w], lr=0.1)
    optimizer.step()
    if w.item() == 12:
        return "D"
    return "B" if math.isclose(loss_at(2.001) - loss_at(2.0), 0.012, rel_tol=0.01) else ""


def _prove_gradients_add() -> str:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)

    def gradient_of(x: float) -> float:
        return torch.autograd.grad((w * x) ** 2, w)[0].item()

    first, second = gradient_of(2.0), gradient_of(3.0)
    try:
        for x in (2.0, 3.0):
            ((w * x) ** 2).backward()
    except RuntimeError:
        return "D"
    held = {"A": first + second, "B": second, "C": (first + second) / 2}
    return "".join(letter for letter, value in held.items() if value == w.grad.item())


QUIZ = (
    QuizKey(
        "q03_1",
        "D",
        {
            "A": "Moving the weights is optimizer.step()'s work; backward() moves nothing.",
            "B": "loss is a number that was computed; nothing has been recomputed.",
            "C": "Only leaves keep their gradients; those of intermediate results are passed on "
            "and dropped.",
            "D": "That is all that backward() leaves behind: gradients in the .grad of the leaves "
            "that the loss depends on.",
        },
        _prove_what_backward_changes,
    ),
    QuizKey(
        "q03_2",
        "B",
        {
            "A": "A gradient says in which direction and how steeply, not how far to go.",
            "B": "Slope times a small step: 12 * 0.001 = 0.012.",
            "C": "The loss is (7 - 5)² = 4; 12 is its slope.",
            "D": "A step of plain SGD subtracts lr times the gradient: with lr 0.1, w becomes 0.8.",
        },
        _prove_slope_times_step,
    ),
    QuizKey(
        "q03_3",
        "A",
        {
            "A": "backward() adds to what is there.",
            "B": "backward() adds; it does not overwrite.",
            "C": "Nobody divides by the number of batches.",
            "D": "A second backward() on the same graph raises; the second batch has a graph of "
            "its own.",
        },
        _prove_gradients_add,
    ),
)
