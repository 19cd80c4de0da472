"""``make nbval-everywhere``: replays all chapters in many environments and prints a table.

The solved notebooks strictly, as ``make nbval`` does, and those that learners open to their end, where
nothing may fail or warn. The client is this environment's; the kernels run elsewhere. Environments with
another Python or PyTorch are made under ``.cache`` at the first time.

``python -m tests.everywhere.replay [PLACE ...] [--chapters 05 08b]``; ``--ready "Python
3.13=PATH"`` takes an interpreter that has all that a kernel needs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement

from grading.intake.whole_file import write_whole
from tests.compatibility.environments import environment, locked_torch
from tests.compatibility.interpreters import find
from tests.everywhere.places import CAPABILITIES, PLACES, Place, capabilities

REPOSITORY = Path(__file__).resolve().parents[2]
#: What a kernel needs besides PyTorch.
PACKAGES = (
    *("ipykernel", "ipython", "ipywidgets", "matplotlib", "numpy", "pillow", "scikit-learn"),
    # The hidden lines of solved notebooks read the reference solutions, and pack what they are asked.
    *("jupytext", "safetensors"),
)
RELEASED = REPOSITORY / "notebooks"
SANITIZE = REPOSITORY / "tests" / "notebooks" / "nbval_sanitize.cfg"


class Missing(Exception):
    """This environment cannot be had here; the text says why."""


def interpreter(place: Place) -> str:
    """The Python of the place's kernels, with its packages."""
    if not place.python and not place.torch:
        return sys.executable
    base = find(place.python) if place.python else sys.executable
    if base is None:
        raise Missing(f"no Python {place.python}")
    constraints = REPOSITORY / "constraints.txt"
    torch = locked_torch(REPOSITORY)
    if place.torch == "oldest":
        constraints = REPOSITORY / "tests" / "compatibility" / "lower-bounds.txt"
        torch = next(line for line in constraints.read_text().splitlines() if "torch==" in line)
    elif place.torch == "newest":
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
        wanted = map(Requirement, project["dependencies"])
        torch = next(str(each) for each in wanted if each.name == "torch")
    folder = REPOSITORY / ".cache" / f"everywhere-{place.name.lower().replace(' ', '-')}"
    try:
        return str(environment(folder, PACKAGES, constraints.read_text(), torch, base))
    except AssertionError as error:  # pip's own words
        raise Missing(str(error).strip().splitlines()[-1]) from None


def replay(place: Place, chapters: list[str], python: str) -> dict[str, str]:
    """How each cell ended, by node: "passed", "failed" or "skipped"."""
    with tempfile.TemporaryDirectory(prefix="everywhere-") as folder:
        _register(Path(folder, "kernels", "elsewhere"), python)
        own = {**os.environ, **place.variables, "JUPYTER_PATH": folder}
        found: dict[str, str] = {}
        for option, notebooks in (
            ("--nbval", _notebooks(REPOSITORY / "grading" / "source", chapters)),
            ("--nbval-lax", [_without_outputs(path) for path in _notebooks(RELEASED, chapters)]),
        ):
            record = Path(folder, "record.json")
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            command += ["-n", "auto", "--maxprocesses", "4", "--dist", "loadscope"]
            command += [option, "--nbval-kernel-name", "elsewhere", "--nbval-cell-timeout", "600"]
            command += ["--nbval-sanitize-with", str(SANITIZE)]
            command += ["-p", "tests.everywhere.recording", "--record", str(record)]
            done = subprocess.run(
                [*command, *map(str, notebooks)],
                cwd=REPOSITORY,
                env=own,
                capture_output=True,
                text=True,
            )
            if not record.exists():
                raise Missing((done.stdout + done.stderr).strip()[-400:])
            found |= json.loads(record.read_text())
            if done.returncode:
                print(done.stdout)
    return found


def _without_outputs(released: Path) -> Path:
    """A copy that was never run: nbval refuses the pictures that released panels bring along."""
    notebook = json.loads(released.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    copy = REPOSITORY / ".cache" / "unsolved" / released.name
    text = json.dumps(notebook)
    if not copy.exists() or copy.read_text(encoding="utf-8") != text:
        write_whole(copy, text.encode())  # another replay may be reading it
    return copy


def _register(folder: Path, python: str) -> None:
    folder.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "elsewhere", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))


def _notebooks(folder: Path, chapters: list[str]) -> list[Path]:
    """Of these numbers; none: all."""
    paths = sorted(folder.rglob("*.ipynb"))
    return [path for path in paths if not chapters or path.stem.split("_")[0] in chapters]


def table(results: Mapping[str, dict[str, str] | str]) -> str:
    """Cells that failed anywhere as rows, places as columns, in Markdown. A place that could not be
    had has its reason in the last line."""
    ran = {name: cells for name, cells in results.items() if not isinstance(cells, str)}
    bad = sorted({node for cells in ran.values() for node, end in cells.items() if end == "failed"})
    rows = [["cell", *ran], ["---", *("---" for _ in ran)]]
    rows += [
        [_short(node), *(_MARK[cells.get(node, "")] for cells in ran.values())] for node in bad
    ]
    counts = [f"{sum(end == 'passed' for end in cells.values())}" for cells in ran.values()]
    rows.append(["cells that passed", *counts])
    rows.append(
        ["cells that differ", *(str(sum(e == "failed" for e in c.values())) for c in ran.values())]
    )
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines += [f"not here: {name}: {why}" for name, why in results.items() if isinstance(why, str)]
    return "\n".join(lines)


_MARK = {"passed": "", "failed": "differs", "skipped": "", "": "-"}


def _short(node: str) -> str:
    path, _, cell = node.partition("::")
    kind = "solved" if "/source/" in path else "unsolved"
    return f"{Path(path).stem} ({kind}) {cell}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", help="names; all when there are none")
    parser.add_argument("--chapters", nargs="*", default=[], help="numbers, such as 05 08b")
    parser.add_argument(
        "--ready", action="append", default=[], help="PLACE=PATH of an interpreter, several times"
    )
    options = parser.parse_args()
    unknown = set(options.places) - {place.name for place in PLACES}
    if unknown:
        parser.error(f"no place called {', '.join(unknown)}: {', '.join(p.name for p in PLACES)}")
    ready = dict(each.split("=", 1) for each in options.ready)
    results: dict[str, dict[str, str] | str] = {}
    for place in PLACES:
        if options.places and place.name not in options.places:
            continue
        start = time.monotonic()
        try:
            if place.name in CAPABILITIES and place.name not in capabilities():
                raise Missing("this processor has no such kernels")
            python = ready.get(place.name) or interpreter(place)
            results[place.name] = replay(place, options.chapters, python)
        except Missing as missing:
            results[place.name] = str(missing)
        print(f"{place.name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    print(table(results))
    failed = any(
        "failed" in cells.values() for cells in results.values() if not isinstance(cells, str)
    )
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
