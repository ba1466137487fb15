"""Passwords and one-time codes, in every order a server may want them: a real sshd with PAM behind it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from launcher.errors import AuthenticationError, ConnectError
from launcher.transports.base import Asker, Node, Transport
from tests.contracts.conftest import Person, Reach
from tests.contracts.sshd import CODE, PASSWORD, Factors, Sshd, new_key, public

SECRET = "sesame 42"
CODES = ("12345678", "23456789", "34567890")
KEY_AND_CODE = Factors("publickey,keyboard-interactive", (CODE,), codes=CODES)
PASSWORD_AND_CODE = Factors("keyboard-interactive", (PASSWORD, CODE), SECRET, CODES)
CODE_AND_KEY = Factors("keyboard-interactive,publickey", (CODE,), codes=CODES)
PASSWORD_AND_KEY = Factors("password,publickey", (PASSWORD,), SECRET)
EITHER = Factors("publickey,password publickey,keyboard-interactive", (PASSWORD,), SECRET)
BOTH_THE_SAME = Factors("password,keyboard-interactive", (PASSWORD,), SECRET)
PASSWORD_ALONE = Factors("password", (PASSWORD,), SECRET)

ORDERS = {
    "key and code": (KEY_AND_CODE, ["verification"]),
    "password and code": (PASSWORD_AND_CODE, ["password", "verification"]),
    "code and key": (CODE_AND_KEY, ["verification"]),
    "password and key": (PASSWORD_AND_KEY, ["password"]),
    "key and either": (EITHER, ["password"]),
    "the password twice": (BOTH_THE_SAME, ["password"]),
    "password": (PASSWORD_ALONE, ["password"]),
}


def asked(person: Person) -> list[str]:
    """The words by which the prompts are known."""
    return [word for prompt in person.asked for word in ("password", "verification") if word in prompt.lower()]


def again(transport: Transport, server: Sshd) -> None:
    """Lose the connection, and use it once more."""
    server.drop_connections()
    with suppress(ConnectError):  # it may be the first to find out
        transport.run("true")
    assert transport.run("echo again").text == "again\n"


@pytest.mark.parametrize("order", list(ORDERS))
def test_every_order(reach: Reach, serve: Callable[..., Sshd], order: str) -> None:
    """Whatever the server wants, one question for each secret opens the door for a whole command."""
    factors, expected = ORDERS[order]
    person = Person(password=SECRET, verification=CODES[0])
    transport = reach(serve(factors), person.asker)
    assert [transport.run("echo in").text for _ in range(3)] == ["in\n"] * 3
    if reach.is_fabric or order != "the password twice":  # ssh itself asks twice
        assert asked(person) == expected


def test_who_asks_is_said(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """A prompt begins with the account, so that one host cannot ask in the name of another."""
    person = Person(verification=CODES[0])
    server = serve(KEY_AND_CODE)
    fabric(server, person.asker).open()
    assert person.asked == [f"(root@{server.host}) Verification code: "]


def test_visible_answer(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """Where the server lets an answer be seen, it may be; where nobody has a way for that, it is asked for hidden."""
    factors = Factors("keyboard-interactive", (f"{CODE} echo_verification_code",), codes=CODES)
    person = Person(verification=CODES[0])
    server = serve(factors)
    fabric(server, person.asker).open()
    assert person.seen == person.asked != []
    fabric(server, Asker(secret=lambda prompt: CODES[1])).open()


@pytest.mark.parametrize("factors", [PASSWORD_AND_CODE, KEY_AND_CODE], ids=["password and code", "key and code"])
def test_password_is_remembered_and_a_code_is_not(fabric: Reach, serve: Callable[..., Sshd], factors: Factors) -> None:
    """After a lost connection, the password of before is used again and only the code is asked for."""
    server = serve(factors)
    person = Person(password=SECRET, verification=CODES[0])
    transport = fabric(server, person.asker)
    transport.open()
    person.asked.clear()
    person.answers["verification"] = CODES[1]
    again(transport, server)
    assert asked(person) == ["verification"]
    assert "PAM: Authentication failure" not in (server.directory / "log").read_text()


def test_password_is_remembered(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """After a lost connection, nobody is asked for the password again."""
    server = serve(PASSWORD_ALONE)
    person = Person(password=SECRET)
    transport = fabric(server, person.asker)
    transport.open()
    again(transport, server)
    assert len(person.asked) == 1


@pytest.mark.parametrize("factors", [PASSWORD_ALONE, PASSWORD_AND_CODE], ids=["password", "questions"])
def test_typing_error(fabric: Reach, serve: Callable[..., Sshd], factors: Factors) -> None:
    """A slip of the finger may be corrected."""
    answers = iter(["wrong", SECRET, CODES[0]])
    assert fabric(serve(factors), Asker(secret=lambda prompt: next(answers))).run("echo in").text == "in\n"


@pytest.mark.slow
@pytest.mark.parametrize("order", ["password", "key and code", "password and code"])
def test_wrong_answers(fabric: Reach, serve: Callable[..., Sshd], order: str, caplog: pytest.LogCaptureFixture) -> None:
    """After three wrong answers it ends with 11, and what was typed is in no message and no log."""
    caplog.set_level(logging.DEBUG)
    person = Person(password="barley-9", verification="99999999")
    with pytest.raises(AuthenticationError, match="did not accept") as error:
        fabric(serve(ORDERS[order][0]), person.asker).open()
    assert error.value.exit_code == 11
    assert len(person.asked) == 3
    assert not re.search("barley-9|99999999", f"{error.value.message} {error.value.hint} {caplog.text}")


@pytest.mark.parametrize("order", list(ORDERS))
def test_nobody_to_ask(reach: Reach, serve: Callable[..., Sshd], order: str) -> None:
    """Without a terminal it ends at once with 11; it says what was wanted, and where it can be answered."""
    with pytest.raises(AuthenticationError) as error:
        reach(serve(ORDERS[order][0])).open()
    assert error.value.exit_code == 11
    if reach.is_fabric:
        assert re.search("asks for.*(password|code)", error.value.message, re.IGNORECASE)
        assert "terminal" in error.value.hint


def test_code_at_the_bastion(reach: Reach, serve: Callable[..., Sshd]) -> None:
    """A jump host with a key and a code, and a host behind it with a password: each asks in its own name, once."""
    bastion, inner = serve(KEY_AND_CODE), serve(PASSWORD_ALONE)
    reach.known_hosts.write_text(bastion.known_hosts() + inner.known_hosts())
    person = Person(verification=CODES[0], password=SECRET)
    transport = reach.through(bastion, inner, person.asker)
    assert [transport.run("echo in").text for _ in range(2)] == ["in\n"] * 2
    assert asked(person) == ["verification", "password"]


def test_locked_key_then_code(fabric: Reach, serve: Callable[..., Sshd]) -> None:
    """A key with a passphrase, then a code: two questions."""
    server = serve(KEY_AND_CODE)
    locked = new_key(fabric.home / "locked", "open sesame")
    server.authorized.write_text(locked.with_suffix(".pub").read_text())
    person = Person(passphrase="open sesame", verification=CODES[0])
    assert fabric(server, person.asker, key=locked).run("echo in").text == "in\n"
    assert len(person.asked) == 2


def test_node_never_asks(reach: Reach, sshd: Sshd, serve: Callable[..., Sshd]) -> None:
    """A node that wants a password is an authentication error: nobody is asked in the middle of a session."""
    node = serve(PASSWORD_ALONE, host="127.0.0.75", port=22)
    person = Person(password=SECRET)
    beyond = reach(sshd, person.asker).beyond(Node(node.host, "root", (public(node.host_key).strip(),)))
    with pytest.raises(AuthenticationError):
        beyond.open()
    assert person.asked == []


def test_node_with_the_unlocked_key(fabric: Reach, sshd: Sshd, serve: Callable[..., Sshd], locked: Path) -> None:
    """A passphrase that was given for the login host serves for the node too."""
    node = serve(host="127.0.0.74", port=22)
    node.authorized.write_text(public(locked))
    person = Person(passphrase="open sesame")
    beyond = fabric(sshd, person.asker, key=locked).beyond(Node(node.host, "root", (public(node.host_key).strip(),)))
    assert beyond.run("echo in").text == "in\n"
    assert len(person.asked) == 1
