"""What there is to do, as values that travel: regions, their years, and the blocks into which these are cut."""

from __future__ import annotations

import hashlib
import itertools
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jobs import storage
from jobs.errors import OutputError
from jobs.spring_index.output import PLAN, Place
from jobs.spring_index.reading.blocks import Block, Plan
from jobs.spring_index.reading.source import Slot
from jobs.spring_index.science.model import Window

Cells = tuple[slice, ...]


@dataclass(frozen=True)
class Year:
    """A year of a region."""

    year: int
    slots: Mapping[str, Slot]
    window: Window
    inputs: str
    """Signature of its files."""
    place: Place


@dataclass(frozen=True)
class Region:
    """Years on one grid."""

    name: str
    """Empty where the store holds only one."""
    plan: Plan
    """Its output is the group that holds the years."""
    chunks: tuple[int, ...]
    source: str
    """What the data say they are."""
    years: Mapping[int, Year]

    def path(self, year: int) -> str:
        """A year's group in the store: 1980, or na/1980."""
        return f"{self.name}/{year}".lstrip("/")

    def item(self, year: int, block: str) -> str:
        """A block in words."""
        return f"{self.name} {year} block {block}".lstrip()

    def blocks(self) -> Iterator[tuple[str, Cells]]:
        """Name and output cells of each block, row by row; blocks are also the chunks of the store."""
        sizes = [n // self.plan.coarsen for n in self.plan.grid.shape]
        cuts = [
            [slice(first, min(first + step, n)) for first in range(0, n, step)]
            for n, step in zip(sizes, self.chunks, strict=True)
        ]
        for cells in itertools.product(*cuts):
            at = (cut.start // step for cut, step in zip(cells, self.chunks, strict=True))
            yield ",".join(map(str, at)), cells

    def block(self, year: Year, name: str) -> Block:
        """One of them."""
        return Block(year.year, year.window, dict(year.slots), dict(self.blocks())[name], year.place.waiting)


Regions = Mapping[str, Region]


def pack(regions: Regions) -> tuple[str, bytes]:
    """The regions as a file, whose name tells whether its content is still the same."""
    content = pickle.dumps(dict(regions))
    return f"{PLAN}{_digest(content)}", content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@lru_cache(2)
def read(url: str) -> Regions:
    """The regions of a file, in a worker; one that somebody else wrote is not even unpacked."""
    fs, path = storage.filesystem(url)
    try:
        content = fs.cat_file(path)
    except FileNotFoundError as error:
        raise OutputError(f"{url} is gone.", "Has another run begun there?") from error
    if not url.endswith(_digest(content)):
        raise OutputError(f"{url} was changed.", "Run the same command again.")
    regions: Regions = pickle.loads(content)
    return regions
