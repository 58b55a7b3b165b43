"""What was wrong with a request, told apart from what the proxy answered and the ledger says of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from ledgers import request

from ringlet_mitm.addons.trying import Ask, Told, Trouble, outcome, said_in, trouble_of
from ringlet_mitm.addons.usage.rows import AttemptRow
from ringlet_mitm.addons.wire.faults import classify, parse_error
from ringlet_mitm.rules.failures import FailureKind

ASK = Ask("groq", "llama-9", 30.0)
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1><p>{}</p></body></html>"


def told(status: int, body: Any, kind: str | None = None) -> Told:
    """A failed request as the proxy tells of it; without `kind` it is classified as the proxy does."""
    text = body if isinstance(body, str) else json.dumps(body)
    found = kind if kind is not None else classify(status, parse_error(text.encode()))
    return Told(status=status, text=text, row=request(status=status, error_class=str(found), usage_source="none"))


# What a provider answers, and what it means. Bodies as their references and people's reports have them.
ANSWERS: dict[str, tuple[int, Any, Trouble]] = {
    "OpenAI, wrong key": (
        401,
        {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}},
        Trouble.WRONG_KEY,
    ),
    "Anthropic, wrong key": (
        401,
        {"error": {"type": "authentication_error", "message": "invalid x-api-key"}},
        Trouble.WRONG_KEY,
    ),
    "Gemini, wrong key": (
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
            }
        },
        Trouble.WRONG_KEY,
    ),
    "403 for a wrong key": (403, {"error": {"message": "Invalid API key"}}, Trouble.WRONG_KEY),
    "AWS, wrong token": (403, {"message": "The security token included in the request is invalid"}, Trouble.WRONG_KEY),
    "AWS, no access": (
        403,
        {"message": "You don't have access to the model with the specified model ID."},
        Trouble.NO_PERMISSION,
    ),
    "no permission": (
        403,
        {"error": {"type": "permission_error", "message": "Your API key does not have permission"}},
        Trouble.NO_PERMISSION,
    ),
    "OpenAI, no quota": (429, {"error": {"message": "You exceeded", "code": "insufficient_quota"}}, Trouble.QUOTA),
    "Anthropic, no credit": (
        400,
        {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}},
        Trouble.QUOTA,
    ),
    "payment required": (402, {"error": {"message": "Insufficient credits"}}, Trouble.QUOTA),
    "too many requests": (429, {"error": {"type": "rate_limit_error", "message": "slow down"}}, Trouble.RATE_LIMITED),
    "OpenAI, no such model": (
        404,
        {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}},
        Trouble.NO_SUCH_MODEL,
    ),
    "Anthropic, no such model": (
        404,
        {"error": {"type": "not_found_error", "message": "model: llama-9"}},
        Trouble.NO_SUCH_MODEL,
    ),
    "Ollama, not pulled": (404, {"error": "model 'llama-9' not found"}, Trouble.NO_SUCH_MODEL),
    "Bedrock, no such model": (400, {"message": "The provided model identifier is invalid."}, Trouble.NO_SUCH_MODEL),
    "404, a web page": (404, "<!doctype html><title>x</title><p>no model here</p>", Trouble.WRONG_ENDPOINT),
    "404, a framework": (404, {"detail": "Not Found"}, Trouble.WRONG_ENDPOINT),
    "OpenAI, wrong path": (404, {"error": {"message": "Invalid URL (POST /v2/x)"}}, Trouble.WRONG_ENDPOINT),
    "405": (405, "Method Not Allowed", Trouble.WRONG_ENDPOINT),
    "LM Studio, wrong path": (200, {"error": "Unexpected endpoint or method. (POST /x)"}, Trouble.WRONG_ENDPOINT),
    "overloaded": (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, Trouble.OVERLOADED),
    "trouble of its own": (500, {"error": {"message": "oops"}}, Trouble.SERVER_ERROR),
    "a refused request": (400, {"error": {"message": "temperature: too hot"}}, Trouble.REFUSED_REQUEST),
    "gateway time-out": (504, "upstream request timeout", Trouble.TIMED_OUT),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers(case: str) -> None:
    status, body, trouble = ANSWERS[case]
    assert trouble_of(told(status, body), ASK.model) is trouble


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ("[Errno 111] Connect call failed (&#x27;127.0.0.1&#x27;, 11434)", Trouble.NOTHING_LISTENS),
        ("Multiple exceptions: [Errno 111] Connect call failed (&#x27;::1&#x27;, 1)", Trouble.NOTHING_LISTENS),
        ("[Errno -2] Name or service not known", Trouble.NO_SUCH_HOST),
        ("[Errno -3] Temporary failure in name resolution", Trouble.NO_SUCH_HOST),
        ("[Errno 8] nodename nor servname provided, or not known", Trouble.NO_SUCH_HOST),
        ("[Errno 11001] getaddrinfo failed", Trouble.NO_SUCH_HOST),
        ("Certificate verify failed: unable to get local issuer certificate", Trouble.TLS),
        ("The remote server does not speak TLS.", Trouble.TLS),
        ("[Errno 110] Connection timed out", Trouble.TIMED_OUT),
        ("server closed connection", Trouble.UNREACHABLE),
    ],
)
def test_connections(said: str, trouble: Trouble) -> None:
    assert trouble_of(told(502, PAGE.format(said), FailureKind.UNREACHABLE), ASK.model) is trouble


def test_no_key_and_other_refusals_of_our_own() -> None:
    body = {"error": {"message": "ringlet-mitm: no key for provider 'groq'"}}
    assert trouble_of(told(401, body, FailureKind.NOT_SENT), ASK.model) is Trouble.NO_KEY
    assert trouble_of(told(400, body, FailureKind.NOT_SENT), ASK.model) is Trouble.NOT_SENT
    assert outcome(ASK, Told(failure="unknown provider 'x'")).said == "unknown provider 'x'"


def test_a_model_that_thought_too_long_to_say_a_word_works() -> None:
    said = "Could not finish the message because max_tokens or model output limit was reached."
    assert trouble_of(told(400, {"error": {"message": said}}), ASK.model) is None


def test_nothing_was_recorded_in_time() -> None:
    assert trouble_of(Told(broke="ReadTimeout"), ASK.model) is Trouble.TIMED_OUT
    assert trouble_of(Told(broke="ConnectError"), ASK.model) is Trouble.UNREACHABLE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"error": {"message": "no <b>such</b> thing"}}), "no <b>such</b> thing"),
        (PAGE.format("[Errno 111] it&#x27;s gone"), "[Errno 111] it's gone"),
        ("<!doctype html><style>p {}</style><title>Not Found</title><h1>nginx</h1>", "Not Found nginx"),
        (
            'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n',
            "Overloaded",
        ),
        ("plain\n  words ", "plain words"),
    ],
    ids=["JSON", "mitmproxy's page", "a web page", "an event", "text"],
)
def test_what_it_said(text: str, said: str) -> None:
    assert said_in(Told(text=text)) == said


def test_keys_in_what_it_said_are_masked() -> None:
    found = outcome(
        ASK, told(401, {"error": {"message": "Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuv"}})
    )
    assert "abcdefghijkl" not in found.said
    assert found.said.startswith("Incorrect API key provided: ")


def test_figures_are_the_ledgers_and_times_those_of_the_attempt() -> None:
    row = request(
        provider="groq", routed_model="llama-9", input_tokens=60, cache_read_tokens=3, output_tokens=22,
        cost_total=Decimal("0.0001"), started_us=0, ended_us=900_000, provider_format="openai-chat",
    )  # fmt: skip
    attempt = AttemptRow(
        request_id=row.id, number=1, provider="groq", model="llama-9", key_label="env:GROQ_API_KEY", status=200,
        started_us=500_000, first_byte_us=620_000, ended_us=900_000,
    )  # fmt: skip
    found = outcome(ASK, Told(status=200, first_byte_ms=700, total_ms=950, row=row, attempts=[attempt]))
    assert found.works
    assert (found.first_byte_ms, found.total_ms) == (120, 400)
    assert (found.input_tokens, found.output_tokens, found.cost_usd) == (63, 22, Decimal("0.0001"))
    assert (found.key_label, found.format) == ("env:GROQ_API_KEY", "openai-chat")
