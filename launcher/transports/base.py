"""What a transport does: run a script over there, and open a byte stream to an endpoint over there."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer
from launcher.scripts.shell import RemotePath


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
class Parcel:
    """A file of this computer's, and where it goes."""

    source: Path
    target: RemotePath
    size: int  # bytes
    sha256: str


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

    def receive(self, script: str, *, timeout: float = 60) -> AbstractContextManager[Incoming]:
        """Run a script whose output is read as it comes, to the byte, and never held as a whole.

        `timeout` is the longest silence in between. What cannot be read raises ConnectError.
        """

    def send(self, parcel: Parcel, *, tell: Callable[[int], None] = lambda sent: None, timeout: float = 60) -> None:
        """Bring a file over there, mode 0600, whole or not at all; what an earlier attempt brought is not sent again.

        `tell` hears how many bytes are there, `timeout` is the longest standstill. Raises ConnectError when the
        connection goes before the end, ConfigurationError when the file cannot be written over there.
        """

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

    def wrap(self, script: str, *, listens: bool = False) -> str:
        """The text for the stdin of /bin/sh. The braces make the shell read all of it before anything runs.

        A script that `listens` finds on its own stdin what is sent after its first words have come back, not before:
        a shell may read ahead.
        """
        words = "" if listens else " </dev/null"
        return (
            f"{{\nprintf '\\n%s begin\\n' {self.mark}; printf '\\n%s begin\\n' {self.mark} >&2\n"
            f"(\n{script}\n)\n"
            f"printf '%s end %s\\n' {self.mark} $?; printf '%s end\\n' {self.mark} >&2\n}}{words}\n"
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
        noise = output.partition(f"{self.mark} begin\n")[0]
        return Answer(body, self._inside(errors)[0], int(code), noise.strip())

    def _inside(self, text: str) -> tuple[str, bool, str]:
        """The text between the marks, whether the end mark came whole, and the exit code that stands on its line."""
        _, _, rest = text.partition(f"{self.mark} begin\n")
        body, found, tail = rest.partition(f"{self.mark} end")
        code, ended, _ = tail.partition("\n")
        return body, bool(found and ended), code.strip()


class Incoming:
    """A script's output as it comes: `read` it like a file, then ask for its `answer`, without the text."""

    def __init__(self, chunks: Iterator[bytes], frame: Frame, errors: Callable[[], str], host: str) -> None:
        self._chunks = chunks
        self._begin = f"{frame.mark} begin\n".encode()
        self._end = f"{frame.mark} end".encode()
        self._frame = frame
        self._errors = errors
        self._host = host
        self._begun = False
        self._raw = bytearray()  # not yet told to be output
        self._output = bytearray()  # not yet read
        self._tail: bytes | None = None  # what follows the output, from the end mark on
        self.received = 0  # bytes of output

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end. Raises ConnectError when the connection goes before that."""
        while self._tail is None and (size < 0 or len(self._output) < size):
            self._take_in()
        size = len(self._output) if size < 0 else size
        data = bytes(self._output[:size])
        del self._output[:size]
        return data

    def answer(self) -> Answer:
        """How the script ended; what was not read of its output is dropped."""
        while self._tail is None:
            self._take_in()
            self._output.clear()
        rest = self._tail + b"".join(self._chunks)
        whole = f"{self._frame.mark} begin\n" + rest.decode(errors="replace")
        return self._frame.unwrap(whole, self._errors(), self._host)

    def _take_in(self) -> None:
        data = next(self._chunks, b"")
        if not data:
            self._frame.unwrap("", self._errors(), self._host)  # no end mark: it says so
        self._raw += data
        if not self._begun:
            _, self._begun, rest = self._split(self._begin)
            self._raw = bytearray(rest) if self._begun else self._raw
            if not self._begun:
                return
        before, found, after = self._split(self._end)
        kept = 0 if found else self._perhaps_end()
        fresh = before if found else bytes(self._raw[: len(self._raw) - kept])
        self._output += fresh
        self.received += len(fresh)
        self._tail = self._end + after if found else None
        self._raw = self._raw[len(self._raw) - kept :]

    def _perhaps_end(self) -> int:
        """How many of the last bytes may be the beginning of the end mark."""
        most = min(len(self._end) - 1, len(self._raw))
        return next((size for size in range(most, 0, -1) if self._raw.endswith(self._end[:size])), 0)

    def _split(self, mark: bytes) -> tuple[bytes, bool, bytes]:
        before, found, after = bytes(self._raw).partition(mark)
        return before, bool(found), after
