"""Run code in a kernel as JupyterLab's page does: `python tests/kernel.py http://127.0.0.1:PORT TOKEN < code`."""

from __future__ import annotations

import json
import sys
import urllib.request
import uuid
from typing import Any

from websocket import create_connection


def ask(base: str, token: str, method: str, path: str, document: Any = None) -> Any:  # noqa: ANN401
    """Ask Jupyter's REST API."""
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(base + path, data, {"Authorization": f"token {token}"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def run_code(base: str, token: str, code: str) -> str:
    """Run code in a new kernel and return what it printed; its errors are printed too."""
    kernel = ask(base, token, "POST", "/api/kernels", {"name": "python3"})["id"]
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "test", "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell", "content": {"code": code}}
    socket = create_connection(
        f"{base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels",
        timeout=120,
        header=[f"Authorization: token {token}"],
        origin=base,
    )
    try:
        socket.send(json.dumps(message))
        return "".join(_printed(socket, header["msg_id"]))
    finally:
        socket.close()
        ask(base, token, "DELETE", f"/api/kernels/{kernel}")


def _printed(socket: Any, message_id: str) -> Any:  # noqa: ANN401
    while True:
        message = json.loads(socket.recv())
        if message["parent_header"].get("msg_id") != message_id:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            yield content["text"]
        elif message["msg_type"] == "error":
            yield "\n".join(content["traceback"])
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return


if __name__ == "__main__":
    sys.stdout.write(run_code(sys.argv[1], sys.argv[2], sys.stdin.read()))
