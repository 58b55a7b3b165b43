"""Limits of the person's own, through a real proxy: what the agent is told, and what goes elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import anthropic
import httpx
import openai
import pytest
from clients import StartProxy, client, rows
from faulty_runs import AGENT_KEY, ask

from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

GROQ, ANTHROPIC, OPENAI = "api.groq.com", "api.anthropic.com", "api.openai.com"
TO_GROQ = '[default]\nto = "groq/llama-3.3-70b-versatile"\n'
# Less than any answer costs.
LITTLE = 0.000001
STATUSES = {"messages": 402, "chat": 429, "responses": 429, "gemini": 403}


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyVendor]:
    with FaultyVendor({GROQ: "http/1.1", ANTHROPIC: "http/1.1", OPENAI: "http/1.1"}) as vendor:
        yield vendor


def started(start_proxy: StartProxy, faulty: FaultyVendor, rules: str) -> RunningProxy:
    return start_proxy(rules, vendor=cast(Vendor, faulty))


def asked(proxy: RunningProxy, style: str = "chat", model: str = "gpt-5", *, stream: bool = False) -> int:
    with client(proxy) as http:
        return ask(http, style, model, stream=stream).status


def test_money_that_is_spent_is_refused_in_every_agents_words(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    proxy = started(start_proxy, faulty, f"[limits]\nusd-per-day = {LITTLE}\n{TO_GROQ}")
    assert asked(proxy) == 200
    before = len(faulty.at(GROQ))
    with client(proxy) as http:
        for style, status in STATUSES.items():
            came = ask(http, style, "gpt-5", stream=True)
            assert (came.status, came.verdict.kind) == (status, "error"), style
            assert "limit reached: $0.00" in came.verdict.text and "raise usd-per-day" in came.verdict.text
            assert came.headers["x-should-retry"] == "false"
    assert len(faulty.at(GROQ)) == before
    refused = rows(proxy, "error_class, attempts, note, cost_total", "WHERE error_class <> ''")
    assert {(row["error_class"], row["attempts"], row["cost_total"]) for row in refused} == {("not-sent", 0, None)}
    assert len(refused) == len(STATUSES)


def test_sdks_ask_once_and_show_the_words(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    proxy = started(start_proxy, faulty, f"[limits]\nusd-per-month = {LITTLE}\n{TO_GROQ}")
    assert asked(proxy) == 200
    turn = {"role": "user", "content": "hello"}
    with pytest.raises(anthropic.APIStatusError, match="raise usd-per-month") as told:
        claude = anthropic.Anthropic(api_key=AGENT_KEY, base_url=proxy.url)
        claude.messages.create(model="claude-opus-4-8", max_tokens=9, messages=[turn])  # type: ignore[typeddict-item]
    assert told.value.status_code == 402
    with pytest.raises(openai.RateLimitError, match="raise usd-per-month"):
        gpt = openai.OpenAI(api_key=AGENT_KEY, base_url=f"{proxy.url}/v1")
        gpt.chat.completions.create(model="gpt-5", messages=[turn])  # type: ignore[list-item]
    assert len(rows(proxy, "id", "WHERE error_class = 'not-sent'")) == 2


def test_it_survives_a_restart_and_is_raised_while_the_proxy_runs(
    start_proxy: StartProxy, faulty: FaultyVendor
) -> None:
    limited = f"[limits]\nusd-per-day = {LITTLE}\n{TO_GROQ}"
    first = started(start_proxy, faulty, limited)
    assert asked(first) == 200
    first.kill()
    second = started(start_proxy, faulty, limited)
    assert asked(second) == 429
    (second.home / "profiles" / "work" / "routing.toml").write_text(limited.replace(str(LITTLE), "100"))
    assert _until(lambda: asked(second) == 200)


def test_a_switch_goes_elsewhere_and_says_so(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    rules = f"""
[limits]
usd-per-day = {{ warn = {LITTLE}, switch = {LITTLE * 2}, to = "cheap" }}
[[rule]]
name = "cheap"
match = {{ model-equals = "never" }}
to = "anthropic/claude-haiku-4-5"
{TO_GROQ}"""
    proxy = started(start_proxy, faulty, rules)
    assert [asked(proxy), asked(proxy)] == [200, 200]
    first, second = rows(proxy, "rule, provider, routed_model, note")
    assert (first["rule"], first["provider"], first["note"]) == ("default → groq", "groq", "")
    assert (second["rule"], second["provider"]) == ("cheap → anthropic", "anthropic")
    assert "limit reached" in second["note"]
    assert any("limit reached" in line for line in proxy.said)


def test_requests_by_the_minute_say_when_there_is_room(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    proxy = started(start_proxy, faulty, f"[limits.groq]\nrequests-per-minute = 2\n{TO_GROQ}")
    with client(proxy) as http:
        assert [ask(http, "chat", "m", stream=False).status for _ in range(2)] == [200, 200]
        told = ask(http, "messages", "m", stream=True)
        assert (told.status, told.verdict.kind) == (429, "error")
        assert 1 <= int(told.headers["retry-after"]) <= 61
        assert "groq" in told.verdict.text
    health = httpx.get(f"{proxy.url}/health", trust_env=False).json()
    (limit,) = health["limits"]
    assert (limit["limit"], limit["provider"], limit["used"], limit["action"]) == (
        "requests-per-minute",
        "groq",
        2,
        "refuse",
    )


def test_a_provider_without_room_is_passed_over_where_there_is_another(
    start_proxy: StartProxy, faulty: FaultyVendor
) -> None:
    rules = f'[limits.groq]\nrequests-per-minute = 1\n{TO_GROQ}fallback = ["anthropic/claude-haiku-4-5"]\n'
    proxy = started(start_proxy, faulty, rules)
    assert [asked(proxy), asked(proxy, stream=True)] == [200, 200]
    first, second = rows(proxy, "provider, attempts, note")
    assert (first["provider"], second["provider"], second["attempts"]) == ("groq", "anthropic", 1)
    assert "limit reached" in second["note"]


def test_a_warning_only_warns(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    proxy = started(start_proxy, faulty, f"[limits]\nusd-per-day = {{ warn = {LITTLE} }}\n{TO_GROQ}")
    assert [asked(proxy) for _ in range(4)] == [200] * 4
    assert _until(lambda: sum("limit near" in line for line in proxy.said) == 1)


def _until(holds: object, timeout_s: float = 10) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if holds():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False
