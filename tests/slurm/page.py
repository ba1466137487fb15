"""An open JupyterLab page: one kernel that is talked to again and again.

On the laptop: `python page.py http://127.0.0.1:PORT TOKEN KERNEL < code`; without KERNEL it starts one and says which.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.slurm.upping import Up

SCRIPT = Path(__file__).resolve()


@dataclass(frozen=True)
class Page:
    """A kernel of a session, as the laptop reaches it."""

    up: Up
    token: str
    kernel: str

    @classmethod
    def open(cls, up: Up) -> Page:
        """Start a kernel."""
        token = up.token
        started = up.on_laptop([sys.executable, str(SCRIPT), up.base, token])
        assert started.returncode == 0, started.stderr
        return cls(up, token, started.stdout.strip())

    def run(self, code: str) -> str:
        """Run code in the kernel; returns what it printed."""
        done = self.up.on_laptop([sys.executable, str(SCRIPT), self.up.base, self.token, self.kernel], input=code)
        assert done.returncode == 0, done.stderr
        return done.stdout


def main(base: str, token: str, kernel: str = "") -> None:
    """Be the script on the laptop."""
    sys.path.insert(0, str(SCRIPT.parents[2]))
    from tests.kernel import ask

    if not kernel:
        print(ask(base, token, "POST", "/api/kernels", {"name": "python3"})["id"])
        return
    sys.stdout.writelines(_execute(base, token, kernel, sys.stdin.read()))


def _execute(base: str, token: str, kernel: str, code: str) -> Iterator[str]:
    from websocket import create_connection

    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "page", "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell", "content": {"code": code}}
    socket = create_connection(
        f"{base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels",
        timeout=60,
        header=[f"Authorization: token {token}"],
        origin=base,
    )
    try:
        socket.send(json.dumps(message))
        yield from _printed(socket, header["msg_id"])
    finally:
        socket.close()


def _printed(socket: Any, message_id: str) -> Iterator[str]:  # noqa: ANN401
    while True:
        message = json.loads(socket.recv())
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["msg_type"] == "stream":
            yield message["content"]["text"]
        elif message["msg_type"] == "error":
            yield "\n".join(message["content"]["traceback"])
        elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
