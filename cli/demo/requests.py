"""What agents ask in the demo: the shape of real requests, captured in 2026-11, with made-up words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ringlet_mitm.rules.shapes import WireFormat

Json = dict[str, Any]

CLAUDE_CODE = {
    "user-agent": "claude-cli/2.1.197 (external, cli)",
    "x-claude-code-session-id": "0f6c1f5e-5b1c-4f7e-9a51-1d2f7f0f4a11",
    "anthropic-version": "2023-06-01",
    "x-api-key": "sk-ant-demo-key-of-the-agent",
}
SCRIPT = {"user-agent": "OpenAI/Python 2.8.0", "authorization": "Bearer sk-demo-key-of-the-agent"}

SYSTEM = "You are an interactive tool that helps people with software engineering tasks. Use the tools at hand.\n" * 12
MESSAGES_URL = ("api.anthropic.com", "/v1/messages?beta=true")
CHAT_URL = ("api.openai.com", "/v1/chat/completions")


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `says` is what the agent is doing."""

    says: str
    format: WireFormat
    host: str
    path: str
    headers: dict[str, str]
    body: Json


def _tool(name: str, description: str, **properties: str) -> Json:
    schema = {
        "type": "object",
        "properties": {key: {"type": "string", "description": text} for key, text in properties.items()},
    }
    return {"name": name, "description": description, "input_schema": {**schema, "required": list(properties)}}


TOOLS = [
    _tool("Bash", "Run a shell command and give back what it prints.", command="The command to run"),
    _tool("Read", "Read a file.", file_path="Absolute path of the file"),
    _tool(
        "Edit",
        "Replace text in a file.",
        file_path="Absolute path",
        old_string="What to replace",
        new_string="With what",
    ),
    _tool("Grep", "Search files for a pattern.", pattern="Regular expression", path="Where to search"),
]


def _messages(says: str, model: str, messages: list[Json], **more: Any) -> Call:
    body = {"model": model, "max_tokens": 32000, "stream": True, "system": SYSTEM, "messages": messages, **more}
    return Call(says, WireFormat.MESSAGES, *MESSAGES_URL, CLAUDE_CODE, body)


def _log(lines: int) -> str:
    return "\n".join(
        f"2026-11-21 10:{line % 60:02} worker {line % 7} wrote block {line} in {line % 90} ms" for line in range(lines)
    )


def calls() -> list[Call]:
    """One request for each rule of the demo's routing.toml, and a second turn with a tool's result."""
    ask: Json = {"role": "user", "content": "Which files does this project have?"}
    use = {"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {"command": "ls"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_01",
        "content": "Makefile\nREADME.md\naddons\ncli\nrules\ntests",
    }
    turns: list[Json] = [ask, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    small = [{"role": "user", "content": "A commit message for: reload rules when the file changes"}]
    return [
        _messages("Claude Code asks with its tools", "claude-opus-4-8", [ask], tools=TOOLS),
        _messages("Claude Code hands in what the tool printed", "claude-opus-4-8", turns, tools=TOOLS),
        Call(
            "a script asks OpenAI a small question",
            WireFormat.CHAT,
            *CHAT_URL,
            SCRIPT,
            {"model": "gpt-5-mini", "stream": True, "messages": small},
        ),
        _messages("Claude Code sends a long log", "claude-opus-4-8", [{"role": "user", "content": _log(5000)}]),
        _messages("Claude Code sends half a page", "claude-opus-4-8", [{"role": "user", "content": _log(100)}]),
    ]
