"""``Value``, secret half."""

import heapq
import itertools
import math
from graphlib import TopologicalSorter

import torch

from course_lib.exercises.ch10_the_same_loop.Value import Line, chain_case, program_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

OTHER = "        other = other if isinstance(other, Value) else Value(other)\n"
ADD, MUL = "    def __add__(self, other):\n", "    def __mul__(self, other):\n"
ADD_TO_GRAD = "node.grad += gradients[node]"
ARRIVES = "gradients.get(parent, 0.0) + slope * gradients[node]"
COUNT = "            for parent, _ in node.parents:\n"
WAIT = "if uses[parent] == 0:"


def _cases(generator: torch.Generator) -> list[Case]:
    def number(low: float = -1.6, high: float = 1.6) -> float:
        """Away from 0 and from 1, where different mistakes look alike."""
        while True:
            drawn = low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64)
            if abs(drawn) > 0.2 and abs(abs(drawn) - 1) > 0.1:
                return round(drawn.item(), 3)

    def values(count: int) -> list[Line]:
        return [("value", number()) for _ in range(count)]

    neuron: list[Line] = [*values(5), ("*", 0, 1), ("*", 2, 3), ("+", 5, 6), ("+", 7, 4)]
    squared: list[Line] = [*values(3), ("*", 0, 1), ("tanh", 3), ("+", 4, 2), ("*", 5, 5)]
    ints: list[Line] = [("value", size(generator, 2, 5)), ("value", number()), ("*", 0, 1)]
    diamond: list[Line] = [*values(2), ("*", 0, 1)]
    for _ in range(size(generator, 2, 3)):
        last = len(diamond) - 1
        diamond += [("tanh", last), ("*", last, last + 1), ("+", last + 2, 0)]
    # The long way round is made first, or last: no order of walking may be lucky.
    late: list[Line] = [
        *values(1),
        ("*", 0, number()),
        ("tanh", 1),
        ("*", 2, number()),
        ("+", 3, 0),
    ]
    late += [("+", 4, 1), ("*", 5, 4)]
    early: list[Line] = [
        *values(2),
        ("+", 0, 1),
        ("*", 2, 2),
        ("tanh", 3),
        ("+", 2, 4),
        ("*", 5, 3),
    ]
    shared: list[Line] = [*values(2), ("*", 0, 1), ("*", 0, number()), ("tanh", 2)]
    return [
        program_case("forward", lines=[*values(2), ("+", 0, 1), ("*", 2, 0), ("tanh", 3)]),
        program_case(
            "forward",
            lines=[
                *values(1), ("+", 0, number()), ("+", number(), 1), ("*", 2, number()),
                ("*", number(), 3), ("tanh", 4), ("+", 5, 0),
            ],
        ),
        program_case("forward", lines=ints),
        program_case("gradients", lines=ints, backward=(2,), task="numbers"),
        program_case("gradients", lines=[*neuron, ("tanh", 8)], backward=(9,), task="tree"),
        program_case(
            "gradients",
            lines=[
                *values(2), ("+", 0, number()), ("*", number(), 2), ("*", 1, number()),
                ("+", number(), 4), ("*", 3, 5), ("tanh", 6),
            ],
            backward=(7,),
            task="numbers",
        ),
        # Not everything leads to the result, and what does not gets nothing.
        program_case(
            "gradients",
            lines=[*values(3), ("*", 0, 1), ("*", 1, 2), ("tanh", 3), ("tanh", 4)],
            backward=(5,),
            task="tree",
        ),
        program_case("shared", lines=squared, backward=(6,), task="twice"),
        program_case("shared", lines=diamond, backward=(len(diamond) - 1,), task="waits"),
        program_case("shared", lines=late, backward=(6,), task="waits"),
        program_case("shared", lines=early, backward=(6,), task="waits"),
        program_case("again", lines=shared, backward=(3, 4), task="two losses"),
        program_case("again", lines=[*neuron, ("tanh", 8)], backward=(9, 9, 9), task="again"),
        program_case("again", lines=late, backward=(5, 6, 5), task="again"),
        chain_case(number(0.3, 0.9), 1.0001 + 1e-4 * size(generator, 1, 3), number(), 10_000),
    ]  # fmt: skip


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

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def tanh(self):
        e = math.exp(2 * self.data)
        value = (e - 1) / (e + 1)
        return type(self)(value, [(self, (1 - value) * (1 + value))])

    def by_age(self):
        """This value and all that it was computed from, the oldest first."""
        found, left = {self}, [self]
        while left:
            for parent, _ in left.pop().edges:
                if parent not in found:
                    found.add(parent)
                    left.append(parent)
        return sorted(found, key=lambda node: node.number)

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


class _MicroValue:
    """The famous hundred lines: a recursive sort, and gradients that travel through ``.grad``."""

    def __init__(self, data, children=()):
        self.data, self.grad, self.children = float(data), 0.0, children
        self.push = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, _MicroValue) else _MicroValue(other)
        out = _MicroValue(self.data + other.data, (self, other))

        def push():
            self.grad += out.grad
            other.grad += out.grad

        out.push = push
        return out

    def __mul__(self, other):
        other = other if isinstance(other, _MicroValue) else _MicroValue(other)
        out = _MicroValue(self.data * other.data, (self, other))

        def push():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.push = push
        return out

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self):
        t = math.tanh(self.data)
        out = _MicroValue(t, (self,))

        def push():
            self.grad += (1 - t**2) * out.grad

        out.push = push
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for child in node.children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.push()


