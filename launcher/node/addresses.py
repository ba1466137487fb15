"""How other nodes reach this one: its address, its SSH keys and the user's name here; and free ports on it."""

from __future__ import annotations

import getpass
import ipaddress
import os
import pwd
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"


def resolve(name: str) -> list[str]:
    """Return the IPv4 and then the IPv6 addresses of a name; none if it has none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    order = {socket.AF_INET: 0, socket.AF_INET6: 1}
    return [str(item[4][0]) for item in sorted(found, key=lambda item: order.get(item[0], 2))]


def default_route() -> str | None:
    """Return the address packets to elsewhere would leave from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: never a real host
            return str(probe.getsockname()[0])
        except OSError:
            return None


def is_ours(address: str) -> bool:
    """Tell whether this machine can listen at an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def choose(candidates: Iterable[str | None], ours: Callable[[str], bool] = is_ours) -> str | None:
    """Return the first candidate that others can reach and that is this machine's."""
    for address in candidates:
        if address is None or "%" in address:
            continue
        kind = ipaddress.ip_address(address)
        if not (kind.is_loopback or kind.is_link_local or kind.is_unspecified) and ours(address):
            return address
    return None


def node_address(environ: Mapping[str, str], hostname: str) -> str:
    """Return this node's address: of its SLURM name, else of its host name, else of the default route."""
    names = [environ.get("SLURMD_NODENAME"), hostname]
    candidates = [address for name in names if name for address in resolve(name)]
    return choose(candidates) or choose([default_route()]) or LOOPBACK


def free_port(address: str) -> int:
    """Return a port that is free at an address now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def login_name() -> str:
    """Return the user's name on this node."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container without a list of users
        return getpass.getuser() if os.environ.keys() & {"LOGNAME", "USER"} else str(os.getuid())


def host_keys(directory: Path = Path("/etc/ssh")) -> list[str]:
    """Return the public keys of this node's SSH server, each "TYPE BASE64": what a launcher shall trust, no other."""
    keys = []
    for path in sorted(directory.glob("ssh_host_*_key.pub")):
        try:
            words = path.read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            continue
        if len(words) >= 2:
            keys.append(" ".join(words[:2]))
    return keys
