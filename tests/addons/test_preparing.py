from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from bodies import compact, host_as_provider
from mitmproxy import http
from mitmproxy.test import tflow

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.store import Login, LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.rules.errors import NoKey
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.peek import AgentRequest, peek
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import Route
from ringlet_mitm.rules.shapes import Headers, WireFormat
from ringlet_mitm.rules.targets import ProfilePin, Target, line_up

REGISTRY = registry({})
# Every key of ours is there to be sent by mistake.
KEYS = {name: f"ours-{name}" for spec in REGISTRY.list_providers() for name in spec.api_key_env_vars}
OAUTH = b"sk-ant-oat01-of-a-claude-plan"
CLAUDE: Headers = (
    *((b"Authorization", b"Bearer " + OAUTH), (b"anthropic-version", b"2023-06-01"), (b"x-app", b"cli")),
    *(
        (b"anthropic-beta", b"claude-code-20250219,oauth-2025-04-20"),
        (b"User-Agent", b"claude-cli/2.1 (external, cli)"),
    ),
    *((b"anthropic-dangerous-direct-browser-access", b"true"), (b"X-Claude-Code-Session-Id", b"s-1")),
    (b"Content-Type", b"application/json"),
)
TOKEN = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaGF0Z3B0In0.c2ln"
CHATGPT: Headers = (
    *(
        (b"authorization", b"Bearer " + TOKEN),
        (b"chatgpt-account-id", b"acc-of-the-agent"),
        (b"originator", b"codex_cli_rs"),
    ),
    *((b"session_id", b"s-1"), (b"content-type", b"application/json"), (b"accept", b"text/event-stream")),
    *((b"content-encoding", b"zstd"), (b"x-codex-turn-metadata", b"{}")),
)
MESSAGES = compact({"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})
RESPONSES = compact({"model": "gpt-5.6-sol", "input": "hi", "stream": True, "store": False})
PLANS = {
    "Claude Max": AgentRequest(
        WireFormat.MESSAGES, "POST", "https", "api.anthropic.com", 443, "/v1/messages?beta=true", CLAUDE, MESSAGES
    ),
    "a ChatGPT plan": AgentRequest(
        *(WireFormat.RESPONSES, "POST", "https", "chatgpt.com", 443, "/backend-api/codex/responses", CHATGPT, RESPONSES)
    ),
}
# The vendor's own host, by whichever way the rules say so.
STAYING = {
    "without rules": Route(),
    "to the vendor that was asked": Route("anthropic"),
    "with another model": Route(None, "claude-haiku-4-5"),
}


def turn_of(request: AgentRequest, route: Route) -> Turn:
    return Turn(request, peek(request, host_as_provider), Decision("a rule", 0, route, None, 1.0))


def ready(
    request: AgentRequest, route: Route, pin: ProfilePin | None = None, vault: Vault | None = None
) -> tuple[Outbound, str]:
    turn = turn_of(request, route)
    features = getattr(turn.peek, "features", None)
    target = line_up(route, request, features, REGISTRY, pin)[0]
    preparer = Preparer(Signer(vault or Vault(KEYS), lambda: REGISTRY), lambda _: None)
    return asyncio.run(preparer.ready(turn, target))


def on_wire(request: AgentRequest, outbound: Outbound, arrived: bytes) -> http.Request:
    flow = tflow.tflow()
    flow.request = http.Request.make("POST", f"https://{request.host}{request.path}", b"", request.headers)
    flow.request.raw_content = arrived
    apply(flow.request, outbound, flow.request.raw_content or b"")
    return flow.request


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_an_agents_own_subscription_passes_untouched(plan: AgentRequest) -> None:
    """Nothing of ours is added and nothing is removed, although keys of ours are set; not even the body is unpacked."""
    outbound, label = ready(plan, Route())
    assert (outbound.headers, outbound.path, outbound.host, label) == (plan.headers, plan.path, plan.host, "agent")
    arrived = b"as it came"
    request = on_wire(plan, outbound, arrived)
    ours = {b"host", b"content-length", b"accept-encoding"}
    assert [item for item in request.headers.fields if item[0].lower() not in ours] == list(plan.headers)
    assert request.raw_content == arrived and request.path == plan.path


@pytest.mark.parametrize("route", STAYING.values(), ids=STAYING)
def test_a_claude_plans_token_stays_with_anthropic(route: Route) -> None:
    outbound, label = ready(PLANS["Claude Max"], route)
    assert (outbound.host, outbound.headers, label) == ("api.anthropic.com", CLAUDE, "agent")
    assert b"ours-" not in repr(outbound.headers).encode()


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("provider", ["groq", "openrouter", "minimax", "gemini", "openai", "bedrock"])
def test_elsewhere_nothing_of_a_subscription_goes_along(plan: AgentRequest, provider: str) -> None:
    outbound, label = ready(plan, Route(provider, "some-model"))
    said = repr((outbound.headers, outbound.path)).encode() + outbound.body
    assert OAUTH not in said and TOKEN not in said and b"acc-of-the-agent" not in said
    assert label.startswith("env:") and b"ours-" in said


def test_a_profiles_own_key_takes_the_place_of_the_plan() -> None:
    vault = Vault({**KEYS, "WORK_KEY": "sk-ant-work"})
    outbound, label = ready(PLANS["Claude Max"], Route("anthropic"), ProfilePin(keys={"anthropic": "WORK_KEY"}), vault)
    headers = dict(outbound.headers)
    assert (headers[b"x-api-key"], label) == (b"sk-ant-work", "env:WORK_KEY")
    assert OAUTH not in repr(outbound.headers).encode()


def test_asked_of_the_proxy_itself_our_key_goes_or_else_the_agents() -> None:
    direct = replace(PLANS["Claude Max"], direct=True)
    with_ours, label = ready(direct, Route())
    assert dict(with_ours.headers)[b"x-api-key"] == b"ours-ANTHROPIC_API_KEY" and label == "env:ANTHROPIC_API_KEY"
    assert OAUTH not in repr(with_ours.headers).encode()
    without, label = ready(direct, Route(), vault=Vault({}))
    assert (without.headers, without.host, label) == (CLAUDE, "api.anthropic.com", "agent")


def test_without_a_key_it_says_whose_is_missing() -> None:
    with pytest.raises(NoKey, match="no key for provider 'groq': set GROQ_API_KEY"):
        ready(PLANS["Claude Max"], Route("groq", "m"), vault=Vault({}))


def test_a_stored_login_is_read_in_a_thread_and_sent(tmp_path: Path) -> None:
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    LoginStore(home).save("groq", Login("key", Secret("gsk_stored")))
    store = LoginStore(home)
    assert not store.at_hand("groq")
    outbound, label = ready(PLANS["Claude Max"], Route("groq", "m"), vault=Vault({}, store))
    assert (dict(outbound.headers)[b"authorization"], label) == (b"Bearer gsk_stored", "login:groq")


class Tokens(Signer):
    """Every credential is a token that can be fetched anew."""

    def __init__(self) -> None:
        super().__init__(Vault({}), lambda: REGISTRY)
        self.forgotten = 0

    def forget(self, target: Target) -> bool:
        self.forgotten += 1
        return True


HERE, THERE = (line_up(Route(name, "m"), PLANS["Claude Max"], None, REGISTRY)[0] for name in ("groq", "openrouter"))


@pytest.mark.parametrize(
    ("tried", "statuses", "renews"),
    [
        ([HERE], [401], True),
        ([HERE], [403], False),
        ([HERE], [429], False),
        ([HERE, HERE], [401, 401], False),
        ([HERE, HERE], [429, 401], False),
        ([HERE, THERE], [401, 401], True),
        ([replace(HERE, as_asked=True)], [401], False),
    ],
    ids=["at first", "forbidden", "limited", "again", "after a wait", "of another", "the agent's own"],
)
def test_a_token_that_was_refused_is_given_up_once(tried: list[Target], statuses: list[int], renews: bool) -> None:
    signer = Tokens()
    attempts = [
        Attempt(number, target, "K", 0, status=code, failure=Failure(FailureKind.AUTH, code))
        for number, (target, code) in enumerate(zip(tried, statuses, strict=True), 1)
    ]
    assert Preparer(signer, lambda _: None).renews_after(attempts) is renews
    assert signer.forgotten == renews
