"""Connections to kernels that a page may lose and take up again: what did not arrive is said once more, both ways.

Nobody tells a server that a network went away: it goes on talking to a page that hears nothing, and so does the page.
So both ends count what they hear and keep what they say, and the connection to the kernel outlives the page's
websockets: each new one takes the place of the last. Neither Jupyter's own buffer, which is for one page of a kernel,
nor a pause between two websockets, in which nobody listens to the kernel, comes into it.

The server's words to the page's own script (labextension/resuming.js) are text behind a mark, which no message of a
kernel begins with. The page's are `?`, which asks how much was heard, and the empty message: one that is no longer
meant.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Any, ClassVar

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClosedError

MARK = "springline:"
KEPT = 16 * 2**20  # bytes for each page and kernel: the newest
TELL_EVERY = 64  # messages of the page, which then need not be kept there
PAGES_AWAY = 32  # so many lines wait for their page, and so long (s):
LOST = 24 * 3600.0
CLOSED, CLOSED_BY_PAGE = 120.0, 1000  # JupyterLab closes before it connects again, at most a minute later
GONE = 1001  # the tab was closed or left: a browser says so


class Line:
    """What was said between one page and one kernel."""

    def __init__(self, room: int = KEPT) -> None:
        self.name = secrets.token_hex(8)
        self.heard = 0  # messages from the page
        self.said = 0  # to the page
        self.restarted = -1  # so many were said when the kernel was last restarted
        self._room = room
        self._kept: deque[tuple[Any, bool]] = deque()

    def say(self, message: Any, binary: bool) -> None:  # noqa: ANN401 (bytes or text)
        """Keep a message for the page; the oldest make room."""
        self.said += 1
        self._kept.append((message, binary))
        self._room -= len(message)
        while self._room < 0:
            self._room += len(self._kept.popleft()[0])

    def resume(self, received: int, said: int) -> tuple[list[tuple[Any, bool]], bool]:
        """Return what a page missed that has received and said so many, and whether nothing is lost either way.

        What a page said before it heard that the kernel was restarted was for the kernel before: it is not asked for.
        """
        missed = max(0, self.said - received)
        complete = missed <= len(self._kept)
        if received <= self.restarted and said > self.heard:
            self.heard, complete = said, False
        return list(islice(self._kept, max(0, len(self._kept) - missed), None)), complete


_Base: Any = ZMQChannelsWebsocketConnection  # whose types leave out the half


class Resumable(_Base):  # type: ignore[misc]
    """A page's connection to a kernel, which outlives the page's websockets if the page asks for it."""

    resumes = True  # the page is told so
    websocket_handler: Any  # as of Jupyter
    channels: Any
    line: Line | None = None
    _lines: ClassVar[dict[str, Any]] = {}  # connections that can be taken up, by kernel and page; the last away last
    _kernel: Any = None  # changes with each restart
    _protocol: Any = None
    _beginning: Any = None  # a future: done when the kernel answers
    _end_of_wait: Any = None  # while the page is away

    async def connect(self) -> None:
        """Take up the page's line where it heard the last of it, or begin one."""
        handler = self.websocket_handler
        asked = handler.get_argument("resume", None)
        if asked is None:
            await self._begin()
        elif self._open_sessions.get(self.session_key) is not handler:
            _let_go(handler)  # the page has opened another one meanwhile
        else:
            await self._resume(*_parsed(asked))

    async def _resume(self, name: str, received: int, said: int) -> None:
        last: Any = self._lines.get(self.session_key)
        known = last is not None and last.line.name == name
        if known and last._kernel is _incarnation(self.kernel_manager):
            last._take(self.websocket_handler)
            last._agree(received, said, complete=True)
            await last._connected()
            return
        self._protocol = self.subprotocol
        self._kernel = _incarnation(self.kernel_manager)
        self.line = last.line if known else Line()
        if last is not None:
            last.end()
        if known:  # restarted, and not a word from it yet: it may listen elsewhere now
            self.line.restarted = self.line.said
        self._tidy()
        self._lines[self.session_key] = self
        self._agree(received if known else 0, said if known else 0, complete=known or (not name and last is None))
        await self._begin()

    async def _begin(self) -> None:
        try:
            self._beginning = super().connect()
        except BaseException:  # a connection that never came to be must not be taken up
            self._lines.pop(self.session_key, None)
            self._close_channels()
            raise
        if self._beginning is None:
            self.end()  # the kernel is shut down
        await self._connected()

    async def _connected(self) -> None:
        if self._beginning is not None:  # which fails where the kernel is slow to answer: it is heard of when it does
            await asyncio.gather(self._beginning, return_exceptions=True)

    def _agree(self, received: int, said: int, *, complete: bool) -> None:
        assert self.line is not None
        missed, whole = self.line.resume(received, said)
        self._tell(line=self.line.name, heard=self.line.heard, complete=complete and whole)
        for message, binary in missed:
            self._write(message, binary)

    def _take(self, handler: Any) -> None:  # noqa: ANN401
        """Let a new websocket of the page take the place of the last one."""
        _let_go(self.websocket_handler)
        if self._end_of_wait is not None:
            IOLoop.current().remove_timeout(self._end_of_wait)
            self._end_of_wait = None
            self.multi_kernel_manager.notify_connect(self.kernel_id)
        self.websocket_handler = handler
        handler.connection = self

    def disconnect(self) -> None:
        """Keep listening for a page that lost its websocket; end with one that is gone for good."""
        if self not in self._open_sockets:
            return  # it was closed before it was connected: Jupyter would count it out, but never did in
        code = self.websocket_handler.close_code
        if self.line is None or code == GONE:
            self.end()
        elif self._end_of_wait is None:
            self.multi_kernel_manager.notify_disconnect(self.kernel_id)  # a session that nobody needs may end
            wait = CLOSED if code == CLOSED_BY_PAGE else LOST
            self._end_of_wait = IOLoop.current().call_later(wait, self.end)
            self._lines[self.session_key] = self._lines.pop(self.session_key)
            self._tidy()

    def end(self) -> None:
        """Close the connection to the kernel, and forget what was said."""
        if self.line is None:
            super().disconnect()
            return
        self._lines.pop(self.session_key, None)
        if self._end_of_wait is not None:
            IOLoop.current().remove_timeout(self._end_of_wait)
            self.multi_kernel_manager.notify_connect(self.kernel_id)  # Jupyter counts it out once more
        self._close_channels()
        super().disconnect()
        if self.kernel_id in self.multi_kernel_manager:
            self.multi_kernel_manager.get_buffer(self.kernel_id, self.session_key)  # Jupyter's own, without channels

    def _close_channels(self) -> None:
        for stream in self.channels.values():
            stream.close()
        self.channels = {}

    @classmethod
    async def close_all(cls) -> None:
        """End them all, as the server does."""
        for each in [*cls._lines.values()]:
            each.end()
        await super().close_all()

    @classmethod
    def _tidy(cls) -> None:
        """Drop the lines of kernels that ended, and the oldest of too many whose page is away."""
        ended = [each for each in cls._lines.values() if each.kernel_id not in each.multi_kernel_manager]
        away = [each for each in cls._lines.values() if each not in ended and each._end_of_wait is not None]
        for each in [*ended, *away[: max(0, len(away) - PAGES_AWAY)]]:
            each.end()

    @property
    def subprotocol(self) -> Any:  # noqa: ANN401
        """That of the page's websockets, also while there is none."""
        return super().subprotocol if self.line is None else self._protocol

    @property
    def write_message(self) -> Any:  # noqa: ANN401
        """What Jupyter says something to the page with."""
        return self._say

    def _say(self, message: Any, binary: bool = False) -> None:  # noqa: ANN401
        if self.line is not None:
            kernel = _incarnation(self.kernel_manager)
            if kernel is not self._kernel and kernel.done():
                self._kernel, self.line.restarted = kernel, self.line.said
            self.line.say(message, binary)
        self._write(message, binary)

    def _write(self, message: Any, binary: bool = False) -> None:  # noqa: ANN401
        with suppress(WebSocketClosedError):
            written = self.websocket_handler.write_message(message, binary=binary)
            written.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is kept, and said again

    def _tell(self, **words: Any) -> None:  # noqa: ANN401
        self._write(MARK + json.dumps(words))

    def handle_incoming_message(self, incoming_msg: Any) -> None:  # noqa: ANN401
        """Count what the page says, and pass it on."""
        if self.line is not None and self.channels:
            asks = incoming_msg == "?"
            self.line.heard += not asks
            if asks or self.line.heard % TELL_EVERY == 0:
                self._tell(heard=self.line.heard)
            if asks or not incoming_msg:
                return
        super().handle_incoming_message(incoming_msg)


def _parsed(asked: str) -> tuple[str, int, int]:
    """Return the line's name, how much was received on it and how much said; a new page has no name."""
    match = re.fullmatch(r"(\w*)\.(\d+)\.(\d+)", asked)
    return (match[1], int(match[2]), int(match[3])) if match else ("", 0, 0)


def _let_go(handler: Any) -> None:  # noqa: ANN401
    """Close a websocket that another one replaces: nothing that still comes from it counts."""
    handler.on_message = handler.on_close = lambda *_: None
    handler.close()


def _incarnation(kernel_manager: Any) -> Any:  # noqa: ANN401
    """Return what is another one after each restart: the future of the kernel's start."""
    return getattr(kernel_manager, "ready", None)
