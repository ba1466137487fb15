"""Method venv: a Python that is there, and the locked packages put beside it by uv.

uv comes along as one of the packages. Where there is internet it fetches the very same files over there; where there
is none, or it is not to be used, they are sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from launcher.environments import ownwheel, resolving
from launcher.environments.base import PYTHONS, STEP, Facts, PythonFound, Supply, Tell, Wish
from launcher.environments.resolving import Target
from launcher.errors import ConfigurationError
from launcher.scripts.shell import RemotePath, write_file

_BUILD = """\
export UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_CACHE_DIR={new}/.uv/cache
cd {new}
echo '@step unpack uv'
{python} -m zipfile -e {supplies}/{uv} .uv
chmod 700 .uv/*/scripts/uv
uv=$(echo {new}/.uv/*/scripts/uv)
echo '@step make the environment'
"$uv" venv --quiet --allow-existing --python {python} .
{requirements}
echo '@step install {count} packages{source}'
"$uv" pip install --quiet --python bin/python --no-deps --require-hashes {where} -r requirements.txt
echo '@step install springline'
"$uv" pip install --quiet --python bin/python --no-deps --no-index {supplies}/{springline}
echo '@step compile modules'
bin/python -m compileall -q -j 4 lib/*/site-packages >/dev/null 2>&1 || :
rm -rf .uv
{wrapper}
chmod 755 python
"""
# What another Python has, below what is installed here; that Python is not touched. Fails where something is not seen.
_BELOW = """
echo {step}
said=$({python} -c {tell})
for code in {note} {compare}; do printf '%s\n' "$said" | tail -n 1 | {new}/bin/python -c "$code"; done
"""
_TELL = """\
import json, sys
from importlib import metadata
names = {found.metadata["Name"] for found in metadata.distributions()} - {None}
print(json.dumps({"path": [place for place in sys.path if place], "names": sorted(names)}))
"""
_NOTE = """\
import json, os, sys, sysconfig
own = {os.path.realpath(place) for place in sys.path}
with open(os.path.join(sysconfig.get_path("purelib"), "below.pth"), "w") as pth:
    for place in json.load(sys.stdin)["path"]:
        if os.path.realpath(place) not in own:
            print(f"import site; site.addsitedir({place!r})", file=pth)
"""
_COMPARE = """\
import json, sys
from importlib import metadata
plain = lambda name: (name or "").replace("_", "-").replace(".", "-").lower()
seen = {plain(found.metadata["Name"]) for found in metadata.distributions()}
lost = [name for name in json.load(sys.stdin)["names"] if plain(name) not in seen]
if lost:
    sys.exit(f"the new environment does not see {', '.join(lost)} of the Python below it; take --method venv")
"""
_WRAPPER = """\
#!/bin/sh
exec {python} "$@"
"""


class Venv:
    """A virtual environment of a Python over there."""

    name = "venv"

    def check(self, facts: Facts, wish: Wish) -> None:
        """A Python of the lock's, on a system that wheels are made for."""
        if facts.libc != "glibc" or not facts.libc_version.startswith("2."):
            raise ConfigurationError(
                f"the C library over there is {facts.libc} {facts.libc_version}, for which few packages have wheels",
                "an image brings a whole system with another one: --method image",
            )
        choose_python(facts, wish)

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """springline's own wheel, uv's, and where they cannot come from the internet the wheels of all packages."""
        pinned = self._pinned(facts, wish)
        scratch = resolving.cache() / "wheels"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = resolving.supply_of("springline", _own_wheel(scratch))
        found = resolving.wheels(target(facts, wish), pinned if _sends(facts, wish) else _only_uv(pinned), tell)
        return [own, *found]

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """Unpack uv, make the environment, install, compile."""
        pinned = self._pinned(facts, wish)
        sends = _sends(facts, wish)
        where = f"--offline --no-index --find-links {supplies.quoted()}" if sends else ""
        version = resolving.names(pinned)["uv"]
        return _BUILD.format(
            new=new.quoted(),
            supplies=supplies.quoted(),
            uv=f"uv-{version}-*.whl",
            python=RemotePath(choose_python(facts, wish).path).quoted(),
            requirements=write_file("requirements.txt", pinned),
            count=len(resolving.names(pinned)),
            source="" if sends else " from the internet",
            where=where,
            springline=quote(ownwheel.file_name()),
            wrapper=write_file("python", _WRAPPER.format(python=(new / "bin/python").quoted())),
        )

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """Sessions use the program that starts the current environment."""
        return {"python": f"{prefix.text}/python", "image": None}

    @staticmethod
    def _pinned(facts: Facts, wish: Wish) -> str:
        return resolving.resolve(target(facts, wish), wish.extras, wish.requirements, wish.constraints)


def sees_below(new: RemotePath, python: RemotePath) -> str:
    """Lines that let the environment in `new` see the packages of another Python of the same version, below its own."""
    return _BELOW.format(
        step=quote(f"{STEP}let it see what {python.text} has"),
        python=python.quoted(),
        new=new.quoted(),
        tell=quote(_TELL),
        note=quote(_NOTE),
        compare=quote(_COMPARE),
    )


def target(facts: Facts, wish: Wish) -> Target:
    """What the wheels must be made for."""
    glibc = facts.libc_version.split(".")[1]
    return Target(facts.machine, int(glibc), choose_python(facts, wish).minor)


def choose_python(facts: Facts, wish: Wish) -> PythonFound:
    """The one that is asked for; else the one that is tested most, of those the lock is made for."""
    if wish.python.startswith(("/", "~", "$")):  # it was looked at, and stands first
        fitting = list(facts.pythons[:1])
        if fitting and fitting[0].minor not in PYTHONS:
            raise _wrong_python(facts, f"{fitting[0].path} is Python {fitting[0].version}")
    else:
        wanted = (wish.python,) if wish.python else PYTHONS
        fitting = [found for want in wanted for found in facts.pythons if want in (found.minor, found.version)]
    for found in fitting:
        if found.minor in PYTHONS:
            return found
    raise _wrong_python(facts, f"there is no Python {wish.python or ' or '.join(PYTHONS)}")


def _wrong_python(facts: Facts, what: str) -> ConfigurationError:
    there = ", ".join(f"{one.version} ({one.path})" for one in facts.pythons) or "none at all"
    return ConfigurationError(
        f"{what} over there; an environment needs one of {', '.join(PYTHONS)}; found: {there}",
        "load one in the `prologue` of the section (e.g. module load Python/3.11), name its path with --python, or let "
        "conda bring one: --method conda",
    )


def _sends(facts: Facts, wish: Wish) -> bool:
    """Whether the packages are sent from here."""
    return not (facts.internet if wish.online is None else wish.online)


def _own_wheel(directory: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        return ownwheel.write(Path(scratch)).replace(directory / ownwheel.file_name())


def _only_uv(pinned: str) -> str:
    return resolving.block(pinned, "uv")


METHOD = Venv
