"""What is made of the answers over there, before anything is sent: pure parts of `springline env`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.discovery.probes import Section
from launcher.environments import resolving, steps
from launcher.environments.base import Facts, PythonFound, Supply, Wish, named_prefix
from launcher.environments.facts import look, parse
from launcher.environments.record import Record
from launcher.environments.resolving import Target
from launcher.environments.room import FETCHED, Room, check, needed
from launcher.environments.sending import new_ones
from launcher.environments.venv import Venv, choose_python, target
from launcher.errors import ConfigurationError
from launcher.model import Platform
from launcher.scripts.shell import RemotePath
from launcher.transports.local import LocalTransport

RECORD = Record("venv", "1", "/p", "", "alice", "", "2", "", "", "3.11.2")
OLDER, GONE, NEW = (f"2026010{day}T120000-0a{day}f" for day in (1, 2, 3))
OLD = PythonFound("/usr/bin/python3", "3.6.8")
FITTING = PythonFound("/opt/py312/bin/python3.12", "3.12.4")
SYSTEM = ("arch|x86_64", "libc|glibc 2.28", "user|alice", "home|/home/alice")
ANSWERS = {
    "system": Section(0, SYSTEM),
    "pythons": Section(0, ("python|python3|/usr/bin/python3|3.6.8|venv pip|", "broken|python|/usr/bin/python")),
    "tools": Section(0, ("tool|conda|/opt/conda/bin/conda|conda 24.1.2",)),
    "internet": Section(0, ("proxy|https_proxy|proxy.site:3128", "pypi|no|timed out")),
    "room": Section(0, ("room|/home/alice|/home/alice|ext4|100|50|900|/home|/dev/a|yes",)),
}


def wish(**more: str) -> Wish:
    """A wish for a platform of no matter."""
    return Wish(Platform("x", host="x"), RemotePath("/home/alice/env"), **more)


def test_facts() -> None:
    """The probes' answers become facts; what is not there is empty, not wrong."""
    facts = parse(ANSWERS, "/home/alice/env")
    assert (facts.machine, facts.libc, facts.libc_version) == ("x86_64", "glibc", "2.28")
    assert facts.pythons == (PythonFound("/usr/bin/python3", "3.6.8", venv=False),)
    assert facts.tools["conda"].version == "24.1.2" and not facts.internet
    assert facts.proxies == {"https_proxy": "proxy.site:3128"}
    assert (facts.free_bytes, facts.free_files) == (50 * 1024, 900)
    assert parse({}, "/x").pythons == ()


def test_python_that_is_taken() -> None:
    """One that the lock is made for, the tested one before others; else those that were found are named."""
    facts = Facts("x86_64", "glibc", "2.28", "/h", "u", pythons=(OLD, FITTING, PythonFound("/p", "3.11.2")))
    assert choose_python(facts, wish()).version == "3.11.2"
    assert choose_python(facts, wish(python="3.12")) == FITTING
    assert target(facts, wish(python="3.12")) == Target("x86_64", 28, "3.12")
    bare = Facts("x86_64", "glibc", "2.28", "/h", "u", pythons=(OLD,))
    with pytest.raises(ConfigurationError, match=r"found: 3\.6\.8 \(/usr/bin/python3\)"):
        Venv().check(bare, wish())
    with pytest.raises(ConfigurationError, match=r"musl 1\.2"):
        Venv().check(Facts("x86_64", "musl", "1.2", "/h", "u", pythons=(FITTING,)), wish())


def test_wheels_that_run_there() -> None:
    """Never one for a newer C library than that of the platform; uv's platforms are fewer."""
    old = Target("x86_64", 27, "3.11")
    assert old.uv_platform == "x86_64-manylinux_2_17" and "manylinux_2_28_x86_64" not in old.tags
    assert {"manylinux_2_27_x86_64", "manylinux2014_x86_64", "linux_x86_64"} <= set(old.tags)
    assert Target("aarch64", 36, "3.12").uv_platform == "aarch64-manylinux_2_36"


def test_pins() -> None:
    """Names, versions and the lines of one package are read from what uv prints."""
    pinned = "a-b==1.0 \\\n    --hash=sha256:aa\nuv==2 \\\n    --hash=sha256:bb\n"
    assert resolving.names(pinned) == {"a-b": "1.0", "uv": "2"}
    assert resolving.block(pinned, "uv") == "uv==2 \\\n    --hash=sha256:bb"


def test_prefix(tmp_path: Path) -> None:
    """An environment is looked for where the section's `python` or `image` is, if springline's record is there."""
    assert named_prefix(Platform("x", image="/p/envs/7/image.sif", python="python3")) == RemotePath("/p")
    mine = tmp_path / "tools"
    mine.mkdir()
    (mine / "python").write_text("#!/bin/sh\n")  # the user's own
    platform, here = Platform("x", python=str(mine / "python")), LocalTransport()
    assert look(here, platform, None).prefix.text == f"{Path.home()}/.springline/env/x"
    asked = look(here, platform, RemotePath(str(mine)))
    assert asked.taken == str(mine / "python") and asked.closed == ("", "")
    assert not look(here, platform, RemotePath(str(tmp_path / "new"))).taken
    assert look(here, platform, RemotePath("~")).taken == str(Path.home())
    (mine / "made").write_text("python\n")
    (mine / "record.json").write_text(RECORD.text())
    ours = look(here, platform, None)
    assert (ours.prefix.text, ours.record, ours.taken) == (str(mine), RECORD, "")
    assert look(here, platform, RemotePath("/proc/x")).closed == (("root", "/proc") if os.geteuid() else ("", ""))


