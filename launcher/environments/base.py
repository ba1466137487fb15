"""What a method of making an environment is told, and what it says. Pure.

What lies over there, below one prefix (default `~/.springline/env/PLATFORM`):

    python            what the platform's `python` names: a small program that starts the current environment's Python
                      by its own path, so that a session keeps the environment it began with
    record.json       what was made, by whom, when, of what: `show` and `uninstall` believe nothing else
    envs/ID/          an environment. It is made there, checked, and only then taken over into `python`, by one rename
    envs/ID/python    the program that starts it: every method leaves one
    supplies/         what the laptop sent, kept so that the next install sends only what is new
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from launcher.model import Platform
from launcher.scripts.shell import RemotePath

STEP = "@step "  # a line of a build script that begins so tells the user what comes now
EXTRAS = ("gateway", "l1b", "sdo", "stac")
_OURS = re.compile(r"([/~$].*)/(?:python|envs/[^/]+/image\.sif)")
PYTHONS = ("3.11", "3.12", "3.13")  # those the lock is made for, the one that is tested first


def default_prefix(platform: Platform) -> RemotePath:
    """Where a platform's environment is made unless --prefix says another place."""
    return RemotePath("~/.springline/env") / platform.name


def named_prefix(platform: Platform) -> RemotePath | None:
    """Where the section's `python` or `image` would be, had springline put it there; only a record there tells."""
    found = _OURS.fullmatch(platform.python) or _OURS.fullmatch(platform.image or "")
    return RemotePath(found[1]) if found else None


@dataclass(frozen=True)
class PythonFound:
    """A Python over there."""

    path: str
    version: str  # e.g. 3.11.2
    venv: bool = True  # whether it can make an environment with pip by itself (venv and ensurepip are there)

    @property
    def minor(self) -> str:
        """E.g. 3.11."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class Tool:
    """A program over there."""

    path: str
    version: str = ""


@dataclass(frozen=True)
class Facts:
    """What was found over there, on the login host."""

    machine: str  # as `uname -m` says, e.g. x86_64
    libc: str  # glibc or musl
    libc_version: str  # e.g. 2.28
    home: str
    user: str
    pythons: tuple[PythonFound, ...] = ()
    tools: Mapping[str, Tool] = field(default_factory=dict)  # uv, micromamba, mamba, conda, apptainer, mksquashfs, …
    internet: bool = False  # PyPI answers, through the account's proxies
    proxies: Mapping[str, str] = field(default_factory=dict)  # variable → host
    free_bytes: int | None = None  # where the prefix is; None: nobody could say
    free_files: int | None = None


@dataclass(frozen=True)
class Wish:
    """What the user wants."""

    platform: Platform
    prefix: RemotePath | None  # None: where the section's own is, else the default
    method: str = "auto"
    extras: tuple[str, ...] = ()  # of EXTRAS; the base of a session is always in
    requirements: str = ""  # text of the user's own requirements file
    constraints: str = ""  # text of what limits the versions of these
    python: str = ""  # version, e.g. 3.12, or the path of a Python over there; empty: the most tested that is there
    online: bool | None = None  # whether packages come from the internet over there; None: found out
    pack: bool = False  # keep it in one file, unpacked on the node's own disk when a job starts
    image: str = ""  # registry address or file, for method image
    conda: str = ""  # path of a micromamba, mamba or conda over there, for method conda
    shared: bool = False  # others may read and run it, and nobody but its owner changes it


@dataclass(frozen=True)
class Supply:
    """A file of this laptop's that has to be over there before the environment is made."""

    kind: str  # wheel | springline | tool | image | archive
    name: str  # over there, in the directory of supplies
    size: int  # bytes
    sha256: str
    path: Path  # here


Tell = Callable[[str], None]  # hears what is being done, in words


class Method(Protocol):
    """A way to make an environment."""

    name: str

    def check(self, facts: Facts, wish: Wish) -> None:
        """Raise ConfigurationError with what is missing over there and what to do. Touches nothing, asks nobody."""

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """What has to be sent, downloaded to this laptop where it is not here yet."""

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """The /bin/sh text that makes the environment in the directory `new`, which is there, empty and for good.

        Both paths are absolute. It says `@step WORDS` before each step, ends with another code than 0 when one fails
        (`set -e` is on), and leaves `new/python`, a program that starts the environment's Python.
        """

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """The keys of the platform's section that make sessions use it; None takes a key away.

        `new` is the directory it was made in: an image is named by its path there.
        """
