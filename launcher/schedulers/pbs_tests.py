"""Asking PBS beforehand: its version, and what the queue of a job allows; PBS cannot test a job. Pure."""

from __future__ import annotations

import re
from shlex import quote

from launcher.model import Resources
from launcher.schedulers.base import Answer, Doubt, Refused, Verdict
from launcher.units import format_walltime, parse_walltime

VERSION = "qstat --version 2>&1; qstat -Q 2>&1; printf 'qstat %d\\n' $?"
_LISTS = "`qstat -Q` on the cluster lists the queues; set `partition` to one"


def version(answer: Answer) -> str:
    """The version, if the server answers; SLURM's wrapper has none. Raises ValueError otherwise."""
    if "qstat 0" not in answer.text.splitlines():
        said = [line for line in (answer.text + answer.errors).splitlines() if not line.startswith("qstat ")]
        raise ValueError(said[-1].strip() if said else "PBS does not answer")
    found = re.search(r"(?:pbs_version = |[Vv]ersion: ?)([\w.]+)", answer.text)
    return found[1] if found else "without a version"


def command(resources: Resources) -> str:
    """Show the job's queue with its limits."""
    queue = resources.reservation or resources.partition
    return f"qstat -f -Q {quote(queue) if queue else ''} 2>&1"


def verdict(answer: Answer, resources: Resources) -> Verdict:
    """What the limits of the queue say; without a queue, or against no limit, nobody can say."""
    queue = resources.reservation or resources.partition
    if not queue:
        return Doubt("PBS cannot be asked beforehand; it takes the default queue, set `partition` to name one")
    unknown = "unknown queue" in answer.text.lower() or (answer.exit_code == 153 and not answer.text.strip())
    if unknown:
        return Refused(f"there is no queue '{queue}'", _LISTS)
    limits = dict(re.findall(r"^\s*([\w.]+) = (.*)$", answer.text, re.MULTILINE))
    if limits.get("enabled", "True").lower() in ("false", "no"):
        return Refused(f"queue '{queue}' takes no jobs now", _LISTS)
    return _against(limits, queue, resources) or Doubt(f"queue '{queue}' is there; PBS tells no more beforehand")


def _against(limits: dict[str, str], queue: str, resources: Resources) -> Refused | None:
    try:
        longest = parse_walltime(limits.get("resources_max.walltime", ""))
    except ValueError:
        longest = None
    if longest and resources.walltime and resources.walltime > longest:
        return Refused(f"queue '{queue}' gives {format_walltime(longest)} at most", "ask for less with --walltime")
    most = limits.get("resources_max.ncpus", "")
    if most.isdecimal() and resources.cores > int(most):
        return Refused(f"queue '{queue}' gives {most} cores at most", "ask for fewer --cores")
    return None
