"""What notebooks need that are replayed by hand: ``pytest --nbval grading/source``.

Their kernels find this repository, and what they check counts as nobody's progress. A cell whose
output differs is reported with both environments, that of the stored output and this one: a maintainer
sees at once whether the course or the machine has changed. The tests' own settings are in
``tests/conftest.py``.
"""

import json
import os
import tempfile
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent
#: Below it, each replayed notebook has a record of its own.
_home = Path()


def pytest_configure(config: pytest.Config) -> None:
    if any(config.getoption(option, default=False) for option in ("--nbval", "--nbval-lax")):
        home = tempfile.TemporaryDirectory(prefix="course-home-")
        config.add_cleanup(home.cleanup)
        paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        global _home
        _home = Path(os.environ.get("COURSE_HOME", home.name))
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before a notebook's kernel starts: its learner is new, as for whoever built it."""
    if hasattr(item, "cell"):
        os.environ["COURSE_HOME"] = str(_home / item.path.stem)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = (yield).get_result()
    if report.when == "call" and report.failed and hasattr(item, "cell"):
        from grading.authoring.environment_note import KEY, side_by_side

        stored = item.parent.nb.metadata.get(KEY, {})
        report.sections.append(("environments", side_by_side(stored, _kernels_own(item))))


def _kernels_own(item: Any) -> dict[str, str]:
    """The environment as the notebook's kernel describes it; a kernel that is gone says nothing."""
    kernel = item.parent.kernel
    if kernel is None or not kernel.is_alive():
        return {}
    ask = "__import__('json').dumps(__import__('grading.authoring.environment_note', fromlist=['x']).describe())"
    message = kernel.kc.execute("", silent=True, user_expressions={"here": ask})
    try:
        while True:
            reply = kernel.get_message(stream="shell", timeout=30)
            if reply["parent_header"].get("msg_id") == message:
                break
    except Empty:
        return {}
    answer = reply["content"].get("user_expressions", {}).get("here", {})
    if answer.get("status") != "ok":
        return {}
    return json.loads(literal_eval(answer["data"]["text/plain"]))
