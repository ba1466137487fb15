"""The real `springline` command as the laptop's ordinary user, on fresh homes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.slurm import files
from tests.slurm.cluster import Cluster
from tests.slurm.hosts import Host, HostProcess, Stream
from tests.slurm.requirements import SPRINGLINE


class Springline:
    """Callable: `springline("up", "testbed", "--detach")` runs it on the laptop.

    The laptop's user starts with the platform `testbed` and login's host key known. `fresh` empties the
    homes of alice and of the laptop's user, and ends alice's jobs, first.
    """

    def __init__(self, cluster: Cluster, *, fresh: bool = True) -> None:
        self.cluster = cluster
        self.home = cluster.laptop_home()  # as the outside sees it
        self._processes: list[HostProcess] = []
        if fresh:
            clean(cluster)

    def __call__(
        self,
        *arguments: str,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; after `timeout` seconds kill it and raise subprocess.TimeoutExpired."""
        command = [str(SPRINGLINE), *arguments]
        user = self.cluster.laptop_user
        return self.cluster.laptop.run(command, user=user, input=input, env=env, timeout=timeout, check=check)

    def popen(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.PIPE,
    ) -> HostProcess:
        """Start it and return; whatever still runs when the test ends is killed."""
        command = [str(SPRINGLINE), *arguments]
        user = self.cluster.laptop_user
        process = self.cluster.laptop.popen(
            command, user=user, env={"PYTHONUNBUFFERED": "1", **(env or {})}, stdin=stdin, stdout=stdout, stderr=stderr
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Kill what still runs on the laptop, and end alice's jobs."""
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self._processes.clear()
        end_everything(self.cluster)


def ssh(cluster: Cluster, command: str, *options: str, key: Path | None = None, user: str = "alice") -> list[str]:
    """The command line of a plain ssh to login."""
    identity = ["-o", "IdentitiesOnly=yes", "-i", str(key or cluster.ssh_key)]
    return ["ssh", "-o", "BatchMode=yes", *identity, *options, f"{user}@{cluster.login_address}", command]


def on_laptop(cluster: Cluster, command: str, *options: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    """Run a command on login through ssh, as the laptop's user."""
    argv = ssh(cluster, command, *options)
    return cluster.laptop.run(argv, user=cluster.laptop_user, check=False, timeout=timeout)


def reaches(host: Host, target: str, port: int) -> bool:
    """Whether a TCP connection from a host is accepted within two seconds."""
    probe = ["timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{target}/{port}"]
    return host.run(probe, check=False).returncode == 0


def end_everything(cluster: Cluster) -> None:
    """End all jobs and every process of an ordinary user."""
    cluster.heal()
    for user in cluster.users:
        cluster.cancel_jobs(user)
    cluster.laptop.run(["pkill", "-KILL", "-u", cluster.laptop_user], check=False)


def clean(cluster: Cluster) -> None:
    """End everything of the users, and make their homes as new."""
    end_everything(cluster)
    alice = cluster.cluster_home()
    authorized = (alice / ".ssh/authorized_keys").read_bytes()
    _empty(alice, keep=())
    files.make_home(alice.parent, files.ALICE)
    files.write(alice / ".ssh/authorized_keys", authorized, mode=0o600, owner=files.ALICE.uid)
    laptop = cluster.laptop_home()
    _empty(laptop, keep=(".ssh",))
    files.make_home(laptop.parent, files.LAPTOP_USER)
    cluster.furnish_laptop()


def _empty(home: Path, keep: tuple[str, ...]) -> None:
    """Remove what is in a home; the directory itself stays, for it is mounted in the hosts."""
    for path in home.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
