"""Progress for people: a bar on a terminal, a line now and then elsewhere, a small file for whoever is far away."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, TextIO

from jobs.model import Progress

LINE_SECONDS = 60.0
BAR, SHORT_BAR, WIDE = 16, 6, 100  # characters; the short bar where the terminal has fewer columns than the last
FILE_SECONDS = 1.0
KEPT_NOTES = 50
FILE = "progress.json"


def folded(text: str) -> str:
    """The text as it lies on a terminal: lines go on, indented, at a word; what cannot be broken is left whole."""
    width = shutil.get_terminal_size().columns
    lines = (wrap(line, width, subsequent_indent="  ", break_long_words=False) for line in text.split("\n"))
    return "\n".join(line for part in lines for line in part or [""])


class Quiet:
    """No progress at all."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def start(self, total: int, unit: str, label: str) -> None:
        """Count nothing."""

    def advance(self, amount: int, label: str = "") -> None:
        """Count nothing."""

    def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to end."""


class Bar(Quiet):
    """A bar with rate and remaining time."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.bar: Any = None
        self.label = ""

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        if self.bar is None:
            print(folded(text), file=self.stream)
        else:
            self.bar.write(folded(text), file=self.stream)

    def start(self, total: int, unit: str, label: str) -> None:
        """Draw the bar."""
        from tqdm import tqdm

        self.label = label.replace("{", "{{").replace("}", "}}")
        self.bar = tqdm(
            total=total,
            unit=f" {unit}",
            unit_scale=True,
            desc=label,
            file=self.stream,
            smoothing=0.1,
            dynamic_ncols=True,
        )

    def advance(self, amount: int, label: str = "") -> None:
        """Move the bar."""
        if label:
            self.bar.set_description_str(label, refresh=False)
        self.bar.update(amount)

    def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
        """Draw a short bar, and the job's own words behind it."""
        if self.bar is not None:
            width = BAR if shutil.get_terminal_size().columns >= WIDE else SHORT_BAR
            self.bar.bar_format = f"{self.label} {{percentage:3.0f}} % {{bar:{width}}}  {{desc}}"
            self.bar.n = done
            self.bar.set_description_str(text)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()


class Lines(Quiet):
    """Plain lines, at most one in LINE_SECONDS and one at the end."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.total = self.done = 0
        self.unit, self.label, self.began, self.said = "", "", 0.0, 0.0

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.stream, flush=True)

    def start(self, total: int, unit: str, label: str) -> None:
        """Begin to count."""
        self.total, self.unit, self.label, self.began = total, unit, label, time.monotonic()
        self.said = self.began

    def advance(self, amount: int, label: str = "") -> None:
        """Count, and say so if it is time."""
        self.done += amount
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        left = (self.total - self.done) / max(rate, 1e-9)
        rates = f"{_short(self.done)} of {_short(self.total)} {self.unit} at {_short(rate)}/s"
        self._say(label or self.label, f"{rates}, {_clock(left)} left")

    def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
        """Say it if it is time."""
        if done != self.done or done < self.total:
            self.done = done
            self._say(self.label, text)

    def _say(self, label: str, text: str) -> None:
        now = time.monotonic()
        if now - self.said >= LINE_SECONDS or self.done >= self.total:
            self.said = now
            self.note(f"{label}: {100 * self.done / max(self.total, 1):.0f} %, {text}")


class Snapshot(Quiet):
    """progress.json, replaced about once a second, for `springline watch` and others that look from outside."""

    def __init__(self, directory: Path, job: str, output: str = "", run_dir: Path | None = None) -> None:
        self.file = directory / FILE
        self.values: dict[str, Any] = {
            "schema_version": 1, "job": job, "state": "planning", "unit": None, "total": None, "done": 0, "failed": 0,
            "skipped": 0, "retried": 0, "workers": None, "seconds": 0.0, "items_per_minute": None, "bytes_in": None,
            "bytes_out": None, "bytes_per_second": None, "eta_seconds": None, "label": job, "text": "", "notes": [],
            "run_dir": str(run_dir) if run_dir else None, "output": output or None, "updated": 0.0, "exit_code": None,
        }  # fmt: skip
        self.notes: list[dict[str, Any]] = []
        self.began, self.written, self.said = time.monotonic(), 0.0, 0

    def note(self, text: str) -> None:
        """Keep the last ones, numbered, so that a reader knows which are new."""
        self.said += 1
        self.notes = [*self.notes, {"number": self.said, "text": text}][-KEPT_NOTES:]
        self._write()

    def start(self, total: int, unit: str, label: str) -> None:
        """Note what is counted."""
        self.values |= {"state": "running", "total": total, "unit": unit, "label": label}
        self._write()

    def advance(self, amount: int, label: str = "") -> None:
        """Count."""
        self.values["done"] += amount
        self.values["label"] = label or self.values["label"]
        done, total, seconds = self.values["done"], self.values["total"], time.monotonic() - self.began
        self.values["eta_seconds"] = round((total - done) * seconds / max(done, 1), 1)
        self.values["text"] = f"{_short(done)} of {_short(total)} {self.values['unit']}"
        self._write()

    def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
        """Take the job's own numbers over."""
        self.values |= dict(values) | {"text": text, "state": "running" if values.get("workers") else "waiting"}
        self._write()

    def close(self) -> None:
        """Write the last numbers."""
        self.values["state"] = "ended"
        self._write(now=True)

    def _write(self, now: bool = False) -> None:
        if not now and time.monotonic() - self.written < FILE_SECONDS:
            return
        self.written = time.monotonic()
        values = self.values | {"notes": self.notes, "updated": round(time.time(), 1)}
        values["seconds"] = values["seconds"] or round(self.written - self.began, 1)
        scratch = self.file.with_name(f".{FILE}.{os.getpid()}")
        try:
            scratch.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")
            scratch.replace(self.file)
        except OSError:  # a full disk must not end the run that waits for room
            return


class Together(Quiet):
    """Several ways to show progress at once."""

    def __init__(self, *parts: Progress) -> None:
        self.parts = parts

    def note(self, text: str) -> None:
        """Tell all."""
        for part in self.parts:
            part.note(text)

    def start(self, total: int, unit: str, label: str) -> None:
        """Tell all."""
        for part in self.parts:
            part.start(total, unit, label)

    def advance(self, amount: int, label: str = "") -> None:
        """Tell all."""
        for part in self.parts:
            part.advance(amount, label)

    def show(self, done: int, text: str, values: Mapping[str, Any]) -> None:
        """Tell all."""
        for part in self.parts:
            part.show(done, text, values)

    def close(self) -> None:
        """Tell all."""
        for part in self.parts:
            part.close()


def _short(number: float) -> str:
    """1234567 → 1.2M."""
    for power, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= power:
            return f"{number / power:.1f}{letter}"
    return f"{number:.0f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
