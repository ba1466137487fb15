"""Environments on hosts without internet: installed, shown, interrupted, replaced and removed, with a few tiny wheels.

The wheels stand for the locked ones; everything else is real: uv, its checks of every hash, the Python over there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from launcher.environments import ownwheel, resolving
from launcher.environments.resolving import Target
from launcher.needed import MODULES
from tests.slurm.hosts import Host
from tests.slurm.laptop import Springline
from tests.slurm.requirements import SPRINGLINE
from tests.slurm.terminal import Terminal

PREFIX = "/home/alice/.springline/env/bare"
FACTS = "import os, platform, sys; print('%d.%d' % sys.version_info[:2], platform.libc_ver()[1], os.uname().machine)"


class Wheels:
    """What the laptop has fetched: a lock's worth of wheels of one module each."""

    def __init__(self, springline: Springline) -> None:
        self.cache = springline.home / ".cache" / "springline"
        self._owner = springline.home.stat()
        self._login = springline.cluster.login
        start = f'#!/bin/sh\nUV_HTTP_RETRIES=0 exec {find_uv_bin()} "$@"\n'  # the checkout is to be seen over there
        self._uv = self._wheel("uv", "1.0", {"uv-1.0.data/scripts/uv": start.encode()})

    def offer(self, version: str, distributed: str = "") -> None:
        """Let the lock come to these modules of this version, `distributed` with this text."""
        bodies = {name: distributed.encode() if name == "distributed" else b"" for name in MODULES}
        made = [self._wheel(name, version, {f"{name}/__init__.py": text}) for name, text in bodies.items()]
        pinned = [(f"{name}=={version}", wheel) for name, wheel in zip(MODULES, made, strict=True)]
        pinned.append(("uv==1.0", self._uv))
        pins = [f"{pin} \\\n    --hash=sha256:{digest(wheel)}" for pin, wheel in pinned]
        answer = self.cache / "resolved" / resolving.kept_answer(self._target(), "jobs", "").name
        answer.parent.mkdir(parents=True, exist_ok=True)
        answer.write_text("\n".join(pins) + "\n")
        for path in (self.cache.parent, *self.cache.parent.rglob("*")):
            os.chown(path, self._owner.st_uid, self._owner.st_gid)

    def _target(self) -> Target:
        python, libc, machine = self._login.run(["/usr/bin/python3", "-c", FACTS]).stdout.split()
        return Target(machine, int(libc.split(".")[1]), python)

    def _wheel(self, name: str, version: str, files: dict[str, bytes]) -> Path:
        about = f"{name}-{version}.dist-info"
        texts = {
            **files,
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        rows = [f"{path},sha256={urlsafe(data)},{len(data)}" for path, data in texts.items()]
        texts[f"{about}/RECORD"] = "\n".join([*rows, f"{about}/RECORD,,", ""]).encode()
        wheel = self.cache / "wheels" / f"{name}-{version}-py3-none-any.whl"
        wheel.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path, data in texts.items():
                archive.writestr(path, data)
        return wheel


def digest(file: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def urlsafe(data: bytes) -> str:
    """A checksum as a RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture
def wheels(springline: Springline) -> Iterator[Wheels]:
    """A laptop that has wheels, and a platform whose Python has nothing."""
    ini = springline.home / ".config" / "springline" / "platforms.ini"
    with ini.open("a", encoding="utf-8") as lines:
        lines.write("\n[bare]\n# mine\nplatform = testbed\npython = /usr/bin/python3\n[bare-long]\nplatform = bare\n")
    yield Wheels(springline)
    springline.cluster.login.run(["umount", "/home/alice/.springline"], check=False)


def ask(login: Host, *words: str) -> str:
    """What a command says to alice on the login host."""
    return login.run(list(words), user="alice").stdout


def version_of(login: Host) -> str:
    """The version of the environment that the platform's `python` starts now."""
    look = "from importlib.metadata import version; print(version('distributed'))"
    return ask(login, f"{PREFIX}/python", "-c", look).strip()


@pytest.mark.slow
def test_from_nothing_to_nothing(springline: Springline, wheels: Wheels) -> None:
    """Install, interrupt, replace, show, uninstall: what was there works, only what is new is sent, nothing stays.

    A job of the user's own keeps the environment it may use.
    """
    login, ini = springline.cluster.login, springline.home / ".config" / "springline" / "platforms.ini"
    before = ini.read_text()
    wheels.offer("1.0")
    with Terminal(springline.cluster.laptop, [str(SPRINGLINE), "env", "install", "bare"], user=springline.user) as no:
        assert no.until(r"Install it on .*\[y/N\]: ")
        no.type("n")
        assert no.finish() == 0 and "nothing was changed" in no.text
    first = springline("env", "install", "bare", "--yes", "--json")
    assert first.returncode == 0, first.stderr
    record = json.loads(first.stdout)
    assert record["packages"]["distributed"] == "1.0" and record["differences"] == [] and record["who"] == "alice"
    assert f"python = {PREFIX}/python" in ini.read_text() and "# mine" in ini.read_text()
    here = ask(login, f"{PREFIX}/python", "-c", "import jobs, sys; print(sys.prefix)").strip()
    assert here == f"{PREFIX}/envs/{record['id']}"  # by its own path, so that a session keeps it
    assert ask(login, "find", PREFIX, "-maxdepth", "1", "-perm", "/077") == ""

    interrupted(springline, wheels, record["id"])
    wheels.offer("3.0")
    job = ask(login, "sbatch", "--parsable", "-p", "normal", "--wrap", "sleep 60").strip()
    second = springline("env", "install", "bare-long", "--yes")  # which is the same environment
    assert second.returncode == 0 and version_of(login) == "3.0", second.stderr
    assert "used by [bare] of" in second.stderr, second.stderr
    assert "to be sent once: 6 files" in second.stderr, second.stderr  # uv and springline are there
    assert record["id"] in ask(login, "ls", f"{PREFIX}/envs").split()
    assert len(ask(login, "ls", f"{PREFIX}/envs").split()) == 2
    used = springline("env", "uninstall", "bare", "--yes")
    assert used.returncode == 2 and "may use" in used.stderr and "wrap" in used.stderr, used.stderr
    ask(login, "scancel", job)

    shown = springline("env", "show", "bare")
    assert shown.returncode == 0 and "distributed 3.0" in shown.stdout and "differs:     no" in shown.stdout
    ask(login, "touch", f"{PREFIX}/mine")
    removed = springline("env", "uninstall", "bare-long", "--yes", "--json")
    assert removed.returncode == 0 and json.loads(removed.stdout)["left"] == ["mine"], removed.stderr
    assert ask(login, "find", "/home/alice/.springline", "!", "-type", "d").split() == [f"{PREFIX}/mine"]
    assert ini.read_text() == before.replace("python = /usr/bin/python3\n", "")
    assert springline("env", "show", "bare").returncode == 60


def interrupted(springline: Springline, wheels: Wheels, kept: str) -> None:
    """Ctrl-C while modules are compiled, a kill while the new one is looked at: the environment there works on."""
    login = springline.cluster.login
    wheels.offer("2.0", "import time; time.sleep(60)")  # so that looking at it takes long
    for number, step in ((signal.SIGINT, "install springline"), (signal.SIGKILL, "compile modules")):
        command = springline.popen("env", "install", "bare", "--yes")
        assert command.stderr is not None
        assert any(step in line for line in command.stderr)
        command.send_signal(number)
        assert command.wait(timeout=20) == (130 if number == signal.SIGINT else -number)
        assert version_of(login) == "1.0"
        there = ask(login, "ls", f"{PREFIX}/envs").split()
        assert (there == [kept]) == (number == signal.SIGINT), there  # a killed one could not tidy up
    ask(login, "sh", "-c", f"touch -d '2 hours ago' {PREFIX}/envs/*/.building")


@pytest.mark.slow
def test_bad_weather(springline: Springline, wheels: Wheels) -> None:
    """No internet here or there, no such Python, a full disk, a place that is another's: what, where, what next."""
    login = springline.cluster.login
    wheels.offer("1.0", f"#{'x' * 50_000_000}")  # whose wheel is small
    login.run(["install", "-d", "-o", "alice", "/home/alice/.springline"])
    for room, words in (
        ("size=2m", "are needed"),
        ("size=30m,nr_inodes=60", "room for"),
        ("size=30m", "No space left"),
    ):
        login.run(["mount", "-t", "tmpfs", "-o", f"{room},mode=777", "none", "/home/alice/.springline"])
        full = springline("env", "install", "bare", "--yes")
        assert full.returncode == 2 and words in full.stderr and "--prefix" in full.stderr, full.stderr
        login.run(["umount", "/home/alice/.springline"])
    for option, code, words in (
        (("--python", "/none/python"), 2, "cannot run /none/python"),
        (("--prefix", "/root/x"), 2, "cannot write in /root, which belongs to root"),
        (("--extras", "sdo"), 10, "this computer cannot get packages from the internet"),
        (("--online",), 10, "Failed to fetch"),
    ):
        answer = springline("env", "install", "bare", "--yes", *option, env={"UV_HTTP_RETRIES": "0"})
        assert answer.returncode == code and words in answer.stderr and "→" in answer.stderr, answer.stderr
    ini = springline.home / ".config" / "springline" / "platforms.ini"
    ini.parent.chmod(0o500)
    answer = springline("env", "install", "bare", "--yes")
    assert answer.returncode == 2 and "is not yours to write" in answer.stderr and "connect" not in answer.stderr
    left = ask(login, "find", "/home/alice/.springline/env/bare/envs", "-mindepth", "1")
    assert left == "", left


def test_wheel_of_our_own(tmp_path: Path) -> None:
    """It is the same to the byte each time, and gives `launcher`, `jobs`, the lock, the commands and the jobs."""
    wheel = ownwheel.write(tmp_path)
    (tmp_path / "again").mkdir()
    assert ownwheel.write(tmp_path / "again").read_bytes() == wheel.read_bytes()
    target = tmp_path / "site"
    install = [find_uv_bin(), "pip", "install", "--quiet", "--offline", "--no-deps", "--target", target, wheel]
    subprocess.run(install, check=True)
    assert (target / "launcher/config/environment.lock").read_bytes() == resolving.lock_file().read_bytes()
    assert (target / "launcher/config/platforms/platforms.ini").exists() and (target / "jobs/cli.py").exists()
    assert (target / "bin/springline").exists()
    assert "springline.jobs" in next(target.glob("springline-*/entry_points.txt")).read_text()
