"""The ways of having an environment beside a plain venv: packed, an image, a Python that is there, conda's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from launcher.environments import ownwheel, resolving
from launcher.environments.base import Facts, Supply, Tell, Tool, Wish
from launcher.environments.conda import Conda, read
from launcher.environments.existing import Existing
from launcher.environments.image import Image
from launcher.environments.packed import Packed
from launcher.environments.venv import Venv
from launcher.errors import ConfigurationError, SpringlineError, UsageError
from launcher.model import Platform
from launcher.scripts.shell import RemotePath

FORMATS = {"env.squashfs": ("mksquashfs", "unsquashfs"), "env.tar.zst": ("tar", "zstd"), "env.tar.gz": ("tar",)}
WHERE = "import sys; print(sys.prefix)"
MINOR = "{}.{}".format(*sys.version_info[:2])


def wish(**values: object) -> Wish:
    """A wish for a platform."""
    return Wish(Platform("x"), RemotePath("/p"), **values)  # type: ignore[arg-type]


def facts(*tools: str) -> Facts:
    """A host with these programs."""
    return Facts("x86_64", "glibc", "2.36", "/h", "me", tools={name: Tool(f"/usr/bin/{name}") for name in tools})


class Bare:
    """A method that makes a venv with one program and no package."""

    name = "bare"

    def check(self, facts: Facts, wish: Wish) -> None:
        """All is well."""

    def supplies(self, facts: Facts, wish: Wish, tell: Tell) -> Sequence[Supply]:
        """Nothing."""
        return ()

    def build_script(self, facts: Facts, wish: Wish, new: RemotePath, supplies: RemotePath) -> str:
        """Make it."""
        base, venv = Path(sys._base_executable), new.quoted()  # type: ignore[attr-defined]
        return (
            f"mkdir {venv}/bin; ln -s {base} {venv}/bin/python; echo 'home = {base.parent}' >{venv}/pyvenv.cfg\n"
            f'printf "#!%s/bin/python\\n{WHERE}\\n" {venv} >{venv}/bin/where; chmod +x {venv}/bin/where'
        )

    def section(self, wish: Wish, prefix: RemotePath, new: RemotePath) -> Mapping[str, str | None]:
        """Nothing."""
        return {}


def made(new: Path, archive: str = "env.tar.gz") -> Path:
    """Make the packed environment; returns the program that starts it."""
    programs = FORMATS[archive]
    if missing := [name for name in programs if shutil.which(name) is None]:
        pytest.skip(f"there is no {' '.join(missing)}: run tests/prepare.sh slurm")
    new.mkdir(parents=True)
    script = Packed(Bare()).build_script(facts(*programs), wish(pack=True), RemotePath(str(new)), RemotePath("/none"))
    subprocess.run(["sh", "-c", f"set -e\n{script}"], check=True, capture_output=True)
    python = new / "python"
    python.write_text(python.read_text().replace('"${TMPDIR:-}" /tmp;', '"${TMPDIR:-}";'))  # not this machine's own
    return python


def start(python: Path, code: str, tmp: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code by a packed Python on a node with this temporary directory."""
    tmp.mkdir(exist_ok=True)
    variables = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp), **environ}
    return subprocess.run([str(python), "-c", code], env=variables, capture_output=True, text=True, check=False)


def copies(tmp: Path) -> list[Path]:
    """The copies that are on the node."""
    return sorted(path for path in tmp.glob("springline-env-*/*") if path.name != ".lock")


@pytest.mark.parametrize("archive", FORMATS)
def test_packed_environment_is_three_files_and_starts_anywhere(tmp_path: Path, archive: str) -> None:
    """It is unpacked once, below a private directory, with programs that find its Python."""
    python = made(tmp_path / "envs/1", archive)
    assert sorted(path.name for path in python.parent.iterdir()) == sorted([archive, "kilobytes", "python"])
    first, again = start(python, WHERE, tmp_path / "t"), start(python, WHERE, tmp_path / "t")
    assert first.returncode == 0 and first.stdout == again.stdout, first.stderr
    (copy,) = copies(tmp_path / "t")
    assert first.stdout.strip() == str(copy / "env") and copy.parent.stat().st_mode & 0o777 == 0o700
    assert (copy / "springline-launcher").read_text().strip() == str(python)
    program = subprocess.run([copy / "env/bin/where"], capture_output=True, text=True, check=True)
    assert program.stdout == first.stdout


