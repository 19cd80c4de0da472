"""The verdict: strict comparison, partial credit by aspect, no points without evidence."""

import math
import re

import pytest
import torch

from course_lib.exercises import find_exercise
from course_lib.exercises.checking.model import Observation
from course_lib.exercises.checking.observe import observe
from course_lib.exercises.checking.wire import Foreign, WireError, pack
from grading.answers import find_answer
from grading.answers.compare import difference
from grading.classroom.evidence import _of
from grading.classroom.pipeline import evidence
from grading.errors import Failure
from grading.judging.cases import case_set, choose_seed
from grading.judging.judge import (
    has_full_marks,
    judge_exercise,
    judge_quiz,
    observation_from,
)
from grading.runner.replies import Reply
from grading.runner.run import UNUSABLE, Query

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
        (torch.tensor([math.inf]), torch.tensor([5.0])),
        (None, 0.0),
        (1.0, Foreign("numpy.float64")),
        (torch.ones(1), torch.ones(1, requires_grad=True)),
    ],
    ids=range(17),
)
def test_what_is_not_the_same_differs(expected, got):
    assert difference(expected, got, 1e-5, 1e-8)


def test_equal_within_the_tolerance():
    assert difference([1.0, torch.ones(2)], [1.0 + 1e-7, torch.ones(2)], 1e-5, 0) is None
    assert difference(math.nan, math.nan, 0, 0) is None


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("order_the_beats", "_members_of_an_enum"),
        ("gradient_norms", "_in_a_defaultdict"),
        ("first_explosion", "_with_dataclasses"),
        ("iterate_batches", "_through_a_dataset"),
        ("train_val_split", "_named"),
        ("StandardizedDataset", "_Data"),
        ("clinic_d", "_as_a_layer"),
        ("Value", "_TapeValue"),
    ],
)
def test_a_named_tuple_and_its_like_are_right_also_from_another_process(name, variant):
    """There a type that is not known by name becomes a note; each of these returns one."""
    known = find_answer(name).variants
    subjects = [each for each in known if getattr(each, "__name__", "") == variant]
    cases = case_set(name, SEED)
    seen = [observe(cases.exercise, tuple(subjects), case) for case in cases.cases]
    messages = [pack({"values": dict(each.values), "events": [], "error": None}) for each in seen]
    outcome = judge_exercise(name, SEED, [observation_from(message) for message in messages])
    assert outcome.score == outcome.max_score, outcome.message


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
    assert outcome.score == 1  # it does train for as many epochs
    assert outcome.misconception != "function kept instead of called"


def test_another_error_of_the_same_type_is_not_given_a_known_mistakes_name():
    def turned_round(model, loader, loss_fn, optimizer):
        for x, y in loader:
            loss_fn(model(x.T), y).backward()

    def step_first(model, loader, loss_fn, optimizer):
        for x, y in loader:
            loss = loss_fn(model(x), y)
            optimizer.step()
            loss.backward()

    exercise = find_exercise("train_one_epoch")
    named = []
    for function in (turned_round, step_first):
        cases = case_set("train_one_epoch", SEED).cases
        observed = [observe(exercise, (function,), case) for case in cases]
        assert {each.error.type for each in observed} == {"RuntimeError"}
        named.append(judge_exercise("train_one_epoch", SEED, observed).misconception)
    assert named == ["shapes that do not fit", "step before backward"]


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
    "name",
    [
        "first_bad_step",
        "manual_forward",
        "trace_shapes",
        "mse",
        "softmax",
        "cross_entropy",
        "numerical_gradient",
        "linear_gradients",
        "gradient_norms",
        "sgd_step",
        "clip_gradients",
        "train_one_epoch",
        "fit",
        "train_with_accumulation",
        "count_updates",
        "iterate_batches",
        "train_val_split",
        "evaluate",
        "best_learning_rate",
        "warmup_cosine",
        "underflow_fraction",
        "amp_train_step",
    ],
)
def test_side_conditions_earn_nothing_alone(name):
    """Whoever returns a constant leaves everything as it was: no aspect is earned by that."""
    for constant in (0, 0.0, 1.0, [], (0.5, 0.5), torch.zeros(()), torch.ones(3)):
        assert verdict_on(name, lambda *args, constant=constant, **kwargs: constant).score == 0


