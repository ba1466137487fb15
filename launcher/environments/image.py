"""Method `image`: Apptainer's, pulled from a registry, sent from here, built over there, or there already."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from launcher.environments import definition, resolving
from launcher.environments.base import PYTHONS, STEP, Facts, Supply, Tell, Wish
from launcher.errors import ConfigurationError, UsageError
from launcher.scripts.shell import APPTAINER, RemotePath

_NAMES = ("apptainer", "singularity")
_PULL_SECONDS = 3600.0
_SIF, _SQUASHFS = b"SIF_MAGIC", b"hsqs"  # at byte 32, at the beginning

# What Apptainer says, in words: of where it failed, and what to do. The last line is what the user reads first.
_ATTEMPT = r"""attempt() {
  said=$("$@" 2>&1) && return
  printf '%s\n' "$said" >&2
  last=$(printf '%s\n' "$said" | grep -E 'FATAL|ERROR' | tail -n 1)
  case $last in
    *'user namespace'*|*subuid*|*fakeroot*|*'be the root'*|*'requires root'*)
      why="users may not build images here (no user namespaces, no fakeroot); build it elsewhere and give the .sif" ;;
    *'no such host'*|*'i/o timeout'*|*'connection refused'*|*unreachable*|*'no route'*|*proxyconnect*|*'TLS handshake'*)
      why="the registry cannot be reached from this host; have the laptop fetch the image (--offline)" ;;
    *'manifest unknown'*|*'not found'*|*'NAME_UNKNOWN'*) why="the registry has no such image; check its name and tag" ;;
    *unauthorized*|*denied*|*UNAUTHORIZED*|*forbidden*|*Forbidden*)
      why="the registry refuses: no such image, or not a public one (log in there once: apptainer registry login)" ;;
    *'no space left'*|*'isk quota'*) why="the disk is full; free some space, or set TMPDIR to a directory with room" ;;
    *'%post'*) why="a command of %post failed, in the image that the definition begins with; what it said is above" ;;
    *) why="it went wrong" ;;
  esac
  echo "springline: $why" >&2; exit 3
}
"""

_START = """\
#!/bin/sh
# Starts the Python of an image. Made by springline.
exec {apptainer} exec {image} {python} "$@"
"""


class Image:
    """One image, run by apptainer or singularity."""

    name = "image"

    def check(self, facts: Facts, wish: Wish) -> None:
        """Something that runs images over there, and an image to be had."""
        _runner(facts)
        if not wish.image:
            raise UsageError(
                "--method image needs --image",
                "a registry's address (docker://…, oras://…), a .sif or .def file here, or a .sif over there",
            )
        if (wish.extras or wish.requirements) and not _is_definition(wish):
            raise UsageError(
                "an image holds what it holds: --extras and --requirements add nothing to it",
                "leave them out, or build one: give --image a definition file NAME.def",
            )
        if _is_registry(wish):
            _check_way(facts, wish)
        elif _file(wish) is None and not wish.image.startswith(("/", "~", "$")):
            raise UsageError(
                f"there is no file {wish.image} here", "the path of an image over there begins with / or ~"
            )
        elif not _is_definition(wish):
            _check_file(wish)

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """The image, where it is here or the cluster cannot fetch it."""
        path = _file(wish)
        if _is_registry(wish) and not _online(facts, wish):
            path = _pull(wish.image, tell)
        if _is_definition(wish):
            return definition.supplies(facts, wish, tell)
        if path is None:
            return ()
        tell(f"reading {path.name} ({path.stat().st_size / 1e6:.0f} MB)")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return [Supply("image", f"{digest[:16]}.sif", path.stat().st_size, digest, path)]

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """Get the image into `new`, or name the one that is there."""
        target = (new / "image.sif").quoted()
        if _is_definition(wish):
            body = definition.build_lines(facts, wish, Path(wish.image).expanduser(), supplies)
            body += f'attempt {quote(_runner(facts))} build --disable-cache {target} "$definition"'
        elif _is_registry(wish) and _online(facts, wish):
            body = f"echo {quote(f'{STEP}pull {wish.image}')}\n"
            body += f"attempt {quote(_runner(facts))} pull --disable-cache {target} {quote(wish.image)}"
        elif _is_registry(wish) or _file(wish):
            sent = (supplies / self.supplies(facts, wish, lambda words: None)[0].name).quoted()
            body = f"echo '{STEP}put the image in its place'\nln {sent} {target} 2>/dev/null || cp {sent} {target}\n"
            body += f"chmod 644 {target}"
        else:
            path = RemotePath(wish.image).quoted()
            body = f"echo '{STEP}look for the image'\n"
            body += f'[ -r {path} ] || {{ echo "there is no image "{path}" over there" >&2; exit 3; }}'
        start = _START.format(apptainer=APPTAINER, image=_place(wish, new).quoted(), python=quote(_python(wish)))
        python = (new / "python").quoted()
        return f"{_ATTEMPT}{body}\ncat >{python} <<'start'\n{start}start\nchmod 755 {python}\n"

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """The image by its own path, so that a session keeps the one it began with; and the Python in it."""
        return {"image": _place(wish, new).text, "python": _python(wish)}


METHOD = Image


def _place(wish: Wish, new: RemotePath) -> RemotePath:
    there = not _is_registry(wish) and _file(wish) is None
    return RemotePath(wish.image) if there else new / "image.sif"


def _python(wish: Wish) -> str:
    """The Python in the image; a version is that of the packages a definition gets."""
    return "python3" if wish.python in ("", *PYTHONS) else wish.python


def _is_registry(wish: Wish) -> bool:
    return "://" in wish.image


def _is_definition(wish: Wish) -> bool:
    return wish.image.endswith(".def") and _file(wish) is not None


def _file(wish: Wish) -> Path | None:
    path = Path(os.path.expanduser(wish.image))  # noqa: PTH111 - unlike Path's, it never raises
    return path if not _is_registry(wish) and path.is_file() else None


def _online(facts: Facts, wish: Wish) -> bool:
    return facts.internet if wish.online is None else wish.online


def _runner(facts: Facts) -> str:
    for name in _NAMES:
        if name in facts.tools:
            return facts.tools[name].path
    raise ConfigurationError(
        "there is neither apptainer nor singularity on the login host",
        "load the module that has it (a line of the section's `prologue`), or take --method venv",
    )


def _check_way(facts: Facts, wish: Wish) -> None:
    if not _online(facts, wish) and not any(map(shutil.which, _NAMES)):
        raise ConfigurationError(
            f"{wish.image}: the cluster has no internet, and this computer has no apptainer to fetch it with",
            "fetch it where there is one (apptainer pull NAME.sif ADDRESS), and give --image NAME.sif",
        )


def _check_file(wish: Wish) -> None:
    path = _file(wish)
    if path is None:
        return
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", "check that the file is yours") from error
    if _SIF not in head and not head.startswith(_SQUASHFS):
        raise UsageError(
            f"{path} is no image of Apptainer's", "make one of it: apptainer build NAME.sif docker-archive:FILE.tar"
        )


def _pull(address: str, tell: Tell) -> Path:
    """Have this computer's own apptainer fetch the image, once."""
    if sys.platform == "win32":
        raise ConfigurationError("there is no Apptainer on Windows to fetch the image with", "inside WSL it works")
    from launcher.transports.local import LocalTransport

    cache = resolving.cache() / "images"
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.sif"
    if path.exists():
        return path
    tell(f"fetching {address}, for the cluster cannot")
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        part = Path(scratch) / "image.sif"
        script = f"{_ATTEMPT}attempt {APPTAINER} pull {quote(str(part))} {quote(address)}"
        answer = LocalTransport().run(script, timeout=_PULL_SECONDS)
        if answer.exit_code:
            said = "\n".join(answer.errors.strip().splitlines()[-2:]) or "apptainer gave no reason"
            raise ConfigurationError(f"cannot fetch {address}:\n{said}", f"try it here: apptainer pull {address}")
        part.replace(path)
    return path