def test_many_first_starts_unpack_once(tmp_path: Path) -> None:
    """Workers that begin at the same moment wait for the one that unpacks; the leftover of a killed one goes."""
    python = made(tmp_path / "envs/1")
    tmp = tmp_path / "t"
    left = tmp / f"springline-env-{os.getuid()}/1-99.abcdef.part"
    left.mkdir(parents=True)
    left.parent.chmod(0o700)
    argv = [str(python), "-c", WHERE]
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp)}
    starts = [subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = {process.communicate()[0] for process in starts}
    assert [process.returncode for process in starts] == [0] * 6
    assert said == {f"{copies(tmp)[0]}/env\n"} and len(copies(tmp)) == 1


def test_copy_of_no_environment_goes_unless_it_is_used(tmp_path: Path) -> None:
    """The next unpacking on the node removes it; while its Python runs it stays."""
    gone, other, third = (made(tmp_path / "envs" / name) for name in "123")
    tmp = tmp_path / "t"
    assert start(gone, "", tmp).returncode == 0
    argv = [str(gone), "-c", "print(flush=True); input(); import pdb"]
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp)}
    with subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as used:
        assert used.stdout is not None
        used.stdout.readline()
        shutil.rmtree(gone.parent)
        assert start(other, "", tmp).returncode == 0
        assert len(copies(tmp)) == 2
        used.communicate(b"\n")
        assert used.returncode == 0
    assert start(third, "", tmp).returncode == 0
    assert [copy.name.split("-")[0] for copy in copies(tmp)] == ["2", "3"]


@pytest.mark.parametrize(("what", "words"), [("room", " MB. Set"), ("open", "yours alone"), ("lost", "unpacked in")])
def test_packed_environment_says_why_it_cannot_start(tmp_path: Path, what: str, words: str) -> None:
    """No room, a directory others could have made, a copy that cannot be made: in words, with what to do."""
    python = made(tmp_path / "envs/1")
    home = tmp_path / f"t/springline-env-{os.getuid()}"
    home.mkdir(parents=True, mode=0o700)
    if what == "room":
        python.with_name("kilobytes").write_text("99999999999\n")
    elif what == "open":
        home.chmod(0o777)
    else:
        python.with_name("env.tar.gz").write_bytes(b"")
    done = start(python, "", tmp_path / "t")
    assert done.returncode == 78
    assert words in done.stderr and f"cannot start the packed environment {python.parent}" in done.stderr, done.stderr
    assert not copies(tmp_path / "t")


def test_mounted_environment_goes_with_its_last_process(tmp_path: Path) -> None:
    """With SPRINGLINE_UNPACK=mount nothing is unpacked, and the mount is gone when Python is."""
    if shutil.which("squashfuse") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("there is no squashfuse, or no /dev/fuse for this user")
    python = made(tmp_path / "envs/1", "env.squashfs")
    done = start(python, WHERE, tmp_path / "t", SPRINGLINE_UNPACK="mount")
    assert done.stdout.startswith(f"{tmp_path}/t/springline-mount-"), done.stderr
    for _ in range(100):
        if not list((tmp_path / "t").iterdir()):
            return
        time.sleep(0.05)
    raise AssertionError(list((tmp_path / "t").iterdir()))


@pytest.mark.parametrize("method", [Image(), Existing()])
def test_not_everything_is_packed(method: Image | Existing) -> None:
    """An image is one file already, and a Python that is there stays where it is."""
    with pytest.raises(ConfigurationError, match="--pack does not go"):
        Packed(method).check(facts("tar"), wish(pack=True))
    with pytest.raises(ConfigurationError, match="neither mksquashfs nor tar"):
        Packed(Bare()).check(facts(), wish(pack=True))


