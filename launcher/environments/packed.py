"""`--pack`: an environment in one file, which each node unpacks to its own disk. Pure.

File systems made for few large files count every file of an environment (some 30,000) against a quota, and open them
slowly. Packed there are three: the archive, the number of kilobytes it takes, and the program that starts its Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from launcher.environments.base import STEP, Facts, Method, Supply, Tell, Wish
from launcher.environments.unpacking import LAUNCHER
from launcher.errors import ConfigurationError
from launcher.scripts.shell import RemotePath, end_mark

_BUILT = RemotePath("$SPRINGLINE_BUILD/env")  # on the login host's own disk, until it is packed


@dataclass(frozen=True)
class _Format:
    archive: str
    programs: tuple[str, ...]
    pack: str  # the directory we are in, into $archive
    unpack: str  # $archive, into the new directory $1


_FORMATS = (  # the best first
    _Format(
        "env.squashfs",
        ("mksquashfs", "unsquashfs"),
        'mksquashfs . "$archive" -noappend -no-progress -no-xattrs $fast >/dev/null',
        'unsquashfs -no-progress -no-xattrs -d "$1" "$archive" >/dev/null',
    ),
    _Format(
        "env.tar.zst",
        ("tar", "zstd"),
        'tar -cf - . | zstd -q -T0 -3 -o "$archive"',
        'mkdir "$1" && zstd -qdc "$archive" | tar -xpf - -C "$1"',
    ),
    _Format("env.tar.gz", ("tar",), 'tar -czf "$archive" .', 'mkdir "$1" && tar -xzpf "$archive" -C "$1"'),
)

# The environment's own programs name its Python by the path it had when it was made.
_BUILD = """\
SPRINGLINE_BUILD=$(mktemp -d "${{TMPDIR:-/tmp}}/springline-build-XXXXXX"); export SPRINGLINE_BUILD
trap 'chmod -R u+w "$SPRINGLINE_BUILD"; rm -rf "$SPRINGLINE_BUILD"' EXIT
mkdir {built}
(
{inner}
)
echo '{step}pack it into {archive}'
new={new}
archive=$new/{archive}
cd {built}
head=$(cat <<'head'
#!/bin/sh\\
'''exec' "$(dirname "$(readlink -f "$0")")/python" "$0" "$@"\\
' '''
head
)
find bin -type f -exec grep -lI "^#!$SPRINGLINE_BUILD/" {{}} + |
  while IFS= read -r program; do sed -i "1s|^#!$SPRINGLINE_BUILD/.*|$head|" "$program"; done
echo $(($(du -sk . | cut -f 1) * 11 / 10)) >"$new/kilobytes"
case $(mksquashfs -help 2>&1) in *zstd*) fast='-comp zstd -Xcompression-level 3' ;; *) fast= ;; esac
{pack}
cat >"$new/python" <<'{end}'
{launcher}{end}
chmod 755 "$new/python"
"""


class Packed:
    """Another method's environment, kept in one file."""

    def __init__(self, inner: Method) -> None:
        self.inner = inner
        self.name = inner.name

    def check(self, facts: Facts, wish: Wish) -> None:
        """What the method itself needs, and a program to pack with."""
        if self.name in ("image", "existing"):
            why = "an image is one file already" if self.name == "image" else "it stays where it is"
            raise ConfigurationError(f"--pack does not go with the method {self.name}: {why}", "leave --pack out")
        self.inner.check(facts, wish)
        _format(facts)

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """What the method itself sends."""
        return self.inner.supplies(facts, wish, tell)

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """Make the environment on the login host's own disk, and only its archive in `new`."""
        form = _format(facts)
        launcher = LAUNCHER.replace("@ARCHIVE@", form.archive).replace("@UNPACK@", form.unpack)
        launcher = launcher.replace("@HERE@", new.quoted())
        return _BUILD.format(
            built=_BUILT.quoted(),
            inner=self.inner.build_script(facts, wish, _BUILT, supplies),
            step=STEP,
            new=new.quoted(),
            archive=form.archive,
            pack=form.pack,
            end=end_mark(launcher),
            launcher=launcher,
        )

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """The method's own keys."""
        return self.inner.section(wish, prefix, new)


def _format(facts: Facts) -> _Format:
    for form in _FORMATS:
        if all(program in facts.tools for program in form.programs):
            return form
    raise ConfigurationError(
        "--pack: there is neither mksquashfs nor tar on the login host",
        "load a module that has one (a line of `prologue`), or leave --pack out",
    )
