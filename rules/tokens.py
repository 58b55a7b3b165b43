"""How many tokens a request is, as cheaply as the question allows.

Three steps, from free to exact: bounds from the byte length; the sum of what was counted before, because agents resend
the whole conversation every turn; counting what is new. All count o200k_base tokens; what a vendor's own tokenizer
makes of the same text is a learned ratio (`Calibration`), because most vendors publish none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from xxhash import xxh3_128_digest

from ringlet_mitm.rules.prose import Segment, text_of
from ringlet_mitm.rules.remembering import Remembered

# Conversations of a few hundred messages each: some fifty of them, in about 3 MB.
MEMO_ENTRIES = 16_384


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
    _vendors: Mapping[str, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_vendor: dict[str, list[float]] = {}
        for (provider, _), ratio in self.ratios.items():
            by_vendor.setdefault(provider, []).append(ratio)
        object.__setattr__(self, "_vendors", {provider: median(found) for provider, found in by_vendor.items()})

    def ratio(self, provider: str, model: str) -> float:
        """The factor that turns an o200k_base count into that vendor's.

        A model that rules always replace is never reported on: for it the vendor's other models speak, which mostly
        share a tokenizer.
        """
        return self.ratios.get((provider, model)) or self._vendors.get(provider, 1.0)

    def knows(self, provider: str, model: str) -> bool:
        """Whether the ratio is learned, from that model or others of the vendor."""
        return (provider, model) in self.ratios or provider in self._vendors


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


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of some parts: tokens counted before, images included, and segments that nobody has counted."""

    known_tokens: int
    missing: tuple[tuple[bytes, Segment], ...] = ()

    @property
    def exact(self) -> int | None:
        """The exact count where nothing is missing."""
        return None if self.missing else self.known_tokens

    @property
    def missing_bytes(self) -> int:
        """How much is to be counted."""
        return sum(len(segment) for _, segment in self.missing)


class TokenMemo:
    """Remembers the count of every segment; shared by the threads that count and the event loop that asks."""

    def __init__(self, max_entries: int = MEMO_ENTRIES) -> None:
        self._counts: Remembered[int] = Remembered(max_entries)

    def survey(self, parts: TextParts) -> Survey:
        """Look every segment up, once; what was found stays right whatever is forgotten later."""
        keys = parts.keys
        found = self._counts.get_all(keys)
        known = parts.fixed_tokens + sum(filter(None, found))
        if None not in found:
            return Survey(known)
        places = (place for place, tokens in enumerate(found) if tokens is None)
        return Survey(known, tuple((keys[place], parts.segments[place]) for place in places))

    def learn(self, survey: Survey, encoder: CountsText) -> int:
        """Count what is missing, each text once, and remember it; gives the exact total."""
        fresh: dict[bytes, int] = {}
        for key, segment in survey.missing:
            if key in fresh:
                continue
            tokens = self._counts.get(key)  # another request may have brought the same text meanwhile
            if tokens is None:
                tokens = encoder.count(text_of(segment))
                self._counts.put(key, tokens)
            fresh[key] = tokens
        return survey.known_tokens + sum(fresh[key] for key, _ in survey.missing)


def count(parts: TextParts, memo: TokenMemo, encoder: CountsText) -> int:
    """The exact count; only what is new is tokenised."""
    return memo.learn(memo.survey(parts), encoder)


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
