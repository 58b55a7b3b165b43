"""The page at a running proxy's own address."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPConnection

import httpx
from clients import StartProxy


def read(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_what_the_proxy_recorded_is_on_its_page(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    trusted = ssl.create_default_context(cafile=str(proxy.ca_file))
    with httpx.Client(proxy=proxy.url, verify=trusted) as client:
        headers = {"x-api-key": "sk-ant-agent", "anthropic-version": "2023-06-01"}
        assert client.post("https://api.anthropic.com/v1/messages", json=body, headers=headers).status_code == 200
    status, page = read(proxy.port, "/")
    assert (status, b"<title>ringlet-mitm" in page) == (200, True)
    assert read(proxy.port, "/dashboard/page.js")[0] == 200
    status, numbers = read(proxy.port, "/api/usage?profile=work")
    assert status == 200
    assert json.loads(numbers)["total"]["requests"] == 1
    assert json.loads(read(proxy.port, "/health")[1])["status"] == "ok"


def test_it_is_not_for_others(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    assert read(proxy.port, "/api/usage", origin="http://evil.example")[0] == 403
    assert read(proxy.port, "/api/usage", sec_fetch_site="cross-site")[0] == 403
    # Under another name it is not asked of the proxy itself, and goes nowhere.
    assert read(proxy.port, "/api/usage", host=f"evil.example:{proxy.port}")[0] >= 400
