"""What a task is told, and what it tells: values that travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index.reading.source import Grid, Slot
from jobs.spring_index.science import daylength
from jobs.spring_index.science.model import Variant, Window
from jobs.spring_index.science.stream import Units

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """What all blocks of a run have in common."""

    grid: Grid
    """At the resolution of the input."""
    units: Units
    variant: Variant
    plants: tuple[str, ...]
    dayl_source: str
    coarsen: int
    batch: int
    """Days read at once."""
    output: str
    single_input: bool = True

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """Type of the input's arrays."""
        return np.float32 if self.single_input else np.float64


@dataclass(frozen=True)
class Block:
    """A rectangle of output cells of one year."""

    year: int
    window: Window
    slots: dict[str, Slot]
    cells: tuple[slice, ...]
    """In output cells."""
    waiting: str = ""
    """URL of a file that is there as long as the block is wanted."""


@dataclass(frozen=True)
class Done:
    """What a block came to."""

    year: int
    cells: int
    valid: int
    gaps: int
    seconds: float
    sums: dict[str, tuple[float, int]]
    """Product → sum and number of its dates, for a summary."""
    written: int = 0
    """Bytes of the store that it took."""
    day_length: str = daylength.FILE
    """Where the day lengths came from: `file`, or the name of a formula in `daylength`."""
