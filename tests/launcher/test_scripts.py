"""The scripts as a real /bin/sh reads them: everything from outside arrives unchanged, the watch returns in time."""

from __future__ import annotations

import json
import os
import stat
import string
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from launcher.model import Platform
from launcher.schedulers.base import Answer
from launcher.schedulers.local import LocalScheduler
from launcher.scripts.batch import batch_script, submit_script, tidy_script
from launcher.scripts.looking import look_script, watch_script
from launcher.scripts.preparation import preparation_error
from launcher.scripts.shell import APPTAINER, RemotePath, write_file
from launcher.transports.local import LocalTransport

NASTY = "a b'c\"d$(touch x)`touch y`\\n\t*?[z]~$HOME;&|<>(){}#!ü—\n end"
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(characters, max_size=200)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
some = settings(max_examples=50, deadline=None)
PLATFORM = Platform(name="x", transport="local", scheduler="local", python=sys.executable, run_dir="~")


def sh(script: str) -> Answer:
    """Run a script here, as on a host."""
    return LocalTransport().run(script)


@some
@given(texts, names)
@example(NASTY, NASTY.replace("/", ""))
@example("", "-rf")
@example("no newline at the end", "name")
@example("a\r\nb\rc\n", "carriage\rreturns")
@example(
    "\n".join(f"{letter}é" for letter in string.ascii_letters if letter != "q"), "é"
)  # dash mixes them with its marks
def test_written_file_is_the_text(text: str, name: str) -> None:
    """Any text under any name arrives as it is, ended by a newline, and nothing in it is run."""
    with tempfile.TemporaryDirectory() as directory:
        assert sh(f"cd {directory} || exit 9\n{write_file(name, text)}").exit_code == 0
        assert [path.name for path in Path(directory).iterdir()] == [name]
        expected = text if text.endswith("\n") or not text else text + "\n"
        assert Path(directory, name).read_bytes().decode() == expected


@some
@given(texts)
@example(NASTY)
@example("-n")
@example("$(id)/x")
@example("~root/x")
@example("a/$HOME/b")
def test_path_is_taken_as_it_is(text: str) -> None:
    """A path that does not begin with ~ or a $VARIABLE is the same word over there."""
    if not text.startswith(("~", "$")) or text.startswith(("$(", "~root")):
        assert sh(f"printf %s {RemotePath(text).quoted()}").text == text


@some
@given(texts)
@example(NASTY)
def test_home_and_variables_are_expanded_there(rest: str) -> None:
    """A leading ~, $VARIABLE or ${VARIABLE} is filled in by the shell over there; what follows is taken as it is."""
    setting = "HOME='/home/a b'; SCRATCH='/scratch/$x *'"
    starts = [RemotePath(start) for start in ("~", "$SCRATCH", "${SCRATCH}")]
    paths = [start / rest for start in starts] + starts
    said = sh(f"{setting}; printf '%s\\0' {' '.join(path.quoted() for path in paths)}").text
    home, scratch = "/home/a b", "/scratch/$x *"
    assert said.split("\0")[:-1] == [f"{home}/{rest}", *[f"{scratch}/{rest}"] * 2, home, scratch, scratch]


@settings(max_examples=15, deadline=None)
@given(names, names)
@example("my env", "it's $(here)")
def test_batch_script_finds_python_and_directory(folder: str, session: str) -> None:
    """The job starts exactly the platform's Python in exactly the session's directory, whatever they are called."""
    with tempfile.TemporaryDirectory() as base:
        python = Path(base, folder, "python")
        python.parent.mkdir()
        python.write_text('#!/bin/sh\nprintf "%s\\0" "$0" "$@"; umask\n', encoding="utf-8")
        python.chmod(0o755)
        directory = f"{base}/{session}"
        script = batch_script(replace(PLATFORM, python=str(python)), [], RemotePath(directory))
        Path(directory).mkdir(exist_ok=True)
        Path(directory, "state.json").touch()
        *words, umask = sh(script).text.split("\0")
        assert words == [str(python), f"{directory}/node", "run", directory]
        assert umask.strip() == "0077"
        assert not Path(directory, "state.json").exists()


