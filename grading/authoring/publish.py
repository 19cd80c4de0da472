"""``python -m grading publish --repository OWNER/NAME``: the course's address everywhere that it is needed.

It stands once in ``course_lib/about.py``; badges, the set-up cells and links in texts and notebooks repeat it.
They are rewritten as text, so no cell is executed; then a fresh process proves that ``build`` and ``release``
would make the same notebooks.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from course_lib.about import REPOSITORY as PUBLISHED_AS
from grading.authoring.build import written_chapters
from grading.authoring.release import check_up_to_date, release
from grading.errors import Problem
from grading.intake.whole_file import write_whole
from grading.paths import REPOSITORY, released_notebook

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_PROVE = "import sys; from grading.authoring.publish import prove; prove(sys.argv[1:])"


def publish(address: str, root: Path = REPOSITORY, old: str = PUBLISHED_AS) -> list[str]:
    """Put ``address`` in the place of ``old`` in all of git's files below ``root``: their names.

    ``Problem`` for what is not OWNER/NAME, where something is not committed, or when the notebooks would
    not be those that are built; then all files are as they were.
    """
    if not _NAME.fullmatch(address) or address.endswith(".git"):
        raise Problem(f"{address!r} is not written like OWNER/NAME, as in github.com/OWNER/NAME.")
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        raise Problem("there are changes that are not committed: commit them first.")
    names = _git(root, "grep", "-lIF", old).splitlines()
    before = {name: (root / name).read_bytes() for name in names}
    try:
        for name, content in before.items():
            _replace(root / name, _moved(content, old, address))
        done = subprocess.run(
            [sys.executable, "-c", _PROVE], cwd=root, capture_output=True, text=True
        )
        if done.returncode:
            raise Problem(done.stderr.strip().splitlines()[-1])
    except BaseException:
        for name, content in before.items():
            _replace(root / name, content)
        raise
    return names


def prove(names: Iterable[str] = ()) -> None:
    """Ends with a line unless the notebooks are what ``build`` and ``release`` make of the sources."""
    try:
        chapters = written_chapters(list(names))
        for chapter in chapters:
            check_up_to_date(chapter)
        with tempfile.TemporaryDirectory(prefix="publish-") as folder:
            made = Path(folder, "notebooks")
            made.mkdir()
            ids = [chapter.id for chapter in chapters]
            release(ids, Path(folder, "course"), notebooks_folder=made)
            for chapter in chapters:
                path = released_notebook(chapter)
                if path.read_bytes() != released_notebook(chapter, made).read_bytes():
                    sys.exit(
                        f"{path.name} is not what its source makes: run `make build`, and commit."
                    )
    except Problem as problem:
        sys.exit(str(problem))


def _moved(content: bytes, old: str, new: str) -> bytes:
    """The old name stands alone only where somebody enters the folder that git has just made."""
    entered = f"{old}\ncd {old.rpartition('/')[2]}\n".encode()
    content = content.replace(entered, f"{new}\ncd {new.rpartition('/')[2]}\n".encode())
    return content.replace(old.encode(), new.encode())


def _replace(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode
    write_whole(path, content)
    path.chmod(mode)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode > 1 or (done.returncode and arguments[0] != "grep"):
        said = (done.stderr.strip().splitlines() or ["it gives no reason"])[-1]
        raise Problem(f"git {arguments[0]} failed in {root}: {said}")
    return done.stdout
