"""The result as a picture: maps of leaf and bloom, or a chart of the years of a few places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs.pictures import INK, MUTED, NO_DATA, PAPER, STYLE, png

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_STARTS = np.array([1, 32, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])
PIXELS = 1200
"""Most cells along a side that are drawn; finer grids are thinned."""
EACH_YEAR = 3
"""Up to this many years get a row of maps each; more are averaged."""
CHARTS = 9
SPACING = {"figure.constrained_layout.w_pad": 0.09, "figure.constrained_layout.h_pad": 0.11}
LEAF_COLOUR, BLOOM_COLOUR, FROST_COLOUR = "#2e7d4f", "#b0418c", "#4a78b5"


@dataclass(frozen=True)
class Picture:
    """Leaf and bloom of one year or of the mean of several, as day of year, with where they are."""

    label: str
    leaf: Array
    bloom: Array


def plot_store(store: str, years: list[int], region: str = "") -> bytes:
    """A PNG of the years of a result store, or of one of its regions."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    datasets = [_open(store, f"{region}/{year}".lstrip("/")) for year in years]
    with mpl.rc_context(STYLE | SPACING):
        draw = _chart if "point" in datasets[0].dims else _maps
        figure = draw(datasets, years)
        picture = png(figure, dpi=160)
        plt.close(figure)
    return picture


