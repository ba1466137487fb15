"""`springline platform check`: does this platform have all that a session needs, and what to do where it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.completing import platforms
from launcher.commands.options import common, config_option, examples
from launcher.laptop.signals import ended_as_by_ctrl_c

if TYPE_CHECKING:
    from launcher.checking.model import Outcome
    from launcher.checking.runner import Check
    from launcher.console.console import Console

STDOUT = Path("-")
COLOURS = {"ok": "green", "warning": "magenta", "failed": "red"}  # each is read on white and on black


@click.command(
    "check",
    epilog=examples(
        ("springline platform check mycluster", ""),
        ("springline platform check mycluster --deep", "a whole session, too"),
        ("springline platform check mycluster --report check.md", "to send to a colleague"),
        more="Exit codes: 0, with warnings too, or that of the first step that failed.",
    ),
)
@click.argument("name", default="local", shell_complete=platforms)
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

    From the host's name to a port of a compute node, each step says what was seen, and what to do where it failed. A
    small job is submitted and ended again; nothing else is changed over there.
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
    with Teller(console, err=console.json_output or report == STDOUT) as told:
        check = Check(cluster, noticing, told)
        try:
            with ended_as_by_ctrl_c(), console.live(lambda seconds: _words(seconds, check.outcomes), remind=True):
                _steps(check, wait, deep=deep)  # the signal takes a job back
        finally:
            cluster.transport.close()
    if report != STDOUT:
        document = model.document(name, check.outcomes, {"here": check.here, "there": check.there})
        console.result(document, "\n" + model.summary(name, check.outcomes))
    _give_report(check, report, console)
    sys.exit(model.exit_code(check.outcomes))


class Teller:
    """Tells steps as they come; those that are skipped for one reason are told as one."""

    def __init__(self, console: Console, *, err: bool) -> None:
        self._console, self._err = console, err
        self._skipped: list[Outcome] = []

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *_: object) -> None:
        self._tell_skipped()

    def __call__(self, outcome: Outcome) -> None:
        """Tell one step, or keep it."""
        if self._skipped and outcome.seen != self._skipped[0].seen:
            self._tell_skipped()
        if outcome.status.value == "skipped":
            self._skipped.append(outcome)
        else:
            self._tell(outcome)

    def _tell_skipped(self) -> None:
        if self._skipped:
            several = len(self._skipped) > 1
            self._tell(self._skipped[0], f"{len(self._skipped)} steps" if several else "")
        self._skipped = []

    def _tell(self, outcome: Outcome, title: str = "") -> None:
        from launcher.checking.model import lines

        self._console.line(lines(outcome, title), COLOURS.get(outcome.status.value, ""), err=self._err)


def _words(seconds: float, outcomes: Sequence[Outcome]) -> str:
    from launcher.checking.model import under_way
    from launcher.units import format_duration

    return f"  {format_duration(seconds)}  {under_way(outcomes)}"


def _steps(check: Check, wait: int, *, deep: bool) -> None:
    from launcher.checking.deep import STEP, check_session, modest
    from launcher.checking.onnode import NEEDS, check_node
    from launcher.cluster import Cluster
    from launcher.laptop.store import Store

    check.login()
    if check.has_queue:
        check_node(check, wait)
    if deep:
        cluster = Cluster(modest(check.platform), check.transport, check.cluster.scheduler)
        needs = (*NEEDS, "node", "node-workers", "node-network")
        check.step(STEP, needs, lambda: check_session(cluster, Store(), wait))


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


def _give_report(check: Check, report: Path | None, console: Console) -> None:
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
        console.result({}, text)
        return
    with _said(report):
        report.write_text(text, encoding="utf-8")
