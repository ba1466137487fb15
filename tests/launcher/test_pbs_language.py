"""PBS's language: scripts run against qsub, qstat and qdel that answer as PBS Pro and Torque did (tests/recorded)."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from launcher.model import Gone, JobRef, JobState, JobStatus, Known, Resources, Unknown
from launcher.node.request import Request, Workers
from launcher.node.workers.backends import OF_THE_CLUSTER
from launcher.node.workers.workerjobs import hours, pbs_options, resource_spec, short_name
from launcher.platforms.loading import Platforms, shipped_file
from launcher.schedulers.base import Answer, Doubt, Queued, Refused, Submission, Submitted
from launcher.schedulers.pbs import PbsScheduler
from launcher.transports.local import LocalTransport
from tests import recorded

PBS = PbsScheduler()
RECORDED = recorded.load("pbs-reported.json")
NAME = "springline-run_r1-0a1b2c"
PRO, TORQUE, WRAPPER = "pbs_version = 2022.1.1", "Version: 6.1.2", "Unknown option: version"
EVERYTHING = Resources(
    cores=4,
    memory=8 * 10**9,
    walltime=90000,
    partition="mpi_1",
    account="lab",
    directives=("-m n", "-l place=excl"),
)


@dataclass
class Host:
    """Programs of PBS that answer from files, and note how they were called."""

    directory: Path

    def answers(self, program: str, answer: Answer, version: str = PRO) -> None:
        """Let a program say this, and its version when it is asked."""
        for stream, text in (("out", answer.text), ("err", answer.errors)):
            (self.directory / f"{program}.{stream}").write_text(text)
        here = shlex.quote(str(self.directory))
        lines = (
            "#!/bin/sh",
            f"if [ $1 = --version ]; then echo {shlex.quote(version)}; exit; fi",
            f'echo {program} "$@" >>{here}/called',
            f"cat {here}/{program}.out; cat {here}/{program}.err >&2; exit {answer.exit_code}",
        )
        file = self.directory / program
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o755)

    def run(self, script: str) -> Answer:
        """Run a script with these programs before all others."""
        here = shlex.quote(str(self.directory))
        return LocalTransport().run(f"cd {here}; PATH={here}:$PATH\n{script}")

    def status(self, job_id: str, name: str, said: Answer, version: str = PRO) -> JobStatus:
        """What is known of a job when qstat says this."""
        self.answers("qstat", said, version)
        job = JobRef(job_id, name)
        return PBS.parse_status(self.run(PBS.status_command([job])), [job])[job]

    @property
    def called(self) -> list[str]:
        """All calls so far."""
        file = self.directory / "called"
        return file.read_text().splitlines() if file.exists() else []

    def submit(self, qsub: Answer, version: str) -> tuple[Submission, str]:
        """Submit a job; what came of it, and the script as it was submitted."""
        lines = PBS.directives(EVERYTHING, NAME, "job.log")
        (self.directory / "job.sh").write_text("#!/bin/bash -l\n" + "\n".join(lines) + "\n")
        self.answers("qsub", qsub, version)
        outcome = PBS.parse_submission(self.run(PBS.submit_command("job.sh", ".")))
        return outcome, (self.directory / "job.sh").read_text()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host without any such program yet."""
    return Host(tmp_path)


def test_directives_as_a_whole() -> None:
    """One piece of one node, memory rounded up in PBS's own units, hours without days; then the job goes to its log."""
    assert PBS.directives(EVERYTHING, NAME, "job.log") == [
        f"#PBS -N {NAME}",
        "#PBS -S /bin/bash",
        "#PBS -r n",
        "#PBS -q mpi_1",
        "#PBS -A lab",
        "#PBS -l select=1:ncpus=4:mem=7630mb",
        "#PBS -l walltime=25:00:00",
        "#PBS -m n",
        "#PBS -l place=excl",
        f'# SPRINGLINE_JOB={NAME}\ncd "${{PBS_O_WORKDIR:-.}}" && exec >>job.log 2>&1 || exit 1',
    ]


def test_directives_of_a_section_that_says_it_itself() -> None:
    """A resource_spec stands as it is, a reservation is a queue, and a run may be started again by PBS."""
    wish = Resources(resource_spec="select=2:ncpus=28:mem=120GB", reservation="R123", partition="mpi_1", qos="low")
    lines = PBS.directives(wish, NAME, "job.log", requeue=True)
    assert lines[2:6] == ["#PBS -r y", "#PBS -q R123", "#PBS -l select=2:ncpus=28:mem=120GB", "#PBS -l qos=low"]


