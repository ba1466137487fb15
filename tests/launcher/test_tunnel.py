"""The tunnel and its TLS on real sockets: it holds, copies, survives refusals, and lets go."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from launcher.errors import ConnectError, TunnelError
from launcher.transports.base import Stream, Tcp
from launcher.transports.local import LocalTransport
from launcher.tunnels.certificates import new_certificate, pinned
from launcher.tunnels.tls import TlsStream
from launcher.tunnels.tunnel import LOOPBACK, Tunnel

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
MEGABYTES = 20
PAYLOAD = os.urandom(1_000_000) * MEGABYTES
Handler = Callable[[socket.socket], None]


def echo(connection: socket.socket) -> None:
    """Send everything back until the other side ends."""
    while data := connection.recv(65536):
        connection.sendall(data)


def slam(connection: socket.socket) -> None:
    """Have the close that follows send a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def everything(connection: socket.socket) -> bytes:
    """All bytes until the end."""
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))


class Server:
    """A real server on 127.0.0.1, one thread per connection; with a context it speaks TLS."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._handler = handler
        self._context = context
        self._listener = socket.create_server((LOOPBACK, port))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self.accepted += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:  # ssl's errors are OSErrors
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self._handler(connection)


@contextmanager
def tunnel_to(port: int, *, hold: float = 10) -> Iterator[Tunnel]:
    """An open tunnel to a port of this machine."""
    with closing(Tunnel(hold=hold)) as tunnel:
        tunnel.serve(lambda: LocalTransport().connect(Tcp(LOOPBACK, port)))
        yield tunnel


def knock(tunnel: Tunnel) -> socket.socket:
    """Connect as a browser does."""
    return socket.create_connection((LOOPBACK, tunnel.port), timeout=15)


def free_port() -> int:
    """A port nothing listens on."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ends(connection: socket.socket) -> bool:
    """True if the other side closes within the connection's time-out."""
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def test_connection_is_held_until_the_far_end_is_up() -> None:
    """A browser that comes too early waits, and is served as soon as the server listens."""
    port = free_port()
    with tunnel_to(port) as tunnel, knock(tunnel) as early:
        early.sendall(b"early")
        time.sleep(0.5)
        with closing(Server(echo, port=port)):
            early.shutdown(socket.SHUT_WR)
            assert everything(early) == b"early"


def test_connection_is_given_up_after_the_hold() -> None:
    """When the far end never comes, the browser is told by an end, and the tunnel serves the next one."""
    port = free_port()
    with tunnel_to(port, hold=0.3) as tunnel:
        with knock(tunnel) as early:
            assert ends(early)
        with closing(Server(echo, port=port)), knock(tunnel) as later:
            later.sendall(b"later")
            assert later.recv(5) == b"later"


def test_busy_port_is_said_at_once() -> None:
    """A local port in use is an error with the tunnel's exit code, before anything else happens."""
    with closing(Server(echo)) as server, pytest.raises(TunnelError, match=f"port {server.port} ") as error:
        Tunnel(server.port)
    assert error.value.exit_code == 50


def test_stranger_at_the_far_end_is_not_tried_again() -> None:
    """When the far end turns out to be somebody else's server, the connection ends at once instead of being held."""
    calls = []

    def stranger() -> Stream:
        calls.append(time.monotonic())
        raise TunnelError("not this session's")

    with closing(Tunnel()) as tunnel:
        tunnel.serve(stranger)
        with knock(tunnel) as connection:
            assert ends(connection)
        assert len(calls) == 1


