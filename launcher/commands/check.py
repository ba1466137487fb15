"""`springline platform check`: does this platform have all that a session needs, and what to do where it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.options import common, config_option
from launcher.laptop.signals import ended_as_by_ctrl_c

if TYPE_CHECKING:
    from launcher.checking.runner import Check
    from launcher.terminal.console import Console

STDOUT = Path("-")


@click.command("check")
@click.argument("name", default="local")
@click.option("--deep", is_flag=True, help="Start a whole session with one worker, too, and end it.")
@click.option("--wait", type=click.IntRange(0), default=60, metavar="SECONDS", help="Longest wait in the queue.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    help="Write a report without names, addresses and keys, to send to others; - prints it.",
)
@config_option
@common
def platform_check(
    name: str, console: Console, config: Path | None, deep: bool, wait: int, report: Path | None
) -> None:
    """Check step by step that platform NAME has what a session needs.

    The exit code is 0, with warnings too, or that of the first step that failed.
    """
    from launcher import wiring
    from launcher.checking import model
    from launcher.checking.runner import Check, Noticing
    from launcher.errors import UsageError
    from launcher.platforms import loading

    if report == STDOUT and console.json_output:
        raise UsageError("--json and --report - both want the standard output", "give --report a file")
    platform = loading.load(config).get(name)
    _check_report(report)
    noticing = Noticing()
    cluster = wiring.cluster(platform, noticing.asker(console.asker()))
    tell = console.say if console.json_output or report == STDOUT else console.line
    check = Check(cluster, noticing, lambda outcome: tell(model.lines(outcome)))
    try:
        with ended_as_by_ctrl_c():  # which takes a job back
            _steps(check, console, wait, deep=deep)
    finally:
        cluster.transport.close()
    if report != STDOUT:
        document = model.document(name, check.outcomes, {"here": check.here, "there": check.there})
        console.result(document, "\n" + model.summary(name, check.outcomes))
    _give_report(check, report)
    sys.exit(model.exit_code(check.outcomes))


def _steps(check: Check, console: Console, wait: int, *, deep: bool) -> None:
    from launcher.checking.deep import STEP, check_session, modest
    from launcher.checking.onnode import NEEDS, check_node
    from launcher.cluster import Cluster
    from launcher.laptop.store import Store
    from launcher.units import format_duration

    check.login()
    if check.has_queue:
        with console.live(lambda seconds: f"  {format_duration(seconds)}  a small job on a compute node"):
            check_node(check, wait)
    if deep:
        cluster = Cluster(modest(check.platform), check.transport, check.cluster.scheduler)
        with console.live(lambda seconds: f"  {format_duration(seconds)}  a whole session"):
            check.step(
                STEP, (*NEEDS, "node", "node-workers", "node-network"), lambda: check_session(cluster, Store(), wait)
            )


def _check_report(report: Path | None) -> None:
    """A report that cannot be written is said before anything is done for it."""
    if report is None or report == STDOUT:
        return
    with _said(report):
        new = not report.exists()
        report.open("a", encoding="utf-8").close()
        if new:
            report.unlink()


@contextmanager
def _said(report: Path) -> Iterator[None]:
    from launcher.errors import UsageError

    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {report}: {error.strerror}", "give --report another file") from error


def _give_report(check: Check, report: Path | None) -> None:
    """Write what can be shown to others."""
    import getpass
    import platform
    from datetime import UTC, datetime

    from launcher.checking import sharing

    if report is None:
        return
    private = {str(Path.home()): "<home>", getpass.getuser(): "<user>", platform.node(): "<this computer>"}
    private |= check.private
    sides = {"here": {"system": platform.system(), **check.here}, "there": check.there}
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = sharing.markdown(check.platform.name, check.outcomes, sides, private, when)
    if report == STDOUT:
        click.echo(text)
        return
    with _said(report):
        report.write_text(text, encoding="utf-8")
