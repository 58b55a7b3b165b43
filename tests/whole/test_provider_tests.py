"""`providers test` through a real proxy in a process: what works, and each thing that can be wrong, in words."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from local_servers import OLLAMA_TAGS, LocalServer, closed_port

from ringlet_mitm.addons.trying import Ask, Batch, Trouble, tried
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.cli.demo.certificates import server_context
from ringlet_mitm.cli.demo.stage import LEFT_OUT
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.cli.providers import command
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.home import Home, home_of

KEY = "gsk_of-the-person-abcdefghijklmnop"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices are read from the library once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in list(os.environ):
        if name in LEFT_OUT or name.endswith(("_API_KEY", "_BASE_URL", "_HOST")) or name.startswith(("XDG_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("RINGLET_HOME", raising=False)
    there = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache), "RINGLET_KEYRING": "0"}
    for name, value in there.items():
        monkeypatch.setenv(name, value)
    return home_of(os.environ)


def call(*words: str) -> Result:
    done = CliRunner().invoke(command, ("test", *words), catch_exceptions=False)
    assert KEY not in done.output
    return done


def one(*words: str) -> dict[str, Any]:
    """The one result, as JSON."""
    done = call(*words, "--json")
    (found,) = json.loads(done.stdout)["tested"]
    assert isinstance(found, dict)
    assert done.exit_code == (0 if found["works"] else 1)
    return found


def led_to(vendor: Vendor) -> list[str]:
    return [
        *(word for detour in vendor.connect_to for word in ("--connect-to", detour)),
        "--upstream-ca",
        str(vendor.ca_file),
    ]


def test_one_that_works(home: Home, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real path: signed with the person's key, in the provider's format, in the ledger."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    done = call("Groq", *led_to(vendor))
    assert done.exit_code == 0
    assert re.fullmatch(
        r"ok    groq  openai/gpt-oss-120b: first byte \d+ ms, whole \d+ ms, \d+ tokens in, \d+ out, <?\$0.0001, "
        r"key env:GROQ_API_KEY\n",
        done.output,
    )
    seen = vendor.seen[-1]
    assert (seen.host, seen.path) == ("api.groq.com", "/openai/v1/chat/completions")
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    body = json.loads(seen.body)
    assert len(seen.body) < 400 and 16 <= (body.get("max_completion_tokens") or body["max_tokens"]) <= 64
    with reading(home.database, home.spool_dir, views=()) as connection:
        rows = connection.execute("SELECT profile, rule, provider, routed_model, status FROM requests").fetchall()
    assert rows == [("providers-test", "model-equals → groq", "groq", "openai/gpt-oss-120b", 200)]


@pytest.mark.parametrize(
    ("environ", "said"),
    [({}, "neither HOME nor RINGLET_HOME is set"), ({"RINGLET_HOME": "{tmp}"}, "unknown provider 'grooq'")],
    ids=["no home", "no such provider"],
)
def test_where_no_proxy_can_be_started_that_is_said(tmp_path: Path, environ: dict[str, str], said: str) -> None:
    there = {name: value.format(tmp=tmp_path) for name, value in environ.items()}
    (found,) = tried(Batch([Ask("grooq", "m", 1.0)]), there)
    assert (found.trouble, said in found.said) == (Trouble.NOT_SENT, True)


def test_known_beforehand_nothing_is_sent(home: Home) -> None:
    assert (
        one("mistral")["what"] == "no key; set one:  export MISTRAL_API_KEY=…  or  ringlet-mitm providers login mistral"
    )
    assert one("copilot")["what"] == "no key; set one:  ringlet-mitm providers login copilot"
    assert one("cloudflare")["what"] == "needs CLOUDFLARE_ACCOUNT_ID; set:  export CLOUDFLARE_ACCOUNT_ID=…"
    assert not home.database.exists() and not home.spool_dir.exists()


def test_a_local_server_that_is_not_running(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    monkeypatch.setenv("OLLAMA_HOST", url)
    found = one("ollama")
    assert (found["trouble"], found["what"]) == (
        "nothing-listens",
        f"it is not running at {url}; start it with:  ollama serve  or say where:  export OLLAMA_HOST=URL",
    )


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    url = f"http://127.0.0.1:{closed_port()}"
    for name in ("VLLM", "SGLANG", "TGI", "MLX", "LLAMACPP", "OPENAI_COMPATIBLE", "LMSTUDIO"):
        monkeypatch.setenv(f"{name}_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("OLLAMA_HOST", url)
    yield


OLLAMA_LINE = {
    "model": "gpt-oss:120b",
    "created_at": "2026-11-21T10:00:00Z",
    "message": {"role": "assistant", "content": "OK"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 9,
    "eval_count": 2,
}
CONFIGURED = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GROQ_API_KEY", "XAI_API_KEY", "CLOUDFLARE_API_TOKEN")


def test_all_that_are_configured(
    home: Home, tmp_path: Path, vendor: Vendor, nothing_runs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One works, one is not there, one has a strange certificate, one is deaf, and one runs on this machine."""
    for name in CONFIGURED:
        monkeypatch.setenv(name, KEY)
    context, _ = server_context(tmp_path, ["api.groq.com"])
    pages = {"/api/tags": OLLAMA_TAGS, "/api/chat": json.dumps(OLLAMA_LINE).encode() + b"\n"}
    with (
        LocalServer(pages) as ollama,
        LocalServer({}, context=context) as strange,
        socket.create_server(("127.0.0.1", 0)) as deaf,
    ):
        monkeypatch.setenv("OLLAMA_HOST", ollama.url)
        elsewhere = {
            "api.openai.com": f"127.0.0.1:{closed_port()}",
            "api.groq.com": f"127.0.0.1:{strange.port}",
            "api.x.ai": f"127.0.0.1:{deaf.getsockname()[1]}",
            "api.anthropic.com": f"127.0.0.1:{vendor.port}",
        }
        detours = [word for host, to in elsewhere.items() for word in ("--connect-to", f"{host}:443:{to}")]
        done = call("--all", "--json", "--timeout", "3", *detours, "--upstream-ca", str(vendor.ca_file))
    said = json.loads(done.stdout)
    tested = {row["provider"]: row for row in said["tested"]}
    assert {name: row["trouble"] for name, row in tested.items()} == {
        "anthropic": None,
        "groq": "tls",
        "ollama": None,
        "openai": "nothing-listens",
        "xai": "timed-out",
    }
    assert done.exit_code == 1
    assert (tested["ollama"]["model"], tested["ollama"]["format"]) == ("gpt-oss:120b", "ollama")
    assert (tested["ollama"]["input-tokens"], tested["ollama"]["output-tokens"]) == (9, 2)
    assert Decimal(tested["anthropic"]["cost-usd"]) > 0
    assert "--upstream-ca FILE" in tested["groq"]["what"]
    skipped = {row["provider"]: row["why"] for row in said["skipped"]}
    assert skipped["cloudflare"] == "needs CLOUDFLARE_ACCOUNT_ID"
    assert {skipped[name] for name in ("gemini", "opencode", "bedrock", "vertex", "copilot")} == {"no key"}
    assert {skipped[name] for name in ("vllm", "lmstudio", "tgi")} == {"not running"}


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ((), UsageError, "say which"),
        (("groq", "--all"), UsageError, "say which"),
        (("--all", "--model", "m"), UsageError, "--model is for one provider"),
        (("grooq",), ConfigError, "did you mean 'groq'"),
        (("groq", "--connect-to", "x"), UsageError, "HOST:PORT:TO_HOST:TO_PORT"),
    ],
)
def test_words_that_do_not_fit(home: Home, words: tuple[str, ...], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call(*words)


def test_nothing_is_configured(home: Home, nothing_runs: None) -> None:
    with pytest.raises(UsageError, match="ringlet-mitm providers login NAME"):
        call("--all")
