"""The driver: keeps workers busy with batches, a window at a time, and judges what comes back."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from jobs.batch.pace import Pace
from jobs.batch.queue import Queue
from jobs.batch.room import PATIENCE, Room
from jobs.batch.runner import StartError, end_run, run_batch
from jobs.batch.story import attempt_record, first_line, lost_record, printable
from jobs.batch.tally import Tally
from jobs.batch.verdict import Rules, Work, verdict
from jobs.batch.work import FULL, LOST, TRANSIENT, Outcome, Setup
from jobs.errors import ClusterError
from jobs.ledger import Ledger

if TYPE_CHECKING:
    from distributed import Client, Future

TOLD_SECONDS = 0.2
"""Between two lines of progress."""
COUNT_SECONDS = 1.0
"""Between two looks at how many workers there are."""
FLUSH_SECONDS = 1.0
STRIKES = 10
"""Batches that may fail to start, after one that did start, before the run is given up."""

Tell = Callable[[str], None]


class Driver:
    """One run over the items of a plan."""

    def __init__(
        self, client: Client, setup: Setup, queue: Queue, tally: Tally, ledger: Ledger, rules: Rules, note: Tell
    ) -> None:
        self._client, self._setup, self._queue = client, setup, queue
        self._tally, self._ledger, self._rules, self._note = tally, ledger, rules, note
        self._pace = Pace()
        self._flying: dict[Future[Any], tuple[list[Work], float]] = {}
        self._landed: SimpleQueue[Future[Any]] = SimpleQueue()
        self._threads, self._counted = 0, -COUNT_SECONDS
        self._room = Room()
        self._strikes = 0
        self.losses = 0
        """Processes or workers that died: they may have left something behind."""

    def run(self, show: Callable[[], None]) -> str:
        """Do all there is to do; returns why it ended: finished, max-failures or disk full.

        Raises
        ------
        ClusterError
            If the workers cannot run the function, or the scheduler is gone.
        """
        told = flushed = 0.0
        try:
            while (why := self._over()) is None:
                self._fill()
                self._take_in()
                now = time.monotonic()
                if now - told > TOLD_SECONDS:
                    told = now
                    show()
                if now - flushed > FLUSH_SECONDS:
                    flushed = now
                    self._ledger.flush()
            return why
        finally:
            self._leave()

    def _over(self) -> str | None:
        if not self._flying and not self._queue:
            return "finished"
        most = self._rules.max_failures
        if most is not None and self._tally.failed > most:
            return "max-failures"
        if self._room.is_given_up(time.monotonic()):
            return "disk full"
        return None

    def _fill(self) -> None:
        """Send batches until the window is full."""
        now = time.monotonic()
        self._count_workers(now)
        window = max(1, self._threads)  # none waits at a worker: its death would be held against it
        if not self._room:  # one item finds out whether there is some again
            window = 1 if self._room.may_try(now) else 0
        while len(self._flying) < window:
            size = self._pace.size(len(self._queue), self._threads) if self._room else 1
            batch = self._queue.batch(size, now)
            if not batch:
                return
            self._send(batch)

    def _count_workers(self, now: float) -> None:
        if now - self._counted < COUNT_SECONDS:
            return
        self._counted = now
        try:
            info = self._client.scheduler_info()["workers"].values()
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"The Dask scheduler does not answer: {error}", "Run the same command again.") from error
        self._threads = sum(worker["nthreads"] for worker in info)
        self._tally.workers = self._threads

    def _send(self, batch: list[Work]) -> None:
        tasks = [(work.item.source, work.item.target, work.item.options) for work in batch]
        future = self._client.submit(run_batch, self._setup, tasks, pure=False)
        self._flying[future] = (batch, time.monotonic())
        future.add_done_callback(self._landed.put)

    def _take_in(self) -> None:
        """Wait a moment for a batch, then judge all that have come."""
        pause = TOLD_SECONDS
        due = self._queue.next_due()
        if due is not None:
            pause = min(pause, max(0.01, due - time.monotonic()))
        try:
            self._judge(self._landed.get(timeout=pause))
            while True:
                self._judge(self._landed.get_nowait())
        except Empty:
            return

    def _judge(self, future: Future[Any]) -> None:
        from distributed import KilledWorker

        batch, sent = self._flying.pop(future)
        if future.status == "finished":
            outcomes: list[Outcome] = future.result()
            self._pace.learn(len(outcomes), sum(outcome.seconds for outcome in outcomes))
            self._strikes = 0
            for outcome in outcomes:
                self._settle(batch[outcome.at], outcome, sent)
            return
        if future.status == "cancelled":
            raise ClusterError("The Dask scheduler is gone.", "Run the same command again: it goes on.")
        error = future.exception()
        if isinstance(error, KilledWorker):
            self._lost(batch, str(error.last_worker.address), sent)
        elif isinstance(error, StartError):
            self._not_started(batch, error)
        else:
            raise ClusterError(
                f"The workers cannot run batches: {type(error).__name__}: {error}",
                "Workers need the Python and packages of here.",
            )

    def _settle(self, work: Work, outcome: Outcome, sent: float) -> None:
        """Write an attempt down and decide what follows."""
        if outcome.how == FULL and work.full_at and self._room.found_after(work.full_at):
            outcome = outcome._replace(how=TRANSIENT)  # others found room meanwhile: it is this item's own trouble
        ruling = verdict(work, outcome.how, self._rules)
        self._ledger.add(attempt_record(work, outcome, ruling.state))
        self._tally.bytes_in += outcome.bytes_in
        self._tally.bytes_out += outcome.bytes_out
        self.losses += outcome.how == LOST
        if ruling.state == "done":
            self._tally.done += 1
            self._room.find(sent)
        elif ruling.state == "failed":
            self._tally.missed += 1
            self._note(f"{printable(work.item.source)} failed: {outcome.error}: {first_line(outcome.message)}")
        else:
            self._again(work, outcome, ruling.pause)

    def _again(self, work: Work, outcome: Outcome, pause: float) -> None:
        if outcome.how == FULL:
            work.full_at = time.monotonic()
            if self._room.lack(work.full_at):
                said = first_line(outcome.message)
                self._note(f"{said}: waiting for room, {PATIENCE / 60:.0f} minutes at most")
            self._queue.last(work)
            return
        self._tally.retried += 1
        work.attempt += 1
        if outcome.how == LOST:
            work.deaths += 1
            self._queue.alone(work)
        else:
            self._queue.later(work, time.monotonic() + pause * random.uniform(1, 1.25))

    def _lost(self, batch: list[Work], worker: str, sent: float) -> None:
        """A worker died with a batch: each of its items goes again, alone, so that the next death names its cause."""
        seconds = time.monotonic() - sent
        self.losses += 1
        self._counted = -COUNT_SECONDS  # there is one worker less to send to
        self._ledger.add(lost_record(worker, len(batch), time.time(), round(seconds, 1)))
        self._note(f"worker {worker} was lost with {len(batch)} item{'s' * (len(batch) > 1)}")
        why = f"its worker was lost, {(self._rules.retries and 2) or 1} times"
        for work in batch:
            outcome = Outcome(
                0, LOST, time.time() - seconds, seconds, worker=worker, error="WorkerLost", message=why, traceback=why
            )
            if len(batch) == 1:
                self._settle(work, outcome, sent)
            else:
                self._again(work, outcome, 0.0)

    def _not_started(self, batch: list[Work], error: StartError) -> None:
        """A worker cannot use the function: another may, if any item was ever done."""
        self._strikes += 1
        if not self._tally.done or self._strikes > STRIKES:
            raise error
        self._note(error.message)
        for work in batch:
            self._queue.later(work, time.monotonic() + self._strikes)

    def _leave(self) -> None:
        """Take back what is on its way, and end the item processes."""
        if self._flying:
            self._client.cancel(list(self._flying), force=True)
        with contextlib.suppress(OSError, TimeoutError, ValueError, RuntimeError):
            self._client.sync(self._client._run, end_run, self._setup.run, on_error="ignore", callback_timeout=5)
