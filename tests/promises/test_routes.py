"""Where requests go, under which name of a model, and in which shape."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from promises.sending import asking, built_in, seen, sent, target, url_of
from promises.tables import Promise, held

from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.translator import Wanted, translate
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage, switch_cost
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routing import Decision, Route, decide
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import ProfilePin
from ringlet_mitm.rules.tokens import Calibration, TokenBounds

GOOD = Path(__file__).parents[2] / "fixtures" / "routing" / "good"
MESSAGES, CHAT = "https://api.anthropic.com/v1/messages", "https://api.openai.com/v1/chat/completions"


def body_of(outbound: Outbound) -> dict[str, object]:
    found = json.loads(outbound.body)
    assert isinstance(found, dict)
    return found


@held("route")
def test_a_route(promise: Promise) -> None:
    request = asking(promise["asked"], promise["model"])
    if "agent" in promise.data:
        assert request.host in next(preset for preset in presets() if preset.agent_id == promise["agent"]).hosts
    outbound = sent(request, Route(promise["to"]))
    assert url_of(outbound) == promise["url"]
    assert promise.get("sends", body_of(outbound)["model"]) == body_of(outbound)["model"]
    assert {*promise.get("speaks", [])} <= {*built_in().require(promise["to"]).formats}


@held("agent-default")
def test_where_an_agents_calls_go_without_rules(promise: Promise) -> None:
    request = asking(f"https://{promise['host']}{promise['path']}", "some-model")
    found = target(request, Route(None))
    assert (found.provider, found.endpoint.host, found.as_asked) == (promise["provider"], promise["host"], True)
    for agent in promise["agents"]:
        assert promise["host"] in next(preset for preset in presets() if preset.agent_id == agent).hosts


@held("pin")
def test_a_pinned_model(promise: Promise) -> None:
    pin = ProfilePin(promise["provider"], promise["pin"])
    outbound = sent(asking(promise["asked"], promise["model"]), Route(promise["provider"]), pin=pin)
    assert body_of(outbound)["model"] == promise["sends"]
    assert promise.get("base", built_in().require(promise["provider"]).default_base_url) in url_of(outbound)


def decided(rules: str, *, tools: int, tokens: int, model: str) -> Decision:
    """What the rules say to a request of so many tools and tokens."""
    book = load_rulebook((GOOD / rules).read_text(), rules, built_in())
    asked = seen(asking(MESSAGES, model)).features
    known = replace(asked, tools=tools, exact_tokens=tokens, token_bounds=TokenBounds(tokens, tokens))
    found = decide(book, known, Calibration())
    assert isinstance(found, Decision)
    return found


@held("decision")
def test_a_decision(promise: Promise) -> None:
    decision = decided(promise["rules"], **promise["request"], model=promise["model"])
    assert (decision.label, decision.route.provider) == (promise["label"], promise["provider"])
    found = target(asking(MESSAGES, promise["model"]), decision.route)
    assert (found.provider, found.model) == (promise["provider"], promise["sends"])


@held("two-providers")
def test_one_profile_two_providers(promise: Promise) -> None:
    requests = ({"tools": 3, "tokens": 50_000}, {"tools": 0, "tokens": 1_999})
    found = [decided(promise["rules"], **request, model="claude-opus-4-6").route.provider for request in requests]
    assert found == promise["providers"]


@held("accounts")
def test_accounts_side_by_side(promise: Promise) -> None:
    provider = promise["provider"]
    for variable in promise["accounts"].values():
        pin = ProfilePin(provider, keys={provider: variable})
        found = target(asking(MESSAGES, "claude-opus-4-6"), Route(provider), pin=pin)
        assert found.key_ref is not None
        assert (found.key_ref.variables, found.as_asked) == ((variable,), False)


def with_a_call(url: str) -> dict[str, object]:
    """A conversation in which a tool was called, in the format of the URL."""
    if url == MESSAGES:
        use = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Makefile"}
        turns = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    else:
        call = {"id": "call_1", "type": "function", "function": {"name": "Bash", "arguments": '{"command":"ls"}'}}
        turns = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Makefile"},
        ]
    return {"messages": [{"role": "user", "content": "hello"}, *turns]}


@held("translated-call")
def test_tool_calls_are_translated(promise: Promise) -> None:
    asked = promise["asked"]
    outbound = sent(asking(asked, "some-model", tools=True, **with_a_call(asked)), Route(promise["to"]))
    assert url_of(outbound) == promise["url"]
    said = body_of(outbound)["messages"]
    assert isinstance(said, list)
    if asked == MESSAGES:
        assert said[1]["tool_calls"][0]["function"]["name"] == "Bash"
        assert json.loads(said[1]["tool_calls"][0]["function"]["arguments"]) == {"command": "ls"}
        assert said[2]["role"] == "tool"
    else:
        assert (said[1]["content"][0]["type"], said[1]["content"][0]["input"]) == ("tool_use", {"command": "ls"})
        assert said[2]["content"][0]["type"] == "tool_result"


@held("cache-left-behind")
def test_marks_of_a_cache_stay_with_their_vendor(promise: Promise) -> None:
    marked = [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}]
    request = asking(promise["asked"], "claude-opus-4-6", system=marked)
    assert b"cache_control" in sent(request, Route("anthropic")).body
    assert b"cache_control" not in sent(request, Route(promise["to"])).body


@held("kept-conversation")
def test_a_sticky_rule_keeps_a_conversation_and_a_switch_has_a_price(promise: Promise) -> None:
    text = (GOOD / promise["rules"]).read_text()
    assert 'sticky = "session"' in text
    for rules, providers in ((text, promise["kept"]), (text.replace("sticky", "# sticky"), promise["switching"])):
        book = load_rulebook(rules, "routing.toml", built_in())
        taken: set[str] = set()
        found = []
        for tokens in promise["tokens"]:
            known = replace(seen(asking(MESSAGES, promise["model"])).features, exact_tokens=tokens)
            decision = decide(book, known, Calibration(), taken)
            assert isinstance(decision, Decision)
            taken.update([decision.label] if decision.sticky else [])
            found.append(decision.route.provider)
        assert found == providers
    before, after = promise["tokens"][:2]
    card = PriceBook().card("anthropic", promise["model"])
    assert switch_cost(Usage(input_tokens=after), card, before) == Decimal(promise["switch-usd"])


@held("prompted-tools")
def test_tools_in_the_prompt(promise: Promise) -> None:
    text = 'name = "plain"\nshape = "openai"\nendpoint = "https://h.example/v1"\nnative-tool-calling = false\n'
    own = registry({"plain.toml": text})
    outbound = sent(asking(CHAT, "m", tools=True, **with_a_call(CHAT)), Route("plain"), registry=own)
    body = body_of(outbound)
    messages = body["messages"]
    assert isinstance(messages, list)
    assert ("tools" in body, messages[0]["role"]) == (False, "user")
    first = json.dumps(messages[0])
    assert ("Bash" in first, "<tool_call>" in first) == (True, True)
    assert "<tool_call>" in json.dumps(messages[1])


@held("tool-payload")
def test_tools_in_the_payload_of_each_format(promise: Promise) -> None:
    formats = {"gemini": WireFormat.GEMINI, "anthropic": WireFormat.MESSAGES, "openai": WireFormat.CHAT}
    request = asking("https://api.openai.com/v1/responses", "m", tools=True)
    conversation = CODECS[WireFormat.RESPONSES].parse_request(json.loads(request.body), request.path)
    for name, word in promise["payloads"].items():
        made = translate(conversation, request.path, WireFormat.RESPONSES, Wanted(formats[name], "m"))
        assert word.encode() in made.body, name


@held("hint-and-equals")
def test_the_beginning_of_a_name_and_all_of_it(promise: Promise) -> None:
    found = {
        condition: [decided_for(condition, model) for model in ("gpt-5", "gpt-5-mini", "gpt-4o")]
        for condition in ("model-equals", "model-prefix")
    }
    assert found == {"model-equals": ["groq", "openai", "openai"], "model-prefix": ["groq", "groq", "openai"]}


def decided_for(condition: str, model: str) -> str | None:
    """Where a rule about `gpt-5` sends a model."""
    text = f'[[rule]]\nmatch = {{ {condition} = "gpt-5" }}\nto = "groq"\n[default]\nto = "openai"\n'
    book = load_rulebook(text, "routing.toml", built_in())
    decision = decide(book, seen(asking(CHAT, model)).features, Calibration())
    assert isinstance(decision, Decision)
    return decision.route.provider
