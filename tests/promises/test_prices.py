"""What models cost: the documents' figures against the price book's."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest
from promises.sending import built_in
from promises.tables import Promise, held, promises

from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import PriceCard, Usage, cost


@cache
def book() -> PriceBook:
    return PriceBook()


def card_of(provider: str, model: str) -> PriceCard:
    found = book().card(provider, model)
    assert found is not None, f"{provider}/{model} has no price"
    return found


def figures(card: PriceCard) -> dict[str, Decimal | None]:
    return {"input": card.rates.input_tokens, "output": card.rates.output_tokens}


@held("price")
def test_a_price(promise: Promise) -> None:
    said = {key: Decimal(promise[key]) for key in ("input", "output")}
    now = {key: Decimal(value) for key, value in promise.get("now", {}).items() if key in said}
    card = card_of(promise["provider"], promise["model"])
    assert figures(card) == said | now
    tier = promise.get("tier") if "tier" not in promise.get("now", {}) else promise["now"]["tier"]
    if not tier:
        assert card.tiers == ()
        return
    (above,) = card.tiers
    assert above.above_input_tokens == tier["above"]
    if tier.get("higher"):
        assert above.rates.input_tokens > said["input"]  # type: ignore[operator]
        assert above.rates.output_tokens > said["output"]  # type: ignore[operator]
    else:
        assert (above.rates.input_tokens, above.rates.output_tokens) == (
            Decimal(tier["input"]),
            Decimal(tier["output"]),
        )


@held("bill")
def test_a_bill(promise: Promise) -> None:
    bill = cost(Usage(**promise["usage"]), card_of(promise["provider"], promise["model"]))
    assert bill.total == Decimal(promise["usd"])


@held("cheaper")
def test_a_cheap_provider_is_cheaper(promise: Promise) -> None:
    usage = Usage(input_tokens=2_000, output_tokens=500)
    cheap, dear = (cost(usage, card_of(*promise[word])).total for word in ("cheap", "dear"))
    assert cheap is not None
    assert dear is not None
    assert Decimal(0) < cheap < dear


@held("unknown-price")
def test_unknown_is_not_nothing(promise: Promise) -> None:
    for provider, model in promise["models"]:
        assert book().card(provider, model) is None
        assert cost(Usage(input_tokens=1, output_tokens=1), None).total is None


@held("cache-prices")
def test_caches_are_priced(promise: Promise) -> None:
    for provider, model in promise["models"]:
        rates = card_of(provider, model).rates
        assert rates.cache_read_tokens is not None, model
        assert rates.input_tokens is not None
        assert rates.cache_read_tokens < rates.input_tokens, model
        if provider == "anthropic":
            assert rates.cache_write_5m_tokens == rates.input_tokens * Decimal("1.25"), model
            assert rates.cache_write_1h_tokens == rates.input_tokens * 2, model


@held("one-model")
def test_all_spellings_of_a_name(promise: Promise) -> None:
    for provider, model, others in promise["names"]:
        rates = card_of(provider, model).rates
        for other in others:
            name = built_in().normalize_model_name(provider, other)
            assert card_of(provider, name).rates == rates, other


@held("unregistered")
def test_a_model_that_nobody_registered(promise: Promise) -> None:
    assert book().card(promise["provider"], promise["model"]) is None


@pytest.mark.parametrize("provider", ["mistral", "cohere", "xai", "ollama"])
def test_nothing_is_free_that_has_no_price(provider: str) -> None:
    rows = [row for row in promises() if row.check == "catalogue" and row["provider"] == provider]
    cards = [book().card(provider, row["model"]) for row in rows]
    assert not any(card.rates.input_tokens == 0 for card in cards if card is not None)
