"""The days of a block, a batch at a time: the next batch is fetched while this one is computed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.spring_index.readers import Reader, open_slot
from jobs.spring_index.source import Slot

Array = npt.NDArray[Any]


class Ahead:
    """Days of a rectangle of cells: at most one batch of each variable is fetched before it is wanted."""

    def __init__(self, readers: Mapping[str, Reader], cells: tuple[slice, ...], pool: ThreadPoolExecutor) -> None:
        self.readers, self.cells, self.pool = readers, cells, pool
        self.asked: dict[tuple[str, int], Future[Any]] = {}

    def ask(self, variable: str, days: slice) -> None:
        """Begin to fetch days, counted from 0, that will be wanted next."""
        future = self.pool.submit(self.readers[variable].fetch, days, self.cells)
        self.asked[variable, days.start] = future

    def take(self, variable: str, days: slice, following: slice | None = None) -> Array:
        """Days of a variable, (day, *cells), good until the next are taken; those that follow begin to be fetched."""
        if (variable, days.start) not in self.asked:
            self.ask(variable, days)
        fetched = self.asked.pop((variable, days.start)).result()
        if following:
            self.ask(variable, following)
        return np.asarray(self.readers[variable].values(fetched))


@contextmanager
def reading(slots: Mapping[str, Slot], cells: tuple[slice, ...]) -> Iterator[Ahead]:
    """The days of some variables; their files stay open meanwhile."""
    with contextlib.ExitStack() as stack:
        readers = {variable: stack.enter_context(open_slot(slot)) for variable, slot in slots.items()}
        pool = stack.enter_context(ThreadPoolExecutor(2, "read-ahead"))
        yield Ahead(readers, cells, pool)
