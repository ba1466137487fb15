"""On a worker: keeps item processes, gives them batches, and ends them at the wall limit and the memory limit."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from mmap import mmap
from multiprocessing.connection import Connection

from jobs import doors
from jobs.batch import targets
from jobs.batch.child import OUTPUT, PAGE
from jobs.batch.work import LOST, Outcome, Setup, Task
from jobs.errors import ClusterError

TICK = 0.2
"""Seconds between two looks at an item that is under way."""
START_SECONDS = 600.0
"""For importing the function: on a busy file system that takes minutes."""
SHARE = 0.9
"""Of a worker's memory that its item processes may take together."""
MOST_PRINTED = 50_000_000
"""Bytes of output of one item that are kept on the disk."""
IDLE_DEATHS = 3
"""Item processes of one batch that may die while they do nothing, or while they start."""
AT_REST = 0.5
"""A process that holds this share of its memory limit between two batches is replaced: it leaks."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class Died(Exception):
    """The item process is gone, or was ended for a reason."""

    def __init__(self, why: str, index: int, seconds: float, peak: float, output: str, starting: bool) -> None:
        super().__init__(why)
        self.why, self.index, self.seconds, self.peak, self.output = why, index, seconds, peak, output
        """`index` is that of the item under way, -1 if there was none; `output` the end of what it printed."""
        self.starting = starting


class StartError(ClusterError):
    """The function cannot be used on this worker."""


class ItemProcess:
    """One child and what connects it."""

    def __init__(self, setup: Setup, memory_limit: float) -> None:
        self.setup, self.owner = setup, f"{setup.run}-{secrets.token_hex(4)}"
        self._memory_limit = memory_limit
        self._output = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - for as long as the process lives
        with tempfile.TemporaryFile() as page:
            page.write(PAGE.pack(-1, 0.0))
            page.flush()
            self._page = mmap(page.fileno(), PAGE.size)
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = self._start(theirs.fileno(), page.fileno())
        self._connection = Connection(ours.detach())
        self._connection.send((setup, self.owner))
        self._starting = True
        self._peak = 0.0

    def _start(self, *inherited: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.batch.child", *map(str, inherited)],
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, pass_fds=inherited,
            start_new_session=True, env=ONE_THREAD | doors.TRUSTING | os.environ,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """Host and process, as the ledger has it."""
        return f"{socket.gethostname()}:{self._process.pid}"

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Outcome]]:
        """The outcomes of a batch, as they come.

        Raises
        ------
        Died
            If the process ends before the batch does, or has to be ended.
        StartError
            If the function cannot be imported.
        """
        try:
            self._wait_for_start()
            self._connection.send(tasks)
            missing = len(tasks)
            while missing:
                while not self._connection.poll(TICK):
                    self._look()
                received: list[Outcome] = self._connection.recv()
                missing -= len(received)
                yield received
        except (EOFError, OSError) as error:
            raise self._death("") from error

    def _wait_for_start(self) -> None:
        if not self._starting:
            return
        if not self._connection.poll(START_SECONDS):
            raise StartError(f"{self.setup.function} could not be imported within {START_SECONDS:.0f} s on {self.name}")
        problem: str | None = self._connection.recv()
        if problem is not None:
            raise StartError(f"{self.setup.function} cannot be used on {socket.gethostname()}: {problem}")
        self._starting = False

    def _look(self) -> None:
        """End the process where the item is beyond a limit, or where it ended and what it started holds the line."""
        if self._process.poll() is not None and not self._connection.poll():
            raise self._death("")
        index, began = PAGE.unpack_from(self._page, 0)
        limit = self.setup.wall_limit
        if index >= 0 and limit and time.monotonic() - began > limit:
            raise self._death(f"it took longer than the wall limit of {limit:g} s")
        if os.fstat(self._output.fileno()).st_size > MOST_PRINTED:
            os.ftruncate(self._output.fileno(), 0)
        used = self.memory()
        self._peak = max(used, self._peak)
        if used > self._memory_limit:
            raise self._death(f"it used {used / 1e9:.2f} GB of the {self._memory_limit / 1e9:.2f} GB it may use")

    def memory(self) -> float:
        """Bytes in use by the process and what it started."""
        import psutil

        try:
            process = psutil.Process(self._process.pid)
            return float(sum(p.memory_info().rss for p in (process, *process.children(recursive=True))))
        except psutil.Error:
            return 0.0

    def may_go_on(self) -> bool:
        """Whether it is alive, and does not hold much memory although it has nothing to do."""
        return self._process.poll() is None and self.memory() < AT_REST * self._memory_limit

    def _death(self, why: str) -> Died:
        """End the process, and say what is known of its end."""
        index, began = PAGE.unpack_from(self._page, 0)
        if not why:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            why = _how(self._process.poll())
        self._kill()
        size = os.fstat(self._output.fileno()).st_size
        last = os.pread(self._output.fileno(), OUTPUT, max(0, size - OUTPUT)).decode(errors="replace").strip()
        self.end()
        return Died(why, index, time.monotonic() - began if index >= 0 else 0.0, self._peak, last, self._starting)

    def end(self) -> None:
        """Kill the process and whatever it started, and let go of what it wrote."""
        self._kill()
        self._connection.close()
        self._output.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _how(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "its process stopped speaking"
    if code == -signal.SIGKILL:
        return "its process was killed (signal 9): out of memory, or by somebody"
    if code < 0:
        return f"its process crashed with signal {-code} ({signal.Signals(-code).name})"
    return f"its process ended with exit code {code}"


class Pool:
    """The item processes of one worker that wait for a batch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[ItemProcess] = []
        self._busy: set[ItemProcess] = set()
        self._ended: set[str] = set()

    def take(self, setup: Setup, memory_limit: float) -> ItemProcess:
        """One that waits, or a new one."""
        with self._lock:
            if setup.run in self._ended:
                raise StartError(f"run {setup.run} is over")
            for dead in [p for p in self._waiting if p.setup.run != setup.run and not p.may_go_on()]:
                self._waiting.remove(dead)
                dead.end()
            mine = [p for p in self._waiting if p.setup == setup]
            if mine:
                self._waiting.remove(mine[0])
        process = mine[0] if mine else ItemProcess(setup, memory_limit)
        if not process.may_go_on():
            process.end()
            process = ItemProcess(setup, memory_limit)
        with self._lock:
            self._busy.add(process)
        return process

    def give_back(self, process: ItemProcess) -> None:
        """It waits for the next batch."""
        with self._lock:
            self._busy.discard(process)
            self._waiting.append(process)

    def lose(self, process: ItemProcess) -> None:
        """It has ended."""
        with self._lock:
            self._busy.discard(process)

    def end(self, run: str) -> None:
        """End all processes of a run, busy or not."""
        with self._lock:
            self._ended.add(run)
            ended = [p for p in (*self._waiting, *self._busy) if p.setup.run == run]
            self._waiting = [p for p in self._waiting if p not in ended]
        for process in ended:
            process.end()


