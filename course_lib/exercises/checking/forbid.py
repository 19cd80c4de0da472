"""Refuses, while an exercise is observed, the built-in that the exercise builds.

Two spellings of what is forbidden:

* ``"aten:softmax"`` - a PyTorch operator, however it was reached (function, method, ``nn`` class,
  alias): watched below Python's names, by a dispatch mode;
* ``"torch.optim.Optimizer"`` - a dotted name. A function's code is replaced, so that every alias
  of it refuses, and a built-in's name in its module and in the learner's globals; a class refuses
  to be built, and what was built before refuses to work; ``"torch.nn.functional.*"`` means every
  function.

This is Python in the learner's own process: it says to the honest what they are to write. Who sets
out to get around it can; ``docs/handbook.md`` says what remains.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any
from unittest.mock import patch

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from course_lib.exercises.checking.packages import functions_in

#: What an instance of a refused class is good for, whatever class it is.
_WORKING_METHODS = ("__iter__", "run", "step", "scale")
#: Kernels stay replaced for as long as their library is kept.
_REPLACED: list[torch.library.Library] = []


class ForbiddenCall(RuntimeError):
    """The learner's code called what the exercise asks to build."""


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
        plain = _plain_name(func.overloadpacket.__name__)
        if plain in self.operators:
            _refusal(plain, self.called)()
        return func(*args, **(kwargs or {}))


def refuse_operators_for_good(names: tuple[str, ...]) -> list[str]:
    """Replace the kernels of the operators among ``names`` in PyTorch's dispatcher, for all threads
    and for the rest of this process: only for one that is forked to observe. A dispatch mode holds
    for one thread, and can be left. Returns the list of what is called.
    """
    called: list[str] = []
    if not (operators := _operators(names)):
        return called
    library = torch.library.Library("aten", "IMPL")
    _REPLACED.append(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that kernels are replaced
        for full_name in torch._C._dispatch_get_all_op_names():
            plain = _plain_name(full_name.removeprefix("aten::").partition(".")[0])
            known = torch._C._dispatch_has_kernel_for_dispatch_key(full_name, "CPU")
            if full_name.startswith("aten::") and plain in operators and known:
                name = full_name.removeprefix("aten::")
                library.impl(name, _refusal(plain, called), "CPU", allow_override=True)
    return called


def _refusal(label: str, called: list[str]) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        called.append(label)
        raise ForbiddenCall(
            f"{label} is not allowed in this exercise: write it from smaller pieces"
        )

    return refuse


def _operators(names: tuple[str, ...]) -> set[str]:
    return {name.removeprefix("aten:") for name in names if name.startswith("aten:")}


def _plain_name(operator: str) -> str:
    """softmax arrives as _softmax, nll_loss as nll_loss_forward; their backward passes do not count,
    for they only follow a forward pass that was refused already."""
    return operator.removeprefix("_").removesuffix("_forward")


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
        scopes = {id(each.__globals__): each.__globals__ for each in functions_in(subjects)}
        for scope in scopes.values():
            for key, value in list(scope.items()):
                if id(value) in originals:
                    stack.enter_context(patch.dict(scope, {key: originals[id(value)][1]}))
        if operators := _operators(names):
            stack.enter_context(_RefuseOperators(operators, called))
        yield called


def not_refused(names: tuple[str, ...]) -> str:
    """The first of ``names`` that can be called although it is refused; "" when none can. Then the
    learner's code has switched the refusal off, and what is observed would show nothing."""
    with refusing(names):
        for name in names:
            call = _CANARIES.get(name) if name.startswith("aten:") else getattr(*_targets(name)[0])
            try:
                if call is not None:
                    call()
            except ForbiddenCall:
                continue
            except Exception:
                return name
            if call is not None:
                return name
    return ""


_CANARIES: dict[str, Callable[[], Any]] = {
    "aten:softmax": lambda: torch.softmax(torch.ones(2), 0),
    "aten:log_softmax": lambda: torch.log_softmax(torch.ones(2), 0),
    "aten:mse_loss": lambda: torch._C._nn.mse_loss(torch.ones(2), torch.ones(2)),
}


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
    refuse = _refusal(label, called)
    if inspect.isclass(original):
        # An alias of a class is still the class, so its constructor is what refuses; and what was
        # built before, to be given the case's tensors now, does not do its work.
        stack.enter_context(patch.object(original, "__init__", refuse))
        for name in _WORKING_METHODS:
            if name in vars(original):
                stack.enter_context(patch.object(original, name, refuse))
        if original is Optimizer:  # its subclasses bring a ``step`` of their own
            stack.callback(register_optimizer_step_pre_hook(refuse).remove)
        return
    # What a module only imports is in use elsewhere; there its name is replaced.
    home = owner.__module__ if inspect.isclass(owner) else owner.__name__
    if isinstance(original, FunctionType) and original.__module__ == home:
        stack.callback(setattr, original, "__code__", original.__code__)
        original.__code__ = _code_that_calls(refuse, original.__code__.co_freevars)
        return
    originals[id(original)] = (original, refuse)
    stack.enter_context(patch.object(owner, attribute, refuse))


def _code_that_calls(refuse: Any, free_variables: tuple[str, ...]) -> CodeType:
    """Code for a function that has these free variables: it calls ``refuse``."""

    def template(*args: Any, **kwargs: Any) -> Any:
        function = "refuse"
        return function(*args, **kwargs)

    code = template.__code__
    constants = tuple(refuse if value == "refuse" else value for value in code.co_consts)
    return code.replace(co_consts=constants, co_freevars=free_variables)
