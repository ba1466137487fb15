"""XML of a product, read without entities or network; what is wrong with a file is said with its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobs.errors import InputError

if TYPE_CHECKING:
    from lxml.etree import _Element

FETCH_AGAIN = "fetch the product again"
MOST_BYTES = 64_000_000
"""The largest annotation of a long data take has about 10 MB."""


def load(path: Path, product: str, what: str) -> bytes:
    """The bytes of a file of a product; an error of the file system other than *not there* comes through as it is."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{product}: {what} {path.name} has {size:,} bytes, which no {what} has", FETCH_AGAIN)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"{product}: {what} {path.name} is not there", FETCH_AGAIN) from error


def parse(text: bytes, product: str, what: str, name: str) -> _Element:
    """The root element; entities and network are off, so that a product cannot make this program read other files."""
    from lxml import etree

    if not text.strip():
        raise InputError(f"{product}: {what} {name} is empty", FETCH_AGAIN)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        return etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        raise InputError(f"{product}: {what} {name} is not well-formed XML: {error.msg}", FETCH_AGAIN) from error


class Reader:
    """Values of one XML file by path; a missing or unreadable one names product, file and element."""

    def __init__(self, root: _Element, product: str, what: str, name: str) -> None:
        self.root, self._where = root, f"{product}: {what} {name}"

    def text(self, path: str, of: _Element | None = None) -> str:
        """The text at a path, not empty."""
        found: str = (self.root if of is None else of).findtext(path, default="").strip()
        if not found:
            raise self.wrong(f"has no {path}")
        return found

    def number(self, path: str, of: _Element | None = None) -> float:
        """The number at a path."""
        text = self.text(path, of)
        try:
            return float(text)
        except ValueError as error:
            raise self.wrong(f"has {text[:40]!r} as {path}, which is not a number") from error

    def integer(self, path: str, of: _Element | None = None) -> int:
        """The whole number at a path."""
        return round(self.number(path, of))

    def wrong(self, words: str, hint: str = FETCH_AGAIN) -> InputError:
        """An error about this file."""
        return InputError(f"{self._where} {words}", hint)