class _ChainSafeMicroValue(_NumberedValue):
    """Walks without recursion, but gradients travel through ``.grad``."""

    def backward(self):
        self.grad = 1.0
        for node in reversed(self.by_age()):
            for parent, slope in node.edges:
                parent.grad += slope * node.grad


class _OldestFirstValue(_NumberedValue):
    """Walks in the order in which the values were made."""

    def backward(self):
        found = self.by_age()
        flow = dict.fromkeys(found, 0.0)
        flow[self] = 1.0
        for node in found:
            node.grad += flow[node]
            for parent, slope in node.edges:
                flow[parent] += slope * flow[node]


class _RecursiveValue(_NumberedValue):
    """Right, but every operation is a call inside a call."""

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent, _ in node.edges:
                    visit(parent)
                order.append(node)

        visit(self)
        flow = dict.fromkeys(order, 0.0)
        flow[self] = 1.0
        for node in reversed(order):
            node.grad += flow[node]
            for parent, slope in node.edges:
                flow[parent] += slope * flow[node]


ANSWER = Answer(
    exercise="Value",
    cases=_cases,
    tolerance=(1e-6, 1e-9),
    equivalent={
        "0 -> 1": "Nothing in its graph is computed from the result, so its uses are never asked for.",
        "0 -> -1": "Nothing in its graph is computed from the result, so its uses are never asked for.",
        "self.grad -> type(self).grad": "+= on an instance makes it the instance's own.",
    },
    variants=(_NumberedValue, _SortedValue, _DepthFirstValue),
    misconceptions=(
        wrong(
            "gradient overwritten",
            edit(ARRIVES, "slope * gradients[node]"),
            "A value that is used twice keeps only the gradient that arrives last. Each use adds its "
            "part: the gradient is their sum.",
        ),
        wrong(
            "passed on before everything has arrived",
            edit(
                f"                {WAIT}\n                    ready.append(parent)",
                "                ready.append(parent)",
            ),
            "A value that is used twice passes its gradient on twice, the first time before all of it "
            "has arrived. Visit each value once, after everything that was computed from it.",
        ),
        wrong(
            "walk does not wait for the other uses",
            edit(
                COUNT, COUNT + "                if parent in uses:\n                    continue\n"
            ),
            "A value passes its gradient on as soon as the first part of it has arrived; what arrives "
            "later gets no further. Visit a value only after everything that was computed from it.",
        ),
        wrong(
            "order of creation",
            _OldestFirstValue,
            "You walk in the order in which the values were made, so each passes its gradient on "
            "before it has any. Walk the other way: the result first, its parents after it.",
        ),
        wrong(
            "result's gradient is not 1",
            edit("{self: 1.0}", "{self: 0.0}"),
            "All gradients are 0, because nothing starts the walk: the derivative of the result with "
            "respect to itself is 1.",
        ),
        wrong(
            "result's own gradient missing",
            edit(ADD_TO_GRAD, "node.grad += gradients[node] if node is not self else 0.0"),
            "The result itself keeps the gradient 0. Its derivative with respect to itself is 1.",
        ),
        wrong(
            "factors mixed up",
            edit(
                "((self, other.data), (other, self.data))",
                "((self, self.data), (other, other.data))",
            ),
            "The slopes of a product are mixed up: a * b changes by b per change of a, so each factor "
            "gets the *other* one's value times the gradient.",
        ),
        wrong(
            "plain number in a product",
            edit(MUL + OTHER, MUL),
            "A Value times a plain number raises an error, since a number has no .data. Turn it into a "
            "Value first.",
        ),
        wrong(
            "plain number in a sum",
            edit(ADD + OTHER, ADD),
            "A Value plus a plain number raises an error, since a number has no .data. Turn it into a "
            "Value first.",
        ),
        wrong(
            "number on the left",
            edit("    __radd__, __rmul__ = __add__, __mul__\n", ""),
            "2 * value and 1 + value raise a TypeError: Python asks the Value for __rmul__ and "
            "__radd__ when a plain number is on the left.",
        ),
        wrong(
            "tanh's slope at its input",
            edit("1 - t**2", "1 - self.data**2"),
            "The slope of tanh is 1 - t**2 with its *output* t; you use its input.",
        ),
        wrong(
            "tanh's slope without the square",
            edit("1 - t**2", "1 - t"),
            "The slope of tanh is 1 - t**2; the square is missing.",
        ),
        wrong(
            "recursion and .grad as the way",
            _MicroValue,
            "Two things are left. Gradients travel through .grad, so a second backward() sends what "
            "the first one left there on its way again: keep what arrives in this call apart. And "
            "Python stops a recursion after 1,000 calls: walk with a list of your own.",
        ),
        wrong(
            "gradients travel through .grad",
            _ChainSafeMicroValue,
            "Gradients travel through .grad, so a second backward() sends what the first one left "
            "there on its way again. Keep what arrives in this call in a dictionary, and add it to "
            ".grad.",
        ),
        wrong(
            "gradients start afresh",
            edit(ADD_TO_GRAD, "node.grad = gradients[node]"),
            "A second backward() replaces the gradients of the first one. Add to them, as PyTorch does.",
        ),
        wrong(
            "recursion too deep",
            _RecursiveValue,
            "Python stops a recursion after about 1,000 calls, so a long chain of operations raises "
            "RecursionError. Walk with a list of values that are still to be visited.",
        ),
    ),
)
