"""The parts of the report that say how a run went: time, memory, the slowest, workers, runs, command."""

from __future__ import annotations

import json
import re

from jobs.batch.report.bins import LogHistogram
from jobs.batch.report.charts import NICE_BYTES, NICE_SECONDS, distribution
from jobs.batch.report.markup import Child, Column, Html, join, table, tag
from jobs.batch.report.record import Record
from jobs.batch.report.tally import Run, Tally, Worker, by_node
from jobs.batch.report.text import count, day_and_time, duration, plural, shorten, size, split_path
from jobs.batch.report.timeline import timeline

MOST_ROWS, MOST_RUNS, MOST_OPTIONS, LONGEST_OPTION = 40, 50, 60, 300
MOST_SINGLE_WORKERS = 24
SECRET = re.compile(r"secret|password|passphrase|token|credential|api_?key", re.IGNORECASE)


def throughput(tally: Tally) -> Html | None:
    """Items per minute over time."""
    if tally.attempts - tally.retried < 2 or tally.seconds <= 0:
        return None
    failed = any(run.failed for run in tally.runs)
    pauses = "Time in which no run was at work is cut out." if len(tally.runs) > 1 else ""
    return tag(
        "section",
        tag("h2", "Items per minute over time"),
        tag("p", _key("done"), _key("failed") if failed else None, pauses, class_="legend"),
        tag("div", timeline(tally), class_="room"),
    )


def _key(kind: str) -> Html:
    return tag("span", tag("i", class_=kind), kind)


def times(tally: Tally) -> Html | None:
    """How long items took."""
    done, failed = tally.times, tally.failed_times
    shown, who = (done, "done items") if done.count else (failed, "failed items")
    if not shown.count:
        return None
    half, most = duration(shown.quantile(0.5)), duration(shown.quantile(0.95))
    said = f"Half of the {who} took up to {half}, 95 % up to {most}, the longest {duration(shown.high)}."
    return tag(
        "section",
        tag("h2", "Time per item"),
        tag("p", said if shown.count > 1 else f"It took {duration(shown.high)}.", class_="soft"),
        _spread("Time per item", (("done", done), ("failed", failed)), shown, bytes_=False),
    )


def memory(tally: Tally) -> Html | None:
    """How much memory items needed at most."""
    if not tally.memory.count:
        return None
    half, largest, item = (
        size(tally.memory.quantile(0.5)),
        size(tally.largest[0]),
        tag("code", split_path(tally.largest[1])[1], title=tally.largest[1]),
    )
    said = f"Half of the items needed up to {half} at their peak; the most, {largest}, was needed by "
    return tag(
        "section",
        tag("h2", "Memory per item"),
        tag("p", said if tally.memory.count > 1 else f"At its peak {largest} by ", item, ".", class_="soft"),
        _spread("Peak memory per item", (("used", tally.memory),), tally.memory, bytes_=True),
    )


def _spread(title: str, all_: tuple[tuple[str, LogHistogram], ...], shown: LogHistogram, bytes_: bool) -> Html | None:
    """The histogram, unless there is one number only."""
    if sum(histogram.count for _, histogram in all_) < 2:
        return None
    marks = [("median", shown.quantile(0.5)), ("95 %", shown.quantile(0.95)), ("max", shown.high)]
    unit, nice = (size, NICE_BYTES) if bytes_ else (duration, NICE_SECONDS)
    positive = [(name, value) for name, value in marks if value > 0]
    return tag("div", distribution(title, all_, positive, unit, nice), class_="room tall")


def slowest(tally: Tally) -> Html | None:
    """The items that took longest."""
    if len(tally.slowest) < 2:
        return None
    folders = {split_path(entry[2])[0] for entry in tally.slowest}
    rows: list[tuple[Child, ...]] = [
        (
            _item(item, named=len(folders) == 1),
            duration(seconds),
            tag("span", state, class_="hot") if state == "failed" else state,
            size(read) if read else "",
            _name(worker),
        )
        for seconds, _, item, state, worker, read in sorted(tally.slowest, reverse=True)
    ]
    columns = (Column("Item"), Column("Time", True), Column("State"), Column("Read", True), Column("Worker"))
    caption = (
        f"Longest last attempt first{f'; all in {folders.pop()}' if len(folders) == 1 and '' not in folders else ''}"
    )
    title = f"The {len(rows)} slowest items" if tally.attempts > len(rows) else "Items, the slowest first"
    return tag("section", tag("h2", title), table(caption, columns, rows))


