"""The simulations by name. ``load("zero_grad")`` imports one; listing them imports none.

What is loaded computes in PyTorch's known state and draws in the house style, whatever the learner's
own cells have set.
"""

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
    "attention_map": "AttentionMap",
    "data_parallel": "DataParallel",
    "policy_gradient": "PolicyGradient",
}


def load(name: str) -> Simulation:
    """The simulation called ``name``. Raises ``LookupError``, listing all, if there is none."""
    if name not in SIMULATIONS:
        known = ", ".join(SIMULATIONS)
        raise LookupError(f"no simulation called {name!r}. Known simulations: {known}.")
    from course_lib.known_state import known_state  # it imports torch
    from course_lib.style import house_style

    with known_state():  # a module may make tensors
        simulation = getattr(import_module(f"course_lib.simulations.{name}"), SIMULATIONS[name])()
    for method in ("compute", "step", "adjust", "update", "describe"):
        if hasattr(simulation, method):
            setattr(simulation, method, known_state()(getattr(simulation, method)))
    simulation.layout = house_style()(known_state()(simulation.layout))
    return simulation
