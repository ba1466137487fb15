"""The steps that need a compute node: a small job there, and the ways to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from launcher.checking import connecting, nodes, software
from launcher.checking.doors import Knock, knock, knock_behind
from launcher.checking.model import ON_NODE, Status, blocker, ok, skipped
from launcher.checking.nodejob import NodeJob, Seen
from launcher.checking.runner import Check
from launcher.errors import SpringlineError, StillPending
from launcher.transports.base import Endpoint, Node, Tcp, UnixSocket
from launcher.tunnels.tunnel import LOOPBACK
from launcher.units import format_duration

NEEDS = ("shell", "run-dir", "scheduler", "limits", "python")


def check_node(check: Check, wait: float) -> None:
    """Run the job, waiting in the queue for `wait` seconds, and end it."""
    if why := blocker(check.outcomes, NEEDS):
        _skip(check, ON_NODE, why)
        return
    job = NodeJob(check.cluster)
    try:
        seen = job.run(wait, lambda _: None)
        check.add(nodes.ran(seen.node.host, seen.queued, check.platform.run_dir))
        _look_around(check, seen, job)
    except StillPending as error:
        why = error.message.partition(": ")[2]
        _skip(check, ON_NODE[:1], f"still in the queue after {format_duration(wait)}, and cancelled: {why}")
        _skip(check, ON_NODE[1:], "because the job on a node is still in the queue")
    except SpringlineError as error:
        made = [one.step for one in check.outcomes]
        left = [step for step in ON_NODE if step not in made]
        check.add(replace(nodes.did_not_run(error, check.platform.name), step=left[0]))
        _skip(check, left[1:], blocker(check.outcomes, left[:1]))
    finally:
        job.close()


def _skip(check: Check, steps: Sequence[str], why: str) -> None:
    for step in steps:
        check.add(skipped(step, why))


def _look_around(check: Check, seen: Seen, job: NodeJob) -> None:
    """Who can reach the job, and what it found."""
    knocks = _ways(check, seen)
    facts = job.facts()
    found = software.Software(**facts["software"])
    same = {"python": found.version, **found.packages} == check.there
    judged = software.judged("node-python", check.platform, found, check.needed, check.here)
    if facts["broken"] and judged.status is not Status.FAILED:
        judged = software.broken("node-python", check.platform, found, facts["broken"])
    alike = same and judged.status is Status.OK
    check.add(ok("node-python", "the same as on the login host, and JupyterLab can be imported") if alike else judged)
    check.add(nodes.workers(check.platform, facts["workers"]))
    check.add(nodes.internet("node-internet", str(facts["internet"])))
    clock = next((one.clock for one in knocks if one.clock), None)
    check.add(connecting.clock("node-clock", *clock) if clock else skipped("node-clock", "because no way led there"))


def _ways(check: Check, seen: Seen) -> list[Knock]:
    """Knock at the node's port from the login host, and at its inner doors through its own sshd."""
    node, transport = seen.node, check.transport
    if why := blocker(check.outcomes, ("forwarding",)):
        _skip(check, ("node-network", "node-ssh"), why)
        return []
    outside = knock(transport, Tcp(node.address, int(node.doors["tcp"])), seen.greeting)
    via = transport.beyond(Node(node.address or node.host, node.user, node.host_keys))
    error, inside = knock_behind(via, _inner(node.doors), seen.greeting)
    check.add(nodes.network(node.address, outside.error, ssh=any(not one.error for one in inside.values())))
    check.add(nodes.ssh(node.host, error, {name: one.error for name, one in inside.items()}))
    return [outside, *inside.values()]


def _inner(doors: Mapping[str, str | int]) -> dict[str, Endpoint]:
    """The doors that only somebody on the node can knock at."""
    inner: dict[str, Endpoint] = {"loopback": Tcp(LOOPBACK, int(doors["loopback"]))}
    return {"socket": UnixSocket(str(doors["socket"])), **inner} if "socket" in doors else inner
