"""The catalogue of models: windows, capabilities, curated lists, and models that a person adds."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from promises.command import CommandLine
from promises.sending import asking, built_in, sent, target
from promises.tables import Promise, held, promises

from ringlet_mitm.addons.connector import Connector
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.addons.rulings import RulingFiles
from ringlet_mitm.rules.errors import NoKey
from ringlet_mitm.rules.model_names import normalised
from ringlet_mitm.rules.models import ModelCatalogue, ModelSpec
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.profiles import Profile, own_models
from ringlet_mitm.rules.rulebook import Route

CHAT = "https://api.openai.com/v1/chat/completions"


@cache
def catalogue() -> ModelCatalogue:
    return ModelCatalogue(built_in(), PriceBook())


def spec_of(provider: str, model: str) -> ModelSpec:
    found = catalogue().find(model, provider)[0]
    assert found.provider == provider
    return found


def check_window(promise: Promise, spec: ModelSpec) -> None:
    """Ours, and that the document's figure is shown beside it."""
    figure = spec.figures["context"]
    assert figure.value == promise.get("now", {}).get("context", promise["context"])
    assert promise["context"] in (figure.value, *(value for value, _ in figure.others))


@held("catalogue")
def test_a_row_without_a_price(promise: Promise) -> None:
    """A price that others know is welcome; where nobody knows one, it is unknown."""
    spec = spec_of(promise["provider"], promise["model"])
    if "context" in promise.data:
        check_window(promise, spec)
    assert spec.card is None or (spec.card.rates.input_tokens or 0) > 0
    assert not spec.card or "reference" not in spec.card.source


@held("price")
def test_window_and_capabilities_of_a_row(promise: Promise) -> None:
    spec = spec_of(promise["provider"], promise["model"])
    assert spec.id == promise["model"], "who asks for a model by its name is shown that one"
    check_window(promise, spec)
    if "capabilities" in promise.data:
        assert spec.capabilities == {*promise["capabilities"], *promise.get("also", [])}


@held("capabilities")
def test_models_by_capability(promise: Promise, command_line: CommandLine) -> None:
    """Each of the documents' words finds those of its rows that have it, and no model of which nothing is known."""
    rows = [row for row in promises() if row.check == "price"]
    for word in promise["capabilities"]:
        able = [row for row in rows if word in (*row.get("capabilities", []), *row.get("also", []))]
        wanted = {normalised(row["model"]) for row in able}
        listed = {normalised(row["model"]) for row in command_line.json("models", "list", "--capability", word)}
        assert wanted
        assert wanted <= listed, word
        assert "command-nightly" not in listed


@held("window-above-tier")
def test_windows_are_above_the_thresholds_of_prices(promise: Promise) -> None:
    for provider, model in promise["models"]:
        spec = spec_of(provider, model)
        assert spec.card is not None
        assert spec.context_window is not None
        assert all(spec.context_window > tier.above_input_tokens for tier in spec.card.tiers)
    for provider, model in promise["by_header"]:
        spec = spec_of(provider, model)
        assert spec.card is not None
        assert spec.card.tiers
        assert "beta header" in spec.note


@held("curated")
def test_curated_models(promise: Promise) -> None:
    found = catalogue().curated_models(promise["provider"])
    assert [model for model in promise["models"] if model not in found] == []
    assert [model for model in found if model in promise["models"]] == promise["models"]


@held("curated-first")
def test_the_curated_list_is_the_examples(promise: Promise) -> None:
    provider = promise["provider"]
    assert catalogue().curated_models(provider) == built_in().require(provider).example_models
    assert catalogue().models(provider)[0].id == catalogue().curated_models(provider)[0]


@held("models-add")
def test_adding_a_model(promise: Promise, command_line: CommandLine) -> None:
    command_line("models", "add", *promise["words"])
    (added,) = own_models(command_line.home)
    assert (added.id, added.provider) == (promise["model"], promise.get("provider", added.provider))
    assert added.id in command_line("models", "list", added.id)
    ruling = RulingFiles(command_line.home, Profile(name="work"), {}).load()
    assert ruling.registry.require(added.provider_id).default_base_url == promise.get("base", added.base_url)
    card = price_book(command_line.home, ruling.registry).card(added.provider_id, added.id)
    for side, kind in (("input", "input_tokens"), ("output", "output_tokens")):
        if side in promise.data:
            assert card is not None
            assert getattr(card.rates, kind) == Decimal(promise[side])


@held("free-models")
def test_free_models_without_a_key(promise: Promise, tmp_path: Path) -> None:
    environ = {"RINGLET_HOME": str(tmp_path), "RINGLET_KEYRING": "0"}
    spec = built_in().require(promise["provider"])
    assert all(map(spec.is_free, promise["free"]))
    assert not any(map(spec.is_free, promise["paid"]))
    with Connector(environ=environ) as keyless, Connector(environ={**environ, promise["variable"]: "k"}) as keyed:
        listed = keyless.list_provider_example_models(promise["provider"])
        assert listed
        assert all(map(spec.is_free, listed))
        assert {*listed} <= {*keyed.list_provider_example_models(promise["provider"])}


@held("keyless")
def test_a_free_model_is_asked_for_without_a_key(promise: Promise) -> None:
    spec = built_in().require(promise["provider"])
    found = target(asking(CHAT, "gpt-5"), Route(spec.provider_id, promise["model"]))
    signer = Signer(Vault({}), built_in)
    outbound = sent(asking(CHAT, "gpt-5"), Route(spec.provider_id, promise["model"]))
    signed, label = asyncio.run(signer.signed(outbound, found))
    assert (signed.headers, label) == (outbound.headers, "")
    with pytest.raises(NoKey, match="OPENCODE_API_KEY"):
        dear = Route(spec.provider_id, "claude-opus-4-6")
        asyncio.run(signer.signed(sent(asking(CHAT, "gpt-5"), dear), target(asking(CHAT, "gpt-5"), dear)))
