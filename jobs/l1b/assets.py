"""Products that a STAC catalog names: of an item's assets the SAFE folder, or its manifest, which lies in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from jobs import storage
from jobs.l1b.safe import MANIFEST
from jobs.model import Row


def products(rows: Iterable[Row]) -> Iterator[Row]:
    """One row for each SAFE among the assets of each item; an item without any has a problem."""
    for item, assets in groupby(rows, key=lambda row: (row.columns.get("collection"), row.columns.get("item"))):
        own = list(assets)
        found = {_safe(row.source): row for row in own if not row.problem and _safe(row.source)}
        yield from (row for row in own if row.problem)
        yield from (replace(row, source=source) for source, row in found.items())
        if not found and not any(row.problem for row in own):
            names = ", ".join(str(row.columns["asset"]) for row in own)
            why = f"none of the assets {names} is a SAFE folder or its {MANIFEST}"
            yield Row(str(item[1]), columns=own[0].columns, problem=f"the item {item[1]} is no product: {why}")


def _safe(href: str) -> str:
    """The SAFE folder that an asset is or lies in; empty if it is neither it nor the manifest."""
    href = href.rstrip("/")
    name = storage.basename(href)
    if name.upper().endswith(".SAFE") and name.lower() != MANIFEST:
        return href
    return href.rpartition("/")[0] if name.lower() == MANIFEST else ""
