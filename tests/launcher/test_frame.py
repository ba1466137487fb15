"""The marks around a remote script: what a real /bin/sh prints between them, and what noise or a cut line does."""

from __future__ import annotations

import subprocess

import pytest

from launcher.errors import ConnectError
from launcher.schedulers.base import Answer
from launcher.transports.base import Frame

NOISY = "echo Welcome to the cluster; echo motd >&2; printf 'no newline'; /bin/sh; echo bye; echo bye >&2"


def run(script: str, shell: str = "/bin/sh") -> Answer:
    """Send a framed script to the stdin of a shell command, and take the frame off what it prints."""
    frame = Frame.new()
    ended = subprocess.run(
        ["/bin/sh", "-c", shell], input=frame.wrap(script), capture_output=True, text=True, check=False
    )
    return frame.unwrap(ended.stdout, ended.stderr, "here")


@pytest.mark.parametrize("shell", ["/bin/sh", NOISY], ids=["quiet", "noisy"])
@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("echo out; echo err >&2", Answer("out\n", "err\n", 0)),
        ("printf 'no newline'", Answer("no newline", "", 0)),
        ("exit 3", Answer("", "", 3)),
        ("false", Answer("", "", 1)),
        ("cat; read line || echo nothing to read", Answer("nothing to read\n", "", 0)),
        ("cat <<'end'\n$HOME `id`\nend", Answer("$HOME `id`\n", "", 0)),
        ("nohup sleep 0 >/dev/null 2>&1 & echo started", Answer("started\n", "", 0)),
        ("true # a remark at the end", Answer("", "", 0)),
    ],
)
def test_only_what_the_script_said(shell: str, script: str, answer: Answer) -> None:
    """The answer is the script's own output, errors and exit code, to the byte, whatever stands around it."""
    assert run(script, shell) == answer


def test_long_script_runs_whole() -> None:
    """A script of more than 100 kB, with more than 100 kB of answer, arrives and comes back complete."""
    lines = [f"line {number} of a long file" for number in range(8000)]
    text = "\n".join(lines)
    assert run(f"cat <<'end'\n{text}\nend\nexit 7") == Answer(text + "\n", "", 7)


def test_nothing_runs_before_all_has_arrived() -> None:
    """A script whose sending was cut short does nothing at all."""
    frame = Frame.new()
    half = frame.wrap("echo did something\n" * 5000)[:50000]
    ended = subprocess.run(["/bin/sh"], input=half, capture_output=True, text=True, check=False)
    assert "did something" not in ended.stdout
    with pytest.raises(ConnectError):
        frame.unwrap(ended.stdout, ended.stderr, "here")


def test_cut_anywhere_is_a_lost_connection() -> None:
    """Wherever the connection breaks, the answer is either whole or an error: no half text, no wrong exit code."""
    frame = Frame.new()
    ended = subprocess.run(
        ["/bin/sh"], input=frame.wrap("echo text; exit 12"), capture_output=True, text=True, check=False
    )
    for length in range(len(ended.stdout)):
        with pytest.raises(ConnectError, match="host: the connection was lost"):
            frame.unwrap(ended.stdout[:length], "", "host")
    assert frame.unwrap(ended.stdout, "", "host") == Answer("text\n", "", 12)


def test_script_that_prints_marks_of_another_frame() -> None:
    """Text that looks like a frame, but not this one, is part of the answer."""
    other = Frame.new().wrap("true")
    assert run(f"cat <<'end'\n{other}\nend").text == other + "\n"


def test_last_words_are_in_the_error() -> None:
    """When no answer came, the error repeats what the host said last."""
    with pytest.raises(ConnectError, match="This account is not available"):
        Frame.new().unwrap("Welcome\nThis account is not available\n", "", "host")
