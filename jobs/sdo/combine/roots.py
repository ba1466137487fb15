"""Where the files of an inventory lie today: its paths are of another machine, or relative to who knows what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLES = 16
"""Files that are looked for: single ones may be missing."""
TREE = re.compile(r"^(.*?/)(?=SDOMLnpz/|\d{4}/(?:\d{2}|AIA|HMI)/)")
"""What stands before a tree."""


def above(inventory: str) -> list[str]:
    """The directories that hold an inventory, the nearest first."""
    place = storage.absolute(inventory).rstrip("/")
    found = []
    while (place := place.rpartition("/")[0]) and not place.endswith((":/", ":")):
        found.append(place)
    return found or ["/"]


def relative(files: pa.Array, candidates: list[str]) -> tuple[str, pa.Array]:
    """The root of the tree, one of the candidates unless the paths are right as they are, and the paths below it.

    Raises
    ------
    InputError
        If no such files are found.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    root, prefix = _search(files, candidates)
    short = np.zeros(len(files), bool)
    while True:
        fits = ~short & (pc.starts_with(files, prefix).to_numpy(False) if prefix else ~_absolute(files))
        if fits.any() and prefix:
            files = pc.if_else(pa.array(fits), pc.utf8_slice_codeunits(files, len(prefix)), files)
        short |= fits
        if short.all():
            return root, files
        other, prefix = _search(files.filter(pa.array(~short)), [root])
        if other != root:
            raise InputError(f"The files lie in {root} and in {other}.", "Make an inventory for each tree.")


def _absolute(files: pa.Array) -> npt.NDArray[np.bool_]:
    import pyarrow.compute as pc

    found: npt.NDArray[np.bool_] = pc.match_substring_regex(files, "^/|://").to_numpy(False)
    return found


def _search(files: pa.Array, candidates: list[str]) -> tuple[str, str]:
    """The root that has one of a few of these files, and what of their paths stands for it."""
    sample = [files[int(at)].as_py() for at in np.linspace(0, len(files) - 1, min(SAMPLES, len(files)))]
    for file in sample:
        for prefix, tail in _tails(file):
            for root in candidates:
                if _exists(f"{root.rstrip('/')}/{tail}"):
                    return root, prefix
        if (file.startswith("/") or "://" in file) and _exists(file):
            head = TREE.match(file)
            prefix = head.group(1) if head else file.rpartition("/")[0] + "/"
            return prefix.rstrip("/") or "/", prefix
    raise InputError(
        f"None of {len(sample)} files of the inventory was found, such as {sample[0]}.",
        f"Say with --root which directory holds SDOMLnpz; looked in {', '.join(candidates)}.",
    )


def _tails(file: str) -> Iterator[tuple[str, str]]:
    """Ways to cut a path in two, the longest rest first."""
    if not file.startswith("/") and "://" not in file:
        yield "", file
    for slash in re.finditer("/", file):
        if file[slash.end() :]:
            yield file[: slash.end()], file[slash.end() :]


def _exists(url: str) -> bool:
    fs, path = storage.filesystem(url)
    return bool(fs.exists(path))
