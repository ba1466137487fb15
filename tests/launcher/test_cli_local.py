"""The whole command on platform local: real processes, a real JupyterLab, a home of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launcher.command import Command

KEYS = "schema_version session platform state job_id node url access dask dask_error workers created ends message"
TOKEN = re.compile(r"[0-9a-f]{48}")


def start(springline: Command, name: str, *options: str) -> dict[str, Any]:
    """Start a session and leave it running."""
    result = springline("up", "--name", name, "--workers", "1", "--detach", "--json", *options)
    assert result.code == 0, result.errors
    return result.document


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, dict[str, Any]]]:
    """A running session `demo` for all tests that do not end it, and what `up` said about it."""
    springline = Command(tmp_path_factory.mktemp("home"))
    document = start(springline, "demo")
    try:
        yield springline, document
    finally:
        springline("stop", "demo")


@pytest.fixture
def ending(springline: Command) -> Iterator[Command]:
    """The command in an empty home; whatever it left running is stopped."""
    yield springline
    for session in springline("ls", "--json").document["sessions"]:
        springline("stop", session["session"])


def ask(url: str, path: str, token: str = "") -> tuple[int, Any]:
    """Ask JupyterLab; the status and the JSON answer."""
    headers = {"Authorization": f"token {token}"} if token else {}
    request = urllib.request.Request(url.replace("/lab", path), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, None


def token_of(springline: Command, name: str) -> str:
    """The session's token, as the user can ask for it."""
    address = springline("url", name, "--show-token", "--json").document["url"]
    return str(address.partition("?token=")[2])


def record(springline: Command, name: str) -> dict[str, Any]:
    """The laptop's record of a session."""
    found: dict[str, Any] = json.loads((springline.home / f".local/state/springline/sessions/{name}.json").read_text())
    return found


def wait_for(fact: Callable[[], bool]) -> None:
    """Wait until something is so, for 30 s."""
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_up_says_where_everything_is(demo: tuple[Command, dict[str, Any]]) -> None:
    """`up --detach --json` prints one object with the public keys, and what it says is so."""
    springline, document = demo
    assert list(document) == KEYS.split()
    assert (document["schema_version"], document["session"], document["platform"]) == (1, "demo", "local")
    assert (document["state"], document["access"]) == ("ready", "loopback")
    assert document["url"].startswith("http://127.0.0.1:")
    assert document["dask"]["scheduler"].startswith("tls://127.0.0.1:")
    assert ask(document["url"], "/api/status", token_of(springline, "demo"))[0] == 200
    assert ask(document["url"], "/api/status")[0] == 403


@pytest.mark.slow
def test_status_and_ls_agree_with_up(demo: tuple[Command, dict[str, Any]]) -> None:
    """Every command says the same of a session, in the same keys; without --json it is a table for people."""
    springline, document = demo
    now = {key: value for key, value in document.items() if key != "workers"}  # who join meanwhile
    for said in (springline("status", "demo", "--json").document, *springline("ls", "--json").document["sessions"]):
        assert said.pop("workers")["wanted"] == 1 and said == now
    lines = springline("ls").output.splitlines()
    assert lines[0].split()[:3] == ["SESSION", "PLATFORM", "STATE"]
    assert lines[1].split()[:3] == ["demo", "local", "ready"]


@pytest.mark.slow
def test_token_is_shown_on_request_only(demo: tuple[Command, dict[str, Any]]) -> None:
    """Without --show-token no command prints the token, its logs do not hold it, and no process shows it."""
    springline, _ = demo
    token = token_of(springline, "demo")
    assert TOKEN.fullmatch(token)
    for arguments in (["url"], ["status"], ["ls"], ["logs"], ["status", "--json"], ["logs", "--json"]):
        result = springline(*arguments)
        assert result.code == 0
        assert token not in result.output + result.errors
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert token.encode() not in process.read_bytes()
        except OSError:  # it ended
            continue


