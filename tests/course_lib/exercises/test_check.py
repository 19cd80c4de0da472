"""What a learner sees: three states, findings in words, and never a traceback of ours."""

import contextlib
import linecache
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from course_lib.exercises.ch05_complete_loop.train_one_epoch import EXERCISE as TRAIN_ONE_EPOCH
from course_lib.exercises.checking import check
from course_lib.exercises.checking.check import run_check
from course_lib.exercises.checking.forbid import ForbiddenCall, refusing
from course_lib.exercises.checking.observe import neutral_state, observe
from course_lib.exercises.checking.wire import kind_of
from course_lib.models import MLP


def forgets_zero_grad(model, loader, loss_fn, optimizer):
    model.train()
    total = seen = 0
    for x, y in loader:
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total, seen = total + loss.item() * len(y), seen + len(y)
    return total / seen


def right(model, loader, loss_fn, optimizer):
    model.train()
    total = seen = 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total, seen = total + loss.item() * len(y), seen + len(y)
    return total / seen


def _from_a_cell(name, code):
    """As IPython runs it, which also lets tracebacks find the source."""
    namespace = {}
    exec(compile(code, "<cell>", "exec"), namespace)
    linecache.cache["<cell>"] = (len(code), None, code.splitlines(keepends=True), "<cell>")
    return namespace[name]


def in_one_line(result) -> str:
    return " ".join(repr(result).split())


def not_written(model, loader, loss_fn, optimizer):
    raise NotImplementedError


def test_the_three_states():
    assert run_check("train_one_epoch", not_written).state == "Not attempted yet"
    assert run_check("train_one_epoch", forgets_zero_grad).state == "Not right yet"
    assert run_check("train_one_epoch", right).state == "Right"


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_computed_inside_the_step_are_right(to_none):
    def with_closure(model, loader, loss_fn, optimizer):
        model.train()
        total = seen = 0
        for x, y in loader:

            def closure(x=x, y=y):
                optimizer.zero_grad(set_to_none=to_none)
                loss = loss_fn(model(x), y)
                loss.backward()
                return loss

            total += optimizer.step(closure).item() * len(y)
            seen += len(y)
        return total / seen

    assert run_check("train_one_epoch", with_closure).state == "Right"


def test_the_own_beats_are_shown_beside_an_allowed_order():
    text = repr(run_check("train_one_epoch", forgets_zero_grad))
    assert "your beats:    F L B S" in text
    assert "first difference" in text


def test_no_line_is_longer_than_80_columns():
    def long_error(model, loader, loss_fn, optimizer):
        raise ValueError("word " * 100)

    for function in (forgets_zero_grad, right, long_error):
        assert max(map(len, repr(run_check("train_one_epoch", function)).splitlines())) <= 80


def test_an_error_of_the_learners_code_is_told_in_words():
    def broken(model, loader, loss_fn, optimizer):
        return model.no_such_thing

    text = in_one_line(run_check("train_one_epoch", broken))
    assert "it raised AttributeError" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "name",
    ["order_the_beats", "build_mlp", "manual_forward", "trace_shapes", "mse", "softmax"],
)
def test_a_forgotten_return_is_told_once(name):
    shown = in_one_line(run_check(name, lambda *given: None))
    assert "yours is None" in shown
    assert shown.count("A function that ends without return gives back None.") == 1


def test_layers_that_do_not_fit_are_told_beside_the_sizes_asked_for():
    def copied(in_features, hidden, out_features):
        return torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.Linear(128, 10))

    shown = in_one_line(run_check("build_mlp", copied))
    assert "For build_mlp(3, 4, 2) your linear layers are 784 -> 128, 128 -> 10" in shown


def test_an_error_in_place_of_the_one_asked_for_is_told_with_its_message():
    def misspelled(prediction, target):
        if prediction.shape != target.shape:
            raise valueerror("shapes differ")  # noqa: F821
        return ((prediction - target) ** 2).mean()

    shown = in_one_line(run_check("mse", misspelled))
    assert "yours raised NameError: name 'valueerror' is not defined" in shown


