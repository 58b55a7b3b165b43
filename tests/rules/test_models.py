"""The catalogue: which models there are, which figure counts where sources differ, and what stays unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.models import YOURS, ModelCatalogue, ModelSpec
from ringlet_mitm.rules.own_models import OwnModel
from ringlet_mitm.rules.pricelist import PriceBook, extract
from ringlet_mitm.rules.pricetables import table_of
from ringlet_mitm.rules.providers import registry

LIBRARY = extract()


def made(*own: OwnModel, texts: dict[str, str] | None = None, **prices: Any) -> ModelCatalogue:
    providers = registry(texts or {})
    ids = {spec.provider_id: spec.library_id for spec in providers.list_providers()}
    return ModelCatalogue(providers, PriceBook(library_ids=ids, catalogue=lambda: LIBRARY, **prices), own)


@pytest.fixture(scope="module")
def catalogue() -> ModelCatalogue:
    return made()


def one(catalogue: ModelCatalogue, name: str, provider: str | None = None) -> ModelSpec:
    return catalogue.find(name, provider)[0]


class TestCuratedModels:
    """E-038 to E-066, E-097, E-098: the lists are in the providers' files."""

    def test_of_a_provider_by_any_name(self, catalogue: ModelCatalogue) -> None:
        assert catalogue.curated_models("claude")[:2] == ("claude-opus-4-6", "claude-opus-4-5-20251101")
        assert "gpt-5.3-codex" in catalogue.curated_models("OpenAI")

    def test_of_a_provider_that_lacks_its_variables(self, catalogue: ModelCatalogue) -> None:
        assert catalogue.curated_models("cloudflare")

    def test_without_a_list_the_reference_tables_have_one(self) -> None:
        text = 'name = "cohere"\nexample-models = []'
        assert made(texts={"x.toml": text}).curated_models("cohere")[0] == "command-r-plus"

    def test_of_nobody(self, catalogue: ModelCatalogue) -> None:
        with pytest.raises(ConfigError, match="did you mean 'groq'"):
            catalogue.curated_models("groqq")


class TestList:
    def test_has_curated_and_reference_models_once(self, catalogue: ModelCatalogue) -> None:
        found = [(spec.provider, spec.id) for spec in catalogue.models()]
        assert len(found) == len(set(found))
        assert ("anthropic", "claude-opus-4-6") in found
        assert ("anthropic", "claude-sonnet-4-5-20250929") in found
        assert ("anthropic", "claude-sonnet-4-5") not in found  # the same model
        assert ("ollama", "phi4-mini") in found
        assert ("openai", "gpt-4.1-nano") in found

    def test_all_of_the_price_data(self, catalogue: ModelCatalogue) -> None:
        few, many = catalogue.models(), catalogue.models(everything=True)
        assert len(many) > 2 * len(few)
        assert {(spec.provider, spec.id) for spec in few} <= {(spec.provider, spec.id) for spec in many}

    def test_of_one_provider(self, catalogue: ModelCatalogue) -> None:
        assert {spec.provider for spec in catalogue.models("GOOGLE", everything=True)} == {"gemini"}

    def test_two_providers_of_one_price_list_have_their_own(self, catalogue: ModelCatalogue) -> None:
        """Vertex has Google's prices and Claude; the Gemini API has not."""
        names = {one: [spec.id for spec in catalogue.models(one, everything=True)] for one in ("gemini", "vertex")}
        assert not any(name.startswith("claude") for name in names["gemini"])
        assert any(name.startswith("gemini-2.5") for name in names["gemini"])

    def test_the_persons_come_first(self) -> None:
        mine = OwnModel(id="mine", base_url="http://127.0.0.1:1/v1")
        assert made(mine).models()[0].id == "mine"


