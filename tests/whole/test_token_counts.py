"""Questions for the number of tokens, by the SDKs: answered here where the call goes to a vendor without them."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import openai
import pytest
from clients import KEYS, StartProxy, client, rows
from google import genai

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = """
[[rule]]
match = { model-matches = "*-elsewhere" }
to = "groq"
model = "llama-3.3-70b-versatile"

[[rule]]
match = { model-matches = "*-renamed" }
to = "anthropic"
model = "claude-haiku-4-5"

[default]
to = "passthrough"
"""
ASK: list[Any] = [{"role": "user", "content": "How many tokens are these words, about?"}]


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy(RULES)


@pytest.fixture(autouse=True)
def through_the_proxy(proxy: RunningProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.ca_file))


def anthropic_count(model: str) -> int:
    with anthropic.Anthropic(api_key="sk-ant-a", max_retries=0) as api:
        return api.messages.count_tokens(model=model, messages=ASK).input_tokens


def openai_count(model: str) -> int:
    with openai.OpenAI(api_key="sk-a", max_retries=0) as api:
        return api.responses.input_tokens.count(model=model, input=ASK).input_tokens or 0


def gemini_count(model: str) -> int:
    api = genai.Client(api_key="AIza-a")
    return api.models.count_tokens(model=model, contents=ASK[0]["content"]).total_tokens or 0


@pytest.mark.parametrize("count", [anthropic_count, openai_count, gemini_count])
def test_answered_from_the_estimate(proxy: RunningProxy, vendor: Vendor, count: Any) -> None:
    before, recorded = len(vendor.seen), len(rows(proxy))
    assert 8 <= count("any-model-elsewhere") <= 16
    assert (len(vendor.seen), len(rows(proxy))) == (before, recorded)


def asked_for_tokens(http: httpx.Client, url: str, model: str) -> httpx.Response:
    headers = {"x-api-key": "sk-ant-of-the-agent", "anthropic-version": "2023-06-01"}
    return http.post(f"{url}/v1/messages/count_tokens", json={"model": model, "messages": ASK}, headers=headers)


def test_towards_the_host_that_was_asked_it_passes_untouched(proxy: RunningProxy, vendor: Vendor) -> None:
    with client(proxy) as http:
        assert asked_for_tokens(http, "https://api.anthropic.com", "claude-opus-4-8").status_code == 200
    seen = vendor.seen[-1]
    assert (seen.host, seen.path) == ("api.anthropic.com", "/v1/messages/count_tokens")
    assert seen.headers["x-api-key"] == "sk-ant-of-the-agent"


def test_another_vendors_thinking_is_counted_here(proxy: RunningProxy, vendor: Vendor) -> None:
    thought = {"type": "thinking", "thinking": "t", "signature": "ringlet.gemini.ZW5j"}
    said = [*ASK, {"role": "assistant", "content": [thought, {"type": "text", "text": "Few."}]}, *ASK]
    before = len(vendor.seen)
    with anthropic.Anthropic(api_key="sk-ant-a", max_retries=0) as api:
        counted = api.messages.count_tokens(model="claude-opus-4-8", messages=said).input_tokens
    assert (20 <= counted <= 50, len(vendor.seen)) == (True, before)


def test_asked_of_the_proxy_itself_it_goes_to_the_vendor_with_our_key(proxy: RunningProxy, vendor: Vendor) -> None:
    answer = asked_for_tokens(httpx.Client(trust_env=False), proxy.url, "claude-renamed")
    assert answer.status_code == 200
    seen = vendor.seen[-1]
    assert (seen.host, seen.path) == ("api.anthropic.com", "/v1/messages/count_tokens")
    assert b'"model":"claude-haiku-4-5"' in seen.body.replace(b" ", b"")
    assert seen.headers["x-api-key"] == KEYS["ANTHROPIC_API_KEY"]


def test_models_that_the_profile_can_route_to(proxy: RunningProxy) -> None:
    page = httpx.Client(trust_env=False).get(f"{proxy.url}/v1/models").json()
    assert [model["id"] for model in page["data"]] == ["llama-3.3-70b-versatile", "claude-haiku-4-5"]
