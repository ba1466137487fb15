"""What will be sent for a run of an analysis: its name, certificate and files. No connection is made."""

from __future__ import annotations

import json
import re
import secrets as random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from launcher.daskkinds import LOCAL
from launcher.errors import UsageError
from launcher.kinds import RUN
from launcher.model import Platform, Session
from launcher.schedulers.base import Scheduler
from launcher.scripts import batch, shell
from launcher.sessions import scaling
from launcher.sessions.bundle import node_program
from launcher.sessions.planning import Plan, named, request, slug
from launcher.tunnels.access import Secrets
from launcher.tunnels.certificates import new_certificate

LARGEST_SCRIPT = 1_000_000  # bytes: it travels in the command that submits
NO_LIMIT = "31536000"  # s: worker jobs may wait in a queue for as long as they like
_SCRIPT = re.compile(r"(?P<path>[^-].*\.py):(?P<function>[^\W\d]\w*)", re.DOTALL)


@dataclass(frozen=True)
class Wish:
    """What a user wants to run on a platform, and how."""

    arguments: tuple[str, ...]  # JOB and its own options
    name: str | None = None
    workers: str | None = None  # N or MIN:MAX worker jobs
    in_allocation: bool = False
    resubmit: bool = False
    directory: str = "~"  # of the analysis, over there
    config: str = ""


def plan(platform: Platform, scheduler: Scheduler, wish: Wish) -> Plan:
    """Choose the run's name and secrets and write its files."""
    analysis = _analysis_name(wish)
    name = named(RUN, wish.name, slug(analysis))
    session = Session(
        name=name,
        platform=platform.name,
        job_name=f"{RUN.prefix}{name}-{random.token_hex(3)}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=wish.config,
        noun=RUN.noun,
        analysis=analysis,
    )
    certificate = new_certificate()
    words, script = _with_script(wish.arguments)
    asked = {**request(platform, session, [], port=0, root="~"), **_asked(platform, session, wish, words, script)}
    directory = shell.session_directory(platform, name, RUN)
    directives = scheduler.directives(platform.resources, session.job_name, "job.log", requeue=True)
    files = {
        "session.json": json.dumps({"schema_version": 1, **asdict(session)}),
        "request.json": json.dumps(asked),
        "tls.crt": certificate.certificate,
        "tls.key": certificate.key,
        "job.sh": batch.batch_script(platform, directives, directory, keep_state=True),
        **({script.place: script.text} if script else {}),
        **node_program(),
    }
    return Plan(session, Secrets("", certificate.certificate), files)


@dataclass(frozen=True)
class Script:
    """A file of the user's that goes along, and which of the words names it."""

    place: str  # in the run's directory
    text: str
    word: int


def _analysis_name(wish: Wish) -> str:
    if not wish.arguments or wish.arguments[0].startswith("-"):
        raise UsageError(
            "which analysis?", "name it first: springline run JOB --on PLATFORM …; `springline jobs` lists them"
        )
    for word in wish.arguments:
        if word.partition("=")[0] in ("--dask", "--session"):
            raise UsageError(f"{word} and --on both say where to compute", "leave one of them out")
    return wish.arguments[0]


def _asked(
    platform: Platform, session: Session, wish: Wish, words: Sequence[str], script: Script | None
) -> dict[str, Any]:
    """What the node program is to run, beside what it is told of any session."""
    numbers = _numbers(platform, wish)
    here = _in_one_job(platform, wish)
    if wish.resubmit and platform.scheduler != "local" and not platform.resources.walltime:
        raise UsageError(
            "--resubmit needs to know the walltime", "give --walltime, or set it in the platform's section"
        )
    waits = () if here or any(word.partition("=")[0] == "--wait" for word in words) else ("--wait", NO_LIMIT)
    analysis = {
        "arguments": ["run", *words, *waits],
        "directory": wish.directory,
        "script_at": script.word + 1 if script else None,
        "in_allocation": here,
        "processes": numbers["processes"],
        "minimum": numbers["minimum"],
        "maximum": numbers["maximum"],
        "resubmit": wish.resubmit,
    }
    workers = {**request(platform, session, [], port=0, root="~")["workers"], "count": numbers["count"]}
    return {"analysis": analysis, "workers": workers}


def _in_one_job(platform: Platform, wish: Wish) -> bool:
    """True where no worker jobs are wanted: a rehearsal of the analysis computes nothing."""
    here = platform.scheduler == "local" or platform.dask.kind == LOCAL
    return wish.in_allocation or here or "--dry-run" in wish.arguments


def _numbers(platform: Platform, wish: Wish) -> Mapping[str, int | None]:
    """How many Dask workers: in worker jobs, or as processes in the run's own job."""
    asked = scaling.parse(wish.workers) if wish.workers else {}
    low, high = (asked["adapt"][key] for key in ("minimum", "maximum")) if "adapt" in asked else (None, None)
    each, limit = platform.workers.processes, platform.workers.max_jobs
    count = asked.get("workers") or max(platform.workers.count, 1)
    if wish.workers and not asked.get("workers", 1):
        raise UsageError("a run without workers does nothing", "give --workers 1 or more, or --in-allocation")
    if _in_one_job(platform, wish):
        cores = platform.resources.cores if platform.scheduler != "local" else None
        return {"processes": high or asked.get("workers") or cores, "minimum": None, "maximum": None, "count": 0}
    if limit is not None and max(high or 0, count) > limit:
        raise UsageError(
            f"--workers {wish.workers}: {platform.name} allows {limit}", "see `worker_max_jobs` of its section"
        )
    # An analysis waits for its first worker, so there is always one.
    return {
        "processes": None,
        "minimum": None if low is None else max(low, 1) * each,
        "maximum": None if high is None else high * each,
        "count": count * each,
    }


def _with_script(arguments: Sequence[str]) -> tuple[list[str], Script | None]:
    """The arguments, and the file `script.py:function` of this computer that one of them names."""
    words = list(arguments)
    for number, word in enumerate(words):
        match = _SCRIPT.fullmatch(word) if number else None
        if match is None:
            continue
        path = Path(match["path"]).expanduser()
        if path.is_absolute() and not path.exists():  # then it is one of the cluster's
            return words, None
        script = Script(f"script/{path.name}", _text_of(path), number)
        words[number] = f"{script.place}:{match['function']}"
        return words, script
    return words, None


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_SCRIPT:
            size = path.stat().st_size / 1e6
            raise UsageError(f"{path} has {size:.1f} MB, which is no script", "at most 1 MB goes along with a run")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot read the script {path}: {error.strerror}",
            "it is read on this computer and sent along; a file of the cluster's is given with its whole path",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a Python script in UTF-8 ({error.reason})", "check the name") from error
    if "\0" in text:
        raise UsageError(f"{path} is not a Python script: it holds a zero byte", "check the name")
    return text
