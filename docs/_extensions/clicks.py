"""Commands and analyses as their --help has them: click's own objects, written as Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

import click

from . import markdown as md


def every_command() -> str:
    """All commands of springline, each under a heading of its own, in the order of `springline --help`."""
    parts: list[str] = []
    for words, found in _walk(_main(), ""):
        title = f"springline {words}"
        parts += [f"({md.slug('command', words)})=", f"## {title}"]
        parts += [_usage(found, title), *_explained(found.help), *_options(found)]
    return "\n\n".join(parts)


def job_options(name: str) -> str:
    """The options of an analysis: its own, and those of every batch job behind a fold. `batch` means the latter."""
    from jobs.batch.options import ENGINE, TARGET
    from jobs.running import click_option
    from jobs.stac import filters

    shared = {option.name: option for option in (*ENGINE, TARGET, *filters.OPTIONS)}
    if name == "batch":
        return _table(click_option(option) for option in shared.values())
    from jobs import cli, registry
    from jobs.errors import NotFoundError

    try:
        job = registry.load(name)
    except NotFoundError as error:
        raise LookupError(error.message) from error
    found = cli.job_command(job)
    flags = {f"--{option.name}" for option in job.options if option.name in shared}
    own = [param for param in found.params if not flags & set(param.opts)]
    common = [param for param in found.params if flags & set(param.opts)]
    return "\n\n".join([_usage(found, f"springline run {name}"), _table(own), *([_folded(common)] if common else [])])


def _folded(params: list[click.Parameter]) -> str:
    return (
        f"::::{{admonition}} Options of every batch job\n:collapsible: closed\n:class: fold\n\n{_table(params)}\n::::"
    )


def _main() -> click.Group:
    from launcher.cli import main

    return main


def _walk(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is None or found.hidden:
            continue
        words = f"{before} {name}".strip()
        if isinstance(found, click.Group):
            yield from _walk(found, words)
        else:
            yield words, _with_all_options(found)


def _with_all_options(found: click.Command) -> click.Command:
    """The command; in place of the analyses' own `run` the one with --on, whose help is the whole."""
    if found.name != "run":
        return found
    from launcher.commands.run import run_elsewhere

    return run_elsewhere


def _usage(found: click.Command, path: str) -> str:
    pieces = found.collect_usage_pieces(click.Context(found, info_name=path))
    return f"```text\n{' '.join([path, *pieces])}\n```"


def _explained(text: str | None) -> Iterator[str]:
    """The paragraphs of a help text; lines that click keeps as they are hold commands."""
    for paragraph in inspect.cleandoc(text or "").partition("\f")[0].split("\n\n"):
        if not paragraph.startswith("\b\n"):
            yield md.plain(paragraph)
            continue
        lines = paragraph.splitlines()[1:]
        if lines[0].endswith(":"):
            yield md.plain(lines.pop(0))
        yield md.commands(inspect.cleandoc("\n" + "\n".join(lines)))


def _options(found: click.Command) -> list[str]:
    return [*([_table(found.params)] if _records(found.params) else []), *_explained(found.epilog)]


def _table(params: Iterable[click.Parameter]) -> str:
    return md.table(("option", "what it does"), _records(params), "options")


def _records(params: Iterable[click.Parameter]) -> list[tuple[str, str]]:
    context = click.Context(click.Command("none"), show_default=True)
    records = [param.get_help_record(context) for param in params]
    return [(_names(names), md.plain(about)) for names, about in filter(None, records) if about]


def _names(names: str) -> str:
    return ", ".join(md.code(name) for name in names.split(", "))
