"""Which packages an environment over there takes, and their wheels: found out and fetched here, for over there.

uv resolves for the platform's Python, processor and C library within the lock; pip fetches what is not here yet. Both
honour the user's own settings for indexes, proxies and certificates. What they found is kept, so that the same wish
needs no internet the next time.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.environments import ownwheel
from launcher.environments.base import Supply, Tell
from launcher.errors import ConfigurationError, ConnectError
from launcher.laptop.private import write_private
from launcher.transports.programs import run_program

GLIBC = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)  # of 2.x, those uv knows platforms of
OFFLINE = ("failed to fetch", "error sending request", "timed out", "certificate")  # as uv says it
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)")
_ADDRESS = re.compile(r"^\S+ @ \S+", re.MULTILINE)
_INPUT = re.compile(r"`[^`]*/(requirements|constraints)\.txt`")
_NO_WHEEL = re.compile(
    r"(?P<name>[\w.-]+)==(?P<version>\S+) has no (?:usable )?wheels|all versions of (?P<any>\S+) have no usable wheels"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Target:
    """For what wheels must be made."""

    machine: str  # x86_64, aarch64
    glibc: int  # the x of 2.x
    python: str  # e.g. 3.11

    @property
    def uv_platform(self) -> str:
        """The newest platform uv knows that runs there."""
        return f"{self.machine}-manylinux_2_{next((known for known in GLIBC if known <= self.glibc), 17)}"

    @property
    def tags(self) -> list[str]:
        """The platform tags of wheels that run there."""
        old = ["manylinux2014", "manylinux2010", "manylinux1"] if self.machine == "x86_64" else ["manylinux2014"]
        new = [f"manylinux_2_{minor}" for minor in range(self.glibc, 4, -1)]
        return [f"{tag}_{self.machine}" for tag in (*new, *old, "linux")]


def cache() -> Path:
    """Where wheels are kept on this computer."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "springline"


def lock_file() -> Path:
    """The lock that comes with springline."""
    return ownwheel.shipped("environment.lock")


def resolve(target: Target, extras: Iterable[str], requirements: str, constraints: str = "") -> str:
    """The pinned and hashed packages, without springline itself, as pip and uv read them."""
    wanted = ",".join(sorted({"jobs", *extras}))
    kept = kept_answer(target, wanted, requirements, constraints)
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        wheel = ownwheel.write(Path(scratch))
        texts = {"springline": f"springline[{wanted}] @ {wheel.as_uri()}", "requirements": requirements}
        files = [Path(scratch) / f"{name}.txt" for name in (*texts, "constraints")]
        for file, text in zip(files, (*texts.values(), constraints), strict=True):
            file.write_text(text, encoding="utf-8")
        answer = run_program(_compile(target, files))
    if answer.exit_code:
        raise _unresolved(target, answer.errors)
    if address := _ADDRESS.search(answer.text):
        raise ConfigurationError(
            f"--requirements: {address[0]}: only packages of an index can be installed over there",
            "name a version of it that is on an index; an index of your own goes into UV_INDEX_URL and PIP_INDEX_URL",
        )
    write_private(kept, answer.text)
    return answer.text


def kept_answer(target: Target, extras: str, requirements: str, constraints: str = "") -> Path:
    """Where the answer to this question is kept: it stands for as long as lock and springline's own needs do."""
    lock = lock_file().read_text(encoding="utf-8")
    key = "\n".join([repr(target), extras, requirements, constraints, ownwheel.metadata(), lock])
    return cache() / "resolved" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.txt"


def _compile(target: Target, files: Sequence[Path]) -> list[str]:
    *wanted, limits = map(str, files)
    uv = [sys.executable, "-m", "uv", "pip", "compile", *wanted, "-c", str(lock_file()), "-c", limits]
    there = ["--python-platform", target.uv_platform, "--python-version", target.python, "--python", sys.executable]
    form = ["--generate-hashes", "--no-header", "--no-annotate", "--quiet", "--no-emit-package", "springline"]
    return [*uv, *there, "--only-binary", ":all:", *form]


def wheels(target: Target, pinned: str, tell: Tell) -> list[Supply]:
    """The wheel of each package, fetched where it is not here yet."""
    hashes = _hashes(pinned)
    found = _kept(hashes)
    missing = [name for name in hashes if name not in found]
    if missing:
        tell(f"downloading {len(missing)} of {len(hashes)} packages for Python {target.python} on {target.machine}")
        _download(target, _without(pinned, found), tell)
        found = _kept(hashes)
    lost = [name for name in hashes if name not in found]
    if lost:
        raise ConnectError(f"these packages could not be downloaded: {', '.join(lost)}", "try again")
    return [found[name] for name in hashes]


