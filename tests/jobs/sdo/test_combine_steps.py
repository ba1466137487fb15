"""The time axis of a store and what of it is to do."""

from __future__ import annotations

import time

import numpy as np
import pytest

from jobs.errors import InputError
from jobs.sdo.combine.steps import Axis, extended, new_axis, work


def steps(*minutes: int) -> np.ndarray:
    """Moments."""
    return np.array(minutes, np.int64)


@pytest.mark.parametrize(
    ("there", "cadence", "axis"),
    [
        ((0, 6, 12, 24), 6, (0, 6, 12, 18, 24)),
        ((100, 112, 124), 12, (100, 112, 124)),
        ((0, 36, 12, 48), 12, (0, 12, 24, 36, 48)),
        ((0, 1, 100), 0, (0, 1, 100)),
        ((7,), 0, (7,)),
    ],
)
def test_new_axis(there: tuple[int, ...], cadence: int, axis: tuple[int, ...]) -> None:
    """It is regular if at least half of its places are filled, else a list of the steps."""
    found = new_axis(np.sort(steps(*there)))
    assert (found.cadence, *found.minutes) == (cadence, *axis)
    assert found.minutes[found.places(steps(*there))].tolist() == list(there)


def test_axis_as_asked() -> None:
    """A cadence and a start leave room for steps to come."""
    assert new_axis(steps(24, 36), cadence=6).minutes.tolist() == [24, 30, 36]
    assert new_axis(steps(24, 36), start=5).minutes.tolist() == [12, 24, 36]
    assert new_axis(steps(24, 36), cadence=0).cadence == 0
    with pytest.raises(InputError, match="12"):
        new_axis(steps(24, 36), cadence=5)


def test_longer_axis() -> None:
    """New steps follow after the end; a regular axis has its places in between already."""
    regular, listed = Axis(steps(0, 6, 12), 6), Axis(steps(0, 1, 100), 0)
    assert extended(regular, steps(6, 30)).minutes.tolist() == [0, 6, 12, 18, 24, 30]
    assert extended(regular, steps(6)).minutes.tolist() == [0, 6, 12]
    assert extended(listed, steps(1, 105, 107)).minutes.tolist() == [0, 1, 100, 105, 107]


@pytest.mark.parametrize(
    ("axis", "new", "words"),
    [
        (Axis(steps(12, 18), 6), (0,), "begins at 1970-01-01T00:12; the step 1970-01-01T00:00"),
        (Axis(steps(12, 18), 6), (13, 24), "1 steps lie between steps of 6 minutes in the store, such as .*T00:13"),
        (Axis(steps(0, 1, 100), 0), (0, 50), "lie between the steps that are listed"),
    ],
)
def test_no_place(axis: Axis, new: tuple[int, ...], words: str) -> None:
    """A step that has no place is refused, and it is said what to do."""
    with pytest.raises(InputError, match=words) as error:
        extended(axis, steps(*new))
    assert "--output" in error.value.hint and "--overwrite" in error.value.hint


def test_wrong_date() -> None:
    """A step thousands of years away does not make an axis that long."""
    far = 8000 * 365 * 1440
    assert new_axis(steps(0, 6, 12, far)).cadence == 0
    for make in (lambda: new_axis(steps(0, far), cadence=6), lambda: extended(Axis(steps(0, 6), 6), steps(far))):
        with pytest.raises(InputError, match="places of 6 minutes"):
            make()


def test_work() -> None:
    """Rows that the store holds are not to do, chunks of which nothing is to do are known as done."""
    places, codes = steps(0, 0, 1, 2, 5, 6), np.array([0, 1, 0, 1, 0, 1])
    have = np.zeros((4, 2), bool)
    have[0] = have[1, 0] = True
    todo = work(places, codes, have, 2)
    assert todo.chunks.tolist() == [0, 1, 2, 3]
    assert todo.count.tolist() == [0, 1, 1, 1] and todo.first.tolist() == [0, 0, 1, 2]
    assert todo.rows.tolist() == [3, 4, 5]
    assert todo.begin.tolist() == [0, 2, 5, 6] and todo.end.tolist() == [1, 2, 5, 6]
    again = work(places, codes, have, 2, np.arange(7) == 0)
    assert again.rows.tolist() == [0, 1, 3, 4, 5] and again.count.tolist() == [2, 1, 1, 1]


def test_many_steps_in_seconds() -> None:
    """600,000 steps of twelve channels are grouped and compared with a store in a few seconds."""
    places, codes = np.repeat(np.arange(600_000), 12), np.tile(np.arange(12), 600_000)
    have = np.ones((600_000, 12), bool)
    have[::1000, 3] = False
    began = time.perf_counter()
    todo = work(places, codes, have, 8)
    assert time.perf_counter() - began < 5
    assert len(todo.chunks) == 75_000 and len(todo.rows) == 600 and todo.count.sum() == 600
