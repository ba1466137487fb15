"""The Tab key in real shells: commands, options and names from this computer's files, and never a connection."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from launcher.laptop.store import Store
from launcher.model import Session
from tests.launcher.command import BIN, Command
from tests.launcher.dialogue import Here
from tests.slurm.terminal import Terminal

SHELLS = {
    "bash": (
        ["--norc", "--noprofile", "-i"],
        'PS1="> "; bind "set enable-bracketed-paste off"; eval "$(springline completion bash)"; echo on:$?',
    ),
    "zsh": (["-f", "-i"], 'autoload -U compinit; compinit -u; eval "$(springline completion zsh)"; echo on:$?'),
    "fish": (["--no-config", "-i"], "source (springline completion fish | psub); echo on:$status"),
}
LINES = (  # what is typed before Tab, and what stands there after it
    ("springline env ins", "springline env install"),
    ("springline up mycl", "springline up mycluster"),
    ("springline attach run", "springline attach running-one"),
    ("springline run map --on mycl", "springline run map --on mycluster"),
)


@pytest.fixture
def springline(tmp_path: Path) -> Command:
    """A home with a platform that nobody can reach, a session that runs there and one that is over."""
    springline = Command(tmp_path)
    springline.environment |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "TERM": "xterm"}
    springline.configure("[mycluster]\nhost = 192.0.2.250\nuser = me\n")
    store = Store(Path(springline.environment["XDG_STATE_HOME"]) / "springline" / "sessions")
    for name, ended in (("running-one", ""), ("run-is-over", "stopped")):
        store.save(Session(name, "mycluster", f"springline-{name}", "2026-11-22T00:00:00+00:00", ended=ended))
    return springline


def offered(springline: Command, line: str) -> list[str]:
    """What is offered for the last word of a line, and nothing beside."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_SPRINGLINE_COMPLETE": "bash_complete"}
    environment = {**springline.environment, **words}
    done = subprocess.run([BIN / "springline"], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [row.partition(",")[2] for row in done.stdout.splitlines() if row]


@pytest.mark.parametrize(
    ("line", "found", "missing"),
    [
        ("springline ", {"up", "run", "platform", "completion"}, {"--help"}),
        ("springline up ", {"local", "mycluster", "spider"}, {"running-one"}),
        ("springline up --re", {"--reservation"}, {"--name"}),
        ("springline stop ", {"running-one"}, {"run-is-over"}),
        ("springline logs ", {"running-one", "run-is-over"}, {"mycluster"}),
        ("springline ls --platform my", {"mycluster"}, {"local"}),
        ("springline env install --method ", {"venv", "image"}, {"local"}),
        ("springline run ", {"spring-index", "map"}, {"--on"}),
        ("springline run spring-index --", {"--on", "--variant", "--output"}, {"map"}),
        ("springline run map mine.py:f --", {"--on", "--session"}, {"--output"}),
        ("springline run --session ", {"running-one"}, {"run-is-over"}),
        ("springline help ", {"up", "watch"}, {"mycluster"}),
        ("springline help up ", set(), {"watch"}),
    ],
)
def test_what_is_offered(springline: Command, line: str, found: set[str], missing: set[str]) -> None:
    """Names of the right kind where each may stand."""
    names = set(offered(springline, line))
    assert found <= names and not names & missing, names


def test_a_broken_file_offers_nothing(springline: Command) -> None:
    """A Tab is no place for an error, and executes nothing that is named on the line."""
    springline.configure("no section\n")
    assert offered(springline, "springline up my") == []
    (springline.home / "mine.py").write_text("raise SystemExit('executed')")
    assert offered(springline, f"springline run map {springline.home}/mine.py:f --on") == ["--on"]


@pytest.mark.parametrize("shell", SHELLS)
def test_in_a_shell(springline: Command, shell: str) -> None:
    """Switched on as documented; Tab completes the words on the screen."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    options, switch_on = SHELLS[shell]
    with Terminal(Here(springline), [program, *options], user="", columns=100) as terminal:  # type: ignore[arg-type]
        terminal.type(switch_on)
        assert terminal.until(r"on:0")
        for typed, completed in LINES:
            terminal.press(f"{typed}\t")
            assert terminal.until(re.escape(completed[len(typed) :]), timeout=10), terminal.screen()
            assert completed in terminal.screen()[-1], terminal.screen()
            terminal.press("\x15")  # Ctrl-U: an empty line again
