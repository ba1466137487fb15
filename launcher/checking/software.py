"""Python and the packages a session needs, on the login host and on a node. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from shlex import quote

from launcher.checking.model import Outcome, Status, failed, ok, warning
from launcher.discovery.probes import NOT_ENDED, Section
from launcher.model import Platform
from launcher.needed import NEEDED
from launcher.scripts.shell import APPTAINER, as_in_job, end_mark, find_image, python_command

ALSO = ("springline",)
_PROLOGUE_OVER = "@prologue over"
_FIRST = "see first whether `prologue` did what it should; "
_SYNTAX = "@syntax"
_LEAVES = re.compile(r"\b(?:exit|exec|logout|set -\w*e)\b")

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
    image = ""
    if platform.image is not None:
        image = f"command -v {APPTAINER} >/dev/null || {{ echo @apptainer; exit 3; }}\n{find_image(platform.image)}"
    ask = f"{python_command(platform)} -c {quote(_ASK)}"
    return "exec 2>&1\n" + _reading(platform) + as_in_job(platform, f"echo '{_PROLOGUE_OVER}'", image, ask)


def _reading(platform: Platform) -> str:
    """Let bash read the prologue by itself, as long as no later quote can close what it opened."""
    text = "\n".join(platform.prologue)
    end = end_mark(text)
    return f"! command -v bash >/dev/null || bash -n <<'{end}' || {{ echo {_SYNTAX}; exit 3; }}\n{text}\n{end}\n"


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
    said = judged(step, platform, found, needed, ours)
    words = _prologue_words(platform, section)
    if said.status is not Status.FAILED or not words:
        return said
    return replace(said, seen=said.seen + words, advice=_FIRST + said.advice)


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


def broken(step: str, platform: Platform, found: Software, said: str) -> Outcome:
    """Everything is there by its name, but JupyterLab does not come to its start."""
    return failed(
        step,
        f"{found.path} cannot import jupyterlab: {said}",
        f"mend it there (`{found.path} -m pip check` says more), or `springline env install {platform.name}` "
        "makes another",
    )


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
    install = f"`springline env install {platform.name}` makes one"
    image = next((line.removeprefix("@image ") for line in section.lines if line.startswith("@image ")), None)
    if _PROLOGUE_OVER not in section.lines:
        return _stuck(step, platform, section)
    if "@apptainer" in section.lines:
        seen = "to run `image` there is neither apptainer nor singularity on the path"
        return failed(step, seen, f"load one in `prologue`, or leave `image` of [{platform.name}] out; {install}")
    if image is not None:
        return failed(
            step,
            f"there is no image {image}",
            f"set `image` of [{platform.name}] to one that is there; "
            f"`springline env install {platform.name} --method image` makes one",
        )
    said = next((line for line in reversed(section.lines) if line[:1] != "@"), "") or _end_words(section.code)
    words = _prologue_words(platform, section)
    advice = (
        f"set `python` of [{platform.name}] to a Python with jupyterlab and dask, or load what it takes in `prologue`"
    )
    return failed(
        step,
        f"cannot run Python as '{platform.python}': {said}{words}",
        f"{_FIRST if words else ''}{advice}; {install}",
    )


def _stuck(step: str, platform: Platform, section: Section) -> Outcome:
    """The shell never came to Python: the prologue, or before it a start-up file, does not end as it should."""
    told = next((match for line in section.lines if (match := re.search(r"line (\d+): .*", line))), None)
    said = told[0] if told else next((line for line in reversed(section.lines) if line[:1] != "@"), "")
    why = said or _end_words(section.code)
    if not platform.prologue:
        advice = "look for `exit` or `exec` in ~/.bash_profile or ~/.profile over there"
        return failed(step, f"the start-up files of a login shell do not come to their end: {why}", advice)
    lines = dict(enumerate(platform.prologue, 1))
    above = 0 if _SYNTAX in section.lines else 1  # as_in_job puts a brace there
    number = int(told[1]) - above if told else next((at for at, line in lines.items() if _LEAVES.search(line)), 0)
    where = f" (line {number}: `{lines[number].strip()}`)" if number in lines else ""
    return failed(
        step,
        f"`prologue` does not come to its end{where}: {why.partition(': ')[2] if told else why}",
        f"mend `prologue` of [{platform.name}]: whole bash lines, which neither leave the shell nor wait for anything",
    )


def _end_words(code: int) -> str:
    words = {NOT_ENDED: "no answer in time", 127: "there is no such program"}
    return words.get(code, f"the shell ended with code {code}")


def _prologue_words(platform: Platform, section: Section) -> str:
    """What was last said before Python was called."""
    over = section.lines.index(_PROLOGUE_OVER) if _PROLOGUE_OVER in section.lines else 0
    said = [line.strip() for line in section.lines[:over] if line[:1] != "@"]
    return f"; before it `prologue` said: {said[-1]}" if said and platform.prologue else ""
