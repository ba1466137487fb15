"""Output that is read as it comes, through every transport: to the byte, piece by piece, and never half believed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import pytest
from fabric import Connection

from launcher.errors import ConnectError
from launcher.transports.base import Tcp, Transport
from launcher.transports.paramiko_channels import ChannelTransport
from tests.contracts.conftest import Reach
from tests.contracts.sshd import HOST, Sshd

PIECE = 1 << 16
AHEAD = 1 << 19  # bytes that may have come without having been read


def test_every_byte(transport: Transport) -> None:
    """All 256 bytes, what looks like the frame, and no end of line at the end come through; the rest is told apart."""
    octal = "".join(f"\\{value:03o}" for value in range(256))
    script = f"printf '{octal}\\nspringline- end 0\\n\\nspringline'; echo words >&2; exit 7"
    with transport.receive(script) as incoming:
        assert incoming.read() == bytes(range(256)) + b"\nspringline- end 0\n\nspringline"
        answer = incoming.answer()
    assert (answer.exit_code, answer.errors) == (7, "words\n")


def test_more_than_one_would_hold(transport: Transport) -> None:
    """64 MB come through to the byte, and are not taken faster than they are read."""
    with transport.receive("head -c 64000000 /dev/zero | tr '\\0' '\\351'; echo the end") as incoming:
        digest, read, most = hashlib.sha256(), 0, 0
        while piece := incoming.read(PIECE):
            digest.update(piece)
            read += len(piece)
            most = max(most, incoming.received - read)
        assert incoming.answer().exit_code == 0
    assert incoming.received == 64_000_008 and most <= AHEAD
    assert digest.hexdigest() == hashlib.sha256(b"\351" * 64_000_000 + b"the end\n").hexdigest()


def test_what_is_not_read_is_dropped(transport: Transport) -> None:
    """Who has enough asks for the answer at once."""
    with transport.receive("head -c 9000000 /dev/zero; exit 3") as incoming:
        assert incoming.read(3) == b"\0\0\0"
        assert incoming.answer().exit_code == 3
    assert transport.run("echo on").text == "on\n"


def test_reader_that_gives_up(transport: Transport) -> None:
    """What the reader meets is the reader's own: it is no lost connection, and the transport goes on working."""
    with pytest.raises(OSError, match="disk full"), transport.receive("cat /dev/zero") as incoming:
        incoming.read(PIECE)
        raise OSError("disk full")
    assert transport.run("echo on").text == "on\n"


def test_shell_that_dies_in_the_middle(transport: Transport) -> None:
    """Without its end the output is a lost connection, never a short file."""
    with (
        pytest.raises(ConnectError, match="connection was lost"),
        transport.receive("echo half; kill -9 $$") as incoming,
    ):
        incoming.read()


def test_silence(transport: Transport) -> None:
    """Where nothing comes for too long, that is said."""
    with pytest.raises(ConnectError), transport.receive("echo some; sleep 30", timeout=0.5) as incoming:
        incoming.read()


def test_connection_that_is_killed(reach: Reach, serve: Callable[..., Sshd]) -> None:
    """A connection killed on the server's side ends the reading with an error."""
    server = serve()
    transport = reach(server)
    with pytest.raises(ConnectError), transport.receive("while head -c 100000 /dev/zero; do :; done") as incoming:
        incoming.read(1)
        timer = threading.Timer(0.3, server.drop_connections)
        timer.start()
        while incoming.read(PIECE):
            pass
    timer.join()


def test_connection_that_is_gone_at_the_close(fabric: Reach, sshd: Sshd) -> None:
    """Where a cable is pulled while channels are open, closing them adds no error to what their readers hear."""
    for _ in range(3):  # paramiko may notice first, and then there is nothing to send
        transport = fabric(sshd)
        assert isinstance(transport, ChannelTransport)
        stream = transport.connect(Tcp(HOST, sshd.port))
        with transport.receive("cat /dev/zero") as incoming:
            incoming.read(1)
            transport._live().packetizer.close()
            stream.close()


def test_connection_that_is_gone_once_it_was_open(fabric: Reach, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is lost in the very moment after its login is a lost connection, too."""
    opened = Connection.open

    def open_and_lose(self: Connection) -> None:
        opened(self)
        self.client.close()

    monkeypatch.setattr(Connection, "open", open_and_lose)
    with pytest.raises(ConnectError, match="connection was lost"):
        fabric(sshd).open()
