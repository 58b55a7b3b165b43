from __future__ import annotations

from typing import Any

import pytest

from ringlet_mitm.addons.wire.anthropic.families import family_of
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.options import (
    FIRST_VERSION,
    SECOND_VERSION,
    api_version,
    fitting_format,
    fitting_options,
    render_format,
    render_options,
)
from ringlet_mitm.addons.wire.canonical import AnswerFormat, Conversation, Json, Options


def fitted(model: str = "claude-sonnet-4-5", *, thinks: bool = False, **options: Any) -> tuple[Json, list[str]]:
    losses = Losses()
    found = fitting_options(Conversation(model, (), options=Options(**options)), family_of(model), thinks, losses)
    written = render_options(found)
    if "max_tokens" not in options:
        assert written.pop("max_tokens") > 0
    return written, [loss.what for loss in losses.found]


@pytest.mark.parametrize(
    ("model", "asked", "given", "lost"),
    [
        ("claude-sonnet-4-5", None, 32_000, []),
        ("claude-3-5-haiku-20241022", None, 8192, []),
        ("claude-3-5-haiku-20241022", 20_000, 8192, ["max_tokens"]),
        ("claude-opus-5", 100_000, 100_000, []),
        ("kimi-k2", 1_000_000, 1_000_000, []),
        ("claude-opus-5", 0, 32_000, []),
    ],
)
def test_max_tokens(model: str, asked: int | None, given: int, lost: list[str]) -> None:
    assert fitted(model, max_tokens=asked) == ({"max_tokens": given}, lost)


@pytest.mark.parametrize(
    ("model", "thinks", "asked", "given", "lost"),
    [
        ("claude-sonnet-4-5", False, {"temperature": 0.5}, {"temperature": 0.5}, []),
        ("claude-sonnet-4-5", False, {"temperature": 1.7}, {"temperature": 1.0}, ["temperature"]),
        ("claude-sonnet-4-5", False, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ["top_p"]),
        ("claude-sonnet-4-5", False, {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}, []),
        ("claude-sonnet-4-5", False, {"top_p": 0.9, "top_k": 40}, {"top_p": 0.9, "top_k": 40}, []),
        ("claude-3-7-sonnet-20250219", False, {"temperature": 0, "top_p": 0.9}, {"temperature": 0, "top_p": 0.9}, []),
        ("claude-sonnet-4-5", True, {"temperature": 1, "top_p": 1}, {}, []),
        ("claude-sonnet-4-5", True, {"temperature": 0, "top_k": 4}, {}, ["temperature", "top_k"]),
        ("claude-opus-4-8", False, {"temperature": 1}, {}, []),
        ("claude-opus-4-8", False, {"temperature": 0.2, "top_p": 0.9}, {}, ["temperature", "top_p"]),
    ],
)
def test_sampling(model: str, thinks: bool, asked: Json, given: Json, lost: list[str]) -> None:
    assert fitted(model, thinks=thinks, **asked) == (given, lost)


@pytest.mark.parametrize(
    ("tier", "given", "lost"),
    [
        ("auto", "auto", []),
        ("default", "standard_only", []),
        ("priority", "auto", []),
        ("flex", None, ["service tier flex"]),
    ],
)
def test_service_tiers(tier: str, given: str | None, lost: list[str]) -> None:
    assert fitted(service_tier=tier) == ({} if given is None else {"service_tier": given}, lost)


def test_blank_stop_sequences_are_left_out() -> None:
    assert fitted(stop=("\n\n", "END", "END")) == ({"stop_sequences": ["END"]}, ["stop sequence"])


def test_the_user() -> None:
    assert fitted(user="u-1") == ({"metadata": {"user_id": "u-1"}}, [])


def test_what_messages_does_not_know_is_told() -> None:
    asked = {"seed": 0, "logprobs": True, "top_logprobs": 2, "presence_penalty": 0.5, "frequency_penalty": 0.0}
    asked["verbosity"] = "low"
    assert fitted(**asked) == ({}, ["seed", "presence_penalty", "logprobs", "top_logprobs", "verbosity"])


def test_one_answer_is_what_it_gives() -> None:
    assert fitted(candidates=1, logprobs=False) == ({}, [])


SCHEMA: Json = {"type": "object", "properties": {"a": {"type": "string"}}}


def formatted(answer_format: AnswerFormat | None, model: str) -> tuple[Json | None, str, list[str]]:
    losses = Losses()
    found, request = fitting_format(answer_format, family_of(model), losses)
    written = None if found is None else render_format(found)[1]
    return written, request.text if request is not None else "", [loss.what for loss in losses.found]


def test_a_schema_is_held_to_where_the_model_can() -> None:
    written, request, _ = formatted(AnswerFormat(SCHEMA, name="n", strict=True), "claude-sonnet-4-5")
    assert written is not None and written["type"] == "json_schema" and not request
    assert written["schema"]["additionalProperties"] is False


@pytest.mark.parametrize("model", ["claude-sonnet-4-20250514", "kimi-k2"])
def test_a_schema_is_asked_for_where_it_cannot(model: str) -> None:
    written, request, lost = formatted(AnswerFormat(SCHEMA), model)
    assert written is None and '"properties"' in request and lost == ["answer schema"]


def test_json_of_any_form_is_asked_for() -> None:
    written, request, lost = formatted(AnswerFormat(), "claude-opus-5")
    assert written is None and "JSON object" in request and lost == ["JSON mode"]


def test_no_format() -> None:
    assert formatted(None, "claude-opus-5") == (None, "", [])


def test_the_version_is_the_first_where_only_that_one_takes_the_body() -> None:
    assert api_version({"model": "m", "temperature": 1}) == FIRST_VERSION
    assert api_version({"model": "m"}) == SECOND_VERSION
