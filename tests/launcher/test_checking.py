"""`springline platform check` without a cluster: its questions in a real shell, and what their answers mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.checking import connecting, model, nodes, rundir, scheduling, sharing, software, survey
from launcher.checking.model import Status, blocker, failed, ok, skipped
from launcher.checking.nodejob import CLOSE
from launcher.commands import check
from launcher.discovery.probes import NOT_ENDED, Section, sections
from launcher.errors import AuthenticationError, ConfigurationError, ConnectError, HostKeyError, JobFailed, UsageError
from launcher.model import Platform, Resources, Workers
from launcher.needed import NEEDED, floors
from launcher.schedulers.base import Answer
from launcher.schedulers.slurm import SlurmScheduler
from launcher.transports.local import LocalTransport
from tests.launcher.command import Command

PACKAGES = dict.fromkeys(NEEDED, "2026.8.0")
PARTITION = "PartitionName=short AllowGroups=ALL Default=NO MaxTime=00:05:00 State=UP MaxNodes=UNLIMITED"
TAKEN = "sbatch: Job 7 to start at 2026-11-26T17:10:19 using 1 processors on nodes node1 in partition short"


def asked(questions: dict[str, str], seconds: int = 30) -> dict[str, Section]:
    """The answers of this computer's shell."""
    return dict(sections(LocalTransport().run(survey.script(questions, seconds)).text))


def test_a_question_that_hangs_keeps_no_other_from_its_answer() -> None:
    """Each has its own time limit and exit code; one may leave its shell, and none reads what is meant for another."""
    found = asked({"first": "echo one; exit 3", "hung": "echo two; sleep 9", "reads": "cat; echo three"}, seconds=1)
    assert found["first"] == Section(3, ("one",))
    assert (found["hung"].code, found["hung"].lines[:1]) == (NOT_ENDED, ("two",))
    assert found["reads"] == Section(0, ("three",))


@pytest.mark.parametrize(
    ("error", "statuses", "code"),
    [
        (None, ["ok", "ok", "ok"], 0),
        (ConnectError("no way"), ["failed"], 10),
        (HostKeyError("changed"), ["ok", "failed"], 12),
        (AuthenticationError("no"), ["ok", "ok", "failed"], 11),
        (ConfigurationError("keypath"), ["skipped", "skipped", "failed"], 2),
    ],
)
def test_one_error_tells_how_far_a_connection_got(error: ConnectError | None, statuses: list[str], code: int) -> None:
    """The steps up to it, and the exit code that `up` ends with."""
    outcomes = connecting.way_in(error, "me@host", 0.1, asked=False)
    assert [one.status.value for one in outcomes] == statuses
    assert model.exit_code(outcomes) == code


def test_a_port_may_be_to_blame() -> None:
    """Where the section has one, it is named before the network."""
    (silent,) = connecting.way_in(ConnectError("no answer", "check your network"), "h", 5, asked=False, port=2)
    assert silent.advice == "is `port = 2` of the section right? Else: check your network"


def test_what_is_not_made_names_the_first_failure() -> None:
    """Through any number of steps that were skipped."""
    outcomes = [ok("network", ""), failed("host-key", "", "", 12)]
    outcomes.append(skipped("login", blocker(outcomes, ("network", "host-key"))))
    assert blocker(outcomes, ("login",)) == "because 'host key' failed"
    assert blocker(outcomes, ("network",)) == ""


def test_where_noise_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and line, also where the words hold what a shell or a pattern would take for its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".bashrc").write_text("# mine\n\necho 'Hello $USER [.*] it'\n")
    found = asked({"noise": connecting.noise_script("Hello $USER [.*] it\nmore")})["noise"]
    assert connecting.places(found.lines, str(tmp_path)) == "~/.bashrc line 3"
    assert asked({"noise": connecting.noise_script("")})["noise"] == Section(0, ())


@pytest.mark.parametrize(
    ("off", "doubt", "status"),
    [(1.0, 0.1, "ok"), (-40.0, 60.0, "ok"), (-40.0, 0.1, "ok"), (7200.0, 0.1, "warning"), (-90000.0, 0.1, "failed")],
)
def test_clocks(off: float, doubt: float, status: str) -> None:
    """What is not sure is no difference; a day behind, certificates of today are not valid yet."""
    assert connecting.clock("clock", 1e9 + off, 1e9, doubt).status.value == status


def directory(path: Path) -> model.Outcome:
    """What is said of a run_dir of this computer."""
    platform = Platform("here", run_dir=str(path))
    return rundir.outcome(platform, asked({"run-dir": rundir.question(platform)})["run-dir"])


