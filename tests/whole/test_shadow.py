"""Copies for a rule's shadow, with a real proxy between two vendors: when they come, with whose key, how many, and what
the ledger says of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from clients import AGENT_KEY, KEYS, StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import answer
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import HOSTS, Refusal, Seen, Spoken, Vendor

GROQ = "groq/llama-3.3-70b-versatile"
RULES = f"""
[[rule]]
match = {{ tool-use = true }}
to = "anthropic/claude-sonnet-4-5"
shadow = "{GROQ}"

[[rule]]
match = {{ model-prefix = "claude-haiku" }}
to = "{GROQ}"
shadow = "anthropic/claude-haiku-4-5"
"""
TOOLS = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}]
BUDGET = "\n[shadow]\nusd-per-day = {usd}\n"
COLUMNS = (
    "id, origin, shadow_of, rule, provider, routed_model, status, error_class, usage_source, input_tokens, "
    "output_tokens, cost_total, cost_as_asked, first_byte_us - started_us AS first_us, "
    "ended_us - started_us AS total_us, agent_format, provider_format, stop_reason, session, switched_from, "
    "asked_host, stream"
)


@dataclass
class Pair:
    """Two vendors: Groq, which says when it was asked, and all others."""

    real: Vendor
    shadow: Vendor
    ca_file: Path
    arrived: list[float] = field(default_factory=list)
    refuses: bool = False

    @property
    def connect_to(self) -> list[str]:
        return [*self.real.connect_to, *self.shadow.connect_to]

    def answers(self, style: str, seen: Seen, body: dict[str, Any], stream: bool) -> Spoken:
        self.arrived.append(time.monotonic())
        if self.refuses:
            raise Refusal(429, "rate_limit_error", "slow down")
        said = answer(seen.host, str(body["model"]), body, seen.body)
        if stream:
            return Spoken(STYLES[style].stream(said, body), "text/event-stream")
        return Spoken((json.dumps(STYLES[style].whole(said)).encode(),), "application/json")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    others = tuple(host for host in HOSTS if host != "api.groq.com")
    with Vendor(hosts=others) as real, Vendor(hosts=("api.groq.com",)) as shadow:
        both = tmp_path / "both.pem"
        both.write_bytes(real.ca_file.read_bytes() + shadow.ca_file.read_bytes())
        found = Pair(real, shadow, both)
        shadow.model = found.answers
        yield found


def asked(body: bytes, proxy: RunningProxy, **headers: str) -> float:
    """When the agent had the last byte."""
    with client(proxy) as http:
        found = post_messages(http, body, **headers)
        assert found.status_code == 200, found.text
        return time.monotonic()


def recorded(proxy: RunningProxy, count: int) -> list[dict[str, Any]]:
    """The rows, as soon as there are so many."""
    end = time.monotonic() + 30
    while (found := int(health(proxy)["shadow"]["under_way"])) or int(health(proxy)["shadow"]["waiting"]):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    found_rows = rows(proxy, COLUMNS)
    assert len(found_rows) == count, found_rows
    return found_rows


def health(proxy: RunningProxy) -> dict[str, Any]:
    said: dict[str, Any] = httpx.get(f"{proxy.url}/health", trust_env=False).json()
    return said


def wait_for(proxy: RunningProxy, **counts: int) -> None:
    """Until `/health` counts so many copies sent, or left out for a reason."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        said = health(proxy)["shadow"]
        if all({**said["left_out"], **said}.get(name, 0) == count for name, count in counts.items()):
            return
        time.sleep(0.05)
    raise AssertionError(health(proxy))


def body(text: str = "hello", **more: Any) -> bytes:
    return messages_body(text, **{"tools": TOOLS, **more})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_copy_comes_after_the_answer_with_a_key_of_its_own(start_proxy: StartProxy, pair: Pair, stream: bool) -> None:
    proxy = start_proxy(RULES, vendor=pair)
    pair.real.delay_ms = 20
    had = asked(body(stream=stream), proxy, x_claude_code_session_id="s-1", cookie="a=b")
    wait_for(proxy, sent=1)
    real, copy = recorded(proxy, 2)
    assert pair.arrived[0] > had
    (seen,) = pair.shadow.seen
    assert (seen.path, seen.headers["authorization"]) == (
        "/openai/v1/chat/completions",
        f"Bearer {KEYS['GROQ_API_KEY']}",
    )
    assert AGENT_KEY not in f"{seen.headers} {seen.query} {seen.body!r}"
    assert not {"x-api-key", "cookie", "x-claude-code-session-id"} & {name.lower() for name in seen.headers}
    assert json.loads(seen.body)["model"] == "llama-3.3-70b-versatile"
    assert bool(json.loads(seen.body).get("stream")) == stream
    assert (real["origin"], real["shadow_of"], real["rule"]) == ("proxy", "", "tool-use → anthropic")
    assert (copy["origin"], copy["shadow_of"], copy["rule"]) == ("shadow", real["id"], "shadow of tool-use → anthropic")
    assert (copy["provider"], copy["routed_model"], copy["status"]) == ("groq", "llama-3.3-70b-versatile", 200)
    assert (copy["usage_source"], copy["error_class"], copy["session"]) == ("reported", "", "s-1")
    assert copy["input_tokens"] > 0 < copy["output_tokens"]
    assert 0 < copy["first_us"] <= copy["total_us"]
    assert copy["cost_total"] > 0 == copy["cost_as_asked"]
    assert (copy["provider_format"], copy["asked_host"], copy["stream"]) == ("openai-chat", "api.anthropic.com", stream)
    assert copy["switched_from"] == real["switched_from"] == ""
    assert copy["stop_reason"] == real["stop_reason"] != ""


