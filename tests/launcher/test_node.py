"""The node program's pure parts: request in, options, addresses, texts and state out."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import json
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import launcher.node as package
from launcher.node import addresses, doors, scratch
from launcher.node import request as requests
from launcher.node.lab import jupyter, server
from launcher.node.request import Analysis, Request, RequestError, SessionDir, Workers
from launcher.node.runstate import margin
from launcher.node.state import StateFile, end_of, first_fields
from launcher.node.workers import adapting, daskcluster, daskconfig, workerjobs
from launcher.node.workers import springline_guard as guard
from launcher.node.workers.upkeep import MISSING, Upkeep

INSIDE_JUPYTER = {
    "asking.py": ["jupyter_server", "tornado"],
    "inside.py": ["jupyter_core", "jupyter_server", "tornado"],
    "panel.py": ["distributed"],
    "resuming.py": ["jupyter_server", "tornado"],
}
SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))
DIRECTORY = SessionDir(Path("/home/u/.springline/sessions/spider-k3x9"))
WORKERS = Workers(
    count=2,
    cores=4,
    memory="32GiB",
    walltime="01:00:00",
    walltime_seconds=3600,
    partition="normal",
    account="project",
    qos="short",
    reservation="course",
    local_directory="$TMPDIR",
    max_jobs=10,
    directives=("--constraint=rome",),
)
REQUEST = Request(
    session="spider-k3x9",
    doors=("socket", "node-tls"),
    scheduler="slurm",
    walltime_seconds=28800,
    python="/opt/env/bin/python",
    prologue=("module load 2023", "source ~/env.sh"),
    workers=WORKERS,
)
LOGS = "--output=/home/u/.springline/sessions/spider-k3x9/workers-%j.log"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_sources_suit_python_39_and_any_place(source: Path) -> None:
    """Every module is Python 3.9, and starts with the standard library alone, but those that run inside Jupyter."""
    tree = ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 9))
    allowed = {*sys.stdlib_module_names, *INSIDE_JUPYTER.get(source.name, ())}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").partition(".")[0] in allowed
        if isinstance(node, ast.Import):
            assert {name.name.partition(".")[0] for name in node.names} <= allowed


def test_request_is_read_whole() -> None:
    """A request's JSON becomes values; keys of later versions are left alone."""
    raw = json.loads(json.dumps(dataclasses.asdict(REQUEST)))
    raw["workers"]["later"] = 1
    assert requests.parse({"schema_version": 1, "springline": "9", **raw}) == REQUEST


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"schema_version": 2}, "The request has schema version 2; this node program reads 1."),
        (
            {"schema_version": 1, "session": "s", "doors": ["socket", "open"]},
            "The request's doors: 'open' is not one of",
        ),
        ({"schema_version": 1, "session": "s", "doors": []}, "The request names no door."),
        ({"schema_version": 1}, "The request is incomplete: "),
    ],
)
def test_request_that_cannot_be_served_says_why(raw: dict[str, Any], sentence: str) -> None:
    """A request from another version, or half of one, is refused with a sentence."""
    with pytest.raises(RequestError, match=sentence.split(";")[0]):
        requests.parse(raw)


def test_slurm_options_as_a_whole() -> None:
    """A request becomes exactly these arguments of SLURMCluster."""
    assert workerjobs.slurm_options(REQUEST, DIRECTORY.path, "10.0.0.3", ["/a b.py"]) == {
        "name": "springline-spider-k3x9",
        "job_name": "springline-spider-k3x9-worker",
        "queue": "normal",
        "account": "project",
        "cores": 4,
        "memory": "32GiB",
        "processes": 1,
        "walltime": "01:00:00",
        "python": shlex.quote(sys.executable),
        "protocol": "tls://",
        "shared_temp_directory": str(DIRECTORY.path),
        "death_timeout": 60,
        "job_script_prologue": ["module load 2023", "source ~/env.sh", *scratch.job_lines("$TMPDIR")],
        "job_directives_skip": ["#SBATCH -e", "#SBATCH -o"],
        "job_extra_directives": [
            "--qos=short",
            "--reservation=course",
            LOGS,
            "--open-mode=append",
            "--no-requeue",
            "--constraint=rome",
        ],
        "worker_extra_args": [
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--preload", "'/a b.py'"),
            *("--lifetime", "3240s", "--lifetime-stagger", "180s"),
        ],
        "scheduler_options": {"host": "10.0.0.3", "port": 0, "dashboard_address": "127.0.0.1:0"},
    }


