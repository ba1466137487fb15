"""`up`, `run` and `platform check` watched on a terminal of 80 columns: what its screen shows, from first to last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.slurm.laptop import Springline, section
from tests.slurm.requirements import SPRINGLINE
from tests.slurm.terminal import Terminal

COLUMNS = 80
SECONDS = r" +\d[\d.]* (?:s|min \d\d s)$"


@contextmanager
def watched(springline: Springline, *arguments: str) -> Iterator[Terminal]:
    """The command on a terminal of 80 columns."""
    command = ["env", "TERM=xterm", str(SPRINGLINE), *arguments]
    with Terminal(springline.cluster.laptop, command, user=springline.user, columns=COLUMNS) as terminal:
        yield terminal


def one(lines: list[str], pattern: str) -> str:
    """The only line that begins so."""
    (found,) = [line for line in lines if re.match(pattern, line)]
    return found


def test_up_waits_starts_and_is_stopped(springline: Springline) -> None:
    """What happens now is the last line; what happened stays above it, each stage with its seconds; no rest is left."""
    springline.cluster.fill_nodes()
    with watched(springline, "up", "testbed", "--name", "seen", "--no-browser") as terminal:
        assert terminal.until(r"s  waiting.*…")
        waiting = terminal.screen()
        assert re.match(r"  \d.* s  waiting", waiting[-1]) and waiting[-1].endswith("…"), waiting
        assert one(waiting, "  next: ").endswith("Ctrl-C: leave it or stop it")
        springline.cluster.empty_nodes()
        assert terminal.until("Ctrl-C asks") and terminal.until("ready, ")
        ready = terminal.screen()
        assert re.match(r"  ready, \d+ min", ready[-1]), ready
        for stage in ("connect alice@login", "submit", "queue and JupyterLab start", "tunnel"):
            assert re.search(SECONDS, one(ready, stage)), ready
        assert one(ready, "JupyterLab  http://127.0.0.1:")
        assert not [line for line in ready if re.match(r"  \d.* s  waiting", line)]
        terminal.press_ctrl_c()
        assert terminal.until("eep waiting")
        terminal.type("s")
        assert terminal.finish() == 130
        end = terminal.screen()
        assert end[-1] == "springline: session seen was stopped" and re.match("stop ", end[-2]), end
        assert not [line for line in end if "ready, " in line]


WORK = '''
import pathlib, time


def work(source, target):
    """Fail for one of them, with a long story; those behind it wait until somebody has seen how far it is."""
    while int(source.rpartition("item")[2]) > 6 and not (pathlib.Path(target).parents[1] / "seen").exists():
        time.sleep(0.1)
    if "6" in source:
        raise ValueError("the scene is empty: there is no valid pixel in any of the bands that were asked for")
    pathlib.Path(target).write_text("done")
'''


@pytest.mark.parametrize("on", [[], ["--on", "testbed"]], ids=["here", "there"])
def test_run_shows_how_far_it_is(springline: Springline, on: list[str]) -> None:
    """A bar with numbers that fits, a failure that stays above it, folded at words there, and the report at the end."""
    homes = (springline.cluster.cluster_home(), springline.home)
    for home in homes:
        (home / "work.py").write_text(WORK)
        (home / "items.txt").write_text("\n".join(f"item{number}" for number in range(12)))
    options = ["--items", "items.txt", "--target", "done/{stem}.out", "--workers", "2"]
    with watched(springline, "run", "map", "work.py:work", *options, *on) as terminal:
        assert terminal.until(r"map +\d+ % .{6}  [1-9]\d* of 12 done, .*so far", timeout=90), terminal.screen()
        for home in homes:
            (home / "seen").touch()
        assert terminal.finish() == 1
        end = terminal.screen()
    assert one(end, r"map: 11 done, 1 failed of 12 items in"), end
    failed = next(number for number, line in enumerate(end) if "item6 failed: ValueError: the scene" in line)
    assert end[failed + 1].startswith("  "), end  # folded behind a word, not by the terminal within one
    assert not [line for line in end if "Warning" in line], end


def test_check_keeps_its_columns(springline: Springline) -> None:
    """Long answers go on below where they began; what is skipped for one reason is one row, in colour where wanted."""
    section(springline, "gone", "host = gone.invalid")
    with watched(springline, "platform", "check", "gone") as terminal:
        assert terminal.finish() == 10
        screen = terminal.screen()
    assert "\x1b[31m\x1b[1mfailed\x1b[0m" in terminal.text
    assert re.match(r"skipped  \d\d steps +because 'name and port' failed", screen[-2]), screen
    assert all(line.startswith(" " * 31) for line in screen[1:-2]) and len(screen) > 4, screen
