"""HTML that cannot forget to escape: whatever is not `Html` already becomes text when it is put into an element."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
VOID = {"meta", "br", "hr"}
Child = str | int | None


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def clean(text: str) -> str:
    """The text without control characters (nor those that reverse the line) and without what UTF-8 cannot say."""
    return UNPRINTABLE.sub("�", text).encode("utf-8", "backslashreplace").decode("utf-8")


def safe(child: Child) -> Html:
    """The child as HTML: escaped, if it is not HTML already."""
    if isinstance(child, Html):
        return child
    return Html("" if child is None else escape(clean(str(child))))


def join(children: Sequence[Child], between: str = "") -> Html:
    """The children one after the other."""
    return Html(safe(between).join(safe(child) for child in children))


def tag(name: str, /, *children: Child, **attributes: Child) -> Html:
    """One element; `class_` and `data_label` become `class` and `data-label`, an attribute of None is left out."""
    pairs = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None]
    start = "".join(f' {key}="{safe(str(value))}"' for key, value in pairs)
    if name in VOID:
        return Html(f"<{name}{start}>")
    return Html(f"<{name}{start}>{join(children)}</{name}>")


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    number: bool = False


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Child]]) -> Html:
    """A table whose cells carry their column's name, so that a narrow screen can show each row as a card."""
    head = [tag("th", c.name, scope="col", class_="n" if c.number else None, role="columnheader") for c in columns]
    body = [tag("tr", *_cells(columns, row), role="row") for row in rows]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head, role="row"), role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )


def _cells(columns: Sequence[Column], row: Sequence[Child]) -> list[Html]:
    first, *rest = (
        (cell, {"class_": "n" if column.number else None, "data_label": column.name})
        for column, cell in zip(columns, row, strict=True)
    )
    head = tag("th", first[0], scope="row", role="rowheader", **first[1])
    return [head, *(tag("td", cell, role="cell", **attributes) for cell, attributes in rest)]
