"""config.toml: what loads and means what, what is refused and with which words, and that no key gets out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toml_texts import as_toml

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.keys import KeyRef, edition_of
from ringlet_mitm.rules.policies import PolicyKeys
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.settings import ModelRoute, Reliability, Settings
from ringlet_mitm.rules.settings_file import load_settings, read_settings

FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"
GOOD = sorted((FIXTURES / "good").glob("*.toml"))
BROKEN = sorted((FIXTURES / "broken").glob("*.toml"))


def read(text: str, providers: Any, **environ: str) -> Settings:
    return read_settings(text, "config.toml", providers, environ)


def named(stem: str, providers: Any, **environ: str) -> Settings:
    return read((FIXTURES / "good" / f"{stem}.toml").read_text(encoding="utf-8"), providers, **environ)


def problems(text: str, providers: Any, file: str = "config.toml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_settings(text, file, providers, {})
    return [str(problem) for problem in (caught.value, *caught.value.others)]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_loads(path: Path, providers: Any) -> None:
    text = path.read_text(encoding="utf-8")
    assert read_settings(text, path.name, providers, {}).file == path.name
    assert read_settings(text, path.name, registry({}), {}).file == path.name


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_is_refused_in_words(path: Path, providers: Any) -> None:
    said = problems(path.read_text(encoding="utf-8"), providers, path.name)
    assert said == path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()


def key(text: str, *place: str | int) -> KeyRef:
    return KeyRef(file="config.toml", key=place, edition=edition_of(text))


def test_the_reference_file_means_what_its_page_says(providers: Any) -> None:
    text = (FIXTURES / "good" / "reference-routing.toml").read_text()
    assert read(text, providers) == Settings(
        default_provider="openrouter",
        default_model="anthropic/claude-sonnet-4.6",
        api_key=key(text, "api_key"),
        model_routes=(ModelRoute("claude-", "anthropic", None, key(text, "model_routes", 0, "api_key"), 14),),
        reliability=Reliability(
            provider_retries=2,
            provider_backoff_ms=500,
            fallback_providers=("anthropic", "openai"),
            api_keys=(key(text, "reliability", "api_keys", 0), key(text, "reliability", "api_keys", 1)),
            model_fallbacks={"anthropic/claude-sonnet-4.6": ("anthropic/claude-haiku-4.5", "openai/gpt-4o")},
        ),
        file="config.toml",
        default_line=1,
        reliability_line=5,
        digest=read(text, providers).digest,
    )


def test_dashes_are_as_good_and_keys_are_where_the_file_has_them(providers: Any) -> None:
    found = named("kebab-case", providers)
    assert (found.default_provider, found.default_model) == ("anthropic", "claude-haiku-4-5")
    assert found.api_key is not None and found.api_key.file_label == "config.toml:api-key"
    (route,) = found.model_routes
    assert route.key is not None and route.key.file_label == "config.toml:model-routes.0.api-key"
    assert (found.reliability.provider_retries, found.reliability.provider_backoff_ms) == (0, 10_000)


def test_time_outs_stand_beside_retries(providers: Any) -> None:
    found = named("patience", providers).reliability.policy_keys
    assert found == PolicyKeys(
        retries=3,
        backoff_ms=100,
        timeout_connect_ms=2_000,
        timeout_first_byte_ms=0,
        timeout_idle_ms=60_000,
        timeout_total_ms=900_000,
    )


def test_further_keys_are_the_default_providers(providers: Any) -> None:
    text = '[reliability]\napi_keys = ["a", "b"]\n'
    assert read(text, providers).further_keys == {}
    found = read(f'default_provider = "groq"\n{text}', providers)
    assert [key.file_label for key in found.further_keys["groq"]] == [
        "config.toml:reliability.api_keys.0",
        "config.toml:reliability.api_keys.1",
    ]


def test_what_is_not_said_is_as_documented() -> None:
    assert (Reliability().provider_retries, Reliability().provider_backoff_ms) == (2, 500)


def test_variables_are_filled_in_where_it_is_no_secret(providers: Any) -> None:
    text = (
        'default_provider = "${P}"\ndefault_model = "${M}-mini"\napi_url = "https://${H}/v1"\n'
        '[[model_routes]]\nhint = "${V}-"\nprovider = "${P}"\nmodel = "${M}"\n'
        '[reliability]\nfallback_providers = ["${P}"]\n[reliability.model_fallbacks]\nm = ["${M}"]\n'
    )
    found = read(text, providers, P="claude", M="claude-x", H="gw.example", V="gpt")
    assert (found.default_provider, found.default_model) == ("anthropic", "claude-x-mini")
    assert found.base_urls == {"anthropic": "https://gw.example/v1"}
    assert (found.model_routes[0].hint, found.model_routes[0].model) == ("gpt-", "claude-x")
    assert found.reliability.fallback_providers == ("anthropic",)
    assert found.reliability.model_fallbacks == {"m": ("claude-x",)}


def test_a_default_stands_in_for_a_variable_that_is_not_set(providers: Any) -> None:
    assert named("kebab-case", providers).api_url == "https://gateway.example/anthropic"
    assert named("kebab-case", providers, GATEWAY="https://x.example").api_url == "https://x.example"


def test_a_key_that_is_not_set_does_not_keep_the_file_from_loading(providers: Any) -> None:
    assert set(named("reference", providers).keys) == {"openrouter"}


def test_a_custom_url_is_a_default_provider() -> None:
    providers = registry({})
    for name in ("custom:https://llm.example/v1", "anthropic-custom:https://llm.example"):
        assert read(f'default_provider = "{name}"\n', providers).default_provider == name


def test_a_custom_url_that_is_none_is_said_with_its_line() -> None:
    (said,) = problems('default_provider = "custom:ftp://llm.example"\n', registry({}))
    assert said.startswith("config.toml:1: default_provider: ")
    assert "has to be a URL" in said


SECRET = "sk-ant-api03-secretsecretsecret"


@pytest.mark.parametrize(
    "text",
    [
        'default_provider = "groq"\napi_key = "{}"\n',
        '[[model_routes]]\nhint = "a"\nprovider = "groq"\napi_key = "{}"\n',
        '[reliability]\napi_keys = ["{}"]\n',
    ],
)
def test_no_key_is_in_the_settings(text: str, providers: Any) -> None:
    assert SECRET not in repr(read(text.format(SECRET), providers))


@pytest.mark.parametrize("key_", ["api_kee", "provider", "primary", "default_provider", "model"])
def test_no_key_is_in_a_complaint(key_: str, providers: Any) -> None:
    assert "secretsecret" not in str(problems(f'{key_} = "{SECRET}"\n', providers))


def test_the_digest_follows_what_routes(providers: Any) -> None:
    route = '[[model_routes]]\nhint = "a"\nprovider = "groq"\n'
    assert read(route, providers).digest == read(f"# a comment\n{route}", providers).digest
    assert read(route, providers).digest != read(route.replace("groq", "openai"), providers).digest


class TestLoading:
    def test_without_a_file_nothing_is_set(self, tmp_path: Path, providers: Any) -> None:
        home = home_of({"RINGLET_HOME": str(tmp_path)})
        assert load_settings(home, providers, {}) == Settings(file=str(home.config_file))

    def test_a_file_is_read(self, tmp_path: Path, providers: Any) -> None:
        home = home_of({"RINGLET_HOME": str(tmp_path)})
        home.config_file.write_text('default_provider = "claude"\n')
        assert load_settings(home, providers, {}).default_provider == "anthropic"

    @pytest.mark.parametrize("folder", [True, False], ids=["a folder", "no text"])
    def test_what_cannot_be_read_is_said(self, tmp_path: Path, providers: Any, folder: bool) -> None:
        home = home_of({"RINGLET_HOME": str(tmp_path)})
        if folder:
            home.config_file.mkdir()
        else:
            home.config_file.write_bytes(b"\xff")
        with pytest.raises(ConfigError, match=r"config\.toml: cannot be read"):
            load_settings(home, providers, {})


KEYS = st.sampled_from(
    [
        *("default_provider", "default-model", "api_key", "api_url", "hint", "provider", "model", "fallback"),
        *("api_keys", "provider_retries", "model_fallbacks", "timeout-idle-ms", "x"),
    ]
)
VALUES = st.recursive(
    st.sampled_from([True, 1, -1, 1.5, "groq", "", "${X", "https://x.example"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS | st.sampled_from(["model_routes", "reliability", "rule"]), VALUES, max_size=4))
def test_whatever_a_file_says_it_loads_or_is_refused_with_its_line(providers: Any, data: dict[str, Any]) -> None:
    text = "".join(f"{key} = {as_toml(value)}\n" for key, value in data.items())
    try:
        read(text, providers)
    except ConfigError as error:
        for problem in (error, *error.others):
            assert problem.line is not None
            assert "Input should" not in problem.message
