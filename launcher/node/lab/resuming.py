"""Connections to kernels that a page may lose and take up again: what did not arrive is said once more, both ways.

Jupyter keeps what a kernel says while nobody is connected. But nobody tells a server that a network went away: it goes
on talking to a page that hears nothing, and so does the page. So both ends count what they hear and keep what they say.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Any, ClassVar

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import WebSocketClosedError

KEPT = 16 * 2**20  # bytes for each page and kernel: the newest


class Line:
    """What was said between one page and one kernel."""

    def __init__(self, room: int = KEPT) -> None:
        self.name = secrets.token_hex(8)
        self.heard = 0  # messages from the page
        self._said = 0  # to the page
        self._room = room
        self._kept: deque[tuple[Any, bool]] = deque()

    def say(self, message: Any, binary: bool) -> None:  # noqa: ANN401 (bytes, text or a dict)
        """Keep a message for the page; the oldest make room."""
        self._said += 1
        self._kept.append((message, binary))
        self._room -= len(message)
        while self._room < 0:
            self._room += len(self._kept.popleft()[0])

    def after(self, received: int) -> tuple[list[tuple[Any, bool]], bool]:
        """Return what a page missed that has received so many, and whether that is all of it."""
        missed = self._said - received
        return list(islice(self._kept, max(0, len(self._kept) - missed), None)), missed <= len(self._kept)


class Resumable(ZMQChannelsWebsocketConnection):  # type: ignore[misc,unused-ignore] # an untyped base
    """A kernel's websocket; a page that asks to resume is told first how much of it was heard."""

    _lines: ClassVar[dict[str, Line]] = {}
    _line: Line | None = None

    async def _register_session(self) -> None:
        stale: Any = self._open_sessions.get(f"{self.kernel_id}:{self.session.session}")
        if stale is not None and stale.connection is not None:
            # Its page is this one. From now on Jupyter keeps what the kernel says, until this one is connected.
            stale.on_close = lambda: None
            stale.connection.disconnect()
            stale.close()
        await super()._register_session()  # type: ignore[no-untyped-call,unused-ignore]

    def connect(self) -> Any:  # noqa: ANN401
        """Take up the page's line where it heard the last of it, and go on as Jupyter does."""
        asked = self.websocket_handler.get_argument("resume", None)
        if asked is not None:
            name, _, received = asked.partition(".")
            self._take_up(name, int(received))
        return super().connect()

    def _take_up(self, name: str, received: int) -> None:
        line = self._lines.get(self.session_key)
        missed, complete = line.after(received) if line is not None and line.name == name else ([], not name)
        if line is None or line.name != name:
            self._forget()
            line = self._lines[self.session_key] = Line()
        self._line = line
        write = self.websocket_handler.write_message
        write(json.dumps({"line": line.name, "heard": line.heard, "complete": complete}))
        for message, binary in missed:
            write(message, binary=binary)

    def _forget(self) -> None:
        """Drop the lines of kernels that ended, and of this kernel's pages that are closed."""
        for key in [*self._lines]:
            kernel = key.partition(":")[0]
            closed = kernel == self.kernel_id and key not in self._open_sessions
            if closed or kernel not in self.multi_kernel_manager:
                del self._lines[key]

    @property
    def write_message(self) -> Any:  # noqa: ANN401
        """What Jupyter says something to the page with."""
        return self._say

    def _say(self, message: Any, binary: bool = False) -> None:  # noqa: ANN401
        if self._line is not None:
            self._line.say(message, binary)
        with suppress(WebSocketClosedError):
            self.websocket_handler.write_message(message, binary=binary)

    def handle_incoming_message(self, incoming_msg: Any) -> None:  # noqa: ANN401
        """Count what the page says, and pass it on."""
        if self._line is not None:
            self._line.heard += 1
        super().handle_incoming_message(incoming_msg)
