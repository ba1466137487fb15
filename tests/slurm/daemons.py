"""Servers on a host: started in the foreground of their own session, known by pid, controlled by signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.hosts import Host
from tests.slurm.processes import TestbedError, wait_until

_START = 'mkdir -p /run/testbed; setsid "$@" >>"/var/log/$0.log" 2>&1 </dev/null & echo $! >"/run/testbed/$0"'


@dataclass(frozen=True)
class Daemon:
    """One server: `ready` says whether it serves."""

    host: Host
    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool]
    user: str | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start the server unless it runs, and wait until it serves."""
        if not self.running():
            become = self._become()
            self.host.run(["/bin/sh", "-c", _START, self.name, *become, *self.command])
        if wait:
            self.wait()

    def wait(self, timeout: float = 30) -> None:
        """Wait until the server serves; raise with the end of its log if it ends instead."""

        def settled() -> bool:
            return self.ready() or not self.running()

        wait_until(settled, what=f"start of {self.name} on {self.host.name}", timeout=timeout, log=self.tail)
        if not self.running():
            raise TestbedError(f"{self.name} on {self.host.name} ended:\n{self.tail()}")

    def running(self) -> bool:
        """Whether the server's process is there."""
        pid = self.pid()
        return pid is not None and Path(f"/proc/{self.host.record.pid}/root/proc/{pid}").exists()

    def pid(self) -> int | None:
        """The pid on the host of the server last started."""
        try:
            return int(Path(f"/proc/{self.host.record.pid}/root/run/testbed/{self.name}").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def stop(self, signal: str = "KILL") -> None:
        """Send a signal that ends the server, hung or not, and wait until it is gone."""
        self.signal(signal)
        self.signal("CONT")
        what = f"end of {self.name} on {self.host.name}"
        wait_until(lambda: not self.running(), what=what, timeout=20, log=self.tail)

    def signal(self, name: str) -> None:
        """Send a signal (STOP hangs the server, CONT resumes it) if it runs."""
        if self.running():
            self.host.run(["kill", f"-{name}", str(self.pid())], check=False)  # it may just have ended

    def tail(self, lines: int = 15) -> str:
        """The end of the server's log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _become(self) -> list[str]:
        if self.user is None:
            return []
        account = self.host.account(self.user)
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
