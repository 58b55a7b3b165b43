"""Rule books and request features in few words, for the tests of what decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from ringlet_mitm.rules.peek import RequestFeatures
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import TokenBounds

MakeBook = Callable[..., RuleBook]
MakeFeatures = Callable[..., RequestFeatures]


@dataclass(frozen=True)
class Provider:
    provider_id: str


class Providers:
    """A registry of names only; it does not grow when the product learns new providers."""

    ids = ("anthropic", "openai", "groq", "minimax", "openrouter")
    aliases: ClassVar = {"claude": "anthropic", "custom:https://llm.example/v1": "custom"}

    def get(self, name: str) -> Provider | None:
        found = self.aliases.get(name, name)
        return Provider(found) if found in (*self.ids, "custom") else None

    def names(self) -> tuple[str, ...]:
        return (*self.ids, *self.aliases)


@pytest.fixture(scope="session")
def providers() -> Providers:
    return Providers()


@pytest.fixture(scope="session")
def make_book() -> MakeBook:
    """`make_book("stream = true -> groq", …)`: one rule an argument; without an arrow it goes to groq.

    One that ends with a `!` is sticky.
    """

    def make(*rules: str, default: str | None = "anthropic", provider: str | None = None) -> RuleBook:
        lines = []
        for rule in rules:
            match, _, to = rule.removesuffix("!").partition("->")
            lines.append(f'[[rule]]\nmatch = {{ {match} }}\nto = "{to.strip() or "groq"}"\n')
            lines.append('sticky = "session"\n' if rule.endswith("!") else "")
        if default:
            lines.append(f'[default]\nto = "{default}"\n')
        return load_rulebook("".join(lines), "routing.toml", Providers(), provider)

    return make


@pytest.fixture(scope="session")
def make_features() -> MakeFeatures:
    """Those of a middling Claude Code turn, with what is given changed; `bounds=(low, high)` for short."""

    def make(**given: Any) -> RequestFeatures:
        low, high = given.pop("bounds", (5_000, 20_000))
        known: dict[str, Any] = {
            "format": WireFormat.MESSAGES,
            "path": "/v1/messages?beta=true",
            "provider": "anthropic",
            "model": "claude-sonnet-4-5",
            "stream": True,
            "messages": 12,
            "tools": 23,
            "tool_result": False,
            "has_system": True,
            "thinking": False,
            "images": 0,
            "max_output_tokens": 32_000,
            "agent": "claude",
            "session": "s-1",
            "body_bytes": 60_000,
            "token_bounds": TokenBounds(low, high),
            "headers": ((b"X-Initiator", b"user"), (b"x-tag", b"a"), (b"X-Tag", b"b"), (b"x-api-key", b"sk-secret")),
        }
        return RequestFeatures(**(known | given))

    return make
