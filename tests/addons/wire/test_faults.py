from __future__ import annotations

import importlib
import json
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google_errors
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.faults import classify, error_body, error_event, error_in, parse_error
from ringlet_mitm.addons.wire.metering import Meter
from ringlet_mitm.rules.failures import FailureKind as Kind
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.shapes import SHAPES, WireFormat

CHAT = WireFormat.CHAT
HELLO: Any = [{"role": "user", "content": "hi"}]
QUOTA_TEXT = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow"}}, Kind.RATE_LIMITED),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, Kind.OVERLOADED),
        (500, {"type": "error", "error": {"type": "api_error", "message": "Internal"}}, Kind.SERVER_ERROR),
        (401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}, Kind.AUTH),
        (403, {"type": "error", "error": {"type": "permission_error", "message": "No"}}, Kind.AUTH),
        (
            404,
            {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-x"}},
            Kind.NO_SUCH_MODEL,
        ),
        (400, {"message": "Input is too long for requested model."}, Kind.CONTEXT_WINDOW),
        (400, {"message": "The provided model identifier is invalid."}, Kind.NO_SUCH_MODEL),
        (429, {"message": "Too many requests, please wait before trying again."}, Kind.RATE_LIMITED),
        (400, {"__type": "com.amazon.coral#ThrottlingException", "Message": "Slow"}, Kind.RATE_LIMITED),
        (413, {"type": "error", "error": {"type": "request_too_large", "message": "Too large"}}, Kind.CONTEXT_WINDOW),
        (
            400,
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "prompt is too long: 208310 tokens > 200000 maximum",
                },
            },
            Kind.CONTEXT_WINDOW,
        ),
        (
            400,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}},
            Kind.QUOTA,
        ),
        (
            400,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: required"}},
            Kind.REFUSED_REQUEST,
        ),
        (
            429,
            {
                "error": {
                    "message": QUOTA_TEXT,
                    "type": "insufficient_quota",
                    "param": None,
                    "code": "insufficient_quota",
                }
            },
            Kind.QUOTA,
        ),
        (
            429,
            {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}},
            Kind.RATE_LIMITED,
        ),
        (
            413,
            {
                "error": {
                    "message": "Request too large for model on tokens per minute",
                    "type": "tokens",
                    "code": "rate_limit_exceeded",
                }
            },
            Kind.RATE_LIMITED,
        ),
        (
            400,
            {
                "error": {
                    "message": "This model's maximum context length is 8192",
                    "type": "invalid_request_error",
                    "code": "context_length_exceeded",
                }
            },
            Kind.CONTEXT_WINDOW,
        ),
        (
            401,
            {"error": {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}},
            Kind.AUTH,
        ),
        (
            404,
            {
                "error": {
                    "message": "The model does not exist",
                    "type": "invalid_request_error",
                    "code": "model_not_found",
                }
            },
            Kind.NO_SUCH_MODEL,
        ),
        (
            400,
            {"error": {"message": "decommissioned", "type": "invalid_request_error", "code": "model_decommissioned"}},
            Kind.NO_SUCH_MODEL,
        ),
        (503, {"error": {"message": "overloaded", "type": "server_error", "code": None}}, Kind.SERVER_ERROR),
        (429, {"error": {"code": 429, "message": QUOTA_TEXT, "status": "RESOURCE_EXHAUSTED"}}, Kind.RATE_LIMITED),
        (
            400,
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                }
            },
            Kind.AUTH,
        ),
        (
            400,
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (2) exceeds the maximum number of tokens allowed (1).",
                    "status": "INVALID_ARGUMENT",
                }
            },
            Kind.CONTEXT_WINDOW,
        ),
        (
            503,
            [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}],
            Kind.OVERLOADED,
        ),
        (504, {"error": {"code": 504, "message": "Deadline", "status": "DEADLINE_EXCEEDED"}}, Kind.TIMED_OUT),
        (402, {"error": {"code": 402, "message": "Insufficient credits"}}, Kind.QUOTA),
        (
            503,
            {"error": {"message": "busy", "type": "service_unavailable_error", "code": "server_is_overloaded"}},
            Kind.OVERLOADED,
        ),
        (429, {"error": {"message": "?", "type": "rate_limit_error", "code": "slow_down"}}, Kind.OVERLOADED),
        (
            429,
            {"error": {"message": "?", "type": "insufficient_quota", "code": "project_spend_limit_exceeded"}},
            Kind.QUOTA,
        ),
        (429, {"error": {"type": "usage_limit_reached", "message": "?", "resets_in_seconds": 300}}, Kind.QUOTA),
        (
            429,
            {
                "error": {
                    "code": 429,
                    "message": "No capacity available for model gemini-3-flash-preview on the server",
                    "status": "RESOURCE_EXHAUSTED",
                }
            },
            Kind.OVERLOADED,
        ),
        (
            429,
            {
                "type": "error",
                "error": {
                    "type": "rate_limit_error",
                    "message": "Extra usage is required for long context requests.",
                },
            },
            Kind.CONTEXT_WINDOW,
        ),
        (
            400,
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
                },
            },
            Kind.CONTEXT_WINDOW,
        ),
        (400, {"message": "Your input exceeds the context window of this model."}, Kind.CONTEXT_WINDOW),
        (
            403,
            {"error": {"code": 403, "message": "Your chosen model requires moderation and your input was flagged"}},
            Kind.REFUSED_REQUEST,
        ),
        (409, {"error": {"code": 409, "message": "?", "status": "ABORTED"}}, Kind.SERVER_ERROR),
        (409, {"error": {"message": "?", "type": "invalid_request_error", "code": None}}, Kind.REFUSED_REQUEST),
        (524, {}, Kind.TIMED_OUT),
        (200, {"error": {"code": 429, "message": "Rate limited by the provider"}}, Kind.RATE_LIMITED),
        (200, {"error": {"code": 502, "message": "Provider disconnected"}}, Kind.UNREACHABLE),
        (200, {"error": {"code": "weird", "message": "?"}}, Kind.SERVER_ERROR),
        (400, {"error": "plain words"}, Kind.REFUSED_REQUEST),
        (418, {"detail": "no error object"}, Kind.REFUSED_REQUEST),
        (500, {}, Kind.SERVER_ERROR),
        (302, {}, Kind.SERVER_ERROR),
    ],
    ids=lambda value: json.dumps(value)[:70] if not isinstance(value, int) else str(value),
)
def test_kinds(status: int, body: object, kind: Kind) -> None:
    assert classify(status, parse_error(json.dumps(body).encode())) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"3",
        b'{"error": null}',
        b'{"error": {}}',
        b'{"error": ""}',
        b'{"error": 3}',
        b'{"message": {"role": "assistant", "content": "hi"}}',
        b'{"message": "hi", "id": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_error_object(body: bytes) -> None:
    assert parse_error(body) is None


