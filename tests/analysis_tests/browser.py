"""A real headless Chromium, or a skipped test that says why there is none."""

from __future__ import annotations

import atexit
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Tab:
    """A page, with all that went wrong in it and all it asked for."""

    page: Any
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def until(self, expression: str, arg: Any = None) -> None:
        """Wait for ``expression`` by the clock: a starved browser may draw no frames, and Playwright's own wait asks
        once per frame. A wait in vain says what the page was like."""
        try:
            self.page.wait_for_function(expression, arg=arg, polling=100)
        except Exception as error:
            state = self.page.evaluate("({ clicks: window.clicks, seen: document.visibilityState, y: scrollY })")
            raise AssertionError(f"in vain: {expression} with {arg!r}; page {state}, trouble {self.trouble}") from error

    def click(self, tries: int = 5) -> None:
        """Press and release where the mouse is; once more if the browser never told the page (Chromium drops input
        before a starved page has been painted). A press that the page heard is never given twice."""
        before = self.page.evaluate("window.clicks")
        for _ in range(tries):
            self.page.mouse.down()
            self.page.mouse.up()
            if self.page.evaluate("window.clicks") > before:
                return
        raise AssertionError(f"the page heard none of {tries} clicks")


@cache
def _playwright() -> Any:
    """One per process: its synchronous form allows no second one beside it."""
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    atexit.register(playwright.stop)
    return playwright


@cache
def _browser(flags: tuple[str, ...]) -> Any:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    browser = _playwright().chromium.launch(executable_path=path, args=[*FLAGS, *flags])
    atexit.register(browser.close)
    return browser


@contextmanager
def chromium(*flags: str, **options: Any) -> Iterator[Tab]:
    """A tab with nothing kept from others, in a browser with these ``flags`` more; console errors, page errors and
    requests are collected."""
    options = {"viewport": {"width": 1300, "height": 1000}, "accept_downloads": True, **options}
    context = _browser(flags).new_context(**options)
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.add_init_script("window.clicks = 0; addEventListener('mousedown', () => { clicks += 1; }, true);")
        tab = Tab(page)
        page.on("console", lambda m: tab.trouble.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: tab.trouble.append(str(error)))
        page.on("request", lambda request: tab.requests.append(request.url))
        yield tab
    finally:
        context.close()
