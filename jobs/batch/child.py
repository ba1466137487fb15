"""The process that runs items: `python -m jobs.batch.child`. It may be killed at any moment without loss.

It speaks with its worker through one socket and says through a shared page which item it is at.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from mmap import mmap
from multiprocessing.connection import Connection
from typing import Any

from jobs import causes, doors
from jobs.batch import targets
from jobs.batch.meter import Meter
from jobs.batch.work import DONE, FOUND, FULL, PERMANENT, Outcome, Setup, Task
from jobs.errors import JobError
from jobs.functions import resolve

PAGE = struct.Struct("qd")
"""Index of the item under way (-1: none) and when it began, on the monotonic clock."""
IDLE_SECONDS = 120.0
"""Without work for so long it ends: its worker was lost, or forgot it."""
QUICK_SECONDS = 0.05
"""Items below this are made to reach the disk together, others one by one."""
TOGETHER, TOGETHER_SECONDS = 256, 0.2
MOST_OUTPUT = 10_000_000
MESSAGE, OUTPUT, TRACEBACK = 1000, 2000, 20_000
"""Characters of an error's message, of what the function printed, and of a traceback that are kept."""


class Items:
    """Runs the items of batches one after the other."""

    def __init__(self, setup: Setup, owner: str, page: mmap, send: Callable[[list[Outcome]], None]) -> None:
        self._function = resolve(setup.function, setup.script)
        self._prefetch = resolve(setup.prefetch) if setup.prefetch else None
        self._setup, self._owner, self._page, self._send = setup, owner, page, send
        self._pid = os.getpid()
        self._worker = f"{socket.gethostname()}:{self._pid}"
        self._meter = Meter()
        self._ready: list[Outcome] = []
        self._written: list[tuple[str, str]] = []  # scratch and target of what is ready
        self._since = 0.0

    def run(self, tasks: Sequence[Task]) -> None:
        """Run all of a batch; outcomes are sent as soon as their targets are whole."""
        if self._prefetch:
            self._prefetch([source for source, _, _ in tasks], self._setup.options)
        for index, task in enumerate(tasks):
            if self._ready and time.monotonic() - self._since > TOGETHER_SECONDS:
                self._commit()
            self._one(index, task)
        self._commit()

    def _one(self, index: int, task: Task) -> None:
        source, target, own = task
        began, clock = time.time(), time.monotonic()
        if not self._setup.replace and targets.is_done(target):
            self._commit()
            self._send([Outcome(index, FOUND, began, worker=self._worker)])
            return
        scratch = targets.scratch_name(target, self._owner)
        PAGE.pack_into(self._page, 0, index, clock)
        self._meter.start()
        printed = _forget_old_output()
        try:
            result, written = self._call(source, target, scratch, {**self._setup.options, **own})
        except BaseException as error:  # noqa: BLE001 - whatever a user's function raises is its item's
            self._end_if_forked()
            self._failed(self._outcome(index, "", began, clock), error, (scratch, target), _printed(printed))
        else:
            outcome = self._outcome(index, DONE, began, clock)
            self._keep(outcome._replace(bytes_out=written, **_told(result)), (scratch, target))
        if len(self._ready) >= TOGETHER or time.monotonic() - clock > QUICK_SECONDS:
            self._commit()
        PAGE.pack_into(self._page, 0, -1, 0.0)  # not before: a process that dies here dies of this item

    def _call(
        self, source: str, target: str, scratch: str, options: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any] | None, int]:
        """Call the function; returns what it says and the bytes it wrote."""
        if self._setup.returns_row:
            row = _plain(self._function(source, **options))
            self._end_if_forked()
            if row is None:
                raise TypeError("the function returned no row, or one that is no JSON")
            return row, _bytes_out(row) or 0
        targets.prepare(target, scratch, self._setup.one_object)
        result = _plain(self._function(source, scratch, **options))
        self._end_if_forked()
        told = _bytes_out(result) if self._setup.one_object else None
        return result, _written(scratch) if told is None else told

    def _end_if_forked(self) -> None:
        """End a copy of this process that the function made and let return."""
        if os.getpid() != self._pid:
            os._exit(0)

    def _outcome(self, index: int, how: str, began: float, clock: float) -> Outcome:
        seconds = time.monotonic() - clock
        return Outcome(index, how, began, seconds, self._meter.bytes_in(), 0, self._meter.peak(), self._worker)

    def _failed(self, outcome: Outcome, error: BaseException, pair: tuple[str, str], printed: str) -> None:
        scratch, target = pair
        outcome = _with_error(outcome, error)
        odd = target and outcome.how == PERMANENT and isinstance(error, (OSError, RuntimeError))
        if odd and targets.is_full(target, self._owner):  # libraries have other words for a full disk
            outcome = outcome._replace(how=FULL)
        if target and not (self._setup.one_object and scratch == target):  # what stands there may be an older one
            with contextlib.suppress(OSError, ValueError):
                targets.discard(scratch)
        self._send([outcome._replace(traceback=outcome.traceback + printed)])

    def _keep(self, outcome: Outcome, pair: tuple[str, str]) -> None:
        if not self._ready:
            self._since = time.monotonic()
        self._ready.append(outcome)
        self._written.append(pair)

    def _commit(self) -> None:
        """Make what is ready appear, and tell; what cannot appear is its own item's error."""
        if not self._ready:
            return
        PAGE.pack_into(self._page, 0, self._ready[-1].at, time.monotonic())
        pairs = [] if self._setup.returns_row else self._written
        errors = targets.sync([scratch for scratch, _ in pairs])
        for number, (scratch, target) in enumerate(pairs):
            if os.path.exists(self._setup.ended):
                os._exit(1)  # another driver took over and swept: what is here may not be whole any more
            try:
                if scratch in errors:
                    raise errors[scratch]
                targets.appear(scratch, target, self._setup.replace, self._setup.one_object)
            except OSError as error:  # a disk that is full, or that went away
                self._ready[number] = _with_error(self._ready[number], error)
                with contextlib.suppress(OSError):
                    targets.discard(scratch)
        self._send(self._ready)
        self._ready, self._written = [], []
        PAGE.pack_into(self._page, 0, -1, 0.0)


