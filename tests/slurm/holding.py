"""Sessions that are held through a fault: what must be the same afterwards, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.slurm.laptop import Springline
from tests.slurm.page import Page
from tests.slurm.story import Book
from tests.slurm.upping import start

TRANSPORTS = ("fabric", "openssh")
GOAL = 5.0  # seconds from the network's return


@dataclass(frozen=True)
class Held:
    """One open page for each transport, on one laptop."""

    pages: Mapping[str, Page]

    @classmethod
    def open(cls, springline: Springline) -> Held:
        """Start a session through each transport, with a page open in each."""
        add_transports(springline)
        pages = {}
        for transport in TRANSPORTS:
            page = Page.open(start(springline, "--name", f"by-{transport}", what=f"testbed-{transport}"))
            page.run("kept = 41")
            pages[transport] = page
        return cls(pages)

    def live_through(self, book: Book, fault: str, inject: Callable[[], None], *, goal: float = GOAL) -> None:
        """Inject a fault and take it back; each page must be back in time at its address, with its kernel's state."""
        before = {name: len(page.up.said()) for name, page in self.pages.items()}
        inject()
        since = time.monotonic()
        with ThreadPoolExecutor() as pool:
            waits = {
                name: pool.submit(page.up.seconds_until_answered, page.token, since)
                for name, page in self.pages.items()
            }
            seconds = {name: wait.result() for name, wait in waits.items()}
        for page in self.pages.values():
            assert page.run("print(kept + 1)") == "42\n"
            assert page.up.process.poll() is None
        saw = "\n".join(page.up.said()[before[name] :] for name, page in self.pages.items())
        book.tell(fault, saw, seconds)
        assert max(seconds.values()) <= goal, (seconds, saw)


def add_transports(springline: Springline) -> None:
    """Give the laptop's user the platforms testbed-fabric and testbed-openssh."""
    ini = springline.home / ".config/springline/platforms.ini"
    sections = "".join(f"\n[testbed-{name}]\nplatform = testbed\ntransport = {name}\n" for name in TRANSPORTS)
    ini.write_text(ini.read_text(encoding="utf-8") + sections, encoding="utf-8")
