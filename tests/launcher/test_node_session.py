"""The node program as a whole: real processes, a real JupyterLab, a real Dask cluster of local workers."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from websocket import WebSocketBadStatusException

from tests.launcher import node_session
from tests.launcher.node_session import TOKEN, Running

pytestmark = pytest.mark.slow

REFERENCE = """
from distributed import Client
client = Client()
print(client.submit(lambda x: x + 1, 1).result(), client.scheduler.address, client.dashboard_link)
"""


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running session for all tests that do not end it."""
    with node_session.session(tmp_path_factory.mktemp("node") / "session") as running:
        running.until(lambda state: state.get("phase") == "ready")
        yield running


@pytest.fixture
def free() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def clusters(running: Running) -> list[dict[str, Any]]:
    """Return what the Dask panel lists."""
    answer = running.ask("GET", "/dask/clusters").json()
    assert isinstance(answer, list)
    return answer


def wait_for_workers(running: Running, cluster: str, count: int) -> dict[str, Any]:
    """Wait until the panel shows so many workers."""
    deadline = time.monotonic() + 20
    while (model := running.ask("GET", f"/dask/clusters/{cluster}").json())["workers"] != count:
        assert time.monotonic() < deadline, model
        time.sleep(0.1)
    return dict(model)


def test_state_says_all_a_launcher_needs(ready: Running) -> None:
    """The state of a session that is ready has the agreed keys and private access rights."""
    state = ready.state()
    assert state["schema_version"] == 1
    assert state["session"] == "local-t3st"
    assert (state["phase"], state["access"], state["address"]) == ("ready", "socket", "127.0.0.1")
    assert (state["jupyter"], list(state["doors"])) == ({"base_url": "/"}, ["socket"])
    assert state["user"] == getpass.getuser()
    assert all(len(key.split()) == 2 for key in state["host_keys"])
    assert state["pid"] == ready.process.pid
    assert state["dask"]["scheduler"].startswith("tls://127.0.0.1:")
    assert state["dask_error"] is state["reason"] is state["message"] is state["exit_code"] is state["ends"] is None
    names = {"python", "jupyterlab", "dask_labextension", "dask_jobqueue"}
    names |= {"dask", "distributed", "msgpack", "cloudpickle"}
    assert set(state["versions"]) == names
    text = (ready.directory / "state.json").read_text(encoding="utf-8")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert stat.S_IMODE((ready.directory / "state.json").stat().st_mode) == 0o600


def test_token_opens_and_nothing_else_does(ready: Running) -> None:
    """Jupyter answers with the token only."""
    assert ready.ask("GET", "/api/contents").status == 200
    assert ready.ask("GET", "/api/contents", token=None).status == 403
    assert ready.ask("GET", "/api/contents", token="wrong").status == 403
    assert ready.ask("GET", "/dask/clusters", token=None).status in (302, 403)


def test_foreign_host_and_origin_are_refused(ready: Running) -> None:
    """A page of another site that points its name here gets nothing, token or not."""
    assert ready.ask("GET", "/api/contents", Host="evil.example").status == 403
    strange = {"Origin": "http://evil.example"}
    assert ready.ask("POST", "/api/kernels", {}, token=None, **strange).status in (403, 404)


