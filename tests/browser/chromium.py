"""Debian's chromium as the user of the test cluster's laptop, in its network; Playwright drives it from outside."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.slurm.cluster import Cluster
from tests.slurm.requirements import CHECKOUT

PROGRAM = "chromium"
SCREENSHOTS = CHECKOUT / ".cache/screenshots"
WINDOW = {"width": 1440, "height": 900}
PATIENCE = 30_000  # ms; two busy cores are slow
SLOW = 60_000  # ms, for what a queue has to give
NO_NETWORK = r"^(Failed to load resource: net::ERR_|WebSocket connection to )"  # where a test took it away
# What a page says on its console though nothing is wrong for who uses it: a pattern, and why.
TOLERATED = {r"404 .*/individual-plots\.json": "dask-labextension looks for a dashboard where there is none yet"}


def reason_to_skip() -> str | None:
    """Say why there is no browser here; None if there is."""
    if shutil.which(PROGRAM, path="/usr/bin:/bin") is None:
        return f"the browser tests need Debian's {PROGRAM}: run tests/prepare.sh slurm"
    return None


@contextmanager
def chromium(cluster: Cluster) -> Iterator[Browser]:
    """Run the browser as the laptop's user, so that 127.0.0.1 is the laptop's and `file://` its files."""
    user = cluster.laptop_user
    door = cluster.state / PROGRAM
    # Playwright speaks through two open files, which go along into the laptop's namespaces.
    command = shlex.join(cluster.laptop.arguments([PROGRAM], user=user))
    door.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    door.chmod(0o700)
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=door, env=dict(cluster.laptop.environment(user)))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """A page, what went wrong in it, and pictures of it."""

    page: Page
    errors: list[str] = field(default_factory=list)  # what its console showed in red since `no_errors`

    @classmethod
    def open(cls, browser: Browser) -> Window:
        """Open an empty window, with no cookies."""
        return cls.of(browser.new_context(viewport=WINDOW, locale="en-GB").new_page())

    @classmethod
    def of(cls, page: Page) -> Window:
        """Watch a page, such as one that another page has just opened."""
        page.set_default_timeout(PATIENCE)
        window = cls(page)
        page.on("console", window._console)
        page.on("pageerror", lambda error: window._note(str(error)))
        page.on("crash", lambda _: window._note("the page crashed"))
        return window

    def picture(self, name: str) -> Path:
        """Keep what the window shows as .cache/screenshots/NAME.png, for people to look at."""
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def no_errors(self) -> None:
        """Fail if the console had an error since the last time."""
        found, self.errors[:] = list(self.errors), []
        assert not found, "errors on the page's console:\n" + "\n".join(found)

    def forgive(self, pattern: str) -> None:
        """Forget errors that the test itself brought about."""
        self.errors[:] = [error for error in self.errors if not re.search(pattern, error)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"{message.text} ({message.location.get('url', '')})")

    def _note(self, text: str) -> None:
        if not any(re.search(pattern, text) for pattern in TOLERATED):
            self.errors.append(text)
