"""The page: evidence in, Markdown out. Every number in it is computed; words say what it means."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version

import numpy as np

from tests.validation.comparison import Difference, agreement, brief, change, difference, share, table
from tests.validation.evidence import Evidence
from tests.validation.weather import Found, StationYears, toolbox_minus_daymet
from tests.validation.words import NATURE, TEXTS

COMMAND = "make validation"
LIBRARIES = ("springline", "numpy", "numba", "xarray")
EVENTS = ("leaf", "bloom")
CHANGE = [f"{e}: {w}" for e in EVENTS for w in ("changed", "mean [d]", "largest [d]", "one side")]
EQUAL = [f"{e}: {w}" for e in EVENTS for w in ("equal", "± 1 day", "MAE")]


def page(evidence: Evidence) -> str:
    """The whole page."""
    sections = [_head(evidence), _stations(evidence), _plain(evidence), _tutorial(evidence), _variants(evidence)]
    return "\n\n".join([*sections, _light(evidence), _limits(evidence)]) + "\n"


def promises(evidence: Evidence) -> dict[str, bool]:
    """What has to be true, and whether it is."""
    toolbox = [
        found.exact
        for station, dates in zip(evidence.stations, evidence.station_dates, strict=True)
        for found in against_toolbox(station, dates["matlab-2015"])
    ]
    pairs = {"plain": evidence.plain, "tutorial": {k: v for k, v in evidence.tutorial.items() if k != "sea"}}
    equal = {name: all(d.exact for pair in found.values() for d in by_event(*pair)) for name, found in pairs.items()}
    sea = all(np.isnan(found.leaf).all() for found in evidence.tutorial["sea"])
    return {
        "`matlab-2015` gives every leaf and bloom index of the published toolbox": all(toolbox),
        "`corrected` and `npn` give every date of the second implementation": equal["plain"],
        "`rsdat` gives every date of the tutorial's formulas": equal["tutorial"] and sea,
        "Daymet's formula meets the files' day length to 0.01 s but for one cell": sum(_off(evidence)) <= 1,
    }


def _head(evidence: Evidence) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    kept = [f"- {what}: **{'kept' if true else 'BROKEN'}**" for what, true in promises(evidence).items()]
    versions = f"{libraries}, Python {platform.python_version()}"
    return TEXTS["head"].format(command=COMMAND, versions=versions, promises="\n".join(kept))


def _stations(evidence: Evidence) -> str:
    rows = [
        [f"{s.latitude:.1f}° N", f"{s.years.min()}–{s.years.max()}", f"`{name}`",
         *(cell for found in against_toolbox(s, dates) for cell in agreement(found))]
        for s, each in zip(evidence.stations, evidence.station_dates, strict=True) for name, dates in each.items()
    ]  # fmt: skip
    count = len(evidence.stations)
    years = sum(len(s.years) for s in evidence.stations)
    return TEXTS["stations"].format(
        count=count, years=years, table=table(["station", "years", "variant", *EQUAL], rows, words=3)
    )


def _plain(evidence: Evidence) -> str:
    rows = [[f"`{name}`", *(share(d.same, d.dates) for d in by_event(*pair))] for name, pair in evidence.plain.items()]
    return TEXTS["plain"].format(table=table(["variant", "leaf: equal", "bloom: equal"], rows))


def _tutorial(evidence: Evidence) -> str:
    rows = []
    for kind, pair in evidence.tutorial.items():
        counts = [f"{n:,}" for d in by_event(*pair) for n in (d.dates, d.dates - d.same)]
        rows.append([kind, f"{pair[0].leaf.shape[1]:,}", *counts])
    head = ["cells", "count", "leaf: dates", "that differ", "bloom: dates", "that differ"]
    pixels = evidence.tutorial["real Daymet pixels"][0].leaf.shape[1]
    return TEXTS["tutorial"].format(pixels=pixels, table=table(head, rows))


def _variants(evidence: Evidence) -> str:
    variants = [
        [where, f"`{name}`", *_change(each["corrected"], dates)]
        for where, each in evidence.variants.items() for name, dates in each.items() if name != "corrected"
    ]  # fmt: skip
    return TEXTS["variants"].format(
        table=table(["weather", "variant", *CHANGE], variants, words=2),
        switches=_switches(evidence),
    )


def _switches(evidence: Evidence) -> str:
    """A row for each switch, a column for leaf and bloom of each weather."""
    weathers = evidence.switches
    rows = []
    for switch in filter(None, next(iter(weathers.values()))):
        found = [_indices(dates[""], dates[switch]) for dates in weathers.values()]
        rows.append([switch, *(brief(both[event]) for event in range(2) for both in found)])
    return table(["switch", *(f"{event}: {where}" for event in EVENTS for where in weathers)], rows)


def by_event(first: Found, second: Found, what: str = "") -> list[Difference]:
    """How leaf and bloom differ: every plant's date, or with `_index` the indices."""
    return [difference(getattr(first, e + what), getattr(second, e + what)) for e in EVENTS]


def against_toolbox(station: StationYears, dates: Found) -> list[Difference]:
    """How leaf and bloom index differ from the toolbox's."""
    return [difference(getattr(dates, f"{e}_index"), getattr(station, f"{e}_index")) for e in EVENTS]


def _indices(before: Found, after: Found) -> list[Difference]:
    return by_event(after, before, "_index")


def _change(before: Found, after: Found) -> list[str]:
    return [cell for found in _indices(before, after) for cell in change(found)]


def _off(evidence: Evidence) -> Iterator[int]:
    for light in evidence.light:
        yield int((np.abs(light.formula - light.file).max(axis=0) > 0.01).sum())


def _light(evidence: Evidence) -> str:
    rows = []
    for light, off in zip(evidence.light, _off(evidence), strict=True):
        worst = np.sort(np.abs(light.formula - light.file).max(axis=0))
        there = f"{worst[-1]:.1f} s" if off else "–"
        rows.append([light.what, f"{light.file.size:,}", f"{worst[-1 - off]:.4f} s", f"{off:,}", there])
    head = ["data", "values", "largest error elsewhere", "cells off", "largest error there"]
    dates = [
        [f"formula `{name}`", *_change(evidence.light_dates["file"], found)]
        for name, found in evidence.light_dates.items() if name != "file"
    ]  # fmt: skip
    apart = float(np.abs(toolbox_minus_daymet(np.arange(25.0, 60.5, 0.5))).max())
    dates_table = table(["day length", *CHANGE], dates)
    return TEXTS["light"].format(table=table(head, rows), dates=dates_table, apart=apart)


def _limits(evidence: Evidence) -> str:
    latitudes = [s.latitude for s in evidence.stations]
    nature = table(["event", "n", "bias d", "MAE d", "r"], NATURE)
    north = f"{min(latitudes):.1f}° to {max(latitudes):.1f}°"
    return TEXTS["limits"].format(north=north, nature="\n".join(f"  {line}" for line in nature.splitlines()))