def test_worker_runs_in_the_image() -> None:
    """With a container image the worker's Python is the one inside, and it sees the session directory."""
    request = dataclasses.replace(REQUEST, image="my image.sif", python="python3")
    command = workerjobs.python_command(request, DIRECTORY.path)
    own = '--bind "$DASK_TEMPORARY_DIRECTORY"'
    assert command == f"{workerjobs.APPTAINER} exec {own} --bind {DIRECTORY.path} 'my image.sif' python3"


def test_worker_starts_a_packed_python_anew(tmp_path: Path) -> None:
    """The copy on this node's own disk is not there on others: their workers get what unpacks it."""
    assert workerjobs.python_of_every_node(tmp_path / "env", "/usr/bin/python3") == "/usr/bin/python3"
    (tmp_path / "springline-launcher").write_text("/shared/env/python\n")
    assert workerjobs.python_of_every_node(tmp_path / "env", "/usr/bin/python3") == "/shared/env/python"


def test_worker_job_script(tmp_path: Path) -> None:
    """dask-jobqueue makes of it a script with our directives, TLS files and lifetime, and no log of its own."""
    dask = pytest.importorskip("dask")
    jobqueue = pytest.importorskip("dask_jobqueue")
    options = workerjobs.slurm_options(REQUEST, DIRECTORY.path, "10.0.0.3", ["/a b.py"])
    theirs = {"jobqueue.slurm.log-directory": str(tmp_path), "jobqueue.slurm.job-extra-directives": ["--mail"]}
    with dask.config.set(theirs):
        kept = {k: v for k, v in options.items() if k not in ("name", "scheduler_options", "shared_temp_directory")}
        job = jobqueue.slurm.SLURMJob("tls://10.0.0.3:41111", name="springline-spider-k3x9-0", **kept)
    header, _, command = job.job_script().partition("source ~/env.sh\n")
    assert header.splitlines() == [
        "#!/usr/bin/env bash",
        "",
        "#SBATCH -J springline-spider-k3x9-worker",
        "#SBATCH -p normal",
        "#SBATCH -A project",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=32G",
        "#SBATCH -t 01:00:00",
        "#SBATCH --qos=short",
        "#SBATCH --reservation=course",
        f"#SBATCH {LOGS}",
        "#SBATCH --open-mode=append",
        "#SBATCH --no-requeue",
        "#SBATCH --constraint=rome",
        "module load 2023",
    ]
    *ours, command = command.strip().splitlines()
    assert ours == scratch.job_lines("$TMPDIR")
    assert command.startswith(
        f"{shlex.quote(sys.executable)} -m distributed.cli.dask_worker tls://10.0.0.3:41111 --name"
    )
    assert "--death-timeout 60 --no-dashboard" in command
    assert "--lifetime 3240s --lifetime-stagger 180s" in command


def in_job(base: str | None, *commands: str, **environ: str) -> list[str]:
    """Run commands after a job's lines for its private directory; return what they printed."""
    script = "\n".join(["umask 022", *scratch.job_lines(base), *commands])
    environ = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(["bash"], input=script, env=environ, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("base", "below"),
    [(None, ""), ("~/a b", "a b/"), ("$TMPDIR", ""), ("${TMPDIR}/x;y", "x;y/"), ("TMP/$USER", "me/"), ("~", "")],
)
def test_worker_s_directory_is_new_and_private(tmp_path: Path, base: str | None, below: str) -> None:
    """Below the place that was named a job makes a directory of its own, 0700, and removes it with what is in it."""
    base = base and base.replace("TMP/", f"{tmp_path}/")
    show = 'touch "$DASK_TEMPORARY_DIRECTORY/spilt"; ls "$DASK_TEMPORARY_DIRECTORY"; stat -c "%a %n"'
    printed = in_job(base, f'{show} "$DASK_TEMPORARY_DIRECTORY"', HOME=str(tmp_path), TMPDIR=str(tmp_path), USER="me")
    (first, (mode, name)) = printed[0], printed[1].split(" ", 1)
    assert (first, mode) == ("spilt", "700")
    assert re.fullmatch(rf"{tmp_path}/(?:{below})springline-\w{{8}}", name)
    assert not Path(name).exists()