def test_a_copy_to_the_very_host_that_the_agent_asked_has_our_key(start_proxy: StartProxy, pair: Pair) -> None:
    """Where the agent has a key or a login for it: that is for the agent's own requests."""
    proxy = start_proxy(RULES, vendor=pair)
    plain = messages_body().replace(b"claude-opus-4-8", b"claude-haiku-4-5")
    asked(plain, proxy)
    wait_for(proxy, sent=1)
    real, copy = recorded(proxy, 2)
    assert (real["provider"], copy["provider"]) == ("groq", "anthropic")
    (seen,) = pair.real.seen
    assert seen.headers["x-api-key"] == KEYS["ANTHROPIC_API_KEY"]
    assert (seen.path, seen.body) == ("/v1/messages", plain)


def test_copies_switch_nothing_and_conversations_of_requests_stay_theirs(start_proxy: StartProxy, pair: Pair) -> None:
    proxy = start_proxy(RULES, vendor=pair)
    for _ in range(3):
        asked(body(), proxy, x_claude_code_session_id="s-1")
    wait_for(proxy, sent=3)
    assert {row["switched_from"] for row in recorded(proxy, 6)} == {""}


def test_the_budget_stops_them_and_a_restart_does_not_refill_it(start_proxy: StartProxy, pair: Pair) -> None:
    proxy = start_proxy(RULES, vendor=pair)
    asked(body(), proxy)
    wait_for(proxy, sent=1)
    _, copy = recorded(proxy, 2)
    proxy.stop()
    # Room for one more like it and a half.
    proxy = start_proxy(RULES + BUDGET.format(usd=f"{copy['cost_total'] * 2.5:.10f}"), vendor=pair)
    for _ in range(3):
        asked(body(), proxy)
        time.sleep(0.3)
    wait_for(proxy, sent=1, budget=2)
    found = recorded(proxy, 6)
    assert sum(row["origin"] == "shadow" for row in found) == 2 == len(pair.shadow.seen)
    assert sum("usd-per-day of [shadow]" in line for line in proxy.said) == 1
    assert health(proxy)["shadow"]["usd_today"] == pytest.approx(2 * copy["cost_total"])


def test_no_copies_of_failures_nor_beyond_limits(start_proxy: StartProxy, pair: Pair) -> None:
    limits = "\n[limits]\nusd-per-day = { warn = 0.0000001, refuse = 100 }\n"
    proxy = start_proxy(RULES + limits, vendor=pair)
    with client(proxy) as http:
        assert post_messages(http, body().replace(b'"max_tokens"', b'"min_tokens"')).status_code == 400
    asked(body(), proxy)
    wait_for(proxy, sent=0, limits=1)
    assert len(recorded(proxy, 2)) == 2
    assert pair.shadow.seen == []


def test_a_copy_that_fails_is_a_row_and_nothing_to_the_agent(start_proxy: StartProxy, pair: Pair) -> None:
    pair.refuses = True
    proxy = start_proxy(RULES, vendor=pair)
    asked(body(), proxy)
    wait_for(proxy, sent=1)
    real, copy = recorded(proxy, 2)
    assert (real["status"], copy["status"], copy["error_class"]) == (200, 429, "rate-limited")
    assert copy["cost_total"] is None
    assert len(pair.shadow.seen) == 1, "a copy is tried once"


def test_killed_in_the_middle_of_a_copy_the_request_is_in_the_ledger(start_proxy: StartProxy, pair: Pair) -> None:
    pair.shadow.delay_ms = 60_000
    proxy = start_proxy(RULES, vendor=pair)
    asked(body(stream=True), proxy)
    wait_for(proxy, sent=1)
    proxy.kill()
    (real,) = rows(proxy, COLUMNS)
    assert (real["origin"], real["status"]) == ("proxy", 200)


def test_stopped_in_the_middle_of_a_copy_nothing_is_waited_for(start_proxy: StartProxy, pair: Pair) -> None:
    pair.shadow.delay_ms = 60_000
    proxy = start_proxy(RULES, vendor=pair)
    asked(body(stream=True), proxy)
    wait_for(proxy, sent=1)
    begun = time.monotonic()
    assert proxy.stop() == 0
    assert time.monotonic() - begun < 5
    real, copy = rows(proxy, COLUMNS)
    assert (real["status"], copy["status"], copy["error_class"]) == (200, None, "client-gone")


def test_agents_do_not_wait_for_copies(start_proxy: StartProxy, pair: Pair) -> None:
    """Two hang, the others wait in a bounded line, and every request is answered at once."""
    pair.shadow.delay_ms = 60_000
    proxy = start_proxy(RULES, vendor=pair)
    begun = time.monotonic()
    with client(proxy) as http:
        for _ in range(40):
            assert post_messages(http, body(stream=True)).status_code == 200
    assert time.monotonic() - begun < 20
    wait_for(proxy, sent=2, under_way=2, waiting=32, line=6)
