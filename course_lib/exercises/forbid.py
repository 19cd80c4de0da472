"""Refuses, while an exercise is observed, the built-in that the exercise builds.

Two spellings of what is forbidden:

* ``"aten:softmax"`` - a PyTorch operator, however it was reached (function, method, ``nn`` class,
  alias): watched below Python's names, by a dispatch mode;
* ``"torch.optim.Optimizer"`` - a dotted name. A function is replaced in its module and in the
  learner's globals; a class refuses to be built; ``"torch.nn.functional.*"`` means every function.
"""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import FunctionType
from typing import Any
from unittest.mock import patch

from torch.utils._python_dispatch import TorchDispatchMode


class ForbiddenCall(RuntimeError):
    """The learner's code called what the exercise asks to build."""


def _message(name: str) -> str:
    return f"{name} is not allowed in this exercise: write it from smaller pieces"


class _RefuseOperators(TorchDispatchMode):
    def __init__(self, operators: set[str], called: list[str]) -> None:
        super().__init__()
        self.operators = operators
        self.called = called

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; True would import the compiler, two seconds, at first use."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        # softmax arrives as _softmax, nll_loss as nll_loss_forward; their backward passes do not
        # count, for they only follow a forward pass that was refused already.
        plain = name.removeprefix("_").removesuffix("_forward")
        if plain in self.operators:
            self.called.append(plain)
            raise ForbiddenCall(_message(plain))
        return func(*args, **(kwargs or {}))


@contextmanager
def refusing(names: tuple[str, ...], subjects: tuple[Any, ...] = ()) -> Iterator[list[str]]:
    """While active, calling any of ``names`` raises ``ForbiddenCall``.

    Yields the list of what was called all the same: a refusal that the learner's code swallows
    still counts. ``subjects`` are the learner's functions or classes, whose globals may hold aliases.
    """
    called: list[str] = []
    with ExitStack() as stack:
        originals: dict[int, tuple[Any, Any]] = {}
        for name in names:
            if not name.startswith("aten:"):
                for owner, attribute in _targets(name):
                    _replace(stack, owner, attribute, called, originals)
        for scope in _scopes(subjects):
            for key, value in list(scope.items()):
                if id(value) in originals:
                    stack.enter_context(patch.dict(scope, {key: originals[id(value)][1]}))
        operators = {name.removeprefix("aten:") for name in names if name.startswith("aten:")}
        if operators:
            stack.enter_context(_RefuseOperators(operators, called))
        yield called


def _targets(name: str) -> list[tuple[Any, str]]:
    owner_name, _, attribute = name.rpartition(".")
    owner = _resolve(owner_name)
    if attribute != "*":
        return [(owner, attribute)]
    return [
        (owner, key)
        for key, value in vars(owner).items()
        if callable(value) and not key.startswith("_") and not inspect.isclass(value)
    ]


def _resolve(name: str) -> Any:
    """The module or class called ``name``."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        owner, _, attribute = name.rpartition(".")
        return getattr(_resolve(owner), attribute)


def _replace(
    stack: ExitStack, owner: Any, attribute: str, called: list[str], originals: dict
) -> None:
    original = getattr(owner, attribute)
    label = f"{getattr(owner, '__name__', owner)}.{attribute}"

    def refuse(*args: Any, **kwargs: Any) -> Any:
        called.append(label)
        raise ForbiddenCall(_message(label))

    if inspect.isclass(original):
        # An alias of a class is still the class, so its constructor is what refuses.
        stack.enter_context(patch.object(original, "__init__", refuse))
        return
    originals[id(original)] = (original, refuse)
    stack.enter_context(patch.object(owner, attribute, refuse))


def _scopes(subjects: tuple[Any, ...]) -> list[dict[str, Any]]:
    scopes: dict[int, dict[str, Any]] = {}
    for subject in subjects:
        members = vars(subject).values() if inspect.isclass(subject) else (subject,)
        for member in members:
            function = inspect.unwrap(member) if callable(member) else member
            if isinstance(function, FunctionType):
                scopes[id(function.__globals__)] = function.__globals__
    return list(scopes.values())
