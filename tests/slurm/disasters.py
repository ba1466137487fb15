"""What goes wrong with whole hosts, with the laptop, and with jobs; like `faults.py`, with the way back from each."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.slurm import files, network
from tests.slurm.daemons import Daemon
from tests.slurm.faults import Faults
from tests.slurm.hosts import Host
from tests.slurm.processes import parent, wait_until

# Stands in for sbatch on the login hosts: once, the job is submitted and the answer never leaves the host.
_DEAF_SBATCH = """\
#!/bin/sh
answer=$(/run/testbed/sbatch "$@") || exit
if mkdir /run/testbed/lost/"$(id -u)" 2>/dev/null; then
    echo "$answer" >/run/testbed/lost/"$(id -u)"/answer
    [ -e /run/testbed/hang ] || pkill -KILL -u "$(id -u)" sshd
    exec sleep 600
fi
printf '%s\\n' "$answer"
"""
_LOSE = f"""\
mkdir -p /run/testbed/lost && chmod 1777 /run/testbed/lost && rm -rf /run/testbed/lost/*
rm -f /run/testbed/hang
touch /run/testbed/sbatch
mount --bind /usr/bin/sbatch /run/testbed/sbatch
cat >/run/testbed/deaf <<'END'
{_DEAF_SBATCH}END
chmod 755 /run/testbed /run/testbed/deaf
mount --bind /run/testbed/deaf /usr/bin/sbatch
"""
_FIND = "while mountpoint -q /usr/bin/sbatch; do umount /usr/bin/sbatch; done; umount -q /run/testbed/sbatch || true"
# What a reboot takes besides processes.
_FORGET = "rm -rf /run/munge/* /tmp/* /tmp/.[!.]* /dev/shm/*"


class Disasters(Faults):
    """The controls for what hits more than one server."""

    def _remedies(self) -> dict[str, Callable[[], None]]:
        return {
            "hang": self.resume_slurmctld,  # first: a host that boots waits for the controller's word on the nodes
            "frozen": self.thaw_laptop,
            "login host": self.boot_login,
            **{f"host {node.name}": partial(self.boot_node, node) for node in self.nodes},
            "answer": self.restore_answer,
            **super()._remedies(),
            "room": self.empty_nodes,
        }

    def kill_connections(self, user: str = "alice") -> None:
        """Kill every ssh connection of a user on the login hosts, the second factor's too."""
        for host in self.logins:
            host.run(["pkill", "-KILL", "-u", user, "sshd"], check=False)

    def reboot_login(self, seconds: float) -> None:
        """Let login be away for some seconds, as in a reboot."""
        self.crash_login()
        time.sleep(seconds)
        self.boot_login()

    def crash_login(self) -> None:
        """Let login vanish without a word: its packets, its users' processes, sshd, slurmctld, munge, its /tmp.

        Only the controller may write its state down first, as in a reboot; `stop_slurmctld("KILL")` lets it forget.
        """
        self._broken.add("login host")
        network.silence(self.login)
        for daemon in reversed(self._servers(self.login)):
            daemon.stop("TERM" if daemon.name == "slurmctld" else "KILL")
        for word in ([f"-u{','.join(user.name for user in files.CLUSTER_USERS)}"], ["sshd"]):
            self.login.run(["pkill", "-KILL", *word], check=False)
        self.login.run(f"ss -K sport = :22 >/dev/null; {_FORGET}", check=False)  # the next packet is answered: unknown

    def boot_login(self, *, wait: bool = True) -> None:
        """Bring login back, munge, sshd and slurmctld before the network; wait until the nodes are known again."""
        self._broken.discard("login host")
        network.plug(self.login)  # the nodes are found again before the laptop can ask for them
        for daemon in self._servers(self.login):
            daemon.start()
        network.undrop([self.login])
        if wait:
            self.wait_for_nodes()

    def crash_node(self, node: Host) -> None:
        """Let a node vanish without a word: its cable, then every process on it."""
        self._broken.add(f"host {node.name}")
        network.unplug(node)
        node.run(["kill", "-KILL", "-1"], check=False)
        wait_until(lambda: not self.daemon("slurmd", node).running(), what=f"end of {node.name}", timeout=10)
        node.run(_FORGET)

    def boot_node(self, node: Host) -> None:
        """Bring a node back with munge, slurmd and, where nodes have one, sshd."""
        self._broken.discard(f"host {node.name}")
        network.plug(node)
        for daemon in self._servers(node):
            daemon.start()
        self.wait_for_nodes()

    def freeze_laptop(self) -> None:
        """Stop every process of the laptop's user, ssh's included, as sleep does."""
        self._broken.add("frozen")
        stopped: set[int] = set()
        while fresh := set(self.laptop.processes(files.LAPTOP_USER.name)) - stopped:
            self._signal(fresh, signal.SIGSTOP)
            stopped |= fresh

    def thaw_laptop(self) -> None:
        """Let them go on, and the doors (nsenter) they came in by, which stop when the command behind them does."""
        self._broken.discard("frozen")
        pids = set(self.laptop.processes(files.LAPTOP_USER.name))
        self._signal(pids, signal.SIGCONT)
        doors = {door for pid in pids if (door := parent(pid)) is not None and door not in pids}
        self._signal({door for door in doors if _is_door(door)}, signal.SIGCONT)

    def lose_answer(self, *, hang: bool = False) -> None:
        """Lose the next sbatch's answer of each user after slurmctld took the job: the connection dies, or hangs."""
        self._broken.add("answer")
        for host in self.logins:
            host.run(_FIND)
            host.run(_LOSE + ("touch /run/testbed/hang\n" if hang else ""))

    def restore_answer(self) -> None:
        """Let sbatch answer again."""
        self._broken.discard("answer")
        for host in self.logins:
            host.run(_FIND)

    def requeue(self, job: str) -> None:
        """Send a running job back to the queue, as an administrator may, whatever it asked for."""
        self.login.run(f"scontrol update JobId={job} Requeue=1 && scontrol requeue {job}")

    def fill_nodes(self) -> None:
        """Let mallory take all nodes through `normal`: what comes later waits, what can be preempted is."""
        self._broken.add("room")
        count = len(self.nodes)
        self.login.run(f"sbatch -N{count} --exclusive -p normal -o /dev/null --wrap 'sleep 3600'", user="mallory")

    def empty_nodes(self) -> None:
        """End mallory's jobs."""
        self._broken.discard("room")
        self.login.run("scancel -u mallory", check=False)

    def _servers(self, host: Host) -> list[Daemon]:
        """A host's servers of the cluster, in the order of their start."""
        names = ["munge"]
        if (self.state / "etc" / host.name / "ssh/sshd_config").exists():
            names.append("sshd")
        return [self.daemon(name, host) for name in (*names, "slurmd" if host in self.nodes else "slurmctld")]

    @staticmethod
    def _signal(pids: set[int], sig: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, sig)


def _is_door(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip() == "nsenter"
    return False
