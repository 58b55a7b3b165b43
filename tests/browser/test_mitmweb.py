"""mitmweb in Chromium: the list at a glance, model calls shown as what they are, filters, and no key anywhere."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.mitmweb import AGENT_KEY, PATIENCE_S, Web, mitmweb, work
from clients import KEYS, client, messages_body, post_messages
from mitmproxy import http
from mitmproxy.io import FlowReader

from ringlet_mitm.cli.demo.upstream import Vendor

ROUTED = "tool results → groq/llama-3.3-70b-versatile"
BROKEN = '[default]\nto = "groq/llama-3.3-70b-versatile"\n'


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[Web]:
    """A session's three requests in mitmweb."""
    with mitmweb(tmp_path_factory.mktemp("home"), vendor) as running:
        work(running)
        running.done(3)
        yield running


@pytest.fixture
def page(browser: Any, web: Web) -> Iterator[Any]:
    """mitmweb's page."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    opened.set_default_timeout(PATIENCE_S * 1000)
    opened.goto(web.url)
    opened.get_by_text(ROUTED).wait_for()
    yield opened
    opened.close()


def tab(page: Any, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


def shown(page: Any) -> str:
    return str(page.locator(".contentview pre, .contentview .cm-content, .contentview").last.inner_text())


def test_the_list_tells_rule_model_tokens_and_cost(page: Any) -> None:
    rows = page.locator(".flow-table tbody tr").all_inner_texts()
    (row,) = [row for row in rows if ROUTED in row]
    assert " in / " in row
    assert "$0.0" in row


def test_the_request_and_the_answer_are_shown_as_what_they_are(page: Any) -> None:
    page.get_by_text(ROUTED).click()
    tab(page, "Request")
    page.get_by_text("Before → after").first.wait_for()
    said = shown(page)
    for line in ("host: api.anthropic.com → api.groq.com", "x-api-key: ***", "top_k: Chat has no field for it"):
        assert line in said
    tab(page, "Response")
    page.get_by_text("Usage: as the provider reported it").first.wait_for()
    said = shown(page)
    for line in ("answered by: groq/llama-3.3-70b-versatile", "This is llama-3.3-70b-versatile at api.groq.com"):
        assert line in said


@pytest.mark.parametrize(("filtered", "left"), [('~comment "→ groq"', 1), ("~comment '0.000[0-9]'", 2), ("~marked", 0)])
def test_what_the_search_box_finds(filtered: str, left: int, page: Any) -> None:
    tab(page, "Flow List")
    page.get_by_placeholder("Search").first.fill(filtered)
    script = "left => document.querySelectorAll('.flow-table td.col-path').length === left"
    page.wait_for_function(script, arg=left)


@pytest.mark.parametrize(
    ("filtered", "left"),
    [
        ('~meta "provider: anthropic"', 2),
        ('~meta "agent: claude"', 3),
        ('~meta "^rule: plan"', 1),
        ('~meta "session: 5f3a0b6e" & ~meta "stop: tool calls"', 1),
        ('~meta "error:"', 0),
    ],
)
def test_what_meta_finds(filtered: str, left: int, web: Web) -> None:
    """mitmweb's search box knows no `~meta`; its option view_filter, downloads and mitmdump do."""
    assert len(read(web.ask("flows/dump", filter=filtered).content)) == left


def read(file: bytes) -> list[http.HTTPFlow]:
    """The flows in a file."""
    return [flow for flow in FlowReader(io.BytesIO(file)).stream() if isinstance(flow, http.HTTPFlow)]


def test_no_key_is_in_the_list_the_views_or_a_file(web: Web) -> None:
    listed = json.dumps(web.flows())
    views = "".join(web.view(flow["id"], part) for flow in web.flows() for part in ("request", "response"))
    file = web.ask("flows/dump").content
    for key in (AGENT_KEY, *KEYS.values()):
        assert key not in listed
        assert key not in views
        assert key.encode() not in file


def test_a_file_of_flows_can_be_saved_and_read_again(web: Web) -> None:
    (found,) = [flow for flow in read(web.ask("flows/dump").content) if flow.comment.startswith(ROUTED)]
    assert found.metadata["provider"] == "groq"
    assert found.response is not None
    assert b"message_stop" in (found.response.raw_content or b"")


def test_failures_are_marked_and_nothing_is_kept_where_nothing_may_be(tmp_path: Path, vendor: Vendor) -> None:
    with mitmweb(tmp_path, vendor, BROKEN, capture="none", keys={}) as web:
        with client(web.proxy) as agent:
            assert post_messages(agent, messages_body()).status_code == 401
        (flow,) = web.done(1)
        assert flow["marked"] == "❌"
        assert "not-sent" in flow["comment"]
        end = time.monotonic() + PATIENCE_S
        while flow["response"]["contentLength"] is not None:
            assert time.monotonic() < end
            (flow,) = web.flows()
        assert flow["request"]["contentLength"] is None
