"""What is said once more to a page that was away; the connection itself is in tests/contracts/test_resuming.py."""

from __future__ import annotations

from launcher.node.lab.resuming import Line


def said(messages: list[bytes], room: int) -> Line:
    """A line on which so much was said to the page."""
    line = Line(room)
    for message in messages:
        line.say(message, True)
    return line


def test_a_page_gets_what_it_missed() -> None:
    """Neither more nor less, in order, and nothing if it was there all the time."""
    line = said([b"one", b"two", b"three"], 100)
    assert line.resume(1, 0) == ([(b"two", True), (b"three", True)], True)
    assert line.resume(3, 0) == ([], True)
    assert line.resume(0, 0)[0][0] == (b"one", True)


def test_the_oldest_makes_room_and_that_is_said() -> None:
    """A page that missed more than is kept gets the rest, and is told that it is not all."""
    line = said([b"12345", b"6789", b"0"], 8)
    assert line.resume(0, 0) == ([(b"6789", True), (b"0", True)], False)
    assert line.resume(1, 0) == ([(b"6789", True), (b"0", True)], True)


def test_what_was_for_the_kernel_before_a_restart_is_not_asked_for() -> None:
    """A page that had heard nothing since the restart meant the kernel before; one that had means this one."""
    line = said([b"1", b"2"], 100)
    line.heard, line.restarted = 3, 1
    assert (line.resume(2, 4)[1], line.heard) == (True, 3)
    assert (line.resume(1, 4)[1], line.heard) == (False, 4)
