"""The cluster for a person: python -m tests.slurm up | down | status | shell | fault | heal."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.slurm.cluster import Cluster, remove
from tests.slurm.processes import TestbedError
from tests.slurm.requirements import CHECKOUT, reason_to_skip

STATE = CHECKOUT / ".cache/slurm"
FAULTS = (
    *("stop-slurmctld", "start-slurmctld", "hang-slurmctld", "resume-slurmctld"),
    *("kill-slurmd", "start-slurmd", "stop-munge", "start-munge"),
    *("cut-link", "restore-link", "drop-link", "undrop-link", "change-host-key", "restore-host-key"),
    *("kill-connections", "crash-login", "boot-login", "freeze-laptop", "thaw-laptop", "crash-node", "boot-node"),
    *("lose-answer", "restore-answer", "fill-nodes", "empty-nodes", "requeue"),
)
ON_A_HOST = {
    **dict.fromkeys(("kill-slurmd", "start-slurmd", "crash-node", "boot-node"), "node1"),
    **dict.fromkeys(("stop-munge", "start-munge"), "login"),
}
NEXT = """\
# {state}: up in {seconds:.1f} s{accounting}
# The section above is already in the laptop's ~/.config/springline/platforms.ini. Next:
#   {me} shell laptop --user scientist     then type: springline up testbed
#   {me} shell laptop --user scientist -- springline up testbed --detach
#   {me} shell login --user alice -- squeue
#   {me} fault hang-slurmctld     (--help lists all)
#   {me} heal                     undoes all faults
#   {me} down
# Files: {laptop} (scientist, on the laptop)
#        {alice} (alice, on login and every node)
#        {state}/log/HOST/*.log (sshd, slurmctld, slurmd, ...)"""


def show(cluster: Cluster, seconds: float) -> None:
    """Print the platform section, and what to type next."""
    print(cluster.platform_section())
    text = NEXT.format(
        state=cluster.state,
        seconds=seconds,
        accounting=", with accounting" if cluster.accounting else "",
        me=".venv/bin/python -m tests.slurm",
        laptop=cluster.laptop_home(),
        alice=cluster.cluster_home(),
    )
    print(text)


def up(options: argparse.Namespace) -> int:
    """Bring the cluster up, unless it is."""
    reason = reason_to_skip(accounting=options.accounting)
    if reason is not None:
        raise TestbedError(reason)
    start = time.monotonic()
    cluster = Cluster.load(options.state)
    if cluster is None or not cluster.alive():
        kind = {"accounting": options.accounting, "nodes": options.nodes, "sshd_on_nodes": options.sshd}
        cluster = Cluster.up(**kind, state=options.state)
        cluster.detach()
    elif (cluster.accounting, len(cluster.nodes), cluster.sshd_on_nodes) != (
        *(options.accounting, options.nodes),
        options.sshd,
    ):
        raise TestbedError("a cluster of another kind is up: python -m tests.slurm down")
    show(cluster, time.monotonic() - start)
    return 0


def down(options: argparse.Namespace) -> int:
    """Take the cluster down, whatever is left of it."""
    remove(options.state)
    return 0


def running(options: argparse.Namespace) -> Cluster:
    """The cluster that is up."""
    cluster = Cluster.load(options.state)
    if cluster is None or not cluster.alive():
        raise TestbedError("no cluster is up: python -m tests.slurm up")
    return cluster


def status(options: argparse.Namespace) -> int:
    """Show hosts, nodes and jobs."""
    cluster = running(options)
    for host in cluster.hosts.values():
        print(f"{host.name:8} pid {host.record.pid:<8} {'up' if host.alive() else 'DOWN'}")
    print(cluster.login.run("sinfo; squeue -t all", check=False).stdout, end="")
    return 0


def shell(options: argparse.Namespace) -> int:
    """Open a login shell on a host, or run one command in it."""
    cluster = running(options)
    host = cluster.hosts.get(options.host)
    if host is None:
        raise TestbedError(f"no host {options.host}: one of {', '.join(cluster.hosts)}")
    words = ["-c", shlex.join(options.command)] if options.command else []
    command = ["bash", "-l", *words]
    argv = host.arguments(command, user=options.user)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command inside
    return subprocess.call(argv, env=host.environment(options.user, {"TERM": options.term}))


def fault(options: argparse.Namespace) -> int:
    """Inject a fault, or take one back."""
    cluster = running(options)
    action: Callable[..., None] = getattr(cluster, options.name.replace("-", "_"))
    if options.name in ON_A_HOST:
        action(cluster.hosts[options.what or ON_A_HOST[options.name]])
    elif options.what:
        action(options.what)
    else:
        action()
    return 0


def heal(options: argparse.Namespace) -> int:
    """Undo all faults, whoever made them."""
    running(options).heal(everything=True)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(prog="python -m tests.slurm", description=__doc__)
    top.add_argument("--state", type=Path, default=STATE, help="where the cluster keeps its files")
    commands = top.add_subparsers(required=True)

    def command(action: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(action.__name__, help=action.__doc__)
        made.set_defaults(action=action)
        return made

    raising = command(up)
    raising.add_argument("--accounting", action="store_true", help="with slurmdbd and mariadb")
    raising.add_argument("--nodes", type=int, default=2)
    raising.add_argument("--no-sshd-on-nodes", dest="sshd", action="store_false")
    opening = command(shell)
    opening.usage = f"{top.prog} shell HOST [--user USER] [-- COMMAND ...]"
    opening.add_argument("host")
    opening.add_argument("--user", default="root")
    opening.add_argument("--term", default="xterm", help=argparse.SUPPRESS)
    breaking = command(fault)
    breaking.add_argument("name", choices=FAULTS)
    breaking.add_argument("what", nargs="?", help="a host for slurmd, munge and nodes; a job for requeue")
    for action in (down, status, heal):
        command(action)
    return top


def main() -> int:
    """Run the command line."""
    words = sys.argv[1:]
    here = words.index("--") if "--" in words else len(words)
    options = parser().parse_args(words[:here], argparse.Namespace(command=words[here + 1 :]))
    try:
        return int(options.action(options))
    except TestbedError as error:
        print(f"tests.slurm: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
