"""`springline run --on local` as a user types it: the same commands as on a cluster, on this computer."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.launcher.command import Command

pytestmark = pytest.mark.slow
SCRIPT = """\
import pathlib, time

def upper(source, target, seconds: float = 0.05):
    time.sleep(seconds)
    text = pathlib.Path(source).read_text()
    if "bad" in text:
        raise ValueError("no good")
    pathlib.Path(target).write_text(text.upper())
"""
MAP = ["map", "my.py:upper", "--inputs", "in/*.txt", "--target", "out/{stem}.txt"]


@pytest.fixture
def items(springline: Command) -> Command:
    """A home with twelve files, one of them bad, and the user's own function."""
    (springline.home / "in").mkdir()
    for number in range(12):
        text = "bad" if number == 7 else f"text {number}"
        (springline.home / f"in/{number}.txt").write_text(text)
    (springline.home / "my.py").write_text(SCRIPT)
    return springline


def test_run_is_followed_listed_and_fetched(items: Command) -> None:
    """Its failures are told as they come, its report at the end, its exit code is the analysis's own."""
    ran = items("run", "--on", "local", *MAP, "--name", "first")
    assert ran.code == 1, ran.errors
    assert "11 done, 1 failed of 12" in ran.output
    assert "7.txt failed: ValueError: no good" in ran.errors
    assert sorted(path.name for path in (items.home / "out").iterdir()) == sorted(
        f"{number}.txt" for number in range(12) if number != 7
    )
    (said,) = items("runs", "--all", "--json").document["runs"]
    assert (said["run"], said["state"], said["exit_code"], said["done"], said["failed"]) == ("first", "ended", 1, 11, 1)
    fetched = items("fetch", "first", "--results", "--output", "got", "--json").document
    assert {"report.html", "failed.csv", "ledger.jsonl", "analysis.log", "out"} <= set(fetched["names"])
    assert (items.home / "got/out/3.txt").read_text() == "TEXT 3"
    assert "7.txt" in (items.home / "got/failed.csv").read_text()
    again = items("watch", "first", "--json")
    assert again.code == 1 and again.document["report"]["done"] == 11


def test_run_lives_on_and_is_cancelled(items: Command) -> None:
    """A detached run goes on without its terminal; a watch that is killed is nothing to it; cancel ends it at once."""
    detached = items("run", *MAP, "--seconds", "1.5", "--on", "local", "--detach", "--name", "long", "--json").document
    assert (detached["run"], detached["state"]) == ("long", "submitted") and detached["job_id"]
    watching = items.popen("watch", "long")
    until(items.home / "out/1.txt")
    watching.send_signal(signal.SIGKILL)
    watching.communicate()
    interrupted = items.popen("watch", "long")
    time.sleep(1.5)
    interrupted.send_signal(signal.SIGINT)
    _, errors = interrupted.communicate(timeout=20)
    assert interrupted.returncode == 130 and "springline watch long" in errors
    taken = items("run", *MAP, "--on", "local", "--name", "long")
    assert taken.code == 2 and "not over" in taken.errors
    assert items("fetch", "long", "--results").code == 2
    ended = items("cancel", "long", "--json").document
    assert ended["state"] == "ended" and "cancel" in ended["message"]
    assert items("watch", "long").code == 43
    assert not processes_of(items.home / ".springline/runs/long")
    done = {path.name for path in (items.home / "out").glob("*.txt")}
    assert 0 < len(done) < 11 and not list((items.home / "out").glob(".part*"))


def test_mistakes_are_told_with_the_analysis_own_words(items: Command) -> None:
    """A wrong option is the analysis's to refuse, with its exit code and its words; a missing script is ours."""
    wrong = items("run", "map", "my.py:upper", "--nonsense", "--on", "local")
    assert wrong.code == 2 and "--nonsense" in wrong.errors and "→" in wrong.errors
    missing = items("run", "map", "your.py:upper", "--on", "local", "--json")
    assert missing.code == 2 and "your.py" in missing.document["error"]["message"]


def test_script_is_shown(items: Command) -> None:
    """Nothing runs, no key and no certificate is shown, and there is no record of it."""
    shown = items("run", *MAP, "--on", "local", "--show-script")
    assert shown.code == 0 and "node run" in shown.output and "PRIVATE KEY" not in shown.output
    assert not (items.home / ".springline").exists() and items("runs", "--json").document["runs"] == []


def until(path: Path, seconds: float = 30) -> None:
    """Wait for a file."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def processes_of(directory: Path) -> list[str]:
    """Command lines that name a directory."""
    listing = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(directory) in line]
