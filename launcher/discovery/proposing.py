"""What was found → values for a platform's section, each with why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from launcher.discovery.found import OLDEST_PYTHON, Found, Partition, Place, Python
from launcher.units import format_memory, format_size, format_walltime, parse_memory, parse_walltime

_GIB = 1024**3
SESSION_CORES, WORKER_CORES = 2, 4
SESSION_MEMORY = 8 * _GIB  # no more than this; JupyterLab and the Dask scheduler need little
LEAST_MEMORY = 2 * _GIB
WALLTIME = 4 * 3600  # long enough to work in, short enough to start soon
ROOM, INODES = 2 * 10**9, 5000  # what sessions and runs leave behind in run_dir


@dataclass(frozen=True)
class Proposal:
    """A value for a key, empty where it is better left out, and why."""

    value: str
    why: str


def propose(key: str, found: Found, chosen: Mapping[str, str]) -> Proposal:
    """A value for one of ORDER, where `chosen` holds those before it."""
    return ORDER[key](found, chosen)


def complaint(key: str, value: str, found: Found, chosen: Mapping[str, str]) -> str:
    """Why a value cannot work on what was found; empty if nothing speaks against it."""
    if key == "scheduler":
        there = value in ("local", found.scheduler or value)
        return "" if there else f"this is a cluster with {found.scheduler.upper()}"
    if key == "account":
        mine = not found.accounts or value in found.accounts
        return "" if mine else f"you have no account '{value}' here; you have {_names(found.accounts)}"
    if key.removeprefix("worker_") == "partition":
        known = not found.partitions or found.partition(value)
        return (
            ""
            if known
            else f"there is no partition '{value}' here; there are {_names(p.name for p in found.partitions)}"
        )
    workers_own = chosen.get("worker_partition") if key.startswith("worker_") else ""
    partition = found.partition(workers_own or chosen.get("partition", ""))
    return _too_much(key.removeprefix("worker_"), value, partition) if partition else ""


def as_said(key: str, value: str, found: Found) -> str:
    """What is to be known of a value that was given."""
    seen = {name for one in found.pythons for name in (one.path, one.path.rpartition("/")[2])}
    if key == "python" and seen and value not in seen:
        return "as you said; not seen on the path, `springline platform check` will try it"
    return "as you said"


def _too_much(key: str, value: str, partition: Partition) -> str:
    """What a partition cannot give."""
    if key == "walltime" and partition.walltime and parse_walltime(value) > partition.walltime:
        return f"partition {partition.name} gives at most {format_walltime(partition.walltime)}"
    if key == "cores" and partition.cores and int(value) > partition.cores:
        return f"a node of partition {partition.name} has {partition.cores} cores"
    if key == "memory" and partition.memory and parse_memory(value) > partition.memory:
        return f"a node of partition {partition.name} has {format_memory(partition.memory)}"
    return ""


def _scheduler(found: Found, chosen: Mapping[str, str]) -> Proposal:
    if not found.scheduler:
        why = f"SLURM does not work here: {found.silence}" if found.silence else "no sinfo and no qstat is on the path"
        return Proposal("", why)
    name = f"{found.scheduler.upper()} {found.scheduler_version}".rstrip()
    if found.silence:
        return Proposal(found.scheduler, f"{name} is there, but did not answer: {found.silence}")
    return Proposal(found.scheduler, f"found {name}")


def _partition(found: Found, chosen: Mapping[str, str]) -> Proposal:
    up = [one for one in found.partitions if one.is_up]
    best = next((one for one in up if one.is_default), None)
    if best is not None:
        return Proposal(best.name, f"the default one: {partition_words(best)}")
    plain = [one for one in up if not one.has_gpus] or up
    if not plain:
        return Proposal("", "the scheduler did not answer" if found.silence else "none was found that takes jobs")
    largest = max(plain, key=lambda one: one.nodes)
    return Proposal(largest.name, f"there is no default; the largest without GPUs: {partition_words(largest)}")


def _account(found: Found, chosen: Mapping[str, str]) -> Proposal:
    if not found.accounts:
        return Proposal("", "the cluster named no accounts of yours")
    partition = found.partition(chosen.get("partition", ""))
    allowed = [name for name in found.accounts if not partition or not partition.accounts or name in partition.accounts]
    if not allowed:
        return Proposal("", f"none of yours ({_names(found.accounts)}) may use partition {chosen.get('partition')}")
    others = f" of {_names(found.accounts)}" if len(found.accounts) > 1 else ""
    if found.default_account in allowed:
        return Proposal(found.default_account, f"your default account{others}")
    return Proposal(allowed[0], f"may use partition {chosen.get('partition', '')}{others}")


def _qos(found: Found, chosen: Mapping[str, str]) -> Proposal:
    partition = found.partition(chosen.get("partition", ""))
    if partition is None or not partition.qos or found.default_qos in partition.qos:
        return Proposal("", "the default one is taken")
    allowed = [name for name in found.qos if name in partition.qos]
    return Proposal(allowed[0] if allowed else "", f"partition {partition.name} takes {_names(partition.qos)} only")


def _walltime(found: Found, chosen: Mapping[str, str]) -> Proposal:
    partition = found.partition(chosen.get("partition", ""))
    if partition is None or partition.walltime is None:
        return Proposal(format_walltime(WALLTIME), "no limit was found")
    limit = f"the limit of partition {partition.name} is {format_walltime(partition.walltime)}"
    return Proposal(format_walltime(min(WALLTIME, partition.walltime)), limit)


def _of_workers(chosen: Mapping[str, str]) -> Mapping[str, str]:
    """The same, where the partition is that of the workers."""
    return {**chosen, "partition": chosen.get("worker_partition") or chosen.get("partition", "")}


def _cores(found: Found, chosen: Mapping[str, str]) -> Proposal:
    return _some_cores(SESSION_CORES, "JupyterLab and the Dask scheduler", found, chosen)


def _worker_cores(found: Found, chosen: Mapping[str, str]) -> Proposal:
    return _some_cores(WORKER_CORES, "small jobs start sooner", found, _of_workers(chosen))


def _some_cores(wished: int, purpose: str, found: Found, chosen: Mapping[str, str]) -> Proposal:
    partition = found.partition(chosen.get("partition", ""))
    if partition is None or not partition.cores:
        return Proposal(str(wished), purpose)
    return Proposal(str(min(wished, partition.cores)), f"{purpose}; a node has {partition.cores}")


def _memory(found: Found, chosen: Mapping[str, str]) -> Proposal:
    return _some_memory(int(chosen.get("cores") or SESSION_CORES), SESSION_MEMORY, found, chosen)


def _worker_memory(found: Found, chosen: Mapping[str, str]) -> Proposal:
    return _some_memory(int(chosen.get("worker_cores") or WORKER_CORES), None, found, _of_workers(chosen))


def _some_memory(cores: int, at_most: int | None, found: Found, chosen: Mapping[str, str]) -> Proposal:
    """The cores' share of a node, in whole GiB; a little at least."""
    partition = found.partition(chosen.get("partition", ""))
    if partition is None or not partition.cores or not partition.memory:
        return Proposal(format_memory(at_most or cores * 2 * _GIB), "the nodes' memory was not found; 2 GiB a core")
    share = min(partition.memory // partition.cores, partition.memory_per_core or partition.memory)
    size = min(share * cores, at_most or share * cores) // _GIB * _GIB
    size = max(size, min(LEAST_MEMORY, partition.memory, (partition.memory_per_core or LEAST_MEMORY) * cores))
    part = f"the share of {cores} core{'s' if cores > 1 else ''}"
    return Proposal(format_memory(size), f"{part}; a node has {format_memory(partition.memory)} for {partition.cores}")


def _worker_partition(found: Found, chosen: Mapping[str, str]) -> Proposal:
    return Proposal(chosen.get("partition", ""), "the session's")


def _worker_walltime(found: Found, chosen: Mapping[str, str]) -> Proposal:
    own = _walltime(found, _of_workers(chosen))
    session = chosen.get("walltime", "")
    if session and not complaint("worker_walltime", session, found, chosen):
        return Proposal(session, "as long as the session")
    return own


def _python(found: Found, chosen: Mapping[str, str]) -> Proposal:
    serving = next((one for one in found.pythons if one.serves_sessions), None)
    if serving:
        return Proposal(serving.path, f"{_version(serving)}, has what a session needs")
    fresh = next((one for one in found.pythons if one.version >= OLDEST_PYTHON), None)
    wanted = "without JupyterLab and Dask; `springline env install` makes an environment"
    if fresh:
        return Proposal(fresh.path, f"{_version(fresh)}, {wanted}")
    if chosen.get("prologue") or python_module(found):
        return Proposal("python3", "of the module that the prologue loads")
    newest = (
        f"; the newest on the path is {found.pythons[0].path} ({_version(found.pythons[0])})" if found.pythons else ""
    )
    return Proposal("python3", f"no Python ≥ 3.11 was found{newest}: `springline env install` can bring one")


def _prologue(found: Found, chosen: Mapping[str, str]) -> Proposal:
    module = python_module(found)
    if any(one.version >= OLDEST_PYTHON for one in found.pythons) or not module:
        return Proposal("", "nothing needs to be loaded")
    return Proposal(f"module load {module}", "no Python ≥ 3.11 is on the path; this module has one")


def python_module(found: Found) -> str:
    """The newest module that is a Python of 3.11 or later, by its name; empty if none is."""
    versions = {}
    for module in found.modules:
        name, _, rest = module.partition("/")
        number = rest.split("-")[0].split(".")
        if name.lower() in ("python", "python3", "cray-python") and all(part.isdecimal() for part in number):
            versions[tuple(int(part) for part in number)] = module
    fresh = [version for version in versions if version >= OLDEST_PYTHON]
    return versions[max(fresh)] if fresh else ""


def _run_dir(found: Found, chosen: Mapping[str, str]) -> Proposal:
    home = found.home
    if home is None:
        return Proposal("~/.springline", "your home, which nodes usually share")
    trouble = "its quota is used up" if found.is_over_quota else _lacks(home)
    if not trouble:
        return Proposal("~/.springline", f"your home: {place_words(home)}")
    shared = next((one for one in found.scratch if one.is_shared and not _lacks(one)), None)
    if shared is None:
        return Proposal("~/.springline", f"your home, although {trouble}: make room there first")
    return Proposal(f"{_path(shared)}/.springline", f"not your home ({trouble}): {place_words(shared)}")


def _worker_local_directory(found: Found, chosen: Mapping[str, str]) -> Proposal:
    scratch = [one for one in found.scratch if one.writable]
    if not scratch or any(one.variable == "TMPDIR" for one in scratch):
        return Proposal("", "left out: the job's own $TMPDIR, else /tmp")
    return Proposal(_path(scratch[0]), f"scratch: {place_words(scratch[0])}")


def _path(place: Place) -> str:
    return place.path.rstrip("/")


def _lacks(place: Place) -> str:
    if not place.writable:
        return f"{place.path} is not yours to write"
    if place.free is not None and place.free < ROOM:
        return f"only {format_size(place.free)} are free in {place.path}"
    if place.free_inodes is not None and 0 < place.free_inodes < INODES:
        return f"only {place.free_inodes} more files fit in {place.path}"
    return ""


def place_words(place: Place) -> str:
    """A directory's file system and room."""
    room = f"{format_size(place.free)} free" if place.free is not None else "room unknown"
    return f"{room}, {place.filesystem or 'file system unknown'}" + (", shared" if place.is_shared else "")


def partition_words(partition: Partition) -> str:
    """A partition's limits and nodes."""
    limit = f"up to {format_walltime(partition.walltime)}" if partition.walltime else "no time limit found"
    nodes = f"{partition.nodes} node{'' if partition.nodes == 1 else 's'}"
    cores = f" of {partition.cores} cores" if partition.cores else ""
    memory = f" and {format_memory(partition.memory)}" if partition.memory else ""
    return f"{limit}, {nodes}{cores}{memory}"


def _version(python: Python) -> str:
    return "Python " + ".".join(str(number) for number in python.version)


def _names(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:12])


# In the order in which they are asked: later ones look at earlier ones.
ORDER: Mapping[str, Callable[[Found, Mapping[str, str]], Proposal]] = {
    "scheduler": _scheduler,
    "partition": _partition,
    "account": _account,
    "qos": _qos,
    "walltime": _walltime,
    "cores": _cores,
    "memory": _memory,
    "prologue": _prologue,
    "python": _python,
    "run_dir": _run_dir,
    "worker_partition": _worker_partition,
    "worker_cores": _worker_cores,
    "worker_memory": _worker_memory,
    "worker_walltime": _worker_walltime,
    "worker_local_directory": _worker_local_directory,
}
