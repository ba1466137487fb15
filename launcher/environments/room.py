"""How much room an environment takes, and whether it is there: said before anything is sent. Pure."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.environments.base import Facts, Supply, Wish
from launcher.errors import ConfigurationError

UNPACKED, PACKED = 4.5, 1.5  # bytes on disk for each byte of a wheel, its modules compiled


@dataclass(frozen=True)
class Room:
    """Bytes and files."""

    bytes: float
    files: int = 0


FETCHED = Room(1.0e9, 30_000)  # an environment whose wheels nobody here has seen: they come from the internet there


def needed(wish: Wish, supplies: Sequence[Supply], to_send: Sequence[Supply]) -> Room:
    """What is to be sent, and what is made of all that was, beside the environment that is there already."""
    wheels = [one for one in supplies if one.kind in ("wheel", "springline")]
    packed = wish.pack or wish.method == "image"  # an archive, or an image that is built
    fetched = bool(wheels) and {one.name.partition("-")[0] for one in wheels} <= {"uv", "springline"}
    size = sum(one.size for one in wheels) * (PACKED if packed else UNPACKED)
    files = sum(map(_files, wheels))
    if fetched:
        size, files = size + FETCHED.bytes * (PACKED / UNPACKED if packed else 1), FETCHED.files
    return Room(size + sum(one.size for one in to_send), 0 if packed else files)


def check(facts: Facts, room: Room, where: str) -> None:
    """Raise ConfigurationError for what is not there. A file system that counts no files says 0, or nothing."""
    hint = "make room there, or give --prefix on another file system that all nodes share"
    if facts.free_bytes is not None and facts.free_bytes < room.bytes:
        free, wanted = facts.free_bytes / 1e6, room.bytes / 1e6
        raise ConfigurationError(f"{where} has {free:.0f} MB free, and about {wanted:.0f} MB are needed", hint)
    if facts.free_files and facts.free_files < room.files:
        raise ConfigurationError(
            f"{where} has room for {facts.free_files} files, and about {room.files} are needed",
            f"{hint}; or keep the environment in one file: --pack",
        )


def _files(wheel: Supply) -> int:
    """Each file of a wheel, and of each module what Python compiles it to."""
    with zipfile.ZipFile(wheel.path) as archive:
        names = archive.namelist()
    return len(names) + sum(name.endswith(".py") for name in names)
