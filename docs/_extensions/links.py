"""Looks whether what the built pages lead to is there: pages, places in them, files; nothing comes from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}
FOLLOWED = {("a", "href"), *LOADED}


class Page(HTMLParser):
    """The places of a page and what it leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.targets: list[tuple[str, bool]] = []  # and whether a browser fetches it by itself
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids and targets."""
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            if value and (tag, name) in FOLLOWED:
                self.targets.append((value, (tag, name) in LOADED))


def broken(folder: Path) -> Iterator[str]:
    """What does not lead anywhere, in words."""

    @cache
    def read(path: Path) -> Page:
        return Page(path.read_text(encoding="utf-8"))

    for source in sorted(set(folder.rglob("*.html")) - set(folder.glob("_static/**/*"))):  # a theme's own templates
        for target, loaded in dict.fromkeys(read(source).targets):
            url = urlsplit(target)
            where = f"{source.relative_to(folder)}: {target}"
            if url.scheme or url.netloc:
                if loaded and url.scheme != "data":
                    yield f"{where} would be fetched from elsewhere"
                continue
            path = (source.parent / unquote(url.path)).resolve() if url.path else source
            if not path.is_file():
                yield f"{where} is not there"
            elif url.fragment and path.suffix == ".html" and unquote(url.fragment) not in read(path).places:
                yield f"{where}: the page has no such place"


def check(app: Sphinx, failed: Exception | None) -> None:
    """Warn of every link that is broken."""
    if failed is None and app.builder.format == "html":
        for problem in broken(Path(app.outdir)):
            logging.getLogger(__name__).warning(problem)


def setup(app: Sphinx) -> dict[str, Any]:
    """Check after each build."""
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