def test_worker_s_job_fails_without_its_directory(tmp_path: Path) -> None:
    """A variable that the node does not know ends the job, before a worker would write anywhere else."""
    assert in_job("$NOWHERE/x", "echo on") == []
    assert in_job(str(tmp_path), "echo on") == ["on"]


@pytest.mark.parametrize("base", ["$(touch x)/y", "`touch x`", "/a/${B:-$(touch x)}", "relative", "~mallory/x", "/a$"])
def test_worker_s_directory_holds_no_commands(base: str) -> None:
    """Of the shell's language only variables and a leading tilde count; anything else is refused."""
    with pytest.raises(ValueError, match="it m"):
        scratch.job_lines(base)


def test_users_own_place_for_dask_s_files_counts_for_workers(tmp_path: Path) -> None:
    """Where the user's Dask configuration puts files, workers make their private directories; this program has its."""
    dask = pytest.importorskip("dask")
    with dask.config.set({"temporary-directory": "/scratch/me", "jobqueue.slurm.local-directory": None}):
        assert scratch.users_own() == "/scratch/me"
        with dask.config.set({"jobqueue.slurm.local-directory": "$TMPDIR"}):
            assert scratch.users_own() == "$TMPDIR"
            scratch.keep_to(tmp_path)
            assert dask.config.get("temporary-directory") == str(tmp_path)
            assert dask.config.get("jobqueue.slurm.local-directory") is None


def test_emptied_directory_stays(tmp_path: Path) -> None:
    """What is in it goes, links are not followed, and its name stays taken."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    private = tmp_path / "private"
    (private / "below").mkdir(parents=True)
    (private / "link").symlink_to(kept)
    scratch.empty(private)
    assert list(private.iterdir()) == []
    assert (kept / "file").exists()
    scratch.empty(tmp_path / "none")


@pytest.mark.parametrize("walltime", [60, 120, 600, 3600, 86400, 5 * 86400])
def test_workers_end_before_their_walltime(walltime: int) -> None:
    """Even the latest worker ends before SLURM would kill it, and the earliest has worked for a while."""
    lifetime, stagger = workerjobs.lifetime(walltime)
    assert lifetime + stagger <= walltime - stagger < walltime
    assert lifetime - stagger >= walltime // 4


@pytest.mark.parametrize(("max_jobs", "processes", "most"), [(None, 2, None), (10, 1, 10), (3, 4, 12)])
def test_limit_counts_jobs(max_jobs: int | None, processes: int, most: int | None) -> None:
    """The limit is of jobs; a job may hold several Dask workers."""
    assert Workers(max_jobs=max_jobs, processes=processes).most() == most


def test_failed_submission_is_told_in_slurms_words() -> None:
    """Of dask-jobqueue's long error only what sbatch said remains."""
    text = "Command exited with non-zero exit code.\nExit code: 1\nCommand:\nsbatch x\nstderr:\nsbatch: error: no\n"
    assert daskcluster.sentence(RuntimeError(text)) == "sbatch: error: no"
    assert daskcluster.sentence(KeyError()) == "KeyError"


def test_dask_configuration_as_a_whole() -> None:
    """The configuration has the session's certificate, the panel's one cluster and, when known, the scheduler."""
    pair = {"cert": str(DIRECTORY.certificate), "key": str(DIRECTORY.key)}
    before = daskconfig.configuration(DIRECTORY, REQUEST, None)
    assert before == {
        "distributed": {
            "comm": {"tls": {"ca-file": str(DIRECTORY.certificate), "client": pair, "worker": pair, "scheduler": pair}},
            "dashboard": {"link": "/proxy/{port}/status"},
        },
        "labextension": {
            "factory": {
                "module": "launcher.node.lab.panel",
                "class": "SessionCluster",
                "args": [],
                "kwargs": {"session-dir": str(DIRECTORY.path)},
            },
            "default": {"workers": None, "adapt": None},
            "initial": [{"name": "spider-k3x9"}],
        },
    }
    assert daskconfig.configuration(DIRECTORY, REQUEST, "tls://h:1") == {"scheduler-address": "tls://h:1", **before}


def test_users_own_dask_directory_still_counts() -> None:
    """A user's DASK_CONFIG is read before the session's; what would win over ours is left out."""
    environ = {"DASK_CONFIG": "/theirs", "DASK_LABEXTENSION__INITIAL": "[]", "DASK_TEMPORARY_DIRECTORY": "/scratch"}
    assert daskconfig.pointed(environ, DIRECTORY) == {
        "DASK_ROOT_CONFIG": "/theirs",
        "DASK_CONFIG": str(DIRECTORY.dask),
        "DASK_TEMPORARY_DIRECTORY": "/scratch",
    }


