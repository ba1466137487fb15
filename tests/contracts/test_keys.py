"""Keys: of `keypath`, of ~/.ssh/config, of the agent, behind a passphrase; and what is said when none will do."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from launcher.errors import AuthenticationError, ConfigurationError, ConnectError
from launcher.model import Platform
from launcher.transports.base import Asker
from tests.contracts.conftest import Person, Reach
from tests.contracts.sshd import Sshd, new_key, public

PASSPHRASE = "open sesame"


def account(sshd: Sshd) -> Platform:
    """The platform without a `keypath`."""
    return Platform("x", host=sshd.host, user="root", port=sshd.port)


def test_wrong_key(reach: Reach, sshd: Sshd) -> None:
    """A key the account does not have is an authentication error that names the key and the account."""
    stranger = new_key(reach.home / "stranger")
    with pytest.raises(AuthenticationError, match="root") as error:
        reach(sshd, key=stranger).open()
    assert error.value.exit_code == 11
    if reach.is_fabric:
        assert f"'root' with {stranger}" in error.value.message


def test_wrong_key_is_not_helped_out(reach: Reach, sshd: Sshd) -> None:
    """With a `keypath`, no other key is tried: not one with a usual name, and not one of ~/.ssh/config."""
    usual = reach.home / ".ssh" / "id_ed25519"
    usual.write_bytes(sshd.user_key.read_bytes())
    usual.chmod(0o600)
    if reach.is_fabric:  # ssh itself adds those of ~/.ssh/config
        reach.config.write_text(f"Host *\n  IdentityFile {usual}\n")
    with pytest.raises(AuthenticationError):
        reach(sshd, key=new_key(reach.home / "stranger")).open()


def test_no_key_at_all(reach: Reach, sshd: Sshd) -> None:
    """A laptop without any key is told that the host does not accept it, not that the network is down."""
    with pytest.raises(AuthenticationError) as error:
        reach.to(account(sshd), Asker(confirm=lambda question: True)).open()
    assert error.value.exit_code == 11


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_usual_key(fabric: Reach, sshd: Sshd, kind: str) -> None:
    """Without a `keypath`, the keys with the usual names are tried, of each kind."""
    key = new_key(fabric.home / ".ssh" / f"id_{kind}", kind=kind)
    with sshd.authorized.open("a") as lines:
        lines.write(public(key))
    fabric.known_hosts.write_text(sshd.known_hosts())
    assert fabric.to(account(sshd)).run("echo in").text == "in\n"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_certificate(fabric: Reach, serve: Callable[..., Sshd], kind: str) -> None:
    """A certificate beside the key is used where the host trusts its signer, though it does not know the key."""
    authority = new_key(fabric.home / "authority")
    server = serve(extra=f"TrustedUserCAKeys {authority}.pub")
    key = new_key(fabric.home / "signed", kind=kind)
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", "root", f"{key}.pub"]
    subprocess.run(sign, check=True)
    assert fabric(server, key=key).run("echo in").text == "in\n"


@pytest.mark.parametrize("form", ["new", "old", "old without its public half"])
def test_passphrase_is_asked_for(reach: Reach, sshd: Sshd, locked: Path, form: str) -> None:
    """The passphrase is asked for once, with the key's name, and serves again when the connection was lost."""
    if form != "new":
        locked = new_key(reach.home / "old", PASSPHRASE, kind="rsa", form="PEM")
        with sshd.authorized.open("a") as lines:
            lines.write(public(locked))
    if "without" in form:
        locked.with_suffix(".pub").unlink()
    person = Person(passphrase=PASSPHRASE)
    transport = reach(sshd, person.asker, key=locked)
    assert transport.run("echo in").text == "in\n"
    sshd.drop_connections()
    if reach.is_fabric:  # ssh's own process knows the passphrase, and ends with its connection
        with suppress(ConnectError):  # it may be the first to find out
            transport.run("true")
        assert transport.run("echo again").text == "again\n"
    assert len(person.asked) == 1
    assert str(locked) in person.asked[0]


