"""The whole line on the real cluster: from `springline up` on the laptop to a notebook cell on both nodes."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.slurm.laptop import Springline
from tests.slurm.upping import CELL, KERNEL, Up, start


@pytest.fixture(scope="module")
def up(shared_springline: Springline) -> Iterator[Up]:
    """One session for the tests of this module."""
    running = start(shared_springline, "--name", "line")
    yield running
    shared_springline("stop", "line")


def test_up_says_where_everything_is(up: Up) -> None:
    """One line of JSON with the contract's keys, and JupyterLab answers at its address with the token only."""
    assert {"schema_version", "session", "platform", "state", "job_id", "node", "url", "access", "dask"} <= set(up.line)
    assert (up.line["session"], up.line["state"], up.line["access"]) == ("line", "ready", "socket")
    assert up.line["dask"]["scheduler"].startswith("tls://"), up.line
    assert up.ask("/api/status").stdout.endswith("403")
    assert up.ask("/api/status", up.token).stdout.endswith("200")


def test_a_cell_computes_on_workers_of_both_nodes(up: Up) -> None:
    """`scale 2` brings worker jobs, and `Client()` without an argument uses them over TLS."""
    scaled = up.springline("scale", "line", "2", "--json")
    assert scaled.returncode == 0, scaled.stderr
    printed = up.on_laptop([sys.executable, str(KERNEL), up.line["url"].removesuffix("/lab"), up.token], input=CELL)
    assert printed.stdout.splitlines() == ["['node1', 'node2']", "45 tls"], printed.stdout + printed.stderr
    names = [job["name"] for job in up.springline.cluster.jobs()]
    assert sum(name.startswith("springline-line-") and name.endswith("-worker") for name in names) == 2, names


def test_the_panel_and_the_dashboard_show_the_session_cluster(up: Up) -> None:
    """JupyterLab's Dask panel lists exactly one cluster, and its dashboard answers through Jupyter's proxy."""
    clusters = json.loads(up.ask("/dask/clusters", up.token).stdout.rpartition("\n")[0])
    assert [cluster["scheduler_address"] for cluster in clusters] == [up.line["dask"]["scheduler"]]
    dashboard = up.line["dask"]["dashboard"].removeprefix(up.line["url"].removesuffix("/lab"))
    assert up.ask(dashboard, up.token).stdout.endswith("200")
    assert not up.ask(dashboard).stdout.endswith("200")


def test_status_ls_and_logs_agree(up: Up) -> None:
    """The other commands see the same session, and no log has the token."""
    status = json.loads(up.springline("status", "line", "--json").stdout)
    listed = json.loads(up.springline("ls", "--json").stdout)["sessions"]
    assert status["state"] == "ready" and status["url"] == up.line["url"] and status["job_id"] == up.line["job_id"]
    assert [session["session"] for session in listed] == ["line"]
    logs = up.springline("logs", "line", "-n", "1000").stdout
    assert "jupyter.log" in logs and up.token not in logs


def test_the_run_directory_is_private(up: Up) -> None:
    """Nobody else on the cluster can list it, and the batch script holds no secret."""
    cluster = up.springline.cluster
    cluster.login.run("chmod 755 /home/alice")  # a home that is open does not open the session
    refused = cluster.login.run("ls /home/alice/.springline/sessions/line", user="mallory", check=False)
    cluster.login.run("chmod 700 /home/alice")
    assert "Permission denied" in refused.stderr
    script = cluster.cluster_home() / ".springline" / "sessions" / "line" / "job.sh"
    assert up.token not in script.read_text(encoding="utf-8")
    ps = cluster.nodes[0].run("ps axww -o args", user="mallory").stdout
    assert up.token not in ps


def test_an_attach_takes_the_same_port_after_the_laptop_lost_springline(up: Up) -> None:
    """SIGKILL of `up` leaves the job; `attach` brings it back to the address of the open page."""
    up.process.kill()
    up.process.wait()
    process = up.springline.popen("attach", "line", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["url"] == up.line["url"]
    assert up.ask("/api/status", up.token).stdout.endswith("200")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert json.loads(up.springline("status", "line", "--json").stdout)["state"] == "ready"
