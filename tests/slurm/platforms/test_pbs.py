"""The whole line where the scheduler is PBS: SLURM's own qsub, qstat and qdel on the test cluster."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import Springline, section
from tests.slurm.requirements import reason_to_skip_pbs
from tests.slurm.running import Items, live_jobs
from tests.slurm.upping import CELL, KERNEL, begin, start, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(reason_to_skip_pbs() is not None, reason=str(reason_to_skip_pbs())),
]


def names(springline: Springline, word: str) -> list[str]:
    """The names of alice's living jobs that hold a word."""
    return sorted(job["name"] for job in live_jobs(springline, word))


@pytest.fixture(scope="module")
def pbs(shared_springline: Springline) -> Springline:
    """The command with a platform `pbs`."""
    section(shared_springline, "pbs", "scheduler = pbs")
    return shared_springline


@pytest.fixture(scope="module")
def items(pbs: Springline) -> Items:
    """What the run works on."""
    return Items.laid(pbs, 12, bad=5)


@pytest.fixture(scope="module")
def running(pbs: Springline, items: Items) -> HostProcess:
    """A run, which goes on beside what is tested before it."""
    return pbs.popen(*items.words("batch", "--workers", "2", "--json", on="pbs"))


def test_session(pbs: Springline, request: pytest.FixtureRequest) -> None:
    """JupyterLab, workers on both nodes, a queue that lists them, and an end that leaves nothing."""
    springline = pbs
    up = start(springline, "--name", "line", what="pbs")
    assert up.ask("/api/status", up.token).stdout.endswith("200")
    scaled = springline("scale", "line", "2", "--json")
    assert scaled.returncode == 0, scaled.stderr
    base = up.line["url"].removesuffix("/lab")
    printed = up.on_laptop([sys.executable, str(KERNEL), base, up.token], input=CELL)
    assert printed.stdout.splitlines() == ["['node1', 'node2']", "45 tls"], printed.stdout + printed.stderr
    request.getfixturevalue("running")  # only now: it would take the nodes' cores from the workers
    job, worker, _ = names(springline, "-line-")
    assert job.startswith("springline-line-") and worker == f"{job}-worker"
    own = springline.cluster.cluster_home() / ".springline/sessions/line"
    assert "#PBS -l nodes=1:ppn=1,mem=954mb" in (own / "job.sh").read_text()
    assert len(list(own.glob("workers-*.log"))) == 2 and "Registered to" in next(own.glob("workers-*.log")).read_text()
    status = json.loads(springline("status", "line", "--json").stdout)
    assert (status["state"], status["job_id"], status["node"]) == ("ready", up.line["job_id"], up.line["node"])
    assert springline("stop", "line").returncode == 0
    assert up.process.wait(timeout=30) == 0, up.said()
    until(lambda: not names(springline, "-line-"), 15)
    assert json.loads((own / "state.json").read_text())["reason"] == "stopped"


def test_refusals_and_ends(pbs: Springline) -> None:
    """What PBS refuses is said in its words at once; a job that somebody deletes is told as such; nothing hangs."""
    starting = begin(pbs, "--name", "two", "--detach", what="pbs")
    refused = pbs("up", "pbs", "--partition", "nosuch", "--detach")
    assert refused.returncode == 20 and "Invalid partition" in refused.stderr and "qstat -Q" in refused.stderr
    pbs.cluster.login.run(["qdel", starting.wait().line["job_id"]], user="alice")
    deadline = time.monotonic() + 30
    while pbs("status", "two", "--json").returncode == 0 and _state(pbs) not in ("ended", "failed"):
        assert time.monotonic() < deadline
    assert _end(pbs.cluster.cluster_home() / ".springline/sessions/two") == "terminated"


def test_run_with_worker_jobs(running: HostProcess, items: Items) -> None:
    """Two worker jobs do every item once; results are as open as what alice writes herself, and all jobs end."""
    springline = items.springline
    printed, said = running.communicate(timeout=120)
    assert running.returncode == 1, said
    document = json.loads(printed)
    assert (document["state"], document["done"], document["failed"], document["workers"]) == ("ended", 11, 1, 2)
    items.complete(bad=5)
    assert set(items.told().values()) == {1}
    home = springline.cluster.cluster_home()
    assert (home / "out/1.txt").stat().st_mode & 0o777 == 0o644
    assert {len(list((home / ".springline/runs/batch").glob(name))) for name in ("workers-*.log", "*.sh.o*")} == {2}
    until(lambda: not names(springline, "-batch-"), 15)


def _state(springline: Springline) -> str:
    return str(json.loads(springline("status", "two", "--json").stdout)["state"])


def _end(own: Path) -> str:
    return str(json.loads((own / "state.json").read_text())["reason"])
