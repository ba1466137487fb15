"""Removing an environment: exactly what its record says, after asking, and never under a session that uses it."""

from __future__ import annotations

from pathlib import Path

from launcher import inifile, platforms, wiring
from launcher.cluster import Cluster
from launcher.console import Console
from launcher.environments import facts, steps
from launcher.environments.record import Record
from launcher.errors import ConfigurationError, NotFoundError, SpringlineError, UsageError
from launcher.model import Platform
from launcher.scripts import RemotePath


def uninstall(
    platform: Platform, prefix: RemotePath | None, console: Console, *, config: Path | None = None, force: bool = False
) -> list[str] | None:
    """Remove the environment and the section's keys that name it; returns what is left there, None after a no."""
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
            f"to use another, take its keys out of [{platform.name}] of {config or platforms.user_file()}",
        )
    if not force:
        _refuse_if_used(cluster, record)
    others = "; others use it, too: their sessions would break" if record.shared else ""
    if not console.confirm(
        f"Remove {record.prefix} ({record.size / 1e9:.1f} GB) from {cluster.transport.label}{others}?"
    ):
        if console.interactive:
            return None
        raise UsageError("nothing was removed", "there is nobody to ask: give --yes")
    with console.stage("remove"):
        answer = cluster.transport.run(steps.remove(there.prefix), timeout=900)
    if answer.exit_code:
        raise ConfigurationError(f"{cluster.transport.label}: not everything could be removed: {answer.errors.strip()}")
    _forget(platform, record, config)
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


def _forget(platform: Platform, record: Record, config: Path | None) -> None:
    """Take the keys out of the section, where they still are what the install put there."""
    file = config or platforms.user_file()
    if not file.exists() or platform.name not in platforms.Platforms([file]).names:
        return
    own = platforms.Platforms([file]).values(platform.name)
    ours = {key: None for key, text in record.section.items() if text and key in own and own[key].text == text}
    if ours:
        inifile.set_keys(file, platform.name, ours)
