"""The old options, what each asks first, and the new command that then runs."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher.commands.options import leave
from launcher.errors import ConfigurationError, Interrupted, SpringlineError, TunnelError
from launcher.legacy import oldfiles, questions
from launcher.platforms import loading

OLD_PORT = 8889
END_WORD = "end"
ENVIRONMENTS = ("environment.yaml", "environment.yml")
REPAIR = "correct it, or move it away"
ADDED = (
    "Platform added successfully! Please use '--uid {uid} --mode install' to install components "
    "or '--uid {uid} --mode run' to run if already installed"
)
DCACHE = "If you want to use dCache, it needs to be manually configured. Has dCache been configured?"
ABOUT_DCACHE = (
    "To use dCache in a session, put its address and your macaroon into ~/.config/fsspec on the platform;\n"
    "springline's own analyses read dCache as docs/stac.md says. Nothing else needs it."
)


def main() -> None:
    """Ask what the old command asked, say which new command means the same, and run it."""
    from launcher.console.console import report_error

    old = parse(sys.argv[1:])
    try:
        code = _run(old)
    except (SpringlineError, KeyboardInterrupt) as error:  # the latter between two questions
        told = error if isinstance(error, SpringlineError) else Interrupted("interrupted; nothing was changed")
        report_error(told)
        code = told.exit_code
    leave(code)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The old options. What they cannot mean ends with 2."""
    parser = _parser()
    old = parser.parse_args(arguments)
    if old.uid and not old.mode:
        parser.error("say what to do: --mode install, --mode run or --mode uninstall")
    if old.one_off and old.mode in ("install", "uninstall"):
        parser.error(f"--mode {old.mode} needs a platform that is saved: give --add_platform first, then --uid")
    return old


def _run(old: argparse.Namespace) -> int:
    if old.add_platform:
        return _add()
    if old.one_off:
        return _one_off(old)
    section = oldfiles.find(old.uid)
    if section and questions.is_this_computer(section.uid):
        raise ConfigurationError(
            f"{section.file}: [{section.uid}] is springline's name of this computer", "give the section another name"
        )
    words = ["--config", str(oldfiles.as_configuration(section))] if section else []
    if section:
        _say_unknown(section.values.get("platform", ""), section.uid, section.file)
    _ask_passphrase(section.key_pass if section else _new_key_pass(old.uid))
    if old.mode == "run":
        return _new([*_up(old.uid, old), *words], "--until", END_WORD)
    return _install(old.uid, words) if old.mode == "install" else _uninstall(old.uid, words)


def _add() -> int:
    """Ask for a platform and save it in the file where --uid will look for it."""
    from launcher.platforms import inifile

    questions.need_a_terminal("write the section with: springline platform add")
    oldfiles.find("")  # what would keep the answers from being saved is said before anything is asked
    inifile.check_target(loading.user_file(), REPAIR)
    answers = questions.platform(_check_replaceable)
    earlier = oldfiles.find(answers.uid)
    file = earlier.file if earlier else loading.user_file()
    there = earlier is not None or (file.exists() and answers.uid in loading.Platforms([file]).names)
    if there and not questions.agreed(f"{file} has a section [{answers.uid}] already. Replace it?"):
        print("nothing was changed", file=sys.stderr)
        return 0
    _say_unknown(answers.platform, answers.uid, file)
    base = oldfiles.named(answers.platform, loading.load())
    inifile.set_keys(file, answers.uid, {**dict.fromkeys(answers.keys), **oldfiles.translated(answers.keys, base)})
    print(f"springline platform show {answers.uid}   # in {file}", file=sys.stderr)
    print(ADDED.format(uid=answers.uid))
    return 0


def _check_replaceable(uid: str) -> None:
    """A section of an old file is replaced in that file, which then must be one that can be changed safely."""
    from launcher.platforms import inifile

    if earlier := oldfiles.find(uid):
        try:
            inifile.check_target(earlier.file, REPAIR)
        except SpringlineError as error:
            raise ValueError(
                f"'{uid}' is in {earlier.file}, which cannot be changed safely: {error.message}; take another UID"
            ) from error


def _one_off(old: argparse.Namespace) -> int:
    """Ask for a platform and run on it; what was answered is kept for as long as the session is remembered."""
    from launcher.laptop.store import Store
    from launcher.platforms import sections

    questions.need_a_terminal("save the platform with `springline platform add`, then: springline up PLATFORM")
    if loading.user_file().exists():  # `platform` may name one of the user's own
        sections.check_file(loading.user_file())
    answers = questions.platform()
    _ask_passphrase(answers.key_pass)
    _say_unknown(answers.platform, answers.uid, loading.user_file())
    text = oldfiles.standing_alone(answers.uid, answers.keys, loading.load())
    with Store().one_off(f"# Typed for one session of {answers.uid}; goes with its record.\n{text}") as file:
        return _new(_up(answers.uid, old), "--config", str(file), "--until", END_WORD)


