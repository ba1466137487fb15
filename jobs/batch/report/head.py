"""The top of the report: how it stands, and what a person does next."""

from __future__ import annotations

import shlex

from jobs.batch.report.markup import Html, tag
from jobs.batch.report.record import Record, text
from jobs.batch.report.tally import Summary, Tally, by_node
from jobs.batch.report.text import (
    SPACE,
    count,
    day_and_time,
    duration,
    figures,
    items,
    plural,
    share,
    shorten,
    size,
    time_of_day,
    zone,
)  # fmt: skip

LONGEST_COMMAND = 1500
ENDINGS = {
    "finished": "The run came to its end.",
    "interrupted": "The run was interrupted.",
    "max-failures": "The run stopped because too many items failed.",
    "disk full": "The run stopped because the disk is full.",
}
NO_END = "The ledger has no end of the run: the driver was killed, or is still at work."


def head(tally: Tally, summary: Summary, title: str) -> Html:
    """The header: verdict, counts, facts, and the command that goes on."""
    kind = "bad" if summary.failed else "warn" if summary.not_run or _open(tally) else "good"
    start = tally.runs[-1].start if tally.runs else {}
    return tag(
        "header",
        tag("div", f"springline {text(start, 'version')} · job {text(start, 'job') or 'not known'}", class_="eyebrow"),
        tag("h1", title),
        tag("p", tag("b", verdict(summary)), " ", _ending(tally, summary), class_="lead"),
        _tiles(summary),
        _bar(summary),
        tag("dl", *_facts(tally, summary)),
        _next(start, summary),
        class_=kind,
    )


def verdict(summary: Summary) -> str:
    """The run in one sentence."""
    if not summary.total:
        return "There was nothing to do."
    if summary.failed == summary.total:
        return "The item failed." if summary.total == 1 else f"All {items(summary.total)} failed."
    if summary.failed:
        return f"{count(summary.failed)} of {items(summary.total)} failed."
    if summary.not_run:
        return f"{count(summary.not_run)} of {items(summary.total)} were not run; nothing failed."
    if not summary.done:
        return f"Nothing was left to do: the results of all {items(summary.total)} were there already."
    return "The item is done." if summary.total == 1 else f"All {items(summary.total)} are done."


def _open(tally: Tally) -> bool:
    return bool(tally.runs) and not tally.runs[-1].end


def _ending(tally: Tally, summary: Summary) -> str:
    if not tally.runs:
        return "The ledger holds no run."
    if _open(tally):
        return NO_END
    why = tally.runs[-1].why
    if why == "finished" and summary.not_run and not summary.failed:
        return "The last run came to its end, but was not asked for all of them."
    return ENDINGS.get(why, f"The run ended: {shorten(why, 300)}.")


def _tiles(summary: Summary) -> Html:
    tiles = (
        ("done", "Done", summary.done), ("failed", "Failed", summary.failed),
        ("skipped", "Skipped, done before", summary.skipped), ("left", "Not run", summary.not_run),
    )  # fmt: skip
    return tag("div", *(_tile(*tile, summary.total) for tile in tiles), class_="tiles")


def _tile(kind: str, name: str, number: int, total: int) -> Html:
    part = tag("span", " ", share(number, total), class_="soft") if number else None
    return tag("div", tag("b", count(number), part), name, class_=f"tile {kind}{' some' * (number > 0)}")


def _bar(summary: Summary) -> Html:
    """The same four numbers as one bar; said in the tiles already."""
    parts = {"done": summary.done, "failed": summary.failed, "skipped": summary.skipped, "left": summary.not_run}
    pieces = [tag("i", class_=kind, style=f"flex:{number} 1 0") for kind, number in parts.items() if number]
    return tag("div", *pieces, class_="bar", aria_hidden="true")


def _fact(name: str, value: str, more: str = "") -> Html:
    return tag("div", tag("dt", name), tag("dd", value, tag("span", more) if more else None))


def _facts(tally: Tally, summary: Summary) -> list[Html]:
    """What else one asks first; nothing of which nothing is known."""
    if not tally.runs:
        return []
    first, last = tally.runs[0], tally.runs[-1]
    ended = last.began + last.seconds
    paused = ended - first.began - tally.seconds
    runs = f"{plural(len(tally.runs), 'run')}, paused {duration(paused)} between" if len(tally.runs) > 1 else ""
    facts = [
        _fact("Started", day_and_time(first.began), zone(first.began)),
        _fact("Ended" if last.end else "Last sign", day_and_time(ended), f"at {time_of_day(ended)}"),
        _fact("At work for", duration(tally.seconds), runs),
    ]
    finished = tally.attempts - tally.retried
    if finished and tally.seconds > 0:
        facts += [
            _fact("Throughput", f"{figures(finished / tally.seconds * 60)}{SPACE}items/min", _typical(tally)),
            _workers(tally),
        ]
    if tally.bytes_in or tally.bytes_out:
        facts.append(_bytes(tally))
    return facts


def _typical(tally: Tally) -> str:
    return f"{duration(tally.times.quantile(0.5))} per item (median)" if tally.times.count else ""


def _workers(tally: Tally) -> Html:
    seen = [name for name, worker in tally.workers.items() if worker.times.count]
    nodes = len(by_node({name: tally.workers[name] for name in seen}))
    busy = tally.busy / tally.seconds
    at_a_time = f", {figures(busy)} items at a time" if busy >= 0.1 else ""  # else it is the start that took the time
    return _fact("Worked on", plural(nodes, "node"), plural(len(seen), "worker") + at_a_time)


def _bytes(tally: Tally) -> Html:
    most, verb = max((tally.bytes_in, "read"), (tally.bytes_out, "written"))
    speed = f"{size(most / max(tally.seconds, 1e-9))}/s {verb}"
    return _fact("Read and written", f"{size(tally.bytes_in)} → {size(tally.bytes_out)}", speed)


def _command(start: Record) -> str:
    """The command line; of a very long one the middle is left out."""
    said = start.get("command")
    whole = shlex.join(str(part) for part in said) if isinstance(said, list | tuple) else text(start, "command")
    return shorten(whole, LONGEST_COMMAND)


def _next(start: Record, summary: Summary) -> Html | None:
    """How to go on, if there is something left."""
    command = _command(start)
    if not command:
        return None
    if not summary.failed and not summary.not_run:
        return tag("div", tag("p", "Command", class_="soft"), tag("pre", command, tabindex=0), class_="next")
    how = "Run the same command again: what is done is skipped, the rest is done."
    more = (
        " With --only-failed it takes the failed items alone."
        if summary.failed and "--only-failed" not in command
        else ""
    )
    return tag("div", tag("p", tag("b", "To go on: "), how + more), tag("pre", command, tabindex=0), class_="next")
