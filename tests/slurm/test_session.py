"""The whole line on the real cluster: from `springline up` on the laptop to a notebook cell on both nodes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import Springline

KERNEL = Path(__file__).parents[1] / "kernel.py"
CELL = """
import socket
from distributed import Client
client = Client()
client.wait_for_workers(2, timeout=60)
print(sorted(set(client.run(socket.gethostname).values())))
print(client.submit(sum, range(10)).result(), client.scheduler.address.partition(":")[0])
"""


@dataclass
class Up:
    """A `springline up` that holds its tunnel, and what it printed."""

    springline: Springline
    process: HostProcess
    line: dict[str, Any]

    def ask(self, path: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """Ask JupyterLab from the laptop, through the tunnel."""
        url = self.line["url"].removesuffix("/lab") + path
        header = ["-H", f"Authorization: token {token}"] if token else []
        return self.on_laptop(["curl", "-s", "-w", "\n%{http_code}", *header, url])

    def on_laptop(self, command: list[str], input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run something beside springline on the laptop."""
        cluster = self.springline.cluster
        return cluster.laptop.run(command, user=cluster.laptop_user, input=input, check=False, timeout=120)

    @property
    def token(self) -> str:
        """The token, as a person gets it."""
        shown = self.springline("url", self.line["session"], "--show-token")
        assert shown.returncode == 0, shown.stderr
        return shown.stdout.strip().partition("?token=")[2]


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def live(springline: Springline) -> int:
    """How many of alice's jobs wait or run."""
    return sum(job["state"] in ("PENDING", "RUNNING", "COMPLETING") for job in springline.cluster.jobs())


def start(springline: Springline, *arguments: str) -> Up:
    """Start `springline up` and wait for its line."""
    process = springline.popen("up", "testbed", "--json", *arguments)
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, process.stderr.read() if process.stderr else ""
    return Up(springline, process, json.loads(text))


@pytest.fixture(scope="module")
def up(shared_springline: Springline) -> Iterator[Up]:
    """One session for the tests of this module."""
    running = start(shared_springline, "--name", "line")
    yield running
    shared_springline("stop", "line")


def test_up_says_where_everything_is(up: Up) -> None:
    """One line of JSON with the contract's keys, and JupyterLab answers at its address with the token only."""
    assert {"schema_version", "session", "platform", "state", "job_id", "node", "url", "access", "dask"} <= set(up.line)
    assert (up.line["session"], up.line["state"], up.line["access"]) == ("line", "ready", "node-tls")
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
    assert names.count("springline-line-worker") == 2, names


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
    refused = cluster.login.run("ls -R /home/alice/.springline", user="mallory", check=False)
    assert refused.returncode != 0
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


def test_file_shut_down_frees_the_allocation_and_ends_up(springline: Springline) -> None:
    """JupyterLab's own File → Shut Down ends the job and its workers, and `up` says so with exit code 0."""
    running = start(springline, "--name", "shut", "--workers", "1")
    token = running.token
    until(lambda: live(springline) == 2)
    url = running.line["url"].removesuffix("/lab") + "/api/shutdown"
    running.on_laptop(["curl", "-s", "-X", "POST", "-H", f"Authorization: token {token}", url])
    assert running.process.wait(timeout=40) == 0
    assert running.process.stderr is not None and "shut down" in running.process.stderr.read()
    until(lambda: live(springline) == 0)


def test_a_connection_that_dies_comes_back_on_the_same_port(springline: Springline) -> None:
    """When login kills the connection, the tunnel reconnects and the same address answers again."""
    running = start(springline, "--name", "cut")
    token = running.token
    springline.cluster.login.run("pkill -KILL -u alice sshd", check=False)
    until(lambda: running.ask("/api/status", token).stdout.endswith("200"), 20)
    assert running.process.poll() is None


def test_somebody_else_cancels_the_job(springline: Springline) -> None:
    """`up` ends by itself, says so and exits with 43."""
    running = start(springline, "--name", "gone")
    springline.cluster.login.run(["scancel", running.line["job_id"]], user="alice")
    assert running.process.wait(timeout=60) == 43
    assert running.process.stderr is not None and "cancelled" in running.process.stderr.read()


def test_the_old_command_line(springline: Springline) -> None:
    """An old section and the old options: JupyterLab on port 8889, and the new command said once."""
    ini = springline.home / ".config" / "springline" / "platforms.ini"
    with ini.open("a", encoding="utf-8") as lines:
        lines.write(
            "\n[old-uid]\nplatform = testbed\nhost = login\nuser = alice\n"
            "keypath = /home/scientist/.ssh/id_ed25519\nkey_pass = False\n"
        )
    cluster = springline.cluster
    command = [str(Path(sys.executable).parent / "runJupyterDaskOnSLURM"), "--uid", "old-uid", "--mode", "run"]
    process = cluster.laptop.popen(command, user=cluster.laptop_user, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "JupyterLab  http://127.0.0.1:8889/lab"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    process.stdout.close()
    assert "ready" in springline("ls").stdout


def test_silence_is_not_an_end(springline: Springline) -> None:
    """Without accounting, a controller that is away makes a session unknown: not failed, not forgotten."""
    assert springline("up", "testbed", "--name", "quiet", "--detach").returncode == 0
    springline.cluster.stop_slurmctld()
    assert json.loads(springline("status", "quiet", "--json").stdout)["state"] == "unknown"
    springline.cluster.start_slurmctld()
    assert json.loads(springline("status", "quiet", "--json").stdout)["state"] == "ready"
