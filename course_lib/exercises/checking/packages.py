"""Packages that grading does not have. Said by ``check`` of what an exercise uses, and by ``hand_in`` of
what a notebook imports.
"""

import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from inspect import isclass, unwrap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

#: What a submission may import when it is graded, besides Python's own modules.
GRADED = frozenset(
    [
        "IPython",
        "PIL",
        "course_lib",
        "einops",
        "google",
        "ipywidgets",
        "joblib",
        "matplotlib",
        "mpl_toolkits",
        "numpy",
        "pandas",
        "scipy",
        "sklearn",
        "torch",
        "tqdm",
    ]
)
_KNOWN = GRADED | sys.stdlib_module_names | {"__main__"}


def is_not_graded_with(package: str) -> bool:
    """Whether it is installed here and missing where notebooks are graded. A file of the learner's
    beside the notebook is handed in with it."""
    if package in _KNOWN:
        return False
    try:
        found = find_spec(package)
    except (ImportError, ValueError):
        return False
    origin = found.origin if found is not None else None
    return origin is not None and Path(origin).parent.resolve() != Path.cwd().resolve()


def used_without_grading(subjects: Iterable[Any]) -> list[str]:
    """Packages that the code of these functions and classes names, and that grading does not have."""
    names = (
        _package_of(function.__globals__[name])
        for function in functions_in(subjects)
        for name in _names_in(function.__code__)
        if name in function.__globals__
    )
    return [name for name in dict.fromkeys(names) if name and is_not_graded_with(name)]


def functions_in(subjects: Iterable[Any]) -> Iterator[FunctionType]:
    """The functions among ``subjects``, and the methods of classes; of a wrapped one what it wraps."""
    for subject in subjects:
        members = vars(subject).values() if isclass(subject) else (subject,)
        for member in members:
            function = unwrap(member) if callable(member) else member
            if isinstance(function, FunctionType):
                yield function


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _package_of(value: Any) -> str:
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
    return module.partition(".")[0] if isinstance(module, str) else ""
