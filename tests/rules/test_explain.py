"""A decision in words: nothing left out that decided, nothing shown that is secret."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ringlet_mitm.rules.explain import Explanation, explain
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.legs import Leg
from ringlet_mitm.rules.peek import AgentRequest, Peek, Spans, Unreadable
from ringlet_mitm.rules.providers import Endpoint
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.settings import ModelRoute, Settings
from ringlet_mitm.rules.shapes import Loss, WireFormat
from ringlet_mitm.rules.targets import Target
from ringlet_mitm.rules.tokens import Calibration, TextParts

REQUEST = AgentRequest(
    format=WireFormat.MESSAGES,
    method="POST",
    scheme="https",
    host="api.anthropic.com",
    port=443,
    path="/v1/messages?beta=true",
    headers=((b"x-api-key", b"sk-ant-agent"),),
    body=b"{}",
)
STAYS = Target(
    provider="anthropic",
    model="claude-sonnet-4-5",
    format=WireFormat.MESSAGES,
    endpoint=Endpoint("https", "api.anthropic.com", 443, "/v1/messages"),
    auth="x-api-key",
    key_ref=KeyRef(("ANTHROPIC_API_KEY",)),
    as_asked=True,
)
MOVES = Target(
    provider="minimax",
    model="MiniMax-M2",
    format=WireFormat.MESSAGES,
    endpoint=Endpoint("https", "api.minimax.io", 443, "/anthropic/v1/messages"),
    auth="bearer",
    key_ref=KeyRef(("MINIMAX_API_KEY", "MINIMAX_KEY")),
)
KEYLESS = replace(MOVES, key_ref=None, auth="none")
RULES = """
[[rule]]
match = { thinking = true }
to = "groq"
[[rule]]
match = { input-tokens-lt = 2000, any = [{ stream = true }, { tools-gte = 50 }] }
to = "minimax"
model = "MiniMax-M2"
[[rule]]
match = { always = true }
to = "openai"
[default]
to = "anthropic"
"""


@dataclass(frozen=True)
class Sent:
    """What the proxy's preparation gives."""

    host: str
    path: str = "/v1/messages"
    scheme: str = "https"
    port: int = 443
    edits: tuple[object, ...] = ()
    keeps_credentials: bool = False
    translated: bool = False
    losses: tuple[Loss, ...] = ()


@pytest.fixture
def explained(providers: Any, make_features: Any) -> Any:
    def make(*legs: Leg, ratio: float | None = None, request: AgentRequest = REQUEST, **given: Any) -> Explanation:
        book = load_rulebook(RULES, "routing.toml", providers)
        seen = Peek(make_features(**given), Spans(None, None, 1), TextParts(()))
        learned = Calibration({} if ratio is None else {("anthropic", "claude-sonnet-4-5"): ratio})
        return explain(book, request, seen, learned, legs)

    return make


def test_the_whole_of_it(explained: Any) -> None:
    leg = Leg(MOVES, Sent("api.minimax.io", "/anthropic/v1/messages", edits=("model",)), key_is_set=True)
    assert "\n".join(explained(leg, ratio=1.15, exact_tokens=1600).lines()) == WHOLE


WHOLE = """\
request to https://api.anthropic.com/v1/messages?beta=true
  wire format                 anthropic-messages
  agent                       "claude"
  path                        "/v1/messages?beta=true"
  model                       "claude-sonnet-4-5"
  stream                      yes
  messages                    12
  system prompt               yes
  tools offered               23
  last turn is a tool result  no
  thinking                    no
  images                      0
  output tokens asked for     32,000
  session                     s-1
  estimated input tokens      1,840 (1,600 counted × 1.150)
  token ratio 1.150 for anthropic, claude-sonnet-4-5: learned from what was reported

rules in routing.toml
  1. thinking → groq: no (line 2)
     no   thinking = true   thinking: no
  2. input-tokens-lt+(stream|tools-gte) → minimax: takes it (line 5)
     yes  input-tokens-lt = 2000   estimated input tokens: 1,840 (1,600 counted × 1.150)
     yes  any of
       yes  stream = true   stream: yes
       no   tools-gte = 50   tools offered: 23
  3. always → openai: not reached, would match (line 9)
     yes  always = true
  default → anthropic: not needed (line 12)

decision: input-tokens-lt+(stream|tools-gte) → minimax
  if it fails: up to 2 retries, 500 ms doubling

rewrite
  to           https://api.minimax.io/anthropic/v1/messages (instead of api.anthropic.com)
  model        MiniMax-M2 instead of claude-sonnet-4-5
  body         1 place changed, every other byte as it was
  credentials  the agent's are removed; the key in MINIMAX_API_KEY or MINIMAX_KEY goes along as bearer"""

