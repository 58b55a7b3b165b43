"""Coding agents that speak the Agent Client Protocol over stdin and stdout, and which of them are on this machine.

Nothing is started: whether an agent is signed in, and at whom, only it knows. Sources: the protocol's own registry of
agents and the README of acpx, a client for it; accessed 2026-11-21.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AcpAgent:
    """One agent. `commands` are the ways to start it in this mode, the newest first; the program is the first word."""

    agent_id: str
    name: str
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FoundAgent:
    """An agent whose program is there; `command` starts it in ACP mode."""

    agent_id: str
    name: str
    command: tuple[str, ...]
    program: str


def _agent(agent_id: str, name: str, *commands: str) -> AcpAgent:
    return AcpAgent(agent_id, name, tuple(tuple(command.split()) for command in commands))


AGENTS: tuple[AcpAgent, ...] = (
    # The adapter of Claude Code was called claude-code-acp until 2026.
    _agent("claude", "Claude Code", "claude-agent-acp", "claude-code-acp"),
    _agent("codex", "Codex", "codex-acp"),
    # Until 2026 the flag of Gemini CLI and its offspring was --experimental-acp, which they still take.
    _agent("gemini", "Gemini CLI", "gemini --experimental-acp"),
    _agent("opencode", "OpenCode", "opencode acp"),
    _agent("goose", "Goose", "goose acp"),
    _agent("qwen", "Qwen Code", "qwen --experimental-acp"),
    _agent("copilot", "GitHub Copilot CLI", "copilot --acp --stdio"),
    _agent("cursor", "Cursor", "cursor-agent acp"),
    _agent("droid", "Factory Droid", "droid exec --output-format acp"),
    _agent("kimi", "Kimi CLI", "kimi acp"),
    _agent("kiro", "Kiro CLI", "kiro-cli acp"),
    _agent("vibe", "Mistral Vibe", "vibe-acp"),
    _agent("cline", "Cline", "cline --acp"),
    _agent("auggie", "Auggie", "auggie --acp"),
    _agent("amp", "Amp", "amp-acp"),
    _agent("grok", "Grok Build", "grok agent stdio"),
    _agent("iflow", "iFlow CLI", "iflow --experimental-acp"),
    _agent("kilo", "Kilo Code", "kilo acp", "kilocode acp"),
    _agent("openclaw", "OpenClaw", "openclaw acp"),
    _agent("pi", "Pi", "pi-acp"),
    _agent("trae", "Trae CLI", "trae-cli acp serve"),
)


def installed(environ: Mapping[str, str], agents: Iterable[AcpAgent] = AGENTS) -> list[FoundAgent]:
    """Those whose program is on the PATH of `environ`, in the order of the table."""
    path = environ.get("PATH", os.defpath)
    found = []
    for agent in agents:
        for command in agent.commands:
            program = shutil.which(command[0], path=path)
            if program:
                found.append(FoundAgent(agent.agent_id, agent.name, command, program))
                break
    return found
