"""config.toml in a running proxy: routes by model name, whose key is on the wire, another endpoint, and edits of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from clients import AGENT_KEY, StartProxy, client, messages_body, post_messages

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Seen, Vendor

REFERENCE = Path(__file__).parents[2] / "fixtures" / "config" / "good" / "reference-routing.toml"
KEYS = {
    "OPENROUTER_API_KEY": "sk-or-of-the-page-1111",
    "OPENROUTER_KEY": "sk-or-of-the-block-2222",
    "ANTHROPIC_KEY": "sk-ant-of-the-route-3333",
    "ANTHROPIC_API_KEY": "sk-ant-of-nobody-4444",
    "WORK_KEY": "sk-ant-of-work-5555",
    "HOME_KEY": "sk-ant-of-home-6666",
    "KEY_1": "sk-or-first-7777",
    "KEY_2": "sk-or-second-8888",
}
DEFAULT_MODEL = "anthropic/claude-sonnet-4.6"


@pytest.fixture
def start(start_proxy: StartProxy, tmp_path: Path) -> Callable[..., RunningProxy]:
    """`start(config, rules)`: a proxy in a home with this config.toml."""

    def started(config: str, rules: str = "", **options: Any) -> RunningProxy:
        file = tmp_path / "config.toml"
        file.write_text(config)
        file.chmod(options.pop("mode", 0o600))
        return start_proxy(rules, keys=KEYS, **options)

    return started


def chat(http: httpx.Client, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": "Bearer sk-of-the-agent"}
    return http.post("https://api.openai.com/v1/chat/completions", json=body, headers=headers)


def claude(http: httpx.Client, model: str) -> httpx.Response:
    return post_messages(http, messages_body().replace(b"claude-opus-4-8", model.encode()))


def arrived(seen: Seen) -> tuple[str, str, str]:
    """Host, model and key of a request."""
    key = seen.headers.get("x-api-key") or seen.headers["authorization"].removeprefix("Bearer ")
    return seen.host, json.loads(seen.body)["model"], key


def key_labels(proxy: RunningProxy) -> list[tuple[str, str]]:
    """Rule and key of every request, as the ledger has them."""
    query = "SELECT rule, key_label FROM requests JOIN attempts ON request_id = id ORDER BY requests.started_us"
    return [(row["rule"], row["key_label"]) for row in json.loads(proxy.run("usage", "--sql", query, "--json"))]


def within_a_second(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 1
    while time.monotonic() < end:
        if holds():
            return True
    return holds()


@pytest.mark.parametrize("variable", ["OPENROUTER_API_KEY", "OPENROUTER_KEY"])
def test_the_reference_example(start: Callable[..., RunningProxy], vendor: Vendor, variable: str) -> None:
    """X-012: the page spells the variable in two ways; it is the person's, so either does."""
    proxy = start(REFERENCE.read_text().replace("${OPENROUTER_KEY}", f"${{{variable}}}"))
    assert "profile 'work': no rules, 1 model route, default → openrouter" in proxy.said[0]
    with client(proxy) as http:
        assert claude(http, "claude-opus-4-8").status_code == 200
        assert arrived(vendor.seen[-1]) == ("api.anthropic.com", "claude-opus-4-8", KEYS["ANTHROPIC_KEY"])
        assert chat(http, "gpt-5").status_code == 200
        assert arrived(vendor.seen[-1]) == ("openrouter.ai", DEFAULT_MODEL, KEYS[variable])
    assert AGENT_KEY not in str([list(seen.headers.get_all()) for seen in vendor.seen[-2:]])
    assert key_labels(proxy) == [
        ("model-route claude- → anthropic", "config.toml:model_routes.0.api_key"),
        ("default → openrouter", "config.toml:api_key"),
    ]
    assert not any("sk-" in line for line in proxy.said)
    health = httpx.get(f"{proxy.url}/health").json()
    assert (health["rules"], health["default"]) == (["model-route claude- → anthropic"], "default → openrouter")


