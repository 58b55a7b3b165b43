from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.breakers import Breakers
from ringlet_mitm.addons.counting import Counter
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.addons.websockets import WebSockets
from ringlet_mitm.rules.limits import ALLOWED, Action, Verdict
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.tokens import Calibration

HANDSHAKE = {"upgrade": "WebSocket", "connection": "Upgrade", "sec-websocket-version": "13"}
REGISTRY = registry({})
AWAY = '[default]\nto = "groq"\n'
HOSTS = ("api.openai.com", "chatgpt.com", "api.anthropic.com")


class NoBudget:
    """Limits that say one thing only."""

    def __init__(self, action: Action) -> None:
        self.said = ALLOWED if action is Action.ALLOW else Verdict(action, said="limit reached: $5 of $5")

    async def ready(self) -> None:
        """At once."""

    def check(self, *_: Any) -> Verdict:
        return self.said


def ruling(text: str) -> Ruling:
    return Ruling(load_rulebook(text, "routing.toml", REGISTRY), REGISTRY, None)


def sockets(text: str = "", action: Action = Action.ALLOW, **options: bool) -> WebSockets:
    live = Live(ruling(text), Calibration())
    admission = Admission(live, Breakers(lambda: 0), NoBudget(action))  # type: ignore[arg-type]
    intake = Intake(live, Counter(), HOSTS.__contains__)
    return WebSockets(live, intake, admission, lambda exchange: None, HOSTS.__contains__, **options)


def flow_for(
    path: str = "/v1/responses", host: str = "api.openai.com", headers: dict[str, str] | None = None
) -> http.HTTPFlow:
    sent = HANDSHAKE if headers is None else headers
    fields = http.Headers([(name.encode(), value.encode()) for name, value in sent.items()])
    return tflow.tflow(req=tutils.treq(method=b"GET", host=host, port=443, path=path.encode(), headers=fields))


def answered(addon: WebSockets, flow: http.HTTPFlow) -> http.Response | None:
    asyncio.run(addon.request(flow))
    return flow.response


LEFT_ALONE = {
    "realtime": ({"path": "/v1/realtime"}, AWAY),
    "a plain request": ({"headers": {}}, AWAY),
    "another upgrade": ({"headers": {"upgrade": "h2c"}}, AWAY),
    "somebody's chat": ({"path": "/chat"}, AWAY),
    "a host that is not ours": ({"host": "llm.example"}, AWAY),
    "where everything stays": ({}, ""),
    "where another agent is led away": ({}, '[[rule]]\nmatch = { agent = "claude" }\nto = "groq"\n'),
}


@pytest.mark.parametrize(("asked", "text"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_passes(asked: dict[str, Any], text: str) -> None:
    assert answered(sockets(text), flow_for(**asked)) is None


TOLD = {
    "where it is led away": ({}, AWAY),
    "on any path of that format": ({"path": "/backend-api/codex/responses?x=1", "host": "chatgpt.com"}, AWAY),
    "in a format that nobody speaks so": ({"path": "/v1/messages", "host": "api.anthropic.com"}, ""),
    "where that hangs on what comes": ({}, '[[rule]]\nmatch = { thinking = true }\nto = "groq"\n'),
    "asked of the proxy itself": ({"host": "127.0.0.1"}, ""),
}


@pytest.mark.parametrize(("asked", "text"), TOLD.values(), ids=TOLD)
def test_on_a_model_path_the_agent_is_told_to_use_http(asked: dict[str, Any], text: str) -> None:
    flow = flow_for(**asked)
    flow.client_conn.sockname = ("127.0.0.1", 443)
    response = answered(sockets(text), flow)
    assert response is not None
    assert (response.status_code, response.content, response.headers["upgrade"]) == (426, b"", "HTTP/1.1")


@pytest.mark.parametrize(
    ("action", "passes"),
    [(Action.ALLOW, True), (Action.WARN, True), (Action.SWITCH, False), (Action.REFUSE, False)],
    ids=lambda value: str(value),
)
def test_where_a_limit_is_reached_http_is_told_of_it(action: Action, passes: bool) -> None:
    addon = sockets("[limits]\nusd-per-day = { refuse = 5 }\n", action)
    assert (answered(addon, flow_for()) is None) is passes


def test_what_somebody_else_has_answered_stays_so() -> None:
    flow = flow_for()
    flow.response = http.Response.make(403)
    response = answered(sockets(AWAY), flow)
    assert response is not None and response.status_code == 403


def opened(addon: WebSockets, flow: http.HTTPFlow, status: int = 101) -> http.HTTPFlow:
    asyncio.run(addon.request(flow))
    flow.response = http.Response.make(status)
    addon.responseheaders(flow)
    if status == 101:
        addon.websocket_start(flow)
    return flow


def test_open_ones_are_counted() -> None:
    addon = sockets()
    ours, other = opened(addon, flow_for()), opened(addon, flow_for("/chat"))
    assert (addon.open, addon.turns, addon.streams()) == (2, [], [])
    addon.websocket_end(ours)
    addon.websocket_end(other)
    assert addon.open == 0


def test_what_the_provider_refuses_is_forgotten() -> None:
    addon = sockets()
    flow = opened(addon, flow_for(), 401)
    assert addon.socket(flow) is None and addon._decided == {}
    gone = flow_for()
    asyncio.run(addon.request(gone))
    addon.error(gone)
    assert addon._decided == {}


@pytest.mark.parametrize("watched", [False, True], ids=["nobody looks", "somebody looks"])
def test_whose_bytes_pass_our_way(watched: bool) -> None:
    addon = sockets(watched=watched)
    assert addon.passes(opened(addon, flow_for()))
    assert addon.passes(opened(addon, flow_for("/chat"))) is not watched


def test_it_closes_once_the_rules_want_something_else() -> None:
    addon = sockets()
    socket = addon.socket(opened(addon, flow_for()))
    assert socket is not None and not socket.closes()
    addon._live.ruling = ruling('[[rule]]\nmatch = { agent = "claude" }\nto = "groq"\n')
    assert not socket.closes()
    assert socket.ruling is addon._live.ruling
    addon._live.ruling = ruling(AWAY)
    assert socket.closes()
