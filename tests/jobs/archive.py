"""A SYNTHETIC archive as ORNL's is: flat, a file per region, variable and year. `python -m tests.jobs.archive DIR`."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from jobs.spring_index.sample import write_sample

YEARS = (2000, 2001)
SIZES: Mapping[str, int] = {"na": 40, "hi": 24, "pr": 16}
"""Cells along a side of each region."""


def write_archive(folder: Path, sizes: Mapping[str, int] = SIZES) -> None:
    """Write the files of some regions, all of them the sample's country at another resolution."""
    for region, size in sizes.items():
        write_sample(folder, YEARS, size, region=region)


def server(folder: str, port: int, host: str = "127.0.0.1") -> list[str]:
    """The command that serves a folder over HTTP, with ranges and ETags, to everybody."""
    place = ["--host", host, "--port", str(port), "--root", folder, "--auth", "anonymous"]
    return [str(Path(sys.executable).with_name("wsgidav")), *place, "--no-config", "--quiet"]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of a folder, as long as it is served."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with subprocess.Popen(server(str(folder), port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(port: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    write_archive(Path(sys.argv[1]))