@pytest.mark.parametrize(
    ("version", "line"), [(PRO, "select=1:ncpus=4:mem=7630mb"), (TORQUE, "nodes=1:ppn=4,mem=7630mb")]
)
def test_submission_speaks_the_language_of_the_place(host: Host, version: str, line: str) -> None:
    """Torque gets nodes and ppn; the id is taken as qsub prints it, below what a site's hook may print."""
    outcome, script = host.submit(Answer("Welcome\n1234.pbs-server.site\n"), version)
    assert outcome == Submitted("1234.pbs-server.site")
    assert f"#PBS -l {line}\n" in script and script.count("#PBS -l") == 3
    variables = f"SPRINGLINE_UMASK=,SPRINGLINE_JOB={NAME}"
    assert host.called == [f"qsub -j oe -o pbs.log -v {variables} job.sh"]


def test_submission_where_names_are_short(host: Host) -> None:
    """A name that is too long is refused before anything is sent; the second call has a short one, and the mark."""
    outcome, script = host.submit(Answer("", "qsub: illegal -N value\nusage: qsub ...\n", 2), TORQUE)
    assert isinstance(outcome, Refused)  # for this qsub refuses every name
    assert len(host.called) == 2 and "SPRINGLINE_JOB=springline-run_r1-0a1b2c" in host.called[1]
    assert "#PBS -N spring-0a1b2c\n" in script and len("spring-0a1b2c") <= 15
    assert short_name(f"{NAME}-worker") == "springw-0a1b2c"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (RECORDED["qsub-torque-resources"], Refused),
        (RECORDED["qsub-torque-acl"], Refused),
        (Answer("", "qsub: Unknown queue\n", 170), Refused),
        (Answer("", "qsub: cannot connect to server pbs (errno=15010)\n", 1), Doubt),
        (Answer("", "qsub: End of File\n", 154), Doubt),
        (Answer("", "", 137), Doubt),
        (Answer("12.server\n", "", 1), Doubt),
        (Answer("", "", 0), Doubt),
    ],
)
def test_answers_to_a_submission(answer: Answer, expected: type) -> None:
    """Refused is what PBS refused, with what to change; after anything else the job may exist."""
    outcome = PBS.parse_submission(answer)
    assert isinstance(outcome, expected)
    if isinstance(outcome, Refused):
        assert outcome.hint and not outcome.reason.startswith("qsub:")


def test_waiting_jobs(host: Host) -> None:
    """Their comments in words; the estimate as it is, for qstat was asked in UTC."""
    queued = host.status("68350.mycluster", "cell-Qnormal", RECORDED["qstat-queued"])
    assert isinstance(queued, Known) and queued.state is JobState.PENDING and "are down" in queued.why
    held = host.status("69302.mycluster", "Cu-dbp", RECORDED["qstat-held"])
    assert isinstance(held, Known) and held.reason == "Held" and "qrls" in held.why
    estimated = host.status("7013474.pbs", "job-01.pbs", RECORDED["qstat-estimated"])
    assert isinstance(estimated, Known) and "free cores" in estimated.why
    assert estimated.expected_start == "2023-02-14T02:10:01"
    assert host.called == ["qstat -f -x 68350.mycluster", "qstat -f -x 69302.mycluster", "qstat -f -x 7013474.pbs"]


def test_running_job(host: Host) -> None:
    """Its first node; and the words do not change while nothing happens, though its use of time does."""
    said = RECORDED["qstat-running"]
    assert host.status("69301.mycluster", "Cu-dbp", said) == Known(JobState.RUNNING, node="b141")
    words = host.run(PBS.status_command([JobRef("69301.mycluster", "Cu-dbp")])).text
    host.answers("qstat", replace(said, text=said.text.replace("64:26:16", "64:26:17")))
    assert host.run(PBS.status_command([JobRef("69301.mycluster", "Cu-dbp")])).text == words


