"""The vendors' own SDKs through HTTPS_PROXY: nothing about them changes, and every call leaves a row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from clients import StartProxy, rows
from google import genai

from ringlet_mitm.cli.demo.stage import RunningProxy

CLAUDE, GPT, GEMINI = "claude-opus-4-8", "gpt-5-mini", "gemini-3.8-flash"
ASK: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy(
        '[[rule]]\nmatch = { has-system-prompt = true }\nto = "anthropic"\nmodel = "claude-haiku-4-5"\n'
    )


@pytest.fixture(autouse=True)
def through_the_proxy(proxy: RunningProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a shell would set."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.ca_file))


def anthropic_whole() -> str:
    with anthropic.Anthropic(api_key="sk-ant-a", max_retries=0) as api:
        return api.messages.create(model=CLAUDE, max_tokens=64, messages=ASK).content[0].text


def anthropic_stream() -> str:
    with (
        anthropic.Anthropic(api_key="sk-ant-a", max_retries=0) as api,
        api.messages.stream(model=CLAUDE, max_tokens=64, messages=ASK) as stream,
    ):
        return "".join(stream.text_stream)


async def anthropic_async() -> str:
    async with anthropic.AsyncAnthropic(api_key="sk-ant-a", max_retries=0) as api:
        return (await api.messages.create(model=CLAUDE, max_tokens=64, messages=ASK)).content[0].text


async def anthropic_async_stream() -> str:
    async with (
        anthropic.AsyncAnthropic(api_key="sk-ant-a", max_retries=0) as api,
        api.messages.stream(model=CLAUDE, max_tokens=64, messages=ASK) as stream,
    ):
        return "".join([piece async for piece in stream.text_stream])


def chat_whole() -> str:
    with openai.OpenAI(api_key="sk-a", max_retries=0) as api:
        return api.chat.completions.create(model=GPT, messages=ASK).choices[0].message.content or ""


def chat_stream() -> str:
    with openai.OpenAI(api_key="sk-a", max_retries=0) as api:
        chunks = list(api.chat.completions.create(model=GPT, messages=ASK, stream=True))
    assert all(chunk.choices for chunk in chunks), "the usage chunk that nobody asked for is hidden"
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def chat_async_stream() -> str:
    async with openai.AsyncOpenAI(api_key="sk-a", max_retries=0) as api:
        stream = await api.chat.completions.create(
            model=GPT, messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens > 0
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def responses_whole() -> str:
    with openai.OpenAI(api_key="sk-a", max_retries=0) as api:
        return api.responses.create(model=GPT, input="hello").output_text


def responses_stream() -> str:
    with openai.OpenAI(api_key="sk-a", max_retries=0) as api, api.responses.stream(model=GPT, input="hello") as stream:
        for _ in stream:
            pass
        return stream.get_final_response().output_text


async def responses_async() -> str:
    async with openai.AsyncOpenAI(api_key="sk-a", max_retries=0) as api:
        return (await api.responses.create(model=GPT, input="hello")).output_text


def gemini_whole() -> str:
    with genai.Client(api_key="AIza-a") as api:
        return api.models.generate_content(model=GEMINI, contents="hello").text or ""


def gemini_stream() -> str:
    with genai.Client(api_key="AIza-a") as api:
        return "".join(chunk.text or "" for chunk in api.models.generate_content_stream(model=GEMINI, contents="hello"))


async def gemini_async_stream() -> str:
    api = genai.Client(api_key="AIza-a").aio
    stream = await api.models.generate_content_stream(model=GEMINI, contents="hello")
    return "".join([chunk.text or "" async for chunk in stream])


CALLS: list[tuple[Callable[[], Any], str, str, bool]] = [
    (anthropic_whole, CLAUDE, "api.anthropic.com", False),
    (anthropic_stream, CLAUDE, "api.anthropic.com", True),
    (anthropic_async, CLAUDE, "api.anthropic.com", False),
    (anthropic_async_stream, CLAUDE, "api.anthropic.com", True),
    (chat_whole, GPT, "api.openai.com", False),
    (chat_stream, GPT, "api.openai.com", True),
    (chat_async_stream, GPT, "api.openai.com", True),
    (responses_whole, GPT, "api.openai.com", False),
    (responses_stream, GPT, "api.openai.com", True),
    (responses_async, GPT, "api.openai.com", False),
    (gemini_whole, GEMINI, "generativelanguage.googleapis.com", False),
    (gemini_stream, GEMINI, "generativelanguage.googleapis.com", True),
    (gemini_async_stream, GEMINI, "generativelanguage.googleapis.com", True),
]


@pytest.mark.parametrize(("call", "model", "host", "stream"), CALLS, ids=[call[0].__name__ for call in CALLS])
def test_a_call(proxy: RunningProxy, call: Callable[[], Any], model: str, host: str, stream: bool) -> None:
    said = call()
    text = asyncio.run(said) if asyncio.iscoroutine(said) else said
    assert text == f"This is {model} at {host}. I have read your message and have nothing to add."
    row = rows(proxy)[-1]
    assert (row["requested_model"], row["stream"], row["status"]) == (model, stream, 200)
    assert (row["usage_source"], row["agent"], row["error_class"]) == ("reported", "python-sdk", "")
    assert row["input_tokens"] > 0 < row["output_tokens"]


def test_a_rule_changes_the_model(proxy: RunningProxy) -> None:
    with anthropic.Anthropic(api_key="sk-ant-a", max_retries=0) as api:
        answer = api.messages.create(model=CLAUDE, max_tokens=64, system="Be short.", messages=ASK)
    assert answer.model == "claude-haiku-4-5"


def test_a_vendors_error_reaches_the_agent_as_it_is(proxy: RunningProxy) -> None:
    with (
        openai.OpenAI(api_key="sk-a", max_retries=0) as api,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        api.post("/chat/completions", body={"model": GPT}, cast_to=object)
    assert "messages: field required" in str(caught.value)
    row = rows(proxy)[-1]
    assert (row["status"], row["usage_source"], row["cost_total"]) == (400, "none", None)
