"""Chapter 08b, secret half: the quiz's key; the exercises' answers are beside it, by name."""

import math

import torch
from torch import nn

from grading.answers.model import QuizKey


def _prove_underflow() -> str:
    stored = torch.tensor(1e-8).to(torch.float16).item()
    if stored == 0:
        return "A"
    return "D" if math.isinf(stored) else "B" if stored < 6e-5 else "C"


def _prove_place_of_clipping() -> str:
    """The norm that an optimizer sees with max_norm 0.5, for each of the four places."""

    def norm(place: int) -> float:
        w = torch.ones(4, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        beats = [
            lambda: scaler.scale((w * w).sum()).backward(),
            lambda: scaler.unscale_(optimizer),
            lambda: scaler.step(optimizer),
        ]
        beats.insert(place, lambda: nn.utils.clip_grad_norm_([w], 0.5))
        for beat in beats:
            beat()
        return (1 - w.detach()).norm().item() / 0.1

    places = {"A": 0, "B": 1, "D": 2, "C": 3}
    return "".join(each for each in places if math.isclose(norm(places[each]), 0.5, rel_tol=1e-3))


def _prove_range() -> str:
    half, brain, full = (torch.finfo(t) for t in (torch.float16, torch.bfloat16, torch.float32))
    same_range = math.isclose(brain.smallest_normal, full.smallest_normal) and brain.max > 1e38
    more_precise = brain.eps < half.eps
    return "A" if more_precise else "C" if same_range else ""


QUIZ = (
    QuizKey(
        "q08b_1",
        "A",
        {
            "A": "It lies below half of the smallest subnormal number, 2**-24 = 6e-8.",
            "B": "That needs a smaller exponent than float16 has.",
            "C": "Values do not round up to the smallest normal number.",
            "D": "That is the other end: above 65,504.",
        },
        _prove_underflow,
    ),
    QuizKey(
        "q08b_2",
        "D",
        {
            "A": "There are no gradients of this batch yet.",
            "B": "The gradients are still multiplied by the scale, so nearly everything is cut.",
            "C": "By then the update has been made.",
            "D": "There the gradients have their true size.",
        },
        _prove_place_of_clipping,
    ),
    QuizKey(
        "q08b_3",
        "C",
        {
            "A": "It is less precise: 7 fraction bits against 10.",
            "B": "Autocast never touches the loss's size.",
            "C": "Its smallest normal number is that of float32, about 1.2e-38.",
            "D": "Parameters and gradients are float32 in both cases.",
        },
        _prove_range,
    ),
)
