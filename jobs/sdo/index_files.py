"""The index files of a cloud registry: their bytes as a table of files. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from jobs.errors import InputError

if TYPE_CHECKING:
    import pandas

ENDINGS = {"csv": ".csv", "csv-zip": ".csv.zip", "parquet": ".parquet"}
"""By the index type that a catalog gives a dataset."""
KEY_NAMES, SIZE_NAMES = ("datakey", "key"), ("filesize", "size")
"""What these columns are called. Where no name helps, the order does: start, perhaps stop, key, perhaps size."""
GZIP = b"\x1f\x8b"
TIME = re.compile(r"\d{4}-\d\d(-\d\d)?([T ][\d:.]+)?Z?")
YEARS = 1700, 2200
"""Between these the nanoseconds of pandas can tell the time."""
MOST_BYTES = 2**63 - 1
SHOWN = 120
"""Characters of a malformed line that are shown."""
ASK = "Try again later; if it stays, ask who keeps the registry."


@dataclass(frozen=True)
class Layout:
    """How a CSV file is written: which column is what, how many there are, and what values are quoted with."""

    start: int
    key: int
    size: int | None
    width: int
    quote: str


def read_index(content: bytes, kind: str, name: str) -> pandas.DataFrame:
    """The files that an index file lists, in its order: start (UTC), key, and size in bytes where it is known.

    Raises
    ------
    InputError
        If it is not of its kind, and for its first malformed line; `name` says whose.
    """
    if kind == "parquet":
        return _parquet(content, name)
    return _csv(_unzipped(content, name) if kind == "csv-zip" else content, name)


def _unzipped(content: bytes, name: str) -> bytes:
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            inside = [one for one in archive.namelist() if one.lower().endswith(".csv")]
            if len(inside) != 1:
                raise InputError(f"{name} holds {len(inside)} CSV files, not one.", ASK)
            return archive.read(inside[0])
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # the last with a password
        raise InputError(f"{name} is no zip file, or a damaged one: {error}", ASK) from error


def _parquet(content: bytes, name: str) -> pandas.DataFrame:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise InputError(f"{name} cannot be read: {error}", "pip install pyarrow.") from error
    try:
        file = parquet.ParquetFile(BytesIO(content))
        named = _named(file.schema_arrow.names)
        if named is None:
            raise InputError(
                f"{name} has no columns start and datakey, but: {', '.join(file.schema_arrow.names)}.", ASK
            )
        raw = file.read(columns=list(named)).to_pandas().rename(columns=named)
    except (ArrowException, OSError) as error:
        raise InputError(f"{name} is no Parquet file, or a damaged one: {error}", ASK) from error
    return _table(raw, lambda row: f"{name}, row {row + 1}")


def _csv(content: bytes, name: str) -> pandas.DataFrame:
    import pandas

    if content.startswith(GZIP):
        raise InputError(f"{name} is no CSV file but one compressed with gzip.", "It must be unpacked there.")
    content = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = [line for line in content.split(b"\n") if line.strip()]
    layout, above = _layout(*(line.decode(errors="replace") for line in [*lines, b"", b""][:2]))
    columns = {layout.start: "start", layout.key: "key"} | ({} if layout.size is None else {layout.size: "size"})
    try:
        raw = pandas.read_csv(
            BytesIO(b"\n".join(lines[above:])), names=range(layout.width), usecols=list(columns), index_col=False,
            quotechar=layout.quote, skipinitialspace=True, keep_default_na=False, low_memory=False,
        ).rename(columns=columns)  # fmt: skip
    except ValueError as error:  # what is not UTF-8, too
        _refuse_widths(content, layout, above, name)
        raise InputError(f"{name} cannot be read: {error}", ASK) from error
    if any(line.count(b",") != layout.width - 1 for line in lines[above:]):  # a quoted value may hold one
        _refuse_widths(content, layout, above, name)
    return _table(raw, lambda row: "{}, line {} ({})".format(name, *_line(content, above + row)))


def _layout(first: str, second: str) -> tuple[Layout, int]:
    """How a file is written that begins with these lines, and how many of them are above its first row."""
    quote = "'" if (second or first).lstrip().startswith("'") else '"'
    names = [name.strip("'\"").lower() for name in _values(first.lstrip("# "), quote)]
    above = int(first.startswith("#") or "start" in names)
    sample, named = _values(second if above else first, quote), _named(names) if above else None
    if named:
        place = {meaning: names.index(name) for name, meaning in named.items()}
        return Layout(place["start"], place["key"], place.get("size"), len(names), quote), above
    key = 2 if len(sample) > 1 and TIME.fullmatch(sample[1]) else 1
    width = max(len(names), key + 1)
    return Layout(0, key, key + 1 if width > key + 1 else None, width, quote), above


def _named(names: list[str]) -> dict[str, str] | None:
    """Which columns mean start, key and size, if the first two are among them."""
    meanings = (("start", ("start",)), ("key", KEY_NAMES), ("size", SIZE_NAMES))
    found = {n: meaning for meaning, spellings in meanings for n in names if n.lower() in spellings}
    return found if {"start", "key"} <= set(found.values()) else None


def _values(line: str, quote: str) -> list[str]:
    try:
        return next(csv.reader([line.strip()], quotechar=quote, skipinitialspace=True), [])
    except csv.Error:  # longer than any line of values
        return [line]


def _line(content: bytes, index: int) -> tuple[int, str]:
    """The number and the text of the line that is so many after the first one that is not empty."""
    filled = [number for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    line = content.split(b"\n")[filled[index] - 1].decode(errors="replace").strip()
    text = "".join(filter(str.isprintable, line))
    return filled[index], text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _refuse_widths(content: bytes, layout: Layout, above: int, name: str) -> None:
    """Raise for the first line that has too few values or too many, or is no text."""
    lines = [line.decode(errors="replace") for line in content.split(b"\n") if line.strip()]
    for index, line in enumerate(lines[above:], above):
        what, found = "", len(_values(line, layout.quote))
        if found != layout.width:
            what = f"has {found} value{'s' * (found != 1)} where others have {layout.width}"
        elif "\ufffd" in line:
            what = "is not UTF-8"
        if what:
            number, text = _line(content, index)
            raise InputError(f"{name}, line {number} ({text}) {what}.", ASK)


def _table(raw: pandas.DataFrame, where: Callable[[int], str]) -> pandas.DataFrame:
    """Values as they were read, as what they mean; `where` says of a row what stands there."""
    import pandas

    start = _times(raw["start"])
    size = pandas.to_numeric(raw["size"], errors="coerce") if "size" in raw else pandas.Series(pandas.NA, raw.index)
    unknown = raw["size"].isna() | (raw["size"] == "") if "size" in raw else size.isna()
    faults = (
        (start.isna(), "has no time to start at such as 2020-02-17T00:00:00Z"),
        (raw["key"].isna() | (raw["key"] == ""), "names no file"),
        (~(unknown | (size.between(0, MOST_BYTES) & (size % 1 == 0))), "has a size that is no number of bytes"),
    )
    for wrong, what in faults:
        if wrong.any():
            raise InputError(f"{where(int(wrong.to_numpy().argmax()))} {what}.")
    moments = start.dt.tz_localize(None).astype("datetime64[ns]")
    return pandas.DataFrame({"start": moments, "key": raw["key"].astype(str), "size": size.astype("Int64")})


def _times(told: pandas.Series[Any]) -> pandas.Series[Any]:
    """ISO 8601 as UTC times; what is none is not a time."""
    import pandas

    def read(text: pandas.Series[Any]) -> pandas.Series[Any]:
        return pandas.Series(pandas.to_datetime(text, format="ISO8601", utc=True, errors="coerce"))

    text = told.astype(str) if told.dtype.kind in "iuf" else told  # nothing but years
    start = read(text)
    if start.isna().any():
        start = start.fillna(read(text.astype(str).str.removesuffix("Z")))  # 2020-02-17Z
    return start.where(start.dt.year.between(*YEARS))
