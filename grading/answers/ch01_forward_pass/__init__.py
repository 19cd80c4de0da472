"""Chapter 01, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import torch
from torch import nn

from grading.answers.model import QuizKey


def _prove_output_shape() -> str:
    shape = list(nn.Linear(784, 128)(torch.zeros(16, 784)).shape)
    options = {"A": [128, 784], "B": [16, 128], "C": [784, 128], "D": [16, 784, 128]}
    return "".join(letter for letter, option in options.items() if option == shape)


def _prove_parameter_count() -> str:
    layer = nn.Linear(784, 128)
    counts = set()
    for batch in (1, 16):
        layer(torch.zeros(batch, 784))
        counts.add(sum(p.numel() for p in layer.parameters()))
    if len(counts) > 1:
        return "C"
    options = {"A": 100_352, "B": 912, "D": 100_480}
    return "".join(letter for letter, option in options.items() if option in counts)


def _prove_call_runs_hooks() -> str:
    model = nn.Linear(3, 2)
    seen = []
    model.register_forward_pre_hook(lambda *_: seen.append("before"))
    model.register_forward_hook(lambda *_: seen.append("after"))
    x = torch.ones(4, 3)
    try:
        direct = model.forward(x)
    except Exception:
        return "C"
    if direct.grad_fn is None:
        return "B"
    skipped = not seen
    called = model(x)
    return "A" if skipped and seen == ["before", "after"] and called.equal(direct) else "D"


QUIZ = (
    QuizKey(
        "q01_1",
        "B",
        {
            "A": "That is the shape of the layer's weight, [out, in].",
            "B": "Only the last dimension changes: 784 inputs become 128 outputs, for each of the "
            "16 examples.",
            "C": "That is a weight written the textbook way, [in, out]. The batch is missing.",
            "D": "A linear layer sums over its inputs; it adds no dimension.",
        },
        _prove_output_shape,
    ),
    QuizKey(
        "q01_2",
        "D",
        {
            "A": "Those are the weights, 784 x 128. The 128 biases are missing.",
            "B": "That is 784 + 128. Every input is connected to every output: multiply.",
            "C": "All examples share the same weights; the batch size adds none.",
            "D": "784 x 128 weights and 128 biases.",
        },
        _prove_parameter_count,
    ),
    QuizKey(
        "q01_3",
        "A",
        {
            "A": "Calling forward directly skips them, so whatever relies on them goes wrong.",
            "B": "Both record the same graph.",
            "C": "It runs, which is why the mistake is easy to miss.",
            "D": "Nothing is compiled unless you ask for torch.compile.",
        },
        _prove_call_runs_hooks,
    ),
)
