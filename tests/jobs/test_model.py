"""The science: published results, worked examples, a second implementation and the tutorial's own formulas."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.spring_index.reading.pixels import read_pixel
from jobs.spring_index.science import daylength, kernel, light, stream
from jobs.spring_index.science.model import CORRECTED, VARIANTS, Window
from jobs.spring_index.science.stream import Dates, Stream, Units, plant_index, spring_dates
from tests.jobs import reference
from tests.jobs.stations import filled, read_stations
from tests.jobs.tutorial import tutorial

Array = npt.NDArray[np.float64]
FAHRENHEIT = Units(celsius=False, dayl_seconds=False)


def toolbox_days(latitude: float, days: int) -> Array:
    """Day lengths of one place by the toolbox's formula [h], (day, 1)."""
    return np.array([daylength.toolbox(np.array([latitude]), d) for d in range(1, days + 1)])


def one_cell(variant: str, tmin: Array, tmax: Array, hours: Array) -> Dates:
    """Dates of one series in °F and h."""
    columns = (np.asarray(a, np.float64).reshape(-1, 1) for a in (tmin, tmax, hours))
    return spring_dates(*columns, variant=VARIANTS[variant], units=FAHRENHEIT)


def test_matlab_toolbox(data: Path) -> None:
    """Every leaf and bloom index the published toolbox gives for three stations, 344 years in all, is met."""
    years = 0
    for station in read_stations(data / "stations"):
        both = [(filled(a), filled(b)) for a, b in zip(station.tmin, station.tmax, strict=True)]
        kept = [i for i, (low, high) in enumerate(both) if low is not None and high is not None]
        assert kept == list(np.flatnonzero(np.isfinite(station.leaf_index)))
        tmin, tmax = (np.array([both[i][k] for i in kept]).T for k in (0, 1))
        hours = np.repeat(toolbox_days(station.latitude, 240), len(kept), axis=1)
        dates = spring_dates(tmin, tmax, hours, VARIANTS["matlab-2015"], units=FAHRENHEIT)
        np.testing.assert_array_equal(plant_index(dates.leaf), station.leaf_index[kept])
        np.testing.assert_array_equal(plant_index(dates.bloom), station.bloom_index[kept])
        years += len(kept)
    assert years == 344


CONSTANT = {
    (68.0, 84.0, 18.2): {
        "corrected": ([5, 10, 7], [14, 18, 17]), "npn": ([5, 10, 7], [15, 19, 18]), "rsdat": ([0, 9, 6], [9, 17, 16]),
    },
    (45.0, 70.0, 40.0): {
        "corrected": ([22, 24, 22], [43, 42, 43]), "npn": ([22, 24, 22], [44, 43, 44]),
        "rsdat": ([21, 23, 21], [42, 42, 42]),
    },
    (35.0, 55.0, 45.0): {
        "corrected": ([40, 32, 32], [110, 94, 83]), "npn": ([40, 32, 32], [111, 94, 84]),
        "rsdat": ([39, 31, 31], [111, 94, 83]),
    },
}  # fmt: skip


@pytest.mark.parametrize("weather", CONSTANT)
def test_constant_weather(weather: tuple[float, float, float]) -> None:
    """A year of one and the same day gives the worked dates of three variants."""
    tmin, tmax, latitude = weather
    for variant, (leaf, bloom) in CONSTANT[weather].items():
        dates = one_cell(variant, np.full(300, tmin), np.full(300, tmax), toolbox_days(latitude, 300))
        assert (dates.leaf[:, 0].tolist(), dates.bloom[:, 0].tolist()) == (leaf, bloom), variant


def test_reproducible_year() -> None:
    """A year of cosines gives the worked dates, last freeze and damage."""
    day = np.arange(1, 301)
    middle = 10 - 12 * np.cos(2 * np.pi * (day - 20) / 365) + 4 * np.sin(0.9 * day)
    half = 6 + 2 * np.sin(0.37 * day)
    hours = toolbox_days(42.0, 300)
    found = {}
    for variant in ("corrected", "npn", "rsdat"):
        dates = spring_dates(
            (middle - half)[:, None], (middle + half)[:, None], hours, VARIANTS[variant], units=Units(True, False)
        )
        found[variant] = (dates.leaf[:, 0].tolist(), dates.bloom[:, 0].tolist())
        if variant == "corrected":
            assert (plant_index(dates.leaf)[0], plant_index(dates.bloom)[0], dates.last_freeze[0]) == (100, 128, 103)
    assert found == {
        "corrected": ([100, 99, 100], [129, 126, 128]),
        "npn": ([100, 99, 100], [129, 127, 128]),
        "rsdat": ([99, 98, 99], [128, 126, 127]),
    }


