"""Providers as data: where each lives, which formats it speaks, the *name* of its key and of its authentication."""

from __future__ import annotations

from dataclasses import dataclass

from ringlet_mitm.rules.shapes import WireFormat


@dataclass(frozen=True, slots=True)
class KeyRef:
    """The name of a secret, never the secret: environment variables, the first that is set wins."""

    variables: tuple[str, ...]

    @property
    def label(self) -> str:
        """What rows and messages say instead of the key."""
        return f"env:{self.variables[0]}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a model call; `path` may hold `{model}` and `{method}` (Gemini)."""

    scheme: str
    host: str
    port: int
    path: str
