"""What the commands share: the group that turns errors into exit codes, and common options."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from launcher.errors import AnswerError, Interrupted, SpringlineError, UsageError

if TYPE_CHECKING:
    from launcher.terminal.stay import Wishes

Command = Callable[..., Any]
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


YES = "Say yes to every question: to an unknown host key (never a changed one), and to what is proposed."

SECTIONS = {
    "A cluster of yours": ("platform", "env"),
    "Sessions: JupyterLab and Dask": ("up", "attach", "ls", "status", "url", "logs", "scale", "client", "stop"),
    "Analyses": ("jobs", "run", "runs", "watch", "fetch", "cancel"),
    "This command": ("help", "completion"),
}
"""The commands in the order in which people meet them."""


CODES = (
    "Exit codes: 0 done, 1 some items failed, 2 usage or configuration, 10 no connection, 11 not let in, 12 host key, "
    "20 refused, 21 nobody knows whether it was submitted, 30 still in the queue, 31 did not start, 40 the job failed, "
    "41 out of memory, 42 out of time, 43 cancelled, 50 tunnel, 60 not found, 70 a mistake in springline, "
    "130 interrupted."
)


def examples(*lines: tuple[str, str], more: str = "") -> str:
    """The end of a command's help: examples as typed, each with a word about it; more, as its exit codes, below."""
    width = max(len(typed) for typed, _ in lines)
    shown = "\n".join(f"  {typed:<{width}}  {about}".rstrip() for typed, about in lines)
    return f"\b\nExamples:\n{shown}" + (f"\n\n{more}" if more else "")


class Springline(click.Group):
    """The one place where errors become messages and exit codes."""

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Run a command and exit."""
        leave(self.code_of(*args, **options))

    def code_of(self, *args: Any, **options: Any) -> int:  # noqa: ANN401
        """Run a command; whatever it raises ends as a message and an exit code."""
        _print_whatever_can_be()
        arguments = list(options.get("args") or (args[0] if args else None) or sys.argv[1:])
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except SystemExit as end:
            code = end.code
        except click.Abort:
            code = _report(Interrupted("interrupted"), arguments)
        except click.ClickException as error:
            error.show()
            code = _report(UsageError(error.format_message()), arguments, said=True)
        except SpringlineError as error:
            code = _report(error, arguments)
        except OSError as error:
            code = _report(_unwritten(error) or SpringlineError(*_bug(arguments)), arguments)
        except Exception:  # noqa: BLE001 - a bug of ours: the user gets a file to send, not a traceback
            code = _report(SpringlineError(*_bug(arguments)), arguments)
        return code if isinstance(code, int) else 0

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are met, not the alphabet's."""
        return [name for names in SECTIONS.values() for name in names if name in self.commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them by section."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(90)) for name in names])


def _print_whatever_can_be() -> None:
    """Where stdout is a file in an encoding that lacks a letter (Windows: cp1252), another one stands for it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def leave(code: int) -> NoReturn:
    """Exit at once. Threads of a connection may still run, and Python's own end can crash under them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads any more
            stream.flush()
    os._exit(code)


def _report(error: SpringlineError, arguments: list[str], *, said: bool = False) -> int:
    """Say an error, as an object too where --json asks for one; returns its exit code."""
    from launcher.console.console import error_document, report_error

    if "--json" in arguments:
        with contextlib.suppress(OSError, AnswerError):  # it is said on stderr in any case
            error_document(error)
    if not said:
        report_error(error)
    return error.exit_code


def _unwritten(error: OSError) -> SpringlineError | None:
    """What is wrong with stdout, if it is that: the help, which click prints, says it no other way."""
    from launcher.console.console import answer

    if isinstance(error, BrokenPipeError):
        return None
    try:
        answer("")
    except SpringlineError as unwritten:
        return unwritten
    except OSError:
        return None
    return None


def _bug(arguments: list[str]) -> tuple[str, str]:
    from launcher.laptop.private import state_home, write_private

    story = f"springline {' '.join(arguments)}\n\n{traceback.format_exc()}"
    try:
        file = state_home() / "last-error.txt"
        write_private(file, story)
        story = str(file)
    except SpringlineError:  # nowhere to write it: then it has to be seen
        pass
    return f"internal error: {sys.exception()!r}", f"please report it with {story}"


def common(command: Command) -> Command:
    """Give a command --json and --yes, and with them its console."""

    @click.option("--json", "json_output", is_flag=True, help="Print one JSON object.")
    @click.option("--yes", is_flag=True, help=YES)
    @functools.wraps(command)
    def wrapped(*args: Any, json_output: bool, yes: bool, **options: Any) -> Any:  # noqa: ANN401
        from launcher.console.console import Console
        from launcher.units import format_duration

        console = Console(json_output=json_output, yes=yes)
        with console.live(lambda seconds: f"  {format_duration(seconds)}  waiting for an answer"):
            return command(*args, console=console, **options)

    return wrapped


def _regular_file(_context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    """Refuse what cannot be read again later, by another command: a directory or a pipe."""
    if file is not None and os.path.exists(file) and not os.path.isfile(file):  # noqa: PTH110, PTH113 - never raise
        raise click.BadParameter(f"{file} is not a regular file; give the path of a platforms.ini")
    return file


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    callback=_regular_file,
    help="Read this platforms.ini in place of your own.",
)


def connection_options(command: Command) -> Command:
    """Give a command the options of `up` and `attach`."""
    for option in (
        click.option("--local-port", type=click.IntRange(1, 65535), help="Port on this computer; default any free."),
        click.option("--wait", type=click.IntRange(0), metavar="SECONDS", help="Longest wait in the queue."),
        click.option("--detach", is_flag=True, help="Leave when the session is ready; it lives on."),
        click.option("--no-browser", is_flag=True, help="Do not open a browser."),
        click.option("--page", default="lab", help="What to open, e.g. lab/tree/map.ipynb."),
        click.option("--show-token", is_flag=True, help="Print the address with its token."),
        click.option("--insecure-http", is_flag=True, help="Plain HTTP on the node's address: others can listen in."),
        click.option("--until", default="", hidden=True, help="Detach when this word is typed; of the old command."),
    ):
        command = option(command)
    return command


def wishes_of(options: dict[str, Any], local_port: int | None) -> Wishes:
    """The connection options as one value."""
    from launcher.terminal.stay import Wishes

    return Wishes(
        local_port=local_port,
        detach=options["detach"],
        wait=options["wait"],
        browser=not options["no_browser"],
        show_token=options["show_token"],
        page=options["page"],
        insecure_http=options["insecure_http"],
        until=options["until"],
    )
