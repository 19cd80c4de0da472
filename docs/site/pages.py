"""From a file of the repository to a page of the site: text in, text out. Used by ``build.py``."""

import json
import re

from course_lib.about import REPOSITORY, TAG, colab_badge
from course_lib.chapters import CHAPTERS, Chapter

#: A picture from outside that is a link, such as "Open in Colab".
_BADGE = re.compile(r"\[!\[([^\]]*)\]\(https?://[^)]*\)\]\(([^)]*)\)")
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
    return _without_badges(readme) + _CONTENTS.format(chapters=chapters)


def document_page(text: str) -> str:
    """A Markdown file whose links to README.md lead to the home page, which is made from it."""
    return re.sub(r"\]\(((?:\.\./)*)README\.md", r"](\1index.md", text)


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
    """Addresses of our own documents become links within the site, and the released notebook can be
    downloaded beside the link to Colab."""
    text = text.replace(f"](https://github.com/{REPOSITORY}/blob/{TAG}/", "](../")
    colab = f"]({colab_badge(chapter.id)})"
    download = f"{{download}}`Download the notebook <../released/{chapter.id}.ipynb>`"
    return _without_badges(text).replace(colab, f"{colab} &nbsp; {download}")


def _without_badges(text: str) -> str:
    """Links as words: no page of the site loads anything from elsewhere."""
    return _BADGE.sub(r"[\1](\2)", text)


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
