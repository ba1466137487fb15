"""SLURM's language: commands as whole texts, and answers as the real commands gave them (see tests/recorded)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.model import Gone, JobRef, JobState, JobStatus, Known, Resources, Unknown
from launcher.schedulers.base import Answer, Doubt, Queued, Refused, Submission, Submitted
from launcher.schedulers.slurm import SlurmScheduler
from tests import recorded

SLURM = SlurmScheduler()
RECORDED = {**recorded.load("slurm-22.05.8.json"), **recorded.load("reported.json")}
GIB = 2**30
LIMIT = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


def test_directives_as_a_whole() -> None:
    """Everything a section can ask for stands in the block, memory rounded up, values with spaces quoted."""
    resources = Resources(
        cores=4,
        memory=8 * 10**9,
        walltime=90000,
        partition="normal",
        account="lab",
        qos="long",
        reservation="summer school",
        directives=("--constraint=rome", "--gres=gpu:1"),
    )
    assert SLURM.directives(resources, "springline-s1-0a1b2c", "job.log") == [
        "#SBATCH --job-name=springline-s1-0a1b2c",
        "#SBATCH --comment=springline-s1-0a1b2c",
        "#SBATCH --output=job.log",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=7630M",
        "#SBATCH --time=1-01:00:00",
        "#SBATCH --partition=normal",
        "#SBATCH --account=lab",
        "#SBATCH --qos=long",
        '#SBATCH --reservation="summer school"',
        "#SBATCH --no-requeue",
        "#SBATCH --constraint=rome",
        "#SBATCH --gres=gpu:1",
    ]


def test_directives_of_a_bare_section() -> None:
    """What the section does not say is left to the cluster's defaults."""
    assert SLURM.directives(Resources(), "n", "job%j.log") == [
        "#SBATCH --job-name=n",
        "#SBATCH --comment=n",
        "#SBATCH --output=job%%j.log",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --no-requeue",
    ]


def test_commands_as_a_whole() -> None:
    """The commands to submit, find and cancel are exactly these; all names are quoted."""
    assert SLURM.submit_command("job.sh", ".") == "sbatch --parsable job.sh"
    assert SLURM.cancel_command(JobRef("12", "springline-a-0a1b2c"), "springline-a-worker") == (
        'scancel -u "$(id -un)" -n springline-a-0a1b2c && scancel -u "$(id -un)" -n springline-a-worker'
    )
    assert SLURM.find_command("it's $me", ".") == (
        "answer=$(squeue -h -t all -u \"$(id -un)\" -n 'it'\"'\"'s $me' -o '%i' 2>&1); code=$?\n"
        'printf \'squeue %d\\n%s\\n\' "$code" "$answer"\n'
    )


@pytest.mark.parametrize(
    ("name", "submission"),
    [
        ("sbatch-accepted", Submitted("5")),
        ("sbatch-not-parsable", Submitted("1")),
        ("sbatch-kerberos", Submitted("132826")),
        ("sbatch-lonestar", Submitted("55473")),
        ("sbatch-controller-hangs", Doubt("Batch job submission failed: Socket timed out on send/recv operation")),
        (
            "sbatch-controller-down",
            Doubt("Batch job submission failed: Unable to contact slurm controller (connect failure)"),
        ),
        ("sbatch-munge-dead", Doubt("Batch job submission failed: Protocol authentication error")),
    ],
)
def test_submission_answers(name: str, submission: Submission) -> None:
    """Ids are found among what wrappers print; a controller that may have taken the job leaves a doubt."""
    assert SLURM.parse_submission(RECORDED[name]) == submission


