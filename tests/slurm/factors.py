"""Servers on login and the bastion that want more than a key: one-time codes (TOTP) and passwords. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Answers = Mapping[str, Callable[[], str]]  # a word of the question → what to type

PASSWORD = "correct horse"
PASSWORD_HASH = "$6$springline$hf4rYy0lmDADIWBPn89MJzHCgs5ZtfaYxt2HtTExzSLCaMM2yfSNtwKVnJ/A.y2SchoFaAXoCA5C7OrdwrkNx."
_SECRET = b"springline"  # of a test cluster that nobody else can reach
SECRET_FILE = base64.b32encode(_SECRET).decode() + '\n" WINDOW_SIZE 3\n" TOTP_AUTH\n'
_CODE = "auth required pam_google_authenticator.so secret=/etc/otp/${USER} user=root\n"
_PASSWORD = "auth required pam_unix.so\n"
_REST = "account required pam_permit.so\nsession required pam_permit.so\n"
_INTERACTIVE = "UsePAM yes\nKbdInteractiveAuthentication yes\n"


@dataclass(frozen=True)
class Way:
    """An ssh server of its own; its name is that of its program and of its PAM stack."""

    name: str
    port: int
    sshd: str
    pam: str


WAYS = {
    way.name: way
    for way in (
        Way("sshd-otp", 2200, f"{_INTERACTIVE}AuthenticationMethods publickey,keyboard-interactive\n", _CODE + _REST),
        Way(
            "sshd-password-otp",
            2201,
            f"{_INTERACTIVE}AuthenticationMethods keyboard-interactive\n",
            _PASSWORD + _CODE + _REST,
        ),
        Way(
            "sshd-password",
            2202,
            "UsePAM yes\nPasswordAuthentication yes\nAuthenticationMethods password\n",
            _PASSWORD + _REST,
        ),
    )
}


def code(at: float | None = None) -> str:
    """Return the one-time code of now (RFC 6238), or of another time."""
    step = struct.pack(">Q", int(time.time() if at is None else at) // 30)
    digest = hmac.new(_SECRET, step, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"
