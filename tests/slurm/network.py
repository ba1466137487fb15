"""Cables, addresses and filters; all of them inside the hosts' network namespaces, none on the outside.

laptop  (outside0) --+--- (outside0) login   (cluster0) --+
                     +--- (outside0) login2  (cluster0) --+--- node1 (cluster0)
                     +--- (outside0) bastion (cluster0) --+--- node2 (cluster0)
             bridge street, in the host `switch`      bridge hall, there, too
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence

from tests.slurm.hosts import Host

OUTSIDE, INSIDE = "outside0", "cluster0"
LAPTOP_ADDRESS = "192.0.2.10"
LOGIN_OUTSIDE_ADDRESS = "192.0.2.1"
LOGIN_ADDRESS = "10.77.0.1"
LOGIN2_OUTSIDE_ADDRESS, LOGIN2_ADDRESS = "192.0.2.2", "10.77.0.2"
BASTION_OUTSIDE_ADDRESS, BASTION_ADDRESS = "192.0.2.3", "10.77.0.3"
# On login and its kin: of what comes from the laptop's side, only ssh passes. Stateless, so that nothing is ever
# "established". The ports beyond 22 and 2222 are those of `factors.py`, where mostly nothing listens.
GATE = f"""\
table inet gate {{
    chain outside {{
        type filter hook input priority 0; policy accept;
        iifname "{OUTSIDE}" tcp dport {{ 22, 2200, 2201, 2202, 2222 }} accept
        iifname "{OUTSIDE}" drop
    }}
}}
"""
# On the bastion: into the cluster only to ssh on the login hosts.
HATCH = f"""\
table inet hatch {{
    chain inside {{
        type filter hook output priority 0; policy accept;
        oifname "{INSIDE}" ip daddr {{ {LOGIN_ADDRESS}, {LOGIN2_ADDRESS} }} tcp dport 22 accept
        oifname "{INSIDE}" drop
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
MUTE = f"""\
table inet fault {{
    chain mute {{
        type filter hook output priority -300; policy accept;
        oifname "{OUTSIDE}" drop
    }}
}}
"""


def node_address(number: int) -> str:
    """Return the address of a node, counted from 1."""
    return f"10.77.0.{10 + number}"


def inside_addresses(nodes: int) -> dict[str, str]:
    """Return names and addresses as the hosts of the cluster know them."""
    logins = {"login": LOGIN_ADDRESS, "login2": LOGIN2_ADDRESS}
    return {**logins, **{f"node{n}": node_address(n) for n in range(1, nodes + 1)}}


def in_network(host: Host, script: str) -> None:
    """Run a shell script with the outside's files and processes but this host's network."""
    argv = host.arguments(script, namespaces=["--net"])
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=30)


def connect(hosts: Mapping[str, Host], nodes: Sequence[Host]) -> None:
    """Lay all cables and set all filters."""
    gates = [hosts[name] for name in ("login", "login2", "bastion")]
    outer = (LOGIN_OUTSIDE_ADDRESS, LOGIN2_OUTSIDE_ADDRESS, BASTION_OUTSIDE_ADDRESS)
    inner = (LOGIN_ADDRESS, LOGIN2_ADDRESS, BASTION_ADDRESS)
    street = [(hosts["laptop"], LAPTOP_ADDRESS), *zip(gates, outer, strict=True)]
    hall = [*zip(gates, inner, strict=True), *((node, node_address(n)) for n, node in enumerate(nodes, 1))]
    bridges = _bridge("street", OUTSIDE, street) + _bridge("hall", INSIDE, hall)
    in_network(hosts["switch"], f"set -e\n{_quiet()}{bridges}")
    own: dict[Host, str] = {}
    for device, members in ((OUTSIDE, street), (INSIDE, hall)):
        for host, address in members:
            own[host] = own.get(host, _quiet()) + _address(device, f"{address}/24")
    for host, script in own.items():
        in_network(host, script + (_filter(GATE) if host in gates else ""))
    in_network(hosts["bastion"], _filter(HATCH))


def cut(laptop: Host) -> None:
    """Pull the laptop's cable: new connections fail at once, old ones hear nothing."""
    in_network(laptop, f"ip link set {OUTSIDE} down")


def mend(laptop: Host) -> None:
    """Plug the laptop's cable in again."""
    in_network(laptop, f"ip link set {OUTSIDE} up")


def drop(hosts: Iterable[Host]) -> None:
    """Lose every packet that comes to these hosts from outside, in silence."""
    for host in hosts:
        in_network(host, "nft delete table inet fault 2>/dev/null\n" + _filter(FAULT))


def undrop(hosts: Iterable[Host]) -> None:
    """Stop losing packets."""
    for host in hosts:
        in_network(host, "nft delete table inet fault 2>/dev/null || true")


def silence(host: Host) -> None:
    """Let a host fall silent: nothing comes in, and not even its kernel's goodbyes get out."""
    in_network(host, "nft delete table inet fault 2>/dev/null\n" + _filter(FAULT + MUTE))
    unplug(host)


def unplug(host: Host) -> None:
    """Pull a host's cable to the cluster."""
    in_network(host, f"ip link set {INSIDE} down")


def plug(host: Host) -> None:
    """Plug it in again."""
    in_network(host, f"ip link set {INSIDE} up")


def _quiet() -> str:
    """Loopback up, no forwarding, IPv6 on loopback only (a link-local address would be a second way in)."""
    return """\
ip link set lo up
echo 0 >/proc/sys/net/ipv4/ip_forward
[ ! -e /proc/sys/net/ipv6/conf/default/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
"""


def _bridge(name: str, device: str, members: Sequence[tuple[Host, str]]) -> str:
    """One bridge, with a cable to each of its members."""
    cables = [
        f"ip link add {name}{number} type veth peer name {device} netns {host.record.pid}\n"
        f"ip link set {name}{number} master {name} up\n"
        for number, (host, _) in enumerate(members)
    ]
    return f"ip link add {name} type bridge\nip link set {name} up\n" + "".join(cables)


def _address(device: str, address: str) -> str:
    return f"ip address add {address} dev {device}\nip link set {device} up\n"


def _filter(rules: str) -> str:
    return f"nft -f - <<'END'\n{rules}END\n"
