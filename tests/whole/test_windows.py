"""A conversation that is too long for its model goes on at one that takes more, and nowhere else."""

from __future__ import annotations

import json
from typing import cast

from clients import KEYS, StartProxy, client
from faulty_runs import ask, ledger

from ringlet_mitm.cli.demo.faults import status
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.upstream import Vendor

ANTHROPIC, GROQ, GEMINI = "api.anthropic.com", "api.groq.com", "generativelanguage.googleapis.com"
TOO_LONG = {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}
WORDS = json.dumps({"type": "error", "error": TOO_LONG}).encode()
# 200k; then 128k, a provider without its variable, 1M; and the same without the last.
RULES = """
[[rule]]
match = { model-equals = "goes-on" }
to = "anthropic/claude-haiku-4-5"
fallback = ["groq/llama-3.3-70b-versatile", "cloudflare/x", "gemini/gemini-2.5-pro"]

[[rule]]
match = { model-equals = "nowhere-to-go" }
to = "anthropic/claude-haiku-4-5"
fallback = ["groq/llama-3.3-70b-versatile", "cloudflare/x"]
"""


REFUSED = ("anthropic", 400, "context-window")
TRIED = {"goes-on": [REFUSED, ("gemini", 200, "")], "nowhere-to-go": [REFUSED]}


def test_only_what_takes_more_is_tried(start_proxy: StartProxy) -> None:
    with FaultyVendor({ANTHROPIC: "http/1.1", GROQ: "http/1.1", GEMINI: "http/1.1"}) as vendor:
        vendor.script(ANTHROPIC, status(400, body=WORDS))
        proxy = start_proxy(RULES, keys=KEYS, vendor=cast(Vendor, vendor))
        with client(proxy) as agent:
            came = {model: ask(agent, "messages", model, stream=True).verdict for model in TRIED}
        found = ledger(proxy)
        assert vendor.at(GROQ) == []
    assert {model: verdict.kind for model, verdict in came.items()} == {"goes-on": "right", "nowhere-to-go": "error"}
    assert "prompt is too long" in came["nowhere-to-go"].text
    for model, tried in TRIED.items():
        assert [(row["provider"], row["status"], row["error_class"]) for row in found.attempts[model]] == tried
        (row,) = found.requests[model]
        assert row["note"].startswith("left out: provider 'cloudflare' needs CLOUDFLARE_ACCOUNT_ID")
