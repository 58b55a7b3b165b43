"""The agents whose logs can be read: where each keeps them, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.addons.usage.imports import claude, codex, gemini, opencode
from ringlet_mitm.addons.usage.imports.calls import Log

Places = Callable[[Mapping[str, str], Path], list[Path]]


@dataclass(frozen=True, slots=True)
class AgentLog:
    """`name` is how a person calls the agent; `places` gives its folders from the environment and the person's home."""

    agent: str
    name: str
    places: Places
    log: Log


LOGS: Mapping[str, AgentLog] = {
    found.agent: found
    for found in (
        AgentLog(claude.AGENT, "Claude Code", claude.places, claude.ClaudeLog()),
        AgentLog(codex.AGENT, "Codex", codex.places, codex.CodexLog()),
        AgentLog(opencode.AGENT, "OpenCode", opencode.places, opencode.OpenCodeLog()),
        AgentLog(gemini.AGENT, "Gemini CLI", gemini.places, gemini.GeminiLog()),
    )
}
