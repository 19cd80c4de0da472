"""What the panels show on a grid of their settings, recorded for readers without a kernel.

``record()`` runs each simulation where its ``recording`` says, and stores picture and sentence. It
is asked by ``build.py`` and ``export.py``; alone, ``python docs/site/recording.py`` fills the cache
and says what it took. A panel whose code and settings have not changed is not recorded again.

Pictures are stored by their content: equal ones once. Each is a stack of layers (``pixels.py``): the
picture that the panel opens with, one that is shared by its neighbours, and what differs from that.
"""

import argparse
import ast
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pixels
from filelock import FileLock

from course_lib.panels.canvas import Canvas
from course_lib.simulations import SIMULATIONS, load
from course_lib.simulations.base import LiveSimulation, Simulation, defaults

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "recordings"
#: A scene is drawn by one process; its pictures may share layers.
_SCENE = 48
#: So many pictures of a scene are kept as what others are stored relative to.
_MOST_KEYS = 12
#: A picture that shares less than this with all of these becomes one itself.
_SHARED = 0.3
#: Counts up when this module records otherwise than before: then all is recorded again.
_FORMAT = 1
_PACKAGES = ("torch", "numpy", "matplotlib", "pillow")


@dataclass(frozen=True)
class Moment:
    """What is recorded: a value per control, in their order, and of a live run the step."""

    values: tuple[Any, ...]
    frame: int | None = None


@dataclass(frozen=True)
class Row:
    """A moment as it is shown. ``layers`` are names of files, the lowest first, without the first
    one of all: the panel's opening picture."""

    moment: Moment
    sentence: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """A scene of one panel; ``opening`` is the file of the picture that the panel opens with."""

    opening: str
    size: tuple[int, int]
    rows: list[Row]


@dataclass(frozen=True)
class Recording:
    """All of one panel: ``opening`` is the picture and ``start`` the moment that it opens with;
    ``pictures`` is the folder of the files."""

    name: str
    size: tuple[int, int]
    opening: str
    start: Moment
    rows: tuple[Row, ...]
    pictures: Path

    def stack(self, row: Row) -> list[Path]:
        """The files of a row, the lowest first."""
        return [self.pictures / name for name in (self.opening, *row.layers)]


def moments(simulation: Simulation) -> list[Moment]:
    """Everything that the simulation's ``recording`` asks for, each once, in its order."""
    found: dict[Moment, None] = {}
    start = defaults(simulation)
    for sweep in simulation.recording:
        for settings in sweep.settings(start):
            values = tuple(settings[control.name] for control in simulation.controls)
            for frame in sweep.frames or (None,):
                found[Moment(values, frame)] = None
    return list(found)


def settings_of(simulation: Simulation, moment: Moment) -> dict[str, Any]:
    names = (control.name for control in simulation.controls)
    return dict(zip(names, moment.values, strict=True))


def start_of(simulation: Simulation, wanted: Iterable[Moment]) -> Moment:
    """The moment that shows what the panel opens with: the defaults and, of a live run, the step
    that is shown before Train is pressed."""
    start = defaults(simulation)
    values = tuple(start[control.name] for control in simulation.controls)
    same = [moment for moment in wanted if moment.values == values]
    if not same:
        raise LookupError(f"{simulation.name}: its recording leaves out the defaults")
    if same[0].frame is None:
        return same[0]
    opening = simulation.describe(simulation.compute(start))
    for moment in sorted(same, key=lambda moment: moment.frame):
        state = simulation.step(simulation.compute(start), moment.frame)
        if simulation.describe(state) == opening:
            return moment
    raise LookupError(f"{simulation.name}: its recording leaves out the step that it opens with")


