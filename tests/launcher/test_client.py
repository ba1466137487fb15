"""The lines that `springline client` prints, and what it says of versions."""

from __future__ import annotations

import ast
import os
import signal
import time
from pathlib import Path

import pytest

from launcher.errors import Interrupted
from launcher.laptop import leftkeys, signals
from launcher.model import Session
from launcher.terminal import daskclient
from launcher.terminal.daskclient import Files
from launcher.tunnels.certificates import new_certificate


def test_the_lines_make_a_client_of_a_real_scheduler(tmp_path: Path) -> None:
    """With the files of a session they reach a scheduler that has the session's certificate, and no other's."""
    distributed = pytest.importorskip("distributed")
    files = session_files(tmp_path / "a b")
    security = distributed.Security(
        tls_ca_file=files.tls_ca,
        tls_scheduler_cert=files.tls_cert,
        tls_scheduler_key=files.tls_key,
        tls_worker_cert=files.tls_cert,
        tls_worker_key=files.tls_key,
        tls_client_cert=files.tls_cert,
        tls_client_key=files.tls_key,
        require_encryption=True,
    )
    options = {"n_workers": 1, "processes": False, "dashboard_address": None, "protocol": "tls://"}
    with distributed.LocalCluster(security=security, host="127.0.0.1", **options) as cluster:
        scope: dict[str, object] = {}
        exec(daskclient.snippet(cluster.scheduler_address, files), scope)
        client = scope["client"]
        assert isinstance(client, distributed.Client)
        assert client.submit(sum, [1, 2, 3]).result() == 6
        client.close()
        others = session_files(tmp_path / "other")
        with pytest.raises(OSError, match=r"connect|certificate"):
            exec(daskclient.snippet(cluster.scheduler_address, others).replace("security)", "security, timeout=2)"), {})


def session_files(directory: Path) -> Files:
    """The TLS files of a new session."""
    directory.mkdir()
    pair = new_certificate()
    (directory / "tls.crt").write_text(pair.certificate)
    (directory / "tls.key").write_text(pair.key)
    return Files.below(directory)


@pytest.mark.parametrize("path", [r"C:\Users\new\tls.crt", '/home/o\'brien/"x"/tls.crt', "/home/ü/tls.crt"])
def test_the_lines_hold_any_path(path: str) -> None:
    """Backslashes, quotes and letters beyond ASCII come back as they were."""
    tree = ast.parse(daskclient.snippet("tls://127.0.0.1:1", Files(path, path, path)))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert strings.count(path) == 3


def test_versions_that_differ_are_said() -> None:
    """Python's last number does not matter, that of a library does, and what nobody knows is not compared."""
    theirs = {"python": "3.11.2", "distributed": "2026.8.0", "msgpack": "1.2.4", "dask": None}
    assert daskclient.differences(theirs, {"python": "3.11.9", "distributed": "2026.8.0", "dask": "1"}) == []
    said = daskclient.differences(theirs, {"python": "3.12.2", "distributed": "2026.8.1"})
    assert said == [
        "python is 3.12.2 here and 3.11.2 over there",
        "distributed is 2026.8.1 here and 2026.8.0 over there",
    ]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_whatever_ends_it_takes_its_keys_away(name: str) -> None:
    """Being told to end and a closed terminal are the ordinary end; afterwards they are as before."""
    number = getattr(signal, name)
    before = signal.default_int_handler
    outside = signal.signal(number, before)  # which may be to ignore it: under nohup
    session = Session(name="s", platform="p", job_name="s-1", created="")
    with pytest.raises(Interrupted, match="keys are removed"), daskclient._until_told(session):
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert signal.signal(number, outside) is before


def test_nohup_holds_it() -> None:
    """Where a closed terminal is to do nothing, it does nothing."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with daskclient._until_told(Session(name="s", platform="p", job_name="s-1", created="")):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_that_something_else_than_python_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler cannot be put back by Python: the system's own takes its place."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    with signals.ended_as_by_ctrl_c():
        pass
    monkeypatch.undo()
    assert signal.signal(signal.SIGTERM, before) is signal.SIG_DFL


def test_keys_of_a_killed_command_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory whose process is gone is removed by the next command; one of a living process stays."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    clients = tmp_path / "springline/clients"
    for pid in (os.getpid(), 2**22 + 1):  # above the largest there can be
        (clients / f"one.{pid}").mkdir(parents=True)
    leftkeys.forget_left_keys()
    assert [path.name for path in clients.iterdir()] == [f"one.{os.getpid()}"]
