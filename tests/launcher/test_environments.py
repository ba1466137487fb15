"""What is made of the answers over there, before anything is sent: pure parts of `springline env`."""

from __future__ import annotations

import pytest

from launcher.discovery.probes import Section
from launcher.environments import resolving
from launcher.environments.base import Facts, PythonFound, Wish, default_prefix
from launcher.environments.facts import parse
from launcher.environments.resolving import Target
from launcher.environments.venv import Venv, choose_python, target
from launcher.errors import ConfigurationError
from launcher.model import Platform
from launcher.scripts import RemotePath

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


def test_prefix() -> None:
    """An environment is looked for where the section's `python` is, if springline put it there."""
    assert default_prefix(Platform("x", python="/shared/env/python")).text == "/shared/env"
    for python in ("python3", "/usr/bin/python", "/opt/venv/bin/python"):
        assert default_prefix(Platform("x", python=python)).text == "~/.springline/env/x"
