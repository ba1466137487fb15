"""The end of a session by its own clock: warnings, the page's notice, idleness; and a job that is run again."""

from __future__ import annotations

import http.client
import json
import re
import signal
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from launcher.node.countdown import Countdown
from launcher.node.state import seconds_left
from tests.launcher import node_session
from tests.launcher.node_session import Running

LIMIT = 5  # s without anybody after which the sessions here end themselves


def ready(state: dict[str, Any]) -> bool:
    """Tell whether a session is ready."""
    return state.get("phase") == "ready"


def test_each_mark_is_said_once() -> None:
    """Ten and two minutes before the end there is something to say, each time once; in between one can sleep."""
    now = [0.0]
    countdown = Countdown(3600.0, clock=lambda: now[0])
    said = {}
    while now[0] < 3600:
        wait = countdown.wait()
        assert 0 < wait <= 60
        now[0] += wait
        warning = countdown.warning()
        if warning:
            said[now[0]] = warning
    assert said == {3000.0: "10 min left", 3480.0: "2 min left"}


@pytest.mark.parametrize(
    ("left", "words"),
    [(3600, None), (540, "9 min left"), (121, "2 min left"), (40, "40 s left"), (-5, "0 s left")],
)
def test_session_that_starts_late_says_what_is_left(left: float, words: str | None) -> None:
    """Whoever begins with less than ten minutes is told the minutes that are left, once."""
    countdown = Countdown(1000.0 + left, clock=lambda: 1000.0)
    assert [countdown.warning(), countdown.warning()] == [words, None]


def test_without_an_end_nothing_is_said() -> None:
    """A session without a time limit never warns, unless its scheduler does."""
    countdown = Countdown(None)
    assert (countdown.warning(), countdown.left()) == (None, None)
    assert countdown.words() == "little time left"
    assert seconds_left(None) is None
    assert seconds_left("1970-01-01T00:01:00Z", clock=lambda: 20.0) == 40.0


@pytest.mark.slow
def test_warnings_reach_state_and_page(tmp_path: Path) -> None:
    """Ten minutes before the end the state says so, and JupyterLab's page has the notice and can ask for the time."""
    with node_session.session(tmp_path / "s", walltime_seconds=603) as running:
        running.until(ready)
        answer = running.ask("GET", "/springline/session").json()
        assert answer["ends"] == running.state()["ends"]
        assert 540 < answer["seconds_left"] < 603
        assert running.ask("GET", "/springline/session", token=None).status == 403
        page = running.ask("GET", "/lab").body.decode()
        config = json.loads(re.findall(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[0])
        (notice,) = [each for each in config["federated_extensions"] if each["name"] == "springline"]
        script = running.ask("GET", f"/lab/extensions/springline/{notice['load']}")
        assert (script.status, b"_JUPYTERLAB.springline" in script.body) == (200, True)
        running.until(lambda state: state["warning"] == "10 min left", seconds=10)


@pytest.mark.slow
def test_warning_from_slurm_is_passed_on(tmp_path: Path) -> None:
    """SIGUSR1 warns as well; where no end is known, a later signal then means the time limit."""
    with node_session.session(tmp_path / "s") as running:
        running.until(ready)
        told = running.ask("GET", "/springline/session").json()
        assert told == {"session": running.state()["session"], "ends": None, "seconds_left": None}
        running.process.send_signal(signal.SIGUSR1)
        running.until(lambda state: state["warning"] == "little time left")
        running.process.terminate()
        assert running.process.wait(5) == 143
        assert running.state()["reason"] == "time_limit"


def ends_idle(running: Running) -> None:
    """Check that a session ends itself, cleanly, soon after nobody needs it any more."""
    assert running.process.wait(LIMIT + 10) == 0
    state = running.state()
    assert (state["phase"], state["reason"], state["exit_code"], state["doors"]) == ("ending", "idle", 0, {})
    assert state["message"] == f"No kernel or Dask task ran and nobody was connected for {LIMIT} s (idle_stop)."
    assert running.processes() == []


def stays(running: Running) -> None:
    """Check that a session is alive when it would have ended, were it idle."""
    time.sleep(LIMIT + 1.5)
    assert running.process.poll() is None, running.state()


@pytest.mark.slow
def test_idle_session_ends_itself(tmp_path: Path) -> None:
    """Nobody there, a worker waiting, and a page that only asks for the time: the session ends as shut down cleanly."""
    with node_session.session(tmp_path / "s", idle_stop_seconds=LIMIT) as running:
        running.until(ready)
        deadline = time.monotonic() + LIMIT + 4
        while running.process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError, StopIteration, http.client.HTTPException):  # it has just ended
                running.ask("GET", "/springline/session")
            time.sleep(0.3)
        assert time.monotonic() < deadline
        ends_idle(running)


