"""Which answers are logins, and that their bodies pass without being kept."""

from __future__ import annotations

import pytest
from mitmproxy.test import tflow

from ringlet_mitm.addons.token_answers import TokenAnswers

PATHS = {
    "/v1/oauth/token": True,
    "/oauth/token?x=1": True,
    "/token": True,
    "/login/oauth/access_token": True,
    "/copilot_internal/v2/token": True,
    "/v1/messages": False,
    "/v1/messages/count_tokens": False,
    "/v1beta/models/m:countTokens": False,
    "/api/tokens-used": False,
}


@pytest.mark.parametrize(("path", "login"), PATHS.items())
def test_bodies_of_logins_are_not_kept(path: str, login: bool) -> None:
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.request.path = path
    TokenAnswers().responseheaders(flow)
    assert (flow.response.stream is True, flow.request.raw_content == b"") == (login, login)


def test_what_has_streamed_through_is_empty() -> None:
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.request.path = "/v1/oauth/token"
    TokenAnswers().responseheaders(flow)
    flow.response.data.content = None
    TokenAnswers().response(flow)
    assert flow.response.raw_content == b""


def test_a_login_that_failed_keeps_nothing_either() -> None:
    flow = tflow.tflow(err=True)
    flow.request.path = "/v1/oauth/token"
    TokenAnswers().error(flow)
    assert flow.request.raw_content == b""
