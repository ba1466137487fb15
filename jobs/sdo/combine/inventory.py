"""What NPZ files there are, by the moments and channels in their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError, UsageError
from jobs.sdo.combine import listing, roots
from jobs.sdo.combine.steps import Ints, text_of
from jobs.sdo.times import moment

if TYPE_CHECKING:
    import pyarrow as pa

CHANNELS = ("0094", "0131", "0171", "0193", "0211", "0304", "0335", "1600", "1700", "4500", "bx", "by", "bz")
"""Those of AIA and HMI."""
TOGETHER = 1_000_000
"""Names that are taken apart at once."""
ALL = "all"
"""The channel under which old inventories list what was combined before."""
Note = Callable[[str], None]


@dataclass(frozen=True)
class Inventory:
    """Files by moment, then by channel; one for each."""

    minutes: Ints
    """Since 1970."""
    codes: npt.NDArray[np.int16]
    """Index in `channels`."""
    channels: tuple[str, ...]
    files: pa.Array
    """Paths below `root`."""
    root: str

    @property
    def steps(self) -> Ints:
        """Its moments, each once."""
        return self.minutes[np.diff(self.minutes, prepend=-1) != 0] if self.minutes.size else self.minutes


@dataclass(frozen=True)
class Wanted:
    """What of an inventory is to be taken."""

    channels: tuple[str, ...] = ()
    """() means all."""
    start: int | None = None
    stop: int | None = None
    """Minutes since 1970; the stop itself is left out."""


def read(source: str, root: str | None, wanted: Wanted, note: Note) -> Inventory:
    """The files that an inventory lists, or that lie in a directory.

    Raises
    ------
    InputError
        If it cannot be read, lists no such files, or its files are not found.
    """
    kind = listing.KINDS.get(PurePosixPath(source).suffix.lower())
    if kind is None:
        root, files = source, listing.scan(source)
    else:
        files = listing.listed(source, kind)
    found = _parse(files, source, wanted, note)
    if kind is not None:
        root, relative = roots.relative(found.files, root, source)
        found = Inventory(found.minutes, found.codes, found.channels, relative, root)
    return Inventory(found.minutes, found.codes, found.channels, found.files, storage.absolute(str(root)))


def _parse(files: pa.ChunkedArray, source: str, wanted: Wanted, note: Note) -> Inventory:
    """Moments and channels from the names; sorted, each once."""
    import pyarrow as pa

    pieces = [_moments(files.slice(at, TOGETHER)) for at in range(0, len(files), TOGETHER)] or [_moments(files)]
    minutes = np.concatenate([piece[0] for piece in pieces])
    text = pa.chunked_array([piece[1] for piece in pieces]).unify_dictionaries().combine_chunks()
    names = text.dictionary.to_pylist()
    channels = tuple(sorted(name for name in names if name != ALL and name in (wanted.channels or names)))
    _refuse_unknown(wanted, names)
    number = {name: code for code, name in enumerate(channels)}
    codes = np.array([number.get(name, -1) for name in names], np.int16)[text.indices.to_numpy()]
    strange = minutes < 0
    _tell(files, strange, note)
    use = ~strange & (codes >= 0)
    for limit, after in ((wanted.start, True), (wanted.stop, False)):
        if limit is not None:
            use &= (minutes >= limit) if after else (minutes < limit)
    if not use.any():
        raise InputError(f"{source} lists no NPZ file of these channels and this time.", _there_is(minutes, channels))
    return _sorted(minutes, codes, channels, files, np.flatnonzero(use), note)


def _refuse_unknown(wanted: Wanted, there: list[str]) -> None:
    """A channel may be named before there are files of it, but not one that nobody knows."""
    for name in wanted.channels:
        if name not in (*there, *CHANNELS):
            near = get_close_matches(name, sorted({*there, *CHANNELS}), cutoff=0.4)
            hint = f"Is {' or '.join(near)} meant?" if near else f"There are {', '.join(sorted(there))}."
            raise InputError(f"There is no channel {name}.", hint)


def _moments(files: pa.ChunkedArray) -> tuple[Ints, pa.DictionaryArray]:
    """Minutes since 1970, −1 for a name that is of no moment, and the text of the channel."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.extract_regex(files, listing.NAME).combine_chunks()
    day, minute = (pc.fill_null(pc.struct_field(parts, name), "0").cast(pa.int64()) for name in ("day", "minute"))
    return _minutes(day, minute), pc.fill_null(pc.struct_field(parts, "channel"), ALL).dictionary_encode()


