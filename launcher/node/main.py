"""``python node.pyz run SESSION_DIR``: one session, or one run of an analysis, from ``starting`` to ``ending``."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .request import Request, RequestError, SessionDir, read

if TYPE_CHECKING:
    from .analysis import Run
    from .session import Session

USAGE = "usage: python node.pyz run SESSION_DIR"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command on the command line and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) == 2 and arguments[0] == "run":
        _leave(run(SessionDir(Path(arguments[1]).absolute())))
    if len(arguments) == 3 and arguments[0] == "jupyter":
        from .lab.server import serve

        serve(SessionDir(Path(arguments[1])), arguments[2])
        sys.exit(0)
    sys.exit(USAGE)


def run(directory: SessionDir) -> int:
    """Run the session, or the analysis, in a directory and return the exit code."""
    os.umask(0o077)
    _log_to(directory.path / "node.log")
    try:
        request = read(directory)
    except RequestError as error:
        logging.getLogger("springline").error("%s", error)
        return 1
    session = _supervisor(request)(directory, request, dict(os.environ), socket.gethostname())
    hangup = [] if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]  # ignored under nohup
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, *hangup):
        signal.signal(number, lambda number, _frame: session.events.put(("signal", number)))
    return session.run()


def _supervisor(request: Request) -> type[Session] | type[Run]:
    if request.analysis is not None:
        from .analysis import Run

        return Run
    from .session import Session

    return Session


def _log_to(path: Path) -> None:
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    logger = logging.getLogger("springline")
    for handler in (logging.FileHandler(path, encoding="utf-8"), logging.StreamHandler(sys.stdout)):
        handler.setFormatter(form)
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _leave(code: int) -> None:
    """Exit at once: nothing is left to tidy up, and no exit hook may hold the job."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