@pytest.mark.parametrize(
    ("tmin", "tmax", "hours", "guarded", "bare"),
    [
        (20, 60, 11.8412492, 248.57900, 248.57900),
        (42, 65, 11.2854925, 525.11332, 525.11332),
        (40, 70, 12.0, 570.52596, 570.52596),
        (25, 75, 23.5, 692.4839, 692.4839),
        (30, 50, 24.0, 311.1600, 311.1600),
        (50, 60, 0.0, 456.0, 456.0),
        (31, 31, 12.0, 0.1182, 0.0),
        (0, 50, 14.5, 133.0247, 133.0057),
        (10, 30, 10.0, 0.0, 0.0),
    ],
)
def test_degree_hours(tmin: float, tmax: float, hours: float, guarded: float, bare: float) -> None:
    """GDH of single days, with and without the toolbox's guards, polar day and night included."""
    for guards, expected in ((True, guarded), (False, bare)):
        day, table, gdh = np.zeros((kernel.SCRATCH_ROWS, 1)), np.zeros((1, kernel.TABLE)), np.zeros((2, 1))
        cell = [np.array([float(v)]) for v in (tmin, tmax, hours)]
        bounds = kernel.load_day(cell[0], cell[1], (1.0, 0.0, 1.0), False, guards, np.zeros((2, 1)), day)
        kernel.degree_hours(cell[2], 1.0, day[kernel.RANGE], day[kernel.ABOVE], gdh[0])
        kernel.tabulate(cell[2], 1.0, table)
        one = (np.uint64(0), np.uint64(1), day[kernel.RANGE], day[kernel.ABOVE], gdh[1])
        kernel.shared_hours(table, 0, bounds, *one)
        assert gdh[:, 0] == pytest.approx([expected, expected], abs=6e-5)


def test_day_length_formulas() -> None:
    """Both formulas give their worked values, the toolbox's clipping and Daymet's binning included."""
    for latitude, day, hours in ((30, 1, 10.24592), (35.476, 60, 11.28549), (45, 75, 11.84125), (45, 172, 15.62976)):
        assert daylength.toolbox(np.array([latitude]), day)[0] == pytest.approx(hours, abs=5e-6)
    assert daylength.toolbox(np.array([60.0, 68.0]), 355)[0] == pytest.approx(5.34177, abs=5e-6)
    assert daylength.toolbox(np.array([68.0]), 172)[0] == 23.0
    for latitude, day, seconds in ((40.0, 1, 33172.6676), (40.0, 172, 53451.4934), (25.0, 201, 48055.9351)):
        assert daylength.daymet(np.array([latitude]), day)[0] * 3600 == pytest.approx(seconds, abs=0.003)
    assert daylength.daymet(np.array([70.0]), 172)[0] * 3600 == pytest.approx(86400.0001, abs=0.005)


def test_daymet_formula_on_real_pixels(data: Path) -> None:
    """The formula meets the day length of three real pixels to the hundredth of a second they are written with."""
    for path in sorted((data / "daymet").glob("*.csv")):
        pixel = read_pixel(str(path))
        for days in pixel.days.values():
            ours = [daylength.daymet(np.array([pixel.latitude]), d)[0] * 3600 for d in range(1, 366)]
            np.testing.assert_allclose(ours, days["dayl"], atol=0.01)


def test_daymet_formula_on_a_real_grid(data: Path) -> None:
    """The formula meets a real grid's day length but for a cell on the edge of a bin."""
    from jobs.spring_index.reading.readers import open_dataset

    with open_dataset(str(data / "daymet/springtime_pydaymet_v4_daily.nc"), "netcdf") as grid:
        real, lat = grid["dayl"].values, grid["lat"].values
    ours = np.array([daylength.daymet(lat, d) * 3600 for d in range(1, 366)])
    off = np.abs(ours - real).max(axis=0) > 0.01
    assert off.sum() <= 1 and np.abs(ours - real).max() < 20


