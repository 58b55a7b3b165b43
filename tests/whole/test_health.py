"""Providers and keys that rest, through a real proxy; and texts that are too long for one model and not for another."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from clients import KEYS, StartProxy, client, rows
from faulty_runs import ask

from ringlet_mitm.cli.demo.faults import ok, status
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

GROQ, ANTHROPIC, OPENAI = "api.groq.com", "api.anthropic.com", "api.openai.com"
GEMINI = "generativelanguage.googleapis.com"
RULES = '[default]\nto = "groq/llama-3.3-70b-versatile"\nretries = 0\nfallback = ["anthropic/claude-haiku-4-5"]\n'


@pytest.fixture
def faulty() -> Iterator[FaultyVendor]:
    with FaultyVendor(dict.fromkeys((GROQ, ANTHROPIC, OPENAI, GEMINI), "http/1.1")) as vendor:
        yield vendor


def asked(proxy: RunningProxy, times: int = 1) -> list[int]:
    with client(proxy) as http:
        return [ask(http, "messages", "claude-opus-4-8", stream=True).status for _ in range(times)]


def resting(proxy: RunningProxy) -> dict[str, dict[str, Any]]:
    health = httpx.get(f"{proxy.url}/health", trust_env=False).json()
    return {f"{one['provider']} {one['model']}".strip(): one for one in health["resting"] if one["state"] != "sound"}


def test_a_provider_that_fails_again_and_again_is_passed_over(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    faulty.script(GROQ, status(503))
    proxy = start_proxy(RULES, vendor=cast(Vendor, faulty))
    assert asked(proxy, 8) == [200] * 8
    assert (len(faulty.at(GROQ)), len(faulty.at(ANTHROPIC))) == (5, 8)
    found = rows(proxy, "provider, attempts, note")
    assert [row["attempts"] for row in found] == [2] * 5 + [1] * 3
    assert {row["provider"] for row in found} == {"anthropic"}
    assert found[-1]["note"].startswith("groq rests for ") and "5 failures (overloaded)" in found[-1]["note"]
    (door,) = resting(proxy).values()
    assert (door["provider"], door["key"], door["state"], door["failures"]) == (
        "groq",
        "env:GROQ_API_KEY",
        "resting",
        5,
    )
    assert 0 < door["rests_for_s"] <= 10
    assert any("groq" in line and "rests for" in line for line in proxy.said)
    assert KEYS["GROQ_API_KEY"] not in "".join(proxy.said)


def test_it_comes_back_when_it_said_it_would(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    faulty.script(GROQ, status(503), status(429, headers={"retry-after-ms": "3000"}), ok())
    proxy = start_proxy(RULES, vendor=cast(Vendor, faulty))
    assert asked(proxy, 4) == [200] * 4  # the first of a proxy takes its time
    assert (len(faulty.at(GROQ)), len(faulty.at(ANTHROPIC))) == (2, 4)
    time.sleep(3)
    assert asked(proxy, 2) == [200] * 2
    assert (len(faulty.at(GROQ)), len(faulty.at(ANTHROPIC))) == (4, 4)
    assert resting(proxy) == {}


def test_who_has_nobody_else_is_asked_all_the_same(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    faulty.script(GROQ, *[status(503)] * 6, ok())
    proxy = start_proxy(RULES.replace('["anthropic/claude-haiku-4-5"]', "[]"), vendor=cast(Vendor, faulty))
    assert [code >= 500 for code in asked(proxy, 6)] == [True] * 6
    assert asked(proxy) == [200]
    assert len(faulty.at(GROQ)) == 7


def test_a_key_that_is_refused_is_set_aside(start_proxy: StartProxy, faulty: FaultyVendor, tmp_path: Path) -> None:
    config = 'default_provider = "groq"\napi_key = "${FIRST}"\n[reliability]\napi_keys = ["${SECOND}"]\n'
    (tmp_path / "config.toml").write_text(config)
    faulty.script(GROQ, status(401, word="invalid_api_key"), ok())
    keys = {"FIRST": "gsk_first-1234567890", "SECOND": "gsk_second-1234567890"}
    proxy = start_proxy('[default]\nto = "groq"\n', keys=keys, vendor=cast(Vendor, faulty))
    assert asked(proxy, 3) == [200] * 3
    used = [dict(heard.headers)["authorization"] for heard in faulty.at(GROQ)]
    assert used == [f"Bearer {keys[name]}" for name in ("FIRST", "SECOND", "SECOND", "SECOND")]
    assert [row["attempts"] for row in rows(proxy, "attempts")] == [2, 1, 1]


def test_what_is_too_long_goes_to_a_larger_window(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    fallback = '["openai/gpt-4", "gemini/gemini-2.5-pro"]'
    rules = f'[default]\nto = "anthropic/claude-haiku-4-5"\nfallback = {fallback}\nretries = 0\n'
    too_long = {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}
    faulty.script(ANTHROPIC, status(400, body=json.dumps({"type": "error", "error": too_long}).encode()))
    proxy = start_proxy(rules, vendor=cast(Vendor, faulty))
    with client(proxy) as http:
        came = ask(http, "chat", "gpt-5", stream=True)
    assert (came.status, came.verdict.kind) == (200, "right")
    assert (len(faulty.at(OPENAI)), len(faulty.at(GEMINI))) == (0, 1)
    (row,) = rows(proxy, "provider, attempts, routed_model")
    assert row == {"provider": "gemini", "attempts": 2, "routed_model": "gemini-2.5-pro"}
