"""Moments and where they lie: the time axis of a store, and which of its chunks lacks what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
MOST = 10_000_000
"""Places on an axis: a century of one every five minutes. More are a wrong date in the name of a file."""
OTHERWISE = "choose another --output, or make it anew with --overwrite"


@dataclass(frozen=True)
class Axis:
    """The times of a store."""

    minutes: Ints
    """Since 1970, rising."""
    cadence: int
    """Minutes from one to the next; 0: the steps are listed as they come."""

    def places(self, minutes: Ints) -> Ints:
        """Index of each of these moments, all of which are on the axis."""
        if self.cadence:
            return np.asarray((minutes - self.minutes[0]) // self.cadence, np.int64)
        return np.searchsorted(self.minutes, minutes)


def text_of(minutes: int | np.int64) -> str:
    """A moment for people: 2010-05-01T00:12."""
    return str(np.datetime64(int(minutes), "m"))


def new_axis(steps: Ints, cadence: int | None = None, start: int | None = None) -> Axis:
    """The axis of a new store for these steps, which rise.

    Parameters
    ----------
    cadence
        Minutes; None: the largest that has a place for every step, if at least half of the places are filled.
    start
        A regular axis begins here and not only at the first step.
    """
    gaps = np.diff(steps)
    found = int(np.gcd.reduce(gaps)) if gaps.size else 0
    if cadence is None:
        places = (steps[-1] - steps[0]) // found + 1 if found else 0
        cadence = found if found and 2 * steps.size >= places else 0
    if not cadence:
        return Axis(steps, 0)
    if found % cadence:
        raise InputError(f"The steps do not lie {cadence} minutes apart but {found}.", "Give another --cadence.")
    first = int(steps[0])
    if start is not None and start < first:
        first -= (first - start) // cadence * cadence
    _refuse_far(first, steps, cadence)
    return Axis(np.arange(first, steps[-1] + 1, cadence, dtype=np.int64), cadence)


def extended(axis: Axis, steps: Ints) -> Axis:
    """The axis with room for these steps too.

    Raises
    ------
    InputError
        If a step would have to go before the first or between two that are there.
    """
    if steps[0] < axis.minutes[0]:
        raise InputError(
            f"The store begins at {text_of(axis.minutes[0])}; the step {text_of(steps[0])} is earlier.",
            f"Leave earlier steps out with --start, {OTHERWISE} --start {text_of(steps[0])}.",
        )
    late = steps[steps > axis.minutes[-1]]
    if axis.cadence:
        _refuse(steps[(steps - axis.minutes[0]) % axis.cadence != 0], f"lie between steps of {axis.cadence} minutes")
        _refuse_far(int(axis.minutes[0]), steps, axis.cadence)
        more = np.arange(axis.minutes[-1] + axis.cadence, late[-1] + 1, axis.cadence) if late.size else late
        return Axis(np.concatenate([axis.minutes, more]), axis.cadence)
    _refuse(np.setdiff1d(steps[steps <= axis.minutes[-1]], axis.minutes), "lie between the steps that are listed")
    return Axis(np.concatenate([axis.minutes, late]), 0)


def _refuse_far(first: int, steps: Ints, cadence: int) -> None:
    if (steps[-1] - first) // cadence > MOST:
        raise InputError(
            f"The last step, {text_of(steps[-1])}, is more than {MOST:,} places of {cadence} minutes from the first.",
            "Is its date right? --stop leaves it out.",
        )


def _refuse(steps: Ints, why: str) -> None:
    if steps.size:
        raise InputError(
            f"{steps.size:,} steps {why} in the store, such as {text_of(steps[0])}.",
            f"A store has no place for them: {OTHERWISE} and --cadence MINUTES.",
        )


@dataclass(frozen=True)
class Work:
    """Which rows of an inventory are to do, by the chunks they go to."""

    rows: Ints
    """Those to do, in order."""
    chunks: Ints
    """Every chunk the inventory has something for."""
    first: Ints
    count: Ints
    """Of each chunk: where its rows begin in `rows` and how many they are; 0: it is done."""
    begin: Ints
    end: Ints
    """Of each chunk: places of the first and last step the inventory has for it."""


def work(places: Ints, codes: npt.NDArray[Any], have: Bools, steps_per_chunk: int, again: Bools | None = None) -> Work:
    """What is to do of rows that rise by place.

    Parameters
    ----------
    places, codes
        Of each row: index of its step and of its channel.
    have
        (time, channel): what the store holds; it may be shorter than the axis.
    again
        (time,): steps whose rows are to do whatever the store holds.
    """
    inside = places < len(have)
    done = np.zeros(places.size, bool)
    done[inside] = have[places[inside], codes[inside]]
    if again is not None:
        done &= ~again[places]
    of_row = places // steps_per_chunk
    starts = np.flatnonzero(np.diff(of_row, prepend=-1))
    count = np.add.reduceat(~done, starts, dtype=np.int64) if starts.size else starts
    ends = np.append(starts[1:], places.size) - 1
    first = np.cumsum(count) - count
    return Work(np.flatnonzero(~done), of_row[starts], first, count, places[starts], places[ends])
