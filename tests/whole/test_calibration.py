"""The estimate learns how a vendor counts: the stand-in has another tokenizer than ours."""

from __future__ import annotations

import random
import time
from pathlib import Path

from clients import StartProxy, client, messages_body, post_messages, rows

# Every request has to be counted, whatever its length.
RULES = '[[rule]]\nmatch = { input-tokens-gt = 1 }\nto = "anthropic"\nmodel = "claude-haiku-4-5"\n'
WORDS = ["return", "value", "buffer", "parse", "layer", "yield", "filter", "cache", "route", "merge", "import", "query"]


def test_after_20_requests_the_estimate_is_within_10_percent_for_95_percent(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    dice = random.Random(20261121)

    def text() -> str:
        ends = ["", "", "()", " =", ":\n   "]
        return " ".join(dice.choice(WORDS) + dice.choice(ends) for _ in range(dice.randint(200, 4000)))

    proxy = start_proxy(RULES)
    with client(proxy) as http:
        for _ in range(20):
            post_messages(http, messages_body(text()))
    proxy.stop()
    proxy = start_proxy(RULES)
    with client(proxy) as http:
        end = time.monotonic() + 10
        while rows(proxy)[-1]["calibration"] == 1.0 and time.monotonic() < end:
            post_messages(http, messages_body(text()))
        for _ in range(100):
            post_messages(http, messages_body(text()))
    found = [row for row in rows(proxy) if row["calibration"] != 1.0][-100:]
    assert len(found) == 100
    off = [abs(row["estimated_input_tokens"] / row["input_tokens"] - 1) for row in found]
    assert sorted(off)[94] <= 0.10
    asked = tmp_path / "request.json"
    asked.write_bytes(messages_body(text()))
    said = proxy.run("rules", "explain", "--profile", "work", "--path", "/v1/messages", str(asked))
    assert "claude-opus-4-8: learned from what was reported" in said
