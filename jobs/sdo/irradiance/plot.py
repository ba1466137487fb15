"""The series as a picture: irradiance against time, what was left out, and where nothing was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs.pictures import INK, MUTED, NO_DATA, PAPER, STYLE, png
from jobs.sdo.irradiance.table import COUNTS, RATES, REAL

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
SPACING = {"figure.constrained_layout.w_pad": 0.12, "figure.constrained_layout.h_pad": 0.09}
LINE, MEDIAN, SCREENED, LOST = "#7fa8d9", "#1f4e8c", "#9aa3ab", "#c0392b"
HOUR = np.timedelta64(1, "h")
BREAK = 3.5
"""Cadences without a frame after which the line is broken."""
SHADED = 0.004
"""Part of the whole time that a break must last to be shaded: fewer pixels are not seen."""
DOTS = 400
"""Up to this many frames each gets a dot."""
MANY = 600
"""From this many frames on a median is drawn over them."""
STEEP = 8.0
"""Largest to median value from which on the axis is logarithmic."""
WINDOWS = {"10 min": 600, "30 min": 1800, "1 h": 3600, "3 h": 10800, "6 h": 21600, "12 h": 43200, "1 day": 86400,
           "3 days": 259200, "9 days": 777600, "27 days": 2332800}  # fmt: skip
WINDOWS_ACROSS = 250
"""About how many windows of the median fit into the picture."""


def draw(series: xr.Dataset) -> bytes:
    """A PNG of a series, as `series.open_series` gives it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    name = chosen(series)
    time, values = series["time"].values.astype("datetime64[us]"), series[name].values
    status, quality = series["status"].values, series["quality"].values
    flagged = (status == "screened") | ((status == "ok") & (quality > 0))
    used = (status == "ok") & ~flagged & np.isfinite(values)
    with mpl.rc_context(STYLE | SPACING):
        figure = Figure(figsize=(12, 5.4), layout="constrained", facecolor=PAPER)
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        axis.margins(x=0.01, y=0.09)
        if used.any():
            _lines(axis, time[used], values[used])
        else:
            _nothing(axis, series)
        _marks(axis, time, values, flagged, ~used & ~flagged)
        _dress(axis, series[name], time)
        _title(figure, axis, series, (used, flagged, ~used & ~flagged))
        return png(figure, dpi=150)


def chosen(series: xr.Dataset) -> str:
    """The statistic to draw: the first, per second of exposure where that is known."""
    numbers = [str(name) for name, values in series.data_vars.items() if values.dtype.kind == "f" and name not in REAL]
    rates = [name for name in numbers if name in RATES.values() and bool(np.isfinite(series[name].values).any())]
    return ([*rates, *(name for name in numbers if name not in RATES.values()), *COUNTS])[0]


def _nothing(axis: Axes, series: xr.Dataset) -> None:
    """Words instead of a line."""
    failed = series.attrs.get("files_failed", 0)
    text = "no frame can be drawn" + (f": {failed:,} file{'s' * (failed != 1)} failed" if failed else "")
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=MUTED)
    axis.set_yticks([])


def _lines(axis: Axes, time: Array, values: Array) -> None:
    """The frames as a line that is broken where there are none, and their median where they are many."""
    step = np.diff(time).astype(np.int64)
    cadence = float(np.median(step[step > 0])) if (step > 0).any() else 1.0
    breaks = np.flatnonzero(step > BREAK * cadence)
    many = len(time) >= MANY
    style: dict[str, Any] = {"color": LINE, "linewidth": 0.6} if many else {"color": MEDIAN, "linewidth": 1.2}
    dots: dict[str, Any] = {"marker": "o", "markersize": 4 if len(time) < 60 else 2.5} if len(time) <= DOTS else {}
    axis.plot(*_broken(time, values, breaks), **style, **dots, label="frames")
    _shade(axis, time, breaks)
    if many:
        words, middle = _median(time, values, cadence)
        axis.plot(*_broken(time, middle, breaks), color=MEDIAN, linewidth=1.3, label=f"median over {words}")
    if (values > 0).all() and values.max() > STEEP * np.median(values):
        axis.set_yscale("log")
    if time[0] == time[-1]:
        axis.set_xlim(time[0] - HOUR, time[0] + HOUR)


