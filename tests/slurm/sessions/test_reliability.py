"""An open page lives through what happens to the connection: same port, same address, same kernel."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.slurm.holding import Held
from tests.slurm.laptop import Springline
from tests.slurm.sessions.test_reliability_jobs import on_the_way
from tests.slurm.story import Book
from tests.slurm.upping import start


@pytest.fixture(scope="module")
def held(shared_springline: Springline) -> Iterator[Held]:
    """Sessions for the tests of this module."""
    yield Held.open(shared_springline)


def for_ten_seconds(away: Callable[[], None], back: Callable[[], None]) -> None:
    """Take something away and give it back."""
    away()
    time.sleep(10)
    back()


def test_a_killed_connection(held: Held, shared_springline: Springline, book: Book) -> None:
    """sshd on login dies under an open page."""
    held.live_through(book, "killed", shared_springline.cluster.kill_connections)


def test_a_cable_out_for_ten_seconds(held: Held, shared_springline: Springline, book: Book) -> None:
    """The laptop knows that it has no network."""
    cluster = shared_springline.cluster
    held.live_through(book, "cut-10", lambda: for_ten_seconds(cluster.cut_link, cluster.restore_link))


def test_packets_lost_for_ten_seconds(held: Held, shared_springline: Springline, book: Book) -> None:
    """Nobody tells the laptop that it has no network."""
    cluster = shared_springline.cluster
    held.live_through(book, "drop-10", lambda: for_ten_seconds(cluster.drop_link, cluster.undrop_link))


def test_a_killed_springline(held: Held, shared_springline: Springline, book: Book) -> None:
    """SIGKILL leaves the job; `ls` shows it, and `attach` brings it back to the same port."""
    page = held.pages["fabric"]
    page.up.process.send_signal(signal.SIGKILL)
    page.up.process.wait(timeout=10)
    name = page.up.line["session"]
    listed = json.loads(shared_springline("ls", "--json").stdout)["sessions"]
    assert {"session": name, "state": "ready"}.items() <= next(s for s in listed if s["session"] == name).items()
    since = time.monotonic()
    again = start(shared_springline, command="attach", what=name)
    assert again.line["url"] == page.up.line["url"]
    seconds = again.seconds_until_answered(page.token, since)
    assert page.run("print(kept + 1)") == "42\n"
    book.tell("sigkill", on_the_way(again.said()), seconds)
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(timeout=20) == 130
