"""The built pages, made once for all tests that read them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """The folder of the pages, and how the build ended."""

    folder: Path
    code: int
    said: str


@cache
def built() -> Site:
    """Build all pages anew, as `make docs` does, without computing the notebooks."""
    folder = ROOT / ".cache/docs/tested"
    options = ["-b", "html", "-E", "-W", "--keep-going", "--jobs", "auto", "--quiet", "-d", str(folder / ".pages")]
    command = [sys.executable, "-m", "sphinx", *options, "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Site(folder, done.returncode, done.stdout + done.stderr)
