"""``Value``, secret half. Long because it has 38 named mistakes, of which several are other algorithms."""

import heapq
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from graphlib import TopologicalSorter
from typing import ClassVar

import numpy as np
import torch

from course_lib.exercises.ch10_the_same_loop.Value import (
    Line,
    chain_case,
    program_case,
    true_gradients,
)
from course_lib.exercises.checking.model import Case, Observation
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

OTHER = "        other = other if isinstance(other, Value) else Value(other)\n"
ADD, MUL = "    def __add__(self, other):\n", "    def __mul__(self, other):\n"
OPERATIONS = (("sum", "plus", "+", ADD), ("product", "times", "*", MUL))
#: A solution that is named after a known mistake has to have these in common with it.
_mistake = partial(wrong, also=("data", "gains", "rounds", "with_numbers"))


def _cases(generator: torch.Generator) -> list[Case]:
    def number(low: float = -1.6, high: float = 1.6) -> float:
        """Away from 0 and from 1, where different mistakes look alike."""
        while True:
            drawn = low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64)
            if abs(drawn) > 0.2 and abs(abs(drawn) - 1) > 0.1:
                return round(drawn.item(), 3)

    def values(count: int) -> list[Line]:
        return [("value", number()) for _ in range(count)]

    def case(asks: str, *lines: Line) -> Case:
        return program_case(asks, lines=[*lines], backward=(len(lines) - 1,))

    def sums(*pairs: tuple[int, int]) -> list[Line]:
        return [*values(2), *(("+", *pair) for pair in pairs)]

    # In sums alone, so that a wrong slope is asked for elsewhere.
    diamond = sums((0, 1))
    for _ in range(size(generator, 2, 3)):
        last = len(diamond) - 1
        diamond += [("+", last, 0), ("+", last, last + 1), ("+", last + 2, 1)]
    # The long way round is made first, or last: no order of walking may be lucky.
    late = sums((0, 1), (2, 1), (3, 1), (4, 0), (5, 2), (6, 4))
    early = sums((0, 1), (2, 2), (3, 1), (2, 4), (5, 3))
    neuron: list[Line] = [*values(5), ("*", 0, 1), ("*", 2, 3), ("+", 5, 6), ("+", 7, 4)]
    mixed: list[Line] = [*values(1), ("*", 0, 0), ("tanh", 1), ("*", 2, 1), ("+", 3, 0)]
    ints: list[Line] = [("value", size(generator, 2, 5)), ("value", number()), ("*", 0, 1)]
    return [
        program_case("forward", lines=sums((0, 1))),
        program_case("forward", lines=[*values(2), ("*", 0, 1)]),
        program_case("forward", lines=[*values(2), ("+", 0, 1), ("*", 2, 0), ("tanh", 3)]),
        program_case("forward", lines=ints),
        case("numbers", *values(1), ("+", 0, number())),
        case("numbers", *values(1), ("*", 0, number())),
        case("numbers", *values(1), ("+", number(), 0), ("*", number(), 1), ("+", 2, 0)),
        case("gradients", *sums((0, 1))),
        case("gradients", *values(2), ("*", 0, 1)),
        case("gradients", *neuron),
        # Not everything leads to the result, and what does not gets nothing.
        case("gradients", *values(3), ("*", 0, 1), ("*", 1, 2), ("*", 3, 2)),
        case("tanh", *values(1), ("tanh", 0)),
        case("tanh", *values(1), ("tanh", 0), ("tanh", 1)),
        case("shared", *values(1), ("+", 0, 0)),
        case("shared", *values(1), ("*", 0, 0)),
        case("shared", *sums((0, 1), (2, 0))),
        case("waits", *diamond),
        case("waits", *late),
        case("waits", *early),
        program_case("again", lines=mixed, backward=(4, 3, 4)),
        program_case("again", lines=neuron, backward=(8, 8, 8)),
        chain_case(number(0.3, 0.9), number(), 10_000),
    ]


def _data(value):
    return value.data if hasattr(value, "data") else value


