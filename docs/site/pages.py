"""From a file of the repository to a page of the site: text in, text out. Used by ``build.py``."""

import json
import re

from course_lib.about import REPOSITORY, TAG, colab_badge
from course_lib.chapters import CHAPTERS, Chapter

#: Characters that mean something in Markdown.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#$|~])")

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
CONTRIBUTING
CHANGELOG
```
"""


def home_page(readme: str) -> str:
    """README.md with the site's table of contents."""
    chapters = "\n".join(f"notebooks/{chapter.id}" for chapter in CHAPTERS)
    return readme + _CONTENTS.format(chapters=chapters)


def chapter_page(chapter: Chapter, released: str) -> str:
    """The released notebook as a page: links stay on the site, and a panel is a picture with words.

    Where the notebook starts, a line says how to work in it instead of reading.
    """
    notebook = json.loads(released)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _local("".join(cell["source"]), chapter)
        elif "panel" in cell["metadata"].get("tags", []):
            _panel(cell)
    return json.dumps(notebook, ensure_ascii=False)


def _local(text: str, chapter: Chapter) -> str:
    """Addresses of our own documents become links within the site; no picture comes from outside."""
    documents = f"https://github.com/{REPOSITORY}/blob/{TAG}/"
    text = text.replace(f"]({documents}", "](../")
    badge = re.compile(rf"\[!\[Open in Colab\]\([^)]*\)\]\({re.escape(colab_badge(chapter.id))}\)")
    ways = (
        f"[Open in Colab]({colab_badge(chapter.id)}) &nbsp; "
        f"{{download}}`Download the notebook <../released/{chapter.id}.ipynb>` &nbsp;"
    )
    return badge.sub(lambda _: ways, text)


def _panel(cell: dict) -> None:
    """Keep the picture, and hand its words to MyST-NB as alternative text and caption."""
    pictures = [output for output in cell["outputs"] if "image/png" in output.get("data", {})]
    for output in pictures:
        title, sentence = "".join(output["data"]["text/plain"]).split("\n", 1)
        output["data"] = {"image/png": output["data"]["image/png"]}
        caption = f"**{_escaped(title)}** {_escaped(sentence)}"
        cell["metadata"]["mystnb"] = {
            "image": {"alt": f"{title}. {sentence}", "classes": "panel"},
            "figure": {"caption": caption},
        }
    cell["outputs"] = pictures


def _escaped(words: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(words.split()))
