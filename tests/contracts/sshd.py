"""A real sshd on a loopback port, with keys and a home of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
HOST = "127.0.0.1"


def reason_to_skip() -> str | None:
    """Why no sshd can be started here, if so."""
    if SSHD is None:
        return "there is no sshd here (apt-get install openssh-server)"
    return None if os.geteuid() == 0 else "starting sshd for these tests needs root"


def reason_to_skip_codes() -> str | None:
    """Why no sshd with a second factor can be started here, if so."""
    if not any(Path("/").glob("lib*/**/security/pam_google_authenticator.so")):
        return "there is no pam_google_authenticator here (apt-get install libpam-google-authenticator)"
    return reason_to_skip()


def new_key(file: Path, passphrase: str = "", kind: str = "ed25519", form: str = "RFC4716") -> Path:
    """Make a key pair; returns the private file. RFC4716 stands for OpenSSH's own form here, PEM for the old one."""
    command = ["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", passphrase, "-C", "springline test", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file


def public(key: Path) -> str:
    """The public half."""
    return key.with_suffix(".pub").read_text()


@dataclass(frozen=True)
class Factors:
    """What a server asks of a login: sshd's AuthenticationMethods, and the PAM stack behind password and questions."""

    methods: str = "publickey"
    pam: tuple[str, ...] = ()  # lines of /etc/pam.d/sshd, `{here}` being the server's directory
    password: str = ""
    codes: tuple[str, ...] = ()  # one-time, eight digits


PASSWORD = "auth requisite pam_exec.so expose_authtok quiet {here}/check"
CODE = "auth required pam_google_authenticator.so secret={here}/codes user=root"


class Sshd:
    """The server: `directory` holds its configuration and host key, `home` is the client's."""

    def __init__(
        self, directory: Path, factors: Factors = Factors(), *, host: str = HOST, port: int = 0, extra: str = ""
    ) -> None:
        self.directory = directory
        self.host = host
        self.host_key = new_key(directory / "host_key")
        self.user_key = new_key(directory / "user_key")
        self.authorized = directory / "authorized_keys"
        self.authorized.write_text(public(self.user_key))
        with socket.create_server((host, port)) as listener:
            self.port: int = listener.getsockname()[1]
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._factors = factors
        self._extra = extra
        if factors.pam:
            self._write_pam(factors)
        self.start()

    def start(self) -> None:
        """Start it with the host key of now, and wait until it listens."""
        word = "yes" if self._factors.pam else "no"
        (self.directory / "config").write_text(
            f"Port {self.port}\nListenAddress {self.host}\nHostKey {self.host_key}\n"
            f"PidFile none\nAuthorizedKeysFile {self.authorized}\nStrictModes no\nUsePAM {word}\n"
            f"PermitRootLogin yes\nPasswordAuthentication {word}\nKbdInteractiveAuthentication {word}\n"
            f"AuthenticationMethods {self._factors.methods}\nPrintMotd no\nPrintLastLog no\n{self._extra}\n"
        )
        assert SSHD is not None
        command = [SSHD, "-D", "-f", str(self.directory / "config"), "-E", str(self.directory / "log")]
        if self._factors.pam:  # with an /etc/pam.d of its own, which nobody else sees
            mount = 'mount --bind "$0" /etc/pam.d && exec "$@"'
            command = ["unshare", "-m", "sh", "-c", mount, str(self.directory / "pam.d"), *command]
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

    close = stop

    def change_host_key(self) -> None:
        """Come back with another host key, as an impostor would."""
        self.stop()
        self.host_key = new_key(self.directory / f"host_key_{time.monotonic_ns()}")
        self.start()

    def drop_connections(self) -> None:
        """Kill the processes that serve the connections of now, by their parent."""
        for pid in self._children():
            with suppress(ProcessLookupError):  # it may end by itself just now
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The connections of now say nothing any more, but stay: as when packets vanish."""
        pids = self._descendants()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def connections(self) -> int:
        """How many clients are being served."""
        return len(self._children())

    def known_hosts(self, name: str = "") -> str:
        """The line a client should have."""
        name = name or self.host
        return f"{name if self.port == 22 else f'[{name}]:{self.port}'} {public(self.host_key)}"

    def _write_pam(self, factors: Factors) -> None:
        here = self.directory
        (here / "pam.d").mkdir()
        rest = ("auth required pam_permit.so", "account required pam_permit.so", "session required pam_permit.so")
        (here / "pam.d" / "sshd").write_text("".join(f"{line.format(here=here)}\n" for line in (*factors.pam, *rest)))
        (here / "check").write_text(f"#!/bin/sh\n[ \"$(tr -d '\\0')\" = '{factors.password}' ]\n")
        (here / "check").chmod(0o755)
        (here / "codes").write_text("\n".join(("JBSWY3DPEHPK3PXPJBSWY3DPEH", '" TOTP_AUTH', *factors.codes, "")))
        (here / "codes").chmod(0o400)

    def _children(self) -> list[int]:
        return children(self._process.pid)

    def _descendants(self) -> list[int]:
        found = self._children()
        for pid in found:
            found += children(pid)
        return found

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
