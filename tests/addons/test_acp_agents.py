"""Agents with the Agent Client Protocol, by the programs on a PATH."""

from __future__ import annotations

from pathlib import Path

from ringlet_mitm.addons.acp_agents import AGENTS, installed


def place(folder: Path, *names: str) -> dict[str, str]:
    for name in names:
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def test_none_is_there(tmp_path: Path) -> None:
    assert installed({"PATH": str(tmp_path)}) == []


def test_those_that_are_there_with_the_command_that_starts_them(tmp_path: Path) -> None:
    found = installed(place(tmp_path, "goose", "gemini", "not-an-agent"))
    assert [(agent.agent_id, agent.command) for agent in found] == [
        ("gemini", ("gemini", "--experimental-acp")),
        ("goose", ("goose", "acp")),
    ]
    assert found[0].program == str(tmp_path / "gemini")


def test_of_two_names_the_newer_one_is_taken(tmp_path: Path) -> None:
    (old,) = installed(place(tmp_path, "claude-code-acp"))
    (new,) = installed(place(tmp_path, "claude-agent-acp"))
    assert (old.command, new.command) == (("claude-code-acp",), ("claude-agent-acp",))


def test_the_table_has_each_agent_once() -> None:
    assert len({agent.agent_id for agent in AGENTS}) == len(AGENTS)
    assert {"gemini", "claude", "codex", "opencode", "goose", "qwen"} <= {agent.agent_id for agent in AGENTS}
