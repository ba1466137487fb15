"""What a scheduler's language must be able to say and understand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from launcher.model import JobRef, JobStatus, Resources


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    text: str
    errors: str = ""
    exit_code: int = 0
    noise: str = field(default="", compare=False)  # what the account's start-up files printed before it


@dataclass(frozen=True)
class Submitted:
    """The scheduler took the job and this is its id."""

    job_id: str


@dataclass(frozen=True)
class Refused:
    """The scheduler said no, for this reason; `hint` says what to change."""

    reason: str
    hint: str = ""


@dataclass(frozen=True)
class Doubt:
    """The answer says neither: the job may exist."""

    reason: str


Submission = Submitted | Refused | Doubt


@dataclass(frozen=True)
class Accepted:
    """The scheduler would take such a job."""

    start: str = ""  # its estimate in the cluster's own time, ISO-8601; empty where it gives none
    place: str = ""  # where it would run


Verdict = Accepted | Refused | Doubt


@dataclass(frozen=True)
class Queued:
    """A job of ours in the queue, waiting or running."""

    id: str
    name: str
    state: str  # the scheduler's own word
    node: str = ""


def directive_value(value: str) -> str:
    """A value on a directive line of a batch script, which is read as a shell would."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if re.search(r"[\s\"'#;]", value) else value


class Scheduler(Protocol):
    """A scheduler as a language. All commands are text for /bin/sh; nothing here runs them."""

    name: str
    required_command: str  # must be on the path of the host, e.g. sbatch
    logs: tuple[str, ...]  # files of a session in which the last words of its job are
    cancel_program: str  # ends a job by its id, for a user who does it by hand

    def directives(self, resources: Resources, job_name: str, log: str, *, requeue: bool = False) -> list[str]:
        """The lines at the top of the batch script; a job that may `requeue` goes on by itself after a lost node."""

    def version_command(self) -> str:
        """Ask for the version, and whether the scheduler is there at all; the answer goes to `parse_version`."""

    def parse_version(self, answer: Answer) -> str:
        """The version. Raises ValueError where the scheduler does not answer."""

    def test_command(self, resources: Resources) -> str:
        """Ask, without submitting anything, whether such a job would be taken; the answer goes to `parse_test`."""

    def parse_test(self, answer: Answer, resources: Resources) -> Verdict:
        """What the scheduler would say to such a job; Doubt where it cannot be asked."""

    def submit_command(self, script: str, directory: str) -> str:
        """Submit the script file; the answer goes to `parse_submission`."""

    def parse_submission(self, answer: Answer) -> Submission:
        """What the scheduler said to a submission."""

    def status_command(self, jobs: Sequence[JobRef]) -> str:
        """Ask about jobs, all in one question where possible; the answer goes to `parse_status`."""

    def parse_status(self, answer: Answer, jobs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus]:
        """What is known of each of the jobs."""

    def find_command(self, job_name: str, directory: str) -> str:
        """Look a job up by its unique name, or by what its submission left in its directory."""

    def parse_find(self, answer: Answer) -> str | None:
        """The id found, or None for a clean empty answer. Raises ValueError when nobody could say."""

    def queue_command(self, prefix: str) -> str:
        """List our jobs in the queue whose names begin so; the answer goes to `parse_queue`."""

    def parse_queue(self, answer: Answer) -> list[Queued]:
        """The jobs listed. Raises ValueError when nobody could say."""

    def cancel_command(self, job: JobRef, worker_name: str) -> str:
        """End the job, and worker jobs of that name with it. It succeeds, too, where there is no such job."""

    def explain_pending(self, reason: str) -> str:
        """The scheduler's reason for waiting, in words."""

    def never_starts(self, reason: str) -> bool:
        """True for a reason that no waiting can change: the request itself must be changed."""

    def by_hand(self, job_name: str) -> str:
        """The command with which a user looks a job up by its name."""
