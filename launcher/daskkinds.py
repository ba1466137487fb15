"""Where a session's Dask workers come from: what a user may choose. Frozen, no I/O."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

JOBS = ("slurm", "pbs")  # worker jobs of that scheduler
LOCAL, GATEWAY = "local", "gateway"  # processes in the session's own job; a cluster of a dask-gateway server
KINDS = (*JOBS, LOCAL, GATEWAY)
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})", re.ASCII)


@dataclass(frozen=True)
class Dask:
    """The choice, and what some of them need to know. Paths are the platform's."""

    kind: str | None = None  # None = the scheduler's own; one of KINDS, or the address of a scheduler that is there
    gateway_address: str | None = None  # None = as the user's own configuration of dask-gateway says
    tls_ca: str | None = None  # for an address
    tls_cert: str | None = None
    tls_key: str | None = None

    @property
    def is_address(self) -> bool:
        """True where the scheduler is there already, and not the session's."""
        return self.kind is not None and "://" in self.kind

    @property
    def is_open(self) -> bool:
        """True where whoever reaches the scheduler may use it."""
        return self.kind is not None and self.kind.startswith("tcp://")


def read_kind(text: str) -> str:
    """The choice as it is written in a section or after --dask."""
    match = _ADDRESS.fullmatch(text)
    if text in KINDS or (match and 0 < int(match[3]) < 65536):
        return text
    if "://" in text:
        raise ValueError("a scheduler's address is written as tls://HOST:8786 or tcp://HOST:8786")
    near = difflib.get_close_matches(text.lower(), KINDS, n=1)
    raise ValueError("nobody of that name gives workers" + (f"; did you mean '{near[0]}'?" if near else ""))
