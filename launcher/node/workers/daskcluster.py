"""The session's Dask cluster: a scheduler in this process, workers as jobs of the queue or as processes beside it."""

from __future__ import annotations

import difflib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import count
from typing import Any

from .. import queues
from ..request import DEFAULT, Request, SessionDir, Workers
from . import adapting, backends, counting, daskconfig, springline_guard, workerjobs
from .backends import DaskError, NotStarted
from .upkeep import LONG_ENOUGH, Upkeep

log = logging.getLogger("springline")

Tell = Callable[[str, Any], None]  # reports an event to the session: "panel", or "workers" and what is wrong with them

CHANCES = 5  # for workers of a run that end soon: nobody is there to ask for others
# An adaptive cluster on a queue must not swing: look every 2 s, let a worker go after a minute without need.
ADAPTIVE = {"interval": "2s", "wait_count": 30}
REFUSED = 60.0  # s before an adaptive cluster asks again for workers that were refused


def sentence(error: BaseException) -> str:
    """Return what an error says, in one line; of a failed submission, what the scheduler said."""
    text = str(error)
    said = text.rpartition("stderr:\n")[2] if "stderr:\n" in text else text
    return re.sub(r"\s+", " ", said).strip() or type(error).__name__


def start(directory: SessionDir, request: Request, address: str, tell: Tell) -> RunningCluster:
    """Start the scheduler, without workers yet, and tell every process of the session where it is."""
    daskconfig.point(os.environ, directory)
    _forget_this_job()
    adaptive = adapting.class_for(directory, request) if request.analysis else import_module("distributed").Adaptive
    cluster = backends.make(directory, request, address)
    backend = backends.backend_of(request)

    def shape(workers: Workers) -> None:
        backend.shape(cluster, directory, replace(request, workers=workers), address)

    running = RunningCluster(cluster, request, tell, adaptive, shape)
    daskconfig.write(directory, request, running.scheduler)
    cluster.loop.add_callback(counting.keep_telling, running.counts, tell)
    return running


def jobs_for(n: int, sizes: Sequence[int], size: int) -> int:
    """Return how many jobs make at least ``n`` workers, where those there are have ``sizes`` and a new one ``size``.

    What runs stays as long as it is needed, whatever its shape; the last asked for goes first.
    """
    there, jobs = sum(sizes), len(sizes)
    if n >= there:
        return jobs - (there - n) // size  # rounded up
    while jobs and there - sizes[jobs - 1] >= n:
        jobs -= 1
        there -= sizes[jobs]
    return jobs


def _forget_this_job() -> None:
    """Drop this job's own variables, which a submission would hand on to the workers' jobs and confuse them."""
    for name in set(os.environ) - set(queues.without_job(os.environ)):
        del os.environ[name]


