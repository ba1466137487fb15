"""One run of an analysis: its Dask workers, the analysis as a process of its own, and how both end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from . import addresses, again, processes, scratch
from .countdown import Countdown
from .request import Analysis, Request, RequestError, SessionDir
from .runstate import end_of_run, finished, first_fields, has_workers, last_words, margin
from .state import StateFile, read_state
from .workers import backends, daskcluster, workerjobs

log = logging.getLogger("springline")

TICK = 5.0  # s between two looks at the clock and at whether another job has taken over
GRACE = 3.0  # s for the analysis when SLURM ends the job: it kills after a while
PATIENCE = 30.0  # s for the analysis when its time is almost up
RELEASE = 2.0  # s for the workers
REFUSED, AGAIN, REFUSALS = 2, 15.0, 20  # an analysis that is refused waits (s) for an earlier one to let go, so often
RETRIES = (5.0, 15.0, 60.0)  # s after which workers that could not be submitted are asked for again
FINAL = ("finished", "failed", "stopped")  # after another end the job may run again, with the same key

Ending = tuple[str, str, int]  # reason, message, exit code


class Run:
    """The supervisor: everything that happens arrives as an event in one queue, read by the main thread."""

    def __init__(self, directory: SessionDir, request: Request, environ: Mapping[str, str], host: str) -> None:
        assert request.analysis is not None
        self.events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._directory = directory
        self._request = request
        self._analysis: Analysis = request.analysis
        self._has_worker_jobs = has_workers(request)
        self._environ = environ
        self._address = addresses.node_address(environ, host) if self._has_worker_jobs else addresses.LOOPBACK
        self._before = read_state(directory.state)
        self._state = StateFile(directory.state, first_fields(request, environ, host, self._before))
        self._countdown = Countdown(end_of_run(request, environ, time.time()))
        self._margin = margin(self._countdown.left())
        self._process: subprocess.Popen[bytes] | None = None
        self._dask: daskcluster.RunningCluster | None = None
        self._runtime: Path | None = None
        self._why: tuple[str, str] | None = None  # reason and message of an end that was begun
        self._kill_at: float | None = None
        self._has_workers = False
        self._refusals = REFUSALS if self._before else 0  # what an earlier job left may hold its output for a while

    def run(self) -> int:
        """Run until the end and return the exit code."""
        self._state.update()
        self._directory.report.unlink(missing_ok=True)
        try:
            if self._directory.stop.exists():  # cancelled while it waited
                return self._end(("stopped", "It was cancelled before it began.", 143))
            self._start()
            ending = self._watch()
        except RequestError as error:
            ending = ("failed", str(error), 1)
        except Exception as error:
            log.exception("The run failed")
            ending = ("failed", f"The node program failed: {daskcluster.sentence(error)}", 1)
        return self._end(ending)

    def _start(self) -> None:
        self._runtime = scratch.new_runtime(self._directory)
        if not self._has_worker_jobs:
            self._start_analysis()
            return
        workerjobs.cancel_workers(self._request, PATIENCE)  # an earlier run of this job, on a node that was lost
        self._report("dask", self._start_dask)

    def _report(self, name: str, work: Callable[[], Any]) -> None:
        threading.Thread(target=lambda: self.events.put((name, work())), name=name, daemon=True).start()

    def _start_dask(self) -> str | None:
        try:
            self._dask = daskcluster.start(
                self._directory, self._request, self._address, lambda name, value: self.events.put((name, value))
            )
        except backends.DaskError as error:
            return str(error)
        except Exception as error:
            log.exception("The Dask cluster did not start")
            return f"The Dask cluster did not start: {daskcluster.sentence(error)}"
        return None

    def _start_workers(self) -> str | None:
        """Ask for the workers; nobody is there to ask again, so a scheduler that is busy gets a few chances."""
        assert self._dask is not None
        count = self._request.workers.count
        for pause in (*RETRIES, None):
            try:
                self._dask.ask(self._analysis.minimum or count, self._analysis.maximum)
            except backends.DaskError as error:
                if pause is None or self._why or not workerjobs.may_pass(str(error)):
                    return str(error)
                log.warning("%s; trying again in %.0f s", error, pause)
                time.sleep(pause)
            else:
                return None
        return None

    def _start_analysis(self) -> None:
        directory = Path(os.path.expandvars(self._analysis.directory)).expanduser()
        umask = self._request.umask_of(self._environ)
        with self._directory.log.open("ab") as written:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "jobs", *self._arguments()],
                    cwd=directory,
                    env={**os.environ, "SPRINGLINE_FOLLOW": str(self._directory.path), "SPRINGLINE_PROG": "springline"},
                    stdin=subprocess.DEVNULL,
                    stdout=written,
                    stderr=written,
                    umask=int(umask, 8) if umask else -1,
                )
            except OSError as error:
                raise RequestError(f"The analysis cannot start in {directory}: {error.strerror}.") from error
        self._state.update(phase="running")
        self._report("analysis ended", self._process.wait)

    def _arguments(self) -> list[str]:
        """Return the analysis's words, with the place of the script that came along and of its workers filled in."""
        words = list(self._analysis.arguments)
        if self._analysis.script_at is not None:
            words[self._analysis.script_at] = f"{self._directory.path}/{words[self._analysis.script_at]}"
        if not self._has_worker_jobs:
            count = self._analysis.processes
            words += ["--dask", "local", *(["--workers", str(count)] if count else [])]
        return words

    def _watch(self) -> Ending:
        """Follow the events until one of them is the end."""
        while True:
            try:
                name, value = self.events.get(timeout=self._pause())
            except Empty:
                self._look_around()
                continue
            ending = self._handle(name, value)
            if ending is not None:
                return ending

    def _pause(self) -> float:
        left = self._countdown.left()
        waits = [TICK, *([self._kill_at - time.monotonic()] if self._kill_at else [])]
        return max(0.05, min([*waits, left - self._margin] if left is not None and not self._why else waits))

    def _look_around(self) -> None:
        left = self._countdown.left()
        self._count_workers()
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self._kill_at = None
            self._kill()
        elif self._why is None and self._state.overtaken():
            self._stop("overtaken", "Another run of this job has begun.", GRACE)
        elif self._why is None and left is not None and left <= self._margin:
            self._stop("time_limit", "The run reached its time limit.", min(PATIENCE, max(GRACE, self._margin / 2)))

    def _count_workers(self) -> None:
        """Tell those who wait whether the run still waits for its first worker job."""
        there = self._dask is not None and self._dask.connected() > 0
        if self._dask is not None and there != self._has_workers and self._why is None:
            self._has_workers = there
            self._state.update(workers=self._dask.connected())

    def _handle(self, name: str, value: Any) -> Ending | None:  # noqa: ANN401
        handlers: dict[str, Callable[[Any], Ending | None]] = {
            "signal": self._signal,
            "dask": self._dask_started,
            "again": self._begin_again,
            "analysis ended": self._ended,
            "first workers": self._workers_asked,
            "worker lost": self._worker_lost,
            "workers": lambda problem: self._state.update(dask_error=problem),
        }
        return handlers[name](value) if name in handlers else None

    def _dask_started(self, problem: str | None) -> Ending | None:
        if problem:
            return ("failed", problem, 1)
        self._report("first workers", self._start_workers)
        return self._begin_again(None)

    def _begin_again(self, _: None) -> Ending | None:
        if self._why is not None:
            return (*self._why, 128 + signal.SIGTERM)
        self._start_analysis()
        return None

    def _workers_asked(self, problem: str | None) -> None:
        if problem and self._why is None:
            self._stop("failed", problem, GRACE)

    def _worker_lost(self, _: str) -> None:
        if self._why is None and self._dask is not None and not self._dask.planned():
            words = "Every worker job ended soon after it had begun; workers-*.log in the run's directory says why."
            self._stop("failed", words, GRACE)

    def _signal(self, number: int) -> None:
        log.info("%s", signal.Signals(number).name)
        if number == signal.SIGUSR1 or self._why is not None:
            return
        left = self._countdown.left()
        if self._directory.stop.exists():
            self._stop("stopped", "It was stopped with `springline cancel`.", GRACE)
        elif left is not None and left <= self._margin:  # before that it is a requeue, or somebody
            self._stop("time_limit", "The run reached its time limit.", GRACE)
        else:
            self._stop("terminated", "The run was ended from outside.", GRACE)

    def _stop(self, reason: str, message: str, grace: float) -> None:
        """Begin the end: the analysis is asked to leave, and killed after a while."""
        log.info("stopping: %s: %s", reason, message)
        self._why = (reason, message)
        self._state.update(phase="ending", reason=reason, message=message)
        self._kill_at = time.monotonic() + grace
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _kill(self) -> None:
        if self._process is None or self._process.poll() is not None:  # it has not begun, or not yet again
            self.events.put(("analysis ended", 128 + signal.SIGTERM))
            return
        processes.kill(processes.below(self._process.pid))
        self._process.kill()

    def _ended(self, code: int) -> Ending | None:
        """Tell what the end of the analysis means; one that was told to end may just have come to its own."""
        code = code if code >= 0 else 128 - code
        if code == REFUSED and self._refusals and self._why is None:
            self._refusals -= 1
            log.warning("The analysis did not begin: %s", last_words(self._directory.log))
            self._report("again", lambda: time.sleep(AGAIN))
            return None
        if self._why is not None and code not in (0, 1):
            return (*self._why, code)
        if code in (0, 1):
            return ("finished", f"The analysis is done{'; some items failed' if code else ''}.", code)
        said = last_words(self._directory.log)
        if code > 128 and code != 130:
            killed = f"The analysis was killed by signal {code - 128}: out of memory, or by somebody. {said}"
            return ("failed", killed.rstrip(), code)
        return ("finished", f"The analysis ended with exit code {code}" + (f": {said}" if said else "."), code)

    def _end(self, ending: Ending) -> int:
        """Write the end first (SLURM may kill at any moment), then go on elsewhere or release everything."""
        reason, message, code = ending
        log.info("ending: %s: %s", reason, message)
        self._state.update(phase="ending", reason=reason, message=message)
        if reason == "time_limit" and self._analysis.resubmit:
            message, code = self._go_on(message, code)
            self._state.update(message=message)
        if self._dask is not None:
            self._dask.close(RELEASE, by_name=reason != "overtaken")
        if reason in FINAL:
            self._directory.key.unlink(missing_ok=True)
        self._state.update(exit_code=code)
        processes.kill(processes.below(os.getpid()))
        if self._runtime is not None:
            scratch.empty(self._runtime)
        return 0 if reason == "overtaken" else code

    def _go_on(self, message: str, code: int) -> tuple[str, int]:
        """Submit the job again, unless it was cancelled, or did nothing in all its time: it would again."""
        done = finished(self._directory)
        if self._directory.stop.exists():
            return message, code
        if done is not None and done == self._before.get("finished"):
            return f"{message} It got nothing done in its time, so it was not submitted again.", code
        try:
            job = again.submit(
                self._directory,
                self._request.queue,
                self._environ,
                lambda said: self._state.update(message=f"{message} {said}"),
            )
        except again.NotSubmitted as error:
            log.error("%s", error)
            return f"{message} {error}", code
        self._state.update(next_job_id=job, finished=done)
        return f"Its time was up; it goes on in job {job}.", 0