POOL = Pool()


def end_run(run: str) -> None:
    """End what a run left on this worker."""
    POOL.end(run)


def run_batch(setup: Setup, tasks: Sequence[Task]) -> list[Outcome]:
    """A Dask task: run a batch in an item process. One that dies costs its item an attempt, and no other."""
    outcomes: list[Outcome] = []
    left, idle_deaths = list(range(len(tasks))), 0
    while left:
        process = POOL.take(setup, setup.memory_limit or _memory_share())
        try:
            for received in process.run([tasks[index] for index in left]):
                outcomes += (outcome._replace(at=left[outcome.at]) for outcome in received)
        except Died as death:
            POOL.lose(process)
            unknown = set(left) - {outcome.at for outcome in outcomes}
            targets.sweep((tasks[index][1] for index in unknown), [process.owner])
            idle_deaths += death.index < 0
            if death.starting and idle_deaths == IDLE_DEATHS:
                raise StartError(f"{setup.function}: {death.why}. {death.output}") from death
            if death.index >= 0 or idle_deaths == IDLE_DEATHS:
                outcomes.append(_blame(death, left[max(0, death.index)], process.name))
        except BaseException:
            POOL.lose(process)
            process.end()
            raise
        else:
            POOL.give_back(process)
        finished = {outcome.at for outcome in outcomes}
        left = [index for index in left if index not in finished]
    return outcomes


def _blame(death: Died, index: int, worker: str) -> Outcome:
    story = f"{death.why}\n" + (f"It printed:\n{death.output}" if death.output else "")
    return Outcome(
        index, LOST, time.time() - death.seconds, death.seconds,
        peak=round(death.peak), worker=worker, error="ItemKilled", message=death.why, traceback=story,
    )  # fmt: skip


def _memory_share() -> float:
    """Bytes one item may use: an equal share of the worker's memory."""
    import psutil
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return SHARE * float(psutil.virtual_memory().total)
    whole: float = worker.memory_manager.memory_limit or psutil.virtual_memory().total
    return SHARE * whole / float(worker.state.nthreads)
