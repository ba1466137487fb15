"""Several platforms at once, and one person to answer what they ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from launcher.errors import SpringlineError
from launcher.transports.base import Asker

T = TypeVar("T")
Work = Callable[[Asker], T]
GLANCE_SECONDS = 0.2


def side_by_side(works: Sequence[Work[T]], ask: Asker) -> list[T | SpringlineError]:
    """Do all works at once; what went wrong with one stands in its place.

    Their questions come one at a time to the calling thread, which is the one that hears a Ctrl-C.
    """
    if len(works) == 1:
        return [_outcome(works[0], ask)]
    todo: SimpleQueue[Callable[[], None]] = SimpleQueue()
    outcomes: dict[int, T | SpringlineError] = {}

    def work(number: int) -> None:
        try:
            outcome = _outcome(works[number], relayed)
        except BaseException as error:  # noqa: BLE001 - a bug of ours, to be met where it can be reported
            todo.put(partial(_raise, error))
        else:
            todo.put(lambda: outcomes.update({number: outcome}))

    over = threading.Event()
    relayed = _relayed(ask, todo, over)
    for number in range(len(works)):
        threading.Thread(target=work, args=(number,), daemon=True).start()
    try:
        while len(outcomes) < len(works):
            _next(todo)()
    finally:
        over.set()
    return [outcomes[number] for number in range(len(works))]


def _next(todo: SimpleQueue[Callable[[], None]]) -> Callable[[], None]:
    """What comes next. On Windows no Ctrl-C wakes a wait that has no end."""
    while True:
        with suppress(Empty):
            return todo.get(timeout=GLANCE_SECONDS)


def _raise(error: BaseException) -> None:
    raise error


def _outcome(work: Work[T], ask: Asker) -> T | SpringlineError:
    try:
        return work(ask)
    except SpringlineError as error:
        return error


def _relayed(ask: Asker, todo: SimpleQueue[Callable[[], None]], over: threading.Event) -> Asker:
    """Every way of asking, carried to the thread that empties `todo`, until it is over."""

    def carried(question: Callable[..., Any]) -> Callable[..., Any]:
        def relay(*words: Any) -> Any:  # noqa: ANN401 - each question has its own answer
            if over.is_set():
                return question(*words)
            answer: SimpleQueue[Any] = SimpleQueue()
            todo.put(lambda: answer.put(question(*words)))
            return answer.get()

        return relay

    ways = {field.name: getattr(ask, field.name) for field in fields(ask)}
    carriers: dict[str, Any] = {name: carried(way) if way else None for name, way in ways.items()}
    return Asker(**carriers)
