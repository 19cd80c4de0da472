"""What axe-core says about a page: the findings that are ours. Used by the tests of this folder.

https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md describes the rules.
"""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

#: What the course produces in a page of JupyterLab: panels, checks, and text that was Markdown.
OURS = (".course-panel", ".course-check", ".jp-RenderedMarkdown")
#: Jupyter's own findings inside of these: rule, part of the selector, and why it is set aside.
SET_ASIDE: tuple[tuple[str, str, str], ...] = ()
_SEVERE = ("serious", "critical")


def findings(page: Page) -> list[str]:
    """Serious and critical findings in what the course produces, one line each."""
    context = {"include": [[selector] for selector in OURS]}
    found = Axe().run(page, context, {"resultTypes": ["violations"]}).response["violations"]
    return [
        _line(rule, node)
        for rule in found
        for node in rule["nodes"]
        if node["impact"] in _SEVERE and not _is_set_aside(rule["id"], node)
    ]


def _is_set_aside(rule: str, node: dict[str, Any]) -> bool:
    target = " ".join(map(str, node["target"]))
    return any(rule == name and part in target for name, part, _ in SET_ASIDE)


def _line(rule: dict[str, Any], node: dict[str, Any]) -> str:
    reasons = (reason["message"] for reason in node["any"] + node["all"] + node["none"])
    return f"{rule['id']} at {node['target']}: {'; '.join(reasons)} ({node['html'][:200]})"
