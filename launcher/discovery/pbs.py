"""What PBS's commands say of queues and nodes: PBS Pro, OpenPBS and Torque. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from launcher.discovery.found import Partition
from launcher.discovery.probes import Section
from launcher.units import parse_walltime

_SIZE = re.compile(r"(\d+)([kmgt]?)[bw]?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_GONE = ("down", "offline", "state-unknown", "stale")


def read(section: Section) -> dict[str, Any] | None:
    """The fields of Found that PBS knows; None where there are no commands of PBS's."""
    queues = blocks("|".join(row) for row in section.rows("queue"))
    if not queues:
        said = next((row[1] for row in section.rows("error") if len(row) == 2 and row[0] == "qstat"), None)
        return None if said is None else {"scheduler": "pbs", "silence": f"qstat: {said or 'no answer in time'}"}
    servers = blocks("|".join(row) for row in section.rows("server")).values()
    server = next(iter(servers), {})
    nodes = blocks("|".join(row) for row in section.rows("node"))
    version = next((row[0] for row in section.rows("version")), "") or server.get("pbs_version", "")
    number = re.search(r"\d+(?:\.\d+)+", version)
    default = server.get("default_queue", next(iter(queues)) if len(queues) == 1 else "")
    return {
        "scheduler": "pbs",
        "scheduler_version": number[0] if number else "",
        "partitions": tuple(_queue(name, values, nodes.values(), default) for name, values in queues.items()),
    }


def blocks(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """Names at the margin, with or without `Queue:` before them, and `key = value` lines below; a tab continues one."""
    found: dict[str, dict[str, str]] = {}
    own: dict[str, str] = {}
    key = ""
    for line in lines:
        if line[:1] not in ("", " ", "\t"):
            name = re.sub(r"^(?:Queue|Server):\s*", "", line).strip()
            own, key = found.setdefault(name, {}), ""
        elif " = " in line:
            key, _, value = (part.strip() for part in line.partition(" = "))
            own[key] = value
        elif key:
            own[key] += line.strip()
    return found


def _queue(name: str, told: Mapping[str, str], nodes: Iterable[Mapping[str, str]], default: str) -> Partition:
    ours = [node for node in nodes if _serves(node, name, told) and not node.get("state", "").startswith(_GONE)]
    cores = [int(text) for node in ours if (text := _resource(node, "ncpus") or node.get("np", "")).isdecimal()]
    memory = [size for node in ours if (size := _bytes(_resource(node, "mem")))]
    at_most = _bytes(told.get("resources_max.mem", ""))
    most_cores = told.get("resources_max.ncpus", "")
    return Partition(
        name,
        is_default=name == default,
        is_up=all(told.get(key, "True").lower() in ("true", "yes") for key in ("enabled", "started")),
        walltime=_walltime(told.get("resources_max.walltime", "")),
        nodes=len(ours),
        cores=min([*(n for n in cores if n), *([int(most_cores)] if most_cores.isdecimal() else [])], default=None),
        memory=min([*memory, *([at_most] if at_most else [])], default=None),
        has_gpus=any(_resource(node, "ngpus") not in ("", "0") for node in ours),
    )


def _serves(node: Mapping[str, str], queue: str, told: Mapping[str, str]) -> bool:
    """Nodes may be tied to queues by a list of their own or by a resource; one with neither serves all."""
    wanted = told.get("default_chunk.Qlist") or told.get("default_chunk.queue_list") or queue
    listed = _resource(node, "Qlist") or _resource(node, "queue_list")
    return not listed or wanted in listed.split(",")


def _resource(node: Mapping[str, str], name: str) -> str:
    return node.get(f"resources_available.{name}", "")


def _bytes(text: str) -> int | None:
    found = _SIZE.fullmatch(text.strip())
    return int(found[1]) * 1024 ** _POWERS[found[2].lower()] if found else None


def _walltime(text: str) -> int | None:
    try:
        return parse_walltime(text)
    except ValueError:
        return None
