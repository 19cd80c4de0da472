"""The verdict: strict comparison, partial credit by aspect, no points without evidence."""

import math

import pytest
import torch

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.model import Observation
from course_lib.exercises.checking.observe import observe
from course_lib.exercises.checking.wire import Foreign, WireError
from grading.answers.compare import difference
from grading.classroom.evidence import _compared
from grading.errors import Failure
from grading.judging.cases import case_set, choose_seed
from grading.judging.judge import judge_exercise, judge_quiz, observation_from

SEED = 3


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1.0, 1),
        (1, True),
        (1.0, torch.tensor(1.0)),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.ones(2), torch.ones(1)),
        (torch.ones(2, 1), torch.ones(2)),
        (torch.ones(2), [1.0, 1.0]),
        ([1.0], (1.0,)),
        ([1.0, 2.0], [1.0]),
        ({"a": 1}, {"a": 1, "b": 2}),
        (1.0, math.nan),
        (math.inf, -math.inf),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, math.nan])),
        (None, 0.0),
        (1.0, Foreign("numpy.float64")),
        (torch.ones(1), torch.ones(1, requires_grad=True)),
    ],
    ids=range(16),
)
def test_what_is_not_the_same_differs(expected, got):
    assert difference(expected, got, 1e-5, 1e-8)


def test_equal_within_the_tolerance():
    assert difference([1.0, torch.ones(2)], [1.0 + 1e-7, torch.ones(2)], 1e-5, 0) is None
    assert difference(math.nan, math.nan, 0, 0) is None


def train_one_epoch(model, loader, loss_fn, optimizer):
    return 1.0


def test_an_empty_history_is_not_called_a_list_of_functions():
    def fit(model, loader, loss_fn, optimizer, epochs):
        history = []
        for _ in range(epochs):
            train_one_epoch(model, loader, loss_fn, optimizer)
        return history

    exercise = find_exercise("fit")
    observed = [observe(exercise, (fit,), case) for case in case_set("fit", SEED).cases]
    outcome = judge_exercise("fit", SEED, observed)
    assert outcome.score == 0
    assert outcome.misconception != "function kept instead of called"


def test_no_observation_no_points():
    count = len(case_set("train_one_epoch", SEED).cases)
    for observed in (
        Failure("timeout", "too long"),
        [],
        [Observation({})] * count,
        [Failure("error", "died")] * count,
    ):
        outcome = judge_exercise("train_one_epoch", SEED, observed)
        assert outcome.score == 0
        assert outcome.status in ("timeout", "error", "failed")


def test_the_expected_observations_earn_full_marks():
    cases = case_set("train_one_epoch", SEED)
    outcome = judge_exercise("train_one_epoch", SEED, cases.expected)
    assert (outcome.score, outcome.status, outcome.misconception) == (4, "passed", None)


def test_one_missing_case_is_not_full_marks():
    cases = case_set("train_one_epoch", SEED)
    outcome = judge_exercise(
        "train_one_epoch", SEED, [*cases.expected[:-1], Failure("error", "died")]
    )
    assert outcome.score < 4


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("train_one_epoch", ("parameters", "returned")),  # the mode is right, and nothing else
        ("train_with_accumulation", ("parameters",)),  # the number of steps is
    ],
)
def test_side_conditions_earn_nothing_alone(name, lost):
    only_the_rest = [
        Observation({k: v for k, v in entry.values.items() if k not in lost})
        for entry in case_set(name, SEED).expected
    ]
    assert judge_exercise(name, SEED, only_the_rest).score == 0


@pytest.mark.parametrize(
    "data",
    [None, [], {"values": 1}, {"values": {}, "events": "F", "error": None},
     {"values": {}, "events": [1], "error": None}, {"values": {}, "events": [], "error": ["x"]},
     {"values": {1: 2}, "events": [], "error": None}],
    ids=range(7),
)  # fmt: skip
def test_a_result_of_another_shape_is_no_observation(data):
    with pytest.raises(WireError):
        observation_from(data)
    [line] = _compared(case_set("train_one_epoch", SEED).expected[0], data)
    assert len(line) < 120  # ``observed`` shows it all the same


def test_quiz_answers():
    assert judge_quiz("q05_1", "A").score == 1
    assert judge_quiz("q05_1", " a ").score == 1
    assert judge_quiz("q05_1", "B").status == "failed"
    assert judge_quiz("q05_1", None).status == "not_attempted"
    assert judge_quiz("q05_1", "E").score == 0
    assert judge_quiz("q05_1", Failure("missing", "gone")).status == "missing"


def test_the_case_set_depends_on_secret_and_submission_and_is_reproducible():
    seeds = {choose_seed(b"secret", "fit", bytes([i])) for i in range(60)}
    assert 2 <= len(seeds) <= 4
    assert choose_seed(b"secret", "fit", b"x") == choose_seed(b"secret", "fit", b"x")
    assert not seeds & {choose_seed(b"other", "fit", bytes([i])) for i in range(60)}


def test_of_two_mistakes_the_first_that_costs_points_is_named():
    """No zero_grad, and the mean of the batches' means returned."""

    def two_mistakes(model, loader, loss_fn, optimizer):
        model.train()
        losses = []
        for x, y in loader:
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    exercise = find_exercise("train_one_epoch")
    cases = case_set("train_one_epoch", SEED)
    observed = [observe(exercise, (two_mistakes,), case) for case in cases.cases]
    outcome = judge_exercise("train_one_epoch", SEED, observed)
    assert outcome.misconception == "no zero_grad"