def test_existing_python_is_looked_at(tmp_path: Path) -> None:
    """One that has what a session needs gets a program that starts it; another is told what it lacks, by name."""
    good = Existing().build_script(facts(), wish(python=sys.executable), RemotePath(str(tmp_path)), RemotePath("/s"))
    subprocess.run(["sh", "-c", f"set -e\n{good}"], check=True)
    assert start(tmp_path / "python", "import dask_jobqueue", tmp_path).returncode == 0
    bare = sys._base_executable  # type: ignore[attr-defined]
    for python, words in ((bare, "dask-labextension"), ("/none/python", "there is no /none/python over there")):
        script = Existing().build_script(facts(), wish(python=python), RemotePath(str(tmp_path)), RemotePath("/s"))
        done = subprocess.run(["sh", "-c", f"set -e\n{script}"], capture_output=True, text=True, check=False)
        assert done.returncode and words in done.stderr.splitlines()[-1], done.stderr
    with pytest.raises(UsageError, match="needs the Python's path"):
        Existing().check(facts(), wish(extras=("l1b",)))


def on_top(monkeypatch: pytest.MonkeyPatch, new: Path, below: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Make an environment in `new` on top of a Python, with uv's own venv of `below` and none of the wheels."""
    venv = f"{find_uv_bin()} venv --quiet --offline --allow-existing --python {below}/bin/python {new}"
    monkeypatch.setattr(Venv, "build_script", lambda *_: venv)
    script = Existing().build_script(
        facts(), wish(python=python, extras=("sdo",)), RemotePath(str(new)), RemotePath("/")
    )
    return subprocess.run(["sh", "-c", f"set -e\n{script}"], capture_output=True, text=True, check=False)


def test_environment_on_top_of_a_venv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It sees what that venv has, also what that only points to, below its own; what it does not see is an error."""
    below, new, elsewhere = tmp_path / "below", tmp_path / "new", tmp_path / "else where"
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--offline", "--python", sys.executable, below], check=True)
    site = f"lib/python{MINOR}/site-packages"
    for place, name in ((below / site, "theirs"), (elsewhere, "pointed")):
        (place / f"{name}-1.dist-info").mkdir(parents=True)
        (place / f"{name}-1.dist-info/METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (place / f"{name}.py").write_text("")
    (below / site / "both.py").write_text("raise SystemExit('the one below')")
    (below / site / "pointed.pth").write_text(f"{elsewhere}\n")
    made = on_top(monkeypatch, new, below, f"{below}/bin/python")
    assert made.returncode == 0, made.stderr
    (new / site / "both.py").write_text("")
    done = start(new / "bin/python", "import theirs, pointed, both, sys; print(sys.prefix)", tmp_path / "t")
    assert done.stdout == f"{new}\n", done.stderr
    ghost = tmp_path / "ghost"
    ghost.write_text('#!/bin/sh\necho \'{"path": [], "names": ["ghost"]}\'\n')
    ghost.chmod(0o755)
    lost = on_top(monkeypatch, tmp_path / "other", below, str(ghost))
    assert lost.returncode and "does not see ghost of the Python below" in lost.stderr


SIF = b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0" + bytes(64)


@pytest.mark.parametrize(
    ("tools", "values", "words"),
    [
        ((), {"image": "/x.sif"}, "neither apptainer nor singularity"),
        (("singularity",), {}, "needs --image"),
        (("apptainer",), {"image": "none.sif"}, "there is no file none.sif here"),
        (("apptainer",), {"image": "docker.tar"}, "no image of Apptainer's"),
        (("apptainer",), {"image": "/x.sif", "extras": ("sdo",)}, "holds what it holds"),
        (("apptainer",), {"image": "docker://x/y"}, "no apptainer to fetch it with"),
    ],
)
def test_image_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: tuple[str, ...], values: dict[str, object], words: str
) -> None:
    """Each is said before anything is sent, with what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/none")
    Path("docker.tar").write_bytes(b"x" * 100)
    with pytest.raises(SpringlineError, match=words) as caught:
        Image().check(facts(*tools), wish(**values))
    assert caught.value.hint


def test_image_is_named_where_it_is(tmp_path: Path) -> None:
    """One that was sent by its place among the environments, one that was there by its own."""
    image = tmp_path / "my.sif"
    image.write_bytes(SIF)
    new = RemotePath("/p/envs/1")
    Image().check(facts("singularity"), wish(image=str(image)))
    (sent,) = Image().supplies(facts("singularity"), wish(image=str(image)), print)
    assert (sent.kind, sent.size, sent.path) == ("image", len(SIF), image)
    keys = Image().section(wish(image=str(image)), RemotePath("/p"), new)
    assert keys == {"image": "/p/envs/1/image.sif", "python": "python3"}
    there = wish(image="~/there.sif", python="/opt/bin/python")
    assert Image().supplies(facts("apptainer"), there, print) == ()
    assert Image().section(there, RemotePath("/p"), new) == {"image": "~/there.sif", "python": "/opt/bin/python"}


# It takes apptainer's words and runs here what is added to %post; it stands in for the program and its images.
APPTAINER = """\
#!/bin/sh
[ "$1 $2" = "build --disable-cache" ] && [ -z "$APPTAINER_BIND" ] || exit 9
cp -r "$(sed -n 's|^  \\(.*\\) /springline$|\\1|p' "$4")" {image}
sed -e '1,/^%post$/d' -e 's|/springline|{image}|g' "$4" >{image}/post
sh -e {image}/post && : >"$3"
"""


def test_definition_gets_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The uv that is sent installs them into the image's own Python, no venv; binds of sessions are left out."""
    base, supplies, new, image = (tmp_path / name for name in ("my.def", "supplies", "new", "image"))
    base.write_text("Bootstrap: docker\nFrom: python:3\n")
    for place in (supplies, new):
        place.mkdir()
    with zipfile.ZipFile(supplies / "uv-1-any.whl", "w") as wheel:
        wheel.writestr("uv-1.data/scripts/uv", f'#!/bin/sh\nexec {find_uv_bin()} "$@" --dry-run\n')
    ownwheel.write(supplies)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(resolving, "resolve", lambda *_: "")
    monkeypatch.setattr(resolving, "wheels", lambda *_: [Supply("wheel", "uv-1-any.whl", 1, "", supplies)])
    tool = tmp_path / "apptainer"
    tool.write_text(APPTAINER.format(image=image))
    tool.chmod(0o755)
    there = replace(facts(), tools={"apptainer": Tool(str(tool))})
    asked = wish(image=str(base), python=MINOR)
    script = Image().build_script(there, asked, RemotePath(str(new)), RemotePath(str(supplies)))
    python = Path(sys._base_executable).parent  # type: ignore[attr-defined]
    environ = {"PATH": f"{python}:{os.environ['PATH']}", "APPTAINER_BIND": "/none"}
    built = subprocess.run(["sh", "-c", f"set -e\n{script}"], env=environ, capture_output=True, text=True, check=False)
    assert built.returncode == 0 and (new / "image.sif").exists(), built.stderr


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("FATAL: newuidmap was not found in PATH, required with fakeroot when user is in /etc/subuid", "may not build"),
        ("FATAL: While performing build: while running %post section: exit status 1", "a command of %post failed"),
        ("FATAL: Unable to handle docker://x/y: reading manifest latest: manifest unknown", "no such image"),
    ],
)
def test_what_apptainer_refuses(tmp_path: Path, said: str, words: str) -> None:
    """The last line says it in words, below Apptainer's own."""
    tool = tmp_path / "apptainer"
    tool.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 255\n")
    tool.chmod(0o755)
    there, asked = replace(facts(), tools={"apptainer": Tool(str(tool))}, internet=True), wish(image="docker://x/y")
    script = Image().build_script(there, asked, RemotePath(str(tmp_path)), RemotePath("/none"))
    failed = subprocess.run(["sh", "-c", f"set -e\n{script}"], capture_output=True, text=True, check=False)
    assert failed.returncode == 3 and said in failed.stderr and words in failed.stderr.splitlines()[-1]


