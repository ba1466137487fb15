"""A real session of the node program for tests: the launcher's files, its own process, Jupyter's REST API."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from websocket import create_connection

from launcher.model import Session
from launcher.schedulers.slurm import SlurmScheduler
from launcher.sessions.bundle import node_program
from launcher.sessions.planning import queue_words
from launcher.tunnels.certificates import new_certificate, pinned

TOKEN = "a-token-of-this-test"
WORKERS = {"count": 1, "cores": 1, "memory": "400MiB", "processes": 1, "walltime": None, "walltime_seconds": None}
REQUEST: dict[str, Any] = {
    "schema_version": 1,
    "session": "local-t3st",
    "springline": "0.1.0",
    "doors": ["socket"],
    "port": 0,
    "scheduler": "local",
    "walltime_seconds": None,
    "python": sys.executable,
    "prologue": [],
    "image": None,
    "workers": {**WORKERS, "partition": None, "max_jobs": 3, "directives": []},
}


def slurm_words(job_name: str) -> dict[str, str]:
    """What the launcher lets the node program say to SLURM about the job of this name."""
    session = Session(name="r1", platform="p", job_name=job_name, created="")
    return queue_words(SlurmScheduler(), SlurmScheduler(), session)


def prepare(directory: Path, **changes: Any) -> Path:  # noqa: ANN401
    """Fill a session directory as the launcher does."""
    directory.mkdir(mode=0o700)
    pair = new_certificate()
    home = directory / "home"
    home.mkdir()
    request = {**REQUEST, "root_dir": str(home), **changes}
    texts = {
        "request.json": json.dumps(request),
        "doors": "".join(f"{name}\n" for name in request["doors"]),
        "token": TOKEN + "\n",
        "tls.crt": pair.certificate,
        "tls.key": pair.key,
    }
    for name, text in {**texts, **node_program()}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return directory


@dataclass(frozen=True)
class Answer:
    """What an HTTP request gave."""

    status: int
    body: bytes
    headers: Message

    def cookies(self) -> list[str]:
        """Return what the answer wants to be remembered."""
        return self.headers.get_all("Set-Cookie") or []

    def json(self) -> Any:  # noqa: ANN401
        """Return the body read as JSON."""
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Running:
    """A session that was started."""

    directory: Path
    process: subprocess.Popen[bytes]

    def state(self) -> dict[str, Any]:
        """Return the state file as it is now; empty before there is one."""
        path = self.directory / "state.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def until(self, true: Callable[[dict[str, Any]], bool], seconds: float = 30) -> dict[str, Any]:
        """Wait for a state."""
        deadline = time.monotonic() + seconds
        while not true(self.state()):
            assert time.monotonic() < deadline, (self.state(), self.log())
            time.sleep(0.02)
        return self.state()

    def log(self) -> str:
        """Return Jupyter's log."""
        path = self.directory / "jupyter.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def ask_for(self, *doors: str) -> None:
        """Ask for further doors as a launcher does."""
        with (self.directory / "doors").open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in doors)

    def connection(self, door: str | None = None) -> http.client.HTTPConnection:
        """Return a connection to Jupyter through a door (the first that is open), TLS pinned to the certificate."""
        state = self.state()
        door = door or next(iter(state["doors"]))
        where = state["doors"][door]
        if door == "socket":
            return UnixConnection(where)
        address = "127.0.0.1" if door == "loopback" else state["address"]
        if door == "node-http" or (door == "loopback" and door == next(iter(state["doors"]))):
            return http.client.HTTPConnection(address, where, timeout=20)
        context = pinned((self.directory / "tls.crt").read_text(encoding="utf-8"))
        return http.client.HTTPSConnection(address, where, timeout=20, context=context)

    def ask(
        self,
        method: str,
        path: str,
        data: Any = None,  # noqa: ANN401
        token: str | None = TOKEN,
        door: str | None = None,
        **headers: str,
    ) -> Answer:
        """Ask Jupyter; every other port in the Host header, as through a tunnel, has to do as well."""
        login = {} if token is None else {"Authorization": f"token {token}"}
        connection = self.connection(door)
        body = None if data is None else json.dumps(data)
        connection.request(method, path, body, {"Host": "127.0.0.1:5050", **login, **headers})
        with closing(connection), connection.getresponse() as answer:
            return Answer(answer.status, answer.read(), answer.headers)

    def websocket(self, path: str, token: str | None = TOKEN, door: str | None = None, **headers: str) -> Any:  # noqa: ANN401
        """Open a WebSocket as a browser does behind a tunnel on another port."""
        login = {} if token is None else {"Authorization": f"token {token}"}
        connection = self.connection(door)
        connection.connect()
        page: dict[str, Any] = {"host": "127.0.0.1:5050", "origin": "http://127.0.0.1:5050", "socket": connection.sock}
        return create_connection(f"ws://127.0.0.1{path}", timeout=30, header={**login, **headers}, **page)

    def begin_code(self, code: str, door: str | None = None) -> tuple[Any, str]:
        """Send code to a new kernel; return the connection and the message's id."""
        kernel = self.ask("POST", "/api/kernels", {"name": "python3"}).json()["id"]
        channel = self.websocket(f"/api/kernels/{kernel}/channels", door=door)
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "t", "version": "5.3"}
        content = {"code": code, "silent": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        channel.send(json.dumps(message))
        return channel, header["msg_id"]

    def run_code(self, code: str, door: str | None = None) -> str:
        """Run code in a new kernel and return what it printed."""
        channel, message = self.begin_code(code, door)
        with closing(channel):
            return "".join(_printed(channel, message))

    def processes(self) -> list[int]:
        """Return every process whose command line or environment names the session's directory."""
        wanted = os.fsencode(self.directory)
        return [pid for pid in _pids() if wanted in _read(pid, "cmdline") or wanted in _read(pid, "environ")]


def _printed(channel: Any, asked: str) -> Iterator[str]:  # noqa: ANN401
    while True:
        answer = json.loads(channel.recv())
        if answer.get("parent_header", {}).get("msg_id") != asked:
            continue
        if answer["msg_type"] == "stream":
            yield answer["content"]["text"]
        if answer["msg_type"] == "error":
            yield answer["content"]["evalue"]
        if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
            return


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def command_lines() -> bytes:
    """Return the command lines of every process there is."""
    return b"\n".join(_read(pid, "cmdline") for pid in _pids())


def start(directory: Path, **environ: str) -> Running:
    """Start the node program in a prepared directory."""
    with (directory / "job.log").open("wb") as log:
        command = [sys.executable, str(directory / "node"), "run", str(directory)]
        process = subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=log)
    return Running(directory, process)


@contextmanager
def session(directory: Path, *, environ: dict[str, str] | None = None, **changes: Any) -> Iterator[Running]:  # noqa: ANN401
    """Run a session until the block ends."""
    running = start(prepare(directory, **changes), **(environ or {}))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
        running.process.wait(10)


def wrong_context() -> ssl.SSLContext:
    """Return a client's context that trusts another session's certificate."""
    return pinned(new_certificate().certificate)
