"""The figure of stac: a catalog's regions, and which of its assets a stage has copied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.pictures import INK, MUTED, NO_DATA
from tests.figures.common import BLUE, ORANGE, WIDTH, grid, head, plotting, saved, springline
from tests.jobs.archive import served, write_archive

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ASSETS = ("tmin", "tmax", "dayl")
Items = dict[str, dict[str, Any]]


def copies(folder: Path) -> bytes:
    """Build, stage as the page does, and read the catalog beside the copies."""
    write_archive(folder / "archive")
    with served(folder / "archive") as url:
        springline(
            folder,
            "run",
            "stac-build",
            "daymet",
            "--years",
            "2000:2001",
            "--root",
            url,
            "--sizes",
            "--output",
            "daymet",
        )
        springline(folder, "run", "stac-stage", "daymet", "--items", "hi-*", "--assets", "tmin,tmax", "--to", "staged")
    every, staged = _items(folder / "daymet"), _items(folder / "staged")
    with plotting() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4), layout="constrained", width_ratios=(1.3, 1))
        _boxes(left, every)
        _assets(right, every, staged)
        return saved(figure)


def _items(catalog: Path) -> Items:
    """The items of a catalog, by id."""
    found = [json.loads(path.read_text()) for path in catalog.glob("**/*.json")]
    return {item["id"]: item for item in found if item["type"] == "Feature"}


def _boxes(axis: Axes, items: Items) -> None:
    from matplotlib.patches import Rectangle

    for region, name in (("na", "North America"), ("hi", "Hawaii"), ("pr", "Puerto Rico")):
        west, south, east, north = items[f"{region}-2000"]["bbox"]
        colour = BLUE if region == "hi" else MUTED
        axis.add_patch(Rectangle((west, south), east - west, north - south, facecolor=colour, alpha=0.15, linewidth=0))
        axis.add_patch(
            Rectangle((west, south), east - west, north - south, fill=False, edgecolor=colour, linewidth=1.4)
        )
        at, side = (east, "right") if region == "pr" else (west, "left")
        ink = colour if region == "hi" else INK
        axis.text(at, north + 1.2, f"{region}  {name}", color=ink, fontsize=9, ha=side)
    axis.set(xlim=(-185, -45), ylim=(8, 92), xlabel="longitude", ylabel="latitude")
    axis.xaxis.set_major_formatter(lambda x, _: f"{-x:g}° W")
    axis.yaxis.set_major_formatter("{x:g}° N")
    grid(axis, "both")
    head(axis, "(a)", "Where the items are: boxes of the collections")


def _assets(axis: Axes, every: Items, staged: Items) -> None:
    """A square for each asset: its bytes, and whether the staged catalog names a copy."""
    from matplotlib.patches import Rectangle

    rows = sorted(every, key=lambda name: (("na", "hi", "pr").index(name[:2]), name))
    for row, name in enumerate(rows):
        for column, key in enumerate(ASSETS):
            size = every[name]["assets"][key]["file:size"] / 1e6
            told = staged.get(name, {}).get("assets", {}).get(key, {}).get("href", "")
            colour = NO_DATA if not told else ORANGE if told.startswith("http") else BLUE
            axis.add_patch(Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, facecolor=colour, linewidth=0))
            ink = INK if colour == NO_DATA else "white" if colour == BLUE else "black"
            axis.text(column, row, f"{size:.2f} MB", ha="center", va="center", fontsize=8.5, color=ink)
    axis.set(xlim=(-0.5, 2.5), ylim=(len(rows) - 0.5, -0.5))
    axis.set_xticks(range(len(ASSETS)), ASSETS)
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(length=0, labelsize=9)
    axis.spines[:].set_visible(False)
    for colour, label in ((BLUE, "copied"), (ORANGE, "named, read where it is"), (NO_DATA, "left out")):
        axis.scatter([], [], marker="s", s=60, color=colour, label=label)
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3, fontsize=8.5, handletextpad=0.2, columnspacing=1
    )
    head(axis, "(b)", "Assets after the stage")
