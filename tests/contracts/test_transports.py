"""What every transport must do, here and through a real sshd; and how SSH's own doors open and stay shut."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.errors import AuthenticationError, ConfigurationError, ConnectError, HostKeyError
from launcher.model import Platform
from launcher.schedulers.base import Answer
from launcher.transports.base import Asker, Tcp, Transport
from launcher.transports.fabric import FabricTransport
from launcher.transports.local import LocalTransport
from tests.contracts.sshd import HOST, Sshd, new_key, public, reason_to_skip

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
NOBODY = Asker()


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One server for all tests that do not change it for others."""
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home with no agent: nothing of the real ~/.ssh is seen or touched."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture(params=["local", "fabric"])
def transport(request: pytest.FixtureRequest, home: Path) -> Iterator[Transport]:
    """Each transport, ready to use."""
    found: Transport
    if request.param == "local":
        found = LocalTransport()
    else:
        sshd: Sshd = request.getfixturevalue("sshd")
        (home / ".ssh" / "known_hosts").write_text(sshd.known_hosts())
        found = FabricTransport(platform(sshd), NOBODY)
    with closing(found):
        yield found


def platform(sshd: Sshd, *, host: str = HOST, key: Path | None = None, port: int | None = None) -> Platform:
    """A platform behind the server."""
    return Platform(name="x", host=host, user="root", port=port or sshd.port, keypath=str(key or sshd.user_key))


def through(
    sshd: Sshd, home: Path, ask: Asker = NOBODY, *, key: Path | None = None, known: bool = True
) -> FabricTransport:
    """A transport to the server from a home that knows its host key, or does not."""
    if known:
        (home / ".ssh" / "known_hosts").write_text(sshd.known_hosts())
    return FabricTransport(platform(sshd, key=key), ask)


# --- Every transport -------------------------------------------------------------------------------


def test_runs_scripts(transport: Transport) -> None:
    """Output, errors and exit code come back apart, to the byte."""
    assert transport.run("printf out; echo err >&2; exit 3") == Answer("out", "err\n", 3)


def test_unicode_and_line_ends(transport: Transport) -> None:
    """Text comes back as it was printed: no translation of letters or line ends, as of a progress bar's."""
    text = "Grüße, 春\r 50%\r100%\r\nend"
    assert transport.run(f"cat <<'end-mark'\n{text}\nend-mark").text == text + "\n"


def test_bytes_that_are_no_text(transport: Transport) -> None:
    """Binary rubbish in a log is shown as such and never an error."""
    assert transport.run(r"printf 'a\377b'").text == "a\ufffdb"


@pytest.mark.parametrize("stream", ["", " >&2"], ids=["output", "errors"])
def test_big_output(transport: Transport, stream: str) -> None:
    """5 MB come through on either stream, none of it lost or stuck."""
    answer = transport.run(f"head -c 5000000 /dev/zero | tr '\\0' x{stream}", timeout=20)
    assert (len(answer.text), len(answer.errors)) == ((5_000_000, 0) if not stream else (0, 5_000_000))


def test_home_of_the_user(transport: Transport) -> None:
    """A script starts in the user's environment, with a home and a path."""
    assert transport.run('[ -d "$HOME" ] && command -v sh >/dev/null && echo yes').text == "yes\n"


def test_many_scripts_at_once(transport: Transport) -> None:
    """Threads share a transport: a watch that waits does not hold up another question."""
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = transport.run(f"sleep 0.3; echo {number}").text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {number: f"{number}\n" for number in range(8)}


def test_connects_to_a_port(transport: Transport) -> None:
    """A stream to a listening port carries bytes both ways, and an end of sending that leaves the other way open."""
    with socket.create_server((HOST, 0)) as listener:

        def shout() -> None:
            connection, _ = listener.accept()
            with connection:
                heard = b"".join(iter(lambda: connection.recv(65536), b""))
                connection.sendall(heard.upper())

        server = threading.Thread(target=shout)
        server.start()
        with closing(transport.connect(Tcp(HOST, listener.getsockname()[1]))) as stream:
            stream.sendall(b"hello " * 20000)
            stream.end_sending()
            assert b"".join(iter(lambda: stream.recv(65536), b"")) == b"HELLO " * 20000
        server.join(5)


