"""Models and prices that change while a proxy runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from clients import KEYS, StartProxy, client, messages_body, post_messages, rows

from ringlet_mitm.cli.demo.upstream import HOSTS, Vendor

TO_THE_BOX = '[[rule]]\nmatch = { has-system-prompt = true }\nto = "my-model"\n'


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
    return holds()


def test_a_model_is_added_routed_to_and_free_without_a_restart(start_proxy: StartProxy) -> None:
    with Vendor(hosts=(*HOSTS, "box.example")) as vendor:
        proxy = start_proxy("", vendor=vendor, keys={**KEYS, "BOX_KEY": "box-of-the-proxy-1a2b"})
        words = (
            "--base-url",
            "https://box.example/v1",
            "--key-env",
            "BOX_KEY",
            "--input-price",
            "0",
            "--output-price",
            "0",
        )
        proxy.run("models", "add", "--id", "my-model", "--provider", "custom", *words)
        (proxy.home / "profiles" / "work" / "routing.toml").write_text(TO_THE_BOX)
        with client(proxy) as http:

            def arrived() -> bool:
                post_messages(http, messages_body(system="s"))
                return vendor.seen[-1].host == "box.example"

            assert within(3, arrived)
        seen = vendor.seen[-1]
        assert seen.path == "/v1/chat/completions"
        assert json.loads(seen.body)["model"] == "my-model"
        assert seen.headers["authorization"] == "Bearer box-of-the-proxy-1a2b"
        assert "x-api-key" not in seen.headers
        last = rows(proxy, "provider, routed_model, cost_total, price_source")[-1]
        assert last == {"provider": "my-model", "routed_model": "my-model", "cost_total": 0, "price_source": "user"}


def test_newer_prices_are_taken_while_it_runs(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = start_proxy("")
    models = [{"id": "m", "match": {"equals": "claude-opus-4-8"}, "prices": {"input_mtok": 1000, "output_mtok": 2000}}]
    file = tmp_path / "data.json"
    file.write_text(json.dumps([{"id": "anthropic", "models": models}]))
    with client(proxy) as http:
        post_messages(http, messages_body())
        proxy.run("models", "update", "--from", str(file))
        assert within(3, lambda: any("reloaded" in line for line in proxy.said))
        post_messages(http, messages_body())
    before, after = rows(proxy, "cost_total, price_source")
    assert before["price_source"].startswith("genai-prices")
    assert after["price_source"].startswith("price update ")
    assert after["cost_total"] > 50 * before["cost_total"]
