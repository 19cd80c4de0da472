"""PyTorch's compiler, imported when something is compiled and not before.

The first optimizer of a process imports ``torch._dynamo``, only to say that it is not to be compiled: 2,000 modules,
two seconds and 100 MB. Nothing in this course is compiled. ``postpone`` lets a small module say the same; whoever
asks for anything else (``torch.compile`` does) gets the real one. Called where torch has just been imported:
by ``set_up``, and where submissions are run and judged.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_NAME = "torch._dynamo"


class _Postponed(ModuleType):
    """Stands for the compiler as long as there is nothing to compile."""

    #: That of a package. What is below it is found by ``_Below``.
    __path__: tuple[str, ...] = ()

    @staticmethod
    def disable(fn: Callable | None = None, recursive: bool = True, **_: Any) -> Callable:
        return (lambda function: function) if fn is None else fn

    @staticmethod
    def graph_break(msg: str = "") -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of a module in general, which tools ask all modules for
            raise AttributeError(name)
        return getattr(_real(), name)


class _Below:
    """A finder of the compiler's own modules, which needs the real package first."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not name.startswith(f"{_NAME}.") or not _is_postponed():
            return None
        folders = _real().__path__
        if name in sys.modules:  # the package has imported it
            return ModuleSpec(name, _Present(sys.modules[name]))
        return PathFinder.find_spec(name, folders)


class _Present:
    """A loader of what is loaded."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def postpone() -> None:
    """Import the compiler no earlier than something is compiled. Does nothing where it is imported already,
    or where torch is not. Safe to call twice."""
    if "torch" not in sys.modules or _NAME in sys.modules:
        return
    spec = find_spec(_NAME)
    if spec is not None:
        sys.modules[_NAME] = module = _Postponed(_NAME)
        module.__spec__ = spec
        if _Below not in sys.meta_path:
            sys.meta_path.insert(0, _Below)


def _is_postponed() -> bool:
    return isinstance(sys.modules.get(_NAME), _Postponed)


def _real() -> ModuleType:
    if _is_postponed():
        del sys.modules[_NAME]
        if isinstance(vars(sys.modules["torch"]).get("_dynamo"), _Postponed):
            del sys.modules["torch"]._dynamo
        import_module(_NAME)
    return sys.modules[_NAME]