def test_batch_script_as_a_whole() -> None:
    """The script has its directives first, then the umask, the prologue's lines and one exec."""
    platform = Platform(name="x", host="h", python="~/env/bin/python", prologue=("module load 2024", "export A=1"))
    assert batch_script(platform, ["#SBATCH --nodes=1", "#SBATCH --time=01:00:00"], RemotePath("~/.springline/s")) == (
        "#!/bin/bash -l\n"
        "#SBATCH --nodes=1\n"
        "#SBATCH --time=01:00:00\n"
        'rm -f "$HOME"/.springline/s/state.json  # of an earlier run, when the job was requeued\n'
        "umask 077\n"
        "module load 2024\n"
        "export A=1\n"
        'exec "$HOME"/env/bin/python "$HOME"/.springline/s/node run "$HOME"/.springline/s\n'
    )


def test_batch_script_in_an_image() -> None:
    """With an image, Python is the one inside, and the run directory is there too."""
    platform = Platform(name="x", host="h", python="python3", image="~/my images/jupyter.sif")
    assert batch_script(platform, [], RemotePath("/d")).splitlines()[-1] == (
        f'exec {APPTAINER} exec --bind "$HOME"/.springline "$HOME"\'/my images/jupyter.sif\' python3 /d/node run /d'
    )


def submission(base: Path, platform: Platform = PLATFORM, *, required: str = "sh") -> Answer:
    """Run the whole submit script with a stand-in for sbatch."""
    files = {"token": "secret", "node/springline_node/main.py": "print('hello')\n"}
    return sh(
        submit_script(
            platform,
            required=required,
            directory=RemotePath(f"{base}/sessions/s1"),
            files=files,
            submit="cat token; echo trouble >&2; exit 4",
        )
    )


def test_submission_writes_private_files_and_submits_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are there, for nobody else, before the scheduler's command runs; its exit code comes back."""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 51000 10.0.0.9 22")
    answer = submission(tmp_path)
    directory = tmp_path / "sessions" / "s1"
    assert (answer.exit_code, answer.errors) == (4, "trouble\n")
    assert answer.text.splitlines()[-4:] == [f"@created {directory}", "@login 10.0.0.9", "@submit", "secret"]
    assert (directory / "login").read_text() == "10.0.0.9\n"
    assert (directory / "node/springline_node/main.py").read_text() == "print('hello')\n"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*")}
    assert modes == {0o600, 0o700}


def test_submission_leaves_an_existing_session_alone(tmp_path: Path) -> None:
    """A second submission of the same name stops before it writes or submits anything."""
    submission(tmp_path)
    (tmp_path / "sessions" / "s1" / "token").write_text("first")
    answer = submission(tmp_path)
    assert "@exists" in answer.text.splitlines()
    assert "@submit" not in answer.text
    assert (tmp_path / "sessions" / "s1" / "token").read_text() == "first"


def test_two_submissions_at_the_same_instant(tmp_path: Path) -> None:
    """Of several submissions of one name at once exactly one goes through, and the others say that it exists."""
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: submission(tmp_path), range(6)))
    assert sorted(answer.exit_code for answer in answers) == [3, 3, 3, 3, 3, 4]
    for answer in answers:
        assert ("@submit" in answer.text) != (answer.text.splitlines()[-1] == "@exists")


OLD = time.time() - 15 * 86400
ENDED = '{"seq": 4, "phase": "ending", "reason": "idle", "exit_code": 0}\n'


