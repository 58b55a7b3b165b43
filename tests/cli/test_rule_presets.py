"""`rules presets`: what there is, fitted to the keys that are here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringlet_mitm.cli.rule_presets import command
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.rule_presets import rule_preset


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a profile, and no key at all."""
    for name in list(os.environ):
        if name.endswith(("_KEY", "_TOKEN", "_HOST", "_URL")) or name.startswith(("AWS_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    found = home_of(os.environ)
    save_profile(found, Profile(name="work"))
    return found


def call(*words: str) -> str:
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.mark.usefixtures("home")
def test_the_list_says_where_each_would_go(monkeypatch: pytest.MonkeyPatch) -> None:
    before = call()
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-x")
    after = call()
    assert "needs GROQ_API_KEY, or one of 4 others" in before
    assert "offline-ollama  Ollama answers every model call" in before
    assert "gemini/gemini-3.8-flash" in after
    assert "needs" not in after


@pytest.mark.usefixtures("home")
def test_one_is_printed_as_it_would_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("cheap-small") == rule_preset("cheap-small").text
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert call("cheap-small") == rule_preset("cheap-small").fitted(lambda name: name == "openai").text


@pytest.mark.usefixtures("home")
def test_for_programs() -> None:
    records = {record["preset"]: record for record in json.loads(call("--json"))}
    assert records["long-context"]["goes_to"] == ["gemini/gemini-3.8-flash"]
    assert records["long-context"]["to_do"][0].startswith("set its key:  export GEMINI_API_KEY=…")
    assert records["local-first"]["to_do"] == ["start it:  ollama serve"]
    assert json.loads(call("cheap-small", "--json"))["text"] == rule_preset("cheap-small").text


class TestWriting:
    def test_a_profile_without_rules_gets_them(self, home: Home) -> None:
        said = call("cheap-small", "--write", "--profile", "work")
        assert home.routing_file("work").read_text() == rule_preset("cheap-small").text
        assert "set its key:  export GROQ_API_KEY=…" in said
        assert said.endswith("check it:  ringlet-mitm rules check --profile work\n")

    def test_other_rules_stay_unless_they_are_given_up(self, home: Home) -> None:
        home.routing_file("work").write_text('[default]\nto = "groq"\n')
        done = CliRunner().invoke(command, ["cheap-small", "--write", "--profile", "work"])
        assert isinstance(done.exception, UsageError)
        assert '  -to = "groq"' in done.output
        assert home.routing_file("work").read_text() == '[default]\nto = "groq"\n'
        call("cheap-small", "--write", "--profile", "work", "--force")
        assert home.routing_file("work").read_text() == rule_preset("cheap-small").text

    def test_twice_is_once(self, home: Home) -> None:
        call("local-first", "--write", "--profile", "work")
        call("local-first", "--write", "--profile", "work")
        assert home.routing_file("work").read_text() == rule_preset("local-first").text

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--write", "--profile", "work"], "say which preset"),
            (["cheap-small", "--write"], "for which profile"),
            (["cheap-small", "--write", "--profile", "wrok"], "did you mean 'work'"),
            (["x"], "there are cheap-small"),
        ],
        ids=["no preset", "no profile", "an unknown profile", "an unknown preset"],
    )
    @pytest.mark.usefixtures("home")
    def test_what_does_not_fit(self, words: list[str], said: str) -> None:
        with pytest.raises(UsageError, match=said):
            CliRunner().invoke(command, words, catch_exceptions=False)
