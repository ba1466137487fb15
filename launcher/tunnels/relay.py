"""Two sockets joined in one thread: what one says the other hears, each way at its own pace."""

from __future__ import annotations

import contextlib
import selectors
import socket
from dataclasses import dataclass, field

_PIECE = 256 * 1024
# Another thread may close a socket that is waited for here: poll hears of it, epoll just forgets the socket.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


@dataclass
class _Direction:
    """One of the two ways, with what its target has not taken yet."""

    source: socket.socket
    target: socket.socket
    rest: memoryview = field(default_factory=lambda: memoryview(b""))
    over: bool = False

    def move(self) -> None:
        """Move what can be moved now, and pass on the end of it."""
        with contextlib.suppress(BlockingIOError):
            if not self.rest:
                self.rest = memoryview(self.source.recv(_PIECE))
                if not self.rest:
                    self.over = True
                    self.target.shutdown(socket.SHUT_WR)
                    return
            self.rest = self.rest[self.target.send(self.rest) :]


def relay(near: socket.socket, far: socket.socket) -> None:
    """Copy both ways until the far end has said all, or either is broken or closed by another thread."""
    _, downward = directions = _Direction(near, far), _Direction(far, near)
    with contextlib.suppress(OSError, ValueError), _Selector() as selector:
        for end in (near, far):
            end.setblocking(False)
            selector.register(end, selectors.EVENT_READ)
        while not downward.over:
            for key, _ in selector.select():
                for direction in directions:
                    waits_for = direction.target if direction.rest else direction.source
                    if key.fileobj is waits_for and not direction.over:
                        direction.move()
            for end in (near, far):
                _watch(selector, end, _events(end, directions))


def _events(end: socket.socket, directions: tuple[_Direction, _Direction]) -> int:
    """What to wait for at one end: room for what is left for it, or something new from it."""
    events = 0
    for direction in directions:
        if direction.rest and direction.target is end:
            events |= selectors.EVENT_WRITE
        elif not direction.rest and not direction.over and direction.source is end:
            events |= selectors.EVENT_READ
    return events


def _watch(selector: selectors.BaseSelector, end: socket.socket, events: int) -> None:
    known = selector.get_map().get(end)
    if known is None:
        if events:
            selector.register(end, events)
    elif not events:
        selector.unregister(end)
    elif known.events != events:
        selector.modify(end, events)