@pytest.mark.parametrize(
    ("name", "state", "age", "kept"),
    [
        ("s1", ENDED, OLD, False),
        ("s1", ENDED.replace("0}", "-15}"), OLD, False),
        ("s1.20261101T101010", "", OLD, False),
        ("s1", ENDED, OLD + 2 * 86400, True),
        ("s1.20261101T101010", "", OLD + 2 * 86400, True),
        ("s1", ENDED.replace("0}", "null}"), OLD, True),
        ("s1", ENDED.replace("ending", "ready"), OLD, True),
        ("s1", "", OLD, True),
        ("s1.mine", ENDED, OLD, True),
        ("s1.20261101T101010.bak", ENDED, OLD, True),
        ("My Data", ENDED, OLD, True),
        ("it's $(touch x)\n", ENDED, OLD, True),
        ("-rf", ENDED, OLD, True),
        (".hidden", ENDED, OLD, True),
    ],
)
def test_tidying(tmp_path: Path, name: str, state: str, age: float, kept: bool) -> None:
    """Only directories that springline made, of sessions that said they ended, and set aside ones, go after 14 days."""
    directory = tmp_path / "sessions" / name
    directory.mkdir(parents=True)
    (directory / "precious").touch()
    (directory / "state.json").write_text(state)
    for path in (directory / "state.json", directory, tmp_path / "sessions"):
        os.utime(path, (age, age))
    sh(tidy_script(RemotePath(f"{tmp_path}/sessions")) + "\nwait")
    assert directory.exists() is kept
    assert [path.name for path in tmp_path.iterdir()] == ["sessions"]


def test_tidying_goes_by_the_end(tmp_path: Path) -> None:
    """A session that ended a day ago stays, however old its directory is."""
    directory = tmp_path / "sessions" / "s1"
    directory.mkdir(parents=True)
    (directory / "state.json").write_text(ENDED)
    os.utime(directory, (OLD, OLD))
    sh(tidy_script(RemotePath(f"{tmp_path}/sessions")) + "\nwait")
    assert directory.exists()


def test_tidying_follows_no_link(tmp_path: Path) -> None:
    """A link among the sessions, old or new, leads nobody to remove what it points at."""
    (tmp_path / "sessions").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "state.json").write_text(ENDED)
    (tmp_path / "sessions" / "s1").symlink_to(tmp_path / "data")
    for path in (tmp_path / "data" / "state.json", tmp_path / "data"):
        os.utime(path, (OLD, OLD))
    os.utime(tmp_path / "sessions" / "s1", (OLD, OLD), follow_symlinks=False)
    sh(tidy_script(RemotePath(f"{tmp_path}/sessions")) + "\nwait")
    assert (tmp_path / "data" / "state.json").exists()
    assert (tmp_path / "sessions" / "s1").is_symlink()


def test_look_at_several(tmp_path: Path) -> None:
    """Each session's state is one line, empty where there is none, and the scheduler's answer follows."""
    directories = [tmp_path / name for name in ("a b", "none", "$(c)")]
    for directory in (directories[0], directories[2]):
        directory.mkdir()
        (directory / "state.json").write_text(f'{{"in": "{directory.name}"}}\n')
    script = look_script([(RemotePath(str(directory)), "j") for directory in directories], "echo the; echo queue")
    assert sh(script).text == '{"in": "a b"}\n\n{"in": "$(c)"}\nthe\nqueue\n'


def test_submission_without_the_scheduler(tmp_path: Path) -> None:
    """Where the scheduler's command is missing, it says which and leaves nothing behind."""
    assert submission(tmp_path, required="sbatch-that-is-not-here").text == "@missing sbatch-that-is-not-here\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "platform",
    [
        replace(PLATFORM, python="/usr/bin/python-that-is-not-here"),
        replace(PLATFORM, python="/usr/bin/env python"),
        replace(PLATFORM, prologue=("exit 5",)),
        replace(PLATFORM, prologue=("exit 0",)),
        replace(PLATFORM, prologue=("exec true",)),
        replace(PLATFORM, python="/bin/true"),
        replace(PLATFORM, prologue=("exit 0",), image="x.sif"),
        replace(PLATFORM, python="/usr/bin/python-that-is-not-here", prologue=("cat >/dev/null",)),
    ],
    ids=[
        "missing",
        "with arguments",
        "failing prologue",
        "prologue that leaves",
        "prologue that becomes another",
        "no Python",
        "image",
        "prologue that reads its input",
    ],
)
def test_submission_without_python(tmp_path: Path, platform: Platform) -> None:
    """Where Python or its prologue fails, nothing is written or submitted."""
    answer = submission(tmp_path, platform)
    first, last = answer.text.splitlines()
    assert (answer.exit_code, first) == (3, "@python")
    assert last.startswith("@ended ")
    assert list(tmp_path.iterdir()) == []


