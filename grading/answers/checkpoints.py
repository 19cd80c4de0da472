"""Chapter 08's ``checkpointing``, secret half: pairs of functions that save and load.

A pair is made from parts: what goes into the file, and what comes out of it.
"""

import pickle
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn

from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.support.resume import EPOCHS, checkpoint_case
from grading.answers.model import Answer, Misconception

PARTS = ("model", "optimizer", "scheduler", "rng")


def _checkpoint_cases(generator: torch.Generator) -> list[Case]:
    def case(kind: str, **settings) -> Case:
        return checkpoint_case(generator, kind, **settings)

    return [
        case("plain", n=13, sizes=(3, 5, 2), batch_size=5, saved_after=1, optimizer="adam"),
        case(
            "plain",
            n=18,
            sizes=(4, 3, 5),
            batch_size=4,
            saved_after=3,
            optimizer="momentum",
            as_path=True,
        ),
        case(
            "plain",
            n=11,
            sizes=(2, 6, 3),
            batch_size=6,
            saved_after=0,
            optimizer="adamw",
            dtype=torch.float32,
        ),
        case("scheduled", n=10, sizes=(2, 3, 4), batch_size=5, saved_after=2, scheduler="step"),
        case(
            "scheduled",
            n=12,
            sizes=(3, 4, 2),
            batch_size=7,
            saved_after=3,
            scheduler="cosine",
            optimizer="adam",
            as_path=True,
        ),
        case("scheduled", n=10, sizes=(4, 2, 3), batch_size=4, saved_after=1, scheduler="plateau"),
        case("scheduled", n=8, sizes=(2, 4, 3), batch_size=3, saved_after=2, scheduler="lambda"),
        case("shuffled", n=17, sizes=(3, 6, 4), batch_size=4, saved_after=2, as_path=True),
        case("shuffled", n=15, sizes=(5, 4, 3), batch_size=6, saved_after=1),
    ]


