"""The lines of the ledger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from jobs.batch.items import Item
from jobs.batch.tally import Tally
from jobs.batch.verdict import Work
from jobs.batch.work import FOUND, Outcome

SECRET = ("signed",)
"""Options of an item that let somebody in: a URL with a signature."""


def attempt_record(work: Work, outcome: Outcome, state: str) -> dict[str, Any]:
    """One attempt at one item."""
    record: dict[str, Any] = {
        "item": work.item.source, "target": work.item.target, "attempt": work.attempt, "state": state,
        "time": round(outcome.began, 3), "seconds": round(outcome.seconds, 6), "worker": outcome.worker,
        "bytes_in": outcome.bytes_in, "bytes_out": outcome.bytes_out, "peak_memory": outcome.peak,
    }  # fmt: skip
    if own := noted(work.item):
        record["options"] = own
    if outcome.how == FOUND:
        record["found"] = True  # whole already: written by an attempt whose worker was lost before it could tell
    if outcome.result:
        record["result"] = dict(outcome.result)
    if outcome.error:
        record |= {"error": outcome.error, "message": outcome.message, "traceback": outcome.traceback}
    return record


def refused_record(item: Item, error: Exception, now: float) -> dict[str, Any]:
    """An item whose check failed before anything was scheduled."""
    message = getattr(error, "message", "") or str(error)
    return {
        "item": item.source, "target": item.target, "attempt": 0, "state": "failed", "time": round(now, 3),
        "seconds": 0.0,        "worker": "", "bytes_in": 0, "bytes_out": 0, "peak_memory": 0,
        "error": type(error).__name__, "message": message, "traceback": "",
        **({"options": own} if (own := noted(item)) else {}),
    }  # fmt: skip


def noted(item: Item) -> dict[str, Any]:
    """An item's own options as they may be written down."""
    return {name: value for name, value in item.options.items() if name not in SECRET}


def lost_record(worker: str, items: int, now: float, seconds: float) -> dict[str, Any]:
    """A worker that died with a batch."""
    why = "the worker died, or was not heard of any more"
    return {"event": "lost", "time": round(now, 3), "worker": worker, "items": items, "seconds": seconds, "why": why}


def start_record(
    run: str, job: str, now: float, counts: Mapping[str, int], options: Mapping[str, Any]
) -> dict[str, Any]:
    """A driver begins."""
    return {
        "event": "start", "run": run, "time": round(now, 3), "job": job, **counts,
        "command": ["springline", *sys.argv[1:]], "options": dict(options), "version": version("springline"),
    }  # fmt: skip


def end_record(run: str, now: float, why: str, tally: Tally) -> dict[str, Any]:
    """A driver ends, by its own will."""
    return {
        "event": "end", "run": run, "time": round(now, 3), "why": why, "done": tally.done, "failed": tally.failed,
        "skipped": tally.skipped, "not_run": tally.left, "seconds": round(tally.seconds(), 1),
    }  # fmt: skip


def printable(text: str) -> str:
    """A name or a message as a terminal may have it: no control characters, no line ends."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def first_line(text: str) -> str:
    """What an error says, in one line that fits."""
    line = printable(next(iter(text.strip().splitlines()), ""))
    return line if len(line) <= 200 else line[:197] + "…"
