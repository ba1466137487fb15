"""JupyterLab as a person uses it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.chromium import PATIENCE, SLOW, Window
from tests.slurm.laptop import Springline
from tests.slurm.upping import Up, begin

# Where the laptop's browser would be: it writes down what it was given to open.
_OPENER = '#!/bin/sh\nprintf "%s" "$1" >~/opened\n'


def start(springline: Springline, *arguments: str, what: str = "testbed") -> Up:
    """Start `springline up` on a laptop with a browser, and wait for its line."""
    opener = springline.cluster.laptop_home() / "browser"
    opener.write_text(_OPENER, encoding="utf-8")
    opener.chmod(0o755)
    return begin(springline, *arguments, what=what, env={"BROWSER": "/home/scientist/browser %s"}).wait()


def handed(springline: Springline) -> str:
    """What `up` gave the browser to open: a private file that leads on to JupyterLab with the token."""
    opened = springline.cluster.laptop_home() / "opened"
    wait_until(opened.exists)
    return opened.read_text(encoding="utf-8")


def wait_until(true: Callable[[], object], seconds: float = SLOW / 1000) -> None:
    """Wait until something outside the page is so. (Nothing of Playwright's may be asked for in `true`.)"""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@dataclass
class Lab:
    """A window that shows JupyterLab."""

    window: Window

    @classmethod
    @contextmanager
    def open(cls, browser: Browser, address: str) -> Iterator[Lab]:
        """Open an address in a new window, and wait until JupyterLab is there."""
        window = Window.open(browser)
        try:
            window.page.goto(address)
            lab = cls(window)
            lab.ready()
            yield lab
        finally:
            window.page.context.close()

    @property
    def page(self) -> Page:
        """Playwright's page."""
        return self.window.page

    def ready(self) -> None:
        """Wait until JupyterLab can be used."""
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        self.page.locator(".jp-Launcher, .jp-Notebook").first.wait_for()

    def command(self, label: str) -> None:
        """Do a command of the palette by its label. (The palette closes when a page that opens takes the focus.)"""
        palette = self.page.locator(".lm-CommandPalette-input")
        while not palette.is_visible():
            self.page.keyboard.press("Control+Shift+C")
            self.page.wait_for_timeout(500)
        palette.fill(label)
        self.page.locator(".lm-CommandPalette-item", has_text=label).first.click()

    def new_notebook(self) -> None:
        """Open a new notebook whose kernel is idle."""
        if not self.page.locator(".jp-Launcher").is_visible():
            self.page.keyboard.press("Control+Shift+L")
        self.page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
        self.idle()

    def open_notebook(self, path: str) -> None:
        """Open a notebook of the session's file browser, by its path there, and wait for its kernel."""
        address = self.page.url.partition("/lab")[0]
        self.page.goto(f"{address}/lab/tree/{path}")
        self.ready()
        self.idle()

    def idle(self, seconds: float = PATIENCE / 1000) -> None:
        """Wait until the notebook's kernel has nothing to do."""
        # The notebook calls a kernel idle that it has not yet; the status bar does not.
        self.page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=seconds * 1000)
        self.notebook.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=seconds * 1000)

    @property
    def notebook(self) -> Locator:
        """The notebook in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def cell(self, number: int) -> Locator:
        """A cell of the notebook in front, from 0; negative from the end."""
        return self.notebook.locator(".jp-Notebook .jp-Cell").nth(number)

    def type(self, code: str, number: int = -1) -> None:
        """Put code into a cell, in place of what is there."""
        editor = self.cell(number).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)

    def run(self, number: int = -1, seconds: float = 60) -> str:
        """Run a cell that is not empty, wait until it is done; returns what is shown below it."""
        self.start(number)
        return self.done(number, seconds)

    def start(self, number: int = -1) -> None:
        """Begin to run a cell."""
        prompt = self.cell(number).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before)  # [*], or a higher number

    def done(self, number: int = -1, seconds: float = 60) -> str:
        """Wait until a cell that was started is done; returns what is shown below it."""
        cell = self.cell(number)
        cell.locator(".jp-InputPrompt").filter(has_text=re.compile(r"\[\d+\]")).wait_for(timeout=seconds * 1000)
        return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts()).strip()
