"""``manual_forward``, secret half. Long: many of its right solutions compute in ways of their own."""

from functools import partial

import torch
from torch import Tensor

from course_lib.exercises.ch01_forward_pass.manual_forward import forward_case
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.edit import edit
from grading.answers.model import Answer, raises, wrong

LOGITS = "hidden @ W2.T + b2"


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(forward_case, generator)
    return [
        case(6, (4, 5, 3)),
        case(4, (3, 7, 2), dtype=torch.float32, strided=True),
        case(5, (4, 4, 4)),  # square: a missing transpose raises nothing
        case(1, (2, 6, 3), strided=True),
        case(3, (1, 1, 1)),
        case(5, (3, 6, 4), asks="gradients"),
        case(4, (5, 2, 3), strided=True, asks="gradients"),
    ]


def _raises_where_sizes_differ(words: str):
    """Recognises an error of the first layer, wherever its sizes do not fit by accident."""

    def recognise(case: Case, got: Observation) -> bool:
        (hidden, features), n = case["W1"].shape, len(case["x"])
        if len({hidden, features, n, 1}) < 4:
            return True
        return got.error is not None and words in got.error.message

    return recognise


def _columns(x, W1, b1, W2, b2):
    """Examples as columns, as in the textbooks."""
    hidden = (W1 @ x.t() + b1.unsqueeze(1)).clamp_min(0)
    return (W2 @ hidden + b2.unsqueeze(1)).t()


def _einsum(x, W1, b1, W2, b2):
    hidden = torch.einsum("ni,hi->nh", x, W1) + b1
    hidden = hidden * (hidden > 0)
    return torch.einsum("nh,oh->no", hidden, W2) + b2


def _addmm(x, W1, b1, W2, b2):
    hidden = torch.addmm(b1, x, W1.transpose(0, 1))
    hidden = torch.maximum(hidden, torch.zeros_like(hidden))
    return torch.addmm(b2, hidden, W2.mT)


def _one_example_at_a_time(x, W1, b1, W2, b2):
    rows = []
    for example in x:
        hidden = torch.mv(W1, example) + b1
        hidden = torch.where(hidden > 0, hidden, torch.zeros_like(hidden))
        rows.append(torch.mv(W2, hidden) + b2)
    return torch.stack(rows)


def _bias_as_a_weight(x, W1, b1, W2, b2):
    """A column of ones carries the bias."""
    one = x.new_ones(len(x), 1)
    first = torch.cat((W1, b1[:, None]), dim=1)
    second = torch.cat((W2, b2[:, None]), dim=1)
    hidden = torch.relu(torch.cat((x, one), dim=1).matmul(first.T))
    return torch.cat((hidden, one), dim=1).matmul(second.T)


def _in_a_loop_over_layers(x, W1, b1, W2, b2):
    *hidden, last = [lambda z, W=W, b=b: torch.inner(z, W) + b for W, b in ((W1, b1), (W2, b2))]
    for layer in hidden:
        x = layer(x).clip(min=0)
    return last(x)


