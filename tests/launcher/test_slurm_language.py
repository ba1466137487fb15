"""SLURM's language: commands as whole texts, and answers as the real commands gave them (see tests/recorded)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.model import Gone, JobState, JobStatus, Known, Resources, Unknown
from launcher.schedulers.base import Answer, Doubt, Refused, Submission, Submitted
from launcher.schedulers.slurm import SlurmScheduler
from tests import recorded

SLURM = SlurmScheduler()
RECORDED = {**recorded.load("slurm-22.05.8.json"), **recorded.load("reported.json")}
GIB = 2**30
STARTED = "2026-11-22T00:37:04"
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
    assert SLURM.cancel_command("12", "springline-a-worker") == (
        'scancel 12 && scancel -u "$(id -un)" -n springline-a-worker'
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
    ("status-accepted", "5", Known(JobState.RUNNING, "None", "node1", STARTED)),
    ("status-down", "6", Known(JobState.PENDING, "PartitionDown")),
    ("status-held", "7", Known(JobState.PENDING, "JobHeldUser")),
    ("status-ok", "8", Gone(JobState.COMPLETED, "squeue: COMPLETED")),
    ("status-fails", "9", Gone(JobState.FAILED, "squeue: FAILED, NonZeroExitCode")),
    ("status-cancelled", "10", Gone(JobState.CANCELLED, "squeue: CANCELLED")),
    ("status-limit", "4", Gone(JobState.TIME_LIMIT, "squeue: TIMEOUT, TimeLimit")),
    ("status-node-lost", "12", Gone(JobState.NODE_FAILED, "squeue: NODE_FAIL, NodeDown")),
    ("sacct-accepted", "5", Known(JobState.RUNNING)),
    ("sacct-down", "6", Known(JobState.PENDING)),
    ("sacct-ok", "8", Gone(JobState.COMPLETED, "sacct: COMPLETED")),
    ("sacct-fails", "9", Gone(JobState.FAILED, "sacct: FAILED")),
    ("sacct-cancelled", "10", Gone(JobState.CANCELLED, "sacct: CANCELLED by 20002")),
    ("sacct-limit", "4", Gone(JobState.TIME_LIMIT, "sacct: TIMEOUT")),
    ("sacct-node-lost", "12", Gone(JobState.NODE_FAILED, "sacct: NODE_FAIL")),
    ("scontrol-accepted", "5", Known(JobState.RUNNING, "None")),
    ("scontrol-down", "6", Known(JobState.PENDING, "PartitionDown")),
    ("scontrol-fails", "9", Gone(JobState.FAILED, "scontrol: FAILED, NonZeroExitCode")),
    ("scontrol-cancelled", "10", Gone(JobState.CANCELLED, "scontrol: CANCELLED")),
    ("scontrol-limit", "4", Gone(JobState.TIME_LIMIT, "scontrol: TIMEOUT, TimeLimit")),
    ("scontrol-node-lost", "12", Gone(JobState.NODE_FAILED, "scontrol: NODE_FAIL, NodeDown")),
]


@pytest.mark.parametrize(("name", "job_id", "status"), STATES, ids=[name for name, _, _ in STATES])
def test_states(name: str, job_id: str, status: JobStatus) -> None:
    """Each real answer means one state, whichever of the three commands gave it; a terminal one names its proof."""
    assert SLURM.parse_status(RECORDED[name], job_id) == status


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("status-never-existed", "Invalid job id specified"),
        ("status-never-existed-no-accounting", "Slurm accounting storage is disabled"),
        ("status-controller-hangs", "Socket timed out"),
        ("status-controller-down", "Unable to contact slurm controller"),
        ("status-munge-dead", "Protocol authentication error"),
    ],
)
def test_trouble_is_never_an_end(name: str, said: str) -> None:
    """Whatever goes wrong with the asking, and an id nobody lists, is unknown, in the command's own words."""
    status = SLURM.parse_status(RECORDED[name], "1")
    assert isinstance(status, Unknown)
    assert said in status.error


@pytest.mark.parametrize(
    "answer",
    [
        Answer(""),
        Answer("", "Killed", 137),
        Answer("squeue 0\n\n"),
        Answer("squeue 0\n\nsacct 0\n\nscontrol 0\n\n"),
        Answer("squeue 0\nNo jobs today\n"),
        Answer("squeue 0\n1|NEW_STATE_OF_SLURM_27|None|node1|N/A\n"),
        Answer("squeue 0\n11|COMPLETED|None|node1|N/A\n21|FAILED|None||N/A\n"),
        Answer("squeue 1\n1|COMPLETED|None|node1|N/A\n"),
        Answer("squeue 0\n\nsacct 0\n1.batch|COMPLETED|0:0\n"),
        Answer("COMPLETED"),
    ],
)
def test_answers_that_prove_nothing(answer: Answer) -> None:
    """Empty, noisy, failing, unheard-of or somebody else's answers are unknown, never gone."""
    assert isinstance(SLURM.parse_status(answer, "1"), Unknown)


def test_every_cut_of_an_answer_is_known_or_unknown() -> None:
    """An answer cut off at any place never turns a running job into one that is gone."""
    whole = RECORDED["status-accepted"]
    for length in range(len(whole.text)):
        assert not isinstance(SLURM.parse_status(replace(whole, text=whole.text[:length]), "5"), Gone)


def test_noise_around_a_listed_job() -> None:
    """A banner line of the cluster's squeue wrapper does not hide the job."""
    answer = Answer("squeue 0\n*** maintenance on Monday ***\n1|PENDING|Priority||2026-11-23T08:00:00\n")
    assert SLURM.parse_status(answer, "1") == Known(JobState.PENDING, "Priority", "", "2026-11-23T08:00:00")


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
        ("SomethingNew", "SLURM says: SomethingNew"),
        ("", "waiting"),
    ],
)
def test_reasons_in_words(reason: str, words: str) -> None:
    """SLURM's reasons for waiting are explained; one that is not known here is given as it is, never guessed."""
    assert words in SLURM.explain_pending(reason)
