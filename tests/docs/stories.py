"""What each page needs around it so that its commands run, and the table of the commands that cannot run here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.docs.commands import ROOT, Page, Shown, helped, pages

MINE = '''
def smooth(source, target, *, window: int = 5):
    """Running mean of every variable."""
    import xarray

    xarray.open_dataset(source).rolling(time=window).mean().to_zarr(target)


def coldest(source, target):
    """The coldest day of every cell."""
    import xarray

    xarray.open_dataset(source)["tmin"].min("time").to_dataset().to_zarr(target)
'''
SCRIPTS = {"mine.py": MINE}
"""Functions of the reader's own, where the page itself does not show the file."""
SMALL = "worker_cores = 1\nworker_memory = 1GB\nworker_partition = normal\nworker_walltime = 00:20:00\n"
THERE = (
    f"host = login\nuser = alice\nkeypath = ~/.ssh/id_ed25519\npython = PYTHON\npartition = normal\ncores = 1\n{SMALL}"
)
PLATFORMS = f"""
[mycluster]
platform = testbed
[mycluster:large]
worker_cores = 2
[spider]
{THERE}
[spider:large]
worker_cores = 2
[snellius]
{THERE}
"""
"""The reader's platforms.ini: every name that the pages use leads to the test cluster."""
PLACEHOLDERS = {"package\\.module:function": "mine.py:smooth"}
ANSWERS = {
    r"Name of the platform[^:\n]*:": "mine",
    r"Login host[^:\n]*:": "login",
    r"Your account[^:\n]*:": "alice",
    r"Private key[^:\n]*:": "~/.ssh/id_ed25519",
    r"Enter takes it[^:\n]*:": "",
    r"\[y/N\]:": "y",
}
"""What a reader types at questions."""


@dataclass(frozen=True)
class Story:
    """How a page is lived through: what lies where before, what stands for what, how its commands end."""

    here: tuple[str, ...] = ()  # kits laid out in the laptop's home (kits.py)
    there: tuple[str, ...] = ()  # and in the home on the cluster
    fill: Mapping[str, str] = field(default_factory=dict)  # pattern in a command → what a reader puts there
    codes: Mapping[str, int] = field(default_factory=dict)  # pattern of a command → exit code that the page announces
    answers: Mapping[str, str] = field(default_factory=dict)  # question on the screen → what is typed
    before: tuple[str, ...] = ()  # commands that the reader has typed already
    keys: str = ""  # more of the user's platforms.ini

    def filled(self, text: str) -> str:
        """A command as the reader of this page types it."""
        for pattern, put in {**PLACEHOLDERS, **self.fill}.items():
            text = re.sub(pattern, lambda _: put, text)  # noqa: B023 - called at once
        return text


INTERNET = "needs the internet"
MINUTES = "takes minutes; CI runs it as a step of its own"
PACKAGES = "fetches packages from the internet; test_env*.py of the test cluster installs without"
CHECKED = "takes 10 s and more; docs/platform-check.md runs it with each of its options"
SUBMITTED = "is submitted, as the script stands, by test_sbatch.py on the test cluster"
# What cannot run in a story: page, pattern of the command, why. It is parsed by the real commands all the same.
NOT_RUN: tuple[tuple[str, str, str], ...] = (
    (r".*", r"^pip install", INTERNET),
    (r".*", r"^make ", MINUTES),
    (r".*", r"-m pytest|-m tests\.", "is what runs these tests"),
    (r".*", r"env (install|uninstall|show)", PACKAGES),
    (r"(?!docs/platform-check).*\.md", r"^springline platform check", CHECKED),
    (r"README\.md", r"^springline run (spring-index|map)", "is run by the job's own page, as it stands or nearly so"),
    (r"docs/teachers\.md", r"^scontrol create", "is for the administrators of a cluster with accounts"),
    (r"docs/sbatch/.*\.sh", r".*", SUBMITTED),
    (r"springline .*--help", r".*", "is an example of a --help; its like runs on a page or in tests/slurm"),
    (r"python -m jobs .*", r".*", "shows options that tests/jobs tries one by one; its like runs on the job's page"),
)
DATA = {"'/data/": "'data/"}  # nobody may make /data on this machine
COURSE = "[course]\nplatform = testbed\n"
DAYMET = Story(here=("daymet",), there=("daymet",))
STORIES: dict[str, Story] = {
    "README.md": Story(here=("safe",), fill=DATA),
    "docs/batch.md": Story(here=("raw",)),
    "docs/dask.md": Story(before=("springline up mycluster --name my-session --detach",)),
    "docs/first-session.md": Story(),
    "docs/index.md": DAYMET,
    "docs/l1b.md": Story(here=("safe",), fill=DATA, codes={"error.SAFE": 1}),
    "docs/map.md": Story(here=("raw",)),
    "docs/old-command-line.md": Story(
        keys="[spider-stursdat]\nplatform = testbed\n",
        fill={"^python run": f"python {ROOT}/run"},
        answers={r"enter 'end'[^\n]*\n": "end"},
    ),
    "docs/own-job.md": Story(here=("safe",), fill=DATA, codes={"error.SAFE": 1}),
    "docs/platform-check.md": Story(),
    "docs/platforms.md": Story(),
    "docs/runs.md": Story(here=("raw",), there=("raw",)),
    "docs/sdo-combine.md": Story(here=("s3", "sdoml")),
    "docs/sdo-irradiance.md": Story(here=("s3", "bucket"), fill={"--frames 144": "--frames 12"}),
    "docs/spring-index.md": Story(fill={"--size 150": "--size 40"}),
    "docs/stac.md": Story(here=("archive",)),
    "docs/teachers.md": Story(fill={"up course": "up course --name class", "NAME": "class"}, keys=COURSE),
}


def kept(page: Page) -> list[Shown]:
    """The commands of a page that its story runs."""
    return [shown for shown in page.of("block") if not why_not(shown)]


def why_not(shown: Shown) -> str:
    """Why a command is not run; empty if it is."""
    reasons = (
        why for page, pattern, why in NOT_RUN if re.fullmatch(page, shown.file) and re.search(pattern, shown.text)
    )
    return next(reasons, "")


def story_of(file: str) -> Story:
    """The story of a page, or one where nothing is prepared."""
    return STORIES.get(file, Story())


def told() -> list[Page]:
    """The pages with commands that stories run."""
    return [page for page in pages() if kept(page)]


def everything() -> list[Shown]:
    """All commands that are typed as they stand: those of pages, scripts and help texts."""
    return [shown for page in pages() for shown in page.of("block", "script")] + helped()
