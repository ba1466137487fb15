"""Looking around on a host: the probes in a real shell, their answers as schedulers give them, what is made of them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.discovery import probes
from launcher.discovery.found import Found, Partition, Place, Python
from launcher.discovery.probes import NOT_ENDED, Section
from launcher.discovery.proposing import ORDER, complaint, propose
from launcher.discovery.reading import read
from launcher.discovery.section import Section as Wanted
from launcher.discovery.section import proposed
from launcher.needed import MODULES
from launcher.platforms.keys import KEYS
from launcher.transports.local import LocalTransport
from tests.launcher.command import Command
from tests.recorded import HERE

GIB = 2**30


def recorded(name: str) -> Found:
    """What is read from a scheduler's recorded words."""
    lines = (HERE / "discovery" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return read({"scheduler": Section(0, tuple(lines))})


def values(found: Found, **given: str) -> dict[str, str]:
    """The whole proposal, without what is left out."""
    return {key: text for key, text in proposed(Wanted("x", given, {}, {}), found).values.items() if text}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account whose login shell talks, and whose `module` never comes back."""
    (tmp_path / ".bash_profile").write_text(
        "echo WELCOME; echo 'springline-0 begin tools'; module() { sleep 77; }; export -f module\n"
        f"mkdir -p {tmp_path}/scratch; export SCRATCH={tmp_path}/scratch https_proxy=http://me:geheim@proxy.test:3128/\n"
    )
    (tmp_path / ".bash_logout").write_text("echo GOODBYE\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_one_probe_that_hangs_costs_only_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise is no answer, what hangs has code 124, the others answer, and no secret of a proxy comes along."""
    monkeypatch.setitem(probes.LIMITS, "modules", 1)
    monkeypatch.setattr(probes, "LIMIT", 20)
    names = ["system", "modules", "scratch", "room", "pythons", "tools"]
    began = time.monotonic()
    answer = LocalTransport().run(probes.script(names, ["echo MORE"], [f"{home}/a b/c"]), timeout=60)
    said = probes.sections(answer.text)
    assert time.monotonic() - began < 20
    assert {name: section.code for name, section in said.items()} == {**dict.fromkeys(names, 0), "modules": NOT_ENDED}
    assert "WELCOME" not in str(said) and "GOODBYE" not in str(said) and "MORE" not in str(said)
    found = read(said)
    assert (found.system["home"], found.scratch[0].variable) == (str(home), "SCRATCH")
    assert found.home is not None and found.home.path == str(home) and (found.home.free or 0) > 0
    assert [row[:2] for row in said["room"].rows("room")] == [[str(home)] * 2, [f"{home}/a b/c", str(home)]]
    assert found.pythons[0].version >= (3, 9) and "tar" in found.tools
    assert "modules: no answer in time" in found.notes


def test_a_proxy_is_named_without_its_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The internet is asked for through the proxy of the login shell; where that is not there, it says no."""
    said = probes.sections(LocalTransport().run(probes.script(["internet"])).text)["internet"]
    assert said.rows("proxy") == [["https_proxy", "proxy.test:3128"]]
    assert said.rows("pypi")[0][0] == "no" and "geheim" not in str(said)


def test_a_prologue_that_ends_the_shell_leaves_no_answers(home: Path) -> None:
    """Then every probe has code 124, and nothing is believed."""
    said = probes.sections(LocalTransport().run(probes.script(["system", "tools"], ["exit 0"])).text)
    assert said == dict.fromkeys(("system", "tools"), Section(NOT_ENDED, ()))
    assert probes.sections("") == {}


def test_slurm_with_accounting() -> None:
    """Partitions with their limits and smallest nodes, hidden ones left out; accounts and QOS of the user."""
    found = recorded("slurm")
    assert (found.scheduler, found.scheduler_version, found.default_account) == ("slurm", "23.02.7", "lab")
    assert (found.accounts, found.qos) == (("lab", "einf2"), ("normal", "gpu"))
    rome, genoa, gpu, staging = found.partitions
    assert rome == Partition("rome", True, True, 432000, 525, 128, 229376 * 1024**2, memory_per_core=1792 * 1024**2)
    assert (genoa.memory, genoa.has_gpus) == (344064 * 1024**2, False)
    assert (gpu.nodes, gpu.cores, gpu.has_gpus, gpu.accounts, gpu.qos) == (38, 64, True, ("einf1", "einf2"), ("gpu",))
    assert (staging.is_up, staging.walltime, staging.cores) == (False, None, 16)


def test_proposals_on_slurm() -> None:
    """The default partition, the default account, the cores' share of a node; another partition moves the rest."""
    found = recorded("slurm")
    assert values(found) == {
        "scheduler": "slurm",
        "partition": "rome",
        "account": "lab",
        "walltime": "04:00:00",
        "cores": "2",
        "memory": "3GiB",
        "python": "python3",
        "run_dir": "~/.springline",
        "worker_partition": "rome",
        "worker_cores": "4",
        "worker_memory": "7GiB",
        "worker_walltime": "04:00:00",
    }
    moved = values(found, partition="gpu_a100")
    assert (moved["account"], moved["qos"], moved["memory"]) == ("einf2", "gpu", "8GiB")
    assert all(KEYS[key].read(text) for key, text in moved.items())


def test_pbs_pro() -> None:
    """Queues with what they and their own nodes give; the nodes that are down do not count."""
    found = recorded("pbspro")
    assert (found.scheduler, found.scheduler_version) == ("pbs", "20.0.1")
    sequential, gpu = found.partitions
    assert sequential == Partition("sequentiel", True, True, 720000, 1, 28, 120 * GIB)
    assert (gpu.is_up, gpu.has_gpus, gpu.cores, gpu.memory) == (False, True, 40, 190 * GIB)
    proposal = values(found)
    assert (proposal["partition"], proposal["walltime"], proposal["worker_memory"]) == (
        "sequentiel",
        "04:00:00",
        "17GiB",
    )


def test_torque() -> None:
    """Without a default queue the largest is proposed; without the nodes' memory two GiB a core."""
    found = recorded("torque-on-slurm-22.05.8")
    assert [(one.name, one.nodes, one.cores) for one in found.partitions] == [("normal", 2, 8), ("short", 2, 8)]
    assert (values(found)["partition"], values(found)["worker_memory"]) == ("normal", "8GiB")


def test_silence_is_no_finding() -> None:
    """Where nothing answered, nothing is made up, and it is said what did not answer."""
    found = read({})
    assert (found.scheduler, found.partitions, found.pythons, found.internet) == ("", (), (), None)
    assert "scheduler: no answer in time" in found.notes
    assert propose("scheduler", found, {}).value == ""


OLD = Python("/usr/bin/python3", (3, 6, 8), ("venv",))
NEW = Python("/usr/bin/python3.12", (3, 12, 1), ("venv",))
READY = Python("/opt/conda/bin/python", (3, 11, 4), (), MODULES)
MODULES = ("Python/3.9.5-GCCcore-10.3.0", "Python/3.11.3-GCCcore-12.3.0", "Python/3.10.4", "python-tools/3.12")


@pytest.mark.parametrize(
    ("pythons", "modules", "python", "prologue"),
    [
        ((NEW, READY, OLD), MODULES, READY.path, ""),
        ((NEW, OLD), MODULES, NEW.path, ""),
        ((OLD,), MODULES, "python3", "module load Python/3.11.3-GCCcore-12.3.0"),
        ((OLD,), (), "python3", ""),
        ((), ("Python/3.9",), "python3", ""),
    ],
)
def test_which_python(pythons: tuple[Python, ...], modules: tuple[str, ...], python: str, prologue: str) -> None:
    """One that has all it takes, else the newest from 3.11 on, else a module that has one."""
    found = Found(pythons=pythons, modules=modules)
    chosen = values(found, scheduler="slurm")
    assert (chosen["python"], chosen.get("prologue", "")) == (python, prologue)


ROOMY = Place("/home/me", "nfs", free=10**12, free_inodes=10**6)
SCRATCH = Place("/scratch/me", "lustre", free=10**13, variable="SCRATCH")
NODE_DISK = Place("/local/me", "xfs", free=10**12)


@pytest.mark.parametrize(
    ("home", "scratch", "quota", "run_dir"),
    [
        (ROOMY, (SCRATCH,), (), "~/.springline"),
        (replace(ROOMY, free=10**6), (NODE_DISK, SCRATCH), (), "/scratch/me/.springline"),
        (replace(ROOMY, free_inodes=9), (SCRATCH,), (), "/scratch/me/.springline"),
        (replace(ROOMY, writable=False), (NODE_DISK,), (), "~/.springline"),
        (ROOMY, (SCRATCH,), ("   /dev/home  12000M* 10000M  12000M  6days",), "/scratch/me/.springline"),
        (None, (), (), "~/.springline"),
    ],
)
def test_where_sessions_lie(
    home: Place | None, scratch: tuple[Place, ...], quota: tuple[str, ...], run_dir: str
) -> None:
    """In the home while there is room and quota; else where the nodes share a file system."""
    assert propose("run_dir", Found(home=home, scratch=scratch, quota=quota), {}).value == run_dir


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("partition", "rom", "there are rome, genoa"),
        ("walltime", "6-00:00:00", "partition rome gives at most 5-00:00:00"),
        ("cores", "129", "has 128 cores"),
        ("account", "mine", "you have lab, einf2"),
        ("memory", "300GiB", "has 224GiB"),
        ("worker_memory", "300GiB", ""),  # on genoa
        ("worker_cores", "200", "partition genoa has 192 cores"),
        ("worker_partition", "gone", "there is no partition 'gone'"),
        ("walltime", "5-00:00:00", ""),
    ],
)
def test_what_cannot_work_is_said(key: str, value: str, said: str) -> None:
    """A value against what was found is refused in words that say what there is."""
    answer = complaint(key, value, recorded("slurm"), {"partition": "rome", "worker_partition": "genoa"})
    assert said in answer if said else not answer