def _minutes(day: pa.Array, minute: pa.Array) -> Ints:
    """Minutes since 1970 of days as 20100501 and times as 1259; −1 where there is no such moment."""
    days, times = day.to_numpy(), minute.to_numpy()
    year, month, of_month, hour, of_hour = days // 10000, days // 100 % 100, days % 100, times // 100, times % 100
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    date = months.astype("datetime64[D]") + (of_month - 1)
    right = (month >= 1) & (month <= 12) & (of_month >= 1) & (date.astype("datetime64[M]") == months)
    right &= (hour < 24) & (of_hour < 60) & (year >= 1970)
    found: Ints = np.where(right, date.astype(np.int64) * 1440 + hour * 60 + of_hour, -1)
    return found


def _tell(files: pa.ChunkedArray, strange: npt.NDArray[np.bool_], note: Note) -> None:
    """Say what was left out because its name is of no channel and moment, but for what was combined before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    left = files.filter(pa.array(strange))
    left = left.filter(pc.invert(pc.fill_null(pc.match_substring_regex(left, r"(_all\.pklz|\.zarr#\d+)$"), True)))
    if len(left):
        note(f"{len(left):,} entries are left out: their names are of no channel and moment, such as {left[0]}")


def _there_is(minutes: Ints, channels: tuple[str, ...]) -> str:
    there = minutes[minutes >= 0]
    if not there.size:
        return "Names look like AIA20100513_0000_0094.npz or HMI20100501_0012_bx.npz."
    return f"There is {text_of(there.min())} to {text_of(there.max())}; --channels takes names as 0094 and bx."


def _sorted(
    minutes: Ints, codes: npt.NDArray[np.int16], channels: tuple[str, ...], files: pa.ChunkedArray, rows: Ints,
    note: Note,
) -> Inventory:  # fmt: skip
    import pyarrow as pa

    key = minutes[rows] * len(channels) + codes[rows]
    order = np.argsort(key, kind="stable")
    rows, key = rows[order], key[order]
    again = np.diff(key, prepend=-1) == 0
    if again.any():
        rows, example = _first_by_name(rows, key, files)
        note(f"{again.sum():,} files of a channel and moment that has one already are left out, such as {example}")
    as_they_are = rows.size == len(files) and bool((np.diff(rows) == 1).all())
    taken = files if as_they_are else files.take(pa.array(rows))
    return Inventory(minutes[rows], codes[rows], channels, taken.combine_chunks(), "")


def _first_by_name(rows: Ints, key: Ints, files: pa.ChunkedArray) -> tuple[Ints, str]:
    """One row for each key: of several the one whose path is first in the alphabet; and one that is left out."""
    import pyarrow as pa

    starts = np.flatnonzero(np.diff(key, prepend=-1))
    chosen, left_out = rows[starts], ""
    sizes = np.diff(np.append(starts, key.size))
    for at in np.flatnonzero(sizes > 1):
        same = rows[starts[at] : starts[at] + sizes[at]]
        paths = files.take(pa.array(same)).to_pylist()
        chosen[at] = same[paths.index(min(paths))]
        left_out = max(paths)
    return chosen, left_out


def minutes_of(text: str, option: str) -> int:
    """A moment of the command line as minutes since 1970: the first that is not before it.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        since = moment(text.strip()) - datetime(1970, 1, 1)
    except UsageError as error:
        raise UsageError(f"{option} {error.message}", error.hint) from error
    return -(-since // timedelta(minutes=1))


def parts_of(minutes: Any) -> tuple[npt.NDArray[Any], ...]:  # noqa: ANN401 - one number or many
    """Year, month, day, hour and minute."""
    moment = np.asarray(minutes).astype("datetime64[m]")
    month, day = moment.astype("datetime64[M]"), moment.astype("datetime64[D]")
    of_day = (moment - day).astype(np.int64)
    year = moment.astype("datetime64[Y]").astype(np.int64) + 1970
    of_month = (day - month).astype(np.int64) + 1
    return year, month.astype(np.int64) % 12 + 1, of_month, of_day // 60, of_day % 60
