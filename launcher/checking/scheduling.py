"""The scheduler: is it there, and would it take the section's jobs. Pure."""

from __future__ import annotations

from datetime import datetime

from launcher.checking.model import Outcome, failed, ok, warning
from launcher.discovery.probes import NOT_ENDED, Section
from launcher.model import Platform, Resources
from launcher.schedulers.base import Accepted, Answer, Doubt, Refused, Scheduler
from launcher.units import format_duration, format_memory, format_walltime

MISSING = 127
AT_ONCE_SECONDS = 60.0


def question(scheduler: Scheduler) -> str:
    """Is it there?"""
    return f"command -v {scheduler.required_command} >/dev/null 2>&1 || exit {MISSING}\n{scheduler.version_command()}"


def limits(platform: Platform) -> dict[str, Resources]:
    """What jobs ask for, by the step that tests it."""
    return {"limits": platform.resources, "worker-limits": of_a_worker(platform)}


def of_a_worker(platform: Platform) -> Resources:
    """What a worker job asks for."""
    session, workers = platform.resources, platform.workers
    return Resources(
        cores=workers.cores,
        memory=workers.memory,
        walltime=workers.walltime,
        partition=workers.partition,
        account=session.account,
        qos=session.qos,
        reservation=session.reservation,
        directives=session.directives,
    )


def outcome(platform: Platform, scheduler: Scheduler, section: Section, where: str) -> Outcome:
    """Whether the commands are there and the scheduler answers."""
    if section.code == MISSING:
        return failed(
            "scheduler",
            f"{where}: there is no '{scheduler.required_command}' on the path",
            f"is this the login host of a {scheduler.name} cluster? Check `host` and `scheduler` of [{platform.name}]",
        )
    try:
        version = scheduler.parse_version(_answer(section))
    except ValueError as error:
        return failed(
            "scheduler",
            f"{scheduler.name} does not answer: {error}",
            "try again in some minutes; if it stays so, look for a maintenance on the cluster's status page",
            20,
        )
    return ok("scheduler", f"{scheduler.name} {version}".strip() + " answers")


def limits_outcome(step: str, scheduler: Scheduler, resources: Resources, section: Section, now: str = "") -> Outcome:
    """What the scheduler would say to such a job; `now` is the time over there, as the scheduler writes it."""
    verdict = scheduler.parse_test(_answer(section), resources)
    asked = wanted(resources)
    match verdict:
        case Accepted(start, place):
            return ok(step, f"{asked}: accepted{expected(start, now)}" + (f" on {place}" if place else ""))
        case Refused(reason, hint):
            return failed(step, f"{asked}: {reason}", hint or "change what the section asks for", 20)
        case Doubt(reason):
            late = section.code == NOT_ENDED
            return warning(
                step,
                f"{asked}: {'no answer in time' if late else reason}",
                "`up` will tell; or ask the cluster's support what jobs may ask for",
            )


def expected(start: str, now: str) -> str:
    """The scheduler's estimate in words; both times are the cluster's own, without a zone."""
    try:
        seconds = (datetime.fromisoformat(start) - datetime.fromisoformat(now)).total_seconds()
    except (ValueError, TypeError):
        return f", it would start at {start}" if start else ""
    if seconds < AT_ONCE_SECONDS:
        return ", it would start at once"
    return f", it would start in about {format_duration(seconds)} ({start} over there)"


def wanted(resources: Resources) -> str:
    """What is asked for, in words."""
    parts = [
        f"{resources.cores} core" + ("s" if resources.cores != 1 else ""),
        format_memory(resources.memory) if resources.memory else "default memory",
        format_walltime(resources.walltime) if resources.walltime else "default walltime",
        *(
            f"{word} {name}"
            for word, name in (("partition", resources.partition), ("account", resources.account))
            if name
        ),
    ]
    return ", ".join(parts)


def _answer(section: Section) -> Answer:
    return Answer("\n".join(section.lines), "", section.code)
