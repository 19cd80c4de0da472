"""Everything that knows nbgrader. ``import nbgrader`` brings in its four server extensions and with them
Jupyter Server, which takes longer than all else that a command imports and which no command needs: here
the package stands for itself until somebody asks for a name of its own.
"""

import sys
from importlib.util import find_spec, module_from_spec
from typing import Any


def _without_server_extensions() -> None:
    """Make ``import nbgrader.api`` import that module alone. Does nothing where nbgrader is imported
    already, as in its own commands and in formgrader."""
    spec = None if "nbgrader" in sys.modules else find_spec("nbgrader")
    if spec is None or spec.loader is None:
        return
    package = module_from_spec(spec)

    def whole(name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)  # the import system asks for what a package may have
        if find_spec(f"nbgrader.{name}") is not None:
            raise AttributeError(name)  # ... and imports what is a module of it
        del package.__getattr__
        spec.loader.exec_module(package)
        return getattr(package, name)

    package.__getattr__ = whole
    sys.modules["nbgrader"] = package


_without_server_extensions()
