"""Pictures for notebooks: maps, task graphs, and which worker did what when."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.pictures import INK, MUTED, NO_DATA, STYLE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar

COLUMNS = 4
"""Most maps in a row."""
WIDE, BESIDE, MOST = 9.5, 1.3, 4.6
"""Of a whole picture, of the colours beside maps, most of a map [inch]."""
KINDS = "Set3"
"""Colours of kinds of tasks."""
LABEL = 42
"""Letters in a line beside the colours."""
LABELLED = 20
"""Up to so many tasks of a graph have their names written at them."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_STARTS = np.array([1, 32, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])


def maps(field: xr.DataArray, cmap: str = "viridis_r", **limits: float) -> None:
    """Draw a field of (y, x) as a map, or one of three dimensions as a map for each value of the third.

    Parameters
    ----------
    field
        x and y in metres; days of the year get dates beside the colours.
    cmap, limits
        As matplotlib has them; limits are `vmin` and `vmax`, by default 2 and 98 % of the values.
    """
    import matplotlib.pyplot as plt

    field = field.squeeze(drop=True).transpose(..., "y", "x").sortby("y", ascending=False).compute()
    panels = [field] if field.ndim == 2 else list(field)
    columns = min(len(panels), COLUMNS)
    rows, width = -(-len(panels) // columns), min((WIDE - BESIDE) / columns, MOST)
    height = width * field.sizes["y"] / field.sizes["x"] + 0.2
    low, high = np.nanpercentile(field, (2, 98))
    shown: Any = {"cmap": plt.get_cmap(cmap).with_extremes(bad=NO_DATA), "vmin": low, "vmax": high, **limits}
    extent = [edge / 1000 for axis in ("x", "y") for edge in _edges(field[axis])]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(width * columns + BESIDE, height * rows), squeeze=False, sharex=True, sharey=True,
            layout="constrained",
        )  # fmt: skip
        for axis, panel in zip(axes.flat, panels, strict=False):
            image = axis.imshow(panel, extent=extent, interpolation="nearest", **shown)
            axis.set_title("" if field.ndim == 2 else _said(panel, str(field.dims[0])), loc="left", fontsize=10)
            axis.tick_params(labelsize=8, length=2)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        figure.supxlabel("x, y [km]", x=0.01, ha="left", fontsize=8, color=MUTED)
        _label(figure.colorbar(image, ax=axes, extend="both", pad=0.02, aspect=12 + 12 * rows), field)
        plt.show()


def _edges(axis: xr.DataArray) -> tuple[float, float]:
    """Outer edges of the cells; the last row lies below."""
    half = abs(float(axis[1] - axis[0])) / 2
    return float(axis.min()) - half, float(axis.max()) + half


def _said(panel: xr.DataArray, along: str) -> str:
    """Which one of several maps this is."""
    value = panel[along].values if along in panel.coords else ""
    return str(value)[:10] if panel[along].dtype.kind == "M" else str(value).replace("_", " ")


def _label(bar: Colorbar, field: xr.DataArray) -> None:
    """What the colours mean."""
    name, units = field.attrs.get("long_name", field.name or ""), field.attrs.get("units", "")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=9, length=3)
    if "day of year" in field.attrs.get("comment", ""):
        low, high = bar.ax.get_ylim()
        fine = sorted({*MONTH_STARTS, *(MONTH_STARTS + 14)} if high - low < 100 else MONTH_STARTS)
        days = [day for day in fine if low <= day <= high]
        bar.set_ticks(days, labels=[_date(day) for day in days])
        units = ""
    label = str(name) + (f" [{units}]" if units not in ("", "1") else "")
    bar.set_label("\n".join(textwrap.wrap(label, LABEL)), fontsize=9)


def _date(day: int) -> str:
    """The date of a day of a year that has no 29 February."""
    month = int(np.searchsorted(MONTH_STARTS, day, side="right")) - 1
    return f"{day - MONTH_STARTS[month] + 1} {MONTHS[month]}"