def _say_unknown(platform: str, uid: str, file: Path) -> None:
    """Where neither springline nor the user has such a platform, little is known of it."""
    if platform and not oldfiles.named(platform, loading.load()):
        print(
            f"springline knows no platform '{platform}': SLURM's defaults count for partition, walltime and cores; "
            f"others go into the section [{uid}] of {file}",
            file=sys.stderr,
        )


def _up(uid: str, old: argparse.Namespace) -> list[str]:
    """`springline up` with the old options."""
    port = old.local_port or _port_as_before()
    wait = [] if old.wait_time is None else ["--wait", str(old.wait_time)]
    return ["up", uid, "--local-port", str(port), *wait]


def _install(uid: str, words: Sequence[str]) -> int:
    questions.need_a_terminal(f"run: springline env install {uid}")
    if not questions.agreed("Do you want to install all components on remote host?"):
        return 0
    for name in ENVIRONMENTS:
        if Path(name).is_file():  # of which the old command made all of the environment
            more = shlex.join(
                ["springline", "env", "install", uid, *words, "--method", "conda", "--requirements", name]
            )
            print(f"{name} is not read; where you want what it lists, too: {more}", file=sys.stderr)
    code = _new(["env", "install", uid, *words], agreed=True)
    if code:
        print("Installation unsuccessful! Please try again.", file=sys.stderr)
        return code
    print("dCache configured by User" if questions.agreed(DCACHE) else ABOUT_DCACHE, file=sys.stderr)
    print("Installed successfully!")
    return 0


def _uninstall(uid: str, words: Sequence[str]) -> int:
    questions.need_a_terminal(f"run: springline env uninstall {uid}")
    if not questions.agreed("Do you want to uninstall all components on remote host?"):
        return 0
    code = _new(["env", "uninstall", uid, *words], agreed=True)
    print("Uninstallation unsuccessful! Please try again." if code else "Uninstalled successfully!", file=sys.stderr)
    return code


def _new(command: Sequence[str], *unsaid: str, agreed: bool = False) -> int:
    """Say the new command and run it; returns its exit code. `agreed`: what it would ask was asked already."""
    from launcher.cli import main as springline
    from launcher.console.console import Console

    Console.agreed = agreed
    print(shlex.join(["springline", *command]), file=sys.stderr)
    return springline.code_of(args=[*command, *unsaid], prog_name="springline")


def _ask_passphrase(has_one: bool) -> None:
    """Ask at the old place; where nobody is there to ask, an agent may hold the key."""
    from launcher.console.console import Console

    if has_one and Console().interactive:
        Console.passphrase = questions.passphrase()


def _new_key_pass(uid: str) -> bool:
    """Whether a section of the user's own new file says that its key has a passphrase."""
    values = {}
    with contextlib.suppress(SpringlineError):  # told by the command that runs
        values = loading.load().values(uid)
    return "key_pass" in values and values["key_pass"].text.lower() in oldfiles.TRUE


def _port_as_before() -> int:
    """8889 as ever; any free port where that is taken, which the old command could not do."""
    from launcher.tunnels.tunnel import Tunnel

    try:
        tunnel = Tunnel(OLD_PORT)
    except TunnelError:
        tunnel = Tunnel()
    tunnel.close()
    return tunnel.port


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port (1 to 65535)")
    return int(text)


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="runJupyterDaskOnSLURM",
        description="The old command line of springline, with its old meaning. `springline --help` shows the new one.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--add_platform", "-a", action="store_true", help="ask for a platform and save it")
    what.add_argument(
        "--one_off", "-oo", action="store_true", help="ask for a platform and run on it; nothing is saved"
    )
    what.add_argument("--uid", "-u", help="the UID of a platform that was saved")
    parser.add_argument(
        "--mode", "-m", choices=("install", "run", "uninstall"), help="what to do on the platform of --uid"
    )
    parser.add_argument(
        "--local_port", "-lp", type=_port, help="port on this computer; default 8889, or any free one if that is taken"
    )
    parser.add_argument(
        "--wait_time", "-wt", type=_seconds, help="seconds in the queue after which to stop waiting; default: no limit"
    )
    return parser
