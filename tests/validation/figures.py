"""The page's pictures: evidence in, PNG files out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.pictures import INK, MUTED, NO_DATA, STYLE, png
from jobs.spring_index.plot import MONTH_STARTS, MONTHS
from tests.validation.evidence import Evidence
from tests.validation.weather import YEAR, toolbox_minus_daymet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart by everybody, also in grey.
COLOURS = {"matlab-2015": "#000000", "corrected": "#0072b2", "npn": "#e69f00", "rsdat": "#cc79a7"}
EVENTS = ("leaf", "bloom")
LATITUDES = (25.0, 35.0, 39.9, 40.1, 50.0, 60.0)
SEA = "#aeb6bf"
FAR = 6
"""Days from which the difference maps use one colour."""


def draw(evidence: Evidence, folder: Path) -> list[Path]:
    """Write every figure; returns their paths."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figures: dict[str, Callable[[Evidence], Figure]] = {
        "stations": stations, "maps": maps, "differences": differences, "daylength": daylength,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure_of in figures.items():
        with mpl.rc_context(STYLE | {"font.size": 10.0}):
            figure = figure_of(evidence)
            paths.append(folder / f"validation-{name}.png")
            paths[-1].write_bytes(png(figure, dpi=110))
            plt.close(figure)
    return paths


def stations(evidence: Evidence) -> Figure:
    """Springline over the toolbox, and how often the other variants differ by how many days."""
    import matplotlib.pyplot as plt

    figure, (both, *bars) = plt.subplots(1, 3, figsize=(12.5, 4.3), layout="constrained")
    _one_to_one(both, evidence)
    for axis, event in zip(bars, EVENTS, strict=True):
        _histogram(axis, evidence, event)
    bars[0].legend(frameon=False, fontsize=9, loc="upper right")
    return figure


def _one_to_one(axis: Axes, evidence: Evidence) -> None:
    """matlab-2015 over the toolbox: a straight line if all is well."""
    axis.plot([40, 170], [40, 170], color=MUTED, linewidth=0.8, zorder=0)
    for event, marker, colour in zip(EVENTS, ("o", "^"), ("#009e73", "#d55e00"), strict=True):
        theirs = np.concatenate([getattr(s, f"{event}_index") for s in evidence.stations])
        ours = np.concatenate([getattr(d["matlab-2015"], f"{event}_index") for d in evidence.station_dates])
        axis.plot(theirs, ours, marker, color=colour, markersize=4, alpha=0.5, mew=0, label=f"{event}, n = {len(ours)}")
    _days_of_year(axis.xaxis, slice(1, 6))
    _days_of_year(axis.yaxis, slice(1, 6))
    axis.set(xlabel="MATLAB toolbox", ylabel="springline, matlab-2015", aspect="equal")
    _head(axis, "344 station-years" if len(ours) == 344 else f"{len(ours)} station-years")
    axis.legend(frameon=False, fontsize=9, loc="upper left")


def _histogram(axis: Axes, evidence: Evidence, event: str) -> None:
    """Share of station-years by difference from the toolbox, logarithmic: most are 0."""
    edge, width = 6, 0.2
    theirs = np.concatenate([getattr(s, f"{event}_index") for s in evidence.stations])
    for number, (name, colour) in enumerate(COLOURS.items()):
        ours = np.concatenate([getattr(d[name], f"{event}_index") for d in evidence.station_dates])
        apart = np.clip(ours - theirs, -edge, edge).astype(int)
        counts = np.bincount(apart + edge, minlength=2 * edge + 1) / len(apart)
        at = np.arange(-edge, edge + 1) + (number - 1.5) * width
        axis.bar(at, 100 * counts, width, color=colour, label=name)
    axis.set_yscale("log")
    axis.set_yticks([0.3, 1, 3, 10, 30, 100], ["0.3", "1", "3", "10", "30", "100"])
    axis.minorticks_off()
    labels = [_signed(d) for d in range(-edge, edge + 1)]
    labels[0], labels[-1] = f"{labels[0]}\n& less", f"{labels[-1]}\n& more"
    axis.set_xticks(range(-edge, edge + 1), labels, fontsize=8)
    axis.set(xlabel="springline − toolbox [days]", ylabel="station-years [%], logarithmic", ylim=(0.2, 130))
    axis.spines[["top", "right"]].set_visible(False)
    _head(axis, f"{event} index, difference from the toolbox")


