"""Price cards: published prices, names, sources, and what stays unknown."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from ringlet_mitm.rules import pricelist
from ringlet_mitm.rules.model_names import spellings
from ringlet_mitm.rules.price_catalogue import Catalogue
from ringlet_mitm.rules.pricelist import PriceBook, extract
from ringlet_mitm.rules.pricetables import FOLDER, read_prices, table_of
from ringlet_mitm.rules.pricing import Usage, cost

FIXTURE = Path(__file__).parents[2] / "fixtures" / "prices.toml"
POINTS: list[dict[str, Any]] = tomllib.loads(FIXTURE.read_text())["point"]
CATALOGUE = extract()


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(catalogue=lambda: CATALOGUE)


def named(point: dict[str, Any]) -> str:
    kinds = "+".join(kind.removesuffix("_tokens") for kind in point["usage"])
    return f"{point['provider']}-{point['model']}-{kinds}-{point['usd']}"


@pytest.mark.parametrize("point", POINTS, ids=named)
def test_published_prices_are_charged_exactly(book: PriceBook, point: dict[str, Any]) -> None:
    card = book.card(point["provider"], point["model"], point.get("on"))
    assert cost(Usage(**point["usage"]), card).total == Decimal(point["usd"])


def test_there_are_enough_points() -> None:
    """Different ones: of a provider and model, of kinds of tokens, on either side of a tier, on a day."""
    long = [sum(point["usage"].values()) > 250_000 for point in POINTS]
    distinct = {
        (point["provider"], point["model"], *sorted(point["usage"]), is_long, point.get("on"))
        for point, is_long in zip(POINTS, long, strict=True)
    }
    assert len(distinct) >= 60
    assert {"anthropic", "openai", "gemini", "groq", "minimax", "openrouter"} <= {point["provider"] for point in POINTS}
    kinds = {"input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens"}
    assert kinds <= {kind for point in POINTS for kind in point["usage"]}
    assert all(point["source"] for point in POINTS)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-imaginary-9"),
        ("anthropic", ""),
        ("openai", "claude-sonnet-4-5"),
        ("nobody", "gpt-5"),
        ("groq", "gpt-5"),
        ("openrouter", "nobody/nothing"),
    ],
)
def test_what_nobody_prices_is_unknown(book: PriceBook, provider: str, model: str) -> None:
    card = book.card(provider, model)
    assert card is None
    assert cost(Usage(input_tokens=1), card).total is None


def test_a_card_is_found_once(book: PriceBook) -> None:
    assert book.card("openai", "gpt-5") is book.card("openai", "gpt-5")


def test_cards_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricelist, "MOST_CARDS", 10)
    book = PriceBook(catalogue=lambda: CATALOGUE)
    for number in range(50):
        book.card("nobody", f"model-{number}")
    assert len(book._cards) <= 10


def test_the_library_is_opened_when_it_is_needed_and_once() -> None:
    opened: list[int] = []

    def opening() -> bytes:
        opened.append(1)
        return CATALOGUE

    book = PriceBook(catalogue=opening)
    assert opened == []
    book.card("openai", "gpt-5")
    book.card("groq", "llama-3.3-70b-versatile")
    assert opened == [1]


class TestOwnPrices:
    def test_go_before_everything(self) -> None:
        own = {"openai": table_of({"gpt-5": {"input": 1, "output": 2}}, "user")}
        card = PriceBook(own, catalogue=lambda: CATALOGUE).card("openai", "gpt-5")
        assert card is not None
        assert (card.rates.input_tokens, card.rates.reasoning_tokens, card.source) == (Decimal(1), Decimal(2), "user")

    def test_may_be_zero_where_the_person_says_so(self) -> None:
        own = {"local": table_of({"*": {"input": 0, "output": 0}}, "user")}
        card = PriceBook(own, catalogue=lambda: CATALOGUE).card("local", "qwen3:8b")
        assert cost(Usage(input_tokens=10**6, output_tokens=10**6), card).total == 0

    def test_the_exact_name_goes_before_a_glob(self) -> None:
        own = {"p": table_of({"m*": {"input": 9}, "m-1": {"input": 1}}, "user")}
        card = PriceBook(own, catalogue=lambda: CATALOGUE).card("p", "m-1")
        assert card is not None
        assert card.rates.input_tokens == 1

    def test_another_providers_prices_hold_where_the_file_says_so(self) -> None:
        book = PriceBook(library_ids={"my-gateway": "anthropic"}, catalogue=lambda: CATALOGUE)
        card = book.card("my-gateway", "claude-haiku-4-5")
        assert card is not None
        assert (card.provider, card.rates.input_tokens) == ("my-gateway", Decimal(1))


class TestOlderLibraries:
    """Tables of later models are used while the installed library is older, and stand back for a newer one."""

    def test_fill_in_for_an_older_library(self) -> None:
        old = b'{"version": "0.0.1", "providers": {"anthropic": {"models": []}}}'
        card = PriceBook(catalogue=lambda: old).card("anthropic", "claude-opus-5-5")
        assert card is not None
        assert card.rates.output_tokens == 20

    def test_stand_back_for_a_newer_one(self) -> None:
        new = (
            b'{"version": "0.10.0", "providers": {"anthropic": {"models": '
            b'[["claude-opus-5-5", ["equals", "claude-opus-5-5"], [["", {"output_tokens": ["99"]}]]]]}}}'
        )
        card = PriceBook(catalogue=lambda: new).card("anthropic", "claude-opus-5-5")
        assert card is not None
        assert (card.rates.output_tokens, card.source) == (99, "genai-prices 0.10.0")

    def test_reference_rows_come_last(self) -> None:
        old = b'{"version": "0.0.1", "providers": {}}'
        card = PriceBook(catalogue=lambda: old).card("openai", "o3")
        assert card is not None
        assert (card.rates.input_tokens, card.source) == (2, "reference table")


class TestCachePrices:
    def test_missing_ones_are_multiples_of_the_input_price(self) -> None:
        own = {"p": table_of({"claude-x": {"input": 4, "output": 20}}, "user")}
        card = PriceBook(own, catalogue=lambda: CATALOGUE).card("p", "claude-x")
        assert card is not None
        rates = card.rates
        assert (rates.cache_read_tokens, rates.cache_write_5m_tokens, rates.cache_write_1h_tokens) == (
            Decimal("0.4"),
            Decimal(5),
            Decimal(8),
        )
        assert card.source == "user + cache rates"

    def test_a_model_without_discount_reads_at_the_input_price(self, book: PriceBook) -> None:
        card = book.card("groq", "llama-3.3-70b-versatile")
        assert card is not None
        assert card.rates.cache_read_tokens == card.rates.input_tokens

    def test_an_hour_is_unknown_where_only_five_minutes_have_a_price(self) -> None:
        own = {"p": table_of({"m": {"input": 4, "cache-write-5m": 5}}, "user")}
        card = PriceBook(own, catalogue=lambda: CATALOGUE).card("p", "m")
        assert card is not None
        assert card.rates.cache_write_1h_tokens is None


def test_prices_begin_on_their_day() -> None:
    dated = (
        b'{"version": "9", "providers": {"p": {"models": [["m", ["equals", "m"], '
        b'[["", {"input_tokens": ["1"]}], ["2026-03-13", {"input_tokens": ["2"]}]]]]}}}'
    )
    book = PriceBook(catalogue=lambda: dated)
    found = [book.card("p", "m", on) for on in (date(2026, 3, 12), date(2026, 3, 13), None)]
    assert [card.rates.input_tokens for card in found if card] == [1, 2, 2]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-opus-4@20250514", "claude-opus-4"),
        ("gpt-5.5-2026-04-23", "gpt-5.5"),
        ("gpt-5.2-20251211", "gpt-5.2-2025-12-11"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
    ],
)
def test_spellings_lead_to_the_name_that_tables_have(name: str, known: str) -> None:
    assert known in tuple(spellings(name))


@pytest.mark.parametrize("owner", [provider.id for provider in get_snapshot().providers])
def test_the_catalogue_finds_what_the_library_finds(owner: str) -> None:
    catalogue = Catalogue(CATALOGUE)
    snapshot = get_snapshot()
    provider = next(one for one in snapshot.providers if one.id == owner)
    for model in provider.models:
        expected = provider.find_model(model.id, all_providers=snapshot.providers)
        found = catalogue.find(owner, model.id)
        assert (found and found.id) == (expected and expected.id)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_table_can_be_read_and_says_where_it_is_from(path: Path) -> None:
    data = tomllib.loads(path.read_text())
    assert data["source"]
    assert isinstance(data["accessed"], date)
    rows = [data["models"]] if "models" in data else [value for value in data.values() if isinstance(value, dict)]
    for models in rows:
        for name, row in models.items():
            assert row["as"] in models if "as" in row else read_prices(row)["input_tokens"].base >= 0, name