def test_closed_port_is_a_connect_error(transport: Transport) -> None:
    """Where nothing listens, the error says the address, and the transport goes on working."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match=f"{HOST}:{port}"):
        transport.connect(Tcp(HOST, port))
    assert transport.run("echo on").text == "on\n"


def test_close_wakes_a_reader(transport: Transport) -> None:
    """Closing a stream ends the recv of another thread."""
    with socket.create_server((HOST, 0)) as listener:
        stream = transport.connect(Tcp(HOST, listener.getsockname()[1]))
        connection, _ = listener.accept()
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.append(stream.recv(1)))
        reader.start()
        time.sleep(0.2)
        stream.close()
        reader.join(5)
        connection.close()
    assert said == [b""]


def test_command_that_takes_too_long(transport: Transport) -> None:
    """A command that does not end in time is a lost connection, which is no word about what it did."""
    with pytest.raises(ConnectError):
        transport.run("sleep 30", timeout=0.5)
    assert transport.run("echo on").text == "on\n"


def test_shell_that_dies(transport: Transport) -> None:
    """A shell killed in the middle is a lost connection, not an empty answer."""
    with pytest.raises(ConnectError, match="connection was lost"):
        transport.run("echo half; kill -9 $$")


# --- SSH -------------------------------------------------------------------------------------------


def test_comes_back_after_the_connection_was_killed(sshd: Sshd, home: Path) -> None:
    """A connection killed on the server's side is an error for what ran then, and a new one for what comes next."""
    with closing(through(sshd, home)) as transport:
        transport.open()
        timer = threading.Timer(0.5, sshd.drop_connections)
        timer.start()
        with pytest.raises(ConnectError):
            transport.run("sleep 20; echo survived")
        assert transport.run("echo back").text == "back\n"


def test_unknown_host_is_refused(sshd: Sshd, home: Path) -> None:
    """With nobody to ask, an unknown host key ends with its own exit code and shows the fingerprint."""
    with pytest.raises(HostKeyError, match="ssh-ed25519 SHA256:") as error:
        through(sshd, home, known=False).open()
    assert error.value.exit_code == 12
    assert not (home / ".ssh" / "known_hosts").exists()


def test_unknown_host_is_saved_after_a_yes(sshd: Sshd, home: Path) -> None:
    """A confirmed key is added to known_hosts as OpenSSH writes it, and not asked for again."""
    hosts = home / ".ssh" / "known_hosts"
    hosts.write_text("# mine\n")
    questions: list[str] = []

    def yes(question: str) -> bool:
        questions.append(question)
        return True

    with closing(through(sshd, home, Asker(confirm=yes), known=False)) as transport:
        transport.open()
    assert len(questions) == 1
    remark, line = hosts.read_text().splitlines()
    assert remark == "# mine"
    assert line.split() == sshd.known_hosts().split()[:3]
    with closing(FabricTransport(platform(sshd), NOBODY)) as again:
        again.open()


def test_known_hosts_of_others_stay_whole(sshd: Sshd, home: Path) -> None:
    """A file whose last line has no end keeps that line, and lines that are no entries stop nobody."""
    known = home / ".ssh" / "known_hosts"
    known.write_text("not an entry at all\nother.example ssh-ed25519 AAAA-mangled")
    with closing(through(sshd, home, Asker(confirm=lambda question: True), known=False)) as transport:
        transport.open()
    assert known.read_text().splitlines()[:2] == ["not an entry at all", "other.example ssh-ed25519 AAAA-mangled"]
    with closing(through(sshd, home, known=False)) as transport:
        assert transport.run("echo in").text == "in\n"


