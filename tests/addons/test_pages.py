from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from ringlet_mitm.addons.dashboard.apart import AnswersApart
from ringlet_mitm.addons.pages import Pages


class Told:
    """A ledger's page, and what it answers to."""

    def __init__(self, folder: Path) -> None:
        self.pages = Pages(AnswersApart(folder / "usage.duckdb", folder / "spool", folder / "snapshots"))

    def __call__(self, path: str, host: str = "127.0.0.1", method: str = "GET", **headers: str) -> http.Response | None:
        given = {"host": f"{host}:8484", **{name.replace("_", "-"): value for name, value in headers.items()}}
        fields = http.Headers([(name.encode(), value.encode()) for name, value in given.items()])
        flow = tflow.tflow(
            req=tutils.treq(host=host, port=8484, path=path.encode(), method=method.encode(), headers=fields)
        )
        flow.client_conn.sockname = ("127.0.0.1", 8484)
        flow.client_conn.tls = False

        async def ask() -> None:
            await self.pages.request(flow)
            await self.pages.done()

        asyncio.run(ask())
        return flow.response


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    yield Told(tmp_path)


def test_the_page(told: Told) -> None:
    response = told("/?period=7d")
    assert response is not None
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert "<title>ringlet-mitm" in (response.text or "")


def test_the_numbers(told: Told) -> None:
    response = told("/api/usage?provider=groq")
    assert response is not None
    assert json.loads(response.content or b"")["total"]["requests"] == 0


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"sec_fetch_site": "cross-site"}])
def test_not_for_others(headers: dict[str, str], told: Told) -> None:
    response = told("/api/usage", **headers)
    assert response is not None
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/health", "127.0.0.1"),
        ("/v1/messages", "127.0.0.1"),
        ("/", "api.anthropic.com"),
        ("/api/usage", "evil.example"),
        ("/dashboard/page.js", "evil.example"),
    ],
)
def test_what_is_for_somebody_else_goes_on(path: str, host: str, told: Told) -> None:
    assert told(path, host) is None


def test_duckdb_stays_out_of_the_proxys_process() -> None:
    script = "import sys, ringlet_mitm.addons.pages; print('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"
