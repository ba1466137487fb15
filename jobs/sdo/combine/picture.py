"""All channels of a moment in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs.pictures import INK, MUTED, STYLE, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
COLOURS = {
    "0094": "#4fae5b", "0131": "#3aa7a3", "0171": "#d9a520", "0193": "#c07c35", "0211": "#a35fb0", "0304": "#d8452f",
    "0335": "#4a72d4", "1600": "#a8a441", "1700": "#d98a7a",
}  # fmt: skip
"""The tints in which these wavelengths are commonly drawn."""
FIELD = {"bx": "Bx", "by": "By", "bz": "Bz"}
EMPTY, SKY = "#eef0f2", "#000000"
LOW, HIGH = 1.0, 99.8
"""Percentiles between which an image is drawn."""
Image = npt.NDArray[np.float32]


def draw(images: Mapping[str, Image], when: str) -> bytes:
    """A PNG with a square for each channel."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    with mpl.rc_context(STYLE):
        size = (2.6 * columns, 2.85 * rows + 0.5)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        figure.suptitle(f"The Sun, {when}", fontsize=14, fontweight="bold", color=INK)
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, (name, image) in zip(axes.flat, images.items(), strict=False):
            _panel(axis, name, image)
        content = png(figure, 110)
        plt.close(figure)
    return content


def _panel(axis: Axes, name: str, image: Image) -> None:
    label = FIELD.get(name) or (f"{int(name)} Å" if name.isdigit() else name)
    unit = "G" if name in FIELD else "DN/s"
    axis.set_title(label, fontsize=10, color=INK, loc="left", pad=3)
    if np.isnan(image).all():
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axis.add_patch(_square())
        axis.text(0.5, 0.5, "missing", ha="center", va="center", color=MUTED, fontsize=11)
        return
    shown, limits, colours, words = _field(image) if name in FIELD else _emission(name, image)
    axis.imshow(shown, origin="lower", cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="antialiased")
    axis.set_title(f"{words} {unit}", fontsize=7.5, color=MUTED, loc="right", pad=3)


def _square() -> Any:  # noqa: ANN401 - matplotlib's
    from matplotlib.patches import Rectangle

    return Rectangle((0, 0), 1, 1, facecolor=EMPTY, edgecolor="none")


def _field(image: Image) -> tuple[Image, tuple[float, float], Any, str]:
    """A magnetic field: grey is zero."""
    strong = max(1.0, float(np.nanpercentile(np.abs(image), 99.5)))
    return image, (-strong, strong), "gray", f"±{_number(strong)}"


def _emission(name: str, image: Image) -> tuple[Image, tuple[float, float], Any, str]:
    """Brightness: its logarithm where it is bright, itself where it is faint."""
    from matplotlib.colors import LinearSegmentedColormap

    low, middle, high = np.nanpercentile(image, (LOW, 50, HIGH))
    knee = max(float(middle - low), float(high - low) / 1000, 1e-9) / 2
    shown: Image = np.arcsinh((image - low) / knee)
    tint = COLOURS.get(name, "#b0b0b0")
    colours = LinearSegmentedColormap.from_list(name, [SKY, tint, "#ffffff"])
    return shown, (0.0, float(np.arcsinh((high - low) / knee))), colours, f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return (f"{value:.1f}" if abs(value) < 10 else f"{float(f'{value:.2g}'):,.0f}").replace("-", "−")