def _item(item: str, named: bool) -> Html:
    """The name, over its folder unless that is named elsewhere."""
    folder, name = split_path(item)
    return join([tag("code", name), tag("span", folder, class_="folder") if folder and not named else None])


def workers(tally: Tally) -> Html | None:
    """What each worker did; each node, where there are many workers."""
    if not tally.workers:
        return None
    single = len(tally.workers) <= MOST_SINGLE_WORKERS
    shown = tally.workers if single else by_node(tally.workers)
    ordered = sorted(shown.items(), key=lambda pair: (-pair[1].failed - pair[1].lost, -pair[1].done, pair[0]))
    usual = sum(w.failed for w in shown.values()) / max(1, sum(w.done + w.failed for w in shown.values()))
    rows = [_worker(name, worker, single, usual) for name, worker in ordered[:MOST_ROWS]]
    left = len(ordered) - len(rows)
    caption = "A worker is a process that does items; one that crashes, hangs or leaks is replaced. Failures first" + (
        f"; {plural(left, 'other')} left out" if left else ""
    )
    columns = [Column("Worker" if single else "Node"), *([] if single else [Column("Workers", True)])]
    columns += [Column(name, True) for name in ("Done", "Failed", "Retried", "Median time", "Times lost")]
    title = "Workers" if single else f"Workers by node ({count(len(tally.workers))} workers)"
    return tag("section", tag("h2", title), table(caption, columns, rows))


def _worker(name: str, worker: Worker, single: bool, usual: float) -> list[Child]:
    """One row; failures stand out where they are twice the usual share."""
    striking = worker.failed >= 3 and worker.failed > 2 * usual * (worker.done + worker.failed)
    median = duration(worker.times.quantile(0.5)) if worker.times.count else ""
    numbers = [count(worker.done), _hot(worker.failed, striking), count(worker.retried), median, _hot(worker.lost)]
    return [_name(name), *([] if single else [count(worker.names)]), *numbers]


def _name(worker: str) -> Html:
    """The name of a worker, on one line if it is short."""
    return tag("code", shorten(worker, 100), class_="name" if len(worker) <= 32 else None)


def _hot(number: int, hot: bool = True) -> Html:
    return tag("span", count(number), class_="hot" if number and hot else None)


def runs(tally: Tally) -> Html | None:
    """One row for each time the driver was started."""
    if len(tally.runs) < 2:
        return None
    shown = tally.runs[-MOST_RUNS:]
    rows = [_run(run) for run in shown]
    caption = "One command, started more than once" + (
        f"; the last {len(shown)}" if len(shown) < len(tally.runs) else ""
    )
    names = ("At work for", "Done", "Failed", "Skipped", "Workers lost")
    columns = (Column("Started"), *(Column(name, True) for name in names), Column("Why it ended"))
    return tag("section", tag("h2", f"{len(tally.runs)} runs"), table(caption, columns, rows))


def _run(run: Run) -> list[Child]:
    numbers = [count(run.done), _hot(run.failed), count(run.skipped), _hot(run.lost)]
    return [day_and_time(run.began), duration(run.seconds), *numbers, shorten(run.why, 200)]


def options(tally: Tally) -> Html | None:
    """The options of the last run."""
    rows = _options(tally.runs[-1].start) if tally.runs else []
    if not rows:
        return None
    return tag(
        "section", tag("h2", "Options"), table("As the job was given them", (Column("Option"), Column("Value")), rows)
    )


def _options(start: Record) -> list[tuple[Child, Child]]:
    """Name and value; what is called a secret is not shown."""
    given = start.get("options")
    pairs = list(given.items())[:MOST_OPTIONS] if isinstance(given, dict) else []
    return [
        (tag("code", str(name)), tag("code", "•••" if SECRET.search(str(name)) else _value(v))) for name, v in pairs
    ]


def _value(value: object) -> str:
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shorten(said, LONGEST_OPTION)