def test_full_marks_are_told_without_words():
    cases = case_set("mse", SEED)
    assert has_full_marks("mse", SEED, cases.expected)
    assert not has_full_marks("mse", SEED, tuple(cases.wrong(0)))


def test_a_mistake_is_tried_no_further_than_it_is_alike(monkeypatch):
    tried = []

    def observed(exercise, subjects, case):
        tried.append(subjects)
        return observe(exercise, subjects, case)

    monkeypatch.setattr("grading.judging.cases.observe", observed)
    cases = case_set("mse", SEED + 1)
    own = [observe(cases.exercise, (lambda *tensors: "nothing known",), c) for c in cases.cases]
    assert judge_exercise("mse", SEED + 1, own).score == 0
    mistakes = [each for each in cases.answer.misconceptions if each.recognise is None]
    assert 0 < len(tried) - len(cases.cases) < len(mistakes) * len(cases.cases) / 2
    before = len(tried)
    assert len(tuple(cases.wrong(0))) == len(tuple(cases.wrong(0))) == len(cases.cases)
    assert len(tried) - before < len(cases.cases)  # the first was kept


@pytest.mark.parametrize(
    "data",
    [None, [], {"failure": "passed"}, {"values": 1}, {"values": {}, "events": "F", "error": None},
     {"values": {}, "events": [1], "error": None}, {"values": {}, "events": [], "error": ["x"]},
     {"values": {1: 2}, "events": [], "error": None}],
    ids=range(8),
)  # fmt: skip
def test_a_result_of_another_shape_is_no_observation(data):
    with pytest.raises(WireError):
        observation_from(pack(data))
    question = Query("exercise", "train_one_epoch", ("train_one_epoch",))
    assert evidence(question, [Reply(packed=pack(data))]) == UNUSABLE
    assert list(_of(question, [Reply(packed=pack(data))], SEED)) == [
        f"   error: {UNUSABLE.message}"
    ]


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


def verdict_on(name: str, *subjects):
    exercise = find_exercise(name)
    cases = case_set(name, SEED).cases
    return judge_exercise(name, SEED, [observe(exercise, subjects, case) for case in cases])


def test_what_has_no_name_is_said_as_the_check_says_it():
    """Every other batch is left out: no misconception has this result."""

    def skipping(model, loader, loss_fn, optimizer):
        model.train()
        total = count = 0
        for number, (x, y) in enumerate(loader):
            if number % 2:
                continue
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(y), count + len(y)
        return total / count

    outcome = verdict_on("train_one_epoch", skipping)
    assert outcome.misconception is None
    assert outcome.message.startswith("Expected: optimizer.step() is called once for every batch; ")
    said = [each.problem for each in outcome.aspects if each.problem]
    first = [each for each in said if not each.startswith("as above")]
    assert len(set(first)) == len(first), "a line is said again only as one from above"
    assert not any("returned:" in each or "parameters:" in each for each in said)


def test_a_value_without_a_line_of_its_own_is_said_in_the_aspect_s_words():
    outcome = verdict_on(
        "mse", lambda prediction, target: 3.5 + (prediction - target).pow(2).mean()
    )
    assert outcome.misconception is None
    assert outcome.message.startswith(
        "The loss is the mean squared error: with a prediction and a "
    )
    assert outcome.aspects[0].problem.startswith("with a prediction and a target of shape [")


def test_an_error_on_some_inputs_says_on_how_many():
    def squares(prediction, target):
        if prediction.dim() == 3:
            raise KeyError("three")
        if prediction.shape != target.shape:
            raise ValueError
        return (prediction - target).pow(2).mean()

    outcome = verdict_on("mse", squares)
    assert re.search(r"With 1 of \d+ inputs your code raised KeyError", outcome.message)
    assert "inputs your code raised KeyError" in outcome.aspects[0].problem


