"""What our tables say about models."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from ringlet_mitm.rules.model_files import CAPABILITIES, FOLDER, REFERENCE, facts, reference
from ringlet_mitm.rules.model_names import normalised
from ringlet_mitm.rules.providers import ProviderRegistry

FAMILIES = sorted(path for path in FOLDER.glob("*.toml") if path != REFERENCE)
ROW_KEYS = {"context", "max-output", "capabilities", "with", "without", "note", "unknown"}


@pytest.mark.parametrize(
    ("name", "context", "max_output", "capabilities"),
    [
        ("claude-opus-4-6", 1_000_000, 128_000, {"vision", "function-calling", "json", "thinking"}),
        ("anthropic/claude-sonnet-4.5", 200_000, 64_000, {"vision", "function-calling", "json", "thinking"}),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 200_000, 64_000, set(CAPABILITIES)),
        ("claude-3-5-haiku-latest", 200_000, 8_192, {"vision", "function-calling"}),
        ("claude-3-haiku-20240307", 200_000, 4_096, {"vision", "function-calling"}),
        ("gpt-5.2-2025-12-11", 400_000, 128_000, set(CAPABILITIES)),
        ("openai/gpt-5.1-codex-mini", 400_000, 128_000, set(CAPABILITIES)),
        ("gpt-5.2-chat-latest", 128_000, 16_384, {"vision", "function-calling", "json"}),
        ("o1-mini", 128_000, 65_536, {"thinking"}),
        ("models/gemini-2.5-pro", 1_048_576, 65_536, set(CAPABILITIES)),
        ("gemini-2.0-flash-001", 1_048_576, 8_192, {"vision", "function-calling", "json"}),
        ("mistral-large-latest", 262_144, 262_144, {"vision", "function-calling", "json"}),
        ("meta-llama/llama-3.3-70b-instruct:free", 128_000, None, {"function-calling"}),
    ],
)
def test_a_model_by_any_name(name: str, context: int, max_output: int | None, capabilities: set[str]) -> None:
    found = facts(name)
    assert found is not None
    assert (found.context, found.max_output, found.capabilities) == (context, max_output, frozenset(capabilities))
    assert found.source.endswith("2026-11-21")


@pytest.mark.parametrize(
    "name", ["", "mistral-large", "gpt-9", "gemini-2.5-flash-image", "qwen3:8b", "command-nightly"]
)
def test_what_is_in_no_table(name: str) -> None:
    assert facts(name) is None


@pytest.mark.parametrize("name", ["claude-sonnet-4-1", "claude-haiku-4-20250514"])
def test_models_of_the_documents_only_have_no_figures_of_ours(name: str) -> None:
    """X-026: the vendor lists no such models."""
    found = facts(name)
    assert found is not None
    assert (found.context, found.max_output, found.capabilities) == (None, None, None)
    assert "lists no such model" in found.note


def test_the_reference_tables_are_whole() -> None:
    """D-010 to D-060."""
    rows = reference()
    assert {provider: len(models) for provider, models in rows.items()} == {
        "openai": 13,
        "anthropic": 6,
        "gemini": 8,
        "mistral": 5,
        "cohere": 7,
        "xai": 4,
        "ollama": 8,
    }
    assert all(row.source == "reference table 2026-11-21" for models in rows.values() for row in models.values())


def test_the_reference_is_of_providers_that_there_are() -> None:
    assert [name for name in reference() if ProviderRegistry.default().get(name) is None] == []


@pytest.mark.parametrize("path", FAMILIES, ids=lambda path: path.stem)
def test_a_family_is_written_as_it_is_read(path: Path) -> None:
    data = tomllib.loads(path.read_text())
    assert data["family"]
    assert data["source"]
    assert isinstance(data["accessed"], date)
    vendor = data.get("vendor")
    assert vendor is None or ProviderRegistry.default().get(vendor) is not None
    for name, row in {"common": data["common"], **data["models"]}.items():
        assert set(row) <= ROW_KEYS, name
        said = {*row.get("capabilities", ()), *row.get("with", ()), *row.get("without", ())}
        assert said <= set(CAPABILITIES), name
    exact = [name for name in data["models"] if not any(mark in name for mark in "*?[")]
    assert exact == [normalised(name) for name in exact]


def test_no_model_is_in_two_families() -> None:
    names = [name for path in FAMILIES for name in tomllib.loads(path.read_text())["models"]]
    assert len(names) == len(set(names))