class _NumberedValue:
    """Every value has a number, and none is made before its parents: the youngest goes first."""

    numbers = itertools.count()

    def __init__(self, data, edges=()):
        self.data, self.grad, self.edges = float(data), 0.0, list(edges)
        self.number = next(_NumberedValue.numbers)

    def _edges(self, other, slope, other_slope):
        edges = [(self, slope)]
        return [*edges, (other, other_slope)] if isinstance(other, _NumberedValue) else edges

    def __add__(self, other):
        return type(self)(self.data + _data(other), self._edges(other, 1.0, 1.0))

    def __mul__(self, other):
        edges = self._edges(other, _data(other), self.data)
        return type(self)(self.data * _data(other), edges)

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self):
        e = math.exp(2 * self.data)
        value = (e - 1) / (e + 1)
        return type(self)(value, [(self, (1 - value) * (1 + value))])

    def backward(self):
        waiting, arrived = [(-self.number, self)], {self.number: 1.0}
        while waiting:
            _, node = heapq.heappop(waiting)
            gradient = arrived.pop(node.number)
            node.grad += gradient
            for parent, slope in node.edges:
                if parent.number not in arrived:
                    heapq.heappush(waiting, (-parent.number, parent))
                    arrived[parent.number] = 0.0
                arrived[parent.number] += gradient * slope


class _SortedValue:
    """The order comes from the standard library, the slopes from closures."""

    def __init__(self, data):
        self.data, self.grad = float(data), 0.0
        self.inputs, self.pull = (), lambda gradient: ()

    @classmethod
    def _made(cls, data, inputs, pull):
        result = cls(data)
        result.inputs, result.pull = inputs, pull
        return result

    def __add__(self, other):
        other = other if isinstance(other, _SortedValue) else _SortedValue(other)
        return self._made(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        other = other if isinstance(other, _SortedValue) else _SortedValue(other)
        a, b = self.data, other.data
        return self._made(a * b, (self, other), lambda g: (g * b, g * a))

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self):
        t = math.tanh(self.data)
        return self._made(t, (self,), lambda g: (g - g * t * t,))

    def backward(self):
        graph, left = {}, [self]
        while left:
            node = left.pop()
            if node not in graph:
                graph[node] = set(node.inputs)
                left.extend(node.inputs)
        flow = dict.fromkeys(graph, 0.0)
        flow[self] = 1.0
        for node in reversed(tuple(TopologicalSorter(graph).static_order())):
            node.grad += flow[node]
            for parent, gradient in zip(node.inputs, node.pull(flow[node]), strict=True):
                flow[parent] += gradient


class _DepthFirstValue:
    """A walk in depth with a stack of its own, and gradients kept by id."""

    __slots__ = ("data", "grad", "made_from")

    def __init__(self, data: float, made_from: tuple = ()) -> None:
        self.data: float = float(data)
        self.grad: float = 0.0
        self.made_from = made_from

    def __add__(self, other) -> "_DepthFirstValue":
        right = other if isinstance(other, type(self)) else type(self)(other)
        return type(self)(self.data + right.data, (self, 1.0, right, 1.0))

    def __mul__(self, other) -> "_DepthFirstValue":
        right = other if isinstance(other, type(self)) else type(self)(other)
        return type(self)(self.data * right.data, (self, right.data, right, self.data))

    def __radd__(self, other) -> "_DepthFirstValue":
        return self.__add__(other)

    def __rmul__(self, other) -> "_DepthFirstValue":
        return self.__mul__(other)

    def tanh(self) -> "_DepthFirstValue":
        t = math.tanh(self.data)
        return type(self)(t, (self, 1 - t**2))

    def backward(self) -> None:
        post, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                post.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((parent, False) for parent in node.made_from[::2])
        here = {id(node): 0.0 for node in post}
        here[id(self)] = 1.0
        while post:
            node = post.pop()
            node.grad += here[id(node)]
            for parent, slope in zip(node.made_from[::2], node.made_from[1::2], strict=True):
                here[id(parent)] += slope * here[id(node)]


class _ClosureValue:
    """As in micrograd: each result knows how to pass its gradient on; a fresh one for each call."""

    def __init__(self, data, inputs=()):
        self.data, self.grad, self._inputs = data, 0.0, inputs
        self._pass_on = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, _ClosureValue) else type(self)(other)
        out = type(self)(self.data + other.data, (self, other))

        def pass_on():
            self._fresh += out._fresh
            other._fresh += out._fresh

        out._pass_on = pass_on
        return out

    def __mul__(self, other):
        other = other if isinstance(other, _ClosureValue) else type(self)(other)
        out = type(self)(self.data * other.data, (self, other))

        def pass_on():
            self._fresh += other.data * out._fresh
            other._fresh += self.data * out._fresh

        out._pass_on = pass_on
        return out

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self):
        t = math.tanh(self.data)
        out = type(self)(t, (self,))

        def pass_on():
            self._fresh += (1 - t**2) * out._fresh

        out._pass_on = pass_on
        return out

    def order(self):
        """This value and all that it was computed from, each after its inputs."""
        order, seen, path = [], {self}, [(self, iter(self._inputs))]
        while path:
            left = (each for each in path[-1][1] if each not in seen)
            if (found := next(left, None)) is not None:
                seen.add(found)
                path.append((found, iter(found._inputs)))
            else:
                order.append(path.pop()[0])
        return order

    def backward(self):
        order = self.order()
        for node in order:
            node._fresh = float(node is self)
        for node in reversed(order):
            node._pass_on()
            node.grad += node._fresh


