"""Keeps the number of workers that was asked for: worker jobs end before the session does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger("springline")

LOOK_EVERY = 5.0  # s
# s without a worker before it counts as ended. A restart by its nanny or by a client is shorter; dask-jobqueue's own
# tidying, 15 s after the loss, would take a new job of the same name for the old one.
MISSING = 25.0
LONG_ENOUGH = 120.0  # s a worker has to have lived to be worth a new job: one that dies at once would die again


class Upkeep:
    """Submits a new job for each worker that ended; used from the cluster's loop only."""

    def __init__(
        self,
        cluster: Any,  # noqa: ANN401
        long_enough: float = LONG_ENOUGH,
        clock: Callable[[], float] = time.monotonic,
        *,
        chances: int = 0,
        lost: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._cluster = cluster
        self._long_enough = long_enough
        self._clock = clock
        self._chances = chances  # how many workers that ended soon are started again all the same
        self._lost = lost  # hears of a worker that is not
        self._first: dict[str, float] = {}  # when a worker was first seen
        self._last: dict[str, float] = {}  # and last
        self.stopped = False

    async def run(self) -> None:
        """Look now and then until stopped."""
        while not self.stopped:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Exception:
                log.exception("Workers that ended were not replaced")

    async def look(self) -> None:
        """Replace the workers that ended since the last look."""
        now = self._clock()
        for name in self._alive():
            self._first.setdefault(name, now)
            self._last[name] = now
        ended = [name for name, last in self._last.items() if now - last >= MISSING]
        for name in ended:
            await self._end(name)
        if ended and not self.stopped:
            await self._cluster

    def _alive(self) -> list[str]:
        """Return the jobs of which at least one Dask worker is connected."""
        observed = self._cluster.observed
        spec = self._cluster.worker_spec
        return [name for name, job in spec.items() if any(name + end in observed for end in job.get("group", [""]))]

    async def _end(self, name: str) -> None:
        """Forget a job that ended; what is still in the cluster's plan is submitted again."""
        lived = self._last.pop(name) - self._first.pop(name)
        job = self._cluster.workers.pop(name, None)
        if job is not None:
            await job.close()
        if lived >= self._long_enough:
            return
        if self._chances > 0:
            self._chances -= 1
            log.warning("Worker %s ended after %.0f s and is started again", name, lived)
        elif self._cluster.worker_spec.pop(name, None) is not None:
            log.warning("Worker %s ended after %.0f s and is not started again", name, lived)
            self._lost(name)
