"""SSH through fabric: its reading of ~/.ssh/config and its ProxyJump; our host keys, login and channels."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import fabric
import paramiko

from launcher.errors import AuthenticationError, ConfigurationError, ConnectError
from launcher.model import Platform
from launcher.transports.authentication import Keyring, Login, Memory
from launcher.transports.base import Asker
from launcher.transports.hostkeys import check_host_keys
from launcher.transports.keyfile import private_key
from launcher.transports.paramiko_channels import ChannelTransport, link_of
from launcher.transports.paramiko_keys import default_files
from launcher.transports.paramiko_link import Link

CONNECT_SECONDS = 5.0  # a silent network is tried again rather than waited for
LOGIN_SECONDS = 3.0  # for the very login host of last time, before its general name
LEAST_SECONDS = 1.5  # for each of a name's addresses


class FabricTransport(ChannelTransport):
    """The login host of a platform. `login` is the address of the very host behind its name, once that is known."""

    def __init__(self, platform: Platform, ask: Asker, *, login: str = "") -> None:
        label = f"{platform.user}@{platform.host}" if platform.user else str(platform.host)
        super().__init__(label, str(platform.host))
        self.login = login
        self._platform = platform
        self._ask = ask
        self._memory = Memory()
        self._hops: list[fabric.Connection] = []
        self._proxies: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        """Hang up, the hops included."""
        super().close()
        self._hang_up()

    def _hang_up(self) -> None:
        """Close what an opening, finished or not, has opened."""
        hops, self._hops = self._hops, []
        for hop in reversed(hops):
            hop.client.close()
        proxies, self._proxies = self._proxies, []
        for process in proxies:
            process.terminate()
            process.wait()

    def _opened(self) -> Link:
        self._hang_up()
        if self.login:
            try:
                return self._open_hops(self.login)
            except AuthenticationError:
                raise
            except ConnectError:  # it is down, or its address belongs to somebody else now: the name leads on
                self.login = ""
        return self._open_hops("")

    def _open_hops(self, login: str) -> Link:
        hops = self._hops = self._connections()
        straight = not hops[0].gateway and len(hops) == 1
        try:
            for hop in hops:
                self._open_hop(hop, login if straight else "", last=hop is hops[-1])
            with self._translated():
                link = link_of(hops[-1].client)
        except BaseException:
            self._hang_up()
            raise
        if self._hops is not hops:  # closed meanwhile, by another thread
            for hop in hops:
                hop.client.close()
            raise ConnectError(f"{self.label}: the connection was closed")
        if straight:
            with suppress(OSError):
                self.login = str(link.getpeername()[0])
        return link

    def _connections(self) -> list[fabric.Connection]:
        """The hops of ~/.ssh/config in the order in which they are opened, the platform's host last."""
        platform = self._platform
        try:
            config = fabric.Config(ssh_config=_ssh_config(platform))
            last = fabric.Connection(platform.host, user=platform.user, port=platform.port, config=config)
        except (paramiko.ConfigParseError, paramiko.CouldNotCanonicalize, KeyError, ValueError) as error:
            raise ConfigurationError(f"~/.ssh/config: {error}", "correct the file, or the host's name") from error
        hops = [last]
        while isinstance(hops[0].gateway, fabric.Connection):
            hops.insert(0, hops[0].gateway)
        return hops

    def _open_hop(self, hop: fabric.Connection, login: str, *, last: bool) -> None:
        self.keyring = self._keyring_for(hop, last=last)
        advice = f"check `user` and `keypath` of [{self._platform.name}], and that the key is registered at the cluster"
        check_host_keys(hop.client, self._ask)
        hop.connect_timeout = None
        hop.forward_agent = False  # whoever is root on the login host could use it meanwhile
        hop.connect_kwargs = {
            "transport_factory": Link,
            "auth_strategy": Login(f"{hop.user}@{hop.host}", int(hop.port), self.keyring, self._ask, advice=advice),
        }
        with self._translated(hop.host, hop.port):
            if isinstance(hop.gateway, str):
                hop.connect_kwargs["sock"] = self._proxied(hop.gateway)
                hop.gateway = None
            elif not hop.gateway:
                seconds = LOGIN_SECONDS if login else CONNECT_SECONDS
                hop.connect_kwargs["sock"] = _connected(login or hop.host, hop.port, seconds)
            hop.open()

    def _keyring_for(self, hop: fabric.Connection, *, last: bool) -> Keyring:
        """`keypath` and nothing else where it is given; else what ssh would try. A jump host may take either."""
        chosen = (private_key(self._platform),) if self._platform.keypath else ()
        if chosen and last:
            return Keyring(chosen, memory=self._memory)
        configured = tuple(Path(name).expanduser() for name in hop.ssh_config.get("identityfile", ()))
        only = str(hop.ssh_config.get("identitiesonly", "no")).lower() == "yes"
        return Keyring((*configured, *chosen) or tuple(default_files()), others=not only, memory=self._memory)

    def _proxied(self, command: str) -> socket.socket:
        """A ProxyCommand. paramiko's own waits until its buffer is full."""
        if sys.platform == "win32":  # where no program can have a socket as its standard input
            raise ConfigurationError(
                "a ProxyCommand of ~/.ssh/config does not work on Windows", "use ProxyJump in its place, or WSL"
            )
        ours, theirs = socket.socketpair()
        with theirs:
            run = ["/bin/sh", "-c", f"exec {command}"]  # as ssh does: the line is the user's own, for a shell
            self._proxies.append(subprocess.Popen(run, stdin=theirs.fileno(), stdout=theirs.fileno()))
        return ours


def _connected(host: str, port: int, seconds: float) -> socket.socket:
    """A socket to the first of the host's addresses that answers."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError()
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(max(seconds / len(addresses), LEAST_SECONDS))
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure


def _ssh_config(platform: Platform) -> paramiko.SSHConfig:
    """What the user's and the system's files say, after what the platform says: the first to speak wins."""
    config = paramiko.SSHConfig()
    first = {"Port": platform.port, "User": platform.user}  # a ProxyCommand may name them
    said = "".join(f"  {key} {value}\n" for key, value in first.items() if value)
    if said and re.fullmatch(r"[\w.:-]+", str(platform.host)):
        config.parse(StringIO(f"Host {platform.host}\n{said}"))
    for file in (Path.home() / ".ssh" / "config", Path("/etc/ssh/ssh_config")):
        with suppress(OSError), file.open(encoding="utf-8", errors="replace") as lines:
            config.parse(lines)
    return config
