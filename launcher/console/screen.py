"""How text lies on a terminal: folded at words, one line that is drawn again, colour for those who want it."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TextIO

import click

COLUMNS = 80  # where nobody says how many there are
# A command stays on one line, so that it can be copied whole; commands within sentences are short.
_COMMAND = re.compile(r"`[^`]{1,60}`|\bspringline(?: [\w./*-]+){1,4}")
_HANG = re.compile(r"^ +| {2,}|→ ")  # below their ends the next lines begin: an indent, a column, an arrow


def folded(text: str, columns: int) -> str:
    """The text in lines that fit; what cannot be broken, as a path, is left whole. Pure."""
    return "\n".join(_folded(line, columns) if len(line) > columns else line for line in text.split("\n"))


def _folded(line: str, columns: int) -> str:
    hang = max((found.end() for found in _HANG.finditer(line) if found.end() <= columns // 2), default=2)
    glued = _COMMAND.sub(lambda found: found[0].replace(" ", "\xa0"), line)
    wrap = textwrap.TextWrapper(
        columns, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return wrap.fill(glued).replace("\xa0", " ")


def cut(text: str, columns: int) -> str:
    """The beginning of the text that fits on a line, and a sign that there was more. Pure."""
    return text if len(text) <= columns else text[: columns - 1] + "…"


def columns_of(stream: TextIO) -> int:
    """How wide the terminal is now."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    except (OSError, ValueError):
        return COLUMNS


def can_draw(stream: TextIO) -> bool:
    """True for a terminal on which a line can be drawn again."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def fitted(text: str, stream: TextIO, colour: str = "") -> str:
    """What is printed of a text: as it is in a file, folded on a terminal, its first word in a colour if it may be."""
    if not stream.isatty():
        return text
    text = folded(text, columns_of(stream))
    if not colour or os.environ.get("NO_COLOR") or not can_draw(stream):
        return text
    first, space, rest = text.partition(" ")
    return click.style(first, fg=colour, bold=True) + space + rest


class LiveLine:
    """The last line of a terminal, drawn again and again, and gone when something is to stay in its place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._length = 0

    def draw(self, text: str) -> None:
        """Draw the line; what does not fit is cut."""
        shown = cut(text, columns_of(self._stream) - 1)
        click.echo(self._erase() + shown, file=self._stream, nl=False)
        self._length = len(shown)

    def clear(self) -> None:
        """Take the line away."""
        if self._length:
            click.echo(self._erase(), file=self._stream, nl=False)
            self._length = 0

    def _erase(self) -> str:
        """Terminals fold a long line when they become narrower: then it began some rows above."""
        above = max(self._length - 1, 0) // columns_of(self._stream)
        return "\r" + (f"\033[{above}A" if above else "") + "\033[J"
