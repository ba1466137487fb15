"""Python and the packages a session needs, on the login host and on a node. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from shlex import quote

from launcher.checking.model import Outcome, failed, ok, warning
from launcher.discovery.probes import NOT_ENDED, Section
from launcher.model import Platform
from launcher.needed import NEEDED
from launcher.scripts import as_in_job, python_command

ALSO = ("springline",)

# For any Python 3: one too old for importlib.metadata says its own version, and that is enough.
_ASK = f"""\
import json, sys
found = {{}}
try:
    from importlib import metadata
    for name in {(*NEEDED, *ALSO)!r}:
        try: found[name] = metadata.version(name)
        except metadata.PackageNotFoundError: pass
except ImportError: pass
print("@python " + json.dumps({{"path": sys.executable, "version": sys.version.split()[0], "packages": found}}))"""


@dataclass(frozen=True)
class Software:
    """A Python and the versions of what it has."""

    path: str
    version: str
    packages: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> str:
        """In one line."""
        return ", ".join([f"Python {self.version}", *(f"{name} {self.packages[name]}" for name in self.packages)])


def question(platform: Platform) -> str:
    """Ask the section's Python as a job would run it; what went wrong comes on the same stream."""
    return "exec 2>&1\n" + as_in_job(platform, f"{python_command(platform)} -c {quote(_ASK)}")


def read(lines: Sequence[str]) -> Software | None:
    """What Python said of itself; None if it did not."""
    said = next((line.removeprefix("@python ") for line in lines if line.startswith("@python {")), None)
    return None if said is None else Software(**json.loads(said))


def here() -> dict[str, str]:
    """The versions of what matters on both sides of a connection, on this computer; what is not here is left out."""
    found = {}
    for name in ("springline", "distributed"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def outcome(
    step: str, platform: Platform, section: Section, needed: Mapping[str, str], ours: Mapping[str, str]
) -> Outcome:
    """Whether Python answers and has what is needed; `ours` are this computer's versions."""
    found = read(section.lines)
    if found is None:
        return _silent(step, platform, section)
    return judged(step, platform, found, needed, ours)


def judged(
    step: str, platform: Platform, found: Software, needed: Mapping[str, str], ours: Mapping[str, str]
) -> Outcome:
    """The versions against what is needed."""
    missing = [name for name in NEEDED if name not in found.packages]
    install = f"`springline env install {platform.name}` makes an environment there and writes it into the section"
    if missing:
        return failed(
            step, f"{found.path} (Python {found.version}) has no {', '.join(missing)}", f"{install}; or set `python`"
        )
    old = [
        f"{name} {found.packages[name]} (needs {least})" for name, least in needed.items() if _older(found, name, least)
    ]
    if old:
        return failed(step, f"{found.path}: too old: {', '.join(old)}", f"upgrade there; or {install}")
    other = _differing(found, ours)
    if other:
        return warning(step, f"{found.words()}; {other}", f"install the same version on both sides; {install}")
    return ok(step, f"{found.words()}; {found.path}")


def _older(found: Software, name: str, least: str) -> bool:
    return _numbers(found.packages[name]) < _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _differing(found: Software, ours: Mapping[str, str]) -> str:
    """What differs in a way that matters: springline's own version, and distributed's for clients on this computer."""
    words = []
    if found.packages.get("springline", ours.get("springline")) != ours.get("springline"):
        words.append(f"springline here is {ours.get('springline')}")
    if "distributed" in ours and _numbers(ours["distributed"])[:2] != _numbers(found.packages["distributed"])[:2]:
        words.append(f"distributed here is {ours['distributed']}: a Dask client on this computer may not understand it")
    return ", ".join(words)


def _silent(step: str, platform: Platform, section: Section) -> Outcome:
    """Python did not answer."""
    said = next((line for line in reversed(section.lines) if line[:1] != "@"), "")
    program = "apptainer" if platform.image else f"Python as '{platform.python}'"
    why = said or {NOT_ENDED: "no answer in time", 127: "there is no such program"}.get(
        section.code, f"the shell ended with code {section.code}; is there an `exit` or `exec` in `prologue`?"
    )
    return failed(
        step,
        f"cannot run {program}: {why}",
        f"set `python` of [{platform.name}] to a Python with jupyterlab and dask, or load what it takes in `prologue`; "
        f"`springline env install {platform.name}` makes one",
    )
