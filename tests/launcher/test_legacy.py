"""The old command line: what it means in the new one, and a real run of it."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from launcher.legacy import translate
from tests.launcher.command import Command

OLD_SECTION = (
    "[spider-bob]\nplatform = local\nhost = spider.surf.nl\nuser = bob\nkeypath = ~/.ssh/id_rsa\nkey_pass = False\n"
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["--uid", "bob", "--mode", "run", "--local_port", "8123"], ["up", "bob", "--local-port", "8123"]),
        (
            ["-u", "bob", "-m", "run", "-lp", "8123", "-wt", "300"],
            ["up", "bob", "--local-port", "8123", "--wait", "300"],
        ),
    ],
)
def test_old_options_in_new_words(
    old: list[str], new: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long and short options of the old command mean the same as before."""
    monkeypatch.chdir(tmp_path)
    assert translate(old) == new


def test_old_configuration_beside_the_command_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platforms.ini of the old checkout is read when the command runs in it, as the old one did."""
    file = tmp_path / "config" / "platforms" / "platforms.ini"
    file.parent.mkdir(parents=True)
    file.write_text(OLD_SECTION)
    monkeypatch.chdir(tmp_path)
    new = translate(["--uid", "spider-bob", "--mode", "run", "--local_port", "8123"])
    assert new[-2:] == ["--config", "config/platforms/platforms.ini"]


def test_port_is_the_old_one_or_a_free_one() -> None:
    """Without --local_port it is 8889 as ever; where that is taken, another, which the old one could not do."""
    try:
        taken = socket.create_server(("127.0.0.1", 8889))
    except OSError:
        taken = socket.socket()  # somebody else has it already
    with taken:
        port = int(translate(["--uid", "bob", "--mode", "run"])[3])
    assert port != 8889
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"),
        (["--uid", "bob"], "--mode run"),
        (["--uid", "bob", "--mode", "install"], "not part of this version"),
        (["--uid", "bob", "--mode", "uninstall"], "not part of this version"),
        (["--add_platform", "--mode", "run"], "not part of this version"),
        (["--one_off", "--mode", "run"], "not part of this version"),
        (["--uid", "bob", "--one_off"], "not allowed with"),
        (["--uid", "bob", "--mode", "fly"], "invalid choice"),
        (["--uid", "nosuch", "--mode", "run"], "no platform 'nosuch'"),
    ],
)
def test_what_it_cannot_do_is_said(springline: Command, arguments: list[str], said: str) -> None:
    """What the old command line cannot mean here ends with a code that is not 0, unlike the old one's failures."""
    result = springline(*arguments, program="runJupyterDaskOnSLURM")
    assert result.code == (60 if "nosuch" in arguments else 2)
    assert said in result.errors


@pytest.mark.slow
def test_old_command_runs_a_session(springline: Command) -> None:
    """The old command with an old section starts JupyterLab on the port it was asked for, and holds it."""
    file = springline.home / "config" / "platforms" / "platforms.ini"
    file.parent.mkdir(parents=True)
    file.write_text(OLD_SECTION)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ("--uid", "spider-bob", "--mode", "run", "--local_port", str(port))
    process = springline.popen(*arguments, program="runJupyterDaskOnSLURM")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.search(rf"http://127\.0\.0\.1:{port}/lab", line)
        (session,) = springline("ls", "--json").document["sessions"]
        assert (session["platform"], session["state"]) == ("spider-bob", "ready")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
    finally:
        process.kill()
        for session in json.loads(springline("ls", "--json").output)["sessions"]:
            springline("stop", session["session"])