def _download(target: Target, pinned: str, tell: Tell) -> None:
    """Fetch into a scratch directory beside the kept ones, and move what is whole."""
    kept = cache() / "wheels"
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text(pinned, encoding="utf-8")
        platforms = [word for tag in target.tags for word in ("--platform", tag)]
        python = ["--implementation", "cp", "--python-version", target.python, "--only-binary", ":all:"]
        what = ["--no-deps", "--require-hashes", "--requirement", str(listed), "--dest", f"{scratch}/wheels"]
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--progress-bar", "off"]
        answer = run_program([*pip, *what, *platforms, *python], lambda line: _tell_download(line, tell))
        if answer.exit_code:
            raise _not_fetched(answer.errors)
        for wheel in (Path(scratch) / "wheels").iterdir():
            wheel.replace(kept / wheel.name)


def _tell_download(line: str, tell: Tell) -> None:
    if line.strip().startswith("Downloading "):
        tell(f"  {line.strip().rpartition('/')[2].removeprefix('Downloading ')}")


def names(pinned: str) -> dict[str, str]:
    """Name → version of pinned packages."""
    return {_plain(match["name"]): match["version"] for match in _PIN.finditer(pinned)}


def block(pinned: str, name: str) -> str:
    """The lines of one package."""
    return _blocks(pinned).get(name, "")


def _hashes(pinned: str) -> dict[str, set[str]]:
    """Name → the checksums that its wheel may have."""
    return {name: set(_HASH.findall(block)) for name, block in _blocks(pinned).items()}


def _blocks(pinned: str) -> dict[str, str]:
    """Name → its lines."""
    blocks: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", pinned):
        match = _PIN.match(block)
        if match:
            blocks[_plain(match["name"])] = block.rstrip()
    return blocks


def _without(pinned: str, found: Mapping[str, Supply]) -> str:
    return "".join(f"{block}\n" for name, block in _blocks(pinned).items() if name not in found)


def _kept(hashes: Mapping[str, set[str]]) -> dict[str, Supply]:
    """Those that are here, whole."""
    found = {}
    for wheel in sorted((cache() / "wheels").glob("*.whl")):
        name = _plain(wheel.name.partition("-")[0])
        if name in hashes and name not in found:
            supply = supply_of("wheel", wheel)
            if supply.sha256 in hashes[name]:
                found[name] = supply
    return found


def supply_of(kind: str, path: Path) -> Supply:
    """A file here as a supply of that kind."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Supply(kind, path.name, path.stat().st_size, digest, path)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _unresolved(target: Target, errors: str) -> ConfigurationError | ConnectError:
    said = _INPUT.sub(r"--requirements", errors.strip())
    without = _NO_WHEEL.search(said)
    unknown = re.search(r"(\S+) was not found in the package registry", said)
    if without:
        return _no_wheel(target, without["name"] or without["any"], without["version"] or "")
    if unknown:
        return ConfigurationError(
            f"--requirements: there is no package {unknown[1]} in the index",
            "correct its name; an index of your own goes into UV_INDEX_URL and PIP_INDEX_URL",
        )
    if "No solution found" in said:
        return ConfigurationError(
            f"these packages do not go together:\n{said}", "correct --requirements; springline's own versions are fixed"
        )
    if any(word in said.lower() for word in OFFLINE):
        return _no_internet(said)
    return ConfigurationError(
        f"--requirements cannot be used:\n{said}", "correct it; the words are those of uv, which reads it"
    )


def _no_wheel(target: Target, name: str, version: str) -> ConfigurationError:
    """A package that would have to be compiled: one of the lock's, which are the same with conda, or the user's own."""
    of_lock = _plain(name) in names(lock_file().read_text(encoding="utf-8"))
    return ConfigurationError(
        f"there is no wheel of {f'{name} {version}'.strip()} for glibc 2.{target.glibc}, {target.machine} and "
        f"Python {target.python}, which is what was found over there",
        "an image brings a whole system of its own: --method image"
        if of_lock
        else "ask for another version; or let conda bring it, named in an environment.yml: --method conda",
    )


def _not_fetched(errors: str) -> ConfigurationError | ConnectError:
    last = (errors.strip().splitlines() or ["pip gave no reason"])[-1]
    if "No space left" in errors or "quota" in errors.lower():
        return ConfigurationError(
            f"cannot write below {cache()}: {last}", "free some space there, or set XDG_CACHE_HOME"
        )
    return _no_internet(last)


def _no_internet(said: str) -> ConnectError:
    last = said.splitlines()[-1].strip()
    proxies = [name for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY") if os.environ.get(name)]
    through = f" (through the proxy of {proxies[0]})" if proxies else ""
    return ConnectError(
        f"this computer cannot get packages from the internet{through}: {last}",
        "run this again where it can: what was fetched is kept. Behind a proxy set https_proxy; an index of your own "
        "goes into UV_INDEX_URL and PIP_INDEX_URL",
    )
