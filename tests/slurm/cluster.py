"""The cluster as a whole: up, down, and faults."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.slurm import accounting as accounts
from tests.slurm import configuration, factors, files, layouts, network
from tests.slurm.daemons import Daemon
from tests.slurm.disasters import Disasters
from tests.slurm.hosts import Host, Layout
from tests.slurm.processes import Record, TestbedError, wait_until
from tests.slurm.requirements import VENV_PYTHON

PREFIX = "springline-slurm-"
PORTS = {"slurmctld": 6817, "slurmd": 6818, **{way.name: way.port for way in factors.WAYS.values()}}
JUMP = """\
Host inner
    HostName {inner}
    User alice
    IdentityFile {key}
    ProxyJump alice@bastion:{port}
Host bastion
    IdentityFile {key}
"""


class Cluster(Disasters):
    """A laptop, two login hosts (one with the controller), a bastion and compute nodes, each a host of its own."""

    laptop_user = files.LAPTOP_USER.name
    users = tuple(user.name for user in files.CLUSTER_USERS)
    login_address = "login"
    ssh_key = Path(files.LAPTOP_USER.home, ".ssh/id_ed25519")  # on the laptop: alice's
    mallory_key = Path(files.LAPTOP_USER.home, ".ssh/id_mallory")  # on the laptop: mallory's

    def __init__(self, state: Path, *, nodes: int, accounting: bool, sshd_on_nodes: bool = True) -> None:
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
        sshd_on_nodes: bool = True,
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

    def platform_section(self, name: str = "testbed", *, laptop_user: str = laptop_user) -> str:
        """A section of platforms.ini for this cluster, valid for one of the laptop's users."""
        return configuration.platform_section(
            name,
            host=self.login_address,
            user=files.ALICE.name,
            keypath=f"/home/{laptop_user}/.ssh/id_ed25519",
            python=str(VENV_PYTHON),
        )

    def platforms(self, laptop_user: str = laptop_user) -> str:
        """A laptop user's platforms.ini: `testbed-rr`, whose host name stands for both login hosts, and `testbed`.

        `testbed` is last, so that a test may change it by what it appends.
        """
        section = self.platform_section(laptop_user=laptop_user)
        return f"[testbed-rr]\nplatform = testbed\nhost = {layouts.LOGINS}\n\n{section}"

    def known_hosts(self) -> str:
        """The known_hosts of the laptop: the login hosts under all names but login2's address, and the bastion."""
        ports = (22, *(way.port for way in factors.WAYS.values()))
        logins = [f"[login]:{port}" if port != 22 else "login" for port in ports]
        bastions = [f"[bastion]:{port}" for port in (layouts.BASTION_PORT, *ports[1:])]
        names = [*logins, network.LOGIN_OUTSIDE_ADDRESS, layouts.LOGINS, layouts.INNER]
        bastion_key = self.state / "etc/bastion/ssh" / files.HOST_KEY
        ours, theirs = (file.with_suffix(".pub").read_text() for file in (self.host_key_file, bastion_key))
        return configuration.known_hosts(names, ours) + configuration.known_hosts(bastions, theirs)

    def jump_config(self) -> str:
        """A ~/.ssh/config whose host `inner` is login, reached over the bastion: only that knows the name behind."""
        return JUMP.format(inner=layouts.INNER, key=self.ssh_key, port=layouts.BASTION_PORT)

    def furnish_laptop(self) -> None:
        """Give the laptop's users the platforms and the host keys."""
        for user in files.LAPTOP_USERS:
            home = self.laptop_home(user.name)
            files.write(home / ".ssh/known_hosts", self.known_hosts(), mode=0o600, owner=user.uid)
            for directory in (home / ".config", home / ".config/springline"):
                files.directory(directory, 0o700, user.uid)
            ini = home / ".config/springline/platforms.ini"
            files.write(ini, self.platforms(user.name), mode=0o600, owner=user.uid)

    def turn_login_names(self, *, second_first: bool) -> None:
        """Let the name of both login hosts lead to the other one first, as a round robin does by and by."""
        text = configuration.hosts_file(layouts.laptop_names(second_first=second_first))
        files.write(self.state / "etc/laptop/hosts", text)

    def laptop_home(self, user: str = laptop_user) -> Path:
        """A laptop user's home as the outside sees it."""
        return self.state / "home/laptop" / user

    def cluster_home(self, user: str = "alice") -> Path:
        """A cluster user's home as the outside sees it."""
        return self.state / "home/cluster" / user

    def jobs(self, user: str = "alice") -> list[dict[str, str]]:
        """What squeue says of a user's jobs, in all states: id, state, name, reason, nodes, partition."""
        keys = ("id", "state", "name", "reason", "nodes", "partition")
        text = self.login.run(["squeue", "-h", "-t", "all", "-u", user, "-o", "%i|%T|%j|%r|%N|%P"]).stdout
        return [dict(zip(keys, line.split("|"), strict=True)) for line in text.splitlines()]

    def cancel_jobs(self, user: str = "alice", timeout: float = 20) -> None:
        """End all jobs and processes of a user, or of several (with commas), and wait (seconds) until none is left."""
        self.login.run(f"squeue -h -o %i -u {user} | xargs -r scancel || true")
        for host in (*self.logins, *self.nodes):  # orphans outlive their job; numbers and names are the host's own
            host.run(["pkill", "-KILL", "-u", user], check=False)
        wait_until(lambda: not self._unfinished(user), what=f"end of {user}'s jobs", timeout=timeout, every=0.1)

    def _unfinished(self, user: str) -> str:
        states = "pending,running,suspended,completing,configuring,stopped,requeued,signaling,stage_out"
        return self.login.run(["squeue", "-h", "-u", user, "-t", states]).stdout

    def daemon(self, name: str, host: Host | None = None) -> Daemon:
        """One server of the cluster: munge, slurmctld, slurmd, sshd, or one of `factors.WAYS`."""
        host = host or self.login
        log = self.state / "log" / host.name / f"{name}.log"
        if name == "munge":
            socket = Path(f"/proc/{host.record.pid}/root/run/munge/munge.socket.2")
            return Daemon(host, name, ["munged", "--foreground"], log, socket.exists, user="munge")
        port = PORTS.get(name) or (layouts.BASTION_PORT if host.name == "bastion" else 22)
        command = [name, "-D"]
        if name == "sshd":
            command = ["/usr/sbin/sshd", "-D", "-e"]
        elif name in factors.WAYS:
            command = [f"/run/{name}", "-D", "-e", "-f", f"/etc/ssh/{name}_config"]
        return Daemon(host, name, command, log, lambda: host.listens(port))

    def want_more_than_a_key(self, name: str, host: Host | None = None) -> int:
        """Start one of `factors.WAYS` on login or the bastion; returns its port. The host goes on to accept keys."""
        daemon = self.daemon(name, host)
        daemon.host.run(f"ln -sf /usr/sbin/sshd /run/{name}")  # PAM goes by the name of the program
        daemon.start()
        return factors.WAYS[name].port

    def _up(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o755)
        files.make_homes(self.state)
        munge_key = secrets.token_bytes(1024)
        self._start("switch", Layout("switch", str(self.state)))
        self._start("laptop", layouts.laptop(self.state))
        for name in ("login", "login2", *self.node_names):
            layout = layouts.member(
                self.state,
                name,
                munge_key=munge_key,
                nodes=len(self.node_names),
                accounting=self.accounting,
                sshd=name not in self.node_names or self.sshd_on_nodes,
            )
            self._start(name, layout)
        self._start("bastion", layouts.bastion(self.state))
        self.furnish_laptop()
        network.connect(self.hosts, self.nodes)
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

    def _start_daemons(self) -> None:
        members = [*self.logins, *self.nodes]
        gates = [*(members if self.sshd_on_nodes else self.logins), self.hosts["bastion"]]
        first = [*(self.daemon("munge", host) for host in members), *(self.daemon("sshd", host) for host in gates)]
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
    temporary = Path(tempfile.gettempdir())
    with (temporary / f"{PREFIX}sweep").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several may come up at once
        for state in temporary.glob(f"{PREFIX}*-*-*"):
            pid, started = state.name.removeprefix(PREFIX).split("-")[:2]
            if not Record(int(pid), int(started)).alive():
                remove(state)