def test_token_is_in_no_other_file_and_no_command_line(ready: Running) -> None:
    """Of the session's files only the token's own holds it, and Jupyter's runtime directory is the owner's alone."""
    ready.ask("GET", f"/lab?token={TOKEN}", token=None)
    files = [path for path in ready.directory.rglob("*") if path.is_file()]
    secret = {path.relative_to(ready.directory).parts[0] for path in files if TOKEN.encode() in path.read_bytes()}
    assert secret == {"token"}
    assert TOKEN.encode() not in node_session.command_lines()
    assert stat.S_IMODE((ready.directory / "jupyter").stat().st_mode) == 0o700
    for pid in ready.processes():
        assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_panel_shows_and_scales_the_one_cluster(ready: Running) -> None:
    """The Dask panel lists the session's cluster; scaling it starts and stops real workers, within the limit."""
    (cluster,) = clusters(ready)
    assert cluster["name"] == "local-t3st"
    assert cluster["scheduler_address"] == ready.state()["dask"]["scheduler"]
    assert cluster["dashboard_link"] == ready.state()["dask"]["dashboard"]
    path = f"/dask/clusters/{cluster['id']}"
    assert ready.ask("PATCH", path, {"workers": 2}).status == 200
    model = wait_for_workers(ready, cluster["id"], 2)
    assert (model["cores"], model["memory"]) == (2, "800.00 MiB")
    adaptive = ready.ask("PATCH", path, {"adapt": {"minimum": 1, "maximum": 9}}).json()
    assert adaptive["adapt"] == {"minimum": 1, "maximum": 9}
    assert "adapt" not in ready.ask("PATCH", path, {"workers": 50}).json()
    wait_for_workers(ready, cluster["id"], 3)
    ready.ask("PATCH", path, {"workers": 1})
    wait_for_workers(ready, cluster["id"], 1)


def test_shutdown_in_the_panel_releases_workers_only(ready: Running) -> None:
    """Shutdown in the panel stops the workers; a new cluster there is the session's own again."""
    (cluster,) = clusters(ready)
    assert ready.ask("DELETE", f"/dask/clusters/{cluster['id']}").status == 204
    assert clusters(ready) == []
    again = ready.ask("PUT", "/dask/clusters").json()
    assert again["scheduler_address"] == cluster["scheduler_address"]
    assert again["workers"] == 0
    ready.ask("PATCH", f"/dask/clusters/{again['id']}", {"workers": 1})
    wait_for_workers(ready, again["id"], 1)


def test_client_without_arguments_finds_the_cluster(ready: Running) -> None:
    """``Client()`` in a notebook computes on the session's workers and links to the dashboard behind Jupyter."""
    dask = ready.state()["dask"]
    assert ready.run_code(REFERENCE).split() == ["2", dask["scheduler"], dask["dashboard"]]


def test_dashboard_answers_through_jupyter(ready: Running) -> None:
    """The dashboard is there for who has the token."""
    link = ready.state()["dask"]["dashboard"]
    assert b"Dask Diagnostic UI" in ready.ask("GET", link).body
    plots = ready.ask("GET", link.replace("status", "individual-plots.json")).json()
    assert plots["Individual Task Stream"] == "/individual-task-stream"
    assert ready.ask("GET", link, token=None).status in (302, 403)
    with pytest.raises(WebSocketBadStatusException, match="403"):
        ready.websocket(f"{link}/ws", token=None)


WORKERS_PAGES = """
from distributed import Client
client = Client()
client.wait_for_workers(1)
print(*(worker["services"]["dashboard"] for worker in client.scheduler_info()["workers"].values()))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_dask_pages_are_closed_to_other_users_of_the_node(ready: Running) -> None:
    """Another user's process on the same node gets no answer from the dashboard's own port, nor from a worker's."""
    dashboard = ready.state()["dask"]["dashboard"].split("/")[2]
    workers = ready.run_code(WORKERS_PAGES).split()
    assert workers
    python = os.path.realpath(sys.executable)  # the environment may lie where nobody else can look

    def run(url: str, **who: int) -> int:
        code = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{url}', timeout=5)"
        return subprocess.run([python, "-I", "-c", code], capture_output=True, check=False, **who).returncode  # type: ignore[call-overload, no-any-return]

    for url in (f"{dashboard}/status", *(f"{port}/sitemap.json" for port in workers)):
        assert run(url) == 0
        assert run(url, user=65534, group=65534) == 1


def test_kernel_speaks_through_private_sockets(ready: Running) -> None:
    """What cells hold and print goes through sockets that only the owner can reach, not through ports of the node."""
    code = "import ipykernel, json; print(json.loads(ipykernel.get_connection_info())['transport'])"
    assert ready.run_code(code).strip() == "ipc"


