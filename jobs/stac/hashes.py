"""Checksums as multihashes, the way STAC's file extension writes them: a code, a length, and the digest. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

CODES = {
    0x11: "sha1", 0x12: "sha256", 0x13: "sha512", 0x14: "sha3_512", 0x16: "sha3_256", 0x20: "sha384", 0xD5: "md5",
}  # fmt: skip
"""Algorithms of Python's hashlib by their codes in the table of multihashes."""
DEFAULT = "sha256"


def algorithm_of(multihash: str) -> str | None:
    """The algorithm of a multihash in hexadecimal digits; None if it is unknown or no multihash."""
    try:
        code, rest = _number(bytes.fromhex(multihash))
        length, digest = _number(rest)
    except (ValueError, IndexError):
        return None
    name = CODES.get(code)
    return name if name and length == len(digest) == hashlib.new(name).digest_size else None


def multihash(name: str, digest: bytes) -> str:
    """A digest as a multihash in hexadecimal digits."""
    code = next(code for code, known in CODES.items() if known == name)
    return (_varint(code) + _varint(len(digest)) + digest).hex()


class Hashes:
    """Several digests of one stream."""

    def __init__(self, *names: str) -> None:
        self._hashes: dict[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in names}

    def update(self, content: bytes) -> None:
        """Take in the next bytes."""
        for one in self._hashes.values():
            one.update(content)

    def digest(self, name: str) -> bytes:
        """The digest of all bytes so far."""
        found: bytes = self._hashes[name].digest()
        return found


def _number(content: bytes) -> tuple[int, bytes]:
    """A number of seven bits a byte, lowest first, and what follows it."""
    value = at = 0
    while content[at] & 0x80:
        value |= (content[at] & 0x7F) << 7 * at
        at += 1
    return value | content[at] << 7 * at, content[at + 1 :]


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