@given(st.binary(max_size=80), st.integers(0, 999))
def test_any_body_and_status_has_a_kind(body: bytes, status: int) -> None:
    assert classify(status, parse_error(body)) in Kind


ERROR = ProviderError("authentication_error", "ringlet-mitm: no key for 'é'\nset it", "no_key")


def connected(sdk: Any, client: Any, body: bytes, *, status: int = 401, kind: str = "application/json") -> Any:
    """A client of an SDK that gets `body` for an answer. Which httpx it is made with depends on its version."""
    http = importlib.import_module(sdk.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])

    def answer(_: Any) -> Any:
        return http.Response(status, content=body, headers={"content-type": kind})

    return client(api_key="k", max_retries=0, http_client=http.Client(transport=http.MockTransport(answer)))


def test_anthropics_sdk_reads_the_body() -> None:
    client = connected(anthropic, anthropic.Anthropic, error_body(WireFormat.MESSAGES, 401, ERROR))
    with pytest.raises(anthropic.AuthenticationError, match="no key for") as caught:
        client.messages.create(model="m", max_tokens=1, messages=HELLO)
    assert caught.value.body == {"type": "error", "error": {"type": "authentication_error", "message": ERROR.message}}


@pytest.mark.parametrize("wire_format", [WireFormat.CHAT, WireFormat.RESPONSES])
def test_openais_sdk_reads_the_body(wire_format: WireFormat) -> None:
    client = connected(openai, openai.OpenAI, error_body(wire_format, 401, ERROR))
    with pytest.raises(openai.AuthenticationError, match="no key for") as caught:
        client.chat.completions.create(model="m", messages=HELLO)
    assert (caught.value.code, caught.value.type) == ("no_key", "authentication_error")


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (429, "RESOURCE_EXHAUSTED"), (418, "UNKNOWN")],
)
def test_googles_sdk_reads_the_body(status: int, word: str) -> None:
    raised = google_errors.ClientError(status, json.loads(error_body(WireFormat.GEMINI, status, ERROR)))
    assert (raised.code, raised.status, raised.message) == (status, word, ERROR.message)


@pytest.mark.parametrize("wire_format", list(SHAPES))
def test_what_is_rendered_is_read_again(wire_format: WireFormat) -> None:
    read = parse_error(error_body(wire_format, 401, ERROR))
    assert read is not None
    assert (read.message, classify(401, read)) == (ERROR.message, Kind.AUTH)


@pytest.mark.parametrize("wire_format", list(SHAPES))
def test_an_error_event_is_read_again(wire_format: WireFormat) -> None:
    meter = Meter(wire_format, streamed=True)
    meter.feed(error_event(wire_format, 401, ERROR))
    assert meter.error is not None
    assert meter.error.message == ERROR.message


def test_openais_sdk_raises_at_an_error_event() -> None:
    client = connected(openai, openai.OpenAI, error_event(CHAT, 500, ERROR), status=200, kind="text/event-stream")
    with pytest.raises(openai.APIError, match="no key for"):
        list(client.chat.completions.create(model="m", messages=HELLO, stream=True))


def test_openais_sdk_knows_an_error_event_of_responses() -> None:
    body = error_event(WireFormat.RESPONSES, 500, ERROR)
    client = connected(openai, openai.OpenAI, body, status=200, kind="text/event-stream")
    (event,) = client.responses.create(model="m", input="hi", stream=True)
    assert (event.type, event.code, event.message) == ("error", "no_key", ERROR.message)
    assert type(event).model_validate(event.model_dump()).sequence_number == 0


def test_anthropics_sdk_raises_at_an_error_event() -> None:
    body = error_event(WireFormat.MESSAGES, 500, ERROR)
    client = connected(anthropic, anthropic.Anthropic, body, status=200, kind="text/event-stream")
    with pytest.raises(anthropic.APIError, match="no key for"):
        list(client.messages.create(model="m", max_tokens=1, messages=HELLO, stream=True))


def test_error_in_takes_the_first_of_a_list() -> None:
    assert error_in([{"error": {"status": "A", "message": "m"}}, {}]) == ProviderError("A", "m")
