"""A login host of SLURM's for tests: a Transport that answers scripts from a plan, on a clock of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer
from launcher.transports.base import Endpoint, Node, Stream, Transport

Reply = Answer | Exception | Callable[[], Answer]

# What a script is for, told by what only it contains; the first that fits.
_KINDS = {
    "submit": "@submit",
    "watch": "while :; do",
    "list": "for directory in */",
    "look": "while [ $# -gt 0 ]",
    "queue": "grep -F",
    "find": "squeue -h -t all -u",
    "cancel": "scancel",
    "where": "pwd -P",
    "tidy": "rm -rf ",
    "aside": "mv ",
    "tail": "tail -n",
}
JOB_NAME = "springline-s1-a1b2c3"
CREATED = "/home/alice/.springline/sessions/s1"
ACCEPTED = Answer(f"@python\n@directory\n@created {CREATED}\n@submit\n7\n")


@dataclass
class Clock:
    """Time that passes only when somebody waits."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(frozen=True)
class Event:
    """From this second on a watch reads these words; or, with `lost`, gets no connection."""

    at: float
    job: str = ""
    state: str = ""
    lost: ConnectError | None = None


@dataclass
class Host:
    """`events` is what a watch sees over time; `replies` what other scripts get, the last one again and again."""

    clock: Clock
    events: list[Event] = field(default_factory=list)
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    label: str = "alice@login"
    is_here: bool = False
    _told: Event | None = None

    def open(self) -> None:
        """Always open."""

    def run(self, script: str, *, timeout: float = 120) -> Answer:
        """Answer a script by its kind."""
        kind = next(kind for kind, mark in _KINDS.items() if mark in script)
        self.ran.append(kind)
        self.scripts.append(script)
        if kind == "watch":
            return self._watch(int(re.findall(r"-lt (\d+) \]", script)[-1]) / 10)
        if kind == "look" and "look" not in self.replies:
            return self._watch(0)
        replies = self.replies.get(kind, [Answer("")])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Answer) else reply()

    def connect(self, endpoint: Endpoint, *, timeout: float = 20) -> Stream:
        """Nothing listens over there."""
        raise ConnectError(f"{endpoint} refuses")

    def beyond(self, node: Node) -> Transport:
        """No node can be entered."""
        raise ConnectError(f"{node.host} refuses")

    def close(self) -> None:
        """Nothing to hang up."""

    def count(self, kind: str) -> int:
        """How many scripts of that kind ran."""
        return self.ran.count(kind)

    def _watch(self, limit: float) -> Answer:
        """As the real script does: return at the next change, or after the limit."""
        current = max((event for event in self.events if event.at <= self.clock.now), key=lambda event: event.at)
        if current is self._told:
            end = self.clock.now + limit
            later = [event for event in self.events if self.clock.now < event.at <= end]
            current = min(later, key=lambda event: event.at, default=current)
            self.clock.now = current.at if later else end
        if current.lost is not None:
            raise current.lost
        self._told = current
        return Answer(f"{current.state}\n{current.job}\n")


def squeue(state: str, reason: str = "None", node: str = "", start: str = "N/A") -> str:
    """The status command's answer while squeue lists job 7."""
    return f"squeue 0\n7|{JOB_NAME}|{state}|{reason}|{node}|{start}"


def node_state(phase: str, **more: str | int | None) -> str:
    """A line of state.json as the node program writes it."""
    return json.dumps({"schema_version": 1, "phase": phase, "host": "node1", "jupyter": {"base_url": "/"}, **more})
