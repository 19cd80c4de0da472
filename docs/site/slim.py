"""Makes the built site lighter: what no reader of it needs is left out. Used by ``build.py``.

The theme loads 1.5 MB of script for its icons, of which ours are eight. They are taken out of that
script as shapes for the stylesheet. Pictures below the first screen wait until they are scrolled to.
"""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from PIL import Image

_ICON = re.compile(r"fa-solid fa-([a-z-]+)")
_SCRIPT = re.compile(
    r"\s*(<!--[^>]*custom icons -->)?\s*<script[^>]*fontawesome\.js[^>]*></script>"
)
_PICTURE = re.compile(r'<img (?=[^>]*src="([^"]+)")(?![^>]*\b(?:loading|width)=)')


def slim(site: Path) -> None:
    """Change the finished site in place."""
    static = site / "_static"
    pages = [path for path in site.rglob("*.html") if static not in path.parents]
    texts = {path: path.read_text(encoding="utf-8") for path in pages}
    scripts = [path.read_text(encoding="utf-8") for path in static.glob("scripts/*sphinx*.js")]
    names = {name for text in (*texts.values(), *scripts) for name in _ICON.findall(text)}
    with (static / "site.css").open("a", encoding="utf-8") as sheet:
        sheet.write(_icons((static / "scripts" / "fontawesome.js").read_text("utf-8"), names))
    for path, text in texts.items():
        text = _SCRIPT.sub("", text)
        text = _PICTURE.sub(lambda found, path=path: _later(found, path), text)
        path.write_text(text, encoding="utf-8")
    for unused in ("**/*.map", "scripts/fontawesome.js*", "vendor/fontawesome/webfonts/*"):
        for path in static.glob(unused):
            path.unlink()


def _icons(script: str, names: set[str]) -> str:
    """Rules that draw the named icons of the theme's solid set in the colour of the text."""
    rules = [
        "\n.fa-solid::before{content:''!important;display:inline-block;width:1.25em;height:1em;"
        "background:currentColor;vertical-align:-.125em;mask:var(--shape) center/contain no-repeat}"
        # The theme hides all but the script's drawings in here, on narrow screens.
        ".search-button-field>.fa-solid{display:inline!important}"
    ]
    for name in sorted(names):
        shape = rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"\w*","([^"]+)"\]'
        # The solid set comes last in the script.
        *_, (width, height, path) = re.findall(shape, script)
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
            f'<path d="{path}"/></svg>'
        )
        rules.append(f'.fa-{name}{{--shape:url("data:image/svg+xml,{quote(svg)}")}}')
    return "\n".join(rules) + "\n"


def _later(found: re.Match, page: Path) -> str:
    """The start of an ``<img>`` that loads when it comes near, with its size so that nothing moves
    then."""
    with Image.open(page.parent / unquote(found[1])) as image:
        width, height = image.size
    return f'{found[0]}loading="lazy" width="{width}" height="{height}" '
