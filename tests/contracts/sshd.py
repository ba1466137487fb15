"""A real sshd on a loopback port, with keys and a home of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
HOST = "127.0.0.1"


def reason_to_skip() -> str | None:
    """Why no sshd can be started here, if so."""
    if SSHD is None:
        return "there is no sshd here (apt-get install openssh-server)"
    return None if os.geteuid() == 0 else "starting sshd for these tests needs root"


def new_key(file: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
    """Make a key pair; returns the private file."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "springline test", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file


def public(key: Path) -> str:
    """The public half."""
    return key.with_suffix(".pub").read_text()


class Sshd:
    """The server: `directory` holds its configuration and host key, `home` is the client's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host_key = new_key(directory / "host_key")
        self.user_key = new_key(directory / "user_key")
        self.authorized = directory / "authorized_keys"
        self.authorized.write_text(public(self.user_key))
        with socket.create_server((HOST, 0)) as listener:
            self.port: int = listener.getsockname()[1]
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start it with the host key of now, and wait until it listens."""
        (self.directory / "config").write_text(
            f"Port {self.port}\nListenAddress {HOST}\nHostKey {self.host_key}\n"
            f"PidFile none\nAuthorizedKeysFile {self.authorized}\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        )
        assert SSHD is not None
        command = [SSHD, "-D", "-f", str(self.directory / "config"), "-E", str(self.directory / "log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._listens():
            assert self._process.poll() is None and time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server and its connections."""
        self.drop_connections()
        self._process.terminate()
        self._process.wait(10)

    def change_host_key(self) -> None:
        """Come back with another host key, as an impostor would."""
        self.stop()
        self.host_key = new_key(self.directory / f"host_key_{time.monotonic_ns()}")
        self.start()

    def drop_connections(self) -> None:
        """Kill the processes that serve the connections of now, by their parent."""
        for pid in self._children():
            os.kill(pid, signal.SIGKILL)

    def known_hosts(self, name: str = HOST) -> str:
        """The line a client should have."""
        return f"[{name}]:{self.port} {public(self.host_key)}"

    def _children(self) -> list[int]:
        tasks = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in tasks.read_text().split()]

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0
