"""Figures of spring-index: how a date comes to be at one real place, and a map of the SYNTHETIC sample."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs.pictures import MUTED
from jobs.spring_index.plot import MONTH_STARTS, MONTHS
from tests.figures.common import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    ROOT,
    SKY,
    WIDTH,
    data,
    grid,
    head,
    plotting,
    saved,
    smaller,
    springline,
)
from tests.jobs.reference import BLOOM, LEAF, Result, consistent, degree_hours, spring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
PIXEL, YEAR, SHOWN = "daymet_-85.0_40.0_2000_2002.csv", 2000, 150
"""A place in Indiana, a year with frost after the leaves, and the days that are drawn."""
PLANTS = {"lilac": ("lilac", BLUE), "arnold_red": ("Arnold Red", RED), "zabeli": ("Zabeli", GREEN)}
TRIGGER, FREEZE = 999.5, 28.0


def country(folder: Path) -> bytes:
    """What --plot draws of one year of the sample."""
    sample = [sys.executable, "-m", "jobs.spring_index.sample", "daymet", "--years", "2000:2000", "--size", "150"]
    subprocess.run(sample, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={"PYTHONPATH": str(ROOT)})
    springline(folder, "run", "spring-index", "--input", "daymet", "--output", "spring.zarr", "--plot")
    return smaller((folder / "spring.zarr.png").read_bytes())


def one_place(folder: Path) -> bytes:
    """Temperatures, degree hours and the two sums of the model in one spring; the dates are the job's."""
    import xarray as xr

    file = data("spring-index/daymet") / PIXEL
    springline(folder, "run", "spring-index", "--input", file, "--years", YEAR, "--output", "spring.zarr")
    with xr.open_zarr(folder / "spring.zarr", group=str(YEAR)) as opened:
        found = opened.load().isel(point=0)
    tmin, tmax, hours = _days(file)
    low, high = consistent(tmin.tolist(), tmax.tolist())
    gdh = np.array([degree_hours(a, b, c) for a, b, c in zip(low, high, hours, strict=True)])
    _same(spring(tmin.tolist(), tmax.tolist(), hours.tolist(), "corrected"), found)
    with plotting() as plt:
        figure, axes = plt.subplots(
            4, 1, figsize=(WIDTH, 8.6), sharex=True, layout="constrained", height_ratios=(4, 2, 3, 3)
        )
        _weather(axes[0], tmin, tmax, found)
        _heat(axes[1], gdh)
        _leaf(axes[2], gdh, found)
        _bloom(axes[3], gdh, found)
        axes[3].set(xlim=(1, SHOWN), xlabel=f"{YEAR}")
        axes[3].set_xticks(MONTH_STARTS[:5], [f"1 {m}" for m in MONTHS[:5]])
        return saved(figure)


def _days(file: Path) -> tuple[Array, Array, Array]:
    """Extremes [°F] and day length [h] of the place."""
    from jobs.spring_index.reading.pixels import read_pixel

    pixel = read_pixel(str(file))
    tmin, tmax, dayl = (pixel.year(YEAR, name, slice(0, 240)) for name in ("tmin", "tmax", "dayl"))
    return tmin * 1.8 + 32, tmax * 1.8 + 32, dayl / 3600


def _same(plain: Result, found: Any) -> None:  # noqa: ANN401 - an xarray dataset
    """The sums that are drawn lead to the dates that are drawn."""
    if plain.leaf != found.first_leaf.values.tolist() or plain.bloom != found.first_bloom.values.tolist():
        raise RuntimeError("the figure's sums do not lead to the job's dates")


