"""``checkpointing``, secret half. Long because it has 27 named mistakes and three other pairs
of functions."""

import io
import os
import random
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.support.resume import EPOCHS, checkpoint_case
from grading.answers.compare import in_own_words
from grading.answers.edit import Edit, edit
from grading.answers.model import Answer, wrong

WRITE = "    torch.save(checkpoint, path)\n"
READ = "    checkpoint = torch.load(path, weights_only=True)\n"
READ_ALL = "    checkpoint = torch.load(path, weights_only=False)\n"
LOAD_MODEL = '    model.load_state_dict(checkpoint["model"])\n'
LOAD_OPTIMIZER = '    optimizer.load_state_dict(checkpoint["optimizer"])\n'
LOAD_SCHEDULER = '    scheduler.load_state_dict(checkpoint["scheduler"])\n'
LOAD_RNG = '    torch.set_rng_state(checkpoint["rng_state"])\n'
RETURN = '    return checkpoint["epoch"] + 1\n'
MODULES = ("torch.nn.", "__main__.", "collections.OrderedDict.")


def _importing(module: str) -> Edit:
    return edit("def save_checkpoint", f"import {module}\n\n\ndef save_checkpoint")


def _cases(generator: torch.Generator) -> list[Case]:
    def case(about: str, n: int, sizes, batch_size: int, saved_after: int, **settings) -> Case:
        shape = {"n": n, "sizes": sizes, "batch_size": batch_size, "saved_after": saved_after}
        return checkpoint_case(generator, about, **shape, **settings)

    return [
        case("state", 13, (3, 5, 2), 5, 1, optimizer="adam"),
        case("state", 18, (4, 3, 5), 4, 3, optimizer="momentum", as_path=True),
        case("state", 11, (2, 6, 3), 6, 0, optimizer="adamw", dtype=torch.float32),
        case("schedule", 10, (2, 3, 4), 5, 2, scheduler="step"),
        case("schedule", 12, (3, 4, 2), 7, 3, scheduler="cosine", optimizer="adam", as_path=True),
        case("schedule", 10, (4, 2, 3), 4, 1, scheduler="plateau"),
        case("schedule", 8, (2, 4, 3), 3, 2, scheduler="lambda"),
        case("random", 17, (3, 6, 4), 4, 2, as_path=True),
        case("random", 15, (5, 4, 3), 6, 1),
        case("state", 10, (3, 4, 2), 4, 2, overwrite=True),
    ]


def _holds(*names: str, loads: bool):
    """Recognises a file in which torch.load(weights_only=True) stops at something from ``names``;
    ``loads`` is whether the learner's load_checkpoint opens it all the same."""

    def recognise(case: Case, got: Observation) -> bool:
        if (got.error is None) is not loads:
            return False
        if "opens" not in got.values:  # a scheduler that holds a lambda cannot even be saved whole
            return case["scheduler"] == "lambda" and "pickle" in got.error.message
        if got["opens"] or (got.error is not None and "UnpicklingError" not in got.error.type):
            return False
        return any(got["refused"].startswith(name) for name in names)

    return recognise


def _save_one_by_one(path, model, optimizer, scheduler, epoch):
    """Everything flat, and the number to start from rather than the last one."""
    torch.save(
        [
            dict(model.state_dict()),
            optimizer.state_dict(),
            scheduler.state_dict(),
            torch.random.get_rng_state(),
            epoch + 1,
        ],
        str(path),
    )


def _load_one_by_one(path, model, optimizer, scheduler):
    weights, moments, schedule, generator, start = torch.load(
        str(path), map_location="cpu", weights_only=True
    )
    scheduler.load_state_dict(schedule)
    optimizer.load_state_dict(moments)
    model.load_state_dict(weights, strict=True)
    torch.random.set_rng_state(generator)
    return start


def _save_to_open_file(path, model, optimizer, scheduler, epoch):
    rng = torch.default_generator.get_state()
    parts = {"m": model, "o": optimizer, "s": scheduler}
    state = {key: part.state_dict() for key, part in parts.items()}
    with open(path, "wb") as file:
        torch.save({**state, "rng": rng.tolist(), "next": torch.tensor(epoch + 1)}, file)


