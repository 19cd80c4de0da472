"""``EarlyStopping``, secret half. Long because it has 28 named mistakes."""

import copy
import io
import itertools
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import torch

from course_lib.exercises.ch08_schedules_and_checkpoints.EarlyStopping import stopping_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import type_name
from grading.answers.compare import difference
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, wrong

BETTER = "val_loss < self.best_loss - self.min_delta"
ASK = "        if val_loss"
COPY = "copy.deepcopy(model.state_dict())"
RESET = "            self.bad_epochs = 0\n"
WORSE = "        else:\n            self.bad_epochs += 1\n"
RETURN = "        return self.bad_epochs >= self.patience\n"
_none_at_first = edit("best_loss = math.inf", "best_loss = None")


def _cases(generator: torch.Generator) -> list[Case]:
    """Losses are multiples of a power of 1/2, so that a tie is a tie in any arithmetic."""
    nan, inf = math.nan, math.inf

    def unit() -> float:
        return size(generator, 1, 6) / 64

    def case(asks: tuple[str, ...], losses: list[float], **settings) -> Case:
        sizes = [(3, 4, 2), (2, 5, 3), (4, 3, 5)][size(generator, 0, 2)]
        return stopping_case(generator, *asks, losses=losses, sizes=sizes, **settings)

    def two_plateaus(patience: int) -> list[float]:
        """Almost stops, improves once more, then stops; lower than the epoch before is no
        improvement."""
        best = 2.0 + unit()
        losses = [3.0 + unit(), best]
        losses += [best + 1.0 - i * unit() / 64 for i in range(patience - 1)]
        best -= unit()
        losses += [best] + [best + 0.75 - i * unit() / 64 for i in range(3 * patience)]
        return losses

    def creeping(delta: float, count: int) -> list[float]:
        """Each epoch a little lower, by less than delta, and now and then exactly delta."""
        losses, best = [3.0 + unit()], 3.0
        for i in range(count):
            step = delta if i % 4 == 3 else delta / 4 * size(generator, 1, 3)
            losses.append(losses[-1] - step)
            best = min(best, losses[-1])
        return [*losses, losses[-1] + unit(), best + delta / 2]

    delta = size(generator, 2, 5) / 16
    return [
        case(("stop", "state"), two_plateaus(3), patience=3),
        case(("stop", "state"), two_plateaus(4), patience=4, min_delta=0.0),
        case(("stop", "state"), [2.0 + unit(), 1.5, *[1.5 + unit() for _ in range(13)]]),
        case(("stop",), [2.0, 1.0 + unit(), 1.0 - unit(), 2.0 - unit(), 0.5, 0.75], patience=1),
        case(("stop",), [2.0, 1.0, nan, 1.0, 1.0, 0.5, 0.5, 0.5, inf, nan, 0.25], patience=4),
        # Nothing ever improves: it stops all the same.
        case(("stop",), [nan] * 5, patience=3),
        case(("stop",), [inf, nan, inf, inf], patience=2, min_delta=0.5),
        case(("stop",), [9e8, 8e8, 8e8 - 1, 8e8 - 1, 7e8], patience=2, min_delta=2.0),
        case(("best",), creeping(delta, 14), patience=40, min_delta=delta),
        case(("best",), [7e9, 6e9, 1.0, 0.0, 0.5], patience=9),
        case(("best",), [2.0, 2.0 - delta, 2.0 - 2 * delta, 1.0], patience=9, min_delta=delta),
        case(("best",), [2.0 + unit(), 2.5, 2.0, 2.25, 1.5, 1.5, 1.75], patience=9),
        case(
            ("best",), [nan, inf, 2.0 + unit(), nan, 2.5, 1.0 + unit(), nan, inf, 0.5], patience=12
        ),
        case(("best",), [2.0 + unit(), nan, 1.5, 3.0, nan, 1.0], patience=9, min_delta=unit()),
        # The lowest loss is neither an improvement nor the last one.
        case(("best",), [2.0 + unit(), 1.5, 1.5 - delta / 2, 1.75], patience=9, min_delta=delta),
    ]


