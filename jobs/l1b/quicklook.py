"""A quick look at a product: sigma0 of each polarisation in decibels, on longitude and latitude."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs.l1b.model import Safe
from jobs.pictures import MUTED, NO_DATA, PAPER, STYLE, png

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
COAST = "#e8a33d"
FLOOR = 1e-9
"""Denoised values may be negative; this stands for them [linear]."""
SEEN = 0.1
"""Cells whose signal is less than this part of the noise do not stretch the scale: dark borders."""
PIXELS = 1200
"""Most cells along a side that are drawn; finer grids are thinned."""


def draw(dataset: xr.Dataset, safe: Safe, resolution: int) -> bytes:
    """A PNG with one panel for each polarisation."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    thin = dataset.isel({d: slice(None, None, -(-dataset.sizes[d] // PIXELS)) for d in ("line", "sample")})
    longitude, latitude = thin["longitude"].values, thin["latitude"].values
    if np.ptp(longitude) > 180:  # across the antimeridian: count on eastwards
        longitude = longitude % 360
    squeeze = float(1 / np.cos(np.radians(latitude.mean())))
    wide, tall = 5.6, 5.6 * min(max(np.ptp(latitude) * squeeze / np.ptp(longitude), 0.35), 1.6)
    with mpl.rc_context(STYLE):
        count = thin.sizes["pol"]
        figure = Figure(figsize=(wide * count + 0.6, tall + 2.0), layout="constrained", facecolor=PAPER)
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, count, squeeze=False, sharex=True, sharey=True)[0]
        for axis, polarisation in zip(axes, thin["pol"].values, strict=True):
            _panel(figure, axis, thin.sel(pol=polarisation), longitude, latitude)
            axis.set_aspect(squeeze)
        axes[0].yaxis.set_major_formatter(lambda value, _: _degrees(value, "N", "S"))
        _title(figure, safe, resolution, dataset)
        return png(figure, dpi=150)


def _panel(figure: Figure, axis: Axes, plane: xr.Dataset, longitude: Array, latitude: Array) -> None:
    """One polarisation with its own colour bar; what lies below the noise is black, what has no value grey."""
    sigma0 = plane["sigma0"].values
    decibel = 10 * np.log10(np.maximum(sigma0, FLOOR))
    found = decibel[sigma0 > np.maximum(FLOOR, SEEN * np.nan_to_num(plane["nesz"].values))]
    low, high = (float(q) for q in np.percentile(found, (2, 99))) if found.size else (-30.0, 0.0)
    image = axis.pcolormesh(
        longitude, latitude, decibel, shading="nearest", cmap="gray", vmin=low, vmax=max(high, low + 1), rasterized=True
    )
    if "land_mask" in plane and 0 < plane["land_mask"].values.mean() < 1:
        axis.contour(longitude, latitude, plane["land_mask"].values, levels=[0.5], colors=COAST, linewidths=0.8)
    axis.set_facecolor(NO_DATA)
    axis.grid(color=MUTED, linewidth=0.4, alpha=0.4)
    axis.tick_params(labelsize=8.5, length=3)
    axis.locator_params(nbins=6)
    axis.xaxis.set_major_formatter(lambda value, _: _degrees((value + 180) % 360 - 180, "E", "W"))
    axis.set_title(str(plane["pol"].values), loc="left", fontsize=12, fontweight="bold", pad=7)
    if found.size:
        axis.set_title(f"median {np.median(found):.1f} dB", loc="right", fontsize=9.5, color=MUTED, pad=7)
    bar = figure.colorbar(image, ax=axis, orientation="horizontal", extend="both", fraction=0.05, pad=0.03, aspect=38)
    bar.set_label("sigma0 [dB]", fontsize=9.5, color=MUTED)
    bar.ax.tick_params(labelsize=9, length=3)
    bar.outline.set(edgecolor=MUTED, linewidth=0.5)


def _degrees(value: float, positive: str, negative: str) -> str:
    letter = "" if abs(value) in (0, 180) else positive if value > 0 else negative
    return f"{abs(round(value, 4)):g}°{letter}"


def _title(figure: Figure, safe: Safe, resolution: int, dataset: xr.Dataset) -> None:
    """What is seen, and of which product."""
    when = safe.start.strftime("%Y-%m-%d %H:%M:%S UTC")
    figure.suptitle(
        f"{safe.platform.title()} {safe.swath}, {when}, {safe.orbit_pass.lower()}",
        x=0.012, ha="left", fontsize=14, fontweight="bold",
    )  # fmt: skip
    cells = f"{dataset.sizes['line']} × {dataset.sizes['sample']} cells of {resolution} m"
    about = f"{safe.name}\n{cells}, denoised   ·   springline l1b"
    figure.supxlabel(about, x=0.012, ha="left", fontsize=8, color=MUTED)