def test_a_call_refused_on_some_inputs_is_not_called_right_on_others():
    def only_large(logits):
        if logits.abs().max() > 80:
            return logits.softmax(-1)
        return logits.exp() / logits.exp().sum(-1, keepdim=True)

    outcome = verdict_on("softmax", only_large)
    said = " ".join([outcome.message, *(each.problem for each in outcome.aspects)])
    assert "is not allowed in this exercise" in said
    assert "inputs" not in said


def test_a_type_without_a_name_is_an_object():
    assert difference(1.0, Foreign("", ""), 0.0, 0.0) == "expected 1, yours is an object"


def test_the_same_error_is_told_once():
    def broken(prediction, target):
        raise KeyError("always")

    said = [each.problem for each in verdict_on("mse", broken).aspects]
    assert [each for each in said if "KeyError: 'always'" in each] == said[:1]
    assert set(said[1:]) == {"the same error as above"}


def test_words_of_the_aspect_are_not_said_again_behind_it():
    outcome = verdict_on("warmup_cosine", lambda *schedule: str(schedule))
    twice = [each for each in outcome.aspects if each.problem.startswith(f"expected: {each.text}")]
    assert outcome.message
    assert not twice


def test_an_aspect_that_waits_for_another_names_it():
    outcome = verdict_on("count_updates", lambda *numbers, **options: 0.5)
    first, second, *_ = outcome.aspects
    assert second.problem == f'not counted until this is right: "{first.text}"'


def test_a_call_that_is_not_allowed_is_no_error_of_theirs():
    """What it is called inside means nothing to them."""
    outcome = verdict_on("softmax", lambda logits: logits.softmax(-1))
    said = f"{outcome.message} {[each.problem for each in outcome.aspects]}"
    assert "is not allowed in this exercise" in said
    assert "ForbiddenCall" not in said


def test_a_line_about_another_aspect_is_not_said():
    """The mean alone is wrong: it is told, and the steps are not blamed."""

    def off(model, loader, loss_fn, optimizer):
        model.train()
        total = count = 0
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(y), count + len(y)
        return 2 * total / count

    outcome = verdict_on("train_one_epoch", off)
    assert outcome.score == 3
    problem = next(each.problem for each in outcome.aspects if each.problem)
    assert re.fullmatch(
        r"a right epoch has the mean loss [\d.]+ here; yours returns [\d.]+", problem
    )


@pytest.mark.parametrize(
    ("expected", "got", "said"),
    [
        (torch.ones(()), torch.ones((), requires_grad=True), "yours has requires_grad True"),
        (torch.ones((), requires_grad=True), torch.ones(()), "cut off from the graph"),
        (torch.ones(4), torch.ones(()), "expected shape [4], yours has shape []"),
        (torch.ones(1), torch.ones(1).double(), "expected dtype float32, yours has float64"),
        (list(range(9)), [1, 2], "expected 9 values, yours has 2"),
        ([1, 2, 3], [1, 2], "expected [1, 2, 3], yours is [1, 2]"),
        ((3, "fc"), (4, "fc"), "expected (3, 'fc'), yours is (4, 'fc')"),
        ((3, "fc"), None, "expected (3, 'fc'), yours is None"),
        (3, 3.0, "expected the int 3, yours is the float 3"),
        (True, False, "does not hold"),
        (1.0, torch.ones(1), "expected 1, yours is a Tensor of shape [1]"),
        (1.0, True, "expected the float 1, yours is True"),
        ({"lr": 1.0}, {}, "'lr' is missing"),
        (0.5, 0.25, "expected 0.5, yours is 0.25"),
    ],
    ids=range(14),
)
def test_a_comparison_says_what_is_so(expected, got, said):
    assert said in difference(expected, got, 1e-5, 1e-8)