def test_two_numbers_that_differ_never_read_the_same():
    def one_sided(f, w, eps=1e-4):
        return (f(w + eps) - f(w)) / eps

    shown = in_one_line(run_check("numerical_gradient", one_sided))
    autograd, own = re.search(r"autograd says (\[.*?\]), yours is (\[.*?\])", shown).groups()
    assert autograd != own


def test_text_of_a_learner_is_escaped_in_html():
    def rude(model, loader, loss_fn, optimizer):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in run_check("train_one_epoch", rude)._repr_html_()


def test_an_unknown_name_gets_a_suggestion():
    assert "train_one_epoch" in run_check("train_one_epok", right).advice


def test_exit_does_not_leave_the_check():
    def leaves(model, loader, loss_fn, optimizer):
        raise SystemExit(3)

    assert run_check("train_one_epoch", leaves).state == "Not right yet"


def test_observing_restores_the_state_of_pytorch():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            observe(TRAIN_ONE_EPOCH, (right,), TRAIN_ONE_EPOCH.public_cases()[0])
            assert not torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(before, torch.get_rng_state())


def test_observing_leaves_a_default_device_as_it_was():
    case = TRAIN_ONE_EPOCH.public_cases()[0]
    torch.set_default_device("meta")
    try:
        seen = observe(TRAIN_ONE_EPOCH, (right,), case)
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)
    assert seen.error is None


def test_a_default_device_that_the_observed_code_sets_goes_with_it():
    def sets_a_device(model, loader, loss_fn, optimizer):
        torch.set_default_device("meta")

    try:
        observe(TRAIN_ONE_EPOCH, (sets_a_device,), TRAIN_ONE_EPOCH.public_cases()[0])
        assert torch.get_default_device().type == "cpu"
    finally:
        torch.set_default_device(None)


def test_observing_puts_no_detour_before_each_call_of_pytorch():
    def is_watched(model, loader, loss_fn, optimizer):
        modes.append(torch.overrides._len_torch_function_stack())
        return right(model, loader, loss_fn, optimizer)

    modes = []
    observe(TRAIN_ONE_EPOCH, (is_watched,), TRAIN_ONE_EPOCH.public_cases()[0])
    assert modes == [0]


def test_a_refused_operator_is_refused_under_every_name():
    x = torch.randn(3, 4)
    spellings = (
        lambda: torch.softmax(x, 1),
        lambda: x.softmax(1),
        lambda: torch.nn.Softmax(1)(x),
        lambda: torch.nn.functional.softmax(x, dim=1),
    )
    for spelling in spellings:
        with refusing(("aten:softmax",)) as called, contextlib.suppress(ForbiddenCall):
            spelling()
        assert called


def test_a_refusal_that_is_swallowed_still_counts():
    def sly(model, loader, loss_fn, optimizer):
        from course_lib.training import Trainer

        with contextlib.suppress(ForbiddenCall):
            Trainer(model, optimizer, loss_fn, torch.ones(1, 1), torch.ones(1), 1)
        return right(model, loader, loss_fn, optimizer)

    observation = observe(TRAIN_ONE_EPOCH, (sly,), TRAIN_ONE_EPOCH.public_cases()[0])
    assert observation.error.type == "ForbiddenCall"


def test_the_neutral_state_silences_what_the_learner_prints(capsys):
    with neutral_state():
        print("noise")
    assert capsys.readouterr().out == ""


def test_an_error_of_pytorch_is_not_taken_for_an_untouched_stub():
    def swapped(model, loader, loss_fn, optimizer):
        for x, y in loader:
            loss_fn(y, model(x)).backward()

    result = run_check("train_one_epoch", swapped)
    assert result.state == "Not right yet"
    assert "not implemented for 'Long'" in in_one_line(result)


