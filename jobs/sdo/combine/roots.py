"""Where the files of an inventory lie today: its paths are of another machine, or relative to who knows what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError
from jobs.sdo import remote

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


def relative(files: pa.Array, root: str | None, inventory: str) -> tuple[str, pa.Array]:
    """The root of the tree and the paths below it.

    The paths may be right as they are, or begin at the root that is given, or at a directory that holds the inventory.

    Raises
    ------
    InputError
        If no such files are found.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    root, prefix = (not root and _as_they_are(files)) or _search(files, [root] if root else above(inventory))
    short = np.zeros(len(files), bool)
    while True:
        fits = ~short & (pc.starts_with(files, prefix).to_numpy(False) if prefix else ~_absolute(files))
        if fits.any() and prefix:
            files = pc.if_else(pa.array(fits), pc.utf8_slice_codeunits(files, len(prefix)), files)
        short |= fits
        if short.all():
            return root, files
        _, prefix = _search(files.filter(pa.array(~short)), [root])


def _absolute(files: pa.Array) -> npt.NDArray[np.bool_]:
    import pyarrow.compute as pc

    found: npt.NDArray[np.bool_] = pc.match_substring_regex(files, "^/|://").to_numpy(False)
    return found


def _as_they_are(files: pa.Array) -> tuple[str, str] | None:
    """The beginning of the paths, as a root and as text, if they lie where they say."""
    for file in _sample(files):
        if (file.startswith("/") or "://" in file) and _exists(file):
            head = TREE.match(file)
            prefix = head.group(1) if head else file.rpartition("/")[0] + "/"
            return prefix.rstrip("/") or "/", prefix
    return None


def _search(files: pa.Array, candidates: list[str]) -> tuple[str, str]:
    """The root that has one of a few of these files, and what of their paths stands for it."""
    sample = _sample(files)
    for file in sample:
        for prefix, tail in _tails(file):
            for root in candidates:
                if _exists(f"{root.rstrip('/')}/{tail}"):
                    return root, prefix
    raise InputError(
        f"None of {len(sample)} files of the inventory was found, such as {sample[0]}.",
        f"Say with --root which directory holds SDOMLnpz; looked in {', '.join(candidates)}.",
    )


def _sample(files: pa.Array) -> list[str]:
    places = np.linspace(0, len(files) - 1, min(SAMPLES, len(files))).astype(int)
    return [str(files[int(at)]) for at in places]


def _tails(file: str) -> Iterator[tuple[str, str]]:
    """Ways to cut a path in two, the longest rest first."""
    if not file.startswith("/") and "://" not in file:
        yield "", file
    for slash in re.finditer("/", file):
        if file[slash.end() :]:
            yield file[: slash.end()], file[slash.end() :]


def _exists(url: str) -> bool:
    return bool(ask(url, "exists"))


def ask(url: str, question: str) -> Any:  # noqa: ANN401 - what the file system answers
    """What a file system says of a URL: isdir, exists or find.

    Raises
    ------
    InputError
        If it cannot be asked.
    """
    fs, path = remote.file_system(url)
    try:
        return getattr(fs, question)(path)
    except Exception as error:  # the clients' errors have no class in common
        raise InputError(
            f"{url} cannot be reached: {error}", "Check the network, the endpoint and the keys."
        ) from error