def test_real_pixels_agree_with_plain_python(data: Path) -> None:
    """On real weather the kernels and the plain implementation give the same dates, all variants they share."""
    for path in sorted((data / "daymet").glob("*.csv")):
        for days in read_pixel(str(path)).days.values():
            for variant in ("corrected", "npn", "rsdat"):
                assert_same(variant, days["tmin"] * 1.8 + 32, days["tmax"] * 1.8 + 32, days["dayl"] / 3600)


def assert_same(variant: str, tmin: Array, tmax: Array, hours: Array) -> None:
    """Kernels and plain Python give one series the same dates."""
    days = min(VARIANTS[variant].window.last, len(tmin))
    ours = one_cell(variant, tmin[:days], tmax[:days], hours[:days])
    plain = reference.spring(tmin[:days].tolist(), tmax[:days].tolist(), hours[:days].tolist(), variant)
    offset = 1.0 if variant == "rsdat" else 0.0
    np.testing.assert_array_equal(ours.leaf[:, 0] + offset, plain.leaf)
    np.testing.assert_array_equal(ours.bloom[:, 0] + offset, plain.bloom)
    if variant != "rsdat":
        np.testing.assert_array_equal(ours.last_freeze[0], plain.freeze)


@st.composite
def weather(draw: st.DrawFn, days: int = 90) -> tuple[Array, Array, Array]:
    """A spring in °F and h: warming or not, stormy or not, with gaps, inverted days and odd day lengths."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start, rise, noise = draw(st.floats(-10, 60)), draw(st.floats(0, 0.8)), draw(st.floats(0, 15))
    middle = start + rise * np.arange(days) + rng.normal(0, noise, days)
    spread = rng.uniform(draw(st.sampled_from([-3.0, 0.0, 5.0])), 30, days)
    hours = np.linspace(draw(st.floats(0, 13)), draw(st.floats(9, 24)), days)
    tmin, tmax = middle - spread / 2, middle + spread / 2
    for gap in draw(st.lists(st.integers(0, days - 1), max_size=4)):
        draw(st.sampled_from([tmin, tmax, hours]))[gap] = np.nan
    if draw(st.booleans()):
        tmin, tmax, hours = tmin.round(), tmax.round(), hours.round(draw(st.sampled_from([0, 1])))
    return tmin, tmax, hours


@settings(max_examples=60, deadline=None)
@given(weather(), st.sampled_from(["corrected", "npn", "rsdat"]))
def test_any_weather_agrees_with_plain_python(series: tuple[Array, Array, Array], variant: str) -> None:
    """Whatever the weather and wherever a day is missing, kernels and plain Python give the same dates."""
    assert_same(variant, *series)


@settings(max_examples=40, deadline=None)
@given(st.lists(weather(), min_size=2, max_size=6), st.integers(1, 40), st.sampled_from(list(VARIANTS)))
def test_company_changes_nothing(cells: list[tuple[Array, Array, Array]], batch: int, variant: str) -> None:
    """A cell's dates do not depend on its neighbours, nor on how many days are read at once."""
    tmin, tmax, hours = (np.stack([c[i] for c in cells], axis=1) for i in range(3))
    together = spring_dates(tmin, tmax, hours, VARIANTS[variant], units=FAHRENHEIT, batch=batch)
    for i, cell in enumerate(cells):
        alone = one_cell(variant, *cell)
        np.testing.assert_array_equal(together.leaf[:, i], alone.leaf[:, 0])
        np.testing.assert_array_equal(together.bloom[:, i], alone.bloom[:, 0])
        np.testing.assert_array_equal(together.seen[i] == 3, alone.seen[0] == 3)


