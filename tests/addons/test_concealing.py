from __future__ import annotations

from mitmproxy.test import tflow

from ringlet_mitm.addons.concealing import conceal


def test_keys_are_masked() -> None:
    request = tflow.tflow().request
    request.path = "/v1beta/models/m:generateContent?key=AIzaSecret&alt=sse"
    request.headers["Authorization"] = "Bearer sk-secret"
    conceal(request)
    assert request.path == "/v1beta/models/m:generateContent?key=***&alt=sse"
    assert request.headers["Authorization"] == "Bearer ***"
