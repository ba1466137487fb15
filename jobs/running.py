"""A run of a job, whoever asks for it: what the command line and a notebook have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import click

from jobs.errors import ItemsFailedError, UsageError
from jobs.model import Job, Option, Progress, Report, Request
from jobs.progress import Bar, Lines, Quiet

PROGRAM = os.environ.get("SPRINGLINE_PROG", "python -m jobs")
REPAIR = "Repair the input and run the same command again."


def click_option(option: Option) -> click.Option:
    """The option as click reads it: its type, its choices, its default."""
    settings: dict[str, Any] = {"help": option.help}
    flag = f"--{option.name.strip('-')}"
    if option.type is bool:
        settings |= {"is_flag": True, "default": bool(option.default)}
        if option.default:
            flag += f"/--no-{option.name.strip('-')}"
    else:
        kind = click.Choice(option.choices) if option.choices else option.type
        settings |= {"type": kind, "default": option.default, "metavar": option.metavar or None}
        settings |= {"multiple": option.multiple, "required": option.required}
    # The name comes first: click would write it in small letters.
    return click.Option([option.name.replace("-", "_"), flag, *option.aliases], **settings)


def request(
    job: Job,
    inputs: tuple[str, ...],
    output: str,
    options: Mapping[str, Any],
    progress: Progress,
    connect: Callable[..., AbstractContextManager[Any]],
    overwrite: bool,
) -> Request:
    """One run of a job; without what the job cannot do without it is refused."""
    for name, missing in (("input", job.has_input and not inputs), ("output", job.needs_output and not output)):
        if missing:
            raise UsageError(f"Missing option --{name}.", f"{PROGRAM} run {job.name} --help shows the options.")
    return Request(inputs, output.rstrip("/"), options, progress, connect, overwrite)


def progress(quiet: bool) -> Progress:
    """How far it is, on stderr: a bar where something can draw one, else lines."""
    draws = (sys.stderr.isatty() and os.environ.get("TERM") != "dumb") or type(sys.stderr).__module__.startswith(
        "ipykernel"
    )
    return Quiet() if quiet else Bar(sys.stderr) if draws else Lines(sys.stderr)


def failure(report: Report) -> ItemsFailedError | None:
    """What is raised where items failed; None if all are done."""
    if report.unfinished:
        count = "1 item is" if report.unfinished == 1 else f"{report.unfinished:,} items are"
        return ItemsFailedError(f"{count} not done.", REPAIR)
    if report.failed:
        named = "; ".join(f"{item}: {why}" for item, why in report.failed.items())
        return ItemsFailedError(f"{len(report.failed)} failed: {named}", REPAIR)
    return None