@settings(max_examples=40, deadline=None)
@given(weather(), st.sampled_from(list(VARIANTS)))
def test_order_of_events(series: tuple[Array, Array, Array], variant: str) -> None:
    """No bloom without a leaf, and never before it; no date outside the window."""
    dates = one_cell(variant, *series)
    has_bloom = np.isfinite(dates.bloom)
    assert np.isfinite(dates.leaf[has_bloom]).all()
    assert (dates.bloom[has_bloom] >= dates.leaf[has_bloom]).all()
    assert not (dates.bloom > 90).any() and not (dates.leaf > 91).any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_gives_nothing(variant: str) -> None:
    """A cell without data has no dates and is not counted as one with gaps."""
    empty = np.full(240, np.nan)
    dates = one_cell(variant, empty, empty, empty)
    assert np.isnan(dates.leaf).all() and np.isnan(dates.bloom).all() and np.isnan(dates.last_freeze).all()
    assert (dates.valid_cells, dates.gap_cells) == (0, 0)


def test_a_missing_day_is_no_cold_day() -> None:
    """A day missing between leaf and bloom leaves the bloom unknown; the tutorial takes it for 0 GDH."""
    low, high, hours = np.full(240, 45.0), np.full(240, 70.0), toolbox_days(40.0, 240)
    low[29] = np.nan
    ours, theirs = one_cell("corrected", low, high, hours), one_cell("rsdat", low, high, hours)
    assert ours.leaf[:, 0].tolist() == [22, 24, 22] and np.isnan(ours.bloom).all() and ours.gap_cells == 1
    assert (theirs.bloom[:, 0] > 42).all()


def test_a_day_without_light_is_missing() -> None:
    """A cold day with no day length, or one of 25 h, is a gap like a warm one; 86400.0001 s is a polar day."""
    low, high, hours = np.full(240, 20.0), np.full(240, 30.0), np.full((240, 1), 24.00000003)
    assert one_cell("corrected", low, high, hours).gap_cells == 0
    for impossible in (np.nan, 25.0, -1.0):
        hours[40] = impossible
        assert one_cell("corrected", low, high, hours).gap_cells == 1


def test_dates_in_late_data_are_found() -> None:
    """A cell whose record begins after months of nothing is treated as the formulas say, sea or not beside it."""
    low, high, hours = np.full((240, 2), 68.0), np.full((240, 2), 84.0), np.repeat(toolbox_days(40.0, 240), 2, axis=1)
    low[:, 0] = np.nan
    low[:176, 1] = np.nan
    dates = spring_dates(low, high, hours, CORRECTED, units=FAHRENHEIT)
    plain = reference.spring(low[:, 1].tolist(), high[:, 1].tolist(), hours[:, 1].tolist(), "corrected")
    np.testing.assert_array_equal(dates.leaf[:, 1], plain.leaf)
    assert np.isnan(dates.leaf[:, 0]).all() and np.isfinite(plain.leaf).all()
    alone = spring_dates(low[:, 1:], high[:, 1:], hours[:, 1:], CORRECTED, units=FAHRENHEIT)
    np.testing.assert_array_equal(alone.leaf[:, 0], plain.leaf)
    np.testing.assert_array_equal(alone.bloom[:, 0], plain.bloom)


def rough_grid(cells: int = 400, days: int = 300) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """float32 weather in °C and s with sea, polar places, flat days, inverted days and holes."""
    rng = np.random.default_rng(11)
    day, lat = np.arange(1, days + 1)[:, None], np.linspace(18, 72, cells)[None]
    middle = 27 - 0.55 * (lat - 18) - (4 + 0.3 * (lat - 18)) * np.cos(2 * np.pi * (day - 20) / 365)
    middle = middle + rng.normal(0, 3, (days, cells))
    half = rng.uniform(0, 8, (days, cells))
    half[:, 5::50] = 0
    half[:, 9::50] *= rng.choice([-0.3, 1.0], (days, len(half[0, 9::50])))
    tmin, tmax = (middle - half).astype(np.float32), (middle + half).astype(np.float32)
    dayl = np.concatenate([daylength.daymet(lat, int(d)) * 3600 for d in day[:, 0]]).astype(np.float32)
    tmin[:, 3::40] = tmax[:, 3::40] = np.nan
    tmin[rng.integers(0, 250, 40), rng.integers(0, cells, 40)] = np.nan
    return tuple(xr.DataArray(a, dims=("time", "cell")) for a in (tmin, tmax, dayl))  # type: ignore[return-value]


