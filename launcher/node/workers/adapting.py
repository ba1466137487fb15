"""How many workers a run needs: Dask sees only the few batches that are under way, the run's progress all the rest."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..request import Request, SessionDir

SOON = 60.0  # s: work that is over so soon is not worth another job


@dataclass(frozen=True)
class Work:
    """What is left to do."""

    items: int
    seconds: float | None  # at the rate of now, where one is known


def read(path: Path) -> Work | None:
    """Return what is left by a run's progress file; None where it does not count items, each of which is a task."""
    try:
        progress = json.loads(path.read_text(encoding="utf-8"))
        if progress["unit"] != "items":
            return None
        over = sum(int(progress[key]) for key in ("done", "failed", "skipped"))
        seconds = progress["eta_seconds"]
        return Work(int(progress["total"]) - over, None if seconds is None else float(seconds))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def wanted(work: Work, planned: int, threads: int) -> int:
    """Return how many workers of so many threads should be there when so many are planned."""
    needed = -(-work.items // threads)
    return min(needed, planned) if work.seconds is not None and work.seconds < SOON else needed


def telling(adaptive: Any, grow: Callable[[int], Awaitable[None]]) -> Any:  # noqa: ANN401
    """Return an ``Adaptive`` that leaves it to ``grow`` to ask for more, so that a refusal is heard of."""

    class Telling(adaptive):  # type: ignore[misc]
        async def scale_up(self, n: int) -> None:
            await grow(n)

    return Telling


def class_for(directory: SessionDir, request: Request) -> Any:  # noqa: ANN401
    """Return the kind of ``Adaptive`` that follows the run's progress."""
    adaptive: Any = import_module("distributed").Adaptive
    threads = max(1, request.workers.cores // request.workers.processes)

    class FollowingItems(adaptive):  # type: ignore[misc]
        async def target(self) -> int:
            work = read(directory.path / "progress.json")
            if work is None:
                return int(await super().target())
            busy = sum(1 for worker in self.cluster.scheduler.workers.values() if worker.processing)
            return max(busy, wanted(work, len(self.plan), threads))

    return FollowingItems
