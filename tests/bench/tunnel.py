"""What a tunnel carries: a large download, and small requests on new and on kept connections, idle and under load.

All tunnels stand at once and take turns, most of them to one and the same JupyterLab; the peers bring their own.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles
from typing import Any

from tests.bench import floor, peers
from tests.bench.client import read_token
from tests.bench.report import goal, machine, table
from tests.bench.rig import OUR_TOKEN, PLAIN_TOKEN, Account, Rig, free_port, last_words, rig
from tests.bench.usage import usage
from tests.slurm import files
from tests.slurm.hosts import HostProcess

SIZE = 200_000_000  # bytes
ROUNDS = 4
LONGEST = 3.0  # s of one download: slow tunnels show their speed in a part of it
ASKED = 500 // ROUNDS + 1  # small requests of a kind in one round
PATIENCE = 1.0  # s for them in one round
KINDS = [(kept, loaded) for loaded in (False, True) for kept in (False, True)]
FILE = "bench.bin"

SERVER = Account("se", "fabric", "node-tls")
ACCOUNTS = {
    "springline openssh, socket": Account("os", "openssh", "socket"),
    "springline openssh, node-tls": Account("ot", "openssh", "node-tls"),
    "springline fabric (ssh carries), socket": Account("fs", "fabric", "socket"),
    "springline paramiko alone, socket": Account("ps", "fabric", "socket", ssh=False),
    "springline paramiko alone, node-tls": Account("pt", "fabric", "node-tls", ssh=False),
}
TO_NODE, TO_SOCKET = "ssh -L to the node's address", "ssh -J, -L to the socket"
TO_TLS = "ssh -L to the node's address, TLS in the client"


@dataclass
class Tunnel:
    """One tunnel, and what was seen through it."""

    name: str
    port: int
    process: HostProcess | None = None
    token: str = ""
    tls: bool = False
    trouble: str | None = None
    rates: list[float] = field(default_factory=list)  # MB/s
    cpu: list[float] = field(default_factory=list)  # s of 200 MB, all client processes
    times: dict[tuple[bool, bool], list[float]] = field(default_factory=dict)  # ms, by (kept, loaded)

    @property
    def wanted(self) -> dict[str, Any]:
        """What the client must know."""
        return {"port": self.port, "token": self.token, "tls": self.tls}

    @property
    def root(self) -> int:
        """The client's first process."""
        pid = self.process.inner_pid() if self.process else None
        if pid is None:
            raise RuntimeError("it has ended")
        return pid


