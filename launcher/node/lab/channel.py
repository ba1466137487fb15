"""The line between the node program and Jupyter's process: one JSON list a line, a name and a value, both ways.

It is Jupyter's standard input, a pair of connected sockets, so that its end tells either side that the other is gone.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Hear = Callable[[str, Any], None]


class Channel:
    """One end of the line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """Return this end, and the other one for a process that will be started."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    @classmethod
    def from_stdin(cls) -> Channel:
        """Return the end that this process was started with; kernels and terminals find nothing on their input."""
        channel = cls(socket.socket(fileno=os.dup(0)))
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        return channel

    def tell(self, name: str, value: Any = None) -> None:  # noqa: ANN401
        """Send a message; one to somebody who is gone is lost."""
        with self._lock, suppress(OSError):
            self._connection.sendall(json.dumps([name, value]).encode() + b"\n")

    def listen(self, hear: Hear, ended: Callable[[], None] = lambda: None) -> None:
        """Hand over every message, and note the end, in a thread of its own."""

        def read() -> None:
            with suppress(OSError), self._connection.makefile("r", encoding="utf-8") as lines:
                for line in lines:
                    hear(*json.loads(line))
            ended()

        threading.Thread(target=read, name="channel", daemon=True).start()
