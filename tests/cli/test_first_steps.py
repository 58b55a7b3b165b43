"""`init`: what is found, what is proposed, and that nothing is written that was not shown and wanted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ringlet_mitm.cli import first_steps
from ringlet_mitm.cli.first_steps import command
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, load_profile, save_profile
from ringlet_mitm.rules.rule_presets import rule_preset

SECRET = "gsk_a-key-that-nobody-may-see"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A new person with Claude Code, without a key and without a local server."""
    for name in list(os.environ):
        if name.endswith(("_KEY", "_TOKEN", "_HOST", "_URL")) or name.startswith(("AWS_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("ringlet_mitm.addons.installed_agents.USUAL", ())
    (program := tmp_path / "bin" / "claude").parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return home_of(os.environ)


def call(*words: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, words, input=answer, catch_exceptions=False)


def files(home: Home) -> list[str]:
    return sorted(str(path.relative_to(home.config)) for path in home.config.rglob("*") if path.is_file())


def test_without_a_terminal_it_only_shows(home: Home) -> None:
    said = call().output
    assert f'{home.profile_file("work")} (new):\n\n  agent = "claude"\n  port = 8484\n' in said
    assert f"{home.routing_file('work')} (new):" in said
    assert said.endswith("nothing is written yet; to write it, add  -y\n")
    assert files(home) == []


def test_without_a_key_everything_passes_through(home: Home) -> None:
    said = call("-y").output
    assert "keys     none" in said
    assert load_profile(home, "work") == Profile(name="work", agent="claude")
    assert '[default]\nto = "passthrough"\n' in home.routing_file("work").read_text()
    assert said.endswith("next:  ringlet-mitm run --profile work -- claude\n")
    assert files(home) == ["profiles/work/profile.toml", "profiles/work/routing.toml"]


def test_a_key_is_used_and_never_shown(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    said = call("-y").output
    assert "keys     groq (env:GROQ_API_KEY)" in said
    assert "rules: cheap-small. Small requests without tools go to a small, fast model.\n" in said
    assert home.routing_file("work").read_text() == rule_preset("cheap-small").text
    assert SECRET not in said + "".join((home.config / name).read_text() for name in files(home))


def test_what_is_shown_is_what_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    said = call("-y").output
    for name in files(home):
        assert "".join(f"  {line}".rstrip() + "\n" for line in (home.config / name).read_text().splitlines()) in said


def test_a_local_server_that_runs(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        model = "gpt-oss:20b"
        spec = first_steps.known_providers(os.environ).named("ollama")

    async def discover(_: object) -> list[type[Found]]:
        return [Found]

    monkeypatch.setattr("ringlet_mitm.addons.discovery.discover", discover)
    said = call("-y").output
    assert "servers  ollama (gpt-oss:20b)" in said
    assert home.routing_file("work").read_text() == rule_preset("local-first").text


def test_a_second_time_nothing_changes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    call("-y")
    home.routing_file("work").write_text("# mine\n")
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    said = call().output
    assert said.count("stays as it is") == 2
    assert home.routing_file("work").read_text() == "# mine\n"


def test_rules_that_are_there_are_replaced_by_force_only(home: Home) -> None:
    call("-y")
    home.routing_file("work").write_text("# mine\n")
    done = CliRunner().invoke(command, ["-y", "--preset", "offline-ollama"])
    assert isinstance(done.exception, UsageError)
    assert "  -# mine" in done.output
    assert home.routing_file("work").read_text() == "# mine\n"
    said = call("-y", "--preset", "offline-ollama", "--force").output
    assert home.routing_file("work").read_text() == rule_preset("offline-ollama").text
    assert "start it:  ollama serve" in said


@pytest.mark.parametrize(("answer", "written"), [("y\n", 2), ("\n", 2), ("n\n", 0)], ids=["yes", "return", "no"])
def test_on_a_terminal_it_asks(home: Home, monkeypatch: pytest.MonkeyPatch, answer: str, written: int) -> None:
    monkeypatch.setattr(first_steps, "is_interactive", lambda: True)
    done = CliRunner().invoke(command, input=answer)
    assert "Write this? [Y/n]" in done.output
    assert len(files(home)) == written
    assert done.exit_code == (0 if written else 1)


@pytest.mark.usefixtures("home")
def test_a_name_of_its_own_and_a_port_of_its_own(home: Home) -> None:
    save_profile(home, Profile(name="other"))
    call("-y", "--profile", "mine", "--preset", "none")
    assert load_profile(home, "mine").port == 8485


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--preset", "cheap-smal"], "is it 'cheap-small'"), (["--profile", "../x"], "cannot be a profile's name")],
    ids=["an unknown preset", "no name"],
)
@pytest.mark.usefixtures("home")
def test_what_does_not_fit(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call(*words)


def test_without_an_agent_it_says_how_to_get_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    said = call("-y").output
    assert "install an agent:  npm install -g @anthropic-ai/claude-code" in said
    assert load_profile(home, "work").agent is None
