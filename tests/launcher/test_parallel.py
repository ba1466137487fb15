"""Several platforms at once: in order, none hiding another, questions in the caller's thread."""

from __future__ import annotations

import threading
import time

import pytest

from launcher.errors import ConnectError, SpringlineError
from launcher.parallel import side_by_side
from launcher.transports.base import Asker


def test_side_by_side() -> None:
    """Works run at the same time and answer in their order; what went wrong with one stands in its place."""
    meeting = threading.Barrier(3, timeout=5)

    def work(number: int, ask: Asker) -> int:
        meeting.wait()
        time.sleep(0.1 * (3 - number))
        if number == 1:
            raise ConnectError("no answer")
        return number

    outcomes = side_by_side([lambda ask, n=number: work(n, ask) for number in range(3)], Asker())  # type: ignore[misc]
    assert [outcome for outcome in outcomes if not isinstance(outcome, SpringlineError)] == [0, 2]
    assert isinstance(outcomes[1], ConnectError)


def test_questions_come_one_at_a_time_to_the_caller() -> None:
    """Whoever asks from whichever thread, the person is asked in the one that hears Ctrl-C; later ones are direct."""
    asked: list[tuple[str, threading.Thread]] = []

    def secret(prompt: str) -> str:
        asked.append((prompt, threading.current_thread()))
        return prompt.upper()

    kept: list[Asker] = []

    def work(name: str, ask: Asker) -> str | None:
        kept.append(ask)
        return ask.secret(name)

    ask = Asker(secret=secret)
    assert side_by_side([lambda a: work("one", a), lambda a: work("two", a)], ask) == ["ONE", "TWO"]
    assert {thread for _, thread in asked} == {threading.current_thread()}
    assert kept[0].secret("later") == "LATER"


def test_bug_is_not_swallowed() -> None:
    """What is no error of ours reaches the caller."""

    def work(ask: Asker) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        side_by_side([work, lambda ask: None], Asker())
