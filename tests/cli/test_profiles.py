"""`profiles` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.cli import profiles
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import KEYS, Profile, list_profiles, load_profile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "home"))
    agents = tmp_path / "agents"
    agents.mkdir()
    for name in ("claude", "codex"):
        (agents / f"{name}.toml").write_text("")
    monkeypatch.setattr(profiles, "AGENTS", agents)
    return home_of({"RINGLET_HOME": str(tmp_path / "home")})


def call(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(profiles.command, words, catch_exceptions=False, **options)


def test_create_writes_what_was_said(home: Home) -> None:
    done = call("create", "work", "--agent", "claude", "--provider", "anthropic", "--model", "claude-sonnet-4-5")
    assert done.exit_code == 0
    assert load_profile(home, "work") == Profile("work", "claude", "anthropic", "claude-sonnet-4-5")
    assert "ringlet-mitm --profile work" in done.output
    assert str(home.routing_file("work")) in done.output


def test_what_is_tried_and_how_patiently(home: Home) -> None:
    call("create", "work", "--fallback", "groq/m", "--fallback", "claude", "--retries", "4", "--timeout-idle-ms", "9")
    profile = load_profile(home, "work")
    assert (profile.fallback, profile.retries, profile.timeout_idle_ms) == (("groq/m", "claude"), 4, 9)
    call("set", "work", "--retries", "0")
    assert load_profile(home, "work").retries == 0
    call("set", "work", "--unset", "retries", "--unset", "fallback")
    assert (load_profile(home, "work").retries, load_profile(home, "work").fallback) == (None, ())


def test_every_key_of_a_profile_is_an_option() -> None:
    options = {option for parameter in profiles.set_.params for option in parameter.opts}
    assert {f"--{key}" for key in KEYS} <= options


def test_create_takes_an_own_provider_from_its_file(home: Home) -> None:
    home.providers_dir.mkdir(parents=True)
    (home.providers_dir / "t.toml").write_text(
        'name="together"\nshape="openai"\nendpoint="https://api.together.xyz/v1"'
    )
    call("create", "cheap", "--provider", "Together")
    assert load_profile(home, "cheap").provider == "together"


def test_aliases_are_written_as_the_id(home: Home) -> None:
    call("create", "work", "--provider", "claude")
    assert load_profile(home, "work").provider == "anthropic"


def test_each_new_profile_has_its_own_port(home: Home) -> None:
    for name in ("a", "b", "c"):
        call("create", name)
    assert [load_profile(home, name).port for name in "abc"] == [8484, 8485, 8486]


def test_create_does_not_overwrite(home: Home) -> None:
    call("create", "work")
    with pytest.raises(UsageError, match="profiles set work"):
        call("create", "work")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--provider", "antropic"), "unknown provider 'antropic'; did you mean 'anthropic'?"),
        (("--agent", "claud"), "unknown agent 'claud'; did you mean 'claude'?"),
        (("--fallback", "antropic/m"), "unknown provider 'antropic/m'; did you mean 'anthropic/m'?"),
        (("--agent", "zzz"), "unknown agent 'zzz'; there are claude, codex"),
        (("--key-env", "WORK_KEY"), "--key-env WORK_KEY: say for which provider, as in --key-env anthropic=WORK_KEY"),
    ],
)
def test_names_are_checked_before_anything_is_written(home: Home, words: tuple[str, ...], message: str) -> None:
    with pytest.raises((UsageError, ConfigError)) as caught:
        call("create", "work", *words)
    assert str(caught.value) == message
    assert list_profiles(home) == []


class TestSet:
    def test_the_reference_commands(self, home: Home) -> None:
        for name in ("fast", "deep", "work"):
            call("create", name)
        call("set", "fast", "--model", "claude-3-5-haiku-20241022")
        call("set", "deep", "--model", "claude-opus-4-20250514")
        call("set", "work", "--proxy", "ultrallm")
        assert load_profile(home, "fast").model == "claude-3-5-haiku-20241022"
        assert load_profile(home, "deep").model == "claude-opus-4-20250514"
        assert load_profile(home, "work").proxy == "ultrallm"

    def test_the_rest_stays(self, home: Home) -> None:
        call("create", "work", "--agent", "claude", "--provider", "anthropic")
        call(
            "set", "work", "--port", "9000", "--intercept", "a.example", "--intercept", "b.example", "--capture", "none"
        )
        expected = Profile(
            "work", "claude", "anthropic", port=9000, intercept=("a.example", "b.example"), capture="none"
        )
        assert load_profile(home, "work") == expected

    @pytest.mark.parametrize("words", [("--provider", "passthrough"), ("--unset", "provider")])
    def test_a_provider_is_taken_away(self, home: Home, words: tuple[str, ...]) -> None:
        call("create", "work", "--provider", "groq")
        call("set", "work", *words)
        assert load_profile(home, "work").provider is None

    def test_own_keys_add_up(self, home: Home) -> None:
        call("create", "work", "--provider", "anthropic", "--key-env", "WORK_ANTHROPIC")
        call("set", "work", "--key-env", "groq=WORK_GROQ")
        assert load_profile(home, "work").key_env == {"anthropic": "WORK_ANTHROPIC", "groq": "WORK_GROQ"}
        call("set", "work", "--unset", "key-env")
        assert load_profile(home, "work").key_env == {}

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ((), "nothing to change; the keys are --agent"),
            (("--unset", "modle"), "unknown key 'modle'; did you mean 'model'?"),
            (("--unset", "name"), "unknown key 'name'"),
        ],
    )
    def test_what_cannot_be_meant_is_said(self, home: Home, words: tuple[str, ...], message: str) -> None:
        call("create", "work")
        with pytest.raises(UsageError) as caught:
            call("set", "work", *words)
        assert message in str(caught.value)

    def test_a_profile_that_is_not_there_has_a_suggestion(self, home: Home) -> None:
        call("create", "work")
        with pytest.raises(UsageError, match=r"did you mean 'work'\?"):
            call("set", "wrok", "--model", "m")


class TestShared:
    """A profile without a provider of its own goes where config.toml says, unless it obeys no rules."""

    @pytest.fixture(autouse=True)
    def config(self, home: Home) -> None:
        home.config.mkdir(exist_ok=True)
        home.config_file.write_text('default_provider = "groq"\n')

    @pytest.mark.parametrize(
        ("words", "said", "listed"),
        [
            ((), "calls go to groq, as config.toml says", "groq"),
            (("--provider", "openai"), "calls go to openai", "openai"),
            (("--proxy", "none"), "calls go to where they were sent", "passthrough"),
        ],
    )
    def test_it_is_told(self, home: Home, words: tuple[str, ...], said: str, listed: str) -> None:
        assert said in call("create", "work", *words).output
        assert listed in call("list").output.splitlines()[1]

    def test_a_broken_one_is_others_matter(self, home: Home) -> None:
        home.config_file.write_text("not toml")
        assert "to where they were sent" in call("create", "work").output


class TestShowing:
    def test_list(self, home: Home) -> None:
        assert "profiles create NAME" in call("list").output
        call("create", "work", "--agent", "claude", "--provider", "anthropic", "--model", "m")
        call("create", "plain", "--proxy", "none")
        home.routing_file("work").write_text("")
        assert call("list").output == (
            "NAME   AGENT   PROVIDER     MODEL     PORT  RULES\n"
            "plain  any     passthrough  as asked  8485  off\n"
            "work   claude  anthropic    m         8484  yes\n"
        )

    def test_list_as_json(self, home: Home) -> None:
        call("create", "work", "--provider", "groq")
        (shown,) = json.loads(call("list", "--json").output)
        assert (shown["name"], shown["provider"], shown["rules-exist"]) == ("work", "groq", False)

    def test_show(self, home: Home) -> None:
        call("create", "work", "--provider", "groq", "--key-env", "K")
        shown = dict(line.split(maxsplit=1) for line in call("show", "work").output.splitlines() if " " in line)
        assert (shown["provider"], shown["key-env"], shown["rules-exist"]) == ("groq", "groq=K", "no")
        assert json.loads(call("show", "work", "--json").output)["key-env"] == {"groq": "K"}


class TestDelete:
    def test_asks_first(self, home: Home) -> None:
        call("create", "work")
        assert call("delete", "work", input="n\n").exit_code == 1
        assert list_profiles(home) == ["work"]
        assert call("delete", "work", input="y\n").exit_code == 0
        assert list_profiles(home) == []

    def test_yes_does_not(self, home: Home) -> None:
        call("create", "work")
        assert call("delete", "work", "--yes").output == "deleted profile 'work'\n"
