"""Ctrl-C in a real terminal: what it asks, and what each answer does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.slurm.laptop import Springline
from tests.slurm.requirements import SPRINGLINE
from tests.slurm.terminal import Terminal
from tests.slurm.upping import live


@contextmanager
def typed(springline: Springline, *arguments: str) -> Iterator[Terminal]:
    """The command in a terminal of its own."""
    host = springline.cluster.laptop
    with Terminal(host, [str(SPRINGLINE), *arguments], user=springline.cluster.laptop_user) as terminal:
        yield terminal


def test_keep_then_detach_then_stop(springline: Springline) -> None:
    """[k] goes on, [d] and a second Ctrl-C leave the job, [s] ends it; and each says so."""
    with typed(springline, "up", "testbed", "--name", "asked") as terminal:
        assert terminal.until("Ctrl-C asks")
        terminal.press_ctrl_c()
        assert terminal.until("eep waiting")
        terminal.type("k")
        assert terminal.until("ready, ")
        terminal.press_ctrl_c()
        assert terminal.until("eep waiting")
        terminal.type("d")
        assert terminal.until("goes on without this terminal")
        assert terminal.finish() == 130
    with typed(springline, "attach", "asked") as terminal:
        assert terminal.until("Ctrl-C asks")
        terminal.press_ctrl_c()
        assert terminal.until("eep waiting")
        terminal.press_ctrl_c()
        assert terminal.until("goes on without this terminal")
        assert terminal.finish() == 130
    assert live(springline) == 1
    with typed(springline, "attach", "asked") as terminal:
        assert terminal.until("Ctrl-C asks")
        terminal.press_ctrl_c()
        assert terminal.until("eep waiting")
        terminal.type("s")
        assert terminal.until("session asked was stopped")
        assert terminal.finish() == 130
    assert live(springline) == 0
    attached = springline("attach", "asked")
    assert attached.returncode == 0 and "is over" in attached.stderr, attached.stderr


def test_a_stop_that_nobody_saw(springline: Springline) -> None:
    """A Ctrl-C in the middle of a stop promises nothing: the session may go on or not."""
    with typed(springline, "up", "testbed", "--name", "unseen") as terminal:
        assert terminal.until("Ctrl-C asks")
        springline.cluster.hang_slurmctld()
        terminal.press_ctrl_c()
        assert terminal.until("eep waiting")
        terminal.type("s")
        time.sleep(1.5)  # by then the stop is under way
        terminal.press_ctrl_c()
        assert terminal.until("nobody saw session unseen end")
        assert terminal.finish() == 130


def test_nothing_was_submitted(springline: Springline) -> None:
    """A Ctrl-C while the host is still silent ends with 130, and leaves nothing behind."""
    springline.cluster.drop_link()
    with typed(springline, "up", "testbed", "--name", "early") as terminal:
        terminal.press_ctrl_c()
        terminal.finish()
    springline.cluster.undrop_link()
    assert live(springline) == 0
    assert springline("ls").stdout.startswith("no sessions")
