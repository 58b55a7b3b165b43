"""Newer price data: both forms that are read, what is refused, what it changes, and when it counts."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.price_catalogue import Catalogue
from ringlet_mitm.rules.price_changes import compared
from ringlet_mitm.rules.pricelist import PriceBook, extract, is_newer
from ringlet_mitm.rules.pricetables import FOLDER, known_library, supplement, table_of
from ringlet_mitm.rules.published_prices import Provenance, converted

SAID = Provenance(date(2026, 12, 24), "data.json", "0.2.3")

# As the project publishes it (prices/data.json and data_slim.json, accessed 2026-11-21), shortened.
PUBLISHED: list[dict[str, Any]] = [
    {
        "id": "anthropic",
        "name": "Anthropic",
        "api_pattern": "https://api\\.anthropic\\.com",
        "extractors": [{"root": "usage", "mappings": []}],
        "models": [
            {
                "id": "claude-sonnet-4-5",
                "name": "Claude Sonnet 4.5",
                "description": "…",
                "match": {"or": [{"starts_with": "Claude-Sonnet-4-5"}, {"regex": "^claude-sonnet-4\\.5"}]},
                "context_window": 200000,
                "prices_checked": "2026-12-01",
                "prices": {
                    "input_mtok": {"base": 3.3, "tiers": [{"start": 200000, "price": 6.6}]},
                    "cache_read_mtok": 0.33,
                    "cache_write_mtok": 4.125,
                    "output_mtok": {"base": 16.5, "tiers": [{"start": 200000, "price": 24.75}]},
                    "web_searches_kcount": 10,
                },
            },
            {
                "id": "claude-new-9",
                "match": {"equals": "claude-new-9"},
                "prices": [
                    {"prices": {"input_mtok": 1e-1, "output_mtok": 2}},
                    {"constraint": {"start_date": "2026-12-20"}, "prices": {"input_mtok": 1, "output_mtok": 4}},
                    {"constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}, "prices": {"input_mtok": 9}},
                ],
                "deprecated": True,
            },
        ],
    },
    {
        "id": "azure",
        "name": "Azure",
        "api_pattern": "x",
        "fallback_model_providers": ["anthropic"],
        "models": [
            {
                "id": "m",
                "match": {"and": [{"contains": "m"}, {"ends_with": "m"}]},
                "prices": {"input_mtok": 1, "requests_kcount": 12},
            }
        ],
    },
]


def data(**changes: Any) -> bytes:
    """The published data with something of its first model said otherwise."""
    found = json.loads(json.dumps(PUBLISHED))
    found[0]["models"][0] |= changes
    return json.dumps(found).encode()


@pytest.fixture(scope="module")
def new() -> Catalogue:
    return Catalogue(converted(data(), SAID))


@pytest.fixture(scope="module")
def book(new: Catalogue) -> PriceBook:
    return PriceBook(catalogue=lambda: LIBRARY, update=new)


LIBRARY = extract()


class TestPublishedForm:
    def test_is_read_exactly(self, book: PriceBook) -> None:
        card = book.card("anthropic", "claude-sonnet-4-5-20250929")
        assert card is not None
        rates, long = card.rates, card.rates_for(200_001)
        assert (rates.input_tokens, rates.output_tokens) == (Decimal("3.3"), Decimal("16.5"))
        assert (rates.cache_read_tokens, rates.cache_write_5m_tokens) == (Decimal("0.33"), Decimal("4.125"))
        assert (long.input_tokens, long.output_tokens) == (Decimal("6.6"), Decimal("24.75"))
        assert card.source == "price update 2026-12-24 + cache rates"

    def test_names_match_in_any_case(self, book: PriceBook) -> None:
        assert book.card("anthropic", "claude-sonnet-4.5") == book.card("anthropic", "claude-sonnet-4.5")
        assert book.listed("anthropic", "claude-sonnet-4-5")[0][0].context == 200_000

    @pytest.mark.parametrize(("day", "price"), [(date(2026, 12, 19), "0.1"), (date(2026, 12, 20), "1"), (None, "1")])
    def test_prices_begin_on_their_day_and_not_by_the_hour(self, book: PriceBook, day: date | None, price: str) -> None:
        card = book.card("anthropic", "claude-new-9", day)
        assert card is not None
        assert card.rates.input_tokens == Decimal(price)

    def test_providers_ask_others(self, book: PriceBook) -> None:
        card = book.card("azure", "claude-new-9")
        assert card is not None
        assert card.rates.output_tokens == 4

    def test_a_request_may_cost_by_itself(self, book: PriceBook) -> None:
        card = book.card("azure", "mm")
        assert card is not None
        assert card.per_request == Decimal("0.012")

    def test_what_it_does_not_have_the_library_has(self, book: PriceBook) -> None:
        card = book.card("openai", "gpt-5")
        assert card is not None
        assert card.source.startswith("genai-prices")

    def test_the_person_goes_before_it(self, new: Catalogue) -> None:
        own = {"anthropic": table_of({"claude-sonnet-4-5": {"input": 1}}, "user")}
        cards = list(PriceBook(own, catalogue=lambda: LIBRARY, update=new).cards("anthropic", "claude-sonnet-4-5"))
        assert [card.source.partition(" ")[0] for card in cards] == ["user", "price", "genai-prices", "reference"]


class TestOurForm:
    def test_what_was_made_can_be_given_to_another_machine(self, new: Catalogue) -> None:
        again = json.loads(converted(new.text, Provenance(date(2027, 1, 1), "copy.json", "0.2.4")))
        first = json.loads(new.text)
        assert again["providers"] == first["providers"]
        assert (again["dated"], again["over"], again["origin"]) == ("2026-12-24", "0.2.4", "copy.json")

    def test_so_can_the_cache_of_a_newer_library(self) -> None:
        made = Catalogue(converted(LIBRARY, SAID))
        assert made.source == f"genai-prices {Catalogue(LIBRARY).version}"
        assert json.loads(made.text)["providers"] == json.loads(LIBRARY)["providers"]

    def test_a_date_inside_counts(self) -> None:
        text = b'{"date": "2026-01-02", "providers": {"p": {"models": [["m", ["equals", "m"], []]]}}}'
        assert Catalogue(converted(text, SAID)).dated == "2026-01-02"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "data.json: "),
        (b"{}", "neither the price data"),
        (b"3", "neither the price data"),
        (b"[]", "has no models in it"),
        (b'[{"id": "p", "models": []}]', "has no models in it"),
        (b"[1]", "a provider has no id"),
        (b'[{"id": "p"}]', "p: has no list of models"),
        (b'[{"id": "p", "models": [{}]}]', "a model of p has no id"),
        (b'[{"id": "p", "models": [], "fallback_model_providers": [1]}]', "p: fallback_model_providers"),
        (data(match={}), "anthropic/claude-sonnet-4-5: match has to be one clause"),
        (data(match={"sounds_like": "x"}), "unknown word 'sounds_like'"),
        (data(match={"regex": "("}), "is no regular expression"),
        (data(match={"regex": "x" * 301}), "at most 300 letters"),
        (data(match={"or": {"equals": "x"}}), "no list of clauses"),
        (data(match={"or": [{"or": [{"or": [{"or": [{"or": [{"or": []}]}]}]}]}]}), "too deep"),
        (data(prices=None), "has no prices"),
        (data(prices=[1]), "a list of tables"),
        (data(prices=[{"constraint": {"start_date": "soon"}, "prices": {}}]), "'soon' is no day"),
        (data(prices={"input_mtok": -1}), "0 or more"),
        (data(prices={"input_mtok": True}), "0 or more"),
        (data(prices={"input_mtok": {"base": 1, "tiers": [{"start": -1, "price": 1}]}}), "a tier starts at"),
        (data(prices={"input_mtok": {"base": 1, "tiers": 5}}), "tiers have to be"),
        (data(context_window="big"), "context_window has to be"),
        (b'{"providers": {"p": {"models": [["m"]]}}}', "p: "),
        (b'{"providers": {"p": {"models": [["m", ["equals"], []]]}}}', "p/m: match"),
        (
            b'{"providers": {"p": {"models": [["m", ["equals", "m"], [["", {"gold": ["1"]}]]]]}}}',
            "kind of price 'gold'",
        ),
        (b'{"providers": {"p": {"models": [["m", ["equals", "m"], [["", {"input_tokens": []}]]]]}}}', "kind of price"),
        (
            b'{"providers": {"p": {"models": [["m", ["equals", "m"], [["", {"input_tokens": ["1", 5]}]]]]}}}',
            "a tier is",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_price_data(text: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        converted(text, SAID)
    assert said in str(error.value)
    assert str(error.value).startswith("data.json: ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PUBLISHED[0], "prices", "or"]), inner)
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["id", "match", "prices", "context_window"]))
def test_anything_else_is_refused_in_words(value: Any, key: str) -> None:
    for text in (json.dumps(value).encode(), data(**{key: value})):
        try:
            Catalogue(converted(text, SAID)).find("anthropic", "claude-sonnet-4-5")
        except ConfigError as error:
            assert str(error).startswith("data.json: ")


class TestWhatItChanges:
    def test_is_counted(self, new: Catalogue) -> None:
        old = Catalogue(
            b'{"version": "1", "providers": {"anthropic": {"models": [["claude-sonnet-4-5", ["equals", "x"], '
            b'[["", {"input_tokens": ["3"], "output_tokens": ["15"]}]]], ["gone", ["equals", "gone"], []]]}}}'
        )
        changes = compared(old, new)
        assert changes.added == ("anthropic/claude-new-9", "azure/m")
        assert changes.repriced == (("anthropic/claude-sonnet-4-5", "$3 / $15", "$3.3 / $16.5"),)
        assert changes.gone == ("anthropic/gone",)

    def test_nothing_is_nothing(self, new: Catalogue) -> None:
        changes = compared(new, new)
        assert (changes.added, changes.repriced, changes.gone) == ((), (), ())


class TestWhenItCounts:
    RELEASE, DAY = known_library()

    def update(self, **head: str) -> Catalogue:
        providers = {"openai": {"models": [["o3", ["equals", "o3"], [["", {"input_tokens": ["77"]}]]]]}}
        return Catalogue(json.dumps({"providers": providers, **head}).encode())

    @pytest.mark.parametrize(
        ("head", "installed", "newer"),
        [
            ({"version": "0.3.0"}, "0.2.3", True),
            ({"version": "0.2.3"}, "0.2.3", False),
            ({"version": "0.2.10"}, "0.2.9", True),
            ({"version": "0.0.61", "dated": "2030-01-01"}, "0.2.3", False),
            ({"dated": "2030-01-01", "over": "0.2.3"}, "0.2.3", True),
            ({"dated": "2030-01-01", "over": "0.2.3"}, "0.2.4", False),
            ({"dated": "2026-01-01", "over": "0.2.3"}, "0.2.3", False),
            ({"dated": "2026-01-01", "over": "0.0.61"}, "0.0.61", True),
        ],
    )
    def test_by_version_else_by_day(self, head: dict[str, str], installed: str, newer: bool) -> None:
        assert is_newer(self.update(**head), installed) is newer

    @pytest.mark.parametrize(("version", "price"), [("99.0", "77"), ("0.0.1", "2")])
    def test_older_data_prices_nothing(self, version: str, price: str) -> None:
        book = PriceBook(catalogue=lambda: LIBRARY, update=self.update(version=version))
        card = book.card("openai", "o3")
        assert card is not None
        assert card.rates.input_tokens == Decimal(price)

    def test_the_library_is_not_opened_to_learn_that_there_is_no_update(self) -> None:
        book = PriceBook(catalogue=lambda: pytest.fail("opened"))
        assert book.update is None

    def test_a_book_in_use_takes_it(self) -> None:
        book = PriceBook(catalogue=lambda: LIBRARY)
        before = book.card("openai", "o3")
        book.replace({}, {}, self.update(version="99.0"))
        after = book.card("openai", "o3")
        assert before is not None
        assert after is not None
        assert (before.rates.input_tokens, after.rates.input_tokens) == (2, 77)


def test_our_tables_are_of_one_release() -> None:
    """`known_library` is the word of one of them for all."""
    names = [path.stem for path in FOLDER.glob("*.toml") if path.stem not in ("reference", "cache-rates")]
    tables = [supplement(name, ()) for name in names]
    assert {table.library for table in tables if table} == {known_library()[0]}
    assert all(tables)
