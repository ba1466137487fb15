"""SSH through fabric: its reading of ~/.ssh/config and its ProxyJump, with our host-key policy and our channels.

Commands do not go through `Connection.run`: invoke feeds stdin one character per 10 ms, and our scripts go in on
stdin. Ports do not go through `Connection.forward_local`: see launcher/tunnel.py.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fabric
import paramiko
from paramiko.ssh_exception import NoValidConnectionsError

from launcher.errors import AuthenticationError, ConfigurationError, ConnectError, HostKeyError
from launcher.model import Platform
from launcher.schedulers.base import Answer
from launcher.transports.base import Asker, Endpoint, Frame, Node, Stream, Tcp, Transport
from launcher.transports.hostkeys import check_host_keys

CONNECT_SECONDS = 15
KEEPALIVE_SECONDS = 10
DEAD_LINK_MILLISECONDS = 30_000


class ChannelStream:
    """An SSH channel as a Stream."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self.recv = channel.recv
        self.sendall = channel.sendall

    def end_sending(self) -> None:
        """Half-close; the peer may be gone already."""
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class FabricTransport:
    """One SSH connection, opened on first use and again after it was lost."""

    is_here = False

    def __init__(self, platform: Platform, ask: Asker) -> None:
        self._platform = platform
        self._ask = ask
        self._secrets: dict[str, str] = {}
        self._connection: fabric.Connection | None = None
        self._lock = threading.RLock()
        self.label = f"{platform.user}@{platform.host}" if platform.user else str(platform.host)

    def open(self) -> None:
        """Connect and authenticate, asking for a passphrase or password only when it is needed."""
        self._live()

    def run(self, script: str, *, timeout: float = 120) -> Answer:
        """Run the script on the stdin of /bin/sh, whatever the login shell is."""
        frame = Frame.new()
        with self._translated(), ThreadPoolExecutor(1) as beside:
            channel = self._live().open_session(timeout=CONNECT_SECONDS)
            try:
                channel.settimeout(timeout)
                channel.exec_command("exec /bin/sh")
                channel.sendall(frame.wrap(script).encode())
                channel.shutdown_write()
                said = beside.submit(_everything, channel.recv_stderr)  # left unread, it would stop the command
                output, errors = _everything(channel.recv), said.result()
            finally:
                channel.close()
        return frame.unwrap(output.decode(errors="replace"), errors.decode(errors="replace"), self.label)

    def connect(self, endpoint: Endpoint, *, timeout: float = 20) -> Stream:
        """Open a direct-tcpip channel from the login host to the endpoint."""
        assert isinstance(endpoint, Tcp)
        address = (endpoint.host, endpoint.port)
        with self._translated():
            transport = self._live()
            try:
                channel = transport.open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=timeout)
            except paramiko.ChannelException as error:
                raise ConnectError(f"{self.label} cannot reach {endpoint}: {error.text}") from error
        return ChannelStream(channel)

    def beyond(self, node: Node) -> Transport:
        """SSH through this connection to a node."""
        raise NotImplementedError

    def close(self) -> None:
        """Hang up, the hops included."""
        with self._lock:
            connection, self._connection = self._connection, None
        while isinstance(connection, fabric.Connection):
            connection.close()
            connection = connection.gateway

    def _live(self) -> paramiko.Transport:
        with self._lock:
            if self._connection is None or not self._connection.is_connected:
                self.close()
                self._connection = self._opened()
            transport: paramiko.Transport = self._connection.transport
            return transport

    def _opened(self) -> fabric.Connection:
        connection = self._new_connection()
        with self._translated():
            try:
                connection.open()
            except paramiko.SSHException as error:
                if not _is_refusal(error):
                    raise
                connection = self._open_with_secret(connection, error)
        connection.transport.set_keepalive(KEEPALIVE_SECONDS)
        _notice_dead_link(connection.transport.sock)
        return connection

    def _new_connection(self) -> fabric.Connection:
        platform = self._platform
        options: dict[str, Any] = dict(self._secrets)
        if platform.keypath:
            options["key_filename"] = str(_private_key(platform))
        try:
            connection = fabric.Connection(
                platform.host,
                user=platform.user,
                port=platform.port,
                forward_agent=False,
                connect_timeout=CONNECT_SECONDS,
                connect_kwargs=options,
            )
        except (paramiko.ConfigParseError, paramiko.CouldNotCanonicalize, ValueError) as error:
            raise ConfigurationError(f"~/.ssh/config: {error}", "correct the file, or the host's name") from error
        hop = connection
        while isinstance(hop, fabric.Connection):
            check_host_keys(hop.client, self._ask)
            hop = hop.gateway
        return connection

    def _open_with_secret(self, connection: fabric.Connection, refused: Exception) -> fabric.Connection:
        """Ask for what could still open the door: the key's passphrase, else the account's password."""
        locked = [key for key in _key_files(connection) if _is_encrypted(key)]
        if locked:
            secret = self._ask.secret(f"Passphrase for {locked[0]}: ")
            kind = "passphrase"
        elif "password" in _offered_methods(connection):
            secret = self._ask.secret(f"Password for {self.label}: ")
            kind = "password"
        else:
            secret = None
        if not secret:
            raise self._refusal(connection, locked) from refused
        self._secrets = {kind: secret}
        again = self._new_connection()
        try:
            again.open()
        except paramiko.SSHException as error:
            self._secrets = {}
            raise AuthenticationError(
                f"{self.label} did not accept this {kind}", "try again, or load the key into your agent: ssh-add"
            ) from error
        return again

    def _refusal(self, connection: fabric.Connection, locked: list[str]) -> AuthenticationError:
        keys = ", ".join(_key_files(connection)) or "the agent and ~/.ssh/id_*"
        if locked:
            return AuthenticationError(
                f"the key {locked[0]} has a passphrase and there is no terminal to ask for it",
                f"load it into your agent first: ssh-add {locked[0]}",
            )
        return AuthenticationError(
            f"{self.label} does not accept user '{connection.user}' with {keys}",
            f"check `user` and `keypath` of [{self._platform.name}], and that the key is registered at the cluster",
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what paramiko and the socket raise into our own errors, once, here."""
        where = f"{self._platform.host}"
        try:
            yield
        except paramiko.BadHostKeyException as error:
            raise _changed_key(error) from error
        except socket.gaierror as error:
            raise ConnectError(
                f"the host '{where}' is not known: {error.strerror}",
                f"check `host` of [{self._platform.name}] and your network (is the VPN up?)",
            ) from error
        except NoValidConnectionsError as error:
            raise ConnectError(
                f"{where} refuses SSH connections: {error.strerror}", "check `host` and `port`, and your network"
            ) from error
        except TimeoutError as error:
            raise ConnectError(
                f"{where} does not answer", "check your network (is the VPN up?) and try again"
            ) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ConnectError(f"{where}: {error or 'connection lost'}", "check your network and try again") from error


def _everything(receive: Callable[[int], bytes]) -> bytes:
    return b"".join(iter(lambda: receive(65536), b""))


def _is_refusal(error: paramiko.SSHException) -> bool:
    """True if the host is there but no key opened it; paramiko has no type for having none to try."""
    return isinstance(error, paramiko.AuthenticationException) or "No authentication methods" in str(error)


def _changed_key(error: paramiko.BadHostKeyException) -> HostKeyError:
    return HostKeyError(
        f"the host key of {error.hostname} has CHANGED; somebody may be listening in, so nothing was sent\n"
        f"  known:   {error.expected_key.get_name()} {error.expected_key.fingerprint}\n"
        f"  offered: {error.key.get_name()} {error.key.fingerprint}",
        "ask the cluster's support whether the key was replaced; if so: ssh-keygen -R " + error.hostname,
    )


def _private_key(platform: Platform) -> Path:
    path = Path(os.path.expanduser(str(platform.keypath)))  # noqa: PTH111 - unlike Path's, it never raises
    if not os.access(path, os.R_OK) or not path.is_file():
        raise ConfigurationError(
            f"there is no readable private key {path}",
            f"correct `keypath` of [{platform.name}], or leave it out",
        )
    return path


def _key_files(connection: fabric.Connection) -> list[str]:
    names = connection.connect_kwargs.get("key_filename") or []
    return [names] if isinstance(names, str) else [name for name in names if Path(name).is_file()]


def _is_encrypted(key: str) -> bool:
    try:
        paramiko.PKey.from_path(key)
    except TypeError:  # cryptography's word for "password needed"
        return True
    except (paramiko.SSHException, ValueError, OSError) as error:
        return isinstance(error, paramiko.PasswordRequiredException)
    return False


def _offered_methods(connection: fabric.Connection) -> list[str]:
    transport = connection.client.get_transport()
    try:
        if transport is not None:
            transport.auth_none(connection.user)
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)
    except (paramiko.SSHException, EOFError):
        pass
    return []


def _notice_dead_link(sock: object) -> None:
    """Let the kernel give the connection up when keepalives stay unacknowledged; behind a ProxyJump the hop does."""
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_LINK_MILLISECONDS)
