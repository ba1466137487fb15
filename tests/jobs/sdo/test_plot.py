"""The picture of a series, looked at as pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from jobs.pictures import NO_DATA
from jobs.sdo.irradiance import series
from jobs.sdo.irradiance.plot import LINE, MEDIAN, chosen, draw
from jobs.sdo.irradiance.table import About, dataset, table
from tests.bench.sdo_plot import rows

Array = npt.NDArray[Any]
MIDDLE = slice(100, -100)
"""Rows of pixels without the titles and the labels."""


def picture(found: pd.DataFrame) -> Array:
    """The pixels of some rows, without titles and labels."""
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(draw(dataset(table(found), About("aia_0094")))))
    return np.asarray(pixels)[MIDDLE, :, :3]


def has(pixels: Array, colour: str) -> Array:
    """Where the pixels have about a colour."""
    return np.abs(pixels - to_rgb(colour)).max(axis=-1) < 0.08


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("count", [1, 10, 300, 3_000, 130_000])
def test_from_one_frame_to_a_year(count: int) -> None:
    """Every size gives a picture with a line or a dot, and no warning of squeezed axes or too many ticks."""
    assert has(picture(rows(count)), MEDIAN).sum() > 20


@pytest.mark.filterwarnings("error::UserWarning")
def test_nothing_at_all() -> None:
    """A series of no file, and one of files that are all missing, are drawn as what they are."""
    assert picture(pd.DataFrame()).size and picture(rows(10).assign(status="missing", mean_dn=np.nan)).size


def test_files_without_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none has a time there is no axis of time, but how many files failed is said."""
    axis = Figure().subplots()
    monkeypatch.setattr(Figure, "subplots", lambda _: axis)
    draw(dataset(table(rows(7).assign(status="corrupt", time=None, start=None)), About("aia_0094")))
    assert not len(axis.get_xticks()) and axis.texts[0].get_text() == "no frame can be drawn: 7 files failed"
    assert axis.get_title(loc="left") == "0 used   ·   0 screened   ·   0 missing or damaged   ·   7 without a time"


def test_a_series_that_was_written(tmp_path: Path) -> None:
    """Opened again a series is drawn as when it was made."""
    found = rows(300)
    made = series.write(found, str(tmp_path / "aia.zarr"), About("aia_0094"))
    assert draw(series.open_series(str(tmp_path / "aia.zarr"))) == draw(made)


def test_a_gap_is_seen() -> None:
    """The line ends where frames are missing for long, and the time between is grey."""
    found = rows(300)
    found = pd.concat([found[:60], found[-60:]])
    middle = picture(found)[:, 800:1000]
    assert has(middle, NO_DATA).mean() > 0.9 and not has(middle, MEDIAN).any() and not has(middle, LINE).any()


def test_one_frame_of_a_flare_is_seen_in_a_year() -> None:
    """A single bright frame among 130,000 stands high above the line."""
    found = rows(130_000)
    found.loc[found.index[40_000], ["mean_dn", "exptime", "quality", "status"]] = [6.0, 2.0, 0, "ok"]
    upper = picture(found)[:200, 500:720]
    assert has(upper, LINE).any(axis=1).mean() > 0.7


def test_bad_frames_do_not_bend_the_line() -> None:
    """What has QUALITY ≠ 0 has no part in line and scale: only a mark tells of it, at the edge if it lies outside."""
    found = rows(300).assign(quality=0, exptime=2.0)
    bad = found.index[150]
    found.loc[bad, "quality"] = 1 << 8
    high, higher = (picture(found.assign(mean_dn=found["mean_dn"].where(found.index != bad, v))) for v in (50, 100))
    np.testing.assert_array_equal(high, higher)


def test_lost_files_are_marked() -> None:
    """A file that could not be read leaves a red mark at its time in the registry."""
    found = rows(10)
    found.loc[5, ["status", "mean_dn", "time"]] = ["corrupt", np.nan, None]
    pixels = picture(found)
    red = (pixels[..., 0] > pixels[..., 2] + 0.2).any(axis=0)
    assert 1 <= red.sum() < 8 and 900 < red.argmax() < 1100


def test_what_is_drawn() -> None:
    """DN per second where exposures are known, else DN; the function's own number where it is neither."""
    found = rows(10)
    assert chosen(dataset(table(found), About(""))) == "mean_dn_s"
    assert chosen(dataset(table(found.assign(exptime=None)), About(""))) == "mean_dn"
    own = found.drop(columns="mean_dn").assign(brightest=1.0)
    assert chosen(dataset(table(own, "mine:f"), About(""))) == "brightest"
