from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.handshakes import stays, why_not
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.peek import AgentRequest, RequestFeatures
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routing import NEED_TOKENS, Decision, decide, decide_unreadable
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import ProfilePin, lined_up
from ringlet_mitm.rules.tokens import Calibration, TokenBounds

REGISTRY = registry({})
HEADERS = (
    (b"Upgrade", b"websocket"),
    (b"User-Agent", b"codex_exec/0.169.0"),
    (b"Session-Id", b"s-1"),
    (b"X-Team", b"blue"),
    (b"Authorization", b"Bearer sk-of-the-agent"),
)
HANDSHAKE = AgentRequest(WireFormat.RESPONSES, "GET", "https", "api.openai.com", 443, "/v1/responses", HEADERS, b"")
ELSEWHERE = '[default]\nto = "groq"\n'


def book_of(text: str) -> RuleBook:
    return load_rulebook(text, "routing.toml", REGISTRY)


def rule(match: str, to: str = "groq", more: str = "") -> str:
    return f'[[rule]]\nmatch = {{ {match} }}\nto = "{to}"\n{more}\n'


STAYS = {
    "no rules": "",
    "everything passes": '[default]\nto = "passthrough"\n',
    "the provider that was asked": '[default]\nto = "openai"\n',
    "a rule of another agent": rule('agent = "claude*"'),
    "a rule of another path": rule('path-prefix = "/v1/messages"'),
    "a rule of another header": rule('header = { x-team = "red" }'),
    "a header that is absent": rule('header = { x-other = "*" }'),
    "what no message can be": rule('agent = "claude", messages-gt = 3'),
    "not this agent": rule('not = { agent = "codex" }'),
    "surely taken before": rule('agent = "codex"', "passthrough") + rule("always = true") + ELSEWHERE,
    "one of two that hold": rule('any = [{ messages-gt = 9 }, { agent = "codex" }]', "passthrough") + ELSEWHERE,
    "either way it stays": rule("messages-gt = 3", "openai") + rule("stream = true", "passthrough"),
    "nothing else is to be tried": rule("always = true", "openai", "fallback = []"),
    "a limit that is not reached": "[limits]\nusd-per-day = { refuse = 5 }\n",
}
LEAVES = {
    "to another provider": ELSEWHERE,
    "a rule for this agent": rule('agent = "codex"'),
    "a rule for this header": rule('header = { x-team = "bl*" }'),
    "perhaps by its tokens": rule("input-tokens-gt = 100000"),
    "perhaps by its model": rule('model-prefix = "gpt-9"'),
    "perhaps not by its model": rule('not = { model-prefix = "gpt" }'),
    "perhaps by one of two": rule('any = [{ agent = "claude" }, { thinking = true }]'),
    "perhaps taken before, else not": rule("thinking = true", "passthrough") + ELSEWHERE,
    "another model": '[default]\nto = "openai"\nmodel = "gpt-5"\n',
    "another model at the same host": rule("always = true", "passthrough", 'model = "gpt-5"'),
    "a fallback": rule("always = true", "openai", 'fallback = ["groq"]'),
    "a split": "[[rule]]\nmatch = { always = true }\nsplit = { openai = 20, groq = 80 }\n",
    "copies": rule("always = true", "openai", 'shadow = "groq/llama-3.3-70b-versatile"'),
    "stickiness": rule("always = true", "openai", 'sticky = "session"'),
    "a place in line": "[limits.openai]\nparallel = 1\n",
}


@pytest.mark.parametrize("text", STAYS.values(), ids=STAYS)
def test_what_leaves_everything_as_asked(text: str) -> None:
    assert why_not(book_of(text), HANDSHAKE, REGISTRY) == ""


@pytest.mark.parametrize("text", LEAVES.values(), ids=LEAVES)
def test_what_could_want_something_else(text: str) -> None:
    assert why_not(book_of(text), HANDSHAKE, REGISTRY) != ""


PINS = {
    "a key of the profile": ProfilePin(keys={"openai": "WORK_KEY"}),
    "a shared key where the provider is named": ProfilePin(shared_keys={"openai": KeyRef(("TEAM_KEY",))}),
    "further keys": ProfilePin(further_keys={"openai": (KeyRef(("SECOND",)),)}),
    "a model of the profile": ProfilePin(provider="openai", model="gpt-5"),
    "fallbacks by model": ProfilePin(model_fallbacks={"gpt-*": ("gpt-4",)}),
    "a provider to fall back on": ProfilePin(fallback_providers=("groq",)),
}


@pytest.mark.parametrize("pin", PINS.values(), ids=PINS)
def test_what_the_profile_wants_counts_as_well(pin: ProfilePin) -> None:
    assert why_not(book_of('[default]\nto = "openai"\n'), HANDSHAKE, REGISTRY, pin) != ""