@pytest.mark.slow
def test_files_are_private(demo: tuple[Command, dict[str, Any]]) -> None:
    """Nobody else can enter a session's directories, here or on its platform, nor read its secrets inside."""
    springline, _ = demo
    session = springline.home / ".springline/sessions/demo"
    state = springline.home / ".local/state/springline"
    private = [springline.home / ".springline", session, state, state / "sessions", state / "sessions/demo.json"]
    secrets = [session / name for name in ("token", "tls.key", "state.json", "session.json", "job.log", "jupyter.log")]
    assert {
        path: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in private + secrets if path.stat().st_mode & 0o077
    } == {}


@pytest.mark.slow
def test_logs(demo: tuple[Command, dict[str, Any]]) -> None:
    """`logs` prints the job's and JupyterLab's last lines."""
    springline, _ = demo
    texts = springline("logs", "demo", "--json").document["logs"]
    assert set(texts) == {"job.log", "jupyter.log"}
    assert "Jupyter Server" in texts["jupyter.log"]
    assert len(springline("logs", "demo", "-n", "1").output.splitlines()) <= 6


@pytest.mark.slow
def test_scale_reaches_the_cluster_of_the_dask_panel(demo: tuple[Command, dict[str, Any]]) -> None:
    """After `scale` the one cluster JupyterLab's panel shows has that many workers."""
    springline, document = demo
    token = token_of(springline, "demo")
    assert springline("scale", "demo", "2", "--json").document["requested"] == {"workers": 2}
    wait_for(lambda: [panel["workers"] for panel in ask(document["url"], "/dask/clusters", token)[1]] == [2])


@pytest.mark.slow
def test_second_session_of_a_name_is_refused(demo: tuple[Command, dict[str, Any]]) -> None:
    """A name in use is refused with 2, says what to do, and leaves the first session as it is."""
    springline, document = demo
    result = springline("up", "--name", "demo", "--detach")
    assert (result.code, result.output) == (2, "")
    assert "springline attach demo" in result.errors
    assert springline("status", "demo", "--json").document["job_id"] == document["job_id"]


@pytest.mark.slow
def test_attach_prints_the_session_again(demo: tuple[Command, dict[str, Any]]) -> None:
    """`attach --detach --json` says of a session here what `up` said, on the same port."""
    springline, document = demo
    again = springline("attach", "demo", "--detach", "--json").document
    assert {**again, "workers": document["workers"]} == document  # who join meanwhile


@pytest.mark.slow
def test_life_of_a_session(ending: Command) -> None:
    """Stopped means gone: no process, not listed, known as ended; and its name may be used again."""
    document = start(ending, "life")
    pid = int(document["job_id"].partition("-")[0])
    result = ending("stop", "life", "--json")
    assert (result.code, result.document["state"]) == (0, "ended")
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    assert ending("ls", "--json").document["sessions"] == []
    assert [one["state"] for one in ending("ls", "--all", "--json").document["sessions"]] == ["ended"]
    assert ending("status", "life").code == 0
    assert ending("url", "life").code == 50
    assert ending("stop", "life").code == 0
    again = start(ending, "life")
    assert again["job_id"] != document["job_id"]
    assert len(list((ending.home / ".springline/sessions").glob("life*"))) == 2


@pytest.mark.slow
def test_status_of_a_session_that_was_killed(ending: Command) -> None:
    """A session killed by force is failed: `status` says so in one object, and ends with the code of a failed job."""
    start(ending, "poor")
    directory = Path(record(ending, "poor")["directory"])
    supervisor = int(record(ending, "poor")["job_id"].partition("-")[0])
    (child,) = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    wait_for((directory / "exit_code").exists)
    result = ending("status", "poor", "--json")
    assert (result.code, result.document["state"]) == (40, "failed")
    assert "exit code 137" in result.errors
    assert ending("ls", "--json").document["sessions"] == []


