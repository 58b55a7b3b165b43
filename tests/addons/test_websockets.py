from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from ringlet_mitm.addons.websockets import WebSockets

HANDSHAKE = {"upgrade": "WebSocket", "connection": "Upgrade", "sec-websocket-version": "13"}


def answered(path: str, headers: dict[str, str]) -> http.Response | None:
    fields = http.Headers([(name.encode(), value.encode()) for name, value in headers.items()])
    flow = tflow.tflow(req=tutils.treq(method=b"GET", path=path.encode(), headers=fields))
    WebSockets().requestheaders(flow)
    return flow.response


@pytest.mark.parametrize(
    "path", ["/v1/responses", "/backend-api/codex/responses?x=1", "/v1/messages", "/v1/chat/completions"]
)
def test_on_a_model_path_the_agent_is_told_to_use_http(path: str) -> None:
    response = answered(path, HANDSHAKE)
    assert response is not None
    assert (response.status_code, response.content, response.headers["upgrade"]) == (426, b"", "HTTP/1.1")


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/v1/realtime", HANDSHAKE), ("/v1/responses", {}), ("/v1/responses", {"upgrade": "h2c"}), ("/chat", HANDSHAKE)],
    ids=["realtime", "a plain request", "another upgrade", "somebody's chat"],
)
def test_everything_else_passes(path: str, headers: dict[str, str]) -> None:
    assert answered(path, headers) is None
