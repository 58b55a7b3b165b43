"""What a connection is opened with: how long it waits, and what else it may try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ringlet_mitm.addons.credentials.store import store_of
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.opening import Opener
from ringlet_mitm.addons.wire.canonical import Conversation, Message, Role, Text
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.reliability import timeouts_at

HELLO = Conversation(model="", messages=(Message(Role.USER, (Text("hello"),)),))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "RINGLET_KEYRING": "0", "GROQ_API_KEY": "gsk_mine", "OPENAI_API_KEY": "sk-mine"}


def opened(environ: dict[str, str], name: str, config: str = "", profile: Profile | None = None) -> Exchange:
    """What a question would start with, after config.toml and the profile have had their say."""
    home = home_of(environ)
    if config:
        home.config_file.parent.mkdir(parents=True, exist_ok=True)
        home.config_file.write_text(config)
    if profile is not None:
        save_profile(home, profile)
    opener = Opener(home, environ, "connector", store_of(home, environ), ())
    connection = opener.open(name, None, None, None)
    try:
        return connection._lined_up(replace(HELLO, model=connection.model))
    finally:
        connection.close()


def chain(exchange: Exchange) -> list[str]:
    return [f"{target.provider}/{target.model}" for target in exchange.targets]


@pytest.mark.parametrize(
    ("provider", "said", "config", "seconds"),
    [
        ("ollama", None, "", 120),
        ("ollama", "300", "", 300),
        ("ollama", "0.5", "", 0.5),
        ("ollama", "soon", "", 120),
        ("ollama", "-1", "", 120),
        ("ollama", "", "", 120),
        ("groq", "300", "", 120),
        ("ollama", "300", "timeout_first_byte_ms = 7000", 7),
        ("groq", None, "timeout_first_byte_ms = 300000", 300),
        ("groq", None, "timeout_first_byte_ms = 0", 0),
    ],
)
def test_how_long_an_answer_may_take(
    environ: dict[str, str], provider: str, said: str | None, config: str, seconds: float
) -> None:
    there = environ if said is None else {**environ, "OLLAMA_HTTP_TIMEOUT": said}
    exchange = opened(there, f"{provider}/m", f"[reliability]\n{config}")
    (target,), turn = exchange.targets, exchange.turn
    assert turn is not None
    assert timeouts_at(turn.decision.policy, target).first_byte_ms == seconds * 1000


RELIABILITY = """
[reliability]
provider_retries = 7
fallback_providers = ["openai", "cloudflare", "groq"]
[reliability.model_fallbacks]
"llama-3.3" = ["groq/gemma", "openai/gpt-4o"]
"""


class TestWhatElseIsTried:
    def test_what_config_toml_says(self, environ: dict[str, str]) -> None:
        exchange = opened(environ, "groq/llama-3.3", RELIABILITY)
        default = ProviderRegistry.default().require("openai").default_model
        assert chain(exchange) == ["groq/llama-3.3", "groq/gemma", "openai/gpt-4o", f"openai/{default}"]
        assert exchange.turn is not None and exchange.turn.decision.policy.retries == 7
        assert "CLOUDFLARE_ACCOUNT_ID" in exchange.skipped[0]

    def test_what_its_profile_says_goes_first_but_nobody_asked_a_host(self, environ: dict[str, str]) -> None:
        profile = Profile(name="connector", fallback=("passthrough", "openai/gpt-5"), retries=1)
        exchange = opened(environ, "groq/m", RELIABILITY, profile)
        assert chain(exchange) == ["groq/m", "openai/gpt-5"]
        assert exchange.turn is not None and exchange.turn.decision.policy.retries == 1

    def test_a_profile_without_routing_is_left_alone(self, environ: dict[str, str]) -> None:
        profile = Profile(name="connector", proxy="none")
        assert chain(opened(environ, "groq/llama-3.3", RELIABILITY, profile)) == ["groq/llama-3.3"]

    def test_nothing_else_where_nobody_says_so(self, environ: dict[str, str]) -> None:
        assert chain(opened(environ, "groq/m")) == ["groq/m"]