@pytest.mark.parametrize(
    ("name", "reason", "hint"),
    [
        ("sbatch-bad-partition", "Invalid partition name specified", "sinfo -s"),
        ("sbatch-bad-reservation", "Requested reservation is invalid", "scontrol show reservation"),
        ("sbatch-bad-constraint", "Invalid feature specification", "--constraint"),
        ("sbatch-bad-option", "unrecognized option '--nonsense'", "`sbatch` lines"),
        ("sbatch-bad-memory", "Invalid --mem specification", "`sbatch` lines"),
        ("sbatch-bad-time", "Invalid --time specification", "`sbatch` lines"),
        ("sbatch-submit-limit-qos", LIMIT, "as many jobs in the queue as you may"),
        ("sbatch-submit-limit-association", LIMIT, "as many jobs in the queue as you may"),
        ("sbatch-walltime-of-qos", LIMIT, "--walltime"),
    ],
)
def test_refusals_come_with_a_way_out(name: str, reason: str, hint: str) -> None:
    """What sbatch will never take is refused in its own words, with what to change."""
    submission = SLURM.parse_submission(RECORDED[name])
    assert isinstance(submission, Refused)
    assert reason in submission.reason
    assert hint in submission.hint


@pytest.mark.parametrize(
    ("answer", "submission"),
    [
        (Answer("77;cluster2\n"), Submitted("77")),
        (Answer("12 jobs are ahead of you\n34\n"), Submitted("34")),
        (Answer("34\nYour budget: 12 hours\n"), Submitted("34")),
        (Answer(""), Doubt("no answer (exit code 0)")),
        (Answer("welcome to the cluster\n"), Doubt("welcome to the cluster")),
        (
            Answer("78\n", "sbatch: error: Zero Bytes were transmitted or received\n", 1),
            Doubt("Zero Bytes were transmitted or received"),
        ),
        (Answer("", "Connection reset by peer\n", 255), Doubt("Connection reset by peer")),
        (Answer("", "Killed", 137), Doubt("Killed")),
        (Answer("", "", 137), Doubt("no answer (exit code 137)")),
    ],
)
def test_odd_submission_answers(answer: Answer, submission: Submission) -> None:
    """No id and no refusal is a doubt; an id beside a failure is one too, never a blind success."""
    assert SLURM.parse_submission(answer) == submission


STATES: list[tuple[str, str, JobStatus]] = [
    ("status-accepted", "5", Known(JobState.RUNNING, "None", "node1")),
    ("status-down", "6", Known(JobState.PENDING, "PartitionDown")),
    ("status-held", "7", Known(JobState.PENDING, "JobHeldUser")),
    ("status-ok", "8", Gone(JobState.COMPLETED, "squeue: COMPLETED")),
    ("status-fails", "9", Gone(JobState.FAILED, "squeue: FAILED, NonZeroExitCode")),
    ("status-cancelled", "10", Gone(JobState.CANCELLED, "sacct: CANCELLED by 20002")),
    ("status-limit", "4", Gone(JobState.TIME_LIMIT, "squeue: TIMEOUT, TimeLimit")),
    ("status-node-lost", "13", Gone(JobState.NODE_FAILED, "squeue: NODE_FAIL, NodeDown")),
    ("status-requeued", "12", Known(JobState.RUNNING, "None", "node1")),
    ("sacct-requeued", "12", Known(JobState.RUNNING)),
    ("sacct-accepted", "5", Known(JobState.RUNNING)),
    ("sacct-down", "6", Known(JobState.PENDING)),
    ("sacct-ok", "8", Gone(JobState.COMPLETED, "sacct: COMPLETED")),
    ("sacct-fails", "9", Gone(JobState.FAILED, "sacct: FAILED, exit code 3")),
    ("status-not-launched", "14", Gone(JobState.NOT_LAUNCHED, "squeue: FAILED, JobLaunchFailure")),
    ("sacct-not-launched", "14", Gone(JobState.NOT_LAUNCHED, "sacct: FAILED, JobLaunchFailure")),
    ("scontrol-not-launched", "14", Gone(JobState.NOT_LAUNCHED, "scontrol: FAILED, JobLaunchFailure")),
    ("sacct-cancelled", "10", Gone(JobState.CANCELLED, "sacct: CANCELLED by 20002")),
    ("sacct-limit", "4", Gone(JobState.TIME_LIMIT, "sacct: TIMEOUT")),
    ("sacct-node-lost", "13", Gone(JobState.NODE_FAILED, "sacct: NODE_FAIL")),
    ("scontrol-accepted", "5", Known(JobState.RUNNING, "None")),
    ("scontrol-down", "6", Known(JobState.PENDING, "PartitionDown")),
    ("scontrol-fails", "9", Gone(JobState.FAILED, "scontrol: FAILED, NonZeroExitCode")),
    ("scontrol-cancelled", "10", Gone(JobState.CANCELLED, "scontrol: CANCELLED")),
    ("scontrol-limit", "4", Gone(JobState.TIME_LIMIT, "scontrol: TIMEOUT, TimeLimit")),
    ("scontrol-node-lost", "13", Gone(JobState.NODE_FAILED, "scontrol: NODE_FAIL, NodeDown")),
]


