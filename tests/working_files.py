"""The files of a repository as somebody works on it."""

import subprocess
from pathlib import Path


def working_files(repository: Path) -> list[str]:
    """What git tracks or what is new, is not ignored and is there, in order. Raises
    ``CalledProcessError`` where there is no repository, and ``OSError`` without git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=repository, capture_output=True, check=True)
    names = sorted(filter(None, done.stdout.decode().split("\0")))
    return [name for name in names if (repository / name).is_file()]
