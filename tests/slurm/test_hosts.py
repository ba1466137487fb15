"""The hosts and accounts of the test cluster that make it like real ones: each way in, tried with the system's ssh."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.slurm import factors, files
from tests.slurm.cluster import Cluster
from tests.slurm.laptop import Springline, reaches, ssh
from tests.slurm.terminal import Terminal


def scientist(cluster: Cluster, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as the laptop's user."""
    return cluster.laptop.run(command, user=cluster.laptop_user, check=False, timeout=30)


def test_nodes_have_sshd_and_keys_of_their_own(cluster: Cluster) -> None:
    """Alice's key opens every node from login, each shows its own host key, and the laptop reaches none of them."""
    keys = set()
    for node in cluster.nodes:
        public = (cluster.state / "etc" / node.name / "ssh" / files.HOST_KEY).with_suffix(".pub")
        assert public.stat().st_mode & 0o444 == 0o444  # springline reads it there, as alice
        keys.add(public.read_text().split()[1])
        assert reaches(cluster.login, node.name, 22) and not reaches(cluster.laptop, "10.77.0.11", 22)
    assert len(keys) == len(cluster.nodes)
    forwarded = ssh(cluster, "ssh -o StrictHostKeyChecking=no node2 hostname", "-A")
    script = f"eval $(ssh-agent) >/dev/null; ssh-add -q {cluster.ssh_key}; {subprocess.list2cmdline(forwarded)}"
    assert scientist(cluster, ["bash", "-c", f"{script}; kill $SSH_AGENT_PID"]).stdout == "node2\n"


def test_two_login_hosts_behind_one_name(cluster: Cluster) -> None:
    """The name `cluster` leads to one or the other; both show the same host key, homes and queue."""
    for second_first, name in ((False, "login"), (True, "login2")):
        cluster.turn_login_names(second_first=second_first)
        seen = scientist(cluster, ["ssh", "-o", "BatchMode=yes", "alice@cluster", "hostname; touch seen; squeue -h"])
        assert (seen.returncode, seen.stdout) == (0, f"{name}\n"), seen.stderr
        (cluster.cluster_home() / "seen").unlink()
    cluster.turn_login_names(second_first=False)
    assert not reaches(cluster.laptop, "192.0.2.2", 6817)


def test_the_bastion_passes_on_and_nothing_else(cluster: Cluster) -> None:
    """`ssh inner` jumps over bastion:2222 to a name only the bastion knows; the bastion gives no shell, no node."""
    config = cluster.laptop_home() / ".ssh/config"
    files.write(config, cluster.jump_config(), mode=0o600, owner=files.LAPTOP_USER.uid)
    try:
        assert scientist(cluster, ["ssh", "-o", "BatchMode=yes", "inner", "hostname"]).stdout == "login\n"
        on_it = scientist(cluster, ["ssh", "-o", "BatchMode=yes", "-p", "2222", "alice@bastion", "hostname"])
        assert on_it.stdout == "no shell here\n"
    finally:
        config.unlink()
    assert not reaches(cluster.laptop, "bastion", 22)
    assert reaches(cluster.hosts["bastion"], "login", 22) and not reaches(cluster.hosts["bastion"], "10.77.0.11", 22)


@pytest.mark.parametrize(
    ("way", "host", "answers"),
    [
        ("sshd-otp", "login", {"code": factors.code}),
        ("sshd-otp", "bastion", {"code": factors.code}),
        ("sshd-password-otp", "login", {"Password": lambda: factors.PASSWORD, "code": factors.code}),
        ("sshd-password", "login", {"password": lambda: factors.PASSWORD}),
    ],
)
def test_more_than_a_key(cluster: Cluster, way: str, host: str, answers: factors.Answers) -> None:
    """The server asks for each factor once; a wrong one is refused, and the key alone is not enough."""
    port = cluster.want_more_than_a_key(way, cluster.hosts[host])
    command = ["ssh", "-p", str(port), f"alice@{host}", "true"]
    refused = scientist(cluster, [*command[:1], "-o", "BatchMode=yes", *command[1:]])
    assert "Permission denied" in refused.stderr
    with Terminal(cluster.laptop, command, user=cluster.laptop_user) as terminal:
        asked = terminal.answer(answers)
    assert asked == list(answers), terminal.text
    assert terminal.returncode == 0, terminal.text
    with Terminal(cluster.laptop, command, user=cluster.laptop_user) as terminal:
        wrong = terminal.answer(dict.fromkeys(answers, lambda: "000000"), at_most=len(answers) + 1)
    assert wrong == [*answers, next(iter(answers))], "a wrong answer is asked for again"


@pytest.mark.parametrize(("user", "shell"), [("tess", "/bin/tcsh"), ("finn", "/usr/bin/fish")])
def test_other_login_shells(cluster: Cluster, user: str, shell: str) -> None:
    """Commands of tess and finn are read by tcsh and fish."""
    assert scientist(cluster, ssh(cluster, "echo $SHELL", user=user)).stdout == f"{shell}\n"
    assert scientist(cluster, ssh(cluster, "sh -c 'A=1; echo $A'", user=user)).stdout == "1\n"


def test_a_noisy_account_and_a_slow_one(cluster: Cluster) -> None:
    """Nora's .bashrc writes around every command, after a banner; sven's takes three seconds."""
    noisy = scientist(cluster, ssh(cluster, "echo mine", user="nora"))
    assert noisy.stdout.splitlines() == ["Welcome! Your quota is 97% full.", "mine"]
    assert files.BANNER.strip() in noisy.stderr and "module:" in noisy.stderr
    before = time.monotonic()
    assert scientist(cluster, ssh(cluster, "echo mine", user="sven")).stdout == "mine\n"
    assert time.monotonic() - before > 3


def test_a_colleague_with_an_empty_home(cluster: Cluster) -> None:
    """Another account of the laptop gets into alice's with its own key; it has the platforms and nothing else."""
    colleague = Springline(cluster, user="colleague")
    assert sorted(path.name for path in colleague.home.glob(".[a-z]*")) == sorted(
        [".bash_logout", ".bashrc", ".config", ".profile", ".ssh"]
    )
    opened = cluster.laptop.run(["ssh", "-o", "BatchMode=yes", "alice@login", "id -un"], user="colleague")
    assert opened.stdout == "alice\n"
    assert "testbed" in colleague("platform", "list").stdout
    peeped = cluster.laptop.run(["ls", str(cluster.ssh_key.parent)], user="colleague", check=False)
    assert "Permission denied" in peeped.stderr
