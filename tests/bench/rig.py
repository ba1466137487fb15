"""The test cluster with a bench's instruments: a client on the laptop's network, counters, accounts, clean starts."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.slurm import files
from tests.slurm.cluster import Cluster
from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import clean, end_everything
from tests.slurm.requirements import CHECKOUT, SPRINGLINE, VENV_PYTHON, reason_to_skip

SSH_CONFIG = """\
Host login mila
    HostName login
Host node*
    ProxyJump login
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
Host login mila node*
    User alice
    IdentityFile ~/.ssh/id_ed25519
    IdentitiesOnly yes
"""
# What jupyter-forward and milatools want of a login shell: Jupyter on the path, and a scratch directory.
PROFILE = f'export PATH="{VENV_PYTHON.parent}:$PATH" SCRATCH="$HOME"\n'
PLAIN_TOKEN = ".local/share/jupyter/runtime/jpserver-*.json"
OUR_TOKEN = ".springline/sessions/*/token"
_OF_JUPYTER = (".springline", ".local", ".jupyter_forward", ".milatools/sockets")


@dataclass(frozen=True)
class Counts:
    """What alice asked of the cluster so far."""

    connections: int  # SSH logins, on login and nodes
    commands: int  # remote commands, likewise
    slurm: int  # requests to slurmctld, as sdiag counts them

    def since(self, before: Counts) -> Counts:
        """What came in between."""
        return Counts(self.connections - before.connections, self.commands - before.commands, self.slurm - before.slurm)


@dataclass(frozen=True)
class Account:
    """A laptop user's own configuration and state of springline, apart from all others."""

    name: str
    transport: str
    access: str = "auto"
    ssh: bool = True  # whether there is an `ssh` on the path

    @property
    def home(self) -> str:
        """Its directory, as the laptop sees it; short, for there will be sockets in it."""
        return f"{files.LAPTOP_USER.home}/{self.name}"

    def command(self, *words: str) -> list[str]:
        """A command line of springline that uses it."""
        variables = [f"XDG_CONFIG_HOME={self.home}/config", f"XDG_STATE_HOME={self.home}/state", "PYTHONUNBUFFERED=1"]
        path = [] if self.ssh else [f"PATH={self.home}/no-ssh"]
        return ["env", *variables, *path, str(SPRINGLINE), *words]


class Rig:
    """One cluster, and what a bench does with it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._processes: list[HostProcess] = []

    @property
    def sessions(self) -> str:
        """Where springline's sessions are on the cluster, as the outside sees it."""
        return f"{self.cluster.cluster_home()}/.springline/sessions"

    def add(self, account: Account) -> None:
        """Give the laptop's user an account of springline, with one platform called `bench`."""
        section = self.cluster.platform_section("bench")
        ini = f"{section}transport = {account.transport}\naccess = {account.access}\n"
        home = self.cluster.laptop_home() / account.name
        for directory in (home, home / "config", home / "config/springline", home / "state"):
            files.directory(directory, 0o700, files.LAPTOP_USER.uid)
        files.write(home / "config/springline/platforms.ini", ini, mode=0o600, owner=files.LAPTOP_USER.uid)

    def lend(self, lender: Account, borrower: Account) -> None:
        """Let an account know the sessions of another."""
        home = self.cluster.laptop_home()
        known, target = home / lender.name / "state/springline", home / borrower.name / "state/springline"
        files.directory(target, 0o700, files.LAPTOP_USER.uid)
        files.directory(target / "sessions", 0o700, files.LAPTOP_USER.uid)
        for record in (known / "sessions").iterdir():
            files.write(target / "sessions" / record.name, record.read_text(), mode=0o600, owner=files.LAPTOP_USER.uid)

    def start(self, command: list[str] | str) -> HostProcess:
        """Start something as the laptop's user; it is killed with the next `tidy`."""
        process = self.cluster.laptop.popen(command, user=self.cluster.laptop_user, env={"BROWSER": "true"})
        self._processes.append(process)
        return process

    def client(self, work: str, **wanted: Any) -> subprocess.Popen[str]:  # noqa: ANN401
        """Start the client on the laptop's network; it is running once this returns."""
        order = json.dumps({"work": work, **wanted})
        enter = ["nsenter", f"--net=/proc/{self.cluster.laptop.record.pid}/ns/net", "--"]
        process = subprocess.Popen(
            [*enter, sys.executable, "-m", "tests.bench.client", order],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def measure(self, work: str, **wanted: Any) -> dict[str, Any]:  # noqa: ANN401
        """Let the client work to its end."""
        return answer(self.client(work, **wanted))

    def token(self, pattern: str) -> str:
        """A pattern of files in alice's home, for the client."""
        return f"{self.cluster.cluster_home()}//{pattern}"

    def counts(self) -> Counts:
        """Read the servers' logs and counters."""
        hosts = [host.name for host in (*self.cluster.logins, *self.cluster.nodes)]
        logs = "".join((self.cluster.state / f"log/{name}/sshd.log").read_text() for name in hosts)
        said = self.cluster.login.run("sdiag").stdout
        slurm = re.search(r"^\s*alice\s.*?count:(\d+)", said, re.MULTILINE)
        accepted, started = logs.count("Accepted publickey for alice"), logs.count("Starting session:")
        return Counts(accepted, started, int(slurm[1]) if slurm else 0)

    def forget(self, pattern: str) -> None:
        """Remove the files of a pattern in alice's home, so that the next one there is a new one."""
        for file in self.cluster.cluster_home().glob(pattern):
            file.unlink()

    def tidy(self) -> None:
        """End what was started, all jobs, and the traces by which one Jupyter could be taken for another."""
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self._processes.clear()
        end_everything(self.cluster)
        for name in _OF_JUPYTER:
            shutil.rmtree(self.cluster.cluster_home() / name, ignore_errors=True)


def answer(client: subprocess.Popen[str]) -> dict[str, Any]:
    """What a client found, once it has ended."""
    output, _ = client.communicate(timeout=120)
    if client.returncode:
        raise RuntimeError(f"the client failed: {client.args!r}")
    return dict(json.loads(output))


def last_words(process: HostProcess) -> str:
    """End a process; returns the last line it wrote."""
    process.kill()
    try:
        output, errors = process.communicate(timeout=5)
    except subprocess.TimeoutExpired:  # a child in a session of its own keeps its end of the pipe open
        return "it was silent"
    return next((line for line in reversed(f"{output}\n{errors}".split("\n")) if line.strip()), "it said nothing")


def free_port() -> int:
    """A port that is free here and, most likely, on the laptop and the nodes, too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def rig() -> Iterator[Rig | None]:
    """A cluster for one bench; None, with the reason printed, where none can run."""
    reason = reason_to_skip()
    if reason is not None:
        print(f"skipped: {reason}")
        yield None
        return
    cluster = Cluster.up()
    found = Rig(cluster)
    try:
        clean(cluster)
        laptop, login = cluster.laptop_home(), cluster.cluster_home()
        files.write(laptop / ".ssh/config", SSH_CONFIG, mode=0o600, owner=files.LAPTOP_USER.uid)
        for name in (".bashrc", ".profile"):
            files.write(login / name, PROFILE, owner=files.ALICE.uid)
        yield found
        found.tidy()
    finally:
        cluster.down()
