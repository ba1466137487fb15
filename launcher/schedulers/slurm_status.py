"""How SLURM is asked for jobs, and what its answers mean: known, gone with proof, or unknown. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from shlex import quote

from launcher.model import Gone, JobRef, JobState, JobStatus, Known, Unknown
from launcher.schedulers.base import Answer
from launcher.schedulers.slurm_reasons import explain

_STATES = {
    "PENDING": JobState.PENDING,
    "CONFIGURING": JobState.PENDING,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "BOOT_FAIL": JobState.NODE_FAILED,
    "NODE_FAIL": JobState.NODE_FAILED,
    "OUT_OF_MEMORY": JobState.OUT_OF_MEMORY,
    "TIMEOUT": JobState.TIME_LIMIT,
    "DEADLINE": JobState.TIME_LIMIT,
    "CANCELLED": JobState.CANCELLED,
    "REVOKED": JobState.CANCELLED,
    "PREEMPTED": JobState.PREEMPTED,
}


# squeue for all jobs; then accounting for those that squeue no longer lists, and for cancelled ones, because it says by
# whom; then the controller's own record of each that is still missing, or that only accounting believes to be alive,
# unless the controller just did not answer. The names go with the ids, which SLURM uses again. A single id is given
# twice because squeue fails on a single unknown one; `-t all` because it hides finished jobs. TZ makes all times UTC.
# `id` tells a job of ours that was given another name from a stranger's that was given its id.
_ASK = """\
missing={jobs}
still_missing() {{
  left= ids= names=
  for job in $missing; do
    case "$answer" in *"$job|CANCELLED|"*|*"$job|$1|"*|*"$job|$2|"*) ;; *"$job|"*) continue;; esac
    left="$left $job" ids="$ids,${{job%%|*}}" names="$names,${{job#*|}}"
  done
  missing=$left; [ -n "$missing" ]
}}
answer=$(TZ=UTC squeue -h -t all -o '%i|%j|%T|%r|%N|%S' -j {ids} 2>&1); code=$?
printf 'squeue %d\\n%s\\n' "$code" "$answer"
case "$code $answer" in 0*|*'Invalid job id'*) controller=up;; *) controller=silent;; esac
still_missing - - || exit 0
answer=$(sacct {accounts} -j "${{ids#,}}" --name "${{names#,}}" 2>&1); code=$?
printf 'sacct %d\\n%s\\n' "$code" "$answer"
still_missing RUNNING PENDING && [ $controller = up ] || exit 0
printf 'user 0\n%s\n' "$(id -u)"
for job in $missing; do
  answer=$(scontrol -o show job "${{job%%|*}}" 2>&1); code=$?
  printf 'scontrol-%s %d\\n%s\\n' "${{job%%|*}}" "$code" "$answer"