def _pair(kept: tuple[str, ...] = PARTS, returned=lambda epoch: epoch + 1):
    """A pair that keeps only some of the parts."""

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        state = {"epoch": epoch}
        for name, part in (("model", model), ("optimizer", optimizer), ("scheduler", scheduler)):
            if name in kept:
                state[name] = part.state_dict()
        if "rng" in kept:
            state["rng"] = torch.get_rng_state()
        torch.save(state, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        state = torch.load(path, weights_only=True)
        for name, part in (("model", model), ("optimizer", optimizer), ("scheduler", scheduler)):
            if name in kept:
                part.load_state_dict(state[name])
        if "rng" in kept:
            torch.set_rng_state(state["rng"])
        return returned(state["epoch"])

    return save_checkpoint, load_checkpoint


def _without(*left_out: str):
    return _pair(tuple(part for part in PARTS if part not in left_out))


def _pickled_model(weights_only: bool):
    """The whole model in the file; everything else as it should be."""

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        state = {
            "model": model,
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "rng": torch.get_rng_state(),
            "epoch": epoch,
        }
        torch.save(state, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        state = torch.load(path, weights_only=weights_only)
        model.load_state_dict(state["model"].state_dict())
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["rng"])
        return state["epoch"] + 1

    return save_checkpoint, load_checkpoint


def _pickled_and_refused(part: str):
    def load_checkpoint(path, model, optimizer, scheduler):
        return torch.load(path, weights_only=True)["epoch"] + 1

    return _pickled(part)[0], load_checkpoint


def _method_pickled():
    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        _pair()[0](path, model, optimizer, scheduler, epoch)
        state = torch.load(path, weights_only=True)
        torch.save(state | {"model": model.state_dict}, path)

    return save_checkpoint, _pair()[1]


def _loaded_into_names():
    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        _pair()[0](path, model, optimizer, scheduler, epoch)

    def load_checkpoint(path, model, optimizer, scheduler):
        state = torch.load(path, weights_only=True)
        model, optimizer, scheduler = (state[name] for name in PARTS[:3])  # noqa: RUF059
        torch.set_rng_state(state["rng"])
        return state["epoch"] + 1

    return save_checkpoint, load_checkpoint


def _parameters_only():
    """Parameters by hand: batch norm's buffers stay behind."""
    save_rest, load_rest = _without("model")

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        save_rest(path, model, optimizer, scheduler, epoch)
        state = torch.load(path, weights_only=True)
        state["weights"] = [p.detach().clone() for p in model.parameters()]
        torch.save(state, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        state = torch.load(path, weights_only=True)
        with torch.no_grad():
            for p, saved in zip(model.parameters(), state["weights"], strict=True):
                p.copy_(saved)
        return load_rest(path, model, optimizer, scheduler)

    return save_checkpoint, load_checkpoint


def _seeded():
    save_rest, load_rest = _without("rng")

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        save_rest(path, model, optimizer, scheduler, epoch)
        torch.manual_seed(epoch)

    def load_checkpoint(path, model, optimizer, scheduler):
        epoch = load_rest(path, model, optimizer, scheduler)
        torch.manual_seed(epoch - 1)
        return epoch

    return save_checkpoint, load_checkpoint


def _rate_by_hand():
    """Saves the learning rate as a number, but nothing else of the optimizer."""
    save_rest, load_rest = _without("optimizer")

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        save_rest(path, model, optimizer, scheduler, epoch)
        state = torch.load(path, weights_only=True)
        state["lr"] = optimizer.param_groups[0]["lr"]
        torch.save(state, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        epoch = load_rest(path, model, optimizer, scheduler)
        optimizer.param_groups[0]["lr"] = torch.load(path, weights_only=True)["lr"]
        return epoch

    return save_checkpoint, load_checkpoint


def _other_generator():
    """Python's random state is kept instead of PyTorch's."""
    save_rest, load_rest = _without("rng")

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        save_rest(path, model, optimizer, scheduler, epoch)
        state = torch.load(path, weights_only=True)
        state["rng"] = random.getstate()
        torch.save(state, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        random.setstate(torch.load(path, weights_only=True)["rng"])
        return load_rest(path, model, optimizer, scheduler)

    return save_checkpoint, load_checkpoint


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


_MODULES = ("torch.nn.", "__main__.", "collections.OrderedDict.")


def _pickled(part: str):
    """One of the other objects whole in the file, and everything else as it should be."""
    save_rest, load_rest = _without(part)

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        save_rest(path, model, optimizer, scheduler, epoch)
        state = torch.load(path, weights_only=True)
        state["whole"] = {"optimizer": optimizer, "scheduler": scheduler}[part]
        torch.save(state, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        state = torch.load(path, weights_only=False)
        own = {"optimizer": optimizer, "scheduler": scheduler}[part]
        own.load_state_dict(state.pop("whole").state_dict())
        torch.save(state, path)
        return load_rest(path, model, optimizer, scheduler)

    return save_checkpoint, load_checkpoint


def _in_two_files():
    """The random state in a file of its own."""
    save_rest, load_rest = _without("rng")

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        save_rest(path, model, optimizer, scheduler, epoch)
        torch.save(torch.get_rng_state(), f"{path}.rng")

    def load_checkpoint(path, model, optimizer, scheduler):
        first_epoch = load_rest(path, model, optimizer, scheduler)
        torch.set_rng_state(torch.load(f"{path}.rng", weights_only=True))
        return first_epoch

    return save_checkpoint, load_checkpoint


def _in_eval_mode(saving: bool):
    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        if saving:
            model.eval()
        _pair()[0](path, model, optimizer, scheduler, epoch)

    def load_checkpoint(path, model, optimizer, scheduler):
        if not saving:
            model.eval()
        return _pair()[1](path, model, optimizer, scheduler)

    return save_checkpoint, load_checkpoint


def _scheduler_by(restore):
    """The scheduler brought to its place by hand: ``restore(scheduler, epoch)``."""
    save_rest, load_rest = _without("scheduler")

    def load_checkpoint(path, model, optimizer, scheduler):
        first_epoch = load_rest(path, model, optimizer, scheduler)
        restore(scheduler, first_epoch)
        return first_epoch

    return save_rest, load_checkpoint


def _count_only(scheduler, epoch):
    scheduler.last_epoch = epoch


def _stepped_on_loading():
    def load_checkpoint(path, model, optimizer, scheduler):
        first_epoch = _pair()[1](path, model, optimizer, scheduler)
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(1.0)
        else:
            scheduler.step()
        return first_epoch

    return _pair()[0], load_checkpoint


def _by_pickle():
    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        _pair()[0](path, model, optimizer, scheduler, epoch)
        state = torch.load(path, weights_only=True)
        with open(path, "wb") as file:
            pickle.dump(state, file)

    def load_checkpoint(path, model, optimizer, scheduler):
        with open(path, "rb") as file:
            state = pickle.load(file)
        torch.save(state, path)
        return _pair()[1](path, model, optimizer, scheduler)

    return save_checkpoint, load_checkpoint


def _numpys_state_too():
    """Right but for NumPy's random state, which weights_only=True refuses."""

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        _pair()[0](path, model, optimizer, scheduler, epoch)
        state = torch.load(path, weights_only=True)
        torch.save(state | {"numpy": np.random.get_state()}, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        state = torch.load(path, weights_only=False)
        np.random.set_state(state.pop("numpy"))
        torch.save(state, path)
        return _pair()[1](path, model, optimizer, scheduler)

    return save_checkpoint, load_checkpoint


def _in_a_variable():
    """Nothing in the file: the state stays in the process that is going to crash."""
    kept = {}

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        kept.update({name: part.state_dict() for name, part in parts.items()})
        kept.update(rng=torch.get_rng_state(), epoch=epoch)
        torch.save({"epoch": epoch}, path)

    def load_checkpoint(path, model, optimizer, scheduler):
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        scheduler.load_state_dict(kept["scheduler"])
        torch.set_rng_state(kept["rng"])
        return kept["epoch"] + 1

    return save_checkpoint, load_checkpoint


def _under_a_name_of_its_own():
    """Always the same file, whatever path says."""

    def own(path):
        return Path(path).with_name("checkpoint.pt")

    def save_checkpoint(path, model, optimizer, scheduler, epoch):
        _pair()[0](own(path), model, optimizer, scheduler, epoch)

    def load_checkpoint(path, model, optimizer, scheduler):
        return _pair()[1](own(path), model, optimizer, scheduler)

    return save_checkpoint, load_checkpoint


def _the_later_run(case: Case, got: Observation) -> bool:
    """What was loaded is the run as it was saved last, elsewhere."""
    return (
        got.error is None
        and got["written"]
        and got["returned"] == EPOCHS
        and got["returned"] != case["saved_after"] + 1
    )


# Right, written differently.


def _one_by_one():
    def save_several_keys(path, model, optimizer, scheduler, epoch):
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

    def load_several_keys(path, model, optimizer, scheduler):
        weights, moments, schedule, generator, start = torch.load(
            str(path), map_location="cpu", weights_only=True
        )
        scheduler.load_state_dict(schedule)
        optimizer.load_state_dict(moments)
        model.load_state_dict(weights, strict=True)
        torch.random.set_rng_state(generator)
        return start

    return save_several_keys, load_several_keys


def _through_open_files():
    def save_to_open_file(path, model, optimizer, scheduler, epoch):
        rng = torch.default_generator.get_state()
        parts = {"m": model, "o": optimizer, "s": scheduler}
        state = {key: part.state_dict() for key, part in parts.items()}
        with open(path, "wb") as file:
            torch.save({**state, "rng": rng.tolist(), "next": torch.tensor(epoch + 1)}, file)

    def load_from_open_file(path, model, optimizer, scheduler):
        with open(path, "rb") as file:
            state = torch.load(file, weights_only=True)
        for key, part in {"m": model, "o": optimizer, "s": scheduler}.items():
            part.load_state_dict(state[key])
        torch.default_generator.set_state(torch.tensor(state["rng"], dtype=torch.uint8))
        return state["next"].item()

    return save_to_open_file, load_from_open_file


def _in_two_steps():
    def save_then_rename(path, model, optimizer, scheduler, epoch):
        """Written beside its place first: a crash while saving leaves the old file whole."""
        from pathlib import Path

        path = Path(path)
        part = path.with_suffix(".part")
        state = nn.ModuleDict({"net": model}).state_dict()
        with torch.random.fork_rng(devices=[]):
            rest = (optimizer.state_dict(), scheduler.state_dict(), torch.get_rng_state(), epoch)
            torch.save({"weights": state, "rest": rest}, part)
        part.replace(path)

    def load_renamed(path, model, optimizer, scheduler):
        state = torch.load(path, weights_only=True)
        nn.ModuleDict({"net": model}).load_state_dict(state["weights"])
        optimizer_state, scheduler_state, rng, epoch = state["rest"]
        optimizer.load_state_dict(optimizer_state)
        scheduler.load_state_dict(scheduler_state)
        torch.rand(3)  # whatever is drawn before the state is put back does not matter
        torch.set_rng_state(rng)
        return epoch + 1

    return save_then_rename, load_renamed


CHECKPOINTING = Answer(
    exercise="checkpointing",
    cases=_checkpoint_cases,
    variants=(_one_by_one(), _through_open_files(), _in_two_steps()),
    misconceptions=(
        Misconception(
            "optimizer forgotten",
            _without("optimizer"),
            "The optimizer's state is not restored: its averages start from nothing, and so does "
            "the learning rate, which lives in the optimizer and not in the scheduler.",
        ),
        Misconception(
            "weights only",
            _without("optimizer", "scheduler", "rng"),
            "Your file holds the weights and the epoch. Optimizer, scheduler and random generator "
            "have a state too, and without it another run goes on.",
        ),
        Misconception(
            "only the learning rate of the optimizer",
            _rate_by_hand(),
            "You keep the learning rate, but the optimizer remembers more: Adam's two averages "
            "and step counts, momentum's velocities. Save optimizer.state_dict() whole.",
        ),
        Misconception(
            "scheduler forgotten",
            _without("scheduler"),
            "The scheduler starts to count from the beginning. The weights look right at first, "
            "but the learning rate no longer follows its plan. Save its state_dict() too.",
        ),
        Misconception(
            "RNG forgotten",
            _without("rng"),
            "The state of PyTorch's random generator is not restored, so the batches come in "
            "another order than they would have: torch.get_rng_state() and set_rng_state.",
        ),
        Misconception(
            "seed instead of the generator's state",
            _seeded(),
            "You set a seed when saving and again when loading. The two then agree, but saving "
            "has changed the run: one that never saves draws other numbers. Save the state.",
        ),
        Misconception(
            "RNG forgotten",
            _other_generator(),
            "You keep the state of Python's random module. DataLoader and dropout draw from "
            "PyTorch's own generator: torch.get_rng_state() and set_rng_state.",
        ),
        Misconception(
            "epoch off by one",
            _pair(returned=lambda epoch: epoch),
            "You return the epoch that was finished, so it is trained a second time. The first "
            "one still to run is the next.",
        ),
        Misconception(
            "next epoch is one too many",
            _pair(returned=lambda epoch: epoch + 2),
            "You return one epoch too many, so an epoch is left out. If you add 1 both when saving "
            "and when loading, do it once.",
        ),
        Misconception(
            "nothing returned",
            _pair(returned=lambda epoch: None),
            "Everything is restored, and nothing comes back: return the first epoch still to run.",
        ),
        Misconception(
            "kept in a variable, not in the file",
            _in_a_variable(),
            "What you load comes from a variable, not from the file at path. A variable is gone with "
            "the process that crashed: write everything into the file, and read it from there.",
            recognise=_the_later_run,
        ),
        Misconception(
            "path ignored",
            _under_a_name_of_its_own(),
            "There is no file at path afterwards: you write to a name of your own. Save to the path "
            "that comes in, and load from it.",
            recognise=lambda case, got: not got["written"],
        ),
        Misconception(
            "scheduler and RNG forgotten",
            _without("scheduler", "rng"),
            "Weights and optimizer are restored; the scheduler's state and PyTorch's random state "
            "are not. So the learning rate leaves its plan, and the batches come in another order.",
        ),
        Misconception(
            "whole model pickled",
            _pickled_model(weights_only=False),
            "Your file holds the model object itself. It cannot be loaded with weights_only=True, "
            "it can run foreign code when it is opened, and it breaks when the class moves or "
            "changes. Save model.state_dict().",
            recognise=_holds(*_MODULES, loads=True),
        ),
        Misconception(
            "whole optimizer pickled",
            _pickled("optimizer"),
            "Your file holds the optimizer object itself, with the model's parameters in it, and "
            "weights_only=True refuses it. Save optimizer.state_dict().",
            recognise=_holds("torch.optim.", loads=True),
        ),
        Misconception(
            "whole optimizer pickled",
            _pickled_and_refused("optimizer"),
            "Your file holds the optimizer or the scheduler itself, and torch.load(weights_only="
            "True) refuses it. Save what its state_dict() gives.",
            recognise=_holds("torch.optim.", loads=False),
        ),
        Misconception(
            "NumPy's state in the file",
            _numpys_state_too(),
            "Your file holds a NumPy array, and weights_only=True refuses it. PyTorch's own random "
            "state, torch.get_rng_state(), is a tensor, and it is the one that counts here.",
            recognise=_holds("numpy.", loads=True),
        ),
        Misconception(
            "whole model pickled",
            _pickled_model(weights_only=True),
            "Your file holds the model object itself, and torch.load(weights_only=True) refuses "
            "it, for good reason: a pickled object can run code when it is opened. Save "
            "model.state_dict().",
            recognise=_holds(*_MODULES, loads=False),
        ),
        Misconception(
            "state_dict without its parentheses",
            _method_pickled(),
            "You save the method, model.state_dict, instead of what it gives. Call it: "
            "model.state_dict().",
            recognise=_holds("getattr", "builtins.getattr", "__builtin__.getattr", loads=False),
        ),
        Misconception(
            "written with pickle",
            _by_pickle(),
            "You write the file with pickle yourself, and torch.load cannot read that safely. "
            "torch.save(dict, path) writes what torch.load(path, weights_only=True) opens.",
        ),
        Misconception(
            "in two files",
            _in_two_files(),
            "Part of the run is in a second file. Whoever moves or copies the file at path loses "
            "it: put everything into one dict.",
        ),
        Misconception(
            "left in eval mode",
            _in_eval_mode(saving=True),
            "Saving calls model.eval(), and the run goes on in eval mode. A checkpoint needs no "
            "mode: leave it as it is.",
        ),
        Misconception(
            "left in eval mode",
            _in_eval_mode(saving=False),
            "Loading calls model.eval(). That is for a model that is used from now on; this run "
            "trains on, so leave the mode as it is.",
        ),
        Misconception(
            "the scheduler's count only",
            _scheduler_by(_count_only),
            "You put back the number of epochs that the scheduler has counted. A scheduler may "
            "remember more, such as its best loss: save and load its state_dict().",
        ),
        Misconception(
            "scheduler stepped while loading",
            _stepped_on_loading(),
            "After loading you step the scheduler once more, so the rate is one epoch ahead. "
            "load_state_dict has put it where it was.",
        ),
        Misconception(
            "loaded into a local name",
            _loaded_into_names(),
            "You assign what was loaded to the names model, optimizer and scheduler. That changes "
            "three names inside the function and nothing outside: fill the objects themselves, "
            "with load_state_dict.",
        ),
        Misconception(
            "buffers forgotten",
            _parameters_only(),
            "You keep the parameters only. Batch norm's running averages are buffers: "
            "state_dict() has both.",
        ),
    ),
)