def _load_from_open_file(path, model, optimizer, scheduler):
    with open(path, "rb") as file:
        state = torch.load(file, weights_only=True)
    for key, part in {"m": model, "o": optimizer, "s": scheduler}.items():
        part.load_state_dict(state[key])
    torch.default_generator.set_state(torch.tensor(state["rng"], dtype=torch.uint8))
    return state["next"].item()


def _save_then_rename(path, model, optimizer, scheduler, epoch):
    """Written beside its place first: a crash while saving leaves the old file whole."""
    path = Path(path)
    part = path.with_suffix(".part")
    state = nn.ModuleDict({"net": model}).state_dict()
    with torch.random.fork_rng(devices=[]):
        rest = (optimizer.state_dict(), scheduler.state_dict(), torch.get_rng_state(), epoch)
        torch.save({"weights": state, "rest": rest}, part)
    part.replace(path)


def _load_renamed(path, model, optimizer, scheduler):
    state = torch.load(path, weights_only=True)
    nn.ModuleDict({"net": model}).load_state_dict(state["weights"])
    optimizer_state, scheduler_state, rng, epoch = state["rest"]
    optimizer.load_state_dict(optimizer_state)
    scheduler.load_state_dict(scheduler_state)
    torch.rand(3)  # whatever is drawn before the state is put back does not matter
    torch.set_rng_state(rng)
    return epoch + 1


def _save_from_a_comprehension(path, model, optimizer, scheduler, epoch):
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    state = {f"{name}_state": part.state_dict() for name, part in parts.items()}
    numbers = torch.cat([torch.tensor([epoch], dtype=torch.uint8), torch.get_rng_state()])
    torch.save(state | {"numbers": numbers}, Path(path))


def _load_by_name(path, model, optimizer, scheduler):
    state = torch.load(Path(path), weights_only=True)
    numbers = state.pop("numbers")
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    for name, values in state.items():
        parts[name.removesuffix("_state")].load_state_dict(values)
    torch.set_rng_state(numbers[1:].clone())
    return int(numbers[0]) + 1


class _Checkpoint:
    """Typed, with a buffer in memory between the state and the file."""

    @staticmethod
    def save(path: str | Path, model: nn.Module, optimizer, scheduler, epoch: int) -> None:
        buffer = io.BytesIO()
        dicts = [part.state_dict() for part in (model, optimizer, scheduler)]
        torch.save((dicts, torch.get_rng_state(), epoch), buffer)
        Path(path).write_bytes(buffer.getvalue())

    @staticmethod
    def load(path: str | Path, model: nn.Module, optimizer, scheduler) -> int:
        buffer = io.BytesIO(Path(path).read_bytes())
        dicts, random_state, epoch = torch.load(buffer, weights_only=True)
        for part, state in zip((model, optimizer, scheduler), dicts, strict=True):
            part.load_state_dict(state)
        torch.set_rng_state(random_state)
        return 1 + epoch


def _save_every_generator(path, model, optimizer, scheduler, epoch):
    """More than is asked for: Python's and NumPy's random states, too."""
    name, keys, *rest = np.random.get_state()
    torch.save(
        {
            "states": [part.state_dict() for part in (scheduler, optimizer, model)],
            "python": random.getstate(),
            "numpy": (name, keys.tolist(), *rest),
            "torch": torch.get_rng_state(),
            "done": range(epoch + 1).stop,
        },
        path,
    )


def _load_every_generator(path, model, optimizer, scheduler):
    match torch.load(path, weights_only=True, map_location=torch.device("cpu")):
        case {"states": states, "python": python, "numpy": arrays, "torch": own, "done": done}:
            for part in (model, optimizer, scheduler):
                part.load_state_dict(states.pop())
            random.setstate(python)
            np.random.set_state(arrays)
            torch.set_rng_state(own)
            return done


