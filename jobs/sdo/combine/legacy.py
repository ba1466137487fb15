"""The file the original page wrote for each step, for programs that still read it."""

from __future__ import annotations

import bz2
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.sdo.combine.inventory import parts_of
from jobs.sdo.combine.steps import Bools, Ints


def name_of(minutes: int) -> str:
    """Path of a step's file, named by its moment alone: 2010/05/01/SDO20100501_0012_all.pklz."""
    year, month, day, hour, minute = (int(part) for part in parts_of(minutes))
    return f"{year}/{month:02}/{day:02}/SDO{year}{month:02}{day:02}_{hour:02}{minute:02}_all.pklz"


def write(
    folder: str, minutes: int, channels: tuple[str, ...], images: npt.NDArray[Any], valid: npt.NDArray[Any]
) -> None:
    """Write the channels of a step that are there, sorted by name; whole or not at all."""
    found = [(name, np.array(images[code])) for code, name in enumerate(channels) if valid[code]]
    if found:
        storage.write_bytes(f"{folder.rstrip('/')}/{name_of(minutes)}", bz2.compress(_pickled(found)))


def _pickled(found: list[tuple[str, npt.NDArray[Any]]]) -> bytes:
    """A pickle that every numpy reads: it names the module where numpy 1 has it, and numpy 2 still finds it."""
    return pickle.dumps(found, 3).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1)


def absent(folder: str, steps: Ints) -> Bools:
    """Which of these steps, in rising order, have no file yet; each day's directory is looked at once."""
    fs, path = storage.filesystem(folder)
    found = np.ones(steps.size, bool)
    day, names = "", set[str]()
    for at, minutes in enumerate(steps):
        here, _, name = name_of(int(minutes)).rpartition("/")
        if here != day:
            day, names = here, _names(fs, f"{path}/{here}")
        found[at] = name not in names
    return found


def _names(fs: Any, folder: str) -> set[str]:  # noqa: ANN401 - any fsspec file system
    try:
        return {str(name).rpartition("/")[2] for name in fs.ls(folder, detail=False)}
    except FileNotFoundError:
        return set()