def test_a_run_dir_is_made_tried_and_left_empty(tmp_path: Path) -> None:
    """It is there afterwards, private and empty."""
    found = directory(tmp_path / "new" / "one")
    assert found.status is not Status.FAILED and "writable, " in found.seen and " free" in found.seen
    assert list((tmp_path / "new" / "one").iterdir()) == []
    assert (tmp_path / "new" / "one").stat().st_mode & 0o077 == 0


def test_a_run_dir_that_cannot_be(tmp_path: Path) -> None:
    """A file is in its place; or everybody may put another in its place."""
    (tmp_path / "file").write_text("")
    assert "cannot write in" in directory(tmp_path / "file" / "x").seen
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    unsafe = directory(tmp_path / "open" / "x")
    assert unsafe.status is Status.FAILED and f"{tmp_path}/open belongs to another user" in unsafe.seen


@pytest.mark.parametrize(
    ("lines", "code", "quota", "status", "words"),
    [
        (("@path /p", "@bytes 5e9", "@inodes 99999", "@type nfs"), 0, (), "ok", "5 GB free, 99999 files (nfs)"),
        (("@path /p", "@bytes 5000000", "@type nfs"), 0, (), "warning", "5 MB free (nfs): little"),
        (("@path /p", "@bytes 5e9", "@inodes 12"), 0, (), "warning", "12 files: little"),
        (("@path /p", "@bytes 5e9"), 0, ("  /dev/sda  105M*  100M  120M  6days",), "warning", "over quota: /dev/sda"),
        (("@path /p", "dd: error writing 'x': Disk quota exceeded"), 3, (), "failed", "Disk quota exceeded"),
        (("@path /p", "mkdir: cannot create 'x': Read-only file system"), 3, (), "failed", "Read-only"),
        (("@path /p",), NOT_ENDED, (), "failed", "no answer in time"),
    ],
)
def test_what_is_said_of_a_run_dir(
    lines: tuple[str, ...], code: int, quota: tuple[str, ...], status: str, words: str
) -> None:
    """Room, files, quota, and what a full disk or a dead server says."""
    found = rundir.outcome(Platform("p"), Section(code, lines), quota)
    assert (found.status.value, words in found.seen) == (status, True), found


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        (PACKAGES, "ok", "jupyterlab 2026.8.0"),
        ({"dask": "1"}, "failed", "has no jupyterlab, jupyter-server-proxy, distributed"),
        ({**PACKAGES, "jupyterlab": "3.6.1"}, "failed", "too old: jupyterlab 3.6.1 (needs 4.2)"),
        ({**PACKAGES, "distributed": "2025.4.1"}, "warning", "distributed here is 2026.8.0"),
        ({**PACKAGES, "springline": "0.0.1"}, "warning", "springline here is 0.1.0"),
    ],
)
def test_versions(packages: dict[str, str], status: str, words: str) -> None:
    """What is missing or too old is a failure, what differs a warning."""
    found = software.Software("/opt/python", "3.12.1", packages)
    ours = {"springline": "0.1.0", "distributed": "2026.8.0"}
    said = software.judged("python", Platform("p"), found, {"jupyterlab": "4.2"}, ours)
    assert (said.status.value, words in said.seen) == (status, True), said


@pytest.mark.parametrize(
    ("python", "prologue", "words"),
    [
        ("/opt/none/bin/python", (), "No such file"),
        ("python3", ("echo noise", "exit 3"), "`prologue` does not come to its end (line 2: `exit 3`): "),
        ("python3", ("true", "export A='x", "true"), "(line 2: `export A='x`): unexpected EOF"),
        ("/opt/none/python", ("nosuch load 2023",), "; before it `prologue` said: "),
        ("python3", ("echo noise", "sh -c 'cat'"), ""),
    ],
)
def test_a_python_that_does_not_answer(python: str, prologue: tuple[str, ...], words: str) -> None:
    """A wrong path and a prologue that leaves are told apart; one that talks or reads does no harm."""
    platform = Platform("here", python=python, prologue=prologue)
    section = asked({"python": software.question(platform)})["python"]
    said = software.outcome("python", platform, section, {}, {})
    if words:
        assert said.status is Status.FAILED and words in said.seen, said
    else:
        assert software.read(section.lines) is not None, section


def test_what_springline_needs_is_read_from_its_own_requirements() -> None:
    """So that the check never asks for other versions than an installation does."""
    needed = floors()
    assert set(needed) == set(NEEDED) and needed["jupyterlab"].startswith("4")


