"""Cables, addresses and filters; all of them inside the hosts' network namespaces, none on the outside.

laptop (outside0) ---- (outside0) login (cluster0) ----+
                                  node1 (cluster0) ----+ bridge, in the host `switch`
                                  node2 (cluster0) ----+
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.slurm.hosts import Host

OUTSIDE, INSIDE = "outside0", "cluster0"
LAPTOP_ADDRESS = "192.0.2.10"
LOGIN_OUTSIDE_ADDRESS = "192.0.2.1"
LOGIN_ADDRESS = "10.77.0.1"
# On login: of what comes from the laptop's side, only ssh passes. Stateless, so that nothing is ever "established".
GATE = f"""\
table inet gate {{
    chain outside {{
        type filter hook input priority 0; policy accept;
        iifname "{OUTSIDE}" tcp dport 22 accept
        iifname "{OUTSIDE}" drop
    }}
}}
"""
# Before routing, so that senders see silence and no error; address resolution goes on as through a router.
FAULT = f"""\
table inet fault {{
    chain lost {{
        type filter hook prerouting priority -300; policy accept;
        iifname "{OUTSIDE}" drop
    }}
}}
"""


def node_address(number: int) -> str:
    """Return the address of a node, counted from 1."""
    return f"10.77.0.{10 + number}"


def inside_addresses(nodes: int) -> dict[str, str]:
    """Return names and addresses as the hosts of the cluster know them."""
    return {"login": LOGIN_ADDRESS, **{f"node{n}": node_address(n) for n in range(1, nodes + 1)}}


def in_network(host: Host, script: str) -> None:
    """Run a shell script with the outside's files and processes but this host's network."""
    argv = host.arguments(script, namespaces=["--net"])
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=30)


def connect(switch: Host, laptop: Host, login: Host, nodes: Sequence[Host]) -> None:
    """Lay all cables and set all filters."""
    members = [(login, LOGIN_ADDRESS), *((node, node_address(n)) for n, node in enumerate(nodes, 1))]
    for host in (switch, laptop, *(host for host, _ in members)):
        in_network(host, _quiet())
    ports = "\n".join(_plug(number, host) for number, (host, _) in enumerate(members))
    in_network(switch, f"set -e\nip link add bridge0 type bridge\nip link set bridge0 up\n{ports}")
    for host, address in members:
        in_network(host, _address(INSIDE, f"{address}/24"))
    peer = f"type veth peer name {OUTSIDE} netns {login.record.pid}"
    in_network(laptop, f"set -e\nip link add name {OUTSIDE} {peer}\n{_address(OUTSIDE, f'{LAPTOP_ADDRESS}/24')}")
    in_network(login, _address(OUTSIDE, f"{LOGIN_OUTSIDE_ADDRESS}/24") + _filter(GATE))


def cut(laptop: Host) -> None:
    """Pull the laptop's cable: new connections fail at once, old ones hear nothing."""
    in_network(laptop, f"ip link set {OUTSIDE} down")


def mend(laptop: Host) -> None:
    """Plug the laptop's cable in again."""
    in_network(laptop, f"ip link set {OUTSIDE} up")


def drop(laptop: Host, login: Host) -> None:
    """Lose every packet between laptop and login, in silence."""
    for host in (laptop, login):
        in_network(host, "nft delete table inet fault 2>/dev/null\n" + _filter(FAULT))


def undrop(laptop: Host, login: Host) -> None:
    """Stop losing packets."""
    for host in (laptop, login):
        in_network(host, "nft delete table inet fault 2>/dev/null || true")


def _quiet() -> str:
    """Loopback up, no forwarding, IPv6 on loopback only (a link-local address would be a second way in)."""
    return """\
ip link set lo up
echo 0 >/proc/sys/net/ipv4/ip_forward
[ ! -e /proc/sys/net/ipv6/conf/default/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
"""


def _plug(number: int, host: Host) -> str:
    """One cable from the switch to a host."""
    return f"""\
ip link add name port{number} type veth peer name {INSIDE} netns {host.record.pid}
ip link set port{number} master bridge0 up"""


def _address(device: str, address: str) -> str:
    return f"ip address add {address} dev {device}\nip link set {device} up\n"


def _filter(rules: str) -> str:
    return f"nft -f - <<'END'\n{rules}END\n"
