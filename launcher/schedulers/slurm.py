"""SLURM's language, 20.11 to 25: sbatch, squeue, sacct, scontrol, scancel."""

from __future__ import annotations

import re
from shlex import quote

from launcher.model import Gone, JobState, JobStatus, Known, Resources, Unknown
from launcher.schedulers.base import Answer, Doubt, Refused, Submission, Submitted
from launcher.units import format_walltime

_JOB_ID = re.compile(r"(?:Submitted batch job )?(\d+)(?:;\S+)?")

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
_LIVE = (JobState.PENDING, JobState.RUNNING)

# sbatch failed, but the request may have reached slurmctld.
_DOUBTFUL = re.compile(
    r"timed out|unable to contact|communication|connection (?:refused|reset|closed)|zero bytes|"
    r"protocol authentication|slurm_receive_msg|temporarily|message sent|interrupted",
    re.IGNORECASE,
)

_REFUSALS = (
    ("Invalid partition name", "`sinfo -s` on the cluster lists the partitions; set `partition` or give --partition"),
    ("Requested time limit is invalid", "ask for less with --walltime; `sinfo -o '%P %l'` lists the limits"),
    ("Requested partition configuration not available", "this account may not use the partition; try another"),
    ("Requested node configuration is not available", "no node is that large: ask for fewer --cores or less --memory"),
    ("Invalid account", "set `account` to one of yours: `sacctmgr show associations user=$USER format=account`"),
    ("Invalid qos", "set `qos` to one of yours: `sacctmgr show associations user=$USER format=qos`"),
    (
        "Requested reservation is invalid",
        "the reservation is over or not yours; `scontrol show reservation` lists them",
    ),
    ("AssocMaxSubmitJobLimit", "you have as many jobs in the queue as you may; cancel one or wait"),
    ("QOSMaxSubmitJobPerUserLimit", "you have as many jobs in the queue as you may; cancel one or wait"),
    ("MaxWallDurationPerJobLimit", "ask for less with --walltime"),
    ("Invalid feature specification", "no node has this --constraint; see `sinfo -o '%n %f'`"),
    ("unrecognized option", "correct the `sbatch` lines of the platform's section"),
    ("invalid option", "correct the `sbatch` lines of the platform's section"),
    (" specification", "correct the `sbatch` lines of the platform's section"),
)

_PENDING = {
    "Priority": "other jobs are ahead in the queue",
    "Resources": "next in line; waiting for a node to come free",
    "None": "just submitted",
    "PartitionConfig": "it asks for more than the partition has",
    "BeginTime": "waiting for its begin time",
    "Dependency": "waiting for another job",
    "DependencyNeverSatisfied": "it waits for a job that failed",
    "PartitionDown": "the partition is down: ask the cluster's support, or stop it and take another --partition",
    "PartitionInactive": "the partition takes no new jobs now: stop it and take another --partition",
    "PartitionTimeLimit": "it asks for more time than the partition gives; `sinfo -o '%P %l'` lists the limits",
    "PartitionNodeLimit": "it asks for more nodes than the partition gives",
    "JobHeldUser": "the job is held by you: `scontrol release` it on the cluster",
    "JobHeldAdmin": "an administrator holds the job: ask the cluster's support",
    "AssocMaxJobsLimit": "as many of your jobs run as may run at once",
    "QOSMaxJobsPerUserLimit": "as many of your jobs run as may run at once",
    "QOSMaxCpuPerUserLimit": "your jobs use all the cores they may use at once",
    "AssocGrpCpuLimit": "your group uses all the cores it may use at once",
    "AssocGrpCPUMinutesLimit": "your group's budget is used up: ask for more, or set another `account`",
    "Licenses": "waiting for a licence",
    "Reservation": "waiting for its reservation to begin",
    "ReqNodeNotAvail": "a node it needs is down or reserved, often for maintenance",
    "BadConstraints": "no node can ever satisfy the request",
    "launch failed requeued held": "the job failed to start and is held: look at the logs, then stop it",
}

# What no waiting can change, unless an administrator changes the partition.
_HOPELESS = (
    "PartitionConfig",
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
)

# squeue, then (only where squeue no longer lists the job) accounting, then the controller's own record, unless the
# controller just did not answer. The id is given twice because squeue fails on a single unknown one, and `-t all`
# because it hides finished jobs.
_STATUS = """\
answer=$(squeue -h -t all -o '%i|%T|%r|%N|%S' -j {id},{id} 2>&1); code=$?
printf 'squeue %d\\n%s\\n' "$code" "$answer"
controller=$code
case "$answer" in *'{id}|'*) exit 0;; esac
answer=$(sacct -n -P -X -j {id} -o JobID,State,ExitCode 2>&1); code=$?
printf 'sacct %d\\n%s\\n' "$code" "$answer"
case "$answer" in *'{id}|'*) exit 0;; esac
[ "$controller" = 0 ] || exit 0
answer=$(scontrol -o show job {id} 2>&1); code=$?
printf 'scontrol %d\\n%s\\n' "$code" "$answer"
"""

_FIND = """\
answer=$(squeue -h -t all -u "$(id -un)" -n {name} -o '%i' 2>&1); code=$?
printf 'squeue %d\\n%s\\n' "$code" "$answer"
"""


