"""A Jupyter server with our connections to kernels, and pages that do what resuming.js does, without a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.connection import base
from websocket import WebSocketException, create_connection

from launcher.node.addresses import LOOPBACK, free_port
from launcher.node.lab.resuming import MARK, Resumable

PROTOCOL = "v1.kernel.websocket.jupyter.org"
pack: Any = base.serialize_msg_to_ws_v1
unpack: Any = base.deserialize_msg_from_ws_v1
LOGIN = {"Authorization": "token t"}


@dataclass
class Server:
    """A Jupyter server that was started."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    opened: list[Any] = field(default_factory=list)  # websockets

    def ask(self, method: str, path: str, **data: Any) -> Any:  # noqa: ANN401
        """Ask its REST API."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=20)
        connection.request(method, path, json.dumps(data) if method == "POST" else None, LOGIN)
        answer = connection.getresponse().read()
        connection.close()
        return json.loads(answer or b"null")

    def answers(self) -> bool:
        """Whether it listens yet."""
        with suppress(OSError):
            return bool(self.ask("GET", "/api"))
        return False

    def sockets(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208

    def complaints(self) -> list[str]:
        """What its log says went wrong."""
        return [line for line in self.log.read_text().splitlines() if "Traceback" in line or "Uncaught" in line]


@contextmanager
def serving(directory: Path, **more: object) -> Iterator[Server]:
    """Run a Jupyter server until the block ends; `more` are options about its kernels."""
    port, log = free_port(LOOPBACK), directory / "log"
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "IdentityProvider.token": "t",
        "ServerApp.kernel_websocket_connection_class": f"{Resumable.__module__}.Resumable",
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": directory,
        "ServerApp.allow_root": True,
        "ServerApp.jpserver_extensions": "{}",
        "KernelManager.transport": "ipc",
        **{f"MappingKernelManager.{name}": value for name, value in more.items()},
    }
    command = [sys.executable, "-m", "jupyter_server", *(f"--{name}={value}" for name, value in options.items())]
    home = {"HOME": str(directory), "JUPYTER_RUNTIME_DIR": str(directory)}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **home})
    server = Server(port, process, log)
    try:
        until(server.answers)
        yield server
    finally:
        for socket in server.opened:
            socket.shutdown()
        process.terminate()
        process.wait(20)


def until(true: Any, seconds: float = 20) -> None:  # noqa: ANN401
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Page:
    """One page's connection to one kernel."""

    server: Server
    kernel: str
    name: str = ""
    received: int = 0
    said: list[bytes] = field(default_factory=list)  # all of it: a test is short
    text: str = ""  # what cells printed
    agreed: dict[str, Any] = field(default_factory=dict)  # the last agreement
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    socket: Any = None

    def open(self, resume: str | None = None) -> Any:  # noqa: ANN401
        """Open a websocket; nothing is heard from it yet."""
        asked = resume or f"{self.name}.{self.received}.{len(self.said)}"
        path = f"/api/kernels/{self.kernel}/channels?session_id={self.id}&resume={asked}"
        address = f"ws://{LOOPBACK}:{self.server.port}{path}"
        opened = create_connection(address, header=LOGIN, subprotocols=[PROTOCOL], timeout=20)
        self.server.opened.append(opened)
        return opened

    def connect(self, resume: str | None = None) -> Page:
        """Open a websocket, in place of one that is simply left alone, and agree with the server."""
        self.socket = self.open(resume)
        self.agreed = self.told()
        if self.agreed["line"] != self.name:
            self.name, self.received = self.agreed["line"], 0
        for message in self.said[self.agreed["heard"] :]:
            self.socket.send_binary(message)
        return self

    def told(self) -> dict[str, Any]:
        """The server's next word to the page's script."""
        while True:
            message = self.socket.recv()
            if isinstance(message, str):
                assert message.startswith(MARK), message
                return dict(json.loads(message[len(MARK) :]))
            self._hear(message)

    def heard(self) -> int:
        """How many messages the server has heard."""
        self.socket.send("?")
        return int(self.told()["heard"])

    def run(self, code: str) -> bytes:
        """Have a cell run."""
        message = self.cell(code)
        self.socket.send_binary(message)
        return message

    def cell(self, code: str) -> bytes:
        """Say what has a cell run, to nobody as yet."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": self.id, "version": "5.3"}
        content = {"code": code, "silent": False, "stop_on_error": False}
        parts = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.said.append(pack(parts, "shell", lambda part: json.dumps(part).encode()))
        return self.said[-1]

    def listen(self, until_printed: str, seconds: float = 20) -> str:
        """Listen until cells have printed something; returns all they have printed."""
        deadline = time.monotonic() + seconds
        while until_printed not in self.text:
            assert time.monotonic() < deadline, self.text
            message = self.socket.recv()
            if not isinstance(message, str):
                self._hear(message)
        return self.text

    def _hear(self, message: bytes) -> None:
        self.received += 1
        channel, parts = unpack(message)
        content = json.loads(parts[3])
        if channel == "iopub" and content.get("name") == "stdout":
            self.text += content["text"]


def is_open(socket: Any) -> bool:  # noqa: ANN401
    """Whether the server keeps a websocket, to judge by what it says within a second."""
    socket.settimeout(1)
    try:
        while socket.recv():
            pass
    except WebSocketException as error:
        return "timed out" in str(error)
    return False
