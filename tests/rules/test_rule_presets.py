"""Routing files to begin with: each loads, names what there is, and sends captured requests where it says."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from bodies import captures

from ringlet_mitm.rules.agents import presets as agents
from ringlet_mitm.rules.encoder import load_encoder
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.models import ModelCatalogue
from ringlet_mitm.rules.peek import Peek, RequestFeatures, peek
from ringlet_mitm.rules.pricelist import PriceBook, extract
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.reachability import warnings
from ringlet_mitm.rules.routing import Decision, decide
from ringlet_mitm.rules.rule_presets import Place, RulePreset, rule_preset, rule_presets
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.tokens import Calibration, TokenMemo, count

PROVIDERS = registry({}, {})
PRESETS = {preset.name: preset for preset in rule_presets()}
PLACES = {
    f"{name}: {place.to}": (PRESETS[name], place) for name in PRESETS for one in PRESETS[name].choices for place in one
}
TAKES = re.compile(r"takes ([\d,]+) tokens")


def book(preset: RulePreset) -> RuleBook:
    return load_rulebook(preset.text, f"{preset.name}.toml", PROVIDERS)


@pytest.fixture(scope="module")
def catalogue() -> ModelCatalogue:
    ids = {spec.provider_id: spec.library_id for spec in PROVIDERS.list_providers()}
    return ModelCatalogue(PROVIDERS, PriceBook(library_ids=ids, catalogue=extract))


def test_there_are_these() -> None:
    assert list(PRESETS) == ["cheap-small", "local-first", "long-context", "offline-ollama", "thinking-split"]


@pytest.mark.parametrize("name", PRESETS)
def test_each_says_first_what_it_is_for(name: str) -> None:
    assert re.fullmatch(r"[A-Z].{20,90}\.", PRESETS[name].summary)


@pytest.mark.parametrize("name", PRESETS)
def test_each_loads_without_a_warning_and_is_whole(name: str) -> None:
    found = book(PRESETS[name])
    assert warnings(found, [agent.agent_id for agent in agents()]) == ()
    assert found.default_file == f"{name}.toml"


@pytest.mark.parametrize(("preset", "place"), PLACES.values(), ids=PLACES)
def test_each_place_that_would_do_can_be_taken(preset: RulePreset, place: Place) -> None:
    fitted = preset.fitted(lambda provider: provider == place.provider)
    assert place.to in fitted.goals
    assert warnings(book(fitted)) == ()


@pytest.mark.parametrize(("preset", "place"), PLACES.values(), ids=PLACES)
def test_each_place_is_one_that_is_known(preset: RulePreset, place: Place, catalogue: ModelCatalogue) -> None:
    """With the figures and the variable that stand behind it."""
    line = preset.text.splitlines()[place.line]
    spec = PROVIDERS.require(place.provider)
    model = place.to.partition("/")[2]
    said = line.partition('" # ')[2].partition(";")[0]
    if spec.connection_type == "local":
        assert model in spec.example_models
        assert said == ""
        return
    found = catalogue.find(model, place.provider)[0]
    window = TAKES.search(line)
    assert said == spec.api_key_env_vars[0]
    assert found.card is not None, "nobody would know what it costs"
    assert found.context_window is not None
    assert window is None or int(window[1].replace(",", "")) == found.context_window


class TestFitting:
    def test_takes_the_first_that_is_usable(self) -> None:
        fitted = PRESETS["cheap-small"].fitted(lambda provider: provider in ("gemini", "anthropic"))
        assert fitted.goals == ("gemini/gemini-3.8-flash",)
        assert fitted.text.count('\nto = "gemini/') == 1
        assert '\n# to = "groq/openai/gpt-oss-120b" # GROQ_API_KEY\n' in fitted.text

    def test_changes_nothing_but_the_mark(self) -> None:
        preset = PRESETS["thinking-split"]
        fitted = preset.fitted(lambda provider: provider == "groq")
        assert [line.removeprefix("# ") for line in fitted.text.splitlines()] == [
            line.removeprefix("# ") for line in preset.text.splitlines()
        ]

    @pytest.mark.parametrize("name", PRESETS)
    def test_leaves_what_cannot_be_fitted(self, name: str) -> None:
        assert PRESETS[name].fitted(lambda provider: False) == PRESETS[name]

    @pytest.mark.parametrize("name", PRESETS)
    def test_there_and_back(self, name: str) -> None:
        first = {place.provider for places in PRESETS[name].choices for place in places if place.taken}
        last = PRESETS[name].fitted(lambda provider: provider in ("openrouter", "lmstudio"))
        assert last.fitted(lambda provider: provider in first) == PRESETS[name]


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(UsageError, match="is it 'cheap-small'"):
        rule_preset("cheap-smal")
    with pytest.raises(UsageError, match="there are cheap-small, local-first"):
        rule_preset("x")


def features(name: str) -> RequestFeatures:
    seen = peek(captures()[name], PROVIDERS.by_host)
    assert isinstance(seen, Peek)
    return replace(seen.features, exact_tokens=count(seen.parts, TokenMemo(), load_encoder()))


TITLE, TURN, CODEX = "claude-002-post-v1-messages", "claude-008-post-v1-messages", "codex-007-post-v1-responses"
# The title asks for thinking, the turn does not.
OTHER_TITLE, OTHER_TURN = "opencode-003-post-v1-messages", "opencode-004-post-v1-messages"
DECISIONS = {
    "cheap-small: a title": ("cheap-small", TITLE, {}, "small → groq"),
    "cheap-small: a title that asks for thinking": ("cheap-small", OTHER_TITLE, {}, "small → groq"),
    "cheap-small: a turn with tools": ("cheap-small", TURN, {}, "default → passthrough"),
    "cheap-small: a picture": ("cheap-small", TITLE, {"images": 1}, "default → passthrough"),
    "cheap-small: a long text": ("cheap-small", TITLE, {"exact_tokens": 4000}, "default → passthrough"),
    "long-context: a turn": ("long-context", CODEX, {}, "default → passthrough"),
    "long-context: a long one": ("long-context", CODEX, {"exact_tokens": 150_001}, "long → gemini"),
    "thinking-split: a turn with thinking": ("thinking-split", TURN, {}, "thinking → passthrough"),
    "thinking-split: a turn without": ("thinking-split", OTHER_TURN, {}, "default → anthropic"),
    "thinking-split: a title": ("thinking-split", TITLE, {}, "default → anthropic"),
    "thinking-split: a title that asks for it": ("thinking-split", OTHER_TITLE, {}, "default → anthropic"),
    "local-first: a turn": ("local-first", TURN, {}, "local → ollama"),
    "local-first: a longer one": ("local-first", TURN, {"exact_tokens": 24_000}, "default → passthrough"),
    "local-first: a picture": ("local-first", TURN, {"images": 1}, "default → passthrough"),
    "offline-ollama: a turn": ("offline-ollama", TURN, {}, "default → ollama"),
    "offline-ollama: a picture": ("offline-ollama", CODEX, {"images": 2}, "pictures → ollama"),
}


@pytest.mark.parametrize(("preset", "capture", "changed", "label"), DECISIONS.values(), ids=DECISIONS)
def test_decisions(preset: str, capture: str, changed: dict[str, int], label: str) -> None:
    given = replace(features(capture), **changed, **({"token_bounds": None} if "exact_tokens" in changed else {}))
    made = decide(book(PRESETS[preset]), given, Calibration())
    assert isinstance(made, Decision)
    assert made.label == label


def test_nothing_of_offline_leaves_the_machine() -> None:
    for one in book(PRESETS["offline-ollama"]).every:
        assert [way.provider for way in one.ways] == ["ollama"]
        assert all(way.alone for way in one.ways), "nothing is tried elsewhere, whatever the profile says"
