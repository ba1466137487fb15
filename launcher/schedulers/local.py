"""The scheduler of a machine that has none: one supervised process, written down in the session's directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from shlex import quote

from launcher.model import Gone, JobRef, JobState, JobStatus, Known, Resources, Unknown
from launcher.schedulers.base import Accepted, Answer, Queued, Refused, Submission, Submitted, Verdict

# The supervisor outlives the shell that starts it, passes TERM on, and leaves the exit code as its end marker.
_SUPERVISE = """\
{interpreter} {script} >{log} 2>&1 </dev/null & child=$!
trap 'kill -TERM $child 2>/dev/null' TERM
while :; do
  wait $child; code=$?
  kill -0 $child 2>/dev/null || break
done
echo $code >{directory}/exit_code
"""

# The start time beside the pid keeps a reused pid from passing for ours.
_START_TIME = "{ cut -d ' ' -f 22 /proc/$pid/stat 2>/dev/null || ps -o lstart= -p $pid; } | tr -d ' :\\n'"


class LocalScheduler:
    """A process of this machine. A job id is PID-STARTTIME; the end marker lies in the session's directory."""

    name = "local"
    required_command = "sh"
    logs: tuple[str, ...] = ("job.log",)
    cancel_program = "kill"

    def directives(self, resources: Resources, job_name: str, log: str, *, requeue: bool = False) -> list[str]:
        """None: nobody reads them."""
        return []

    def version_command(self) -> str:
        """There is nobody to ask."""
        return "true"

    def parse_version(self, answer: Answer) -> str:
        """It has none."""
        return ""

    def test_command(self, resources: Resources) -> str:
        """There is nobody to ask."""
        return "true"

    def parse_test(self, answer: Answer, resources: Resources) -> Verdict:
        """Nothing is ever refused."""
        return Accepted()

    def submit_command(self, script: str, directory: str) -> str:
        """Start the supervisor in the background and print the id."""
        supervise = _SUPERVISE.format(
            interpreter='"$(command -v bash || echo sh)"',
            script=quote(script),
            log=quote(str(PurePosixPath(directory, "job.log"))),
            directory=quote(directory),
        )
        return (
            f"rm -f {quote(directory)}/exit_code\n"
            f"({supervise}) >/dev/null 2>&1 </dev/null & pid=$!\n"
            f"echo $pid-$({_START_TIME})"
        )

    def parse_submission(self, answer: Answer) -> Submission:
        """The id is the only line."""
        job_id = answer.text.strip()
        return Submitted(job_id) if answer.exit_code == 0 and job_id else Refused(answer.errors.strip() or "no answer")

    def status_command(self, jobs: Sequence[JobRef]) -> str:
        """Look for each end marker, else for the process."""
        return "\n".join(_ask(job) for job in jobs)

    def parse_status(self, answer: Answer, jobs: Sequence[JobRef]) -> Mapping[JobRef, JobStatus]:
        """Take each job's own line."""
        lines = {line.partition(" ")[0]: line.partition(" ")[2] for line in answer.text.splitlines()}
        return {job: self._status(lines.get(job.id, ""), answer) for job in jobs}

    def _status(self, line: str, answer: Answer) -> JobStatus:
        """Running, ended with a code, or lost: a process that is gone without a mark was killed."""
        words = line.split()
        if words[:1] == ["running"]:
            return Known(JobState.RUNNING)
        if words[:1] == ["lost"]:
            return Gone(JobState.CANCELLED, "the process is gone and left no exit code: it was killed")
        if words[:1] == ["ended"] and len(words) == 2 and words[1].isdecimal():
            code = int(words[1])
            state = {0: JobState.COMPLETED, 143: JobState.CANCELLED}.get(code, JobState.FAILED)
            return Gone(state, f"exit code {code}")
        return Unknown(answer.errors.strip() or "no answer")

    def find_command(self, job_name: str, directory: str) -> str:
        """Read the id that the submission left."""
        return f"cat {quote(directory)}/submission 2>/dev/null || true"

    def parse_find(self, answer: Answer) -> str | None:
        """The id, or None if it never came to that."""
        return answer.text.strip() or None

    def queue_command(self, prefix: str) -> str:
        """There is no queue."""
        return "true"

    def parse_queue(self, answer: Answer) -> list[Queued]:
        """Nothing is ever in it."""
        return []

    def cancel_command(self, job: JobRef, worker_name: str) -> str:
        """Send TERM to the supervisor, if it is still the same process."""
        pid, start = _parts(job.id)
        return f'pid={pid}\nif [ "$({_START_TIME})" = {quote(start)} ]; then kill -TERM $pid; fi'

    def explain_pending(self, reason: str) -> str:
        """A local job never waits."""
        return "starting"

    def never_starts(self, reason: str) -> bool:
        """It starts at once."""
        return False

    def by_hand(self, job_name: str) -> str:
        """Look for the processes of its batch script."""
        return "ps -f -C bash | grep job.sh"


def _ask(job: JobRef) -> str:
    """Print `ID running`, `ID ended CODE` or `ID lost`."""
    pid, start = _parts(job.id)
    mark = f"{quote(job.directory)}/exit_code"
    ended = f"if [ -s {mark} ]; then echo {quote(job.id)} ended $(cat {mark})"
    return (
        f"pid={pid}\n{ended}\n"
        f'elif [ "$({_START_TIME})" = {quote(start)} ]; then echo {quote(job.id)} running\n'
        f"el{ended}\n"
        f"else echo {quote(job.id)} lost; fi"
    )


def _parts(job_id: str) -> tuple[int, str]:
    pid, _, start = job_id.partition("-")
    return int(pid) if pid.isdecimal() else 0, start
