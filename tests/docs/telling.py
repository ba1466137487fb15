"""Lives through a page: types its commands at the laptop of the test cluster, or on its login host."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs import kits, stories
from tests.docs.commands import ROOT, Page, Shown
from tests.docs.stories import Story
from tests.slurm import files
from tests.slurm.hosts import Host
from tests.slurm.laptop import Springline
from tests.slurm.requirements import VENV_PYTHON
from tests.slurm.terminal import Terminal
from tests.slurm.upping import until

LONGEST = 150.0
"""Seconds in which a command says something new, or ends."""
OVER_THERE = ("sbatch", "squeue", "scancel")
KERNELS = ROOT / ".cache/numba"
"""Compiled kernels, kept from one story to the next; numba itself sees where they are out of date."""
HOLDS = re.compile(r"^springline (up|attach|client)\b(?!.*--(detach|dry-run|json|help))")
HELD = r"127\.0\.0\.1:\d+"
"""What a command shows that then holds a tunnel until it is told to end."""
S3_PORT = 5999
S3 = {
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{S3_PORT}",
    "FSSPEC_S3_ENDPOINT_URL": f"http://127.0.0.1:{S3_PORT}",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
ENVIRONMENT = {
    **S3,
    "PYTHONPATH": f"{ROOT}:/home/{files.LAPTOP_USER.name}/site",
    "SCRATCH": "/tmp/scratch",
    "TERM": "xterm",
    "MPLBACKEND": "agg",
}


@dataclass
class Reader:
    """Somebody who has a page open and types what it says."""

    springline: Springline
    page: Page
    story: Story
    products: tuple[Path, ...] = ()  # Sentinel-1 products, for the kit `safe`
    told: list[str] = field(default_factory=list)  # each command with its seconds
    _held: list[tuple[Shown, Terminal]] = field(default_factory=list)

    def read(self) -> None:
        """From top to bottom; the first command that ends otherwise than announced is said with its line."""
        with ExitStack() as stack:
            self._prepare(stack)
            for shown in stories.kept(self.page):
                began = time.monotonic()
                self._type(shown, stack)
                self.told.append(f"{time.monotonic() - began:5.1f} s  {shown}")
            self._end_sessions()
        compiled = self.springline.home / ".cache/numba"
        if compiled.is_dir():
            shutil.copytree(compiled, KERNELS, dirs_exist_ok=True)

    def _prepare(self, stack: ExitStack) -> None:
        cluster, laptop = self.springline.cluster, self.springline.cluster.laptop
        ini = self.springline.home / ".config/springline/platforms.ini"
        ini.write_text(ini.read_text() + stories.PLATFORMS.replace("PYTHON", str(VENV_PYTHON)) + self.story.keys)
        texts = {**stories.SCRIPTS, **dict(self.page.files)}
        for name, text in texts.items():
            files.write(self.springline.home / name, text, owner=files.LAPTOP_USER.uid)
        kits.install(self.springline.home / "site", texts)
        for script in (ROOT / "docs/sbatch").glob("*.sh"):
            shutil.copy(script, cluster.cluster_home())
        self._give_kernels()
        self._serve(stack, laptop)
        for product in self.products:
            self._lay_product(product)
        lay_out(laptop, self.springline.user, tuple(kit for kit in self.story.here if kit != "safe"))
        lay_out(cluster.login, "alice", self.story.there)
        for text in self.story.before:
            self._type(Shown(self.page.file, 0, text, "block"), stack)

    def _give_kernels(self) -> None:
        """Nobody waits again for what was compiled in an earlier story."""
        cluster = self.springline.cluster
        homes = (self.springline.home, files.LAPTOP_USER), (cluster.cluster_home(), files.ALICE)
        for home, user in homes:
            if KERNELS.is_dir():
                shutil.copytree(KERNELS, home / ".cache/numba", dirs_exist_ok=True)
                for path in (home / ".cache", *(home / ".cache").rglob("*")):
                    files.give(path, user.uid)

    def _lay_product(self, product: Path) -> None:
        """Where the pages have them: in the home, and in data/ by their day; beside one that is broken."""
        there = self.springline.cluster.cluster_home()
        for home, user in ((self.springline.home, files.LAPTOP_USER), (there, files.ALICE)):
            for folder in (home, home / "data", home / "data/S1A_IW_GRDH_1S/2021/121"):
                shutil.copytree(product, folder / product.name)
            shutil.copytree(product / "annotation", home / "error.SAFE")
            for path in (home / "data", home / "error.SAFE", home / product.name):
                files.give(path, user.uid)

    def _serve(self, stack: ExitStack, laptop: Host) -> None:
        """Servers that kits or commands of the laptop speak to."""
        for kit, (port, command) in kits.SERVERS.items():
            if kit in self.story.here:
                process = laptop.popen(command, user=self.springline.user, stdout=-3, stderr=-3, env=ENVIRONMENT)
                stack.callback(process.wait)
                stack.callback(process.kill)
                until(lambda port=port: laptop.listens(port))  # type: ignore[misc]

    def _type(self, shown: Shown, stack: ExitStack) -> None:
        text = self.story.filled(shown.text)
        cluster = self.springline.cluster
        host, user = cluster.laptop, self.springline.user
        if text.split()[0] in OVER_THERE:
            host, user = cluster.login, "alice"
        words = ["bash", "-c", f"PATH={VENV_PYTHON.parent}:$PATH\n{text}"]
        terminal = stack.enter_context(Terminal(host, words, user=user, env=ENVIRONMENT))
        answers = {**stories.ANSWERS, **self.story.answers}
        holds = HOLDS.match(text)
        while seen := terminal.until("|".join([*answers, HELD] if holds else answers), LONGEST):
            if holds and re.fullmatch(HELD, seen):
                self._held.append((shown, terminal))
                return
            terminal.type(next(typed for asked, typed in answers.items() if re.fullmatch(asked, seen)))
        self._ended(shown, terminal)

    def _ended(self, shown: Shown, terminal: Terminal) -> None:
        """Its exit code is the one that the page announces, 0 if it announces none."""
        expected = next((code for asked, code in self.story.codes.items() if re.search(asked, shown.text)), 0)
        code = terminal.returncode
        assert code == expected, f"{shown}\nended with {code}, not {expected}:\n{terminal.text}"

    def _end_sessions(self) -> None:
        """What still holds a tunnel ends in good order when its session is stopped."""
        if self._held:
            stopped = self.springline("stop", "--all")
            assert stopped.returncode == 0, stopped.stderr
        for shown, terminal in self._held:
            terminal.finish()
            self._ended(shown, terminal)


def lay_out(host: Host, user: str, names: tuple[str, ...]) -> None:
    """Let the files of some kits appear in a user's home."""
    if names:
        host.run([str(VENV_PYTHON), "-m", "tests.docs.kits", *names], user=user, env=ENVIRONMENT)
