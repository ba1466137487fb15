"""What a check says: steps with an outcome each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from launcher.errors import SpringlineError
from launcher.model import SCHEMA_VERSION

# In the order of the checks, with their titles.
STEPS = {
    "network": "name and port",
    "host-key": "host key",
    "login": "authentication",
    "shell": "shell",
    "run-dir": "run_dir",
    "scheduler": "scheduler",
    "limits": "session's limits",
    "worker-limits": "workers' limits",
    "python": "Python",
    "forwarding": "SSH forwarding",
    "internet": "internet",
    "clock": "clock",
    "node": "job on a node",
    "node-network": "way to the node",
    "node-ssh": "SSH to the node",
    "node-python": "Python on the node",
    "node-workers": "workers on the node",
    "node-internet": "internet on the node",
    "node-clock": "clock of the node",
    "deep": "a whole session",
}
WAY_IN = tuple(STEPS)[:3]
ON_NODE = tuple(step for step in STEPS if step.startswith("node"))


class Status(StrEnum):
    """How a step came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """One step: how it came out, what was seen, what to do, and the exit code that `up` would end with."""

    step: str
    status: Status
    seen: str
    advice: str = ""
    code: int = 0

    @property
    def title(self) -> str:
        """The step for people."""
        return STEPS[self.step]


def ok(step: str, seen: str) -> Outcome:
    """All is well."""
    return Outcome(step, Status.OK, seen)


def warning(step: str, seen: str, advice: str) -> Outcome:
    """A session works, but not as well as it could."""
    return Outcome(step, Status.WARNING, seen, advice)


def failed(step: str, seen: str, advice: str, code: int = 2) -> Outcome:
    """No session, or none of its workers, can work."""
    return Outcome(step, Status.FAILED, seen, advice, code)


def failed_by(step: str, error: SpringlineError) -> Outcome:
    """The error that `up` would meet here."""
    return failed(step, error.message, error.hint, error.exit_code)


def skipped(step: str, why: str) -> Outcome:
    """Not looked at."""
    return Outcome(step, Status.SKIPPED, why)


def blocker(outcomes: Iterable[Outcome], needs: Iterable[str]) -> str:
    """Why a step that needs these cannot be made, in words: the first failure behind it; empty if it can."""
    closed = {one.step: one for one in outcomes if one.status in (Status.FAILED, Status.SKIPPED)}
    found = next((closed[step] for step in needs if step in closed), None)
    if found is None:
        return ""
    return f"because '{found.title}' failed" if found.status is Status.FAILED else found.seen


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """0, or the code of the first failure."""
    return next((one.code for one in outcomes if one.status is Status.FAILED), 0)


def document(platform: str, outcomes: Sequence[Outcome], versions: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The JSON object of a check."""
    steps = [
        {"step": one.step, "status": one.status.value, "seen": one.seen, "advice": one.advice or None, "code": one.code}
        for one in outcomes
    ]
    code = exit_code(outcomes)
    return {
        "schema_version": SCHEMA_VERSION,
        "platform": platform,
        "ok": code == 0,
        "exit_code": code,
        "versions": {side: dict(found) for side, found in versions.items()},
        "steps": steps,
    }


def under_way(outcomes: Sequence[Outcome]) -> str:
    """The title of the step that is looked at now: the one after the last that is known."""
    steps = list(STEPS)
    last = steps.index(outcomes[-1].step) if outcomes else -1
    return STEPS[steps[min(last + 1, len(steps) - 1)]]


def lines(outcome: Outcome, title: str = "") -> str:
    """A step on the terminal: what was seen, and what to do below it. A title may stand for several steps."""
    first, *more = outcome.seen.splitlines() or [""]
    shown = [
        f"{outcome.status.value:<8} {title or outcome.title:<21} {first}",
        *(f"{'':30} {line.strip()}" for line in more),
    ]
    return "\n".join([*shown, *([f"{'':30} → {outcome.advice}"] if outcome.advice else [])])


def summary(platform: str, outcomes: Sequence[Outcome]) -> str:
    """The last line: how many steps came out how, and the first to mend."""
    counts = {status: sum(one.status is status for one in outcomes) for status in Status}
    words = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    first = next((one for one in outcomes if one.status is Status.FAILED), None)
    return f"{platform}: {words}" + (f"; mend first: {first.title}" if first else "")