ACCOUNTS = """
[[model_routes]]
hint = "claude-opus-"
provider = "anthropic"
api_key = "${WORK_KEY}"

[[model_routes]]
hint = "claude-"
provider = "anthropic"
model = "claude-haiku-4-5"
api_key = "sk-ant-of-home-6666"
"""
RULE = '[[rule]]\nmatch = { model-equals = "claude-sonnet-4-5" }\nto = "passthrough"\n'


def test_two_accounts_of_one_provider_and_what_is_told_of_them(
    start: Callable[..., RunningProxy], vendor: Vendor
) -> None:
    proxy = start(ACCOUNTS, RULE, mode=0o644)
    sent = []
    with client(proxy) as http:
        for model in ("claude-opus-4-8", "claude-sonnet-5", "claude-sonnet-4-5", "gpt-5"):
            assert claude(http, model).status_code in (200, 404)
            sent.append(arrived(vendor.seen[-1]))
    assert sent == [
        ("api.anthropic.com", "claude-opus-4-8", KEYS["WORK_KEY"]),
        ("api.anthropic.com", "claude-haiku-4-5", KEYS["HOME_KEY"]),
        ("api.anthropic.com", "claude-sonnet-4-5", AGENT_KEY),
        ("api.anthropic.com", "gpt-5", AGENT_KEY),
    ]
    assert key_labels(proxy) == [
        ("model-route claude-opus- → anthropic", "config.toml:model_routes.0.api_key"),
        ("model-route claude- → anthropic", "config.toml:model_routes.1.api_key"),
        ("model-equals → passthrough", "agent"),
        ("default → passthrough", "agent"),
    ]
    warned = [line for line in proxy.said if "chmod 600" in line]
    assert [line.startswith("warning: ") and "others on this machine may read it" in line for line in warned] == [True]
    assert KEYS["HOME_KEY"] not in "".join(proxy.said)


MOVED = 'default_provider = "{provider}"\napi_key = "${{OPENROUTER_KEY}}"\n'


def test_another_endpoint_and_edits_while_it_runs(start: Callable[..., RunningProxy], vendor: Vendor) -> None:
    proxy = start(MOVED.format(provider="openrouter") + 'api_url = "https://example.com/llm/v1"\n')
    file = proxy.home / "config.toml"
    with client(proxy) as http:

        def goes() -> tuple[str, str, str, str]:
            assert chat(http, "openai/gpt-5").status_code == 200
            return (*arrived(vendor.seen[-1]), vendor.seen[-1].path)

        ours = KEYS["OPENROUTER_KEY"]
        at_gateway = ("example.com", "openai/gpt-5", ours, "/llm/v1/chat/completions")
        assert goes() == at_gateway
        # A provider by its URL: the key goes to that place and no other.
        file.write_text(MOVED.format(provider="custom:https://api.x.ai/v1"))
        assert within_a_second(lambda: goes() == ("api.x.ai", "openai/gpt-5", ours, "/v1/chat/completions"))
        # A broken edit with another provider's key in the same place: the old key stays with the old rules.
        file.write_text('default_provider = "grooq"\napi_key = "${WORK_KEY}"\n')
        assert within_a_second(lambda: any("grooq" in line for line in proxy.said))
        assert f"{file}:1: default_provider: unknown provider 'grooq'; did you mean 'groq'?" in "".join(proxy.said)
        assert goes()[:3] == ("api.x.ai", "openai/gpt-5", ours)
        file.write_text(MOVED.format(provider="groq").replace("OPENROUTER_KEY", "KEY_1"))
        assert within_a_second(lambda: goes()[::2] == ("api.groq.com", KEYS["KEY_1"]))
        file.unlink()
        assert within_a_second(lambda: goes()[::2] == ("api.openai.com", "sk-of-the-agent"))
    assert not any(seen.headers.get("authorization", "").endswith(KEYS["WORK_KEY"]) for seen in vendor.seen), (
        "a key of an edit that never was in force"
    )
