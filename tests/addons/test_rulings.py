from __future__ import annotations

from pathlib import Path

import pytest

from ringlet_mitm.addons.rulings import RulingFiles
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.routes import Route

RULE = '[[rule]]\nmatch = { tool-use = true }\nto = "groq"\n'
MINE = 'name = "mine"\nshape = "openai"\nendpoint = "https://llm.example/v1"\nkey-env = "MINE_KEY"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = home_of({"RINGLET_HOME": str(tmp_path)})
    found.providers_dir.mkdir(parents=True)
    found.profile_dir("work").mkdir(parents=True)
    return found


def write(home: Home, text: str) -> Path:
    path = home.routing_file("work")
    path.write_text(text)
    return path


def files(home: Home, **options: object) -> RulingFiles:
    return RulingFiles(home, Profile(name="work", **options), {})  # type: ignore[arg-type]


def test_rules_and_own_providers_are_read(home: Home) -> None:
    write(home, RULE.replace("groq", "mine"))
    (home.providers_dir / "mine.toml").write_text(MINE)
    ruling = files(home).load()
    assert [rule.route.provider for rule in ruling.book.rules] == ["mine"]
    assert ruling.registry.require("mine").key_ref is not None


def test_without_a_file_there_are_no_rules(home: Home) -> None:
    assert files(home).load().book.rules == ()


def test_a_profile_that_ignores_rules_does_not_read_them(home: Home) -> None:
    write(home, "not toml at all")
    assert files(home, proxy="none").load().book.rules == ()


def test_a_profiles_provider_takes_what_no_rule_takes(home: Home) -> None:
    ruling = files(home, provider="groq", model="llama").load()
    assert ruling.book.default.route.provider == "groq"
    assert (ruling.pin and ruling.pin.provider, ruling.pin and ruling.pin.model) == ("groq", "llama")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[rule]]\nmatch = { tool-usee = true }\nto = "groq"\n', r"routing\.toml:2: .*did you mean 'tool-use'\?"),
        ("[[rule]\n", r"routing\.toml:1: is not TOML"),
    ],
    ids=["a misspelt condition", "not TOML"],
)
def test_a_mistake_says_file_line_and_key(home: Home, text: str, said: str) -> None:
    write(home, text)
    with pytest.raises(ConfigError, match=said):
        files(home).load()


def test_a_mistake_in_a_provider_file_says_which(home: Home) -> None:
    (home.providers_dir / "mine.toml").write_text(MINE.replace("https", "ftp"))
    with pytest.raises(ConfigError, match=r"mine\.toml:3: endpoint"):
        files(home).load()


@pytest.mark.parametrize("where", ["routing", "provider"])
def test_bytes_that_are_no_text_are_said_with_their_file(home: Home, where: str) -> None:
    path = home.routing_file("work") if where == "routing" else home.providers_dir / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=rf"{path.name}: cannot be read"):
        files(home).load()


def test_a_folder_in_the_files_place_is_said(home: Home) -> None:
    home.routing_file("work").mkdir()
    with pytest.raises(ConfigError, match=r"routing\.toml: cannot be read"):
        files(home).load()


def test_a_profiles_unknown_provider_is_said(home: Home) -> None:
    with pytest.raises(ConfigError, match=r"unknown provider 'grokk'.*did you mean"):
        files(home, provider="grokk").load()


def test_what_is_watched(home: Home) -> None:
    own = home.providers_dir / "mine.toml"
    own.write_text(MINE)
    watched = files(home).watched()
    assert watched[:2] == [home.routing_file("work"), home.config_file]
    assert watched[-2:] == [home.providers_dir, own]


CONFIG = """
default_provider = "openrouter"
default_model = "anthropic/claude-sonnet-4.6"
api_key = "${OPENROUTER_KEY}"
api_url = "https://gateway.example/v1"

[[model_routes]]
hint = "claude-"
provider = "anthropic"
"""


def test_settings_for_all_profiles_are_read(home: Home) -> None:
    home.config_file.write_text(CONFIG)
    ruling = files(home).load()
    assert ruling.book.labels == ("model-route claude- → anthropic", "default → openrouter")
    assert ruling.book.default.route.model == "anthropic/claude-sonnet-4.6"
    assert ruling.registry.require("openrouter").default_base_url == "https://gateway.example/v1"
    assert ruling.pin is not None and ruling.settings.api_key is not None
    assert ruling.pin.shared_keys == {"openrouter": ruling.settings.api_key}


def test_what_is_tried_when_a_provider_fails_is_read(home: Home) -> None:
    said = '[reliability]\nprovider_retries = 5\nfallback_providers = ["groq"]\napi_keys = ["${K}"]\n'
    home.config_file.write_text(CONFIG + said)
    write(home, f"{RULE}retries = 1\n")
    ruling = files(home, fallback=("minimax",), timeout_idle_ms=9).load()
    assert [rule.policy.retries for rule in ruling.book.rules] == [1, 5]
    assert {rule.policy.timeouts.idle_ms for rule in ruling.book.rules} == {9}
    assert ruling.book.default.route.fallback == (Route("minimax"),)
    assert ruling.pin is not None
    assert (ruling.pin.fallback_providers, set(ruling.pin.further_keys)) == (("groq",), {"openrouter"})


def test_a_profiles_model_is_asked_of_the_default_provider(home: Home) -> None:
    home.config_file.write_text(CONFIG)
    assert files(home, model="openai/gpt-5-mini").load().book.default.route == Route("openrouter", "openai/gpt-5-mini")


def test_the_profiles_own_rules_and_provider_go_first(home: Home) -> None:
    home.config_file.write_text(CONFIG)
    write(home, RULE)
    assert files(home, provider="minimax").load().book.labels == (
        "tool-use → groq",
        "model-route claude- → anthropic",
        "default → minimax",
    )


@pytest.mark.parametrize(("provider", "label"), [(None, "default → passthrough"), ("groq", "default → groq")])
def test_a_profile_that_ignores_rules_stays_out_of_what_is_set_for_all(
    home: Home, provider: str | None, label: str
) -> None:
    home.config_file.write_text(CONFIG)
    ruling = files(home, proxy="none", provider=provider).load()
    assert ruling.book.labels == (label,)
    # How a provider is reached is another matter.
    assert ruling.pin is not None and set(ruling.pin.shared_keys) == {"openrouter"}
    assert ruling.registry.require("openrouter").default_base_url == "https://gateway.example/v1"


def test_a_mistake_in_the_settings_is_said_with_its_place(home: Home) -> None:
    home.config_file.write_text(CONFIG.replace("hint", "hnit"))
    with pytest.raises(ConfigError, match=r"config\.toml:8: model_routes\.hnit: unknown key; did you mean 'hint'\?"):
        files(home).load()


def test_an_own_provider_can_be_the_default(home: Home) -> None:
    (home.providers_dir / "mine.toml").write_text(MINE)
    home.config_file.write_text('default_provider = "mine"\n')
    assert files(home).load().book.labels == ("default → mine",)
