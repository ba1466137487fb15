"""Every way to log in, by every transport: shells, noise, a bastion, two hosts behind one name."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.slurm import files
from tests.slurm.cluster import Cluster
from tests.slurm.hosts import Host
from tests.slurm.laptop import Springline, section
from tests.slurm.terminal import Terminal
from tests.slurm.upping import start

pytestmark = pytest.mark.parametrize("transport", ["fabric", "openssh"])


def works(springline: Springline, platform: str) -> None:
    """A session comes up, another command reads its token, and JupyterLab answers."""
    up = start(springline, "--name", "way-in", what=platform)
    assert up.ask("/api/status", up.token).stdout.endswith("200"), up.said()


def logins_on(host: Host, cluster: Cluster, user: str = "alice") -> int:
    """How often somebody has logged in on a host, by its sshd's own words."""
    return cluster.daemon("sshd", host).log.read_text().count(f"Accepted publickey for {user}")


@pytest.mark.parametrize("user", ["tess", "finn", "nora"])
def test_an_account(springline: Springline, transport: str, user: str) -> None:
    """tcsh, fish, and a .bashrc that prints below a banner."""
    section(springline, "theirs", f"user = {user}\ntransport = {transport}")
    works(springline, "theirs")


def test_over_a_bastion(springline: Springline, transport: str) -> None:
    """ProxyJump of ~/.ssh/config over bastion:2222, to a name that only the bastion knows."""
    cluster = springline.cluster
    config = springline.home / ".ssh/config"
    files.write(config, cluster.jump_config(), mode=0o600, owner=files.LAPTOP_USER.uid)
    section(springline, "behind", f"host = inner\ntransport = {transport}")
    before = logins_on(cluster.hosts["bastion"], cluster)
    works(springline, "behind")
    assert logins_on(cluster.hosts["bastion"], cluster) > before


def test_two_hosts_behind_one_name(springline: Springline, transport: str) -> None:
    """The host that a session came from is on record and taken again, whatever the name now leads to."""
    cluster = springline.cluster
    ini = springline.home / ".config/springline/platforms.ini"
    ini.write_text(f"{ini.read_text()}\n[robin]\nplatform = testbed-rr\ntransport = {transport}\n")
    cluster.turn_login_names(second_first=True)
    try:
        assert springline("up", "robin", "--name", "robin", "--detach", check=True).returncode == 0
        assert record(springline, "robin")["login"] == "192.0.2.2"
        cluster.turn_login_names(second_first=False)
        first, second = (logins_on(host, cluster) for host in cluster.logins)
        assert "ready" in springline("status", "robin", check=True).stdout
        assert (logins_on(cluster.login, cluster), logins_on(cluster.hosts["login2"], cluster)) == (first, second + 1)
        cluster.daemon("sshd", cluster.hosts["login2"]).stop()  # it may be gone for good: then the name's word counts
        assert "ready" in springline("status", "robin", check=True).stdout
    finally:
        cluster.turn_login_names(second_first=False)
        cluster.daemon("sshd", cluster.hosts["login2"]).start()


def record(springline: Springline, name: str) -> dict[str, str]:
    """The laptop's record of a session."""
    for path in springline.home.rglob("*.json"):
        document = json.loads(path.read_text())
        if isinstance(document, dict) and document.get("name", document.get("session")) == name:
            return document
    raise AssertionError(f"no record of {name}")


def test_no_agent_comes_along(springline: Springline, transport: str) -> None:
    """An agent opens the door and stays here, whatever ~/.ssh/config says of forwarding."""
    cluster = springline.cluster
    files.write(springline.home / ".ssh/config", "ForwardAgent yes\n", mode=0o600, owner=files.LAPTOP_USER.uid)
    ini = springline.home / ".config/springline/platforms.ini"
    lines = cluster.platform_section("agent").splitlines()
    ini.write_text("\n".join(line for line in lines if "keypath" not in line) + f"\ntransport = {transport}\n")
    key = springline.home / ".ssh/id_ed25519"
    hidden = key.rename(key.with_name("elsewhere"))
    inside = f"ssh-add -q {cluster.ssh_key.with_name('elsewhere')}; exec springline up agent --name agent --detach"
    try:
        command = ["ssh-agent", "bash", "-lc", inside]
        came = cluster.laptop.run(command, user=springline.user, check=False, timeout=120)
        assert came.returncode == 0, came.stderr
        job = next(job["id"] for job in cluster.jobs() if job["state"] == "RUNNING")
        environment = cluster.hosts["node1"].run("cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sort -u").stdout
        environment += cluster.hosts["node2"].run("cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sort -u").stdout
        assert f"SLURM_JOB_ID={job}" in environment and "SSH_AUTH_SOCK" not in environment
    finally:
        hidden.rename(key)


def test_a_first_connection_shows_the_fingerprint(springline: Springline, transport: str) -> None:
    """On a terminal an unknown host is asked for once, with its true fingerprint, and then known."""
    cluster = springline.cluster
    known = springline.home / ".ssh/known_hosts"
    before = known.read_bytes()
    section(springline, "first", f"transport = {transport}")
    fingerprint = subprocess.run(
        ["ssh-keygen", "-lf", str(cluster.host_key_file)], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    command = ["bash", "-lc", "springline up first --name first --detach"]
    try:
        known.write_bytes(b"")
        with Terminal(cluster.laptop, command, user=springline.user) as terminal:
            assert terminal.until("SHA256:[A-Za-z0-9+/]+") == fingerprint, terminal.text
            terminal.type("yes")
            assert terminal.finish() == 0, terminal.text
        assert known.read_bytes()
        assert terminal.text.count(fingerprint) == 1, terminal.text
        assert "ready" in springline("status", "first").stdout
    finally:
        known.write_bytes(before)
