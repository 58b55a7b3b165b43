"""`[reliability]` obeyed: a real proxy with that config.toml, providers that fail, and what is written down of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from clients import KEYS, client
from faulty_runs import ask
from forking import ForkedProxy
from promises.tables import Promise, held

from ringlet_mitm.cli.demo.faults import Step, ok, status
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

HOSTS = {
    "anthropic": "api.anthropic.com",
    "openai": "api.openai.com",
    "groq": "api.groq.com",
    "gemini": "generativelanguage.googleapis.com",
}
TOO_LONG = {"error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "too long"}}
ATTEMPTS = """
    SELECT a.provider, a.status, a.key_label, a.wait_ms FROM attempts a JOIN requests r ON r.id = a.request_id
    ORDER BY r.id, a.number
"""


@pytest.fixture(scope="module")
def vendor() -> Iterator[FaultyVendor]:
    with FaultyVendor(dict.fromkeys(HOSTS.values(), "http/1.1")) as running:
        yield running


@held("reliable")
def test_it_is_obeyed(promise: Promise, vendor: FaultyVendor, tmp_path: Path) -> None:
    for provider, words in promise["steps"].items():
        vendor.script(HOSTS[provider], *map(step, words))
    home = home_of({"RINGLET_HOME": str(tmp_path)})
    save_profile(home, Profile(name="work"))
    home.config_file.write_text(promise["text"])
    keys = {**KEYS, **promise.get("environ", {})}
    with ForkedProxy(tmp_path, cast(Vendor, vendor), profile="work", keys=keys) as proxy:
        with client(proxy) as http:
            got = [
                ask(http, "messages", promise.get("asked", "claude-opus-4-8"), stream=True).status
                for _ in range(promise.get("times", 1))
            ]
        found: list[dict[str, Any]] = json.loads(proxy.run("usage", "--sql", ATTEMPTS, "--json"))
        proxy.kill()  # it would bring into the ledger what nobody reads any more
    assert got[-1] == promise["got"], found
    assert [f"{one['provider']} {one['status']}" for one in found] == promise["tried"]
    for (least, most), one in zip(promise.get("waits", []), found, strict=False):
        assert least <= one["wait_ms"] <= most, found
    if "labels" in promise.data:
        assert [label in one["key_label"] for label, one in zip(promise["labels"], found, strict=True)], found


def step(word: str) -> Step:
    """`ok`, a status, a status with the seconds of its Retry-After as in `429/1`, or `too-long`."""
    if word == "ok":
        return ok()
    if word == "too-long":
        return status(400, body=json.dumps(TOO_LONG).encode())
    code, _, seconds = word.partition("/")
    return status(int(code), headers={"retry-after": seconds} if seconds else None)
