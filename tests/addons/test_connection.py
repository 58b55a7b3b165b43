"""The connector's own attempts: what it waits for, which keys and providers it goes on to, and what it says at the end.

Over real TLS, to a vendor that fails as it is told; only the waiting is not real.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringlet_mitm.addons.connector import Connector
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.cli.demo.faults import Step, error_first, garbage, ok, reset, status
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.rules.errors import NoKey, RouteError
from ringlet_mitm.rules.home import home_of

ANTHROPIC, GROQ, GEMINI = "api.anthropic.com", "api.groq.com", "generativelanguage.googleapis.com"
REFUSING = "api.mistral.ai"
CLAUDE = "anthropic/claude-haiku-4-5"
KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-usual",
    "GROQ_API_KEY": "gsk_mine",
    "GEMINI_API_KEY": "AIzaSy-mine",
    "MISTRAL_API_KEY": "mistral-mine",
    "KEY_1": "sk-ant-one",
    "KEY_2": "sk-ant-two",
}
LIMITED = status(429, headers={"retry-after": "3"})
TOO_LONG_BODY = b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}'
Attempts = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyVendor]:
    hosts = {ANTHROPIC: "http/1.1", GROQ: "http/1.1", GEMINI: "http/1.1"}
    with FaultyVendor(hosts, refusing=[REFUSING]) as vendor:  # type: ignore[arg-type]
        yield vendor


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Asked:
    """A connector whose config.toml says `config`; `slept` are the seconds that it waited."""

    def __init__(self, home: Path, cache: Path, vendor: FaultyVendor) -> None:
        self.environ = {"HOME": str(home), "XDG_CACHE_HOME": str(cache), "RINGLET_KEYRING": "0", **KEYS}
        self.environ["PATH"] = os.environ.get("PATH", "")
        self.slept: list[float] = []
        self._vendor = vendor

    def says(self, config: str = "", model: str = CLAUDE) -> str:
        file = home_of(self.environ).config_file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(config)
        options: dict[str, Any] = {"connect_to": self._vendor.connect_to, "upstream_ca": self._vendor.ca_file}
        with Connector(environ=self.environ, sleep=self.slept.append, **options) as connector:
            connector.connect_to_model(model)
            return connector.generate_response("hello")

    def fails(self, config: str = "", model: str = CLAUDE) -> str:
        with pytest.raises(RouteError) as raised:
            self.says(config, model)
        return str(raised.value)

    def rows(self, columns: str, table: str = "requests") -> Attempts:
        home = home_of(self.environ)
        with reading(home.database, home.spool_dir, views=()) as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY started_us").fetchall()

    @property
    def attempts(self) -> Attempts:
        return self.rows("number, provider, key_label, status, error_class", "attempts")


@pytest.fixture
def asked(tmp_path: Path, cache: Path, faulty: FaultyVendor) -> Asked:
    faulty.heard.clear()
    for host in (ANTHROPIC, GROQ, GEMINI):
        faulty.script(host, ok())
    return Asked(tmp_path, cache, faulty)


def said_by(model: str, host: str) -> str:
    return f"This is {model} at {host}. I have read your message and have nothing to add."


HAIKU = said_by("claude-haiku-4-5", ANTHROPIC)
LLAMA = said_by("llama-3.3-70b-versatile", GROQ)
TO_GROQ = '[reliability.model_fallbacks]\n"claude-haiku-4-5" = ["groq/llama-3.3-70b-versatile"]\n'


class TestTheSameAgain:
    def test_a_limit_is_waited_for_as_long_as_the_provider_says(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, LIMITED, ok())
        assert (asked.says(), asked.slept) == (HAIKU, [3.0])
        assert asked.attempts == [
            (1, "anthropic", "env:ANTHROPIC_API_KEY", 429, "rate-limited"),
            (2, "anthropic", "env:ANTHROPIC_API_KEY", 200, ""),
        ]
        assert asked.rows("wait_ms", "attempts") == [(0,), (3000,)]
        columns = "attempts, status, error_class, usage_source, input_tokens > 0, cost_total > 0, profile"
        assert asked.rows(columns) == [(2, 200, "", "reported", True, True, "connector")]

    @pytest.mark.parametrize(
        "step",
        [status(529), status(500), status(503), reset(), garbage(), reset(0), error_first()],
        ids=lambda step: step.name,
    )
    def test_whatever_may_pass_is_tried_again(self, asked: Asked, faulty: FaultyVendor, step: Step) -> None:
        faulty.script(ANTHROPIC, step, ok())
        assert asked.says("[reliability]\nprovider_backoff_ms = 800") == HAIKU
        assert all(0 < seconds <= 0.8 for seconds in asked.slept)
        assert len(asked.attempts) == 2

    def test_as_often_as_config_toml_says(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, status(529))
        told = asked.fails("[reliability]\nprovider_retries = 1")
        assert told.startswith("anthropic/claude-haiku-4-5 answered 529 (overloaded): ")
        assert told.endswith(", after 2 attempts")
        assert asked.rows("attempts, status, error_class") == [(2, 529, "overloaded")]

    @pytest.mark.parametrize("code", [400, 404, 401])
    def test_what_does_not_pass_is_said_at_once(self, asked: Asked, faulty: FaultyVendor, code: int) -> None:
        faulty.script(ANTHROPIC, status(code), ok())
        assert f"answered {code} (" in asked.fails()
        assert (asked.slept, len(asked.attempts)) == ([], 1)

    def test_a_limit_beyond_all_patience_is_said_at_once(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, status(429, headers={"retry-after": "3600"}), ok())
        assert "answered 429 (rate-limited)" in asked.fails()
        assert asked.slept == []


class TestOtherKeys:
    CONFIG = 'default_provider = "anthropic"\n[reliability]\napi_keys = ["${KEY_1}", "${KEY_2}"]\n'

    def test_are_taken_in_turn_without_a_wait(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, LIMITED, status(401), ok())
        assert (asked.says(self.CONFIG), asked.slept) == (HAIKU, [])
        sent = [heard.header("x-api-key") for heard in faulty.at(ANTHROPIC)]
        assert sent == [KEYS["ANTHROPIC_API_KEY"], KEYS["KEY_1"], KEYS["KEY_2"]]
        assert [(row[3], row[4]) for row in asked.attempts] == [(429, "rate-limited"), (401, "auth"), (200, "")]
        labels = [row[2] for row in asked.attempts]
        assert len(set(labels)) == 3 and not any(key in repr(labels) for key in KEYS.values())

    def test_one_given_in_the_call_is_another_account(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, status(401))
        assert asked.fails(self.CONFIG)
        assert len(faulty.at(ANTHROPIC)) == 3
        faulty.heard.clear()
        options: dict[str, Any] = {"connect_to": faulty.connect_to, "upstream_ca": faulty.ca_file}
        with Connector(environ=asked.environ, **options) as connector, pytest.raises(RouteError):
            connector.connect_to_model(CLAUDE, api_key="sk-ant-given")
            connector.generate_response("hello")
        assert [heard.header("x-api-key") for heard in faulty.at(ANTHROPIC)] == ["sk-ant-given"]


class TestOtherProviders:
    def test_a_models_fallback_in_another_format(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, status(529))
        assert asked.says(f"[reliability]\nprovider_retries = 0\n{TO_GROQ}") == LLAMA
        assert asked.slept == []
        assert [(row[1], row[3]) for row in asked.attempts] == [("anthropic", 529), ("groq", 200)]
        columns = "provider, routed_model, requested_model, provider_format, attempts, note"
        assert asked.rows(columns) == [("groq", "llama-3.3-70b-versatile", "claude-haiku-4-5", "openai-chat", 2, "")]
        assert not any(key in str(heard.headers) for heard in faulty.at(GROQ) for key in (KEYS["ANTHROPIC_API_KEY"],))

    def test_a_provider_that_is_down(self, asked: Asked) -> None:
        config = '[reliability]\nprovider_retries = 0\nfallback_providers = ["gemini", "groq"]\n'
        assert "at generativelanguage.googleapis.com" in asked.says(config, "mistral/mistral-small-latest")
        assert asked.attempts[0] == (1, "mistral", "env:MISTRAL_API_KEY", None, "unreachable")

    def test_one_without_a_key_is_passed_over_and_has_its_row(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, status(529))
        config = '[reliability]\nprovider_retries = 0\nfallback_providers = ["cloudflare", "openai", "groq"]\n'
        assert f"at {GROQ}" in asked.says(config)
        assert [(row[1], row[4]) for row in asked.attempts] == [
            ("anthropic", "overloaded"), ("openai", "not-sent"), ("groq", ""),
        ]  # fmt: skip
        ((note,),) = asked.rows("note")
        assert note.startswith("left out: provider 'cloudflare' needs CLOUDFLARE_ACCOUNT_ID")

    def test_a_request_that_was_too_long_goes_only_to_what_takes_more(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, status(400, body=TOO_LONG_BODY))
        others = ["groq/llama-3.3-70b-versatile", "gemini/gemini-2.5-pro"]
        config = f'[reliability.model_fallbacks]\n"claude-haiku-4-5" = {others}\n'
        assert asked.says(config) == said_by("gemini-2.5-pro", GEMINI)
        assert [(row[1], row[4]) for row in asked.attempts] == [("anthropic", "context-window"), ("gemini", "")]

    def test_when_all_have_failed_the_last_ones_words_are_given(self, asked: Asked, faulty: FaultyVendor) -> None:
        faulty.script(ANTHROPIC, status(529))
        faulty.script(
            GROQ, status(503, body=b'{"error":{"message":"come back tomorrow, sk-proj-abcdefghijklmnopqrst"}}')
        )
        told = asked.fails(f"[reliability]\nprovider_retries = 0\n{TO_GROQ}")
        assert told.startswith("groq/llama-3.3-70b-versatile answered 503 (overloaded): come back tomorrow, ")
        assert told.endswith("after 2 attempts; also tried: anthropic/claude-haiku-4-5 (overloaded)")
        assert "abcdefghij" not in told
        assert asked.rows("provider, attempts, status, error_class, usage_source") == [
            ("groq", 2, 503, "overloaded", "none")
        ]

    def test_the_first_needs_its_key_whatever_follows(self, asked: Asked) -> None:
        del asked.environ["ANTHROPIC_API_KEY"]
        with pytest.raises(NoKey):
            asked.says(TO_GROQ)


def test_a_fallback_waits_as_long_as_its_own_provider_is_given(asked: Asked, faulty: FaultyVendor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked.environ |= {
            "OLLAMA_HOST": f"http://127.0.0.1:{silent.getsockname()[1]}", "OLLAMA_HTTP_TIMEOUT": "0.2"
        }  # fmt: skip
        faulty.script(ANTHROPIC, status(529))
        told = asked.fails('[reliability]\nprovider_retries = 0\nfallback_providers = ["ollama"]\n')
    assert "did not answer within 0.2 s, after 2 attempts; also tried: anthropic/" in told
    assert asked.rows("provider, status, error_class") == [("ollama", None, "timed-out")]


def test_a_wait_may_be_broken_off_and_the_row_is_true(asked: Asked, faulty: FaultyVendor) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    faulty.script(ANTHROPIC, LIMITED, ok())
    options: dict[str, Any] = {"connect_to": faulty.connect_to, "upstream_ca": faulty.ca_file}
    with Connector(environ=asked.environ, sleep=interrupted, **options) as connector:
        connector.connect_to_model(CLAUDE)
        with pytest.raises(KeyboardInterrupt):
            connector.generate_response("hello")
    assert asked.rows("attempts, status, error_class, usage_source") == [(1, 429, "rate-limited", "none")]
