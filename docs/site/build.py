"""``make site``: the course as static pages, made from the sources that are in the repository.

Copies what is published into ``.cache/site/sources``, with the repository's folders so that every
relative link leads where it leads on GitHub, and runs Sphinx over it with ``conf.py``. Nothing is
executed. A warning (a link without a target, a page outside the contents) ends it with status 1.
"""

import argparse
import shutil
import sys
from pathlib import Path

from pages import chapter_page, document_page, home_page
from sphinx.cmd.build import main as sphinx

from course_lib.app.terminal import answer
from course_lib.chapters import CHAPTERS

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
#: Pages and files besides the chapters, and what README.md and docs/ link to.
PUBLISHED = (
    "docs",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "LICENSE-text",
    "constraints.txt",
)


def stage(sources: Path) -> None:
    """Fill the empty folder ``sources`` with what Sphinx reads."""
    for name in PUBLISHED:
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, sources / name, ignore=shutil.ignore_patterns("site", "*.py"))
        else:
            shutil.copyfile(path, sources / name)
    for path in sources.rglob("*.md"):
        path.write_text(document_page(path.read_text(encoding="utf-8")), encoding="utf-8")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (sources / "index.md").write_text(home_page(readme), encoding="utf-8")
    # The page of a chapter differs from what a learner opens, which is offered beside it.
    for folder in ("notebooks", "released"):
        (sources / folder).mkdir()
    for chapter in CHAPTERS:
        released = REPOSITORY / "notebooks" / f"{chapter.id}.ipynb"
        page = chapter_page(chapter, released.read_text(encoding="utf-8"))
        (sources / "notebooks" / released.name).write_text(page, encoding="utf-8")
        shutil.copyfile(released, sources / "released" / released.name)


def main() -> int:
    parser = argparse.ArgumentParser(description="The course as a static site.")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "site")
    parser.add_argument("--work", type=Path, default=REPOSITORY / ".cache" / "site")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    sources, pages = options.work / "sources", options.work / "pages"
    sources.mkdir(parents=True)
    stage(sources)
    folders = ["-c", str(HERE), "-d", str(options.work / "doctrees"), str(sources), str(pages)]
    if sphinx(["-b", "html", "-q", "-W", "--keep-going", *folders]) != 0:
        return 1
    shutil.rmtree(options.output, ignore_errors=True)
    shutil.move(pages, options.output)
    print(f"The site is in {options.output}: open index.html there.")
    return 0


if __name__ == "__main__":
    sys.exit(answer(main, "run `make setup`"))
