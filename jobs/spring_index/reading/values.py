"""Values of a block: what the output's cells make of the input's, and what cannot be in the units it claims."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import InputError
from jobs.spring_index.reading.readers import read_plane
from jobs.spring_index.reading.source import Grid
from jobs.spring_index.science.stream import Units

Array = npt.NDArray[Any]


def fine_cells(cells: tuple[slice, ...], coarsen: int) -> tuple[slice, ...]:
    """Input cells that belong to output cells."""
    return tuple(slice(c.start * coarsen, c.stop * coarsen) for c in cells)


def coarsened(values: Array, size: int, single: bool) -> Array:
    """Mean of size × size cells of the last two axes, missing cells left out."""
    if size == 1:
        return values
    *lead, rows, columns = values.shape
    boxes = values.reshape(*lead, rows // size, size, columns // size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # boxes without any value: NaN is what is wanted
        mean: Array = np.nanmean(boxes, axis=(-3, -1), dtype=values.dtype if single else np.float64)
    return mean.astype(values.dtype)


def check_values(variable: str, values: Array, units: Units, where: str) -> None:
    """Refuse values that cannot be in the units the file claims.

    Raises
    ------
    InputError
        Saying which units they look like.
    """
    known = np.isfinite(values)
    top = float(np.max(values, initial=-np.inf, where=known))
    if not np.isfinite(top):
        return
    if variable == "dayl":
        if units.dayl_seconds and 0 < top <= 24:
            raise InputError(
                f"{where}: dayl is said to be in seconds, but reaches only {top:.1f}: hours?", "Set its units to 'h'."
            )
        if top > (86_500 if units.dayl_seconds else 24.1):
            raise InputError(
                f"{where}: dayl reaches {top:.0f}, which is longer than a day.", "Check its units: s or h."
            )
    elif top > (70 if units.celsius else 160):
        raise InputError(
            f"{where}: {variable} reaches {top:.0f}, too hot for {'°C' if units.celsius else '°F'}: Kelvin or °F?",
            "Convert it to degrees Celsius and set its units attribute to 'degC'.",
        )
    least = float(np.min(values, initial=np.inf, where=known))
    if least < (-100 if variable != "dayl" and units.celsius else -150 if variable != "dayl" else 0):
        raise InputError(
            f"{where}: {variable} falls to {least:.0f}, which cannot be: a mark for missing values?",
            f"Set _FillValue to {least:g} in the file, so that such values count as missing.",
        )


def read_coordinate(grid: Grid, name: str, cells: tuple[slice, ...], coarsen: int) -> Array:
    """Latitude or longitude of a block, in the block's shape."""
    fine = fine_cells(cells, coarsen)
    if name in grid.planes:
        return coarsened(read_plane(grid.planes[name][0], fine), coarsen, True)
    coord = grid.coords[name]
    values = np.asarray(coord.values)[tuple(fine[grid.dims.index(d)] for d in coord.dims)]
    along = [slice(None) if d in coord.dims else None for d in grid.dims]
    full = np.broadcast_to(values[tuple(along)], tuple(c.stop - c.start for c in fine))
    return coarsened(full, coarsen, True)
