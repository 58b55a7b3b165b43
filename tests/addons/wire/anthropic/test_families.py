from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.anthropic.families import OTHER_VENDORS, family_of
from ringlet_mitm.addons.wire.canonical import Effort


@pytest.mark.parametrize(
    ("names", "most"),
    [
        (("claude-3-haiku-20240307", "claude-2.1"), 4096),
        (("claude-3-5-sonnet-20241022", "claude-3-5-haiku-latest", "anthropic/claude-3.5-sonnet"), 8192),
        (("claude-opus-4-20250514", "claude-opus-4-1-20250805"), 32_000),
        (("claude-3-7-sonnet-20250219", "claude-sonnet-4-20250514", "claude-haiku-4-5", "claude-opus-4-5"), 64_000),
        (
            ("claude-opus-4-6", "anthropic.claude-sonnet-4-6-v1:0", "anthropic/claude-4.7-opus", "claude-opus-5"),
            128_000,
        ),
        (("MiniMax-M2", "kimi-k2", "", "glm-4.7"), 0),
    ],
)
def test_names_of_all_kinds_are_understood(names: tuple[str, ...], most: int) -> None:
    assert {name: family_of(name).most_tokens for name in names} == dict.fromkeys(names, most)


@pytest.mark.parametrize(
    ("name", "adaptive", "by_default", "always", "sampling", "prefill", "forced"),
    [
        ("claude-sonnet-4-5", False, False, False, True, True, True),
        ("claude-haiku-4-5-20251001", False, False, False, True, True, True),
        ("claude-opus-4-5", False, False, False, True, True, True),
        ("claude-sonnet-4-6", True, False, False, True, False, True),
        ("claude-opus-4-7", True, False, False, False, False, True),
        ("claude-opus-4-8", True, False, False, False, False, True),
        ("claude-opus-5", True, True, False, False, False, True),
        ("claude-sonnet-5-20260615", True, True, False, False, False, True),
        ("claude-fable-5", True, True, True, False, False, True),
        ("claude-fable-5-1", True, True, True, False, False, False),
        ("claude-opus-5-5", True, True, True, False, False, False),
        ("claude-mythos-preview", True, True, True, False, False, False),
        ("claude-opus-latest", True, True, True, False, False, False),
        ("MiniMax-M2", False, False, False, True, True, True),
    ],
)
def test_what_each_takes(
    name: str, adaptive: bool, by_default: bool, always: bool, sampling: bool, prefill: bool, forced: bool
) -> None:
    family = family_of(name)
    assert (family.adaptive, family.by_default, family.always) == (adaptive, by_default, always)
    assert (family.sampling, family.prefill, family.forced) == (sampling, prefill, forced)


def test_efforts() -> None:
    assert family_of("claude-sonnet-4-5").efforts == ()
    assert Effort.XHIGH not in family_of("claude-opus-4-6").efforts
    assert Effort.XHIGH in family_of("claude-opus-4-7").efforts


def test_system_messages_among_the_others_only_where_anthropic_itself_answers() -> None:
    assert family_of("claude-opus-4-8").system_turns
    assert not family_of("claude-opus-4-7").system_turns
    assert not family_of("anthropic/claude-opus-4.8").system_turns


def test_schemas() -> None:
    names = ["claude-sonnet-4-5", "claude-opus-4-1", "claude-sonnet-4-20250514", "kimi-k2"]
    assert [family_of(name).schemas for name in names] == [True, True, False, False]


def test_other_vendors() -> None:
    assert family_of("deepseek-v4") is OTHER_VENDORS
