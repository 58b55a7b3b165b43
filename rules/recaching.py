"""What a request of the past would have cost elsewhere: the same tokens at another card, with another prompt cache.

What the prompt cache of a provider holds for a conversation comes of the requests that went there: so two sets of
caches are kept, one fed by what happened and one by the replay. A request that stays where it was, after the same
request as then, costs what it cost. Any other is priced anew:
- tokens in are those of then, times the learned ratios of the two models to each other; tokens out are those of then;
- what the conversation's last request there had is read from the cache, while that lives, as far as the prompt is
  no shorter than it was and as far as it could be read then;
- what is left is written to the cache where that has a price of its own and the agent asks for it, else plain input.

Threads are told apart by the number of tools that they offer, and one does not go on with fewer messages than it had:
subagents have the session and the model of their agent, and what they begin with is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from ringlet_mitm.rules.pricing import PriceCard, RateTable
from ringlet_mitm.rules.prompt_caches import LEAST_CACHED, SECOND_US, lives_us, marks
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.targets import Place

# The price of a model at a provider on a day (UTC); None where nobody knows it.
Cards = Callable[[str, str, date | None], PriceCard | None]

DAY_US = 86_400 * SECOND_US
EPOCH = date(1970, 1, 1).toordinal()

Thread = tuple[str, str, int]
# Tokens of one request, in the order of pricing.TOKEN_KINDS.
Counts = tuple[int, ...]


class Warm(NamedTuple):
    """The last request of a thread at a place: what its cache holds."""

    id: str
    ended_us: int
    messages: int
    tokens: int
    lives_us: int


class Caches:
    """Of all threads at all places. Requests without a session (no thread) find nothing and leave nothing."""

    def __init__(self) -> None:
        self._last: dict[tuple[Thread, Place], Warm] = {}

    def warm(self, recorded: Recorded, thread: Thread | None, place: Place) -> Warm | None:
        """What can still be read there; None where nothing can."""
        if thread is None:
            return None
        found = self._last.get((thread, place))
        if found is None or found.messages > recorded.messages:
            return None
        return found if recorded.started_us - found.ended_us <= found.lives_us else None

    def feed(self, thread: Thread | None, place: Place, left: Warm | None) -> None:
        """A request was answered there, and has left that."""
        if thread is not None and left is not None:
            self._last[thread, place] = left


def left_by(recorded: Recorded, tokens: int) -> Warm | None:
    """What a request leaves in a cache; `tokens` are its input as the model there counts. None where none are known."""
    if recorded.source == "none":
        return None
    lives = lives_us(recorded.cache_write_1h_tokens)
    return Warm(recorded.id, recorded.ended_us, recorded.messages, tokens, lives)


def thread_of(recorded: Recorded) -> Thread | None:
    """What tells a request's thread from others; None where that is not known."""
    return (recorded.session, recorded.requested, recorded.tools) if recorded.session else None


@dataclass(frozen=True, slots=True)
class Tariff:
    """A model's prices at a place on a day, None where nobody knows them.

    `marks` says that it caches only what the agent marks: writing costs more.
    """

    rates: RateTable | None
    marks: bool = False

    @classmethod
    def of(cls, card: PriceCard | None) -> Tariff:
        """With what follows from the prices."""
        return cls(None) if card is None else cls(RateTable(card), marks(card))


def day_of(number: int) -> date:
    """The day, UTC, that is so many after the epoch's: prices begin on days."""
    return date.fromordinal(EPOCH + number)


def counts_there(
    recorded: Recorded, marked_then: bool, marks_now: bool, scale: float, warm_then: Warm | None, warm_now: Warm | None
) -> Counts:
    """The tokens of a request, by kind, at another place, or at the same with another cache.

    `marked_then` and `marks_now` say whether the places cache only what is marked; `scale` are tokens there for one of
    then; `warm_then` and `warm_now` are what could be read from the cache.
    """
    then = recorded.counts
    text, images, audio, read, written_5m, written_1h, *out = then
    total = round((text + read + written_5m + written_1h) * scale)
    asks = read + written_5m + written_1h > 0 if marked_then else True
    if total < LEAST_CACHED or not asks:
        return (total, images, audio, 0, 0, 0, *out)
    cached = 0
    if warm_now is not None:
        cached = min(total, warm_now.tokens)
        if read and warm_then is not None and warm_then.ended_us >= warm_now.ended_us:
            # More than was in common with a later request then is not in common with this one.
            cached = min(cached, round(read * scale))
    left = total - cached
    if not marks_now:
        return (left, images, audio, cached, 0, 0, *out)
    plain = min(left, round(text * scale)) if marked_then else 0
    if written_1h:
        return (plain, images, audio, cached, 0, left - plain, *out)
    return (plain, images, audio, cached, left - plain, 0, *out)