@pytest.mark.slow
def test_work_and_visitors_keep_the_session(tmp_path: Path) -> None:
    """None of these is idleness, one after the other in one session; when they are over, it is."""
    with node_session.session(tmp_path / "s", idle_stop_seconds=LIMIT) as running:
        running.until(ready)
        for keeps in (busy_kernel, dask_task, open_notebook, page_that_asks, printing_terminal):
            keeps(running)
            assert running.process.poll() is None, (keeps.__doc__, running.state())
        ends_idle(running)


def busy_kernel(running: Running) -> None:
    """A cell that runs on after its page was closed."""
    kernel, _ = running.begin_code(f"import time; time.sleep({LIMIT + 3})")
    time.sleep(1)
    kernel.close()
    stays(running)


def dask_task(running: Running) -> None:
    """A task that runs on after its client left."""
    distributed = pytest.importorskip("distributed")
    pair = {"tls_client_cert": f"{running.directory}/tls.crt", "tls_client_key": f"{running.directory}/tls.key"}
    security = distributed.Security(tls_ca_file=pair["tls_client_cert"], require_encryption=True, **pair)
    with distributed.Client(running.state()["dask"]["scheduler"], security=security) as client:
        distributed.fire_and_forget(client.submit(time.sleep, LIMIT + 3))
        time.sleep(1)
    stays(running)


def open_notebook(running: Running) -> None:
    """Somebody who is connected, even if no cell runs."""
    kernel = running.ask("POST", "/api/kernels", {"name": "python3"}).json()["id"]
    with closing(running.websocket(f"/api/kernels/{kernel}/channels")):
        stays(running)


def page_that_asks(running: Running) -> None:
    """Requests well within the limit, for this machine may be slow."""
    for _ in range(LIMIT + 2):
        running.ask("GET", "/api/contents")
        time.sleep(1)


def printing_terminal(running: Running) -> None:
    """A program that prints into a terminal, with or without a page."""
    name = running.ask("POST", "/api/terminals").json()["name"]
    with closing(running.websocket(f"/terminals/websocket/{name}")) as terminal:
        terminal.send(json.dumps(["stdin", f"for i in $(seq {LIMIT + 3}); do echo $i; sleep 1; done\r"]))
        time.sleep(0.5)
    stays(running)


def secrets(running: Running) -> set[str]:
    """Return which of a session's secrets are still there."""
    return {name for name in ("token", "tls.key") if (running.directory / name).exists()}


@pytest.mark.slow
def test_dead_secrets_are_removed(tmp_path: Path) -> None:
    """After a clean end the secrets are gone; after a signal, or in a job that was run again, they stay."""
    with node_session.session(tmp_path / "clean") as clean:
        clean.until(ready)
        clean.ask("POST", "/api/shutdown")
        assert clean.process.wait(5) == 0
    assert secrets(clean) == set()
    with node_session.session(tmp_path / "again", environ={"SLURM_RESTART_COUNT": "1"}) as again:
        again.until(ready)
        again.ask("POST", "/api/shutdown")
        assert again.process.wait(5) == 0
    assert secrets(again) == {"token", "tls.key"}
    with node_session.session(tmp_path / "signal") as ended:
        ended.until(ready)
        ended.process.terminate()
        assert ended.process.wait(5) == 143
    assert secrets(ended) == {"token", "tls.key"}


@pytest.mark.slow
def test_job_that_is_run_again_starts_over(tmp_path: Path) -> None:
    """In the same directory, after the node died, the state starts clean and counts on; wanted doors open again."""
    with node_session.session(tmp_path / "s", walltime_seconds=300) as first:
        first.until(ready)
        first.ask_for("node-tls")
        before = first.until(lambda state: "node-tls" in state["doors"])
        assert before["warning"] == "5 min left"
        first.process.kill()
        first.process.wait(5)
        while first.processes():
            time.sleep(0.1)
    again = node_session.start(
        first.directory, SLURM_RESTART_COUNT="1", SLURM_JOB_END_TIME=str(int(time.time()) + 3600)
    )
    try:
        state = again.until(lambda state: state["seq"] > before["seq"])
        assert (state["phase"], state["doors"], state["access"], state["jupyter"]) == ("starting", {}, "", None)
        assert {state[key] for key in ("warning", "reason", "message", "exit_code", "dask")} == {None}
        state = again.until(lambda state: ready(state) and "node-tls" in state["doors"])
        assert state["warning"] is None
        assert again.run_code("print(6 * 7)").strip() == "42"
    finally:
        again.process.terminate()
        again.process.wait(5)
    assert again.state()["exit_code"] == 143
    assert again.state()["seq"] > state["seq"]