def test_no_key_at_all(sshd: Sshd, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop without any key is told that the host does not accept it, not that the network is down."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    transport = FabricTransport(replace(platform(sshd), keypath=None), Asker(confirm=lambda question: True))
    with closing(transport), pytest.raises(AuthenticationError) as error:
        transport.open()
    assert error.value.exit_code == 11


def test_no_is_no(sshd: Sshd, home: Path) -> None:
    """A key that was not confirmed is not used and not saved."""
    with pytest.raises(HostKeyError):
        through(sshd, home, Asker(confirm=lambda _: False), known=False).open()
    assert not (home / ".ssh" / "known_hosts").exists()


def test_changed_host_key_is_never_accepted(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another key than the known one is refused with both fingerprints, whatever anybody would answer."""
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    server = Sshd(tmp_path_factory.mktemp("impostor"))
    try:
        before = server.known_hosts()
        (home / ".ssh" / "known_hosts").write_text(before)
        server.change_host_key()
        with pytest.raises(HostKeyError, match="CHANGED") as error:
            FabricTransport(platform(server), Asker(confirm=lambda _: True, secret=lambda _: "secret")).open()
    finally:
        server.stop()
    assert error.value.exit_code == 12
    assert error.value.message.count("SHA256:") == 2
    assert "ssh-keygen -R" in error.value.hint
    assert (home / ".ssh" / "known_hosts").read_text() == before


def test_wrong_key(sshd: Sshd, home: Path) -> None:
    """A key the account does not have is an authentication error that names the key and the account."""
    stranger = new_key(home / "stranger")
    with pytest.raises(AuthenticationError, match=f"'root' with {stranger}") as error:
        through(sshd, home, key=stranger).open()
    assert error.value.exit_code == 11


@pytest.fixture
def locked(sshd: Sshd, home: Path) -> Path:
    """A key with a passphrase that the account accepts."""
    key = new_key(home / "locked", "open sesame")
    with sshd.authorized.open("a") as lines:
        lines.write(public(key))
    return key


def test_passphrase_is_asked_for(sshd: Sshd, home: Path, locked: Path) -> None:
    """The passphrase is asked for once, with the key's name, and serves again when the connection was lost."""
    prompts: list[str] = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return "open sesame"

    with closing(through(sshd, home, Asker(secret=answer), key=locked)) as transport:
        assert transport.run("echo in").text == "in\n"
        sshd.drop_connections()
        with suppress(ConnectError):  # it may be the first to find out
            transport.run("true")
        assert transport.run("echo again").text == "again\n"
    assert prompts == [f"Passphrase for {locked}: "]


def test_agent(sshd: Sshd, home: Path, locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that only the user's agent can use opens the connection, and nobody is asked."""
    sock, askpass = home / "agent", home / "askpass"
    askpass.write_text("#!/bin/sh\necho 'open sesame'\n")
    askpass.chmod(0o700)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        while not sock.exists():
            time.sleep(0.01)
        asking = {"SSH_AUTH_SOCK": str(sock), "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", str(locked)], env={**os.environ, **asking}, check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        with closing(through(sshd, home, key=locked)) as transport:
            assert transport.run("echo in").text == "in\n"
    finally:
        agent.kill()
        agent.wait()


def test_wrong_passphrase(sshd: Sshd, home: Path, locked: Path) -> None:
    """A wrong passphrase is asked for three times, as ssh does, ends as an authentication error and is not kept."""
    prompts: list[str] = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return "open barley" if len(prompts) <= 3 else "open sesame"

    with closing(through(sshd, home, Asker(secret=answer), key=locked)) as transport:
        with pytest.raises(AuthenticationError, match="passphrase") as error:
            transport.open()
        assert error.value.exit_code == 11
        assert "barley" not in error.value.message
        assert transport.run("echo in").text == "in\n"


def test_passphrase_without_anybody_to_ask(sshd: Sshd, home: Path, locked: Path) -> None:
    """Without a terminal the error says what to do before: ssh-add, with the key."""
    with pytest.raises(AuthenticationError) as error:
        through(sshd, home, key=locked).open()
    assert f"ssh-add {locked}" in error.value.hint


def test_key_that_is_not_there(sshd: Sshd, home: Path) -> None:
    """A keypath that leads nowhere is an error of configuration, said before any connection."""
    with pytest.raises(ConfigurationError, match="no readable private key"):
        through(sshd, home, key=home / "nothing").open()


def test_port_that_refuses(sshd: Sshd, home: Path) -> None:
    """A host without an SSH server is a connect error with its exit code and a next step."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match="refuses SSH connections") as error:
        FabricTransport(platform(sshd, port=port), NOBODY).open()
    assert (type(error.value), error.value.exit_code) == (ConnectError, 10)
    assert "port" in error.value.hint


def test_port_that_is_no_ssh_server(sshd: Sshd, home: Path) -> None:
    """A web server behind the port is a connect error, not a hang."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        server = threading.Thread(target=answer)
        server.start()
        with pytest.raises(ConnectError) as error:
            FabricTransport(platform(sshd, port=listener.getsockname()[1]), NOBODY).open()
        server.join(5)
    assert error.value.exit_code == 10


def test_unknown_host_name(sshd: Sshd, home: Path) -> None:
    """A name that no resolver knows is a connect error that says so."""
    with pytest.raises(ConnectError, match=r"'no-such-host\.invalid' is not known") as error:
        FabricTransport(platform(sshd, host="no-such-host.invalid"), NOBODY).open()
    assert error.value.exit_code == 10


def test_alias_of_the_ssh_config(sshd: Sshd, home: Path) -> None:
    """A host may be an alias of ~/.ssh/config: its HostName, Port, User and IdentityFile are used."""
    (home / ".ssh" / "config").write_text(
        f"Host cluster\n  HostName {HOST}\n  Port {sshd.port}\n  User root\n  IdentityFile {sshd.user_key}\n"
    )
    (home / ".ssh" / "known_hosts").write_text(sshd.known_hosts())
    with closing(FabricTransport(Platform(name="x", host="cluster"), NOBODY)) as transport:
        assert transport.run("id -un").text == "root\n"


def test_jump_host(sshd: Sshd, home: Path) -> None:
    """ProxyJump of ~/.ssh/config is followed, and the host key behind the jump is checked too."""
    (home / ".ssh" / "config").write_text(
        f"Host jump inner\n  HostName {HOST}\n  Port {sshd.port}\n  User root\n  IdentityFile {sshd.user_key}\n"
        "Host inner\n  ProxyJump jump\n"
    )
    (home / ".ssh" / "known_hosts").write_text(sshd.known_hosts())
    with closing(FabricTransport(Platform(name="x", host="inner"), NOBODY)) as transport:
        assert transport.run("echo through").text == "through\n"
    (home / ".ssh" / "known_hosts").unlink()
    with pytest.raises(HostKeyError):
        FabricTransport(Platform(name="x", host="inner"), NOBODY).open()


def test_broken_ssh_config(sshd: Sshd, home: Path) -> None:
    """A mistake in ~/.ssh/config is said as one, with the file."""
    (home / ".ssh" / "config").write_text("Host x\n  this is not a line\n  Match nonsense\n")
    with pytest.raises(ConfigurationError, match=r"~/\.ssh/config"):
        through(sshd, home).open()


def test_broken_known_hosts(sshd: Sshd, home: Path) -> None:
    """A mangled line in known_hosts never makes a host known."""
    (home / ".ssh" / "known_hosts").write_text(f"[{HOST}]:{sshd.port} ssh-ed25519 AAAA-not-a-key\n")
    with pytest.raises((ConfigurationError, HostKeyError)):
        FabricTransport(platform(sshd), NOBODY).open()