def wait_for_line(process: subprocess.Popen[str], stream: str, word: str) -> str:
    """Read a stream until a line holds a word."""
    pipe = getattr(process, stream)
    for line in pipe:
        if word in line:
            return str(line)
    raise AssertionError(f"{word} never came")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "word"), [("stderr", "session inter"), ("stdout", '"ready"')], ids=["waiting", "ready"]
)
def test_interrupt_without_a_terminal_detaches(ending: Command, stream: str, word: str) -> None:
    """Ctrl-C where nobody can be asked ends `up` with 130, says how to come back, and the session lives on."""
    process = ending.popen("up", "--name", "inter", "--workers", "1", "--json", "--no-browser")
    wait_for_line(process, stream, word)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "springline attach inter" in errors
    assert "Traceback" not in errors
    assert ending("attach", "inter", "--detach", "--json").document["state"] == "ready"


@pytest.mark.slow
def test_browser_is_opened_through_a_private_file(ending: Command) -> None:
    """The browser's command line holds no token, only a file of the user's own that forwards and is gone afterwards."""
    browser, seen = ending.home / "browser", ending.home / "seen"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" >{seen}\n')
    browser.chmod(0o700)
    ending.environment["BROWSER"] = f"{browser} %s"
    process = ending.popen("up", "--name", "window", "--workers", "1")
    wait_for_line(process, "stderr", "opened in your browser")
    wait_for(seen.exists)
    page = Path(seen.read_text().removeprefix("file://"))
    assert f"token={token_of(ending, 'window')}" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert not page.exists()


def test_dry_run_runs_nothing_and_shows_no_secret(springline: Command) -> None:
    """`--dry-run` shows the script and every command, writes nothing anywhere, and prints no token or key."""
    springline.configure("[cluster]\nhost = no-such-host.invalid\npartition = fat\nprologue = module load 2024\n")
    before = sorted(springline.home.rglob("*"))
    for platform in ("local", "cluster"):
        result = springline("up", platform, "--dry-run", "--json")
        assert result.code == 0
        steps = "\n".join(result.document["steps"].values())
        assert "PRIVATE KEY" not in steps
        assert "BEGIN CERTIFICATE" not in steps
        assert not TOKEN.search(steps)
    assert "#SBATCH --partition=fat" in steps
    assert "sbatch --parsable job.sh" in steps
    assert "module load 2024" in steps
    assert sorted(springline.home.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["up", "nosuch"], 60, "no platform 'nosuch'"),
        (["up", "locl"], 60, "did you mean 'local'"),
        (["status", "nosuch"], 60, "no session 'nosuch'"),
        (["attach"], 60, "no session"),
        (["stop", "../../etc"], 60, "no session"),
        (["url", ""], 60, "no session"),
        (["scale", "nosuch", "2"], 60, "no session"),
        (["scale", "nosuch", "two"], 2, "'two'"),
        (["scale", "nosuch", "5:1"], 2, "minimum"),
        (["up", "--name", "Bad Name"], 2, "'Bad Name'"),
        (["up", "--name", ""], 2, "'' is not a session name"),
        (["run", "map", "m:f", "--on", "local", "--name", ""], 2, "'' is not a run name"),
        (["up", "--name", "../../etc"], 2, "'../../etc'"),
        (["up", "--local-port", "99999"], 2, "99999"),
        (["up", "--walltime", "soon"], 2, "soon"),
        (["up", "--wait", "-1"], 2, "-1"),
        (["logs", "-n", "0"], 2, "0"),
        (["nosuchcommand"], 2, "nosuchcommand"),
        (["up", "a", "b"], 2, "b"),
        (["platform", "show"], 2, "NAME"),
        (["run"], 2, "Usage: springline run "),
        (["run", "mapp", "--on", "local"], 60, "no analysis 'mapp' here; did you mean 'map'?"),
        (["run", "nope", "--on", "local"], 60, "--yes submits it"),
        (["run", "mod:f", "--on", "local", "--json"], 60, "springline run map mod:f"),
        (["help", "up", "run"], 2, "'up' has no command 'run'"),
    ],
)
def test_bad_input(springline: Command, arguments: list[str], code: int, said: str) -> None:
    """Whatever is wrong on the command line ends with its code and a sentence on stderr, nothing on stdout."""
    result = springline(*arguments)
    assert (result.code, "" if "--json" in arguments else result.output) == (code, "")
    assert said in result.errors


