"""Which files and stores the inputs are: paths, directories, globs, URLs, and assets of STAC catalogs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs import causes, doors, storage
from jobs.errors import InputError, UsageError
from jobs.model import Asked, Row
from jobs.spring_index.inputs.headers import VARIABLES

if TYPE_CHECKING:
    from jobs.stac.select import Chosen

Years = frozenset[int] | None
SUFFIXES = (".nc", ".nc4", ".csv")
DAYMET_NAME = re.compile(r"daymet_v\d+_daily_(\w+?)_([a-z]+)_(\d{4})\.nc4?$")
DAYMET_ITEM = re.compile(r"(na|hi|pr)[-_](\d{4})$")
YEAR = re.compile(r"(?<!\d)(?:1[89]|20|21)\d\d(?!\d)")


@dataclass(frozen=True)
class Given:
    """A file or store, and what is known of it before it is opened."""

    url: str
    region: str = ""
    variable: str = ""
    year: int | None = None
    size: int | None = None
    """As a catalog says [bytes]."""

    @property
    def is_known(self) -> bool:
        """Whether its name says all there is in it."""
        return bool(self.region and self.variable and self.year)


def listed(asked: Asked, years: Years) -> tuple[list[Given], list[Row]]:
    """All inputs that can matter, and what stands in the way of others.

    Raises
    ------
    InputError
        If there are none, or they do not go together.
    """
    if not asked.inputs:
        raise UsageError("Missing option --input.", "Name files, directories, globs, URLs or a STAC catalog.")
    paths, catalogs = _parted(asked.inputs)
    if asked.items and not catalogs:
        raise UsageError("--items chooses from a STAC catalog, and --input is none.", "Leave it out, or use a glob.")
    found = [by_name(url) for url in expand(paths)]
    problems: list[Row] = []
    for url in catalogs:
        found += _in_catalog(url, asked, years, problems)
    found = [one for one in dict.fromkeys(found) if _wanted(one, years)]
    _refuse_mixed(found, years, problems)
    return found, problems


def _parted(inputs: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """What are files and stores, and what are catalogs."""
    from jobs.stac.roots import catalogs_among

    catalogs = catalogs_among(text for text in inputs if not text.lower().endswith(SUFFIXES))
    return [text for text in inputs if text not in catalogs], [text for text in inputs if text in catalogs]


def expand(inputs: Iterable[str]) -> list[str]:
    """Files meant by paths, directories, globs and URLs, sorted; a Zarr store stays one.

    Raises
    ------
    InputError
        If one of them matches nothing, or it cannot be told what it means.
    """
    found: dict[str, None] = {}
    for item in inputs:
        fs, _ = storage.filesystem(item)
        try:
            matches = _meant(item)
        except InputError:
            raise
        except Exception as error:  # the clients' errors have no class in common
            raise storage.unread(item, error) from error
        if not matches:
            raise InputError(f"{item} holds no input files.", f"Looked for: {', '.join(SUFFIXES)}.")
        found.update((fs.unstrip_protocol(match) if not storage.is_local(item) else match, None) for match in matches)
    return list(found)


def _meant(item: str) -> list[str]:
    """The paths that one input means."""
    fs, path = storage.filesystem(item)
    if "*" in item or "?" in item:
        return sorted(fs.glob(path))
    if not fs.exists(path):  # on the web: not there, denied, or no answer
        try:
            fs.info(path)
        except FileNotFoundError as error:
            if doors.trouble(error, item) or causes.may_pass(error):
                raise
        raise InputError(f"{item} does not exist.", "Check the path or URL given with --input.")
    if fs.isdir(path) and not storage.is_zarr(item):
        return sorted(p for p in fs.ls(path, detail=False) if str(p).lower().endswith(SUFFIXES))
    return [path]


def by_name(url: str) -> Given:
    """What a file's name says: Daymet's tells region, variable and year."""
    match = DAYMET_NAME.search(storage.basename(url))
    return Given(url, match[1], match[2], int(match[3])) if match else Given(url)


def _wanted(one: Given, years: Years) -> bool:
    if one.variable and one.variable not in VARIABLES:
        return False
    return years is None or one.year is None or one.year in years


def _refuse_mixed(found: list[Given], years: Years, problems: list[Row]) -> None:
    tables = [one.url for one in found if one.url.lower().endswith(".csv")]
    if tables and len(tables) < len(found):
        raise InputError(
            f"The inputs mix CSV files ({storage.basename(tables[0])}, …) with grids.",
            "Run them separately: points and grids go to different outputs.",
        )
    if not found:
        asked = ", ".join(map(str, sorted(years or ())))
        why = f" {problems[0].problem}" if problems else ""
        raise InputError(f"No input file holds {asked or 'any year'}.{why}", "Check --years and the file names.")


def _in_catalog(url: str, asked: Asked, years: Years, problems: list[Row]) -> Iterator[Given]:
    """The assets of a catalog; what is broken in it becomes a problem, unless it is of another year."""
    from jobs.stac import select

    wanted = select.filters(asked.options, asked.items)
    if years and not wanted.time:
        span = datetime(min(years), 1, 1, tzinfo=UTC), datetime(max(years), 12, 31, 23, 59, 59, tzinfo=UTC)
        wanted = replace(wanted, time=span)
    for one in select.chosen(url, wanted, asked.note):
        if not one.problem:
            yield from _asset(one)
        elif years and (said := YEAR.search(one.item)) and int(said[0]) not in years:
            asked.note(one.problem)
        else:
            problems.append(Row(one.href or one.item, problem=one.problem))


def _asset(one: Chosen) -> Iterator[Given]:
    """An asset that may be used: known by its key or its name."""
    named = by_name(one.href)
    item = DAYMET_ITEM.search(one.item)
    variable = one.asset if one.asset in VARIABLES else named.variable
    if variable in VARIABLES:
        region = named.region or (item[1] if item else "")
        year = named.year or (int(item[2]) if item else None)
        yield Given(one.href, region, variable, year, one.size)
