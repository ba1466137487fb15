"""Questions of the system's `ssh`: it runs without a terminal and asks us, through a socket only we can open."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from shlex import quote

from launcher.transports.base import Asker

if sys.platform == "win32":
    raise ImportError("not on Windows")  # transport_for says why

SOCKET_VARIABLE = "SPRINGLINE_ASKPASS"
# What ssh starts for each question: it carries the question here and the answer back, and knows nothing else.
_MESSENGER = f"""
import os, socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect(os.environ["{SOCKET_VARIABLE}"])
kind = os.environ.get("SSH_ASKPASS_PROMPT", "")
door.sendall((kind + "\\n" + " ".join(sys.argv[1:])).encode())
door.shutdown(socket.SHUT_WR)
answer = b"".join(iter(lambda: door.recv(4096), b""))
sys.stdout.buffer.write(answer[1:])
sys.exit(0 if answer[:1] == b"+" else 1)
"""


class Questions:
    """ssh's questions for as long as it authenticates; `refused` is the first one nobody answered.

    They wait for `answer_those_asked`: so they are put to the user in the thread that hears a Ctrl-C.
    """

    def __init__(self, directory: Path, ask: Asker) -> None:
        self.refused: str | None = None
        self._ask = ask
        self._asked: SimpleQueue[socket.socket] = SimpleQueue()
        self._socket = directory / f"ask-{os.getpid()}-{id(self):x}"
        self._messenger = directory / "askpass"
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Questions:
        _write_messenger(self._messenger)
        self._listener.bind(str(self._socket))
        self._listener.listen()
        threading.Thread(target=self._serve, name="askpass", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._socket.unlink(missing_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make ssh ask us. Before 8.4 it did so only where a display was named."""
        return {
            "SSH_ASKPASS": str(self._messenger),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": os.environ.get("DISPLAY") or "none:0",
            SOCKET_VARIABLE: str(self._socket),
        }

    def answer_those_asked(self) -> None:
        """Put to the user what ssh has asked meanwhile."""
        while not self._asked.empty():
            with self._asked.get() as door, contextlib.suppress(OSError):
                kind, _, prompt = _everything(door).decode(errors="replace").partition("\n")
                answer = self._answer(kind, prompt)
                door.sendall(b"-" if answer is None else b"+" + answer.encode())

    def _serve(self) -> None:
        while True:
            try:
                self._asked.put(self._listener.accept()[0])
            except OSError:  # closed
                return

    def _answer(self, kind: str, prompt: str) -> str | None:
        if kind == "none":  # nothing to answer: "touch your security key"
            self._ask.tell(prompt)
            return ""
        if "(yes/no" in prompt:
            question = prompt.partition("Are you sure")[0].strip()
            return "yes" if self._ask.confirm(f"{question}\nGo on and remember it?") else "no"
        answer = self._ask.secret(prompt)
        if answer is None and self.refused is None:
            self.refused = prompt.strip().rstrip(":")
        return answer


def _everything(door: socket.socket) -> bytes:
    return b"".join(iter(lambda: door.recv(4096), b""))


def _write_messenger(file: Path) -> None:
    text = f'#!/bin/sh\nexec {quote(sys.executable)} -I -S -c {quote(_MESSENGER)} "$@"\n'
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        scratch = file.with_name(f"{file.name}.{os.getpid()}")
        scratch.write_text(text, encoding="utf-8")
        scratch.chmod(0o700)
        scratch.replace(file)