class RunningCluster:
    """A cluster and the operations on it that the Dask panel and ``springline scale`` ask for."""

    def __init__(
        self,
        cluster: Any,  # noqa: ANN401
        request: Request,
        tell: Tell,
        adaptive: Any,  # noqa: ANN401
        shape: Callable[[Workers], None] = lambda workers: None,
    ) -> None:
        self._cluster = cluster
        self._request = request
        self._jobs = backends.backend_of(request).jobs
        self._shape = shape
        self._workers = request.workers  # as those asked for now are
        self._asked: int | None = request.workers.count  # None where they follow the work
        self._tell = tell
        self._adaptive = adapting.telling(adaptive, self._grow_now_and_then)
        self._refused = float("-inf")
        self._submitted = False
        self._upkeep = Upkeep(
            cluster,
            min(LONG_ENOUGH, (request.workers.walltime_seconds or 3600) / 4),
            chances=CHANCES if request.analysis else 0,
            lost=lambda name: tell("worker lost", name),
        )
        if self._jobs:  # local workers are restarted by their nannies
            cluster.loop.add_callback(self._upkeep.run)
        # Calls to the scheduler are TLS with the session's certificate on both sides: no further door is needed.
        cluster.scheduler.handlers["springline_scale"] = self.scale
        cluster.scheduler.handlers["springline_adapt"] = self.adapt
        cluster.scheduler.handlers["springline_shown"] = self.shown
        cluster.scheduler.handlers["springline_release"] = self.release
        if self._jobs:  # an adaptive cluster, too, has to count jobs of several shapes
            cluster.scale = partial(self._scale_jobs, cluster.scale)
            # Dask gives a name anew at once; while its last worker is on the way out, the scheduler refuses the next.
            numbers, named = count(), cluster._new_worker_name
            cluster._new_worker_name = lambda _: named(next(numbers))
        springline_guard.protect(cluster.scheduler.http_server)

    @property
    def scheduler(self) -> str:
        """The scheduler's address."""
        return str(self._cluster.scheduler_address)

    @property
    def dashboard(self) -> str:
        """The dashboard's path behind Jupyter."""
        return daskconfig.DASHBOARD_LINK.format(port=self._cluster.scheduler.http_server.port)

    def where(self) -> dict[str, str]:
        """Return where the cluster is, for the session's state."""
        return {"scheduler": self.scheduler, "dashboard": self.dashboard}

    def idle_seconds(self) -> float:
        """Return for how long no task has run or waited; workers alone are no work."""
        scheduler = self._cluster.scheduler
        try:
            scheduler.check_idle()
        except RuntimeError:  # its workers came or went while it looked
            return 0.0
        return time.time() - scheduler.idle_since if scheduler.idle_since else 0.0

    def _capped(self, n: int | None) -> int | None:
        most = self._workers.most()
        return n if most is None else most if n is None else min(n, most)

    def counts(self) -> counting.Counts:
        """Return how many workers were asked for, are to be and are there (in the cluster's loop)."""
        return counting.counts(self._asked, self._workers.most(), sum(self._sizes()), self.connected())

    def _granted(self, n: int | None) -> dict[str, int | str] | None:
        self._tell("counted", self.counts())  # who asks looks right after
        own = not self._jobs and self._request.scheduler != "local"
        return counting.granted(n, self._workers.most(), "cores" if own else "worker_max_jobs")

    def _scale_jobs(self, scale: Callable[..., Any], n: int | None = None, jobs: int = 0) -> Any:  # noqa: ANN401
        if n is not None:
            jobs = jobs_for(n, self._sizes(), len(self._cluster.new_spec.get("group", "1")))
        return scale(jobs=jobs)

    def _sizes(self) -> list[int]:
        """Return how many workers each job makes."""
        return [len(job.get("group", "1")) for job in self._cluster.worker_spec.values()]

    @contextmanager
    def _shaped(self, preset: str | None) -> Iterator[None]:
        """Give the workers asked for from now on the shape of a preset, unless they are refused. Raises DaskError."""
        before = self._workers
        if preset is not None:
            self._use(self._shape_of(preset))
        try:
            yield
        except NotStarted:
            self._use(before)
            raise

    def _use(self, workers: Workers) -> None:
        if workers is not self._workers:
            self._shape(workers)
            self._workers = workers

    def _shape_of(self, preset: str) -> Workers:
        shapes = {DEFAULT: self._request.workers, **self._request.presets}
        if preset not in shapes:
            near = difflib.get_close_matches(preset.lower(), shapes, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise DaskError(f"This session has no preset {preset!r}; it has {', '.join(sorted(shapes))}.{meant}")
        return shapes[preset]

    async def release(self) -> None:
        """Let all workers go (in the cluster's loop)."""
        await self.scale(0)

    async def shown(self) -> None:
        """Note that the Dask panel shows this cluster now."""
        self._tell("panel", None)

    async def scale(self, n: int, preset: str | None = None) -> dict[str, int | str] | None:
        """Ask for so many workers in place of those asked before (in the cluster's loop); return the limit, if any."""
        with self._shaped(preset):
            self._stop_adapting()
            self._submitted = self._submitted or n > 0
            self._asked = n
            await self._grow(self._capped(n), settled=preset is None)
        return self._granted(n)

    async def adapt(self, minimum: int, maximum: int | None, preset: str | None = None) -> dict[str, int | str] | None:
        """Let the number of workers follow the work (in the cluster's loop); as `scale`, which asks for the first."""
        with self._shaped(preset):
            self._submitted = True
            self._stop_adapting()
            self._asked = None
            self._forget_failed()
            least, most = self._capped(minimum), self._capped(maximum)
            await self._grow(max(least or 0, sum(self._sizes())))
        self._refused = float("-inf")
        self._cluster.adapt(minimum=least, maximum=most, Adaptive=self._adaptive, **ADAPTIVE)
        return self._granted(maximum)

    async def _grow(self, n: int | None, *, settled: bool = False) -> None:
        """Scale, and tell what became of it. Raises NotStarted.

        What was refused before stays told until somebody gives workers again, or there are as many as asked for and
        the matter is settled.
        """
        self._forget_failed()
        there, problem = set(self._cluster.worker_spec), None
        try:
            self._cluster.scale(n)
            settled = settled or not there.issuperset(self._cluster.worker_spec)
            await self._cluster
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
            self._forget_failed()
            problem = f"No worker was started: {sentence(error)}"
        if problem or settled:
            self._tell("workers", problem)
        if problem:
            raise NotStarted(problem)  # without its cause, which may not get through to who asked

    async def _grow_now_and_then(self, n: int) -> None:
        """Do so for an adaptive cluster, which asks every 2 s: a queue that refuses is left alone for a while."""
        if time.monotonic() - self._refused < REFUSED:
            return
        try:
            await self._grow(n)
        except NotStarted as error:
            self._refused = time.monotonic()
            log.error("%s", error)

    def _stop_adapting(self) -> None:
        if getattr(self._cluster, "_adaptive", None) is not None:
            self._cluster._adaptive.stop()

    def _forget_failed(self) -> None:
        """Drop workers that never started, so that the next request tries again."""
        from distributed.core import Status

        for name, worker in list(self._cluster.workers.items()):
            if worker.status is not Status.running:
                del self._cluster.workers[name]
                self._cluster.worker_spec.pop(name, None)

    def scale_first(self) -> None:
        """Start the workers the session begins with (from another thread)."""
        if self._request.workers.count:
            with suppress(DaskError):  # it was told
                self.ask(self._request.workers.count)

    def ask(self, count: int, maximum: int | None = None) -> None:
        """Ask for workers, with a maximum for as many as the work needs (from another thread). Raises DaskError."""
        if maximum is None:
            self._cluster.sync(self.scale, count)
        else:
            self._cluster.sync(self.adapt, count, maximum)

    def connected(self) -> int:
        """Return how many workers there are."""
        return len(self._cluster.scheduler.workers)

    def planned(self) -> int:
        """Return how many workers there are to be."""
        return len(self._cluster.worker_spec)

    def close(self, grace: float, *, by_name: bool = True) -> None:
        """Release the workers within ``grace`` seconds; ``by_name`` those still being submitted, too."""
        deadline = time.monotonic() + grace
        self._upkeep.stopped = True
        self._submitted = self._submitted and by_name
        self._cancel(grace / 2)
        try:
            self._cluster.close(timeout=max(0.2, deadline - time.monotonic()))
        except Exception:  # noqa: BLE001 (whatever it is, the jobs go below)
            log.warning("The Dask cluster did not close in time")
            self._cancel(grace / 2)

    def _cancel(self, timeout: float) -> None:
        """Cancel every worker job of this session in one command, those being submitted right now too."""
        if self._jobs and self._submitted:
            workerjobs.cancel_workers(self._request, timeout)
