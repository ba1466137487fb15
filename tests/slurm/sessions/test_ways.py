"""The ways in to JupyterLab: the safest that works is taken, and said as `access`."""

from __future__ import annotations

import json

import pytest

from tests.slurm.laptop import Springline
from tests.slurm.upping import start, until


def with_section(springline: Springline, text: str) -> None:
    """Change the platform `testbed` for one test."""
    ini = springline.home / ".config" / "springline" / "platforms.ini"
    ini.write_text(ini.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.mark.parametrize("transport", ["fabric", "openssh"])
def test_the_safest_way_that_works(either_springline: Springline, transport: str) -> None:
    """Where ssh to the node is allowed, JupyterLab is on a private socket and nowhere else; elsewhere behind TLS."""
    with_section(either_springline, f"transport = {transport}\n")
    running = start(either_springline, "--name", "way")
    token = running.token
    assert running.line["access"] == ("socket" if either_springline.cluster.sshd_on_nodes else "node-tls")
    assert running.ask("/api/status", token).stdout.endswith("200")


@pytest.mark.parametrize("way", ["loopback", "node-tls"])
def test_a_way_that_was_asked_for(springline: Springline, way: str) -> None:
    """`access` of the section chooses the way."""
    with_section(springline, f"access = {way}\n")
    running = start(springline, "--name", "way")
    assert running.line["access"] == way
    assert running.ask("/api/status", running.token).stdout.endswith("200")


def test_a_node_without_forwarded_sockets(springline: Springline) -> None:
    """Where the node's sshd forwards no Unix sockets, its loopback port is the next best."""
    for node in springline.cluster.nodes:
        node.run("sed -i 's/^AllowStreamLocalForwarding yes/AllowStreamLocalForwarding no/' /etc/ssh/sshd_config")
        springline.cluster.daemon("sshd", node).signal("HUP")
    try:
        running = start(springline, "--name", "way")
        assert running.line["access"] == "loopback"
        assert running.ask("/api/status", running.token).stdout.endswith("200")
    finally:
        for node in springline.cluster.nodes:
            node.run("sed -i 's/^AllowStreamLocalForwarding no/AllowStreamLocalForwarding yes/' /etc/ssh/sshd_config")
            springline.cluster.daemon("sshd", node).signal("HUP")


def test_a_node_with_another_host_key(springline: Springline) -> None:
    """A node that shows another key than the session saw there is not logged in to: TLS through the login host."""
    node_keys = [f"/etc/ssh/ssh_host_ed25519_key{end}" for end in ("", ".pub")]
    for node in springline.cluster.nodes:
        node.run(f"cp -p {node_keys[1]} {node_keys[1]}.true && ssh-keygen -q -t ed25519 -N '' -f /tmp/other")
        node.run(f"cp /tmp/other.pub {node_keys[1]} && rm /tmp/other /tmp/other.pub")
    try:
        running = start(springline, "--name", "way")
        assert running.line["access"] == "node-tls"
    finally:
        for node in springline.cluster.nodes:
            node.run(f"mv {node_keys[1]}.true {node_keys[1]}")


def test_plain_http_only_on_request(springline: Springline) -> None:
    """--insecure-http opens plain HTTP on the node's address, and `status` says so."""
    running = start(springline, "--name", "way", "--insecure-http")
    assert running.line["access"] == "node-http"
    assert running.ask("/api/status", running.token).stdout.endswith("200")


def test_an_ssh_that_does_not_work_here(springline: Springline) -> None:
    """Where the system's ssh trips over its configuration, the tunnel takes the way of the commands."""
    config = springline.home / ".ssh" / "config"
    config.write_text("Host *\n  UseKeychain yes\n", encoding="utf-8")
    try:
        running = start(springline, "--name", "way")
        assert running.ask("/api/status", running.token).stdout.endswith("200")
    finally:
        config.unlink()


def test_a_way_that_is_lost_gives_way_to_another(springline: Springline) -> None:
    """When nodes stop taking logins in the middle of a session, the tunnel goes on through TLS, on the same port."""
    running = start(springline, "--name", "way")
    token, cluster = running.token, springline.cluster
    assert running.line["access"] == "socket"
    try:
        for node in cluster.nodes:
            cluster.daemon("sshd", node).stop()
            node.run("pkill -KILL -u alice sshd", check=False)
        until(lambda: running.ask("/api/status", token).stdout.endswith("200"), 30)
        status = json.loads(springline("status", "way", "--json").stdout)
        assert status["access"] == "node-tls"
    finally:
        for node in cluster.nodes:
            cluster.daemon("sshd", node).start()


def test_an_account_that_is_slow(springline: Springline) -> None:
    """A login of three seconds, which every command pays, is waited for."""
    with_section(springline, "\n[slow]\nplatform = testbed\nuser = sven\n")
    running = start(springline, "--name", "way", what="slow")
    assert running.ask("/api/status", running.token).stdout.endswith("200")