def maps(evidence: Evidence) -> Figure:
    """Leaf and bloom index of the corrected model."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import BoundaryNorm

    dates = evidence.variants["SYNTHETIC country"]["corrected"]
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.9), layout="constrained")
    values = {event: evidence.country.grid(getattr(dates, f"{event}_index")) for event in EVENTS}
    steps = np.arange(np.nanmin(values["leaf"]) // 10 * 10, np.nanmax(values["bloom"]) + 10, 10)
    colours = plt.get_cmap("viridis_r").with_extremes(bad=NO_DATA)
    norm = BoundaryNorm(steps, colours.N)
    for axis, event in zip(axes, EVENTS, strict=True):
        drawn = axis.imshow(values[event], cmap=colours, norm=norm, interpolation="nearest")
        _map(axis, f"SYNTHETIC {YEAR}: {event} index, corrected")
    bar = figure.colorbar(drawn, ax=axes, orientation="horizontal", aspect=45, shrink=0.8, label="day of year")
    bar.ax.secondary_xaxis("top").set_xticks(MONTH_STARTS[1:6], [f"1 {m}" for m in MONTHS[1:6]])
    return figure


def differences(evidence: Evidence) -> Figure:
    """Each other variant minus the corrected model."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import BoundaryNorm

    found = evidence.variants["SYNTHETIC country"]
    others = [name for name in COLOURS if name != "corrected"]
    figure, axes = plt.subplots(2, len(others), figsize=(12.6, 8.8), layout="constrained")
    steps = np.arange(-FAR - 0.5, FAR + 1)
    colours = plt.get_cmap("PuOr_r").with_extremes(bad=SEA)
    norm = BoundaryNorm(steps, colours.N, extend="both")
    for row, event in zip(axes, EVENTS, strict=True):
        before = getattr(found["corrected"], f"{event}_index")
        for axis, name in zip(row, others, strict=True):
            apart = getattr(found[name], f"{event}_index") - before
            drawn = axis.imshow(evidence.country.grid(apart), cmap=colours, norm=norm, interpolation="nearest")
            _map(axis, f"SYNTHETIC: {event}, {name} − corrected")
            land = np.isfinite(apart)
            axis.set_xlabel(f"{100 * (apart[land] != 0).mean():.1f} % of the land changes", fontsize=9, color=MUTED)
    label = "days earlier  ←   0   →  days later"
    bar = figure.colorbar(drawn, ax=axes, orientation="horizontal", aspect=45, shrink=0.7, label=label)
    bar.set_ticks(range(-FAR, FAR + 1), labels=[_signed(d) for d in range(-FAR, FAR + 1)])
    return figure


def daylength(evidence: Evidence) -> Figure:
    """How far the toolbox's formula is from Daymet's over the year."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.6, 4.0), layout="constrained")
    apart = toolbox_minus_daymet(np.array(LATITUDES))
    day = np.arange(1, len(apart) + 1)
    for column, latitude in enumerate(LATITUDES):
        colour = plt.get_cmap("viridis")(column / len(LATITUDES))
        style = "--" if latitude == 40.1 else "-"
        axis.plot(day, apart[:, column], style, color=colour, linewidth=1.8, label=f"{latitude:g}° N")
    axis.axhline(0, color=MUTED, linewidth=0.8)
    _days_of_year(axis.xaxis, slice(0, 12))
    axis.set(xlim=(1, 365), ylabel="toolbox − Daymet [h]")
    axis.grid(axis="y", color=NO_DATA)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5), title="latitude")
    _head(axis, "Day length: the toolbox's formula minus Daymet's")
    return figure


def _days_of_year(axis: Any, months: slice) -> None:  # noqa: ANN401 - matplotlib's XAxis or YAxis
    axis.set_ticks(MONTH_STARTS[months], [f"1 {m}" for m in MONTHS[months]], fontsize=8.5)


def _signed(number: int) -> str:
    return f"{number:+d}".replace("-", "−") if number else "0"


def _map(axis: Axes, text: str) -> None:
    axis.set(xticks=[], yticks=[], facecolor=NO_DATA)
    for spine in axis.spines.values():
        spine.set(color=MUTED, linewidth=0.6)
    _head(axis, text)


def _head(axis: Axes, text: str) -> None:
    axis.set_title(text, loc="left", fontsize=10.5, fontweight="bold", color=INK)
