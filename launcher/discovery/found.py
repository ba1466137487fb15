"""What was found on a platform, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from launcher.needed import MODULES

OLDEST_PYTHON = (3, 11)

# File systems that hosts share, by the names stat and df give them.
_SHARED = (
    "nfs",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "panfs",
    "afs",
    "fuse.ceph",
    "wekafs",
    "quobyte",
    "pvfs",
    "orangefs",
)


@dataclass(frozen=True)
class Partition:
    """A partition of SLURM, or a queue of PBS; None where it sets no limit or did not say."""

    name: str
    is_default: bool = False
    is_up: bool = True
    walltime: int | None = None  # seconds, the longest
    nodes: int = 0
    cores: int | None = None  # of its smallest node
    memory: int | None = None  # bytes of its smallest node
    memory_per_core: int | None = None  # bytes, the most a job may ask for each core
    has_gpus: bool = False
    accounts: tuple[str, ...] = ()  # the only ones it takes; empty = any
    qos: tuple[str, ...] = ()  # likewise


@dataclass(frozen=True)
class Python:
    """A Python on the path."""

    path: str
    version: tuple[int, ...]
    parts: tuple[str, ...] = ()  # of venv, ensurepip, pip
    modules: tuple[str, ...] = ()  # of those springline needs

    @property
    def serves_sessions(self) -> bool:
        """True if a session needs nothing more."""
        return set(MODULES) <= set(self.modules) and self.version >= OLDEST_PYTHON


@dataclass(frozen=True)
class Place:
    """A directory and the file system below it."""

    path: str
    filesystem: str = ""
    free: int | None = None  # bytes
    free_inodes: int | None = None
    writable: bool = True
    variable: str = ""  # of the environment, that names it

    @property
    def is_shared(self) -> bool:
        """True for a file system that is made to be shared; False says nothing."""
        return self.filesystem.lower().startswith(_SHARED)


@dataclass(frozen=True)
class Found:
    """Everything one look at a platform has shown."""

    system: Mapping[str, str] = field(default_factory=dict)
    scheduler: str = ""  # slurm, pbs, or nothing
    scheduler_version: str = ""
    silence: str = ""  # what was said in place of an answer by commands that are there
    partitions: tuple[Partition, ...] = ()
    accounts: tuple[str, ...] = ()
    default_account: str = ""
    qos: tuple[str, ...] = ()
    default_qos: str = ""
    pythons: tuple[Python, ...] = ()
    modules: tuple[str, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)  # name → path
    home: Place | None = None
    scratch: tuple[Place, ...] = ()
    quota: tuple[str, ...] = ()
    internet: bool | None = None  # from the login host
    notes: tuple[str, ...] = ()  # what could not be asked, and why

    def partition(self, name: str) -> Partition | None:
        """The partition of that name."""
        return next((one for one in self.partitions if one.name == name), None)

    @property
    def is_over_quota(self) -> bool:
        """True if `quota` marks a limit as passed."""
        return any(word.endswith("*") and word[:1].isdigit() for line in self.quota for word in line.split())

    def document(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)
