"""The chart of a run over working time: what was done, what went wrong, and where nobody worked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from jobs.batch.report.charts import HEIGHT, chart, label, line, rect, value_axis
from jobs.batch.report.markup import Html, tag
from jobs.batch.report.tally import DONE, FAILED, LOST, RETRIED, Tally
from jobs.batch.report.text import count, duration, figures, local, time_of_day

LANE, ROOM = 22, 8
ALL_PAUSES, ONE_PAUSE, NAMED_PAUSES = 16.0, 4.0, 3
"""Per cent of the width for all pauses and for one; how many can have their length written above."""
CLOCK_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
)  # fmt: skip
LANES = ((FAILED, "failed"), (RETRIED, "retried"), (LOST, "lost"))
MOST_LABELS, LABEL_SHARE = 8, 10.0


@dataclass(frozen=True)
class Axis:
    """Working time from left to right, with a strip of its own width for each pause between runs."""

    begins: tuple[float, ...]
    """Working seconds at which each run begins."""
    clocks: tuple[float, ...]
    """POSIX seconds at which each run begins."""
    length: float

    @property
    def pause(self) -> float:
        """Per cent that one pause takes."""
        pauses = len(self.begins) - 1
        return min(ONE_PAUSE, ALL_PAUSES / pauses) if pauses else 0.0

    def run(self, seconds: float) -> int:
        """Which run was at work then."""
        return max(0, bisect_right(self.begins, seconds) - 1)

    def end(self, run: int) -> float:
        """Working seconds at which a run ends."""
        return self.begins[run + 1] if run + 1 < len(self.begins) else self.length

    def x(self, seconds: float, run: int) -> float:
        """Per cent from the left."""
        usable = 100 - self.pause * (len(self.begins) - 1)
        return min(seconds, self.length) / self.length * usable + run * self.pause

    def spans(self, start: float, end: float) -> list[tuple[float, float]]:
        """Where a stretch of time lies: in pieces if pauses are in it."""
        pieces = [(run, max(start, self.begins[run]), min(end, self.end(run))) for run in range(len(self.begins))]
        return [(self.x(first, run), self.x(last, run)) for run, first, last in pieces if last > first]

    def clock(self, seconds: float) -> float:
        """POSIX seconds."""
        run = self.run(seconds)
        return self.clocks[run] + seconds - self.begins[run]


def axis_of(tally: Tally) -> Axis:
    """The time axis of all runs; clocks that differ between computers may put an item behind the end."""
    last = max(((index + 0.5) * tally.over_time.width for index in tally.over_time.bins), default=0.0)
    length = max(tally.seconds, last, 0.1)
    return Axis(tuple(run.before for run in tally.runs), tuple(run.began for run in tally.runs), length)


def timeline(tally: Tally) -> Html:
    """Items per minute over working time, with what went wrong in lanes below."""
    axis, bins, width = axis_of(tally), tally.over_time.bins, tally.over_time.width
    lanes = [lane for lane in LANES if any(counts[lane[0]] for counts in bins.values())]
    scales = {i: 60 / max(min(width, axis.length - i * width), width / 2) for i in bins}
    largest = max(((c[DONE] + c[FAILED]) * scales[i] for i, c in bins.items()), default=0.0)
    top, parts = value_axis(largest)
    bottom = HEIGHT + (ROOM + LANE * len(lanes) if lanes else 0)
    parts += _pauses(tally, axis, bottom)
    for i, counts in sorted(bins.items()):
        spans = axis.spans(i * width, (i + 1) * width)
        said = f"{time_of_day(axis.clock(i * width))}, {duration(width)}: {_said(counts, scales[i])}"
        parts.append(tag("g", tag("title", said), *_bars(spans, counts, scales[i] * HEIGHT / top)))
    for place, (kind, name) in enumerate(lanes):
        parts += _lane(
            axis, kind, name, HEIGHT + ROOM + LANE * place, {i: counts[kind] for i, counts in bins.items()}, width
        )
    parts += _clock_labels(axis, bottom)
    said = f"At most {figures(largest)} items per minute; one bar is {duration(width)} wide."
    return chart("Items per minute over time", said, bottom + 38, parts)


def _said(counts: Sequence[int], scale: float) -> str:
    rate = f"{figures((counts[DONE] + counts[FAILED]) * scale)} items/min, {count(counts[DONE])} done"
    return ", ".join([rate, *(f"{count(counts[kind])} {name}" for kind, name in LANES if counts[kind])])


def _bars(spans: Sequence[tuple[float, float]], counts: Sequence[int], scale: float) -> list[Html]:
    """Done items with the failed ones on top of them."""
    done, failed = counts[DONE] * scale, counts[FAILED] * scale
    parts = []
    for left, right in spans:
        width = max((right - left) * 0.88, 0.08)
        parts += [rect(left, HEIGHT - done, width, done, "done")] if done else []
        parts += [rect(left, HEIGHT - done - failed, width, failed, "failed")] if failed else []
    return parts


def _lane(axis: Axis, kind: int, name: str, y: float, counts: dict[int, int], width: float) -> list[Html]:
    """A strip that is dark where much of a kind happened."""
    most = max(counts.values())
    parts = [label(0, y + 15, name, "y", dx=-8), line(0, y + LANE, 100, y + LANE, "grid")]
    for i, number in sorted(counts.items()):
        for left, right in axis.spans(i * width, (i + 1) * width) if number else ():
            mark = rect(left, y + 5, max(right - left, 0.5), LANE - 9, dict(LANES)[kind], 0.5 + 0.5 * number / most)
            parts.append(tag("g", tag("title", f"{time_of_day(axis.clock(i * width))}: {count(number)} {name}"), mark))
    return parts


def _pauses(tally: Tally, axis: Axis, bottom: float) -> list[Html]:
    """The strips where no run was at work, with how long that was."""
    parts = []
    for i in range(1, len(tally.runs)):
        x = axis.x(axis.begins[i], i - 1)
        before, run = tally.runs[i - 1], tally.runs[i]
        said = f"paused {duration(max(run.began - before.began - before.seconds, 0.0))}"
        strip = [tag("title", said), rect(x, 0, axis.pause, bottom, "pause")]
        if len(tally.runs) - 1 <= NAMED_PAUSES:
            side = "x left" if x < 15 else "x right" if x > 85 else "x"
            strip.append(label(x + axis.pause / 2, -7, said, side))
        parts.append(tag("g", *strip))
    return parts


def _clock_labels(axis: Axis, y: float) -> list[Html]:
    """Times of day at round times, and the day where it changes."""
    step = next((s for s in CLOCK_STEPS if axis.length / s <= MOST_LABELS), ceil(axis.length / MOST_LABELS))
    parts, last, day = [], -LABEL_SHARE, ""
    for place, (x, clock) in enumerate(p for p in _round_times(axis, step)):
        if x - last < LABEL_SHARE:
            continue
        moment, last = local(clock), x
        today = f"{moment.day} {moment:%b}"
        class_ = "x odd" if place % 2 and today == day else "x"
        parts += [
            line(x, y, x, y + 5, "base"),
            label(x, y + 18, f"{moment:%H:%M}" if step >= 60 else f"{moment:%X}", class_),
        ]
        parts += [label(x, y + 33, today, "x day")] if today != day else []
        day = today
    return parts


def _round_times(axis: Axis, step: float) -> list[tuple[float, float]]:
    """Per cent from the left and POSIX seconds of all multiples of a step, by the clock on the wall."""
    found = []
    for run, (begin, clock) in enumerate(zip(axis.begins, axis.clocks, strict=True)):
        offset = local(clock).utcoffset()
        wall = clock + (offset.total_seconds() if offset else 0.0)
        ahead = -wall % step
        while begin + ahead <= axis.end(run):
            found.append((axis.x(begin + ahead, run), clock + ahead))
            ahead += step
    return found or [(0.0, axis.clocks[0])]
