"""The old command line on the real cluster: a platform is added, run, and left, by the dialogues that were recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.launcher.dialogue import recorded, replay
from tests.slurm.laptop import Springline
from tests.slurm.requirements import CHECKOUT, SPRINGLINE
from tests.slurm.terminal import Terminal
from tests.slurm.upping import live

OLD = str(SPRINGLINE.with_name("runJupyterDaskOnSLURM"))
KEY = "/home/scientist/.ssh/id_ed25519"
WINDOWS = [str(SPRINGLINE.with_name("python")), str(CHECKOUT / "tests" / "launcher" / "windows.py")]
TYPED = {"spider-alice": "my-alice", "spider": "testbed", "spider.surf.nl": "login", "/home/alice/.ssh/id_ed25519": KEY}
SECTION = f"[old]\nplatform = elsewhere\nhost = login:22\nuser = alice\nkeypath = {KEY}\nnote = of 2023\n"


@contextmanager
def typed(springline: Springline, *arguments: str, program: str = OLD) -> Iterator[Terminal]:
    """The command in a terminal of its own, on the laptop."""
    with Terminal(springline.cluster.laptop, [program, *arguments], user=springline.user) as terminal:
        yield terminal


def platforms_of(springline: Springline) -> Path:
    """The user's own platforms.ini."""
    return springline.home / ".config" / "springline" / "platforms.ini"


def old_file(springline: Springline, text: str) -> Path:
    """A platforms.ini where the last version of the old command had it."""
    file = springline.home / ".config" / "platforms" / "platforms.ini"
    file.parent.mkdir()
    file.write_text(text)
    return file


def test_add_then_run_by_heart(springline: Springline) -> None:
    """The answers of then add a platform; the next command starts a session on port 8889, which outlives `end`."""
    with typed(springline, "-a") as terminal:
        replay(terminal, recorded("add")[:-1], TYPED)
        assert terminal.finish() == 0, terminal.text
    assert "[my-alice]\nplatform = testbed\nhost = login\nuser = alice\n" in platforms_of(springline).read_text()
    with typed(springline, "-u", "my-alice", "-m", "run") as terminal:
        assert terminal.until(r"springline up my-alice --local-port 8889\s")
        assert terminal.until(r"http://127\.0\.0\.1:8889/lab", 60), terminal.text
        assert terminal.until("enter 'end' to stop port forwarding")
        terminal.type("end")
        assert terminal.finish() == 0, terminal.text
    assert live(springline) == 1
    assert springline("stop", "--all").returncode == 0
    assert live(springline) == 0


def test_one_off_is_known_as_long_as_its_session(springline: Springline) -> None:
    """A key with a passphrase is unlocked by the answers alone, which go into no file but one for this session."""
    locked = springline.home / ".ssh" / "locked"
    locked.write_bytes((springline.home / ".ssh" / "id_ed25519").read_bytes())
    os.chown(locked, *(springline.home.stat().st_uid,) * 2)
    locked.chmod(0o600)
    lock = ["ssh-keygen", "-q", "-p", "-N", "secret", "-P", "", "-f", "/home/scientist/.ssh/locked"]
    springline.cluster.laptop.run(lock, user=springline.user)
    before = platforms_of(springline).read_text()
    with typed(springline, "-oo", "-lp", "8890") as terminal:
        replay(
            terminal, recorded("one-off")[:-1], {**TYPED, "/home/alice/.ssh/id_ed25519": "/home/scientist/.ssh/locked"}
        )
        assert terminal.finish() == 0, terminal.text
    assert "springline up my-alice --local-port 8890" in terminal.text and "goes on without" in terminal.text
    assert "secret" not in terminal.text
    assert platforms_of(springline).read_text() == before
    left = springline.cluster.laptop.run("grep -rl my-alice ~ /tmp; true", user=springline.user).stdout.split()
    assert sorted(Path(file).parent.name for file in left) == ["one-off", "sessions"], left
    (kept,) = (springline.home / ".local" / "state" / "springline" / "one-off").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700
    for command, key in (("attach", "goes on without"), ("status", "ready"), ("stop", "")):
        with typed(springline, command, program=str(SPRINGLINE)) as terminal:
            assert terminal.until("assphrase"), terminal.text
            terminal.type("secret")
            if command == "attach":
                assert terminal.until("Ctrl-C asks"), terminal.text
                terminal.press_ctrl_c()
                assert terminal.until("eep waiting", 5)
                terminal.type("d")
            assert terminal.finish() == (130 if command == "attach" else 0) and key in terminal.text, terminal.text
    assert live(springline) == 0


def test_a_wait_that_is_over_leaves_the_job(springline: Springline) -> None:
    """--wait_time gives up with 30 and cancels nothing; an old file, of a platform nobody ships, is read as it is."""
    section = f"{SECTION}partition = normal\npython = {SPRINGLINE.with_name('python')}\nwalltime = 00:10:00\n"
    file = old_file(springline, section)
    for node in ("node1", "node2"):
        springline.cluster.login.run(f"scontrol update nodename={node} state=drain reason=test")
    try:
        arguments = ["-u", "old", "-m", "run", "-lp", "8891", "-wt", "2"]
        done = springline.cluster.laptop.run([OLD, *arguments], user=springline.user, check=False)
        assert done.returncode == 30, done.stderr
        assert live(springline) == 1
        assert springline("stop", "--all").returncode == 0
    finally:
        for node in ("node1", "node2"):
            springline.cluster.login.run(f"scontrol update nodename={node} state=resume")
    assert file.read_text() == section


def test_a_session_from_windows(springline: Springline) -> None:
    """What the Python of Windows has is enough for a session: paramiko alone, and files where Windows has them.

    Another command finds the tunnel by the process that holds it, which lives on.
    """
    profile = springline.home / "AppData" / "Roaming" / "springline"
    profile.parent.mkdir(parents=True)
    platforms_of(springline).parent.rename(profile)
    springline.cluster.laptop.run(f"chown -R {springline.user} /home/scientist/AppData")
    env = {"APPDATA": "/home/scientist/AppData/Roaming", "LOCALAPPDATA": "/home/scientist/AppData/Local"}
    host, user = springline.cluster.laptop, springline.user
    with Terminal(host, [*WINDOWS, "springline", "up", "testbed", "--name", "win"], user=user, env=env) as terminal:
        assert terminal.until("Ctrl-C asks", 60), terminal.text
        status = json.loads(host.run([*WINDOWS, "springline", "status", "--json"], user=user, env=env).stdout)
        assert (status["state"], status["url"].endswith("/lab")) == ("ready", True)
        terminal.press_ctrl_c()
        assert terminal.until("eep waiting", 5)
        terminal.type("s")
        assert terminal.finish() == 130, terminal.text
    assert live(springline) == 0
    assert (springline.home / "AppData" / "Local" / "springline" / "sessions" / "win.json").exists()
    assert not (springline.home / ".local").exists()


@pytest.mark.parametrize("answer", ["n", "x"])
def test_install_asks_first(springline: Springline, answer: str) -> None:
    """Without a yes nothing is done, and an answer that is neither ends with 2."""
    for mode in ("install", "uninstall"):
        with typed(springline, "-u", "testbed", "-m", mode) as terminal:
            assert terminal.until(r"components on remote host\? \(Y/n\): ")
            terminal.type(answer)
            assert terminal.finish() == (0 if answer == "n" else 2)
        assert "springline env" not in terminal.text
