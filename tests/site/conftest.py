"""The site's own modules, its small recording, and the site built from it.

Both are made once in a run of the tests: workers that come later find what the first one made.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from course_lib.chapters import CHAPTERS, Chapter

REPOSITORY = Path(__file__).resolve().parents[2]
#: Kept from one run to the next: a panel is recorded again when its code has changed.
SAMPLED = REPOSITORY / ".cache" / "sampled-recordings"


@pytest.fixture(params=CHAPTERS, ids=[chapter.number for chapter in CHAPTERS])
def chapter(request: pytest.FixtureRequest) -> Chapter:
    """Each chapter."""
    return request.param


@pytest.fixture(scope="session")
def sampled(shared_folder: Path) -> dict:
    """The small recording of every panel, by its name."""
    from recording import record
    from sample import sample

    with FileLock(shared_folder / "recordings.lock"):
        return record(only=sample(), cache=SAMPLED, workers=2)


def built(folder: Path) -> Path:
    """The site in ``folder``, with the small recording; a warning ends that with an error."""
    command = [sys.executable, "docs/site/build.py", "--sample", "--recordings", str(SAMPLED)]
    command += ["--output", str(folder / "pages"), "--work", str(folder / "work")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (folder / "done").touch()
    return folder / "pages"


@pytest.fixture(scope="session")
def site(shared_folder: Path) -> Path:
    """The built site."""
    folder = shared_folder / "site"
    with FileLock(shared_folder / "site.lock"):
        return folder / "pages" if (folder / "done").exists() else built(folder)


def panels_of(released: str) -> dict[str, str]:
    """A word in place of each panel of a notebook."""
    return dict.fromkeys(re.findall(r'panel\(\\"(\w+)\\"', released), "a panel")
