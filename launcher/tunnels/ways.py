"""The ways in to a session's JupyterLab: the safest that works is found, and after a loss found again."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ssl import SSLContext

from launcher.cluster import Cluster
from launcher.errors import AuthenticationError, ConfigurationError, ConnectError, HostKeyError, SpringlineError
from launcher.model import NodeState, Session
from launcher.scripts.shell import RemotePath
from launcher.transports.base import Endpoint, Node, Stream, Tcp, Transport, UnixSocket
from launcher.tunnels.certificates import pinned
from launcher.tunnels.tls import TlsStream
from launcher.tunnels.tunnel import LOOPBACK

SAFEST_FIRST = ("socket", "loopback", "node-tls")
INSECURE = "node-http"
DOOR_SECONDS = 20  # for the node program to open a door it was asked for
PROBE_SECONDS = 10.0
_QUESTION = b"GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
_AWAIT = """\
glances=0
until grep -q -e '"{door}": ' -e '"phase": "ending"' {state} || [ $glances -ge {glances} ]; do
  sleep 0.2 2>/dev/null || {{ sleep 1; glances=$((glances + 4)); }}
  glances=$((glances + 1))
done
cat {state}
"""
_CLOSED = (AuthenticationError, HostKeyError, ConfigurationError)  # no waiting opens these


class NotThisWay(Exception):
    """This way does not work for this node and account; another may."""


@dataclass(frozen=True)
class Way:
    """One way that was seen to work: a door of the node, and the transport that reaches it."""

    name: str
    via: Transport
    endpoint: Endpoint
    tls: SSLContext | None = None  # where TLS is spoken: it takes the session's own certificate only

    def connect(self) -> Stream:
        """A new stream to JupyterLab. Raises ConnectError, or TunnelError if the server is somebody else's."""
        stream = self.via.connect(self.endpoint)
        if self.tls is None:
            return stream
        with _bounded(stream):
            return TlsStream(stream, self.tls)


