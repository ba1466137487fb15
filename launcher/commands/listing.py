"""The command that lists sessions, and jobs that belong to none. It imports what it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.completing import platforms
from launcher.commands.options import common, config_option, examples

if TYPE_CHECKING:
    from launcher.console.console import Console
    from launcher.overview.elsewhere import Place


@click.command(
    epilog=examples(
        ("springline ls", ""),
        ("springline ls --all", "those that are over, too"),
        ("springline ls --platform spider", "from whichever computer"),
        ("springline ls --orphans", "jobs that no session here explains"),
    )
)
@click.option("--all", "everything", is_flag=True, help="Show those that are over, too.")
@click.option("--orphans", is_flag=True, help="List jobs in the queue that belong to no session known here.")
@click.option(
    "--platform",
    metavar="PLATFORM",
    shell_complete=platforms,
    help="List all sessions there, from whichever computer.",
)
@config_option
@common
def ls(console: Console, everything: bool, orphans: bool, platform: str | None, config: Path | None) -> None:
    """List your sessions, and how each is.

    All their platforms are asked at once. A session whose platform does not answer is listed as unknown, not as over.
    """
    from launcher.overview.elsewhere import Place

    if orphans:
        return _list_orphans(console, Place(platform, config))
    if platform is not None:
        return _list_platform(console, Place(platform, config), everything)
    return _list_records(console, everything)


def _list_records(console: Console, everything: bool) -> None:
    import time

    from launcher import wiring
    from launcher.laptop.leftkeys import forget_left_keys
    from launcher.laptop.store import Store
    from launcher.sessions import lifecycle, report

    store = Store()
    store.purge(time.time())
    forget_left_keys()
    documents = []
    for current in wiring.statuses([s for s in store.all() if everything or not s.ended], console.asker()):
        lifecycle.remember_end(store, current)
        url = wiring.local_url(current, store) if current.phase == "ready" else None
        documents.append(report.document(current, url))
    text = report.listing(documents) if documents else "no sessions; start one: springline up"
    console.result({"schema_version": 1, "sessions": documents}, text)


def _list_platform(console: Console, place: Place, everything: bool) -> None:
    from launcher.errors import SpringlineError
    from launcher.overview import elsewhere
    from launcher.sessions import lifecycle, report

    ((_, there),) = elsewhere.listed(console.asker(), place)
    if isinstance(there, SpringlineError):
        raise there
    documents = [report.document(one) for one in there if everything or one.phase not in lifecycle.OVER]
    text = report.listing(documents) if documents else f"no sessions on {place.platform}"
    console.result({"schema_version": 1, "sessions": documents}, text)


def _list_orphans(console: Console, place: Place) -> None:
    from launcher.console.console import report_error
    from launcher.kinds import RUN, SESSION
    from launcher.laptop.store import Store
    from launcher.overview import orphans

    records = [session for kind in (SESSION, RUN) for session in Store(kind=kind).all()]
    found, errors = orphans.find(console.asker(), place, records)
    documents = [orphans.document(one) for one in found]
    blocks = [
        f"{one['job_id']}  {one['job_name']}  {one['state']} on {one['platform']}\n  {one['why']}\n  → {one['hint']}"
        for one in documents
    ]
    none = "nobody can say that there are none: not every platform answered" if errors else "no orphans"
    text = "\n".join(blocks) or none
    console.result({"schema_version": 1, "orphans": documents}, text)
    for error in errors:
        report_error(error)
    if errors:
        sys.exit(max(error.exit_code for error in errors))