def _with_error(outcome: Outcome, error: BaseException) -> Outcome:
    """An outcome with all that can be said of an error, whatever the error does when it is asked."""
    name, how = type(error).__name__, PERMANENT
    try:
        words = f"{str(error).strip() or name} {getattr(error, 'hint', '') or _hint(error)}".rstrip()
        how = causes.cause(error)
        story = _story(error)
    except Exception as another:  # noqa: BLE001 - it cannot even be printed
        words = story = f"{name}, which cannot be shown: {type(another).__name__}"
    return outcome._replace(how=how, error=name, message=words[:MESSAGE], traceback=story)


def _hint(error: BaseException) -> str:
    """What to do about an error of access, wherever it was met."""
    known = doors.trouble(error)
    return f"— {known[0]}. {known[1]}" if known else ""


def _bytes_out(result: Mapping[str, Any] | None) -> int | None:
    """What a function that writes elsewhere, or in its own way, says of how much that was."""
    told = result.get("bytes_out") if result else None
    return told if isinstance(told, int) else None


def _written(scratch: str) -> int:
    try:
        return targets.size(scratch)
    except FileNotFoundError:
        raise FileNotFoundError("the function returned without having written its target") from None


def _plain(result: object) -> Mapping[str, Any] | None:
    """What the function says of its item, if it can be written down."""
    if not isinstance(result, Mapping):
        return None
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(result), default=str))
    except (TypeError, ValueError):  # it is no reason to throw a good result away
        return None
    return plain


def _told(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of an outcome that the function's own words give; it may know better what it read."""
    read = result.get("bytes_in") if result else None
    return {"result": result} | ({"bytes_in": read} if isinstance(read, int) else {})


def _story(error: BaseException) -> str:
    """The traceback from the user's function on, its end if it is long."""
    inner = error.__traceback__
    while inner is not None and inner.tb_next is not None and inner.tb_frame.f_code.co_filename == __file__:
        inner = inner.tb_next
    return "".join(traceback.format_exception(type(error), error, inner))[-TRACEBACK:]


def _printed(start: int) -> str:
    """The end of what was printed since `start`, where it goes to a file."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError, AttributeError):  # the function closed or replaced it
            stream.flush()
    with contextlib.suppress(OSError):
        size = os.fstat(1).st_size
        if size > start:
            text = os.pread(1, OUTPUT, max(start, size - OUTPUT)).decode(errors="replace")
            return f"\nIt printed:\n{text}"
    return ""


def _forget_old_output() -> int:
    """Where the next item's output begins; a function that prints a lot does not fill the disk."""
    size = os.fstat(1).st_size
    if size < MOST_OUTPUT:
        return size
    os.ftruncate(1, 0)
    os.lseek(1, 0, os.SEEK_SET)
    return 0


def _die_with_parent() -> None:
    """On Linux the kernel ends this process with its worker, even in the middle of an item."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent or parent == 1:
        os._exit(1)


def _batches(connection: Connection) -> Iterator[Sequence[Task]]:
    """Batches until the worker has no more, is gone, or is silent for long."""
    while connection.poll(IDLE_SECONDS):
        try:
            yield connection.recv()
        except EOFError:
            return


def main(socket_number: int, page_number: int) -> None:
    """Run what comes through the inherited socket."""
    _die_with_parent()
    connection, page = Connection(socket_number), mmap(page_number, PAGE.size)
    setup, owner = connection.recv()
    if setup.path and setup.path not in sys.path:
        sys.path.append(setup.path)
        with contextlib.suppress(OSError):  # a worker on another file system stays where it is
            os.chdir(setup.path)
    try:
        items = Items(setup, owner, page, connection.send)
    except JobError as error:
        connection.send(error.message)
        return
    connection.send(None)  # the function is there
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for tasks in _batches(connection):
            items.run(tasks)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
