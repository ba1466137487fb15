"""What every transport must do, here and through a real sshd."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer
from launcher.transports.base import Tcp, Transport, UnixSocket
from launcher.transports.openssh import OpenSshTransport
from tests.contracts.sshd import HOST

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def test_runs_scripts(transport: Transport) -> None:
    """Output, errors and exit code come back apart, to the byte."""
    assert transport.run("printf out; echo err >&2; exit 3") == Answer("out", "err\n", 3)


def test_unicode_and_line_ends(transport: Transport) -> None:
    """Text comes back as it was printed: no translation of letters or line ends, as of a progress bar's."""
    text = "Grüße, 春\r 50%\r100%\r\nend"
    assert transport.run(f"cat <<'end-mark'\n{text}\nend-mark").text == text + "\n"


def test_bytes_that_are_no_text(transport: Transport) -> None:
    """Binary rubbish in a log is shown as such and never an error."""
    assert transport.run(r"printf 'a\377b'").text == "a\ufffdb"


@pytest.mark.parametrize("stream", ["", " >&2"], ids=["output", "errors"])
def test_big_output(transport: Transport, stream: str) -> None:
    """5 MB come through on either stream, none of it lost or stuck."""
    answer = transport.run(f"head -c 5000000 /dev/zero | tr '\\0' x{stream}", timeout=20)
    assert (len(answer.text), len(answer.errors)) == ((5_000_000, 0) if not stream else (0, 5_000_000))


def test_home_of_the_user(transport: Transport) -> None:
    """A script starts in the user's environment, with a home and a path."""
    assert transport.run('[ -d "$HOME" ] && command -v sh >/dev/null && echo yes').text == "yes\n"


def test_many_scripts_at_once(transport: Transport) -> None:
    """Threads share a transport: a watch that waits does not hold up another question."""
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = transport.run(f"sleep 0.3; echo {number}").text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {number: f"{number}\n" for number in range(8)}


def test_connects_to_a_port(transport: Transport) -> None:
    """A stream to a listening port carries bytes both ways, and an end of sending that leaves the other way open."""
    with socket.create_server((HOST, 0)) as listener:

        def shout() -> None:
            connection, _ = listener.accept()
            with connection:
                heard = b"".join(iter(lambda: connection.recv(65536), b""))
                connection.sendall(heard.upper())

        server = threading.Thread(target=shout)
        server.start()
        with closing(transport.connect(Tcp(HOST, listener.getsockname()[1]))) as stream:
            stream.sendall(b"hello " * 20000)
            stream.end_sending()
            assert b"".join(iter(lambda: stream.recv(65536), b"")) == b"HELLO " * 20000
        server.join(5)


def test_closed_port_is_a_connect_error(transport: Transport) -> None:
    """Where nothing listens, the error says the address, and the transport goes on working."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    assert_refused(transport, Tcp(HOST, port))
    assert transport.run("echo on").text == "on\n"


def test_socket_that_is_not_there(transport: Transport, home: Path) -> None:
    """A Unix socket that nobody serves, or that does not exist, is refused likewise."""
    assert_refused(transport, UnixSocket(str(home / "nothing.sock")))
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(home / "stale.sock"))
    assert_refused(transport, UnixSocket(str(home / "stale.sock")))
    assert transport.run("echo on").text == "on\n"


def assert_refused(transport: Transport, endpoint: Tcp | UnixSocket) -> None:
    """A ConnectError that says the address; through the system's ssh, a stream that ends at once will do."""
    if not isinstance(transport, OpenSshTransport):
        with pytest.raises(ConnectError, match=re.escape(str(endpoint))):
            transport.connect(endpoint)
        return
    with suppress(ConnectError), closing(transport.connect(endpoint)) as stream:
        assert stream.recv(1) == b""


def test_close_wakes_a_reader(transport: Transport) -> None:
    """Closing a stream ends the recv of another thread."""
    with socket.create_server((HOST, 0)) as listener:
        stream = transport.connect(Tcp(HOST, listener.getsockname()[1]))
        connection, _ = listener.accept()
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.append(stream.recv(1)))
        reader.start()
        time.sleep(0.2)
        stream.close()
        reader.join(5)
        connection.close()
    assert said == [b""]


def test_command_that_takes_too_long(transport: Transport) -> None:
    """A command that does not end in time is a lost connection, which is no word about what it did."""
    with pytest.raises(ConnectError):
        transport.run("sleep 30", timeout=0.5)
    assert transport.run("echo on").text == "on\n"


def test_shell_that_dies(transport: Transport) -> None:
    """A shell killed in the middle is a lost connection, not an empty answer."""
    with pytest.raises(ConnectError, match="connection was lost"):
        transport.run("echo half; kill -9 $$")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_bytes_both_ways_at_once(transport: Transport, home: Path, kind: str) -> None:
    """20 MB go there and come back, to the byte, through a port and through a Unix socket."""
    listener, endpoint = listening(kind, home)
    data = random.Random(7).randbytes(1 << 20) * 20

    def echo() -> None:
        connection, _ = listener.accept()
        with connection:
            while piece := connection.recv(1 << 18):
                connection.sendall(piece)

    def send() -> None:
        stream.sendall(data)
        stream.end_sending()

    server = threading.Thread(target=echo)
    server.start()
    with listener, closing(transport.connect(endpoint)) as stream:
        sender = threading.Thread(target=send)
        sender.start()
        assert b"".join(iter(lambda: stream.recv(1 << 18), b"")) == data
        sender.join(5)
    server.join(5)


def listening(kind: str, home: Path) -> tuple[socket.socket, Tcp | UnixSocket]:
    """A listener on a free port, or on a socket whose path has a space."""
    if kind == "tcp":
        listener = socket.create_server((HOST, 0))
        return listener, Tcp(HOST, listener.getsockname()[1])
    listener = socket.socket(socket.AF_UNIX)
    path = home / "a jupyter.sock"
    listener.bind(str(path))
    listener.listen()
    return listener, UnixSocket(str(path))
