"""`providers` from the command line: list, show and discover."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from local_servers import SERVERS, LocalServer, closed_port

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.cli.providers import command
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home, home_of

SECRET = "gsk_abcdefghijklmnopqrstuvwxyz"
LOCAL = ("VLLM", "SGLANG", "TGI", "MLX", "LLAMACPP", "OPENAI_COMPATIBLE", "LMSTUDIO")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL", "_API_BASE", "_HOST")) or name.startswith(("AWS_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    monkeypatch.setenv("RINGLET_KEYRING", "0")
    monkeypatch.setenv("HOME", str(tmp_path))
    return home_of(os.environ)


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    for name in LOCAL:
        monkeypatch.setenv(f"{name}_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("OLLAMA_HOST", url)


def call(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert SECRET not in done.output
    return done.output


def row(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(f"{name} "))


def fact(output: str, name: str) -> str:
    return row(output, name)[len(name) :].strip()


def write_own(home: Home, text: str) -> Path:
    home.providers_dir.mkdir(parents=True, exist_ok=True)
    file = home.providers_dir / "mine.toml"
    file.write_text(text)
    return file


def test_the_list_says_where_keys_come_from_and_never_the_key(home: Home) -> None:
    LoginStore(home).save("mistral", Login("key", Secret("the-key-of-mistral")))
    shown = call("list")
    assert "env:GROQ_API_KEY" in row(shown, "groq")
    assert "login: file" in row(shown, "mistral")
    assert "not set: ANTHROPIC_API_KEY or providers login anthropic" in row(shown, "anthropic")
    assert "not set: AWS_BEARER_TOKEN_BEDROCK or aws configure" in row(shown, "bedrock")
    assert "not set: gcloud auth application-default login" in row(shown, "vertex")
    assert "none needed" in row(shown, "ollama")
    assert "none needed for its free models" in row(shown, "opencode")
    assert "chat, responses" in row(shown, "groq")
    assert "the-key-of-mistral" not in shown


def test_configured_ones_come_first_then_local_ones(home: Home) -> None:
    lines = call("list").splitlines()
    places = {
        name: next(i for i, line in enumerate(lines) if line.startswith(f"{name} "))
        for name in ("groq", "ollama", "alibaba")
    }
    assert places["groq"] < places["ollama"] < places["alibaba"]
    assert lines[1] == "CONFIGURED: 1"


def test_no_line_is_too_long_to_read(home: Home) -> None:
    assert max(map(len, call("list").splitlines())) <= 200


def test_the_second_variable_counts_as_well(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "AIza" + "x" * 35)
    assert "env:GOOGLE_API_KEY" in row(call("list"), "gemini")


def test_credentials_of_clouds_are_found(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    assert "env:AWS_ACCESS_KEY_ID" in row(call("list"), "bedrock")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    Path(os.environ["HOME"], ".aws").mkdir()
    Path(os.environ["HOME"], ".aws", "credentials").write_text("[default]\n")
    assert "aws: profile default" in row(call("list"), "bedrock")


def test_a_key_from_config_toml(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_TOGETHER", "tgp_v1_abc")
    (home.config / "config.toml").write_text('default_provider = "together"\napi_key = "${KEY_OF_TOGETHER}"\n')
    assert "config.toml:api_key" in row(call("list"), "together")


def test_a_key_of_another_vendor_is_noted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ant-api03-abcdefghijkl")
    notes = [line for line in call("list").splitlines() if line.startswith("note: openai")]
    assert len(notes) == 1 and "ANTHROPIC_API_KEY" in notes[0] and "abcdefgh" not in notes[0]


def test_only_some(home: Home) -> None:
    local = {item["name"] for item in json.loads(call("list", "--local", "--json"))}
    assert {"ollama", "lmstudio", "vllm", "sglang", "tgi", "mlx", "llama-cpp"} <= local and "groq" not in local
    configured = {item["name"] for item in json.loads(call("list", "--configured", "--json"))}
    assert configured == {"groq"} | local


def test_own_providers_are_in_the_list_with_their_file(home: Home) -> None:
    file = write_own(home, 'name = "lan"\nshape = "openai"\nendpoint = "http://192.168.1.50:8000/v1"')
    shown = row(call("list"), "lan")
    assert "http://192.168.1.50:8000/v1" in shown
    assert "none needed" in shown
    assert str(file) in shown


def test_json_has_the_same(home: Home) -> None:
    shown = {item["name"]: item for item in json.loads(call("list", "--json"))}
    assert (shown["groq"]["key-set"], shown["openai"]["key-set"]) == (True, False)
    assert (shown["groq"]["key-from"], shown["groq"]["configured"]) == ("env:GROQ_API_KEY", True)
    assert shown["openai"]["urls"]["openai-responses"] == "https://api.openai.com/v1/responses"
    assert shown["cloudflare"]["lacking"] == ["CLOUDFLARE_ACCOUNT_ID"]
    assert len(shown) >= 50


def test_show(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "https://proxy.example.com/v1")
    shown = call("show", "GPT")
    assert fact(shown, "name") == "openai  (OpenAI, US Labs)"
    assert fact(shown, "endpoint") == "https://proxy.example.com/v1"
    assert fact(shown, "set it with") == "OPENAI_API_BASE (set)"
    assert fact(shown, "auth") == "the key as a bearer token (authorization)"
    assert fact(shown, "key variable") == "OPENAI_API_KEY (not set)"
    assert (
        "https://proxy.example.com/v1/responses" in shown and "https://proxy.example.com/v1/chat/completions" in shown
    )
    assert "gpt-5.2-codex" in fact(shown, "models")
    assert fact(shown, "from") == "built in"


def test_show_says_how_to_start_a_server_and_its_time_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HTTP_TIMEOUT", "300")
    shown = call("show", "local-ollama")
    assert (fact(shown, "start"), fact(shown, "time-out")) == ("ollama serve", "OLLAMA_HTTP_TIMEOUT (set)")


@pytest.mark.parametrize(
    ("name", "provider"), [("Claude", "anthropic"), ("KIMI", "moonshot"), ("dashscope", "alibaba")]
)
def test_show_takes_an_alias(home: Home, name: str, provider: str) -> None:
    assert json.loads(call("show", name, "--json"))["name"] == provider


def test_show_takes_a_url(home: Home) -> None:
    shown = call("show", "custom:http://localhost:9999/v1")
    assert "http://localhost:9999/v1/chat/completions" in shown
    assert fact(shown, "key").startswith("none needed")


def test_show_says_what_an_endpoint_lacks(home: Home) -> None:
    assert (
        fact(call("show", "cloudflare"), "lacking")
        == "needs CLOUDFLARE_ACCOUNT_ID; set:  export CLOUDFLARE_ACCOUNT_ID=…"
    )


def test_show_suggests_the_nearest_name(home: Home) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'groq'\?"):
        call("show", "grooq")


def test_a_broken_file_is_named_with_its_line(home: Home) -> None:
    write_own(home, 'name = "x"\nshap = "openai"')
    with pytest.raises(ConfigError, match=r"mine.toml:2: shap: unknown key; did you mean 'shape'\?"):
        call("list")


def test_discover(home: Home, nothing_runs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "opencode"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with LocalServer(SERVERS["lmstudio"]) as lmstudio, LocalServer(SERVERS["llama-cpp"]) as llama:
        monkeypatch.setenv("LMSTUDIO_BASE_URL", f"{lmstudio.url}/v1")
        monkeypatch.setenv("VLLM_BASE_URL", f"{llama.url}/v1")
        shown = call("discover", "--timeout", "2")
        found = json.loads(call("discover", "--timeout", "2", "--json"))
    assert "qwen/qwen3-coder-30b" in row(shown, "lmstudio")
    assert f"note: llama-cpp is not where it usually is; say so:  export LLAMACPP_BASE_URL={llama.url}/v1" in shown
    assert 'to = "llama-cpp/gemma-4-E4B"' in shown
    assert "without a key opencode has: glm-4.7-free" in shown
    assert "opencode acp" in row(shown, "OpenCode")
    assert {server["provider"]: server["to"] for server in found["servers"]} == {
        "lmstudio": "lmstudio/qwen/qwen3-coder-30b",
        "llama-cpp": "llama-cpp/gemma-4-E4B",
    }
    assert found["agents"][0]["program"] == str(program)


def test_discover_says_how_to_start_a_server_where_none_runs(home: Home, nothing_runs: None) -> None:
    shown = call("discover")
    assert "no model server answers on this machine; start one:" in shown
    assert "  ollama serve" in shown


def test_with_its_key_opencode_is_one_like_others(
    home: Home, nothing_runs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCODE_API_KEY", "key")
    assert json.loads(call("discover", "--json"))["free"] == {}
