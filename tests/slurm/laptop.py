"""The real `springline` command as the laptop's ordinary user, on fresh homes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.slurm import files
from tests.slurm.cluster import Cluster
from tests.slurm.hosts import Host, HostProcess, Stream
from tests.slurm.requirements import SPRINGLINE


class Springline:
    """Callable: `springline("up", "testbed", "--detach")` runs it on the laptop.

    The laptop's user starts with the platform `testbed` and login's host key known. `fresh` empties the
    homes of the users on both sides, and ends their jobs, first. `user` may be the laptop's colleague.
    """

    def __init__(self, cluster: Cluster, *, fresh: bool = True, user: str = Cluster.laptop_user) -> None:
        self.cluster = cluster
        self.user = user
        self.home = cluster.laptop_home(user)  # as the outside sees it
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
        return self.cluster.laptop.run(command, user=self.user, input=input, env=env, timeout=timeout, check=check)

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
        process = self.cluster.laptop.popen(
            command,
            user=self.user,
            env={"PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
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
    cluster.cancel_jobs(",".join(cluster.users))
    everybody = ",".join(user.name for user in files.LAPTOP_USERS)
    cluster.laptop.run(["pkill", "-KILL", "-u", everybody], check=False)


def clean(cluster: Cluster) -> None:
    """End everything of the users, and make their homes as new."""
    end_everything(cluster)
    for user in files.CLUSTER_USERS:
        home = cluster.cluster_home(user.name)
        authorized = (home / ".ssh/authorized_keys").read_bytes()
        _empty(home, keep=())
        files.make_home(home.parent, user)
        files.write(home / ".ssh/authorized_keys", authorized, mode=0o600, owner=user.uid)
    for user in files.LAPTOP_USERS:
        home = cluster.laptop_home(user.name)
        _empty(home, keep=(".ssh",))
        for file in (home / ".ssh").iterdir():
            if not file.name.startswith("id_"):
                file.unlink() if not file.is_dir() else shutil.rmtree(file)
        files.make_home(home.parent, user)
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


def section(springline: Springline, name: str, text: str) -> None:
    """Add a platform that differs from `testbed` in one thing."""
    ini = springline.home / ".config" / "springline" / "platforms.ini"
    with ini.open("a", encoding="utf-8") as lines:
        lines.write(f"\n[{name}]\nplatform = testbed\n{text}\n")


@contextmanager
def mounted(springline: Springline, what: str, where: str) -> Iterator[None]:
    """A mount on the login host for a while."""
    springline.cluster.login.run(f"mount {what}")
    try:
        yield
    finally:
        springline.cluster.login.run(f"umount {where}")
