"""What a small job on a compute node tells of the way there. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from launcher.checking.model import Outcome, failed, ok, warning
from launcher.errors import JobFailed, SpringlineError
from launcher.model import Platform
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


def workers(platform: Platform, found: Mapping[str, Mapping[str, str]]) -> Outcome:
    """Whether workers could begin there: their directory, and their network where one is named."""
    step, workers = "node-workers", platform.workers
    directory, interface = found["local_directory"], found["interface"]
    if interface["error"]:
        return failed(
            step,
            f"worker_interface = {workers.interface}: {interface['error']}",
            f"set `worker_interface` of [{platform.name}] to one of the node's (`ip link` lists them), or leave it out",
        )
    if directory["error"]:
        seen = f"worker_local_directory = {workers.local_directory or '(none)'}: {directory['error']}"
        advice = f"set `worker_local_directory` of [{platform.name}] to a directory that workers may make and write"
        if workers.partition != platform.resources.partition:
            return warning(step, seen, f"unless nodes of partition {workers.partition} have it: {advice}")
        return failed(step, seen, advice)
    names = f"; {workers.interface} is {interface['seen']}" if interface["seen"] else ""
    return ok(step, f"they may keep files in {directory['seen']}{names}")


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
