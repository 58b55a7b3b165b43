"""A rule that splits, on the wire: each session stays with its arm, the arms get their shares, rows say which."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest
from clients import KEYS, StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import answer
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Refusal, Seen, Spoken, Vendor

GROQ = "groq/llama-3.3-70b-versatile"
RULES = f"""
[[rule]]
match = {{ always = true }}
split = {{ "{GROQ}" = 25, "anthropic" = 75 }}
"""
HOSTS = {GROQ: "api.groq.com", "anthropic": "api.anthropic.com"}
SESSIONS = [f"session-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy(RULES)


def ask(proxy: RunningProxy, vendor: Vendor, sessions: list[str]) -> list[str]:
    """The hosts that were asked, in the order of the sessions."""
    before = len(vendor.seen)
    with client(proxy) as http:
        for session in sessions:
            assert post_messages(http, messages_body(), x_claude_code_session_id=session).status_code == 200
    return [seen.host for seen in vendor.seen[before:]]


def test_sessions_stay_and_arms_get_their_shares(proxy: RunningProxy, vendor: Vendor) -> None:
    before = len(vendor.seen)
    once, again = ask(proxy, vendor, SESSIONS), ask(proxy, vendor, SESSIONS)
    assert once == again
    counts = Counter(once)
    assert set(counts) == set(HOSTS.values())
    assert 3 <= counts["api.groq.com"] <= 18
    found = rows(proxy, "session, arm, provider, rule, routed_model")
    assert len(found) == 2 * len(SESSIONS)
    assert {row["rule"] for row in found} == {"always → split"}
    assert [HOSTS[row["arm"]] for row in found] == [*once, *again]
    assert {(row["arm"], row["provider"]) for row in found} == {(GROQ, "groq"), ("anthropic", "anthropic")}
    groq = next(seen for seen in vendor.seen[before:] if seen.host == "api.groq.com")
    assert groq.headers["authorization"] == f"Bearer {KEYS['GROQ_API_KEY']}"


def test_explain_says_what_the_wire_did(proxy: RunningProxy, vendor: Vendor) -> None:
    (host,) = ask(proxy, vendor, SESSIONS[:1])
    headers = {"x-claude-code-session-id": SESSIONS[0]}
    file = proxy.home / "capture.json"
    file.write_text(json.dumps({"path": "/v1/messages", "headers": headers, "body": json.loads(messages_body())}))
    words = ("rules", "explain", str(file), "--profile", "work")
    said = json.loads(proxy.run(*words, "--json"))["decision"]
    assert (HOSTS[said["arm"]], said["split"]) == (host, {GROQ: 0.25, "anthropic": 0.75})
    assert f"split: 25 % {GROQ}, 75 % anthropic; this session: {said['arm']}" in proxy.run(*words)


def test_rules_list_and_check_know_of_it(proxy: RunningProxy) -> None:
    assert f"25 % {GROQ}, 75 % anthropic" in proxy.run("rules", "list", "--profile", "work")
    assert "1 rule (1 split)" in proxy.run("rules", "check", "--profile", "work")


def groq_is_down(style: str, seen: Seen, body: dict[str, Any], stream: bool) -> Spoken:
    """Groq answers 500, everybody else as usual."""
    if seen.host == "api.groq.com":
        raise Refusal(500, "api_error", "we are down")
    said = answer(seen.host, str(body["model"]), body, seen.body)
    return Spoken((json.dumps(STYLES[style].whole(said)).encode(),), "application/json")


def test_what_another_provider_answers_still_counts_for_the_arm(start_proxy: StartProxy) -> None:
    with Vendor() as vendor:
        vendor.model = groq_is_down
        rules = RULES + 'fallback = ["anthropic/claude-haiku-4-5"]\nretries = 0\n'
        proxy = start_proxy(rules, vendor=vendor)
        ask(proxy, vendor, SESSIONS[:12])
        found = rows(proxy, "arm, provider, routed_model, status, attempts")
    assert {(row["arm"], row["provider"], row["attempts"]) for row in found} >= {
        ("anthropic", "anthropic", 1),
        (GROQ, "anthropic", 2),
    }
    assert {row["routed_model"] for row in found if row["arm"] == GROQ} == {"claude-haiku-4-5"}


def test_a_change_of_weights_moves_sessions_one_way_only(proxy: RunningProxy, vendor: Vendor) -> None:
    before = ask(proxy, vendor, SESSIONS)
    (proxy.home / "profiles" / "work" / "routing.toml").write_text(RULES.replace("75 }", "25 }"))
    end = time.monotonic() + 5
    while not any("rules reloaded" in line for line in proxy.said) and time.monotonic() < end:
        time.sleep(0.05)
    after = ask(proxy, vendor, SESSIONS)
    moved = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    assert set(moved) == {("api.anthropic.com", "api.groq.com")}
