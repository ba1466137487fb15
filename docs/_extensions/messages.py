"""Every message of an error that the source holds, with what to do about it, by the exit code it ends in."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from sphinx.util import logging

from . import markdown as md
from .texts import Call, Module, read

ROOT = Path(__file__).parents[2]
# The codes that no class of errors has.
OTHERS = {0: "All is well.", 70: "A mistake in springline. Please report it."}
# The parts of springline, as one meets them.
AREAS = {
    "Commands, platforms and sessions": ("launcher",),
    "All analyses": ("jobs", "jobs/batch"),
    "spring-index": ("jobs/spring_index",),
    "l1b": ("jobs/l1b",),
    "sdo-irradiance and sdo-combine": ("jobs/sdo",),
    "Catalogs": ("jobs/stac",),
}
FEW = 40  # messages that need no further headings
# What to do where a message says nothing of its own. A code without such advice: each message must have one.
ADVICE = {
    10: "Where it can be tried again, it is. If it stays: `springline platform check NAME` says where the way ends.",
    20: "Change what the scheduler names.",
    43: "Nothing: you ended it.",
    50: "`springline platform check NAME` says where the way ends.",
    130: "Nothing: you ended it.",
}
# Messages of click, which has no hints, by words in them.
CLICKS = {"has no command": "`springline --help` lists all commands."}
TOLD_THERE = "The line after the arrow says what to do; it depends on what was found."
# What a limit's name holds, and in words; SLURM makes the names of these parts.
LIMITS = {
    "AssocGrp": ("CpuLimit", "MemLimit", "NodeLimit", "JobsLimit", "GRES", "WallLimit", "SubmitJobsLimit"),
    "AssocMax": (
        "JobsLimit",
        "CpuPerJobLimit",
        "MemPerJob",
        "NodePerJobLimit",
        "WallDurationPerJobLimit",
        "GRESPerJob",
    ),
    "QOSGrp": ("CpuLimit", "MemLimit", "NodeLimit", "JobsLimit", "GRES", "WallLimit", "SubmitJobsLimit"),
    "QOSMax": (
        *("JobsPerUserLimit", "CpuPerUserLimit", "MemoryPerUser", "NodePerUserLimit", "GRESPerUser"),
        *("CpuPerJobLimit", "MemoryPerJob", "NodePerJobLimit", "WallDurationPerJobLimit", "GRESPerJob"),
    ),
}
BUDGETS = (
    "CPUMinutesLimit",
    "CPURunMinutesLimit",
    "BillingMinutes",
    "BillingRunMinutes",
    "GRESMinutes",
    "GRESRunMinutes",
)


@dataclass(frozen=True, order=True)
class Message:
    """What is said and what to do about it; words that change from case to case stand as *names*."""

    said: str
    hint: str = ""


def exit_codes() -> str:
    """A row for each exit code: what it means."""
    rows = [(md.anchor(md.code(str(code)), f"exit-code-{code}"), " ".join(_sentences(code))) for code in _codes()]
    return md.table(("exit code", "what happened"), rows)


def messages() -> str:
    """All messages: a heading for each exit code, below it one for each part of springline if they are many."""
    found = _by_code()
    parts = []
    for code in sorted(found):
        parts += [f"(exit-{code})=", f"## Exit code {code}: {_title(code)}", " ".join(_sentences(code))]
        if sum(map(len, found[code].values())) <= FEW or len(found[code]) == 1:
            parts.append(_list(set().union(*found[code].values()), code))
            continue
        for area in filter(found[code].get, AREAS):
            parts += [f"### {area}", _list(found[code][area], code)]
    return "\n\n".join(parts)


def findings() -> str:
    """What `springline platform check` finds, step by step."""
    from launcher.checking.model import STEPS

    found: dict[str, set[Message]] = defaultdict(set)
    for module in _modules("launcher/checking"):
        for call in module.calls({"failed", "warning"}):
            step, seen, *advice = call.args
            for name in module.texts(step) or [""]:
                found[name] |= set(_pairs(module, Call(call.name, [seen, *advice[:1]])))
    parts = []
    for step, title in STEPS.items():
        if found[step]:
            parts += [f"### {title}", _list(found[step])]
    return "\n\n".join(parts)


def reasons() -> str:
    """What SLURM and PBS say when they refuse a job or let it wait, and what to do."""
    from launcher.schedulers import slurm_reasons

    refused = [(md.code(said.strip()), md.plain(advice)) for said, advice in slurm_reasons.REFUSALS]
    waiting = [(md.code(said), md.plain(advice)) for said, advice in slurm_reasons.PENDING.items()]
    tables = md.table(("refused", "what to do"), refused), md.table(("waits", "what it means"), waiting)
    return "\n\n".join([*tables, LIMITED, _limits()])


LIMITED = """Limits that the cluster sets to an account (`Assoc`) or to a quality of service (`QOS`) have names made of
parts: `Grp` is what all who share it may use together, `Max` what one user or one job may use."""
EITHER = re.compile("`(account|qos)`")


def _limits() -> str:
    """The names of limits that come to the same, and what they mean."""
    from launcher.schedulers.slurm_reasons import explain

    grouped: dict[str, list[str]] = defaultdict(list)
    for start, ends in LIMITS.items():
        for end in (*ends, *(BUDGETS if start.endswith("Grp") else ())):
            grouped[EITHER.sub("`account` or `qos`", explain(start + end))].append(md.code(start + end))
    return md.table(("limit", "what it means"), [(", ".join(names), md.plain(said)) for said, names in grouped.items()])


def _list(found: set[Message], code: int = 0) -> str:
    """Messages as terms, what to do as their definitions; one of `code` without a hint gets that code's advice."""
    hints: dict[str, list[str]] = {}
    for message in sorted(found, key=_alphabet):
        hints.setdefault(message.said, []).append(message.hint or _advice(message.said, code))
    entries = [said + "".join(f"\n: {hint or '<!-- -->'}" for hint in told) for said, told in hints.items()]
    return ":::{container} messages\n" + "\n\n".join(entries) + "\n:::"


