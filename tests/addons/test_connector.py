"""The Python API: connected, asked and counted, over real TLS to stand-in vendors under their real host names."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_servers import OLLAMA_TAGS, SERVERS, LocalServer, closed_port

from ringlet_mitm.addons.connector import Connector, LLMConnector
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.cli.demo.certificates import server_context
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.errors import ConfigError, NoKey, RingletError, RouteError, UsageError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-api03-of-the-connector",
    "OPENAI_API_KEY": "sk-proj-of-the-connector",
    "GEMINI_API_KEY": "AIzaSy-of-the-connector",
    "GROQ_API_KEY": "gsk_of-the-connector",
    "MINIMAX_API_KEY": "mm-of-the-connector",
}
BEDROCK = "bedrock-runtime.us-east-1.amazonaws.com"
NOVA = "us.amazon.nova-pro-v1:0"
CONVERSE_REPLY = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello from Nova."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 5, "totalTokens": 16},
    "metrics": {"latencyMs": 300},
}
OLLAMA_REPLY = {
    "model": "qwen2.5-coder:7b",
    "created_at": "2026-11-21T10:00:00Z",
    "message": {"role": "assistant", "content": "Hello from here."},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 26,
    "eval_count": 9,
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices are read from the library once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environ(tmp_path: Path, cache: Path) -> dict[str, str]:
    there = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache), "PATH": os.environ.get("PATH", "")}
    return {**there, "RINGLET_KEYRING": "0", **KEYS}


@pytest.fixture
def connector(environ: dict[str, str], vendor: Vendor) -> Iterator[Connector]:
    with Connector(environ=environ, connect_to=vendor.connect_to, upstream_ca=vendor.ca_file) as found:
        yield found


def at_once(_seconds: float) -> None:
    """Waits for nothing before another attempt."""


def recorded(environ: dict[str, str], columns: str) -> list[tuple[Any, ...]]:
    home = home_of(environ)
    with reading(home.database, home.spool_dir, views=()) as connection:
        return connection.execute(f"SELECT {columns} FROM requests ORDER BY started_us").fetchall()


@pytest.mark.parametrize(
    ("name", "host", "path", "header", "value"),
    [
        ("anthropic/claude-haiku-4-5", "api.anthropic.com", "/v1/messages", "x-api-key", KEYS["ANTHROPIC_API_KEY"]),
        ("openai/gpt-5-nano", "api.openai.com", "/v1/responses", "authorization", f"Bearer {KEYS['OPENAI_API_KEY']}"),
        (
            "gemini/gemini-2.5-flash",
            "generativelanguage.googleapis.com",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "x-goog-api-key",
            KEYS["GEMINI_API_KEY"],
        ),
        (
            "groq/llama-3.3-70b-versatile",
            "api.groq.com",
            "/openai/v1/chat/completions",
            "authorization",
            f"Bearer {KEYS['GROQ_API_KEY']}",
        ),
        (
            "minimax/MiniMax-M3",
            "api.minimax.io",
            "/anthropic/v1/messages",
            "authorization",
            f"Bearer {KEYS['MINIMAX_API_KEY']}",
        ),
    ],
    ids=["anthropic", "openai", "gemini", "groq", "minimax"],
)
def test_a_model_is_asked_at_its_vendor(
    connector: Connector,
    environ: dict[str, str],
    vendor: Vendor,
    name: str,
    host: str,
    path: str,
    header: str,
    value: str,
) -> None:
    assert connector.connect_to_model(name) is True
    said = connector.generate_response("Why is the sky blue?", "Be brief.", context="It is noon.")
    seen, model = vendor.seen[-1], name.partition("/")[2]
    assert said == f"This is {model} at {host}. I have read your message and have nothing to add."
    assert (seen.host, seen.path, seen.headers.get_list(header)) == (host, path, [value])
    assert all(text in seen.body for text in (b"Why is the sky blue?", b"Be brief.", b"It is noon."))
    assert other_keys(value, seen.headers) == []
    columns = "profile, provider, routed_model, usage_source, status, error_class, input_tokens > 0, cost_total > 0"
    assert recorded(environ, columns) == [("connector", name.partition("/")[0], model, "reported", 200, "", True, True)]


def other_keys(value: str, headers: Any) -> list[str]:
    """Keys of ours in a request, but for the one that belongs there."""
    text = str(list(headers.get_all())).replace(value, "")
    return [key for key in KEYS.values() if key in text]


def test_the_three_ways_to_name_a_provider(connector: Connector) -> None:
    for words in (
        {"model_name": "claude-sonnet-4-5-20250929", "model_type": "anthropic"},
        {"model_name": "anthropic/claude-sonnet-4-5-20250929"},
        {"model_name": "claude-sonnet-4-5-20250929", "model_type": "CLAUDE"},
    ):
        assert connector.connect_to_model(**words)
        status = connector.get_connection_status()
        assert (status["provider"], status["model"]) == ("anthropic", "claude-sonnet-4-5-20250929")


def test_a_provider_alone_means_its_default_model(connector: Connector) -> None:
    assert connector.connect_to_model("groq")
    assert connector.get_connection_status()["model"] == "openai/gpt-oss-120b"


def test_a_name_without_a_provider_is_asked_back(connector: Connector) -> None:
    with pytest.raises(ConfigError, match="write anthropic/claude-sonnet-4-5, or model_type='anthropic'"):
        connector.connect_to_model("claude-sonnet-4-5")
    with pytest.raises(ConfigError, match="did you mean 'groq'"):
        connector.connect_to_model("llama-3.3", model_type="groc")


def test_the_default_provider_of_config_toml(environ: dict[str, str], connector: Connector) -> None:
    home_of(environ).config.mkdir(parents=True)
    (home_of(environ).config / "config.toml").write_text('default_provider = "groq"\n')
    assert connector.connect_to_model("llama-3.3-70b-versatile")
    assert connector.get_connection_status()["model_id"] == "groq/llama-3.3-70b-versatile"


def test_without_a_key_nothing_is_sent(environ: dict[str, str], vendor: Vendor) -> None:
    before = len(vendor.seen)
    bare = {name: value for name, value in environ.items() if name != "GROQ_API_KEY"}
    with Connector(environ=bare) as connector, pytest.raises(NoKey, match="GROQ_API_KEY"):
        connector.connect_to_model("groq/llama-3.3-70b-versatile")
    assert len(vendor.seen) == before


def test_a_key_given_in_the_call_is_the_one_that_travels(connector: Connector, vendor: Vendor) -> None:
    assert connector.connect_to_model("groq/llama-3.1-8b-instant", api_key="gsk_given-in-the-call")
    connector.generate_response("hi")
    assert vendor.seen[-1].headers["authorization"] == "Bearer gsk_given-in-the-call"
    assert "given-in-the-call" not in repr(connector.get_connection_status())


def test_the_profiles_own_key(environ: dict[str, str], vendor: Vendor) -> None:
    save_profile(home_of(environ), Profile("work", key_env={"groq": "GROQ_KEY_OF_WORK"}))
    options: dict[str, Any] = {"connect_to": vendor.connect_to, "upstream_ca": vendor.ca_file, "profile": "work"}
    with Connector(environ={**environ, "GROQ_KEY_OF_WORK": "gsk_of-work"}, **options) as connector:
        connector.generate_response_with_model("hi", "groq/llama-3.1-8b-instant")
    assert vendor.seen[-1].headers["authorization"] == "Bearer gsk_of-work"
    assert recorded(environ, "profile") == [("work",)]


def test_a_key_of_another_vendor_is_a_warning_before_anything_is_sent(
    connector: Connector, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        connector.connect_to_model("openai/gpt-5-nano", api_key=KEYS["ANTHROPIC_API_KEY"])
    assert "is a key of Anthropic" in caplog.text
    assert KEYS["ANTHROPIC_API_KEY"] not in caplog.text


def test_a_base_url_without_a_provider_is_a_server_like_openais(environ: dict[str, str]) -> None:
    reply = {
        "model": "mine",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    with LocalServer({"/v1/chat/completions": reply}) as server, Connector(environ=environ) as connector:
        connector.connect_to_model("mine", base_url=f"{server.url}/v1")
        assert connector.generate_response("hi") == "Hello."
    assert connector.get_usage_summary()["totals"]["prompt_tokens"] == 3
    assert "authorization" not in server.seen[-1].headers


def test_ollama_in_its_own_format(environ: dict[str, str]) -> None:
    pages = {"/api/tags": OLLAMA_TAGS, "/api/chat": OLLAMA_REPLY}
    with LocalServer(pages) as server, Connector(environ={**environ, "OLLAMA_HOST": server.url}) as connector:
        assert connector.list_available_ollama_models() == ["gpt-oss:120b", "qwen2.5-coder:7b"]
        assert connector.connect_to_model("ollama/qwen2.5-coder:7b")
        said = connector.generate_response("hi")
        used = connector.usage_snapshot()
    assert (said, server.seen[-1].path) == ("Hello from here.", "/api/chat")
    assert used == {"total_calls": 1, "prompt_tokens": 26, "completion_tokens": 9}


def test_a_local_server_that_does_not_run_is_false_and_the_status_says_why(environ: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    with Connector(environ={**environ, "OLLAMA_HOST": url}) as connector:
        assert connector.connect_to_model("qwen3:8b", "ollama") is False
        status = connector.get_connection_status()
        assert connector.list_available_ollama_models() == []
    assert (status["connected"], status["problem"]) == (False, f"ollama does not answer at {url}")


@pytest.fixture
def bedrock(tmp_path: Path) -> Iterator[tuple[LocalServer, Path]]:
    folder = tmp_path / "certificates"
    folder.mkdir()
    context, ca_file = server_context(folder, [BEDROCK])
    path = f"/model/{NOVA}/converse"
    with LocalServer({path: CONVERSE_REPLY, path.replace(":", "%3A"): CONVERSE_REPLY}, context=context) as server:
        yield server, ca_file


@pytest.mark.parametrize(
    ("keys", "begins"),
    [
        ({"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-of-mine"}, "Bearer bedrock-api-key-of-mine"),
        (
            {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/EXAMPLEKEY"},
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/",
        ),
    ],
    ids=["API key", "IAM keys"],
)
def test_bedrock(
    environ: dict[str, str],
    bedrock: tuple[LocalServer, Path],
    monkeypatch: pytest.MonkeyPatch,
    keys: dict[str, str],
    begins: str,
) -> None:
    server, ca_file = bedrock
    for name, value in keys.items():
        monkeypatch.setenv(name, value)  # botocore reads the process's own variables
    options: dict[str, Any] = {"connect_to": [f"{BEDROCK}:443:127.0.0.1:{server.port}"], "upstream_ca": ca_file}
    with Connector(environ={**environ, **keys}, **options) as connector:
        assert connector.connect_to_model(f"bedrock/{NOVA}")
        assert connector.generate_response("hi", "Be brief.") == "Hello from Nova."
        assert connector.usage_snapshot() == {"total_calls": 1, "prompt_tokens": 11, "completion_tokens": 5}
    seen = server.seen[-1]
    assert seen.headers["authorization"].startswith(begins)
    assert (seen.headers["host"], json.loads(seen.body)["system"][0]) == (BEDROCK, {"text": "Be brief."})
    assert recorded(environ, "provider, provider_format, usage_source") == [("bedrock", "bedrock-converse", "reported")]


def test_usage_adds_up_and_deltas(connector: Connector) -> None:
    connector.connect_to_model("anthropic/claude-haiku-4-5")
    connector.generate_response("one")
    before = connector.usage_snapshot()
    connector.generate_response("two")
    connector.generate_response_with_model("three", "groq/llama-3.1-8b-instant")
    used = Connector.usage_delta(before, connector.usage_snapshot())
    summary = connector.get_usage_summary()
    assert used["total_calls"] == 2 and used["prompt_tokens"] > 0 < used["completion_tokens"]
    assert {name: found["calls"] for name, found in summary["by_model"].items()} == {
        "anthropic/claude-haiku-4-5": 2,
        "groq/llama-3.1-8b-instant": 1,
    }
    assert summary["totals"]["total_calls"] == 3
    for kind in ("prompt_tokens", "completion_tokens", "cost_usd"):
        assert summary["totals"][kind] == sum(found[kind] for found in summary["by_model"].values())
    assert summary["last_call"]["model"] == "groq/llama-3.1-8b-instant"
    assert connector.get_connection_status()["model"] == "claude-haiku-4-5"


def test_tokens_that_nobody_reports_are_estimated_and_marked(environ: dict[str, str]) -> None:
    reply = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]}
    with LocalServer({"/v1/chat/completions": reply}) as server, Connector(environ=environ) as connector:
        connector.connect_to_model("mine", model_type=f"custom:{server.url}/v1")
        connector.generate_response("What is this?")
    last = connector.get_usage_summary()["last_call"]
    assert (last["usage_source"], last["estimated_calls"]) == ("estimated", 1)
    assert last["prompt_tokens"] > 0 < last["completion_tokens"]


@pytest.mark.parametrize(
    ("pages", "status", "words"),
    [
        (
            {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}},
            404,
            "404 (no-such-model): The model",
        ),
        (
            {
                "error": {
                    "message": "Incorrect API key provided: sk-proj-abcdefghijklmnopqrst",
                    "code": "invalid_api_key",
                }
            },
            401,
            "(auth)",
        ),
        ({"error": {"message": "no credit", "type": "insufficient_quota"}}, 429, "(quota)"),
        (b"<html><body>Bad gateway</body></html>", 502, "502 (unreachable)"),
        (b"hello", 200, "the answer makes no sense"),
    ],
    ids=["model", "key", "quota", "a web page", "no JSON"],
)
def test_what_a_provider_says_is_kept_without_keys(
    environ: dict[str, str], pages: Any, status: int, words: str
) -> None:
    pages_of = {"/v1/chat/completions": pages}
    with LocalServer(pages_of, status=status) as server, Connector(environ=environ, sleep=at_once) as connector:
        connector.connect_to_model("x", model_type=f"custom:{server.url}/v1")
        with pytest.raises(RouteError) as raised:
            connector.generate_response("hi")
    assert words in str(raised.value)
    assert "abcdefghijklmnop" not in str(raised.value)
    assert recorded(environ, "error_class <> ''") == [(True,)]
    assert connector.usage_snapshot()["total_calls"] == 0


def test_a_server_that_is_gone(environ: dict[str, str]) -> None:
    with Connector(environ=environ, sleep=at_once) as connector:
        connector.connect_to_model("x", model_type=f"custom:http://127.0.0.1:{closed_port()}/v1")
        with pytest.raises(RouteError, match="cannot be reached"):
            connector.generate_response("hi")
    assert recorded(environ, "error_class, status") == [("unreachable", None)]


def test_it_works_inside_a_running_loop(connector: Connector) -> None:
    async def notebook() -> str:
        connector.connect_to_model("anthropic/claude-haiku-4-5")
        return connector.generate_response("hi")

    assert asyncio.run(notebook()).startswith("This is claude-haiku-4-5")


def test_a_conversation_so_far(connector: Connector, vendor: Vendor) -> None:
    connector.connect_to_model("groq/llama-3.1-8b-instant")
    turns = [{"role": "user", "content": "My name is Ada."}, {"role": "assistant", "content": "Hello Ada."}]
    connector.generate_response("What is my name?", context=turns, max_tokens=50, temperature=0.5)
    body = json.loads(vendor.seen[-1].body)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["temperature"] == 0.5
    with pytest.raises(UsageError, match="'role'"):
        connector.generate_response("hi", context=[{"role": "robot", "content": "x"}])


def test_not_connected(connector: Connector) -> None:
    with pytest.raises(UsageError, match="connect_to_model"):
        connector.generate_response("hi")
    connector.connect_to_model("anthropic/claude-haiku-4-5")
    connector.disconnect()
    assert connector.get_connection_status()["connected"] is False


def test_providers_with_what_is_set_for_them(connector: Connector) -> None:
    found = {row["provider_id"]: row for row in connector.get_supported_providers()}
    assert found["groq"]["configured"] and found["groq"]["key_source"] == "env:GROQ_API_KEY"
    assert not found["mistral"]["configured"]
    assert found["cloudflare"]["missing_variables"] == ["CLOUDFLARE_ACCOUNT_ID"]
    assert not any(key in repr(found) for key in KEYS.values())


def test_example_models_are_the_curated_ones(connector: Connector) -> None:
    assert connector.list_provider_example_models("claude", limit=2) == ["claude-opus-4-6", "claude-opus-4-5-20251101"]


def test_without_its_key_opencode_offers_free_models_only(environ: dict[str, str]) -> None:
    own = home_of(environ).providers_dir
    own.mkdir(parents=True)
    (own / "opencode.toml").write_text(
        'name = "opencode"\nexample-models = ["big-pickle", "claude-opus-4-6", "x-free"]'
    )
    with Connector(environ=environ) as connector:
        assert connector.list_provider_example_models("opencode") == ["big-pickle", "x-free"]
    with Connector(environ={**environ, "OPENCODE_API_KEY": "key"}) as connector:
        assert connector.list_provider_example_models("opencode-zen", 2) == ["big-pickle", "claude-opus-4-6"]


def test_local_servers_and_agents_are_found(environ: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "bin" / "opencode"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    port = closed_port()
    with LocalServer(SERVERS["lmstudio"]) as server:
        there = {"LMSTUDIO_BASE_URL": f"{server.url}/v1", "OLLAMA_HOST": f"127.0.0.1:{port}"}
        with Connector(environ={**environ, **there, "PATH": str(program.parent)}) as connector:
            found = {row["provider"]: row for row in connector.discover_local_providers(timeout=1)}
            agents = connector.discover_acp_agents()
    assert found["lmstudio"]["to"] == "lmstudio/qwen/qwen3-coder-30b"
    assert [(agent["agent_id"], agent["command"]) for agent in agents] == [("opencode", ("opencode", "acp"))]


def test_the_other_name_and_its_constructor(environ: dict[str, str]) -> None:
    with LLMConnector(config_manager=object(), environ=environ) as connector:
        assert isinstance(connector, Connector)
    assert issubclass(RouteError, RingletError)