def _open(store: str, group: str) -> xr.Dataset:
    import xarray as xr

    dataset = xr.open_zarr(store, group=group, chunks=None)
    step = {d: max(1, dataset.sizes[d] // PIXELS) for d in ("y", "x") if d in dataset.dims}
    thin: xr.Dataset = dataset.isel({d: slice(None, None, n) for d, n in step.items()})
    return thin


def _event(dataset: xr.Dataset, event: str) -> Array:
    """Leaf or bloom as day of year: the index, else the mean of the plants there are."""
    if f"{event}_index" in dataset:
        return np.asarray(dataset[f"{event}_index"].values)
    if f"first-{event}" in dataset:
        return np.asarray(dataset[f"first-{event}"].sel(plant="mean").values) + 1.0
    return np.asarray(dataset[f"first_{event}"].mean("plant", skipna=False).values)


def _pictures(datasets: list[xr.Dataset], years: list[int]) -> list[Picture]:
    """One picture per year, or the mean of many."""
    if len(years) <= EACH_YEAR:
        return [Picture(str(y), _event(d, "leaf"), _event(d, "bloom")) for y, d in zip(years, datasets, strict=True)]
    means = []
    for event in ("leaf", "bloom"):
        total, count = np.zeros(1), np.zeros(1)
        for dataset in datasets:
            values = _event(dataset, event)
            total, count = total + np.nan_to_num(values), count + np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(np.asarray(total / count))
    return [Picture(f"mean of {len(years)} years, {years[0]}–{years[-1]}", *means)]


def _maps(datasets: list[xr.Dataset], years: list[int]) -> Figure:
    """Rows of years, columns of leaf and bloom, one colour scale."""
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm

    first, pictures = datasets[0], _pictures(datasets, years)
    tall = first.sizes["y"] / first.sizes["x"]
    height = min(max(5.2 * tall, 2.2), 8.0)
    figure, axes = plt.subplots(
        len(pictures), 2, figsize=(11.4, height * len(pictures) + 2.3), squeeze=False, layout="constrained"
    )
    steps = _steps(np.concatenate([np.ravel(v) for p in pictures for v in (p.leaf, p.bloom)]))
    colours = plt.get_cmap("viridis_r").with_extremes(bad=NO_DATA)
    norm = BoundaryNorm(steps, colours.N, extend="both")
    extent = _extent(first)
    for row, picture in zip(axes, pictures, strict=True):
        for axis, event, values in zip(row, ("First leaf", "First bloom"), (picture.leaf, picture.bloom), strict=True):
            axis.imshow(values, cmap=colours, norm=norm, extent=extent, interpolation="nearest", aspect=_aspect(first))
            _dress(axis, first, extent)
            axis.set_title(f"{event}, {picture.label}", loc="left", fontsize=11.5, fontweight="bold", pad=8)
            _say_middle(axis, values)
    bar = figure.colorbar(
        ScalarMappable(norm, colours), ax=axes, orientation="horizontal", fraction=0.05, pad=0.03, aspect=48
    )
    _month_bar(bar, steps)
    _title(figure, first)
    return figure


def _title(figure: Figure, dataset: xr.Dataset) -> None:
    attrs = dataset.attrs
    variant = str(attrs.get("springline_variant", "")).split(":")[0]
    figure.suptitle("Extended spring index (SI-x)", x=0.012, ha="left", fontsize=17, fontweight="bold")
    about = str(attrs.get("source", "")).split(" spring-index from ")
    data = about[-1].split(",")[0]
    text = f"variant {variant}   ·   {data}   ·   {about[0]}"
    figure.supxlabel(text, x=0.012, ha="left", fontsize=8.5, color=MUTED)


def _steps(values: Array) -> Array:
    """Boundaries of the colours: whole weeks, or more days where the range is wide."""
    found = values[np.isfinite(values)]
    low, high = (float(q) for q in np.percentile(found, (1, 99))) if found.size else (1.0, 240.0)
    step = next((s for s in (1, 2, 5, 7, 10, 14, 20) if (high - low) / s <= 30), 30)
    steps = np.arange(np.floor(low / step) * step, high + step, step)
    return steps if len(steps) > 2 else np.array([low - 1, low, low + 1])


def _month_bar(bar: Colorbar, steps: Array) -> None:
    """Days of year below the bar, months above it."""
    bar.set_ticks(steps[:: -(-len(steps) // 14)].tolist())
    bar.minorticks_off()
    bar.ax.tick_params(length=0, labelsize=9)
    bar.set_label("day of year", fontsize=9.5, color=MUTED)
    bar.outline.set_visible(False)
    inside = (steps[0] < MONTH_STARTS) & (steps[-1] > MONTH_STARTS)
    at = bar.ax.secondary_xaxis("top")
    at.set_xticks(MONTH_STARTS[inside], [f"1 {m}" for m in np.array(MONTHS)[inside]])
    at.tick_params(length=5, labelsize=9.5, color=INK, labelcolor=INK)
    at.spines["top"].set_visible(False)


def _extent(dataset: xr.Dataset) -> tuple[float, float, float, float]:
    """Outer edges of the cells: left, right, bottom, top; the first row is drawn on top."""
    sides = []
    for dim in ("x", "y"):
        at = np.asarray(dataset[dim].values, float) if dim in dataset.coords else _axis(dataset, dim)
        half = (at[1] - at[0]) / 2 if len(at) > 1 else 0.5
        sides.append((at[0] - half, at[-1] + half))
    (left, right), (top, bottom) = sides
    return left, right, bottom, top


def _axis(dataset: xr.Dataset, dim: str) -> Array:
    """Coordinates of a dimension without its own: a one-dimensional latitude or longitude, else numbers."""
    own = [c for c in dataset.coords.values() if c.dims == (dim,) and c.dtype.kind == "f"]
    return (
        np.asarray(own[0].values, float)
        if own
        else np.arange(dataset.sizes[dim], dtype=float) * (-1 if dim == "y" else 1)
    )


def _aspect(dataset: xr.Dataset) -> float:
    """Cells of a projected grid are square; degrees shrink towards the pole."""
    if "x" in dataset.coords or "lat" not in dataset.coords or dataset["lat"].ndim != 1:
        return 1.0
    return float(1.0 / np.cos(np.radians(dataset["lat"].mean())))


def _dress(axis: Axes, dataset: xr.Dataset, extent: tuple[float, float, float, float]) -> None:
    """A frame without ticks, with parallels and meridians where the grid knows them."""
    axis.set(xticks=[], yticks=[], facecolor=NO_DATA)
    for spine in axis.spines.values():
        spine.set(color=MUTED, linewidth=0.6)
    planes = [dataset.coords[n] for n in ("lat", "lon") if n in dataset.coords and dataset.coords[n].ndim == 2]
    if len(planes) < 2 or min(planes[0].shape) < 2:
        return
    for plane, sign in zip(planes, ("N", "E"), strict=True):
        values = np.asarray(plane.values)
        lines = _round_degrees(float(np.nanmin(values)), float(np.nanmax(values)))
        drawn = axis.contour(values, lines, colors=PAPER, linewidths=0.6, alpha=0.6, extent=extent, origin="upper")
        drawn.set(linestyle=(0, (4, 3)))
        _label_lines(axis, values, lines, extent, sign)


def _round_degrees(low: float, high: float) -> Array:
    step = next((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if (high - low) / s <= 5), 30)
    return np.arange(np.ceil(low / step) * step, high, step)


def _label_lines(axis: Axes, values: Array, lines: Array, extent: tuple[float, float, float, float], sign: str) -> None:
    """Degrees at the left edge for parallels, at the lower edge for meridians."""
    left, right, bottom, top = extent
    edge = values[:, 0] if sign == "N" else values[-1]
    for degrees in lines:
        crossing = np.flatnonzero(np.diff(np.sign(edge - degrees)) != 0)
        if not len(crossing):
            continue
        share = (crossing[0] + 0.5) / (len(edge) - 1)
        negative = {"N": "S", "E": "W"}[sign]
        text = f"{abs(degrees):g}° {sign if degrees >= 0 else negative}"
        if sign == "N":
            axis.annotate(text, (left, top + share * (bottom - top)), (-4, 0), textcoords="offset points",
                          ha="right", va="center", fontsize=8, color=MUTED, annotation_clip=False)  # fmt: skip
        else:
            axis.annotate(text, (left + share * (right - left), bottom), (0, -4), textcoords="offset points",
                          ha="center", va="top", fontsize=8, color=MUTED, annotation_clip=False)  # fmt: skip


def _say_middle(axis: Axes, values: Array) -> None:
    """The median date in words, in the upper right."""
    found = values[np.isfinite(values)]
    text = f"median {_date(float(np.median(found)))}" if found.size else "no event"
    axis.set_title(text, loc="right", fontsize=9.5, color=MUTED, pad=8)


def _date(day: float) -> str:
    """Day of year as a date of a common year."""
    month = int(np.searchsorted(MONTH_STARTS, day, side="right")) - 1
    return f"{int(day) - MONTH_STARTS[month] + 1} {MONTHS[month]}"


def _chart(datasets: list[xr.Dataset], years: list[int]) -> Figure:
    """Leaf, bloom and last freeze of each place through the years; at most CHARTS places."""
    import matplotlib.pyplot as plt

    count = min(datasets[0].sizes["point"], CHARTS)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.7 * columns + 0.8, 3.0 * rows + 1.3), squeeze=False, sharey=True, layout="constrained"
    )
    for i, axis in enumerate(axes.flat):
        if i < count:
            _place(axis, datasets, years, i)
        else:
            axis.set_visible(False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=3, frameon=False, fontsize=9)
    _title(figure, datasets[0])
    return figure


def _place(axis: Axes, datasets: list[xr.Dataset], years: list[int], i: int) -> None:
    """One place: days of year over years, earlier below."""
    leaf, bloom = ([_event(d, e)[i] for d in datasets] for e in ("leaf", "bloom"))
    axis.fill_between(years, leaf, bloom, color=LEAF_COLOUR, alpha=0.12, linewidth=0)
    axis.plot(years, leaf, "o-", color=LEAF_COLOUR, label="first leaf", markersize=5)
    axis.plot(years, bloom, "o-", color=BLOOM_COLOUR, label="first bloom", markersize=5)
    if "last_freeze" in datasets[0]:
        frost = [float(d["last_freeze"][i]) for d in datasets]
        axis.plot(years, frost, "v", color=FROST_COLOUR, label="last freeze", markersize=6)
    name = str(datasets[0]["point"].values[i]) if "point" in datasets[0].coords else f"point {i + 1}"
    if {"lat", "lon"} <= set(datasets[0].coords):
        lat, lon = (float(datasets[0][n][i]) for n in ("lat", "lon"))
        name = f"{abs(lat):.2f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.2f}° {'E' if lon >= 0 else 'W'}"
    axis.set_title(name, loc="left", fontsize=10.5, fontweight="bold")
    axis.set_yticks(MONTH_STARTS[:9], [f"1 {m}" for m in MONTHS[:9]])
    axis.set_xticks(years if len(years) <= 6 else years[:: -(-len(years) // 6)])
    axis.margins(x=0.12, y=0.12)
    axis.grid(axis="y", color=NO_DATA)
    axis.spines[["top", "right"]].set_visible(False)