def _compare_stop(case: Case, expected: Observation, got: Observation) -> str | None:
    if got["not_bools"]:
        return "step does not always return True or False"
    if got["stops"] == expected["stops"]:
        return None
    patience = 10 if case["patience"] is None else case["patience"]
    due, made = (len(each["stops"]) for each in (expected, got))
    if got["epochs_made"] == "never":
        yours = f"yours has not stopped when the losses end, after {made} epochs"
    else:
        yours = f"yours stops after {made}"
    return f"with patience={patience} one run should stop after {due} epochs; {yours}"


def _compare_state(case: Case, expected: Observation, got: Observation) -> str | None:
    state, due, made = got.get("state"), len(expected["stops"]), len(got["stops"])
    if state is None:
        seen = (
            "is still None" if got["nothing_kept"] else "does not load with model.load_state_dict"
        )
        return f"best_state {seen}"
    for name, right in expected["state"].items():
        problem = difference(right, state.get(name), 1e-5, 1e-7)
        if problem and made < due:
            return (
                f"yours stops after {made} of {due} epochs, and best_state is not that of the best "
                f"of the {due}"
            )
        if problem:
            return f"best_state[{name!r}] is not that of the best epoch: {problem}"
    if got.get("model") is not True:
        return "step changed the model"
    return None if got.get("mode") is True else "step changed train or eval mode"


def _compare_best(case: Case, expected: Observation, got: Observation) -> str | None:
    if difference(expected["before"], got.get("before"), 0.0, 0.0):
        return "before the first improvement best_loss should be inf and best_state None"
    right, losses = expected["best_losses"], got.get("best_losses")
    for epoch, (wanted, own) in enumerate(zip(right, losses, strict=False)):
        if difference(wanted, own, 1e-5, 1e-7):
            delta, loss = case["min_delta"] or 0.0, case["losses"][epoch]
            yours = f"{own:.6g}" if type(own) is float else type_name(own)
            return (
                f"after an epoch with loss {loss:.6g}, with min_delta={delta:g}, best_loss should be "
                f"{wanted:.6g}, yours is {yours}"
            )
    if len(losses) != len(right):
        return f"it stops after {len(losses)} of {len(right)} epochs, long before its patience is used up"
    return None if got["kept_the_best"] else "best_state is not that of the epoch of best_loss"


class _KeepsBytes:
    """Saves to memory and loads again: a copy like any other."""

    best_loss = math.inf
    best_state = None

    def __init__(self, patience=10, min_delta=0.0):
        self.left = self.patience = patience
        self.min_delta = min_delta

    def step(self, val_loss, model):
        if math.isnan(val_loss) or not self.best_loss - val_loss > self.min_delta:
            self.left -= 1
            return not self.left > 0
        buffer = io.BytesIO()
        torch.save(model.state_dict(), buffer)
        buffer.seek(0)
        self.best_loss, self.best_state = val_loss, torch.load(buffer, weights_only=True)
        self.left = self.patience
        return False


class _KeepsHistory:
    """Looks at the whole history each time."""

    def __init__(self, patience=10, min_delta=0.0):
        self.patience, self.min_delta, self.history = patience, min_delta, []
        self._best = None

    @property
    def best_loss(self):
        return self._best[0] if self._best else torch.inf

    @property
    def best_state(self):
        return None if self._best is None else self._best[1].state_dict()

    def step(self, val_loss, model):
        good = bool(val_loss < self.best_loss - self.min_delta)
        if good:
            self._best = (val_loss, copy.deepcopy(model))
        self.history.append(good)
        return len(self.history) >= self.patience and not any(self.history[-self.patience :])


class _Typed:
    """Annotated, with the state as numbered tensors and the counter as a property."""

    best_state: dict[str, torch.Tensor] | None

    def __init__(self, patience: int = 10, min_delta: float = 0.0) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.best_loss: float = float("inf")
        self.best_state = None
        self._since: list[float] = []

    @property
    def waited(self) -> int:
        return len(self._since)

    def step(self, val_loss: float, model: torch.nn.Module) -> bool:
        match val_loss < self.best_loss - self.min_delta:
            case True:
                self.best_loss, self._since = val_loss, []
                self.best_state = {
                    name: torch.tensor(value.tolist(), dtype=value.dtype)
                    for name, value in model.state_dict().items()
                }
            case _:
                self._since.append(val_loss)
        return bool(self.waited >= self.patience)


