"""A `springline up` that holds its tunnel, as a test sees it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import Springline


@dataclass
class Up:
    """A `springline up` that holds its tunnel, and what it printed."""

    springline: Springline
    process: HostProcess
    line: dict[str, Any]

    def ask(self, path: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """Ask JupyterLab from the laptop, through the tunnel."""
        url = self.line["url"].removesuffix("/lab") + path
        header = ["-H", f"Authorization: token {token}"] if token else []
        return self.on_laptop(["curl", "-s", "-w", "\n%{http_code}", *header, url])

    def on_laptop(self, command: list[str], input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run something beside springline on the laptop."""
        cluster = self.springline.cluster
        return cluster.laptop.run(command, user=cluster.laptop_user, input=input, check=False, timeout=120)

    @property
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


def start(springline: Springline, *arguments: str) -> Up:
    """Start `springline up` and wait for its line."""
    process = springline.popen("up", "testbed", "--json", *arguments)
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, process.stderr.read() if process.stderr else ""
    return Up(springline, process, json.loads(text))