@pytest.mark.parametrize(
    ("lines", "code", "walltime", "status", "words"),
    [
        ((TAKEN, PARTITION), 0, 300, "ok", "it would start at 2026-11-26T17:10:19 on node1, partition short"),
        ((TAKEN, PARTITION), 0, 301, "failed", "a walltime of 00:05:01 is more than the 00:05:00 of partition short"),
        ((TAKEN, PARTITION.replace("00:05:00", "UNLIMITED")), 0, 10**7, "ok", "accepted"),
        ((TAKEN, PARTITION.replace("UP", "DOWN")), 0, 60, "warning", "partition short is DOWN"),
        (("allocation failure: Invalid account or account/partition",), 1, 60, "failed", "Invalid account"),
        (("allocation failure: Unable to contact slurm controller",), 1, 60, "warning", "Unable to contact"),
        (("sbatch: unrecognized option '-x'", 'Try "sbatch --help" for more'), 1, 60, "failed", "unrecognized option"),
        ((), NOT_ENDED, 60, "warning", "no answer in time"),
    ],
)
def test_what_slurm_says_beforehand(lines: tuple[str, ...], code: int, walltime: int, status: str, words: str) -> None:
    """sbatch's test, and the limits of partitions that it does not test; silence is no refusal."""
    resources = Resources(partition="short", walltime=walltime)
    said = scheduling.limits_outcome("limits", SlurmScheduler(), resources, Section(code, lines))
    assert (said.status.value, words in said.seen) == (status, True), said
    assert said.code == (20 if status == "failed" else 0)


@pytest.mark.parametrize(
    ("start", "now", "words"),
    [
        ("2026-11-26T17:10:19", "2026-11-26T17:10:20", ", it would start at once"),
        (
            "2026-11-26T19:20:20",
            "2026-11-26T17:10:20",
            ", it would start in about 2 h 10 min (2026-11-26T19:20:20 over there)",
        ),
        ("2026-11-26T19:20:20", "", ", it would start at 2026-11-26T19:20:20"),
        ("", "2026-11-26T17:10:20", ""),
    ],
)
def test_an_estimated_start(start: str, now: str, words: str) -> None:
    """In words, against the cluster's own clock."""
    assert scheduling.expected(start, now) == words


def test_a_controller_that_is_down_and_its_backup() -> None:
    """One that is up is enough."""
    up, down = "Slurmctld(primary) at a is DOWN", "Slurmctld(backup) at b is UP"
    assert SlurmScheduler().parse_version(Answer(f"slurm 24.11.5\n{up}\n{down}\n")) == "24.11.5"
    with pytest.raises(ValueError, match="is DOWN"):
        SlurmScheduler().parse_version(Answer(f"slurm 24.11.5\n{up}\n"))


def test_a_worker_asks_for_its_own() -> None:
    """Its cores, memory, walltime and partition; the session's account."""
    workers = Workers(cores=4, memory=1 << 33, walltime=600, partition="fat")
    asked_for = scheduling.of_a_worker(Platform("p", resources=Resources(account="lab", cores=1), workers=workers))
    assert scheduling.wanted(asked_for) == "4 cores, 8GiB, 00:10:00, partition fat, account lab"


def test_ways_to_a_node() -> None:
    """One is enough; without any, nothing can be reached."""
    assert nodes.network("10.0.0.1", "refused", ssh=True).status is Status.WARNING
    assert nodes.network("10.0.0.1", "refused", ssh=False).code == 50
    shut = nodes.ssh("node1", "", {"socket": "prohibited", "loopback": ""})
    assert shut.status is Status.WARNING and "does not forward Unix sockets: prohibited" in shut.seen


def test_a_job_without_a_word_does_not_see_the_directory() -> None:
    """Where its log has lines, they tell instead."""
    assert "does the node see `run_dir`" in nodes.did_not_run(JobFailed("ended (FAILED)", "more"), "p").advice
    assert nodes.did_not_run(JobFailed("ended\n  | no module x", "more"), "p").advice == "more"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("alice@login: /home/alice/x, alicedata", "<user>@login: <home>/x, <user>data"),
        ("/tmp/tmp_alice7 alice01 jan2 january", "/tmp/tmp_<user>7 <user>01 <user>2 january"),
        (
            "proxy http://bob:secret@proxy:3128/ and https://eve@x",
            "proxy http://<user>@proxy:3128/ and https://<user>@x",
        ),
        ("10.77.0.11:8888 and fe80::1 and [2001:db8::2]:22", "<address>:8888 and <address> and [<address>]:22"),
        (
            "at 2026-11-26T17:10:19, 1-00:30:00, Python 3.11.2, 12:30",
            "at 2026-11-26T17:10:19, 1-00:30:00, Python 3.11.2, 12:30",
        ),
        ("key ~/.ssh/id_ed25519 SHA256:" + "a" * 43, "key <key file> <fingerprint>"),
        ("http://127.0.0.1:8888/lab?token=0123 " + "ab" * 20, "http://<address>:8888/lab?token=<token> <key>"),
        ("/home/bob/data of bob's laptop my.laptop", "<home>/data of bob's laptop <this computer>"),
    ],
)
def test_what_a_report_leaves_out(text: str, shown: str) -> None:
    """Names, homes, addresses, keys and tokens; versions, times and what only looks alike stay."""
    private = {"alice": "<user>", "jan": "<user>", "/home/alice": "<home>", "my.laptop": "<this computer>"}
    assert sharing.anonymous(text, private) == shown


