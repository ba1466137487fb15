"""Sessions of another laptop, on real platforms of this computer: found, adopted into the records, never confused."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.errors import NotFoundError, UsageError
from launcher.kinds import RUN
from launcher.laptop.store import Store
from launcher.model import JobState, Known, Session, SessionPhase
from launcher.overview import elsewhere
from launcher.overview.elsewhere import Place
from launcher.sessions import lifecycle
from launcher.sessions.watcher import Watcher
from launcher.transports.base import Asker

PID = 4194999  # above every pid there can be: the process is gone


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two platforms of its own, `a` and `b`, and `0-alias`, which is the same place as `a`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    ini = tmp_path / ".config/springline/platforms.ini"
    ini.parent.mkdir(parents=True)
    section = "transport = local\nscheduler = local\nrun_dir = {}\n"
    places = {"0-alias": tmp_path / "a", "a": tmp_path / "a", "b": tmp_path / "b"}
    ini.write_text("".join(f"[{name}]\n{section.format(place)}\n" for name, place in places.items()))
    return tmp_path


def put(home: Path, platform: str, name: str, *, submission: str = f"{PID}-1\n", state: str = "") -> str:
    """Lay a session's files down as a submission does; returns its job's name."""
    directory = home / platform / "sessions" / name
    directory.mkdir(parents=True)
    job_name = f"springline-{name}-00{platform}{platform}{platform}{platform}"
    document = {"platform": platform, "job_name": job_name, "created": "2026-11-22T00:00:00+00:00"}
    (directory / "session.json").write_text(json.dumps(document))
    (directory / "submission").write_text(submission)
    if state:
        (directory / "state.json").write_text(state)
    return job_name


def reach(home: Path, name: str | None, platform: str | None = None) -> Session:
    """Reach a session as a command does."""
    return elsewhere.reach(name, Asker(), Store(home / "records"), Place(platform))[1]


def test_unknown_session_is_found_on_the_users_platforms(home: Path) -> None:
    """Without a record and without --platform all platforms of the user are asked, and what is found is recorded."""
    job_name = put(home, "b", "s1")
    found = reach(home, "s1")
    assert (found.platform, found.job_name, found.job_id) == ("b", job_name, f"{PID}-1")
    assert Store(home / "records").find("s1") == found


def test_two_names_for_one_place(home: Path) -> None:
    """A session that two platforms lead to is one session, under the name it was started with."""
    put(home, "a", "s1")
    assert reach(home, "s1").platform == "a"


def test_same_name_on_two_platforms(home: Path) -> None:
    """Two sessions of one name are not guessed between: --platform says which."""
    put(home, "a", "s1")
    put(home, "b", "s1")
    with pytest.raises(UsageError, match="s1 on a, s1 on b"):
        reach(home, "s1")
    assert reach(home, "s1", "b").platform == "b"


def test_only_live_session_needs_no_name(home: Path) -> None:
    """Without a name the only session is meant that did not say it ended, and whose job is there."""
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    put(home, "a", "s1", state='{"phase": "ending", "exit_code": 0}\n')
    put(home, "a", "s3")
    put(home, "b", "s2", submission=f"{os.getpid()}-{started}\n")
    assert reach(home, None).name == "s2"


def test_record_comes_first(home: Path) -> None:
    """What this laptop has a record of is not looked for; with --platform it is, and the record's port is kept."""
    job_name = put(home, "a", "s1")
    store = Store(home / "records")
    store.save(Session("s1", "a", job_name, "2026", f"{PID}-1", str(home / "a/sessions/s1"), port=8899))
    assert reach(home, "s1").port == 8899
    assert reach(home, "s1", "a").port == 8899


def test_live_record_of_that_name_is_kept(home: Path) -> None:
    """A session found there takes no record away from another live one that is called the same here."""
    put(home, "b", "s1")
    store = Store(home / "records")
    mine = Session("s1", "a", "springline-s1-ffffff", "2026", f"{PID}-1", str(home / "a/sessions/s1"))
    store.save(mine)
    assert reach(home, "s1", "b").platform == "b"
    assert store.find("s1") == mine
    store.save(replace(mine, ended="ended"))
    assert reach(home, "s1", "b") == store.find("s1")


def test_record_of_an_earlier_one_of_that_name(home: Path) -> None:
    """A record tells nothing of a later session of its name: it is neither watched nor ended, and no note is left."""
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    state = json.dumps({"phase": "running", "job_id": f"{os.getpid()}-{started}"}) + "\n"
    put(home, "a", "r1", submission=f"{os.getpid()}-{started}\n", state=state)
    there = home / "a/sessions/r1"
    old = Session("r1", "a", "springline-run_r1-ffffff", "2026", f"{PID}-1", str(there), noun="run")
    store = Store(home / "records", RUN)
    store.save(old)
    cluster, session = elsewhere.reach("r1", Asker(), store, Place())
    for act in (lifecycle.status, lambda *_: Watcher(cluster, session, lambda _: None, lambda _: None).next()):
        with pytest.raises(NotFoundError, match="this computer knows is over; another run of that name is on a"):
            act(cluster, session)
    (listed,) = lifecycle.statuses(cluster, [session])
    assert (listed.session, listed.phase, listed.node) == (old, SessionPhase.ENDED, None)
    cluster.cancel(session)
    assert not (there / "stop").exists()
    mine = replace(session, job_name=json.loads((there / "session.json").read_text())["job_name"])
    assert lifecycle.status(cluster, mine).job == Known(JobState.RUNNING)
    cluster.cancel(replace(mine, job_id=f"{PID}-1"))
    assert (there / "stop").stat().st_mode & 0o777 == 0o600


def test_nowhere(home: Path) -> None:
    """What is nowhere is said to be nowhere, with the places that were asked."""
    with pytest.raises(NotFoundError, match="no session 's1' here, nor on 0-alias, a, b"):
        reach(home, "s1")


def test_session_that_is_just_being_submitted(home: Path) -> None:
    """A directory without an answer to its submission is no session yet, and nothing of it is removed."""
    put(home, "a", "s1", submission="")
    with pytest.raises(NotFoundError, match="has no job"):
        reach(home, "s1")
    assert (home / "a/sessions/s1/session.json").exists()


def test_old_records_go(tmp_path: Path) -> None:
    """Records of sessions that ended more than 14 days ago are dropped; of live ones, and younger ones, none is."""
    store = Store(tmp_path)
    live = Session("live", "a", "j", "2026")
    for session in (live, replace(live, name="old", ended="ended"), replace(live, name="young", ended="stopped")):
        store.save(session)
    for name in ("live", "old"):
        os.utime(tmp_path / f"{name}.json", (time.time() - 15 * 86400,) * 2)
    store.purge(time.time())
    assert {session.name for session in store.all()} == {"live", "young"}
