"""Ways to a host: names, ports, ~/.ssh/config, jump hosts, the very login host of last time, and nodes behind it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from launcher.errors import ConfigurationError, ConnectError
from launcher.model import Platform
from launcher.transports.base import Node, Tcp, Transport, UnixSocket
from tests.contracts.conftest import Reach
from tests.contracts.sshd import HOST, Sshd, public

ELSEWHERE = "127.0.0.99"


def platform(server: Sshd, host: str = "") -> Platform:
    """A platform behind the server, under this name."""
    return Platform("x", host=host or server.host, user="root", port=server.port, keypath=str(server.user_key))


def test_port_that_refuses(reach: Reach, sshd: Sshd) -> None:
    """A host without an SSH server is a connect error with its exit code and a next step."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match="refuse") as error:
        reach.to(replace(platform(sshd), port=port)).open()
    assert (type(error.value), error.value.exit_code) == (ConnectError, 10)
    if reach.is_fabric:
        assert "port" in error.value.hint


def test_port_that_is_no_ssh_server(reach: Reach, sshd: Sshd) -> None:
    """A web server behind the port is a connect error, not a hang."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        server = threading.Thread(target=answer)
        server.start()
        with pytest.raises(ConnectError) as error:
            reach.to(replace(platform(sshd), port=listener.getsockname()[1])).open()
        server.join(5)
    assert error.value.exit_code == 10


def test_unknown_host_name(reach: Reach, sshd: Sshd) -> None:
    """A name that no resolver knows is a connect error that says so."""
    with pytest.raises(ConnectError, match=r"no-such-host\.invalid") as error:
        reach.to(platform(sshd, "no-such-host.invalid")).open()
    assert error.value.exit_code == 10


def test_alias_of_the_ssh_config(reach: Reach, sshd: Sshd) -> None:
    """A host may be an alias of ~/.ssh/config: its HostName, Port, User and IdentityFile are used."""
    reach.config.write_text(
        f"Host cluster\n  HostName {HOST}\n  Port {sshd.port}\n  User root\n  IdentityFile {sshd.user_key}\n"
    )
    reach.known_hosts.write_text(sshd.known_hosts())
    assert reach.to(Platform("x", host="cluster")).run("id -un").text == "root\n"


def test_proxy_command(reach: Reach, sshd: Sshd) -> None:
    """A ProxyCommand of ~/.ssh/config is the way, and it ends with the connection."""
    reach.known_hosts.write_text(sshd.known_hosts("away"))
    reach.config.write_text(f"Host away\n  ProxyCommand bash -c 'exec 3<>/dev/tcp/{HOST}/%p; cat <&3 & exec cat >&3'\n")
    with closing(reach.to(platform(sshd, "away"))) as transport:
        began = time.monotonic()
        assert transport.run("echo in").text == "in\n"
        assert time.monotonic() - began < 3


def test_broken_ssh_config(fabric: Reach, sshd: Sshd) -> None:
    """A mistake in ~/.ssh/config is said as one, with the file."""
    fabric.config.write_text("Host x\n  this is not a line\n  Match nonsense\n")
    with pytest.raises(ConfigurationError, match=r"~/\.ssh/config"):
        fabric(sshd).open()


# --- The very login host ---------------------------------------------------------------------------


def test_concrete_login_host(reach: Reach, sshd: Sshd) -> None:
    """The address of last time is used, without its name being looked up; the host key is that of the name."""
    name = "cluster.invalid"
    reach.known_hosts.write_text(sshd.known_hosts(name))
    assert reach.to(platform(sshd, name), login=HOST).run("echo in").text == "in\n"


def test_login_host_that_is_gone(reach: Reach, sshd: Sshd) -> None:
    """Where the address refuses, the name leads on."""
    assert reach(sshd, login=ELSEWHERE).run("echo in").text == "in\n"


def test_login_host_that_is_somebody_else(fabric: Reach, sshd: Sshd, serve: Callable[..., Sshd]) -> None:
    """Where another host has the address by now, it learns nothing, and the name leads on."""
    stranger = serve(host=ELSEWHERE, port=sshd.port)
    assert fabric(sshd, login=ELSEWHERE).run("echo in").text == "in\n"
    assert "Accepted" not in (stranger.directory / "log").read_text()


def test_the_address_is_remembered(fabric: Reach, sshd: Sshd) -> None:
    """Which of the hosts behind a name it was is known afterwards, for the session's record and for reconnecting."""
    transport = fabric(sshd)
    transport.open()
    assert vars(transport)["login"] == HOST


