"""``best_learning_rate``, public half."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type


def rates_case(results: dict[float, list[float]], best: float | None = None) -> dict[str, Any]:
    """A case; ``best`` is the rate to choose, where the check is to know it."""
    diverged = [not all(map(math.isfinite, losses)) for losses in results.values()]
    return {
        "results": results,
        "best": best,
        "asks": ("refused",) if all(diverged) else ("diverged",) if any(diverged) else ("final",),
    }


def _observe(function: Any, case: Case, notes: Notes) -> None:
    results = case["results"]
    if "refused" in case["asks"]:
        notes["returned"], notes["refused"] = None, False
        try:
            returned = function(results)
            is_error = isinstance(returned, BaseException)
            notes["returned"] = f"{a_type(returned)} object" if is_error else returned
        except ValueError:
            notes["refused"] = True
    else:
        notes["returned"] = function(results)
    notes["results"] = results


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    return {} if "final" in case["asks"] else {"choice_among_stable_runs": observation["returned"]}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    got = observation["returned"]
    if "refused" in case["asks"]:
        yield Finding(observation["refused"], "ValueError is raised when every run diverged")
    else:
        # The public cases say which rate is best: no code that finds it is needed here.
        words = "a run with a NaN or an infinity anywhere in it is never chosen, any other may be"
        if "final" in case["asks"]:
            words = "the rate with the lowest final loss is chosen"
            text, yours = "the result is a learning rate, a float", f"yours is {a_type(got)}"
            yield Finding(type(got) is float, text, yours)
        right = type(got) is float and got == case["best"]
        yield Finding(right, words, f"the best rate here is {case['best']:g}; yours is {got!r:.20}")
    unchanged = repr(case["results"]) == repr(observation["results"])
    yield Finding(unchanged, "results is left as it was")


_NAN, _INF = math.nan, math.inf

EXERCISE = Exercise(
    name="best_learning_rate",
    points=2,
    task="Choose the learning rate with the lowest final loss among the runs that stayed finite.",
    aspects=(
        Aspect("final", "the rate with the lowest final loss wins", 1, ("returned",)),
        Aspect(
            "diverged",
            "diverged runs are left out, and results is unchanged",
            0.5,
            ("choice_among_stable_runs", "results"),
        ),
        Aspect("refused", "ValueError is raised when all runs diverged", 0.5, ("refused",)),
    ),
    hints=(
        "Two steps: first keep the runs in which every entry is finite, then choose among those. "
        "math.isfinite(value) is False for NaN and for both infinities.",
        "all(math.isfinite(value) for value in history) tests one history. Build a new dict of the "
        "runs that pass, raise ValueError if it is empty, and use min(..., key=...) over its "
        "rates with the last loss as the key.",
    ),
    observe=_observe,
    fields=("returned", "refused", "results"),
    facts=_facts,
    derived=("choice_among_stable_runs",),
    public_cases=lambda: [
        rates_case({0.3: [0.7, 0.1, 0.5], 0.01: [0.7, 0.6, 0.4], 0.001: [0.6, 0.55, 0.52]}, 0.01),
        rates_case({1.0: [0.7, 5e12], 0.1: [2e9, 0.0], 0.01: [0.7, 0.6]}, 0.1),
        rates_case(
            {
                10.0: [0.7, 90.0, _NAN],
                1.0: [0.6, _INF, 0.1],
                0.1: [0.7, 0.5, 0.2],
                0.01: [0.7, 0.6, 0.5],
            },
            0.1,
        ),
        rates_case({1.0: [0.7, _NAN], 3.0: [_INF, 0.2]}),
    ],
    properties=_properties,
)
