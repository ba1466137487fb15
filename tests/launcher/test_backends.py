"""Who gives a session its workers, as the node program sees it: shapes of jobs, and schedulers in other processes."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.node.lab import server
from launcher.node.request import Request, SessionDir, Workers, parse
from launcher.node.workers import backends, daskcluster, daskconfig, gateway
from launcher.node.workers.remotecluster import RemoteCluster
from launcher.node.workers.standing import Standing
from launcher.sessions import scaling
from launcher.tunnels.access import Refusal
from launcher.tunnels.certificates import new_certificate
from tests.launcher.node_session import REQUEST, TOKEN, session

SMALL = Workers(cores=1, memory="500MB", walltime="01:00:00", walltime_seconds=3600, local_directory="/tmp")
LARGE = dataclasses.replace(SMALL, cores=16, processes=4, memory="64GB", partition="fat")
sizes = st.lists(st.integers(1, 8), max_size=8)


@given(st.integers(0, 40), sizes, st.integers(1, 8))
def test_jobs_of_several_shapes_are_counted_as_they_are(n: int, there: list[int], size: int) -> None:
    """There are enough workers, none of the jobs is needless, and what is needed of those that run stays."""
    jobs = daskcluster.jobs_for(n, there, size)
    kept = there[:jobs] + [size] * (jobs - len(there))
    assert sum(kept) >= n
    assert not kept or sum(kept[:-1]) < n or (jobs == len(there) and sum(there) < n)


@pytest.fixture
def directory(tmp_path: Path) -> SessionDir:
    """A session's directory with its certificate."""
    pair = new_certificate()
    (tmp_path / "tls.crt").write_text(pair.certificate)
    (tmp_path / "tls.key").write_text(pair.key)
    (tmp_path / "jupyter/scratch").mkdir(parents=True)
    return SessionDir(tmp_path)


@pytest.fixture
def cluster(directory: SessionDir) -> Iterator[Any]:
    """dask-jobqueue's own cluster for a request with small workers; nothing is submitted."""
    pytest.importorskip("dask_jobqueue")
    made = backends.make(directory, Request(session="x", scheduler="slurm", workers=SMALL), "127.0.0.1")
    yield made
    made.close()


def test_a_shape_is_of_the_jobs_asked_for_from_now_on(directory: SessionDir, cluster: Any) -> None:  # noqa: ANN401
    """The next job's script asks for the preset's cores and partition, and the one before is as it was."""
    before = cluster.new_spec
    request = Request(session="x", scheduler="slurm", workers=LARGE)
    backends.backend_of(request).shape(cluster, directory, request, "127.0.0.1")
    script = cluster.job_script()
    assert "--cpus-per-task=16" in script and "-p fat" in script and "--nworkers 4" in script
    assert cluster.new_spec["group"] == ["-0", "-1", "-2", "-3"]
    assert before["options"]["cores"] == 1 and "group" not in before