@pytest.mark.parametrize(("name", "job_id", "status"), STATES, ids=[name for name, _, _ in STATES])
def test_states(name: str, job_id: str, status: JobStatus) -> None:
    """Each real answer means one state, whichever of the three commands gave it; a terminal one names its proof."""
    assert status_of(RECORDED[name], job_id, f"springline-{name.partition('-')[2]}") == status


def status_of(answer: Answer, job_id: str = "1", name: str = "springline-x") -> JobStatus:
    """What an answer says of one job."""
    job = JobRef(job_id, name)
    return SLURM.parse_status(answer, [job])[job]


def test_several_jobs_at_once() -> None:
    """One answer tells of each job: one that runs, waits, was cancelled, is done, and one that never was."""
    names = {"accepted": "5", "down": "6", "cancelled": "10", "ok": "8"}
    jobs = [JobRef(number, f"springline-{name}") for name, number in names.items()]
    never, used_again = JobRef("999999", "springline-never-existed"), JobRef("5", "springline-earlier")
    found = SLURM.parse_status(RECORDED["status-several"], [*jobs, used_again, never])
    assert [found[job] for job in jobs] == [
        Known(JobState.RUNNING, "None", "node1"),
        Known(JobState.PENDING, "PartitionDown"),
        Gone(JobState.CANCELLED, "sacct: CANCELLED by 20002"),
        Gone(JobState.COMPLETED, "squeue: COMPLETED"),
    ]
    assert found[used_again] == Unknown(RENAMED)
    assert found[never] == Unknown("SLURM no longer lists job 999999", unlisted=True)


RENAMED = "job 5 is yours but called 'springline-accepted'; if it is this session's, end it: scancel 5"


@pytest.mark.parametrize(
    ("user", "status"),
    [
        ("user 0\n20003\n", Unknown("SLURM no longer lists job 5", unlisted=True)),
        ("user 0\n20002\n", Unknown(RENAMED)),
        ("user 0\n\n", Unknown(RENAMED)),
    ],
    ids=["somebody else's", "ours", "nobody knows"],
)
def test_id_with_another_name(user: str, status: JobStatus) -> None:
    """Only somebody else's job of that id shows that ours is no more: one of our own may be it, with another name."""
    record = RECORDED["scontrol-accepted"].text
    assert "UserId=alice(20002)" in record
    silence = "squeue 0\n5|springline-accepted|RUNNING|None|node1|N/A\nsacct 0\n\n"
    assert status_of(Answer(silence + user + record), "5", "springline-mine") == status


@pytest.mark.parametrize("name", ["status-never-existed", "status-never-existed-no-accounting"])
def test_job_that_nobody_has(name: str) -> None:
    """Clean answers of all who could know say that no record is left; that alone is no end."""
    found = status_of(RECORDED[name], "999999", f"springline-{name.partition('-')[2]}")
    assert found == Unknown("SLURM no longer lists job 999999", unlisted=True)


