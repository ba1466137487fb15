"""Figures of the Sun, of SYNTHETIC images: the series of sdo-irradiance, and the store of sdo-combine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.pictures import MUTED, NO_DATA
from tests.figures.common import BLUE, ORANGE, RED, WIDTH, grid, head, plotting, saved, springline
from tests.jobs.sdo.trees import AIA, HMI, Tree, moments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES, BROKEN = 144, 100
"""Frames of the series, 20 minutes apart; one of them is damaged."""
CATALOG = ("--catalog", "sun", "--dataset", "aia_0094", "--start", "2020", "--stop", "2021")
STEPS, SIZE, MISSING = 60, 128, 0.05
"""Steps of six minutes in the store, pixels along a side, and the share of AIA's images that are not there."""


def series(folder: Path) -> bytes:
    """DN and DN/s of two days with a flare, an eclipse and a damaged file."""
    import xarray as xr
    from matplotlib.dates import DateFormatter

    from jobs.sdo.sample import write_sample

    write_sample(folder / "sun", FRAMES, 64)
    broken = sorted((folder / "sun").glob("*/*.fits"))[BROKEN]
    broken.write_bytes(broken.read_bytes()[:4000])
    springline(folder, "run", "sdo-irradiance", *CATALOG, "--output", "aia94.zarr", fails=True)
    with xr.open_zarr(folder / "aia94.zarr") as opened:
        found = opened.load()
    with plotting() as plt:
        figure, (rate, counts) = plt.subplots(2, 1, figsize=(WIDTH, 5.0), sharex=True, layout="constrained")
        _frames(rate, found, "mean_dn_s", BLUE, "DN/s")
        _frames(counts, found, "mean_dn", ORANGE, "DN")
        head(rate, "(a)", "mean_dn_s: per second of exposure")
        head(counts, "(b)", "mean_dn: as counted; the exposures are shorter in the flare")
        rate.legend(loc="upper left", fontsize=8.5)
        counts.xaxis.set_major_formatter(DateFormatter("%d %b %H:%M"))
        counts.set_xlabel("2020 [UTC]")
        return saved(figure)


def _frames(axis: Axes, found: Any, name: str, colour: str, unit: str) -> None:  # noqa: ANN401 - an xarray dataset
    """Good frames as a line, the others as marks."""
    read = found.status.values == "ok"
    quality = found.quality.values
    good, flagged = read & (quality == 0), read & (quality > 0)
    time, values = found.time.values, found[name].values
    axis.plot(
        time, np.where(good, values, np.nan), ".-", color=colour, markersize=4, linewidth=0.8, label="good frames"
    )
    axis.plot(time[flagged], values[flagged], "x", color=MUTED, markersize=5, label="QUALITY ≠ 0: behind the Earth")
    axis.plot(time[~read], np.zeros(np.sum(~read)), "|", color=RED, markersize=16, mew=1.8, label="damaged file")
    axis.set(ylabel=f"mean of the image [{unit}]", ylim=(0, None))
    axis.margins(x=0.01)
    grid(axis)


def channels(folder: Path) -> bytes:
    """Which images of six hours are there, and all pixels of one of them."""
    import xarray as xr

    _write_steps(folder)
    springline(folder, "run", "sdo-combine", "--input", "SDOMLnpz", "--output", "sdoml.zarr")
    with xr.open_zarr(folder / "sdoml.zarr") as store, plotting() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.9), layout="constrained", width_ratios=(1.5, 1))
        _there(left, store)
        _image(right, store.data.sel(time="2011-02-15T02:12", channel="0171").load())
        return saved(figure)


def _write_steps(folder: Path) -> None:
    """AIA every 6 minutes but for what is missing, HMI every 12; every file holds the same kind of image."""
    from jobs.sdo.sample import image

    tree, chance = Tree(folder), np.random.default_rng(171)
    for number, moment in enumerate(moments(STEPS, every=6, start="2011-02-15T00:00")):
        pixels = image(number / 240, SIZE).astype("f4")
        for channel in AIA if number % 2 else (*AIA, *HMI):
            if channel in AIA and chance.random() < MISSING:
                continue
            path = tree.path(moment, channel)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, x=pixels)


def _there(axis: Axes, store: Any) -> None:  # noqa: ANN401 - an xarray dataset
    from matplotlib.colors import ListedColormap
    from matplotlib.dates import DateFormatter, date2num

    names = [f"{int(c)} Å" if c.isdigit() else f"B{c[1]}" for c in store.channel.values.tolist()]
    time = date2num(store.time.values)  # type: ignore[no-untyped-call]
    half = (time[1] - time[0]) / 2
    extent = (time[0] - half, time[-1] + half, len(names) - 0.5, -0.5)
    colours = ListedColormap([NO_DATA, BLUE])
    axis.imshow(store.valid.values.T, aspect="auto", cmap=colours, extent=extent, interpolation="nearest")
    for line in np.arange(0.5, len(names) - 1):
        axis.axhline(line, color="white", linewidth=1.5)
    axis.set_yticks(range(len(names)), names)
    axis.xaxis_date()
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    axis.set_xlabel("15 February 2011 [UTC]")
    axis.tick_params(labelsize=8.5, labelcolor=MUTED)
    head(axis, "(a)", "valid(time, channel): blue where there is an image")


def _image(axis: Axes, image: Any) -> None:  # noqa: ANN401 - an xarray array
    from matplotlib.colors import AsinhNorm

    drawn = axis.imshow(image.values, origin="lower", cmap="afmhot", norm=AsinhNorm(2, 0, float(image.max())))
    axis.set(xlabel="x [pixel]", ylabel="y [pixel]")
    axis.tick_params(labelsize=8.5, labelcolor=MUTED)
    bar = axis.figure.colorbar(drawn, ax=axis, aspect=25, pad=0.02)
    bar.set_ticks([0, 1, 3, 10, 30], labels=["0", "1", "3", "10", "30"])
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=8.5)
    bar.set_label("DN/s")
    head(axis, "(b)", f"data at {str(image.time.values)[11:16]}, 171 Å")
