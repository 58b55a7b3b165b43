"""The loop, one flow at a time: what is read, where it goes, with whose key, and what is refused in whose words."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from bodies import PATHS, compact
from mitmproxy import http
from mitmproxy.test import tflow

from ringlet_mitm.addons import lineups
from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.breakers import Breakers
from ringlet_mitm.addons.budget import Budget
from ringlet_mitm.addons.counting import Counter
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.dispatch import Dispatch
from ringlet_mitm.addons.elsewhere import Elsewhere
from ringlet_mitm.addons.exchange import Exchange, exchange_of
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.sessions import Sessions
from ringlet_mitm.addons.usage.spending import Since, Spent
from ringlet_mitm.addons.windows import Windows
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.providers import Endpoint, registry
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Lineup, lined_up
from ringlet_mitm.rules.tokens import Calibration

MESSAGES, CHAT, RESPONSES, GEMINI = tuple(WireFormat)[:4]
KEYS = {"GROQ_API_KEY": "gsk_ours", "MINIMAX_API_KEY": "mm_ours", "ANTHROPIC_API_KEY": "sk-ant-ours"}
HOSTS = {MESSAGES: "api.anthropic.com", CHAT: "api.openai.com", RESPONSES: "api.openai.com"}
ASK = [{"role": "user", "content": "hello there"}]
BODIES: dict[WireFormat, dict[str, Any]] = {
    MESSAGES: {"model": "claude-opus-4-8", "max_tokens": 9, "messages": ASK},
    CHAT: {"model": "gpt-5", "messages": ASK},
    RESPONSES: {"model": "gpt-5", "input": "hello there"},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]},
}
PORT = 8484


def asking(
    wire_format: WireFormat, body: Any = None, *, host: str = "", direct: bool = False, **headers: str
) -> http.HTTPFlow:
    """A flow with a model call."""
    content = body if isinstance(body, bytes) else compact(BODIES[wire_format] if body is None else body)
    flow = tflow.tflow()
    flow.client_conn.tls = not direct
    flow.client_conn.sockname = ("127.0.0.1", PORT)
    flow.request = http.Request.make("POST", "https://x.example" + PATHS[wire_format], content)
    flow.request.host = "127.0.0.1" if direct else host or HOSTS.get(wire_format, "generativelanguage.googleapis.com")
    flow.request.port = PORT if direct else 443
    flow.request.scheme = "http" if direct else "https"
    for name, value in headers.items():
        flow.request.headers[name.replace("_", "-")] = value
    return flow


async def nothing_spent(since: Since) -> Spent:
    return Spent()


def dispatched(flow: http.HTTPFlow, rules: str = "", keys: dict[str, str] | None = None) -> Exchange | None:
    """The exchange after the request hook."""
    providers = registry({})
    live = Live(Ruling(load_rulebook(rules, "routing.toml", providers), providers, None), Calibration())
    counter = Counter()
    intake = Intake(live, counter, lambda host: host != "other.example")
    signer = Signer(Vault(KEYS if keys is None else keys), lambda: live.ruling.registry)
    preparer = Preparer(signer, Sessions().recall)
    budget = Budget("work", Elsewhere(nothing_spent))
    admission = Admission(live, Breakers(lambda: 0), budget)
    addon = Dispatch(live, intake, preparer, admission, Windows(PriceBook(), tuple))
    asyncio.run(addon.request(flow))
    counter.close()
    return exchange_of(flow)


def to(provider: str, model: str = "", match: str = "always = true") -> str:
    pinned = f'model = "{model}"\n' if model else ""
    return f'[[rule]]\nmatch = {{ {match} }}\nto = "{provider}"\n{pinned}'


UNTOUCHED = {
    "another path": lambda: tflow.tflow(),
    "a host that is not decrypted": lambda: asking(MESSAGES, host="other.example"),
    "answered already": lambda: tflow.tflow(resp=True),
}


@pytest.mark.parametrize("make", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_is_no_model_call_of_ours_is_left_alone(make: Any) -> None:
    flow = make()
    before = flow.request.get_state()
    assert dispatched(flow, to("groq")) is None
    assert flow.request.get_state() == before


def test_without_rules_it_goes_where_it_was_sent_with_the_agents_key() -> None:
    flow = asking(MESSAGES, x_api_key="sk-of-the-agent")
    exchange = dispatched(flow)
    assert exchange is not None and exchange.turn is not None
    assert (exchange.turn.decision.label, exchange.attempts[0].key_label) == ("default → passthrough", "agent")
    assert (flow.request.host, flow.request.headers["x-api-key"]) == ("api.anthropic.com", "sk-of-the-agent")
    assert flow.request.raw_content == compact(BODIES[MESSAGES])


def test_a_rule_sends_it_elsewhere_with_that_providers_key() -> None:
    flow = asking(CHAT, authorization="Bearer sk-of-the-agent", openai_organization="org")
    exchange = dispatched(flow, to("groq", "llama-3.3-70b-versatile"))
    assert exchange is not None
    request = flow.request
    assert (request.host, request.port, request.path) == ("api.groq.com", 443, "/openai/v1/chat/completions")
    assert json.loads(request.raw_content or b"")["model"] == "llama-3.3-70b-versatile"
    assert request.headers.get_all("authorization") == ["Bearer gsk_ours"]
    assert "openai-organization" not in request.headers
    assert exchange.attempts[0].key_label == "env:GROQ_API_KEY"


def error_of(wire_format: WireFormat, flow: http.HTTPFlow) -> tuple[str, str]:
    """Kind and message, where an agent of that format looks for them."""
    assert flow.response is not None
    error = flow.response.json()["error"]
    return str(error.get("type") or error["status"]), error["message"]


REFUSALS = {
    "Messages, no key": (MESSAGES, "minimax", {}, 401, "authentication_error", "MINIMAX_API_KEY"),
    "Chat, no key": (CHAT, "groq", {}, 401, "authentication_error", "GROQ_API_KEY"),
    "Responses, no key": (RESPONSES, "groq", {}, 401, "authentication_error", "GROQ_API_KEY"),
    "Messages to Chat, no key": (MESSAGES, "groq", {}, 401, "authentication_error", "GROQ_API_KEY"),
}
SEVERAL: dict[WireFormat, tuple[dict[str, Any], str, str, str]] = {
    CHAT: (
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 2},
        "anthropic",
        "invalid_request_error",
        "n: 1",
    ),
    GEMINI: (
        {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"candidateCount": 2}},
        "groq",
        "INVALID_ARGUMENT",
        "n: 1",
    ),
}


@pytest.mark.parametrize("wire_format", SEVERAL)
def test_what_no_translation_can_say_is_refused_in_the_agents_own_words(wire_format: WireFormat) -> None:
    body, provider, kind, said = SEVERAL[wire_format]
    flow = asking(wire_format, body)
    exchange = dispatched(flow, to(provider))
    assert exchange is not None and exchange.failure is not None and flow.response is not None
    assert (flow.response.status_code, exchange.attempts) == (400, [])
    found, message = error_of(wire_format, flow)
    assert found == kind
    assert f"'{provider}'" in message and said in message


TRANSLATED = {
    "Messages to Chat": (MESSAGES, "groq", "/openai/v1/chat/completions"),
    "Chat to Messages": (CHAT, "anthropic", "/v1/messages"),
    "Responses to Gemini": (RESPONSES, "gemini", "/v1beta/models/gemini-3.8-flash:generateContent"),
    "Gemini to Responses": (GEMINI, "openai", "/v1/responses"),
}


@pytest.mark.parametrize(("wire_format", "provider", "path"), TRANSLATED.values(), ids=TRANSLATED)
def test_a_provider_of_another_format_gets_its_own(wire_format: WireFormat, provider: str, path: str) -> None:
    keys = {**KEYS, "OPENAI_API_KEY": "sk-ours", "ANTHROPIC_API_KEY": "sk-ours", "GEMINI_API_KEY": "sk-ours"}
    flow = asking(wire_format, x_stainless_lang="js", anthropic_beta="x", user_agent="agent/1")
    exchange = dispatched(flow, to(provider), keys)
    assert exchange is not None and exchange.outbound is not None and exchange.outbound.translated
    assert (flow.response, flow.request.path) == (None, path)
    names = {name.lower() for name in flow.request.headers}
    assert not names & {"x-stainless-lang", "anthropic-beta"}
    assert flow.request.headers["user-agent"] == "agent/1"
    assert flow.request.raw_content == exchange.outbound.body
    assert flow.request.headers["content-length"] == str(len(exchange.outbound.body))


@pytest.mark.parametrize(("wire_format", "provider", "keys", "status", "kind", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_sent_is_refused_in_the_agents_own_words(
    wire_format: WireFormat, provider: str, keys: dict[str, str], status: int, kind: str, said: str
) -> None:
    flow = asking(wire_format)
    exchange = dispatched(flow, to(provider), keys)
    assert exchange is not None and exchange.failure is not None and flow.response is not None
    assert (flow.response.status_code, exchange.failure.kind, exchange.attempts) == (status, "not-sent", [])
    found, message = error_of(wire_format, flow)
    assert found == kind
    assert said in message


def test_what_cannot_be_read_takes_the_default() -> None:
    flow = asking(MESSAGES, b"{")
    exchange = dispatched(flow, to("groq") + '[default]\nto = "minimax"\n')
    assert exchange is not None
    assert exchange.note.startswith("not read: ")
    assert (flow.request.host, flow.request.raw_content) == ("api.minimax.io", b"{")


def test_what_cannot_be_read_is_not_translated_either() -> None:
    flow = asking(MESSAGES, b"{")
    dispatched(flow, '[default]\nto = "groq"\n')
    assert (flow.request.host, flow.response) == ("api.anthropic.com", None)


def test_a_compressed_body_is_read_and_edited() -> None:
    flow = asking(MESSAGES, gzip.compress(compact(BODIES[MESSAGES])), content_encoding="gzip")
    dispatched(flow, to("anthropic", "claude-haiku-4-5"))
    assert json.loads(flow.request.raw_content or b"")["model"] == "claude-haiku-4-5"
    assert "content-encoding" not in flow.request.headers


def test_a_compressed_body_that_is_not_edited_stays_as_it_was() -> None:
    packed = gzip.compress(compact(BODIES[MESSAGES]))
    flow = asking(MESSAGES, packed, content_encoding="gzip")
    dispatched(flow)
    assert (flow.request.raw_content, flow.request.headers["content-encoding"]) == (packed, "gzip")


@pytest.mark.parametrize(
    ("match", "label"),
    [("input-tokens-lt = 5", "input-tokens-lt → passthrough"), ("input-tokens-gt = 5", "default → passthrough")],
)
def test_tokens_are_counted_where_a_rule_hangs_on_them(match: str, label: str) -> None:
    exchange = dispatched(asking(MESSAGES), to("passthrough", match=match))
    assert exchange is not None and exchange.turn is not None
    assert (exchange.counted_tokens, exchange.turn.decision.label) == (2, label)


def test_tokens_are_not_counted_where_no_rule_asks() -> None:
    exchange = dispatched(asking(MESSAGES), to("passthrough", match="stream = true"))
    assert exchange is not None
    assert exchange.counted_tokens is None


DIRECT = {
    "the key of the environment": ({"x_api_key": "dummy"}, KEYS, "sk-ant-ours", "env:ANTHROPIC_API_KEY"),
    "the agent's where there is none": ({"x_api_key": "sk-of-the-agent"}, {}, "sk-of-the-agent", "agent"),
}


@pytest.mark.parametrize(("headers", "keys", "sent", "label"), DIRECT.values(), ids=DIRECT)
def test_base_url_mode(headers: dict[str, str], keys: dict[str, str], sent: str, label: str) -> None:
    flow = asking(MESSAGES, direct=True, **headers)
    exchange = dispatched(flow, keys=keys)
    assert exchange is not None
    assert (flow.request.host, flow.request.port, flow.request.scheme) == ("api.anthropic.com", 443, "https")
    assert (flow.request.headers["x-api-key"], exchange.attempts[0].key_label) == (sent, label)


def test_a_key_is_not_sent_to_an_address_that_is_not_its_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Endpoint("https", "api.groq.com.evil.example", 443, "/openai/v1/chat/completions")

    def elsewhere(*given: Any) -> Lineup:
        return Lineup(tuple(replace(one, endpoint=wrong) for one in lined_up(*given).targets))

    monkeypatch.setattr(lineups, "lined_up", elsewhere)
    flow = asking(CHAT)
    dispatched(flow, to("groq"))
    assert flow.response is not None
    assert "is not for api.groq.com.evil.example:443" in error_of(CHAT, flow)[1]
    assert "gsk_ours" not in str(flow.request.headers.fields)