def _broken(time: Array, values: Array, breaks: Array) -> tuple[Array, Array]:
    """With a NaN in each break."""
    return np.insert(time, breaks + 1, time[breaks]), np.insert(values, breaks + 1, np.nan)


def _shade(axis: Axes, time: Array, breaks: Array) -> None:
    """Grey where nothing was seen for long enough."""
    from matplotlib.dates import date2num

    begin, end = time[breaks], time[breaks + 1]
    long = (end - begin).astype(np.int64) > SHADED * float((time[-1] - time[0]).astype(np.int64))
    if long.any():
        ends = [date2num(edge[long]) for edge in (begin, end)]  # type: ignore[no-untyped-call]
        axis.broken_barh(
            list(zip(ends[0], ends[1] - ends[0], strict=True)), (0, 1), transform=axis.get_xaxis_transform(),
            color=NO_DATA, zorder=0, linewidth=0, label="no usable frames",
        )  # fmt: skip


def _median(time: Array, values: Array, cadence: float) -> tuple[str, Array]:
    """The window in words, and the running median over it, in the middle of its window."""
    import pandas as pd

    seconds = max(float((time[-1] - time[0]).astype(np.int64)) / WINDOWS_ACROSS, 9 * cadence) / 1e6
    words = next((words for words, length in WINDOWS.items() if length >= seconds), list(WINDOWS)[-1])
    window = pd.Timedelta(seconds=WINDOWS[words])
    return words, pd.Series(values, pd.DatetimeIndex(time)).rolling(window, center=True).median().to_numpy()


def _marks(axis: Axes, time: Array, values: Array, flagged: Array, lost: Array) -> None:
    """What is not in the line: faintly where it would be, at the lower edge what has no value or lies outside."""
    low, high = axis.get_ylim()
    seen = flagged & np.isfinite(values) & (values > low) & (values < high)
    faint = 0.6 if flagged.sum() < DOTS else 0.3
    style: dict[str, Any] = {"linestyle": "none", "color": SCREENED, "alpha": faint, "zorder": 1}
    axis.plot(time[seen], values[seen], marker="x", markersize=5 * faint + 0.5, **style)
    tick: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 8}
    for which, colour, label in ((flagged & ~seen, SCREENED, "screened"), (lost, LOST, "missing or damaged")):
        edge: dict[str, Any] = {"transform": axis.get_xaxis_transform(), "alpha": faint}
        axis.plot(time[which], np.full(which.sum(), 0.018), color=colour, **tick, **edge)
        if which.any() or (seen.any() and colour == SCREENED):
            axis.plot([], [], color=colour, label=label, **tick)
    axis.set_ylim(low, high)


def _dress(axis: Axes, values: xr.DataArray, time: Array) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if len(time):
        locator = AutoDateLocator(minticks=5, maxticks=11)  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    else:
        axis.set_xticks([])
    units = values.attrs.get("units")
    axis.set_ylabel(f"{values.attrs.get('long_name', values.name)}" + (f" [{units}]" if units else ""), fontsize=9.5)
    axis.set_xlabel("time [UTC]", fontsize=9.5)
    axis.grid(axis="y", color=NO_DATA, zorder=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)


def _title(figure: Figure, axis: Axes, series: xr.Dataset, groups: tuple[Array, Array, Array]) -> None:
    """Which series, of when, and how many frames are in the line and are not."""
    words, attrs = ("used", "screened", "missing or damaged"), series.attrs
    told = [f"{group.sum():,} {word}" for group, word in zip(groups, words, strict=True)]
    if timeless := attrs.get("files_without_time"):
        told.append(f"{timeless:,} without a time")
    figure.suptitle(str(attrs.get("title", "Irradiance")), x=0.012, ha="left", fontsize=15, fontweight="bold")
    time = series["time"].values.astype("datetime64[m]")
    ends = " to ".join(str(end).replace("T", " ") for end in (*time[:1], *time[-1:]))
    axis.set_title("   ·   ".join([*filter(None, [ends]), *told]), loc="left", fontsize=9.5, color=MUTED, pad=8)
    about = f"{attrs.get('source', '')}   ·   springline {attrs.get('springline_version', '')} sdo-irradiance"
    figure.supxlabel(about, x=0.012, ha="left", fontsize=8, color=MUTED)
    if axis.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper right", ncols=6, frameon=False, fontsize=8.5, labelcolor=INK)
