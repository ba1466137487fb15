"""What is said once more to a page that was away; the connection itself is tested in a browser."""

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
    assert line.after(1) == ([(b"two", True), (b"three", True)], True)
    assert line.after(3) == ([], True)
    assert line.after(0)[0][0] == (b"one", True)


def test_the_oldest_makes_room_and_that_is_said() -> None:
    """A page that missed more than is kept gets the rest, and is told that it is not all."""
    line = said([b"12345", b"6789", b"0"], 8)
    assert line.after(0) == ([(b"6789", True), (b"0", True)], False)
    assert line.after(1) == ([(b"6789", True), (b"0", True)], True)