def test_an_analysis_that_only_the_platform_has(springline: Command) -> None:
    """--yes is enough to have it submitted."""
    result = springline("run", "nope", "--on", "local", "--yes", "--show-script")
    assert result.code == 0 and "job.sh" in result.output


def test_error_as_json(springline: Command) -> None:
    """With --json an error is an object too, with the exit code, the message and what to do."""
    result = springline("status", "nosuch", "--json")
    assert result.document["error"]["code"] == result.code == 60
    assert set(result.document["error"]) == {"code", "message", "hint"}


def test_one_broken_session_hides_no_other(springline: Command) -> None:
    """A session whose platform is gone is a row of `ls` that says so, not the end of `ls`."""
    records = springline.home / ".local/state/springline/sessions"
    records.mkdir(parents=True)
    gone = {
        "name": "gone",
        "platform": "vanished",
        "job_name": "j",
        "created": "2026-01-01T00:00:00+00:00",
        "job_id": "7",
    }
    (records / "gone.json").write_text(json.dumps(gone), encoding="utf-8")
    (row,) = springline("ls", "--json").document["sessions"]
    assert (row["session"], row["state"]) == ("gone", "unknown")
    assert "vanished" in row["message"]


def test_unreadable_home(springline: Command) -> None:
    """A state directory that cannot be made is a sentence, not a traceback."""
    (springline.home / ".local").write_text("a file in the way")
    result = springline("ls")
    assert result.code not in (0, 1)
    assert "springline:" in result.errors


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        (b"\xff\xfe[\0x\0", ["platform", "list"], 2, "FILE is not a text file in UTF-8"),
        (b"\xff\xfe[\0x\0", ["up", "testbed"], 2, "FILE is not a text file in UTF-8"),
        (b"[x\nhost", ["up", "testbed"], 60, "FILE, line 1: '[x' is the name of a section without its ]"),
        (b"[x]\nhost = h", ["up", "testbed"], 60, "springline platform list --config FILE"),
        (b"[x]\n", ["up", "x"], 2, "to [x] in FILE"),
        (b"[x]\nhost = h", ["up", "x", "--preset", "p"], 2, "add [x:p] to FILE"),
    ],
)
def test_a_broken_config(springline: Command, text: bytes, arguments: list[str], code: int, said: str) -> None:
    """Of a file given with --config the real fault is said, once, and no word of another file."""
    file = springline.home / "mine.ini"
    file.write_bytes(text)
    result = springline(*arguments, "--config", str(file))
    assert (result.code, result.output) == (code, "")
    assert said.replace("FILE", str(file)) in result.errors
    assert len(result.errors.splitlines()) == 2 and str(springline.config) not in result.errors


@pytest.mark.parametrize(
    ("options", "form"),
    [
        (["--dask", "foo"], "takes slurm, pbs, local, gateway, or tls://HOST:PORT"),
        (["--walltime", "abc"], "takes MM, HH:MM:SS or D-HH:MM:SS"),
        (["--workers", "x"], "takes a whole number"),
        (["--memory", "x"], "takes a size: 8GB, 32GiB"),
    ],
)
def test_how_an_option_is_written(springline: Command, options: list[str], form: str) -> None:
    """What an option takes stands in the hint."""
    result = springline("up", *options)
    assert result.code == 2 and form in result.errors.splitlines()[-1]
