"""Two machines' proxies with one store, and what a scraper reads of one of them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from clients import KEYS, client, messages_body, post_messages
from forking import ForkedProxy
from prometheus_client.parser import text_string_to_metric_families

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile


def started(folder: Path, store: Path, vendor: Vendor) -> RunningProxy:
    home = home_of({"RINGLET_HOME": str(folder)})
    save_profile(home, Profile(name="work"))
    home.config_file.write_text(f'[ledger]\ntarget = "{store}"\n')
    return ForkedProxy(folder, vendor, profile="work", keys=KEYS)


def total(proxy: RunningProxy) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(proxy.run("usage", "--json"))["total"]
    return found


def test_two_machines(tmp_path: Path, vendor: Vendor) -> None:
    store = tmp_path / "store"
    store.mkdir()
    with ExitStack() as stack:
        one, two = (stack.enter_context(started(tmp_path / name, store, vendor)) for name in ("one", "two"))
        for proxy, requests in ((one, 2), (two, 3)):
            with client(proxy) as http:
                for _ in range(requests):
                    assert post_messages(http, messages_body()).status_code == 200
        page = httpx.get(f"http://127.0.0.1:{one.port}/metrics")
        assert two.stop() == 0
        assert total(one)["requests"] == 5
        assert one.stop() == 0
    assert total(two)["requests"] == 5
    assert total(two)["known_cost_usd"] == total(one)["known_cost_usd"]
    assert not list((tmp_path / "one").glob("state/spool/*.jsonl"))
    found = {
        (sample.name, sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }
    assert found["ringlet_requests_total", "200"] == 2
    assert found["ringlet_in_flight", None] == 0
