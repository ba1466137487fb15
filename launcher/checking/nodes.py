"""What a small job on a compute node tells of the way there. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from launcher.checking.model import Outcome, failed, ok, warning
from launcher.errors import JobFailed, SpringlineError
from launcher.units import format_duration

_DOORS = {"socket": "Unix sockets", "loopback": "ports"}
TUNNEL = 50  # the code of what keeps a session from being reached


def ran(host: str, queued: float, run_dir: str) -> Outcome:
    """The job came to run and wrote where we read."""
    return ok("node", f"{host}, {format_duration(queued)} after its submission; {run_dir} is shared with it")


def did_not_run(error: SpringlineError, platform: str) -> Outcome:
    """What `up` would have met. A job that ends without a line in its log cannot see the directory."""
    advice = error.hint
    if isinstance(error, JobFailed) and "  | " not in error.message and "run_dir" not in advice:
        advice = (
            f"the job left no log: does the node see `run_dir` of [{platform}]? Set it to a directory all nodes share"
        )
    return failed("node", error.message, advice, error.exit_code)


def network(address: str, error: str, *, ssh: bool) -> Outcome:
    """A connection from the login host to a port of the node; `ssh`: another way leads there."""
    if not error:
        return ok("node-network", f"the login host reaches ports of {address}")
    seen = f"the login host does not reach a port of {address}: {error}"
    if ssh:
        return warning("node-network", seen, "no harm: JupyterLab is reached through SSH to the node")
    return failed(
        "node-network",
        f"{seen}; and SSH to the node leads nowhere",
        "no session on this node can be reached: ask the cluster's support which ports of the nodes, or which login "
        "host, may be used, or whether SSH to nodes with jobs of yours can be allowed",
        TUNNEL,
    )


def ssh(host: str, error: str, doors: Mapping[str, str]) -> Outcome:
    """Logging in to the node, and the doors behind it: name → what was wrong, empty if it opened."""
    if error:
        advice = "no harm where the way to the node is ok: JupyterLab is then reached at a port, behind TLS"
        return warning("node-ssh", f"not possible: {error}", advice)
    shut = {name: why for name, why in doors.items() if why}
    if not shut:
        return ok("node-ssh", f"{host} lets you in, and forwards {' and '.join(_DOORS[name] for name in doors)}")
    words = "; ".join(f"{_DOORS[name]}: {why}" for name, why in shut.items())
    return warning("node-ssh", f"{host} lets you in, but does not forward {words}", "no harm: another way is taken")


def internet(step: str, error: str, *, known: bool = True) -> Outcome:
    """Nothing that a session needs, but it is good to know."""
    if not known:
        return ok(step, "nobody could say")
    if error:
        return ok(step, f"none ({error.splitlines()[-1][:100]}); sessions need none, nor does `springline env install`")
    return ok(step, "pypi.org answers")