def test_workers_that_were_refused_leave_nothing_behind(
    cluster: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each way of asking is refused with words; nothing is counted of it; the next that succeeds clears the words."""
    distributed: Any = pytest.importorskip("distributed")
    monkeypatch.setenv("PATH", "/nowhere")  # no sbatch, so nothing can be submitted
    told: list[Any] = []
    request = Request(session="x", scheduler="slurm", workers=SMALL)
    tell = lambda name, value: name == "workers" and told.append(value)  # noqa: E731
    running = daskcluster.RunningCluster(cluster, request, tell, distributed.Adaptive)
    for numbers in ((1,), (1, 2)):
        with pytest.raises(backends.NotStarted, match="No worker was started"):
            running.ask(*numbers)
        assert (running.planned(), cluster.workers) == (0, {})
    told.clear()
    running.ask(0, 2)
    assert told == []  # it asked for nothing yet, so what was refused stays told
    with distributed.Client(cluster) as client:
        work = client.submit(int)
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            time.sleep(0.05)
        work.cancel()
    assert len(told) == 1 and "No worker was started" in told[0]
    running.ask(0)
    assert told.pop() is None


def test_a_shape_that_was_refused_is_not_kept(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    """Those asked for later are as before; a range that asked for nothing yet keeps the shape and clears no words."""
    distributed: Any = pytest.importorskip("distributed")
    monkeypatch.setenv("PATH", "/nowhere")
    shapes: list[Workers] = []
    told: list[Any] = []
    request = Request(session="x", scheduler="slurm", workers=SMALL, presets={"large": LARGE})
    tell = lambda name, value: name == "workers" and told.append(value)  # noqa: E731
    running = daskcluster.RunningCluster(cluster, request, tell, distributed.Adaptive, shapes.append)
    for ask in (partial(running.scale, 2), partial(running.adapt, 1, 3)):
        with pytest.raises(backends.NotStarted):
            cluster.sync(ask, preset="large")
    assert shapes == [LARGE, SMALL, LARGE, SMALL]
    told.clear()
    cluster.sync(running.adapt, 0, 3, preset="large")
    assert (shapes[-1], told) == (LARGE, [])
    with pytest.raises(backends.DaskError, match="no preset 'larg'"):
        cluster.sync(running.scale, 0, preset="larg")
    cluster.sync(running.scale, 0)
    assert (shapes[-1], told) == (LARGE, [None])


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (backends.DaskError("no such preset"), 409, 2),
        (backends.NotStarted("invalid partition"), 502, 20),
        (OSError("connection lost"), 500, 50),
        (TimeoutError(), 500, 50),
    ],
)
def test_who_asks_for_workers_hears_whose_fault_it_is(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: int
) -> None:
    """A refusal of the session's, one of whoever gives workers, and a scheduler that cannot be reached."""
    asking = pytest.importorskip("launcher.node.lab.asking")
    web = pytest.importorskip("tornado.web")
    handler: Any = object.__new__(asking.WorkersOf)
    handler._current_user = "me"
    monkeypatch.setattr(handler, "get_json_body", lambda: {"workers": 1}, raising=False)

    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(handler, "_ask", fail, raising=False)
    with pytest.raises(web.HTTPError) as caught:
        asyncio.run(inspect.unwrap(asking.WorkersOf.post)(handler))
    assert caught.value.status_code == status
    said = scaling._meant(Refusal(status, str(caught.value.log_message), "POST"), None)
    assert said.exit_code == code and (str(error) or "TimeoutError") in said.message


class Gone:
    """A driver whose server is gone, or back."""

    refusal = ""
    back = False

    async def adapt(self, _minimum: int, _maximum: int | None) -> str | None:
        """Fail as a client does, or say what a server may."""
        if not self.back:
            raise ConnectionRefusedError("nobody listens")
        return "no more than 3"


def test_what_a_server_does_not_do_is_told(directory: SessionDir) -> None:
    """MIN:MAX that nobody hears is an error and stands in the state; the next answer takes its place."""
    told: list[Any] = []
    driver: Any = Gone()
    request = Request(session="x", dask="gateway")
    remote = RemoteCluster(driver, directory, request, lambda _, value: told.append(value))
    with pytest.raises(backends.NotStarted, match="nobody listens"):
        asyncio.run(remote.adapt(1, 4))
    driver.back = True
    asyncio.run(remote.adapt(1, 4))
    assert told == ["No worker was started: nobody listens", "no more than 3"]


def test_a_request_of_before_knows_no_backends() -> None:
    """Without the new keys the scheduler's own workers are meant."""
    old = parse(REQUEST)
    assert (old.backend, old.presets) == ("local", {})
    new = parse({**REQUEST, "dask": "tls://a:1", "presets": {"large": {"cores": 16, "unknown": 1}}})
    assert (new.backend, new.presets["large"].cores) == ("address", 16)


def test_clients_find_the_certificates_of_each_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's own, the gateway's cluster's, the user's for an address; for one without TLS there are none."""
    monkeypatch.setenv("HOME", "/home/me")
    directory = SessionDir(tmp_path)

    def found(**changes: Any) -> Any:  # noqa: ANN401
        tls = daskconfig.tls(directory, Request(session="x", **changes))
        return tls and (tls["ca-file"], tls["client"]["key"])

    assert found() == (f"{tmp_path}/tls.crt", f"{tmp_path}/tls.key")
    assert found(dask="gateway") == (f"{tmp_path}/gateway.crt", f"{tmp_path}/gateway.key")
    files = {"tls_ca": "~/ca.crt", "tls_cert": "/c.crt", "tls_key": "$HOME/k.key"}
    assert found(dask="tls://a:1", **files) == ("/home/me/ca.crt", "/home/me/k.key")
    assert found(dask="tcp://a:1") == {}


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("http://gate:8000/clusters/a1/status", "/proxy/gate:8000/clusters/a1/status"),
        ("http://gate/clusters/a1/status", "/proxy/gate:80/clusters/a1/status"),
        ("https://gate/clusters/a1/status", "https://gate/clusters/a1/status"),
        (None, ""),
    ],
)
def test_a_gateway_s_dashboard_is_behind_jupyter_where_its_proxy_can(link: str | None, path: str) -> None:
    """Jupyter's proxy speaks plain HTTP to other hosts; a dashboard with HTTPS keeps its own address."""
    assert gateway.behind_jupyter(link) == path


def test_jupyter_proxies_to_the_dashboard_s_host_alone() -> None:
    """Beside this host, the scheduler's or the gateway's; for workers of the session's own, none."""
    assert server.dashboard_hosts(Request(session="x")) == []
    assert server.dashboard_hosts(Request(session="x", dask="tcp://node7:8786")) == ["node7"]
    asked = Request(session="x", dask="gateway", gateway_address="https://gate.example/x")
    assert server.dashboard_hosts(asked) == ["gate.example"]


def test_a_scheduler_whose_files_are_missing_is_said(tmp_path: Path) -> None:
    """The sentence names the file."""
    request = Request(session="x", dask="tls://127.0.0.1:1", tls_ca=f"{tmp_path}/ca", tls_cert="/", tls_key="/")
    with pytest.raises(backends.DaskError, match=f"cannot read {tmp_path}/ca"):
        asyncio.run(Standing(request).start())


@pytest.mark.slow
def test_a_preset_in_jupyterlab(tmp_path: Path) -> None:
    """The page of the palette's commands names the presets, gives workers their shape and refuses what it must."""
    big = {**REQUEST["workers"], "cores": 2, "memory": "600MiB"}
    with session(tmp_path / "s", presets={"big": big}) as running:
        running.until(lambda state: bool(state.get("phase") == "ready" and state["dask"]))
        assert running.ask("GET", "/springline/workers").json() == {"presets": ["default", "big"]}
        assert running.ask("POST", "/springline/workers", {"workers": 2, "preset": "big"}).json()["preset"] == "big"
        running.until(lambda _: running.ask("GET", "/dask/clusters").json()[0]["cores"] == 1 + 2)
        unknown = running.ask("POST", "/springline/workers", {"workers": 2, "preset": "bigg"})
        assert (unknown.status, "Did you mean 'big'?" in unknown.json()["message"]) == (409, True)
        for _ in range(2):
            ranged = running.ask("POST", "/springline/workers", {"adapt": {"minimum": 1, "maximum": 2}}).json()
            assert ranged["adapt"] == {"minimum": 1, "maximum": 2}
        assert running.ask("POST", "/springline/workers", {"preset": "big"}).status == 400
        assert running.ask("POST", "/springline/workers", {"workers": 2, "preset": "big"}, token=None).status == 403
        assert TOKEN not in running.log()
