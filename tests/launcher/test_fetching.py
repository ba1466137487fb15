"""Bringing files of a run here: whole or not at all, nothing outside, and nothing over what is there already."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from launcher.cluster import Cluster
from launcher.errors import ConfigurationError, ConnectError, NotFoundError, SpringlineError, UsageError
from launcher.kinds import RUN
from launcher.model import Platform, Session
from launcher.progress import Progress
from launcher.runs.fetching import Fetched, fetch
from launcher.schedulers.local import LocalScheduler
from launcher.transports.base import Incoming
from launcher.transports.local import LocalTransport

ROOT = Path(__file__).parents[2]
PLATFORM = Platform("here", transport="local", scheduler="local")


class Elsewhere(LocalTransport):
    """A host that sends something else than it was asked for."""

    def __init__(self, script: str) -> None:
        self._script = script

    def receive(self, script: str, *, timeout: float = 60) -> AbstractContextManager[Incoming]:
        """Whatever was asked, run its own script."""
        return super().receive(self._script, timeout=timeout)


class Scene:
    """A run that lies in a directory, and the place its files are brought to."""

    def __init__(self, base: Path) -> None:
        self.there, self.here = base / "there", base / "here"
        self.own, self.output = self.there / "runs/r 1", self.there / "my out"
        for directory in (self.own, self.output, Path(f"{self.output}.run")):
            directory.mkdir(parents=True)
        (self.own / "analysis.log").write_text("said\n")
        self.beside("report.html").write_bytes(bytes(range(256)))
        self.run = Session("r1", "here", "springline-run_r1-abc123", "", "7", str(self.own), noun=RUN.noun)
        self.progress = Progress(output=str(self.output), run_dir=f"{self.output}.run")

    def beside(self, name: str) -> Path:
        """A file in the directory beside the output."""
        return Path(f"{self.output}.run", name)

    def ledger(self, *names: str) -> None:
        """Write a ledger that tells of these targets, each tried twice."""
        attempts = [
            {"item": name, "target": str(self.output / name), "state": state}
            for name in names
            for state in ("retry", "done")
        ]
        self.beside("ledger.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in [{"event": "start"}, *attempts])
        )

    def fetch(self, *, results: bool = False, transport: LocalTransport | None = None) -> Fetched:
        """Bring it here."""
        cluster = Cluster(PLATFORM, transport or LocalTransport(), LocalScheduler())
        return fetch(cluster, self.run, self.progress, self.here, results=results, tell=lambda _: None)

    def leftovers(self) -> list[str]:
        """What lies where the files should go."""
        return sorted(path.name for path in self.here.parent.iterdir() if path != self.there)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A run with a log and a report."""
    return Scene(tmp_path)


def test_reports_of_a_run(scene: Scene) -> None:
    """What is there comes, to the byte; what is not there is no error."""
    assert scene.fetch().names == ("analysis.log", "report.html")
    assert (scene.here / "report.html").read_bytes() == bytes(range(256))
    assert scene.leftovers() == ["here"]


def test_reports_again(scene: Scene) -> None:
    """A second fetch replaces the reports, and leaves other files of the directory alone."""
    scene.fetch()
    (scene.here / "mine.txt").write_text("kept")
    (scene.own / "analysis.log").write_text("more\n")
    scene.fetch()
    assert (scene.here / "analysis.log").read_text() == "more\n" and (scene.here / "mine.txt").exists()


def test_results_that_a_ledger_names(scene: Scene) -> None:
    """Only what the run wrote comes, files and directories with spaces in their names; not what lies beside it."""
    (scene.output / "a b.zarr/c").mkdir(parents=True)
    (scene.output / "a b.zarr/c/0").write_text("chunk")
    (scene.output / "sub").mkdir()
    (scene.output / "sub/-x.txt").write_text("file")
    (scene.output / "input.nc").write_text("not a result")
    scene.ledger("a b.zarr", "sub/-x.txt")
    scene.fetch(results=True)
    brought = sorted(str(path.relative_to(scene.here / "my out")) for path in (scene.here / "my out").rglob("*"))
    assert brought == ["a b.zarr", "a b.zarr/c", "a b.zarr/c/0", "sub", "sub/-x.txt"]


