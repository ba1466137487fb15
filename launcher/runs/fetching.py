"""Bringing what a run wrote to this computer: whole or not at all, and nowhere but where it was asked for."""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from launcher.cluster import Cluster
from launcher.errors import ConfigurationError, ConnectError, NotFoundError, UsageError
from launcher.model import Session
from launcher.progress import Progress
from launcher.runs import packing
from launcher.transports.base import Incoming

REPORTS = ("report.html", "failed.csv", "ledger.jsonl", "run.json")  # in the directory beside the output
OWN = ("analysis.log", "report.json")  # in the run's own
COPY_BYTES = 1 << 20
NAMED = 5  # of the results that are missing
Tell = Callable[[int], None]  # hears how many bytes have come


@dataclass(frozen=True)
class Fetched:
    """What was brought."""

    directory: Path
    names: tuple[str, ...]  # at the top of it
    received: int  # bytes, of archives


def fetch(
    cluster: Cluster, session: Session, progress: Progress, directory: Path, *, results: bool, tell: Tell
) -> Fetched:
    """Bring a run's reports, and with `results` its output, into a directory of this computer."""
    if results:
        _check_output(progress)
        if progress.output.startswith("/"):  # before anything is brought
            _check_free(directory / _basename(progress.output))
    with _scratch(directory) as scratch:
        run_dir = progress.run_dir or f"{progress.output.rstrip('/')}.run"
        pieces = [(session.directory, OWN), *([(run_dir, REPORTS)] if run_dir.startswith("/") else [])]
        # A ledger that grows meanwhile is no mistake, although tar says so (exit code 1).
        received = _take(cluster, packing.pack_script(pieces), scratch, tell, fine=(0, 1))
        if results:
            received += _results(cluster, progress, scratch, directory, lambda more: tell(received + more))
        names = sorted(path.name for path in scratch.iterdir())
        _publish(scratch, directory)
    return Fetched(directory, tuple(names), received)


def _results(cluster: Cluster, progress: Progress, scratch: Path, directory: Path, tell: Tell) -> int:
    """What the ledger says was written, or the output as it is where there is none."""
    root = progress.output.rstrip("/") if progress.output.startswith("/") else ""
    targets, tried = _targets(scratch / "ledger.jsonl")
    written = [target for target in targets if target.startswith(f"{root}/")]
    if tried and not targets:
        raise NotFoundError("no item was done, so there are no results", "leave out --results")
    if not written and not root:
        raise NotFoundError("the run has not said where its output is", "fetch it by other means; see report.html")
    if not root:  # each result lies beside its own input
        root = posixpath.commonpath([posixpath.dirname(target) for target in written]).rstrip("/")
    name = _basename(root) or "results"
    _check_free(directory / name)
    if not written:
        return _take(cluster, packing.pack_script([(posixpath.dirname(root), [name])]), scratch, tell)
    place = scratch / name
    place.mkdir()
    below = [target.removeprefix(f"{root}/") for target in written]
    return _take(cluster, packing.pack_listed_script(root or "/", below), place, tell)


def _targets(ledger: Path) -> tuple[list[str], bool]:
    """All targets that were written, in this run or before, and whether any was tried."""
    found: dict[str, None] = {}
    tried = False
    with contextlib.suppress(FileNotFoundError), ledger.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, AttributeError):
                record = json.loads(line)
                target = str(record.get("target") or "")
                tried = tried or bool(target)
                if record.get("state") == "done" and target:
                    found[target] = None
    return list(found), tried


def _check_output(progress: Progress) -> None:
    if "://" in progress.output:
        raise UsageError(f"the output is at {progress.output}, not on the cluster", "read it there")


def _check_free(place: Path) -> None:
    if place.exists():
        raise UsageError(f"{place} exists already", "move it away, or give another --output")


def _basename(path: str) -> str:
    return PurePosixPath(path).name


