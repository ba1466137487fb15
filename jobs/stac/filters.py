"""Which items and assets of a catalog are wanted: from text to values, and whether one is. Pure."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from jobs.errors import UsageError
from jobs.model import Option

Box = tuple[float, float, float, float]
Span = tuple[datetime | None, datetime | None]
MAGIC = "*?["
OPTIONS = (
    Option("assets", "Only these assets of a STAC catalog's items: keys or patterns, with commas.", metavar="LIST"),
    Option("bbox", "Only items of a STAC catalog that touch this box: west,south,east,north.", metavar="W,S,E,N"),
    Option(
        "time", "Only items of a STAC catalog of then: years, dates or RFC 3339; .. is an open end.",
        metavar="START/STOP",
    ),
    Option("collections", "Only items of these collections of a STAC catalog, with commas.", metavar="LIST"),
)  # fmt: skip
"""The options besides --items by which a command line says it."""
NAMES = tuple(option.name for option in OPTIONS)
LISTS = ("items", "assets", "collections")
"""The options that are lists of names, in which a comma of a name is written \\,."""
COMMA = re.compile(r"(?<!\\),")


@dataclass(frozen=True)
class Filters:
    """What is wanted; what is empty or None does not matter."""

    items: tuple[str, ...] = ()
    """Ids, or patterns with * ? [ ]."""
    assets: tuple[str, ...] = ()
    bbox: Box | None = None
    """West, south, east, north [degrees]."""
    time: Span | None = None
    """First and last moment, both included; None is an open end."""
    collections: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return self != Filters()

    def said(self) -> str:
        """The filters as they are written on a command line."""
        lists = {"items": self.items, "assets": self.assets, "collections": self.collections}
        parts = [f"--{name} {listed(values)}" for name, values in lists.items() if values]
        if self.bbox:
            parts.append(f"--bbox {','.join(f'{edge:g}' for edge in self.bbox)}")
        if self.time:
            parts.append(f"--time {'/'.join(_said(end) if end else '..' for end in self.time)}")
        return " ".join(parts)


def _said(moment: datetime) -> str:
    """A day's first or last moment as the day, others as they are."""
    text = moment.isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z").removesuffix("T23:59:59.999999Z")


def filters(options: Mapping[str, Any], items: str | None) -> Filters:
    """The filters that options and --items say.

    Raises
    ------
    UsageError
        Naming the option and what it takes.
    """
    return Filters(
        _names(items), _names(options.get("assets")), _bbox(options.get("bbox")),
        _time(options.get("time")), _names(options.get("collections")),
    )  # fmt: skip


def is_pattern(name: str) -> bool:
    """Whether a name stands for several."""
    return any(mark in name for mark in MAGIC)


def named(name: str, wanted: Sequence[str]) -> bool:
    """Whether a name is one of those wanted, or fits one of the patterns among them; all are if none is named."""
    return not wanted or any(name == one or (is_pattern(one) and fnmatchcase(name, one)) for one in wanted)


def touches(bbox: Sequence[float], wanted: Box) -> bool:
    """Whether an item's box, which may have heights and may lie across the 180th meridian, touches the wanted one."""
    west, south, east, north = bbox if len(bbox) == 4 else (*bbox[:2], *bbox[3:5])
    parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    within = any(left <= wanted[2] and right >= wanted[0] for left, right in parts)
    return within and south <= wanted[3] and north >= wanted[1]


def overlaps(first: datetime, last: datetime, wanted: Span) -> bool:
    """Whether an item's time and the wanted one have a moment in common."""
    start, stop = wanted
    return (stop is None or aware(first) <= stop) and (start is None or aware(last) >= start)


def aware(moment: datetime) -> datetime:
    """A moment with its time zone: UTC where nothing is said."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _names(text: str | Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(text, str):
        text = [part.replace("\\,", ",") for part in COMMA.split(text)]
    return tuple(dict.fromkeys(part.strip() for part in text or () if part.strip()))


def listed(names: Iterable[str]) -> str:
    """Names as a command line has them."""
    return ",".join(name.replace(",", "\\,") for name in names)


def _bbox(text: str | Sequence[float] | None) -> Box | None:
    if not text:
        return None
    order = "The order is west,south,east,north, in degrees."
    try:
        numbers = [float(part) for part in (text.split(",") if isinstance(text, str) else text)]
        west, south, east, north = numbers
    except ValueError:
        raise UsageError(f"--bbox {text} is not four numbers.", order) from None
    if not (west < east and south < north):
        across = " Over the 180th meridian ask twice, once on each side." if west > east else ""
        raise UsageError(f"--bbox {text} is upside down or empty.", order + across)
    if max(abs(south), abs(north)) > 90 or max(abs(west), abs(east)) > 180:
        raise UsageError(f"--bbox {text} is not on Earth.", order)
    return west, south, east, north


def _time(text: str | None) -> Span | None:
    """1980, 1980/1982, 1980-05-01/.. or moments after RFC 3339 → the first and last moment."""
    if not text:
        return None
    first, slash, last = (part.strip() for part in text.partition("/"))
    last = last if slash else first
    start = None if first in ("", "..") else _span(text, first)[0]
    stop = None if last in ("", "..") else _span(text, last)[1]
    if start is None and stop is None:
        return None
    if start and stop and start > stop:
        raise UsageError(f"--time {text} ends before it begins.", "Write START/STOP.")
    return start, stop


def _span(whole: str, text: str) -> tuple[datetime, datetime]:
    """The first and last moment of a year, a month, a day, or of a moment."""
    match = re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", text)
    try:
        if not match:
            moment = aware(datetime.fromisoformat(text))
            return moment, moment
        year, month, day = (int(part) if part else None for part in match.groups())
        first = datetime(year or 1, month or 1, day or 1, tzinfo=UTC)
        days = 1 if day else monthrange(first.year, first.month)[1] if month else 337 + monthrange(first.year, 2)[1]
        return first, first + timedelta(days=days, microseconds=-1)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--time {whole} is not understood.", "Write 1980, 1980/1982, 1980-05-01/.. or 2021-12-01T06:00:00Z/…"
        ) from None