class Ways:
    """Follows a session from node to node. `connect` may be called by any number of threads."""

    def __init__(
        self,
        cluster: Cluster,
        session: Session,
        certificate: str,
        roads: Sequence[Transport],
        *,
        insecure: bool = False,
    ) -> None:
        self._cluster = cluster
        self._directory = RemotePath(session.directory)
        self._certificate = certificate
        self._roads = list(roads)
        self._names = _names(cluster, insecure=insecure)
        self._node: NodeState | None = None
        self._way: Way | None = None
        self._nodes: dict[tuple[str, tuple[str, ...]], Transport] = {}
        self._finding = threading.Lock()
        self._proven = False  # the first road has let us in

    def follow(self, node: NodeState | None) -> None:
        """Take in what the session says of itself, and begin at once with what can be done about it."""
        if node is None or not node.host or node == self._node:
            return
        if self._node is None or _run(node) != _run(self._node) or not node.doors:
            self._way = None  # what is there now is not JupyterLab, or not yet
        self._node = node
        if self._way is None:
            threading.Thread(target=self._prepare, name="ways", daemon=True).start()

    def connect(self) -> Stream:
        """A stream to JupyterLab. Raises ConnectError while there is no way (yet, or again)."""
        way = self._way
        if way is None:
            with self._finding:
                way = self._way = self._way or self._find()
        try:
            return way.connect()
        except ConnectError:
            self._way = None  # the network, the road or the door: looking again tells
            raise

    def close(self) -> None:
        """Hang up what was opened for the tunnel alone."""
        for transport in [*self._nodes.values(), *self._roads]:
            if transport is not self._cluster.transport:
                transport.close()

    def _prepare(self) -> None:
        """Log in to the node while JupyterLab still starts, and find the way when it has.

        What goes wrong here is met again, and told, by who connects.
        """
        with contextlib.suppress(SpringlineError), self._finding:
            if self._node and self._node.doors:
                self._way = self._way or self._find()
                return
            try:
                road = self._road()
                if {"socket", "loopback"} & set(self._names):
                    self._beyond(road)
            except NotThisWay:
                if "node-tls" in self._names:  # then it opens while JupyterLab starts
                    self._ask_for("node-tls")

    def _find(self) -> Way:
        node = self._node
        if node is None or not node.doors:
            raise ConnectError("JupyterLab is not there yet")
        road, reasons = self._road(), []
        for name in self._names:
            try:
                way = self._try(name, road)
            except NotThisWay as reason:
                reasons.append(f"{name}: {reason}")
            else:
                if self._node is not None and _run(self._node) == _run(node):
                    return way
                raise ConnectError("the session has moved to another node")
        raise ConnectError(f"no way leads to JupyterLab on {node.host}: " + "; ".join(reasons))

    def _road(self) -> Transport:
        """The first transport that lets us in without a question; the last is the one commands use.

        One that never let us in gives way to the next; one that did is waited for, as the network is.
        """
        while len(self._roads) > 1:
            try:
                self._roads[0].open()
            except _CLOSED:
                self._leave_road()
            except ConnectError:
                if self._proven:
                    raise
                self._roads[1].open()  # raises if it is the network
                self._leave_road()
            else:
                break
        self._roads[0].open()
        self._proven = True
        return self._roads[0]

    def _leave_road(self) -> None:
        """Take the next road from now on, to nodes too."""
        for transport in [*self._nodes.values(), self._roads.pop(0)]:
            transport.close()
        self._nodes.clear()

    def _try(self, name: str, road: Transport) -> Way:
        """The way of that name, seen to work. Raises NotThisWay, or ConnectError where only the network is down."""
        via = self._beyond(road) if name in ("socket", "loopback") else road
        door = self._door(name)
        assert self._node is not None
        if name == "socket":
            way = Way(name, via, UnixSocket(str(door)))
        else:
            # Whoever is on the node could take over a port that JupyterLab has left: so it proves itself there, too.
            tls = None if name == INSECURE else pinned(self._certificate)
            way = Way(name, via, Tcp(LOOPBACK if name == "loopback" else self._node.address, int(door)), tls)
        try:
            _probe(way)
        except ConnectError as error:
            road.open()  # raises if it is the network
            raise NotThisWay(error.message) from error
        return way

    def _beyond(self, road: Transport) -> Transport:
        """The node's own sshd; the road itself where the session runs on the host we log in to."""
        assert self._node is not None
        if self._cluster.scheduler.name == "local":
            return road
        node, key = self._node, (self._node.host, self._node.host_keys)
        if key not in self._nodes:
            if not node.host_keys:
                raise NotThisWay("the node shows no host key")
            self._nodes[key] = road.beyond(Node(node.address or node.host, node.user, node.host_keys))
        try:
            self._nodes[key].open()
        except ConnectError as error:
            road.open()  # raises if it is the network
            raise NotThisWay(error.message) from error
        return self._nodes[key]

    def _door(self, name: str) -> str | int:
        """Where the door is. One that is shut is asked for, and waited for over there."""
        assert self._node is not None
        if name not in self._node.doors:
            self._ask_for(name)
            self._node = self._awaited(name) or self._node
        if name not in self._node.doors:
            raise NotThisWay("the session did not open it")
        return self._node.doors[name]

    def _ask_for(self, name: str) -> None:
        doors = (self._directory / "doors").quoted()
        self._cluster.transport.run(f"grep -qx {name} {doors} 2>/dev/null || echo {name} >>{doors}")

    def _awaited(self, name: str) -> NodeState | None:
        """The session's state once it shows the door, or after a while, or when it ends."""
        state = (self._directory / "state.json").quoted()
        answer = self._cluster.transport.run(_AWAIT.format(state=state, door=name, glances=DOOR_SECONDS * 5))
        try:
            return NodeState.parse(json.loads(answer.text))
        except ValueError:  # between two states
            return None


def _run(node: NodeState) -> tuple[str, str]:
    """What tells one run of a session's job from the next, after a requeue."""
    return node.host, node.started


def _names(cluster: Cluster, *, insecure: bool) -> tuple[str, ...]:
    if insecure:
        return (INSECURE,)
    wanted = cluster.platform.access
    if wanted != "auto":
        return (wanted,)
    # On the host we log in to there is nothing between us and its loopback that TLS could protect from.
    return SAFEST_FIRST[:2] if cluster.scheduler.name == "local" else SAFEST_FIRST


def _probe(way: Way) -> None:
    """See that a web server answers: a forward of ssh looks open even where nothing listens."""
    stream = way.connect()
    try:
        with _bounded(stream):
            stream.sendall(_QUESTION)
            answer = stream.recv(4096)
    except (OSError, EOFError) as error:
        raise ConnectError(f"JupyterLab does not answer: {error}") from error
    finally:
        stream.close()
    if not answer.startswith(b"HTTP/"):
        raise ConnectError("JupyterLab does not answer")


@contextlib.contextmanager
def _bounded(stream: Stream) -> Iterator[None]:
    """Hang up on a far end that says nothing."""
    timer = threading.Timer(PROBE_SECONDS, stream.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
