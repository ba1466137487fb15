"""Asking SLURM beforehand: its version, and whether it would take a job (`sbatch --test-only`). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from launcher.model import Resources
from launcher.schedulers import slurm_reasons
from launcher.schedulers.base import Accepted, Answer, Doubt, Refused, Verdict
from launcher.units import format_walltime, parse_walltime

VERSION = "sbatch --version\nscontrol ping 2>&1"

# Only where EnforcePartLimits is set does sbatch test the limits of a partition, too.
_TEST = """\
sbatch --test-only <<'springline-test' 2>&1; code=$?
#!/bin/sh
{directives}
springline-test
scontrol -o show partition 2>/dev/null
exit $code
"""
_START = re.compile(r"to start at (\S+) using .*?on nodes (\S+) in partition (\S+)")
_PAIR = re.compile(r"(\w+)=(\S*)")


def command(directives: Iterable[str]) -> str:
    """Test a job with these #SBATCH lines, and list the partitions."""
    return _TEST.format(directives="\n".join(directives))


def version(answer: Answer) -> str:
    """SLURM's version. Raises ValueError where no controller is up."""
    first, _, rest = answer.text.strip().partition("\n")
    if " UP" not in rest:
        raise ValueError(rest.strip().splitlines()[-1] if rest.strip() else "no answer")
    return first.split()[-1] if first else ""


def verdict(answer: Answer, resources: Resources) -> Verdict:
    """What SLURM would say to the job."""
    lines = answer.text.splitlines()
    said = [line for line in lines if line.strip() and not line.startswith(("PartitionName=", "Try "))]
    start = next((match for line in said if (match := _START.search(line))), None)
    if answer.exit_code or start is None:
        reason = said[-1] if said else "no answer"
        if resources.reservation and "Invalid time specified" in reason:
            return Doubt(f"jobs wait for reservation {resources.reservation} to begin, and can be tested only then")
        if answer.exit_code in (0, 124) or not said or slurm_reasons.DOUBTFUL.search("\n".join(said)):
            return Doubt(reason)
        return Refused(reason, slurm_reasons.refusal_hint("\n".join(said)))
    partitions = [dict(_PAIR.findall(line)) for line in lines if line.startswith("PartitionName=")]
    return _limited(partitions, resources) or Accepted(start[1], f"{start[2]}, partition {start[3]}")


def _limited(partitions: Sequence[dict[str, str]], resources: Resources) -> Verdict | None:
    """What no partition the job may go to allows."""
    names = resources.partition.split(",") if resources.partition else []
    asked = [one for one in partitions if (one["PartitionName"] in names if names else one.get("Default") == "YES")]
    verdicts = [_against(one, resources.walltime) for one in asked]
    return verdicts[0] if verdicts and all(verdicts) else None


def _against(partition: dict[str, str], walltime: int | None) -> Verdict | None:
    name, most, state = partition["PartitionName"], partition.get("MaxTime", ""), partition.get("State", "UP")
    if walltime and most[:1].isdigit() and walltime > parse_walltime(most):
        return Refused(
            f"a walltime of {format_walltime(walltime)} is more than the {most} of partition {name}",
            "set `walltime` (of workers: `worker_walltime`) to less, or take another `partition`",
        )
    if state != "UP":
        return Doubt(f"partition {name} is {state}: jobs wait there until it is UP again")
    return None
