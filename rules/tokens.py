"""How many tokens a request is, as cheaply as the question allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """What the byte length alone says: the o200k_base count is between the two, both included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class TextParts:
    """What has to be counted: raw JSON segments (a message, the system prompt, a tool), and tokens known without counting (images)."""

    segments: tuple[bytes, ...]
    fixed_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Learned ratios of reported to o200k_base-counted input tokens, by (provider, model); 1.0 where nothing is known yet."""

    ratios: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def ratio(self, provider: str, model: str) -> float:
        """The factor that turns an o200k_base count into that vendor's."""
        return self.ratios.get((provider, model), 1.0)