FINISHED = RECORDED["qstat-finished"]
VMEM = "job killed: vmem 192GB exceeded limit 190GB"  # as on NCI's Gadi
TIME = {"walltime = 00:02:08": "walltime = 00:05:03"}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, JobState.COMPLETED),
        ({"Exit_status = 0": "Exit_status = 1"}, JobState.FAILED),
        ({"Exit_status = 0": "Exit_status = 271"}, JobState.CANCELLED),
        ({"Exit_status = 0": "Exit_status = 143"}, JobState.CANCELLED),
        ({"Exit_status = 0": "Exit_status = 271", **TIME}, JobState.TIME_LIMIT),  # as PBS Pro before 13 said it
        ({"Exit_status = 0": "Exit_status = -29"}, JobState.TIME_LIMIT),
        ({"Exit_status = 0": "Exit_status = -27"}, JobState.OUT_OF_MEMORY),
        ({"Exit_status = 0": "Exit_status = 271", "comment = ": f"comment = {VMEM}; "}, JobState.OUT_OF_MEMORY),
        ({"Exit_status = 0": "Exit_status = -3"}, JobState.NOT_LAUNCHED),
        ({"Exit_status = 0": "Exit_status = 265"}, JobState.FAILED),
        ({"    Exit_status = 0\n": "", "substate = 92": "substate = 91"}, JobState.CANCELLED),
        ({"    Exit_status = 0\n": ""}, JobState.FAILED),
    ],
)
def test_ends_of_pbs_pro(host: Host, changes: dict[str, str], state: JobState) -> None:
    """What its history says of an end; codes as OpenPBS's job.h and MetaCentrum's documentation give them."""
    text = FINISHED.text
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    status = host.status("7600424.pbs02", "pi-mpi", replace(FINISHED, text=text))
    assert isinstance(status, Gone) and status.state is state and status.proof.startswith("qstat: F")


def test_ends_of_torque(host: Host) -> None:
    """Torque folds its lines in another way, has no -x, and codes of its own."""
    completed = RECORDED["qstat-torque-completed"]
    status = host.status("9.torque01.bcgsc.ca", "subtest.sh", completed, TORQUE)
    assert isinstance(status, Gone) and status.state is JobState.COMPLETED
    late = replace(completed, text=completed.text.replace("exit_status = 0", "exit_status = -11"))
    status = host.status("9.torque01.bcgsc.ca", "subtest.sh", late, TORQUE)
    assert isinstance(status, Gone) and status.state is JobState.TIME_LIMIT
    name = "MA_mock-A47933_batch-JT3CUggKXNStHcoFXYaGR3-1"
    status = host.status("48.torque01.bcgsc.ca", name, RECORDED["qstat-torque-deleted"], TORQUE)
    assert isinstance(status, Gone) and status.state is JobState.CANCELLED and "can never be satisfied" in status.proof
    assert not any("-x" in call for call in host.called)


@pytest.mark.parametrize("name", ["qstat-unknown", "qstat-unknown-torque", "qstat-has-finished"])
def test_job_that_is_not_listed(host: Host, name: str) -> None:
    """That a server has no such job is said apart from silence: then the session's own end marker counts."""
    status = host.status("256.sod-pbs", NAME, RECORDED[name])
    assert isinstance(status, Unknown) and status.unlisted


@pytest.mark.parametrize(
    "answer",
    [
        RECORDED["qstat-conflicting"],
        Answer("", "qstat: cannot connect to server pbs (errno=111)\n", 111),
        Answer("", "", 137),
        Answer("", "pbs_iff: error returned: 15031\nqstat: Invalid credential\n", 1),
    ],
)
def test_silence(host: Host, answer: Answer) -> None:
    """Whatever else goes wrong is unknown, and proves nothing."""
    status = host.status("256.sod-pbs", NAME, answer)
    assert isinstance(status, Unknown) and not status.unlisted and status.error


def test_number_that_is_another_jobs(host: Host) -> None:
    """A job is believed by its name; a shortened one has the whole among its variables."""
    said = RECORDED["qstat-running"]
    status = host.status("69301.mycluster", NAME, said)
    assert isinstance(status, Unknown) and status.unlisted and "Cu-dbp" in status.error
    marked = said.text.replace("CVS_RSH=ssh", f"CVS_RSH=ssh,SPRINGLINE_JOB={NAME}")
    assert host.status("69301.mycluster", NAME, replace(said, text=marked)) == Known(JobState.RUNNING, node="b141")


def marked(number: int, name: str, state: str = "R") -> str:
    """A job of ours as qstat -f shows it, with its long name cut and its variables folded."""
    folded = f"PBS_O_HOME=/home/me,SPRINGLINE_UMASK=0022,\n\tSPRINGLINE_JOB={name[:12]}\n\t{name[12:]},PBS_O_HOST=login"
    return (
        f"Job Id: {number}.pbs\n    Job_Name = spring-0a1b2c\n    job_state = {state}\n"
        f"    exec_host = n{number}/0\n    Variable_List = {folded}\n\n"
    )


