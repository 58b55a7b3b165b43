"""Profiles on disk."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.errors import ConfigError, RingletError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import (
    Profile,
    check_name,
    delete_profile,
    free_port,
    list_profiles,
    load_profile,
    provider_texts,
    read_profile,
    save_profile,
)
from ringlet_mitm.rules.targets import ProfilePin


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


FULL = Profile(
    name="work",
    agent="claude",
    provider="anthropic",
    model="claude-opus-4-20250514",
    host="::1",
    port=9000,
    proxy="none",
    intercept=("llm.example.com",),
    capture="bodies",
    key_env={"anthropic": "ANTHROPIC_WORK_KEY"},
    fallback=("groq/llama-3.3-70b-versatile", "openrouter"),
    retries=0,
    backoff_ms=250,
    timeout_connect_ms=1,
    timeout_first_byte_ms=2,
    timeout_idle_ms=0,
    timeout_total_ms=86_400_000,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retries = 21", "p.toml:1: retries: has to be 0 to 20"),
        ("backoff-ms = -1", "p.toml:1: backoff-ms: has to be 0 to 10,000"),
        ("timeout_idle_ms = 86_400_001", "p.toml:1: timeout_idle_ms: has to be 0 to 86,400,000"),
        ("timeout-total-ms = true", "p.toml:1: timeout-total-ms: has to be a whole number"),
        ("retry = 1", "p.toml:1: retry: unknown key; did you mean 'retries'?"),
        ('fallback = "groq"', "p.toml:1: fallback: has to be a list in brackets"),
    ],
)
def test_patience_that_nobody_can_mean(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_profile(text, "p.toml", "p")
    assert str(caught.value) == said


@pytest.mark.parametrize("profile", [FULL, Profile(name="plain")], ids=["all keys", "defaults"])
def test_what_was_saved_is_loaded(home: Home, profile: Profile) -> None:
    save_profile(home, profile)
    assert load_profile(home, profile.name) == profile


def test_the_file_has_dashes_and_only_what_was_set(home: Home) -> None:
    save_profile(home, Profile(name="work", provider="groq", key_env={"groq": "K"}))
    assert home.profile_file("work").read_text() == 'provider = "groq"\nport = 8484\n\n[key-env]\ngroq = "K"\n'


def test_only_the_owner_may_read_it(home: Home) -> None:
    save_profile(home, FULL)
    assert stat.S_IMODE(home.profile_file("work").stat().st_mode) == 0o600


def test_saving_leaves_the_persons_rules_and_nothing_else_beside_it(home: Home) -> None:
    home.profile_dir("work").mkdir(parents=True)
    home.routing_file("work").write_text("# mine\n")
    save_profile(home, FULL)
    save_profile(home, replace(FULL, port=9001))
    assert home.routing_file("work").read_text() == "# mine\n"
    assert sorted(path.name for path in home.profile_dir("work").iterdir()) == ["profile.toml", "routing.toml"]


def test_a_profile_that_could_not_be_loaded_is_not_saved(home: Home) -> None:
    save_profile(home, FULL)
    with pytest.raises(ConfigError, match="key-env"):
        save_profile(home, replace(FULL, key_env={"groq": "sk-not a name"}))
    assert load_profile(home, "work") == FULL


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("a file in the way")
    with pytest.raises(ConfigError, match="cannot be written"):
        save_profile(home_of({"RINGLET_HOME": str(tmp_path)}), FULL)


def test_list_and_delete(home: Home) -> None:
    for name in ("b", "a"):
        save_profile(home, Profile(name=name))
    (home.profiles_dir / "no-profile").mkdir()
    assert list_profiles(home) == ["a", "b"]
    delete_profile(home, "a")
    assert list_profiles(home) == ["b"]


def test_nothing_is_there_at_first(home: Home) -> None:
    assert list_profiles(home) == []
    assert provider_texts(home) == {}


def test_a_profile_that_is_not_there_has_a_suggestion(home: Home) -> None:
    save_profile(home, FULL)
    with pytest.raises(UsageError, match=r"no profile 'wrk'; did you mean 'work'\?"):
        load_profile(home, "wrk")
    with pytest.raises(UsageError, match="profiles create zebra"):
        load_profile(home, "zebra")


@pytest.mark.parametrize("name", ["work", "a", "two.words", "über", "x_1-2", "9"])
def test_names_that_do(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "../x", "-x", "a b", "a\n", "x" * 65, "a\0b"]
)
def test_names_that_do_not(name: str, home: Home) -> None:
    for use in (load_profile, delete_profile):
        with pytest.raises(UsageError):
            use(home, name)
    with pytest.raises(UsageError):
        save_profile(home, Profile(name=name))


@given(st.text(max_size=80))
def test_any_name_that_passes_is_one_folder_name(name: str) -> None:
    try:
        check_name(name)
    except UsageError:
        return
    assert Path(name).name == name
    assert name not in (".", "..")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "p.toml:1: prot: unknown key; did you mean 'port'?"),
        ('port = "x"', "p.toml:1: port: has to be a whole number"),
        ("port = 70000", "p.toml:1: port: has to be a port, 0 to 65535"),
        ('proxy = "ultralm"', "p.toml:1: proxy: has to be 'ultrallm' or 'none'; did you mean 'ultrallm'?"),
        ('intercept = "h"', "p.toml:1: intercept: has to be a list in brackets"),
        ('model = ["m"]', "p.toml:1: model: has to be text in quotes"),
        (
            '[key-env]\nopenai = "sk-proj-1"',
            "p.toml:2: key-env.openai: has to be the name of a variable; keys are never in this file",
        ),
        ('name = "play"', "p.toml:1: name: this is the folder of profile 'work'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_profile(text, "p.toml", "work")
    assert str(caught.value) == message


def test_both_spellings_are_read() -> None:
    assert read_profile('[key_env]\ngroq = "K"', "p.toml", "work").key_env == {"groq": "K"}


def test_the_next_free_port_is_offered(home: Home) -> None:
    assert free_port(home) == 8484
    save_profile(home, Profile(name="a"))
    save_profile(home, Profile(name="b", port=8486))
    (home.profiles_dir / "broken").mkdir()
    home.profile_file("broken").write_text("port =")
    assert free_port(home) == 8485


def test_a_pin_is_what_routing_needs() -> None:
    assert FULL.pin == ProfilePin("anthropic", "claude-opus-4-20250514", {"anthropic": "ANTHROPIC_WORK_KEY"})


def test_provider_files_are_read_by_path(home: Home) -> None:
    home.providers_dir.mkdir(parents=True)
    (home.providers_dir / "b.toml").write_text("b")
    (home.providers_dir / "a.toml").write_text("a")
    (home.providers_dir / "readme.md").write_text("no")
    assert list(provider_texts(home).values()) == ["a", "b"]


def test_a_file_that_is_no_text_is_an_error(home: Home) -> None:
    home.profile_dir("work").mkdir(parents=True)
    home.profile_file("work").write_bytes(b"\xff\xfe")
    with pytest.raises(RingletError, match="not UTF-8"):
        load_profile(home, "work")
