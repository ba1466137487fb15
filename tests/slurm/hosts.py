"""Hosts: network, UTS, mount, IPC and PID namespaces around one init process (`init.py`)."""

from __future__ import annotations

import json
import os
import pwd
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.slurm.processes import Record, TestbedError

INIT = Path(__file__).with_name("init.py")
NAMESPACES = ("--net", "--uts", "--mount", "--ipc", "--pid")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Command = Sequence[str] | str
Stream = int | IO[Any] | None


@dataclass(frozen=True)
class Directory:
    """An empty directory of a host's own; `cover` hides what the outside has there."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    cover: bool = True


@dataclass(frozen=True)
class Layout:
    """What a host's file tree is made of, on top of the outside's."""

    name: str
    state: str  # the directory of the whole cluster, hidden inside
    directories: Sequence[Directory] = ()
    visible: Sequence[str] = ()  # paths every user must be able to read at the same place
    binds: Mapping[str, str] = field(default_factory=dict)  # path inside -> path outside


class HostCommandError(subprocess.CalledProcessError):
    """A command on a host failed; says what it wrote."""

    def __str__(self) -> str:
        text = f"{super().__str__()}\n{self.stdout or ''}{self.stderr or ''}"
        return text.rstrip()


class HostProcess(subprocess.Popen[Any]):
    """A running command on a host; its signals reach the command itself, not the door it went through."""

    def inner_pid(self) -> int | None:
        """The command's pid as seen from outside; None once it has ended."""
        while super().poll() is None:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
            try:
                found = children.read_text().split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if found:
                return int(found[0])
        return None

    def send_signal(self, sig: int) -> None:
        """Send a signal to the command (`terminate` does, too)."""
        pid = self.inner_pid()
        if pid is not None:
            os.kill(pid, sig)

    def kill(self) -> None:
        """SIGKILL the command with everything in its process group."""
        if super().poll() is None:
            os.killpg(self.pid, signal.SIGKILL)


class Host:
    """One machine of the cluster, or the laptop."""

    def __init__(self, name: str, record: Record, process: subprocess.Popen[str] | None = None) -> None:
        self.name = name
        self.record = record
        self._process = process

    def __repr__(self) -> str:
        return f"Host({self.name!r}, pid={self.record.pid})"

    @classmethod
    def start(cls, layout: Layout, log: Path) -> Host:
        """Start a host that lives as long as this process, or for good after `detach`."""
        argv = ["unshare", *NAMESPACES, "--fork", sys.executable, "-I", "-S", str(INIT)]
        with log.open("a") as errors:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C in a terminal is not for the hosts
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(layout)) + "\n")
        process.stdin.flush()
        ready = select.select([process.stdout], [], [], 20)[0] and process.stdout.readline()
        if not ready:
            process.stdin.close()
            raise TestbedError(f"host {layout.name} did not start:\n{log.read_text()[-2000:]}")
        return cls(layout.name, Record.of(json.loads(ready)["pid"]), process)

    def detach(self) -> None:
        """Let the host outlive this process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write("detach\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """End the host with everything in it."""
        self.record.kill()
        if self._process is not None:
            self._process.wait(10)
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def alive(self) -> bool:
        """Whether the host runs."""
        return self.record.alive()

    def account(self, user: str) -> pwd.struct_passwd:
        """What this host's /etc/passwd says of a user."""
        for line in Path(f"/proc/{self.record.pid}/root/etc/passwd").read_text().splitlines():
            name, word, uid, gid, full, home, shell = line.split(":")
            if name == user:
                return pwd.struct_passwd((name, word, int(uid), int(gid), full, home, shell))
        raise TestbedError(f"no user {user} on {self.name}")

    def arguments(self, command: Command, *, user: str = "root", namespaces: Sequence[str] = ()) -> list[str]:
        """The whole command line that runs `command` on this host (a string goes to /bin/sh -c)."""
        words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        enter = ["nsenter", f"--target={self.record.pid}", *(namespaces or NAMESPACES), "--"]
        env = ["env", "--default-signal"]  # whatever the caller ignores
        if user == "root":
            return [*enter, *env, "--chdir=/", *words]
        account = self.account(user)
        start = account.pw_dir if Path(f"/proc/{self.record.pid}/root{account.pw_dir}").is_dir() else "/"
        become = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
        return [*enter, *env, f"--chdir={start}", "setpriv", *become, *words]

    def environment(self, user: str = "root", extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a login of this user; nothing of the outside's comes along."""
        account = self.account(user)
        names = {"HOME": account.pw_dir, "USER": user, "LOGNAME": user, "SHELL": account.pw_shell}
        return {**names, "PATH": PATH, "LANG": "C.UTF-8", **(extra or {})}

    def popen(
        self,
        command: Command,
        *,
        user: str = "root",
        env: Mapping[str, str] | None = None,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.PIPE,
        text: bool = True,
    ) -> HostProcess:
        """Start a command on this host, in the user's home."""
        if not self.alive():
            raise TestbedError(f"host {self.name} is down")
        return HostProcess(
            self.arguments(command, user=user),
            env=self.environment(user, env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            encoding="utf-8" if text else None,
            errors="replace" if text else None,
            start_new_session=True,
        )

    def run(
        self,
        command: Command,
        *,
        user: str = "root",
        input: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host; after `timeout` seconds kill it and raise subprocess.TimeoutExpired."""
        data = input.encode() if isinstance(input, str) else input
        stdin = subprocess.DEVNULL if data is None else subprocess.PIPE
        process = self.popen(command, user=user, env=env, stdin=stdin, text=False)
        try:
            output, errors = process.communicate(data, timeout=timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        shown = command if isinstance(command, str) else shlex.join(command)
        texts = (output.decode(errors="replace"), errors.decode(errors="replace"))
        if check and process.returncode:
            raise HostCommandError(process.returncode, f"{shown} (as {user} on {self.name})", *texts)
        return subprocess.CompletedProcess(shown, process.returncode, *texts)

    def processes(self, *users: str) -> list[int]:
        """The pids, as seen from outside, of these users' processes on this host."""
        owners = {self.account(user).pw_uid for user in users}
        here = Path(f"/proc/{self.record.pid}/ns/pid").stat().st_ino
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # ended meanwhile
                if process.stat().st_uid in owners and (process / "ns/pid").stat().st_ino == here:
                    found.append(int(process.name))
        return found

    def listens(self, port: int) -> bool:
        """Whether a TCP socket listens on a port of this host, on any address."""
        for table in ("tcp", "tcp6"):
            lines = Path(f"/proc/{self.record.pid}/net/{table}").read_text().splitlines()[1:]
            for fields in map(str.split, lines):
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    return True
        return False
