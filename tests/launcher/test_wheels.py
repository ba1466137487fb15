"""The base install is wheels alone on every system and Python it is promised for, and the wheel holds all it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SYSTEMS = {
    "Windows": "x86_64-pc-windows-msvc",
    "macOS on Apple silicon": "aarch64-apple-darwin",
    "macOS on Intel": "x86_64-apple-darwin",
    "Linux": "x86_64-manylinux_2_28",
    "Linux on ARM": "aarch64-manylinux_2_28",
}
PYTHONS = ("3.11", "3.12", "3.13")
WANTED = {"click", "cryptography", "fabric", "paramiko", "bcrypt", "pynacl", "cffi"}  # some with code for each machine
UV = Path(sys.executable).with_name("uv")

pytestmark = pytest.mark.slow


def uv(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run uv, with this computer's index and proxies, and with the certificates that pip was told of."""
    environment = {"SSL_CERT_FILE": os.environ.get("PIP_CERT", ""), **os.environ}
    environment = {name: value for name, value in environment.items() if value}
    return subprocess.run(
        [str(UV), *arguments], input=text, env=environment, capture_output=True, text=True, timeout=300
    )


def resolved(requirements: list[str], system: str, python: str) -> subprocess.CompletedProcess[str]:
    """What would be installed there, from wheels alone. uv would look for that Python, here, and fetch it."""
    where = ("--python-platform", SYSTEMS[system], "--python-version", python, "--python", sys.executable)
    return uv(
        "pip", "compile", *where, "--only-binary", ":all:", "--no-header", "-q", "-", text="\n".join(requirements)
    )


@pytest.fixture(scope="module")
def base() -> list[str]:
    """The requirements of the base install; skips where there is no index."""
    found: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    tried = uv("pip", "compile", "-q", "--no-header", "--no-deps", "-", text="click")
    if tried.returncode:
        pytest.skip(f"no package index can be reached: {tried.stderr.strip().splitlines()[-1:]}")
    return found


@pytest.fixture(scope="module")
def answers(base: list[str]) -> dict[tuple[str, str], subprocess.CompletedProcess[str]]:
    """All resolutions, two at a time: uv asks the index for everything at once, and more only wait for each other."""
    pairs = list(product(SYSTEMS, PYTHONS))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(pairs, pool.map(lambda pair: resolved(base, *pair), pairs), strict=True))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_base_install_is_wheels_alone(
    answers: dict[tuple[str, str], subprocess.CompletedProcess[str]], system: str, python: str
) -> None:
    """Nothing has to be compiled, on a laptop without a compiler."""
    done = answers[system, python]
    assert done.returncode == 0, done.stderr
    names = {line.split("==")[0] for line in done.stdout.splitlines() if "==" in line}
    assert names >= WANTED, names


def test_what_has_no_wheel_is_noticed(base: list[str]) -> None:
    """A package that comes as source only makes such a resolution fail: the test above can."""
    done = resolved([*base, "docopt==0.6.2"], "Windows", "3.12")  # a source distribution, of 2014
    assert done.returncode != 0 and "docopt" in done.stderr


def test_the_wheel_brings_its_platforms_and_both_commands(tmp_path: Path) -> None:
    """Built from the sources and installed where nothing of the checkout is, it knows the shipped platforms."""
    done = uv("build", "--wheel", "--out-dir", str(tmp_path / "dist"), str(ROOT))
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip(f"the build backend cannot be fetched: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "launcher/config/platforms/platforms.ini" in names and "launcher/node/main.py" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]
    environment = tmp_path / "env"
    venv.create(environment, system_site_packages=False, with_pip=False)
    python = environment / "bin" / "python"
    assert uv("pip", "install", "-q", "--no-deps", "--python", str(python), str(wheel)).returncode == 0
    libraries = Path(shutil.__file__).parent, Path(pytest.__file__).parents[1]
    ours = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(libraries[1])}
    listed = subprocess.run(
        [python, "-P", "-m", "launcher.cli", "platform", "list"], env=ours, cwd=tmp_path, capture_output=True, text=True
    )
    assert "spider.surf.nl" in listed.stdout and str(ROOT) not in listed.stdout, listed.stderr
    for command in ("springline", "runJupyterDaskOnSLURM", "jupyter-dask-on-slurm"):
        done = subprocess.run([environment / "bin" / command, "--help"], env=ours, cwd=tmp_path, capture_output=True)
        assert done.returncode == 0
