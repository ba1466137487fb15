"""The system's own `ssh`: where `ssh host` works, this works, with its agents, jumps, tokens and tickets."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from shlex import join

from launcher.errors import AuthenticationError, ConfigurationError, ConnectError, HostKeyError
from launcher.model import Platform
from launcher.schedulers.base import Answer
from launcher.transports import control
from launcher.transports.base import Asker, Endpoint, Incoming, Node, Parcel, Stream, Transport, UnixSocket
from launcher.transports.control import Control, Destination
from launcher.transports.keyfile import private_key
from launcher.transports.sending import deliver, send_script
from launcher.transports.shell import conversing, feed, receiving
from launcher.transports.sockets import SocketStream, connected

if sys.platform == "win32":
    raise ImportError("not on Windows")  # transport_for says why

NO_FORWARDS = control.dashed(control.NO_FORWARDS)
LOGIN_SECONDS = 3  # for the very login host of an earlier command, before its name is tried
NOBODY = Asker()


class OpenSshTransport:
    """One control connection, opened on first use and again after it was lost."""

    is_here = False

    def __init__(self, platform: Platform, ask: Asker, *, login: str = "", batch: bool = False) -> None:
        destination = _destination(platform, batch)
        named = [_pinned(destination, login)] if login else []
        self._setup([*named, destination], ask)

    @classmethod
    def to_node(cls, node: Node, through: OpenSshTransport | None = None) -> OpenSshTransport:
        """To a compute node, behind a login host or from it; knows the node by its keys, and never asks."""
        transport = cls.__new__(cls)
        transport._setup([], NOBODY)
        transport._node, transport._through = node, through
        transport._known_hosts = control.own_file("known")
        transport.label = f"{node.user}@{node.host}"
        return transport

    def _setup(self, destinations: list[Destination], ask: Asker) -> None:
        self._destinations = destinations
        self._ask = ask
        self._control: Control | None = None
        self._node: Node | None = None
        self._through: OpenSshTransport | None = None
        self._known_hosts = Path(os.devnull)
        self._forwards: dict[Endpoint, Path] = {}
        self._opened_before = False
        self._lock = threading.RLock()
        self.label = destinations[-1].label if destinations else ""

    def open(self) -> None:
        """Connect and authenticate; ssh's questions are put to the user."""
        self._live()

    def run(self, script: str, *, timeout: float = 120) -> Answer:
        """Run the script on the stdin of /bin/sh, whatever the login shell is."""
        return feed(self._shell(), script, timeout=timeout, label=self.label)

    def receive(self, script: str, *, timeout: float = 60) -> AbstractContextManager[Incoming]:
        """The same, its output read as it comes."""
        return receiving(self._shell(), script, timeout=timeout, label=self.label)

    def send(self, parcel: Parcel, *, tell: Callable[[int], None] = lambda sent: None, timeout: float = 60) -> None:
        """Bring a file over there."""
        with conversing(self._shell(), send_script(parcel), timeout=timeout, label=self.label) as talk:
            deliver(parcel, talk, self.label, tell)

    def _shell(self) -> list[str]:
        words, destination = self._live()
        return [*destination.command(*words, *NO_FORWARDS, "-T"), "exec /bin/sh"]

    def connect(self, endpoint: Endpoint, *, timeout: float = 20) -> Stream:
        """Connect to a socket here that the control connection forwards; one for each endpoint, made on first use."""
        with self._lock:
            if endpoint not in self._forwards:
                self._forward(endpoint)
            here = UnixSocket(str(self._forwards[endpoint]))
        try:
            return SocketStream(connected(here, timeout))
        except ConnectError as error:  # the control connection is gone, and its sockets with it
            with self._lock:
                if self._forwards.get(endpoint) == Path(here.path):
                    self._hang_up()
            raise ConnectError(f"{self.label}: the connection was lost", "it is opened again") from error

    def beyond(self, node: Node) -> Transport:
        """A connection of its own to a node, through this one."""
        return OpenSshTransport.to_node(node, self)

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._hang_up()
            if self._node is not None:
                self._known_hosts.unlink(missing_ok=True)

    def _live(self) -> tuple[tuple[str, ...], Destination]:
        with self._lock:
            if self._control is None or not self._control.alive():
                self._hang_up()
                self._control = self._obtained()
                self._opened_before = True
            return self._control.words, self._control.destination

    def _obtained(self) -> Control:
        if shutil.which("ssh") is None:
            raise ConfigurationError("there is no `ssh` on this computer", "install OpenSSH, or set transport = fabric")
        *earlier, destination = self._destinations or [self._node_destination()]
        # A connection that stands asks nobody for a code, whichever of the name's hosts it leads to.
        if earlier and not self._opened_before and (found := control.standing(destination)):
            return found
        for first in earlier:
            try:
                return control.obtain(first, self._ask, again=self._opened_before)
            except (AuthenticationError, HostKeyError):  # it is there, and would say the same again
                raise
            except ConnectError:  # it is down, or its address belongs to somebody else now: the name leads on
                continue
        return control.obtain(destination, self._ask, again=self._opened_before)

    def _forward(self, endpoint: Endpoint) -> None:
        self._live()
        assert self._control is not None
        here = control.own_file("forward")
        self._control.tell("forward", "-L", f"{here}:{endpoint}")
        self._forwards[endpoint] = here

    def _hang_up(self) -> None:
        if self._control is not None:
            for endpoint, here in self._forwards.items():
                self._control.drop(f"{here}:{endpoint}")
                here.unlink(missing_ok=True)
            self._control.close()
        self._forwards.clear()
        self._control = None

    def _node_destination(self) -> Destination:
        assert self._node is not None
        node, options = self._node, {}
        self._known_hosts.write_text("".join(f"springline-node {key}\n" for key in node.host_keys), encoding="utf-8")
        if self._through is not None:
            words, login = self._through._live()
            # ssh replaces %h and %p; any other % is meant as it stands.
            before, after = join(login.command(*words, "-W", "NODE")).replace("%", "%%").rsplit("NODE", 1)
            options["ProxyCommand"] = f"{before}'[%h]:%p'{after}"
        options |= {
            "HostKeyAlias": "springline-node",
            "UserKnownHostsFile": str(self._known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "UpdateHostKeys": "no",
            "CheckHostIP": "no",
        }
        words = ("-l", node.user, *self._identity())
        return Destination(node.host, self.label, words, batch=True).with_options(options)

    def _identity(self) -> tuple[str, ...]:
        """The keys that opened the login host: its section of ~/.ssh/config says nothing of nodes."""
        if self._through is None:
            return ()
        _, login = self._through._live()
        settings = control.settings(login)
        files = [word for file in settings.get("identityfile", []) for word in ("-i", file)]
        return (*files, *(f"-oIdentitiesOnly={value}" for value in settings.get("identitiesonly", [])))


def _destination(platform: Platform, batch: bool) -> Destination:
    words: list[str] = []
    if platform.user:
        words += ["-l", platform.user]
    if platform.port:
        words += ["-p", str(platform.port)]
    if platform.keypath:
        words += ["-i", str(private_key(platform)).replace("%", "%%"), "-o", "IdentitiesOnly=yes"]
    label = f"{platform.user}@{platform.host}" if platform.user else str(platform.host)
    return Destination(str(platform.host), label, tuple(words), batch)


def _pinned(destination: Destination, login: str) -> Destination:
    """The same host by its own address, known by the key of its name."""
    settings = control.settings(destination)
    name, port = settings.get("hostname", [destination.host])[0], settings.get("port", ["22"])[0]
    alias = settings.get("hostkeyalias", [name if port == "22" else f"[{name}]:{port}"])[0]
    pinned = destination.with_options({"HostName": login, "HostKeyAlias": alias, "CheckHostIP": "no"})
    return replace(pinned, seconds=LOGIN_SECONDS)