CREDENTIALS = {
    "at home they stay": (
        Leg(STAYS, Sent("api.anthropic.com", keeps_credentials=True)),
        "the agent's own stay: it is the host",
    ),
    "elsewhere they are replaced": (Leg(MOVES, Sent("api.minimax.io"), key_is_set=True), "goes along as bearer"),
    "a key that is not set": (
        Leg(MOVES, Sent("api.minimax.io"), key_is_set=False),
        "not set here: the request would be refused",
    ),
    "none are needed": (Leg(KEYLESS, Sent("localhost")), "the agent's are removed; none are needed there"),
}


@pytest.mark.parametrize(("leg", "words"), CREDENTIALS.values(), ids=CREDENTIALS)
def test_what_becomes_of_credentials(explained: Any, leg: Leg, words: str) -> None:
    assert any(words in line for line in explained(leg, exact_tokens=1600).lines())


def test_a_refused_target_says_why(explained: Any) -> None:
    lines = explained(Leg(MOVES, None, "it speaks another format"), exact_tokens=1600).lines()
    assert lines[-2:] == ["rewrite", "  refused: it speaks another format"]


def test_what_comes_after_a_failure_is_told_as_that(explained: Any) -> None:
    legs = (Leg(MOVES, Sent("api.minimax.io")), Leg(STAYS, Sent("api.anthropic.com", keeps_credentials=True)))
    lines = explained(*legs, exact_tokens=1600).lines()
    assert [line for line in lines if line in ("rewrite", "if that fails")] == ["rewrite", "if that fails"]
    said = "  then, if it fails: anthropic/claude-sonnet-4-5; up to 2 retries each, 500 ms doubling"
    assert said in lines


def test_a_fallback_that_is_left_out_is_said(explained: Any) -> None:
    found = replace(explained(Leg(MOVES, Sent("api.minimax.io")), exact_tokens=1600), skipped=("it needs X",))
    assert "  left out: it needs X" in found.lines()
    assert found.as_dict()["skipped"] == ["it needs X"]


def test_the_chain_and_the_policy_are_told_to_programs(explained: Any) -> None:
    legs = (
        Leg(MOVES, Sent("api.minimax.io"), key_place="env:MINIMAX_KEY"),
        Leg(STAYS, Sent("api.anthropic.com", keeps_credentials=True)),
    )
    said = json.loads(json.dumps(explained(*legs, exact_tokens=1600).as_dict()))
    assert said["chain"] == [
        {"provider": "minimax", "model": "MiniMax-M2", "as_asked": False, "key": "env:MINIMAX_KEY"},
        {"provider": "anthropic", "model": "claude-sonnet-4-5", "as_asked": True, "key": "env:ANTHROPIC_API_KEY"},
    ]
    assert (said["policy"]["retries"], said["policy"]["timeouts"]["connect_ms"]) == (2, 10_000)


def test_without_a_decision_there_is_no_policy(explained: Any) -> None:
    assert explained(bounds=(1000, 9000)).as_dict()["policy"] is None


def test_the_default_takes_what_no_rule_takes(providers: Any, make_features: Any) -> None:
    book = load_rulebook('[[rule]]\nmatch.thinking = true\nto = "groq"\n', "routing.toml", providers)
    found = explain(book, REQUEST, Peek(make_features(), Spans(None, None, 1), TextParts(())), Calibration(), ())
    assert "  default → passthrough: takes it (no [default] in the file)" in found.lines()
    assert "decision: default → passthrough" in found.lines()


def test_without_a_count_an_open_rule_is_said_to_be_open(explained: Any) -> None:
    found = explained(bounds=(1000, 9000))
    assert found.decision is None
    assert "no decision: the exact token count is needed" in found.lines()
    assert "  3. always → openai: not reached, would match (line 9)" in found.lines()
    assert found.as_dict()["decision"] is None


def test_a_body_that_cannot_be_read_takes_the_default(providers: Any) -> None:
    book = load_rulebook(RULES, "routing.toml", providers)
    found = explain(
        book, REQUEST, Unreadable("it is not JSON"), Calibration(), (Leg(STAYS, Sent("api.anthropic.com")),)
    )
    assert found.decision is not None
    assert found.decision.label == "default → anthropic"
    assert "  could not be read: it is not JSON" in found.lines()
    assert found.as_dict()["request"]["unreadable"] == "it is not JSON"


