"""What holds for all profiles, and what of it for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.policies import NOTHING_USUAL, PolicyKeys
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.routes import Route

MINE = 'name = "mine"\nshape = "openai"\nendpoint = "https://llm.example/v1"\n'
CONFIG = 'default_provider = "mine"\ndefault_model = "m"\napi_key = "${K}"\napi_url = "https://moved.example/v1"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = home_of({"RINGLET_HOME": str(tmp_path)})
    found.providers_dir.mkdir()
    (found.providers_dir / "mine.toml").write_text(MINE)
    found.config_file.write_text(CONFIG)
    return found


def test_each_is_read_against_the_other(home: Home) -> None:
    found = load_installation(home, {})
    assert found.settings.default_provider == "mine"
    assert found.registry.require("mine").default_base_url == "https://moved.example/v1"


@pytest.mark.parametrize("name", ["config.toml", "providers/mine.toml"])
def test_a_mistake_in_either_is_said(home: Home, name: str) -> None:
    (home.config / name).write_text("x = 1\n")
    with pytest.raises(ConfigError, match=rf"{Path(name).name}:1: x: unknown key"):
        load_installation(home, {})


@pytest.mark.parametrize(
    ("profile", "provider", "model"),
    [
        (Profile(), "mine", "m"),
        (Profile(model="mine-2"), "mine", "mine-2"),
        (Profile(proxy="none"), None, None),
    ],
    ids=["any", "with a model of its own", "that obeys no rules"],
)
def test_where_a_profiles_requests_go(home: Home, profile: Profile, provider: str | None, model: str | None) -> None:
    routing = load_installation(home, {}).routing_for(profile)
    assert (routing.default_provider, routing.default_model) == (provider, model)


def test_keys_hold_for_every_profile(home: Home) -> None:
    found = load_installation(home, {})
    for profile in (Profile(), Profile(proxy="none", key_env={"groq": "G"})):
        pin = found.pin_for(profile)
        assert (pin.keys, pin.shared_keys) == (profile.key_env, found.settings.keys)
        assert pin.further_keys == found.settings.further_keys


RELIABILITY = """
[reliability]
provider_retries = 7
api_keys = ["x"]
fallback_providers = ["groq"]
[reliability.model_fallbacks]
a = ["b"]
"""


def test_a_profile_that_obeys_no_rules_is_as_patient_but_goes_nowhere_else(home: Home) -> None:
    home.config_file.write_text(CONFIG + RELIABILITY)
    found = load_installation(home, {})
    obeying, free = Profile(), Profile(proxy="none")
    assert [found.pin_for(one).fallback_providers for one in (obeying, free)] == [("groq",), ()]
    assert [dict(found.pin_for(one).model_fallbacks) for one in (obeying, free)] == [{"a": ("b",)}, {}]
    assert [len(found.pin_for(one).further_keys["mine"]) for one in (obeying, free)] == [1, 1]
    assert [found.routing_for(one).reliability.provider_retries for one in (obeying, free)] == [7, 7]


def test_what_a_profile_says_for_all_its_rules(home: Home) -> None:
    found = load_installation(home, {})
    usual = found.usual_for(Profile(fallback=("claude", "groq/m", "passthrough"), retries=0))
    assert usual.fallback == (Route("anthropic"), Route("groq", "m"), Route())
    assert usual.patience == PolicyKeys(retries=0)
    assert found.usual_for(Profile()) == NOTHING_USUAL


def test_a_profiles_fallback_to_nobody_is_said(home: Home) -> None:
    said = "profiles/work/profile.toml: fallback: unknown provider 'opnai'; did you mean 'openai'?"
    with pytest.raises(ConfigError) as caught:
        load_installation(home, {}).usual_for(Profile(name="work", fallback=("opnai",)))
    assert str(caught.value) == said
