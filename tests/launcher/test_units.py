"""Walltimes and sizes as people and SLURM write them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from launcher.units import format_duration, format_memory, format_walltime, parse_memory, parse_walltime

MINUTE, HOUR, DAY = 60, 3600, 86400
WALLTIMES = [
    ("30", 30 * MINUTE),
    ("5:30", 5 * MINUTE + 30),
    ("01:00:00", HOUR),
    (" 02:00:00 ", 2 * HOUR),
    ("1-0", DAY),
    ("1-12", DAY + 12 * HOUR),
    ("1-12:30", DAY + 12 * HOUR + 30 * MINUTE),
    ("7-00:00:01", 7 * DAY + 1),
    ("100:00:00", 100 * HOUR),
]
SIZES = [
    ("8GB", 8 * 10**9),
    ("8GiB", 8 * 2**30),
    ("8G", 8 * 2**30),
    ("500m", 500 * 2**20),
    ("1.5 GiB", 3 * 2**29),
    ("2TB", 2 * 10**12),
    ("4194304", 4 * 2**20),
]


@pytest.mark.parametrize(("text", "seconds"), WALLTIMES)
def test_walltime_reads_as_slurm_does(text: str, seconds: int) -> None:
    """Every form of `sbatch --time` means the same here as in its manual page."""
    assert parse_walltime(text) == seconds


@pytest.mark.parametrize("text", ["", "1h", "-1", "1:2:3:4", "1-", "-", "0", "00:00:00", "1.5", ":", "a-1", "infinite"])
def test_bad_walltime_is_refused(text: str) -> None:
    """What SLURM would not read, or what leaves no time at all, is an error."""
    with pytest.raises(ValueError):
        parse_walltime(text)


@given(st.integers(1, 400 * DAY))
def test_walltime_survives_writing_and_reading(seconds: int) -> None:
    """The text given to sbatch means the number of seconds it was made from."""
    assert parse_walltime(format_walltime(seconds)) == seconds


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_memory_units(text: str, size: int) -> None:
    """GB is decimal; GiB and SLURM's bare G are binary."""
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "8 apples", "-1G", "8", "1023K", "GiB", "1e9", "8GBs", "8,5G"])
def test_bad_memory_is_refused(text: str) -> None:
    """A size that is none, or below 1 MiB because the unit was forgotten, is an error."""
    with pytest.raises(ValueError):
        parse_memory(text)


@given(st.integers(2**20, 2**45))
def test_formatted_memory_is_never_less(size: int) -> None:
    """Rounding to a unit for the scheduler gives at least what was asked, and less than 1 MiB more."""
    assert 0 <= parse_memory(format_memory(size)) - size < 2**20


def test_durations_in_words() -> None:
    """The time in words grows its units with its length."""
    assert [format_duration(s) for s in (0.44, 12, 185, 7800)] == ["0.4 s", "12 s", "3 min 05 s", "2 h 10 min"]


@example(59.7)
@example(119.8)
@example(3599.9)
@example(7199.9)
@given(st.floats(0, 10 * HOUR))
def test_durations_never_show_sixty(seconds: float) -> None:
    """No duration reads like '60 s' or '1 min 60 s'."""
    assert " 60 " not in f" {format_duration(seconds)}"
