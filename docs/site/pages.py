"""From a file of the repository to a page of the site: text in, text out. Used by ``build.py``."""

import json
import re
from collections.abc import Mapping

from questions import answering, outcomes

from course_lib.about import REPOSITORY, TAG, colab_badge
from course_lib.chapters import CHAPTERS, Chapter

#: A picture from outside that is a link, such as "Open in Colab".
_BADGE = re.compile(r"\[!\[([^\]]*)\]\(https?://[^)]*\)\]\(([^)]*)\)")
#: Where a panel stands in a chapter's source.
_CALL = re.compile(r"panel\(\"(\w+)\"")
#: Which panel visitors meet first.
FIRST = "run_gone_wrong"

_INVITATION = """\
This training run goes wrong at step 47. **Move the first slider to 47**: which layer is pulled much
more strongly than before? Then [chapter 00](notebooks/00_why_a_training_loop.ipynb) tells why."""

_CONTENTS = """

```{{toctree}}
:hidden:
:caption: Chapters

{chapters}
```

```{{toctree}}
:hidden:
:caption: Look up

docs/glossary
docs/cheat_sheet
docs/questions
```

```{{toctree}}
:hidden:
:caption: Teach and contribute

docs/handbook
deploy/jupyterhub/README
deploy/zero-to-jupyterhub/README
CONTRIBUTING
CHANGELOG
```
"""


def home_page(readme: str, panel: str) -> str:
    """README.md with the site's table of contents, and a panel before anything else."""
    chapters = "\n".join(f"notebooks/{chapter.id}" for chapter in CHAPTERS)
    title, rest = _without_badges(readme).split("\n", 1)
    # Else the badges, which are links in words here, would stand above it.
    links, rest = rest.strip().split("\n\n", 1)
    page = f"{title}\n\n{_INVITATION}\n\n{panel}\n\n{links}\n\n{rest}\n"
    return page + _CONTENTS.format(chapters=chapters)


def document_page(text: str) -> str:
    """A Markdown file whose links to README.md lead to the home page, which is made from it."""
    return re.sub(r"\]\(((?:\.\./)*)README\.md", r"](\1index.md", text)


def chapter_page(
    chapter: Chapter, released: str, panels: Mapping[str, str], solved: str | None
) -> str:
    """The released notebook as a page: links stay on the site, and a panel is its recording.

    ``panels`` has the HTML of each recorded panel by its name. Quizzes and predictions answer, with what
    came of the run in the notebook ``solved``; without one they stay as they are.
    """
    notebook = json.loads(released)
    came = None if solved is None else outcomes(json.loads(solved))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _local("".join(cell["source"]), chapter)
        elif name := panel_of(cell):
            cell["outputs"] = [html_output(panels[name])]
        elif came is not None and (html := answering("".join(cell["source"]), came)):
            cell["outputs"] = [html_output(html)]
    return json.dumps(notebook, ensure_ascii=False)


def panel_of(cell: dict) -> str | None:
    """The name of the panel that a notebook's cell shows."""
    if "panel" not in cell["metadata"].get("tags", []):
        return None
    found = _CALL.search("".join(cell["source"]))
    return found[1] if found else None


def html_output(html: str) -> dict:
    """An output of a cell that is HTML and nothing else."""
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}


def _local(text: str, chapter: Chapter) -> str:
    """Addresses of our own documents become links within the site, and the released notebook can be
    downloaded beside the link to Colab."""
    text = text.replace(f"](https://github.com/{REPOSITORY}/blob/{TAG}/", "](../")
    colab = f"]({colab_badge(chapter.id)})"
    download = f"{{download}}`Download the notebook <../released/{chapter.id}.ipynb>`"
    return _without_badges(text).replace(colab, f"{colab} &nbsp; {download}")


def _without_badges(text: str) -> str:
    """Links as words: no page of the site loads anything from elsewhere."""
    return _BADGE.sub(r"[\1](\2)", text)
