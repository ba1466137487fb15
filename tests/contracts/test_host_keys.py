"""A host is who it was: unknown keys are asked for, changed ones never accepted, other people's files stay whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing

import pytest

from launcher.errors import ConfigurationError, HostKeyError
from launcher.transports.base import Asker, Node
from tests.contracts.conftest import NOBODY, Reach
from tests.contracts.sshd import Sshd, public

YES = Asker(confirm=lambda question: True)


def test_unknown_host_is_refused(reach: Reach, sshd: Sshd) -> None:
    """With nobody to ask, an unknown host key ends with its own exit code and shows the fingerprint."""
    with pytest.raises(HostKeyError, match="SHA256:" if reach.is_fabric else "not known") as error:
        reach(sshd, known=False).open()
    assert error.value.exit_code == 12
    assert not reach.known_hosts.exists()


def test_unknown_host_is_saved_after_a_yes(reach: Reach, sshd: Sshd) -> None:
    """A confirmed key is added to known_hosts as OpenSSH writes it, and not asked for again."""
    reach.known_hosts.write_text("# mine\n")
    questions: list[str] = []

    def yes(question: str) -> bool:
        questions.append(question)
        return True

    reach(sshd, Asker(confirm=yes), known=False).open()
    assert len(questions) == 1 and "SHA256:" in questions[0]
    remark, line = reach.known_hosts.read_text().splitlines()
    assert remark == "# mine"
    assert line.split()[-2:] == sshd.known_hosts().split()[1:3]
    reach(sshd, NOBODY, known=False).open()


def test_known_hosts_of_others_stay_whole(fabric: Reach, sshd: Sshd) -> None:
    """A file whose last line has no end keeps that line, and lines that are no entries stop nobody."""
    before = "not an entry at all\nother.example ssh-ed25519 AAAA-mangled"
    fabric.known_hosts.write_text(before)
    fabric(sshd, YES, known=False).open()
    assert fabric.known_hosts.read_text().splitlines()[:2] == before.splitlines()
    assert fabric(sshd, known=False).run("echo in").text == "in\n"


def test_no_is_no(reach: Reach, sshd: Sshd) -> None:
    """A key that was not confirmed is not used and not saved."""
    with pytest.raises(HostKeyError):
        reach(sshd, Asker(confirm=lambda _: False), known=False).open()
    assert not reach.known_hosts.exists()


def test_changed_host_key_is_never_accepted(reach: Reach, serve: Callable[..., Sshd]) -> None:
    """Another key than the known one is refused with both fingerprints, whatever anybody would answer."""
    server = serve()
    before = server.known_hosts()
    reach.known_hosts.write_text(before)
    server.change_host_key()
    with pytest.raises(HostKeyError, match="CHANGED") as error:
        reach(server, Asker(confirm=lambda _: True, secret=lambda _: "secret"), known=False).open()
    assert error.value.exit_code == 12
    assert re.search(rf"ssh-keygen .*-R .\[{server.host}\]:{server.port}", error.value.hint)
    assert reach.known_hosts.read_text() == before
    if reach.is_fabric:
        assert error.value.message.count("SHA256:") == 2


def test_revoked_host_key_is_never_accepted(reach: Reach, sshd: Sshd) -> None:
    """A key that known_hosts revokes is refused, whatever anybody would answer."""
    reach.known_hosts.write_text(f"@revoked * {public(sshd.host_key)}")
    with pytest.raises(HostKeyError, match="REVOKED" if reach.is_fabric else None):
        reach(sshd, YES, known=False).open()


def test_broken_known_hosts(reach: Reach, sshd: Sshd) -> None:
    """A mangled line in known_hosts never makes a host known."""
    reach.known_hosts.write_text(f"[{sshd.host}]:{sshd.port} ssh-ed25519 AAAA-not-a-key\n")
    with pytest.raises((ConfigurationError, HostKeyError)):
        reach(sshd, known=False).open()


def test_jump_host_is_checked_too(reach: Reach, sshd: Sshd, serve: Callable[..., Sshd]) -> None:
    """An impostor in the place of the jump host, or of the host behind it, is noticed."""
    inner = serve()
    for known, stranger in ((sshd, inner), (inner, sshd)):
        reach.known_hosts.write_text(known.known_hosts())
        with pytest.raises(HostKeyError):
            reach.through(sshd, inner).open()
        reach.known_hosts.write_text(known.known_hosts() + stranger.known_hosts())
        with closing(reach.through(sshd, inner)) as transport:  # a live connection of ssh's would be used again
            assert transport.run("echo in").text == "in\n"


@pytest.mark.parametrize("keys", [(), ("ssh-ed25519 AAAA",), "another"], ids=["none", "mangled", "another"])
def test_node_with_another_key(
    reach: Reach, sshd: Sshd, serve: Callable[..., Sshd], keys: tuple[str, ...] | str
) -> None:
    """A node is refused unless it shows a key that the session recorded; known_hosts of the user does not count."""
    node = serve(host="127.0.0.78", port=22)
    node.authorized.write_text(public(sshd.user_key))
    reach.known_hosts.write_text(sshd.known_hosts() + node.known_hosts())
    told = (public(sshd.host_key).strip(),) if isinstance(keys, str) else keys
    beyond = reach(sshd, YES, known=False).beyond(Node(node.host, "root", told))
    with pytest.raises(HostKeyError) as error:
        beyond.open()
    assert error.value.exit_code == 12
