"""This computer as a platform: /bin/sh in a process of its own session, sockets of this machine."""

from __future__ import annotations

import shutil
import subprocess

from launcher.errors import ConfigurationError, ConnectError
from launcher.schedulers.base import Answer
from launcher.transports.base import Endpoint, Frame, Node, Stream, Transport
from launcher.transports.openssh import OpenSshTransport
from launcher.transports.sockets import SocketStream, connected


class LocalTransport:
    """No SSH: everything happens here."""

    label = "this computer"
    is_here = True

    def open(self) -> None:
        """Check that there is a POSIX shell."""
        if shutil.which("sh") is None:
            raise ConfigurationError(
                "this computer has no POSIX shell (sh), which platform 'local' needs", "on Windows, use it inside WSL"
            )

    def run(self, script: str, *, timeout: float = 120) -> Answer:
        """Run the script in a new process session, so that Ctrl-C in this terminal does not reach what it starts."""
        self.open()
        frame = Frame.new()
        with subprocess.Popen(
            ["sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate(frame.wrap(script).encode(), timeout)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise ConnectError(f"this computer: a command took longer than {timeout:.0f} s") from error
            except KeyboardInterrupt:
                process.kill()
                raise
        return frame.unwrap(output.decode(errors="replace"), errors.decode(errors="replace"), self.label)

    def connect(self, endpoint: Endpoint, *, timeout: float = 20) -> Stream:
        """Open a connection from here."""
        return SocketStream(connected(endpoint, timeout))

    def beyond(self, node: Node) -> Transport:
        """SSH from this computer, which is then a login host, to a node."""
        return OpenSshTransport.to_node(node)

    def close(self) -> None:
        """Nothing to hang up."""


def run_here(command: list[str], environment: dict[str, str]) -> int:
    """Run a program in this terminal to its end, Ctrl-C included; returns its exit code."""
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                code = process.wait()
            except KeyboardInterrupt:  # the terminal sent it to the program too, which decides what it means
                continue
            return code if code >= 0 else 128 - code
