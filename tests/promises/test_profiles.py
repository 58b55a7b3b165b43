"""Profiles by the command line."""

from __future__ import annotations

from pathlib import Path

from promises.command import CommandLine
from promises.sending import asking, target
from promises.tables import Promise, held

from ringlet_mitm.rules.rulebook import Route

CHAT = "https://api.openai.com/v1/chat/completions"


@held("profile-set")
def test_set(promise: Promise, command_line: CommandLine) -> None:
    command_line("profiles", "create", promise["profile"], "--agent", "claude", "--provider", "anthropic")
    command_line(*promise["words"])
    profile = command_line.profile(promise["profile"])
    assert profile.model == promise["model"]
    assert target(asking(CHAT, "gpt-5"), Route("anthropic"), pin=profile.pin).model == promise["model"]


@held("profile-create")
def test_create(promise: Promise, command_line: CommandLine) -> None:
    command_line(*promise["words"])
    profile = command_line.profile(promise["profile"])
    assert promise.get("provider") == profile.provider
    assert promise.get("proxy", "ultrallm") == profile.proxy


@held("profile-models")
def test_two_models_side_by_side(promise: Promise, command_line: CommandLine) -> None:
    found = {}
    for name, model in promise["models"].items():
        command_line("profiles", "create", name, "--provider", promise["provider"], "--model", model)
        pin = command_line.profile(name).pin
        found[name] = target(asking(CHAT, "gpt-5"), Route(promise["provider"]), pin=pin).model
    assert found == promise["models"]
    ports = {command_line.profile(name).port for name in found}
    assert len(ports) == len(found)


@held("only-variables")
def test_an_agents_own_configuration_stays(promise: Promise, command_line: CommandLine, tmp_path: Path) -> None:
    person = tmp_path / "person"
    person.mkdir()
    for agent in promise["agents"]:
        command_line("profiles", "create", agent, "--agent", agent, HOME=str(person))
        said = command_line("env", "--profile", agent, HOME=str(person))
        assert "HTTPS_PROXY" in said
    assert list(person.iterdir()) == []
