"""What the Dask panel of JupyterLab shows: a view on the session's one cluster, which the node program runs."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from distributed.core import rpc

from ..request import SessionDir, read
from ..workers.backends import DaskError, security

log = logging.getLogger("springline")

LOOK_EVERY = 1.0  # s


class Adapting(NamedTuple):
    """The range an adaptive cluster stays in."""

    minimum: int
    maximum: int | None


class SessionCluster:
    """The session's cluster as dask-labextension wants a cluster; closing it releases the workers, not the scheduler.

    Not a ``distributed`` Cluster: those subscribe to the scheduler's workers, and a second subscription silences the
    first, which is the node program's own.
    """

    def __init__(self, session_dir: str, asynchronous: bool = True) -> None:
        self._directory = SessionDir(Path(session_dir))
        self._tasks: set[asyncio.Task[Any]] = set()
        self._scheduler: Any = None
        self._refusal = ""  # where nobody here can ask for workers
        self.scheduler_address = ""
        self.dashboard_link = ""
        self.scheduler_info: dict[str, Any] = {"workers": {}}

    def __await__(self) -> Generator[Any, Any, SessionCluster]:
        return self._start().__await__()

    async def _start(self) -> SessionCluster:
        dask = await self._wait_for_dask()
        self.scheduler_address, self.dashboard_link = dask["scheduler"], dask["dashboard"]
        self._refusal = dask.get("refusal", "")
        tls = security(self._directory).get_connection_args("client")
        # A scheduler elsewhere knows nothing of what is asked here: there is a server for that beside it.
        self._scheduler = rpc(dask.get("control") or self.scheduler_address, connection_args=tls)  # type: ignore[no-untyped-call,unused-ignore]
        await self._look()
        self._keep(self._keep_looking())
        _mend_the_panel(read(self._directory).session)
        await self._scheduler.springline_shown()
        return self

    async def _wait_for_dask(self) -> dict[str, str]:
        """Return where the cluster is; JupyterLab is often up a moment before it."""
        while True:
            state = json.loads(self._directory.state.read_text(encoding="utf-8"))
            if state["dask"]:
                return dict(state["dask"])
            if state["dask_error"]:
                raise DaskError(state["dask_error"])
            await asyncio.sleep(0.03)

    async def _look(self) -> None:
        self.scheduler_info = await self._scheduler.identity()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._look()
            except OSError as error:
                log.debug("The scheduler did not answer: %s", error)

    def _keep(self, work: Any) -> None:  # noqa: ANN401 (a coroutine)
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself would let it go
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("The cluster did not do what was asked: %s", task.exception())

    def scale(self, n: int, preset: str | None = None) -> Awaitable[Any]:
        """Ask the node program for so many workers, and that new ones from now on have the shape of a preset."""
        scaled: Awaitable[Any] = self._scheduler.springline_scale(n=n, preset=preset)
        return scaled

    def adapt(self, minimum: int = 0, maximum: int | None = None) -> Adapting:
        """Do so without waiting for the answer, as the panel does; what is wrong stands in the session's state."""
        if self._refusal:
            raise DaskError(self._refusal)
        self._keep(self.follow(minimum, maximum))
        return Adapting(minimum, maximum)

    async def follow(self, minimum: int, maximum: int | None, preset: str | None = None) -> Any:  # noqa: ANN401
        """Ask the node program to let the number of workers follow the work; a preset as in `scale`."""
        return await self._scheduler.springline_adapt(minimum=minimum, maximum=maximum, preset=preset)

    async def close(self) -> None:
        """Release the workers and forget the view."""
        await self._scheduler.springline_release()
        for task in self._tasks:
            task.cancel()
        await self._scheduler.close_rpc()


def _mend_the_panel(session: str) -> None:
    """Let every request to scale reach the cluster, and NEW show the one that there is.

    dask-labextension answers itself when as many workers are connected as asked for, so that jobs still in the queue
    could never be taken back, and when the range is that of the request before, which may have failed.
    """
    module = sys.modules.get("dask_labextension.manager")
    if module is not None:
        module.manager.scale_cluster = partial(_scale_cluster, module.manager)
        module.manager.adapt_cluster = partial(_adapt_cluster, module.manager)
        module.manager.start_cluster = partial(_start_cluster, module.manager, session)


async def _start_cluster(manager: Any, session: str, cluster_id: str = "", **_: Any) -> Any:  # noqa: ANN401
    """Show the session's one cluster, by the session's name."""
    shown = manager.list_clusters()
    return shown[0] if shown else await type(manager).start_cluster(manager, cluster_id, {"name": session})


async def _scale_cluster(manager: Any, cluster_id: str, n: int, preset: str | None = None) -> Any:  # noqa: ANN401
    await manager._clusters[cluster_id].scale(n, preset)
    manager._adaptives.pop(cluster_id, None)
    return manager.get_cluster(cluster_id)


def _adapt_cluster(manager: Any, cluster_id: str, minimum: int, maximum: int) -> Any:  # noqa: ANN401
    manager._adaptives[cluster_id] = manager._clusters[cluster_id].adapt(minimum, maximum)
    return manager.get_cluster(cluster_id)


async def ask(manager: Any, numbers: Sequence[int], preset: str | None) -> dict[str, Any]:  # noqa: ANN401
    """Ask the cluster in the panel, which is put back there after a Shutdown, for N workers or from MIN to MAX.

    Returns the panel's model of it; where a limit gives fewer, that, too.
    """
    await manager.initialized
    name = str((await manager.start_cluster())["id"])
    cluster = manager._clusters[name]
    if len(numbers) == 1:
        fewer = await cluster.scale(numbers[0], preset)
        manager._adaptives.pop(name, None)
    else:
        fewer = await cluster.follow(*numbers, preset)
        manager._adaptives[name] = Adapting(*numbers)
    return {**manager.get_cluster(name), **(fewer or {})}
