"""Beside the usual: history by an answer's id, a JSON array for a stream, tools in the prompt."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from clients import StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = """
[[rule]]
match = { model-equals = "no-tools" }
to = "plain"

[default]
to = "only-chat"
model = "llama-3.3-70b-versatile"
"""
PROVIDERS = {
    "only-chat": 'name = "only-chat"\nshape = "openai"\nendpoint = "https://api.groq.com/openai/v1"\n'
    'key-env = "GROQ_API_KEY"\n',
    "plain": 'name = "plain"\nshape = "openai"\nendpoint = "https://openrouter.ai/api/v1"\n'
    'key-env = "OPENROUTER_API_KEY"\nnative-tool-calling = false\nvision = false\nhosts = ["plain.example"]\n',
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy(RULES, providers=PROVIDERS)


@pytest.fixture
def api(proxy: RunningProxy) -> openai.OpenAI:
    return openai.OpenAI(api_key="sk-a", max_retries=0, http_client=client(proxy))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_is_gone_on_from_by_its_id(api: openai.OpenAI, vendor: Vendor, stream: bool) -> None:
    words: dict[str, Any] = {"model": "gpt-5-mini"}
    if stream:
        with api.responses.stream(input="My name is Ada.", **words) as events:
            first = events.get_final_response()
    else:
        first = api.responses.create(input="My name is Ada.", **words)
    api.responses.create(input="What is my name?", previous_response_id=first.id, **words)
    said = json.loads(vendor.seen[-1].body)["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    assert "Ada" in json.dumps(said[0]) and first.output_text in json.dumps(said[1])


def test_an_unknown_id_is_a_clear_error(api: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="previous_response_id 'resp_gone' is not known here"):
        api.responses.create(model="gpt-5-mini", input="?", previous_response_id="resp_gone")


def test_what_is_not_to_be_stored_is_not(api: openai.OpenAI) -> None:
    first = api.responses.create(model="gpt-5-mini", input="A secret.", store=False)
    with pytest.raises(openai.BadRequestError, match="not known here"):
        api.responses.create(model="gpt-5-mini", input="?", previous_response_id=first.id)


def gemini(http: httpx.Client, method: str) -> httpx.Response:
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    url = f"https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:{method}"
    return http.post(url, json=body, headers={"x-goog-api-key": "AIza-a"})


def test_gemini_without_sse_streams_a_json_array(proxy: RunningProxy) -> None:
    with client(proxy) as http:
        answer = gemini(http, "streamGenerateContent")
    chunks = answer.json()
    assert answer.headers["content-type"].startswith("application/json")
    assert "".join(part["text"] for chunk in chunks for part in _parts(chunk)).startswith("This is llama")
    assert chunks[-1]["usageMetadata"]["promptTokenCount"] > 0


def _parts(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for one in chunk["candidates"] for part in one.get("content", {}).get("parts", ())]


def test_tools_and_pictures_for_a_model_that_has_neither(proxy: RunningProxy, vendor: Vendor) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "Look."}, picture]}]
    tools = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}]
    body = json.loads(messages_body(tools=tools)) | {"model": "no-tools", "messages": asked}
    with client(proxy) as http:
        answer = post_messages(http, json.dumps(body).encode())
    assert answer.status_code == 200
    sent = json.loads(vendor.seen[-1].body)
    assert "tools" not in sent
    assert "<tool_call>" in json.dumps(sent["messages"]) and "Bash" in json.dumps(sent["messages"])
    assert PNG not in json.dumps(sent)
    assert "image" in rows(proxy)[-1]["losses"]