ENVIRONMENT = """
channels: [file:///our/mirror, nodefaults]
dependencies:
  - gdal >=3.8
  - python-dateutil
  - python 3.12.*
  - pip
  - pip:
      - rioxarray==0.18
"""


def test_environment_file_is_taken_apart() -> None:
    """What is pip's goes in with the locked wheels; the rest is conda's, with a Python of the lock's."""
    asked = read(wish(requirements=ENVIRONMENT))
    document = json.loads(asked.text)
    assert document["channels"] == ["file:///our/mirror", "nodefaults"]
    assert document["dependencies"] == ["gdal >=3.8", "python-dateutil", "python 3.12.*", "pip"]
    assert (asked.pip, asked.python) == ("rioxarray==0.18", "3.12")
    plain = read(wish(requirements="xarray>=2024\n"))
    assert json.loads(plain.text) == {"channels": ["conda-forge"], "dependencies": ["python=3.11"]}
    assert plain.pip == "xarray>=2024\n"
    without = read(wish(requirements="dependencies:\n- gdal\n", python="3.13"))
    assert json.loads(without.text)["dependencies"] == ["python=3.13", "gdal"]
    with pytest.raises(UsageError, match=r"Python 3\.9"):
        read(wish(requirements="dependencies: [python=3.9]"))