def test_queue_find_and_cancel(host: Host) -> None:
    """By names, the whole of which is a variable; ended jobs are found, but neither listed nor deleted."""
    jobs = marked(1, NAME, "F") + marked(2, NAME) + marked(3, f"{NAME}-worker", "Q") + marked(4, f"{NAME}-workers")
    host.answers("qselect", Answer("1.pbs\n2.pbs\n3.pbs\n4.pbs\n"))
    host.answers("qstat", Answer(jobs, "qstat: Unknown Job Id 5.pbs\n", 153))
    queue = PBS.parse_queue(host.run(PBS.queue_command("springline-")))
    assert queue[0] == Queued("2.pbs", NAME, "R", "n2") and [job.id for job in queue] == ["2.pbs", "3.pbs", "4.pbs"]
    assert PBS.parse_find(host.run(PBS.find_command(NAME, "."))) == "2.pbs"
    assert f"qselect -x -u {pwd.getpwuid(os.getuid()).pw_name} -N {NAME}" in host.called
    host.answers("qdel", Answer("", "qdel: Job has finished 2.pbs\n", 35))
    assert host.run(PBS.cancel_command(JobRef("2.pbs", NAME), f"{NAME}-worker")).exit_code == 0
    assert host.called[-1] == "qdel 2.pbs 3.pbs"
    host.answers("qdel", Answer("", "qdel: cannot connect to server pbs\n", 1))
    failed = host.run(PBS.cancel_command(JobRef("2.pbs", NAME), f"{NAME}-worker"))
    assert failed.exit_code == 1 and "cannot connect" in failed.errors


def test_nobody_could_say(host: Host) -> None:
    """Where qselect or qstat fail, nothing is found, and nothing is not found either; and nothing is deleted."""
    away = Answer("", "cannot connect to server pbs\n", 1)
    for broken in ("qselect", "qstat"):
        host.answers("qselect", Answer("1.pbs\n"))
        host.answers("qstat", Answer(marked(1, NAME)))
        host.answers("qdel", Answer(""))
        host.answers(broken, away)
        with pytest.raises(ValueError, match="cannot connect"):
            PBS.parse_find(host.run(PBS.find_command(NAME, ".")))
        assert host.run(PBS.cancel_command(JobRef("1.pbs", NAME), f"{NAME}-worker")).exit_code == 1
    assert not any(call.startswith("qdel") for call in host.called)


@pytest.mark.parametrize(
    ("reason", "hopeless"),
    [
        ("Can Never Run: Insufficient amount of resource: mem (R: 9tb A: 0kb T: 1tb)", True),
        ("Can Never Run: Insufficient amount of server resource: eagle_fs (True != False)", False),
        ("Not Running: User has reached queue LustreApps running job limit.", False),
        ("Not Running: Job would conflict with reservation or top job", False),
        ("Not Running: Something new", False),
    ],
)
def test_reasons_to_wait(reason: str, hopeless: bool) -> None:
    """Each in words; only what no waiting can change is hopeless."""
    assert PBS.never_starts(reason) is hopeless
    assert PBS.explain_pending(reason) and (PBS.explain_pending(reason) != f"PBS says: {reason}") is (
        "new" not in reason
    )


def test_asking_beforehand(host: Host) -> None:
    """The limits of the queue say no where they can; PBS has no more to say."""
    limits = "Queue: short\n    enabled = True\n    resources_max.walltime = 01:00:00\n    resources_max.ncpus = 8\n"
    host.answers("qstat", Answer(limits))
    said = host.run(PBS.test_command(Resources(partition="short")))
    assert isinstance(PBS.parse_test(said, Resources(partition="short", walltime=7200)), Refused)
    assert isinstance(PBS.parse_test(said, Resources(partition="short", cores=9)), Refused)
    assert isinstance(PBS.parse_test(said, Resources(partition="short", walltime=3600, cores=8)), Doubt)
    assert PBS.parse_version(host.run(PBS.version_command())) == "2022.1.1"
    host.answers("qstat", Answer("", "cannot connect to server\n", 1))
    with pytest.raises(ValueError, match="cannot connect"):
        PBS.parse_version(host.run(PBS.version_command()))


def test_worker_jobs_speak_the_language_of_the_place() -> None:
    """PBS Pro's request is dask-jobqueue's own; Torque and SLURM's qsub get nodes and ppn."""
    workers = Workers(cores=4, memory="8GiB")
    assert resource_spec(workers, PRO) is None
    assert resource_spec(workers, TORQUE) == resource_spec(workers, WRAPPER) == "nodes=1:ppn=4,mem=8192mb"
    assert hours(90000) == "25:00:00" and hours(None) is None


