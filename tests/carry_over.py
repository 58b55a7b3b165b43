"""What a request with everything in it loses from each format to each other, as the README's table.

`python tests/carry_over.py` prints it; `test_carry_over.py` holds the README to it.
"""

from __future__ import annotations

from pathlib import Path

from ringlet_mitm.addons.wire.translator import Translation, Wanted, parse, translate
from ringlet_mitm.rules.shapes import WireFormat

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pairs"
AGENTS = {
    WireFormat.MESSAGES: "messages",
    WireFormat.CHAT: "chat",
    WireFormat.RESPONSES: "responses",
    WireFormat.GEMINI: "gemini",
}
PATHS = {WireFormat.GEMINI: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"}
MODELS = {
    WireFormat.MESSAGES: "claude-sonnet-5-5",
    WireFormat.CHAT: "llama-3.3-70b-versatile",
    WireFormat.RESPONSES: "gpt-5.2",
    WireFormat.GEMINI: "gemini-3.8-flash",
    WireFormat.OLLAMA: "qwen3-coder",
    WireFormat.CONVERSE: "anthropic.claude-sonnet-4-5-20250929-v1:0",
}
NAMES = {
    WireFormat.MESSAGES: "Messages",
    WireFormat.CHAT: "Chat",
    WireFormat.RESPONSES: "Responses",
    WireFormat.GEMINI: "Gemini",
    WireFormat.OLLAMA: "Ollama",
    WireFormat.CONVERSE: "Converse",
}


def everything(agent: WireFormat, provider: WireFormat) -> Translation:
    """An agent's request that uses all that its format has, translated."""
    path = PATHS.get(agent, "/v1/x")
    body = (FIXTURES / f"everything-{AGENTS[agent]}.json").read_bytes()
    return translate(parse(body, path, agent), path, agent, Wanted(provider, MODELS[provider]))


def table() -> str:
    """The Markdown table."""
    lines = ["| From → to | Dropped or approximated |", "|---|---|"]
    for agent in AGENTS:
        for provider in NAMES:
            if provider is agent:
                continue
            lost = ", ".join(sorted((loss.what for loss in everything(agent, provider).losses), key=str.lower))
            lines.append(f"| {NAMES[agent]} → {NAMES[provider]} | {lost} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
