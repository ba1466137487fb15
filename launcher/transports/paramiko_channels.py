"""What can be done over a paramiko connection, however it was made: run a script, open a stream, go on to a node.

Commands do not go through `Connection.run`: invoke feeds stdin one character per 10 ms, and our scripts go in on
stdin. Ports do not go through `Connection.forward_local`: see launcher/tunnels/tunnel.py.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import paramiko

from launcher.errors import ConnectError, HostKeyError
from launcher.schedulers.base import Answer
from launcher.transports.authentication import Keyring, Login
from launcher.transports.base import Asker, Endpoint, Frame, Incoming, Node, Parcel, Stream, Tcp, Transport
from launcher.transports.hostkeys import changed_key, name_of, trust_only
from launcher.transports.paramiko_link import CHANNEL_SECONDS, Link
from launcher.transports.sending import Conversation, deliver, send_script

SSH_PORT = 22
CHUNK = 1 << 18  # bytes
GLANCE_SECONDS = 0.02


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
        let_go(self._channel)


class ChannelTransport:
    """One SSH connection, opened on first use and again after it was lost. How it opens is a subclass's."""

    is_here = False

    def __init__(self, label: str, host: str) -> None:
        self.label = label
        self._host = host
        self.keyring = Keyring()  # what the last opening had to log in with
        self._link: Link | None = None
        self._lock = threading.RLock()
        self._closings = 0

    def open(self) -> None:
        """Connect and log in, asking only for what is needed."""
        self._live()

    def run(self, script: str, *, timeout: float = 120) -> Answer:
        """Run the script on the stdin of /bin/sh, whatever the login shell is."""
        frame = Frame.new()
        with self._translated(), ThreadPoolExecutor(1) as beside:
            channel = self._live().open_session(timeout=CHANNEL_SECONDS)
            try:
                channel.settimeout(timeout)
                channel.exec_command("exec /bin/sh")
                channel.sendall(frame.wrap(script).encode())
                channel.shutdown_write()
                said = beside.submit(_everything, channel.recv_stderr)  # left unread, it would stop the command
                output, errors = _everything(_receiver(channel)), said.result()
            finally:
                let_go(channel)
        return frame.unwrap(output.decode(errors="replace"), errors.decode(errors="replace"), self.label)

    @contextmanager
    def receive(self, script: str, *, timeout: float = 60) -> Iterator[Incoming]:
        """The same, its output read as it comes."""
        with self._conversing(script, timeout, listens=False) as talk:
            yield talk.incoming

    def send(self, parcel: Parcel, *, tell: Callable[[int], None] = lambda sent: None, timeout: float = 60) -> None:
        """Bring a file over there."""
        with self._conversing(send_script(parcel), timeout, listens=True) as talk:
            deliver(parcel, talk, self.label, tell)

    @contextmanager
    def _conversing(self, script: str, timeout: float, *, listens: bool) -> Iterator[Conversation]:
        frame = Frame.new()
        with ThreadPoolExecutor(1) as beside:
            with self._translated():
                channel = self._live().open_session(timeout=CHANNEL_SECONDS)
            try:
                with self._translated():
                    channel.settimeout(timeout)
                    channel.exec_command("exec /bin/sh")
                    channel.sendall(frame.wrap(script, listens=listens).encode())
                    if not listens:
                        channel.shutdown_write()
                said = beside.submit(_everything, channel.recv_stderr)
                incoming = Incoming(self._chunks(channel), frame, lambda: _late(said), self.label)
                yield Conversation(incoming, lambda data: _told(channel, data), ChannelStream(channel).end_sending)
            finally:
                let_go(channel)

    def _chunks(self, channel: paramiko.Channel) -> Iterator[bytes]:
        receive = _receiver(channel)
        while True:
            with self._translated():  # and nothing of what the reader meets
                data = receive(CHUNK)
            if not data:
                return
            yield data

    def connect(self, endpoint: Endpoint, *, timeout: float = 20) -> Stream:
        """Open a channel from over there to the endpoint."""
        return ChannelStream(self.channel_to(endpoint, timeout))

    def channel_to(self, endpoint: Endpoint, timeout: float) -> paramiko.Channel:
        """The same, as paramiko knows it."""
        with self._translated():
            link = self._live()
            try:
                return link.open_stream(endpoint, timeout)
            except paramiko.ChannelException as error:
                raise ConnectError(f"{self.label} cannot reach {endpoint}: {error.text}") from error

    def beyond(self, node: Node) -> Transport:
        """SSH through this connection to a node."""
        return NodeTransport(self, node)

    def close(self) -> None:
        """Hang up. An opening that is under way in another thread comes to nothing."""
        self._closings += 1
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _live(self) -> Link:
        with self._lock:
            if self._link is not None and self._link.is_active():
                return self._link
            closings = self._closings
            self._link, link = None, self._opened()
            if closings != self._closings:
                link.close()
                raise ConnectError(f"{self.label}: the connection was closed")
            self._link = link
            return link

    def _opened(self) -> Link:
        raise NotImplementedError

    def _changed_key(self, error: paramiko.BadHostKeyException, name: str) -> HostKeyError:
        return changed_key(error, name)

    @contextmanager
    def _translated(self, host: str = "", port: int = SSH_PORT) -> Iterator[None]:
        """Turn what paramiko and the socket raise into our own errors, once, here."""
        where = host or self._host
        try:
            yield
        except paramiko.BadHostKeyException as error:
            raise self._changed_key(error, name_of(where, port)) from error
        except socket.gaierror as error:
            raise ConnectError(
                f"the host '{where}' is not known: {error.strerror}",
                "check its name in platforms.ini or ~/.ssh/config, and your network (is the VPN up?)",
            ) from error
        except ConnectionRefusedError as error:
            raise ConnectError(
                f"{where} refuses SSH connections: {error.strerror}", "check `host` and `port`, and your network"
            ) from error
        except TimeoutError as error:
            raise ConnectError(
                f"{where} does not answer", "check your network (is the VPN up?) and try again"
            ) from error
        except paramiko.ChannelException as error:
            raise ConnectError(f"{where} cannot be reached from where it should be: {error.text}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            said = str(error) or "the connection was lost"
            raise ConnectError(f"{where}: {said}", "check your network and try again") from error


class NodeTransport(ChannelTransport):
    """A node, through a connection to its login host. It asks nobody, and trusts only the host keys it was told."""

    def __init__(self, login_host: ChannelTransport, node: Node) -> None:
        super().__init__(f"{node.user}@{node.host}", node.host)
        self._login_host = login_host
        self._node = node

    def _opened(self) -> Link:
        channel = self._login_host.channel_to(Tcp(self._host, SSH_PORT), CHANNEL_SECONDS)
        self.keyring = self._login_host.keyring
        advice = "the node takes only the keys and accounts of its site; see `access` of the platform"
        client = paramiko.SSHClient()
        trust_only(client, self._node)
        ours: Any = {
            "transport_factory": Link,
            "auth_strategy": Login(self.label, SSH_PORT, self.keyring, Asker(), advice=advice),
        }
        try:
            with self._translated():
                client.connect(self._host, sock=channel, **ours)
                link = link_of(client)
        except BaseException:
            client.close()
            let_go(channel)
            raise
        threading.Thread(target=_without_delay, args=(link,), daemon=True).start()
        return link

    def _changed_key(self, error: paramiko.BadHostKeyException, name: str) -> HostKeyError:
        shown = f"{error.key.get_name()} {error.key.fingerprint}"
        return HostKeyError(
            f"{name} shows another host key than the session's node: {shown}",
            "this is not the node of the session; `springline status` shows where it runs",
        )


def let_go(channel: paramiko.Channel) -> None:
    """Close a channel; where the connection is gone there is nobody to tell, and what was read says so."""
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.close()


def link_of(client: paramiko.SSHClient) -> Link:
    """The connection that a client has opened; raises EOFError where it was lost, which the caller translates."""
    link = client.get_transport()
    if not isinstance(link, Link):
        raise EOFError("the connection was lost")
    return link


def _without_delay(link: Link) -> None:
    """Run a first command: until then, sshd holds small packets back (Nagle), and each burst of them takes 40 ms."""
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel = link.open_session(timeout=CHANNEL_SECONDS)
        try:
            channel.exec_command("exec true")
        finally:
            channel.close()


def _told(channel: paramiko.Channel, data: bytes) -> None:
    """Send, and raise what any socket would."""
    try:
        channel.sendall(data)
    except (EOFError, paramiko.SSHException) as error:
        raise ConnectionError(str(error)) from error


def _receiver(channel: paramiko.Channel) -> Callable[[int], bytes]:
    """How the main thread receives. On Windows no Ctrl-C wakes it while it waits for a lock, so there it sleeps."""

    def receive(size: int) -> bytes:
        give_up = time.monotonic() + (channel.gettimeout() or CHANNEL_SECONDS)
        while not (channel.recv_ready() or channel.eof_received or channel.closed):
            if time.monotonic() > give_up:
                raise TimeoutError
            time.sleep(GLANCE_SECONDS)
        return channel.recv(size)

    return receive if sys.platform == "win32" else channel.recv


def _everything(receive: Callable[[int], bytes]) -> bytes:
    return b"".join(iter(lambda: receive(65536), b""))


def _late(said: Future[bytes]) -> str:
    """What came on stderr; nothing where the connection is gone."""
    try:
        return said.result(CHANNEL_SECONDS).decode(errors="replace")
    except (OSError, EOFError, paramiko.SSHException, TimeoutError):
        return ""