def test_prologue_that_leaves_is_said(tmp_path: Path) -> None:
    """A prologue that ends the shell, with whatever code, is an error that points at it."""
    answer = submission(tmp_path, replace(PLATFORM, prologue=("exit 0",)))
    assert "`exit` or `exec` in `prologue`" in str(explained(answer))


def explained(answer: Answer) -> Exception:
    """What the user is told of an answer."""
    steps = {line.split(" ", 1)[0]: line.partition(" ")[2] for line in answer.text.splitlines()}
    return preparation_error(PLATFORM, LocalScheduler(), "here", steps, answer)


@pytest.fixture
def project() -> Iterator[Path]:
    """A directory whose ancestors are all the machine's or the user's own."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory).resolve()


@pytest.mark.parametrize(
    ("owner", "mode", "safe"),
    [
        (0, 0o755, True),
        (0, 0o2775, True),  # a project's directory, shared with a group
        (0, 0o1777, True),  # as /tmp
        (0, 0o777, False),
        (0, 0o757, False),
        (20003, 0o755, False),
        (20003, 0o1777, False),
    ],
)
@pytest.mark.parametrize("linked", [False, True], ids=["real", "linked"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_run_dir_below_a_directory_of_others(project: Path, owner: int, mode: int, safe: bool, linked: bool) -> None:
    """Nothing is written or submitted where somebody else could put other files in their place."""
    shared, link = project / "it's shared", project / "link"
    (shared / "mine").mkdir(parents=True)
    link.symlink_to(shared / "mine")
    os.chown(shared, owner, 0)
    shared.chmod(mode)
    answer = submission(link if linked else shared / "mine")
    assert ("@submit" in answer.text.splitlines()) is safe, answer
    if not safe:
        assert answer.text.splitlines()[-1] == f"@unsafe {shared}/."
        assert f"{shared} belongs to another user" in str(explained(answer))
        assert list((shared / "mine/sessions").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_link_of_others(project: Path) -> None:
    """A way that leads through a directory of somebody else is not safe, wherever its link leads now."""
    theirs, mine = project / "theirs", project / "mine"
    theirs.mkdir()
    mine.mkdir()
    (theirs / "link").symlink_to(mine)
    os.chown(theirs, 20003, 20003)
    assert submission(theirs / "link").text.splitlines()[-1] == f"@unsafe {theirs}/."


def test_sessions_are_closed_to_the_group(tmp_path: Path) -> None:
    """A directory of sessions that a group could write, as a project's default may have it, is closed."""
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions").chmod(0o2777)
    assert "@submit" in submission(tmp_path).text.splitlines()
    assert stat.S_IMODE((tmp_path / "sessions").stat().st_mode) == 0o2755


class Watched:
    """A session's directory with a watch script running over it."""

    def __init__(self, directory: Path, ask: str, *, pace: float = 10, slowest: float = 10, limit: float = 20) -> None:
        self.directory = directory
        self.script = watch_script(
            RemotePath(str(directory)),
            "springline-s1-0a1b2c",
            ask,
            known_state='{"seq": 1}',
            known_job="same",
            pace=pace,
            slowest=slowest,
            limit=limit,
        )
        self.write({"seq": 1})

    def write(self, state: dict[str, int]) -> None:
        """Put the state file in place by a rename, as the node program does."""
        scratch = self.directory / "scratch"
        scratch.write_text(json.dumps(state) + "\n")
        scratch.rename(self.directory / "state.json")

    def run(self) -> tuple[float, list[str]]:
        """Seconds it took, and the two lines."""
        began = time.monotonic()
        text = sh(self.script).text
        return time.monotonic() - began, text.splitlines()


