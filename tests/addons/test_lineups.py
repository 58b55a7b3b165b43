"""A chain that is remembered is the chain that would be lined up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons import lineups
from ringlet_mitm.addons.lineups import Lineups
from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.peek import AgentRequest, RequestFeatures
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Lineup, ProfilePin, lined_up
from ringlet_mitm.rules.tokens import TokenBounds

PROVIDERS = registry({})
BOOK = load_rulebook("", "routing.toml", PROVIDERS)
FALLBACKS = ProfilePin(fallback_providers=("openrouter", "cloudflare"))
RULINGS = [
    Ruling(BOOK, PROVIDERS, None),
    Ruling(BOOK, PROVIDERS, FALLBACKS),
    Ruling(BOOK, registry({}, {}, {"groq": "https://box.example/v1", "anthropic": "https://box.example"}), FALLBACKS),
]
ASKED = AgentRequest(WireFormat.MESSAGES, "POST", "https", "api.anthropic.com", 443, "/v1/messages", (), b"{}")
FEATURES = RequestFeatures(
    format=WireFormat.MESSAGES,
    path=ASKED.path,
    provider="anthropic",
    model="claude-sonnet-4-5",
    stream=True,
    messages=1,
    tools=0,
    tool_result=False,
    has_system=False,
    thinking=False,
    images=0,
    max_output_tokens=None,
    agent="",
    session="",
    body_bytes=2,
    token_bounds=TokenBounds(1, 2),
)
ROUTES = [
    Route(),
    Route("anthropic"),
    Route("copilot"),
    Route("groq", "m", (Route("openrouter"), Route(None))),
    Route("copilot", "gpt-5", alone=True),
]
REQUESTS = st.builds(
    replace,
    st.just(ASKED),
    format=st.sampled_from([WireFormat.MESSAGES, WireFormat.CHAT]),
    scheme=st.sampled_from(["https", "http"]),
    host=st.sampled_from(["api.anthropic.com", "api.openai.com", "plan.example"]),
    port=st.sampled_from([443, 8443]),
    path=st.sampled_from(["/v1/messages", "/v1/messages?beta=true", "/gw/v1/messages"]),
    headers=st.sampled_from([(), ((b"x", b"y"),)]),
    body=st.sampled_from([b"{}", b"[]"]),
    direct=st.booleans(),
)
TURNS = st.none() | st.builds(
    replace,
    st.just(FEATURES),
    model=st.sampled_from(["claude-sonnet-4-5", "gpt-4o", ""]),
    tool_result=st.booleans(),
    images=st.integers(0, 2),
    tools=st.integers(0, 1),
)
ASKS = st.tuples(st.sampled_from(RULINGS), st.sampled_from(ROUTES), REQUESTS, TURNS)


CHANGES = [
    {"format": WireFormat.CHAT},
    {"scheme": "http"},
    {"host": "api.openai.com"},
    {"host": "plan.example"},
    {"port": 8443},
    {"path": "/gw/v1/messages"},
    {"direct": True},
    {"headers": ((b"x", b"y"),)},
    {"body": b"[]"},
]
TURNED = [{"model": "gpt-4o"}, {"tool_result": True}, {"images": 2}, {"tools": 1}, {"session": "s"}]


def same_as_anew(known: Lineups, ruling: Ruling, route: Route, request: AgentRequest, turn: Any) -> bool:
    return known.of(ruling, route, request, turn) == lined_up(route, request, turn, ruling.registry, ruling.pin)


@pytest.mark.parametrize("ruling", RULINGS, ids=["plain", "fallbacks", "moved"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route}{len(route.fallback)}")
def test_whatever_differs_from_the_request_before(ruling: Ruling, route: Route) -> None:
    """Each alone, so that nothing else tells the two apart."""
    known = Lineups()
    assert same_as_anew(known, ruling, route, ASKED, FEATURES)
    assert same_as_anew(known, ruling, route, ASKED, None)
    for change in CHANGES:
        assert same_as_anew(known, ruling, route, replace(ASKED, **change), FEATURES)
    for change in TURNED:
        assert same_as_anew(known, ruling, route, ASKED, replace(FEATURES, **change))


@given(st.lists(ASKS, max_size=30))
def test_whatever_was_asked_before(asks: list[tuple[Ruling, Route, AgentRequest, RequestFeatures | None]]) -> None:
    known = Lineups()
    assert all(same_as_anew(known, *ask) for ask in asks)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Lineup]:
    """The chains that were lined up, and not only found again."""
    found: list[Lineup] = []

    def noting(*given: Any) -> Lineup:
        found.append(lined_up(*given))
        return found[-1]

    monkeypatch.setattr(lineups, "lined_up", noting)
    return found


def test_the_turns_of_a_conversation_have_one_chain(made: list[Lineup]) -> None:
    known = Lineups()
    for number in range(5):
        turn = replace(FEATURES, messages=number, session=f"s-{number}")
        again = replace(ASKED, body=b"%d" % number, headers=((b"n", b"%d" % number),), path=f"/v1/messages?n={number}")
        known.of(RULINGS[0], ROUTES[3], again, turn)
    assert len(made) == 1


def test_another_ruling_has_others_and_the_first_is_let_go(made: list[Lineup]) -> None:
    known = Lineups()
    for ruling in (RULINGS[0], RULINGS[1], RULINGS[0]):
        known.of(ruling, ROUTES[3], ASKED, FEATURES)
    assert len(made) == 3


def test_what_cannot_be_used_is_said_each_time() -> None:
    known = Lineups()
    for _ in range(2):
        with pytest.raises(ConfigError, match="CLOUDFLARE_ACCOUNT_ID"):
            known.of(RULINGS[0], Route("cloudflare"), ASKED, FEATURES)


def test_models_without_number_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineups, "MOST_CHAINS", 3)
    known = Lineups()
    for number in range(8):
        turn = replace(FEATURES, model=f"model-{number}")
        assert known.of(RULINGS[0], ROUTES[0], ASKED, turn).targets[0].model == f"model-{number}"
        assert len(known._known) <= 3
