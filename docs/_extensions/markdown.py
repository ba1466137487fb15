"""Pieces of Markdown: text that means what it says, tables, blocks of commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\*_<>\[\]{}$|#~])")
_CODE = re.compile(r"(`[^`]+`)")


def plain(text: str) -> str:
    """The text as it is, on one line; what stands in backticks is code."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part.replace("|", r"\|") if _CODE.fullmatch(part) else escaped(part) for part in parts)


def escaped(text: str) -> str:
    """Text in which nothing means anything to Markdown."""
    return _SPECIAL.sub(r"\\\1", text.replace("`", r"\`"))


def code(text: str) -> str:
    """The text as code in a sentence or a cell."""
    return f"`{text}`".replace("|", r"\|")


def anchor(text: str, name: str) -> str:
    """The text as a place that links written `[…](#name)` lead to."""
    return f"[{text}]{{#{name}}}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of one row per thing; on a narrow screen the cells of a row stand below each other."""
    lines = [heads, ["---"] * len(heads), *rows]
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f":::{{table}}\n:class: rows {kind}\n\n{body}\n:::"


def commands(text: str) -> str:
    """A block of commands as they are typed."""
    return f"```\n{text.rstrip()}\n```"


def slug(*words: str) -> str:
    """A name for a place: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
