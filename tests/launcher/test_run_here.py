"""`springline run JOB` on this computer, without --on: one process, to which signals go."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.launcher.command import Command
from tests.launcher.test_run_local import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at the environments of processes in /proc"),
]
SCRIPT = """\
import pathlib, time

def slow(source, target):
    for _ in range(600):
        pathlib.Path(f"{source}.beat").write_text(str(time.time()))
        time.sleep(0.1)
    pathlib.Path(target).write_text("done")
"""
ARGUMENTS = ("run", "map", "my.py:slow", "--inputs", "in/*.txt", "--target", "out/{stem}.txt", "--workers", "2")


@pytest.fixture
def items(springline: Command) -> Command:
    """A home with two files that take a minute each."""
    (springline.home / "in").mkdir()
    for number in range(2):
        (springline.home / f"in/{number}.txt").touch()
    (springline.home / "my.py").write_text(SCRIPT)
    return springline


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_all_of_a_run(items: Command, number: signal.Signals) -> None:
    """Told to one process id, it ends the run; nothing that belongs to it goes on, and nothing is half there."""
    process = items.popen(*ARGUMENTS)
    until(items.home / "in/1.txt.beat")
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == (-number if number == signal.SIGKILL else 130), output + errors
    assert number == signal.SIGKILL or "2 of 2 items left" in errors
    wait_for(lambda: not processes_at(items.home), seconds=10)
    assert not list((items.home / "out").glob("*.txt"))


def test_the_exit_code_is_that_of_the_job(items: Command) -> None:
    """And what it says stands where it belongs."""
    wrong = items("run", "stac-list")
    assert (wrong.code, wrong.output) == (2, "") and "springline: Missing option --input" in wrong.errors
    assert {job["name"] for job in items("jobs", "--json").document["jobs"]} >= {"map", "stac-list"}


def processes_at(home: Path) -> list[str]:
    """Command lines of the processes whose home it is."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and f"HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in found if line]


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