def test_environment_that_runs_is_kept(tmp_path: Path) -> None:
    """One that is replaced goes, but not under a process of that host; and nobody else can write to a new one."""
    old, gone, new = (tmp_path / "envs" / name for name in (OLDER, GONE, NEW))
    (tmp_path / "made").write_text(f"python\nenvs/{OLDER}\nenvs/{GONE}\nenvs/{NEW}\n")
    for directory in (old, gone, new):
        directory.mkdir(parents=True)
        (directory / "python").symlink_to(shutil.which("sleep") or "")
    (new / ".lock").touch()
    text = steps.take_over(RemotePath(str(tmp_path)), NEW, "{}", shared=False, used=False)
    with subprocess.Popen([old / "python", "20"]) as session:
        running = here(steps.processes(RemotePath(str(tmp_path))))
        assert running == f"/proc/{session.pid}/cmdline\n"
        here(text)
        assert old.exists() and not gone.exists() and sorted(path.name for path in new.iterdir()) == ["python"]
        session.kill()
    here(text)
    assert not old.exists() and new.exists()


def install(prefix: Path, identity: str) -> None:
    """All that an install does to what is in its prefix."""
    where, new = RemotePath(str(prefix)), prefix / "envs" / identity
    here(steps.prepare(where, identity, ["a.whl"], shared=False))
    (new / "python").write_text("#!/bin/sh\n")
    here(steps.take_over(where, identity, "{}", shared=False, used=False))


def test_what_others_put_there_stays(tmp_path: Path) -> None:
    """Only what `made` lists and is named like an environment is ever marked or removed, however old it looks."""
    strangers = [tmp_path / "envs" / name for name in ("thesis", "paper", "20260101T000000-beef", "noted")]
    for directory in strangers:
        directory.mkdir(parents=True)
        (directory / "data").touch()
    (strangers[1] / ".replaced").touch()  # as an earlier springline left it
    for directory in strangers[2:]:
        (directory / ".building").touch()
        os.utime(directory / ".building", (0, 0))
    (tmp_path / "made").write_text("python\nenvs/noted\n")
    (tmp_path / "supplies").mkdir(mode=0o755)
    for identity in (OLDER, GONE, NEW):
        install(tmp_path, identity)
    assert {path.name for path in (tmp_path / "envs").iterdir()} == {NEW, *(one.name for one in strangers)}
    assert [path.name for path in strangers[0].iterdir()] == ["data"] and (strangers[1] / "data").exists()
    assert (tmp_path / "supplies").stat().st_mode & 0o777 == 0o755
    here(steps.remove(RemotePath(str(tmp_path))))
    assert {path.name for path in (tmp_path / "envs").iterdir()} == {one.name for one in strangers}
    assert (strangers[3] / "data").exists()


def test_prefix_that_is_taken(tmp_path: Path) -> None:
    """Anything that is there before a first install is somebody's; what a first install left is not."""
    platform, local = Platform("x"), LocalTransport()
    for name in ("envs", "supplies", ".hidden"):
        (tmp_path / name / name).mkdir(parents=True)
        assert look(local, platform, RemotePath(str(tmp_path / name))).taken == str(tmp_path / name / name)
    failed = tmp_path / "failed"
    failed.mkdir()
    assert not look(local, platform, RemotePath(str(failed))).taken
    (failed / "made").touch()  # the disk was full
    assert not look(local, platform, RemotePath(str(failed))).taken
    here(steps.prepare(RemotePath(str(failed)), NEW, [], shared=False))
    assert not look(local, platform, RemotePath(str(failed))).taken and (failed / "supplies").stat().st_mode & 0o77 == 0


def test_supply_that_went_bad_is_sent_again(tmp_path: Path) -> None:
    """One of the same name and size, but other bytes, is not taken for what is meant."""
    good, bad, absent = (
        Supply("wheel", name, 4, hashlib.sha256(b"good").hexdigest(), tmp_path / name) for name in "abc"
    )
    (tmp_path / "a").write_bytes(b"good")
    (tmp_path / "b").write_bytes(b"rots")
    sizes = {"a": 4, "b": 4}
    assert new_ones(LocalTransport(), [good, bad, absent], RemotePath(str(tmp_path)), sizes) == [bad, absent]


def here(script: str) -> str:
    """What a script says on this host."""
    return subprocess.run(["sh"], input=script, check=True, capture_output=True, text=True).stdout


def test_room(tmp_path: Path) -> None:
    """Counted are the wheels to be sent and all that is made of them; those of the internet by what is usual."""
    wheel = tmp_path / "xarray-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("a.py", "b.py", "c.so"):
            archive.writestr(name, b"")
    supplies = [Supply("wheel", wheel.name, 100_000_000, "", wheel), Supply("tool", "micromamba", 10, "", wheel)]
    assert needed(wish(), supplies, supplies[1:]) == Room(450_000_010, 5)
    assert needed(replace(wish(), pack=True), supplies, ()) == Room(150_000_000)
    assert needed(wish(), [replace(supplies[0], name="uv-1-any.whl", size=0)], ()) == FETCHED
    facts = Facts("x86_64", "glibc", "2.28", "/h", "u", free_bytes=500_000_000, free_files=4)
    with pytest.raises(ConfigurationError, match="x has room for 4 files, and about 5 are needed"):
        check(facts, Room(4e8, 5), "x")
    with pytest.raises(ConfigurationError, match="x has 500 MB free, and about 600 MB are needed"):
        check(facts, Room(6e8), "x")
    check(replace(facts, free_files=0), Room(4e8, 5), "x")  # a file system that counts none
