"""The cluster as a whole: up, down, and faults."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.slurm import accounting as accounts
from tests.slurm import configuration, files, network
from tests.slurm.daemons import Daemon
from tests.slurm.faults import Faults
from tests.slurm.hosts import Directory, Host, Layout
from tests.slurm.processes import Record, TestbedError, wait_until
from tests.slurm.requirements import CHECKOUT, VENV_PYTHON, test_data

PREFIX = "springline-slurm-"
CONTROLLER_PORT, NODE_PORT, SSH_PORT = 6817, 6818, 22
COMMON = (
    *(Directory(path) for path in ("/run", "/var/spool", "/home", "/run/sshd")),
    *(Directory(path, 0o1777) for path in ("/tmp", "/var/tmp", "/dev/shm")),
)


class Cluster(Faults):
    """A laptop, a login node with the controller, and compute nodes, each a host of its own."""

    laptop_user = files.LAPTOP_USER.name
    users = tuple(user.name for user in files.CLUSTER_USERS)
    login_address = "login"
    ssh_key = Path(files.LAPTOP_USER.home, ".ssh/id_ed25519")  # on the laptop: alice's
    mallory_key = Path(files.LAPTOP_USER.home, ".ssh/id_mallory")  # on the laptop: mallory's

    def __init__(self, state: Path, *, nodes: int, accounting: bool, sshd_on_nodes: bool = False) -> None:
        super().__init__(state, [f"node{number}" for number in range(1, nodes + 1)])
        self.accounting = accounting
        self.sshd_on_nodes = sshd_on_nodes

    @classmethod
    def up(
        cls,
        *,
        accounting: bool = False,
        nodes: int = 2,
        state: Path | None = None,
        sshd_on_nodes: bool = False,
    ) -> Cluster:
        """Bring a cluster up; it ends with this process unless `detach` is called.

        `state` is its directory (made; stale remains in it are removed), a temporary one by default.
        """
        if state is None:
            sweep()
            owner = Record.of(os.getpid())
            state = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner.pid}-{owner.started}-"))
        elif state.exists():
            remains = cls.load(state)
            if remains is not None and remains.alive():
                raise TestbedError(f"a cluster is already up in {state}: take it down first")
            remove(state)
        cluster = cls(state, nodes=nodes, accounting=accounting, sshd_on_nodes=sshd_on_nodes)
        try:
            cluster._up()
        except BaseException:
            cluster.down()
            raise
        return cluster

    @classmethod
    def load(cls, state: Path) -> Cluster | None:
        """The cluster another process brought up in `state`; None if there is none."""
        try:
            record: dict[str, Any] = json.loads((state / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        hosts = {name: Host(name, Record(*pair)) for name, pair in record.pop("hosts").items()}
        cluster = cls(state, **record)
        cluster.hosts = hosts
        return cluster

    def alive(self) -> bool:
        """Whether any host of it runs."""
        return any(host.alive() for host in self.hosts.values())

    def detach(self) -> None:
        """Let the cluster outlive this process."""
        for host in self.hosts.values():
            host.detach()

    def down(self) -> None:
        """Take everything away: hosts with their processes, links and mounts, then the state directory."""
        for host in reversed(self.hosts.values()):
            host.kill()
        remove(self.state)

    def platform_section(self, name: str = "testbed") -> str:
        """A section of platforms.ini for this cluster, valid on the laptop."""
        return configuration.platform_section(
            name,
            host=self.login_address,
            user=files.ALICE.name,
            keypath=str(self.ssh_key),
            python=str(VENV_PYTHON),
        )

    def known_hosts(self) -> str:
        """The line of known_hosts the login node should have on the laptop."""
        key = self.host_key_file.with_suffix(".pub").read_text()
        return configuration.known_hosts([self.login_address, network.LOGIN_OUTSIDE_ADDRESS], key)

    def furnish_laptop(self) -> None:
        """Give the laptop's user the platform and login's host key."""
        home, owner = self.laptop_home(), files.LAPTOP_USER.uid
        files.write(home / ".ssh/known_hosts", self.known_hosts(), mode=0o600, owner=owner)
        for directory in (home / ".config", home / ".config/springline"):
            files.directory(directory, 0o700, owner)
        ini = home / ".config/springline/platforms.ini"
        files.write(ini, self.platform_section(), mode=0o600, owner=owner)

    def laptop_home(self) -> Path:
        """The laptop user's home as the outside sees it."""
        return self.state / "home/laptop" / self.laptop_user

    def cluster_home(self, user: str = "alice") -> Path:
        """A cluster user's home as the outside sees it."""
        return self.state / "home/cluster" / user

    def jobs(self, user: str = "alice") -> list[dict[str, str]]:
        """What squeue says of a user's jobs, in all states: id, state, name, reason, nodes, partition."""
        keys = ("id", "state", "name", "reason", "nodes", "partition")
        text = self.login.run(["squeue", "-h", "-t", "all", "-u", user, "-o", "%i|%T|%j|%r|%N|%P"]).stdout
        return [dict(zip(keys, line.split("|"), strict=True)) for line in text.splitlines()]

    def cancel_jobs(self, user: str = "alice", timeout: float = 20) -> None:
        """Cancel a user's jobs, kill every process of the user inside, and wait (seconds) until no job is left."""
        self.login.run(["scancel", f"--user={user}"])
        for host in (self.login, *self.nodes):  # orphans outlive their job; numbers and names are the host's own
            host.run(["pkill", "-KILL", "-u", user], check=False)
        wait_until(lambda: not self._unfinished(user), what=f"end of {user}'s jobs", timeout=timeout, every=0.1)

    def _unfinished(self, user: str) -> str:
        states = "pending,running,suspended,completing,configuring,stopped,requeued,signaling,stage_out"
        return self.login.run(["squeue", "-h", "-u", user, "-t", states]).stdout

    def daemon(self, name: str, host: Host | None = None) -> Daemon:
        """One server of the cluster: munge, slurmctld, slurmd, sshd."""
        host = host or self.login
        log = self.state / "log" / host.name / f"{name}.log"
        if name == "munge":
            socket = Path(f"/proc/{host.record.pid}/root/run/munge/munge.socket.2")
            return Daemon(host, name, ["munged", "--foreground"], log, socket.exists, user="munge")
        port = {"slurmctld": CONTROLLER_PORT, "slurmd": NODE_PORT, "sshd": SSH_PORT}[name]
        command = ["/usr/sbin/sshd", "-D", "-e"] if name == "sshd" else [name, "-D"]
        return Daemon(host, name, command, log, lambda: host.listens(port))

    def _up(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o755)
        files.make_homes(self.state)
        munge_key = secrets.token_bytes(1024)
        self._start("switch", Layout("switch", str(self.state)))
        self._start("laptop", self._layout_of_laptop())
        for name in ("login", *self.node_names):
            self._start(name, self._layout_of_member(name, munge_key))
        self.furnish_laptop()
        network.connect(self.hosts["switch"], self.laptop, self.login, self.nodes)
        self._start_daemons()

    def _start(self, name: str, layout: Layout) -> None:
        log = files.directory(self.state / "log", 0o755) / f"{name}.init.log"
        self.hosts[name] = Host.start(layout, log)
        hosts = {host.name: [host.record.pid, host.record.started] for host in self.hosts.values()}
        settings = {"nodes": len(self.node_names), "accounting": self.accounting}
        record = {**settings, "sshd_on_nodes": self.sshd_on_nodes, "hosts": hosts}
        scratch = self.state / "cluster.json.new"
        scratch.write_text(json.dumps(record, indent=2))
        scratch.rename(self.state / "cluster.json")

    def _layout_of_laptop(self) -> Layout:
        addresses = {"laptop": network.LAPTOP_ADDRESS, self.login_address: network.LOGIN_OUTSIDE_ADDRESS}
        etc = files.make_etc(self.state, "laptop", [files.LAPTOP_USER], addresses)
        files.write(etc / "profile.d/springline.sh", f'PATH="$PATH:{VENV_PYTHON.parent}"\n')
        binds = {"/etc": str(etc), "/var/log": str(files.make_log(self.state, "laptop"))}
        binds[files.LAPTOP_USER.home] = str(self.laptop_home())
        return Layout("laptop", str(self.state), COMMON, _visible(), binds)

    def _layout_of_member(self, name: str, munge_key: bytes) -> Layout:
        addresses = network.inside_addresses(len(self.node_names))
        etc = files.make_etc(self.state, name, files.CLUSTER_USERS, addresses)
        files.make_slurm(etc, munge_key=munge_key, nodes=len(self.node_names), accounting=self.accounting)
        if name == "login" or self.sshd_on_nodes:
            files.make_sshd(etc)
        binds = {"/etc": str(etc), "/var/log": str(files.make_log(self.state, name))}
        binds.update({user.home: str(self.cluster_home(user.name)) for user in files.CLUSTER_USERS})
        own = [*COMMON, *_directories_of_slurm()]
        if name == "login" and self.accounting:
            account = pwd.getpwnam("mysql")
            own.extend(accounts.directories(account.pw_uid, account.pw_gid))
        return Layout(name, str(self.state), own, _visible(), binds)

    def _start_daemons(self) -> None:
        members = [self.login, *self.nodes]
        first = [self.daemon("munge", host) for host in members]
        first += [self.daemon("sshd", host) for host in (members if self.sshd_on_nodes else [self.login])]
        for daemon in first:
            daemon.start(wait=False)
        for daemon in first:
            daemon.wait()
        if self.accounting:
            accounts.start(self.login, self.state / "log/login", self.users)
        self.daemon("slurmctld").start()
        slurmds = [self.daemon("slurmd", node) for node in self.nodes]
        for slurmd in slurmds:
            slurmd.start(wait=False)
        for slurmd in slurmds:
            slurmd.wait()
        self.wait_for_nodes()


