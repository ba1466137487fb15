"""Removing an environment: exactly what its record says, after asking, and never under a session that uses it."""

from __future__ import annotations

from pathlib import Path

from launcher import wiring
from launcher.cluster import Cluster
from launcher.console.console import Console
from launcher.environments import facts, steps
from launcher.environments.naming import Naming, listed, naming
from launcher.environments.record import Record
from launcher.errors import ConfigurationError, NotFoundError, SpringlineError, UsageError
from launcher.model import Platform
from launcher.platforms import inifile, loading
from launcher.scripts.shell import RemotePath


def uninstall(
    platform: Platform, prefix: RemotePath | None, console: Console, *, config: Path | None = None, force: bool = False
) -> list[str] | None:
    """Remove the environment and the keys that name it; returns what is left there, None after a no."""
    cluster = wiring.cluster(platform, console.asker())
    with console.stage(f"connect {cluster.transport.label}"):
        cluster.transport.open()
        there = facts.look(cluster.transport, platform, prefix)
    record = there.record
    if record is None:
        raise NotFoundError(
            f"{cluster.transport.label}: no environment of springline's is in {there.prefix.text}",
            "`springline env show` says where one is; --prefix names another place",
        )
    if there.closed[0]:
        raise UsageError(
            f"{cluster.transport.label}: {record.prefix} belongs to {there.closed[0]}, who alone can remove it",
            f"to use another, take its keys out of [{platform.name}] of {config or loading.user_file()}",
        )
    if not force:
        _refuse_if_used(cluster, record)
    file = config or loading.user_file()
    own = naming(cluster.transport, platform, record, file)
    if own:
        inifile.check_target(
            file, f"what is to be removed is named in {listed(own)}: make it yours, or --config a copy"
        )
    keys = f", and its keys from {listed(own)}" if own else ""
    others = "; others use it, too: their sessions would break" if record.shared else ""
    if not console.confirm(
        f"Remove {record.prefix} ({record.size / 1e9:.1f} GB) from {cluster.transport.label}{keys}{others}?"
    ):
        if console.interactive:
            return None
        raise UsageError("nothing was removed", "there is nobody to ask: give --yes")
    with console.stage("remove"):
        answer = cluster.transport.run(steps.remove(there.prefix), timeout=900)
    if answer.exit_code:
        what = f"{cluster.transport.label}: not everything could be removed: {answer.errors.strip()}"
        raise ConfigurationError(what, "end what still uses it, and type the same again")
    _forget(own, file, console)
    return [line.removeprefix("@left ./") for line in answer.text.splitlines() if line.startswith("@left ")]


def _refuse_if_used(cluster: Cluster, record: Record) -> None:
    try:
        names = [job.name for job in cluster.queue("")]
        names += cluster.transport.run(steps.processes(RemotePath(record.prefix))).text.split()
    except SpringlineError as error:
        raise UsageError(
            f"nobody could say whether sessions use {record.prefix}: {error.message}", "--force removes it nevertheless"
        ) from error
    if names:
        raise UsageError(
            f"these jobs and processes of yours may use {record.prefix}: {', '.join(names[:9])}"
            + (f" and {len(names) - 9} more" if names[9:] else ""),
            "end them first (`springline stop`, `springline cancel`, scancel); --force removes it under them",
        )


def _forget(own: Naming, file: Path, console: Console) -> None:
    """Take the keys that name what is gone out of their sections."""
    left = dict(own)
    try:
        for name, keys in own.items():
            inifile.set_keys(file, name, dict.fromkeys(keys))
            del left[name]
            console.say(f"[{name}] of {file}: without {', '.join(keys)}")
    except ConfigurationError as error:
        places = "; ".join(f"of [{name}]: {', '.join(keys)}" for name, keys in left.items())
        raise ConfigurationError(
            f"the environment is removed, but {error.message}", f"take these keys out {places}"
        ) from error