def test_calling_another_unwritten_exercise_is_said_so():
    def fit(model, loader, loss_fn, optimizer, epochs):
        raise NotImplementedError("write softmax here, then run its check")

    result = run_check("fit", fit)
    assert result.state == "Not attempted yet"
    assert "softmax, which is not written yet" in repr(result)


def test_fit_is_not_right_with_its_arguments_in_another_order():
    def fit(model, loader, loss_fn, optimizer, epochs):
        return [train_one_epoch(model, loader, optimizer, loss_fn) for _ in range(epochs)]  # noqa: F821

    assert "in this order" in repr(run_check("fit", fit))


def test_a_fit_that_trains_nothing_is_not_right():
    def keeps_the_function(model, loader, loss_fn, optimizer, epochs):
        return [right for _ in range(epochs)]

    def makes_numbers_up(model, loader, loss_fn, optimizer, epochs):
        return [0.5 for _ in range(epochs)]

    assert "floats; one of yours is a function" in in_one_line(run_check("fit", keeps_the_function))
    shown = in_one_line(run_check("fit", makes_numbers_up))
    assert "it trains for 3 epochs; yours trains for 0" in shown


def test_a_fit_with_an_optimizer_of_its_own_is_not_right():
    def its_own(model, loader, loss_fn, optimizer, epochs):
        history = []
        for _ in range(epochs):
            fresh = type(optimizer)(model.parameters(), **optimizer.defaults)
            history.append(right(model, loader, loss_fn, fresh))
        return history

    def the_given_one(model, loader, loss_fn, optimizer, epochs):
        return [right(model, loader, loss_fn, optimizer) for _ in range(epochs)]

    shown = in_one_line(run_check("fit", its_own))
    assert "the steps are made by the optimizer that came in; yours are made without it" in shown
    assert run_check("fit", the_given_one).state == "Right"


def test_a_step_too_early_in_its_group_is_said_so():
    def steps_at_the_first(model, loader, loss_fn, optimizer, accumulate_steps):
        steps = 0
        for i, (x, y) in enumerate(loader):
            (loss_fn(model(x), y) / accumulate_steps).backward()
            if i % accumulate_steps == 0:
                optimizer.step()
                optimizer.zero_grad()
                steps += 1
        return steps

    shown = in_one_line(run_check("train_with_accumulation", steps_at_the_first))
    assert "yours makes its first step after 1 batch" in shown


