from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.addons.save import Save
from mitmproxy.log import LogEntry
from mitmproxy.options import Options
from mitmproxy.test import tflow
from mitmproxy.tools.web import app

from ringlet_mitm.addons.watching import watchers
from ringlet_mitm.addons.web import COLUMNS, Concealment, mask_lists, web_master

KEY = "sk-ant-of-somebody-0123456789"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """mitmweb's own list of flows, put back after the test."""
    monkeypatch.setattr(app, "flow_to_json", app.flow_to_json)
    monkeypatch.setattr(app, "logentry_to_json", app.logentry_to_json)


def test_flows_in_flight_are_listed_without_keys(plain: None) -> None:
    mask_lists()
    mask_lists()
    flow = tflow.tflow(resp=True, err=True)
    flow.request.headers["x-api-key"] = KEY
    flow.request.path = f"/v1beta/models/m:generateContent?key={KEY}"
    assert flow.response is not None
    flow.response.headers["set-cookie"] = f"session={KEY}"
    flow.response.trailers = http.Headers(x_api_key=KEY)
    listed = app.flow_to_json(flow)
    assert KEY not in str(listed)
    assert ("x-api-key", "***") in listed["request"]["headers"]
    assert flow.request.headers["x-api-key"] == KEY


def test_log_lines_are_listed_without_keys(plain: None) -> None:
    mask_lists()
    assert KEY not in str(app.logentry_to_json(LogEntry(f"cannot send x-api-key: {KEY}", "warn")))


def test_keys_are_gone_before_a_failed_flow_is_written_to_a_file(plain: None) -> None:
    async def chain() -> list[Any]:
        return list(web_master(0, print, Options()).addons.chain)

    addons = asyncio.run(chain())
    kinds = [type(addon) for addon in addons]
    assert kinds.index(Concealment) < kinds.index(Save)
    flow = tflow.tflow(err=True)
    flow.request.headers["x-api-key"] = KEY
    addons[0].error(flow)
    assert KEY not in str(flow.get_state())


def test_the_columns_are_such_as_mitmweb_has(plain: None) -> None:
    async def columns() -> list[str]:
        return list(web_master(0, print, Options()).options.web_columns)

    assert asyncio.run(columns()) == COLUMNS


def test_the_limit_comes_after_the_bodies_are_there() -> None:
    assert [type(addon).__name__ for addon in watchers()] == ["Annotations", "TokenAnswers", "FlowLimit"]
