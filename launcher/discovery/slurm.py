"""What SLURM's commands say of partitions, accounts and QOS. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from launcher.discovery.found import Partition
from launcher.discovery.probes import Section
from launcher.units import parse_walltime

_MIB = 1024**2


def read(section: Section) -> dict[str, Any] | None:
    """The fields of Found that SLURM knows; None where there are no commands of SLURM's."""
    version = next((row[0] for row in section.rows("version") if row[0].startswith("slurm")), "")
    silence = _silence(section)
    if not version:
        return {"silence": silence} if silence else None
    config = {key.strip(): value.strip() for row in section.rows("config") for key, _, value in [row[0].partition("=")]}
    assoc = [row for row in section.rows("assoc") if len(row) >= 5]
    accounts = list(dict.fromkeys(row[1] for row in assoc if row[1]))
    default = next((row[0] for row in section.rows("user") if row[0]), accounts[0] if len(accounts) == 1 else "")
    mine = [row for row in assoc if row[1] == default] or assoc
    qos = list(dict.fromkeys(name for row in assoc for name in row[3].split(",") if name))
    return {
        "scheduler": "slurm",
        "scheduler_version": version.rpartition(" ")[2],
        "silence": silence,
        "partitions": _partitions(section, config),
        "accounts": tuple(accounts),
        "default_account": default,
        "qos": tuple(qos),
        "default_qos": next((row[4] for row in mine if row[4]), ""),
    }


def _silence(section: Section) -> str:
    """Why there are no partitions; empty if there are."""
    if section.rows("sinfo") or section.rows("partition"):
        return ""
    told = [row for row in section.rows("error") if len(row) == 2 and row[0] in ("sinfo", "scontrol")]
    return f"{told[0][0]}: {told[0][1] or 'no answer in time'}" if told else ""


def _partitions(section: Section, config: Mapping[str, str]) -> tuple[Partition, ...]:
    """From scontrol, which knows the limits, and sinfo, which knows the nodes."""
    nodes: dict[str, list[list[str]]] = {}
    for row in section.rows("sinfo"):
        if len(row) >= 7:
            nodes.setdefault(row[0], []).append(row)
    told = {}
    for row in section.rows("partition"):
        values = dict(word.partition("=")[::2] for word in "|".join(row).split() if "=" in word)
        if "PartitionName" in values:
            told[values["PartitionName"]] = values
    names = [name for name in told if told[name].get("Hidden") != "YES"] or list(nodes)
    return tuple(_partition(name, told.get(name, {}), nodes.get(name, []), config) for name in names)


def _partition(name: str, told: Mapping[str, str], rows: list[list[str]], config: Mapping[str, str]) -> Partition:
    state = told.get("State") or ("UP" if any(row[1] == "up" for row in rows) else "")
    limit = told.get("MaxTime") or next((row[2] for row in rows), "")
    per_core = _first_number(told.get("MaxMemPerCPU") or config.get("MaxMemPerCPU", ""))
    return Partition(
        name,
        is_default=told.get("Default") == "YES",
        is_up=state == "UP",
        walltime=_walltime(limit),
        nodes=sum(_first_number(row[3]) or 0 for row in rows),
        cores=min((n for row in rows if (n := _first_number(row[4]))), default=None),
        memory=min((n * _MIB for row in rows if (n := _first_number(row[5]))), default=None),
        memory_per_core=per_core * _MIB if per_core else None,
        has_gpus=any("gpu" in row[6].lower() for row in rows),
        accounts=_only(told.get("AllowAccounts", "ALL")),
        qos=_only(told.get("AllowQos", "ALL")),
    )


def _only(text: str) -> tuple[str, ...]:
    return () if text in ("ALL", "") else tuple(text.split(","))


def _walltime(text: str) -> int | None:
    try:
        return parse_walltime(text)
    except ValueError:  # UNLIMITED, infinite, NONE
        return None


def _first_number(text: str) -> int | None:
    """The number at the start; SLURM puts a + behind where nodes differ, and counts thousands as K where asked to."""
    found = re.match(r"\d+", text)
    return int(found[0]) if found else None
