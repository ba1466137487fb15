"""A cluster as this project sees it: a transport that runs scripts and a scheduler whose language they speak.

Silence is never read as an end: whatever could not be asked is Unknown.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote

from launcher.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    HostKeyError,
    SubmissionRefused,
    SubmissionUnknown,
)
from launcher.kinds import RUN, SESSION, Kind
from launcher.model import JobRef, JobState, JobStatus, Known, NodeState, Platform, Session, settled
from launcher.progress import Progress
from launcher.schedulers.base import Answer, Doubt, Queued, Refused, Scheduler, Submitted
from launcher.scripts import batch, inventory, looking, shell
from launcher.scripts.preparation import preparation_error
from launcher.scripts.shell import RemotePath
from launcher.transports.base import Transport

LOOK_SECONDS = 90.0  # SLURM's own commands give up on a silent controller well before

STOP_NOTE = "stop"  # in a session's or run's directory: the user's own `stop` or `cancel` ended it, from wherever
SECRETS = ("token", "tls.key", "tls.crt")


@dataclass(frozen=True)
class Look:
    """One look at a session over there: what the two sources said, and their exact words for the next comparison."""

    job: JobStatus
    node: NodeState | None
    job_words: str = ""
    state_words: str = ""
    progress: Progress | None = None  # of a run
    progress_mark: str = ""


@dataclass(frozen=True)
class Placed:
    """A submission that was taken."""

    job_id: str
    directory: str  # absolute
    login: str = ""  # address of the very host it was submitted from
    version: str = ""  # of springline over there, where a run needs it


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

    def rehearse(self, session: Session, files: Mapping[str, str]) -> dict[str, str]:
        """Everything a session would send, by title; secrets and the node program's source are left out."""
        shown = {path: "…" if path in SECRETS else text for path, text in files.items()}
        shown = {path: text for path, text in shown.items() if not path.startswith("node/")}
        noun, directory = session.noun, self._directory(session)
        return {
            f"on {self.transport.label}: check, write the {noun}'s files, submit": self._submit_script(session, shown),
            "job.sh, run by the scheduler": files["job.sh"],
            "while waiting": looking.watch_script(
                directory,
                session.job_name,
                self.scheduler.status_command([JobRef("0-0", "…", directory.text)]),
                known_state="",
                known_job="",
                known_progress="" if session.kind is RUN else None,
            ),
        }

    def submit(self, session: Session, files: Mapping[str, str]) -> Placed:
        """Make the session's directory, write the files and submit its job.sh once."""
        directory, job_name = self._directory(session), session.job_name
        try:
            answer = self.transport.run(self._submit_script(session, files))
        except ConnectError as error:
            return Placed(self._adopt(job_name, directory.text, error.message), self._absolute(directory))
        return self._read_submission(answer, session)

    def find(self, session: Session) -> tuple[str | None, str]:
        """The id of the job of a session's unique name, if the scheduler has it, and the session's directory."""
        job_name, directory = session.job_name, self._absolute(self._directory(session))
        try:
            return self._found(job_name, directory), directory
        except ValueError as error:
            raise SubmissionUnknown(
                f"{self.platform.name}: nobody could say whether job '{job_name}' exists: {error}",
                f"look on the cluster: {self.scheduler.by_hand(job_name)}",
            ) from error

    def sessions(self, config: str = "", kind: Kind = SESSION) -> list[inventory.Found]:
        """What lies in the run directory: every session (or run) of the account, started from whichever computer."""
        mark = f"springline-{secrets.token_hex(8)}"
        script = inventory.list_script(shell.sessions_directory(self.platform, kind), mark)
        answer = self.transport.run(script, timeout=LOOK_SECONDS)
        return [self._identified(one) for one in inventory.parse_list(answer.text, mark, self.platform.name, config)]

    def _identified(self, found: inventory.Found) -> inventory.Found:
        """With the job's id, as the scheduler gave it to whoever submitted."""
        outcome = self.scheduler.parse_submission(Answer(found.submission))
        if found.session is None or not isinstance(outcome, Submitted):
            return found
        return replace(found, session=replace(found.session, job_id=outcome.job_id))

    def queue(self, prefix: str = "springline-") -> list[Queued]:
        """The user's jobs in the queue whose names begin so. Raises ConnectError when nobody could say."""
        try:
            return self.scheduler.parse_queue(self.transport.run(self.scheduler.queue_command(prefix)))
        except ValueError as error:
            raise ConnectError(f"{self.platform.name}: the scheduler does not answer: {error}", "try again") from error

    def look(self, sessions: Sequence[Session]) -> list[Look]:
        """Ask the scheduler about sessions and read their state files, now: one remote command for all of them."""
        ask = self.scheduler.status_command([session.job for session in sessions])
        asked = [(RemotePath(session.directory), session.job_name) for session in sessions]
        script = looking.look_script(asked, ask, progress=sessions[0].kind is RUN)
        answer = self.transport.run(script, timeout=LOOK_SECONDS)
        return self._looks(sessions, answer)

    def watch(
        self,
        session: Session,
        known: Look,
        *,
        pace: float = 3,
        slowest: float = 30,
        limit: float = 60,
        first: float = 0,
        glance: float = 0.2,
        rate: float = 2,
    ) -> Look:
        """Return at the next change, or after `limit` seconds: one remote command, its questions ever slower."""
        script = looking.watch_script(
            RemotePath(session.directory),
            session.job_name,
            self.scheduler.status_command([session.job]),
            known_state=known.state_words,
            known_job=known.job_words,
            pace=pace,
            slowest=slowest,
            limit=limit,
            first=first,
            glance=glance,
            job_is_known=isinstance(known.job, Known) and known.job.state is JobState.RUNNING,
            known_progress=known.progress_mark if session.kind is RUN else None,
            rate=rate,
        )
        return self._looks([session], self.transport.run(script, timeout=limit + 60))[0]

    def _looks(self, sessions: Sequence[Session], answer: Answer) -> list[Look]:
        """Take the answer apart: a line of state for each session (a run has another), then the scheduler's words."""
        width = 2 if sessions[0].kind is RUN else 1
        count = width * len(sessions)
        lines = answer.text.rstrip("\n").split("\n") + [""] * count
        job_words = "\n".join(lines[count:]).rstrip("\n")
        said = self.scheduler.parse_status(replace(answer, text=job_words), [session.job for session in sessions])
        looks = []
        for number, session in enumerate(sessions):
            words, *more = lines[number * width : (number + 1) * width]
            if words == looking.ANOTHER:
                looks.append(Look(looking.replaced(said[session.job]), None, job_words, words))
                continue
            node, (mark, progress) = looking.state_of(words), looking.progress_of(more)
            job = settled(said[session.job], node)
            looks.append(Look(job, node, job_words, words, progress=progress, progress_mark=mark))
        return looks

    def cancel(self, session: Session) -> None:
        """Ask the scheduler to end a session's job and its workers; a note in its own directory says that it was us."""
        directory = RemotePath(session.directory)
        note = (directory / STOP_NOTE).quoted()
        ours = f"grep -qsF {quote(session.job_name)} {directory.quoted()}/session.json || note=/dev/null"
        cancel = self.scheduler.cancel_command(session.job, session.worker_name)
        answer = self.transport.run(
            f'umask 077\nnote={note}\n{ours}\necho {STOP_NOTE} 2>/dev/null >"$note"\n(\n{cancel}\n); code=$?\n'
            f'[ $code = 0 ] || [ "$note" = /dev/null ] || rm -f "$note"; exit $code'
        )
        if answer.exit_code:
            raise SubmissionUnknown(
                f"the scheduler did not take the cancellation of job {session.job_id}: {answer.errors.strip()}",
                f"try `{session.kind.end}` again; the job may still run",
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

    def set_aside(self, session: Session) -> None:
        """Rename the directory of an ended session, and no other's, to make room for a new one of its name."""
        path = self._directory(session).quoted()
        script = f"grep -qsF {quote(session.job_name)} {path}/session.json || exit 0\n"
        answer = self.transport.run(script + f'mv {path} {path}."$(date +%Y%m%dT%H%M%S)"')
        if answer.exit_code:
            what = f"cannot rename {session.name} on {self.transport.label}: {answer.errors.strip()}"
            raise ConfigurationError(what, "give another --name, or mend its directory there")

    def _directory(self, session: Session) -> RemotePath:
        return shell.session_directory(self.platform, session.name, session.kind)

    def _submit_script(self, session: Session, files: Mapping[str, str]) -> str:
        return batch.submit_script(
            self.platform,
            required=self.scheduler.required_command,
            directory=self._directory(session),
            files=files,
            submit=self.scheduler.submit_command("job.sh", "."),
            modules=batch.needed_modules(session.noun, self.platform),
        )

    def _absolute(self, directory: RemotePath) -> str:
        try:
            return self.transport.run(f"cd {directory.quoted()} && pwd -P").text.strip() or directory.text
        except ConnectError:  # the job was found: better a path to be expanded than no record of it
            return directory.text

    def _read_submission(self, answer: Answer, session: Session) -> Placed:
        job_name = session.job_name
        steps = {line.split(" ", 1)[0]: line.partition(" ")[2] for line in answer.text.splitlines() if line[:1] == "@"}
        if "@submit" not in steps:
            raise preparation_error(self.platform, self.scheduler, self.transport.label, steps, answer)
        said = answer.text.partition("@submit\n")[2]
        outcome = self.scheduler.parse_submission(Answer(said, answer.errors, answer.exit_code))
        login = "" if self.transport.is_here else steps.get("@login", "")
        match outcome:
            case Submitted(job_id):
                return Placed(job_id, steps["@created"], login, steps.get("@springline", ""))
            case Refused(reason, hint):
                self.discard(steps["@created"])
                raise SubmissionRefused(f"{self.platform.name}: the scheduler refused the job: {reason}", hint)
            case Doubt(reason):
                return Placed(self._adopt(job_name, steps["@created"], reason), steps["@created"], login)

    def _found(self, job_name: str, directory: str) -> str | None:
        """Ask for the job of a name. Raises ValueError when the scheduler does not know."""
        return self.scheduler.parse_find(self.transport.run(self.scheduler.find_command(job_name, directory)))

    def _adopt(self, job_name: str, directory: str, doubt: str) -> str:
        """After a doubtful submission look the unique name up; never submit again."""
        answered = False
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
            answered = True
        now = f"no job '{job_name}' is listed" if answered else f"nobody could say whether job '{job_name}' exists"
        raise SubmissionUnknown(
            f"{self.platform.name}: the answer to the submission was lost ({doubt}), and {now}",
            f"before you try again, look on the cluster: {self.scheduler.by_hand(job_name)}",
        )
