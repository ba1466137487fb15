"""The days of a block, a batch at a time: the next batch is fetched while this one is computed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.spring_index.reading.blocks import Block, Plan
from jobs.spring_index.reading.readers import Reader, open_slot
from jobs.spring_index.reading.source import Slot
from jobs.spring_index.reading.values import check_values, coarsened

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

    def forget(self, variable: str) -> None:
        """Let go of what was read of a variable: some days of it may bring whole chunks of many."""
        self.readers[variable].forget()


class Days:
    """The days of a block as the model takes them: (day, cell), coarsened, in units they can be in."""

    def __init__(self, plan: Plan, block: Block, ahead: Ahead) -> None:
        self.plan, self.block, self.ahead = plan, block, ahead
        self.checked: set[str] = set()

    def get(self, variable: str, days: slice, following: slice | None = None) -> Array:
        """Some days, counted from 0, good until the next are got; those that follow begin to be fetched."""
        values = coarsened(self.ahead.take(variable, days, following), self.plan.coarsen, self.plan.variant.single)
        if variable not in self.checked:
            where = storage.basename(self.block.slots[variable].urls[0])
            check_values(variable, values, self.plan.units, where)
            self.checked.add(variable)
        return np.ascontiguousarray(values.reshape(len(values), -1))


@contextmanager
def reading(slots: Mapping[str, Slot], cells: tuple[slice, ...]) -> Iterator[Ahead]:
    """The days of some variables; their files stay open meanwhile."""
    with contextlib.ExitStack() as stack:
        readers = {variable: stack.enter_context(open_slot(slot)) for variable, slot in slots.items()}
        pool = stack.enter_context(ThreadPoolExecutor(2, "read-ahead"))
        yield Ahead(readers, cells, pool)
