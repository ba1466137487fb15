"""The end of a run: what is left beside the output, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jobs import ledger, storage
from jobs.batch.failures import failed_csv
from jobs.batch.report import report_page
from jobs.batch.tally import Tally, duration, per_minute
from jobs.errors import JobError
from jobs.model import Finished, Report, Request
from jobs.words import file_size

WHYS = {
    "max-failures": "Given up: more items failed than --max-failures allows.",
    "disk full": "Given up: there was no room on the disk for half an hour.",
    "interrupted": "Stopped before the end.",
}


def write_pages(name: str, run_dir: Path) -> Path:
    """failed.csv and report.html, from the ledger; returns the report."""
    book = run_dir / "ledger.jsonl"
    storage.write_bytes(str(run_dir / "failed.csv"), failed_csv(ledger.read(book)).encode(errors="surrogateescape"))
    report = run_dir / "report.html"
    title = f"{name}: {run_dir.name.removesuffix('.run')}"
    storage.write_bytes(str(report), report_page(ledger.read(book), title).encode(errors="replace"))
    return report


def close(name: str, run_dir: Path, request: Request, tally: Tally, why: str, finished: Finished) -> Report:
    """Write the pages and run.json; returns what is said, also by the job. A disk that is full loses only those."""
    values: dict[str, Any] = {
        "schema_version": 1, "job": name, "output": request.output or None, "why": why, **tally.values(),
        "not_run": tally.left, "run_dir": str(run_dir), "report": None, "failed_list": None,
    }  # fmt: skip
    troubles = []
    try:
        report = write_pages(name, run_dir)
        values |= {"report": str(report), "failed_list": str(run_dir / "failed.csv") if tally.failed else None}
        story = values | dict(finished.values) | _asked(request) | dict(finished.record)
        storage.write_json(str(run_dir / "run.json"), story)
    except JobError as error:
        troubles.append(error.message)
    lines = (*_lines(name, tally, values, why), *troubles, *finished.lines)
    return Report(values | dict(finished.values), lines, unfinished=tally.failed + tally.left + finished.failed)


def _asked(request: Request) -> dict[str, Any]:
    options = {name: value for name, value in request.options.items() if value not in (None, (), False)}
    return {"options": options, "versions": {name: version(name) for name in ("springline", "dask", "distributed")}}


def _lines(name: str, tally: Tally, values: Mapping[str, Any], why: str) -> list[str]:
    """The summary for people."""
    counts = ((tally.done, "done"), (tally.failed, "failed"), (tally.skipped, "skipped"), (tally.left, "not run"))
    said = ", ".join(f"{count:,} {word}" for count, word in counts if count) or "nothing to do"
    lines = [f"{name}: {said} of {tally.total:,} items in {duration(tally.seconds())}"]
    if tally.done:
        rate = f"{per_minute(values['items_per_minute'])} items/min"
        amounts = f"{file_size(tally.bytes_in)} read"
        amounts += f", {file_size(tally.bytes_out)} written" if tally.bytes_out else ""  # some items do not tell
        lines.append(f"  {rate}, {amounts}" + (f", {tally.retried:,} tried again" if tally.retried else ""))
    if why in WHYS:
        lines.append(f"  {WHYS[why]} The same command goes on from here.")
    if values["failed_list"]:
        lines.append(f"failed list {values['failed_list']}")
    if values["report"]:
        lines.append(f"report      {values['report']}")
    return lines