@contextmanager
def silence(host: str = HOST, port: int = 0) -> Iterator[int]:
    """A port whose packets vanish: a listener that is full."""
    with socket.create_server((host, port), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


@pytest.mark.slow
def test_silent_network(fabric: Reach, sshd: Sshd) -> None:
    """An attempt that hears nothing ends after about 5 s, so that the next finds a network that is back."""
    with silence() as port:
        began = time.monotonic()
        with pytest.raises(ConnectError, match="does not answer"):
            fabric.to(replace(platform(sshd), port=port)).open()
    assert 4 < time.monotonic() - began < 6.5


def test_silent_login_host(fabric: Reach, sshd: Sshd) -> None:
    """The address of last time gets 3 s, then the name leads on."""
    with silence(ELSEWHERE, sshd.port):
        began = time.monotonic()
        assert fabric(sshd, login=ELSEWHERE).run("echo in").text == "in\n"
    assert 2.5 < time.monotonic() - began < 5


# --- Nodes -----------------------------------------------------------------------------------------


@pytest.fixture
def beyond(reach: Reach, sshd: Sshd, serve: Callable[..., Sshd]) -> Transport:
    """A node behind the server, which no known_hosts knows."""
    node = serve(host="127.0.0.77", port=22)
    node.authorized.write_text(public(sshd.user_key))
    keys = ("ssh-rsa mangled", " ".join(public(node.host_key).split()[:2]))
    return reach(sshd).beyond(Node(node.host, "root", keys))


def test_node(beyond: Transport) -> None:
    """A node shows the key that the session recorded: scripts run there, ports and Unix sockets are reached."""
    with closing(beyond):
        assert beyond.run("echo $SSH_CONNECTION | cut -d' ' -f3").text == "127.0.0.77\n"
        with socket.create_server((HOST, 0)) as listener, closing(beyond.connect(Tcp(*listener.getsockname()))):
            listener.accept()[0].close()
    assert beyond.label == "root@127.0.0.77"


def test_socket_of_a_node(beyond: Transport, reach: Reach) -> None:
    """The safest way to JupyterLab: a private Unix socket of the node."""
    path = reach.home / "jupyter.sock"
    with closing(beyond), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with closing(beyond.connect(UnixSocket(str(path)))) as stream:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"hello")
            assert stream.recv(5) == b"hello"


def test_node_that_wants_more(reach: Reach, sshd: Sshd, serve: Callable[..., Sshd]) -> None:
    """A node that does not take the user's keys is an authentication error, and nobody is asked."""
    node = serve(host="127.0.0.79", port=22)
    beyond = reach(sshd).beyond(Node(node.host, "root", (public(node.host_key).strip(),)))
    with pytest.raises(ConnectError) as error:
        beyond.open()
    assert error.value.exit_code == 11


def test_node_that_is_not_there(reach: Reach, sshd: Sshd) -> None:
    """A node without SSH is a connect error, and the way to the login host stays open."""
    transport = reach(sshd)
    with pytest.raises(ConnectError) as error:
        transport.beyond(Node("127.0.0.76", "root", (public(sshd.host_key).strip(),))).open()
    assert error.value.exit_code == 10
    assert transport.run("echo on").text == "on\n"
