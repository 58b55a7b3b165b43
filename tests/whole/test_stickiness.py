"""A conversation that hovers around a threshold: who is asked on the wire, and what the report says of it."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from clients import StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = """
[[rule]]
match = { input-tokens-gt = 1000 }
to = "anthropic"
model = "claude-sonnet-4-5"

[default]
to = "groq"
model = "moonshotai/kimi-k2-instruct"
"""
STICKY = RULES.replace("\n[default]", 'sticky = "session"\n\n[default]')
CLAUDE, GROQ = "anthropic/claude-sonnet-4-5", "groq/moonshotai/kimi-k2-instruct"
# Words of the conversation, turn by turn: an agent that tidies its context up again and again.
HOVERING = [400, 1500, 700, 1600, 800, 1700, 900, 1800]

BEGINNING = [{"role": "user", "content": "Tidy up."}, {"role": "assistant", "content": "What?"}]


def converse(proxy: RunningProxy, vendor: Vendor, session: str) -> list[str]:
    """The hosts that were asked, in their order; a small side call to another model goes between the turns."""
    before = len(vendor.seen)
    with client(proxy) as http:
        for words in HOVERING:
            said = {"type": "text", "text": "word " * words, "cache_control": {"type": "ephemeral"}}
            body = messages_body(messages=[*BEGINNING, {"role": "user", "content": [said]}])
            assert post_messages(http, body, x_claude_code_session_id=session).status_code == 200
            title = messages_body("a title").replace(b"claude-opus-4-8", b"claude-haiku-4-5")
            assert post_messages(http, title, x_claude_code_session_id=session).status_code == 200
    hosts = [seen.host for seen in vendor.seen[before:]]
    assert hosts[1::2] == ["api.groq.com"] * len(HOVERING)
    return hosts[::2]


def switches(hosts: list[str]) -> int:
    return sum(one != other for one, other in pairwise(hosts))


def report(proxy: RunningProxy, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(proxy.run("usage", "--profile", "work", *words, "--json"))
    return found


@pytest.mark.parametrize(
    ("rules", "wire", "ways"),
    [
        (RULES, 7, {f"{GROQ} → {CLAUDE}": 4, f"{CLAUDE} → {GROQ}": 3}),
        (STICKY, 1, {f"{GROQ} → {CLAUDE}": 1}),
    ],
    ids=["without", "with"],
)
def test_a_sticky_rule_ends_the_hovering(
    start_proxy: StartProxy, vendor: Vendor, rules: str, wire: int, ways: dict[str, int]
) -> None:
    proxy = start_proxy(rules)
    hosts = converse(proxy, vendor, "s-hovering")
    assert switches(hosts) == wire
    found = report(proxy, "--by-switch")
    assert {row["switch"]: row["requests"] for row in found["rows"]} == ways
    every = rows(proxy, "switched_from, provider, cost_switch, cost_total, cost_input, note")
    switched = [row for row in every if row["switched_from"]]
    assert len(switched) == wire
    for row in switched:
        # What Claude had in its cache was left behind; at Groq nothing was long enough for one.
        left_behind = row["provider"] == "groq"
        assert 0 < row["cost_switch"] <= row["cost_input"] if left_behind else row["cost_switch"] == 0
    assert found["total"]["switch_cost_usd"] == pytest.approx(sum(row["cost_switch"] for row in switched))
    whole = report(proxy, "--by-rule")["total"]
    assert (whole["requests"], whole["switches"]) == (2 * len(HOVERING), wire)
    assert whole["switch_cost_usd"] == found["total"]["switch_cost_usd"] < whole["cost_usd"]
    kept = [row for row in every if row["note"]]
    assert {row["note"] for row in kept} <= {"kept by a sticky rule"}
    assert (len(kept) > 0) == (rules == STICKY)
    shown = proxy.run("usage", "--profile", "work", "--by-rule").splitlines()
    assert "SWITCHES" in shown[2] and "OF IT SWITCHES" in shown[2]


def test_a_conversation_stays_over_an_edit_of_the_rules_and_not_over_a_restart(
    start_proxy: StartProxy, vendor: Vendor
) -> None:
    proxy = start_proxy(STICKY)
    long, short = messages_body("word " * 1500), messages_body("word " * 400)

    def host(body: bytes) -> str:
        with client(proxy) as http:
            assert post_messages(http, body, x_claude_code_session_id="s-1").status_code == 200
        return vendor.seen[-1].host

    assert (host(long), host(short)) == ("api.anthropic.com", "api.anthropic.com")
    (proxy.home / "profiles" / "work" / "routing.toml").write_text(STICKY.replace("1000", "1100"))
    end = time.monotonic() + 5
    while not any("rules reloaded" in line for line in proxy.said) and time.monotonic() < end:
        time.sleep(0.05)
    assert any("rules reloaded" in line for line in proxy.said)
    assert host(short) == "api.anthropic.com"
    proxy.stop()
    proxy = start_proxy(STICKY)
    assert host(short) == "api.groq.com"