def test_worker_job_as_a_whole(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    """What dask-jobqueue makes of a request: its own log, Dask's configuration, and the mark."""
    jobqueue = pytest.importorskip("dask_jobqueue")
    host.answers("qsub", Answer(""))
    monkeypatch.setenv("PATH", f"{host.directory}:{os.environ['PATH']}")
    monkeypatch.setenv("DASK_CONFIG", "/r 1/dask")
    workers = Workers(cores=28, memory="120GB", processes=14, walltime_seconds=43200, partition="mpi_1", qos="low")
    request = Request("s1", scheduler="pbs", workers=workers, worker_name=f"{NAME}-worker", prologue=("module load x",))
    options = pbs_options(request, host.directory, "10.0.0.3", [])
    kept = {key: value for key, value in options.items() if key not in OF_THE_CLUSTER}
    lines = jobqueue.pbs.PBSJob("tls://10.0.0.3:4", name="w-0", **kept).job_script().split("\n")
    lines = [line for line in lines if line]
    assert lines[1:12] == [
        f"#PBS -N {NAME}-worker",
        "#PBS -q mpi_1",
        "#PBS -l select=1:ncpus=28:mem=112GB",
        "#PBS -l walltime=12:00:00",
        "#PBS -S /bin/bash",
        "#PBS -r n",
        "#PBS -j oe",
        "#PBS -o /dev/null",
        f"#PBS -v SPRINGLINE_JOB={NAME}-worker",
        "#PBS -l qos=low",
        f'exec >>{host.directory}/workers-"${{PBS_JOBID:-${{SLURM_JOB_ID:-$$}}}}".log 2>&1',
    ]
    assert lines[12] == "export DASK_CONFIG='/r 1/dask'" and "module load x" in lines[13:]
    assert "--nworkers 14" in lines[-1] and "--lifetime 42600s" in lines[-1]


def test_worker_jobs_where_names_are_short(host: Host) -> None:
    """What qsub took for the session's own job tells; the whole name is a variable."""
    (host.directory / "job.sh").write_text("#PBS -N spring-0a1b2c\n")
    workers = Workers(cores=1, memory="1GB", resource_spec="select=1:ncpus=1", interface="lo", reservation="R1")
    request = Request("s1", scheduler="pbs", workers=workers, worker_name=f"{NAME}-worker")
    options = pbs_options(request, host.directory, "10.0.0.3", [])
    assert (options["job_name"], options["queue"], options["interface"]) == ("springw-0a1b2c", "R1", "lo")
    assert options["scheduler_options"]["host"] == "127.0.0.1" and options["resource_spec"] == "select=1:ncpus=1"
    assert f"-v SPRINGLINE_JOB={NAME}-worker" in options["job_extra_directives"]


def test_time_is_up_as_pbs_counts(tmp_path: Path) -> None:
    """The walltime runs from the start of the job's shell, whatever it loads before it becomes Python."""
    program = (
        "import time; from launcher.node.request import Request; from launcher.node.state import end_of; "
        "request = Request('s', walltime_seconds=100); now = time.time(); "
        "print(now + 100 - end_of(request, {'PBS_JOBID': '1.pbs'}, now), end_of(request, {}, 7.0))"
    )
    script = f"sleep 1; exec {shlex.quote(sys.executable)} -c {shlex.quote(program)}"
    root = Path(__file__).parents[2]
    printed = subprocess.run(["bash", "-c", script], cwd=root, capture_output=True, text=True, check=True).stdout
    before, without = (float(word) for word in printed.split())
    assert 1 <= before < 20 and without == 107


def test_datarmor_as_dask_hpcconfig_defines_it() -> None:
    """The three sections have the values of the definitions."""
    shipped = Platforms([shipped_file()])
    whole, one, local = (shipped.get(name) for name in ("datarmor", "datarmor-seq", "datarmor-local"))
    workers = whole.workers
    assert (workers.cores, workers.processes, workers.memory, workers.partition) == (28, 14, 120 * 10**9, "mpi_1")
    assert (workers.resource_spec, workers.interface) == ("select=1:ncpus=28:mem=120GB", "ib0")
    assert (workers.walltime, workers.death_timeout, workers.local_directory) == (43200, 250, "$TMPDIR")
    assert whole.scheduler == "pbs" and whole.resources.directives == ("-m n",)
    assert (one.workers.resource_spec, one.workers.cores) == ("select=1:ncpus=1:mem=4GB", 1)
    assert one.workers.partition == "sequentiel" and one.workers.interface == "ib0"
    assert local.dask.kind == "local" and local.resources.partition == "mpi_1"
    assert local.workers.count * local.workers.cores == local.resources.cores == 28
