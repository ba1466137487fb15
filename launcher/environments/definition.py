"""An image built of the user's own definition file: what it says, and on top of that the locked packages."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from launcher.environments import ownwheel, resolving
from launcher.environments.base import PYTHONS, STEP, Facts, Supply, Tell, Wish
from launcher.scripts.shell import RemotePath

# To the user's own definition: the locked packages, all sent from here, so that the build needs no index. What sessions
# bind into the image need not have a place in it while it is made.
_BUILD = """\
echo {step}
wheels=$(mktemp -d "${{TMPDIR:-/tmp}}/springline-wheels-XXXXXX"); trap 'rm -rf "$wheels"' EXIT
mkdir "$wheels/springline"
cp {wheels} "$wheels/springline"
cat >"$wheels/springline/requirements.txt" <<'requirements'
{pinned}
requirements
{{
cat <<'definition'
{definition}
definition
printf '\\n%%files\\n  %s /springline\\n%%post\\n' "$wheels/springline"
cat <<'post'
{post}post
}} >"$wheels/image.def"
definition=$wheels/image.def
unset APPTAINER_BIND APPTAINER_BINDPATH SINGULARITY_BIND SINGULARITY_BINDPATH
"""
_POST = """\
cd /springline
minor=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$minor" = {minor} ] || {{ echo "FATAL: the image's python3 is $minor; say so with --python $minor"; exit 1; }}
python3 -m zipfile -e uv-*.whl uv
chmod 700 uv/*/scripts/uv
export UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR=/springline/cache UV_NO_PROGRESS=1
uv=$(echo uv/*/scripts/uv)
install="$uv pip install --quiet --break-system-packages --no-deps --no-index --python $(command -v python3)"
$install --offline --find-links . --require-hashes -r requirements.txt
$install {springline}
cd /
rm -rf /springline
"""
_GLIBC = 28  # of 2.x, and newer: what an image is taken to have


def supplies(facts: Facts, wish: Wish, tell: Tell) -> list[Supply]:
    """The wheels of the locked packages, and springline's own."""
    return _wheels(facts, wish, _pinned(facts, wish), tell)


def build_lines(facts: Facts, wish: Wish, path: Path, supplies: RemotePath) -> str:
    """Shell lines that write the whole definition into the file $definition."""
    pinned = _pinned(facts, wish)
    wheels = _wheels(facts, wish, pinned, lambda words: None)
    return _BUILD.format(
        step=quote(f"{STEP}build the image of {path.name}, with {len(wheels)} packages"),
        wheels=" ".join((supplies / wheel.name).quoted() for wheel in wheels),
        pinned=pinned.rstrip(),
        definition=path.read_text(encoding="utf-8").rstrip(),
        post=_POST.format(minor=_minor(wish), springline=ownwheel.file_name()),
    )


def _minor(wish: Wish) -> str:
    return wish.python if wish.python in PYTHONS else PYTHONS[0]


def _target(facts: Facts, wish: Wish) -> resolving.Target:
    return resolving.Target(facts.machine, _GLIBC, _minor(wish))


def _pinned(facts: Facts, wish: Wish) -> str:
    return resolving.resolve(_target(facts, wish), wish.extras, wish.requirements, wish.constraints)


def _wheels(facts: Facts, wish: Wish, pinned: str, tell: Tell) -> list[Supply]:
    scratch = resolving.cache() / "wheels"
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = resolving.supply_of("springline", ownwheel.write(scratch))
    return [own, *resolving.wheels(_target(facts, wish), pinned, tell)]
