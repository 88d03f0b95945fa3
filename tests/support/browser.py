"""A real Chromium, Debian's package, for what a person sees; tests skip where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")


@contextmanager
def page() -> Iterator[Page]:
    """A page of 1400 x 1000 pixels, without a sandbox: tests may run as root.

    Within, an event loop runs in this thread, so that Prefect's calls would return coroutines.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_page(viewport={"width": 1400, "height": 1000})
        made.set_default_timeout(60_000)
        yield made
        browser.close()