class TestFigures:
    def test_the_vendors_page_goes_before_the_price_data_and_the_reference(self, catalogue: ModelCatalogue) -> None:
        spec = one(catalogue, "gpt-5.2")
        assert spec.context_window == 400_000
        assert (128_000, "reference table 2026-11-21") in spec.figures["context"].others
        assert spec.figures["context"].source == "models.dev, from OpenAI's model pages 2026-11-21"

    @pytest.mark.parametrize("name", ["claude-opus-4-6", "claude-sonnet-4-6"])
    def test_a_tier_above_the_window_of_the_reference_means_a_larger_window(
        self, catalogue: ModelCatalogue, name: str
    ) -> None:
        """X-024."""
        spec = one(catalogue, name)
        assert spec.context_window == 1_000_000
        assert (200_000, "reference table 2026-11-21") in spec.figures["context"].others

    def test_the_window_alone_is_the_same_figure(self, catalogue: ModelCatalogue) -> None:
        models = catalogue.models(everything=True)
        assert len(models) > 500
        assert [one for one in models if catalogue.window(one.provider, one.id) != one.context_window] == []
        assert catalogue.window("openai", "nobody-knows") is None
        assert made(OwnModel(id="gpt-4o", provider="openai", context=7)).window("openai", "gpt-4o") == 7

    def test_a_window_that_only_a_beta_exceeds_says_so(self, catalogue: ModelCatalogue) -> None:
        """X-024, where the vendor's page agrees with the reference."""
        spec = one(catalogue, "claude-sonnet-4-5")
        assert spec.context_window == 200_000
        assert "context-1m-2025-08-07" in spec.note
        assert spec.card is not None
        assert spec.card.tiers[0].above_input_tokens == 200_000

    def test_what_a_provider_makes_of_a_model_goes_before_the_model_card(self) -> None:
        published = (
            b'{"version": "9", "providers": {"groq": {"models": [["llama-3.3-70b-versatile", '
            b'["equals", "llama-3.3-70b-versatile"], [["", {"input_tokens": ["1"]}]], 131072]]}}}'
        )
        catalogue = ModelCatalogue(registry({}), PriceBook(catalogue=lambda: published))
        figure = one(catalogue, "groq/llama-3.3-70b-versatile").figures["context"]
        assert (figure.value, figure.source) == (131_072, "genai-prices 9")
        assert [value for value, _ in figure.others] == [128_000]

    def test_a_model_of_the_reference_only_has_its_figures_and_nobody_elses(self, catalogue: ModelCatalogue) -> None:
        """X-026."""
        spec = one(catalogue, "claude-sonnet-4-1")
        assert (spec.context_window, spec.max_output, spec.origin) == (200_000, None, "reference")
        assert spec.card is not None
        assert (spec.card.rates.input_tokens, spec.card.source) == (3, "reference table + cache rates")

    @pytest.mark.parametrize("name", ["gemini-3.1-pro-preview"])
    def test_a_tier_without_a_number_gets_it_from_the_price_data(self, catalogue: ModelCatalogue, name: str) -> None:
        """D-032, X-023."""
        card = one(catalogue, name).card
        assert card is not None
        assert card.rates_for(200_001).input_tokens == 4

    @pytest.mark.parametrize(
        ("provider", "name"),
        [
            ("ollama", "llama3.2"),
            ("ollama", "qwen3:8b"),
            ("cohere", "command-nightly"),
            ("anthropic", "claude-haiku-4"),
        ],
    )
    def test_unknown_is_unknown_and_not_free(self, catalogue: ModelCatalogue, provider: str, name: str) -> None:
        """X-023."""
        spec = one(catalogue, name, provider)
        assert (spec.card, spec.context_window, spec.capabilities) == (None, None, None)

    def test_a_provider_without_pictures_has_no_model_with_vision(self) -> None:
        text = (
            'name = "blind"\nshape = "openai"\nendpoint = "https://h/v1"\nvision = false\nexample-models = ["gpt-5.2"]'
        )
        spec = one(made(texts={"x.toml": text}), "gpt-5.2", "blind")
        assert spec.capabilities == {"function-calling", "json", "thinking"}

    def test_every_known_figure_has_a_source(self, catalogue: ModelCatalogue) -> None:
        specs = catalogue.models(everything=True)
        assert all(figure.source for spec in specs for figure in spec.figures.values())
        assert all(card.source for spec in specs for card in spec.cards)

    def test_other_sources_really_say_otherwise(self, catalogue: ModelCatalogue) -> None:
        for spec in catalogue.models():
            for figure in spec.figures.values():
                assert figure.value not in [value for value, _ in figure.others]


class TestFind:
    @pytest.mark.parametrize(
        "name",
        ["claude-sonnet-4-6", "claude-sonnet-4.6", "anthropic/claude-sonnet-4-6-20260101", "claude/claude-sonnet-4-6"],
    )
    def test_by_any_spelling_the_vendor_first(self, catalogue: ModelCatalogue, name: str) -> None:
        specs = catalogue.find(name)
        assert (specs[0].provider, specs[0].id) == ("anthropic", "claude-sonnet-4-6")

    def test_who_else_has_it(self, catalogue: ModelCatalogue) -> None:
        found = {spec.provider: spec.id for spec in catalogue.find("claude-opus-4-6")}
        assert found["openrouter"] == "anthropic/claude-opus-4.6"
        assert found["bedrock"] == "global.anthropic.claude-opus-4-6-v1:0"
        assert "gemini" not in found

    def test_one_region_of_bedrock_costs_more_than_all(self, catalogue: ModelCatalogue) -> None:
        names = ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "global.anthropic.claude-sonnet-4-5-20250929-v1:0")
        cards = [one(catalogue, name, "bedrock").card for name in names]
        assert [card and card.rates.input_tokens for card in cards] == [Decimal("3.3"), Decimal(3)]

    def test_nobody_has_it(self, catalogue: ModelCatalogue) -> None:
        with pytest.raises(UsageError, match="did you mean 'claude-opus-4-6'"):
            catalogue.find("claude-opuss-4-6")
        with pytest.raises(UsageError, match="ringlet-mitm models add"):
            catalogue.find("xyzzy")


class TestTheirs:
    def test_their_figures_go_before_all(self) -> None:
        mine = OwnModel(id="gpt-5.2", provider="openai", context=99, capabilities=("json",), input_price=Decimal(1))
        own = {"openai": table_of({"gpt-5.2": mine.prices}, "user")}
        spec = one(made(mine, own=own), "gpt-5.2")
        assert (spec.origin, spec.context_window, spec.capabilities) == (YOURS, 99, {"json"})
        assert spec.figures["context"].source == YOURS
        assert [value for value, _ in spec.figures["context"].others] == [400_000, 400_000, 128_000]
        assert spec.max_output == 128_000  # what they do not say, others do
        assert spec.card is not None
        assert (spec.card.rates.input_tokens, spec.card.source) == (1, "user")
        assert spec.cards[1].rates.input_tokens == Decimal("1.75")

    def test_a_price_of_nothing_is_nothing(self) -> None:
        mine = OwnModel(id="box", base_url="http://127.0.0.1:1/v1", input_price=Decimal(0), output_price=Decimal(0))
        own = {"box": table_of({"box": mine.prices}, "user")}
        card = one(made(mine, own=own), "box").card
        assert card is not None
        assert (card.rates.input_tokens, card.rates.output_tokens) == (0, 0)
