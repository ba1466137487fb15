"""What is said of a run: where its result comes from, what must not change, and the report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from jobs import storage
from jobs.spring_index import output
from jobs.spring_index.inputs.listing import SUFFIXES
from jobs.spring_index.options import Settings
from jobs.spring_index.reading import ranges
from jobs.spring_index.reading.blocks import Plan
from jobs.spring_index.reading.source import Slot
from jobs.spring_index.science.model import TRIGGER
from jobs.spring_index.work import Region, Year


@dataclass
class Told:
    """What a year came to."""

    path: str
    state: str
    """done, skipped: done by a run before, failed, or waiting: for blocks that were not asked for."""
    counts: dict[str, int]
    blocks: int
    """How many it has."""
    noted: int = 0
    """How many of them are done."""
    seconds: float = 0.0
    error: str = ""
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)

    def fail(self, error: str) -> None:
        """Say why it is not done, if it should be."""
        self.error = error
        self.state = "failed" if self.error else "waiting"

    def values(self) -> dict[str, Any]:
        """What the year says of itself in JSON."""
        means = {name: round(total / count, 2) for name, (total, count) in self.sums.items() if count}
        facts = {"state": self.state, **self.counts, "seconds": round(self.seconds, 3), "mean": means}
        return facts | ({"error": self.error} if self.error else {})

    def line(self) -> str:
        """The same in words: mean dates, gaps."""
        if self.state in ("failed", "waiting"):
            why = f": {self.error}" if self.error else ""
            return f"  {self.path} {self.state}: {self.noted:,} of {self.blocks:,} blocks are done{why}"
        shown = {name: value for name, value in self.values()["mean"].items() if "index" in name or name == "damage"}
        means = ", ".join(f"{name} {value:.1f}" for name, value in shown.items())
        gaps = f", {self.counts['gap_cells']:,} cells with gaps" if self.counts["gap_cells"] else ""
        return f"  {self.path}: {means or 'no indices'}{gaps}"


def skipped(path: str, attrs: Mapping[str, Any], blocks: int) -> Told:
    """A year that was complete before."""
    return Told(path, "skipped", {key: int(attrs.get(f"springline_{key}", 0)) for key in output.COUNTS}, blocks)


def told(path: str, facts: Iterable[Mapping[str, Any]], blocks: int) -> Told:
    """A year, from the facts of its blocks that are done."""
    year = Told(path, "waiting", dict.fromkeys(output.COUNTS, 0), blocks)
    for one in facts:
        year.noted += 1
        year.seconds += one["seconds"]
        for key in output.COUNTS:
            year.counts[key] += one[key]
        for name, (total, count) in one["sums"].items():
            before = year.sums.get(name, (0.0, 0))
            year.sums[name] = (before[0] + total, before[1] + count)
    if year.noted == blocks:
        year.state = "done"
    return year


def identity(plan: Plan, chosen: Settings) -> dict[str, Any]:
    """What must be the same for two runs to share a store."""
    return {
        **_options(chosen), "shape": plan.grid.shape,
        "coords": {n: np.asarray(c.values).tolist() for n, c in plan.grid.coords.items() if len(c.dims) == 1},
        "dayl": plan.dayl_source,
    }  # fmt: skip


def _options(chosen: Settings) -> dict[str, Any]:
    return {
        "variant": chosen.variant.name, "window": (chosen.window.first, chosen.window.last),
        "plants": chosen.plants, "coarsen": chosen.coarsen, "bbox": chosen.bbox,
    }  # fmt: skip


def signature(region: Region, chosen: Settings) -> str:
    """Of a group that holds years."""
    return output.signature(identity(region.plan, chosen))


def root_signature(chosen: Settings) -> str:
    """Of a store that holds regions: further ones may be added."""
    return output.signature(_options(chosen) | {"regions": True})


def input_names(year: Year) -> list[str]:
    """Names of a year's files, without where they lie."""
    return sorted({storage.basename(url) for slot in year.slots.values() for url in slot.urls})


def inputs_signatures(slots: Mapping[str, Slot], known: Mapping[str, int]) -> tuple[str, str]:
    """Of a year's files: one of names and sizes, and one of their bytes, as far as their places tell of a change.

    By the first a year that is complete is known wherever its files lie, by the second the notes of its blocks.
    """
    sizes: dict[str, list[object]] = {}
    stamps = []
    for url in sorted({url for slot in slots.values() for url in slot.urls}):
        size: object = known.get(url)
        stamp: tuple[str, ...] = ()
        with contextlib.suppress(OSError):
            told, stamp = _look_at(url)
            size = told if size is None else size
        if size is not None:
            sizes.setdefault(storage.basename(url), []).append(size)
        stamps.append((storage.basename(url), *stamp))
    by_name = {name: found[0] if len(found) == 1 else sorted(map(str, found)) for name, found in sizes.items()}
    return output.signature(by_name), output.signature([by_name, sorted(stamps)])


def _look_at(url: str) -> tuple[object, tuple[str, ...]]:
    """The size of a file, or when a store was written; and all that changes when it does."""
    fs, path = storage.filesystem(url)
    if url.lower().endswith(SUFFIXES) or not fs.isdir(path):
        told = ranges.about(fs, path)
        return told["size"], ranges.stamped(told)
    when = str(fs.modified(f"{path}/{output.MARKER}"))
    return when, (when,)


def provenance(chosen: Settings, region: Region | None = None) -> dict[str, Any]:
    """Where the result comes from; no local paths."""
    variant = chosen.variant
    rule = ">" if variant.strict_trigger else "≥"
    source = (region.source if region else "") or "daily temperatures"
    attrs = {
        "Conventions": "CF-1.10",
        "title": "Extended spring indices (SI-x): first leaf and first bloom",
        "source": f"springline {version('springline')} spring-index from {source}",
        "references": "doi:10.1002/joc.3625, doi:10.1016/j.cageo.2015.06.015, doi:10.1088/1748-9326/10/10/104008",
        "springline_version": version("springline"),
        "springline_job": "spring-index",
        "springline_variant": f"{variant.name}: {variant.summary}",
        "springline_trigger": f"weighted sum {rule} {TRIGGER}",
        "springline_search": f"day {chosen.window.first} to {chosen.window.last}",
        "springline_coarsen": chosen.coarsen,
    }
    return attrs | ({"springline_day_length": region.plan.dayl_source} if region else {})


def year_attrs(chosen: Settings, region: Region, year: Year) -> dict[str, Any]:
    """What a year says of itself besides what is found in it."""
    return provenance(chosen, region) | {
        "springline_inputs": ", ".join(input_names(year)),
        "springline_inputs_signature": year.inputs,
        "springline_window": f"day {year.window.first} to {year.window.last}",
    }


def versions() -> dict[str, str]:
    """What the result may depend on."""
    return {name: version(name) for name in ("springline", "numpy", "numba", "dask", "xarray", "zarr", "h5netcdf")}