def _advice(said: str, code: int) -> str:
    """What to do about a message that has no hint; a warning where nobody says."""
    found = next((advice for words, advice in CLICKS.items() if words in said), ADVICE.get(code, ""))
    if code and not found:
        logging.getLogger(__name__).warning("exit code %s: nothing says what to do about: %s", code, said)
    return found


def _alphabet(message: Message) -> tuple[str, str]:
    return re.sub(r"[^a-z0-9 ]", "", message.said.lower()).strip(), message.hint


def _codes() -> list[int]:
    return sorted({*OTHERS, *_classes().values()})


def _title(code: int) -> str:
    """The first class with that code, in words."""
    name = next(name for name, number in _classes().items() if number == code)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Error")).lower()


def _sentences(code: int) -> list[str]:
    """What the classes with that code say of themselves; `AnalysisFailed` has the codes of others."""
    told = [md.plain(about) for name, about in _about().items() if _classes()[name] == code]
    return [OTHERS[code]] if code in OTHERS else list(dict.fromkeys(told))


@cache
def _errors() -> Mapping[str, type[Exception]]:
    """The classes of errors of both halves, by name; where both have one they have the same code."""
    import jobs.errors
    import launcher.errors

    found: dict[str, type[Exception]] = {}
    for tree in (launcher.errors, jobs.errors):
        found |= {
            name: kind for name, kind in vars(tree).items() if isinstance(kind, type) and hasattr(kind, "exit_code")
        }
    return found


def _classes() -> Mapping[str, int]:
    return {name: kind.exit_code for name, kind in _errors().items()}  # type: ignore[attr-defined]


def _about() -> Mapping[str, str]:
    return {name: (kind.__doc__ or "").partition("\n\n")[0] for name, kind in _errors().items()}


def _by_code() -> Mapping[int, Mapping[str, set[Message]]]:
    """Messages in calls of the classes, and hints that stand beside a class in a table, by code and area."""
    classes = _classes()
    found: dict[int, dict[str, set[Message]]] = defaultdict(lambda: defaultdict(set))
    for area, folders in AREAS.items():
        for module in chain.from_iterable(map(_modules, folders)):
            for call in module.calls(set(classes)):
                found[classes[call.name]][area] |= set(_pairs(module, call))
    return found


def _pairs(module: Module, call: Call) -> Iterator[Message]:
    """The messages of a call; those that only pass on the words of others are left out."""
    said, *hint = call.args
    if isinstance(said, ast.Starred):
        yield from (Message(text, hint or TOLD_THERE) for text, hint in module.pairs(said.value))
        return
    hints = (module.texts(hint[0]) or [TOLD_THERE]) if hint else []
    for text in module.texts(said) if call.has_words else [md.plain(_about()[call.name])]:
        yield from (Message(text, hint) for hint in hints or [""])


def _modules(folder: str) -> Iterator[Module]:
    """The modules of a part; those of jobs itself are not those below it."""
    for source in sorted((ROOT / folder).glob("*.py" if folder == "jobs" else "**/*.py")):
        yield read(source)
