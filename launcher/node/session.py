"""One session: Jupyter and Dask side by side, what happens to them, and the end."""

from __future__ import annotations

import logging
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import Any

from . import addresses, doors, processes
from .countdown import Countdown
from .lab import extension, jupyter
from .request import Request, RequestError, SessionDir
from .state import StateFile, end_of, first_fields
from .workers import backends, daskcluster, daskconfig, remotecluster

log = logging.getLogger("springline")

GRACE = 2.0  # s for Jupyter and the workers to end: SLURM kills after a while
AFTERTHOUGHT = 0.3  # s in which a signal explains why Jupyter ended
PANEL = 2.0  # s for the Dask panel to show the cluster once Jupyter answers
NEAR_END = 60  # s before the end in which a signal means the time limit

Ending = tuple[str, str, int]  # reason, message, exit code
Event = tuple[str, Any]


class Session:
    """The supervisor: everything that happens arrives as an event in one queue, read by the main thread."""

    def __init__(self, directory: SessionDir, request: Request, environ: Mapping[str, str], host: str) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._directory = directory
        self._request = request
        self._environ = environ
        self._address = addresses.node_address(environ, host) if doors.reach(request) else addresses.LOOPBACK
        self._doors: dict[str, str | int] = {}
        self._state = StateFile(directory.state, first_fields(request, environ, host, self._address))
        self._countdown = Countdown(end_of(request, environ, time.time()))
        self._warned = False
        self._waiting = {"jupyter", "dask", "panel"}
        self._ready = False
        self._served = False
        self._jupyter: jupyter.Jupyter | None = None
        self._dask: daskcluster.RunningCluster | remotecluster.RemoteCluster | None = None
        self._coming: remotecluster.RemoteCluster | None = None  # its start may take long, and has to be undone, too
        self._dask_error: str | None = None

    def run(self) -> int:
        """Run until the end and return the exit code."""
        self._state.update()
        try:
            self._start()
            ending = self._watch()
        except RequestError as error:
            ending = ("failed", str(error), 1)
        except Exception as error:
            log.exception("The session failed")
            ending = ("failed", f"The node program failed: {daskcluster.sentence(error)}", 1)
        return self._end(ending)

    def _start(self) -> None:
        """Start Jupyter first, because it takes longest, and everything else beside it."""
        daskconfig.write(self._directory, self._request)
        self._jupyter = server = jupyter.start(self._directory, self._address, self._environ)
        server.channel.listen(self._tell)
        self._report("jupyter-ended", server.process.wait)
        extension.write(self._directory, self._request.session)
        self._report("dask", self._start_dask)
        self._state.update(versions=versions())

    def _tell(self, name: str, value: Any) -> None:  # noqa: ANN401
        self.events.put((name, value))

    def _report(self, name: str, work: Callable[[], Any]) -> None:
        """Do something in a thread of its own and report its result as an event."""
        threading.Thread(target=lambda: self.events.put((name, work())), name=name, daemon=True).start()

    def _start_dask(self) -> str | None:
        """Start the cluster; return what went wrong in one sentence."""
        try:
            self._dask = self._started_dask()
        except backends.DaskError as error:
            return str(error)
        except Exception as error:
            log.exception("The Dask cluster did not start")
            return f"The Dask cluster did not start: {daskcluster.sentence(error)}"
        if find_spec("dask_labextension") is None:
            return jupyter.missing("dask_labextension")
        return None

    def _started_dask(self) -> daskcluster.RunningCluster | remotecluster.RemoteCluster:
        driver = remotecluster.driver_for(self._directory, self._request)
        if driver is None:
            return daskcluster.start(self._directory, self._request, self._address, self._tell)
        self._coming = remotecluster.RemoteCluster(driver, self._directory, self._request, self._tell)
        self._coming.start()
        return self._coming

    def _watch(self) -> Ending:
        """Follow the events until one of them is the end."""
        while True:
            warning = self._countdown.warning()
            if warning:
                self._state.update(warning=warning)
            try:
                name, value = self.events.get(timeout=self._countdown.wait())
            except Empty:
                continue
            ending = self._handle(name, value)
            if ending is not None:
                return ending
            if not self._waiting and not self._ready:
                self._ready = True
                self._state.update(phase="ready")
                log.info("ready")

    def _handle(self, name: str, value: Any) -> Ending | None:  # noqa: ANN401
        if name == "signal":
            return self._signal(value)
        if name == "jupyter-ended":
            return self._jupyter_ended(value)
        if name == "quiet":
            return self._quiet(value)
        if name == "door":
            self._door_opened(*value)
        elif name == "no door":
            log.error("The door %s cannot be opened: %s", *value)
        elif name == "door asked":
            self._open_door(value)
        elif name == "dask":
            self._dask_started(value)
        elif name == "panel":
            self._waiting.discard("panel")
        else:
            self._workers_told(name, value)
        return None

    def _workers_told(self, name: str, value: Any) -> None:  # noqa: ANN401
        if name == "counted":
            self._state.update(worker_counts=value)
        elif name == "workers":
            self._state.update(dask_error=value or self._dask_error)

    def _door_opened(self, name: str, where: str | int) -> None:
        self._doors = {**self._doors, name: where}
        self._state.update(jupyter={"base_url": "/"}, doors=self._doors, access=doors.least_safe(self._doors))
        if not self._served:
            self._jupyter_ready()

    def _open_door(self, name: str) -> None:
        """Let Jupyter open a door that a launcher asked for later."""
        assert self._jupyter is not None
        if doors.allowed(self._request, name):
            self._jupyter.channel.tell("open", name)
        else:
            log.error("The door %s is not opened: this session does not allow it", name)

    def _jupyter_ready(self) -> None:
        self._served = True
        self._waiting.discard("jupyter")
        doors.follow(self._directory, self._request.doors, lambda name: self._tell("door asked", name))
        # The panel shows the cluster within a moment; if it does not, the session is ready all the same.
        later = threading.Timer(PANEL, self.events.put, [("panel", None)])
        later.daemon = True
        later.start()

    def _dask_started(self, error: str | None) -> None:
        self._waiting -= {"dask", "panel"} if error else {"dask"}
        self._dask_error = error
        self._state.update(dask=self._dask and self._dask.where(), dask_error=error)
        if error:
            log.error("%s", error)
        if self._dask is not None:
            self._report("first workers", self._dask.scale_first)

    def _signal(self, number: int) -> Ending | None:
        log.info("%s", signal.Signals(number).name)
        left = self._countdown.left()
        if number == signal.SIGUSR1:
            self._warned = True
            self._state.update(warning=self._countdown.words())
            return None
        if self._directory.stop.exists():
            return ("stopped", "It was stopped with `springline stop`.", 128 + number)
        if self._warned if left is None else left <= NEAR_END:
            return ("time_limit", "The session reached its time limit.", 128 + number)
        return ("terminated", "The session was ended from outside.", 128 + number)

    def _quiet(self, seconds: float) -> Ending | None:
        """End a session that nobody has needed for long enough."""
        limit = self._request.idle_stop_seconds
        if self._dask is not None:
            seconds = min(seconds, self._dask.idle_seconds())
        if not limit or seconds < limit:
            return None
        period = f"{round(limit / 60)} min" if limit >= 60 else f"{limit} s"
        return ("idle", f"No kernel or Dask task ran and nobody was connected for {period} (idle_stop).", 0)

    def _jupyter_ended(self, code: int) -> Ending:
        """Tell why Jupyter ended: SLURM signals it and this program at the same moment."""
        try:
            while True:
                name, value = self.events.get(timeout=AFTERTHOUGHT)
                if name == "signal" and value != signal.SIGUSR1:
                    return self._signal(value) or ("terminated", "", 128 + value)
        except Empty:
            pass
        assert self._jupyter is not None
        if code == 0 and self._served:
            return ("shut_down", "Jupyter was shut down.", 0)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        words = self._jupyter.last_words()
        return ("failed", f"Jupyter ended {how}: {words}" if words else f"Jupyter ended {how}.", 1)

    def _end(self, ending: Ending) -> int:
        """Write the end first (SLURM may kill at any moment), then release everything."""
        reason, message, code = ending
        log.info("ending: %s: %s", reason, message)
        self._state.update(phase="ending", reason=reason, message=message, jupyter=None, doors={}, access="")
        releases = []
        if self._jupyter is not None:
            releases.append(threading.Thread(target=self._jupyter.stop, args=(GRACE,), daemon=True))
        dask = self._dask or self._coming
        if dask is not None:
            releases.append(threading.Thread(target=dask.close, args=(GRACE,), daemon=True))
        for thread in releases:
            thread.start()
        deadline = time.monotonic() + GRACE + 0.5
        for thread in releases:
            thread.join(max(0.0, deadline - time.monotonic()))
        if code == 0 and "SLURM_RESTART_COUNT" not in self._environ:
            self._forget_secrets()
        self._state.update(exit_code=code)
        processes.kill(processes.below(os.getpid()))
        if self._jupyter is not None:
            self._jupyter.tidy()
        return code

    def _forget_secrets(self) -> None:
        """Remove what opened the session; after any other end SLURM may run the job again, and it is needed then."""
        for path in (self._directory.token, self._directory.key):
            try:
                path.unlink()
            except OSError as error:
                log.warning("%s", error)


def versions() -> dict[str, str | None]:
    """Return the versions of what the session is made of."""

    def version(name: str) -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    names = ("jupyterlab", "dask", "distributed", "msgpack", "cloudpickle", "dask-jobqueue", "dask-labextension")
    return {"python": platform.python_version(), **{name.replace("-", "_"): version(name) for name in names}}
