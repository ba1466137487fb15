"""Compiled code for the cluster's homes: what other tests have compiled, nobody compiles again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm import files
from tests.slurm.laptop import Springline
from tests.slurm.requirements import CHECKOUT


@pytest.fixture
def kernels(springline: Springline) -> None:
    """Lay what is compiled beside the sources, where root's tests leave it, into the laptop's and alice's homes."""
    homes = {springline.home: files.LAPTOP_USER, springline.cluster.cluster_home(): files.ALICE}
    for home, user in homes.items():
        (home / ".cache").mkdir(exist_ok=True)
        for compiled in _compiled():
            folder = home / ".cache/numba" / _name(compiled.parents[1])
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(compiled, folder)
        for path in (home / ".cache", *(home / ".cache").rglob("*")):
            files.give(path, user.uid)


def _compiled() -> Iterator[Path]:
    """Code that is newer than its source; numba itself sees whether it is of this source."""
    for path in (CHECKOUT / "jobs").rglob("__pycache__/*.nb[ic]"):
        source = path.parents[1] / f"{path.name.partition('.')[0]}.py"
        if source.is_file() and path.stat().st_mtime >= source.stat().st_mtime:
            yield path


def _name(folder: Path) -> str:
    """What numba calls the place for a folder's code in a user's cache."""
    return f"{folder.name}_{hashlib.sha1(str(folder).encode()).hexdigest()}"