def record(
    names: Iterable[str] = tuple(SIMULATIONS),
    only: dict[str, list[Moment]] | None = None,
    cache: Path = CACHE,
    workers: int | None = None,
) -> dict[str, Recording]:
    """The recordings of these panels, from the cache where nothing has changed.

    ``only`` replaces what a simulation asks for, by its name: the tests record less.
    """
    wanted = {name: (only or {}).get(name) or moments(load(name)) for name in names}
    digests = {name: _digest(name, wanted[name]) for name in names}
    stale = [name for name in names if _cached(cache, name, digests[name]) is None]
    if stale:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "lock"):  # another process may be recording into this cache
            stale = [name for name in stale if _cached(cache, name, digests[name]) is None]
            _run(stale, wanted, digests, cache, workers or os.cpu_count() or 1)
    found = {name: _cached(cache, name, digests[name]) for name in names}
    return {name: recording for name, recording in found.items() if recording is not None}


def _run(
    names: list[str],
    wanted: dict[str, list[Moment]],
    digests: dict[str, str],
    cache: Path,
    workers: int,
) -> None:
    # Results then do not depend on the number of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    path = os.pathsep.join([str(Path(__file__).parent), str(REPOSITORY)])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))
    done: dict[str, dict[int, Drawn]] = {name: {} for name in names}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {}
        for name in names:
            folder = cache / name / "pictures"
            folder.mkdir(parents=True, exist_ok=True)
            for place, scene in enumerate(_scenes(wanted[name])):
                waiting[pool.submit(record_scene, name, scene, folder)] = name, place
        for future in as_completed(waiting):
            name, place = waiting[future]
            done[name][place] = future.result()
    for name in names:
        scenes = [scene for _, scene in sorted(done[name].items())]
        _keep(cache, name, digests[name], wanted[name], scenes)


def _scenes(wanted: list[Moment]) -> Iterator[list[Moment]]:
    """Neighbours together, and each film whole."""
    scene: list[Moment] = []
    for moment in wanted:
        another_film = moment.frame is not None and scene and scene[-1].values != moment.values
        if another_film or (moment.frame is None and len(scene) >= _SCENE):
            yield scene
            scene = []
        scene.append(moment)
    if scene:
        yield scene


@lru_cache(maxsize=1)
def _opened(name: str) -> tuple[Simulation, Canvas, np.ndarray]:
    """The simulation, its canvas and the picture that it opens with."""
    simulation = load(name)
    state = simulation.compute(defaults(simulation))
    # Without stamps, a picture does not depend on those before it.
    canvas = Canvas(simulation, state, stamps=False)
    return simulation, canvas, pixels.from_rgba(canvas.pixels_of(state))


def record_scene(name: str, scene: list[Moment], folder: Path) -> Drawn:
    """Draw these moments and store their layers in ``folder``."""
    simulation, canvas, opening = _opened(name)
    keys: list[tuple[np.ndarray, tuple[str, ...]]] = [(opening, ())]
    rows = []
    for moment, state in states(simulation, scene):
        picture = pixels.from_rgba(canvas.pixels_of(state))
        differing = [np.count_nonzero(picture != key) for key, _ in keys]
        nearest = int(np.argmin(differing))
        if nearest and differing[nearest] > (1 - _SHARED) * differing[0]:
            nearest = 0
        key, layers = keys[nearest]
        layer = pixels.overlay(key, picture)
        if layer is not None:
            layers = (*layers, _stored(layer, folder))
            if nearest == 0:
                keys.append((picture, layers))
                if len(keys) > _MOST_KEYS:
                    del keys[1]
        rows.append(Row(moment, simulation.describe(state), layers))
    return Drawn(_stored(opening, folder), canvas.pixels, rows)


def states(simulation: Simulation, scene: Iterable[Moment]) -> Iterator[tuple[Moment, Any]]:
    """The state of each moment. A film is run once; its state may be changed by going on."""
    film, state, steps = None, None, 0
    for moment in scene:
        if moment.frame is None:
            yield moment, simulation.compute(settings_of(simulation, moment))
            continue
        if not isinstance(simulation, LiveSimulation):
            raise TypeError(f"{simulation.name} has no steps, so it takes no frames")
        if film != moment.values or moment.frame < steps:
            film, steps = moment.values, 0
            state = simulation.compute(settings_of(simulation, moment))
        state = simulation.step(state, moment.frame - steps)
        steps = moment.frame
        yield moment, state


