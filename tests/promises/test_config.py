"""config.toml as a proxy reads it: decided, lined up, and the key found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from promises.sending import asking, built_in, seen
from promises.tables import Promise, held

from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.rulings import RulingFiles
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.routing import Decision, decide
from ringlet_mitm.rules.settings_file import read_settings
from ringlet_mitm.rules.targets import Target, line_up
from ringlet_mitm.rules.tokens import Calibration, TokenBounds

CHAT = "https://api.openai.com/v1/chat/completions"


def target_of(folder: Path, promise: Promise) -> Target:
    """Where a request for the row's model goes by the row's config.toml."""
    home = home_of({"RINGLET_HOME": str(folder)})
    home.config.mkdir(parents=True, exist_ok=True)
    (home.config / "config.toml").write_text(promise["text"])
    ruling = RulingFiles(home, Profile(name="work"), promise.get("environ", {})).load()
    request = asking(CHAT, promise.get("asked", "gpt-5"))
    features = replace(seen(request).features, exact_tokens=10, token_bounds=TokenBounds(10, 10))
    decision = decide(ruling.book, features, Calibration())
    assert isinstance(decision, Decision)
    return line_up(decision.route, request, features, ruling.registry, ruling.pin)[0]


@held("config")
def test_a_key_of_config(promise: Promise, tmp_path: Path) -> None:
    target = target_of(tmp_path, promise)
    assert target.provider == promise["provider"]
    assert promise.get("model", target.model) == target.model
    if "url" in promise.data:
        endpoint = target.endpoint
        assert f"{endpoint.scheme}://{endpoint.host}{endpoint.path}" == promise["url"]


@held("config-key")
def test_an_api_key_of_config(promise: Promise, tmp_path: Path) -> None:
    target = target_of(tmp_path, promise)
    assert target.key_ref is not None
    environ = {**promise["environ"], "OPENROUTER_API_KEY_OF_ANOTHER": "no"}
    assert Vault(environ).get(target.key_ref, target.provider).reveal() == promise["key"]


@held("reliability")
def test_reliability_is_read(promise: Promise) -> None:
    environ = promise.get("environ", {})
    settings = read_settings(promise["text"], "config.toml", built_in(), environ)
    assert settings.reliability_line is not None or "model_fallbacks" in promise["text"]
    if "field" in promise.data:
        value = getattr(settings.reliability, promise["field"])
        assert plain(value) == promise["value"]
        assert (
            plain(getattr(read_settings("", "c", built_in(), {}).reliability, promise["field"])) == promise["default"]
        )


@held("reliability")
def test_keys_to_take_in_turn(promise: Promise, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(promise["text"])
    environ = promise.get("environ", {})
    refs = read_settings(promise["text"], str(file), built_in(), environ).reliability.api_keys
    assert [Vault(environ).get(ref, "openrouter").reveal() for ref in refs] == promise.get("keys", [])


@held("config-refused")
def test_what_other_programs_write_is_refused_with_a_remedy(promise: Promise) -> None:
    for text in promise["texts"]:
        with pytest.raises(ConfigError, match="default_provider"):
            read_settings(text, "config.toml", built_in(), {})


def plain(value: object) -> object:
    """As TOML has it."""
    if isinstance(value, tuple):
        return list(value)
    return {name: list(item) for name, item in value.items()} if isinstance(value, Mapping) else value
