"""Versions of routing.toml that take each other's place while agents are served: other targets, fallbacks, retries."""

from __future__ import annotations

import json
from typing import Any

MODELS = ("tiny", "middling", "grand")
# What some rule asks a provider for in place of what the agent asked for.
OTHER_MODEL = "stand-in"
# Tokens between a small body and one of 50 KB.
BIG = 4_000
PATIENCE = {
    "backoff_ms": 20,
    "timeout_connect_ms": 1_500,
    "timeout_first_byte_ms": 4_000,
    "timeout_idle_ms": 4_000,
}
Rule = dict[str, Any]


def _rule(match: str, to: str, *fallback: str, retries: int = 1, **keys: Any) -> Rule:
    return {"match": match, "to": to, "fallback": list(fallback), "retries": retries, **PATIENCE, **keys}


def _model(name: str) -> str:
    return f'{{ model-equals = "{name}" }}'


VERSIONS: tuple[tuple[Rule, ...], ...] = (
    (
        _rule(f"{{ input-tokens-gt = {BIG} }}", "south-messages", "west-chat", "east-gemini", retries=0),
        _rule(_model("tiny"), "north-chat", "west-gemini", model=OTHER_MODEL),
        _rule("{ stream = true }", "east-responses", "north-gemini", "west-messages"),
        _rule("{ always = true }", "north-gemini", "south-responses", retries=2),
    ),
    (
        _rule(_model("tiny"), "north-messages", "east-chat", "west-messages"),
        _rule(_model("middling"), "south-chat", "west-responses"),
        _rule(_model("grand"), "south-gemini", "north-responses", retries=2),
    ),
    (
        _rule("{ stream = false }", "shut", "south-chat", "west-messages"),
        _rule(_model("middling"), "locked", "north-responses", "east-messages", retries=0),
        _rule(_model("grand"), "untrusted", "south-messages", "west-gemini"),
        _rule("{ always = true }", "south-responses", "west-chat"),
    ),
    (
        _rule('{ path-prefix = "/v1/responses" }', "strange", "east-chat", "north-chat"),
        _rule(f"{{ input-tokens-lt = {BIG}, stream = true }}", "north-gemini", "west-responses", retries=2),
        _rule(_model("tiny"), "deaf", "south-gemini", "west-chat", retries=0),
        _rule("{ always = true }", "east-messages", "south-messages", "west-messages", model=OTHER_MODEL),
    ),
)


def routing(version: int) -> str:
    """The file; numbers go round."""
    return "\n".join(_written(rule) for rule in VERSIONS[version % len(VERSIONS)])


def _written(rule: Rule) -> str:
    lines = [f"match = {rule['match']}"]
    lines += [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in rule.items() if key != "match"]
    return "\n".join(["[[rule]]", *lines, ""])
