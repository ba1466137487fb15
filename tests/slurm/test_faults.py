"""The faults of the test cluster: each is felt, and each is undone."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.laptop import on_laptop, ssh
from tests.slurm.processes import wait_until


def test_hung_controller(cluster: Cluster) -> None:
    """With a hung slurmctld squeue gets no answer; after it resumed, it does."""
    cluster.hang_slurmctld()
    with pytest.raises(subprocess.TimeoutExpired):
        cluster.login.run("squeue", user="alice", timeout=1.5)
    cluster.resume_slurmctld()
    assert cluster.login.run("squeue", user="alice", timeout=10).returncode == 0


def test_stopped_controller(cluster: Cluster) -> None:
    """A stopped slurmctld does not answer a ping; started again, it knows its jobs."""
    job = cluster.login.run("sbatch --parsable --wrap 'sleep 60'", user="alice").stdout.strip()
    cluster.stop_slurmctld()
    assert "DOWN" in cluster.login.run("scontrol ping", check=False).stdout
    cluster.start_slurmctld()
    assert job in {known["id"] for known in cluster.jobs()}
    cluster.cancel_jobs()


def test_killed_controller_with_its_state_written_down(cluster: Cluster) -> None:
    """A job that runs is known to run by the controller after a kill."""
    job = cluster.login.run("sbatch --parsable -o /dev/null --wrap 'sleep 60'", user="alice").stdout.strip()
    wait_until(lambda: _state(cluster, job) == "RUNNING", what="start of a job", timeout=20, every=0.1)
    cluster.save_state()
    cluster.stop_slurmctld("KILL")
    cluster.start_slurmctld()
    assert _state(cluster, job) == "RUNNING"
    cluster.cancel_jobs()


def _state(cluster: Cluster, job: str) -> str:
    return next(known["state"] for known in cluster.jobs() if known["id"] == job)


def test_killed_slurmd(cluster: Cluster) -> None:
    """A killed slurmd is gone from its port, and started again it is back in service."""
    node = cluster.nodes[0]
    cluster.kill_slurmd(node)
    assert not node.listens(6818)
    cluster.start_slurmd(node)
    assert node.listens(6818)


def test_stopped_munge(cluster: Cluster) -> None:
    """Without munge on login squeue is refused, and works again afterwards."""
    cluster.stop_munge(cluster.login)
    assert cluster.login.run("squeue", user="alice", check=False, timeout=30).returncode != 0
    cluster.start_munge(cluster.login)
    assert cluster.login.run("squeue", user="alice").returncode == 0


def test_cut_link(cluster: Cluster) -> None:
    """Without its cable the laptop is told at once that there is no network; an open session survives."""
    session = cluster.laptop.popen(ssh(cluster, "echo here; sleep 2; echo still"), user="scientist")
    assert session.stdout is not None
    assert session.stdout.readline() == "here\n"
    cluster.cut_link()
    assert "unreachable" in on_laptop(cluster, "true", timeout=5).stderr
    time.sleep(1)
    cluster.restore_link()
    assert session.communicate(timeout=20)[0] == "still\n"
    assert on_laptop(cluster, "true").returncode == 0


def test_dropped_packets(cluster: Cluster) -> None:
    """With packets dropped a connection hangs until its own time limit, and works again afterwards."""
    cluster.drop_link()
    assert "timed out" in on_laptop(cluster, "true", "-o", "ConnectTimeout=1").stderr
    cluster.undrop_link()
    assert on_laptop(cluster, "true").returncode == 0


def test_changed_host_key(cluster: Cluster) -> None:
    """A changed host key makes ssh refuse; with the first one back it is content."""
    cluster.change_host_key()
    assert "IDENTIFICATION HAS CHANGED" in on_laptop(cluster, "true").stderr
    cluster.restore_host_key()
    assert on_laptop(cluster, "true").returncode == 0


def test_heal_undoes_everything(cluster: Cluster) -> None:
    """Whatever is broken at once, `heal` brings the cluster back to work."""
    cluster.cut_link()
    cluster.drop_link()
    cluster.stop_slurmctld("KILL")
    for node in cluster.nodes:
        cluster.kill_slurmd(node)
    cluster.stop_munge(cluster.nodes[0])
    cluster.heal()
    assert on_laptop(cluster, "srun -N2 true", timeout=30).returncode == 0
