"""The keys a login may try: files of the user, and what the agent holds."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

DEFAULTS = ("id_ed25519", "id_ecdsa", "id_rsa")
CERTIFICATE = "-cert-v01@openssh.com"
MAGIC = b"openssh-key-v1\0"
CLASSES: dict[str, Any] = {
    "ssh-ed25519": paramiko.Ed25519Key,
    "ecdsa-sha2-nistp256": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp384": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp521": paramiko.ECDSAKey,
    "ssh-rsa": paramiko.RSAKey,
}
# What paramiko and cryptography raise for a wrong passphrase or a damaged file, by kind of key.
UNREADABLE = (paramiko.SSHException, ValueError, TypeError, OSError, IndexError)


@dataclass(frozen=True)
class Identity:
    """One key or certificate. Its private half is in a file, or with the agent."""

    name: str  # for people
    public: bytes  # as it is sent; empty where only the passphrase can tell
    file: Path | None = None
    agent: paramiko.AgentKey | None = None

    @property
    def kind(self) -> str:
        """As in known_hosts: ssh-ed25519, ssh-rsa, …"""
        return paramiko.Message(self.public).get_text() if self.public else ""

    def algorithm(self, accepted: Iterable[str]) -> str:
        """The signature's name. RSA keys have several; `accepted` is what the server said it takes, if anything."""
        kind, is_certificate, _ = self.kind.partition(CERTIFICATE)
        if kind == "ssh-rsa":
            said = set(accepted)
            kind = "rsa-sha2-256" if said and "rsa-sha2-512" not in said else "rsa-sha2-512"
        return kind + is_certificate


@contextmanager
def held_by_agent() -> Iterator[dict[bytes, paramiko.AgentKey]]:
    """What the user's agent can sign with, by the public half; nothing where there is no agent."""
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        yield {}
        return
    try:
        yield {key.blob: key for key in agent.get_keys()}
    finally:
        agent.close()


def find(files: Iterable[Path], held: dict[bytes, paramiko.AgentKey], *, others: bool) -> list[Identity]:
    """The identities of these files, the agent's where it holds them; with `others`, then everything else it holds."""
    held = dict(held)
    found: list[Identity] = []
    for file in files:
        for public in (*_certificates(file), public_half(file)):
            found.append(Identity(str(file), public, file, held.pop(public, None) if public else None))
    if others:
        found += [Identity(f"{key.comment or key.get_name()} (agent)", blob, None, key) for blob, key in held.items()]
    return found


def default_files() -> list[Path]:
    """The user's keys that have the usual names."""
    files = [Path.home() / ".ssh" / name for name in DEFAULTS]
    return [file for file in files if file.is_file()]


def public_half(file: Path) -> bytes:
    """The public key that belongs to a private one, without its passphrase; empty where that cannot be had."""
    with suppress(OSError, ValueError, IndexError):
        text = file.read_text(errors="replace")
        if "BEGIN OPENSSH PRIVATE KEY" in text:
            body = base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("---")))
            message = paramiko.Message(body.removeprefix(MAGIC))
            for _ in ("cipher", "its key's making", "that's options"):
                message.get_string()
            message.get_int()
            return message.get_string()
    beside = _public_line(file.with_name(file.name + ".pub")) or _public_line(file)
    if beside:
        return beside
    with suppress(*UNREADABLE):
        return load(file, b"", "").asbytes()
    return b""


def load(file: Path, public: bytes, passphrase: str) -> paramiko.PKey:
    """The private key. Raises PasswordRequiredException, or what UNREADABLE lists."""
    kind = paramiko.Message(public).get_text().partition(CERTIFICATE)[0] if public else ""
    failure: Exception = paramiko.SSHException(f"{file} is no private key")
    for make in [CLASSES[kind]] if kind in CLASSES else [paramiko.RSAKey, paramiko.ECDSAKey, paramiko.Ed25519Key]:
        try:
            key: paramiko.PKey = make(filename=str(file), password=passphrase or None)
        except paramiko.PasswordRequiredException:
            raise
        except UNREADABLE as error:
            failure = error
        else:
            return key
    raise failure


def signer(key: paramiko.PKey, algorithm: str) -> Callable[[bytes], bytes]:
    """How a key signs: from a file or through the agent, certificates with the key they are for."""

    def sign(data: bytes) -> bytes:
        signed = key.sign_ssh_data(data, algorithm)
        return signed if isinstance(signed, bytes) else signed.asbytes()

    return sign


def _certificates(file: Path) -> list[bytes]:
    public = _public_line(file.with_name(file.name + "-cert.pub"))
    return [public] if public else []


def _public_line(file: Path) -> bytes:
    """The key of a line TYPE BASE64 COMMENT, if that is what the file holds."""
    try:
        kind, text, *_ = file.read_text(errors="replace").split(None, 2)
        blob = base64.b64decode(text, validate=True)
    except (OSError, ValueError, binascii.Error):
        return b""
    return blob if paramiko.Message(blob).get_string() == kind.encode() else b""
