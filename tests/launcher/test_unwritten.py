"""An answer that cannot be written, as on a full disk: one sentence, an exit code, and what lives on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.launcher.command import BIN, Command

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


def to_a_full_disk(springline: Command, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with its stdout on a disk that takes nothing."""
    with FULL.open("w") as full:
        return subprocess.run(
            [BIN / "springline", *arguments],
            env=springline.environment,
            cwd=springline.home,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.mark.parametrize(
    "words", [["platform", "list"], ["ls", "--json"], ["--help"], ["up", "--dry-run"], ["jobs"]], ids=str
)
def test_one_sentence(springline: Command, words: list[str]) -> None:
    """What cannot be written and what to do: no mistake of springline's, and no success."""
    done = to_a_full_disk(springline, *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2, done.stderr
    assert "he answer cannot be written to stdout: No space left on device" in done.stderr


def test_another_error_keeps_its_code(springline: Command) -> None:
    """What was wrong before is what is said, although its JSON cannot be written, either."""
    done = to_a_full_disk(springline, "status", "nosuch", "--json")
    assert done.returncode == 60 and "no session 'nosuch'" in done.stderr


@pytest.mark.slow
def test_a_session_lives_on(springline: Command) -> None:
    """`up` says that the session was started all the same, how to come back and how to end it."""
    try:
        done = to_a_full_disk(springline, "up", "--name", "unsaid", "--no-browser")
        assert done.returncode == 2 and "session unsaid goes on without this terminal" in done.stderr, done.stderr
        assert "springline attach unsaid" in done.stderr and "springline stop unsaid" in done.stderr
        assert springline("status", "unsaid", "--json").document["state"] == "ready"
    finally:
        springline("stop", "unsaid")