# It takes micromamba's words and makes a Python where they say; it stands in for the program, not for its channels.
MICROMAMBA = """\
#!/bin/sh
[ "$1 $2 $3 $5" = "create --yes --prefix --file" ] && grep -q python=3 "$6" || exit 9
{fails}
mkdir -p "$4/etc/conda/activate.d" "$4/bin" "$4/lib/python{minor}/site-packages"
ln -s {base} "$4/bin/python"
echo 'home = {home}' >"$4/pyvenv.cfg"
echo 'NAME = "theirs"' >"$4/lib/python{minor}/site-packages/theirs.py"
echo 'export GDAL_DATA=$CONDA_PREFIX/share/gdal' >"$4/etc/conda/activate.d/gdal.sh"
"""
UNREACHABLE = "echo 'critical libmamba Download error (6) Could not resolve hostname [conda.anaconda.org]' >&2; exit 1"


def by_conda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: str = "") -> subprocess.CompletedProcess[str]:
    """Run the build script, with a stand-in for micromamba and none of the wheels, in tmp_path/new."""
    tool, new = tmp_path / "micromamba", tmp_path / "new"
    base = Path(sys._base_executable)  # type: ignore[attr-defined]
    tool.write_text(MICROMAMBA.format(fails=fails, base=base, home=base.parent, minor=MINOR))
    tool.chmod(0o755)
    new.mkdir()
    start_it = f"printf '#!/bin/sh\\nexec {new}/bin/python \"$@\"' >{new}/python; chmod +x {new}/python"
    venv = f"{new}/conda/bin/python -m venv --without-pip {new}; {start_it}"
    monkeypatch.setattr(Venv, "build_script", lambda *_: venv)
    script = Conda().build_script(facts(), wish(conda=str(tool)), RemotePath(str(new)), RemotePath("/none"))
    return subprocess.run(["sh", "-c", f"set -e\n{script}"], capture_output=True, text=True, check=False)


def test_conda_environment_is_started_as_if_activated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What conda's packages set on activation is set for the environment's Python, which sees conda's packages."""
    built = by_conda(monkeypatch, tmp_path)
    assert built.returncode == 0, built.stderr
    code = "import os, sys, theirs; print(os.environ['GDAL_DATA'], sys.prefix)"
    done = start(tmp_path / "new/python", code, tmp_path)
    assert done.stdout == f"{tmp_path}/new/conda/share/gdal {tmp_path}/new\n", done.stderr


def test_channels_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without channels the way out is named, and conda's own words stay above it."""
    built = by_conda(monkeypatch, tmp_path, UNREACHABLE)
    assert built.returncode and "conda.anaconda.org" in built.stderr
    assert "--method venv installs without internet" in built.stderr.splitlines()[-1]


def test_micromamba_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where its makers' place cannot be reached both ways out are named; once it is here it is not asked for again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="cannot be fetched from") as caught:
        Conda().supplies(facts(), wish(), lambda words: None)
    assert "--method venv" in caught.value.hint
    (tmp_path / "springline/tools").mkdir(parents=True)
    (tmp_path / "springline/tools/micromamba-linux-64").write_bytes(b"kept")
    monkeypatch.setattr(Venv, "supplies", lambda *_: [])
    (supply,) = Conda().supplies(facts(), wish(), lambda words: None)
    assert (supply.name, supply.size) == ("micromamba", 4)