def test_watch_returns_at_a_change_of_state(tmp_path: Path) -> None:
    """A new state file is seen within half a second, and comes with the scheduler's word of that moment."""
    watched = Watched(tmp_path, "echo same")
    timer = threading.Timer(1.0, watched.write, [{"seq": 2}])
    timer.start()
    seconds, lines = watched.run()
    assert 1.0 <= seconds < 1.7
    assert lines == ['{"seq": 2}', "same"]


def test_watch_of_a_job_that_is_known_to_run(tmp_path: Path) -> None:
    """A new state of a job that is known to run comes at once, and costs no question."""
    watched = Watched(tmp_path, f"echo asked >>{tmp_path}/asked; echo same")
    watched.script = watch_script(
        RemotePath(str(tmp_path)),
        "springline-s1-0a1b2c",
        f"echo asked >>{tmp_path}/asked; echo same",
        known_state='{"seq": 1}',
        known_job="same",
        first=10,
        glance=0.1,
        job_is_known=True,
    )
    threading.Timer(1.0, watched.write, [{"seq": 2}]).start()
    seconds, lines = watched.run()
    assert 1.0 <= seconds < 1.6
    assert lines == ['{"seq": 2}', "same"]
    assert not (tmp_path / "asked").exists()


def test_watch_returns_at_a_change_of_the_job(tmp_path: Path) -> None:
    """A new word of the scheduler ends the watch at the next question."""
    (tmp_path / "job").write_text("same")
    watched = Watched(tmp_path, f"cat {tmp_path}/job", pace=0.4, slowest=0.4)
    threading.Timer(0.8, (tmp_path / "job").write_text, ["other"]).start()
    seconds, lines = watched.run()
    assert 0.8 <= seconds < 2.5
    assert lines == ['{"seq": 1}', "other"]


def test_watch_returns_after_its_limit(tmp_path: Path) -> None:
    """Without news the watch ends by itself, so that none outlives a vanished laptop for long."""
    seconds, lines = Watched(tmp_path, "echo same", limit=1).run()
    assert 0.9 <= seconds < 2
    assert lines == ['{"seq": 1}', "same"]


def test_watch_of_a_slow_scheduler_ends_in_time(tmp_path: Path) -> None:
    """The time the scheduler takes to answer counts: a busy one does not stretch the watch beyond its limit."""
    seconds, _ = Watched(tmp_path, "sleep 1; echo same", pace=0.2, slowest=0.2, limit=2).run()
    assert seconds < 4.5


def test_watch_asks_ever_more_slowly(tmp_path: Path) -> None:
    """The pauses between two questions to the scheduler grow from `pace` to `slowest`, and no further."""
    watched = Watched(tmp_path, f"date +%s.%N >>{tmp_path}/asked; echo same", pace=0.4, slowest=1.6, limit=4)
    watched.run()
    times = [float(line) for line in (tmp_path / "asked").read_text().split()]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) >= 3
    assert all(pause >= least for pause, least in zip(pauses, (0.35, 1.1, 1.5, 1.5, 1.5), strict=False))
    assert max(pauses) < 3.0


def test_first_look_returns_at_once(tmp_path: Path) -> None:
    """With a limit of zero the scheduler is asked exactly once, and a missing state file is an empty line."""
    script = watch_script(RemotePath(str(tmp_path)), "j", "echo asked", known_state="", known_job="", limit=0)
    assert sh(script).text == "\nasked\n"


@pytest.mark.parametrize("name", ["apptainer", "singularity"])
def test_image_is_looked_for(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By either name of the program; an image that is not there is said before anything is submitted."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    platform = replace(PLATFORM, image=str(tmp_path / "none.sif"), prologue=(f"PATH={tmp_path}/bin:$PATH",))
    assert f"@image {tmp_path}/none.sif" in submission(tmp_path, platform).text
    there = replace(platform, image=str(tmp_path))
    assert "@submit" in submission(tmp_path, there).text