class _FromAGenerator:
    """A coroutine remembers what there is to remember."""

    def __init__(self, patience=10, min_delta=0.0):
        self.best_loss, self.best_state = math.inf, None
        self._watch = self._watching(patience, min_delta)
        next(self._watch)

    def _watching(self, patience, min_delta):
        waited, answer = 0, False
        while True:
            val_loss, model = yield answer
            if min_delta < self.best_loss - val_loss:
                self.best_loss, waited = val_loss, 0
                self.best_state = copy.deepcopy(model).state_dict()
            else:
                waited += 1
            answer = not waited < patience

    def step(self, val_loss, model):
        return self._watch.send((val_loss, model))


@dataclass
class _Data:
    patience: int = 10
    min_delta: float = 0.0
    best_loss: float = math.inf
    best_state: dict[str, torch.Tensor] | None = None
    left: deque[None] = field(init=False)

    def step(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss, self.left = val_loss, deque([None] * self.patience)
            self.best_state = OrderedDict((k, v + 0) for k, v in model.state_dict().items())
            return False
        if self.left:
            self.left.pop()
        return not self.left

    def __post_init__(self):
        self.left = deque(itertools.repeat(None, self.patience))


class _ThroughNumPy:
    """The last epochs in a short memory, the weights as arrays."""

    def __init__(self, patience=10, min_delta=0.0):
        self.best_loss, self._arrays = math.inf, None
        self._improved, self._min_delta = deque(maxlen=patience), min_delta

    @property
    def best_state(self):
        return self._arrays and {k: torch.from_numpy(v) for k, v in self._arrays.items()}

    def step(self, val_loss, model):
        self._improved.append(self.best_loss - val_loss > self._min_delta)
        if self._improved[-1]:
            self.best_loss = val_loss
            self._arrays = {k: v.numpy().copy() for k, v in model.state_dict().items()}
        return len(self._improved) == self._improved.maxlen and not any(self._improved)


ANSWER = Answer(
    exercise="EarlyStopping",
    cases=_cases,
    compare={"stop": _compare_stop, "best": _compare_best, "state": _compare_state},
    variants=(
        edit("        self.bad_epochs = 0\n\n", "        self.epoch = self.best_epoch = 0\n\n")
        .edit(ASK, "        self.epoch += 1\n" + ASK)
        .edit(BETTER, "val_loss + self.min_delta < self.best_loss")
        .edit(COPY, "{k: v.clone() for k, v in model.state_dict().items()}")
        .edit(RESET + WORSE, "            self.best_epoch = self.epoch\n")
        .edit("self.bad_epochs >= ", "self.epoch - self.best_epoch >= "),
        _KeepsBytes,
        _KeepsHistory,
        # Copies into tensors that are made once.
        edit(
            f"            self.best_state = {COPY}\n",
            """\
            state = model.state_dict()
            if self.best_state is None:
                self.best_state = {name: torch.empty_like(value) for name, value in state.items()}
            for name, value in state.items():
                self.best_state[name].copy_(value)
""",
        ),
        _Typed,
        _FromAGenerator,
        _Data,
        _ThroughNumPy,
    ),
    misconceptions=(
        wrong(
            "state by reference",
            edit(COPY, "model.state_dict()"),
            "state_dict() returns references to the live weights, so your best_state changes "
            "along with the model. Neither dict() nor detach().cpu() copies a tensor that is on the "
            "CPU: use copy.deepcopy, or clone each tensor.",
        ),
        wrong(
            "state by reference",
            edit(COPY, "dict(model.state_dict())"),
            "A copy of the dict still holds the same tensors: best_state changes along with the "
            "model. Copy the tensors too, with copy.deepcopy or clone.",
        ),
        wrong(
            "state by reference",
            edit(
                COPY, "{name: value.detach().cpu() for name, value in model.state_dict().items()}"
            ),
            "detach() cuts the graph and cpu() moves what is elsewhere; neither copies memory "
            "that is already on the CPU. best_state changes along with the model: clone each "
            "tensor.",
        ),
        wrong(
            "off by one",
            edit(">= self.patience", "> self.patience"),
            "You stop one epoch late: the counter has to reach patience, not pass it.",
        ),
        wrong(
            "off by one",
            edit("bad_epochs >=", "bad_epochs + 1 >="),
            "You stop one epoch early. The best epoch itself does not count; stop at the "
            "patience-th epoch after it if none of them improves.",
        ),
        wrong(
            "counter never reset",
            edit(RESET, ""),
            "You count all epochs without improvement. Patience is about epochs in a row: an "
            "improvement sets the counter back to 0.",
        ),
        wrong(
            "NaN accepted",
            edit(BETTER, "not val_loss >= self.best_loss - self.min_delta"),
            "Every comparison with NaN is False, so with `not (val_loss >= ...)` a NaN passes for "
            "an improvement and its ruined weights are kept. Put the question the other way "
            "round: val_loss < best_loss - min_delta.",
        ),
        wrong(
            "min_delta ignored",
            edit(BETTER, "val_loss < self.best_loss"),
            "You count any lower loss as an improvement. It has to be lower by more than "
            "min_delta.",
            also=("kept",),
        ),
        wrong(
            "min_delta with the wrong sign",
            edit(BETTER, "val_loss < self.best_loss + self.min_delta"),
            "You add min_delta where it should be subtracted: losses above the best one then "
            "count as improvements.",
        ),
        wrong(
            "a tie counts as an improvement",
            edit(BETTER, "val_loss <= self.best_loss - self.min_delta"),
            "You use <=. A loss that is lower by exactly min_delta (with 0: the same loss again) "
            "is not an improvement.",
        ),
        wrong(
            "compared with the previous epoch",
            edit("best_state = None", "best_state, self.previous = None, math.inf")
            .edit(RESET, "")
            .edit(
                WORSE,
                "        falls = val_loss < self.previous - self.min_delta\n"
                "        self.bad_epochs = 0 if falls else self.bad_epochs + 1\n"
                "        self.previous = val_loss\n",
            ),
            "Your counter looks one epoch back. A noisy curve often falls from one epoch to the "
            "next without ever getting back to its best: compare with best_loss.",
        ),
        wrong(
            "compared with the previous epoch",
            edit(RETURN, "        self.best_loss = val_loss\n" + RETURN),
            "Your best_loss follows every epoch, so you compare with the epoch before. Change it "
            "only when there is an improvement.",
        ),
        wrong(
            "best_loss moves without an improvement",
            edit(RETURN, "        self.best_loss = min(self.best_loss, val_loss)\n" + RETURN),
            "Your best_loss follows every lower loss, even one that is lower by less than "
            "min_delta. A slow but steady fall then never counts. Change it only together with "
            "best_state.",
        ),
        wrong(
            "whole model kept",
            edit(COPY, "copy.deepcopy(model)"),
            "Your best_state is a model. load_state_dict takes a state_dict: copy that.",
            also=("is_dict",),
        ),
        wrong(
            "buffers forgotten",
            edit(COPY, "{name: p.detach().clone() for name, p in model.named_parameters()}"),
            "You keep only the parameters. Batch norm's running averages are buffers, and they "
            "belong to the best epoch too: state_dict() has both.",
        ),
        wrong(
            "nothing returned when it goes on",
            edit("bad_epochs >= self.patience", "bad_epochs >= self.patience or None"),
            "step returns True to stop, and nothing at all otherwise. Return False then: the answer "
            "is a bool in every epoch.",
        ),
        wrong(
            "no infinity at first",
            _none_at_first.edit(BETTER, "self.best_loss is None or " + BETTER),
            "Before the first improvement best_loss is None, and whatever comes first is "
            "accepted, even a NaN. Start with infinity: every number is below it, and NaN is not.",
            also=("before",),
        ),
        wrong(
            "no infinity at first",
            _none_at_first.edit(
                "val_loss < self.best_loss",
                "val_loss < (math.inf if self.best_loss is None else self.best_loss)",
            ),
            "Before the first improvement best_loss is None. It should be infinity: every number "
            "is below it, so the first epoch needs no special case.",
            also=("before",),
        ),
        wrong(
            "model changed by step",
            edit(
                RETURN,
                "        if self.bad_epochs >= self.patience:\n            model.load_state_dict(self.best_state)\n"
                + RETURN,
            ),
            "Your step puts the best weights back into the model. It should only watch: the "
            "caller decides when to load best_state.",
        ),
        wrong(
            "best_state changes without an improvement",
            edit(
                ASK,
                f"        if val_loss < self.best_loss:\n            self.best_state = {COPY}\n"
                + ASK,
            ),
            "You keep the state of every lower loss, even of one that is lower by less than "
            "min_delta. best_state and best_loss belong together: change both, or neither.",
            also=("kept",),
        ),
        wrong(
            "model left in eval mode",
            edit(ASK, "        model.eval()\n" + ASK),
            "Your step calls model.eval(). It should only watch; as it is, training goes on in "
            "eval mode, without dropout and with batch norm's averages frozen.",
        ),
        wrong(
            "stopped at once by NaN",
            edit(ASK, "        if math.isnan(val_loss):\n            return True\n" + ASK),
            "You stop at the first NaN. It is an epoch without improvement like any other: it "
            "counts towards patience, and a later epoch may be better again.",
        ),
        wrong(
            "first epoch taken whatever it is",
            edit(BETTER, "self.best_state is None or " + BETTER),
            "You take the first epoch as the best one without looking at its loss, so a NaN gets "
            "in, and nothing is ever smaller than NaN. Infinity as the first best_loss is enough.",
        ),
        wrong(
            "patience ignored",
            edit("self.patience = patience", "self.patience = 10"),
            "You wait for ten epochs whatever patience says. Store the argument in __init__, and "
            "count up to it.",
        ),
        wrong(
            "True to go on",
            edit("bad_epochs >=", "bad_epochs <"),
            "Your step returns True as long as training should go on. It is the other way round: "
            "True means stop.",
        ),
        wrong(
            "higher taken for better",
            edit(BETTER, "val_loss > self.best_loss + self.min_delta"),
            "You wait for a loss that is higher than the best. A loss is better when it is lower.",
        ),
        wrong(
            "NaN does not count",
            edit(ASK, "        if math.isnan(val_loss):\n            return False\n" + ASK),
            "You pass over an epoch with NaN as if it had not happened. It is an epoch without "
            "improvement, and counts towards patience: a run that is nothing but NaN has to end.",
        ),
        wrong(
            "last state kept",
            edit(RETURN, f"        self.best_state = {COPY}\n" + RETURN),
            "You store the state in every epoch, so best_state is the last one. Store it only "
            "when the loss has improved.",
        ),
    ),
    symptoms=(
        Symptom(
            "other attributes at first",
            edit("        self.best_state = None\n", ""),
            "Before the first improvement best_loss is infinity and best_state is None: set both when the "
            "object is made.",
            lambda wrong, trials: any(t.got["before"] != t.expected["before"] for t in trials),
        ),
        Symptom(
            "step returns no bool",
            edit("self.bad_epochs >= self.patience", "0 + (self.bad_epochs >= self.patience)"),
            "step should return True or False in every epoch; yours returns something else.",
            lambda wrong, trials: any(t.got["not_bools"] for t in trials),
        ),
        Symptom(
            "another default for patience",
            edit("patience=10", "patience=11"),
            "With a patience that is given you stop in time, without one you do not: the default is 10.",
            lambda wrong, trials: (
                wrong == {"stop"}
                and all(
                    (t.case["patience"] is None)
                    == (t.got["epochs_made"] != t.expected["epochs_made"])
                    for t in trials
                    if "stop" in t.case["asks"]
                )
            ),
        ),
        Symptom(
            "best loss off",
            edit("            self.best_loss = val_loss\n", ""),
            "best_loss is not the loss of the last improvement. An epoch is an improvement when its loss is below "
            "best_loss - min_delta, and only then best_loss changes.",
            lambda wrong, trials: any(
                t.got.get("best_losses") != t.expected.get("best_losses") for t in trials
            ),
        ),
        Symptom(
            "never says stop",
            edit("self.bad_epochs += 1", "self.bad_epochs = 1"),
            "step never returns True, however long nothing improves. Count the epochs in a row without an "
            "improvement.",
            lambda wrong, trials: all(
                t.got["epochs_made"] == "never" for t in trials if t.case["patience"] != 1
            ),
        ),
        Symptom(
            "stops at the wrong epoch",
            edit("            self.bad_epochs = 0\n", "            self.bad_epochs = 1\n"),
            "best_loss is kept as it should be, but step says stop at the wrong epoch. It should say so at the "
            "patience-th epoch in a row without an improvement: count from 0, and start over with each "
            "improvement.",
            lambda wrong, trials: "stop" in wrong,
        ),
        Symptom(
            "another state kept",
            edit(COPY, "copy.deepcopy(model).half().double().state_dict()"),
            "It stops in time, but best_state does not hold the weights of the best epoch.",
            lambda wrong, trials: "state" in wrong and "stop" not in wrong,
        ),
    ),
)