def test_an_image_that_is_not_there() -> None:
    """It is said, whatever Python would have said of it."""
    platform = Platform("here", image="/nope/x.sif", prologue=("apptainer() { :; }",))
    said = software.outcome("python", platform, asked({"python": software.question(platform)})["python"], {}, {})
    assert said.seen == "there is no image /nope/x.sif"


def test_a_job_whose_check_is_gone(tmp_path: Path) -> None:
    """It tells what it found, and nobody comes: then it ends by itself, and its directory is gone."""
    directory = tmp_path / "check-0a1b2c"
    directory.mkdir()
    (directory / "greeting").write_text("hello")
    asked = {"packages": ["dask"], "local_directory": str(tmp_path / "new"), "interface": "ib9"}
    (directory / "asked.json").write_text(json.dumps(asked))
    program = "from launcher.node import checkup; checkup.ALONE_SECONDS = 1; checkup.main()"
    job = subprocess.Popen([sys.executable, "-c", program, str(directory)])
    try:
        while not (directory / "facts.json").exists():
            assert job.poll() is None
            time.sleep(0.02)
        facts = json.loads((directory / "facts.json").read_text())
        assert job.wait(timeout=20) == 0
    finally:
        job.kill()
    assert not directory.exists()
    assert facts["workers"]["local_directory"] == {"seen": str(tmp_path / "new"), "error": ""}
    platform = Platform("p", workers=Workers(interface="ib9"))
    said = nodes.workers(platform, facts["workers"])
    assert said.status is Status.FAILED and "'ib9' is not a valid network interface" in said.seen
    assert facts["broken"] == "" and set(facts["software"]["packages"]) == {"dask"}


def test_what_other_checks_left_is_removed(tmp_path: Path) -> None:
    """Only what a check made, and whose job is over: not a job that may wait, not a session of such a name."""
    for name, file, hours in (
        ("check-00000a", "state.json", 1),
        ("check-00000b", "state.json", 0),
        ("check-00000c", "greeting", 1),
        ("check-00000d", "greeting", 25),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "greeting").write_text("")
        (tmp_path / name / file).write_text("")
        for path in (tmp_path / name / file, tmp_path / name):
            os.utime(path, (time.time() - hours * 3600,) * 2)
    (tmp_path / "check-00000e").mkdir()
    (tmp_path / "check-00000e" / "state.json").write_text("")
    os.utime(tmp_path / "check-00000e" / "state.json", (0, 0))
    LocalTransport().run(CLOSE.format(directory="/nope", sessions=tmp_path))
    assert {path.name[-1] for path in tmp_path.iterdir()} == {"b", "c", "e"}


def test_the_report_is_a_table() -> None:
    """A cell that holds a bar or several lines stays one cell."""
    outcomes = [ok("network", "a|b"), failed("login", "two\n  lines", "do this", 11)]
    text = sharing.markdown("p", outcomes, {"here": {}, "there": {"dask": "1"}}, {}, "now")
    assert "| name and port | ok | a\\|b |" in text
    assert "| authentication | **failed** | two lines → do this |" in text
    assert "- here: nothing known" in text and "- there: dask 1" in text


def test_a_report_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory one may not enter is said before anything is done."""
    monkeypatch.setattr(Path, "exists", closed)
    with pytest.raises(UsageError, match=r"cannot write .*x.md: Permission denied"):
        check._check_report(tmp_path / "x.md")


def closed(_path: Path) -> bool:
    """As it is for who is not root."""
    raise PermissionError(13, "Permission denied")


def test_a_result_is_not_lost_with_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is said after the result: one object, exit code 2."""
    full = "import launcher.commands.check as c\nc._check_report = lambda _: None\n"
    program = full + "from launcher.cli import main\nmain()"
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["platform", "check", "local", "--json", "--report", "/dev/full"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["steps"] and done.returncode == 2, done.stderr
    assert "cannot write /dev/full: No space left" in done.stderr


def test_this_computer(tmp_path: Path) -> None:
    """Platform `local` is checked by what makes sense there; the report is written where it was asked for."""
    springline = Command(tmp_path)
    found = springline("platform", "check", "local", "--json", "--report", str(tmp_path / "report.md"))
    assert found.code == 0, found.errors
    assert [step["step"] for step in found.document["steps"]] == ["shell", "run-dir", "python", "internet"]
    assert str(tmp_path) not in (tmp_path / "report.md").read_text()
    assert springline("platform", "check", "local", "--report", "/none/x.md").code == 2
    assert springline("platform", "check", "local", "--json", "--report", "-").code == 2
    assert springline("platform", "check", "nope").code == 60