def test_as_a_dictionary_it_is_json_and_says_the_same(explained: Any) -> None:
    leg = Leg(MOVES, Sent("api.minimax.io", edits=("model",)), key_is_set=False)
    said = json.loads(json.dumps(explained(leg, ratio=1.15, exact_tokens=1600).as_dict()))
    assert said["decision"] == {
        "label": "input-tokens-lt+(stream|tools-gte) → minimax",
        "rule": 2,
        "provider": "minimax",
        "model": "MiniMax-M2",
        "arm": None,
        "split": None,
        "shadow": None,
        "estimate": 1840,
        "ratio": 1.15,
    }
    assert [rule["matches"] for rule in said["rules"]] == [False, True, True]
    assert [rule["reached"] for rule in said["rules"]] == [True, True, False]
    assert said["rewrite"][0]["url"] == "https://api.minimax.io/v1/messages"
    assert said["rewrite"][0]["key"] == "env:MINIMAX_API_KEY"
    assert said["request"]["counted_tokens"] == 1600


def test_no_key_is_shown(explained: Any) -> None:
    key = "AIzaSySecretSecretSecretSecret"
    path = f"/v1beta/models/m:generateContent?key={key}"
    leg = Leg(STAYS, Sent("generativelanguage.googleapis.com", path, keeps_credentials=True))
    found = explained(leg, request=replace(REQUEST, path=path), path=path, exact_tokens=1)
    assert key not in "\n".join(found.lines())
    assert key not in json.dumps(found.as_dict())
    assert "sk-ant-agent" not in repr(found.as_dict())


def test_an_unusual_port_is_shown(explained: Any) -> None:
    leg = Leg(KEYLESS, Sent("localhost", port=8000, scheme="http"))
    assert leg.url == "http://localhost:8000/v1/messages"


def test_what_a_translation_loses_is_told(explained: Any) -> None:
    sent = Sent("api.groq.com", translated=True, losses=(Loss("top_k", "no such option"),))
    target = MOVES
    lines = explained(Leg(target, sent)).lines()
    assert f"  body         translated from {REQUEST.format} to {target.format}" in lines
    assert "  lost         top_k: no such option" in lines


ROUTED = Settings(
    default_provider="openai",
    model_routes=(ModelRoute("claude-", "minimax", line=8),),
    file="/home/me/config.toml",
    default_line=2,
)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("claude-x", ["takes it (line 8 of config.toml)", "not needed (line 2 of config.toml)"]),
        ("gpt-5", ["no (line 8 of config.toml)", "takes it (line 2 of config.toml)"]),
    ],
)
def test_a_route_by_model_name_has_its_file_and_line(
    providers: Any, make_features: Any, model: str, said: list[str]
) -> None:
    book = load_rulebook("", "/home/me/routing.toml", providers, None, ROUTED)
    seen = Peek(make_features(model=model), Spans(None, None, 1), TextParts(()))
    found = explain(book, REQUEST, seen, Calibration(), ())
    lines = found.lines()
    assert f"  1. model-route claude- → minimax: {said[0]}" in lines
    assert f"  default → openai: {said[1]}" in lines
    assert any('hint = "claude-"' in line and f'model: "{model}"' in line for line in lines)
    told = found.as_dict()
    assert (told["rules"][0]["file"], told["rules"][0]["line"]) == ("/home/me/config.toml", 8)
    assert told["default"] == {"label": "default → openai", "file": "/home/me/config.toml", "line": 2}


IN_FILE = KeyRef(file="/home/me/config.toml", key=("model_routes", 0, "api_key"))
PLACES = {
    "a key in a file": (Leg(replace(MOVES, key_ref=IN_FILE), Sent("x")), "config.toml:model_routes.0.api_key goes"),
    "a login": (Leg(replace(MOVES, key_ref=KeyRef(login="copilot")), Sent("x")), "the login of 'copilot' goes"),
    "where it was found": (
        Leg(MOVES, Sent("x"), key_is_set=True, key_place="env:MINIMAX_KEY"),
        "the key in MINIMAX_KEY goes along as bearer",
    ),
}


@pytest.mark.parametrize(("leg", "words"), PLACES.values(), ids=PLACES)
def test_where_a_key_is(explained: Any, leg: Leg, words: str) -> None:
    assert any(words in line for line in explained(leg, exact_tokens=1600).lines())
