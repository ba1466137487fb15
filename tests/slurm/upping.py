"""A `springline up` that holds its tunnel, as a test sees it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import Springline

KERNEL = Path(__file__).parents[1] / "kernel.py"  # a script that runs a cell in a session's kernel
# Both nodes work, for a client that was told nothing.
CELL = """
import socket
from distributed import Client
client = Client()
client.wait_for_workers(2, timeout=60)
print(sorted(set(client.run(socket.gethostname).values())))
print(client.submit(sum, range(10)).result(), client.scheduler.address.partition(":")[0])
"""

_numbers = count()


@dataclass
class Up:
    """A `springline up` that holds its tunnel or is about to, and what it printed."""

    springline: Springline
    process: HostProcess
    line: dict[str, Any]  # empty until `wait`
    errors: Path  # where its standard error goes

    def wait(self) -> Up:
        """Wait for its line."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, self.said()
        self.line = json.loads(text)
        assert self.line.get("state") == "ready", (self.line, self.said())
        return self

    def ask(self, path: str, token: str = "", *, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Ask JupyterLab from the laptop, through the tunnel."""
        header = ["-H", f"Authorization: token {token}"] if token else []
        return self.on_laptop(["curl", "-s", "-m", str(seconds), "-w", "\n%{http_code}", *header, self.base + path])

    def on_laptop(self, command: list[str], input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run something beside springline on the laptop."""
        cluster = self.springline.cluster
        return cluster.laptop.run(command, user=self.springline.user, input=input, check=False, timeout=120)

    def said(self) -> str:
        """What it wrote on standard error so far."""
        return self.errors.read_text(encoding="utf-8", errors="replace")

    def seconds_until_answered(self, token: str, since: float, *, limit: float = 30) -> float:
        """Seconds from a moment of the monotonic clock until a new request through the local port is answered 200."""
        while not self.ask("/api/status", token, seconds=2).stdout.endswith("200"):
            assert time.monotonic() - since < limit, f"no answer for {limit:g} s:\n{self.said()}"
            time.sleep(0.05)
        return time.monotonic() - since

    @property
    def base(self) -> str:
        """JupyterLab's address on the laptop."""
        return str(self.line["url"]).removesuffix("/lab")

    @cached_property
    def token(self) -> str:
        """The token, as a person gets it."""
        shown = self.springline("url", self.line["session"], "--show-token")
        assert shown.returncode == 0, shown.stderr
        return shown.stdout.strip().partition("?token=")[2]


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def live(springline: Springline) -> int:
    """How many of alice's jobs wait or run."""
    return sum(job["state"] in ("PENDING", "RUNNING", "COMPLETING") for job in springline.cluster.jobs())


def start(springline: Springline, *arguments: str, command: str = "up", what: str = "testbed") -> Up:
    """Start `springline up` (or attach) and wait for its line."""
    return begin(springline, *arguments, command=command, what=what).wait()


def begin(
    springline: Springline,
    *arguments: str,
    command: str = "up",
    what: str = "testbed",
    env: Mapping[str, str] | None = None,
) -> Up:
    """Start `springline up` and return while it is at it."""
    errors = springline.cluster.state / "said" / f"{next(_numbers)}.txt"
    errors.parent.mkdir(exist_ok=True)
    with errors.open("w") as stream:
        process = springline.popen(command, what, "--json", *arguments, env=env, stderr=stream)
    process.stderr = errors.open()  # read it at the end, or `said()` at any time
    return Up(springline, process, {}, errors)