done
"""

# -D: without it sacct shows only the newest job of an id, whatever the name. All runs of a requeued one come with it.
ACCOUNTS = "-n -P -X -D -o JobID,JobName,State,ExitCode,Submit,Start"

Sections = Mapping[str, tuple[int, list[str]]]


def command(jobs: Sequence[JobRef]) -> str:
    """The script that asks for all of these jobs."""
    ids = [job.id for job in jobs]
    return _ASK.format(
        jobs=quote(" ".join(f"{job.id}|{job.name}" for job in jobs)),
        ids=quote(",".join(ids if len(ids) > 1 else ids * 2)),
        accounts=ACCOUNTS,
    )


def parse(answer: Answer, jobs: Sequence[JobRef]) -> dict[JobRef, JobStatus]:
    """What the answers to `command` say of each job."""
    found = sections(answer.text)
    return {job: _status_of(job, found, answer) for job in jobs}


def sections(text: str) -> Sections:
    """Split `NAME CODE` heads and the lines below each."""
    found: dict[str, tuple[int, list[str]]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        head = re.fullmatch(r"(squeue|sacct|user|scontrol-\d+) (\d+)", line)
        if head:
            lines = []
            found[head[1]] = (int(head[2]), lines)
        elif line.strip():
            lines.append(line.strip())
    return found


def last_words(answer: Answer) -> str:
    """The line that says most when a command failed."""
    lines = [line.strip() for line in (answer.errors or answer.text).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Try ")]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [f"no answer (exit code {answer.exit_code})"])[-1].removeprefix("sbatch: error: ")


def _status_of(job: JobRef, found: Sections, answer: Answer) -> JobStatus:
    def read(source: str, reader: Callable[[list[str], JobRef], JobStatus | None]) -> JobStatus | None:
        code, lines = found.get(source, (1, []))
        return reader(lines, job) if code == 0 else None

    squeue, sacct = read("squeue", _squeue_status), read("sacct", _sacct_status)
    if isinstance(sacct, Gone) and not isinstance(squeue, Known):
        return sacct  # it knows best how a job ended
    controllers = squeue or read(f"scontrol-{job.id}", _scontrol_status)
    if controllers is not None:
        return controllers
    if name := _other_name(found, job):
        return Unknown(f"job {job.id} is yours but called '{name}'; if it is this session's, end it: scancel {job.id}")
    if _controller_says_no(found, job):  # whatever accounting still believes to be alive
        return Unknown(f"SLURM no longer lists job {job.id}", unlisted=True)
    return sacct or Unknown(_troubles(found, job) or last_words(answer))


def _controller_says_no(found: Sections, job: JobRef) -> bool:
    """True if squeue and scontrol say that there is no such job, and accounting has no other word, or is off."""
    listed, listing = found.get("squeue", (2, []))
    accounted, accounts = found.get("sacct", (2, []))
    _, record = found.get(f"scontrol-{job.id}", (2, []))
    no_such_id = "Invalid job id specified"
    return (
        (listed == 0 or any(no_such_id in line for line in listing))
        and (accounted == 0 or any("accounting storage is disabled" in line for line in accounts))
        and any(no_such_id in line or _is_another(line, job) for line in record)
    )


def _troubles(found: Sections, job: JobRef) -> str:
    """What went wrong with the asking."""
    ours = ("squeue", "sacct", f"scontrol-{job.id}")
    troubles = [(name, lines[-1]) for name, (code, lines) in found.items() if code and lines and name in ours]
    return "; ".join(f"{name.partition('-')[0]}: {line}" for name, line in troubles)


def _squeue_status(lines: list[str], job: JobRef) -> JobStatus | None:
    for fields in _rows(lines, job):
        if len(fields) == 4:
            word, reason, node, start = fields
            return _status("squeue", word, reason=reason, node=node, start=start)
    return None


def _sacct_status(lines: list[str], job: JobRef) -> JobStatus | None:
    runs = [fields for fields in _rows(lines, job) if len(fields) == 4]
    if not runs:
        return None
    word, code, *_ = max(runs, key=lambda fields: fields[2:])  # the last to be submitted and started
    return _status("sacct", word, reason="JobLaunchFailure" if code == "0:53" else _exit_words(code))


def _scontrol_status(lines: list[str], job: JobRef) -> JobStatus | None:
    for line in lines:
        fields = _fields(line)
        if (fields.get("JobId"), fields.get("JobName")) == (job.id, job.name):
            return _status("scontrol", fields.get("JobState", ""), reason=fields.get("Reason", ""))
    return None


def _is_another(line: str, job: JobRef) -> bool:
    """True if the controller's record of that id is of a job with another name."""
    fields = _fields(line)
    return fields.get("JobId") == job.id and fields.get("JobName") not in (None, job.name)


def _other_name(found: Sections, job: JobRef) -> str:
    """What the job of that id is called, unless it is certainly somebody else's: it may be the session's, renamed."""
    _, record = found.get(f"scontrol-{job.id}", (2, []))
    _, me = found.get("user", (2, []))
    for line in record:
        owner = re.search(r" UserId=\S*\((\d+)\)", line)
        if _is_another(line, job) and not (owner and me and owner[1] not in me):
            return _fields(line)["JobName"]
    return ""


def _fields(line: str) -> dict[str, str]:
    return dict(field.split("=", 1) for field in line.split() if "=" in field)


def _rows(lines: list[str], job: JobRef) -> list[list[str]]:
    """What follows the job's id and name on its lines."""
    start = f"{job.id}|{job.name}|"
    return [line.removeprefix(start).split("|") for line in lines if line.startswith(start)]


def _exit_words(code: str) -> str:
    status, _, signal = code.partition(":")
    if signal not in ("", "0"):
        return f"signal {signal}"
    return "" if status in ("", "0") else f"exit code {status}"


def _status(source: str, word: str, *, reason: str = "", node: str = "", start: str = "") -> JobStatus:
    state = _STATES.get(word.split()[0].rstrip("+")) if word.strip() else None
    if state is None:
        return Unknown(f"{source} says {word or 'nothing'}, which springline does not know")
    if state is JobState.PENDING:
        start = "" if start in ("N/A", "Unknown") else start
        return Known(state, reason=reason, node=node, expected_start=start, why=explain(reason))
    if state is JobState.RUNNING:
        return Known(state, reason=reason, node=node)
    if state is JobState.FAILED and reason == "JobLaunchFailure":
        state = JobState.NOT_LAUNCHED
    return Gone(state, f"{source}: {word}" + (f", {reason}" if reason not in ("", "None") else ""))
