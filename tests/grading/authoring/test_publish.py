"""``publish`` writes a new address wherever the old one stands, and nothing else."""

import shutil
import subprocess

import pytest

from course_lib.about import REPOSITORY as PUBLISHED_AS
from grading.authoring import publish as module
from grading.authoring.publish import publish
from grading.errors import Problem

NEW = "a-school/loops-2026"


def git(folder, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def clone(repository, tmp_path):
    """A clone with the code, and the notebooks of one chapter."""
    ignore = shutil.ignore_patterns("__pycache__", "0[1-9]*", "sample_class")
    for name in ("course_lib", "grading", "notebooks"):
        shutil.copytree(repository / name, tmp_path / name, ignore=ignore)
    for chapter in (repository / "grading" / "chapters").glob("*.py"):
        shutil.copy(chapter, tmp_path / "grading" / "chapters")
    shutil.copy(repository / "README.md", tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "As it was")
    return tmp_path


@pytest.fixture
def one_chapter(monkeypatch):
    """The proof is of the chapter that was copied."""
    monkeypatch.setattr(module, "_PROVE", module._PROVE.replace("sys.argv[1:]", '["00"]'))


@pytest.mark.slow
def test_only_the_address_changes_and_the_notebooks_are_what_is_built(clone, one_chapter):
    said = publish(NEW, clone)
    assert {"README.md", "course_lib/about.py", "notebooks/00_why_a_training_loop.ipynb"} < set(
        said
    )
    assert git(clone, "diff", "--name-only").splitlines() == said
    assert subprocess.run(["git", "grep", "-qF", PUBLISHED_AS], cwd=clone).returncode == 1
    readme = (clone / "README.md").read_text(encoding="utf-8")
    assert f"git clone https://github.com/{NEW}\ncd loops-2026\n" in readme
    git(clone, "commit", "-qam", "Publish")
    publish(PUBLISHED_AS, clone, old=NEW)
    git(clone, "commit", "-qam", "And back")
    assert git(clone, "diff", "HEAD~2") == ""


@pytest.mark.slow
def test_a_notebook_that_was_changed_stops_it_and_nothing_is_written(clone, one_chapter):
    path = clone / "notebooks" / "00_why_a_training_loop.ipynb"
    path.write_text(path.read_text().replace("training loop", "training hoop", 1))
    git(clone, "commit", "-qam", "Edited by hand")
    with pytest.raises(Problem, match="is not what its source makes"):
        publish(NEW, clone)
    assert git(clone, "status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.parametrize(
    "address", ["", "name", "https://github.com/a/b", "a/b/c", "a/b.git", "-/b"]
)
def test_an_address_is_an_owner_and_a_name(tmp_path, address):
    with pytest.raises(Problem, match="OWNER/NAME"):
        publish(address, tmp_path)


def test_what_is_not_committed_is_not_mixed_in(clone):
    (clone / "README.md").write_text("new")
    with pytest.raises(Problem, match="commit them first"):
        publish(NEW, clone)
