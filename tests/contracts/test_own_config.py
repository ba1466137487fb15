"""What a user's ~/.ssh/config adds to every connection, and what of it must not come along."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from launcher.errors import ConfigurationError
from launcher.laptop.private import state_home
from launcher.transports import control
from tests.contracts.conftest import Reach
from tests.contracts.sshd import HOST, Sshd


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def test_commands_and_forwards_of_the_config_stay_out(reach: Reach, sshd: Sshd) -> None:
    """A RemoteCommand, a wish for a terminal and a LocalForward are for the user's own ssh."""
    port = free_port()
    reach.config.write_text(f"Host *\n  RemoteCommand /bin/bash -l\n  RequestTTY yes\n  LocalForward {port} {HOST}:9\n")
    transport = reach(sshd)
    assert transport.run("echo in").text == "in\n"
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, port)) != 0


def test_a_users_own_control_connection_lends_no_agent(
    openssh: Reach, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A live ControlMaster with a forwarded agent is used, and its agent is not."""
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "a")], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "a"))
    master = None
    try:
        openssh.known_hosts.write_text(sshd.known_hosts())
        openssh.config.write_text(f"Host *\n  ForwardAgent yes\n  ControlPath {tmp_path}/m\n")
        where = ["-p", str(sshd.port), "-i", str(sshd.user_key), "-l", "root", HOST]
        master = subprocess.Popen(["ssh", "-MN", *where], stdin=subprocess.DEVNULL)
        while not (tmp_path / "m").exists():
            assert master.poll() is None
        assert openssh(sshd).run('echo "[$SSH_AUTH_SOCK]"').text == "[]\n"
    finally:
        for process in (master, agent):
            if process is not None:
                process.terminate()
                process.wait()


@pytest.mark.parametrize(("mode", "owner"), [(0o755, 0), (0o700, 65534)], ids=["open", "somebody else's"])
def test_directory_of_sockets_must_be_private(
    home: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int
) -> None:
    """A directory that others can enter, or that is another's, is refused with what to do."""
    with TemporaryDirectory(prefix="s") as short:  # a long path would be passed over
        monkeypatch.setenv("XDG_STATE_HOME", short)
        refused(state_home() / "ssh", mode, owner)


def refused(directory: Path, mode: int, owner: int) -> None:
    """The directory is not used as it is."""
    directory.mkdir()
    directory.chmod(mode)
    os.chown(directory, owner, owner)
    with pytest.raises(ConfigurationError, match="not a private directory"):
        control.directory()
