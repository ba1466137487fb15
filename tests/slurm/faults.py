"""What can go wrong on purpose, and the way back from each."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.slurm import files, network
from tests.slurm.daemons import Daemon
from tests.slurm.hosts import Host
from tests.slurm.processes import wait_until

READY = {"idle", "planned", "mixed", "allocated", "completing"}


class Faults(ABC):
    """The controls of a cluster; `heal` takes back what is still out of order."""

    def __init__(self, state: Path, node_names: Sequence[str]) -> None:
        self.state = state
        self.node_names = node_names
        self.hosts: dict[str, Host] = {}
        self._broken: set[str] = set()

    @property
    def laptop(self) -> Host:
        """The laptop: outside the cluster, it reaches ssh on the login hosts and the bastion, and nothing else."""
        return self.hosts["laptop"]

    @property
    def login(self) -> Host:
        """The login node, with slurmctld."""
        return self.hosts["login"]

    @property
    def logins(self) -> list[Host]:
        """The login hosts: `login`, and `login2` with Slurm's commands and the same homes."""
        return [self.login, self.hosts["login2"]]

    @property
    def nodes(self) -> list[Host]:
        """The compute nodes."""
        return [self.hosts[name] for name in self.node_names]

    @abstractmethod
    def daemon(self, name: str, host: Host | None = None) -> Daemon:
        """One server of the cluster."""

    @property
    def host_key_file(self) -> Path:
        """The login node's private host key, as the outside sees it."""
        return self.state / "etc/login/ssh" / files.HOST_KEY

    def heal(self, *, everything: bool = False) -> None:
        """Undo every fault this object made and that is still there, or any that may be, whoever made it."""
        for name, undo in self._remedies().items():
            if everything or name in self._broken:
                undo()

    def _remedies(self) -> dict[str, Callable[[], None]]:
        """Faults and their way back, in an order in which each step finds what it needs."""
        return {
            "link": self.restore_link,
            "packets": self.undrop_link,
            "host key": self.restore_host_key,
            **{f"munge {host.name}": partial(self.start_munge, host) for host in (*self.logins, *self.nodes)},
            "hang": self.resume_slurmctld,
            "slurmctld": self.start_slurmctld,
            **{f"slurmd {node.name}": partial(self.start_slurmd, node) for node in self.nodes},
        }

    def save_state(self) -> None:
        """Make the controller write down what it knows: of itself it does so after a submission, not after a start.

        One that is killed without takes a job that has started for one that waits, and starts it a second time.
        """
        file = Path(f"/proc/{self.login.record.pid}/root/var/spool/slurmctld/job_state")
        before = file.stat().st_mtime_ns if file.exists() else 0
        job = self.login.run("sbatch --parsable --hold -o /dev/null --wrap true", user="mallory").stdout.strip()
        self.login.run(["scancel", job])
        written = lambda: file.exists() and file.stat().st_mtime_ns > before  # noqa: E731
        wait_until(written, what="writing of the controller's state", timeout=20)

    def stop_slurmctld(self, signal: str = "TERM") -> None:
        """Stop the controller in order; with signal KILL it forgets what it was told in the last seconds."""
        self._broken.add("slurmctld")
        self.daemon("slurmctld").stop(signal)

    def start_slurmctld(self) -> None:
        """Start the controller and wait until it has every node that is up."""
        self._broken.discard("slurmctld")
        self.daemon("slurmctld").start()
        self.wait_for_nodes()

    def hang_slurmctld(self) -> None:
        """Stop the controller's clock: connections are accepted, answers never come."""
        self._broken.add("hang")
        self.daemon("slurmctld").signal("STOP")

    def resume_slurmctld(self) -> None:
        """Let a hung controller go on, with all it was sent meanwhile."""
        self._broken.discard("hang")
        self.daemon("slurmctld").signal("CONT")

    def kill_slurmd(self, node: Host) -> None:
        """Kill a node's slurmd; its jobs' processes stay."""
        self._broken.add(f"slurmd {node.name}")
        self.daemon("slurmd", node).stop()

    def start_slurmd(self, node: Host) -> None:
        """Start a node's slurmd and wait until the controller takes the node back."""
        self._broken.discard(f"slurmd {node.name}")
        self.daemon("slurmd", node).start()
        self.wait_for_nodes()

    def stop_munge(self, host: Host) -> None:
        """Kill a host's munged: nothing can be authenticated there."""
        self._broken.add(f"munge {host.name}")
        self.daemon("munge", host).stop("TERM")

    def start_munge(self, host: Host) -> None:
        """Start a host's munged."""
        self._broken.discard(f"munge {host.name}")
        self.daemon("munge", host).start()

    def cut_link(self) -> None:
        """Pull the laptop's cable: the laptop knows it has no network."""
        self._broken.add("link")
        network.cut(self.laptop)

    def restore_link(self) -> None:
        """Plug the laptop's cable in again."""
        self._broken.discard("link")
        network.mend(self.laptop)

    def drop_link(self) -> None:
        """Lose every packet between laptop and cluster: connections hang, nobody is told."""
        self._broken.add("packets")
        network.drop([self.laptop, *self.logins, self.hosts["bastion"]])

    def undrop_link(self) -> None:
        """Let packets through again."""
        self._broken.discard("packets")
        network.undrop([self.laptop, *self.logins, self.hosts["bastion"]])

    def change_host_key(self) -> None:
        """Give login another host key, as after a new installation or with somebody in between."""
        self._broken.add("host key")
        ours = self.host_key_file
        for file in (ours, ours.with_suffix(".pub")):
            if not _saved(file).exists():
                file.rename(_saved(file))
        files.make_key(ours, "changed")
        self._reload_sshd()

    def restore_host_key(self) -> None:
        """Give login its first host key back."""
        self._broken.discard("host key")
        for file in (self.host_key_file, self.host_key_file.with_suffix(".pub")):
            if _saved(file).exists():
                _saved(file).replace(file)
        self._reload_sshd()

    def wait_for_nodes(self, timeout: float = 40) -> None:
        """Wait (seconds) until the controller has every node with a slurmd ready for jobs."""
        log = self.daemon("slurmctld").tail
        what = "readiness of all nodes"
        wait_until(self._nodes_are_ready, what=what, timeout=timeout, every=0.1, log=log)

    def _nodes_are_ready(self) -> bool:
        try:
            done = self.login.run("sinfo -h -N -p normal -o '%N %T'", check=False, timeout=5)
        except subprocess.TimeoutExpired:
            return False
        states = dict(line.split() for line in done.stdout.splitlines())
        awaited = [node.name for node in self.nodes if self.daemon("slurmd", node).running()]
        return bool(states) and all(states.get(name) in READY for name in awaited)

    def _reload_sshd(self) -> None:
        """Make sshd read its key again (connections stay), and wait until it shows it."""
        self.daemon("sshd").signal("HUP")
        key = self.host_key_file.with_suffix(".pub").read_text().split()[1]
        scan = "ssh-keyscan -T 2 -t ed25519 127.0.0.1 2>/dev/null"
        wait_until(lambda: key in self.login.run(scan, check=False).stdout, what="reload of sshd", timeout=10)


def _saved(file: Path) -> Path:
    return file.with_name(f"{file.name}.first")
