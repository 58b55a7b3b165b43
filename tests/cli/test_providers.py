"""`providers` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringlet_mitm.cli.providers import command
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home, home_of

SECRET = "gsk_abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path))
    return home_of({"RINGLET_HOME": str(tmp_path)})


def call(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert SECRET not in done.output
    return done.output


def row(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(f"{name} "))


def test_the_list_says_where_keys_come_from_and_never_the_key(home: Home) -> None:
    shown = call("list")
    assert "GROQ_API_KEY (set)" in row(shown, "groq")
    assert "ANTHROPIC_API_KEY (not set)" in row(shown, "anthropic")
    assert "GEMINI_API_KEY or GOOGLE_API_KEY (not set)" in row(shown, "gemini")
    assert "anthropic-messages, openai-chat, openai-responses" in row(shown, "minimax")


def test_the_second_variable_counts_as_well(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    assert "GOOGLE_API_KEY (set)" in row(call("list"), "gemini")


def test_own_providers_are_in_the_list_with_their_file(home: Home) -> None:
    home.providers_dir.mkdir(parents=True)
    file = home.providers_dir / "lan.toml"
    file.write_text('name = "lan"\nshape = "openai"\nendpoint = "http://192.168.1.50:8000/v1"')
    shown = row(call("list"), "lan")
    assert "http://192.168.1.50:8000/v1" in shown
    assert "none needed" in shown
    assert str(file) in shown


def test_json_has_the_same(home: Home) -> None:
    shown = {item["name"]: item for item in json.loads(call("list", "--json"))}
    assert (shown["groq"]["key-set"], shown["openai"]["key-set"]) == (True, False)
    assert shown["openai"]["urls"]["openai-responses"] == "https://api.openai.com/v1/responses"


def test_show_takes_an_alias(home: Home) -> None:
    assert "https://api.anthropic.com/v1/messages" in call("show", "Claude")
    assert json.loads(call("show", "claude", "--json"))["name"] == "anthropic"


def test_show_suggests_the_nearest_name(home: Home) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'groq'\?"):
        call("show", "grok")


def test_a_broken_file_is_named_with_its_line(home: Home) -> None:
    home.providers_dir.mkdir(parents=True)
    (home.providers_dir / "x.toml").write_text('name = "x"\nshap = "openai"')
    with pytest.raises(ConfigError, match=r"x.toml:2: shap: unknown key; did you mean 'shape'\?"):
        call("list")