WHERE_DASK_WRITES = """
from distributed import Client
client = Client()
client.wait_for_workers(1)
paths = lambda dask_scheduler: dask_scheduler.local_directory
workers = client.run(lambda dask_worker: dask_worker.local_directory)
print(client.run_on_scheduler(paths), *workers.values(), sep="\\n")
"""


def test_dask_writes_to_the_private_directory_only(ready: Running) -> None:
    """Scheduler and workers keep their files, from which they also import, below the directory that is ours alone."""
    runtime = (ready.directory / "jupyter").resolve()
    written = [Path(line) for line in ready.run_code(WHERE_DASK_WRITES).split()]
    assert len(written) >= 2
    assert all(runtime in path.resolve().parents for path in written), written


def test_plain_client_is_refused(ready: Running) -> None:
    """A Dask client without the session's certificate gets nowhere, with or without TLS."""
    from distributed import Client, Security

    address = ready.state()["dask"]["scheduler"]
    with pytest.raises(OSError):
        Client(address.replace("tls://", "tcp://"), timeout=2)
    stranger = Security.temporary()
    with pytest.raises(OSError):
        Client(address, security=stranger, timeout=2)


def test_users_own_configuration_does_not_open_the_door(tmp_path: Path) -> None:
    """A Jupyter configuration without a token, another port and an own Dask address change nothing of ours."""
    config = tmp_path / "config"
    config.mkdir()
    lines = ["c.IdentityProvider.token = ''", "c.PasswordIdentityProvider.token = ''", "c.ServerApp.port = 1"]
    (config / "jupyter_server_config.py").write_text(
        "\n".join([*lines, "c.ServerApp.ip = '0.0.0.0'"]), encoding="utf-8"
    )
    environ = {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_TOKEN": "theirs",
        "DASK_SCHEDULER_ADDRESS": "tcp://127.0.0.1:1",
        "DASK_DISTRIBUTED__DASHBOARD__LINK": "http://elsewhere",
    }
    with node_session.session(tmp_path / "s", environ=environ, workers={**node_session.WORKERS, "count": 0}) as running:
        running.until(lambda state: state.get("phase") == "ready")
        assert running.ask("GET", "/api/contents", token=None).status == 403
        assert running.ask("GET", "/api/contents", token="theirs").status == 403
        assert running.ask("GET", "/api/contents").status == 200
        server = json.loads(next((running.directory / "jupyter").glob("jpserver-*.json")).read_text(encoding="utf-8"))
        assert server["hostname"] == "127.0.0.1"
        (cluster,) = clusters(running)
        assert cluster["dashboard_link"].startswith("/proxy/")


def assert_emptied(runtime: Path) -> None:
    """See that a session's runtime directory is empty, and still there: nobody else can make one of its name."""
    deadline = time.monotonic() + 5
    while list(runtime.iterdir()):
        assert time.monotonic() < deadline, list(runtime.iterdir())
        time.sleep(0.1)
    assert stat.S_IMODE(runtime.stat().st_mode) & 0o777 == 0o700
    runtime.rmdir()


def listening_ports(pid: int) -> list[int]:
    """Return the TCP ports that a process listens on."""
    found = psutil.Process(pid).net_connections("tcp")
    return [one.laddr.port for one in found if one.status == psutil.CONN_LISTEN]


def jupyter_pid(running: Running) -> int:
    """Return the process id of a session's Jupyter server."""
    (info,) = (running.directory / "jupyter").glob("jpserver-*.json")
    return int(info.stem.partition("-")[2])


def test_socket_is_the_only_way_in(tmp_path: Path) -> None:
    """With the socket alone Jupyter listens on no port, and the socket is the owner's."""
    with node_session.session(tmp_path / "s") as running:
        state = running.until(lambda state: state.get("phase") == "ready")
        assert running.run_code("print(6 * 7)").strip() == "42"
        socket = Path(state["doors"]["socket"])
        assert stat.S_ISSOCK(socket.stat().st_mode)
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket.parent.stat().st_mode) & 0o777 == 0o700  # Jupyter makes it sticky
        assert listening_ports(jupyter_pid(running)) == []