@dataclass(eq=False)
class _TapeValue:
    """A tape of all operations, which backward() reads from its place back."""

    data: float
    edges: tuple[tuple["_TapeValue", float], ...] = ()
    grad: float = field(default=0.0, init=False)
    tape: ClassVar[list["_TapeValue"]] = []

    def __post_init__(self) -> None:
        self.place = len(self.tape)
        self.tape.append(self)

    def __add__(self, other: "_TapeValue | float") -> "_TapeValue":
        match other:
            case _TapeValue(data=number):
                return _TapeValue(self.data + number, ((self, 1.0), (other, 1.0)))
        return _TapeValue(self.data + other, ((self, 1.0),))

    def __mul__(self, other: "_TapeValue | float") -> "_TapeValue":
        match other:
            case _TapeValue(data=number):
                return _TapeValue(self.data * number, ((self, number), (other, self.data)))
        return _TapeValue(self.data * other, ((self, other),))

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self) -> "_TapeValue":
        t = np.tanh(self.data)
        return _TapeValue(t, ((self, (1 - t) * (1 + t)),))

    def backward(self) -> None:
        flow = Counter({self.place: 1.0})
        for node in self.tape[self.place :: -1]:
            if node.place in flow:
                node.grad += flow[node.place]
                for source, slope in node.edges:
                    flow[source.place] += slope * flow[node.place]


