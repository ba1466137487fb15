"""Sessions on the real cluster from a packed environment, from an image, and from what another user installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from launcher.environments.packed import Packed
from launcher.platforms.inifile import set_keys
from launcher.scripts.shell import RemotePath
from tests.launcher.test_env_methods import facts, wish
from tests.slurm import files
from tests.slurm.cluster import Cluster
from tests.slurm.hosts import Host
from tests.slurm.laptop import Springline
from tests.slurm.requirements import CHECKOUT, VENV_PYTHON
from tests.slurm.upping import KERNEL, Up, start

APPTAINER = CHECKOUT / ".cache/apptainer/usr/bin"
# Where the session's own Python and its workers' are, and from which hosts these answer.
CELL = """
import os, socket, sys
from distributed import Client
client = Client()
client.wait_for_workers(2, timeout=90)
seen = client.run(lambda: (socket.gethostname(), sys.prefix, os.environ.get("APPTAINER_NAME", "")))
print(sys.prefix)
for line in sorted(set(seen.values())): print(*line)
"""
# A venv of a few files, which borrows its packages from the checkout's.
BORROWING = """\
mkdir {new}/bin {new}/lib {new}/lib/python{minor} {new}/lib/python{minor}/site-packages
ln -s {base} {new}/bin/python
ln -s {venv}/share {venv}/etc {new}/
printf 'home = %s\\n' {home} >{new}/pyvenv.cfg
echo 'import site; site.addsitedir("{site}")' >{new}/lib/python{minor}/site-packages/borrowed.pth
i=0; while [ $i -lt 200 ]; do i=$((i + 1)); : >{new}/share-$i; done
"""


class Borrowing:
    """A method that makes such a venv."""

    name = "venv"
    check = supplies = section = None

    def build_script(self, _facts: object, _wish: object, new: RemotePath, _supplies: object) -> str:
        """Make it."""
        base = VENV_PYTHON.resolve()
        minor = "{}.{}".format(*sys.version_info[:2])
        site = VENV_PYTHON.parents[1] / f"lib/python{minor}/site-packages"
        venv = VENV_PYTHON.parents[1]
        return BORROWING.format(new=new.quoted(), base=base, home=base.parent, venv=venv, site=site, minor=minor)


def as_alice(host: Host, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script as alice."""
    return host.run(["sh", "-c", f"set -e; cd; {script}"], user="alice", check=True, timeout=60)


def configured(springline: Springline, **values: str) -> None:
    """Change the platform `testbed`."""
    ini = springline.home / ".config/springline/platforms.ini"
    set_keys(ini, "testbed", values)
    files.give(ini, files.LAPTOP_USER.uid)


def seen(up: Up) -> list[str]:
    """What the cell prints."""
    printed = up.on_laptop([sys.executable, str(KERNEL), up.base, up.token], input=CELL)
    assert printed.returncode == 0, printed.stderr
    return printed.stdout.splitlines()


@pytest.mark.slow
def test_packed_environment_on_every_node(cluster: Cluster, springline: Springline) -> None:
    """Three files on the shared disk; session and workers run from copies on their own nodes' disks."""
    script = Packed(Borrowing()).build_script(  # type: ignore[arg-type]
        facts("mksquashfs", "unsquashfs"), wish(pack=True), RemotePath("~/packed"), RemotePath("~")
    )
    as_alice(cluster.login, f"mkdir packed\n{script}")
    assert len(list((cluster.cluster_home() / "packed").iterdir())) == 3
    configured(springline, python="~/packed/python", workers="2")
    with_session = start(springline, "--name", "packed")
    own, *workers = seen(with_session)
    copy = f"/tmp/springline-env-{files.ALICE.uid}/packed-"
    assert own.startswith(copy), own
    assert workers == [f"node1 {own} ", f"node2 {own} "]
    for node in cluster.nodes:
        held = as_alice(node, "ls /tmp/springline-env-*").stdout.split()
        assert len(held) == 1, held


def fuse_for_all(host: Host) -> None:
    """Let users of a host mount as those of real ones may: a device of its own, for this machine's may be root's."""
    device = (
        "[ -e /run/fuse ] || { mknod /run/fuse c 10 229 && chmod 666 /run/fuse && mount --bind /run/fuse /dev/fuse; }"
    )
    host.run(["sh", "-c", device])


@pytest.mark.slow
def test_image_for_everybody(cluster: Cluster, springline: Springline) -> None:
    """A real image is sent and installed for all; JupyterLab and workers of two nodes run in it, by a real Apptainer.

    Whatever alice's umask, mallory runs it too, and changes nothing.
    """
    if not (APPTAINER / "apptainer").exists() or not Path("/dev/fuse").exists():
        pytest.skip("there is no Apptainer (run tests/prepare.sh slurm), or no /dev/fuse")
    for host in (cluster.login, *cluster.nodes):
        fuse_for_all(host)
    image, prefix = made_image(springline.home), shared_place(cluster)
    exports = f"export PATH=$PATH:{APPTAINER}\nexport APPTAINER_BIND=/usr,/etc,/lib,/lib64,/bin,/run,{CHECKOUT}"
    configured(springline, workers="2", prologue=f"umask 077\n{exports}")
    words = ("--method", "image", "--image", image, "--python", str(VENV_PYTHON), "--prefix", prefix, "--yes")
    installed = springline("env", "install", "testbed", *words)
    assert installed.returncode == 0, installed.stderr
    own, *workers = seen(start(springline, "--name", "imaged"))
    venv = VENV_PYTHON.parents[1]
    assert [own, *workers] == [str(venv), f"node1 {venv} image.sif", f"node2 {venv} image.sif"]
    tries = (
        f"{exports}; {prefix}/python -c 'print(1)'; for file in $(find {prefix}); do [ ! -w $file ] || echo $file; done"
    )
    theirs = cluster.nodes[0].run(["bash", "-c", tries], user="mallory", check=False, timeout=30)
    assert theirs.stdout == "1\n", theirs.stdout + theirs.stderr


def made_image(home: Path) -> str:
    """Make an image with nothing in it, in the laptop user's home; returns its name there."""
    root = home / "root"
    for name in ("etc", "tmp", "usr"):
        (root / name).mkdir(parents=True)
    subprocess.run([APPTAINER / "apptainer", "build", home / "my.sif", root], check=True, capture_output=True)
    files.give(home / "my.sif", files.LAPTOP_USER.uid)
    return "my.sif"


def shared_place(cluster: Cluster) -> str:
    """Make a directory of alice's that everybody can reach: in another's home, for want of a project's."""
    home = cluster.cluster_home("mallory")
    home.chmod(0o711)
    files.directory(home / "project", 0o755, files.ALICE.uid)
    return "/home/mallory/project/env"
