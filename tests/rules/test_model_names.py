"""Names of models: which are one model, which are one at one price, and which only look so."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.model_files import reference
from ringlet_mitm.rules.model_names import VENDORS, normalised, plain, provider_name
from ringlet_mitm.rules.price_catalogue import Catalogue
from ringlet_mitm.rules.pricelist import PriceBook, extract
from ringlet_mitm.rules.pricetables import FOLDER, supplement
from ringlet_mitm.rules.providers import ProviderRegistry

TEXT = extract()
CATALOGUE = Catalogue(TEXT)


def names_in(clause: list[Any]) -> Iterator[str]:
    word, what = clause
    if word in ("or", "and"):
        for inner in what:
            yield from names_in(inner)
    elif word in ("equals", "starts_with"):
        yield what


def all_names() -> list[tuple[str, str]]:
    """Provider (of the library) and name, of everything that our data spells."""
    found = [(provider, name) for provider, rows in reference().items() for name in rows]
    for provider in CATALOGUE.providers:
        for model in CATALOGUE.models(provider):
            found += [(provider, name) for name in {model.id, *names_in(model.clause)}]
    for path in FOLDER.glob("*.toml"):
        table = supplement(path.stem, ()) if path.stem not in ("reference", "cache-rates") else None
        found += [(path.stem, name) for name in (table.models if table else ()) if "*" not in name]
    found += [
        (spec.library_id, name) for spec in ProviderRegistry.default().list_providers() for name in spec.example_models
    ]
    return sorted(set(found))


NAMES = all_names()


@pytest.mark.parametrize(
    "name",
    [
        "claude-sonnet-4-6",
        "claude-sonnet-4.6",
        "Claude-Sonnet-4-6",
        "anthropic/claude-sonnet-4-6-20260101",
        "anthropic/claude-sonnet-4.6",
        "claude-sonnet-4-6@20260101",
        "claude-sonnet-4-6@default",
        "claude-sonnet-4-6[1m]",
        "claude-4.6-sonnet",
        "us.anthropic.claude-sonnet-4-6-20260101-v1:0",
        "anthropic.claude-sonnet-4-6-v1:0",
        "eu.anthropic.claude-sonnet-4-6",
        "publishers/anthropic/models/claude-sonnet-4-6@20260101",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6-20260101-v1:0",
    ],
)
def test_one_model_one_name(name: str) -> None:
    assert normalised(name) == "claude-sonnet-4-6"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gpt-5.2-2025-12-11", "gpt-5-2"),
        ("gpt-5.2-20251211", "gpt-5-2"),
        ("models/gemini-2.5-pro", "gemini-2-5-pro"),
        ("gemini-2.0-flash-001", "gemini-2-0-flash"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-opus-4-0", "claude-opus-4"),
        ("claude-3-5-haiku-20241022", "claude-haiku-3-5"),
        ("claude-3-haiku", "claude-haiku-3"),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek-v3-2"),
        ("qwen3:8b", "qwen3:8b"),
        ("", ""),
        ("/", "/"),
        ("[1m]", ""),
    ],
)
def test_other_names(name: str, wanted: str) -> None:
    assert normalised(name) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("llama-3.3-70b-instruct:free", "llama-3.3-70b-instruct"),
        ("global.anthropic.claude-opus-5", "us.anthropic.claude-opus-5"),
        ("gpt-4o-2024-05-13", "gpt-4o"),
        ("claude-opus-4.7-fast", "claude-opus-4.7"),
        ("gpt-4.1", "gpt-4"),
        ("claude-v2:1", "claude-v2"),
        ("mistral-large-latest", "mistral-large"),
        ("ministral-8b", "ministral-3b"),
    ],
)
def test_what_costs_otherwise_stays_apart(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize(
    "name",
    [
        "meta-llama/llama-3.3-70b-instruct:free",
        "llama-3.3-70b-instruct:nitro",
        "global.meta.llama-3.3-70b-instruct-v1:0",
    ],
)
def test_plain_names_leave_the_terms_out(name: str) -> None:
    assert plain(name) == "llama-3-3-70b-instruct"


PIECES = st.sampled_from(
    [
        *(f"{vendor}." for vendor in VENDORS),
        *(
            "us.",
            "global.",
            "models/",
            "anthropic/",
            "a/b/",
            "claude-",
            "gpt-",
            "gemini-",
            "opus",
            "sonnet-",
            "4",
            "-0",
        ),
        *(
            "4.5",
            "-4-5",
            "-20250929",
            "@20250514",
            "-2025-12-11",
            "-v1:0",
            "-v2",
            ":free",
            "-latest",
            ":latest",
            "-001",
        ),
        *("[1m]", " ", "İ", "-", ".", "/", ":", "@default", "@001"),
    ]
)


@given(
    st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join), st.sampled_from([n for _, n in NAMES]))
)
def test_doing_it_again_changes_nothing(name: str) -> None:
    assert normalised(normalised(name)) == normalised(name)
    assert plain(plain(name)) == plain(name)
    assert plain(normalised(name)) == plain(name)


def test_no_two_models_with_different_prices_have_one_name() -> None:
    """Over all names in the data, by provider and path: OpenRouter's names without a vendor are old entries of models
    that it lists with one, at prices of their time."""
    book = PriceBook(catalogue=lambda: TEXT)
    prices: dict[tuple[str, str, str], dict[Any, list[str]]] = defaultdict(lambda: defaultdict(list))
    for provider, name in NAMES:
        card = book.card(provider, name)
        if card is not None:
            key = (provider, name.rpartition("/")[0].lower(), normalised(name))
            prices[key][(card.rates, card.tiers)].append(name)
    merged = {key: list(names.values()) for key, names in prices.items() if len(names) > 1}
    assert merged == {}


@pytest.mark.parametrize(
    ("model", "wanted"),
    [("my-model", "my-model"), ("Qwen/Qwen3:8B", "qwen-qwen3-8b"), ("a b", "a-b"), ("../x", "x"), ("é", ""), ("-", "")],
)
def test_a_model_as_a_provider(model: str, wanted: str) -> None:
    assert provider_name(model) == wanted


def test_the_data_is_what_it_is_said_to_be() -> None:
    assert len(NAMES) > 1000
    assert json.loads(TEXT)["version"] == CATALOGUE.version
