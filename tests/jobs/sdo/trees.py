"""Small trees of NPZ files as those of SDOML, with the truth beside them, and the job without the engine."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.model import Asked, Finished
from jobs.sdo.combine import hooks, shard

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


@dataclass
class Combine:
    """Runs the job without the engine; the ledger is a list."""

    output: Path
    ledger: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def asked(self, source: object, overwrite: bool = False, **options: object) -> Asked:
        """What the hooks are given."""
        run_dir = Path(f"{self.output}.run")
        run_dir.mkdir(exist_ok=True, parents=True)
        given = {name: value for name, value in options.items() if value is not None}
        return Asked(
            inputs=(str(source),), items=None, rows=lambda: iter(()), output=str(self.output), options=given,
            run_dir=run_dir, overwrite=overwrite, note=self.said.append, records=lambda: iter(list(self.ledger)),
        )  # fmt: skip

    def work(self, asked: Asked, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Plan, begin, and do what there is to do, as the engine would; it is in the ledger before it is told."""
        rows = [row for row in hooks.plan(asked) if not row.done]
        hooks.begin(asked)
        shard._codec.cache_clear()  # every run has processes of its own
        legacy = {name: value for name, value in asked.options.items() if name == "legacy_pkl"}
        for row in rows[:limit]:
            target = Path(row.target)
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = target.with_name(".part-0")
            result = shard.combine(row.source, str(scratch), **row.columns, **legacy)
            scratch.replace(target)
            self.ledger.append({"item": row.source, "state": "done", "result": json.loads(json.dumps(result))})
            yield self.ledger[-1]

    def __call__(self, source: object, overwrite: bool = False, **options: object) -> Mapping[str, Any]:
        """A run to its end; returns the counts, and how many items were done."""
        asked = self.asked(source, overwrite, **options)
        done = len(list(self.work(asked)))
        return {**self.finish(asked).values, "done": done}

    def finish(self, asked: Asked) -> Finished:
        """The end of a run."""
        return hooks.finish(asked)

    def open(self) -> Any:  # noqa: ANN401 - an xarray dataset
        """The store as a reader sees it; any warning is an error."""
        import xarray as xr

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return xr.open_zarr(self.output).load()

    def check(self, *trees: Tree, without: frozenset[tuple[str, str]] = frozenset()) -> None:
        """The store holds every image of the trees, and nothing else, and says so."""
        images = {key: image for tree in trees for key, image in tree.images.items() if key not in without}
        found = self.open()
        assert int(found.valid.sum()) == len(images)
        for (moment, channel), image in images.items():
            at = {"time": np.datetime64(moment), "channel": channel}
            assert np.array_equal(found.data.sel(at), image), at
            assert bool(found.valid.sel(at)) and str(found.source.sel(at).values).endswith(f"_{channel}.npz")
        assert (np.isnan(found.data).all(("y", "x")) == ~found.valid).all()
