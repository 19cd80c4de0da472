"""What is named where no mistake of the exercise's own fits: it has to be true of the submission."""

import pytest
import torch

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.model import Observation
from course_lib.exercises.checking.observe import observe
from course_lib.exercises.checking.wire import Foreign
from grading.judging.cases import case_set
from grading.judging.common_mistakes import common_mistake
from grading.judging.judge import judge_exercise

SEED = 3


def named(function, exercise: str = "softmax") -> tuple[str | None, str]:
    cases = case_set(exercise, SEED)
    observed = [observe(find_exercise(exercise), (function,), case) for case in cases.cases]
    outcome = judge_exercise(exercise, SEED, observed)
    return outcome.misconception, outcome.message


def _is_undefined(logits):
    return nowhere(logits)  # noqa: F821


@pytest.mark.parametrize(
    ("function", "name", "says"),
    [
        (_is_undefined, "a name that is not defined", "name 'nowhere' is not defined"),
        (lambda: None, "called with other arguments than it takes", "takes 0 positional"),
        (lambda logits: None, "nothing returned", "None where a Tensor is asked for"),
        (
            lambda logits: logits.tolist(),
            "a result of another type",
            "a list; it should be a Tensor",
        ),
        (lambda logits: logits.sum(-1), "a result of another shape", "it should be"),
        (lambda logits: logits.exp().to(torch.float16), "a result of another dtype", "float16"),
        (lambda logits: logits * 1.0, "an argument returned", "`logits`, as it came in"),
        (lambda logits: logits * torch.nan, "inf or nan in the result", "inf or nan"),
        (lambda logits: torch.ones_like(logits), "the same result for every input", "1 for every"),
        (lambda logits: logits[0, 0, 0], "a dimension that is not there", "fewer dimensions"),
        (lambda logits: torch.softmax(logits, -1), "the built-in called", "write it yourself"),
    ],
)
def test_what_happened_is_named(function, name, says):
    title, message = named(function)
    assert title == name
    assert says in message


def test_results_off_by_a_factor_are_named_with_it():
    def mse(prediction, target):
        if prediction.shape != target.shape:
            raise ValueError
        return 7 * ((prediction - target) ** 2).mean()

    title, message = named(mse, "mse")
    assert title == "off by a constant factor"
    assert "7 times" in message


def test_nothing_is_named_of_what_is_right_or_forged():
    cases = case_set("softmax", SEED)
    assert common_mistake(cases, cases.expected) is None
    forged = [Observation({"returned": Foreign("Tensor")}) for _ in cases.cases]
    assert judge_exercise("softmax", SEED, forged).misconception is None


def test_an_error_on_some_inputs_is_said_with_how_many():
    def softmax(logits):
        exp = (logits - logits.max(dim=1, keepdim=True).values).exp()
        return exp / exp.sum(dim=1, keepdim=True)

    def keeps_no_row(logits):
        return softmax(logits) * 1.5

    title, message = named(keeps_no_row)
    assert title == "a dimension that is not there"
    assert "With 2 of 12 inputs your code raised IndexError" in message


def test_a_yes_or_no_alone_names_no_mistake():
    """Whoever never measures a slope has not taken forward differences, though f is asked at the
    wrong points in both."""

    def numerical_gradient(f, w, eps=1e-4):
        return torch.stack([torch.as_tensor(f(w)).sum() * 0 + 3.0] * w.numel()).reshape(w.shape)

    title, _ = named(numerical_gradient, "numerical_gradient")
    assert title != "forward difference"


def test_a_symptom_is_said_where_the_mistake_is_not_known():
    def train_with_accumulation(model, loader, loss_fn, optimizer, accumulate_steps):
        made = 0
        optimizer.zero_grad()
        for i, (x, y) in enumerate(loader):
            (loss_fn(model(x), y) / accumulate_steps).backward()
            if i % 2:
                optimizer.step()
                optimizer.zero_grad()
                made += 1
        return made

    title, _ = named(train_with_accumulation, "train_with_accumulation")
    assert title == "steps at the wrong batches"
