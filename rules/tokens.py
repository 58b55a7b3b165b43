"""How many tokens a request is, as cheaply as the question allows.

Three steps, from free to exact: bounds from the byte length; the sum of what was counted before, because agents resend
the whole conversation every turn; counting what is new. All count o200k_base tokens; what a vendor's own tokenizer
makes of the same text is a learned ratio (`Calibration`), because most vendors publish none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from xxhash import xxh3_128_digest

from ringlet_mitm.rules.prose import Segment, text_of
from ringlet_mitm.rules.remembering import Remembered

# Conversations of a few hundred messages each: some two hundred of them, in about 20 MB.
MEMO_ENTRIES = 65_536


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """What the byte length alone says: the o200k_base count is between the two, both included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class TextParts:
    """What has to be counted: raw JSON segments (a message, the system prompt, a tool), and what images are anyway.

    The segments are views of the body, not copies. `digests` are their xxh3 digests, in order; `keys` has them in any
    case.
    """

    segments: tuple[Segment, ...]
    fixed_tokens: int = 0
    digests: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """One digest a segment: 128 bits, so that two texts of one digest do not happen."""
        if len(self.digests) == len(self.segments):
            return self.digests
        return tuple(map(xxh3_128_digest, self.segments))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Learned ratios of reported to o200k_base-counted input tokens by (provider, model); 1.0 where none is known."""

    ratios: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def ratio(self, provider: str, model: str) -> float:
        """The factor that turns an o200k_base count into that vendor's."""
        return self.ratios.get((provider, model), 1.0)


class CountsText(Protocol):
    """What counting needs of a tokenizer."""

    def count(self, text: str) -> int:
        """How many tokens `text` is."""
        ...


def bounds(parts: TextParts) -> TokenBounds:
    """Bounds that hold for any text.

    Above: a token is at least one byte, and what is counted is never longer than its JSON. Below: only the images; one
    token may stand for 128 spaces and base64 counts nothing, so bytes promise next to nothing.
    """
    return TokenBounds(parts.fixed_tokens, parts.fixed_tokens + sum(map(len, parts.segments)))


class TokenMemo:
    """Remembers the count of every segment; shared by the threads that count and the event loop that asks."""

    def __init__(self, max_entries: int = MEMO_ENTRIES) -> None:
        self._counts: Remembered[int] = Remembered(max_entries)

    def known(self, parts: TextParts) -> int | None:
        """The exact total, None where a segment was not counted yet."""
        total = parts.fixed_tokens
        for tokens in self._counts.get_all(parts.keys):
            if tokens is None:
                return None
            total += tokens
        return total

    def missing(self, parts: TextParts) -> dict[bytes, Segment]:
        """What has to be counted before `known` can answer, each text once."""
        keys = parts.keys
        found = self._counts.get_all(keys)
        return {
            key: segment for key, segment, tokens in zip(keys, parts.segments, found, strict=True) if tokens is None
        }

    def missing_bytes(self, parts: TextParts) -> int:
        """How long that is."""
        return sum(map(len, self.missing(parts).values()))

    def learn(self, segments: Iterable[tuple[bytes, Segment]], encoder: CountsText) -> dict[bytes, int]:
        """Count segments given with their keys, remember the counts and give them back."""
        counted = {}
        for key, segment in segments:
            counted[key] = tokens = encoder.count(text_of(segment))
            self._counts.put(key, tokens)
        return counted

    def total(self, parts: TextParts, counted: Mapping[bytes, int], encoder: CountsText) -> int:
        """The exact total from fresh counts and remembered ones; whatever was forgotten in between is counted again."""
        keys = parts.keys
        found = [counted.get(key, tokens) for key, tokens in zip(keys, self._counts.get_all(keys), strict=True)]
        lost = [
            pair for pair, tokens in zip(zip(keys, parts.segments, strict=True), found, strict=True) if tokens is None
        ]
        if lost:
            return self.total(parts, {**counted, **self.learn(lost, encoder)}, encoder)
        return parts.fixed_tokens + sum(tokens for tokens in found if tokens is not None)


def count(parts: TextParts, memo: TokenMemo, encoder: CountsText) -> int:
    """The exact count; only what is new is tokenised."""
    return memo.total(parts, memo.learn(memo.missing(parts).items(), encoder), encoder)


# Of shorter requests a vendor's fixed part (its own tool prompt, message frames) would be most of the ratio.
MIN_COUNTED = 100
RECENT = 15


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """The running ratio of what a vendor reports to what we count.

    The median of the last fifteen: up to seven of them may be nonsense (a cached prompt reported without its cache, an
    image of unknown size) without moving it beyond what the others say, and it follows a vendor's new tokenizer within
    eight requests. `samples` counts all; `recent` is what the median is taken of. An estimate stored without `recent`
    goes on from its ratio.
    """

    ratio: float = 1.0
    samples: int = 0
    recent: tuple[float, ...] = ()

    def observe(self, counted: int, reported: int) -> RatioEstimate:
        """The estimate after one more request; too short or impossible ones leave it as it is."""
        if counted < MIN_COUNTED or reported <= 0:
            return self
        before = self.recent or (self.ratio,) * min(self.samples, RECENT // 2)
        recent = (*before, reported / counted)[-RECENT:]
        return RatioEstimate(median(recent), self.samples + 1, recent)