@pytest.mark.parametrize("door", ["socket", "node-tls", "loopback", "node-http"])
def test_every_door_leads_to_everything(every_door: Running, door: str) -> None:
    """Pages, cookies, cross-site checks, kernels, the Dask panel and the dashboard work through each door."""
    ask = partial(every_door.ask, door=door)
    page = ask("GET", f"/lab?token={TOKEN}", token=None)
    assert page.status == 200
    cookie = "; ".join(line.partition(";")[0] for line in page.cookies())
    assert "secure" not in "".join(page.cookies()).lower()
    xsrf = cookie.partition("_xsrf=")[2].partition(";")[0]
    made = ask("POST", "/api/kernels", {}, token=None, **{"Cookie": cookie, "X-XSRFToken": xsrf})
    assert made.status == 201
    assert ask("POST", "/api/kernels", {}, token=None, Cookie=cookie).status == 403
    channels = f"/api/kernels/{made.json()['id']}/channels"
    every_door.websocket(channels, token=None, door=door, Cookie=cookie).close()
    with pytest.raises(WebSocketBadStatusException, match="403"):
        every_door.websocket(channels, token=None, door=door)
    assert every_door.run_code("print(6 * 7)", door).strip() == "42"
    assert ask("GET", "/api/contents", token=None).status == 403
    assert ask("GET", "/api/contents", Host="evil.example").status == 403
    assert ask("POST", "/api/kernels", {}, token=None, Origin="http://evil.example").status in (403, 404)
    (cluster,) = ask("GET", "/dask/clusters").json()
    assert b"Dask Diagnostic UI" in ask("GET", cluster["dashboard_link"]).body
    every_door.websocket(f"{cluster['dashboard_link']}/ws", door=door).close()


@pytest.fixture(scope="module")
def every_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A session with every door open: one from the start, two more at the start, one that is asked for later."""
    started = ["socket", "node-http", "node-tls"]
    with node_session.session(tmp_path_factory.mktemp("doors") / "session", doors=started) as running:
        running.until(lambda state: state.get("phase") == "ready" and len(state["doors"]) == len(started))
        running.ask_for("loopback")
        running.until(lambda state: "loopback" in state["doors"])
        yield running


def test_least_safe_open_door_is_told(every_door: Running) -> None:
    """The state shows the least safe door of all that are open."""
    assert every_door.state()["access"] == "node-http"


@pytest.mark.parametrize("door", ["node-tls", "loopback"])
def test_certificate_is_the_sessions(every_door: Running, door: str) -> None:
    """A client that trusts another session's certificate turns away; one that speaks plainly gets nothing."""
    state = every_door.state()
    place = {"node-tls": state["address"], "loopback": "127.0.0.1"}[door], state["doors"][door]
    wrong = http.client.HTTPSConnection(*place, context=node_session.wrong_context(), timeout=5)
    with pytest.raises(ssl.SSLCertVerificationError):
        wrong.request("GET", "/api")
    with closing(http.client.HTTPConnection(*place, timeout=5)) as plain:
        plain.request("GET", "/api")
        with pytest.raises((OSError, http.client.HTTPException)):
            plain.getresponse()


def test_unknown_and_unencrypted_doors_stay_closed(tmp_path: Path) -> None:
    """A launcher cannot ask for plain HTTP later, nor for a door that is none; the next door still opens."""
    with node_session.session(tmp_path / "s") as running:
        running.until(lambda state: bool(state.get("doors")))
        running.ask_for("node-http", "window", "node-tls")
        state = running.until(lambda state: "node-tls" in state["doors"])
        assert set(state["doors"]) == {"socket", "node-tls"}
        assert state["access"] == "node-tls"


def test_door_that_cannot_be_opened_is_left_out(tmp_path: Path, free: int) -> None:
    """A further door whose port is taken is logged, and the session goes on without it."""
    with socket.create_server(("127.0.0.1", free)), node_session.session(tmp_path / "s", port=free) as running:
        running.until(lambda state: bool(state.get("doors")))
        running.ask_for("loopback", "node-tls")
        state = running.until(lambda state: "node-tls" in state["doors"])
        assert "loopback" not in state["doors"]
        assert "The door loopback cannot be opened" in (running.directory / "node.log").read_text(encoding="utf-8")