def test_passphrase_only_for_a_key_that_would_do(fabric: Reach, sshd: Sshd) -> None:
    """A locked key that the host does not know is not asked about."""
    stranger = new_key(fabric.home / "stranger", PASSPHRASE)
    person = Person(passphrase=PASSPHRASE)
    with pytest.raises(AuthenticationError, match="does not accept"):
        fabric(sshd, person.asker, key=stranger).open()
    assert person.asked == []


@pytest.fixture
def agent(home: Path, locked: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent that has unlocked the key."""
    sock, askpass = home / "agent", home / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{PASSPHRASE}'\n")
    askpass.chmod(0o700)
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        while not sock.exists():
            time.sleep(0.01)
        asking = {"SSH_AUTH_SOCK": str(sock), "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", str(locked)], env={**os.environ, **asking}, check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        yield sock
    finally:
        process.kill()
        process.wait()


def test_agent(reach: Reach, sshd: Sshd, locked: Path, agent: Path) -> None:
    """A key that only the user's agent can use opens the connection, and nobody is asked."""
    assert reach(sshd, key=locked).run("echo in").text == "in\n"


def test_agent_without_keypath(reach: Reach, sshd: Sshd, agent: Path) -> None:
    """Without a `keypath`, whatever the agent holds is tried."""
    reach.known_hosts.write_text(sshd.known_hosts())
    assert reach.to(account(sshd)).run("echo in").text == "in\n"


def test_agent_is_not_lent(reach: Reach, sshd: Sshd, locked: Path, agent: Path) -> None:
    """The agent stays at home, whatever ~/.ssh/config says: root over there could use it."""
    reach.config.write_text("Host *\n  ForwardAgent yes\n")
    assert reach(sshd, key=locked).run('echo "[$SSH_AUTH_SOCK]"').text == "[]\n"


def test_wrong_passphrase(fabric: Reach, sshd: Sshd, locked: Path) -> None:
    """A wrong passphrase is asked for three times, as ssh does, ends as an authentication error and is not kept."""
    person = Person(passphrase="open barley")
    transport = fabric(sshd, person.asker, key=locked)
    with pytest.raises(AuthenticationError, match="passphrase") as error:
        transport.open()
    assert error.value.exit_code == 11
    assert len(person.asked) == 3
    assert "barley" not in f"{error.value.message} {error.value.hint}"
    person.answers = {"passphrase": PASSPHRASE}
    assert transport.run("echo in").text == "in\n"


def test_passphrase_without_anybody_to_ask(reach: Reach, sshd: Sshd, locked: Path) -> None:
    """Without a terminal the error says what to do before: ssh-add, with the key."""
    with pytest.raises(AuthenticationError) as error:
        reach(sshd, key=locked).open()
    assert "ssh-add" in error.value.hint
    if reach.is_fabric:
        assert f"ssh-add {locked}" in error.value.hint


def test_key_that_is_not_there(fabric: Reach, sshd: Sshd) -> None:
    """A keypath that leads nowhere is an error of configuration, said before any connection."""
    with pytest.raises(ConfigurationError, match="no readable private key"):
        fabric(sshd, key=fabric.home / "nothing").open()


def test_key_that_is_none(fabric: Reach, sshd: Sshd) -> None:
    """A keypath that leads to something else is said to be unreadable, by name."""
    (fabric.home / "poem").write_text("It was many and many a year ago\n")
    with pytest.raises(AuthenticationError, match=f"{fabric.home / 'poem'} cannot be read"):
        fabric(sshd, key=fabric.home / "poem").open()


def test_too_many_keys(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """A host that hangs up after so many keys is an authentication error that says how to name the right one."""
    server = serve(extra="MaxAuthTries 2")
    fabric.known_hosts.write_text(server.known_hosts())
    files = "".join(f"  IdentityFile {new_key(fabric.home / f'key{number}')}\n" for number in range(4))
    fabric.config.write_text(f"Host *\n{files}")
    with pytest.raises(AuthenticationError, match="too many") as error:
        fabric.to(account(server)).open()
    assert "keypath" in error.value.hint
