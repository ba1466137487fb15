"""Sockets of this computer."""

from __future__ import annotations

import contextlib
import socket
import sys

from launcher.errors import ConnectError
from launcher.transports.base import Endpoint, Tcp


class SocketStream:
    """A plain socket as a Stream."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.recv = connection.recv
        self.sendall = connection.sendall

    def end_sending(self) -> None:
        """Half-close; the peer may be gone already."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Shut down first: that wakes a thread that waits in recv, which close alone does not."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def connected(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A socket of this computer, connected to an endpoint. Raises ConnectError."""
    try:
        if isinstance(endpoint, Tcp):
            connection = socket.create_connection((endpoint.host, endpoint.port), timeout)
        else:
            connection = _unix(endpoint.path, timeout)
    except OSError as error:
        raise ConnectError(f"{endpoint} does not answer: {error}") from error
    connection.settimeout(None)
    return connection


def _unix(path: str, timeout: float) -> socket.socket:
    if sys.platform == "win32":
        raise OSError("this Python has no sockets in the file system")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
