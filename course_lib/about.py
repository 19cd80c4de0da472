"""Where the course lives: the one place with the repository's address and the released tag.

Set ``REPOSITORY`` before the first publication and rebuild the notebooks: Colab badges and the
notebooks' set-up line are made from it.
"""

from course_lib import __version__

#: "owner/name" on GitHub.
REPOSITORY = "OWNER/pytorch-training-loop"
TAG = f"v{__version__}"


def colab_badge(chapter_id: str) -> str:
    """Address that opens the released notebook of a chapter in Colab."""
    return (
        f"https://colab.research.google.com/github/{REPOSITORY}/blob/{TAG}"
        f"/notebooks/{chapter_id}.ipynb"
    )


def colab_requirement() -> str:
    """What pip installs on Colab: the tagged archive, which needs no git."""
    return f"https://github.com/{REPOSITORY}/archive/refs/tags/{TAG}.zip"


def colab_answers() -> str:
    """What pip installs on Colab besides, in the self-study edition: the answers pack."""
    return f"{colab_requirement()}#subdirectory=answers"


def document(name: str) -> str:
    """Address of a page of ``docs/`` at the released tag: ``document("glossary")``."""
    return f"https://github.com/{REPOSITORY}/blob/{TAG}/docs/{name}.md"