def test_jupyter_environment_chooses_nothing_for_us() -> None:
    """No variable decides on token or port in our place, and none holds the token."""
    environ = {"JUPYTER_TOKEN": "x", "JUPYTER_TOKEN_FILE": "/x", "JUPYTER_PORT": "1", "PATH": "/bin"}
    assert jupyter.environment(DIRECTORY, environ, Path("/run/j")) == {
        "PATH": "/bin",
        "JUPYTER_CONFIG_PATH": str(DIRECTORY.config),
        "DASK_CONFIG": str(DIRECTORY.dask),
        "JUPYTER_RUNTIME_DIR": "/run/j",
    }


def listening(*doors: str, port: int = 0) -> dict[str, Any]:
    """Return where Jupyter's own listener is with these doors."""
    request = dataclasses.replace(REQUEST, doors=doors, port=port)
    options = server.listener(DIRECTORY, request, addresses.LOOPBACK, Path("/tmp/springline-x"))
    return {name.partition(".")[2]: str(value) for name, value in options.items()}


def test_first_door_is_jupyters_own() -> None:
    """On a socket Jupyter names no port of its own; on the node's address it speaks TLS, elsewhere it does not."""
    socket = listening("socket", "node-tls")
    assert (socket["sock"], socket["sock_mode"]) == ("/tmp/springline-x/jupyter.sock", "0600")
    assert (socket["port"], socket["certfile"]) == ("8888", "")
    tls = listening("node-tls")
    assert (tls["sock"], tls["certfile"], tls["port_retries"]) == ("", str(DIRECTORY.certificate), "50")
    chosen = listening("loopback", port=8080)
    assert (chosen["ip"], chosen["port"], chosen["port_retries"]) == ("127.0.0.1", "8080", "0")
    assert chosen["certfile"] == listening("node-http")["certfile"] == ""


def test_least_safe_door_is_shown() -> None:
    """Of the open doors the least safe one counts; before any is open there is none."""
    assert doors.least_safe({}) == ""
    assert doors.least_safe({"node-tls": 1, "socket": "/s"}) == "node-tls"
    assert doors.least_safe(["loopback", "socket"]) == "loopback"


def test_doors_that_may_be_opened_later() -> None:
    """A launcher may ask for every door but the one without encryption, which only the request can open."""
    assert [name for name in requests.DOORS if doors.allowed(REQUEST, name)] == ["socket", "loopback", "node-tls"]
    assert doors.allowed(dataclasses.replace(REQUEST, doors=("socket", "node-http")), "node-http")
    assert not doors.allowed(REQUEST, "window")


def test_list_of_doors(tmp_path: Path) -> None:
    """The list is one name a line; none is as good as an empty one."""
    assert doors.asked(tmp_path / "doors") == []
    (tmp_path / "doors").write_text("socket\nnode-tls\n", encoding="utf-8")
    assert doors.asked(tmp_path / "doors") == ["socket", "node-tls"]


def test_host_keys_are_type_and_key(tmp_path: Path) -> None:
    """Of the SSH server's public keys the comment is left out; a broken file is left out whole."""
    (tmp_path / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@node1\n", encoding="utf-8")
    (tmp_path / "ssh_host_rsa_key.pub").write_text("\n", encoding="utf-8")
    (tmp_path / "ssh_host_rsa_key").write_text("secret part\n", encoding="utf-8")
    assert addresses.host_keys(tmp_path) == ["ssh-ed25519 AAAA"]
    assert addresses.host_keys(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("[I 2026-01-31 12:00:00.000 ServerApp] up\n[C 2026-01-31 12:00:00.000 ServerApp] no port\n\n", "no port"),
        ('Traceback (most recent call last):\n  File "x", line 1\nModuleNotFoundError: No module named y\n',
         "ModuleNotFoundError: No module named y"),
    ],
)  # fmt: skip
def test_last_line_of_a_log(log: str, line: str) -> None:
    """The last line that says something explains a failure."""
    assert jupyter.last_line(log) == line


