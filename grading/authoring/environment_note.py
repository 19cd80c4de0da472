"""The environment in which a notebook's outputs were made: written into its metadata by ``build``,
printed beside a cell that a replay finds different.

``describe`` runs in the notebook's kernel too, which may have nothing of what the grader needs.
"""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

#: The key in a notebook's metadata.
KEY = "made_with"
PACKAGES = ("torch", "numpy", "matplotlib", "scikit-learn", "ipython", "ipykernel", "ipywidgets")
#: Variables that choose other kernels on the same processor.
CHOICES = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA")


def describe() -> dict[str, str]:
    """Versions, the system and the kind of kernels that PyTorch picks on this processor."""
    import torch

    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found | {name: os.environ[name] for name in CHOICES if name in os.environ}


def note(notebook: Any) -> None:
    """Write this environment into the notebook."""
    notebook.metadata[KEY] = describe()


def same_but_for_note(stored: str, made: str) -> bool:
    """Whether a notebook that has a note is the one that was made here, apart from the note. It then
    stays: its outputs hold in both environments."""
    before, after = json.loads(stored), json.loads(made)
    noted = before.get("metadata", {}).pop(KEY, None) is not None
    after["metadata"].pop(KEY, None)
    return noted and before == after


def side_by_side(stored: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Both environments, one line a fact; an arrow marks those that differ."""
    names = list(dict.fromkeys([*stored, *here]))
    width = max(map(len, names))
    lines = [f"   {'':{width}}  {'the stored output':28}  this one"]
    for name in names:
        left, right = stored.get(name, "-"), here.get(name, "-")
        mark = "  " if left == right else "->"
        lines.append(f"{mark} {name:{width}}  {left:28}  {right}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(describe()))
