"""The door of Dask's HTTP servers: on a node shared with others, only their owner's processes get through.

The Dask dashboard and the workers' own pages know no login. They listen on the loopback address, where every user of
the node could reach them; Linux tells whose socket the other end is. Workers load this file as a module of its own
(``--preload``), beside whatever their user imports: hence its name.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

TCP_TABLE = Path("/proc/net/tcp")


def owner(table: str, here: tuple[str, int], peer: tuple[str, int]) -> int | None:
    """Return the user id of the socket at ``peer`` connected to ``here``, from the kernel's table of TCP sockets."""
    wanted = [_hex(peer), _hex(here)]
    for line in table.splitlines()[1:]:
        columns = line.split()
        if columns[1:3] == wanted:
            return int(columns[7])
    return None


def _hex(address: tuple[str, int]) -> str:
    # The kernel prints the four bytes of an address as one number of this machine's byte order.
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"


def admit(here: tuple[str, int], peer: tuple[str, int]) -> bool:
    """Tell whether a connection on the loopback address comes from this user."""
    if not sys.platform.startswith("linux"):
        return True  # a laptop's own session; no such table to ask
    try:
        return owner(TCP_TABLE.read_text(encoding="ascii"), here, peer) == os.getuid()
    except (OSError, ValueError):
        return False


def protect(server: Any) -> None:  # noqa: ANN401 (a tornado HTTPServer)
    """Make a Tornado server drop connections of other users."""
    handle = server.handle_stream

    def guarded(stream: Any, address: tuple[str, int]) -> Any:  # noqa: ANN401
        if admit(stream.socket.getsockname()[:2], address[:2]):
            return handle(stream, address)
        stream.close()
        return None

    server.handle_stream = guarded


def dask_setup(worker: Any) -> None:  # noqa: ANN401
    """Guard a worker's pages; Dask calls this when a worker that preloads this file has started."""
    protect(worker.http_server)
