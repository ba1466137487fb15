"""The command line of spring-index, from text to values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.errors import UsageError
from jobs.model import Option
from jobs.spring_index.science.model import PLANTS, VARIANTS, Variant, Window

OPTIONS = (
    Option("years", "Years to compute: 1980, 1980:1999 (both included) or a list with commas.", metavar="YEARS"),
    Option(
        "plants", f"Plants, with commas: {', '.join(PLANTS)}. Without all three there are no indices.", metavar="LIST"
    ),
    Option("bbox", "Only cells in this box: west,south,east,north in degrees.", metavar="W,S,E,N"),
    Option("coarsen", "Average N × N cells first.", type=int, default=1, metavar="N"),
    Option("start-day", "First day of year of the search (1).", type=int, metavar="DAY"),
    Option("end-day", "Last day of year of the search (240; rsdat: 300).", type=int, metavar="DAY"),
    Option("variant", "Formulation of the model.", default="corrected", choices=tuple(VARIANTS)),
    Option("chunks", "Cells per block and chunk: N or Y,X; by default as the input is stored.", metavar="N|Y,X"),
    Option("plot", "Also write a map (points: a chart) beside the output.", type=bool, default=False),
)


@dataclass(frozen=True)
class Settings:
    """What the options mean."""

    years: frozenset[int] | None
    plants: tuple[str, ...]
    bbox: tuple[float, float, float, float] | None
    coarsen: int
    window: Window
    variant: Variant
    chunks: tuple[int, ...] | None
    plot: bool


def settings(options: Mapping[str, Any]) -> Settings:
    """Check the options and make values of them.

    Raises
    ------
    UsageError
        Naming the option and what it takes.
    """
    variant = VARIANTS[options.get("variant") or "corrected"]
    first = options.get("start_day") or variant.window.first
    last = options.get("end_day") or variant.window.last
    if not 1 <= first < last <= 365:
        raise UsageError(f"--start-day {first} and --end-day {last} are no window.", "1 ≤ start < end ≤ 365.")
    if variant.zero_based and first != 1:
        raise UsageError(
            "--variant rsdat is only defined from day 1.", "The tutorial's bloom goes wrong for any other start."
        )
    coarsen = 1 if options.get("coarsen") is None else int(options["coarsen"])
    if coarsen < 1:
        raise UsageError(f"--coarsen {coarsen} must be 1 or more.", "Give a larger number; 1 leaves the grid as it is.")
    plants = _plants(options.get("plants"), variant)
    chunks = _chunks(options.get("chunks"))
    years, bbox = years_of(options.get("years")), _bbox(options.get("bbox"))
    return Settings(years, plants, bbox, coarsen, Window(first, last), variant, chunks, bool(options.get("plot")))


def years_of(text: str | None) -> frozenset[int] | None:
    """1980:1982,1990 → the set of years."""
    if not text:
        return None
    years: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        match = re.fullmatch(r"(\d{4})(?:[:-](\d{4}))?", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"--years {text} is not understood.", "Write 1980, 1980:1999 or 1980,1985,1990.")
        years.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(years)


def _plants(text: str | None, variant: Variant) -> tuple[str, ...]:
    """The plants asked for, in the order of PLANTS."""
    if not text:
        return PLANTS
    asked = [p.strip().lower().replace("-", "_").replace(" ", "_") for p in text.split(",")]
    unknown = [p for p in asked if p not in PLANTS]
    if unknown:
        raise UsageError(f"--plants: there is no plant {unknown[0]!r}.", f"There are: {', '.join(PLANTS)}.")
    if variant.zero_based and set(asked) != set(PLANTS):
        raise UsageError("--variant rsdat always writes all three plants and their mean.", "Leave --plants out.")
    return tuple(p for p in PLANTS if p in asked)


def _bbox(text: str | None) -> tuple[float, float, float, float] | None:
    """west,south,east,north [degrees]."""
    if not text:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--bbox {text} is not four numbers.", "Write west,south,east,north in degrees.") from None
    if not (west < east and south < north and abs(south) <= 90 and abs(north) <= 90 and abs(west) <= 180):
        raise UsageError(f"--bbox {text} is empty or not on Earth.", "The order is west,south,east,north.")
    return west, south, east, north


def _chunks(text: str | None) -> tuple[int, ...] | None:
    """N or Y,X."""
    if not text:
        return None
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not 1 <= len(sizes) <= 2 or min(sizes) < 1:
        raise UsageError(f"--chunks {text} is not understood.", "Write one number, or rows,columns.")
    return sizes
