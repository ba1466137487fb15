"""What hits whole hosts, the laptop or jobs: each is felt, and each is undone."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.hosts import HostProcess
from tests.slurm.laptop import on_laptop, ssh
from tests.slurm.processes import wait_until


def submit(cluster: Cluster, *options: str, command: str = "sleep 300") -> str:
    """Submit a job of alice's and wait until it runs."""
    argv = ["sbatch", "--parsable", "-o", "/dev/null", *options, "--wrap", command]
    job = cluster.login.run(argv, user="alice").stdout.strip()
    wait_for(cluster, job, "RUNNING")
    return job


def wait_for(cluster: Cluster, job: str, *states: str) -> dict[str, str]:
    """Wait until a job is in one of these states."""

    def found() -> dict[str, str] | None:
        return next((known for known in cluster.jobs() if known["id"] == job and known["state"] in states), None)

    return wait_until(lambda: found() or {}, what=f"{job} {states}", timeout=30, every=0.1)


def open_session(cluster: Cluster) -> HostProcess:
    """An ssh connection that is in use."""
    session = cluster.laptop.popen(ssh(cluster, "echo here; sleep 60", "-o", "ServerAliveInterval=1"), user="scientist")
    assert session.stdout is not None and session.stdout.readline() == "here\n"
    return session


@pytest.fixture(autouse=True)
def end_jobs(cluster: Cluster) -> object:
    """End alice's jobs after each test."""
    yield
    cluster.heal()
    cluster.cancel_jobs()


def test_killed_connections(cluster: Cluster) -> None:
    """A connection whose sshd was killed ends at once; the next one works."""
    session = open_session(cluster)
    cluster.kill_connections()
    assert "closed by remote host" in session.communicate(timeout=5)[1]
    assert on_laptop(cluster, "true").returncode == 0


def test_rebooted_login(cluster: Cluster) -> None:
    """Login falls silent, then is back without its connections and processes, with its controller and the job."""
    job = submit(cluster)
    session = open_session(cluster)
    orphan = cluster.login.popen("sleep 4244", user="alice")
    cluster.crash_login()
    assert "timed out" in on_laptop(cluster, "true", "-o", "ConnectTimeout=1").stderr
    assert not cluster.daemon("slurmctld").running() and orphan.wait(timeout=5) != 0
    cluster.boot_login()
    assert session.wait(timeout=10) == 255
    session.communicate()
    orphan.communicate()
    assert job in on_laptop(cluster, "squeue -h -t running -o %i").stdout.split()


def states(cluster: Cluster) -> set[str]:
    """The states of the processes of the laptop's user, as in /proc."""
    pids = cluster.laptop.processes(cluster.laptop_user)
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


def test_frozen_laptop(cluster: Cluster) -> None:
    """Every process of the laptop's user stops, ssh's included, and all go on as if nothing had been."""
    session = open_session(cluster)
    cluster.freeze_laptop()
    assert cluster.laptop.processes(cluster.laptop_user)
    wait_until(lambda: states(cluster) == {"T"}, what="stop of all processes", timeout=5, every=0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        session.wait(timeout=0.5)
    cluster.thaw_laptop()
    cluster.kill_connections()
    assert session.wait(timeout=5) == 255  # the door it came in by is awake as well
    session.communicate()


def test_crashed_node(cluster: Cluster) -> None:
    """A node vanishes with its jobs' processes and cannot be reached; booted, it takes jobs again."""
    submit(cluster, "--no-requeue", "-w", "node1", command="sleep 4245")
    node = cluster.nodes[0]
    cluster.crash_node(node)
    assert node.run(["pgrep", "-f", "sleep 4245"], check=False).stdout.split() == []
    assert cluster.login.run("ping -c1 -W1 node1 || true", check=False).stdout.count("1 received") == 0
    cluster.boot_node(node)  # Slurm shows the job as running for another minute
    assert cluster.login.run("srun -w node1 hostname", user="alice", timeout=30).stdout == "node1\n"


@pytest.mark.parametrize("hang", [False, True])
def test_lost_answer(cluster: Cluster, hang: bool) -> None:
    """The job is in the queue, the answer is not on the laptop; the next sbatch answers as ever."""
    cluster.lose_answer(hang=hang)
    command = f"sbatch --parsable --job-name lost-{hang} --wrap 'sleep 60'"
    if hang:
        with pytest.raises(subprocess.TimeoutExpired):
            on_laptop(cluster, command, timeout=2)
    else:
        lost = on_laptop(cluster, command)
        assert lost.returncode == 255 and not lost.stdout
    assert [job["name"] for job in cluster.jobs() if job["state"] in ("PENDING", "RUNNING")] == [f"lost-{hang}"]
    assert on_laptop(cluster, command).stdout.strip().isdigit()


def test_requeued_and_preempted_jobs(cluster: Cluster) -> None:
    """A running job goes back to the queue; a full cluster pushes a preemptable one out, and keeps the next waiting."""
    job = submit(cluster, "--no-requeue")
    cluster.requeue(job)
    wait_for(cluster, job, "PENDING")
    cluster.cancel_jobs()
    victim = submit(cluster, "-p", "preempt-cancel")
    cluster.fill_nodes()
    wait_for(cluster, victim, "PREEMPTED", "CANCELLED")
    late = cluster.login.run("sbatch --parsable --wrap true", user="alice").stdout.strip()
    time.sleep(1)
    wait_for(cluster, late, "PENDING")
    cluster.empty_nodes()
    wait_for(cluster, late, "COMPLETED")


def test_heal_undoes_disasters(cluster: Cluster) -> None:
    """Whatever happened at once, `heal` brings everything back."""
    cluster.freeze_laptop()
    cluster.crash_login()
    for node in cluster.nodes:
        cluster.crash_node(node)
    cluster.lose_answer()
    cluster.heal()
    assert on_laptop(cluster, "srun -N2 hostname | sort", timeout=40).stdout == "node1\nnode2\n"
