"""Progress for people: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any, TextIO

LINE_SECONDS = 10.0


class Quiet:
    """No progress at all."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def start(self, total: int, unit: str, label: str) -> None:
        """Count nothing."""

    def advance(self, amount: int, label: str = "") -> None:
        """Count nothing."""

    def close(self) -> None:
        """Nothing to end."""


class Bar(Quiet):
    """A bar with rate and remaining time."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.bar: Any = None

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        if self.bar is None:
            print(text, file=self.stream)
        else:
            self.bar.write(text, file=self.stream)

    def start(self, total: int, unit: str, label: str) -> None:
        """Draw the bar."""
        from tqdm import tqdm

        self.bar = tqdm(total=total, unit=f" {unit}", unit_scale=True, desc=label, file=self.stream, smoothing=0.1)

    def advance(self, amount: int, label: str = "") -> None:
        """Move the bar."""
        if label:
            self.bar.set_description_str(label, refresh=False)
        self.bar.update(amount)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()


class Lines(Quiet):
    """Plain lines, at most one in LINE_SECONDS."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.total = self.done = 0
        self.unit, self.began, self.said = "", 0.0, 0.0

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.stream, flush=True)

    def start(self, total: int, unit: str, label: str) -> None:
        """Begin to count."""
        self.total, self.unit, self.began = total, unit, time.monotonic()
        self.said = self.began

    def advance(self, amount: int, label: str = "") -> None:
        """Count, and say so if it is time."""
        self.done += amount
        now = time.monotonic()
        if now - self.said >= LINE_SECONDS or self.done >= self.total:
            self.said = now
            rate = self.done / max(now - self.began, 1e-9)
            left = (self.total - self.done) / max(rate, 1e-9)
            share = f"{100 * self.done / max(self.total, 1):.0f} %"
            rates = f"{_short(self.done)} of {_short(self.total)} {self.unit} at {_short(rate)}/s"
            self.note(f"{label}: {share}, {rates}, {_clock(left)} left")


def _short(number: float) -> str:
    """1234567 → 1.2M."""
    for power, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= power:
            return f"{number / power:.1f}{letter}"
    return f"{number:.0f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
