"""The port forward: a local port that stays bound, whatever happens to the connections behind it.

fabric's own `forward_local` dies with the first refused connection, does not say so when the local port is taken,
and copies a thousand bytes at a time.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from launcher.errors import SpringlineError, TunnelError
from launcher.transports.base import Stream
from launcher.transports.sockets import SocketStream
from launcher.tunnels.relay import relay

LOOPBACK = "127.0.0.1"
_PIECE = 256 * 1024
# A browser's connection is held this long while the far end is not there (yet, or again): JupyterLab gives a kernel
# up after a few refusals, and waits as long as nobody refuses.
_HOLD_SECONDS = 600.0
_SPARE = 4  # threads
_SLOWEST_SECONDS = 1.0  # the longest pause between two tries for a connection that is held


class Tunnel:
    """Listens on 127.0.0.1 and joins each connection to a new stream from `connect`."""

    def __init__(
        self,
        port: int | None = None,
        *,
        hold: float = _HOLD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect: Callable[[], Stream] | None = None
        self._hold = hold
        self._clock = clock
        self._closing = threading.Event()
        self._counting = threading.Lock()
        self._idle = 0  # threads that wait for a connection
        self._streams: set[Stream] = set()
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]

    def serve(self, connect: Callable[[], Stream]) -> None:
        """Start joining connections, those that already knocked too."""
        self._connect = connect
        for _ in range(_SPARE):
            self._start_thread()

    def close(self) -> None:
        """Free the port and cut every connection."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stream in list(self._streams):
            stream.close()

    def _start_thread(self) -> None:
        with self._counting:
            self._idle += 1
        threading.Thread(target=self._serve, name="tunnel", daemon=True).start()

    def _serve(self) -> None:
        """Take one connection after the other. A thread that waits already answers sooner than a new one, so a few
        always do."""
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:  # closed; or a browser gone again, or no file descriptor left, which passes
                self._closing.wait(0.1)
                continue
            with self._counting:
                self._idle -= 1
                short = self._idle == 0
            if short:
                self._start_thread()
            self._join(SocketStream(connection))
            with self._counting:
                if self._idle >= _SPARE:
                    return
                self._idle += 1

    def _join(self, near: SocketStream) -> None:
        far = self._reach()
        if far is None:
            near.close()
            return
        self._streams.update((near, far))
        if self._closing.is_set():  # in the meantime, and without knowing these two
            near.close()
            far.close()
        if isinstance(far, SocketStream):
            relay(near.socket, far.socket)
        else:
            upward = threading.Thread(target=_copy, args=(near, far), daemon=True)
            upward.start()
            _copy(far, near)
            near.close()
            upward.join()
        near.close()
        far.close()
        self._streams.difference_update((near, far))

    def _reach(self) -> Stream | None:
        """Connect, trying again while there is hope that the far end comes back."""
        assert self._connect is not None
        give_up, pause = self._clock() + self._hold, 0.02
        while not self._closing.is_set():
            try:
                return self._connect()
            except TunnelError:  # the far end is somebody else: trying again will not make it ours
                return None
            except SpringlineError:
                if self._clock() + pause > give_up:
                    return None
            self._closing.wait(pause)
            pause = min(pause * 2, _SLOWEST_SECONDS)
        return None


def _listen(port: int | None) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port or 0), backlog=128)
    except OSError as error:
        raise TunnelError(
            f"port {port} of this computer is in use", "give another --local-port, or leave it out for any free one"
        ) from error


def _copy(source: Stream, target: Stream) -> None:
    # Either side may go away at any moment; sockets and paramiko's channels both say so with these two.
    with contextlib.suppress(OSError, EOFError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    with contextlib.suppress(OSError, EOFError):
        target.end_sending()
