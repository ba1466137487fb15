"""Host keys: an unknown one is shown and asked for, then saved; a changed one is never accepted."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from launcher.errors import ConfigurationError, HostKeyError
from launcher.transports.base import Asker, Node

REVOKED = "@revoked "
SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")


def known_hosts() -> Path:
    """The user's known_hosts file, shared with OpenSSH."""
    return Path.home() / ".ssh" / "known_hosts"


def check_host_keys(client: paramiko.SSHClient, ask: Asker) -> None:
    """Let a client accept the keys OpenSSH knows, and ask about others. Lines it cannot read count for nothing."""
    lines = [line.strip() for file in (SYSTEM_FILE, known_hosts()) for line in _lines(file)]
    revoked = {
        entry.key for entry in _entries(line.removeprefix(REVOKED) for line in lines if line.startswith(REVOKED))
    }
    for entry in _entries(line for line in lines if not line.startswith("@")):
        if entry.key not in revoked:
            for name in entry.hostnames:
                client.get_host_keys().add(name, entry.key.get_name(), entry.key)
    client.set_missing_host_key_policy(AskAndSave(ask, revoked))


def trust_only(client: paramiko.SSHClient, node: Node) -> None:
    """Let a client accept the keys that a node is known by, and no others. Kinds it cannot read count for nothing."""
    for entry in _entries(f"{node.host} {line}" for line in node.host_keys):
        client.get_host_keys().add(node.host, entry.key.get_name(), entry.key)
    client.set_missing_host_key_policy(Refuse())


def changed_key(error: paramiko.BadHostKeyException, name: str) -> HostKeyError:
    """What to say about a host, by its name in known_hosts, that shows another key than before."""
    return HostKeyError(
        f"the host key of {error.hostname} has CHANGED; somebody may be listening in, so nothing was sent\n"
        f"  known:   {error.expected_key.get_name()} {error.expected_key.fingerprint}\n"
        f"  offered: {error.key.get_name()} {error.key.fingerprint}",
        f"ask the cluster's support whether the key was replaced; if so: ssh-keygen -R {shlex.quote(name)}",
    )


def name_of(host: str, port: int) -> str:
    """As a host stands in known_hosts."""
    return host if port == 22 else f"[{host}]:{port}"


def _entries(lines: Iterable[str]) -> Iterator[Any]:
    for line in lines:
        with suppress(InvalidHostKey, paramiko.SSHException):  # as OpenSSH does, pass over what is no entry
            entry = HostKeyEntry.from_line(line)
            if entry is not None and entry.key is not None:
                yield entry


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", "check that the file is yours") from error


class Refuse(paramiko.MissingHostKeyPolicy):
    """Nobody is asked."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Refuse."""
        raise HostKeyError(
            f"the host key of {hostname} is not known, so it cannot be told from another ({key.get_name()})",
            "another way to the session is used where there is one",
        )


class AskAndSave(paramiko.MissingHostKeyPolicy):
    """Show the fingerprint of an unknown host and go on only after a yes."""

    def __init__(self, ask: Asker, revoked: set[paramiko.PKey]) -> None:
        self._ask = ask
        self._revoked = revoked

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Ask, then append to known_hosts as OpenSSH would."""
        shown = f"{key.get_name()} {key.fingerprint}"
        if key in self._revoked:
            raise HostKeyError(
                f"the host key of {hostname} is REVOKED in known_hosts, so nothing was sent: {shown}",
                "ask the cluster's support for the new key",
            )
        if not self._ask.confirm(
            f"The host {hostname} is not known yet. Its key is\n  {shown}\nGo on and remember it?"
        ):
            raise HostKeyError(
                f"the host {hostname} is not known yet; its key is {shown}",
                "compare it with what the cluster publishes, then run again in a terminal or with --yes",
            )
        file = known_hosts()
        file.parent.mkdir(mode=0o700, exist_ok=True)
        broken = file.exists() and not file.read_bytes().endswith(b"\n") and file.stat().st_size > 0
        with file.open("a", encoding="utf-8") as lines:
            lines.write(("\n" if broken else "") + (HostKeyEntry([hostname], key).to_line() or ""))