def test_tutorial_dates() -> None:
    """Variant `rsdat` gives every date of the tutorial's formulas, gaps, sea and polar cells included."""
    grid = rough_grid()
    leaf, bloom = tutorial(*grid)
    ours = spring_dates(*(a.values for a in grid), VARIANTS["rsdat"])
    np.testing.assert_array_equal(ours.leaf, leaf.values[:3])
    np.testing.assert_array_equal(ours.bloom, bloom.values[:3])
    np.testing.assert_array_equal(plant_index(ours.leaf), leaf.values[3])
    assert np.isfinite(ours.leaf).sum() > 800 and np.isfinite(ours.bloom).sum() > 700


def banded(days: int = 300, cells: int = 7000) -> tuple[Array, Array, Array]:
    """float32 weather of `rough_grid` in bands that share day lengths, polar ones too, more than two tiles of it."""
    places = rough_grid(cells // 50, days)
    tmin, tmax, dayl = (np.repeat(a.values, 50, axis=1) for a in places)
    shift = np.random.default_rng(3).normal(0, 1, tmin.shape).astype(np.float32)
    tmin[7, 2500] = dayl[60, 4321] = dayl[:, 1234] = np.nan
    return tmin + shift, tmax + shift, dayl


def same_dates(one: Dates, other: Dates) -> None:
    """Both are equal in everything."""
    for name in ("leaf", "bloom", "last_freeze", "seen"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_groups_change_nothing(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared hours give the dates of hours that each cell has of its own, in one tile or many, in any order."""
    days, order = banded(), np.random.default_rng(5).permutation(7000)
    shared = spring_dates(*days, VARIANTS[variant])
    monkeypatch.setattr(stream, "TILE", 10_000)
    same_dates(spring_dates(*days, VARIANTS[variant], batch=300), shared)
    monkeypatch.setattr(stream, "TILE", 50)
    same_dates(spring_dates(*days, VARIANTS[variant], batch=7), shared)
    mixed = spring_dates(*(a[:, order] for a in days), VARIANTS[variant])
    back = np.argsort(order)
    monkeypatch.setattr(stream, "by_value", lambda values: None)
    same_dates(spring_dates(*days, VARIANTS[variant]), shared)
    same_dates(
        Dates(mixed.leaf[:, back], mixed.bloom[:, back], mixed.last_freeze[back], mixed.seen[back]), shared
    )  # fmt: skip
    assert np.isfinite(shared.leaf).mean() > 0.5 and (shared.seen == 3).any()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("shape", "tile"), [((11, 600), 3072), ((101, 37), 200), ((1, 900), 200), ((900, 1), 200)])
def test_patches_change_nothing(
    variant: str, shape: tuple[int, int], tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells of a grid that are computed in patches of land have the dates of the same cells in a row, sea or not."""
    tmin, tmax, dayl = (a[:, : shape[0] * shape[1]] for a in banded())
    tmin[:, :250] = tmin[:, ::17] = np.nan
    tmin[:40, 500:520] = np.nan
    in_a_row = spring_dates(tmin, tmax, dayl, VARIANTS[variant])
    monkeypatch.setattr(stream, "TILE", tile)
    same_dates(spring_dates(*(a.reshape(-1, *shape) for a in (tmin, tmax, dayl)), VARIANTS[variant]), in_a_row)
    flow = Stream(VARIANTS[variant], Window(1, 300), dayl.shape[1], width=shape[1])
    assert flow.in_order == (1 in shape)
    assert np.isfinite(in_a_row.leaf).any() and (in_a_row.seen & 1 == 0).any()


def test_patches_are_compact() -> None:
    """Every tile of a grid in patches has neighbours in both directions, groups together, and sea only at the end."""
    sea, groups = np.zeros(6000, bool), np.repeat(np.arange(60, dtype=np.int32), 100) // 5
    sea[::7] = True
    order = light.in_patches(groups, sea, 100, 400)
    assert sorted(order) == list(range(6000)) and not sea[order[: int((~sea).sum())]].any()
    for first in range(0, 4800, 400):
        rows, columns = np.divmod(order[first : first + 400], 100)
        assert (
            np.ptp(rows) < 60
            and np.ptp(columns) < 100
            and (np.diff(groups[order[first : first + 340]]) != 0).sum() < 20
        )


@pytest.mark.parametrize("variant", ["corrected", "npn"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_hard_freeze_is_28_degrees(variant: str, dtype: type) -> None:
    """The highest minimum that is a freeze is told as its conversion to °F would, to the last bit."""
    from itertools import pairwise

    near = [dtype(-20 / 9)]
    for _ in range(6):
        near = [np.nextafter(near[0], dtype(-9)), *near, np.nextafter(near[-1], dtype(9))]
    days = np.stack([near] * 12)
    dates = spring_dates(days, days + 5, np.full_like(days, 40_000), VARIANTS[variant])
    real = np.float32 if VARIANTS[variant].single and dtype == np.float32 else np.float64
    cold = [np.float64(v * real(1.8) + real(32.0)) <= 28.0 for v in near]
    assert (
        np.isfinite(dates.last_freeze).tolist() == cold
        and all(a >= b for a, b in pairwise(cold))
        and 0 < sum(cold) < 13
    )


def test_groups_that_part() -> None:
    """Cells that share the first day's length but no later one's, as after a polar night, have their own dates."""
    tmin, tmax, dayl = (a[:, :400] for a in banded())
    dayl[:20] = 0.0
    dates = spring_dates(tmin, tmax, dayl, CORRECTED)
    alone = [spring_dates(tmin[:, i : i + 1], tmax[:, i : i + 1], dayl[:, i : i + 1], CORRECTED) for i in (0, 60, 399)]
    for cell, own in zip((0, 60, 399), alone, strict=True):
        np.testing.assert_array_equal(dates.leaf[:, cell], own.leaf[:, 0])
        np.testing.assert_array_equal(dates.bloom[:, cell], own.bloom[:, 0])


@pytest.mark.parametrize("latitude", [38.0, 72.0])
def test_light_without_day_lengths(latitude: float) -> None:
    """Day lengths from Daymet's steps, by latitude or a day, give the dates of the file's own, in patches too."""
    tmin, tmax, _ = banded()
    lat = np.repeat(np.linspace(latitude - 6, latitude, 140), 50)
    dayl = np.stack([daylength.daymet(lat, d) * 3600 for d in range(1, 301)]).astype(np.float32)
    given = spring_dates(tmin, tmax, dayl, CORRECTED)
    by_day = light.by_daymet_day(dayl[20], 21)
    assert (by_day is None) == (latitude > 66) and light.by_daymet_day(dayl[20] + 40, 21) is None
    for shared in (light.by_latitude(lat, daylength.DAYMET), by_day):
        if shared is not None:
            for width in (7000, 500):
                flow = Stream(CORRECTED, CORRECTED.window, 7000, light=shared, width=width)
                for first in range(0, 240, 16):
                    flow.needs_heat(tmin[first : first + 16])
                    flow.advance(tmin[first : first + 16], tmax[first : first + 16], None)
                same_dates(flow.result(), given)
            assert np.nanmax(shared.errors(dayl[200], 201)) < 0.01


def test_trigger() -> None:
    """A sum of exactly 999.5 is enough, but not for the tutorial, which wants more."""
    assert Stream(CORRECTED, CORRECTED.window, 1).above < 999.5 == Stream(VARIANTS["rsdat"], Window(1, 300), 1).above


def test_window_limits_the_search() -> None:
    """An event outside the window does not exist; the leaf of a later start is not earlier."""
    low, high, hours = np.full((240, 1), 45.0), np.full((240, 1), 70.0), toolbox_days(40.0, 240)
    short = spring_dates(low, high, hours, window=Window(1, 21), units=FAHRENHEIT)
    late = spring_dates(low, high, hours, window=Window(60, 240), units=FAHRENHEIT)
    assert np.isnan(short.leaf).all() and (late.leaf[:, 0] >= 60).all()


def test_weights_at_whole_hours() -> None:
    """The hourly weights lie within 0 and 1, are NaN for impossible days, and fill all hours at 0, 12, 23 and 24 h."""
    for hours in (0.0, 11.999999, 12.0, 22.5, 23.0, 23.99, 24.0, math.nan, 25.0, -1.0):
        weights = np.full(24, -9.0)
        kernel.hourly_weights(hours, weights)
        assert np.isnan(weights).all() if not 0 <= hours <= 24 else ((weights >= 0) & (weights <= 1)).all()
