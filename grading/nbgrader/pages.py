"""Makes the feedback pages of a class with one exporter. ``writer`` has one for each assignment.

nbgrader's own command makes a new exporter for each page, which compiles its templates again; and nbconvert
parses each page once more in order to describe its pictures. A class has mostly the same cells, so what one
page has coloured or rendered serves the next.
"""

import re
from functools import lru_cache, partial
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode

#: Texts: a chapter has some 60 cells, of which a learner changes a few.
_REMEMBERED = 2_000
#: The start of a picture without alternative text.
_UNDESCRIBED = re.compile(r"<img(?=\s)(?![^<>]*\salt=)")
_DESCRIPTION = '<img alt="No description has been provided for this image"'


class PageExporter(HTMLExporter):
    """Gives the page that ``HTMLExporter`` gives, for one notebook after another of the same course."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._coloured: dict[str, Any] = {}
        self._rendered = lru_cache(_REMEMBERED)(partial(super().markdown2html, {}))

    def get_ready(self, nb: NotebookNode) -> None:
        """Do beforehand what the first page would wait for: templates, and the cells that all pages share."""
        colour = self._colouring(nb)
        for cell in nb.cells:
            if cell.cell_type == "code":
                colour(cell.source, metadata=cell.metadata)
            elif cell.cell_type == "markdown":
                self._rendered(cell.source)
        resources = self._init_resources(None)
        self._register_filters_for(nb, resources)
        # Begun, it reads what it extends.
        next(self.template.generate(nb=nb, resources=resources), "")

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **more: Any
    ) -> tuple[str, dict[str, Any]]:
        resources = self._init_resources(resources)
        self._register_filters_for(nb, resources)
        page, resources = TemplateExporter.from_notebook_node(self, nb, resources, **more)
        return _UNDESCRIBED.sub(_DESCRIPTION, page), resources

    def _register_filters_for(self, nb: NotebookNode, resources: dict[str, Any]) -> None:
        self.register_filter("highlight_code", self._colouring(nb))
        shown = WidgetsDataTypeFilter(
            notebook_metadata=self._nb_metadata, parent=self, resources=resources
        )
        self.register_filter("filter_data_type", shown)

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        if self.embed_images or context.get("cell", {}).get("attachments"):
            return super().markdown2html(context, source)  # files decide, too
        return self._rendered(source)

    def _colouring(self, nb: NotebookNode) -> Any:
        about = nb.metadata.get("language_info", {})
        lexer = about.get("pygments_lexer", about.get("name", None))
        if lexer not in self._coloured:
            colour = Highlight2HTML(pygments_lexer=lexer, parent=self)

            @lru_cache(_REMEMBERED)
            def coloured(source: str, language: str | None, magics: str | None) -> str:
                metadata = {"magics_language": magics} if magics else {}
                return colour(source, language=language, metadata=metadata)

            self._coloured[lexer] = lambda source, language=None, metadata=None: coloured(
                source, language, (metadata or {}).get("magics_language")
            )
        return self._coloured[lexer]
