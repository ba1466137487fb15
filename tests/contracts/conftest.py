"""A home of its own for each test, a server for all, and every transport to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from launcher.model import Platform
from launcher.transports.base import Asker, Transport
from launcher.transports.fabric import FabricTransport
from launcher.transports.local import LocalTransport
from launcher.transports.openssh import OpenSshTransport
from tests.contracts.sshd import HOST, Factors, Sshd, new_key, public, reason_to_skip, reason_to_skip_codes

NOBODY = Asker()
OVER_SSH: dict[str, Callable[..., Transport]] = {"fabric": FabricTransport, "openssh": OpenSshTransport}
# ssh takes its home from the password file; this one takes it from the test.
SSH = """#!/bin/sh
{ cat ~/.ssh/config 2>/dev/null; echo 'Host *'; echo "UserKnownHostsFile $HOME/.ssh/known_hosts"; } >~/.ssh/merged
exec /usr/bin/ssh -F ~/.ssh/merged "$@"
"""


class Reach:
    """Makes transports of one kind, to servers of this test; closes them after it."""

    def __init__(self, make: Callable[..., Transport], home: Path) -> None:
        self._make = make
        self.is_fabric = make is FabricTransport
        self.home = home
        self.made: list[Transport] = []

    def __call__(
        self, server: Sshd, ask: Asker = NOBODY, *, key: Path | None = None, known: bool = True, login: str = ""
    ) -> Transport:
        """A transport to the server from a home that knows its host key, or does not."""
        if known:
            self.known_hosts.write_text(server.known_hosts())
        platform = Platform("x", host=server.host, user="root", port=server.port, keypath=str(key or server.user_key))
        return self.to(platform, ask, login=login)

    def to(self, platform: Platform, ask: Asker = NOBODY, *, login: str = "") -> Transport:
        """A transport to a platform."""
        self.made.append(self._make(platform, ask, login=login))
        return self.made[-1]

    def through(self, bastion: Sshd, inner: Sshd, ask: Asker = NOBODY) -> Transport:
        """A transport to `inner` with a ProxyJump over the bastion, whose names are in ~/.ssh/config."""
        places = (("bastion", bastion, ""), ("inner", inner, "  ProxyJump bastion\n"))
        self.config.write_text(
            "".join(
                f"Host {name}\n  HostName {server.host}\n  Port {server.port}\n  User root\n"
                f"  IdentityFile {server.user_key}\n  IdentitiesOnly yes\n{more}"
                for name, server, more in places
            )
        )
        return self.to(Platform("x", host="inner"), ask)

    @property
    def known_hosts(self) -> Path:
        """The user's file."""
        return self.home / ".ssh" / "known_hosts"

    @property
    def config(self) -> Path:
        """The user's ~/.ssh/config."""
        return self.home / ".ssh" / "config"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home with no agent: nothing of the real ~/.ssh is seen or touched."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(SSH)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return tmp_path


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One server for all tests that do not change it for others."""
    yield from _served(tmp_path_factory.mktemp("sshd"))


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sshd]]:
    """Starts servers that a test may ask, freeze or change as it likes: `serve(factors, host=…, port=…)`."""
    started: list[Sshd] = []

    def start(factors: Factors = Factors(), **places: str | int) -> Sshd:  # noqa: B008 - frozen
        reason = reason_to_skip_codes() if factors.pam else reason_to_skip()
        if reason:
            pytest.skip(reason)
        started.append(Sshd(tmp_path_factory.mktemp("server"), factors, **places))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(params=list(OVER_SSH))
def reach(request: pytest.FixtureRequest, home: Path) -> Iterator[Reach]:
    """Each transport that speaks SSH."""
    yield from _reached(OVER_SSH[request.param], home)


@pytest.fixture
def openssh(home: Path) -> Iterator[Reach]:
    """The transport through the system's ssh."""
    yield from _reached(OpenSshTransport, home)


@pytest.fixture
def fabric(home: Path) -> Iterator[Reach]:
    """The transport through paramiko alone."""
    yield from _reached(FabricTransport, home)


@pytest.fixture(params=["local", *OVER_SSH])
def transport(request: pytest.FixtureRequest, home: Path) -> Iterator[Transport]:
    """Each transport, ready to use."""
    if request.param == "local":
        yield LocalTransport()
        return
    for reach in _reached(OVER_SSH[request.param], home):
        yield reach(request.getfixturevalue("sshd"))


@pytest.fixture
def locked(sshd: Sshd, home: Path) -> Path:
    """A key with a passphrase ("open sesame") that the account accepts."""
    key = new_key(home / "locked", "open sesame")
    with sshd.authorized.open("a") as lines:
        lines.write(public(key))
    return key


class Person:
    """Somebody at the terminal, with an answer to each prompt by a word of it; notes what was asked."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.seen: list[str] = []  # asked for with a visible answer
        self.asker = Asker(secret=self.answer, visible=self._visible, confirm=lambda question: True)

    def answer(self, prompt: str) -> str | None:
        """What this prompt gets."""
        self.asked.append(prompt)
        return next((answer for word, answer in self.answers.items() if word in prompt.lower()), None)

    def _visible(self, prompt: str) -> str | None:
        self.seen.append(prompt)
        return self.answer(prompt)


def _served(directory: Path) -> Iterator[Sshd]:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    with closing(Sshd(directory)) as server:
        yield server


def _reached(make: Callable[..., Transport], home: Path) -> Iterator[Reach]:
    reach = Reach(make, home)
    yield reach
    for transport in reach.made:
        transport.close()


__all__ = ["HOST", "NOBODY", "Person", "Reach"]
