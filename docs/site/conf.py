"""Sphinx's settings for the site; ``build.py`` runs it."""

from course_lib import __version__

project = "The PyTorch training loop"
version = release = __version__
author = "The course's authors"
copyright = "The course's authors. Code: BSD 3-Clause. Text and figures: CC BY 4.0"
language = "en"

extensions = ["myst_nb", "sphinx_copybutton"]
exclude_patterns = ["released"]
nb_execution_mode = "off"
smartquotes = False  # code and its messages are quoted as they are
myst_heading_anchors = 3
# A block without a language is a command; a chapter's cells say that they are Python.
highlight_language = "none"

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css", "panels.css", "questions.css"]
html_js_files = [("panels.js", {"defer": "defer"}), ("questions.js", {"defer": "defer"})]
html_copy_source = False  # the page's notebook is not the one to work in
html_show_sphinx = False
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_theme_options = {
    # The search is beside the contents already.
    "navbar_persistent": [],
    "navbar_end": [],
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