def _take(cluster: Cluster, script: str, scratch: Path, tell: Tell, fine: Sequence[int] = (0,)) -> int:
    """Unpack what a script sends; nothing of it is believed."""
    host = cluster.transport.label
    with cluster.transport.receive(script) as incoming:
        stream: Any = _Told(incoming, tell)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    _unpack(archive, member, scratch, host)
        except tarfile.ReadError as error:
            answer = incoming.answer()
            if answer.exit_code == packing.NOTHING:
                raise NotFoundError(f"{host}: the run has left nothing yet", "see `springline runs`") from None
            if answer.exit_code == packing.MISSING:
                raise _missing(host, answer.errors.splitlines()) from None
            said = answer.errors.strip().rpartition("\n")[2] or str(error)
            raise ConnectError(f"{host}: the files could not be packed: {said}", "nothing was kept") from error
        except OSError as error:
            raise ConfigurationError(f"cannot write {scratch}: {error.strerror}", "nothing was kept") from error
        answer = incoming.answer()
    if answer.exit_code not in fine:
        said = answer.errors.strip().rpartition("\n")[2]
        raise ConnectError(f"{host}: not all files could be packed: {said}", "nothing was kept; try again")
    return incoming.received


def _missing(host: str, names: Sequence[str]) -> NotFoundError:
    shown = "\n".join(f"  | {name}" for name in names[:NAMED])
    more = f"\n  | … and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return NotFoundError(
        f"{host}: these results were written, and are not there any more:\n{shown}{more}",
        "nothing was kept; the run's own command makes them again, or fetch without --results",
    )


class _Told:
    """A file to read that tells how much of it was read."""

    def __init__(self, incoming: Incoming, tell: Tell) -> None:
        self._incoming = incoming
        self._tell = tell

    def read(self, size: int) -> bytes:
        """The next bytes."""
        data = self._incoming.read(size)
        self._tell(self._incoming.received)
        return data


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, scratch: Path, host: str) -> None:
    path = PurePosixPath(member.name)
    place = scratch.joinpath(*path.parts)
    wrong = _what_is_wrong(member, path, scratch)
    if wrong:
        raise ConnectError(f"{host} sent {member.name!r}, which {wrong}", "nothing was kept")
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    if member.issym():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(member.linkname)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None
    with place.open("xb") as written:
        shutil.copyfileobj(source, written, COPY_BYTES)
    os.utime(place, (member.mtime, member.mtime))


def _what_is_wrong(member: tarfile.TarInfo, path: PurePosixPath, scratch: Path) -> str:
    """Why a member is not written; empty where it may be."""
    if path.is_absolute() or ".." in path.parts:
        return "lies outside of it"
    if sys.platform == "win32" and "\\" in member.name:
        return "Windows takes for another place"
    if any(scratch.joinpath(*path.parts[:depth]).is_symlink() for depth in range(1, len(path.parts) + 1)):
        return "lies behind a link"
    if member.issym():
        return "" if _stays_inside(path, member.linkname) else "is a link that leads out of it"
    return "" if member.isreg() or member.isdir() else "is neither a file nor a directory"


def _stays_inside(path: PurePosixPath, link: str) -> bool:
    """True if a link leads nowhere else, through whatever other such links: all its `..` come first, and are few."""
    parts = PurePosixPath(link).parts
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return not link.startswith("/") and ".." not in parts[up:] and up < len(path.parts)


@contextlib.contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A hidden directory beside the one that is wanted, gone at the end."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}.part-", dir=directory.parent))
    except OSError as error:
        raise ConfigurationError(
            f"cannot write beside {directory}: {error.strerror}", "give another --output"
        ) from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(scratch: Path, directory: Path) -> None:
    """Let everything appear by renames: the whole directory where it is new, else what came, piece by piece."""
    try:
        if not directory.exists():
            scratch.chmod(0o777 & ~_umask())
            scratch.rename(directory)
            return
        for path in sorted(scratch.iterdir()):
            path.replace(directory / path.name)
    except OSError as error:
        raise ConfigurationError(f"cannot write {directory}: {error.strerror}", "give another --output") from error


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
