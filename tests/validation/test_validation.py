"""The page's numbers come from arrays: right dates look right in its tables, dates a day off do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.slurm.requirements import test_data
from tests.validation import comparison, pages, weather
from tests.validation.comparison import difference
from tests.validation.evidence import against_tutorial, gather
from tests.validation.figures import draw

DATA = test_data() / "spring-index"
LARGEST = 150_000
"""Bytes a figure may have."""


def test_a_day_off_shows_in_a_row() -> None:
    """The tutorial's dates on a few odd cells are equal; moved by a day, or lost, none is."""
    ours, theirs = against_tutorial(weather.rough(each=3)["ten missing days"])
    assert difference(ours.leaf, theirs.leaf).exact
    assert comparison.agreement(difference(ours.leaf, theirs.leaf)) == ["9 of 9 (100 %)", "9 of 9 (100 %)", "0.00"]
    moved = difference(ours.leaf + 1, theirs.leaf)
    assert comparison.agreement(moved) == ["0 of 9 (0.0 %)", "9 of 9 (100 %)", "1.00"]
    assert comparison.change(moved) == ["9 of 9 (100 %)", "+1.00", "+1", "–"]
    lost = difference(np.full_like(ours.leaf, np.nan), theirs.leaf)
    assert not lost.exact and comparison.brief(lost) == "100.0 % (0 d, 9 on one side)"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="no real data: set SPRINGLINE_TEST_DATA")
def test_the_page_says_what_is_broken(tmp_path: Path) -> None:
    """The whole page on a small country: all promises kept, small figures; one wrong year of the toolbox breaks one."""
    evidence = gather(DATA, 30)
    assert all(pages.promises(evidence).values()) and "BROKEN" not in pages.page(evidence)
    assert all(2000 < path.stat().st_size < LARGEST for path in draw(evidence, tmp_path))
    first = evidence.stations[0]
    leaf = np.where(first.years == first.years[-1], first.leaf_index + 1, first.leaf_index)
    wrong = replace(evidence, stations=[replace(first, leaf_index=leaf), *evidence.stations[1:]])
    assert list(pages.promises(wrong).values()) == [False, True, True, True]
    assert f"117 of {len(leaf)} (99.2 %)" in pages.page(wrong)
