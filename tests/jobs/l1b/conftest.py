"""Sentinel-1 products: real metadata made small, with measurement made to fit and the truth beside it.

The metadata are DERIVED: real ESA files whose line and sample numbers were divided (`shrink_safe.py`); the images are
simulated from the look-up tables in them (`make_s1_measurement.py`). Both programs lie beside the data and are run.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
Products = Callable[..., Path]
SHRINK = {"BB15": 5, "9550": 10, "6D00": 10, "FEC3": 10, "5371": 10, "4B8B": 10}
"""Product by the last four digits of its identifier, and by how much its tests make it smaller."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that also has, beside it, the tools; skipped by name without either."""
    data = Path(os.environ.get("SPRINGLINE_TEST_DATA", ROOT / "../shared/data"))
    if not (data / "l1b/meta").is_dir():
        pytest.skip("no Sentinel-1 metadata: set SPRINGLINE_TEST_DATA")
    if not (data / "../tools/shrink_safe.py").is_file():
        pytest.skip("no tools/shrink_safe.py beside SPRINGLINE_TEST_DATA")
    return data.resolve()


@pytest.fixture(scope="session")
def metadata(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Products:
    """The SAFE of a product, full size, real metadata only, unpacked once: `metadata("9550")`. Do not change it."""
    folder = tmp_path_factory.mktemp("metadata")

    def unpack(tail: str) -> Path:
        archive = next((shared / "l1b/meta").glob(f"*_{tail}.tar.xz"))
        target = folder / archive.name.replace(".tar.xz", ".SAFE")
        if not target.exists():
            shutil.unpack_archive(archive, folder)
        return target

    return unpack


@pytest.fixture(scope="session")
def products(shared: Path, metadata: Products, tmp_path_factory: pytest.TempPathFactory) -> Products:
    """A small SAFE with measurement, made once: `products("9550")`. Do not change it: `shutil.copytree` it first.

    `X.SAFE.truth.npz` beside it has the truth. The sizes and MD5 in the manifest are those of the files.
    """
    tools = shared.parent / "tools"
    folder = tmp_path_factory.mktemp("products")

    def make(tail: str) -> Path:
        source = metadata(tail)
        target = folder / source.name
        if not target.exists():
            _tool(tools / "shrink_safe.py", source, folder, SHRINK[tail])
            _tool(tools / "make_s1_measurement.py", target)
            restate(target)
        return target

    return make


@pytest.fixture
def product(products: Products, tmp_path: Path) -> Path:
    """A copy of the small IW product 9550 that a test may break."""
    return shutil.copytree(products("9550"), tmp_path / products("9550").name)


@pytest.fixture(scope="session")
def truth() -> Callable[[Path], dict[str, np.ndarray]]:
    """The simulated block means beside a product: `truth(safe)["VV_sigma0"]`, `VV_nesz`, `VV_dn2`, …"""

    def load(safe: Path) -> dict[str, np.ndarray]:
        with np.load(f"{safe}.truth.npz") as found:
            return dict(found)

    return load


def restate(safe: Path) -> None:
    """Write the sizes and MD5 of the files that are there into the manifest."""
    manifest = safe / "manifest.safe"
    text = manifest.read_text()
    for block in re.findall(r"<byteStream.*?</byteStream>", text, re.DOTALL):
        file = safe / re.findall(r'href="([^"]+)"', block)[0]
        if file.exists():
            content = file.read_bytes()
            new = re.sub(r'size="\d+"', f'size="{len(content)}"', block)
            text = text.replace(block, re.sub(r">[0-9a-f]{32}<", f">{hashlib.md5(content).hexdigest()}<", new))
    manifest.write_text(text)


def _tool(*command: object) -> None:
    """Run a tool; its words are shown when it fails."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, command)], text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
