"""runJupyterDaskOnSLURM: the old command line, on top of `springline up`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from launcher.errors import TunnelError
from launcher.tunnel import Tunnel

OLD_CONFIG = Path("config") / "platforms" / "platforms.ini"  # the old scripts ran in their own checkout
OLD_PORT = 8889


def translate(arguments: list[str]) -> list[str]:
    """The `springline` arguments that mean the same. Exits with 2 on what is not there yet."""
    parser = _parser()
    old = parser.parse_args(arguments)
    if old.add_platform or old.one_off:
        parser.error(f"adding platforms is not part of this version; write a section into {OLD_CONFIG}")
    if old.mode in ("install", "uninstall"):
        parser.error(f"--mode {old.mode} is not part of this version; only --mode run is")
    if old.mode != "run":
        parser.error("give --mode run")
    new = ["up", old.uid, "--local-port", str(old.local_port or _port_as_before())]
    if old.wait_time is not None:
        new += ["--wait", str(old.wait_time)]
    if OLD_CONFIG.is_file():
        new += ["--config", str(OLD_CONFIG)]
    return new


def main() -> None:
    """Say which new command it is, and run it."""
    from launcher.cli import main as springline

    new = translate(sys.argv[1:])
    print("springline " + " ".join(new), file=sys.stderr)
    springline(args=new, prog_name="springline")


def _port_as_before() -> int:
    """8889 as ever; any free port where that is taken, which the old script could not do."""
    try:
        tunnel = Tunnel(OLD_PORT)
    except TunnelError:
        tunnel = Tunnel()
    tunnel.close()
    return tunnel.port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runJupyterDaskOnSLURM")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--add_platform", "-a", action="store_true", help="add a platform (not in this version)")
    what.add_argument("--one_off", "-oo", action="store_true", help="run without saving (not in this version)")
    what.add_argument("--uid", "-u", help="section of platforms.ini")
    parser.add_argument("--mode", "-m", choices=("install", "run", "uninstall"), help="only `run` in this version")
    parser.add_argument("--local_port", "-lp", type=int, help="port on this computer, default 8889")
    parser.add_argument("--wait_time", "-wt", type=int, help="longest wait in the queue, in seconds")
    return parser
