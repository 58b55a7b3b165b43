"""One request through everything: real TLS, real sockets, the rule's host, model and key at the other end."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from clients import AGENT_KEY, KEYS, StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = """
[[rule]]
match = { model-equals = "to-minimax" }
to = "minimax"
model = "MiniMax-M3"

[[rule]]
match = { model-equals = "to-groq" }
to = "groq"
model = "llama-3.3-70b-versatile"

[[rule]]
match = { tool-use = true }
to = "anthropic"
model = "claude-sonnet-4-5"

[default]
to = "passthrough"
"""
TOOLS = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}]


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy(RULES)


def chat(http: httpx.Client, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}
    headers = {"authorization": "Bearer sk-of-the-agent", "openai-organization": "org-of-the-agent"}
    return http.post("https://api.openai.com/v1/chat/completions", json=body, headers=headers)


def test_what_no_rule_takes_passes_byte_for_byte(proxy: RunningProxy, vendor: Vendor) -> None:
    said = b'"messages":[{"role":"user","content":"h\\u00e9llo \xc3\xa9"}]'
    body = b'{ "max_tokens":7 ,' + said + b',\n"model" : "claude-opus-4-8"}'
    with client(proxy) as http:
        assert post_messages(http, body).status_code == 200
    seen = vendor.seen[-1]
    assert (seen.host, seen.path, seen.body) == ("api.anthropic.com", "/v1/messages", body)
    assert seen.headers["x-api-key"] == AGENT_KEY


def test_a_rules_model_is_spliced_and_nothing_else_changes(proxy: RunningProxy, vendor: Vendor) -> None:
    body = messages_body(tools=TOOLS, thinking={"type": "disabled"})
    with client(proxy) as http:
        answer = post_messages(http, body)
    assert answer.json()["model"] == "claude-sonnet-4-5"
    assert vendor.seen[-1].body == body.replace(b"claude-opus-4-8", b"claude-sonnet-4-5")
    assert vendor.seen[-1].headers["x-api-key"] == AGENT_KEY


def test_another_provider_gets_its_own_key_and_nothing_of_the_agents(proxy: RunningProxy, vendor: Vendor) -> None:
    with client(proxy) as http:
        body = messages_body().replace(b"claude-opus-4-8", b"to-minimax")
        assert post_messages(http, body, x_claude_code_session_id="s-1", cookie="a=b").status_code == 200
    seen = vendor.seen[-1]
    assert (seen.host, seen.path) == ("api.minimax.io", "/anthropic/v1/messages")
    assert json.loads(seen.body)["model"] == "MiniMax-M3"
    assert seen.headers["authorization"] == f"Bearer {KEYS['MINIMAX_API_KEY']}"
    gone = {"x-api-key", "cookie", "x-claude-code-session-id"}
    assert not gone & {name.lower() for name in seen.headers}


@pytest.mark.parametrize("stream", [False, True])
def test_chat_to_groq(proxy: RunningProxy, vendor: Vendor, stream: bool) -> None:
    with client(proxy) as http:
        answer = chat(http, "to-groq", stream=stream)
    seen = vendor.seen[-1]
    assert (answer.status_code, seen.host, seen.path) == (200, "api.groq.com", "/openai/v1/chat/completions")
    assert seen.headers.get_list("authorization") == [f"Bearer {KEYS['GROQ_API_KEY']}"]
    assert "openai-organization" not in seen.headers
    assert (b"include_usage" in seen.body, 'choices": []' in answer.text) == (stream, False)
    row = rows(proxy)[-1]
    assert (row["usage_source"], row["provider"], row["rule"]) == ("reported", "groq", "model-equals → groq")
    assert row["input_tokens"] > 0 < row["output_tokens"]


def test_usage_that_was_asked_for_is_not_hidden(proxy: RunningProxy) -> None:
    with client(proxy) as http:
        text = chat(http, "to-groq", stream=True, stream_options={"include_usage": True}).text
    assert '"choices": []' in text


def test_what_cannot_be_translated_is_an_error_in_the_agents_words(proxy: RunningProxy, vendor: Vendor) -> None:
    before = len(vendor.seen)
    with client(proxy) as http:
        answer = post_messages(http, messages_body(messages=7).replace(b"claude-opus-4-8", b"to-groq"))
    error = answer.json()
    assert (answer.status_code, error["type"], error["error"]["type"]) == (400, "error", "invalid_request_error")
    assert "'model-equals → groq'" in error["error"]["message"]
    assert "'groq'" in error["error"]["message"]
    assert len(vendor.seen) == before
    assert rows(proxy)[-1]["status"] == 400


def test_other_paths_of_an_llm_host_pass_untouched(proxy: RunningProxy, vendor: Vendor) -> None:
    before = len(rows(proxy))
    with client(proxy) as http:
        http.post(
            "https://api.anthropic.com/api/event_logging/v2/batch", content=b"not json", headers={"x-api-key": "k"}
        )
    seen = vendor.seen[-1]
    assert (seen.path, seen.body, seen.headers["x-api-key"]) == ("/api/event_logging/v2/batch", b"not json", "k")
    assert len(rows(proxy)) == before


def test_a_missing_key_is_said_with_its_name(start_proxy: StartProxy) -> None:
    proxy = start_proxy(RULES, keys={})
    with client(proxy) as http:
        answer = chat(http, "to-groq")
    assert answer.status_code == 401
    assert "GROQ_API_KEY" in answer.json()["error"]["message"]


def test_a_pinned_profile(start_proxy: StartProxy, vendor: Vendor) -> None:
    proxy = start_proxy("")
    proxy.run("profiles", "set", "work", "--provider", "openai", "--model", "gpt-5-nano")
    proxy.stop()
    with client(start_proxy("")) as http:
        assert chat(http, "gpt-5").json()["model"] == "gpt-5-nano"


def test_one_upstream_connection_serves_many_requests(proxy: RunningProxy, vendor: Vendor) -> None:
    before = vendor.connections
    with client(proxy) as http:
        for _ in range(20):
            post_messages(http, messages_body(tools=TOOLS))
    assert vendor.connections - before == 1


def test_switching_providers_keeps_connections_bounded(proxy: RunningProxy, vendor: Vendor) -> None:
    before = vendor.connections
    with client(proxy) as http:
        for _ in range(10):
            post_messages(http, messages_body())
            post_messages(http, messages_body().replace(b"claude-opus-4-8", b"to-minimax"))
    assert vendor.connections - before <= 2
