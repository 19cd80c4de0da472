"""``Value``, public half. Long because the check differentiates the programs of its cases itself."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type

#: A line of a program: what is computed, and from what. Lines are called by their numbers; "7.5"
#: after an operation is a plain number, on the side where it stands.
Line = tuple[str, Any] | tuple[str, Any, Any]


def program_case(*asks: str, lines: list[Line], backward: tuple[int, ...] = ()) -> dict[str, Any]:
    """A case: ``lines`` are computed one after another, as ("value", 2.0), ("+", 0, 1), ("*", 0, 1.5),
    ("*", 1.5, 0) or ("tanh", 3), where an int names an earlier line and a float is a plain number.
    Then ``backward()`` is called on each of the lines in ``backward``."""
    return {"asks": asks, "lines": lines, "backward": list(backward)}


def chain_case(start: float, term: float, links: int) -> dict[str, Any]:
    """A case: from ``start`` on, ``links`` times plus ``term``."""
    return {"asks": ("deep",), "chain": {"start": start, "term": term, "links": links}}


#: Where the gains of these cases are noted: they are compared with one another.
_GAINS = {"numbers": "with_numbers", "again": "rounds"}


def _observe(cls: Any, case: Case, notes: Notes) -> None:
    if "chain" in case:
        first = node = cls(case["chain"]["start"])
        for _ in range(case["chain"]["links"]):
            node = node + cls(case["chain"]["term"])
        notes["start_gains"] = _gained([first, node], node)[0]
        return
    nodes = _program(cls, case["lines"])
    notes["data"] = [_number(node.data) for node in nodes]
    notes["before"] = [_number(node.grad) for node in nodes]
    gains: list[list[Any]] = []
    field = next((_GAINS[name] for name in case["asks"] if name in _GAINS), "gains")
    notes[field] = gains
    for root in case["backward"]:
        gains.append(_gained(nodes, nodes[root]))
    if case["backward"]:
        notes["data_after"] = [_number(node.data) for node in nodes]
    if "numbers" in case["asks"]:
        with_values = _program(cls, case["lines"], as_values=True)
        notes["with_values"] = [
            _gained(with_values, with_values[root]) for root in case["backward"]
        ]


def _gained(nodes: list[Any], root: Any) -> list[Any]:
    """By how much backward() from ``root`` changes the gradients; anything but a number is left as it is."""
    before = [_number(node.grad) for node in nodes]
    root.backward()
    after = [_number(node.grad) for node in nodes]
    return [
        b - a if isinstance(a, float) and isinstance(b, float) else b
        for a, b in zip(before, after, strict=True)
    ]


def _program(cls: Any, lines: list[Line], as_values: bool = False) -> list[Any]:
    """The results of the lines; ``as_values``: with each plain number made a value first."""
    nodes: list[Any] = []
    for operation, *arguments in lines:
        if operation == "value":
            nodes.append(cls(arguments[0]))
            continue
        operands = [
            nodes[each] if isinstance(each, int) else cls(each) if as_values else each
            for each in arguments
        ]
        a, b = operands[0], operands[-1]
        if operation == "tanh":
            nodes.append(a.tanh())
        else:
            nodes.append(a + b if operation == "+" else a * b)
    return nodes


def _number(value: Any) -> Any:
    """An int is as good as a float, and so is NumPy's float, which is one; anything else stays what
    it is."""
    return float(value) if type(value) is int or isinstance(value, float) else value


def true_gradients(lines: list[Line], roots: tuple[int, ...] | list[int]) -> list[float]:
    """The derivatives of all ``roots``, added up, with respect to each line: forward differentiation,
    so that the check holds no solution."""
    return [
        sum(_values_and_slopes(lines, line)[1][root] for root in roots)
        for line in range(len(lines))
    ]


def _values_and_slopes(lines: list[Line], by: int) -> tuple[list[float], list[float]]:
    """Of each line: its number, and how much that changes per change of line ``by``."""
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
    return values, slopes


def _first_wrong(wanted: list[float], got: list[Any]) -> int | None:
    """The first place where the numbers differ."""
    for place, (a, b) in enumerate(zip(wanted, got, strict=True)):
        if not (isinstance(b, float) and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)):
            return place
    return None


_VALUES = {
    "forward": "values: +, * and tanh compute the right .data",
    "numbers": "a plain number on either side of + and * gives the right .data",
}
_TEXTS = {
    "gradients": "after backward(), every value in sums and products holds dL/d(value) in .grad",
    "tanh": "gradients of tanh: t = tanh(a) gives a the gradient 1 - t**2 times its own",
    "numbers": "a plain number has the same effect on gradients as a Value of it",
    "shared": "a value that is used twice gets the sum of both gradients",
    "waits": "where paths of different lengths meet, all of the gradient is passed on, and once",
    "again": "another backward() adds the same gradients once more",
}


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """What the gains say: whether a backward() adds as much when it is called again, and something at
    all; whether plain numbers have the effect that Values of them have; and whether the start of a
    long chain got something."""
    if "chain" in case:
        return {"reaches_start": _is_about(observation["start_gains"], 1.0)}
    facts: dict[str, Any] = {"data_kept": observation.get("data_after") == observation["data"]}
    if "again" in case["asks"]:
        first, *_, last = observation["rounds"]
        facts["adds_again"] = all(map(_is_about, last, first)) and any(
            not _is_about(gain, 0.0)
            for (operation, *_), gain in zip(case["lines"], first, strict=True)
            if operation == "value"
        )
    if "numbers" in case["asks"]:
        pairs = zip(observation["with_numbers"], observation["with_values"], strict=True)
        facts["numbers_like_values"] = all(all(map(_is_about, a, b)) for a, b in pairs)
    return facts


def _is_about(got: Any, wanted: Any) -> bool:
    return (
        isinstance(got, float)
        and isinstance(wanted, float)
        and math.isclose(wanted, got, rel_tol=1e-6, abs_tol=1e-9)
    )


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    if "chain" in case:
        text = f"a chain of {case['chain']['links']:,} operations gets its gradient, too"
        got = f"that is 1 here, yours is {_shown(observation['start_gains'])}"
        yield Finding(observation["reaches_start"], text, got)
        return
    data, before, asks = observation["data"], observation["before"], case["asks"]
    kinds = [value for value in (*data, *before) if not isinstance(value, float)]
    text = ".data and .grad are Python floats"
    yield Finding(not kinds, text, f"yours is {a_type(kinds[0])}" if kinds else "")
    for name, text in _VALUES.items():
        if name in asks:
            wanted, _ = _values_and_slopes(case["lines"], by=0)
            place = _first_wrong(wanted, data)
            got = ""
            if place is not None:
                what = _in_words(case["lines"], place)
                got = f"{what} is {wanted[place]:.4g}, yours is {_shown(data[place])}"
            yield Finding(place is None, text, got)
    if "forward" in asks and not kinds:
        yield Finding(not any(before), "every .grad is 0.0 before the first backward()")
    if not case["backward"]:
        return
    if "again" in asks:
        yield Finding(observation["adds_again"], _TEXTS["again"])
    elif "numbers" in asks:
        yield Finding(observation["numbers_like_values"], _TEXTS["numbers"])
    else:
        right = true_gradients(case["lines"], case["backward"])
        grads = [_total(column) for column in zip(*observation["gains"], strict=True)]
        wrong = _first_wrong(right, grads)
        got = ""
        if wrong is not None:
            what = _in_words(case["lines"], wrong)
            got = f"that of {what} is {right[wrong]:.4g}, yours is {_shown(grads[wrong])}"
        text = next(_TEXTS[name] for name in asks if name in _TEXTS)
        yield Finding(wrong is None, text, got)
    yield Finding(observation["data_kept"], "backward() leaves every .data as it was")


def _total(gains: tuple[Any, ...]) -> Any:
    """The sum of what a value gained; if something in it is not a number, the first such thing."""
    others = [gain for gain in gains if not isinstance(gain, float)]
    return others[0] if others else sum(gains)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else a_type(value)


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
    twice: list[Line] = [("value", 3.0), ("+", 0, 0), ("value", 2.0), ("+", 1, 2)]
    square: list[Line] = [("value", 3.0), ("*", 0, 0)]
    # Line 2 is used by 3 and by 4, and 3 by 4: it must wait for both.
    waits: list[Line] = [
        ("value", 0.4),
        ("value", 2.0),
        ("+", 0, 1),
        ("+", 2, 0),
        ("+", 3, 2),
        ("+", 4, 2),
    ]
    losses: list[Line] = [("value", 0.5), ("+", 0, 0), ("value", 2.0), ("*", 0, 2)]
    deeper: list[Line] = [("value", 0.5), ("tanh", 0), ("tanh", 1)]
    return [
        program_case("forward", "gradients", lines=neuron[:5], backward=(4,)),
        program_case("forward", "tanh", lines=deeper, backward=(2,)),
        program_case("numbers", lines=numbers, backward=(4,)),
        program_case("shared", lines=twice, backward=(3,)),
        program_case("shared", lines=square, backward=(1,)),
        program_case("waits", lines=waits, backward=(5,)),
        program_case("again", lines=neuron, backward=(5, 5)),
        program_case("again", lines=losses, backward=(1, 3, 1)),
        chain_case(1.0, 0.001, 10_000),
    ]


EXERCISE = Exercise(
    name="Value",
    points=4,
    task="Autograd for single numbers.",
    aspects=(
        Aspect(
            "forward", "+, * and tanh of Values; .grad is 0.0 at first", 0.5, ("data", "before")
        ),
        Aspect(
            "numbers",
            "a plain number on either side is as good as a Value",
            0.5,
            ("data", "numbers_like_values"),
        ),
        Aspect(
            "gradients",
            "sums and products pass gradients on, and the result's own is 1",
            0.5,
            ("gains", "data_kept"),
        ),
        Aspect("tanh", "tanh passes its gradient on, times its slope", 0.5, ("gains", "data_kept")),
        Aspect("shared", "a value that is used several times gets the sum", 0.5, ("gains",)),
        Aspect(
            "waits",
            "a value passes its gradient on once, when all of it has arrived",
            0.5,
            ("gains",),
        ),
        Aspect(
            "again", "another backward() adds to the gradients that are there", 0.5, ("adds_again",)
        ),
        Aspect("deep", "a chain of 10,000 operations works", 0.5, ("reaches_start",)),
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
    fields=(
        "data",
        "before",
        "gains",
        "rounds",
        "with_numbers",
        "with_values",
        "start_gains",
        "data_after",
    ),
    facts=_facts,
    derived=("adds_again", "numbers_like_values", "reaches_start", "data_kept"),
    public_cases=_public_cases,
    properties=_properties,
    forbidden=("torch.tensor", "torch.as_tensor", "torch.autograd.backward", "torch.autograd.grad"),
)