@pytest.mark.parametrize(
    "answer",
    [
        "squeue 1\nUnable to contact slurm controller\nsacct 0\n\n",
        "squeue 0\n\nsacct 0\n\n",
        "squeue 0\n\nsacct 1\nsacct: error: slurmdbd: Connection refused\nscontrol-1 1\nInvalid job id specified\n",
        "squeue 0\n\nsacct 0\n\nscontrol-1 1\nUnable to contact slurm controller\n",
        "squeue 0\n\nsacct 0\n\nscontrol-1 0\n\n",
        "squeue 0\n\nsacct 0\n\nscontrol-11 1\nInvalid job id specified\n",
        "squeue 0\n1|springline-x|NEW_STATE_OF_SLURM_27|None|node1|N/A\n",
    ],
)
def test_silence_is_not_a_no(answer: str) -> None:
    """As long as one of the three did not answer, or not about this job, nobody said that there is no such job."""
    found = status_of(Answer(answer))
    assert isinstance(found, Unknown)
    assert not found.unlisted


@pytest.mark.parametrize("word", ["RUNNING", "PENDING"])
def test_accounting_that_lags_is_not_believed(word: str) -> None:
    """A job that only accounting takes for alive, while the controller has none, is in no record that counts."""
    row = f"1|springline-x|{word}|0:0|2026-11-22T08:00:00|Unknown"
    text = f"squeue 0\n\nsacct 0\n{row}\nscontrol-1 1\nInvalid job id specified\n"
    assert status_of(Answer(text)) == Unknown("SLURM no longer lists job 1", unlisted=True)


def test_last_run_counts() -> None:
    """Of a requeued job's runs the last one is how it is, in whatever order accounting lists them."""
    runs = [
        "1|springline-x|NODE_FAIL|0:0|2026-11-22T08:00:00|2026-11-22T08:00:05",
        "1|springline-x|TIMEOUT|0:0|2026-11-22T09:00:00|2026-11-22T09:00:05",
        "1|springline-y|FAILED|1:0|2026-11-22T10:00:00|2026-11-22T10:00:05",
    ]
    for lines in (runs, runs[::-1]):
        answer = Answer("squeue 0\n\nsacct 0\n" + "\n".join(lines))
        assert status_of(answer) == Gone(JobState.TIME_LIMIT, "sacct: TIMEOUT")


def test_queue() -> None:
    """All of springline's jobs in the queue, with their nodes."""
    queued = {job.name: job for job in SLURM.parse_queue(RECORDED["queue"])}
    assert queued["springline-accepted"] == Queued("5", "springline-accepted", "RUNNING", "node1")
    assert queued["springline-down"].state == "PENDING"
    assert "springline-ok" not in queued


@pytest.mark.parametrize("name", ["queue-controller-hangs", "queue-controller-down", "queue-munge-dead"])
def test_queue_while_nobody_can_answer(name: str) -> None:
    """An unanswered question about the queue is not an empty queue."""
    with pytest.raises(ValueError):
        SLURM.parse_queue(RECORDED[name])


def test_cancelling_what_is_not_there() -> None:
    """SLURM takes the cancellation of a name that no job has."""
    assert RECORDED["cancel-never-existed"] == Answer("", "", 0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("status-controller-hangs", "Socket timed out"),
        ("status-controller-down", "Unable to contact slurm controller"),
        ("status-munge-dead", "Protocol authentication error"),
    ],
)
def test_trouble_is_never_an_end(name: str, said: str) -> None:
    """Whatever goes wrong with the asking is unknown, in the command's own words."""
    status = status_of(RECORDED[name])
    assert isinstance(status, Unknown)
    assert not status.unlisted
    assert said in status.error


@pytest.mark.parametrize(
    "answer",
    [
        Answer(""),
        Answer("", "Killed", 137),
        Answer("squeue 0\n\n"),
        Answer("squeue 0\n\nsacct 0\n\nscontrol 0\n\n"),
        Answer("squeue 0\nNo jobs today\n"),
        Answer("squeue 0\n1|springline-x|NEW_STATE_OF_SLURM_27|None|node1|N/A\n"),
        Answer("squeue 0\n11|springline-x|COMPLETED|None|node1|N/A\n1|springline-y|FAILED|None||N/A\n"),
        Answer("squeue 0\n1|springline-xy|COMPLETED|None|node1|N/A\n"),
        Answer("squeue 1\n1|springline-x|COMPLETED|None|node1|N/A\n"),
        Answer("squeue 0\n\nsacct 0\n1.batch|springline-x|COMPLETED|0:0|2026-11-22T08:00:00|2026-11-22T08:00:00\n"),
        Answer("COMPLETED"),
    ],
)
def test_answers_that_prove_nothing(answer: Answer) -> None:
    """Empty, noisy, failing, unheard-of or somebody else's answers are unknown, never gone."""
    assert isinstance(status_of(answer), Unknown)