def _save_beside(path, model, optimizer, scheduler, epoch):
    """A temporary file in the same folder takes the place of the old one."""
    weights = OrderedDict((f"net.{name}", p.clone()) for name, p in model.state_dict().items())
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path) or ".", delete=False) as file:
        rest = {"o": optimizer.state_dict(), "s": scheduler.state_dict(), "at": (epoch,)}
        torch.save(rest | {"w": weights, "r": torch.get_rng_state()}, file)
    os.replace(file.name, path)


@torch.no_grad()
def _load_in_place(path, model, optimizer, scheduler):
    """The weights are copied one by one into those of the model."""
    state = torch.load(path, weights_only=True)
    for name, value in model.state_dict().items():
        value.copy_(state["w"][f"net.{name}"])
    optimizer.load_state_dict(state["o"])
    scheduler.load_state_dict(state["s"])
    torch.set_rng_state(state["r"])
    (epoch,) = state["at"]
    return epoch + 1


def _not_written(case: Case, expected: Observation, got: Observation) -> str | None:
    return None if got["written"] else "there is no file at path to continue from"


ANSWER = Answer(
    exercise="checkpointing",
    cases=_cases,
    compare={
        "schedule": in_own_words(_not_written, "rates"),
        "random": in_own_words(_not_written, "parameters", "continued"),
    },
    equivalent={
        "torch.load(path, weights_only=True) -> torch.load(path)": "It is PyTorch's default.",
        "True -> False": "What the file holds is asked for; how it is read then is free.",
    },
    variants=(
        (_save_one_by_one, _load_one_by_one),
        (_save_to_open_file, _load_from_open_file),
        (_save_then_rename, _load_renamed),
        (_save_from_a_comprehension, _load_by_name),
        (_Checkpoint.save, _Checkpoint.load),
        (_save_every_generator, _load_every_generator),
        (_save_beside, _load_in_place),
    ),
    misconceptions=(
        wrong(
            "optimizer forgotten",
            edit(LOAD_OPTIMIZER, ""),
            "The optimizer's state is not restored: its averages start over, and so does the "
            "learning rate, which lives in the optimizer and not in the scheduler.",
        ),
        wrong(
            "weights only",
            edit(LOAD_OPTIMIZER, "").edit(LOAD_SCHEDULER, "").edit(LOAD_RNG, ""),
            "Your file holds the weights and the epoch. Optimizer, scheduler and random generator "
            "have a state too, and without it a different run continues.",
        ),
        wrong(
            "only the learning rate of the optimizer",
            edit(
                LOAD_OPTIMIZER,
                '    optimizer.param_groups[0]["lr"] = checkpoint["optimizer"]["param_groups"][0]["lr"]\n',
            ),
            "You keep the learning rate, but the optimizer remembers more: Adam's two averages "
            "and step counts, momentum's velocities. Save the whole optimizer.state_dict().",
        ),
        wrong(
            "scheduler forgotten",
            edit(LOAD_SCHEDULER, ""),
            "The scheduler starts counting from the beginning again. The weights look right at "
            "first, but the learning rate no longer follows its plan. Save its state_dict() too.",
        ),
        wrong(
            "RNG forgotten",
            edit(LOAD_RNG, ""),
            "The state of PyTorch's random generator is not restored, so the batches come in a "
            "different order. DataLoader and dropout draw from it, not from Python's random module: "
            "use torch.get_rng_state() and set_rng_state.",
        ),
        wrong(
            "seed instead of the generator's state",
            edit(WRITE, WRITE + "    torch.manual_seed(epoch)\n").edit(
                LOAD_RNG, '    torch.manual_seed(checkpoint["epoch"])\n'
            ),
            "You set a seed when saving and again when loading. The two then agree, but saving "
            "has changed the run: one that never saves draws different numbers. Save the "
            "generator's state.",
        ),
        wrong(
            "RNG forgotten",
            _importing("random")
            .edit("torch.get_rng_state()", "random.getstate()")
            .edit("torch.set_rng_state(", "random.setstate("),
            "You keep the state of Python's random module. DataLoader and dropout draw from "
            "PyTorch's own generator: use torch.get_rng_state() and set_rng_state.",
        ),
        wrong(
            "epoch off by one",
            edit('["epoch"] + 1', '["epoch"]'),
            "You return the epoch that was finished, so it is trained a second time. The first "
            "one still to run is the one after it.",
        ),
        wrong(
            "next epoch is one too many",
            edit('["epoch"] + 1', '["epoch"] + 2'),
            "The epoch that you return is one too high, so an epoch is left out. If you add 1 "
            "both when saving and when loading, do it once.",
        ),
        wrong(
            "nothing returned",
            edit(RETURN, ""),
            "Everything is restored, but nothing is returned: return the first epoch still to run.",
        ),
        wrong(
            "kept in a variable, not in the file",
            edit("    checkpoint = {", "    global kept\n    kept = {")
            .edit(WRITE, '    torch.save({"epoch": epoch}, path)\n')
            .edit(READ, "    checkpoint = kept\n"),
            "What you load comes from a variable, not from the file at path. A variable is lost "
            "when the process crashes: write everything into the file, and read it from there.",
            # What was loaded is the run as it was saved last, elsewhere.
            recognise=lambda case, got: (
                got.error is None and got["written"] and got["returned"] == EPOCHS
            ),
        ),
        wrong(
            "an old file left in its place",
            _importing("os").edit(WRITE, "    if not os.path.exists(path):\n    " + WRITE),
            "Where a file is already there, you leave it. A run saves to the same path again and "
            "again: the new checkpoint has to replace the old one.",
        ),
        wrong(
            "path ignored",
            _importing("pathlib")
            .edit(WRITE, '    path = pathlib.Path(path).with_name("checkpoint.pt")\n' + WRITE)
            .edit(READ, '    path = pathlib.Path(path).with_name("checkpoint.pt")\n' + READ),
            "There is no file at path afterwards: whatever is saved goes elsewhere, or nothing is. Save to the "
            "path that you are given, and load from it.",
            recognise=lambda case, got: not got["written"],
        ),
        wrong(
            "scheduler and RNG forgotten",
            edit(LOAD_SCHEDULER, "").edit(LOAD_RNG, ""),
            "Weights and optimizer are restored; the scheduler's state and PyTorch's random state "
            "are not. So the learning rate leaves its plan, and the batches come in a different "
            "order.",
        ),
        wrong(
            "whole model pickled",
            edit('"model": model.state_dict()', '"model": model')
            .edit('checkpoint["model"]', 'checkpoint["model"].state_dict()')
            .edit(READ, READ_ALL),
            "Your file holds the model object itself. It cannot be loaded with weights_only=True, "
            "it can run arbitrary code when it is opened, and it breaks when the class moves or "
            "changes. Save model.state_dict().",
            recognise=_holds(*MODULES, loads=True),
        ),
        wrong(
            "whole optimizer pickled",
            edit('"optimizer": optimizer.state_dict()', '"optimizer": optimizer')
            .edit('checkpoint["optimizer"]', 'checkpoint["optimizer"].state_dict()')
            .edit(READ, READ_ALL),
            "Your file holds the optimizer object itself, with the model's parameters in it, and "
            "weights_only=True refuses it. Save optimizer.state_dict().",
            recognise=_holds("torch.optim.", loads=True),
        ),
        wrong(
            "whole optimizer pickled",
            edit('"optimizer": optimizer.state_dict()', '"optimizer": optimizer'),
            "Your file holds the optimizer or the scheduler itself, and "
            "torch.load(weights_only=True) refuses it. Save what its state_dict() returns.",
            recognise=_holds("torch.optim.", loads=False),
        ),
        wrong(
            "NumPy's state in the file",
            _importing("numpy")
            .edit('"epoch": epoch,', '"epoch": epoch,\n        "numpy": numpy.random.get_state(),')
            .edit(READ, READ_ALL + '    numpy.random.set_state(checkpoint["numpy"])\n'),
            "Your file holds a NumPy array, and weights_only=True refuses it. PyTorch's own "
            "random state, torch.get_rng_state(), is a tensor, and it is the one that matters "
            "here.",
            recognise=_holds("numpy.", loads=True),
        ),
        wrong(
            "whole model pickled",
            edit('"model": model.state_dict()', '"model": model'),
            "Your file holds the model object itself, and torch.load(weights_only=True) refuses "
            "it, for good reason: a pickled object can run code when it is opened. Save "
            "model.state_dict().",
            recognise=_holds(*MODULES, loads=False),
        ),
        wrong(
            "state_dict without its parentheses",
            edit("model.state_dict()", "model.state_dict"),
            "You save the method, model.state_dict, instead of what it returns. Call it: "
            "model.state_dict().",
            recognise=_holds("getattr", "builtins.getattr", "__builtin__.getattr", loads=False),
        ),
        wrong(
            "written with pickle",
            _importing("pickle")
            .edit(
                WRITE, '    with open(path, "wb") as file:\n        pickle.dump(checkpoint, file)\n'
            )
            .edit(
                READ, '    with open(path, "rb") as file:\n        checkpoint = pickle.load(file)\n'
            ),
            "You write the file with pickle yourself, and torch.load cannot read that safely. "
            "torch.save(dict, path) writes what torch.load(path, weights_only=True) opens.",
        ),
        wrong(
            "in two files",
            edit('        "rng_state": torch.get_rng_state(),\n', "")
            .edit(WRITE, WRITE + '    torch.save(torch.get_rng_state(), f"{path}.rng")\n')
            .edit('checkpoint["rng_state"]', 'torch.load(f"{path}.rng", weights_only=True)'),
            "Part of the run is in a second file. It is lost when the file at path is moved or "
            "copied: put everything into one dict.",
        ),
        *(
            wrong(
                "left in eval mode",
                edit(line, "    model.eval()\n" + line),
                "Saving or loading calls model.eval(), so the run goes on in eval mode. That is for a model that "
                "is only used from now on; this one goes on training: leave the mode as it is.",
            )
            for line in (WRITE, RETURN)  # of the mode, only that it has changed is known
        ),
        wrong(
            "the scheduler's count only",
            edit(LOAD_SCHEDULER, '    scheduler.last_epoch = checkpoint["epoch"] + 1\n'),
            "You put back the number of epochs that the scheduler has counted. A scheduler may "
            "remember more, such as its best loss: save and load its state_dict().",
        ),
        wrong(
            "scheduler stepped while loading",
            edit(
                RETURN,
                "    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau\n"
                "    scheduler.step(*[1.0] * isinstance(scheduler, plateau))\n" + RETURN,
            ),
            "After loading you step the scheduler once more, so the rate is one epoch ahead. "
            "load_state_dict has already put it where it was.",
        ),
        wrong(
            "loaded into a local name",
            edit("model.load_state_dict(", "model = (")
            .edit("optimizer.load_state_dict(", "optimizer = (")
            .edit("scheduler.load_state_dict(", "scheduler = ("),
            "You assign what was loaded to the names model, optimizer and scheduler. That changes "
            "three names inside the function and nothing outside: fill the objects themselves, "
            "with load_state_dict.",
        ),
        wrong(
            "buffers forgotten",
            edit(
                LOAD_MODEL,
                "    for name, p in model.named_parameters():\n"
                '        p.data.copy_(checkpoint["model"][name])\n',
            ),
            "You keep only the parameters. Batch norm's running averages are buffers: "
            "state_dict() has both.",
        ),
        wrong(
            "weights not restored",
            edit('    model.load_state_dict(checkpoint["model"])\n', ""),
            "The new model keeps its own weights. Load those of the file: model.load_state_dict(...).",
        ),
        wrong(
            "earlier epoch returned",
            edit('checkpoint["epoch"] + 1', 'checkpoint["epoch"] - 1'),
            "You return an epoch before the one that was saved. The next one to run is epoch + 1.",
        ),
    ),
)