def test_address_others_can_reach() -> None:
    """Loopback, link-local and other machines' addresses are passed over."""
    candidates = ["127.0.1.1", None, "169.254.1.2", "fe80::1%eth0", "10.9.9.9", "10.0.0.3"]
    assert addresses.choose(candidates, ours=lambda address: address != "10.9.9.9") == "10.0.0.3"
    assert addresses.choose(["127.0.0.1"], ours=lambda _: True) is None


def test_owner_of_a_connection() -> None:
    """The kernel's table tells which user's socket is at the other end."""
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1\n"
        "   1: 0100007F:D431 0100007F:2253 01 00000000:00000000 00:00000000 00000000  1001        0 2\n"
        "   2: 0100007F:2253 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 3\n"
    )
    if sys.byteorder != "little":
        pytest.skip("the table above is of a little-endian machine")
    assert guard.owner(table, ("127.0.0.1", 8787), ("127.0.0.1", 54321)) == 1001
    assert guard.owner(table, ("127.0.0.1", 8787), ("127.0.0.1", 54322)) is None


def test_end_is_slurms_or_the_walltimes() -> None:
    """SLURM knows when a job ends; otherwise the walltime tells; otherwise nobody."""
    assert end_of(REQUEST, {"SLURM_JOB_END_TIME": "1790000000"}, 0.0) == 1790000000
    assert end_of(REQUEST, {}, 100.0) == 28900
    assert end_of(Request(session="s"), {}, 100.0) is None


def test_state_counts_on_and_is_private(tmp_path: Path) -> None:
    """Each state is one private line with a higher number, also after the job was run again."""
    path = tmp_path / "state.json"
    fields = first_fields(REQUEST, {"SLURM_JOB_ID": "77"}, "node1", "10.0.0.3", clock=lambda: 0.0)
    StateFile(path, fields).update()
    StateFile(path, fields).update(phase="ready")
    state = json.loads(path.read_text(encoding="utf-8"))
    assert (state["seq"], state["phase"], state["job_id"]) == (2, "ready", "77")
    assert (state["started"], state["ends"]) == ("1970-01-01T00:00:00Z", "1970-01-01T08:00:00Z")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["state.json"]  # noqa: PTH208


def test_state_file_of_a_lost_node_keeps_quiet(tmp_path: Path) -> None:
    """Once the job runs again elsewhere, what is left of its first run no longer speaks for it."""
    lost = StateFile(tmp_path / "state.json", {})
    lost.update(phase="ready")
    later = StateFile(tmp_path / "state.json", {})
    later.update(phase="starting")
    lost.update(phase="ending")
    assert json.loads((tmp_path / "state.json").read_text())["phase"] == "starting"


def test_missing_module_says_what_to_install_where() -> None:
    """A missing module is named together with the command that installs it."""
    install = f"install with `{sys.executable} -m pip install distributed dask-jobqueue`."
    assert jupyter.missing("distributed", "dask_jobqueue") == (
        f"distributed dask-jobqueue are not installed for {sys.executable}: {install}"
    )


class FakeJob:
    """A worker job that notes that it was closed."""

    closed = False

    async def close(self) -> None:
        """Note it."""
        self.closed = True


class FakeCluster:
    """A cluster of jobs, some of them connected; awaiting it submits what the plan has and the cluster lacks."""

    def __init__(self, **spec: dict[str, Any]) -> None:
        self.worker_spec = spec
        self.workers = {name: FakeJob() for name in spec}
        self.observed: set[str] = set()
        self.submitted: list[str] = []

    def __await__(self) -> Generator[None, None, None]:
        self.submitted += [name for name in self.worker_spec if name not in self.workers]
        self.workers = {name: self.workers.get(name, FakeJob()) for name in self.worker_spec}
        yield from ()


def looks(cluster: FakeCluster, *times: tuple[float, set[str]]) -> None:
    """Let an upkeep look at a cluster at some times, with these workers connected."""
    now = [0.0]
    upkeep = Upkeep(cluster, long_enough=60, clock=lambda: now[0])
    for now[0], cluster.observed in times:
        asyncio.run(upkeep.look())


def test_worker_at_the_end_of_its_life_gets_a_new_job() -> None:
    """A job that lived is submitted again once it has been away for a while; one in the queue is left alone."""
    cluster = FakeCluster(old={}, queued={})
    old = cluster.workers["old"]
    looks(cluster, (0, {"old"}), (100, {"old"}), (101 + MISSING, set()))
    assert cluster.submitted == ["old"]
    assert old.closed