def test_a_key_of_the_profile_is_not_for_what_it_says_nothing_of() -> None:
    assert stays(book_of(""), HANDSHAKE, REGISTRY, ProfilePin(keys={"groq": "WORK_KEY"}))


def test_what_is_asked_of_the_proxy_itself_needs_a_key_of_ours() -> None:
    assert why_not(book_of(""), replace(HANDSHAKE, direct=True), REGISTRY) == "it is asked of the proxy itself"


def test_a_host_that_is_nobodys_passes() -> None:
    assert stays(book_of(""), replace(HANDSHAKE, host="llm.example"), REGISTRY)


def test_the_reason_names_the_rule() -> None:
    said = why_not(book_of(rule("thinking = true")), HANDSHAKE, REGISTRY)
    assert said == "'thinking → groq' may take some of it: to groq"


FLAGS = st.builds(
    "{} = {}".format,
    st.sampled_from(["stream", "thinking", "tool-use", "has-images", "tool-result", "has-system-prompt", "always"]),
    st.sampled_from(["true", "false"]),
)
NUMBERS = st.builds(
    "{} = {}".format,
    st.sampled_from(["input-tokens-lt", "input-tokens-gt", "messages-gt", "tools-gte", "output-tokens-gt"]),
    st.integers(0, 6),
)
TEXTS = st.builds(
    "{} = '{}'".format,
    st.sampled_from(["model-equals", "model-prefix", "agent", "path-prefix"]),
    st.sampled_from(["gpt-5", "gpt", "codex", "co*", "claude", "/v1", "/v2"]),
)
HEADER = st.builds(
    "header = {{ {} = '{}' }}".format, st.sampled_from(["x-team", "x-none"]), st.sampled_from(["b*", "r"])
)
TERMS = st.lists(
    FLAGS | NUMBERS | TEXTS | TEXTS | HEADER, min_size=1, max_size=3, unique_by=lambda term: term.partition(" ")[0]
).map(", ".join)
MATCHES = st.recursive(
    TERMS,
    lambda inner: (
        st.builds("any = [{{ {} }}, {{ {} }}]".format, inner, inner)
        | st.builds("not = {{ {} }}".format, inner)
        | st.builds("all = [{{ {} }}], agent = 'codex'".format, inner)
    ),
    max_leaves=4,
)
GOALS = st.sampled_from(['"passthrough"'] * 5 + ['"openai"'] * 3 + ['"groq"', '"openai"\nmodel = "gpt-4.1"'])
EXTRAS = st.sampled_from(
    [""] * 8 + ['fallback = ["anthropic"]', 'sticky = "session"', 'shadow = "anthropic/claude-haiku-4-5"']
)
RULES = st.lists(st.builds("[[rule]]\nmatch = {{ {} }}\nto = {}\n{}\n".format, MATCHES, GOALS, EXTRAS), max_size=4)
BOOKS = st.builds(lambda rules, to: "".join(rules) + f"[default]\nto = {to}\n", RULES, GOALS)
TURNS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["gpt-5", "gpt-6.1-sol", "o3", "codex-mini"]),
        "stream": st.booleans(),
        "messages": st.integers(0, 8),
        "tools": st.integers(0, 8),
        "tool_result": st.booleans(),
        "has_system": st.booleans(),
        "thinking": st.booleans(),
        "images": st.integers(0, 2),
        "max_output_tokens": st.none() | st.integers(0, 8),
        "exact_tokens": st.integers(0, 8),
    }
)


@given(BOOKS, st.lists(TURNS, min_size=1, max_size=6))
def test_where_it_stays_no_message_is_led_anywhere_else(text: str, turns: list[dict[str, Any]]) -> None:
    book = book_of(text)
    if not stays(book, HANDSHAKE, REGISTRY):
        return
    for turn in turns:
        features = RequestFeatures(
            format=WireFormat.RESPONSES,
            path=HANDSHAKE.path,
            provider="openai",
            agent="codex",
            session="s-1",
            body_bytes=9,
            token_bounds=TokenBounds(0, 9),
            headers=HEADERS,
            **turn,
        )
        made = decide(book, features, Calibration())
        assert made is not NEED_TOKENS and isinstance(made, Decision)
        (target,) = lined_up(made.route, HANDSHAKE, features, REGISTRY).targets
        assert target.as_asked and target.model == features.model
        assert (made.arm, made.shadow, made.sticky) == ("", None, None)


def test_what_cannot_be_read_stays_where_the_default_does() -> None:
    book = book_of("")
    assert stays(book, HANDSHAKE, REGISTRY)
    assert decide_unreadable(book).route.provider is None