def test_results_without_a_ledger(scene: Scene) -> None:
    """Of an analysis that writes one output, that comes."""
    (scene.output / "zarr.json").write_text("{}")
    scene.fetch(results=True)
    assert (scene.here / "my out/zarr.json").read_text() == "{}"


def test_result_that_is_gone(scene: Scene) -> None:
    """Results that were removed are named, each, and nothing is kept."""
    (scene.output / "there.nc").write_text("x")
    scene.ledger("gone.nc", "there.nc", "lost\nname", *(f"{number}.nc" for number in range(9)))
    with pytest.raises(NotFoundError, match=r"not there any more:\n  \| gone\.nc\n  \| 0\.nc\n(.|\n)* and 7 more"):
        scene.fetch(results=True)
    assert scene.leftovers() == []


def test_result_that_cannot_be_read(scene: Scene) -> None:
    """A result that goes while it is packed fails the whole fetch, and nothing is kept."""
    scene.ledger("a.nc")
    (scene.output / "a.nc").write_text("x")
    with pytest.raises(ConnectError, match="not all files could be packed"):
        scene.fetch(results=True, transport=Elsewhere(f"tar -cf - -C '{scene.output}' a.nc b.nc"))
    assert scene.leftovers() == []


def test_results_with_odd_names(scene: Scene) -> None:
    """Backslashes, ends of lines, quotes and bytes that are no text come to the byte; no result is left out."""
    odd = ("a\\b.nc", "c\nd\n", "\n", "e'f\"$(g)", "-T", "--null", "ü.nc", "\udcff.nc", "\u2028", "%s\\012", " x ")
    for name in odd:
        (scene.output / name).write_bytes(os.fsencode(name))
    scene.ledger(*odd)
    scene.fetch(results=True)
    brought = {path.name: path.read_bytes() for path in (scene.here / "my out").iterdir()}
    assert brought == {name: os.fsencode(name) for name in odd}


def test_links_between_results(scene: Scene) -> None:
    """Links from one result to another come as links."""
    (scene.output / "a.zarr/c").mkdir(parents=True)
    (scene.output / "a.zarr/c/0").write_text("chunk")
    (scene.output / "a.zarr/latest").symlink_to("c/0")
    (scene.output / "a.zarr/c/up").symlink_to("../../b.nc")
    (scene.output / "b.nc").symlink_to("./a.zarr/latest")
    scene.ledger("a.zarr", "b.nc")
    scene.fetch(results=True)
    there = scene.here / "my out"
    assert (there / "a.zarr/c/up").read_text() == "chunk"
    assert (there / "b.nc").is_symlink() and (there / "a.zarr/latest").is_symlink()


@pytest.mark.parametrize(
    "steps",
    [["l>/etc/passwd"], ["l>../x"], ["a/l>../../x"], ["d/d/u>../..", "l>d/d/u/.."], ["l>.", "l/x"], ["l>.", "l"]],
)
def test_links_that_mean_harm(scene: Scene, steps: list[str]) -> None:
    """Links that lead out, by themselves or through others, and what would be written through a link, are refused."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for step in steps:
            name, _, link = step.partition(">")
            member = tarfile.TarInfo(name)
            member.type, member.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
            tar.addfile(member, BytesIO())
    file = scene.there / "evil.tar"
    file.write_bytes(archive.getvalue())
    with pytest.raises(ConnectError, match="link"):
        scene.fetch(transport=Elsewhere(f"cat '{file}'"))
    assert scene.leftovers() == []


def test_results_beside_their_inputs(scene: Scene) -> None:
    """Of a run without an output of its own what the ledger names comes, from the directory that holds all of it."""
    for name in ("x/a.nc", "x/y/b.nc"):
        (scene.output / name).parent.mkdir(exist_ok=True)
        (scene.output / name).write_text(name)
    scene.ledger("x/a.nc", "x/y/b.nc")
    scene.progress = replace(scene.progress, output="")
    scene.fetch(results=True)
    assert {str(path.relative_to(scene.here)) for path in scene.here.rglob("*.nc")} == {"x/a.nc", "x/y/b.nc"}
    with pytest.raises(UsageError, match="exists already"):
        scene.fetch(results=True)


@pytest.mark.parametrize("named", [True, False])
def test_results_of_a_run_in_which_all_failed(scene: Scene, named: bool) -> None:
    """Where no item was done, that is said, and how to get the reports."""
    scene.progress = replace(scene.progress, output=str(scene.output) if named else "")
    line = {"item": "a", "target": str(scene.output / "a"), "state": "failed"}
    scene.beside("ledger.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(NotFoundError, match="no item was done") as caught:
        scene.fetch(results=True)
    assert "leave out --results" in caught.value.hint and scene.leftovers() == []


@pytest.mark.parametrize("there", ["s3://bucket/out", ""])
def test_results_that_are_elsewhere(scene: Scene, there: str) -> None:
    """An output that is no directory of the cluster's is not brought."""
    scene.progress = replace(scene.progress, output=there)
    with pytest.raises(SpringlineError) as caught:
        scene.fetch(results=True)
    assert isinstance(caught.value, UsageError | NotFoundError) and scene.leftovers() == []


