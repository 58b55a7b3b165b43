"""The four agents, where they come from and how they are run unattended; the four upstreams and their keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.story import PROMPT

SECRET = "of-the-agent-c0ffee"


@dataclass(frozen=True, slots=True)
class Agent:
    """`command` follows the program; `files` are written into its home beforehand.

    `keeps_signatures`: it brings back whose a thought is. The client of Chat in OpenCode keeps the words only.
    """

    name: str
    package: str
    version: str
    program: str
    speaks: str
    own_host: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    keeps_signatures: bool = True


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a column's requests go: the word for it, the rules, and the provider's file where it is not built in.

    `style` is the format that has to arrive, "" where the first turn goes to another vendor and the rest to the
    agent's own.
    """

    name: str
    style: str
    routing: str
    file: str = ""

    def styles(self, agent: Agent) -> set[str]:
        """The formats that have to arrive."""
        return {self.style} if self.style else {"messages" if agent.speaks == "gemini" else "gemini", agent.speaks}


# An agent of Chat: any OpenAI-compatible place. The model list that it would fetch is not needed.
OPENCODE_CONFIG = {
    "provider": {
        "compatible": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Compatible",
            "options": {"baseURL": "https://api.openai.com/v1", "apiKey": f"sk-{SECRET}"},
            "models": {"gpt-5-compatible": {"name": "Any", "tool_call": True, "reasoning": True}},
        }
    },
    "autoupdate": False,
    "share": "disabled",
}

AGENTS = (
    Agent(
        "Claude Code",
        "@anthropic-ai/claude-code",
        "2.1.197",
        "claude",
        "messages",
        "api.anthropic.com",
        ("-p", PROMPT, "--allowedTools", "Bash", "Read", "Edit", "Write"),
        {"ANTHROPIC_API_KEY": f"sk-ant-{SECRET}", "IS_SANDBOX": "1"},
    ),
    Agent(
        "Codex",
        "@openai/codex",
        "0.169.0",
        "codex",
        "responses",
        "api.openai.com",
        ("exec", "--skip-git-repo-check", "-s", "danger-full-access", PROMPT),
        {"CODEX_API_KEY": f"sk-{SECRET}", "OPENAI_API_KEY": f"sk-{SECRET}"},
    ),
    Agent(
        "OpenCode",
        "opencode-ai",
        "1.18.33",
        "opencode",
        "chat",
        "api.openai.com",
        ("run", "-m", "compatible/gpt-5-compatible", PROMPT),
        {},
        {".config/opencode/opencode.json": json.dumps(OPENCODE_CONFIG)},
        keeps_signatures=False,
    ),
    Agent(
        "Gemini CLI",
        "@google/gemini-cli",
        "0.61.0",
        "gemini",
        "gemini",
        "generativelanguage.googleapis.com",
        ("-y", "-p", PROMPT),
        {"GEMINI_API_KEY": f"AIza-{SECRET}", "GEMINI_CLI_TRUST_WORKSPACE": "true"},
    ),
)

# OpenAI, Google and others take Chat as well; these speak one format, so that an agent of Chat is translated too.
ONLY_RESPONSES = """\
name = "only-responses"
shape = "openai"
endpoint = "https://api.openai.com/v1"
key-env = "OPENAI_API_KEY"
default-model = "gpt-5.6-sol"
models = ["gpt-*"]

[paths]
openai-responses = "/responses"
"""
ONLY_CHAT = """\
name = "only-chat"
shape = "openai"
endpoint = "https://api.deepseek.com/v1"
key-env = "DEEPSEEK_API_KEY"
default-model = "chat-large"
models = ["chat-*"]
"""
ONLY_GEMINI = """\
name = "only-gemini"
shape = "gemini"
endpoint = "https://generativelanguage.googleapis.com"
key-env = "GEMINI_API_KEY"
default-model = "gemini-3.8-flash"
models = ["gemini-*"]
"""

AWAY_THEN_HOME = """\
[[rule]]
match = { tool-result = true }
to = "passthrough"

[[rule]]
match = { agent = "gemini" }
to = "anthropic"

[default]
to = "only-gemini"
"""

UPSTREAMS = (
    Upstream("messages", "messages", '[default]\nto = "anthropic"\n'),
    Upstream("responses", "responses", '[default]\nto = "only-responses"\n', ONLY_RESPONSES),
    Upstream("chat", "chat", '[default]\nto = "only-chat"\n', ONLY_CHAT),
    Upstream("gemini", "gemini", '[default]\nto = "only-gemini"\n', ONLY_GEMINI),
    Upstream("away-then-home", "", AWAY_THEN_HOME, ONLY_GEMINI),
)

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-of-the-proxy",
    "OPENAI_API_KEY": "sk-of-the-proxy",
    "DEEPSEEK_API_KEY": "sk-deepseek-of-the-proxy",
    "GEMINI_API_KEY": "AIza-of-the-proxy",
}


def program_of(installed: Path, agent: Agent) -> Path:
    """Where npm has put it."""
    return installed / "node_modules" / ".bin" / agent.program
