"""What the reliability tests have seen, row by row; a run that has every row writes `.cache/reliability.md`."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.slurm.requirements import CHECKOUT

TABLE = CHECKOUT / ".cache/reliability.md"
# Every row of the table, in its order: what goes wrong, and what the test does to make it so.
FAULTS = {
    "killed": ("the ssh connection dies", "SIGKILL to alice's sshd processes on the login host"),
    "cut-10": ("the laptop's network is gone for 10 s", "the laptop's link set down"),
    "drop-10": ("packets are lost for 10 s, in silence", "nft drops every packet between laptop and cluster"),
    "cut-120": ("the laptop's network is gone for 120 s", "the laptop's link set down"),
    "drop-120": ("packets are lost for 120 s, in silence", "nft drops every packet between laptop and cluster"),
    "frozen-120": ("the laptop sleeps for 120 s", "SIGSTOP to every process of the user, ssh too, then SIGCONT"),
    "reboot": ("the login host reboots, 30 s", "packets dropped; sshd, slurmctld, munge, users' processes killed"),
    "sigkill": ("springline itself is killed", "SIGKILL, then `ls` and `attach`"),
    "ctld-stop-30": ("slurmctld is stopped for 30 s", "SIGTERM to slurmctld, started again"),
    "ctld-hang-30": ("slurmctld hangs for 30 s", "SIGSTOP to slurmctld, then SIGCONT"),
    "ctld-pending": ("slurmctld dies while the job waits", "SIGKILL to slurmctld, started again after 3 s"),
    "ctld-ready": ("slurmctld dies while the session is in use", "SIGKILL to slurmctld, started again"),
    "ctld-up": ("slurmctld is dead when `up` begins", "SIGKILL to slurmctld, started again 3 s later"),
    "munge": ("munge is down on the login host", "SIGTERM to munged, started again"),
    "answer": (
        "the connection dies in the middle of sbatch",
        "sshd killed when slurmctld has the job, before the answer",
    ),
    "answer-silent": (
        "the network goes silent in the middle of sbatch, 20 s",
        "packets dropped before the answer arrives",
    ),
    "requeue": ("the job is requeued, to another node", "scontrol requeue, its first node drained"),
    "preempted": ("the job is preempted", "a job of higher priority takes all nodes"),
    "node-fail": ("the node fails", "its cable cut and all its processes killed"),
    "time-limit": ("the time is up", "a walltime of one minute"),
    "memory": ("a notebook takes too much memory", "1.5 GB in a kernel of a 1 GB job"),
    "no-directory": ("the session's directory is gone when the job starts", "removed while the job waits"),
    "scancel": ("somebody else cancels the job", "scancel on the login host"),
}
HEAD = """\
# Reliability

Written by `make reliability`, on a real SLURM cluster of {nodes}, with each fault really injected.
Last run: {date}, on {machine}.
Seconds count from the return of what was away until a new request through the same local address is answered.

| fault | how it was injected | what the user saw | seconds to recover | lost |
|---|---|---|---|---|
"""


# The same for runs of analyses.
RUN_TABLE = CHECKOUT / ".cache/run-faults.md"
RUN_FAULTS = {
    "worker": ("a worker job is cancelled", "scancel of one of two worker jobs"),
    "slurmd-worker": (
        "slurmd dies under a worker",
        "SIGKILL to slurmd where a worker runs; started again when SLURM has given the node up",
    ),
    "slurmd-driver": (
        "slurmd dies under the run's own job",
        "the same where the driver runs: SLURM starts it elsewhere while the old one still works",
    ),
    "node": ("the driver's node vanishes", "its cable cut and all its processes killed"),
    "requeue": ("the driver is requeued", "scontrol requeue"),
    "drain": ("a node is drained", "scontrol update state=drain, then the worker on it cancelled"),
    "disk": ("the output's disk is full for 30 s", "a file that takes all room of a 4 MB disk, removed again"),
    "ctld": ("slurmctld is stopped for 30 s", "SIGTERM to slurmctld, started again"),
    "watch": ("springline on the laptop is killed", "SIGKILL, then `springline watch`"),
    "walltime": ("the walltime is over, again and again", "a walltime of one minute with --resubmit"),
}
RUN_HEAD = """\
# Runs and their faults

Written by `make reliability`, on a real SLURM cluster of {nodes}, with each fault really injected while 200 items run.
Last run: {date}, on {machine}.
Each time every result was there at the end, right and whole, with nothing half written beside it, and `springline run`
(or `watch`) ended with the analysis's own exit code 0. "Made twice" is by the ledger; a result appears by one rename.

| fault | how it was injected | what the user saw | made twice | what the ledger tells |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """What one fault did."""

    saw: str
    seconds: str
    lost: str


@dataclass
class Book:
    """The rows of this run."""

    rows: dict[str, Row] = field(default_factory=dict)
    faults: Mapping[str, tuple[str, str]] = field(default_factory=lambda: FAULTS)
    head: str = HEAD
    path: Path = TABLE

    def tell(self, fault: str, saw: str, seconds: Mapping[str, float] | float | None, lost: str = "nothing") -> None:
        """Write a row; `saw` are lines of standard error, `seconds` may be by transport."""
        times = {"": seconds} if isinstance(seconds, float) else seconds or {}
        shown = ", ".join(f"{time:.1f} {name}".strip() for name, time in times.items())
        self.note(fault, saw, shown or "–", lost)

    def note(self, fault: str, saw: str, *more: str) -> None:
        """Write a row with two more cells."""
        assert fault in self.faults, fault
        lines = dict.fromkeys(" ".join(line.split()) for line in saw.splitlines() if line.strip())
        self.rows[fault] = Row(" / ".join(lines) or "nothing", *more)
        print(fault, self.rows[fault])  # for a run that misses some

    def write(self) -> bool:
        """Write the table if every row is there."""
        if set(self.rows) != set(self.faults):
            return False
        told = {key: self.rows[key] for key in self.faults}
        lines = [_line(*self.faults[key], row.saw, row.seconds, row.lost) for key, row in told.items()]
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(_head(self.head) + "".join(lines), encoding="utf-8")
        return True


def _head(head: str) -> str:
    version = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True, check=False).stdout.strip()
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return head.format(
        nodes=f"two nodes ({version})",
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=f"a machine with {os.cpu_count()} cores and {system}",
    )


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
