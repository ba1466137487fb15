"""What is known of a run: its years, where the result comes from, the report and the record beside it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from jobs import storage
from jobs.model import Report, Request
from jobs.spring_index import output
from jobs.spring_index.blocks import Done, Plan
from jobs.spring_index.model import TRIGGER
from jobs.spring_index.options import Settings
from jobs.spring_index.source import Collection

SCHEMA_VERSION = 1
COUNTS = ("cells", "valid_cells", "gap_cells")
"""Attributes in which a finished year says how many cells it has, how many with data and how many with gaps."""


@dataclass
class Year:
    """What is known of a year while the run goes on."""

    year: int
    state: str = "waiting"
    """waiting, skipped, done or failed"""
    blocks: int = 0
    marker: bytes = b""
    cells: int = 0
    valid: int = 0
    gaps: int = 0
    seconds: float = 0.0
    error: str = ""
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, done: Done) -> None:
        """Count a finished block."""
        self.blocks -= 1
        self.cells, self.valid, self.gaps = self.cells + done.cells, self.valid + done.valid, self.gaps + done.gaps
        self.seconds += done.seconds
        for name, (total, count) in done.sums.items():
            before = self.sums.get(name, (0.0, 0))
            self.sums[name] = (before[0] + total, before[1] + count)

    def facts(self) -> dict[str, Any]:
        """What the year says of itself in JSON."""
        means = {name: round(total / count, 2) for name, (total, count) in self.sums.items() if count}
        facts = {"state": self.state, "cells": self.cells, "valid_cells": self.valid, "gap_cells": self.gaps}
        facts |= {"seconds": round(self.seconds, 3), "mean": means}
        return facts | ({"error": self.error} if self.error else {})


@dataclass(frozen=True)
class Run:
    """A run, planned."""

    request: Request
    settings: Settings
    collection: Collection
    plan: Plan
    chunks: tuple[int, ...]
    years: dict[int, Year]


def identity(planned: Run) -> dict[str, Any]:
    """What must be the same for two runs to share a store."""
    grid, chosen = planned.collection.grid, planned.settings
    return {
        "variant": chosen.variant.name, "window": (chosen.window.first, chosen.window.last),
        "plants": chosen.plants, "coarsen": chosen.coarsen, "shape": grid.shape,
        "coords": {n: np.asarray(c.values).tolist() for n, c in grid.coords.items() if len(c.dims) == 1},
        "dayl": planned.collection.dayl_source, "bbox": chosen.bbox,
    }  # fmt: skip


def input_names(planned: Run, year: int) -> list[str]:
    """Names of a year's files, without where they lie."""
    slots = planned.collection.years[year].values()
    return sorted({storage.basename(url) for slot in slots for url in slot.urls})


def inputs_signature(planned: Run, year: int) -> str:
    """Names and sizes of a year's files."""
    sizes = {}
    for url in sorted({url for slot in planned.collection.years[year].values() for url in slot.urls}):
        fs, path = storage.filesystem(url)
        with contextlib.suppress(OSError):
            sizes[storage.basename(url)] = str(fs.modified(f"{path}/zarr.json")) if fs.isdir(path) else fs.size(path)
    return output.signature(sizes)


def provenance(planned: Run) -> dict[str, Any]:
    """Where the result comes from; no local paths."""
    variant, chosen, collection = planned.settings.variant, planned.settings, planned.collection
    rule = ">" if variant.strict_trigger else "≥"
    return {
        "Conventions": "CF-1.10",
        "title": "Extended spring indices (SI-x): first leaf and first bloom",
        "source": f"springline {version('springline')} spring-index from {collection.source or 'daily temperatures'}",
        "references": "doi:10.1002/joc.3625, doi:10.1016/j.cageo.2015.06.015, doi:10.1088/1748-9326/10/10/104008",
        "springline_version": version("springline"),
        "springline_job": "spring-index",
        "springline_variant": f"{variant.name}: {variant.summary}",
        "springline_trigger": f"weighted sum {rule} {TRIGGER}",
        "springline_search": f"day {chosen.window.first} to {chosen.window.last}",
        "springline_coarsen": chosen.coarsen,
        "springline_day_length": collection.dayl_source,
    }


def report(planned: Run, seconds: float, plot: str | None) -> Report:
    """The outcome for people and programs."""
    years = list(planned.years.values())
    cells = sum(y.cells for y in years if y.state == "done")
    values = {
        "schema_version": SCHEMA_VERSION,
        "job": "spring-index",
        "output": planned.request.output,
        "variant": planned.settings.variant.name,
        "years": {str(y.year): y.facts() for y in years},
        "cells": cells,
        "seconds": round(seconds, 3),
        "cells_per_second": round(cells / seconds) if seconds else 0,
        "plot": plot,
    }
    count = {state: sum(y.state == state for y in years) for state in ("done", "skipped", "failed")}
    parts = [f"{n} {state}" for state, n in count.items() if n]
    lines = [f"{planned.request.output}: {len(years)} years ({', '.join(parts)}), {cells:,} cells in {seconds:.1f} s"]
    lines += [_year_line(y) for y in years if y.state == "done"]
    lines += [plot] if plot else []
    return Report(values, tuple(lines), {str(y.year): y.error for y in years if y.state == "failed"})


def _year_line(year: Year) -> str:
    """One year in words: mean dates, gaps."""
    means = ", ".join(
        f"{n} {t / c:.1f}" for n, (t, c) in year.sums.items() if (c and "index" in n) or (n in ("damage",) and c)
    )
    gaps = f", {year.gaps:,} cells with gaps" if year.gaps else ""
    return f"  {year.year}: {means or 'no indices'}{gaps}"


def record(planned: Run, report: Report) -> dict[str, Any]:
    """run.json: what was asked, what was read, what it took."""
    names = {str(y): input_names(planned, y) for y in planned.years}
    options = {k: v for k, v in planned.request.options.items() if v is not None}
    return {**report.values, "options": options, "inputs": names, "versions": _versions()}


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("springline", "numpy", "numba", "dask", "xarray", "zarr", "h5netcdf")}