def test_own_listener_on_the_nodes_address(tmp_path: Path) -> None:
    """With node-tls as the only door Jupyter's own listener speaks TLS on the node's address."""
    with node_session.session(tmp_path / "s", doors=["node-tls"]) as running:
        state = running.until(lambda state: bool(state.get("doors")))
        assert running.ask("GET", "/api/contents").status == 200
        assert listening_ports(jupyter_pid(running)) == [state["doors"]["node-tls"]]


def test_sigterm_ends_everything_within_seconds(tmp_path: Path) -> None:
    """SIGTERM writes the end, stops Jupyter, a busy kernel and the workers, and leaves no process."""
    with node_session.session(tmp_path / "s") as running:
        running.until(lambda state: state.get("phase") == "ready")
        kernel, _ = running.begin_code(
            "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(99)"
        )
        time.sleep(1)  # until it does
        began = time.monotonic()
        running.process.terminate()
        assert running.process.wait(5) == 143
        assert time.monotonic() - began < 3
        state = running.state()
        assert (state["phase"], state["reason"], state["exit_code"]) == ("ending", "terminated", 143)
        assert running.processes() == []
        kernel.close()


def test_signal_near_the_end_is_the_time_limit(tmp_path: Path) -> None:
    """A signal in the last minute before the walltime, or after USR1's warning, means that time is up."""
    with node_session.session(tmp_path / "s", walltime_seconds=30) as running:
        running.until(lambda state: state.get("phase") == "starting")
        running.process.terminate()
        running.process.wait(5)
        assert running.state()["reason"] == "time_limit"
        assert running.processes() == []


def test_shut_down_in_jupyter_ends_the_session(tmp_path: Path) -> None:
    """File → Shut Down ends the session with code 0."""
    with node_session.session(tmp_path / "s") as running:
        socket = Path(running.until(lambda state: state.get("phase") == "ready")["doors"]["socket"])
        assert running.ask("POST", "/api/shutdown").status == 200
        assert running.process.wait(5) == 0
        state = running.state()
        assert (state["phase"], state["reason"], state["exit_code"]) == ("ending", "shut_down", 0)
        assert running.processes() == []
        assert_emptied(socket.parent)


def test_killed_node_program_takes_jupyter_along(tmp_path: Path) -> None:
    """Even SIGKILL leaves no Jupyter and no worker behind, and nothing of Jupyter's on the node."""
    with node_session.session(tmp_path / "s") as running:
        socket = Path(running.until(lambda state: state.get("phase") == "ready")["doors"]["socket"])
        running.process.kill()
        running.process.wait(5)
        deadline = time.monotonic() + 10
        while running.processes():
            assert time.monotonic() < deadline, running.processes()
            time.sleep(0.1)
        assert_emptied(socket.parent)


def test_busy_port_fails_with_a_sentence(tmp_path: Path, free: int) -> None:
    """A port that was asked for and is taken is an error that names it."""
    taken = socket.create_server(("127.0.0.1", free))
    with taken, node_session.session(tmp_path / "s", doors=["loopback"], port=free) as running:
        assert running.process.wait(20) == 1
        state = running.state()
        assert (state["phase"], state["reason"], state["exit_code"]) == ("ending", "failed", 1)
        assert f"port {free} is not available" in state["message"]


def test_dask_that_fails_leaves_jupyter(tmp_path: Path) -> None:
    """Without a Dask cluster the session is still ready, and says in a sentence what went wrong."""
    workers = {**node_session.WORKERS, "memory": "lots"}
    with node_session.session(tmp_path / "s", scheduler="local", workers=workers) as running:
        state = running.until(lambda state: state.get("phase") == "ready" and state["dask_error"] is not None)
        assert "lots" in state["dask_error"]
        assert running.ask("GET", "/api/contents").status == 200
