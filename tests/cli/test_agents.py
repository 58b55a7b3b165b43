"""`agents list` and `agents show`: what is there, and whether it would come through."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ringlet_mitm.cli.agents import command
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

SET = {"HTTPS_PROXY": "http://127.0.0.1:9001", "NODE_EXTRA_CA_CERTS": "{ca}/mitmproxy-ca-cert.pem"}


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a profile, Claude Code, Cursor, and an agent that is known to speak ACP only."""
    for name in list(os.environ):
        if "proxy" in name.lower() or "CERT" in name or name.endswith("BASE_URL"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "ours"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("claude", "cursor-agent", "goose"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    save_profile(home_of(os.environ), Profile(name="work", port=9001))
    return tmp_path


def call(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def listed(*words: str) -> dict[str, Any]:
    return dict(json.loads(call("list", "--json", *words)))


def of(agent: str) -> dict[str, Any]:
    return next(dict(one) for one in listed()["agents"] if one["agent"] == agent)


def test_what_is_installed(person: Path) -> None:
    found = of("claude")
    assert (found["program"], found["version"], found["on_path"]) == (str(person / "bin/claude"), None, True)
    assert [one["agent"] for one in listed()["acp"]] == ["goose"]
    assert of("cursor")["acp"] == ["cursor-agent", "acp"]
    assert of("cursor")["routable"] is False
    assert "codex" in [one["agent"] for one in listed("--all")["not_installed"]]


def test_a_listing_makes_nothing(person: Path) -> None:
    call("list")
    assert not (person / "ours/ca").exists()


@pytest.mark.parametrize(
    ("around", "missing"),
    [
        ({}, ["HTTPS_PROXY is not set", "NODE_EXTRA_CA_CERTS is not set"]),
        (SET, []),
        (
            SET | {"NO_PROXY": "localhost,.anthropic.com"},
            ["NO_PROXY .anthropic.com leads api.anthropic.com past the proxy"],
        ),
    ],
    ids=["nothing set", "all set", "hidden"],
)
def test_whether_this_shell_leads_through(
    person: Path, around: dict[str, str], missing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in around.items():
        monkeypatch.setenv(name, value.replace("{ca}", str(person / "ours/ca")))
    found = of("claude")
    assert (found["through"], found["missing"]) == (None if missing else "work", missing)


def test_the_words(person: Path) -> None:
    lines = [line.split("  ") for line in call("list").splitlines()]
    said = {words[0]: [word.strip() for word in words[1:] if word] for words in lines}
    assert said["claude"] == ["?", str(person / "bin/claude"), "no: HTTPS_PROXY is not set", "-", "-"]
    assert "cannot be routed" in said["cursor"]
    assert "ringlet-mitm run --profile work -- claude" in call("list")
    assert "also Goose, over ACP: goose acp" in call("list")
    assert "npm install -g @openai/codex" in call("list", "--all")


def test_nothing_installed(person: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(person / "elsewhere"))
    assert str(person) not in call("list")


def test_show(person: Path) -> None:
    text = call("show", "claude")
    for words in (
        "api.anthropic.com",
        "anthropic-messages",
        "ringlet-mitm run --profile work -- claude",
        "NODE_EXTRA_CA_",
    ):
        assert words in text
    shown = json.loads(call("show", "codex", "--json"))
    assert shown["provider"] == "openai"
    assert shown["variables"]["CODEX_CA_CERTIFICATE"] == str(person / "ours/ca/bundle.pem")
    assert shown["installed"] is None


def test_show_what_nobody_knows(person: Path) -> None:
    with pytest.raises(UsageError, match="is it 'codex'"):
        call("show", "kodex")
