"""``Value``, public half."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type

#: A line of a program: what is computed, and from what. Lines are called by their numbers; "7.5"
#: after an operation is a plain number, on the side where it stands.
Line = tuple[str, Any] | tuple[str, Any, Any]


def program_case(
    *asks: str, lines: list[Line], backward: tuple[int, ...] = (), task: str = ""
) -> dict[str, Any]:
    """A case: ``lines`` are computed one after another, as ("value", 2.0), ("+", 0, 1), ("*", 0, 1.5),
    ("*", 1.5, 0) or ("tanh", 3), where an int names an earlier line and a float is a plain number.
    Then ``backward()`` is called on each of the lines in ``backward``. ``task`` names the case."""
    return {"asks": asks, "lines": lines, "backward": list(backward), "task": task}


def chain_case(start: float, factor: float, term: float, links: int) -> dict[str, Any]:
    """A case: from ``start`` on, times ``factor`` and plus ``term`` in turns, ``links`` operations."""
    chain = {"start": start, "factor": factor, "term": term, "links": links}
    return {"asks": ("deep",), "chain": chain, "task": "chain"}


def _observe(cls: Any, case: Case, notes: Notes) -> None:
    if "chain" in case:
        _observe_chain(cls, case["chain"], notes)
        return
    nodes: list[Any] = []
    for line in case["lines"]:
        nodes.append(_computed(cls, line, nodes))
    notes["data"] = [_number(node.data) for node in nodes]
    notes["before"] = [_number(node.grad) for node in nodes]
    for root in case["backward"]:
        nodes[root].backward()
    if case["backward"]:
        notes["grads"] = [_number(node.grad) for node in nodes]
        notes["data_after"] = [_number(node.data) for node in nodes]


def _observe_chain(cls: Any, chain: Mapping[str, float], notes: Notes) -> None:
    first = node = cls(chain["start"])
    for link in range(chain["links"]):
        node = node + chain["term"] if link % 2 else node * chain["factor"]
    node.backward()
    notes["grads"] = [_number(first.grad), _number(node.grad)]


def _computed(cls: Any, line: Line, nodes: list[Any]) -> Any:
    operation, *arguments = line
    if operation == "value":
        return cls(arguments[0])
    operands = [nodes[each] if isinstance(each, int) else each for each in arguments]
    if operation == "tanh":
        return operands[0].tanh()
    return operands[0] + operands[1] if operation == "+" else operands[0] * operands[1]


def _number(value: Any) -> Any:
    """An int is as good as a float; anything else stays what it is."""
    return float(value) if type(value) is int else value


def true_gradients(lines: list[Line], roots: tuple[int, ...] | list[int]) -> list[float]:
    """The derivatives of all ``roots``, added up, with respect to each line: forward differentiation,
    so that the check holds no solution."""
    return [sum(_derivative(lines, root, line) for root in roots) for line in range(len(lines))]


def _derivative(lines: list[Line], root: int, by: int) -> float:
    """How much line ``root`` changes per change of line ``by``."""
    values: list[float] = []
    slopes: list[float] = []
    for place, (operation, *arguments) in enumerate(lines):
        pairs = [
            (values[each], slopes[each]) if isinstance(each, int) else (each, 0.0)
            for each in (arguments if operation != "value" else map(float, arguments))
        ]
        (a, da), (b, db) = pairs[0], pairs[-1]
        match operation:
            case "value":
                value, slope = a, 0.0
            case "+":
                value, slope = a + b, da + db
            case "*":
                value, slope = a * b, da * b + a * db
            case _:
                value = math.tanh(a)
                slope = (1 - value**2) * da
        values.append(value)
        slopes.append(1.0 if place == by else slope)
    return slopes[root]


def _first_wrong(wanted: list[float], got: list[Any]) -> int | None:
    """The first place where the numbers differ."""
    for place, (a, b) in enumerate(zip(wanted, got, strict=True)):
        if not (isinstance(b, float) and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)):
            return place
    return None


_TEXTS = {
    "tree": "gradients: L = tanh(w * x + b) gives every value in it dL/d(value)",
    "numbers": "an expression with plain numbers in it has gradients, too",
    "twice": "a value that is used twice gets the sum of both gradients",
    "waits": "a value passes its gradient on once, when all of it has arrived",
    "again": "a second backward() adds the same gradients once more",
    "two losses": "two losses that share a value both add to its gradient",
}


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    if case["task"] == "chain":
        links = case["chain"]["links"]
        wanted = case["chain"]["factor"] ** (links / 2)
        got = observation["grads"][0]
        good = isinstance(got, float) and math.isclose(got, wanted, rel_tol=1e-6)
        text = f"a chain of {links:,} operations gets its gradient, too"
        yield Finding(good, text, f"expected {wanted:.5g}, yours is {_shown(got)}")
        return
    data, before = observation["data"], observation["before"]
    wanted = _forward(case["lines"])
    kinds = [value for value in (*data, *before) if not isinstance(value, float)]
    text = ".data and .grad are Python floats"
    yield Finding(not kinds, text, f"yours is {a_type(kinds[0])}" if kinds else "")
    if not kinds:
        yield Finding(not any(before), "every .grad is 0.0 before the first backward()")
    place = _first_wrong(wanted, data)
    got = ""
    if place is not None:
        what = _in_words(case["lines"], place)
        got = f"{what} is {wanted[place]:.4g}, yours is {_shown(data[place])}"
    yield Finding(place is None, "values: +, * and tanh compute the right .data", got)
    if not case["backward"]:
        return
    grads = observation["grads"]
    right = true_gradients(case["lines"], case["backward"])
    wrong = _first_wrong(right, grads)
    got = ""
    if wrong is not None:
        what = _in_words(case["lines"], wrong)
        got = f"that of {what} is {right[wrong]:.4g}, yours is {_shown(grads[wrong])}"
    yield Finding(wrong is None, _TEXTS.get(case["task"], _TEXTS["tree"]), got)
    yield Finding(observation["data_after"] == data, "backward() leaves every .data as it was")


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else a_type(value)


def _forward(lines: list[Line]) -> list[float]:
    values: list[float] = []
    for operation, *arguments in lines:
        if operation == "value":
            values.append(float(arguments[0]))
            continue
        known = [values[each] if isinstance(each, int) else each for each in arguments]
        a, b = known[0], known[-1]
        values.append({"+": a + b, "*": a * b, "tanh": math.tanh(a)}[operation])
    return values


def _in_words(lines: list[Line], place: int, depth: int = 0) -> str:
    """Line ``place`` as an expression of plain numbers: "tanh(2 * 0.5)"."""
    operation, *arguments = lines[place]
    if operation == "value":
        return f"Value({arguments[0]:.4g})"
    if depth == 3:
        return "..."
    parts = [
        _in_words(lines, each, depth + 1) if isinstance(each, int) else f"{each:.4g}"
        for each in arguments
    ]
    if operation == "tanh":
        return f"({parts[0]}).tanh()"
    return f"({parts[0]} {operation} {parts[1]})" if depth else f"{parts[0]} {operation} {parts[1]}"


def _public_cases() -> list[Case]:
    neuron: list[Line] = [
        ("value", 0.5),
        ("value", -1.5),
        ("value", 1.0),
        ("*", 0, 1),
        ("+", 3, 2),
        ("tanh", 4),
    ]
    numbers: list[Line] = [
        ("value", 2.0),
        ("*", 3.0, 0),
        ("+", 1, 0.5),
        ("+", 1.5, 2),
        ("*", 3, -2.0),
    ]
    twice: list[Line] = [("value", 3.0), ("*", 0, 0), ("+", 1, 0)]
    # Node 1 is used by 2 and by 3, and 2 by 3: node 1 must wait for both.
    waits: list[Line] = [("value", 0.4), ("*", 0, 2.0), ("tanh", 1), ("*", 1, 2), ("+", 3, 1)]
    losses: list[Line] = [("value", 0.5), ("*", 0, 3.0), ("value", 2.0), ("*", 0, 2)]
    return [
        program_case("forward", "gradients", lines=neuron, backward=(5,), task="tree"),
        program_case("forward", "gradients", lines=numbers, backward=(4,), task="numbers"),
        program_case("shared", lines=twice, backward=(2,), task="twice"),
        program_case("shared", lines=waits, backward=(4,), task="waits"),
        program_case("again", lines=losses, backward=(1, 3), task="two losses"),
        program_case("again", lines=neuron, backward=(5, 5), task="again"),
        chain_case(1.0, 1.0002, 0.001, 10_000),
    ]


EXERCISE = Exercise(
    name="Value",
    points=4,
    task="Autograd for single numbers.",
    aspects=(
        Aspect("forward", "+, * and tanh, also with plain numbers on either side", 1, ("data",)),
        Aspect(
            "gradients",
            "every value of an expression gets its gradient, the result itself 1",
            1,
            ("before", "grads", "data_after"),
        ),
        Aspect("shared", "a value that is used several times gets the sum", 1, ("grads",)),
        Aspect("again", "another backward() adds to the gradients that are there", 0.5, ("grads",)),
        Aspect("deep", "a chain of 10,000 operations works", 0.5, ("grads",)),
    ),
    hints=(
        "Let each result keep pairs (parent, slope): how much it changes per change of that parent. "
        "For a + b the slopes are 1 and 1, for a * b they are b.data and a.data, for t = tanh(a) it is "
        "1 - t**2. Then backward() does the same for every kind of operation.",
        "Two walks in backward(). First count how often each value is used on the way to the result. "
        "Then start with the result, whose gradient is 1: add to .grad, pass slope times gradient to "
        "each parent, and go on with a parent only when all of its uses have arrived. Keep what "
        "arrives in a dictionary of this call; .grad may hold something from before.",
    ),
    observe=_observe,
    fields=("data", "before", "grads", "data_after"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=("torch.tensor", "torch.as_tensor", "torch.autograd.backward", "torch.autograd.grad"),
)
