"""A platform's presets, and the shape of the workers that a session can be asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from launcher.daskkinds import LOCAL
from launcher.errors import ConfigurationError
from launcher.model import Platform, Resources, Workers
from launcher.platforms.loading import Platforms, override
from launcher.units import format_memory, format_walltime

DEFAULT = "default"  # the shape a session began with, as the node program calls it


def chosen(
    known: Platforms, name: str, preset: str | None, options: Mapping[str, Any]
) -> tuple[Platform, dict[str, Platform]]:
    """The platform with a preset and the command line's options, and the same with each of its presets by name."""
    presets = known.presets(name)
    if preset == DEFAULT and DEFAULT not in presets:
        preset = None
    others = {each: override(known.get(name, each), options) for each in presets}
    return override(known.get(name, preset), options), others


def check_dask(platform: Platform) -> None:
    """Raise ConfigurationError where a scheduler's address is given without the files that open it."""
    dask = platform.dask
    absent = [key for key in ("tls_ca", "tls_cert", "tls_key") if getattr(dask, key) is None]
    if dask.is_address and not dask.is_open and absent:
        raise ConfigurationError(
            f"{dask.kind}: a scheduler with TLS wants files, and there is no {', '.join(absent)}",
            f"set them in [{platform.name}]: tls_ca, tls_cert and tls_key, as paths over there",
        )


def choices(platform: Platform, shapes: Mapping[str, Platform]) -> dict[str, Any]:
    """What the node program of a session is told of its Dask cluster, beside the workers it begins with."""
    dask = platform.dask
    return {
        "dask": dask.kind,
        "gateway_address": dask.gateway_address,
        "tls_ca": dask.tls_ca,
        "tls_cert": dask.tls_cert,
        "tls_key": dask.tls_key,
        "presets": {name: shape(each) for name, each in shapes.items()},
    }


def shape(platform: Platform) -> dict[str, Any]:
    """The workers' part of a request."""
    resources, workers = platform.resources, platform.workers
    if platform.dask.kind == LOCAL and platform.scheduler != LOCAL:
        workers = within(resources, workers)
    return {
        "count": workers.count,
        "cores": workers.cores,
        "memory": format_memory(workers.memory) if workers.memory else None,
        "processes": workers.processes,
        "walltime": format_walltime(workers.walltime),
        "walltime_seconds": workers.walltime,
        "partition": workers.partition,
        "account": resources.account,
        "qos": resources.qos,
        "reservation": resources.reservation,
        "local_directory": workers.local_directory,
        "max_jobs": workers.max_jobs,
        "resource_spec": workers.resource_spec,
        "interface": workers.interface,
        "death_timeout": workers.death_timeout,
        "directives": list(resources.directives),
    }


def within(resources: Resources, workers: Workers) -> Workers:
    """Workers as processes of the session's own job, which together have its cores and its memory and no more."""
    cores = min(max(1, workers.cores // workers.processes), resources.cores)
    most = resources.cores // cores
    share = None if resources.memory is None else resources.memory // most
    return replace(workers, cores=cores, memory=share, processes=1, max_jobs=most)