def _weather(axis: Axes, tmin: Array, tmax: Array, found: Any) -> None:  # noqa: ANN401
    day = np.arange(1, len(tmin) + 1)
    leaf, bloom, freeze = (float(found[name]) for name in ("leaf_index", "bloom_index", "last_freeze"))
    axis.fill_between(day, tmin, tmax, color=ORANGE, alpha=0.3, linewidth=0, label="between Tmin and Tmax")
    axis.plot(day, tmin, color=BLUE, linewidth=1.0, label="Tmin")
    axis.axhline(FREEZE, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axis.text(SHOWN - 1, FREEZE - 1.5, "28 °F", ha="right", va="top", fontsize=8.5, color=MUTED)
    axis.plot(freeze, tmin[int(freeze) - 1], "v", color=SKY, markeredgecolor=BLUE, markersize=8, zorder=3)
    for at, text, align in (
        (leaf, "leaf index", "right"),
        (bloom, "bloom index", "left"),
        (freeze, "last freeze", "left"),
    ):
        axis.axvline(at, color=MUTED, linewidth=0.8)
        shift = {"left": 1, "right": -1}[align]
        axis.text(at + shift, 97, f"{text}\nday {at:.0f}", ha=align, va="top", fontsize=8.5)
    axis.annotate(
        "", (leaf, -6), (freeze, -6), arrowprops={"arrowstyle": "<->", "color": MUTED, "shrinkA": 0, "shrinkB": 0}
    )
    axis.text(
        (leaf + freeze) / 2,
        -5,
        f"damage {float(found.damage):+.0f} d".replace("-", "−"),
        ha="center",
        va="bottom",
        fontsize=8.5,
    )
    axis.set(ylim=(-16, 98), ylabel="temperature [°F]")
    axis.secondary_yaxis("right", functions=(lambda f: (f - 32) / 1.8, lambda c: c * 1.8 + 32)).set_ylabel("[°C]")
    axis.legend(loc="lower right", fontsize=8.5)
    lat, lon = float(found.lat), float(found.lon)
    head(
        axis,
        "(a)",
        f"Daymet at {lat:.2f}° N, {-lon:.2f}° W: daily extremes, and the dates of the three plants together",
    )


def _heat(axis: Axes, gdh: Array) -> None:
    axis.bar(np.arange(1, len(gdh) + 1), gdh, width=1.0, color=ORANGE)
    axis.set(ylabel="GDH [°F h]", ylim=(0, 1100))
    grid(axis)
    head(axis, "(b)", "Degree hours above 31 °F of each day")


def _leaf(axis: Axes, gdh: Array, found: Any) -> None:  # noqa: ANN401
    padded = np.concatenate([np.zeros(5), gdh[[0, 0]], gdh])  # two days like the first; older ones bring no heat
    day = np.arange(1, len(gdh) + 1)
    ago = [padded[7 - k : len(padded) - k] for k in range(8)]
    dde2, dd57 = sum(ago[:3]), sum(ago[5:8])
    spells = np.cumsum(dde2 >= 637)
    for plant, (mds, synop, dde, dd, shift) in LEAF.items():
        total = mds * (day - 1) + synop * spells + dde * dde2 + dd * dd57
        _until(axis, day + shift, total, float(found.first_leaf.sel(plant=plant)), plant)
    head(axis, "(c)", "Leaf: the sum of each plant until it reaches 999.5; Arnold Red is drawn with its shift of a day")
    axis.legend(loc="upper left", bbox_to_anchor=(0.0, 0.78), fontsize=8.5)


def _bloom(axis: Axes, gdh: Array, found: Any) -> None:  # noqa: ANN401
    for plant, (mds, agdh) in BLOOM.items():
        first = int(found.first_leaf.sel(plant=plant))
        total = np.array([mds * n + agdh * heat for n, heat in enumerate(itertools.accumulate(gdh[first - 1 :]))])
        _until(axis, np.arange(first, first + len(total)), total, float(found.first_bloom.sel(plant=plant)), plant)
    head(axis, "(d)", "Bloom: the sum of each plant from its own leaf day on")


def _until(axis: Axes, day: Array, total: Array, event: float, plant: str) -> None:
    """A plant's sum up to its event, which is marked."""
    name, colour = PLANTS[plant]
    upto = day <= event
    axis.plot(day[upto], total[upto], color=colour, linewidth=1.2, label=name)
    axis.plot(event, total[upto][-1], "o", color=colour, markersize=5)
    axis.axhline(TRIGGER, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axis.set(ylabel="sum", ylim=(min(-20, axis.get_ylim()[0]), 1250))
    grid(axis)
