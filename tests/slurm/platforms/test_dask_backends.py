"""Who gives a session its workers, on the real cluster; and a client on the laptop that uses them."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import Springline
from tests.slurm.running import live_jobs
from tests.slurm.upping import KERNEL, Up, begin, start, until

pytestmark = pytest.mark.slow
GATEWAY_PORT = 18000
GATEWAY = f"""
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = "a password"
c.Proxy.address = "0.0.0.0:{GATEWAY_PORT}"
c.ClusterConfig.scheduler_cmd = ["{sys.executable}", "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = ["{sys.executable}", "-m", "distributed.cli.dask_worker"]
c.ClusterConfig.worker_memory = "500M"
"""
CELL = """
import socket
from distributed import Client
client = Client()
client.wait_for_workers({workers}, timeout=60)
print(*sorted(client.run(socket.gethostname).values()))
print(client.submit(sum, range(10)).result(), client.scheduler.address.partition(":")[0])
"""
LAPTOP = """
client.wait_for_workers(2, timeout=60)
print(client.submit(lambda: __import__("socket").gethostname()).result())
print(sorted(worker["nthreads"] for worker in client.scheduler_info()["workers"].values()))
"""


def write_section(springline: Springline, section: str, **keys: str) -> None:
    """Add a section to the laptop user's platforms.ini."""
    with (springline.home / ".config/springline/platforms.ini").open("a", encoding="utf-8") as file:
        file.write(f"\n[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))


@pytest.fixture(scope="module")
def own(shared_springline: Springline) -> Up:
    """A session whose workers are SLURM jobs, on a platform with a preset; it lives through all tests."""
    write_section(shared_springline, "testbed:large", worker_cores="3", worker_memory="900MB")
    write_section(shared_springline, "testbed:wrong", worker_partition="nosuch")
    return start(shared_springline, "--name", "own", "--workers", "1")


@pytest.fixture(scope="module")
def near(own: Up) -> Up:
    """One with workers in its own job, which starts while others are tested; so does the next."""
    return begin(own.springline, "--name", "near", "--dask", "local", "--cores", "2", "--workers", "5")


@pytest.fixture(scope="module")
def gate(own: Up) -> Iterator[Up]:
    """One with a cluster of a dask-gateway server."""
    pytest.importorskip("dask_gateway_server", reason="dask-gateway-server is not installed")
    with gateway(own.springline) as address:
        write_section(own.springline, "gate", platform="testbed", gateway_address=address, workers="1")
        yield begin(own.springline, "--name", "gate", "--dask", "gateway", what="gate")


def cell(up: Up, workers: int) -> list[str]:
    """What a cell prints that computes with `Client()`: its workers' hosts, a result, and the protocol."""
    command = [sys.executable, str(KERNEL), up.base, up.token]
    printed = up.on_laptop(command, input=CELL.format(workers=workers))
    return printed.stdout.splitlines() or [printed.stderr]


def error_of(springline: Springline, *arguments: str, code: int | None = None) -> str:
    """What a command says that is to fail, with that exit code."""
    done = springline(*arguments)
    assert done.returncode in ([code] if code else range(1, 126)), done.stdout + done.stderr
    return done.stderr


@pytest.mark.usefixtures("near")
def test_a_preset_s_workers_join_those_that_run(own: Up) -> None:
    """`scale --preset` gives new workers its shape, keeps the old, and refuses a name nobody gave with the nearest."""
    scaled = own.springline("scale", "own", "2", "--preset", "large", "--json")
    assert json.loads(scaled.stdout)["preset"] == "large", scaled.stderr
    until(lambda: shown(own)["cores"] == 1 + 3, seconds=60)
    assert shown(own)["workers"] == 2
    assert "Did you mean 'large'?" in error_of(own.springline, "scale", "own", "2", "--preset", "larg", code=2)
    assert "did you mean 'large'?" in error_of(own.springline, "up", "testbed", "--preset", "larg", "--dry-run", code=2)
    refused = error_of(own.springline, "scale", "own", "3:4", "--preset", "wrong", code=20)
    assert "invalid partition specified: nosuch" in refused and "answers" not in refused
    assert "no workers: " in own.springline("status", "own").stdout
    again = own.springline("scale", "own", "3")  # of the shape that was not refused
    assert again.returncode == 0 and "no workers: " not in own.springline("status", "own").stdout, again.stderr
    assert own.springline("scale", "own", "2").returncode == 0


def shown(up: Up) -> dict[str, Any]:
    """The one cluster in JupyterLab's Dask panel."""
    up.seconds_until_answered(up.token, time.monotonic())  # its connection may just have been cut
    (cluster,) = json.loads(up.ask("/dask/clusters", up.token).stdout.rpartition("\n")[0])
    return dict(cluster)


@pytest.mark.usefixtures("gate")
def test_a_python_on_the_laptop_computes_on_the_cluster(own: Up) -> None:
    """The printed lines work in a plain Python, after a lost connection too; Ctrl-C takes the keys away."""
    holding = own.springline.popen("client", "own", "--json")
    assert holding.stdout is not None and holding.stderr is not None
    line = holding.stdout.readline()
    assert line, holding.stderr.read()
    told = json.loads(line)
    assert {"session", "platform", "scheduler", "tls_ca", "tls_cert", "tls_key", "versions", "snippet"} <= set(told)
    key = own.on_laptop(["stat", "-c", "%a", told["tls_key"]])
    assert key.stdout.strip() == "600"
    assert on_laptop(own, told["snippet"]) == ["[1, 3]"]
    own.springline.cluster.login.run(["pkill", "-KILL", "-u", "alice", "sshd"])
    assert on_laptop(own, told["snippet"]) == ["[1, 3]"]
    holding.send_signal(signal.SIGINT)
    assert holding.wait(timeout=20) == 130
    assert own.on_laptop(["ls", told["tls_key"]]).returncode != 0


def on_laptop(up: Up, snippet: str) -> list[str]:
    """Run the lines in a Python on the laptop; the host that answered is one of the cluster's nodes."""
    done = up.on_laptop([sys.executable, "-c", f"{snippet}\n{LAPTOP}"])
    node, *rest = done.stdout.splitlines() or [done.stderr]
    assert node in ("node1", "node2"), done.stderr
    return rest


def test_workers_in_the_session_s_own_job(near: Up) -> None:
    """`--dask local` computes on the session's node, submits no job, and keeps within the cores of its own."""
    host = near.wait().line["node"]
    assert cell(near, 2) == [f"{host} {host}", "45 tls"]
    assert len(live_jobs(near.springline, "-near-")) == 1
    near.springline.cluster.login.run(["scancel", near.line["job_id"]], user="alice")


def test_a_scheduler_that_is_there_already(own: Up) -> None:
    """A session uses another's scheduler by its address, may not scale it, and leaves it alone when it ends."""
    theirs = "~/.springline/sessions/own"
    files = {"tls_ca": f"{theirs}/tls.crt", "tls_cert": f"{theirs}/tls.crt", "tls_key": f"{theirs}/tls.key"}
    address = own.line["dask"]["scheduler"]
    assert "tls_ca" in error_of(own.springline, "up", "testbed", "--dask", address, "--dry-run")
    write_section(own.springline, "guest", platform="testbed", dask=address, workers="1", **files)
    guest = start(own.springline, "--name", "guest", what="guest")
    assert cell(guest, 2)[1] == "45 tls"
    assert guest.line["dask"]["scheduler"] == address
    assert "is not this session's" in error_of(own.springline, "scale", "guest", "3")
    assert "in no process of the session" in error_of(own.springline, "client", "guest")
    assert own.springline("stop", "guest").returncode == 0
    assert shown(own)["workers"] == 2


@contextmanager
def gateway(springline: Springline) -> Iterator[str]:
    """A dask-gateway server on login, run by alice; its own clients learn the password from their configuration."""
    cluster = springline.cluster
    home = cluster.cluster_home()
    (home / "gateway.py").write_text(GATEWAY, encoding="utf-8")
    config = home / ".config/dask/gateway.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("gateway: {auth: {kwargs: {username: alice, password: a password}}}\n", encoding="utf-8")
    cluster.login.run("chown -R alice: /home/alice/.config")
    command = [sys.executable, "-m", "dask_gateway_server", "-f", "/home/alice/gateway.py"]
    server: HostProcess = cluster.login.popen(command, user="alice", stdout=None, stderr=None)
    try:
        yield f"http://login:{GATEWAY_PORT}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def test_a_cluster_of_a_gateway(gate: Up) -> None:
    """`--dask gateway` computes there, scales there, has its dashboard through Jupyter, and ends with the session."""
    springline = gate.wait().springline
    assert springline("scale", "gate", "2").returncode == 0
    assert cell(gate, 2) == ["login login", "45 gateway"]
    until(lambda: shown(gate)["workers"] == 2)
    dashboard = gate.line["dask"]["dashboard"].removeprefix(gate.base)
    assert gate.ask(dashboard, gate.token).stdout.endswith("200")
    assert "shape" in error_of(springline, "scale", "gate", "3", "--preset", "large")
    assert springline("stop", "gate").returncode == 0
    until(lambda: workers_on(springline) == 0)


def workers_on(springline: Springline) -> int:
    """How many schedulers and workers of Dask run on login."""
    found = springline.cluster.login.run("ps -u alice -o args | grep -c '[d]istributed.cli.dask_'", check=False)
    return int(found.stdout)
