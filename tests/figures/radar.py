"""The figure of l1b: thermal noise taken away, in a SIMULATED image of real metadata."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.pictures import MUTED, NO_DATA
from tests.figures.common import BLUE, ORANGE, RED, WIDTH, data, grid, head, plotting, saved, springline, tool
from tests.jobs.l1b.conftest import restate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRODUCT, SHRINK, POL = "BB15", 2, "HV"
"""Extra wide swath over sea ice: five sub-swaths, whose noise is about as strong as the signal in HV."""
LOW, HIGH = -34.0, -18.0
"""Ends of the scale [dB]."""


def denoising(folder: Path) -> bytes:
    """With noise, the noise, without it; and their medians across the swath with the truth."""
    import xarray as xr

    safe = _product(folder)
    springline(folder, "run", "l1b", safe, "--output", "l1b")
    with xr.open_zarr(next((folder / "l1b").glob("*.zarr"))) as opened:
        found = opened.load().sel(pol=POL)
    with np.load(f"{safe}.truth.npz") as truth:
        true = truth[f"{POL}_sigma0"]
    with plotting() as plt:
        panels, heights = [["a", "b", "c"], ["d", "d", "d"]], (3.2, 2)
        size: Any = {"figsize": (WIDTH, 6.6), "layout": "constrained", "height_ratios": heights}
        figure, axes = plt.subplot_mosaic(panels, **size)
        names = {"sigma0_raw": "σ⁰ with noise", "nesz": "noise (NESZ)", "sigma0": "σ⁰ without noise"}
        for letter, (name, text) in zip("abc", names.items(), strict=True):
            drawn = _map(axes[letter], found, name)
            head(axes[letter], f"({letter})", text)
        axes["a"].set_ylabel("latitude")
        bar = figure.colorbar(
            drawn, ax=[axes[letter] for letter in "abc"], extend="both", aspect=24, pad=0.01, shrink=0.72
        )
        bar.ax.tick_params(labelsize=8.5, labelcolor=MUTED)
        bar.set_label(f"{POL}, linear power in dB")
        _across(axes["d"], found, true)
        return saved(figure)


def _product(folder: Path) -> Path:
    """A product of real metadata, fewer and larger pixels, and a simulated image."""
    shutil.unpack_archive(next((data("l1b/meta")).glob(f"*_{PRODUCT}.tar.xz")), folder / "full")
    source = next((folder / "full").glob("*.SAFE"))
    tool("shrink_safe.py", source, folder, SHRINK)
    safe = folder / source.name
    tool("make_s1_measurement.py", safe)
    restate(safe)
    return safe


def _decibel(power: Any) -> Any:  # noqa: ANN401 - arrays
    return 10 * np.log10(np.maximum(power, 1e-9))


def _map(axis: Axes, found: Any, name: str) -> Any:  # noqa: ANN401 - an xarray dataset
    from matplotlib.colors import Normalize

    longitude, latitude = found.longitude.values[::2, ::2], found.latitude.values[::2, ::2]
    drawn = axis.pcolormesh(
        longitude, latitude, _decibel(found[name].values[::2, ::2]), shading="nearest", cmap="cividis",
        norm=Normalize(LOW, HIGH), rasterized=True,
    )  # fmt: skip
    axis.set(facecolor=NO_DATA, xlabel="longitude", aspect=1 / np.cos(np.radians(latitude.mean())))
    axis.xaxis.set_major_formatter("{x:g}° E")
    axis.yaxis.set_major_formatter("{x:g}° N")
    axis.tick_params(labelsize=8.5, labelcolor=MUTED)
    if name != "sigma0_raw":
        axis.set_yticklabels([])
    return drawn


def _across(axis: Axes, found: Any, true: Any) -> None:  # noqa: ANN401
    """Medians along the flight, over the incidence in the middle of the product."""
    incidence = found.incidence.isel(line=found.sizes["line"] // 2).values
    shown = {"sigma0_raw": ("σ⁰ with noise", ORANGE), "nesz": ("noise", RED), "sigma0": ("σ⁰ without noise", BLUE)}
    for name, (label, colour) in shown.items():
        axis.plot(incidence, _decibel(found[name].median("line").values), color=colour, linewidth=1.4, label=label)
    count = min(true.shape[1], len(incidence))
    middle = _decibel(np.median(true[:, :count], axis=0))
    axis.plot(
        incidence[:count],
        middle,
        color="black",
        linewidth=1.0,
        linestyle=(0, (1, 1.5)),
        label="truth of the simulation",
    )
    axis.set(
        xlabel="incidence [degree]",
        ylabel=f"{POL}, median [dB]",
        xlim=(incidence.min(), incidence.max()),
        ylim=(-38, -20),
    )
    axis.legend(ncols=4, loc="lower left", fontsize=8.5)
    grid(axis)
    head(axis, "(d)", "Across the swath")
