"""What a transport does: run a script over there, and open a byte stream to an endpoint over there."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer


@dataclass(frozen=True)
class Tcp:
    """A listening TCP port, as the transport's host sees it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class UnixSocket:
    """A listening Unix socket of the transport's host."""

    path: str

    def __str__(self) -> str:
        return self.path


Endpoint = Tcp | UnixSocket


@dataclass(frozen=True)
class Node:
    """A host behind the transport's own, and how to know that it is the one: its SSH host keys."""

    host: str  # address or name, as the transport's host sees it
    user: str
    host_keys: tuple[str, ...]  # each "TYPE BASE64", as in known_hosts


class Stream(Protocol):
    """A connected byte stream, as a socket or an SSH channel is."""

    def recv(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Send everything."""

    def end_sending(self) -> None:
        """Say that nothing more will be sent."""

    def close(self) -> None:
        """Close both directions; a recv that waits returns."""


class Transport(Protocol):
    """A way to a host. Opens on first use, and again when the connection was lost."""

    label: str  # for people: user@host, or "this computer"
    is_here: bool  # ports of the platform are ports of this machine

    def open(self) -> None:
        """Connect now. Raises ConnectError and its kin."""

    def run(self, script: str, *, timeout: float = 120) -> Answer:
        """Run a /bin/sh script over there. Raises ConnectError when the connection goes before its end."""

    def connect(self, endpoint: Endpoint, *, timeout: float = 20) -> Stream:
        """Open a stream from over there to an endpoint.

        Raises ConnectError; where the system's `ssh` forwards, a refusal may also show as a stream that ends at once.
        """

    def beyond(self, node: Node) -> Transport:
        """SSH from over there to a node, with the same keys. It never asks for a secret, and trusts only these keys."""

    def close(self) -> None:
        """Hang up."""


@dataclass(frozen=True)
class Asker:
    """How to ask the person at the terminal; both answer None/False where there is nobody to ask."""

    secret: Callable[[str], str | None] = lambda prompt: None
    confirm: Callable[[str], bool] = lambda question: False
    visible: Callable[[str], str | None] | None = None  # as `secret`, where the host lets the answer be seen
    tell: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class Frame:
    """Random marks around a script's output, so that banners and noisy rc files cannot be mistaken for it."""

    mark: str

    @classmethod
    def new(cls) -> Frame:
        """A frame nobody can guess."""
        return cls(f"springline-{secrets.token_hex(8)}")

    def wrap(self, script: str) -> str:
        """The text for the stdin of /bin/sh. The braces make the shell read all of it before anything runs."""
        return (
            f"{{\nprintf '\\n%s begin\\n' {self.mark}; printf '\\n%s begin\\n' {self.mark} >&2\n"
            f"(\n{script}\n)\n"
            f"printf '\\n%s end %s\\n' {self.mark} $?; printf '\\n%s end\\n' {self.mark} >&2\n}} </dev/null\n"
        )

    def unwrap(self, output: str, errors: str, host: str) -> Answer:
        """What the script itself printed. A missing end mark means the connection went away."""
        body, found, code = self._inside(output)
        if not found:
            said = [line for line in (errors or output).strip().splitlines() if self.mark not in line]
            raise ConnectError(
                f"{host}: the connection was lost before the command ended" + (f": {said[-1]}" if said else ""),
                "try again; what runs on the cluster is not touched",
            )
        return Answer(body, self._inside(errors)[0], int(code))

    def _inside(self, text: str) -> tuple[str, bool, str]:
        """The text between the marks, whether the end mark came whole, and the exit code that stands on its line."""
        _, _, rest = text.partition(f"{self.mark} begin\n")
        body, found, tail = rest.partition(f"\n{self.mark} end")
        code, ended, _ = tail.partition("\n")
        return body, bool(found and ended), code.strip()