class SlurmScheduler:
    """SLURM."""

    name = "slurm"
    required_command = "sbatch"

    def directives(self, resources: Resources, job_name: str, log: str) -> list[str]:
        """The #SBATCH lines."""
        options = {
            "--job-name": job_name,
            "--comment": job_name,
            "--output": log.replace("%", "%%"),
            "--nodes": "1",
            "--ntasks": "1",
            "--cpus-per-task": str(resources.cores),
            "--mem": f"{-(-resources.memory // 1024**2)}M" if resources.memory else None,
            "--time": format_walltime(resources.walltime) if resources.walltime else None,
            "--partition": resources.partition,
            "--account": resources.account,
            "--qos": resources.qos,
            "--reservation": resources.reservation,
        }
        lines = [f"{option}={_directive_value(value)}" for option, value in options.items() if value]
        return [f"#SBATCH {line}" for line in (*lines, "--no-requeue", *resources.directives)]

    def submit_command(self, script: str, directory: str) -> str:
        """Call sbatch with the script."""
        return f"sbatch --parsable {quote(script)}"

    def parse_submission(self, answer: Answer) -> Submission:
        """Take the id from sbatch's last line that is one; wrappers may print before it."""
        ids = [match[1] for line in answer.text.splitlines() if (match := _JOB_ID.fullmatch(line.strip()))]
        if ids and answer.exit_code == 0:
            return Submitted(ids[-1])
        said = _last_words(answer)
        all_said = (answer.errors + answer.text).lower()
        killed = 128 < answer.exit_code < 255  # by a signal, perhaps after the request was sent
        if ids or answer.exit_code == 0 or killed or not all_said.strip() or _DOUBTFUL.search(all_said):
            return Doubt(said)
        return Refused(said, next((hint for words, hint in _REFUSALS if words.lower() in all_said), ""))

    def status_command(self, job_id: str, directory: str) -> str:
        """Ask squeue, and only if it no longer lists the job, sacct and scontrol."""
        return _STATUS.format(id=job_id)

    def parse_status(self, answer: Answer, job_id: str) -> JobStatus:
        """Put the answers together: a listed state is known, a terminal one is proof, the rest is unknown."""
        sections = _sections(answer.text)
        for source, read in (("squeue", _squeue_status), ("sacct", _sacct_status), ("scontrol", _scontrol_status)):
            code, lines = sections.get(source, (1, []))
            status = read(lines, job_id) if code == 0 else None
            if status is not None:
                return status
        said = "; ".join(f"{name}: {lines[-1]}" for name, (code, lines) in sections.items() if code and lines)
        return Unknown(said or _last_words(answer) or f"SLURM does not list job {job_id} any more")

    def find_command(self, job_name: str, directory: str) -> str:
        """Look for our job of that name, in whatever state."""
        return _FIND.format(name=quote(job_name))

    def parse_find(self, answer: Answer) -> str | None:
        """The newest id of that name."""
        code, lines = _sections(answer.text).get("squeue", (1, [answer.errors]))
        if code:
            raise ValueError(lines[-1] if lines else "squeue failed")
        ids = [line.strip() for line in lines if line.strip().isdecimal()]
        return ids[-1] if ids else None

    def cancel_command(self, job_id: str, worker_name: str) -> str:
        """Cancel the session's job, then its workers."""
        return f'scancel {quote(job_id)} && scancel -u "$(id -un)" -n {quote(worker_name)}'

    def explain_pending(self, reason: str) -> str:
        """SLURM's reason in words; an unknown one as SLURM wrote it."""
        return _PENDING.get(_word(reason), f"SLURM says: {reason}" if reason else "waiting")

    def never_starts(self, reason: str) -> bool:
        """The job asks for what its partition does not give."""
        return _word(reason) in _HOPELESS


def _word(reason: str) -> str:
    return reason.split(",")[0].strip("()")


def _directive_value(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if re.search(r"[\s\"'#;]", value) else value


def _last_words(answer: Answer) -> str:
    lines = [line.strip() for line in (answer.errors or answer.text).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Try ")]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [f"no answer (exit code {answer.exit_code})"])[-1].removeprefix("sbatch: error: ")


def _sections(text: str) -> dict[str, tuple[int, list[str]]]:
    """Split `NAME CODE` heads and the lines below each."""
    sections: dict[str, tuple[int, list[str]]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        head = re.fullmatch(r"(squeue|sacct|scontrol) (\d+)", line)
        if head:
            lines = []
            sections[head[1]] = (int(head[2]), lines)
        elif line.strip():
            lines.append(line.strip())
    return sections


def _status(source: str, word: str, *, reason: str = "", node: str = "", start: str = "") -> JobStatus | None:
    state = _STATES.get(word.split()[0].rstrip("+")) if word.strip() else None
    if state is None:
        return None
    if state in _LIVE:
        return Known(state, reason=reason, node=node, expected_start="" if start in ("N/A", "Unknown") else start)
    return Gone(state, f"{source}: {word}" + (f", {reason}" if reason not in ("", "None") else ""))


def _squeue_status(lines: list[str], job_id: str) -> JobStatus | None:
    for line in lines:
        fields = line.split("|")
        if len(fields) == 5 and fields[0] == job_id:
            return _status("squeue", fields[1], reason=fields[2], node=fields[3], start=fields[4])
    return None


def _sacct_status(lines: list[str], job_id: str) -> JobStatus | None:
    for line in lines:
        fields = line.split("|")
        if len(fields) == 3 and fields[0] == job_id:
            return _status("sacct", fields[1])
    return None


def _scontrol_status(lines: list[str], job_id: str) -> JobStatus | None:
    for line in lines:
        fields = dict(field.split("=", 1) for field in line.split() if "=" in field)
        if fields.get("JobId") == job_id:
            return _status("scontrol", fields.get("JobState", ""), reason=fields.get("Reason", ""))
    return None