def _visible() -> list[str]:
    """What every user of every host must be able to read where the outside has it."""
    return [str(path) for path in (CHECKOUT, test_data()) if path.is_dir()]


def _directories_of_slurm() -> list[Directory]:
    slurm, munge = pwd.getpwnam("slurm"), pwd.getpwnam("munge")
    return [
        Directory("/run/slurm", 0o755, slurm.pw_uid, slurm.pw_gid),
        Directory("/var/spool/slurmctld", 0o755, slurm.pw_uid, slurm.pw_gid),
        Directory("/var/spool/slurmd"),
        Directory("/run/munge", 0o755, munge.pw_uid, munge.pw_gid),
        Directory("/var/lib/munge", 0o711, munge.pw_uid, munge.pw_gid),
    ]


def remove(state: Path) -> None:
    """Remove a state directory, and hosts that are still on record in it."""
    cluster = Cluster.load(state)
    if cluster is not None:
        for host in cluster.hosts.values():
            host.kill()
    if state.exists():
        shutil.rmtree(state)


def sweep() -> None:
    """Remove what test instances left behind whose owner was killed; the name of each says its owner."""
    for state in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*-*"):
        pid, started = state.name.removeprefix(PREFIX).split("-")[:2]
        if not Record(int(pid), int(started)).alive():
            remove(state)
