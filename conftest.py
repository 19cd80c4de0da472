"""What notebooks need that are replayed by hand: ``pytest --nbval grading/source``.

Their kernels find this repository, and what they check counts as nobody's progress. The tests' own
settings are in ``tests/conftest.py``.
"""

import os
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--nbval", default=False):
        home = tempfile.TemporaryDirectory(prefix="course-home-")
        config.add_cleanup(home.cleanup)
        paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        os.environ.setdefault("COURSE_HOME", home.name)
        os.environ.setdefault("OMP_NUM_THREADS", "1")
