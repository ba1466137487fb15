"""What the figures share: springline's commands in a folder, the look, and small files."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jobs.pictures import INK, MUTED, NO_DATA, STYLE, png
from tests.slurm.requirements import test_data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs/figures"
MOST_BYTES = 200_000
WIDTH = 9.0
"""Of a figure [inch]."""
DPI = 130
LOOK: Any = STYLE | {
    "font.size": 9.5, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
    "legend.frameon": False, "axes.linewidth": 0.7, "xtick.major.width": 0.7, "ytick.major.width": 0.7,
}  # fmt: skip
# Okabe and Ito's colours: told apart by everybody, also in grey.
BLUE, ORANGE, GREEN, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"


class MissingError(Exception):
    """What a figure needs and is not here."""


def data(part: str) -> Path:
    """A part of the tests' real data."""
    folder = test_data() / part
    if not folder.exists():
        raise MissingError(f"there is no {folder}: set SPRINGLINE_TEST_DATA")
    return folder


def springline(folder: Path, *arguments: object, fails: bool = False) -> str:
    """`python -m jobs ARGUMENTS` in a folder; `fails`: some items may."""
    command = [sys.executable, "-m", "jobs", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode not in ((0, 1) if fails else (0,)):
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def tool(name: str, *arguments: object) -> None:
    """Run one of the programs beside the tests' real data."""
    program = test_data().parent / "tools" / name
    if not program.is_file():
        raise MissingError(f"there is no {program}")
    command = [sys.executable, "-W", "ignore", str(program), *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


@contextmanager
def plotting() -> Iterator[ModuleType]:
    """Matplotlib's pyplot with the figures' look; what was drawn is closed at the end."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with mpl.rc_context(LOOK):
        yield plt
    plt.close("all")


def saved(figure: Figure) -> bytes:
    """A figure as a small PNG on white paper, which can be read on dark pages, too."""
    return smaller(png(figure, dpi=DPI))


def smaller(picture: bytes, width: int = round(WIDTH * DPI)) -> bytes:
    """A picture in 256 colours, no wider than the others."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(stream, "png", optimize=True)
    return stream.getvalue()


def head(axis: Axes, letter: str, text: str) -> None:
    """A panel's letter and what it shows."""
    axis.set_title(f"{letter}   {text}", loc="left", color=INK, pad=6)
    axis.title.set_fontweight("normal")


def grid(axis: Axes, which: str = "y") -> None:
    """Faint lines behind the data."""
    axis.grid(axis=which, color=NO_DATA, linewidth=0.7, zorder=0)  # type: ignore[arg-type]
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8.5, labelcolor=MUTED)
