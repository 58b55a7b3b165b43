"""Who answers a request to mitmweb's port; the whole of it is asked in test_exposure.py."""

from __future__ import annotations

from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, RequestHandler

from ringlet_mitm.addons.web_gate import Exchange, Gate, Refusal, own_token

PORT = 8485


class Behind(RequestHandler):
    """What is protected."""


def asked(uri: str, **headers: str) -> HTTPServerRequest:
    named = {name.replace("_", "-"): value for name, value in {"host": f"127.0.0.1:{PORT}", **headers}.items()}
    return HTTPServerRequest("GET", uri, headers=HTTPHeaders(named))


def answering(gate: Gate, request: HTTPServerRequest) -> Any:
    found: Any = gate.find_handler(request)
    return found.handler_class


def gate_before(asks_for: str = "") -> Gate:
    return Gate(Application([(r"/.*", Behind)]), PORT, asks_for)


HOSTS = {
    "127.0.0.1:8485": Behind,
    "127.0.0.1": Behind,
    "LOCALHOST:1": Behind,
    "[::1]:8485": Behind,
    "evil.example:8485": Refusal,
    "127.0.0.1.evil.example": Refusal,
    "localhost.evil.example:8485": Refusal,
    "127.0.0.2": Refusal,
    "[": Refusal,
    "": Refusal,
}


@pytest.mark.parametrize(("host", "answers"), HOSTS.items(), ids=HOSTS)
def test_only_this_machine_is_asked_for(host: str, answers: type) -> None:
    gate = gate_before()
    assert answering(gate, asked(f"/flows?token={gate.token}", host=host)) is answers


def test_the_page_itself_takes_the_token_out_of_the_address() -> None:
    gate = gate_before()
    assert answering(gate, asked(f"/?token={gate.token}")) is Exchange
    assert answering(gate, asked(f"/?token=x&token={gate.token}")) is Exchange
    assert answering(gate, asked(f"/?token={gate.token}&token=x")) is Refusal


def test_no_two_proxies_have_the_same_token() -> None:
    one, other = gate_before(), gate_before()
    assert answering(one, asked(f"/flows?token={other.token}")) is Refusal
    assert answering(one, asked("/flows", authorization=f"Bearer {other.token}")) is Refusal


def test_the_application_is_asked_with_its_own_token() -> None:
    """mitmproxy 12 has one; it stays in force."""
    gate = gate_before("theirs")
    request = asked("/flows", authorization=f"bearer {gate.token}")
    assert answering(gate, request) is Behind
    assert request.headers["authorization"] == "Bearer theirs"


@pytest.mark.parametrize("cookie", ["ringlet-mitmweb-8485=", "ringlet-mitmweb-8485=x", "x=y; ;=;", "\xff\xfe"])
def test_a_made_up_cookie_opens_nothing(cookie: str) -> None:
    assert answering(gate_before(), asked("/flows", cookie=cookie)) is Refusal


@pytest.mark.parametrize(
    ("url", "token"),
    [("http://127.0.0.1:8081/?token=abc", "abc"), ("http://127.0.0.1:8081/", ""), ("", "")],
)
def test_the_token_in_an_address(url: str, token: str) -> None:
    assert own_token(url) == token
