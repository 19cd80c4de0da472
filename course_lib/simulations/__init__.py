"""The simulations by name. ``load("zero_grad")`` imports one; listing them imports none."""

from importlib import import_module

from course_lib.simulations.base import Simulation

#: Name (also the module's name) and class, in the order of the chapters.
SIMULATIONS: dict[str, str] = {
    "run_gone_wrong": "RunGoneWrong",
    "shape_tracker": "ShapeTracker",
    "loss_landscape": "LossLandscape",
    "gradient_flow": "GradientFlow",
    "graph_walker": "GraphWalker",
    "optimizer_race": "OptimizerRace",
    "zero_grad": "ZeroGrad",
    "beat_sequencer": "BeatSequencer",
    "shuffling": "Shuffling",
    "gradient_noise": "GradientNoise",
    "dashboard": "Dashboard",
    "lr_schedules": "LrSchedules",
    "crash_and_resume": "CrashAndResume",
    "early_stopping": "EarlyStopping",
    "number_formats": "NumberFormats",
    "loss_scaling": "LossScaling",
    "bug_clinic": "BugClinic",
}


def load(name: str) -> Simulation:
    """The simulation called ``name``. Raises ``LookupError``, listing all, if there is none."""
    if name not in SIMULATIONS:
        known = ", ".join(SIMULATIONS)
        raise LookupError(f"no simulation called {name!r}. Known simulations: {known}.")
    module = import_module(f"course_lib.simulations.{name}")
    return getattr(module, SIMULATIONS[name])()
