"""What the Tab key offers: names from this computer's own files. Nothing connects, and nothing is said."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from launcher.kinds import KINDS

if TYPE_CHECKING:
    from launcher.model import Session

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
VARIABLE = "_SPRINGLINE_COMPLETE"


def _offer(names: Callable[[], Iterator[tuple[str, str]]]) -> Complete:
    """Offer the names that begin as typed, each with a word about it; files that cannot be read offer nothing."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found: list[CompletionItem] = []
        with contextlib.suppress(Exception):  # a Tab is no place for an error
            found += [CompletionItem(name, help=about) for name, about in names() if name.startswith(incomplete)]
        return found

    return complete


def _platforms() -> Iterator[tuple[str, str]]:
    from launcher.platforms import loading

    known = loading.load()
    for name in known.names:
        host = known.values(name).get("host")
        yield name, host.text if host else "this computer"


def _records(noun: str) -> Iterator[Session]:
    from launcher.laptop.store import Store

    yield from reversed(Store(kind=KINDS[noun]).all())


def _all(noun: str) -> Iterator[tuple[str, str]]:
    for one in _records(noun):
        yield one.name, f"on {one.platform}" + (", over" if one.ended else "")


def _live(noun: str) -> Iterator[tuple[str, str]]:
    return ((one.name, f"on {one.platform}") for one in _records(noun) if not one.ended)


def analyses() -> Iterator[tuple[str, str]]:
    """Every analysis that is known here, without loading one."""
    from importlib.metadata import entry_points

    yield from ((point.name, "") for point in entry_points(group="springline.jobs"))
    yield "map", "your own function"


platforms, jobs = _offer(_platforms), _offer(analyses)
every_session, every_run = _offer(lambda: _all("session")), _offer(lambda: _all("run"))
live_sessions, live_runs = _offer(lambda: _live("session")), _offer(lambda: _live("run"))


def commands(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The first word of `help`."""
    root = context.find_root()
    return [] if context.params.get("words") else root.command.shell_complete(root, incomplete)