def _stored(layer: np.ndarray, folder: Path) -> str:
    data = pixels.encode(layer)
    name = hashlib.sha256(data).hexdigest()[:12] + ".webp"
    path = folder / name
    if not path.exists():
        half = path.with_suffix(f".{os.getpid()}")
        half.write_bytes(data)
        half.replace(path)
    return name


def _keep(cache: Path, name: str, digest: str, wanted: list[Moment], scenes: list[Drawn]) -> None:
    """Write the recording down, and drop what an earlier one alone needed."""
    folder = cache / name / "pictures"
    opening = scenes[0].opening
    rows = [row for scene in scenes for row in scene.rows]
    content = {
        "size": scenes[0].size,
        "opening": opening,
        "start": _packed(start_of(load(name), wanted)),
        "rows": [[*_packed(row.moment), row.sentence, row.layers] for row in rows],
    }
    for old in (cache / name).glob("*.json"):
        old.unlink(missing_ok=True)  # another build may be at the same
    used = {opening}.union(*(row.layers for row in rows))
    for path in folder.iterdir():
        if path.name not in used and path.suffix == ".webp":
            path.unlink(missing_ok=True)
    path = cache / name / f"{digest}.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _cached(cache: Path, name: str, digest: str) -> Recording | None:
    path = cache / name / f"{digest}.json"
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(
        Row(Moment(tuple(values), frame), sentence, tuple(layers))
        for values, frame, sentence, layers in content["rows"]
    )
    values, frame = content["start"]
    start = Moment(tuple(values), frame)
    folder = cache / name / "pictures"
    return Recording(name, tuple(content["size"]), content["opening"], start, rows, folder)


def _packed(moment: Moment) -> tuple[tuple[Any, ...], int | None]:
    return moment.values, moment.frame


def _digest(name: str, wanted: list[Moment]) -> str:
    """Changes with the code that the panel's pictures depend on, and with what is recorded."""
    told = hashlib.sha256()
    for path in (*_sources(f"course_lib.simulations.{name}"), Path(pixels.__file__)):
        told.update(path.read_bytes())
    told.update(repr((_FORMAT, _SCENE, _MOST_KEYS, _SHARED)).encode())
    told.update(repr([version(package) for package in _PACKAGES]).encode())
    told.update(repr([_packed(moment) for moment in wanted]).encode())
    return told.hexdigest()[:16]


def _sources(module: str) -> list[Path]:
    """The files of a module, of those modules of the course that it imports, and of the canvas."""
    found: dict[str, Path] = {}
    waiting = [module, "course_lib.panels.canvas"]
    while waiting:
        name = waiting.pop()
        spec = None if name in found or not name.startswith("course_lib.") else find_spec(name)
        if spec is None or spec.origin is None:
            continue
        found[name] = Path(spec.origin)
        for node in ast.walk(ast.parse(found[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(_module(node.module, each.name) for each in node.names)]
    return [found[name] for name in sorted(found)]


def _module(package: str, name: str) -> str:
    """``package.name`` when that is a module and not something defined in one."""
    if not package.startswith("course_lib"):
        return ""
    spec = find_spec(package)
    inside = spec is not None and spec.submodule_search_locations
    return f"{package}.{name}" if inside and find_spec(f"{package}.{name}") else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Record the panels for the site.")
    parser.add_argument("names", nargs="*", metavar="panel", help="default: all of them")
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    begin = time.perf_counter()
    recordings = record(options.names or tuple(SIMULATIONS), cache=options.cache)
    total = 0
    for name, recording in recordings.items():
        files = {path for row in recording.rows for path in recording.stack(row)}
        size = sum(path.stat().st_size for path in files)
        total += size
        rows = len(recording.rows)
        print(f"{name:17} {rows:5} moments {len(files):5} files {size / 1e6:6.2f} MB")
    print(f"{total / 1e6:.1f} MB in {time.perf_counter() - begin:.0f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