def test_far_end_that_slams_the_door_hurts_one_connection_only() -> None:
    """A far end that resets connections ends those, and the tunnel goes on with the next."""

    def moody(connection: socket.socket) -> None:
        (slam if connection.recv(1) == b"!" else echo)(connection)

    with closing(Server(moody)) as server, tunnel_to(server.port) as tunnel:
        for _ in range(2):
            with knock(tunnel) as connection:
                connection.sendall(b"!")
                assert ends(connection)
        with knock(tunnel) as connection:
            connection.sendall(b"?still there")
            assert connection.recv(64) == b"still there"


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_bytes_arrive_unchanged_both_ways(secured: bool, tmp_path: Path) -> None:
    """20 MB up and the same 20 MB down at the same time come through intact, four connections at once."""
    server_context, client_context = contexts(tmp_path)
    with closing(Server(echo, server_context if secured else None)) as server, closing(Tunnel()) as tunnel:

        def connect() -> Stream:
            stream = LocalTransport().connect(Tcp(LOOPBACK, server.port))
            return TlsStream(stream, client_context) if secured else stream

        tunnel.serve(connect)
        digests: list[str] = []
        threads = [threading.Thread(target=lambda: digests.append(there_and_back(tunnel))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert digests == [hashlib.sha256(PAYLOAD).hexdigest()] * 4


def there_and_back(tunnel: Tunnel) -> str:
    """Send the payload and read as much back; returns the digest of what came."""
    with knock(tunnel) as connection:
        sender = threading.Thread(target=connection.sendall, args=(PAYLOAD,))
        sender.start()
        digest, missing = hashlib.sha256(), len(PAYLOAD)
        while missing and (data := connection.recv(1 << 20)):
            digest.update(data)
            missing -= len(data)
        sender.join()
        return digest.hexdigest()


def test_answer_that_ends_the_connection_arrives_whole() -> None:
    """All bytes sent before the far end closes reach the browser before its connection ends."""
    with closing(Server(lambda connection: connection.sendall(PAYLOAD))) as server, tunnel_to(server.port) as tunnel:
        connection = knock(tunnel)
        time.sleep(0.2)
        assert hashlib.sha256(everything(connection)).digest() == hashlib.sha256(PAYLOAD).digest()
        connection.close()


def test_close_frees_the_port_and_wakes_everybody() -> None:
    """Closing ends joined and waiting connections, lets no thread live on, and gives the port back."""
    before = threading.active_count()
    nobody = free_port()
    with closing(Server(echo)) as server, tunnel_to(server.port) as tunnel, tunnel_to(nobody) as waiting:
        with knock(tunnel) as joined, knock(waiting) as held:
            joined.sendall(b"x")
            assert joined.recv(1) == b"x"
            time.sleep(0.3)
            tunnel.close()
            waiting.close()
            assert ends(joined)
            assert ends(held)
        Tunnel(tunnel.port).close()
    wait_for(lambda: threading.active_count() <= before)


def test_close_while_the_far_end_is_being_reached() -> None:
    """A connection that comes through just after the tunnel was closed is closed too, not left hanging."""
    reached, go_on = threading.Event(), threading.Event()
    with closing(Server(echo)) as server:

        def slowly() -> Stream:
            reached.set()
            go_on.wait(10)
            return LocalTransport().connect(Tcp(LOOPBACK, server.port))

        tunnel = Tunnel()
        tunnel.serve(slowly)
        with knock(tunnel) as connection:
            connection.settimeout(3)
            assert reached.wait(5)
            tunnel.close()
            go_on.set()
            assert ends(connection)


def wait_for(fact: Callable[[], bool]) -> None:
    """Wait until something is so, for 10 s."""
    deadline = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def contexts(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context and a client's, from one of the launcher's own pairs."""
    pair = new_certificate()
    for name, text in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
        (directory / name).write_text(text)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return server, pinned(pair.certificate)


@contextmanager
def secured(server: Server, context: ssl.SSLContext) -> Iterator[TlsStream]:
    """A TLS stream to a server."""
    stream = TlsStream(LocalTransport().connect(Tcp(LOOPBACK, server.port)), context)
    with closing(stream):
        yield stream


def test_tls_with_another_certificate_is_refused(tmp_path: Path) -> None:
    """A server without the session's own certificate gets no byte of ours, and the error is not one to try again on."""
    received: list[bytes] = []
    server_context, _ = contexts(tmp_path)
    with closing(Server(lambda connection: received.append(connection.recv(100)), server_context)) as server:
        with (
            pytest.raises(TunnelError, match="not this session's"),
            secured(server, pinned(new_certificate().certificate)),
        ):
            pass
        with pytest.raises(TunnelError), secured(server, ssl.create_default_context()):
            pass
    assert b"".join(received) == b""


def test_tls_server_that_speaks_no_tls(tmp_path: Path) -> None:
    """Somebody else's plain server behind the port is refused, not spoken to."""
    _, client_context = contexts(tmp_path)
    server = Server(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with closing(server), pytest.raises(TunnelError, match="not this session's"), secured(server, client_context):
        pass


@pytest.mark.parametrize("goodbye", [lambda connection: None, slam], ids=["hangs up", "resets"])
def test_tls_server_that_hangs_up_is_not_a_stranger(tmp_path: Path, goodbye: Handler) -> None:
    """A port that takes a connection and drops it, as one does whose server is just ending, may be tried again."""
    _, client_context = contexts(tmp_path)
    server = Server(goodbye)
    with (
        closing(server),
        pytest.raises(ConnectError, match=r"hung up|does not answer"),
        secured(server, client_context),
    ):
        pass


def test_tls_reads_and_writes_at_the_same_time(tmp_path: Path) -> None:
    """One thread may read while another writes, in pieces of any size, and nothing is lost or mixed."""
    server_context, client_context = contexts(tmp_path)
    pieces = [
        PAYLOAD[start : start + size] for start, size in zip(range(0, 5_000_000, 9973), [9973] * 502, strict=True)
    ]
    with closing(Server(echo, server_context)) as server, secured(server, client_context) as stream:

        def write() -> None:
            for piece in pieces:
                stream.sendall(piece)

        writer = threading.Thread(target=write)
        writer.start()
        expected, came = b"".join(pieces), bytearray()
        while len(came) < len(expected):
            data = stream.recv(70_000)
            assert data
            came += data
        writer.join()
    assert bytes(came) == expected


def test_tls_end_of_the_peer_is_an_end(tmp_path: Path) -> None:
    """A server's end, with TLS's farewell or without, ends the reading after the last byte."""
    server_context, client_context = contexts(tmp_path)

    def say_and_go(connection: socket.socket) -> None:
        connection.sendall(b"last words")

    with closing(Server(say_and_go, server_context)) as server, secured(server, client_context) as stream:
        assert b"".join(iter(lambda: stream.recv(100), b"")) == b"last words"


def test_tls_close_wakes_the_reader(tmp_path: Path) -> None:
    """A thread that waits for data returns when the stream is closed."""
    server_context, client_context = contexts(tmp_path)
    with closing(Server(echo, server_context)) as server, secured(server, client_context) as stream:
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.append(stream.recv(10)))
        reader.start()
        time.sleep(0.2)
        stream.close()
        reader.join(5)
        assert said == [b""]


def test_certificate_is_its_own() -> None:
    """Each session has another pair, on a curve, valid longer than any queue and job, and no authority for others."""
    from cryptography import x509

    first, second = new_certificate(), new_certificate()
    assert first.key != second.key
    read = x509.load_pem_x509_certificate(first.certificate.encode())
    assert read.issuer == read.subject
    assert (read.not_valid_after_utc - read.not_valid_before_utc).days == 826
