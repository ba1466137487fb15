"""The report of a batch run: one page that needs nothing else, read from the ledger in one pass."""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib.resources import files

from jobs.batch.report.failures import failures, retries
from jobs.batch.report.head import head
from jobs.batch.report.markup import Html, tag
from jobs.batch.report.record import Record
from jobs.batch.report.sections import memory, options, runs, slowest, throughput, times, workers
from jobs.batch.report.tally import count_all
from jobs.batch.report.text import day_and_time, zone


def report_page(records: Iterable[Record], title: str) -> str:
    """The page, as text.

    Parameters
    ----------
    records
        The lines of a ledger in their order, of one or several runs; read once.
    title
        What was run over what, in a few words.
    """
    tally = count_all(records)
    summary = tally.summary()
    now = time.time()
    pair = tag("div", times(tally), memory(tally), class_="pair") if tally.attempts else Html("")
    body = tag(
        "main",
        head(tally, summary, title),
        failures(tally),
        throughput(tally),
        pair,
        slowest(tally),
        workers(tally),
        retries(tally),
        runs(tally),
        options(tally),
        tag(
            "footer", f"Written {day_and_time(now)} ({zone(now)}) from ledger.jsonl, in the time zone of that machine."
        ),
    )
    style = Html(files("jobs.batch.report").joinpath("report.css").read_text(encoding="utf-8"))
    top = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title}: {summary.failed} failed of {summary.total}" if summary.failed else title),
        tag("style", style),
    )
    return "<!DOCTYPE html>\n" + tag("html", top, "\n", tag("body", body), lang="en") + "\n"
