"""`usage report --html FILE`, opened from the disk."""

from __future__ import annotations

from pathlib import Path

from browser.conftest import OpenPage, Watched
from browser.rows import HOSTILE
from browser.test_page import ROWS, TABS, cells, dollars, said, total

from ringlet_mitm.rules.home import Home


def test_it_shows_the_same_and_loads_nothing(home: Home, tmp_path: Path, open_page: OpenPage, watched: Watched) -> None:
    file = tmp_path / "usage.html"
    said(home, "report", "--html", str(file))
    page = open_page(file.as_uri())
    assert total(page, "cost") == dollars(ROWS)
    assert page.locator("#chart canvas").count() == 1
    for tab in TABS:
        page.click(f"#tab-{tab}")
        assert [name in [row[0] for row in cells(page, "#panel")] for name in HOSTILE[:5]] == [True] * 5
    page.check("input[name=measure][value=tokens]")
    assert page.locator("#analysis-errors").count() == 1
    assert not page.locator("#filters").is_visible()
    assert page.evaluate("window.hit") is None
    assert [url for url in watched.requests if not url.startswith("data:")] == [file.as_uri()]


def test_filters_go_along(home: Home, tmp_path: Path, open_page: OpenPage) -> None:
    file = tmp_path / "groq.html"
    said(home, "report", "--provider", "groq", "--html", str(file))
    page = open_page(file.as_uri())
    assert total(page, "cost") == dollars([row for row in ROWS if row.provider == "groq"])
    assert "provider 'groq'" in page.inner_text("#what")


def test_it_could_load_nothing_if_it_tried(home: Home, tmp_path: Path, open_page: OpenPage, watched: Watched) -> None:
    file = tmp_path / "usage.html"
    said(home, "report", "--html", str(file))
    page = open_page(file.as_uri())
    tried = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'read', (error) => error.name)")
    assert tried == "TypeError"
    assert any("Content Security Policy" in complaint for complaint in watched.complaints)
    watched.complaints.clear()
    watched.requests.clear()
