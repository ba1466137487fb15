"""The batch scripts of docs/sbatch, as a user submits them: on the real cluster, with no launcher."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.slurm import files
from tests.slurm.cluster import Cluster
from tests.slurm.laptop import clean
from tests.slurm.processes import wait_until
from tests.slurm.requirements import CHECKOUT, VENV_PYTHON

SCRIPTS = CHECKOUT / "docs" / "sbatch"
ITEMS = 12
FUNCTION = """
def smooth(source, target, *, seconds: float = 0.1):
    import socket, time
    time.sleep(seconds)
    open(target, "w").write(socket.gethostname())
"""


@pytest.fixture
def alice(cluster: Cluster) -> Path:
    """Her home, with a function, items and a Python on the path."""
    clean(cluster)
    home = cluster.cluster_home()
    uid = next(user.uid for user in files.CLUSTER_USERS if user.name == "alice")
    files.write(home / "mine.py", FUNCTION, owner=uid)
    files.directory(home / "raw", 0o755, uid)
    for number in range(ITEMS):
        files.write(home / f"raw/{number:02}.nc", "x", owner=uid)
    jobqueue = {"slurm": {"cores": 1, "memory": "1GB", "queue": "normal", "walltime": "00:10:00"}}
    files.directory(home / ".config", 0o755, uid)
    files.directory(home / ".config/dask", 0o755, uid)
    files.write(home / ".config/dask/jobqueue.json", json.dumps({"jobqueue": jobqueue}), owner=uid)
    return home


def submit(cluster: Cluster, home: Path, name: str, *changes: tuple[str, str], options: str = "") -> str:
    """Submit a script as it stands, but for these changes; returns the job's id."""
    text = (SCRIPTS / name).read_text().replace("exec python", f"exec {VENV_PYTHON}")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (home / name).write_text(text)
    answer = cluster.login.run(f"cd ~ && sbatch --parsable {options} {name}", user="alice")
    return answer.stdout.strip()


def ended(cluster: Cluster, job: str) -> str:
    """Wait for the end of a job; returns its state and exit code as SLURM says."""
    show = f"scontrol -o show job {job}"
    over = re.compile(r"JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL)")
    wait_until(lambda: over.search(cluster.login.run(show, user="alice").stdout) is not None, what="end", timeout=90)
    said = cluster.login.run(show, user="alice").stdout
    return re.search(r"JobState=(\w+)", said)[1] + " " + re.search(r"ExitCode=(\d+)", said)[1]  # type: ignore[index]


def written(home: Path) -> dict[str, str]:
    """What is in the output, hidden files too."""
    return {path.name: path.read_text() for path in (home / "out").iterdir()}


NAMES = sorted(f"{number:02}.zarr" for number in range(ITEMS))


def test_one_node(cluster: Cluster, alice: Path) -> None:
    """Everything in one allocation."""
    job = submit(cluster, alice, "one-node.sh", ("--mem=16G", "--mem=4G"))
    assert ended(cluster, job) == "COMPLETED 0", (alice / f"many-items-{job}.log").read_text()
    assert sorted(written(alice)) == NAMES
    assert "12 done of 12 items" in (alice / f"many-items-{job}.log").read_text()
    assert (alice / "out.run/report.html").stat().st_size > 10_000


def test_worker_jobs(cluster: Cluster, alice: Path) -> None:
    """A driver and worker jobs on the nodes, over TLS; none of them stays behind."""
    job = submit(cluster, alice, "worker-jobs.sh", ("--workers 1:20", "--workers 2"))
    assert ended(cluster, job) == "COMPLETED 0", (alice / f"many-items-{job}.log").read_text()
    assert sorted(written(alice)) == NAMES
    assert set(written(alice).values()) == {"node1", "node2"}
    running = ("PENDING", "RUNNING", "COMPLETING")
    wait_until(lambda: not any(j["state"] in running for j in cluster.jobs()), what="end of workers", timeout=30)


def test_again_until_done(cluster: Cluster, alice: Path) -> None:
    """A job whose time is up stops in good order, and the same script does the rest."""
    text = (SCRIPTS / "again-until-done.sh").read_text()
    first = submit(cluster, alice, "again-until-done.sh", *_as_map(text))
    wait_until(lambda: (alice / "out").exists() and len(written(alice)) > 2, what="some items", timeout=60, every=0.1)
    cluster.login.run(
        f"scancel --batch --signal=TERM {first}", user="alice"
    )  # what --signal=B:TERM does when time is up
    assert ended(cluster, first) == "FAILED 130", (alice / f"many-items-{first}.log").read_text()
    assert len([name for name in written(alice) if not name.startswith(".")]) < ITEMS
    second = submit(cluster, alice, "again-until-done.sh", *_as_map(text))
    assert ended(cluster, second) == "COMPLETED 0"
    assert sorted(written(alice)) == NAMES


def _as_map(text: str) -> list[tuple[str, str]]:
    """The same script with a function that needs no satellite."""
    command = 'run l1b "$HOME"/safe/S1*.SAFE --output "$HOME/l1b"'
    assert command in text
    return [
        ("--mem=8G", "--mem=4G"),
        (command, 'run map ~/mine.py:smooth "$HOME"/raw/*.nc --target "$HOME/out/{stem}.zarr" --seconds 2'),
    ]
