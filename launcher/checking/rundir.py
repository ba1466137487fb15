"""The directory of the sessions' files: writable, private, with room. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from launcher.checking.model import Outcome, failed, ok, warning
from launcher.discovery.probes import Section
from launcher.model import Platform
from launcher.scripts.shell import RemotePath, guard
from launcher.units import format_size

LEAST_BYTES, LEAST_INODES = 100_000_000, 1000
TRIED_BYTES = 1 << 20

_LOOK = """\
umask 077
mkdir -p {directory} || exit 3
cd {directory} || exit 3
echo "@path $(pwd -P)"
{guard}
file=./.springline-check-$$
trap 'rm -f $file' EXIT
dd if=/dev/zero of=$file bs={size} count=1 2>&1 | grep -v -e records -e copied && exit 3
[ "$(wc -c <$file)" -eq {size} ] || exit 3
rm -f $file
df -Pk . | awk 'NR == 2 {{ print "@bytes", $(NF-2) * 1024 }}'
df -Pi . | awk 'NR == 2 && $(NF-2) ~ /^[0-9]+$/ && $(NF-4) > 0 {{ print "@inodes", $(NF-2) }}'
echo "@type $(stat -f -c %T . 2>/dev/null)"
"""


def question(platform: Platform) -> str:
    """Make the directory if it is not there, write a megabyte and remove it, and ask for the room."""
    directory = RemotePath(platform.run_dir.rstrip("/") or "/")
    return "exec 2>&1\n" + _LOOK.format(directory=directory.quoted(), guard=guard(directory), size=TRIED_BYTES)


def outcome(platform: Platform, section: Section, quota: Sequence[str] = ()) -> Outcome:
    """What the answer means; `quota` are the lines of `quota`, where a * marks what is used up."""
    found = {word: rest for word, _, rest in (line.partition(" ") for line in section.lines) if word[:1] == "@"}
    where, name = found.get("@path", platform.run_dir), platform.name
    if "@unsafe" in found:
        path = found["@unsafe"].removesuffix("/.") or "/"
        return failed(
            "run-dir",
            f"{where}: {path} belongs to another user, or everybody may write there",
            f"set `run_dir` of [{name}] to a directory below your home that all nodes share, e.g. ~/.springline",
        )
    if section.code:
        said = next((line for line in reversed(section.lines) if line[:1] != "@"), "no answer in time")
        return failed("run-dir", f"cannot write in {where}: {said.removeprefix('sh: ')}", _advice(said, name))
    room, inodes = int(float(found.get("@bytes", "-1"))), int(found.get("@inodes", "-1"))
    seen = f"{where}, writable, {format_size(room)} free" if room >= 0 else f"{where}, writable"
    seen += f", {inodes} files" if inodes >= 0 else ""
    seen += f" ({kind})" if (kind := found.get("@type", "")) and "UNKNOWN" not in kind else ""
    full = [" ".join(line.split()) for line in quota if any(word.endswith("*") for word in line.split())]
    if full:
        return warning("run-dir", f"{seen}; over quota: {full[0]}", "remove files there, before writing is refused")
    if 0 <= room < LEAST_BYTES or 0 <= inodes < LEAST_INODES:
        return warning("run-dir", f"{seen}: little", f"free some, or set `run_dir` of [{name}] to a place with more")
    return ok("run-dir", seen)


def _advice(said: str, name: str) -> str:
    elsewhere = f"set `run_dir` of [{name}] to a directory of yours that all nodes share"
    if "Read-only" in said:
        return f"it is mounted read-only: {elsewhere}"
    if "No space" in said or "quota" in said.lower():
        return f"free some space there (`quota -s`, `du -sh ~/.??*`), or {elsewhere}"
    return elsewhere
