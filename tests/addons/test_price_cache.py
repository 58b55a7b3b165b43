"""The price library, read once by a child and kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ringlet_mitm.addons import price_cache
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.pricelist import extract
from ringlet_mitm.rules.providers import registry


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


@pytest.fixture(autouse=True)
def made_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests share what is made once."""
    monkeypatch.setattr(price_cache, "_made", price_cache._made.__wrapped__)


def test_it_is_made_once_and_then_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = price_cache.catalogue(home)
    assert json.loads(first) == json.loads(extract())
    monkeypatch.setattr(price_cache, "CHILD", ("false",))
    monkeypatch.setattr(price_cache, "extract", lambda: pytest.fail("was read again"))
    assert price_cache.catalogue(home) == first


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 1}', b"\xff"])
def test_a_damaged_file_is_made_again(home: Home, damage: bytes) -> None:
    whole = price_cache.catalogue(home)
    (path,) = home.price_cache.iterdir()
    path.write_bytes(damage)
    assert price_cache.catalogue(home) == whole
    assert path.read_bytes() == whole


def test_files_of_other_versions_go(home: Home) -> None:
    home.price_cache.mkdir(parents=True)
    (home.price_cache / "genai-prices-0.0.1.json").write_bytes(b"{}")
    price_cache.catalogue(home)
    assert [path.name for path in home.price_cache.iterdir() if "0.0.1" in path.name] == []


def test_without_a_child_it_is_read_in_place(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_cache, "CHILD", ("no-such-program",))
    assert json.loads(price_cache.catalogue(home))["providers"]


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    assert price_cache.catalogue(home_of({"RINGLET_HOME": str(tmp_path)}))


def test_the_child_takes_no_modules_from_the_folder_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken from the wrong folder')")
    done = subprocess.run(price_cache.CHILD, cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["version"]


def test_a_book_has_own_prices_and_the_librarys(home: Home) -> None:
    text = 'name="x"\nshape="openai"\nendpoint="https://h/v1"\nprices-of="anthropic"\n[prices]\nm={input=1,output=2}'
    book = price_cache.price_book(home, registry({"x.toml": text}))
    cards = [book.card("x", "m"), book.card("x", "claude-haiku-4-5"), book.card("gemini", "gemini-2.5-pro")]
    assert [card and card.rates.output_tokens for card in cards] == [2, 5, 10]


def test_the_library_is_not_imported(home: Home) -> None:
    price_cache.catalogue(home)
    code = (
        "import sys\nfrom ringlet_mitm.addons.price_cache import price_book\n"
        "from ringlet_mitm.rules.home import home_of\nfrom ringlet_mitm.rules.providers import registry\n"
        f"book = price_book(home_of({{'RINGLET_HOME': {str(home.config)!r}}}), registry({{}}))\n"
        "print(book.card('openai', 'gpt-5').rates.input_tokens, 'genai_prices' in sys.modules)"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "1.25 False\n"
