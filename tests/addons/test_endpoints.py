from __future__ import annotations

import json

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from ringlet_mitm.addons.endpoints import Endpoints
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.tokens import Calibration

PAGES = Endpoints(
    Live(Ruling(load_rulebook("", "routing.toml", registry({})), registry({}), None), Calibration()),
    {"/health": lambda: {"status": "ok", "rules": ["tool-use → groq"]}},
)


def answered(
    path: str, *, method: str = "GET", host: str = "127.0.0.1", made: http.Response | None = None, **headers: str
) -> http.Response | None:
    fields = http.Headers([(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()])
    request = tutils.treq(host=host, port=8484, path=path.encode(), method=method.encode(), headers=fields)
    flow = tflow.tflow(req=request)
    flow.client_conn.sockname = ("127.0.0.1", 8484)
    flow.client_conn.tls = False
    flow.response = made
    PAGES.request(flow)
    return flow.response


@pytest.mark.parametrize("path", ["/health", "/health?verbose=1"])
def test_a_page_of_the_table(path: str) -> None:
    response = answered(path)
    assert response is not None
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content or b"") == {"status": "ok", "rules": ["tool-use → groq"]}


@pytest.mark.parametrize("path", ["/", "/healthy", "/v1/messages/count_tokens"])
def test_any_other_path_is_a_hint(path: str) -> None:
    response = answered(path)
    assert response is not None
    assert (response.status_code, "GET /health" in (response.text or "")) == (404, True)


def test_model_calls_go_on() -> None:
    assert answered("/v1/messages?beta=true", method="POST") is None


def test_what_is_for_somebody_else_goes_on() -> None:
    assert answered("/health", host="api.anthropic.com") is None


def test_an_answer_that_is_there_stays() -> None:
    made = http.Response.make(403)
    assert answered("/health", made=made) is made


@pytest.mark.parametrize(
    ("site", "path", "method", "status"),
    [
        ("cross-site", "/v1/messages", "POST", 403),
        ("Cross-Site", "/health", "GET", 403),
        ("same-origin", "/health", "GET", 200),
        ("same-site", "/health", "GET", 200),
        ("none", "/health", "GET", 200),
    ],
)
def test_web_pages_of_other_sites_are_refused(site: str, path: str, method: str, status: int) -> None:
    response = answered(path, method=method, sec_fetch_site=site)
    assert response is not None
    assert response.status_code == status
