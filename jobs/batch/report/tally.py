"""A ledger counted in one pass, in room that does not grow with the number of items."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappush, heappushpop

from jobs.batch.report.bins import LogHistogram, TimeBins
from jobs.batch.report.groups import LONGEST_NAME, Cause, Causes
from jobs.batch.report.record import FINAL, Record, ended, identity, node, number, place, text, whole
from jobs.batch.report.text import shorten

DONE, FAILED, RETRIED, LOST = range(4)
KINDS = {"done": DONE, "failed": FAILED, "retry": RETRIED}
SLOWEST, MOST_WORKERS, LAST_LOST = 20, 1000, 30
OTHERS = "(other workers)"


@dataclass
class Run:
    """One start of the driver; working seconds of earlier runs come before its own."""

    began: float
    before: float
    start: Record
    last: float
    end: Record = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    lost: int = 0
    done_before: int = 0

    @property
    def seconds(self) -> float:
        """How long it worked, as far as is known."""
        return max((number(self.end, "time") or self.last) - self.began, 0.0)

    @property
    def skipped(self) -> int:
        """Items whose target was there when it began, or when a worker looked."""
        return max(whole(self.start, "skipped"), whole(self.end, "skipped"))

    @property
    def why(self) -> str:
        """Why it ended."""
        return (text(self.end, "why") or "finished") if self.end else "no end is recorded"


@dataclass
class Worker:
    """What one worker did."""

    done: int = 0
    failed: int = 0
    retried: int = 0
    lost: int = 0
    names: int = 1
    times: LogHistogram = field(default_factory=LogHistogram)

    def merge(self, other: Worker) -> None:
        """Count what another worker did."""
        self.done, self.failed = self.done + other.done, self.failed + other.failed
        self.retried, self.lost, self.names = self.retried + other.retried, self.lost + other.lost, self.names + 1
        self.times.merge(other.times)


@dataclass(frozen=True)
class Summary:
    """How many items there are, and how they stand."""

    total: int
    done: int
    failed: int
    skipped: int
    """Done before the first of these runs."""
    not_run: int


Slow = tuple[float, int, str, str, str, int]
"""Seconds, a number that tells equals apart, item, state, worker, bytes read."""


class Tally:
    """Everything a report says, counted record by record."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.over_time = TimeBins(kinds=4)
        self.times, self.failed_times, self.memory = LogHistogram(), LogHistogram(), LogHistogram()
        self.largest: tuple[float, str] = (0.0, "")
        self.slowest: list[Slow] = []
        self.causes, self.retries = Causes(), Causes()
        self.workers: dict[str, Worker] = {}
        self.lost: deque[Record] = deque(maxlen=LAST_LOST)
        self.lost_items = self.bytes_in = self.bytes_out = 0
        self.attempts = self.retried = self.recovered = self.skipped_by_workers = 0
        self.busy = 0.0
        self._failed: dict[int, Cause] = {}
        self._done = array("q")
        self._refused = 0

    def add(self, record: Record) -> None:
        """Count one line of the ledger; what is neither an event nor an attempt counts as nothing."""
        event, state = record.get("event"), record.get("state")
        if event == "start":
            self._start(record)
        elif event == "end":
            self._run(record).end = record
        elif event == "lost":
            self._lose(record)
        elif state == "failed" and record.get("attempt") == 0:
            self._refuse(record)
        elif state in KINDS:
            self._attempt(record, KINDS[str(state)])
        elif state in FINAL:
            self.skipped_by_workers += 1

    def _start(self, record: Record) -> None:
        last = self.runs[-1] if self.runs else None
        before = last.before + last.seconds if last else 0.0
        began = number(record, "time")
        refused, self._refused = self._refused, 0
        self.runs.append(Run(began, before, record, last=began, failed=refused, done_before=len(self._done)))

    def _run(self, record: Record) -> Run:
        """The run that a record belongs to; a ledger without its beginning gets one."""
        if not self.runs:
            self._start({"time": number(record, "time")})
        return self.runs[-1]

    def _lose(self, record: Record) -> None:
        run, when = self._run(record), number(record, "time")
        run.lost += 1
        run.last = max(run.last, when)
        self.lost.append(record)
        self.lost_items += whole(record, "items")
        self.over_time.add(run.before + max(when - run.began, 0.0), LOST)
        self._worker(place(record)).lost += 1

    def _refuse(self, record: Record) -> None:
        """An item that failed its check: that is before the run begins, and took no time to speak of."""
        self._refused += 1
        self._hold(hash(identity(record)), record, FAILED)

    def _attempt(self, record: Record, kind: int) -> None:
        run, when = self._run(record), ended(record)
        run.last = max(run.last, when)
        self.over_time.add(run.before + max(when - run.began, 0.0), kind)
        self.attempts += 1
        self.bytes_in += whole(record, "bytes_in")
        self.bytes_out += whole(record, "bytes_out")
        self._measure(record, kind)
        key = hash(identity(record))
        if kind == RETRIED:
            self.retried += 1
            self.retries.add(key, record)
        else:
            run.done += kind == DONE
            run.failed += kind == FAILED
            self._hold(key, record, kind)

    def _hold(self, key: int, record: Record, kind: int) -> None:
        """Hold an item's last state: it may have failed in an earlier run."""
        earlier = self._failed.pop(key, None)
        if earlier:
            earlier.remove(key)
        if kind == DONE:
            self._done.append(key)
            self.recovered += earlier is not None or whole(record, "attempt") > 1
        else:
            self._failed[key] = self.causes.add(key, record)

    def _measure(self, record: Record, kind: int) -> None:
        seconds, memory = number(record, "seconds"), number(record, "peak_memory")
        self.busy += seconds
        if memory:
            self.memory.add(memory)
            if memory > self.largest[0]:
                self.largest = (memory, shorten(text(record, "item"), LONGEST_NAME))
        worker = self._worker(place(record))
        worker.done += kind == DONE
        worker.failed += kind == FAILED
        worker.retried += kind == RETRIED
        if kind != RETRIED and not record.get("found"):  # found: done by an attempt that could not tell any more
            worker.times.add(seconds)
            (self.times if kind == DONE else self.failed_times).add(seconds)
            self._slow(seconds, record)

    def _slow(self, seconds: float, record: Record) -> None:
        if len(self.slowest) >= SLOWEST and seconds <= self.slowest[0][0]:
            return
        item = shorten(text(record, "item") or "(no name)", LONGEST_NAME)
        entry = (seconds, -self.attempts, item, text(record, "state"), place(record), whole(record, "bytes_in"))
        (heappush if len(self.slowest) < SLOWEST else heappushpop)(self.slowest, entry)

    def _worker(self, name: str) -> Worker:
        if name not in self.workers and len(self.workers) >= MOST_WORKERS:
            name = OTHERS
        return self.workers.setdefault(name or "(not known)", Worker())

    @property
    def failed(self) -> int:
        """Items whose last state is failed."""
        return len(self._failed)

    def summary(self) -> Summary:
        """How the items stand after the last run."""
        most = max((whole(run.start, "total") for run in self.runs), default=0)
        done, failed, skipped = self._distinct_done(), self.failed, self._skipped(most)
        skipped = max(0, min(skipped, most - done - failed)) if most else skipped
        total = max(most, done + failed + skipped)
        return Summary(total, done, failed, skipped, total - done - failed - skipped)

    def _distinct_done(self) -> int:
        """Items whose last state is done, each once however often it was done."""
        import numpy as np

        if not self._done:
            return 0
        done = np.frombuffer(self._done, dtype=np.int64)
        done.sort()  # in place: the order in which they were done is not needed any more
        distinct = 1 + np.count_nonzero(done[1:] != done[:-1])
        failed = np.fromiter(self._failed, dtype=np.int64, count=len(self._failed))
        places = np.searchsorted(done, failed)
        return int(distinct - np.count_nonzero(done[np.minimum(places, len(done) - 1)] == failed))

    def _skipped(self, most: int) -> int:
        """Items whose target was there before the first of these runs, going by the last run that saw all items."""
        full = [run for run in self.runs if whole(run.start, "total") == most]
        return max(full[-1].skipped - full[-1].done_before, self.skipped_by_workers, 0) if full else 0

    @property
    def seconds(self) -> float:
        """How long the driver worked: the pauses between runs are not work."""
        return sum(run.seconds for run in self.runs)


def count_all(records: Iterable[Record]) -> Tally:
    """The tally of a ledger."""
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def by_node(workers: dict[str, Worker]) -> dict[str, Worker]:
    """The same work by computer."""
    nodes: dict[str, Worker] = {}
    for name, worker in workers.items():
        nodes.setdefault(node(name), Worker(names=0)).merge(worker)
    return nodes
