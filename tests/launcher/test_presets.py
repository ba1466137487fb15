"""Presets of a platform, and what a session is told of its Dask workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.daskkinds import Dask, read_kind
from launcher.errors import ConfigurationError, UsageError
from launcher.model import Platform, Resources, Workers
from launcher.platforms import presets
from launcher.platforms.loading import Platforms
from launcher.scripts import batch
from launcher.units import parse_memory

INI = """
[hill]
host = hill.example
cores = 2
worker_cores = 4
[hill:large]
worker_cores = 16
worker_memory = 64GB
[hill:small]
worker_cores = 1
[mine]
platform = hill
[mine:small]
worker_memory = 1GB
"""


@pytest.fixture
def known(tmp_path: Path) -> Platforms:
    """Platforms with presets, one of which inherits them."""
    return read(tmp_path, INI)


def read(directory: Path, text: str) -> Platforms:
    """The platforms of one file."""
    (directory / "platforms.ini").write_text(text, encoding="utf-8")
    return Platforms([directory / "platforms.ini"])


def test_a_preset_lies_over_its_platform(known: Platforms) -> None:
    """A preset changes the keys it has, is inherited, and is no platform itself."""
    assert known.names == ["hill", "mine"]
    large = known.get("mine", "large")
    assert (large.name, large.host, large.workers.cores, large.resources.cores) == ("mine", "hill.example", 16, 2)
    assert set(known.presets("mine")) == {"large", "small"}
    small = known.get("mine", "small").workers
    assert (small.cores, small.memory) == (1, parse_memory("1GB"))
    assert known.get("mine").workers.cores == 4


def test_an_unknown_preset_is_refused_with_the_nearest(known: Platforms) -> None:
    """The message has the nearest name, the hint all of them."""
    with pytest.raises(UsageError, match="no preset 'larg'; did you mean 'large'") as caught:
        known.get("hill", "larg")
    assert "large, small" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("[hil:large]\ncores = 1\n", r"\[hil:large\] is no preset of a platform; did you mean 'hill'"),
        ("[hill:]\ncores = 1\n", "is no preset"),
        ("[hill:other]\nplatform = mine\n", "inherits from its platform alone"),
        ("[hill:other]\ncoers = 1\n", "unknown key 'coers'"),
    ],
)
def test_a_preset_that_cannot_be_is_said(tmp_path: Path, section: str, said: str) -> None:
    """A preset of no platform, without a name, with an own base, or with a key nobody knows."""
    (mistake,) = read(tmp_path, INI + section).mistakes
    assert re.search(said, mistake.error.message)


def test_the_command_line_lies_over_every_preset(known: Platforms) -> None:
    """What is charged and how workers look in each preset travels with the session."""
    platform, shapes = presets.chosen(known, "hill", "large", {"account": "course", "workers": None})
    told = presets.choices(platform, shapes)["presets"]
    assert platform.workers.cores == 16
    assert presets.chosen(known, "hill", presets.DEFAULT, {})[0] == known.get("hill")
    assert {name: (each["cores"], each["account"]) for name, each in told.items()} == {
        "large": (16, "course"),
        "small": (1, "course"),
    }


@pytest.mark.parametrize(
    ("resources", "workers", "cores", "most"),
    [
        (Resources(cores=8, memory=80), Workers(cores=4, processes=2), 2, 4),
        (Resources(cores=2, memory=80), Workers(cores=16), 2, 1),
        (Resources(cores=7, memory=80), Workers(cores=2), 2, 3),
        (Resources(cores=1, memory=80), Workers(cores=1, processes=4), 1, 1),
    ],
)
def test_workers_in_the_job_have_no_more_than_the_job(
    resources: Resources, workers: Workers, cores: int, most: int
) -> None:
    """As processes of the session's job all workers together have its cores and its memory at most."""
    inside = presets.within(resources, workers)
    assert (inside.cores, inside.max_jobs, inside.processes) == (cores, most, 1)
    assert inside.cores * most <= resources.cores
    assert inside.memory is not None and inside.memory * most <= (resources.memory or 0)


@pytest.mark.parametrize("text", ["slurm", "pbs", "local", "gateway", "tcp://node1:8786", "tls://[fe80::1]:8786"])
def test_what_may_give_workers(text: str) -> None:
    """A kind, or an address with its port."""
    assert read_kind(text) == text


ADDRESS = "is written as tls://HOST:8786"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nobody of that name"),
        ("Slurm", "did you mean 'slurm'"),
        ("tls://node1", ADDRESS),
        ("http://node1:80", ADDRESS),
        ("tcp://node1:99999", ADDRESS),
        ("tcp://a b:1", ADDRESS),
    ],
)
def test_what_may_not_give_workers(text: str, said: str) -> None:
    """Anything else is refused, with what is near; the hint of the key has the list."""
    with pytest.raises(ValueError, match=said):
        read_kind(text)


def test_a_scheduler_with_tls_wants_all_files() -> None:
    """The message names those that are missing; without TLS there are none to name."""
    platform = Platform("hill", dask=Dask("tls://a:1", tls_ca="~/ca", tls_key="~/key"))
    with pytest.raises(ConfigurationError, match=r"there is no tls_cert$"):
        presets.check_dask(platform)
    presets.check_dask(Platform("hill", dask=Dask("tcp://a:1")))


def test_a_gateway_s_client_is_looked_for_before_anything_is_submitted() -> None:
    """A session with it needs one more module over there, a run does not."""
    platform = Platform("hill", dask=Dask("gateway"))
    assert "dask_gateway" in batch.needed_modules("session", platform)
    assert "dask_gateway" not in batch.needed_modules("run", platform)
    assert "dask_gateway" not in batch.needed_modules("session", Platform("hill"))


@pytest.mark.parametrize(
    ("gateway", "address", "said"), [(None, "", True), (None, "http://a", False), ("http://b", "", False)]
)
def test_a_gateway_without_an_address_is_said_before_anything_is_submitted(
    tmp_path: Path, gateway: str | None, address: str, said: bool
) -> None:
    """It may stand in the section, or over there in Dask's own configuration."""
    pytest.importorskip("dask_gateway")
    platform = Platform("hill", python=sys.executable, dask=Dask("gateway", gateway_address=gateway))
    environ = {**os.environ, "HOME": str(tmp_path), "DASK_GATEWAY__ADDRESS": address}
    look = batch._check_python(platform, ("dask_gateway",))
    done = subprocess.run(["sh", "-c", look], env=environ, capture_output=True, text=True, check=False)
    assert ("@gateway" in done.stdout, done.returncode) == (said, 3 if said else 0), done.stderr
