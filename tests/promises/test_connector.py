"""Every provider from Python: connecting, asking, looking around, counting."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import requires
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from clients import StartProxy, client, messages_body, post_messages
from every_vendor import EveryVendor
from promises.sending import built_in
from promises.tables import Promise, held

from ringlet_mitm.addons.connector import Connector, LLMConnector
from ringlet_mitm.addons.discovery import discover
from ringlet_mitm.addons.opening import TIMEOUT_MS
from ringlet_mitm.addons.usage.spool import all_files
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.providers import registry

# What the local servers say of themselves, by their own documents (accessed 2026-11-21).
SERVERS: dict[str, dict[str, Any]] = {
    "tgi": {
        "/info": {
            "model_id": "meta-llama/Llama-3.1-8B-Instruct",
            "version": "3.3.5",
            "router": "text-generation-router",
        },
        "/v1/models": {
            "object": "list",
            "data": [
                {
                    "id": "meta-llama/Llama-3.1-8B-Instruct",
                    "object": "model",
                    "created": 0,
                    "owned_by": "meta-llama/Llama-3.1-8B-Instruct",
                }
            ],
        },
    },
    "mlx": {
        "/health": {"status": "ok"},
        "/v1/models": {
            "object": "list",
            "data": [{"id": "mlx-community/Llama-3.2-3B-Instruct-4bit", "object": "model", "created": 1763700000}],
        },
    },
    "llama-cpp": {
        "/props": {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 1, "model_path": "m.gguf"},
        "/health": {"status": "ok"},
        "/v1/models": {"object": "list", "data": [{"id": "m.gguf", "object": "model", "owned_by": "llamacpp"}]},
    },
    "vllm": {
        "/version": {"version": "0.11.0"},
        "/v1/models": {
            "object": "list",
            "data": [{"id": "Qwen/Qwen2.5-7B-Instruct", "object": "model", "owned_by": "vllm", "root": "Qwen"}],
        },
    },
    "openai-compatible": {
        "/v1/models": {"object": "list", "data": [{"id": "my-model", "object": "model", "owned_by": "me"}]}
    },
}


@pytest.fixture
def environ(home_folder: Path, vendor: EveryVendor) -> dict[str, str]:
    local = f"http://127.0.0.1:{vendor.plain_port}"
    return {
        "RINGLET_HOME": str(home_folder),
        "RINGLET_KEYRING": "0",
        "PATH": os.defpath,
        "OLLAMA_HOST": local,
        "OPENAI_COMPATIBLE_BASE_URL": f"{local}/v1",
        "ANTHROPIC_API_KEY": "sk-ant-api03-of-the-connector",
        "OPENAI_API_KEY": "sk-of-the-connector-abcdef",
        "OPENROUTER_API_KEY": "sk-or-v1-of-the-connector",
    }


@pytest.fixture
def connector(environ: dict[str, str], vendor: EveryVendor) -> Iterator[Connector]:
    vendor.pages["/api/tags"] = {"models": [{"name": name, "model": name} for name in ("gpt-oss:120b", "gpt-oss:20b")]}
    with Connector(environ=environ, connect_to=vendor.connect_to, upstream_ca=vendor.ca_file) as made:
        yield made


@held("module")
def test_modules(promise: Promise) -> None:
    assert hasattr(import_module(promise["module"]), promise["name"])


@held("connector-made")
def test_made_with_a_config_manager(promise: Promise, tmp_path: Path) -> None:
    assert LLMConnector is Connector
    with LLMConnector(config_manager=object(), environ={"RINGLET_HOME": str(tmp_path)}) as made:
        assert made.get_connection_status()["connected"] is False


@held("connect")
def test_connecting(promise: Promise, connector: Connector, vendor: EveryVendor) -> None:
    assert list(signature(Connector.connect_to_model).parameters)[1:] == [
        "model_name",
        "model_type",
        "api_key",
        "base_url",
    ]
    for number, (model, kind, *more) in enumerate(promise["calls"]):
        key, base = [*more, "", ""][:2]
        if base:
            base = f"http://127.0.0.1:{vendor.plain_port}/v1"
        assert connector.connect_to_model(model, kind or None, key or None, base or None) is True
        status = connector.get_connection_status()
        expected = promise.get("providers", [kind] * 9)[number]
        assert (status["connected"], status["provider"]) == (True, expected)
        assert promise.get("model", status["model"]) == status["model"]


@held("connector-disconnect")
def test_disconnecting(promise: Promise, connector: Connector) -> None:
    connector.connect_to_model("anthropic/claude-sonnet-4-5")
    connector.disconnect()
    assert connector.get_connection_status()["connected"] is False
    with pytest.raises(RingletError, match="connect_to_model"):
        connector.generate_response("hello")


@held("connector-generate")
def test_generating(promise: Promise, connector: Connector, vendor: EveryVendor) -> None:
    connector.connect_to_model("anthropic/claude-sonnet-4-5")
    said = connector.generate_response("hello", system_prompt="Be short.", context="The sky is blue.")
    assert "This is claude-sonnet-4-5 at api.anthropic.com" in said
    body = json.loads(vendor.seen[-1].body)
    assert "Be short." in json.dumps(body["system"])
    assert all(words in json.dumps(body["messages"]) for words in ("hello", "The sky is blue."))
    assert vendor.seen[-1].headers["x-api-key"] == "sk-ant-api03-of-the-connector"


@held("connector-generate-with")
def test_generating_with_another_model(promise: Promise, connector: Connector) -> None:
    connector.connect_to_model("anthropic/claude-sonnet-4-5")
    assert "This is gpt-5-mini at api.openai.com" in connector.generate_response_with_model(
        "hello", "openai/gpt-5-mini"
    )
    assert connector.get_connection_status()["model"] == "claude-sonnet-4-5"


@held("ollama-tags")
def test_ollamas_models(promise: Promise, connector: Connector, vendor: EveryVendor) -> None:
    vendor.pages["/api/tags"] = {"models": [{"name": name} for name in promise["models"]]}
    assert connector.list_available_ollama_models() == promise["models"]
    assert [seen.path for seen in vendor.seen] == ["/api/tags"]


@held("connector-discover")
def test_local_servers(promise: Promise, connector: Connector, vendor: EveryVendor) -> None:
    (found,) = (one for one in connector.discover_local_providers(timeout=2) if one["provider"] == "ollama")
    assert found["models"] == ["gpt-oss:120b", "gpt-oss:20b"]
    assert found["base_url"] == f"http://127.0.0.1:{vendor.plain_port}"


@held("connector-agents")
def test_agents(promise: Promise, environ: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy("/bin/true", folder / "opencode")
    with Connector(environ={**environ, "PATH": str(folder)}) as made:
        (found,) = made.discover_acp_agents(timeout=1)
    assert (found["agent_id"], found["program"]) == ("opencode", str(folder / "opencode"))
    assert "acp" in found["command"]


@held("connector-examples")
def test_example_models(promise: Promise, connector: Connector) -> None:
    assert connector.list_provider_example_models(promise["provider"], limit=promise["limit"]) == promise["models"]


@held("connector-status")
def test_status(promise: Promise, connector: Connector) -> None:
    connector.connect_to_model("claude-sonnet-4-5", "claude")
    status = connector.get_connection_status()
    assert (status["provider"], status["model"], status["connection_type"]) == (
        "anthropic",
        "claude-sonnet-4-5",
        "byok",
    )
    assert "sk-ant" not in repr(status)


@held("connector-providers")
def test_supported_providers(promise: Promise, connector: Connector) -> None:
    found = {row["provider_id"]: row for row in connector.get_supported_providers()}
    assert found.keys() == {spec.provider_id for spec in built_in().list_providers()}
    assert (found["anthropic"]["configured"], found["anthropic"]["key_source"]) == (True, "env:ANTHROPIC_API_KEY")
    assert (found["groq"]["configured"], found["groq"]["api_key_env_vars"]) == (False, ["GROQ_API_KEY"])
    assert "CLOUDFLARE_ACCOUNT_ID" in found["cloudflare"]["missing_variables"]
    assert "sk-" not in repr(found)


def asked_thrice(connector: Connector) -> None:
    connector.connect_to_model("anthropic/claude-sonnet-4-5-20250929")
    connector.generate_response("hello")
    connector.generate_response("hello again")
    connector.generate_response_with_model("hello", "qwen2.5-coder:7b", model_type="ollama")


@held("connector-summary")
def test_summary(promise: Promise, connector: Connector) -> None:
    asked_thrice(connector)
    summary = connector.get_usage_summary()
    assert summary.keys() == {"totals", "by_model", "last_call"}
    assert summary["totals"]["total_calls"] == 3
    models = {"anthropic/claude-sonnet-4-5-20250929": 2, "ollama/qwen2.5-coder:7b": 1}
    assert {name: found["calls"] for name, found in summary["by_model"].items()} == models
    for key in ("prompt_tokens", "completion_tokens"):
        assert summary["totals"][key] == sum(found[key] for found in summary["by_model"].values()) > 0
    assert summary["last_call"]["model"] == "ollama/qwen2.5-coder:7b"
    assert summary["last_call"]["timestamp"].startswith("20")


@held("connector-snapshot")
def test_snapshot(promise: Promise, connector: Connector) -> None:
    assert connector.usage_snapshot() == {"total_calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
    asked_thrice(connector)
    assert connector.usage_snapshot()["total_calls"] == 3


@held("connector-delta")
def test_delta(promise: Promise, connector: Connector) -> None:
    asked_thrice(connector)
    before = connector.usage_snapshot()
    connector.generate_response("once more")
    delta = Connector.usage_delta(before, connector.usage_snapshot())
    assert delta.keys() == {"total_calls", "prompt_tokens", "completion_tokens"}
    assert delta["total_calls"] == 1
    assert delta["prompt_tokens"] > 0 < delta["completion_tokens"]


@held("connector-counts")
def test_calls_leave_rows_in_the_ledger(promise: Promise, connector: Connector, tmp_path: Path) -> None:
    asked_thrice(connector)
    spooled = b"".join(path.read_bytes() for path in all_files(tmp_path / "state" / "spool"))
    assert spooled.count(b"claude-sonnet-4-5-20250929") >= 2
    assert b"sk-ant-api03" not in spooled


@held("no-sdk")
def test_no_sdk_is_needed(promise: Promise) -> None:
    needed = [line for line in requires("ringlet-mitm") or () if "extra ==" not in line]
    assert not [line for line in needed for name in promise["names"] if line.lower().startswith(name)]


@held("no-server")
def test_a_server_that_does_not_run(promise: Promise, environ: dict[str, str]) -> None:
    with Connector(environ={**environ, promise["variable"]: "http://127.0.0.1:9"}) as made:
        assert made.connect_to_model("llama3.2", promise["provider"]) is False
        assert "does not answer at http://127.0.0.1:9" in made.get_connection_status()["problem"]


@held("told-apart")
def test_servers_of_one_port_are_told_apart(promise: Promise, vendor: EveryVendor) -> None:
    for names in promise["ports"].values():
        variables = [built_in().require(name).base_url_env_var for name in names]
        there = registry({}, {str(name): f"http://127.0.0.1:{vendor.plain_port}/v1" for name in variables})
        for name in names:
            vendor.pages.clear()
            vendor.pages.update(SERVERS[name])
            found = [one for one in asyncio.run(discover(there, 2)) if str(vendor.plain_port) in one.base_url]
            assert [one.spec.provider_id for one in found] == [name]
            assert found[0].models == (SERVERS[name]["/v1/models"]["data"][0]["id"],)


@held("metered")
def test_tokens_are_counted_here(promise: Promise, environ: dict[str, str], vendor: EveryVendor) -> None:
    """OpenRouter's address led to the stand-in, its tokens as it reports them."""
    base = f"http://127.0.0.1:{vendor.plain_port}/v1"
    with Connector(environ=environ) as made:
        made.connect_to_model("openrouter/meta-llama/llama-3.3-70b-instruct", base_url=base)
        made.generate_response("hello")
        summary = made.get_usage_summary()
    (found,) = summary["by_model"].values()
    assert found["prompt_tokens"] > 0 < found["completion_tokens"]
    assert summary["last_call"]["usage_source"] == "reported"


@held("timeout")
def test_a_server_that_does_not_answer_in_time(
    promise: Promise, environ: dict[str, str], start_proxy: StartProxy
) -> None:
    """The connector and the proxy alike give up; without the variable a connector does after a while."""
    assert built_in().require(promise["provider"]).timeout_env == promise["variable"]
    rules = f'[default]\nto = "{promise["provider"]}/llama3.2"\nretries = 0\n'
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        slow = {"OLLAMA_HOST": place, promise["variable"]: "0.2"}
        made = Connector(environ={**environ, **slow}, sleep=lambda _: None)
        with made, pytest.raises(RingletError, match=r"did not answer within 0\.2 s"):
            made.generate_response_with_model("hello", "llama3.2", model_type=promise["provider"])
        with client(start_proxy(rules, keys=slow)) as agent:
            asked = time.monotonic()
            came = post_messages(agent, messages_body())
        seconds = time.monotonic() - asked
    assert came.status_code >= 500 and "did not answer in time" in came.json()["error"]["message"]
    assert seconds < 5
    assert promise["default"] * 1000 == TIMEOUT_MS
