"""What a proxy remembers of conversations: the sticky rules that took them, and who answered them last.

A conversation is the agent's session and the model asked for: an agent sends its small side calls (titles, summaries of
a command) within the same session to another model, and what becomes of those says nothing about the others.

It is in memory and bounded: what was not asked for the longest goes first, and a restart forgets it all. Then the next
request of a conversation is decided as its first one. Labels survive a reload of the rules: a rule that is still called
the same still keeps what it had.

A rule keeps all of a conversation, but the cost of a switch is one thread's: subagents of Claude Code have its session
and model, and prompts of their own that no cache had yet. Threads are told apart by the message that they begin with.
That makes another thread of a conversation that was summed up, rightly: the old prompt's cache is of no use to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Raw
from xxhash import xxh3_128_digest

from ringlet_mitm.rules.naming import PASSTHROUGH
from ringlet_mitm.rules.peek import Peek, RequestFeatures
from ringlet_mitm.rules.prompt_caches import LIVES_US
from ringlet_mitm.rules.prose import text_of
from ringlet_mitm.rules.remembering import Remembered
from ringlet_mitm.rules.turns import first_words

# At the least half of them are there: weeks of one person's work, in less than 3 MB.
MOST = 4096
# The longest that any cache can be asked to live: what another model would have cost is rather taken too low.
CACHE_LIVES_US = 3600 * 1_000_000
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answered:
    """The last answer of a thread: who gave it, to how many tokens of input, and when it was complete.

    `held_tokens` are in that provider's cache, as far as is known, for `lives_us`.
    """

    provider: str
    model: str
    input_tokens: int
    ended_us: int
    held_tokens: int = 0
    lives_us: int = LIVES_US

    @property
    def name(self) -> str:
        """As rows say it."""
        return f"{self.provider or PASSTHROUGH}/{self.model}"

    def cached_at(self, now_us: int) -> int:
        """How many tokens a cache could still have, whosever it is."""
        return self.input_tokens if now_us - self.ended_us <= CACHE_LIVES_US else 0

    def held_at(self, now_us: int) -> int:
        """How many tokens its provider's cache still has: who asks another leaves them behind."""
        return self.held_tokens if now_us - self.ended_us <= self.lives_us else 0


class Conversations:
    """Those of one proxy. Requests without a session are of no conversation: nothing is remembered of them."""

    def __init__(self, most: int = MOST) -> None:
        self._rules: Remembered[frozenset[str]] = Remembered(most)
        self._answers: Remembered[Answered] = Remembered(most)
        self._begun: Remembered[bytes] = Remembered(most)

    def kept(self, features: RequestFeatures) -> frozenset[str]:
        """The labels of the sticky rules that have taken the conversation so far."""
        return (self._rules.get(_key(features)) if features.session else None) or NOBODY

    def took(self, features: RequestFeatures, label: str) -> None:
        """A sticky rule takes a request of the conversation."""
        before = self.kept(features)
        if features.session and label not in before:
            self._rules.put(_key(features), before | {label})

    def answered(self, seen: Peek, answered: Answered) -> Answered | None:
        """The thread has got another answer; gives the one before, None where that is not known."""
        if not seen.features.session:
            return None
        thread = self._thread(seen)
        before = self._answers.get(thread)
        self._answers.put(thread, answered)
        return before

    def _thread(self, seen: Peek) -> bytes:
        """The conversation, and what the thread begins with: its text, for agents move marks of caches in its JSON."""
        features, parts = seen.features, seen.parts
        raws = parts.segments[-features.messages :] if features.messages else ()
        messages = [raw for raw in raws if isinstance(raw, Raw)]
        # Reading who says it takes 0.2 ms where it is all of half a megabyte.
        first = messages[0] if len(messages) == 1 else first_words(messages)
        if first is None:
            return _key(features)
        key = parts.keys[parts.segments.index(first)]
        text = self._begun.get(key)
        if text is None:
            text = xxh3_128_digest(text_of(first).encode("utf-8", "replace"))
            self._begun.put(key, text)
        return _key(features) + text


def _key(features: RequestFeatures) -> bytes:
    """Of one size, however long a session's name is."""
    return xxh3_128_digest(f"{features.session}\0{features.model}".encode("utf-8", "replace"))