def graph(collection: Any) -> None:  # noqa: ANN401 - anything of dask's: delayed, array; or of xarray's
    """Draw the tasks of something that Dask has not computed yet: what needs what, from left to right."""
    import matplotlib.pyplot as plt
    from dask.highlevelgraph import HighLevelGraph

    needs = HighLevelGraph.from_collections("", {}, [collection]).get_all_dependencies()
    needs.pop("", None)
    places = _places(needs)
    rows = max(row for _, row in places.values()) * 2 + 1
    with plt.rc_context(STYLE):
        _, axis = plt.subplots(figsize=(WIDE, min(1.2 + 0.22 * rows, 6)), layout="constrained")
        for task, needed in needs.items():
            for other in needed:
                arrow: Any = {"arrowstyle": "-", "color": MUTED, "lw": 0.5, "shrinkA": 0, "shrinkB": 0}
                axis.annotate("", places[task], places[other], arrowprops=arrow)
        names = [_task(task) for task in needs]
        kinds = sorted(set(names))
        colours = dict(zip(kinds, plt.get_cmap(KINDS)(np.arange(len(kinds))), strict=True))
        for name in kinds:
            spots = np.array([places[task] for task, found in zip(needs, names, strict=True) if found == name])
            axis.scatter(
                spots[:, 0],
                spots[:, 1],
                s=60 if len(needs) > LABELLED else 1400,
                color=colours[name],
                label=name,
                zorder=3,
            )
        if len(needs) <= LABELLED:
            for task, name in zip(needs, names, strict=True):
                axis.annotate(name, places[task], ha="center", va="center", fontsize=9, zorder=4)
        else:
            axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
        axis.margins(0.06, 0.14)
        axis.axis("off")
        plt.show()


def _places(needs: Mapping[Any, Iterable[Any]]) -> dict[Any, tuple[int, float]]:
    """Column and row of each task: after all that it needs, and as high as the middle of that."""
    depth: dict[Any, int] = {}
    waiting = dict(needs)
    while waiting:
        ready = [task for task, needed in waiting.items() if all(other in depth for other in needed)]
        for task in ready:
            depth[task] = max((depth[other] + 1 for other in waiting.pop(task)), default=0)
    places: dict[Any, tuple[int, float]] = {}
    for column in range(max(depth.values()) + 1):
        tasks = [task for task in sorted(depth, key=str) if depth[task] == column]
        middle = {task: np.mean([places[other][1] for other in needs[task]] or [0]) for task in tasks}
        for row, task in enumerate(sorted(tasks, key=middle.__getitem__, reverse=True)):
            places[task] = column, (len(tasks) - 1) / 2 - row
    return places


def _task(key: Any) -> str:  # noqa: ANN401 - dask's keys are texts or tuples
    """What kind of task a key names."""
    from dask.utils import key_split

    return str(key_split(key))


def timeline(records: Iterable[Mapping[str, Any]]) -> None:
    """Draw which worker did what when.

    Parameters
    ----------
    records
        Of the ledger of a run (`jobs.ledger.read`), or of Dask (`get_task_stream`).
    """
    import matplotlib.pyplot as plt

    spans = [span for record in records for span in _spans(record)]
    workers = sorted({worker for worker, *_ in spans})
    first = min(begin for _, begin, *_ in spans)
    kinds = sorted({kind for *_, kind in spans})
    with plt.rc_context(STYLE):
        _, axis = plt.subplots(figsize=(WIDE, 1.1 + 0.38 * len(workers)), layout="constrained")
        for number, kind in enumerate(kinds):
            for row, worker in enumerate(workers):
                mine = [(begin - first, long) for who, begin, long, what in spans if (who, what) == (worker, kind)]
                colour = plt.get_cmap(KINDS)(number)
                axis.broken_barh(mine, (row - 0.36, 0.72), facecolor=colour, edgecolor="white", linewidth=0.6)
            axis.plot([], [], color=plt.get_cmap(KINDS)(number), linewidth=6, label=kind)
        _time_axis(axis, workers)
        plt.show()


def _spans(record: Mapping[str, Any]) -> list[tuple[str, float, float, str]]:
    """(worker, begin [s], seconds, what) of a record; none of one that is about something else."""
    if "startstops" in record:
        what = _task(record["key"])
        return [
            (record["worker"], one["start"], one["stop"] - one["start"], what)
            for one in record["startstops"]
            if one["action"] == "compute"
        ]
    if not record.get("worker") or "state" not in record:
        return []
    return [(record["worker"], record["time"], record["seconds"], record["state"])]


def _time_axis(axis: Axes, workers: Sequence[str]) -> None:
    """Seconds below, workers at the left by their numbers: their addresses say nothing."""
    axis.set_yticks(range(len(workers)), [f"worker {number}" for number, _ in enumerate(workers, 1)])
    axis.set_xlabel("seconds", fontsize=9)
    axis.tick_params(labelsize=9, length=2, labelcolor=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
