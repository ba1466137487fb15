"""Small trees of NPZ files as those of SDOML, with the truth beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
AIA = ("0094", "0131", "0171", "0193", "0211", "0304", "0335", "1600", "1700")
HMI = ("bx", "by", "bz")
SOME = ("0094", "0171", "bx", "bz")
"""Channels of most tests."""


@dataclass
class Tree:
    """NPZ files below a folder."""

    folder: Path
    stanford: bool = False
    """As in the tar files: YYYY/AIA/0094/MM/DD; else SDOMLnpz/YYYY/MM/DD."""
    size: int = 16
    images: dict[tuple[str, str], Image] = field(default_factory=dict)
    """(moment as 2010-05-01T00:12, channel) → what is in the file."""

    def path(self, moment: str, channel: str) -> Path:
        """Where a file lies."""
        return self.folder / self.name(moment, channel)

    def name(self, moment: str, channel: str) -> str:
        """Its path below the folder."""
        instrument = "HMI" if channel in HMI else "AIA"
        year, month, day = moment[:10].split("-")
        file = f"{instrument}{year}{month}{day}_{moment[11:13]}{moment[14:16]}_{channel}.npz"
        if self.stanford:
            return f"{year}/{instrument}/{channel}/{month}/{day}/{file}"
        return f"SDOMLnpz/{year}/{month}/{day}/{file}"

    def add(self, moment: str, channels: Iterable[str] = SOME, dtype: str = "f4") -> None:
        """Write the files of a step; every image is another."""
        for channel in channels:
            seed = np.frombuffer(f"{moment}{channel}".encode(), np.uint8)
            image = np.random.default_rng(seed).normal(100, 20, (self.size, self.size)).astype(dtype)
            path = self.path(moment, channel)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, x=image)
            self.images[moment, channel] = image.astype(np.float32)

    def inventory(self, name: str = "SDOMLnpz/inventory.parquet", more: Iterable[str] = (), prefix: str = "") -> Path:
        """Write an inventory of all files, and of further paths; the ending says of which kind."""
        import pandas as pd

        paths = [prefix + self.name(moment, channel) for moment, channel in self.images]
        frame = pd.DataFrame({"file": [*paths, *more]})
        path = (self.folder / name).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            frame.to_parquet(path)
        elif name.endswith(".csv"):
            frame.to_csv(path, index=False)
        else:
            frame.to_pickle(path, compression="gzip")
        return path


def moments(count: int, every: int = 12, start: str = "2010-05-01T00:00") -> Iterator[str]:
    """Moments some minutes apart."""
    return (str(np.datetime64(start, "m") + np.timedelta64(every * number, "m")) for number in range(count))
