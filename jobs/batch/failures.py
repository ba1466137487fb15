"""The list of failed items as CSV, for another program or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

COLUMNS = ("source", "target", "attempts", "error", "message", "seconds", "worker", "when", "options")
STATES = ("done", "failed", "skipped")
Row = tuple[str, ...]


def failed_rows(records: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """One row of COLUMNS for each item whose last state is failed, in the order in which they failed."""
    failed: dict[str, Row] = {}
    for record in records:
        if record.get("event") or record.get("state") not in STATES:
            continue
        key = str(record.get("target") or record.get("item"))
        failed.pop(key, None)
        if record["state"] == "failed":
            failed[key] = _row(record)
    yield from failed.values()


def failed_csv(records: Iterable[Mapping[str, Any]]) -> str:
    """The rows of all failed items under a line with the names of the columns."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(failed_rows(records))
    return stream.getvalue()


def _row(record: Mapping[str, Any]) -> Row:
    names = (str(record.get("item") or ""), str(record.get("target") or ""))  # to the letter: they are read again
    values = (record.get(key) for key in ("attempt", "error", "message"))
    seconds, when = _number(record.get("seconds")), _number(record.get("time"))
    moment = datetime.fromtimestamp(when, tz=UTC).astimezone().isoformat(timespec="seconds") if when else ""
    took = "" if seconds is None else f"{seconds:.3f}"
    own = json.dumps(record["options"]) if record.get("options") else ""
    return (*names, *map(_one_line, values), took, _one_line(record.get("worker")), moment, own)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e11 else None


def _one_line(value: object) -> str:
    """The value on one line, and without what UTF-8 cannot say (a name in another encoding)."""
    text = "" if value is None else str(value)
    lines = " ".join(line.strip() for line in text.splitlines() if line.strip()) if len(text.splitlines()) > 1 else text
    return lines.replace("\0", "").encode("utf-8", "backslashreplace").decode("utf-8")
