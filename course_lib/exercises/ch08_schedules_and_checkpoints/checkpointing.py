"""``checkpointing``, public half: a run is saved, crashes and is resumed from its file.

The file lies in a temporary folder that is removed at once. Nothing here unpickles it: it is only
ever opened with ``torch.load(..., weights_only=True)``.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError  # the error alone: nothing here unpickles
from typing import Any

import torch
from torch import nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.support.loop_watch import buffers_of, parameters_of
from course_lib.exercises.support.numbers import same_numbers
from course_lib.exercises.support.resume import EPOCHS, Run, checkpoint_case, uninterrupted


def _observe(functions: Any, case: Case, notes: Notes) -> None:
    """Train, save, train on, save elsewhere; then resume from the first file in a "new process"."""
    save_checkpoint, load_checkpoint = functions
    saved_after = case["saved_after"]
    rest = EPOCHS - saved_after - 1
    with tempfile.TemporaryDirectory() as folder:
        # Two files: what is remembered anywhere but in the file belongs to the later one.
        first, second = (Path(folder, name) for name in ("run.pt", "later.pt"))
        path = first if case["as_path"] else str(first)
        run = Run(case)
        if case["overwrite"]:
            save_checkpoint(path, *run.parts, 0)
        run.train(saved_after + 1)
        modes = _modes_of(run.model)
        save_checkpoint(path, *run.parts, saved_after)
        modes_kept = modes == _modes_of(run.model)
        others = [other for other in Path(folder).iterdir() if other != first]
        notes["written"] = first.is_file()
        notes["opens"], notes["refused"] = _opens(first)
        run.train(rest)
        continued = parameters_of(run.model)
        later = second if case["as_path"] else str(second)
        save_checkpoint(later, *run.parts, EPOCHS - 1)

        resumed = Run(case, fresh=True)
        modes = _modes_of(resumed.model)
        try:
            notes["returned"] = load_checkpoint(path, *resumed.parts)
        except UnpicklingError as error:
            # torch.load's own words advise to switch weights_only off.
            if notes.values["refused"]:
                error.args = (_refusal(notes.values["refused"]),)
            raise
        notes["loaded"] = [parameters_of(resumed.model), buffers_of(resumed.model)]
        notes["modes_kept"] = modes_kept and modes == _modes_of(resumed.model)
        # As many epochs as are left, whatever was returned: a wrong number has its own aspect.
        resumed.train(rest)
        notes["in_one_file"] = not others or _loads_without(others, load_checkpoint, path, case)
    if "schedule" in case["asks"]:
        notes["rates"] = resumed.rates
        return
    notes["continued"] = continued
    notes["parameters"] = parameters_of(resumed.model)
    notes["buffers"] = buffers_of(resumed.model)
    notes["orders"] = resumed.orders


def _modes_of(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def _loads_without(others: list[Path], load_checkpoint: Any, path: Any, case: Case) -> bool:
    """Whether the file at ``path`` is enough: the others that saving left there are taken away."""
    for other in others:
        other.unlink()
    try:
        load_checkpoint(path, *Run(case, fresh=True).parts)
    except Exception:
        return False
    return True


def _what_stops(refused: str) -> str:
    """``refused`` names an object with a dot in it, or the type of the error."""
    return f"it refuses {_named(refused)}" if "." in refused else f"it raises {refused}"


def _named(refused: str) -> str:
    """An object of the file in words, where its own name says nothing to a learner."""
    if not refused.startswith("numpy."):
        return refused
    kinds = {
        "scalar": "a NumPy number",
        "_reconstruct": "a NumPy array",
        "ndarray": "a NumPy array",
    }
    return kinds.get(refused.rpartition(".")[2], "a NumPy object")


def _refusal(refused: str) -> str:
    if "." not in refused:
        return (
            "torch.load with weights_only=True cannot read the file. Write it with torch.save, "
            "and put only tensors and plain data in it."
        )
    return (
        f"torch.load with weights_only=True refuses {_named(refused)} in the file: it reads tensors and "
        "plain data only. Save what state_dict() returns, not the object itself."
    )


#: How the refusal of torch.load(weights_only=True) names what it found.
_GLOBAL = re.compile(r"GLOBAL (\S+)")


def _opens(path: Path) -> tuple[bool, str]:
    """Whether the file opens without unpickling; if not, the name of what was refused in it, or
    the type of the error where it names nothing."""
    try:
        torch.load(path, weights_only=True)
    except Exception as error:
        found = _GLOBAL.search(str(error))
        return False, found[1] if found else type(error).__name__
    return True, ""


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    yield Finding(observation["written"], "save_checkpoint writes a file at path")
    yield Finding(
        observation["opens"],
        "torch.load(path, weights_only=True) opens the file",
        _what_stops(observation["refused"]) if observation["written"] else "there is no such file",
    )
    if not observation["written"]:
        return
    wanted, got = case["saved_after"] + 1, observation["returned"]
    yield Finding(
        type(got) is int and got == wanted,
        "load_checkpoint returns the first epoch still to run",
        f"saved after epoch {case['saved_after']}, so that is {wanted}; yours is {got!r:.40}",
    )
    straight = uninterrupted(case)
    if "schedule" in case["asks"]:
        rates = [f"{rate:.3g}" for rate in straight["rates"]]
        own = [f"{rate:.3g}" if type(rate) is float else "?" for rate in observation["rates"]]
        yield Finding(
            same_numbers(straight["rates"], observation["rates"]),
            "after loading, the learning rate continues on its schedule",
            f"the rates are {', '.join(rates)}; yours are {', '.join(own)}",
        )
        return
    parameters, buffers = observation["loaded"]
    text = "after loading, the model has the weights that were saved"
    yield Finding(same_numbers(straight["saved"], parameters), text)
    if "state" in case["asks"]:
        text = "after loading, the model has the buffers that were saved (batch norm's averages)"
        yield Finding(same_numbers(straight["saved_buffers"], buffers), text)
        yield Finding(
            same_numbers(straight["parameters"], observation["parameters"]),
            "the next steps are those of a run that was never interrupted",
            "the same batches in the same order move the weights differently",
        )
    else:
        text = "the shuffling continues: the same order of batches as without an interruption"
        yield Finding(straight["orders"] == observation["orders"], text)
    text = "saving changes nothing: the run goes on afterwards as if it had not been saved"
    yield Finding(same_numbers(straight["parameters"], observation["continued"]), text)
    text = "saving and loading leave train or eval mode as they find it"
    yield Finding(observation["modes_kept"], text)
    text = "everything is in the file at path, not in a second one"
    yield Finding(observation["in_one_file"], text)


def _public_case(seed: int, about: str, saved_after: int, **settings: Any) -> Case:
    generator = torch.Generator().manual_seed(seed)
    settings = {"n": 14, "sizes": (3, 5, 2), "batch_size": 5, "saved_after": saved_after} | settings
    return checkpoint_case(generator, about, **settings)


EXERCISE = Exercise(
    name="checkpointing",
    points=4,
    task="Save a run to a file; load it so that training goes on as if nothing had happened.",
    aspects=(
        Aspect(
            "state",
            "weights, buffers and the optimizer's memory continue exactly",
            1,
            ("parameters", "buffers", "continued"),
        ),
        Aspect("schedule", "the learning rate continues on its schedule", 1, ("rates",)),
        Aspect(
            "random",
            "shuffling and dropout continue as in a run that never saved",
            1,
            ("parameters", "continued"),
        ),
        Aspect(
            "file",
            "everything is in one file that opens safely; loading returns the next epoch",
            1,
            ("opens", "in_one_file", "modes_kept", "returned"),
        ),
    ),
    hints=(
        "Five things make a run what it is at the end of an epoch: the model's state, the "
        "optimizer's, the scheduler's, the number of the epoch, and the state of PyTorch's random "
        "generator. Put them into one dict under names of your own, and save that dict.",
        "Three of the five have state_dict() and load_state_dict(). The random state is "
        "torch.get_rng_state(), a tensor; torch.set_rng_state(tensor) puts it back, and that is "
        "best done last. The number that load returns is one more than the one you saved.",
    ),
    observe=_observe,
    fields=(
        "written",
        "opens",
        "refused",
        "returned",
        "loaded",
        "modes_kept",
        "in_one_file",
        "rates",
        "continued",
        "parameters",
        "buffers",
        "orders",
    ),
    public_cases=lambda: [
        _public_case(80, "state", 1, optimizer="adam"),
        _public_case(81, "schedule", 2, scheduler="step", as_path=True),
        # This one remembers more than the number of the epoch.
        _public_case(82, "schedule", 3, scheduler="plateau"),
        _public_case(83, "random", 1),
        _public_case(84, "state", 2, overwrite=True),
    ],
    properties=_properties,
    subjects=("save_checkpoint", "load_checkpoint"),
)
