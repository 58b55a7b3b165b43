"""Real traffic through a real proxy, backtested: the rules that were in force give what happened."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clients import StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

RULES = """
[[rule]]
match = { tool-use = true }
to = "anthropic"
model = "claude-sonnet-4-5"

[[rule]]
match = { input-tokens-gt = 1000 }
to = "openai"
model = "gpt-5-mini"
sticky = "session"

[[rule]]
match = { has-system-prompt = true }
split = { "groq/llama-3.3-70b-versatile" = 50, "openai/gpt-5-mini" = 50 }

[[rule]]
match = { stream = true }
to = "passthrough"

[default]
to = "groq"
model = "llama-3.3-70b-versatile"
"""
ALL_TO_SONNET = '[default]\nto = "anthropic"\nmodel = "claude-sonnet-4-5"\n'
TOOL = {"name": "ls", "description": "Lists.", "input_schema": {"type": "object", "properties": {}}}


def converse(proxy: RunningProxy) -> int:
    """Four sessions of what agents do, hovering around the threshold; how many requests that were."""
    sent = 0
    with client(proxy) as http:
        for session in ("s-1", "s-2", "s-3", "s-4"):
            for place, words in enumerate((300, 1500, 600)):
                turns: list[Any] = []
                for number in range(place):
                    turns += [{"role": "user", "content": f"turn {number}"}, {"role": "assistant", "content": "Yes."}]
                turns.append({"role": "user", "content": "word " * words})
                plain = messages_body(messages=turns)
                tools = messages_body(messages=turns, tools=[TOOL])
                system = messages_body(f"hello {words}", system="Be brief.")
                stream = messages_body(f"hello {words}", stream=True)
                for body in (plain, tools, system, stream, b'{"model": 7'):
                    post_messages(http, body, x_claude_code_session_id=session).read()
                    sent += 1
    return sent


def backtest(proxy: RunningProxy, rules: str, *words: str) -> dict[str, Any]:
    file = proxy.home / "new.toml"
    file.write_text(rules)
    found: dict[str, Any] = json.loads(proxy.run("rules", "backtest", str(file), "--profile", "work", "--json", *words))
    return found


def test_the_rules_in_force_give_what_happened(start_proxy: StartProxy, vendor: Vendor) -> None:
    proxy = start_proxy(RULES)
    sent = converse(proxy)
    happened = rows(proxy, "rule, count(*) AS requests", "GROUP BY rule")
    assert len(happened) == 5
    found = backtest(proxy, RULES)
    total = found["total"]
    assert (total["requests"], total["moved_requests"], total["estimated_now"]) == (sent, 0, 0)
    assert found["uncertain"]["undecided_requests"] == 0
    assert {rule["rule"]: rule["requests"] for rule in found["rules"]} == {
        row["rule"]: row["requests"] for row in happened
    }
    spent = json.loads(proxy.run("usage", "--profile", "work", "--json"))["total"]
    assert total["known_cost_now_usd"] == total["known_cost_then_usd"] == pytest.approx(spent["known_cost_usd"])

    moved = backtest(proxy, ALL_TO_SONNET, "--moved")
    where = rows(proxy, "provider || '/' || routed_model AS place, count(*) AS requests", "GROUP BY 1")
    stays = {row["place"]: row["requests"] for row in where}["anthropic/claude-sonnet-4-5"]
    assert moved["total"]["moved_requests"] == len(moved["moved"]) == sent - stays
    assert {row["to"] for row in moved["moved"]} == {"anthropic/claude-sonnet-4-5"}
    back = backtest(proxy, RULES, "--against", str(proxy.home / "new.toml"))
    assert back["total"]["moved_requests"] == 0
