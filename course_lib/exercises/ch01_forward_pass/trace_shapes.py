"""``trace_shapes``, public half."""

from collections.abc import Iterator
from typing import Any

from course_lib.exercises.ch01_forward_pass.leaf_models import PLAIN, hooks_on, leaf_model
from course_lib.exercises.ch01_forward_pass.results import seen
from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import in_short


def trace_case(model: str, sizes: list[int], n: int, training: bool = True) -> dict[str, Any]:
    """A case: a model that ``leaf_model`` builds with ``sizes``, and a batch of ``n`` examples."""
    listed = ("names", "shapes") if model in PLAIN else ("order",)
    return {
        "model": model,
        "sizes": sizes,
        "n": n,
        "training": training,
        # How a model is left shows on the others: a single layer has no containers to hook.
        "asks": listed if model == "leaf" else (*listed, "clean"),
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model, x = leaf_model(case["model"], case["sizes"], case["n"])
    model.train(case["training"])
    calls: list[int] = []
    # A hook that was there before: it must still be there afterwards.
    list(model.modules())[-1].register_forward_hook(lambda *_: calls.append(hooks_on(model)))
    before = hooks_on(model)
    notes["trace"] = _as_tuples(function(model, x))
    notes["older_hook_ran_inside"] = len(calls)
    notes["hooks_inside"] = max(calls, default=before) - before
    notes["hooks_left"] = hooks_on(model) - before
    notes["modes"] = [module.training for module in model.modules()]
    calls.clear()
    model(x)
    notes["older_hook_runs"] = len(calls)


def _facts(case: Case, observation: Observation) -> dict[str, Any]:
    """Names and shapes apart, None where the list is not made of pairs; and whether the model ran, for
    hooks or a list: on a single layer forward() skips the older hook."""
    trace = observation["trace"]
    paired = isinstance(trace, list) and all(isinstance(e, tuple) and len(e) == 2 for e in trace)
    ran = observation["older_hook_ran_inside"] > 0 or case["model"] == "leaf"
    return {
        "names": [name for name, _ in trace] if paired else None,
        "shapes": [shape for _, shape in trace] if paired else None,
        "has_run": ran and (observation["hooks_inside"] > 0 or bool(trace)),
    }


def _as_tuples(trace: Any) -> Any:
    """``torch.Size`` and lists inside the list are as good as tuples."""
    if not isinstance(trace, list):
        return trace
    return [
        (pair[0], tuple(pair[1]) if isinstance(pair[1], tuple | list) else pair[1])
        if isinstance(pair, tuple | list) and len(pair) == 2
        else pair
        for pair in trace
    ]


def _public_cases() -> list[Case]:
    cases = (
        (
            trace_case("nested", [3, 5, 4, 2], 7),
            [("0", (7, 5)), ("1.0", (7, 5)), ("1.1", (7, 4)), ("2", (7, 2))],
            "the nested model's four leaves are listed, and no containers",
        ),
        (
            trace_case("backwards", [3, 5, 2], 4, training=False),
            [("second", (4, 5)), ("activation", (4, 5)), ("first", (4, 2))],
            "modules are listed in the order they run, not the order they were registered",
        ),
        (
            trace_case("repeated", [4, 3, 2], 6),
            [("a", (6, 3)), ("relu", (6, 3)), ("b", (6, 3)), ("relu", (6, 3)), ("c", (6, 2))],
            "a module that runs twice is listed twice, once for each run; one that never runs is not",
        ),
        (
            trace_case("shared", [3, 2], 4),
            [
                ("blocks.0.norm", (4, 3)),
                ("blocks.0.activation", (4, 3)),
                ("blocks.0.linear", (4, 3)),
                ("blocks.1.norm", (4, 3)),
                ("blocks.0.activation", (4, 3)),
                ("blocks.1.linear", (4, 3)),
                ("head", (4, 2)),
            ],
            "a module that sits in two places is listed under its first name, once for each run",
        ),
        (
            trace_case("leaf", [3, 2], 5),
            [("", (5, 2))],
            'a model that is itself a leaf has the name ""',
        ),
    )
    return [case | {"expected": expected, "text": text} for case, expected, text in cases]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    trace = observation["trace"]
    is_list = isinstance(trace, list)
    yield Finding(is_list, "the result is a list of (name, shape) pairs", seen(trace))
    listed = f"yours lists {_entries(trace)}" if is_list else seen(trace)
    if is_list and "expected" in case:
        yield Finding(trace == case["expected"], case["text"], listed)
    if "expected" not in case or case["model"] != "leaf":  # there it would say the same again
        text = "the model runs on x, and what runs is listed"
        yield Finding(observation["has_run"], text, listed)
    left = observation["hooks_left"]
    still = "1 is" if left == 1 else f"{left} are"
    yield Finding(left <= 0, "your hooks are gone afterwards", f"{still} still there")
    runs = observation["older_hook_runs"] > 0
    yield Finding(runs, "a hook that somebody else registered is still there")
    modes = all(mode == case["training"] for mode in observation["modes"])
    yield Finding(modes, "train or eval mode is unchanged")


def _entries(trace: list[Any]) -> str:
    more = ", ..." if len(trace) > 7 else ""
    return ", ".join(map(_entry, trace[:7])) + more or "nothing"


def _entry(entry: Any) -> str:
    if not isinstance(entry, tuple):
        return in_short(entry)
    if len(entry) == 2 and isinstance(entry[1], tuple):
        return f"{in_short(entry[0])} [{', '.join(map(in_short, entry[1]))}]"
    return f"({', '.join(map(in_short, entry))})"


EXERCISE = Exercise(
    name="trace_shapes",
    points=3,
    task="List a model's leaf modules in the order they run, with their output shapes.",
    aspects=(
        Aspect("names", "the leaves are listed, each by its name", 0.5, ("names",)),
        Aspect("shapes", "beside each is the shape of its output", 0.5, ("shapes",)),
        Aspect(
            "order",
            "the order is that of execution, even for unusual models",
            1,
            ("trace",),
        ),
        Aspect(
            "clean",
            "the model runs, and is left unchanged",
            1,
            ("has_run", "hooks_left", "older_hook_runs", "modes"),
        ),
    ),
    hints=(
        "Three parts: register a hook on every leaf of model.named_modules() and keep the handles; "
        "run model(x) once; remove all handles. Each hook appends one pair to a list.",
        "A leaf has no children: list(module.children()) is empty. A hook is called as "
        "hook(module, inputs, output) and does not know its module's name: create it in a small "
        "function that takes the name, or give it a default argument name=name.",
    ),
    observe=_observe,
    fields=(
        "trace",
        "older_hook_ran_inside",
        "hooks_inside",
        "hooks_left",
        "modes",
        "older_hook_runs",
    ),
    facts=_facts,
    derived=("names", "shapes", "has_run"),
    public_cases=_public_cases,
    properties=_properties,
)