def serve(found: Rig) -> dict[str, Any]:
    """A session with all its doors open; returns what it says of itself."""
    found.add(SERVER)
    command = SERVER.command("up", "bench", "--name", "bench", "--detach", "--insecure-http", "--json")
    done = found.cluster.laptop.run(command, user=found.cluster.laptop_user, check=False)
    if done.returncode:
        raise RuntimeError(f"the session did not start: {done.stderr}")
    source = found.cluster.state / FILE
    source.write_bytes(random.Random(1).randbytes(1_000_000) * (SIZE // 1_000_000))
    files.give(source, files.ALICE.uid)
    source.rename(found.cluster.cluster_home() / FILE)
    state = found.cluster.cluster_home() / ".springline/sessions/bench/state.json"
    return dict(json.loads(state.read_text()))


def tunnels(found: Rig, state: dict[str, Any]) -> Iterator[Tunnel]:
    """Start everybody's tunnel."""
    doors, plain = state["doors"], found.token(PLAIN_TOKEN)
    ours = read_token(found.token(OUR_TOKEN))
    plain_door, tls_door = (f"{state['address']}:{doors[name]}" for name in ("node-http", "node-tls"))
    socket = doors["socket"]
    yield _started(found, TO_NODE, ours, lambda port: floor.forward(port, plain_door, "login"))
    yield _started(found, TO_TLS, ours, lambda port: floor.forward(port, tls_door, "login"), tls=True)
    yield _started(found, TO_SOCKET, ours, lambda port: floor.forward(port, socket, "-J", "login", state["host"]))
    for name, account in ACCOUNTS.items():
        found.add(account)
        found.lend(SERVER, account)
        yield _started(found, name, ours, partial(_attached, account))
    yield _peer(found, "jupyter-forward", peers.jupyter_forward, plain)
    yield _peer(found, "milatools", peers.milatools, plain)


def _attached(account: Account, port: int) -> list[str]:
    return account.command("attach", "bench", "--local-port", str(port), "--no-browser", "--json")


def _peer(found: Rig, name: str, command: Callable[[int], list[str]], pattern: str) -> Tunnel:
    trouble = peers.install(name)
    if trouble:
        return Tunnel(name, 0, trouble=trouble)
    found.forget(PLAIN_TOKEN)
    tunnel = _started(found, name, pattern, command)
    if tunnel.trouble is None:
        tunnel.token = read_token(pattern)
    return tunnel


def _started(found: Rig, name: str, token: str, command: Callable[[int], list[str]], *, tls: bool = False) -> Tunnel:
    """Start a tunnel and see it answer; `token` is the token, or a pattern of files that will have it."""
    tunnel = Tunnel(name, free_port(), token=token, tls=tls)
    tunnel.process = found.start(command(tunnel.port))
    pattern = token if "//" in token else found.token(OUR_TOKEN)
    if found.measure("first", port=tunnel.port, token=pattern, seconds=20, tls=tls)["moment"] is None:
        tunnel.trouble = f"no answer: {last_words(tunnel.process)}"
    return tunnel


def download(found: Rig, tunnel: Tunnel) -> None:
    """One download, with what it cost the client's processes."""
    before = usage(tunnel.root).cpu
    got = found.measure("download", **tunnel.wanted, path=f"/files/{FILE}", seconds=LONGEST)
    tunnel.cpu.append((usage(tunnel.root).cpu - before) * SIZE / got["bytes"])
    tunnel.rates.append(got["bytes"] / got["seconds"] / 1e6)


def ask(found: Rig, tunnel: Tunnel, *, kept: bool, loaded: bool) -> None:
    """Small requests, alone or while downloads run beside them."""
    with _load(found, tunnel) if loaded else nullcontext():
        asked = found.measure("ask", **tunnel.wanted, count=ASKED, seconds=PATIENCE, kept=kept)
        tunnel.times.setdefault((kept, loaded), []).extend(asked["times"])


@contextmanager
def _load(found: Rig, tunnel: Tunnel) -> Iterator[None]:
    """Downloads, one after the other, for as long as the small requests may take."""
    client = found.client("load", **tunnel.wanted, path=f"/files/{FILE}", seconds=2 * PATIENCE)
    time.sleep(0.2)
    try:
        yield
    finally:
        client.kill()
        client.communicate()


def measure(found: Rig, tunnel: Tunnel) -> None:
    """One round of one tunnel."""
    try:
        download(found, tunnel)
        for kept, loaded in KINDS:
            ask(found, tunnel, kept=kept, loaded=loaded)
    except RuntimeError as error:  # the others go on
        tunnel.trouble = str(error)


def row(tunnel: Tunnel) -> list[str]:
    """A tunnel's line of the table."""
    if tunnel.trouble:
        return [tunnel.name, tunnel.trouble, *[""] * 5]
    return [
        tunnel.name,
        f"{median(tunnel.rates):.0f}",
        f"{median(tunnel.cpu):.2f}",
        *(f"{median(tunnel.times[kind]):.1f} / {late(tunnel.times[kind]):.1f}" for kind in KINDS),
    ]


def late(times: list[float]) -> float:
    """The 95th percentile; of very few, the worst."""
    return quantiles(times, n=20)[-1] if len(times) >= 20 else max(times)


def goals(everybody: dict[str, Tunnel]) -> None:
    """Print each goal; the fair comparison goes to the same door: through the node's sshd, or speaking TLS."""
    for name in ACCOUNTS:
        tunnel = everybody[name]
        if tunnel.trouble:
            goal(f"{name}: {tunnel.trouble}", reached=False)
            continue
        rate, quick = median(tunnel.rates), median(tunnel.times[False, False])
        if "paramiko" in name:
            words = f"{name}: {rate:.0f} MB/s, at least 60; {quick:.1f} ms for a new connection, at most 5"
            goal(words, reached=rate >= 60 and quick <= 5)
            continue
        other = everybody[TO_SOCKET if name.endswith("socket") else TO_TLS]
        share, times = rate / median(other.rates), quick / median(other.times[False, False])
        words = (
            f"{name}: {share:.2f} of what `{other.name}` carries, at least 0.8; {times:.2f} × its latency, at most 1.5"
        )
        goal(words, reached=share >= 0.8 and times <= 1.5)


def main(rounds: int = ROUNDS) -> None:
    """Print the table and the goals."""
    with rig() as found:
        if found is None:
            return
        peers.prepare(found)
        everybody = list(tunnels(found, serve(found)))
        for number in range(rounds):
            turn = number * len(everybody) // rounds
            for tunnel in (*everybody[turn:], *everybody[:turn]):
                if not tunnel.trouble:
                    measure(found, tunnel)
    print(f"{machine()}\n\nMedians of {rounds} rounds, in turn; CPU for 200 MB; p50 / p95 in ms.\n")
    header = [
        "",
        "MB/s",
        "client CPU s for 200 MB",
        "new connection",
        "kept one",
        "new, under load",
        "kept, under load",
    ]
    table(header, [row(tunnel) for tunnel in everybody])
    print()
    goals({tunnel.name: tunnel for tunnel in everybody})


if __name__ == "__main__":
    main()