def test_a_section_keeps_what_others_set() -> None:
    """What is shipped or was set by an environment goes before a proposal; what is inherited is not written again."""
    shipped = {"host": "h", "partition": "genoa", "cores": "16", "worker_cores": "500"}
    own = {"user": "me", "python": "~/env/bin/python", "workers": "3", "qos": "old"}
    section = proposed(Wanted("x", {"idle_stop": "01:00:00"}, own, shipped, {"user": "you"}), recorded("slurm"))
    assert section.why["cores"] == "as shipped for x" and "cores" not in section.keys
    assert section.keys["python"] == "~/env/bin/python" and section.keys["workers"] == "3"
    assert section.keys["worker_cores"] == "4"  # no node has 500
    assert section.changes["user"] == ("me", "you") and section.changes["qos"] == ("old", None)
    assert section.changes["idle_stop"] == (None, "01:00:00") and "python" not in section.changes
    assert [key for key in section.why if key in ORDER] == list(ORDER)


def test_a_scheduler_that_does_not_answer() -> None:
    """Commands that get no answer are told from commands that do not work, and from a cluster that takes no jobs."""
    late = "error|sinfo|slurm_load_partitions: Socket timed out"
    hung = read({"scheduler": Section(0, ("version|slurm 22.05.8", late, "error|scontrol|"))})
    assert propose("scheduler", hung, {}).value == "slurm"
    assert "SLURM 22.05.8 is there, but did not answer: sinfo: slurm_load" in propose("scheduler", hung, {}).why
    assert propose("partition", hung, {}).why == "the scheduler did not answer"
    fatal = read({"scheduler": Section(0, ("error|sinfo|sinfo: fatal: Could not establish a configuration source",))})
    assert propose("scheduler", fatal, {}).value == ""
    assert propose("scheduler", fatal, {}).why.startswith("SLURM does not work here: sinfo: sinfo: fatal")
    silent = read({"scheduler": Section(0, ("error|qstat|",))})
    assert propose("scheduler", silent, {}).why == "PBS is there, but did not answer: qstat: no answer in time"