class _Forward:
    """Typed, unit by unit."""

    __name__ = "callable_object"

    def __call__(self, x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> Tensor:
        def layer(inputs: Tensor, W: Tensor, b: Tensor) -> Tensor:
            return torch.stack([inputs.mv(w) + c for w, c in zip(W, b, strict=True)], dim=1)

        hidden = layer(x, W1, b1)
        return layer(hidden.masked_fill(hidden < 0, 0.0), W2, b2)


def _with_vmap(x, W1, b1, W2, b2):
    def of_one(example):
        hidden = W1 @ example + b1
        return W2 @ ((hidden + hidden.abs()) / 2) + b2

    return torch.vmap(of_one)(x)


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (z,) = ctx.saved_tensors
        return gradient * (z > 0)


def _with_a_function_of_its_own(x, W1, b1, W2, b2):
    hidden = x @ W1.T
    hidden += b1
    out = _Relu.apply(hidden) @ W2.T
    out += b2
    return out


ANSWER = Answer(
    exercise="manual_forward",
    cases=_cases,
    given=lambda case: "with x {}, W1 {} and W2 {}".format(
        *(list(case[name].shape) for name in ("x", "W1", "W2"))
    ),
    tolerance=(1e-4, 1e-5),
    equivalent={
        "return hidden @ W2.T + b2 -> return torch.as_tensor(hidden @ W2.T + b2)": "It is a tensor."
    },
    variants=(
        _columns,
        _einsum,
        _addmm,
        _one_example_at_a_time,
        _bias_as_a_weight,
        _in_a_loop_over_layers,
        _Forward(),
        _with_vmap,
        _with_a_function_of_its_own,
    ),
    misconceptions=(
        wrong(
            "missing transpose",
            edit("W1.T", "W1").edit("W2.T", "W2"),
            "PyTorch stores a weight as [out, in], so the product is x @ W.T. With a square "
            "weight, x @ W raises no error but is still wrong.",
        ),
        wrong(
            "missing transpose",
            edit("x @ W1.T", "x @ (W1 if len(W1) == x.shape[1] else W1.T)").edit(
                "hidden @ W2.T", "hidden @ (W2 if len(W2) == hidden.shape[1] else W2.T)"
            ),
            "You transpose a weight only where the shapes would not fit. A square one needs W.T as "
            "well: its rows belong to the outputs.",
        ),
        wrong(
            "ReLU after the last layer",
            edit(LOGITS, f"torch.relu({LOGITS})"),
            "There is a ReLU after the second layer too. Logits may be negative: cut off only the "
            "hidden values.",
        ),
        wrong(
            "ReLU after the last layer",
            edit("torch.relu", "").edit(LOGITS, f"torch.relu({LOGITS})"),
            "The ReLU comes after the second layer. It belongs after the first: the hidden values "
            "are cut off, the logits are not.",
        ),
        wrong(
            "bias dropped",
            edit(" + b1", "").edit(" + b2", ""),
            "Neither b1 nor b2 is added. A linear layer computes x @ W.T + b.",
        ),
        *(
            wrong(
                "bias dropped",
                edit(f" + {b}", ""),
                f"{b} is not added. A linear layer computes x @ W.T + b.",
            )
            for b in ("b1", "b2")
        ),
        wrong(
            "bias added after the ReLU",
            edit(" + b1)", ") + b1"),
            "b1 is added after the ReLU. It belongs before it: the bias decides where a unit "
            "begins to respond.",
        ),
        wrong(
            "no activation",
            edit("torch.relu", ""),
            "There is no ReLU between the layers, so the two together are still one straight line.",
        ),
        wrong(
            "absolute value for ReLU",
            edit("torch.relu", "torch.abs"),
            "You flip the sign of negative hidden values. A ReLU cuts them off: they become 0.",
        ),
        wrong(
            "another activation",
            edit("torch.relu", "torch.tanh"),
            "There is a tanh between the layers. The exercise asks for a ReLU.",
        ),
        wrong(
            "bias subtracted",
            edit("+ b1", "- b1").edit("+ b2", "- b2"),
            "You subtract the biases. A linear layer computes x @ W.T + b.",
        ),
        *(
            wrong(
                "bias subtracted",
                edit(f"+ {b}", f"- {b}"),
                f"You subtract {b}. A linear layer computes x @ W.T + b.",
            )
            for b in ("b1", "b2")
        ),
        wrong(
            "examples left in columns",
            edit(LOGITS, f"({LOGITS}).T"),
            "Your result has one example per column, [out, N]. It should have one per row, [N, out]: "
            "transpose once more, or once less.",
        ),
        wrong(
            "entries multiplied one by one",
            edit("@ W1.T", "* W1.T").edit("@ W2.T", "* W2.T"),
            "`*` multiplies entry by entry. A layer sums products over its inputs: that is the "
            "matrix product, `@`.",
            recognise=_raises_where_sizes_differ("at non-singleton dimension 1"),
        ),
        wrong(
            "bias as a column",
            edit("+ b1", "+ b1[:, None]").edit("+ b2", "+ b2[:, None]"),
            "You turn the bias into a column, so it would be added per example. It belongs to the "
            "outputs: plain b1 fits every row of [N, hidden].",
            recognise=_raises_where_sizes_differ("at non-singleton dimension 0"),
        ),
        wrong(
            "weight in front of the batch",
            edit("x @ W1.T", "W1 @ x").edit("hidden @ W2.T", "W2 @ hidden"),
            "You multiply W1 @ x, but the inner sizes do not fit: x has one example per row. x @ "
            "W1.T works on all rows at once.",
            recognise=_raises_where_sizes_differ("mat1 and mat2 shapes cannot be multiplied"),
        ),
        wrong(
            "second layer missing",
            edit(LOGITS, "hidden"),
            "You return the hidden values. The second layer, with W2 and b2, is still to come.",
        ),
        wrong(
            "dtype changed",
            edit(
                "    hidden =",
                """\
    x, W1, b1, W2, b2 = (tensor.float() for tensor in (x, W1, b1, W2, b2))
    hidden =""",
            ),
            "You convert to float32. The result should keep the dtype of x: leave out .float().",
        ),
        wrong(
            "computed in NumPy",
            edit(
                "    hidden = torch.relu(x @ W1.T + b1)",
                """\
    x, W1, b1, W2, b2 = (tensor.numpy() for tensor in (x, W1, b1, W2, b2))
    hidden = (x @ W1.T + b1).clip(0)""",
            ).edit(LOGITS, f"torch.from_numpy({LOGITS})"),
            "NumPy records no graph, so no gradient can flow back. Compute with the tensors "
            "themselves: @, .T, + and torch.relu.",
            recognise=raises("Can't call numpy()", lambda case: "values" not in case["asks"]),
        ),
        wrong(
            "another activation",
            edit("torch.relu", "torch.sigmoid"),
            "There is a sigmoid between the layers. The exercise asks for a ReLU.",
        ),
        wrong(
            "softmax at the end",
            edit(LOGITS, f"({LOGITS}).softmax(dim=1)"),
            "You return probabilities. Return the raw scores, the logits.",
        ),
        wrong(
            "graph cut off",
            edit("x @ W1.T + b1", "x.detach() @ W1.detach().T + b1.detach()"),
            "The numbers are right, but the first layer is cut off from the graph, so its weight "
            "could not be trained. Leave out detach(), .data and no_grad().",
        ),
        wrong(
            "graph cut off",
            edit("def manual_forward", "@torch.no_grad()\ndef manual_forward"),
            "The numbers are right, but nothing was recorded, so no weight could be trained. "
            "Leave out detach(), .data and no_grad().",
        ),
    ),
)