def test_a_loader_hears_which_pass_did_not_give_pairs():
    def single_examples(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
        yield X[0], y[0]

    def nothing_when_dropping(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
        if shuffle and drop_last:
            return None
        return [(X[:batch_size], y[:batch_size])]

    shown = in_one_line(run_check("iterate_batches", single_examples))
    assert "tuple of a float32 tensor of shape [2] and an int64 number (no dimensions)" in shown
    shown = in_one_line(run_check("iterate_batches", nothing_when_dropping))
    assert "with shuffle=True, drop_last=True yours gives back None" in shown


def test_a_dataset_that_forgets_what_its_task_names_is_not_right():
    class Forgetful(torch.utils.data.Dataset):
        def __init__(self, X, y, mean=None, std=None):
            self.mean = X.mean(dim=0) if mean is None else mean
            self.std = X.std(dim=0, correction=0) if std is None else std
            self.X = (X - self.mean) / self.std

        def __len__(self):
            len(self.X)

        def __getitem__(self, i):
            return self.X[i]

    shown = in_one_line(run_check("StandardizedDataset", Forgetful))
    assert "with 9 of them yours is None" in shown
    assert "with 3 features yours is a float32 tensor of shape [3]" in shown
    assert "numpy.ndarray" in shown, "X may be a NumPy array"


def test_accumulation_that_never_clears_between_groups_is_not_right():
    def never_clears(model, loader, loss_fn, optimizer, accumulate_steps):
        optimizer.zero_grad()
        n, made = len(loader), 0
        for i, (x, y) in enumerate(loader):
            length = min(accumulate_steps, n - i + i % accumulate_steps)
            (loss_fn(model(x), y) / length).backward()
            if (i + 1) % accumulate_steps == 0 or i + 1 == n:
                optimizer.step()
                made += 1
        return made

    assert run_check("train_with_accumulation", never_clears).state == "Not right yet"


def test_mixed_precision_that_is_observed_sees_the_weights_as_they_are_now():
    layer, x = torch.nn.Linear(3, 1, bias=False), torch.ones(1, 3)

    def forward() -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return layer(x).item()

    with neutral_state():
        forward()
        with torch.no_grad():
            layer.weight.fill_(2.0)
        assert forward() == 6.0


def test_the_neutral_state_puts_autocast_back():
    with torch.autocast("cpu"):
        with neutral_state():
            assert not torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_cache_enabled()


# --- what newcomers meet -------------------------------------------------------------------------


def test_a_loop_that_never_ends_is_stopped_and_its_line_is_shown(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.3)
    code = "def train_one_epoch(*given):\n    while True:\n        pass\n"
    never_ends = _from_a_cell("train_one_epoch", code)
    threads = threading.active_count()
    state = torch.random.get_rng_state()
    result = run_check("train_one_epoch", never_ends)
    assert result.state == "Not right yet"
    # A busy machine may take longer: how long is not what is tested.
    shown = in_one_line(result)
    assert re.search(r'stopped after \d+ s at your line "(while True:|pass)"', shown), shown
    assert "Is there a loop that never ends?" in shown
    assert threading.active_count() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


_IN_A_PROCESS = """\
import signal
{prelude}
from course_lib.exercises.checking import check

def never_ends(model, loader, loss_fn, optimizer):
    while True:
        pass

check.SECONDS = 0.3
before = signal.getsignal(signal.SIGINT)
assert "it was stopped" in repr(check.run_check("train_one_epoch", never_ends))
assert signal.getsignal(signal.SIGINT) == before
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows neither ignores nor blocks signals")
@pytest.mark.parametrize(
    "prelude",
    [
        "signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "signal.signal(signal.SIGINT, signal.SIG_DFL)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])",
    ],
    ids=["ignored", "default", "blocked"],
)
def test_a_loop_is_stopped_where_the_process_gets_no_interrupts(prelude, repository):
    # As in a script's background job: `sh -c 'trap "" INT; ...'`.
    program = _IN_A_PROCESS.format(prelude=prelude)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_loop_that_catches_every_interrupt_is_stopped_too(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.2)

    def catches_all(model, loader, loss_fn, optimizer):
        while True:
            try:
                for x, y in loader:
                    loss_fn(model(x), y).backward()
            except:  # noqa: E722
                pass

    before = signal.getsignal(signal.SIGINT), sys.gettrace()
    assert "it was stopped" in repr(run_check("train_one_epoch", catches_all))
    assert (signal.getsignal(signal.SIGINT), sys.gettrace()) == before


def test_a_function_and_its_caller_that_both_catch_interrupts_are_stopped(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.2)

    def read(model, loader):
        try:
            for x, _ in loader:
                model(x)
        except BaseException:
            pass

    def catches_all(model, loader, loss_fn, optimizer):
        while True:
            try:
                read(model, loader)
            except BaseException:
                continue

    assert "it was stopped" in repr(run_check("train_one_epoch", catches_all))


def test_a_loop_around_a_model_of_the_course_is_stopped(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.2)
    model, x = MLP(64, 256, 10, seed=0), torch.rand(2048, 64)

    def runs_the_model_for_ever(*parts):
        while True:
            try:
                model(x)
            except BaseException:
                continue

    started = time.monotonic()
    assert "it was stopped" in repr(run_check("train_one_epoch", runs_the_model_for_ever))
    assert time.monotonic() - started < 10


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal wakes a thread here")
def test_code_that_sleeps_is_stopped(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.2)
    sleeps = _from_a_cell("fit", "import time\ndef fit(*parts):\n    time.sleep(1000)\n")
    assert "it was stopped" in repr(run_check("fit", sleeps))


def test_what_was_stopped_is_never_right(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.2)

    def ends_by_the_interrupt_alone(model, loader, loss_fn, optimizer):
        try:
            while True:
                pass
        except KeyboardInterrupt:
            return right(model, loader, loss_fn, optimizer)

    result = run_check("train_one_epoch", ends_by_the_interrupt_alone)
    assert result.state == "Not right yet"
    assert "it was stopped" in repr(result)


def test_a_stop_puts_back_what_the_check_had_patched(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.2)
    code = """
def train_one_epoch(*parts):
    return "the learner's own"

def fit(*parts):
    while True:
        try:
            train_one_epoch(*parts[:4])
        except BaseException:
            continue
"""
    never_ends = _from_a_cell("fit", code)
    assert "it was stopped" in repr(run_check("fit", never_ends))
    assert never_ends.__globals__["train_one_epoch"]() == "the learner's own"


def test_an_autocast_that_was_entered_and_not_left_has_no_effect_later():
    with neutral_state():
        torch.autocast("cpu").__enter__()
    torch.autocast_increment_nesting()
    assert torch.autocast_decrement_nesting() == 0


def test_the_stop_button_during_a_check_gives_no_traceback():
    def pressed(model, loader, loss_fn, optimizer):
        raise KeyboardInterrupt  # as it arrives from the notebook

    assert "it was stopped" in repr(run_check("train_one_epoch", pressed))


def test_no_interrupt_arrives_after_a_check_has_ended(monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0.0)
    for _ in range(20):
        assert run_check("train_one_epoch", right).state in ("Right", "Not right yet")
        sum(range(10_000))  # an interrupt would end the test here


def test_a_check_in_another_thread_answers_too():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_check, "train_one_epoch", right).result().state == "Right"


def test_something_that_is_no_function_is_called_by_its_type():
    text = in_one_line(run_check("fit", ["forward", "loss"]))
    assert "not yet: fit is a function or a class; yours is a list" in text


def test_an_object_in_a_checkpoint_is_named_and_not_answered_with_switching_safety_off():
    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        torch.save({"model": model, "optimizer": optimizer.state_dict()}, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        torch.load(path, weights_only=True)

    text = in_one_line(run_check("checkpointing", save_checkpoint, load_checkpoint))
    assert "refuses torch.nn.modules.container.Sequential in the file" in text
    assert "state_dict()" in text
    assert "two options" not in text


def test_a_scaler_that_was_not_updated_is_named_where_pytorch_complains():
    def amp_train_step(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
        optimizer.zero_grad()
        with torch.autocast(x.device.type, dtype=dtype):
            loss = loss_fn(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        return loss.item()

    text = in_one_line(run_check("amp_train_step", amp_train_step))
    assert "The step before did not end with scaler.update()." in text


def test_a_scale_that_returns_nothing_is_named():
    class DynamicLossScaler:
        def __init__(self, init_scale=2.0**16, **factors):
            self.current_scale = init_scale

        def scale(self, loss):
            loss * self.current_scale

    text = in_one_line(run_check("DynamicLossScaler", DynamicLossScaler))
    assert "scale(loss) should return the scaled loss, not None" in text


def test_stopping_an_epoch_late_is_not_called_a_state_that_is_no_copy():
    class EarlyStopping:
        def __init__(self, patience=10, min_delta=0.0):
            self.patience, self.min_delta = patience, min_delta
            self.best_loss, self.best_state, self.waited = float("inf"), None, 0

        def step(self, val_loss, model):
            self.waited += 1
            if val_loss < self.best_loss - self.min_delta:
                self.best_loss, self.waited = val_loss, 0
                self.best_state = {k: v.clone() for k, v in model.state_dict().items()}
            return self.waited > self.patience

    wrong = [f.text for f in run_check("EarlyStopping", EarlyStopping).findings if not f.ok]
    assert "with patience=3 it stops at the third epoch in a row without an improvement" in wrong
    assert not any("best_state" in text for text in wrong)


def test_a_scale_that_grows_only_once_is_not_right():
    class DynamicLossScaler:
        def __init__(
            self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
        ):
            self.current, self.growth, self.backoff = init_scale, growth_factor, backoff_factor
            self.interval, self.good, self.bad = growth_interval, 0, False

        def scale(self, loss):
            return loss * self.current

        def step(self, optimizer):
            params = [p for group in optimizer.param_groups for p in group["params"]]
            grads = [p.grad for p in params if p.grad is not None]
            if not all(grad.isfinite().all() for grad in grads):
                self.bad = True
                return False
            for grad in grads:
                grad /= self.current
            optimizer.step()
            return True

        def update(self):
            self.good = 0 if self.bad else self.good + 1
            if self.bad:
                self.current *= self.backoff
            elif self.good == self.interval:
                self.current *= self.growth  # and the count goes on
            self.bad = False

    wrong = [f.text for f in run_check("DynamicLossScaler", DynamicLossScaler).findings if not f.ok]
    assert wrong == ["after 3 more good updates, and not before, it grows again, to 8"]


def test_the_capstone_says_first_what_its_first_milestone_lacks():
    def batch_means(model, train_loader, val_loader, *, epochs=100, lr=3e-4, **options):
        loss_fn, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), lr)
        history = {"train_loss": [], "val_loss": [], "lr": [], "best_epoch": 0}
        for _ in range(epochs):
            losses = []
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            history["train_loss"].append(sum(losses) / len(losses))
            history["val_loss"].append(0.0)
            history["lr"].append(0.0)
        return history

    first, second, third, _ = (f for f in run_check("train", batch_means).findings if not f.ok)
    assert first.text.startswith("milestone 1: train_loss is the mean per example")
    assert second.text.startswith("milestone 1: the first step is AdamW's")
    assert third.text.startswith("milestone 2")


def test_whose_gradient_a_step_used_is_said():
    def got(function):
        (finding,) = [f for f in run_check("clinic_c", function).findings if not f.ok]
        return finding.got

    def in_order(*beats):
        def clinic_c(model, loader, loss_fn, optimizer):
            losses = []
            for x, y in loader:
                loss = loss_fn(model(x), y)
                calls = {"B": loss.backward, "S": optimizer.step, "Z": optimizer.zero_grad}
                for beat in beats:
                    calls[beat]()
                losses.append(loss.item())
            return losses

        return clinic_c

    assert got(in_order("B", "S")) == "in yours, 3 of the first 3 steps do not"
    assert got(in_order("B", "S", "Z")) == (
        "only your first step does not, and there were gradients before the call"
    )
    assert got(in_order("B", "Z", "S")) == "your step 1 has none, or only zeros"

    def steps_twice(model, loader, loss_fn, optimizer):
        losses = []
        for x, y in loader:
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.step()
            losses.append(loss.item())
        return losses

    assert got(steps_twice) == "in yours, 3 of the first 3 steps do not"


def test_an_array_for_a_list_gets_an_answer_in_words():
    shown = in_one_line(run_check("fit", lambda *parts: np.float64(1.5)))
    assert "not yet: the result is a list; yours is a numpy.float64" in shown


def test_only_inputs_with_the_error_that_is_shown_are_counted():
    def fails_in_two_ways(X, y, mean=None, std=None):
        if isinstance(X, np.ndarray):
            raise ValueError("an array")
        raise KeyError("no array")

    shown = in_one_line(run_check("StandardizedDataset", fails_in_two_ways))
    assert "your code runs to its end; it raised KeyError" in shown  # on every input, some error

    def fails_in_two_ways_and_not_always(X, y, mean=None, std=None):
        if mean is not None:
            fails_in_two_ways(X, y)

    shown = in_one_line(run_check("StandardizedDataset", fails_in_two_ways_and_not_always))
    assert "your code runs to its end; with 4 of 9 inputs it raised KeyError" in shown


def test_what_a_list_holds_is_said_of_all_of_it():
    assert kind_of([1.0, 1.0, 1.0, torch.ones(1)]) == "list of float, Tensor"
    assert kind_of((1.0, 2.0, 3.0, 4.0)) == "tuple of float, float, float, ..."
    assert kind_of([]) == "list"


def test_a_file_that_is_no_checkpoint_is_not_called_an_object():
    def save(path, *run):
        with open(path, "w") as file:
            file.write("garbage")

    def load(path, *run):
        return torch.load(path, weights_only=True)

    shown = in_one_line(run_check("checkpointing", save, load))
    assert "Write it with torch.save" in shown
    assert "not the object itself" not in shown


def test_huge_slopes_are_short():
    def numerical_gradient(f, w, eps=1e-4):
        return torch.full_like(w.detach(), 1e30)

    assert "yours is [1.000e+30" in in_one_line(run_check("numerical_gradient", numerical_gradient))


def test_a_batch_that_is_no_pair_is_the_one_that_is_described():
    def last_one_differs(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
        yield X[:batch_size], y[:batch_size]
        yield X[batch_size:]

    def own_labels(X, y, batch_size, shuffle=True, drop_last=False, generator=None):
        yield X, torch.arange(len(X))

    assert "item 2 that yours gives is a Tensor" in in_one_line(
        run_check("iterate_batches", last_one_differs)
    )
    assert "the labels are not all from y" in in_one_line(run_check("iterate_batches", own_labels))


def test_a_key_that_is_missing_is_no_missing_return():
    shown = in_one_line(run_check("train", lambda *loaders, **options: {"train_loss": [1.0]}))
    assert '"val_loss" is a list of Python floats; it is missing' in shown
    assert "without return" not in shown


def test_an_empty_stub_is_not_attempted_also_where_errors_are_explained():
    def stub(model, images):
        raise NotImplementedError

    assert run_check("clinic_a", stub).state == "Not attempted yet"


def test_an_error_about_shapes_names_the_sizes_of_the_check():
    text = in_one_line(run_check("clinic_a", lambda model, images: model(images)))
    assert "images is [3, 4, 5] here, the layer takes 20 numbers" in text


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("clinic_e", lambda logits, targets: torch.nn.functional.cross_entropy(
            torch.log(torch.softmax(logits, 0)), targets)),
        ("clinic_f", lambda model, loader, loss_fn: sum(
            loss_fn(model(x), y).item() for x, y in loader) / len(loader)),
    ],
)  # fmt: skip
def test_means_over_the_wrong_things_are_seen_at_once(name, wrong):
    with torch.no_grad():
        assert run_check(name, wrong).state == "Not right yet"


def test_a_call_that_is_not_allowed_is_said_without_the_checker_s_own_names():
    text = in_one_line(run_check("softmax", lambda logits: logits.softmax(-1)))
    assert "softmax is not allowed in this exercise" in text
    assert "ForbiddenCall" not in text


def test_pytorch_s_hints_are_left_out():
    def twice(model, loader, loss_fn, optimizer):
        raise RuntimeError("a leaf was changed. Hint: enable anomaly detection to find out where.")

    text = in_one_line(run_check("train_one_epoch", twice))
    assert "it raised RuntimeError: a leaf was changed." in text
    assert "anomaly" not in text


def test_code_that_fails_on_some_inputs_alone_is_told_so():
    def sgd_step(params, lr):
        with torch.no_grad():
            for p in params:
                p -= lr * p.grad

    text = in_one_line(run_check("sgd_step", sgd_step))
    assert "your code runs to its end; with 1 of 3 inputs it raised TypeError" in text

    def never(params, lr):
        raise ValueError("no")

    assert "your code runs to its end; it raised ValueError: no" in repr(
        run_check("sgd_step", never)
    )
