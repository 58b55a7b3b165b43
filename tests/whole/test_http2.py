"""HTTP/2 at both ends: what Codex and curl choose, and what vendors answer with."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from clients import StartProxy, client, messages_body, post_messages, rows
from http2_vendor import Http2Vendor

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = '[[rule]]\nmatch = { has-system-prompt = true }\nto = "anthropic"\nmodel = "claude-haiku-4-5"\n'


@pytest.fixture(scope="module")
def http2_vendor() -> Iterator[Http2Vendor]:
    with Http2Vendor() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy, http2_vendor: Http2Vendor) -> RunningProxy:
    return shared_proxy(RULES, vendor=cast(Vendor, http2_vendor))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_routed_request(proxy: RunningProxy, http2_vendor: Http2Vendor, stream: bool) -> None:
    with client(proxy, http2=True) as http:
        answer = post_messages(http, messages_body(system="s", stream=stream))
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    assert "claude-haiku-4-5" in answer.text
    seen = http2_vendor.headers[-1]
    assert (seen[":authority"], seen[":path"], seen[":scheme"]) == ("api.anthropic.com", "/v1/messages", "https")
    assert "host" not in seen
    row = rows(proxy)[-1]
    assert (row["usage_source"], row["routed_model"], row["error_class"]) == ("reported", "claude-haiku-4-5", "")


def test_streams_share_upstream_connections(proxy: RunningProxy, http2_vendor: Http2Vendor) -> None:
    """Those that begin at once, before any connection stands, open one each; all later ones use these."""
    before = http2_vendor.connections
    with client(proxy, http2=True) as http, ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: post_messages(http, messages_body(stream=True)).status_code, range(40)))
    assert set(done) == {200}
    assert http2_vendor.connections - before <= 8
