"""Passwords, passphrases and one-time codes: asked for once in a command, and not at all where ssh has been let in."""

from __future__ import annotations

import pytest

from tests.slurm import factors, files
from tests.slurm.laptop import Springline, section
from tests.slurm.terminal import Terminal
from tests.slurm.upping import start

CODE: factors.Answers = {"code": factors.code}
PASSWORD: factors.Answers = {"assword": lambda: factors.PASSWORD}
WAYS: dict[str, factors.Answers] = {"sshd-otp": CODE, "sshd-password": PASSWORD, "sshd-password-otp": PASSWORD | CODE}
both = pytest.mark.parametrize("transport", ["fabric", "openssh"])


def springline_in(springline: Springline, *arguments: str) -> Terminal:
    """Run it on a terminal."""
    command = ["bash", "-lc", 'exec springline "$@"', "springline", *arguments]
    return Terminal(springline.cluster.laptop, command, user=springline.user)


@both
@pytest.mark.parametrize("way", WAYS)
def test_each_factor_is_asked_for_once(springline: Springline, transport: str, way: str) -> None:
    """A whole `up`: connect, submit, wait, tunnel; one question for each factor."""
    port = springline.cluster.want_more_than_a_key(way)
    section(springline, "factor", f"port = {port}\ntransport = {transport}")
    with springline_in(springline, "up", "factor", "--name", "factor", "--detach") as terminal:
        asked = terminal.answer(WAYS[way], timeout=60)
        assert terminal.returncode == 0, terminal.text
    assert asked == list(WAYS[way]), terminal.text
    assert factors.PASSWORD not in terminal.text


@both
def test_a_held_tunnel_asks_no_more(springline: Springline, transport: str) -> None:
    """`up` that stays: one code, and the address answers."""
    port = springline.cluster.want_more_than_a_key("sshd-otp")
    section(springline, "factor", f"port = {port}\ntransport = {transport}")
    with springline_in(springline, "up", "factor", "--name", "held", "--no-browser", "--show-token") as terminal:
        terminal.until("code[^\r\n]*:")
        terminal.type(factors.code())
        url = terminal.until(r"http://127\.0\.0\.1:\d+/lab\S*token=\w+", timeout=60)
        base, _, token = url.partition("/lab?token=")
        laptop = springline.cluster.laptop
        asked = laptop.run(["curl", "-s", "-m", "20", f"{base}/api/status?token={token}"], user=springline.user)
        assert "kernels" in asked.stdout, asked
        assert terminal.text.count("code") == 1, terminal.text


@both
def test_a_wrong_code_is_an_authentication_error(springline: Springline, transport: str) -> None:
    """Exit code 11, a hint and no traceback."""
    port = springline.cluster.want_more_than_a_key("sshd-otp")
    section(springline, "factor", f"port = {port}\ntransport = {transport}")
    with springline_in(springline, "up", "factor", "--detach") as terminal:
        terminal.answer({"code": lambda: "000000"}, timeout=60)
        assert terminal.returncode == 11, terminal.text
    assert "→" in terminal.text and "Traceback" not in terminal.text


@both
def test_without_a_terminal_nothing_is_asked(springline: Springline, transport: str) -> None:
    """In a script it fails at once with 11, and says what to do."""
    port = springline.cluster.want_more_than_a_key("sshd-otp")
    section(springline, "factor", f"port = {port}\ntransport = {transport}")
    refused = springline("up", "factor", "--detach", timeout=30)
    assert refused.returncode == 11 and "→" in refused.stderr, refused


@both
def test_a_passphrase_is_asked_for_once(springline: Springline, transport: str) -> None:
    """The key on the laptop has a passphrase."""
    key = springline.cluster.ssh_key.with_name("locked")
    script = f"cp {springline.cluster.ssh_key} {key}; ssh-keygen -q -p -P '' -N 'open sesame' -f {key}"
    springline.cluster.laptop.run(script, user=springline.user)
    section(springline, "locked", f"keypath = {key}\ntransport = {transport}")
    with springline_in(springline, "up", "locked", "--name", "locked", "--detach") as terminal:
        asked = terminal.answer({"assphrase": lambda: "open sesame"}, timeout=60)
        assert terminal.returncode == 0, terminal.text
    assert asked == ["assphrase"], terminal.text


def test_a_live_control_master_is_enough(springline: Springline) -> None:
    """Where the user's own ssh is connected already, transport openssh asks for nothing, terminal or not."""
    cluster = springline.cluster
    port = cluster.want_more_than_a_key("sshd-otp")
    config = f"Host login\n  User alice\n  Port {port}\n  IdentityFile {cluster.ssh_key}\n"
    config += "  ControlMaster auto\n  ControlPath ~/.ssh/master-%C\n  ControlPersist 60\n"
    files.write(springline.home / ".ssh/config", config, mode=0o600, owner=files.LAPTOP_USER.uid)
    section(springline, "master", f"port = {port}\ntransport = openssh")
    with Terminal(cluster.laptop, ["ssh", "login", "true"], user=springline.user) as terminal:
        assert terminal.answer(CODE) == ["code"]
    up = start(springline, "--name", "master", what="master")
    assert up.ask("/api/status", up.token).stdout.endswith("200"), up.said()
    assert springline("stop", "master").returncode == 0
    check = cluster.laptop.run(["ssh", "-O", "check", "login"], user=springline.user, check=False)
    assert "Master running" in check.stderr, "the user's own connection is left alone"


def test_a_bastion_with_a_second_factor(springline: Springline) -> None:
    """The code is asked for by the bastion; login behind it wants the key only."""
    cluster = springline.cluster
    port = cluster.want_more_than_a_key("sshd-otp", cluster.hosts["bastion"])
    config = cluster.jump_config().replace(":2222", f":{port}")
    files.write(springline.home / ".ssh/config", config, mode=0o600, owner=files.LAPTOP_USER.uid)
    section(springline, "behind", "host = inner\ntransport = openssh")
    with springline_in(springline, "up", "behind", "--name", "behind", "--detach") as terminal:
        asked = terminal.answer(CODE, timeout=60)
        assert terminal.returncode == 0, terminal.text
    assert asked == ["code"], terminal.text
