"""A cluster as this project sees it: a transport that runs scripts and a scheduler whose language they speak.

Silence is never read as an end: whatever could not be asked is Unknown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from launcher import scripts
from launcher.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    HostKeyError,
    SubmissionRefused,
    SubmissionUnknown,
)
from launcher.model import JobStatus, NodeState, Platform, Unknown
from launcher.schedulers.base import Answer, Doubt, Refused, Scheduler, Submitted
from launcher.scripts import RemotePath
from launcher.transports.base import Transport


@dataclass(frozen=True)
class Look:
    """One look at a session over there: what the two sources said, and their exact words for the next comparison."""

    job: JobStatus
    node: NodeState | None
    job_words: str = ""
    state_words: str = ""


class DirectoryExists(Exception):
    """The session's directory is there already."""


class Cluster:
    """Submit, look, watch, cancel."""

    def __init__(
        self,
        platform: Platform,
        transport: Transport,
        scheduler: Scheduler,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.platform = platform
        self.transport = transport
        self.scheduler = scheduler
        self._sleep = sleep

    def rehearse(self, name: str, files: Mapping[str, str]) -> dict[str, str]:
        """Everything a session would send, by title; secrets and the node program's source are left out."""
        shown = {path: "…" if path in ("token", "tls.key", "tls.crt") else text for path, text in files.items()}
        shown = {path: text for path, text in shown.items() if not path.startswith("node/")}
        directory = scripts.session_directory(self.platform, name)
        return {
            f"on {self.transport.label}: check, write the session's files, submit": self._submit_script(name, shown),
            "job.sh, run by the scheduler": files["job.sh"],
            "while waiting": scripts.watch_script(
                directory, self.scheduler.status_command("0-0", directory.text), known_state="", known_job=""
            ),
        }

    def submit(self, name: str, job_name: str, files: Mapping[str, str]) -> tuple[str, str]:
        """Make the session's directory, write the files and submit its job.sh once.

        Returns the job's id and the directory's absolute path.
        """
        directory = scripts.session_directory(self.platform, name)
        try:
            answer = self.transport.run(self._submit_script(name, files))
        except ConnectError as error:
            return self._adopt(job_name, directory.text, error.message), self._absolute(directory)
        return self._read_submission(answer, job_name)

    def find(self, name: str, job_name: str) -> tuple[str | None, str]:
        """The id of the job of that unique name, if the scheduler has it, and the session's directory."""
        directory = self._absolute(scripts.session_directory(self.platform, name))
        try:
            return self._found(job_name, directory), directory
        except ValueError as error:
            raise SubmissionUnknown(
                f"{self.platform.name}: nobody could say whether job '{job_name}' exists: {error}",
                f"look on the cluster: squeue --me --name {job_name}",
            ) from error

    def look(self, job_id: str, directory: str) -> Look:
        """Ask the scheduler and read the state file, now."""
        return self.watch(job_id, directory, Look(Unknown("not asked yet"), None), limit=0)

    def watch(
        self, job_id: str, directory: str, known: Look, *, pace: float = 2, slowest: float = 30, limit: float = 60
    ) -> Look:
        """Return at the next change, or after `limit` seconds: one remote command, its questions ever slower."""
        script = scripts.watch_script(
            RemotePath(directory),
            self.scheduler.status_command(job_id, directory),
            known_state=known.state_words,
            known_job=known.job_words,
            pace=pace,
            slowest=slowest,
            limit=limit,
        )
        answer = self.transport.run(script, timeout=limit + 60)
        state_words, _, job_words = answer.text.partition("\n")
        job_words = job_words.rstrip("\n")
        job = self.scheduler.parse_status(Answer(job_words, answer.errors, answer.exit_code), job_id)
        return Look(job, _node_state(state_words), job_words, state_words)

    def cancel(self, job_id: str, worker_name: str) -> None:
        """Ask the scheduler to end the job and its workers."""
        answer = self.transport.run(self.scheduler.cancel_command(job_id, worker_name))
        if answer.exit_code:
            raise SubmissionUnknown(
                f"the scheduler did not take the cancellation of job {job_id}: {answer.errors.strip()}",
                "try `springline stop` again; the job may still run",
            )

    def read(self, directory: str, name: str, lines: int) -> str:
        """The last lines of a file of the session; empty if it is not there."""
        path = (RemotePath(directory) / name).quoted()
        return self.transport.run(f"tail -n {lines} {path} 2>/dev/null").text

    def read_private(self, directory: str, *names: str) -> list[str]:
        """The whole text of small files of the session."""
        documents = []
        for name in names:
            answer = self.transport.run(f"cat {(RemotePath(directory) / name).quoted()}")
            if answer.exit_code:
                raise ConnectError(f"cannot read {directory}/{name} on {self.transport.label}: {answer.errors.strip()}")
            documents.append(answer.text)
        return documents

    def discard(self, directory: str) -> None:
        """Remove the directory of a session that was never submitted, secrets and all."""
        self.transport.run(f"rm -rf {RemotePath(directory).quoted()}")

    def set_aside(self, name: str) -> None:
        """Rename the directory of an ended session, to make room for a new one of its name."""
        path = scripts.session_directory(self.platform, name).quoted()
        answer = self.transport.run(f'[ ! -e {path} ] || mv {path} {path}."$(date +%Y%m%dT%H%M%S)"')
        if answer.exit_code:
            raise ConfigurationError(f"cannot rename {name} on {self.transport.label}: {answer.errors.strip()}")

    def _submit_script(self, name: str, files: Mapping[str, str]) -> str:
        return scripts.submit_script(
            self.platform,
            required=self.scheduler.required_command,
            directory=scripts.session_directory(self.platform, name),
            files=files,
            submit=self.scheduler.submit_command("job.sh", "."),
        )

    def _absolute(self, directory: RemotePath) -> str:
        try:
            return self.transport.run(f"cd {directory.quoted()} && pwd -P").text.strip() or directory.text
        except ConnectError:  # the job was found: better a path to be expanded than no record of it
            return directory.text

    def _read_submission(self, answer: Answer, job_name: str) -> tuple[str, str]:
        steps = {line.split(" ", 1)[0]: line.partition(" ")[2] for line in answer.text.splitlines() if line[:1] == "@"}
        if "@submit" not in steps:
            raise self._preparation_error(steps, answer)
        said = answer.text.partition("@submit\n")[2]
        outcome = self.scheduler.parse_submission(Answer(said, answer.errors, answer.exit_code))
        match outcome:
            case Submitted(job_id):
                return job_id, steps["@created"]
            case Refused(reason, hint):
                self.discard(steps["@created"])
                raise SubmissionRefused(f"{self.platform.name}: the scheduler refused the job: {reason}", hint)
            case Doubt(reason):
                return self._adopt(job_name, steps["@created"], reason), steps["@created"]

    def _found(self, job_name: str, directory: str) -> str | None:
        """Ask for the job of a name. Raises ValueError when the scheduler does not know."""
        return self.scheduler.parse_find(self.transport.run(self.scheduler.find_command(job_name, directory)))

    def _adopt(self, job_name: str, directory: str, doubt: str) -> str:
        """After a doubtful submission look the unique name up; never submit again."""
        for pause in (1, 2, 4, 8, 15, 30, 60):
            self._sleep(pause)
            try:
                found = self._found(job_name, directory)
            except (AuthenticationError, HostKeyError) as error:  # asking again would only ask for secrets again
                doubt = error.message
                break
            except (ConnectError, ValueError) as error:
                doubt = str(error) or doubt
                continue
            if found is not None:
                return found
        raise SubmissionUnknown(
            f"{self.platform.name}: the answer to the submission was lost ({doubt}) and no job '{job_name}' is listed",
            f"before you try again, look on the cluster: squeue --me --name {job_name}",
        )

    def _preparation_error(self, steps: Mapping[str, str], answer: Answer) -> Exception:
        where, section = self.transport.label, f"[{self.platform.name}]"
        said = answer.errors.strip().splitlines()[-1:] or ["there is no such program"]
        if "@missing" in steps:
            return ConfigurationError(
                f"{where}: there is no '{steps['@missing']}' on the path",
                f"is this the login host of a {self.scheduler.name} cluster? Check `host` and `scheduler` of {section}",
            )
        if "@exists" in steps:
            return DirectoryExists()
        if "@directory" in steps:
            return ConfigurationError(
                f"{where}: cannot write in {self.platform.run_dir}: {said[0]}",
                f"free some space, or set `run_dir` of {section} to a directory of yours that all nodes share",
            )
        if "@modules" in steps:
            python, _, missing = steps["@modules"].partition(" ")
            names = " ".join(missing.split()).replace("_", "-")
            return ConfigurationError(
                f"{where}: {python} has no {', '.join(missing.split())}",
                f"install there: {python} -m pip install {names}; or set `python` of {section} to one that has them",
            )
        program = "apptainer" if self.platform.image else f"Python as '{self.platform.python}'"
        return ConfigurationError(
            f"{where}: cannot run {program}: {said[0]}",
            f"set `python` of {section} to a Python with jupyterlab and dask, or load what it takes in `prologue`",
        )


def _node_state(words: str) -> NodeState | None:
    try:
        document: dict[str, Any] = json.loads(words)
    except ValueError:
        return None
    return NodeState.parse(document)
