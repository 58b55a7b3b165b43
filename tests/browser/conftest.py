"""A real browser, and the page on a real port over a ledger of rows whose sums are known."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from browser.chromium import chromium
from browser.rows import exchanges

from ringlet_mitm.addons.dashboard.answering import Answers
from ringlet_mitm.addons.dashboard.server import Server
from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.rules.home import Home, home_of

# A name that the browser takes for another site's, and that leads to this machine all the same.
ELSEWHERE = "elsewhere.example"
PATIENCE_MS = 15_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; everything by another name than loopback leads nowhere, but for ELSEWHERE.

    It ends with each file: its driver keeps an event loop running, which other files' tests could not bear.
    """
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = chromium()
    if not program:
        pytest.skip("there is no Chromium here, and apt-get cannot install it; CHROMIUM=… names one")
    rules = f"MAP {ELSEWHERE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    words = ["--no-proxy-server", f"--host-resolver-rules={rules}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--no-sandbox")
    with driver.sync_playwright() as running:
        started = running.chromium.launch(executable_path=program, args=words)
        yield started
        started.close()


@dataclass(slots=True)
class Watched:
    """What a page did beside what was asked of it."""

    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


OpenPage = Callable[..., Any]


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def open_page(browser: Any, watched: Watched) -> Iterator[OpenPage]:
    """`open_page(url, color_scheme="dark")`: the page, once its numbers are there.

    It may not complain about anything, nor ask anybody else for anything.
    """
    contexts = []
    origins = ["data:"]

    def opened(url: str, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1180, "height": 900}, locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: watched.complaints.append(said.text))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("request", lambda request: watched.requests.append(request.url))
        origins.append(url.partition("?")[0])
        page.goto(url)
        settled(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith(tuple(origins))] == []


def settled(page: Any) -> None:
    """Wait until what was asked for last is shown."""
    page.wait_for_selector("body:not(.busy) #total-cost small", state="attached")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the rows of `rows.py` in its ledger."""
    found = home_of({"RINGLET_HOME": str(tmp_path_factory.mktemp("home"))})
    with writing(found.database) as connection, transaction(connection):
        insert(connection, exchanges())
    return found


@pytest.fixture(scope="session")
def site(home: Home) -> Iterator[str]:
    """The page of that home."""
    with serving(home.database, home.spool_dir) as url:
        yield url


@contextmanager
def serving(database: Path, spool_dir: Path) -> Iterator[str]:
    """The page of a ledger on a port of its own."""
    with Server(Answers(database, spool_dir), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()
