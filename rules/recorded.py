"""A request of the past, as far as the ledger remembers it: what rules may ask about, what was decided, what it used.

A named tuple, in the order of the columns that are read: a hundred thousand of them are made of a query's rows in a
tenth of a second, and what costs more (features, usage) is made of those that it is asked of.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, cast

from ringlet_mitm.rules.peek import RequestFeatures
from ringlet_mitm.rules.pricing import TOKEN_KINDS
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import TokenBounds

# Nobody knows how long a request was whose bounds were not recorded.
ENDLESS = 2**62


class Recorded(NamedTuple):
    """One request. Times are microseconds since the epoch, money is USD, None is unknown.

    `readable` is false where its body could not be read: then it has no features. `kept` says that a sticky rule kept
    it, `limited` that a limit had sent it elsewhere than its rule. `first_provider` and `first_model` are what was
    tried first, None where that was all. The count times `ratio` is what the thresholds of rules were compared with;
    `target_ratio` is that of the model that answered. `source` is "reported", "estimated" or "none" where no tokens are
    known; `cost` is 0 for what failed before it used any. `within` is false for what only leads up to the time that is
    asked about.
    """

    id: str
    started_us: int
    ended_us: int
    within: bool
    agent: str
    session: str
    format: str
    path: str
    asked: str
    requested: str
    stream: bool
    messages: int
    tools: int
    tool_result: bool
    has_system: bool
    thinking: bool
    images: int
    max_output_tokens: int | None
    body_bytes: int
    tokens_low: int | None
    tokens_high: int | None
    counted: int | None
    ratio: float | None
    target_ratio: float
    readable: bool
    kept: bool
    limited: bool
    rule: str
    arm: str
    provider: str
    model: str
    first_provider: str | None
    first_model: str | None
    input_tokens: int
    image_input_tokens: int
    audio_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    image_output_tokens: int
    audio_output_tokens: int
    source: str
    cost: Decimal | None
    failed: bool

    @property
    def conversation(self) -> tuple[str, str]:
        """The session, and the model asked for: what sticky rules keep."""
        return self.session, self.requested

    @property
    def counts(self) -> tuple[int, ...]:
        """Its tokens, in the order of pricing.TOKEN_KINDS."""
        return cast(tuple[int, ...], self[_FIRST_COUNT:_BEHIND_COUNTS])

    @property
    def total_input(self) -> int:
        """All tokens that went in, cached or not."""
        return sum(cast(tuple[int, ...], self[_FIRST_COUNT:_FIRST_OUTPUT]))

    @property
    def bounds(self) -> tuple[int, int]:
        """Of the o200k_base count, both included; from 0 to no end where they are not known."""
        return self.tokens_low or 0, ENDLESS if self.tokens_high is None else self.tokens_high

    def features(self, exact_tokens: int | None) -> RequestFeatures:
        """What rules ask about, but for the headers, which are not kept."""
        return RequestFeatures(
            format=WireFormat(self.format),
            path=self.path,
            provider=self.asked,
            model=self.requested,
            stream=self.stream,
            messages=self.messages,
            tools=self.tools,
            tool_result=self.tool_result,
            has_system=self.has_system,
            thinking=self.thinking,
            images=self.images,
            max_output_tokens=self.max_output_tokens,
            agent=self.agent,
            session=self.session,
            body_bytes=self.body_bytes,
            token_bounds=TokenBounds(*self.bounds),
            exact_tokens=exact_tokens,
        )


_FIRST_COUNT = Recorded._fields.index(TOKEN_KINDS[0])
_FIRST_OUTPUT = Recorded._fields.index("output_tokens")
_BEHIND_COUNTS = _FIRST_COUNT + len(TOKEN_KINDS)
