"""What lies on a platform, listed by a real /bin/sh: whole, half-written, missing and hostile files."""

from __future__ import annotations

import json
from pathlib import Path

from launcher.cluster import Cluster
from launcher.model import Platform
from launcher.schedulers.slurm import SlurmScheduler
from launcher.scripts.inventory import Found, list_script, parse_list
from launcher.scripts.shell import RemotePath
from launcher.transports.local import LocalTransport

MARK = "springline-0011223344556677"
DOCUMENT = {"name": "x", "platform": "elsewhere", "job_name": "springline-s1-a1b2c3", "created": "2026-11-22T00:00:00"}


def write(base: Path, name: str, **files: str) -> None:
    """Write a session's directory; `_json` in a keyword stands for .json."""
    (base / name).mkdir(parents=True)
    for file, text in files.items():
        (base / name / file.replace("_json", ".json")).write_text(text)


def listed(base: Path) -> dict[str, Found]:
    """What the script and its reader make of a directory."""
    answer = LocalTransport().run(list_script(RemotePath(str(base)), MARK))
    return {found.name: found for found in parse_list(answer.text, MARK, "testbed", "/my.ini")}


def test_whole_session(tmp_path: Path) -> None:
    """A session is found with its job, its directory, its login host and its state, under this laptop's own names."""
    state = '{"phase": "ending", "exit_code": 0}\n'
    write(tmp_path, "s1", session_json=json.dumps(DOCUMENT), submission="7\n", login="10.0.0.9\n", state_json=state)
    found = listed(tmp_path)["s1"]
    assert found.session is not None
    assert (found.session.name, found.session.platform, found.session.config) == ("s1", "testbed", "/my.ini")
    assert (found.session.job_name, found.session.login) == ("springline-s1-a1b2c3", "10.0.0.9")
    assert found.session.directory == f"{tmp_path.resolve()}/s1"
    assert (found.known_as, found.submission, found.over) == ("elsewhere", "7", True)


def test_missing_and_half_files(tmp_path: Path) -> None:
    """Files that are missing, half there or something else hide no other session and are no sessions themselves."""
    write(tmp_path, "empty")
    write(tmp_path, "half", session_json=json.dumps(DOCUMENT)[:30], state_json='{"phase": "rea')
    write(tmp_path, "list", session_json="[1, 2]", state_json='"words"')
    write(tmp_path, "hostile", session_json=json.dumps({**DOCUMENT, "job_name": "x; touch y"}))
    write(tmp_path, "young", session_json=json.dumps(DOCUMENT))
    (tmp_path / "file").write_text("no directory")
    found = listed(tmp_path)
    assert set(found) == {"empty", "half", "list", "hostile", "young"}
    assert [name for name, one in found.items() if one.session] == ["young"]
    assert all(one.node is None and not one.over for one in found.values())


def test_names_that_springline_never_gives(tmp_path: Path) -> None:
    """What was set aside, and directories of other people's making, are passed over; nothing in a name is run."""
    for name in ("s1.20261101T101010", "My Data", "it's $(touch x)", "`touch y`\nz", "-n", "ok"):
        write(tmp_path, name, session_json=json.dumps(DOCUMENT))
    assert set(listed(tmp_path)) - {"-n"} == {"ok"}
    assert not list(tmp_path.glob("[xy]"))


def test_file_that_looks_like_the_frame(tmp_path: Path) -> None:
    """A file cannot pass for another: its reader's mark is a new one each time."""
    forged = f"{MARK[:-1]}0 s1 session.json\n{json.dumps(DOCUMENT)}"
    write(tmp_path, "s1", submission=forged)
    assert listed(tmp_path)["s1"].session is None


def test_no_run_directory(tmp_path: Path) -> None:
    """Where nobody ever started a session there is none."""
    assert listed(tmp_path / "nothing") == {}


def test_ids_as_the_scheduler_gave_them(tmp_path: Path) -> None:
    """The id is read from sbatch's own answer, as the launcher that submitted read it; a refusal gives none."""
    for name, submission in {"a": "Your budget: 12 hours\n77;cluster2\n", "b": "", "c": "sbatch: error: no\n"}.items():
        write(tmp_path / "sessions", name, session_json=json.dumps(DOCUMENT), submission=submission)
    cluster = Cluster(Platform(name="here", run_dir=str(tmp_path)), LocalTransport(), SlurmScheduler())
    ids = {found.name: found.session.job_id for found in cluster.sessions() if found.session}
    assert ids == {"a": "77", "b": "", "c": ""}
