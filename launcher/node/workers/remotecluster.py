"""A Dask scheduler in another process: of a dask-gateway server, or one that was there before the session.

What the Dask panel and ``springline scale`` ask for comes in at a small server of our own, as it does at a scheduler in
this process: TLS on the loopback address, with the session's certificate on both sides.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from .. import addresses
from ..request import Request, SessionDir
from . import backends, daskconfig
from .backends import DaskError, NotStarted

log = logging.getLogger("springline")

LOOK_EVERY = 5.0  # s between two looks whether there is work

Tell = Callable[[str, Any], None]


class Driver(Protocol):
    """Where the scheduler is, and what it lets us do."""

    address: str
    dashboard: str  # behind Jupyter, or a whole address
    security: Any
    is_ours: bool  # its work is this session's
    refusal: str  # what is said to who asks for workers; empty where they can be asked for

    async def start(self) -> None:
        """Make it, or see that it is there. Raises DaskError."""

    async def scale(self, n: int) -> str | None:
        """Ask for so many workers; returns what is to be said of it. Raises DaskError."""

    async def adapt(self, minimum: int, maximum: int | None) -> str | None:
        """Let the number of workers follow the work; returns what is to be said of it. Raises DaskError."""

    async def close(self) -> None:
        """Let go of what is ours."""


def driver_for(directory: SessionDir, request: Request) -> Driver | None:
    """Return the driver of a scheduler elsewhere; None where it is in this process."""
    if request.backend == "gateway":
        from .gateway import Gateway

        return Gateway(directory, request)
    if request.backend == "address":
        from .standing import Standing

        return Standing(request)
    return None


class RemoteCluster:
    """Does for such a scheduler what RunningCluster does for one in this process."""

    def __init__(self, driver: Driver, directory: SessionDir, request: Request, tell: Tell) -> None:
        self._driver = driver
        self._directory = directory
        self._request = request
        self._tell = tell
        self._control = ""
        self._busy = time.monotonic()  # when work was last seen
        self._runner: Any = None

    def start(self) -> None:
        """Start it, and tell every process of the session where it is. Raises DaskError."""
        backends.check(("distributed", *(("dask_gateway",) if self._request.backend == "gateway" else ())))
        daskconfig.point(os.environ, self._directory)
        from distributed.utils import LoopRunner

        self._runner = LoopRunner()  # type: ignore[no-untyped-call,unused-ignore]
        self._runner.start()
        self._sync(self._start)
        daskconfig.write(self._directory, self._request, self.scheduler, self.dashboard)

    async def _start(self) -> None:
        from distributed.core import Server, rpc

        await self._driver.start()
        theirs = self._driver.security.get_connection_args("client")
        self._scheduler = rpc(self.scheduler, connection_args=theirs)  # type: ignore[no-untyped-call,unused-ignore]
        ours = backends.security(self._directory)
        handlers = {"identity": self.identity, "springline_scale": self.scale, "springline_adapt": self.adapt}
        more = {"springline_shown": self.shown, "springline_release": self.release}
        self._server: Any = Server({**handlers, **more}, needs_workdir=False)
        await self._server.listen(f"tls://{addresses.LOOPBACK}:0", **ours.get_listen_args("scheduler"))
        self._control = self._server.address
        if self._request.idle_stop_seconds and self._driver.is_ours:
            self._looking = asyncio.ensure_future(self._keep_looking())

    def _sync(self, work: Callable[..., Any], *args: Any, timeout: float | None = None) -> Any:  # noqa: ANN401
        from distributed.utils import sync

        return sync(self._runner.loop, work, *args, callback_timeout=timeout)  # type: ignore[no-untyped-call,unused-ignore]

    @property
    def scheduler(self) -> str:
        """The scheduler's address."""
        return self._driver.address

    @property
    def dashboard(self) -> str:
        """The dashboard's path behind Jupyter, or its whole address."""
        return self._driver.dashboard

    def where(self) -> dict[str, str]:
        """Return where the cluster is, and our own server, for the session's state."""
        refusal = {"refusal": self._driver.refusal} if self._driver.refusal else {}
        return {"scheduler": self.scheduler, "dashboard": self.dashboard, "control": self._control, **refusal}

    def idle_seconds(self) -> float:
        """Return for how long no task has run or waited; the work of others does not count."""
        return time.monotonic() - self._busy if self._driver.is_ours else float("inf")

    async def _keep_looking(self) -> None:
        while True:
            try:
                tasks = await self._scheduler.processing(workers=None)
                if any(tasks.values()) or (not tasks and await self._scheduler.adaptive_target() > 0):
                    self._busy = time.monotonic()
            except (OSError, RuntimeError) as error:  # nobody can say: better too long than too short
                log.debug("The scheduler did not answer: %s", error)
                self._busy = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)

    async def identity(self, **_: Any) -> Any:  # noqa: ANN401
        """Answer for the scheduler."""
        return await self._scheduler.identity()

    async def shown(self) -> None:
        """Note that the Dask panel shows this cluster now."""
        self._tell("panel", None)

    def _refuse(self, preset: str | None) -> None:
        """The shape of workers is not ours to say."""
        if preset is not None:
            raise DaskError(
                f"The preset {preset!r} cannot be used: workers of {self.scheduler} have the shape that is set there."
            )

    async def release(self) -> None:
        """Let the workers go that are this session's."""
        if self._driver.is_ours:
            await self.scale(0)

    async def scale(self, n: int, preset: str | None = None) -> None:
        """Ask for so many workers."""
        self._refuse(preset)
        await self._ask(self._driver.scale(n))

    async def adapt(self, minimum: int, maximum: int | None, preset: str | None = None) -> None:
        """Let the number of workers follow the work."""
        self._refuse(preset)
        await self._ask(self._driver.adapt(minimum, maximum))

    async def _ask(self, asking: Awaitable[str | None]) -> None:
        """Wait for the driver's answer, and tell it. Raises DaskError."""
        said, problem = None, None
        try:
            said = await asking
        except Exception as error:
            if self._driver.refusal:
                raise
            problem = f"No worker was started: {str(error) or type(error).__name__}"
        self._tell("workers", problem or said)
        if problem:
            raise NotStarted(problem)  # without its cause, which may not get through to who asked

    def scale_first(self) -> None:
        """Start the workers the session begins with (from another thread)."""
        if self._request.workers.count and self._driver.is_ours:
            with suppress(Exception):  # it was told
                self._sync(self.scale, self._request.workers.count)

    def close(self, grace: float) -> None:
        """Let go of what is ours within ``grace`` seconds."""
        if self._runner is None:
            return
        try:
            self._sync(self._driver.close, timeout=grace)
        except Exception as error:  # noqa: BLE001 (whatever it is, the session ends)
            log.warning("The Dask cluster at %s did not close in time: %s", self.scheduler, error)
