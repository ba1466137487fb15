"""This computer as a platform: /bin/sh in a process of its own session, sockets of this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from launcher.errors import ConfigurationError
from launcher.schedulers.base import Answer
from launcher.transports.base import Endpoint, Incoming, Node, Parcel, Stream, Transport
from launcher.transports.openssh import OpenSshTransport
from launcher.transports.sending import deliver, send_script
from launcher.transports.shell import conversing, feed, receiving
from launcher.transports.sockets import SocketStream, connected

if sys.platform == "win32":
    raise ImportError("not on Windows")  # transport_for says why


class LocalTransport:
    """No SSH: everything happens here."""

    label = "this computer"
    is_here = True

    def open(self) -> None:
        """Check that there is a POSIX shell."""
        if shutil.which("sh") is None:
            raise ConfigurationError(
                "this computer has no POSIX shell (sh), which platform 'local' needs",
                "on Windows, run springline in WSL",
            )

    def run(self, script: str, *, timeout: float = 120) -> Answer:
        """Run the script in a shell of this computer."""
        self.open()
        return feed(["sh"], script, timeout=timeout, label=self.label)

    def receive(self, script: str, *, timeout: float = 60) -> AbstractContextManager[Incoming]:
        """Run the script here; its output is read as it comes."""
        self.open()
        return receiving(["sh"], script, timeout=timeout, label=self.label)

    def send(self, parcel: Parcel, *, tell: Callable[[int], None] = lambda sent: None, timeout: float = 60) -> None:
        """Copy a file to another place of this computer, in the same way."""
        self.open()
        with conversing(["sh"], send_script(parcel), timeout=timeout, label=self.label) as talk:
            deliver(parcel, talk, self.label, tell)

    def connect(self, endpoint: Endpoint, *, timeout: float = 20) -> Stream:
        """Open a connection from here."""
        return SocketStream(connected(endpoint, timeout))

    def beyond(self, node: Node) -> Transport:
        """SSH from this computer, which is then a login host, to a node."""
        return OpenSshTransport.to_node(node)

    def close(self) -> None:
        """Nothing to hang up."""