def test_every_cut_of_an_answer_is_known_or_unknown() -> None:
    """An answer cut off at any place never turns a running job into one that is gone."""
    whole = RECORDED["status-accepted"]
    for length in range(len(whole.text)):
        found = status_of(replace(whole, text=whole.text[:length]), "5", "springline-accepted")
        assert not isinstance(found, Gone)
        assert not (isinstance(found, Unknown) and found.unlisted)


def test_noise_around_a_listed_job() -> None:
    """A banner line of the cluster's squeue wrapper does not hide the job."""
    answer = Answer("squeue 0\n*** maintenance on Monday ***\n1|springline-x|PENDING|Priority||2026-11-23T08:00:00\n")
    assert status_of(answer) == Known(JobState.PENDING, "Priority", "", "2026-11-23T08:00:00")


@pytest.mark.parametrize(("name", "found"), [("find-one", "5"), ("find-none", None)])
def test_find(name: str, found: str | None) -> None:
    """A job's unique name leads to its id; a clean empty answer says there is none."""
    assert SLURM.parse_find(RECORDED[name]) == found


@pytest.mark.parametrize("name", ["find-controller-hangs", "find-controller-down", "find-munge-dead"])
def test_find_while_nobody_can_answer(name: str) -> None:
    """A question nobody answered is not taken for 'there is no such job'."""
    with pytest.raises(ValueError):
        SLURM.parse_find(RECORDED[name])


def test_find_without_any_answer() -> None:
    """Silence is no answer either."""
    with pytest.raises(ValueError):
        SLURM.parse_find(Answer(""))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Priority", "other jobs are ahead"),
        ("(Resources)", "next in line"),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-4]", "maintenance"),
        ("PartitionDown", "another --partition"),
        ("AssocGrpCpuLimit", "your group uses all the cores that its `account` allows at once"),
        ("QOSMaxJobsPerUserLimit", "your jobs use all the running jobs that its `qos` allows"),
        ("QOSMaxMemoryPerUser", "your jobs use all the memory that its `qos` allows"),
        ("AssocGrpCPUMinutesLimit", "the budget of its `account` is used up"),
        ("QOSMaxNodePerJobLimit", "more nodes than one job of its `qos` may have"),
        ("Nodes required for job are DOWN, DRAINED or reserved", "take another --partition"),
        ("SomethingNew", "SLURM says: SomethingNew"),
        ("", "waiting"),
    ],
)
def test_reasons_in_words(reason: str, words: str) -> None:
    """SLURM's reasons for waiting are explained; one that is not known here is given as it is, never guessed."""
    assert words in SLURM.explain_pending(reason)


@pytest.mark.parametrize(
    ("reason", "never"),
    [
        ("PartitionTimeLimit", True),
        ("QOSMaxWallDurationPerJobLimit", True),
        ("QOSMaxJobsPerUserLimit", False),
        ("ReqNodeNotAvail, Reserved for maintenance", False),
        ("", False),
    ],
)
def test_reasons_that_no_waiting_can_change(reason: str, never: bool) -> None:
    """Only what asks for more than there will ever be counts as hopeless."""
    assert SLURM.never_starts(reason) is never


def test_a_job_for_a_reservation_to_come_waits() -> None:
    """As sbatch 22.05 said it: no refusal, for such a job waits; without a reservation it is one."""
    said = Answer("allocation failure: Invalid time specified\nPartitionName=normal Default=YES\n", exit_code=1)
    assert SLURM.parse_test(said, Resources(reservation="course")) == Doubt(
        "jobs wait for reservation course to begin, and can be tested only then"
    )
    assert isinstance(SLURM.parse_test(said, Resources()), Refused)