def test_results_are_never_written_over(scene: Scene) -> None:
    """Where results lie already nothing is touched."""
    (scene.here / "my out").mkdir(parents=True)
    with pytest.raises(UsageError, match="exists already"):
        scene.fetch(results=True)
    assert list(scene.here.iterdir()) == [scene.here / "my out"]


def test_nothing_there(scene: Scene) -> None:
    """A run that has written nothing is said to have left nothing."""
    (scene.own / "analysis.log").unlink()
    scene.beside("report.html").unlink()
    with pytest.raises(NotFoundError, match="nothing"):
        scene.fetch()


def test_no_room_to_write(scene: Scene) -> None:
    """A directory that cannot be made is named."""
    scene.here = Path("/proc/nowhere/here")
    with pytest.raises(ConfigurationError, match="/proc/nowhere/here"):
        scene.fetch()


def test_connection_lost_in_the_middle(scene: Scene) -> None:
    """Half an archive leaves nothing visible behind."""
    script = f"tar -cf - -C {scene.own.as_posix()!r} . | head -c 700; kill -9 $$"
    with pytest.raises(ConnectError, match="lost"):
        scene.fetch(transport=Elsewhere(script))
    assert scene.leftovers() == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((outside, tarfile.REGTYPE) for outside in ("../out.txt", "/tmp/x", "a/../../x")),
        *zip(("link", "hard", "pipe"), (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE), strict=True),
    ],
)
def test_archives_that_mean_harm(scene: Scene, name: str, kind: bytes) -> None:
    """Members that would be written elsewhere, or are no files, are refused, and nothing before them is kept."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        good = tarfile.TarInfo("good.txt")
        tar.addfile(good, BytesIO())
        bad = tarfile.TarInfo(name)
        bad.type, bad.linkname = kind, "/etc/passwd"
        tar.addfile(bad, BytesIO())
    file = scene.there / "evil.tar"
    file.write_bytes(archive.getvalue())
    with pytest.raises(ConnectError, match=re.escape(name)):
        scene.fetch(transport=Elsewhere(f"cat '{file}'"))
    assert scene.leftovers() == [] and not (scene.here.parent.parent / "out.txt").exists()


def test_big_results_in_little_memory(scene: Scene) -> None:
    """100 MB are brought by a process that has 60 MB of room above its own start."""
    with (scene.output / "big.bin").open("wb") as file:
        file.truncate(100_000_000)
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tests.launcher.test_fetching import Scene\n"
        "scene = Scene.__new__(Scene)\n"
        f"Scene.__init__(scene, Path({str(scene.here.parent / 'second')!r}))\n"
        f"Path({str(scene.output / 'big.bin')!r}).rename(scene.output / 'big.bin')\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, used + 60_000_000))\n"
        "print(scene.fetch(results=True).received)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100_000_000
