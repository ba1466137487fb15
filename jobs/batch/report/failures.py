"""The part of the report that is read first: what failed, why, and what to do."""

from __future__ import annotations

from jobs.batch.report.advice import advice, only_node
from jobs.batch.report.groups import Cause, Example
from jobs.batch.report.markup import Column, Html, table, tag
from jobs.batch.report.record import node, number, place, text, whole
from jobs.batch.report.tally import Tally
from jobs.batch.report.text import count, day_and_time, duration, items, plural, shorten, time_of_day

FIRST_CAUSES, MOST_CAUSES, MOST_EXAMPLES, MOST_RETRIES = 8, 30, 3, 12


def failures(tally: Tally) -> Html:
    """Every cause of failures as a card, most items first."""
    causes = list(tally.causes)
    if not causes:
        return Html("")
    nodes = len({node(worker) for worker in tally.workers})
    more = sum(cause.count for cause in causes[MOST_CAUSES:])
    said = f"{plural(len(causes), 'cause')}, most items first; what differs in numbers and names only is one cause."
    cards = [_card(cause, nodes) for cause in causes[:MOST_CAUSES]]
    rest = cards[FIRST_CAUSES:]
    left = f"{items(more)} more, for {plural(len(causes) - MOST_CAUSES, 'other cause')}: see failed.csv."
    return tag(
        "section",
        tag("h2", "What failed, and what to do"),
        tag("p", f"{said} All failed items are in failed.csv beside this page.", class_="soft"),
        *cards[:FIRST_CAUSES],
        tag("details", tag("summary", plural(len(rest), "rarer cause")), *rest) if rest else None,
        tag("p", left, class_="notice") if more else None,
    )


def _card(cause: Cause, nodes: int) -> Html:
    only = only_node(cause, nodes)
    shown = list(cause.examples.values())[:MOST_EXAMPLES]
    more = cause.count - len(shown)
    return tag(
        "article",
        tag("span", items(cause.count), class_="badge"),
        tag("h3", tag("code", f"{cause.error}: {cause.title}" if cause.title else cause.error)),
        tag("p", tag("b", "What to do: "), advice(cause), class_="do"),
        tag("p", f"All of these on {only}, and on no other node: suspect the node.", class_="notice") if only else None,
        tag("p", f"Failed {_when(cause)}.", class_="facts"),
        tag(
            "ul",
            *(_example(example, cause) for example in shown),
            tag("li", f"… and {count(more)} more") if more else None,
        ),
        _traceback(cause),
        class_="cause",
    )


def _when(cause: Cause) -> str:
    """From when to when, with the days if there are two."""
    first, last = day_and_time(cause.first), day_and_time(cause.last)
    if first[:-6] != last[:-6]:
        return f"from {first} to {last}"
    first, last = time_of_day(cause.first), time_of_day(cause.last)
    return f"at {first}" if first == last else f"from {first} to {last}"


def _example(example: Example, cause: Cause) -> Html:
    facts = [
        "" if cause.alike else example.message.partition("\n")[0].replace(example.item, "…"),
        plural(example.attempts, "attempt") if example.attempts else "before work began",
        example.worker,
        duration(example.seconds) if example.attempts else "",
    ]
    return tag("li", tag("code", example.item), tag("span", " · ".join(fact for fact in facts if fact)))


def _traceback(cause: Cause) -> Html | None:
    """The last traceback, or the rest of a message of several lines."""
    said = cause.traceback.strip()
    if said in ("", cause.message):
        return None
    name = "Last traceback" if "Traceback" in said else "More of the last one"
    return tag("details", tag("summary", name), tag("pre", said, tabindex=0))


def retries(tally: Tally) -> Html:
    """What was tried again, and workers that were lost with what they had."""
    lost = sum(run.lost for run in tally.runs)
    if not tally.retried and not lost:
        return Html("")
    said = f"{plural(tally.retried, 'attempt')} failed and {'was' if tally.retried == 1 else 'were'} repeated."
    cured = (
        f" {items(tally.recovered)} needed more than one attempt and {'is' if tally.recovered == 1 else 'are'} done."
    )
    return tag(
        "section",
        tag("h2", "Retries and lost workers"),
        tag("p", said + cured, class_="soft"),
        _retried(tally) if tally.retried else None,
        _lost(tally, lost) if lost else None,
    )


def _retried(tally: Tally) -> Html:
    causes = list(tally.retries)
    rows = [
        (
            tag("code", f"{cause.error}: {shorten(cause.title, 200)}"),
            count(cause.count),
            _when(cause),
        )
        for cause in causes[:MOST_RETRIES]
    ]
    left = len(causes) - len(rows)
    caption = "Attempts that were repeated, by cause" + (f" ({plural(left, 'rarer cause')} left out)" if left else "")
    return table(caption, (Column("Cause"), Column("Attempts", number=True), Column("When")), rows)


def _lost(tally: Tally, lost: int) -> Html:
    rows = [
        (
            f"{day_and_time(number(event, 'time'))}",
            tag("code", shorten(place(event) or "(not known)", 100)),
            count(whole(event, "items")),
            shorten(text(event, "why"), 200),
        )
        for event in tally.lost
    ]
    caption = f"{plural(lost, 'worker')} lost, with {items(tally.lost_items)} under way" + (
        f"; the last {len(rows)}" if lost > len(rows) else ""
    )
    columns = (Column("When"), Column("Worker"), Column("Items under way", number=True), Column("Why"))
    return table(caption, columns, rows)
