"""What a job is, and what it is given: values that the command line, a worker or a notebook can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Option:
    """One option of a job's command line."""

    name: str
    help: str
    type: type[int] | type[str] | type[bool] = str
    default: Any = None
    choices: tuple[str, ...] = ()
    metavar: str = ""


class Progress(Protocol):
    """Where a job says how far it is; the command line draws it."""

    def note(self, text: str) -> None:
        """Say one thing worth knowing, now."""

    def start(self, total: int, unit: str, label: str) -> None:
        """Begin counting up to `total` `unit`s."""

    def advance(self, amount: int, label: str = "") -> None:
        """Count `amount` more, optionally with what is under way."""

    def close(self) -> None:
        """End the count."""


@dataclass(frozen=True)
class Request:
    """One run of a job: where from, where to, how, and the means to do it."""

    inputs: tuple[str, ...]
    output: str
    options: Mapping[str, Any]
    progress: Progress
    connect: Callable[[int], AbstractContextManager[Any]]
    """Given the number of tasks, opens a Dask client for the time of the run."""
    overwrite: bool = False


@dataclass(frozen=True)
class Report:
    """What a run did: `values` are the public JSON keys, `lines` say the same to a person."""

    values: Mapping[str, Any]
    lines: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Item → why, for what could not be done."""


@dataclass(frozen=True)
class Job:
    """A packaged analysis: registered under the entry point group `springline.jobs`."""

    name: str
    summary: str
    run: Callable[[Request], Report]
    input_help: str
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    """Arguments after `run NAME`, one example each."""