def test_what_is_typed_is_held_against_what_was_found() -> None:
    """Another scheduler cannot be; a Python that was not seen may be, and is said to be so."""
    found = recorded("slurm")
    assert complaint("scheduler", "pbs", found, {}) == "this is a cluster with SLURM"
    assert not complaint("scheduler", "slurm", found, {}) and not complaint("scheduler", "local", found, {})
    wanted = proposed(Wanted("x", {"python": "/nope/python"}, {}, {}), replace(found, pythons=(Python("/a", (3, 12)),)))
    assert "not seen on the path" in wanted.why["python"]


def test_nothing_is_written_while_the_scheduler_is_silent(springline: Command, tmp_path: Path) -> None:
    """With --yes nobody would see that the partition is missing; one that is named is written."""
    sinfo = tmp_path / "bin" / "sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\n[ $1 = --version ] && echo slurm 22.05.8 || { echo timed out >&2; exit 1; }\n")
    sinfo.chmod(0o755)
    add = ("platform", "add", "x", "--transport", "local", "--prologue", f"PATH={sinfo.parent}:$PATH", "--yes")
    refused = springline(*add)
    assert refused.code == 2 and "the scheduler did not answer (sinfo: timed out)" in refused.errors
    assert not springline.config.exists()
    assert "partition" in springline(*add, "--partition", "normal").output and springline.config.exists()
