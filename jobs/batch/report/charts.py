"""Charts as SVG whose places are per cent across and pixels down: they fit any width without a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import ceil, floor, log10

from jobs.batch.report.bins import Bar, LogHistogram, bars
from jobs.batch.report.markup import Html, tag
from jobs.batch.report.text import count, figures

HEIGHT = 170
TICK_SHARE = 0.12
"""Part of the axis that a label needs."""
NICE_SECONDS = (
    *(m * 10.0**p for p in range(-6, 1) for m in (1, 2, 5)), 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 18000, 36000,
    86400, 172800, 432000, 864000, 8640000,
)  # fmt: skip
NICE_BYTES = tuple(m * 10.0**p for p in range(19) for m in (1, 2, 5))


def chart(title: str, description: str, height: int, parts: Sequence[Html]) -> Html:
    """A chart with the words a screen reader says instead."""
    head = (tag("title", title), tag("desc", description))
    return tag("div", tag("svg", *head, *parts, role="img", width="100%", height=height), class_="plot")


def rect(x: float, y: float, width: float, height: float, class_: str, opacity: float = 1) -> Html:
    """A rectangle: per cent across, pixels down."""
    place = {"x": f"{x:.2f}%", "y": f"{y:.1f}", "width": f"{max(width, 0):.2f}%", "height": f"{max(height, 0):.1f}"}
    return tag("rect", class_=class_, opacity=None if opacity >= 1 else f"{opacity:.2f}", **place)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    """A line: per cent across, pixels down."""
    return tag("line", x1=f"{x1:.2f}%", y1=f"{y1:.1f}", x2=f"{x2:.2f}%", y2=f"{y2:.1f}", class_=class_)


def label(x: float, y: float, text: str, class_: str, dx: int = 0) -> Html:
    """Words at a place: per cent across, pixels down."""
    return tag("text", text, x=f"{x:.2f}%", y=f"{y:.1f}", class_=class_, dx=dx or None)


def value_axis(largest: float) -> tuple[float, list[Html]]:
    """The upper end of an axis that begins at 0, with its lines and numbers."""
    step = _nice_step(largest)
    steps = max(1, ceil(largest / step - 1e-9))
    parts = []
    for i in range(steps + 1):
        y = HEIGHT - HEIGHT * i / steps
        parts += [line(0, y, 100, y, "grid" if i else "base"), label(0, y + 4, tidy(figures(step * i)), "y", dx=-8)]
    return step * steps, parts


def _nice_step(largest: float, steps: int = 4) -> float:
    raw = max(largest, 1e-9) / steps
    power = 10.0 ** floor(log10(raw))
    steps_of_ten = (1, 2, 2.5, 5, 10) if power >= 10 else (1, 2, 5, 10)
    return next(m * power for m in steps_of_ten if m * power >= raw * 0.999)


def tidy(text: str) -> str:
    """1.00 s → 1 s."""
    return re.sub(r"\.0+(?!\d)", "", text)


def distribution(
    title: str,
    histograms: Sequence[tuple[str, LogHistogram]],
    marks: Sequence[tuple[str, float]],
    unit: Callable[[float], str],
    nice: Sequence[float],
) -> Html:
    """How numbers are spread, on a logarithmic axis; `histograms` are stacked, `marks` are drawn as lines."""
    shown = bars([histogram for _, histogram in histograms])
    largest = max(sum(bar.counts) for bar in shown)
    whole_steps = max(largest, 4)  # else the axis of a handful of items counts in fractions
    top, parts = value_axis(whole_steps)
    names = [name for name, _ in histograms]
    parts += [_stack(bar, i, len(shown), names, top, unit) for i, bar in enumerate(shown) if any(bar.counts)]
    low, high = log10(shown[0].low), log10(shown[-1].high)
    places = [100 * (log10(value) - low) / (high - low) for _, value in marks]
    parts += [line(x, -14 - 14 * row, x, HEIGHT, "mark") for row, x in enumerate(places)]
    for row, (x, (name, value)) in enumerate(
        zip(places, marks, strict=True)
    ):  # after the lines, some of which they cross
        side, dx = ("left", 5) if x < 35 else ("right", -5)
        parts.append(label(x, -5 - 14 * row, f"{name} {unit(value)}", f"x {side}", dx=dx))
    for place, (value, text) in enumerate(_ticks(shown, unit, nice)):
        x = 100 * (log10(value) - low) / (high - low)
        parts += [line(x, HEIGHT, x, HEIGHT + 5, "base"), label(x, HEIGHT + 19, text, "x odd" if place % 2 else "x")]
    said = ", ".join(f"{name} {unit(value)}" for name, value in marks)
    return chart(title, f"{said}. The fullest bar holds {count(largest)}.", HEIGHT + 26, parts)


def _stack(bar: Bar, place: int, places: int, names: Sequence[str], top: float, unit: Callable[[float], str]) -> Html:
    """One bar, with its numbers as a title."""
    width, floor_, parts = 100 / places, float(HEIGHT), []
    for name, number in zip(names, bar.counts, strict=True):
        height = max(number / top * HEIGHT, 2.0 if number else 0.0)
        floor_ -= height
        if number:
            parts.append(rect(place * width + 0.15, floor_, width - 0.3, height, name))
    said = ", ".join(f"{count(number)} {name}" for name, number in zip(names, bar.counts, strict=True) if number)
    return tag("g", tag("title", f"{unit(bar.low)} to {unit(bar.high)}: {said}"), *parts)


def _ticks(shown: Sequence[Bar], unit: Callable[[float], str], nice: Sequence[float]) -> list[tuple[float, str]]:
    """Round numbers on the axis, or edges of bars where it holds too few of those."""
    low, high = shown[0].low, shown[-1].high
    fitting = [value for value in nice if low * 0.999 <= value <= high * 1.001]
    if len(fitting) < 3:
        edges = [bar.low for bar in shown] + [high]
        fitting = edges[:: max(1, len(edges) // 5)]
    apart, last, ticks = (high / low) ** TICK_SHARE, 0.0, []
    for value in fitting:
        if value >= last * apart:
            ticks.append((value, tidy(unit(value))))
            last = value
    return ticks