class _RecursiveValue(_ClosureValue):
    """Right, but every operation is a call inside a call."""

    def order(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent in node._inputs:
                    visit(parent)
                order.append(node)

        visit(self)
        return order


class _ChainSafeMicroValue(_ClosureValue):
    """Walks without recursion, but gradients travel through ``.grad``."""

    _fresh = property(lambda self: self.grad, lambda self, number: setattr(self, "grad", number))

    def backward(self):
        self.grad = 1.0
        for node in reversed(self.order()):
            node._pass_on()


class _MicroValue(_ChainSafeMicroValue):
    """The famous hundred lines: a recursive sort, and gradients that travel through ``.grad``."""

    order = _RecursiveValue.order


class _SharedData(_NumberedValue):
    """Keeps its number where all can write."""

    shared = 0.0

    @property
    def data(self):
        return _SharedData.shared

    @data.setter
    def data(self, number):
        _SharedData.shared = number


def _operations(case: Case) -> set[str]:
    return {operation for operation, *_ in case.get("lines", ()) if operation != "value"}


def _raises_with(operation: str, case: Case, got: Observation) -> bool:
    """Whether an error is raised where ``operation`` occurs, and only there."""
    occurs = operation == "+" if "chain" in case else operation in _operations(case)
    return occurs == (got.error is not None)


def _computes_wrongly(operation: str, case: Case, got: Observation) -> bool:
    """Whether ``operation`` is wrong where it occurs, and the others are right, given what they got."""
    data, wrong = got.get("data", ()), set()
    for (each, *arguments), value in zip(case.get("lines", ()), data, strict=False):
        if each == "value":
            continue
        known = [data[i] if isinstance(i, int) else i for i in arguments]
        a, b = known[0], known[-1]
        right = {"+": a + b, "*": a * b, "tanh": math.tanh(a)}[each]
        if not math.isclose(right, value, rel_tol=1e-6):
            wrong.add(each)
    return wrong == {operation} & _operations(case)


def _passes_on_wrongly(operation: str, case: Case, got: Observation) -> bool:
    """Whether the gradients of one ``operation`` alone are wrong, and those of any other are right;
    the values and the result's own gradient are right in both."""
    if got.error is not None:
        return False
    if {"gradients", "tanh"}.isdisjoint(case["asks"]) or len(_operations(case)) != 1:
        return True
    *gains, own = got["gains"][0]
    right = true_gradients(case["lines"], case["backward"])[:-1]
    wrong = not all(
        isinstance(a, float) and math.isclose(a, b, rel_tol=1e-6)
        for a, b in zip(gains, right, strict=True)
    )
    return own == 1.0 and wrong == (_operations(case) == {operation})


ANSWER = Answer(
    exercise="Value",
    cases=_cases,
    tolerance=(1e-6, 1e-9),
    equivalent={
        "0 -> 1": "Nothing in its graph is computed from the result, so its uses are never asked for.",
        "0 -> -1": "Nothing in its graph is computed from the result, so its uses are never asked for.",
        "self.grad -> type(self).grad": "+= on an instance makes it the instance's own.",
    },
    variants=(_NumberedValue, _SortedValue, _DepthFirstValue, _ClosureValue, _TapeValue),
    misconceptions=(
        _mistake(
            "only one part of the gradient kept",
            edit("gradients.get(parent, 0.0) + ", ""),
            "A value that is used twice keeps only one part of its gradient. Each use adds its part: the "
            "gradient is their sum.",
        ),
        _mistake(
            "passed on before everything has arrived",
            edit("if uses[parent] == 0", "if True"),
            "A value that is used twice passes its gradient on twice, the first time before all of it "
            "has arrived. Visit each value once, after everything that was computed from it.",
        ),
        _mistake(
            "walk does not wait for the other uses",
            edit("uses[parent] += 1", "uses[parent] = 1"),
            "A value passes its gradient on as soon as the first part of it has arrived; what arrives "
            "later gets no further. Visit a value only after everything that was computed from it.",
        ),
        _mistake(
            "only the result has a gradient",
            edit("reversed(", "list(", of=_SortedValue),
            "Only the result has a gradient; nothing arrives at the values that it was computed from. "
            "Either nothing is passed on, or each value's turn comes too early, as in the order in which "
            "they were made. Start with the result and go on to its parents.",
        ),
        _mistake(
            "all gradients stay 0",
            edit("{self: 1.0}", "{self: 0.0}"),
            "All gradients stay 0, the result's own included. The walk starts with the result, whose gradient "
            "is 1, and each value that it comes to adds what has arrived there to its .grad.",
        ),
        _mistake(
            "result's own gradient missing",
            edit("+= gradients[node]", "+= gradients[node] if node is not self else 0.0"),
            "The result itself keeps the gradient 0. Its derivative with respect to itself is 1.",
        ),
        _mistake(
            "factors mixed up",
            edit("other.data), (other, self.data", "self.data), (other, other.data"),
            "The slopes of a product are mixed up: a * b changes by b per change of a, so each factor "
            "gets the *other* one's value times the gradient.",
        ),
        *(
            _mistake(
                f"plain number in a {name}",
                edit(method + OTHER, method),
                f"A Value {word} a plain number raises an error, since a number has no .data. Turn it "
                "into a Value first.",
            )
            for name, word, _, method in reversed(OPERATIONS)
        ),
        _mistake(
            "number on the left",
            edit("    __radd__, __rmul__ = __add__, __mul__\n", ""),
            "2 * value and 1 + value raise a TypeError: Python asks the Value for __rmul__ and "
            "__radd__ when a plain number is on the left.",
        ),
        _mistake(
            "tanh's slope at its input",
            edit("1 - t**2", "1 - self.data**2"),
            "The slope of tanh is 1 - t**2 with its *output* t; you use its input.",
        ),
        _mistake(
            "tanh's slope without the square",
            edit("1 - t**2", "1 - t"),
            "The slope of tanh is 1 - t**2; the square is missing.",
        ),
        _mistake(
            "recursion, and gradients through .grad",
            _MicroValue,
            "Two things remain to be fixed. Gradients travel through .grad, so a second backward() sends what "
            "the first one left there on its way again: keep what arrives in this call apart. And "
            "Python stops a recursion after about 1,000 calls: walk with a list of your own.",
        ),
        _mistake(
            "gradients travel through .grad",
            _ChainSafeMicroValue,
            "Gradients travel through .grad, so a second backward() sends what the first one left "
            "there on its way again. Keep what arrives in this call in a dictionary, and add it to "
            ".grad.",
        ),
        _mistake(
            "gradients start afresh",
            edit("node.grad +=", "node.grad ="),
            "A second backward() replaces the gradients of the first one. Add to them, as PyTorch does.",
        ),
        _mistake(
            "recursion too deep",
            _RecursiveValue,
            "Python stops a recursion after about 1,000 calls, so a long chain of operations raises "
            "RecursionError. Walk with a list of values that are still to be visited.",
        ),
        _mistake(
            "number not kept",
            edit("float(data)", "float()"),
            "Every .data is 0.0: the number that a Value is made of is not kept.",
        ),
        _mistake(
            "gradients start at 1",
            edit("self.grad = 0.0", "self.grad = 1.0"),
            "Every .grad is 1.0 before anything has arrived, so all gradients are too large by 1. They "
            "start at 0.0; only backward() adds the result's own 1.",
        ),
        _mistake(
            "gradients subtracted",
            edit("node.grad += ", "node.grad -= "),
            "All gradients have the wrong sign: you subtract what arrives from .grad. Add it.",
        ),
        _mistake(
            "result's gradient is 2",
            edit("{self: 1.0}", "{self: 2.0}"),
            "All gradients are twice as large as they should be. The walk starts with the result's own "
            "gradient, which is 1.",
        ),
        _mistake(
            "slope subtracted",
            edit("0.0) + slope", "0.0) - slope"),
            "You subtract slope times gradient from what a parent has. Add it.",
        ),
        _mistake(
            "divided by the gradient",
            edit("slope * gradients[node]", "slope / gradients[node]"),
            "You divide the slope by the gradient that arrives. Multiply: that is the chain rule.",
        ),
        _mistake(
            "gradient that arrives is not used",
            edit("slope * gradients[node]", "slope"),
            "Each parent gets the slope alone. It gets the slope times the gradient that has arrived: "
            "that is the chain rule.",
        ),
        _mistake(
            "slope not used",
            edit("slope * gradients[node]", "gradients[node]"),
            "Each parent gets the gradient as it arrives, as if every operation were a sum. Multiply it "
            "by the slope.",
        ),
        _mistake(
            "parents start at 1",
            edit("get(parent, 0.0)", "get(parent, 1.0)"),
            "What arrives at a parent is too large by 1: it starts at 1. Only the result does; all others "
            "start at 0.",
        ),
        _mistake(
            "only the first parent",
            edit("slope in node.parents", "slope in node.parents[:1]"),
            "Only the first parent of each value gets a gradient: the loop over the parents ends after "
            "one round.",
        ),
        *(
            _mistake(
                f"empty Value for a number in a {name}",
                edit(method + OTHER, method + OTHER.replace("else Value(other)", "else Value()")),
                f"A Value {word} a plain number raises a TypeError: the Value that you make for the "
                "number is not given the number.",
            )
            for name, word, _, method in OPERATIONS
        ),
        _mistake(
            "used once, left out",
            edit("if uses[parent] == 0", "if uses[parent] != 0"),
            "A value that is used once gets no gradient: your count of its uses does not come down to 0 "
            "when that use has reported. Count each use once, and take one off for each that arrives.",
        ),
        *(
            wrong(
                f"{name}s raise an error",
                edit(method + OTHER, method + "        other = Value(other)\n"),
                f"The {name} of two Values raises an error. It is a new Value, made of both numbers; "
                "only a plain number has to be turned into a Value first.",
                recognise=partial(_raises_with, operation),
            )
            for name, _, operation, method in OPERATIONS
        ),
        wrong(
            "tanh raises an error",
            edit("math.tanh(self.data)", "math.tanh()"),
            "The tanh of a Value raises an error, while sums and products work. It is a new Value, made of "
            "math.tanh(self.data).",
            recognise=partial(_raises_with, "tanh"),
        ),
        wrong(
            "one number for all",
            _SharedData,
            "All your Values have the same .data, that of the newest: it is kept in the class. Each has "
            "its own: self.data = ...",
            recognise=lambda case, got: (
                got.error is None and len(set(got.get("data", (0.0,)))) == 1
            ),
        ),
        wrong(
            "wrong sums",
            edit("self.data + other.data", "self.data - other.data"),
            "a + b does not have the right .data: it should be the sum of a.data and b.data.",
            recognise=partial(_computes_wrongly, "+"),
        ),
        wrong(
            "wrong products",
            edit("self.data * other.data", "self.data / other.data"),
            "a * b does not have the right .data: it should be the product of a.data and b.data.",
            recognise=partial(_computes_wrongly, "*"),
        ),
        wrong(
            "wrong slopes of a sum",
            edit("((self, 1.0), (other, 1.0))", "((self, 1.0), (other, 0.0))"),
            "Sums pass on wrong gradients, while those of a single product or tanh are right. Both slopes of "
            "a + b are 1.",
            recognise=partial(_passes_on_wrongly, "+"),
        ),
        wrong(
            "wrong slopes of a product",
            edit("(other, self.data)", "(other, other.data)"),
            "Products pass on wrong gradients, while those of a single sum or tanh are right. The slopes of "
            "a * b are b for a, and a for b.",
            recognise=partial(_passes_on_wrongly, "*"),
        ),
        wrong(
            "wrong slope of tanh",
            edit("1 - t**2", "t**2"),
            "tanh passes on a wrong gradient, while those of sums and products are right. The slope of "
            "t = tanh(a) is 1 - t**2.",
            recognise=partial(_passes_on_wrongly, "tanh"),
        ),
    ),
)