def test_worker_that_is_away_for_a_moment_stays() -> None:
    """A restart within the time allowed changes nothing; of a job with several workers one is enough."""
    cluster = FakeCluster(job={"group": ["-0", "-1"]})
    looks(cluster, (0, {"job-0", "job-1"}), (100, set()), (101, {"job-1"}), (102 + MISSING / 2, set()))
    assert cluster.submitted == []


def test_worker_that_died_young_is_not_started_again() -> None:
    """Jobs that end at once would only fill the queue."""
    cluster = FakeCluster(young={})
    looks(cluster, (0, {"young"}), (5, {"young"}), (6 + MISSING, set()))
    assert cluster.submitted == []
    assert cluster.worker_spec == {}


def test_worker_that_was_given_back_is_forgotten() -> None:
    """A job that was scaled away is not brought back."""
    cluster = FakeCluster(job={})
    looks(cluster, (0, {"job"}), (100, {"job"}))
    cluster.worker_spec.clear()
    looks(cluster, (200 + MISSING, set()))
    assert cluster.submitted == []


def test_worker_of_a_run_gets_a_few_chances() -> None:
    """Nobody is there to ask for another one; a run whose every worker dies at once hears of it all the same."""
    cluster, lost, now = FakeCluster(young={}), [], [0.0]
    upkeep = Upkeep(cluster, long_enough=60, clock=lambda: now[0], chances=1, lost=lost.append)
    for begin in (0, 1000):
        for now[0], cluster.observed in ((begin, {"young"}), (begin + 5, {"young"}), (begin + 6 + MISSING, set())):
            asyncio.run(upkeep.look())
        assert (cluster.submitted, lost) == ((["young"], []) if begin == 0 else (["young"], ["young"]))


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("sbatch: error: invalid partition specified: nosuch", False),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", True),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", True),
    ],
)
def test_refusals_that_may_pass(said: str, again: bool) -> None:
    """Only what may be different in a moment is worth another attempt."""
    assert workerjobs.may_pass(said) is again


def test_files_of_an_analysis_are_as_open_as_the_user_s() -> None:
    """A worker of a run writes with the user's own umask, one of a session with the session's."""
    run = dataclasses.replace(REQUEST, analysis=Analysis(("run", "map")), umask="0002")
    assert workerjobs.slurm_options(run, DIRECTORY.path, "10.0.0.3", [])["job_script_prologue"][-1] == "umask 0002"
    session = workerjobs.slurm_options(dataclasses.replace(run, analysis=None), DIRECTORY.path, "10.0.0.3", [])
    assert "umask 0002" not in session["job_script_prologue"]


@pytest.mark.parametrize(("left", "seconds"), [(None, 0), (60, 5), (600, 30), (86400, 60)])
def test_margin_before_the_end(left: float | None, seconds: float) -> None:
    """A run stops by itself a little before its time is up, and never without a limit."""
    assert margin(left) == seconds


@pytest.mark.parametrize(
    ("items", "seconds", "planned", "workers"),
    [(1000, None, 1, 500), (1000, 600.0, 1, 500), (1000, 30.0, 3, 3), (3, 600.0, 8, 2), (3, 5.0, 1, 1), (0, 0.0, 4, 0)],
)
def test_workers_that_a_run_needs(items: int, seconds: float | None, planned: int, workers: int) -> None:
    """As many as there are items for, of two threads each; none more for work that is over soon."""
    assert adapting.wanted(adapting.Work(items, seconds), planned, threads=2) == workers


@pytest.mark.parametrize(
    ("text", "work"),
    [
        (
            '{"unit": "items", "total": 9, "done": 3, "failed": 1, "skipped": 2, "eta_seconds": 4}',
            adapting.Work(3, 4.0),
        ),
        (
            '{"unit": "items", "total": 9, "done": 0, "failed": 0, "skipped": 0, "eta_seconds": null}',
            adapting.Work(9, None),
        ),
        ('{"unit": "cells", "total": 9, "done": 0, "failed": 0, "skipped": 0, "eta_seconds": 1}', None),
        ('{"unit": "items", "total": null}', None),
        ("", None),
    ],
)
def test_work_that_is_left(tmp_path: Path, text: str, work: adapting.Work | None) -> None:
    """Only items are counted; whatever cannot be read leaves the word to Dask."""
    (tmp_path / "progress.json").write_text(text)
    assert adapting.read(tmp_path / "progress.json") == work
