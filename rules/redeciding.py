"""What rules would have decided of a request of the past, from what was recorded of it.

Three things differ from deciding when a request comes in. Nobody can count its tokens any more: where a rule hangs on
them and they were not counted then, they are taken from what the provider reported, and where it reported none from the
middle of the bounds; both are said. Headers are not kept: a rule that hangs on one leaves the request undecided, unless
one before it takes it, and nothing is guessed. And there may be a hundred thousand of them: a decision is remembered by
what the rules look at, tokens by the thresholds that they lie between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import replace
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple

from ringlet_mitm.rules import conditions
from ringlet_mitm.rules.conditions import INPUT_TOKENS, UNKNOWN, Fact, Term, Test
from ringlet_mitm.rules.domains import Numbers
from ringlet_mitm.rules.matching import compiled, walk
from ringlet_mitm.rules.recorded import ENDLESS, Recorded
from ringlet_mitm.rules.routing import NEED_TOKENS, Decision, decide, decide_unreadable
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.tokens import Calibration

# Where a fact stands among what is recorded. Whatever is not named here is looked at in full, each time.
FIELDS: dict[Fact, str] = {
    conditions.TOOLS: "tools",
    conditions.TOOL_RESULT: "tool_result",
    conditions.MESSAGES: "messages",
    conditions.SYSTEM: "has_system",
    conditions.THINKING: "thinking",
    conditions.IMAGES: "images",
    conditions.STREAM: "stream",
    conditions.OUTPUT_TOKENS: "max_output_tokens",
    conditions.MODEL: "requested",
    conditions.AGENT: "agent",
    conditions.PATH: "path",
}
# A number of tokens that was not counted decides without a doubt where one so many times smaller or larger would too.
SURELY = 1.5
NO_FIELD = (conditions.ALWAYS, INPUT_TOKENS)


class Doubt(StrEnum):
    """Why a replayed request may have gone, or cost, otherwise; the value is what a person is told."""

    REPORTED_TOKENS = "tokens were not counted then: their number is taken from what the provider reported"
    GUESSED_TOKENS = "tokens were neither counted nor reported then: their number is guessed from the length"
    TOKENIZER = "tokens as the other model counted them: no ratio is learned for one of the two"
    ESTIMATED = "the provider did not report the tokens: they are estimated"
    FAILED = "failed then without using a token: whatever else it might have cost is not known"
    LIMITED = "a limit had sent them elsewhere, and is taken to do so again"

    # That of Enum is written in Python, and every sum of a comparison is looked up by its doubts.
    __hash__ = str.__hash__


class Redecided(NamedTuple):
    """What the rules say; no decision where that hangs on something that was not recorded."""

    decision: Decision | None
    doubt: Doubt | None = None


class Decider:
    """Decides by one book; `calibration` is for requests of which the ratio then is not known."""

    def __init__(self, book: RuleBook, calibration: Calibration) -> None:
        self._book = replace(book, rules=tuple(replace(rule, test=compiled(rule.match, _test)) for rule in book.rules))
        terms = [node for rule in book.rules for _, node in walk(rule.match) if isinstance(node, Term)]
        self._thresholds = _thresholds(terms)
        self._read = _reader(terms)
        self._splits = any(one.arms for one in book.every)
        self._calibration = calibration
        self._ratios: dict[tuple[str, str, float], Calibration] = {}
        self._known: dict[Hashable, Decision | None] = {}

    def of(self, recorded: Recorded, kept: Collection[str] = ()) -> Redecided:
        """The decision; `kept` as in `decide`."""
        if not recorded.readable:
            return Redecided(decide_unreadable(self._book, recorded.id))
        if not self._thresholds:
            return Redecided(self._decided(recorded, 0, (), kept))
        ratio = recorded.ratio
        if ratio is None:
            ratio = self._calibration.ratio(recorded.asked, recorded.requested)
        if recorded.counted is not None:
            return Redecided(self._decided(recorded, recorded.counted, self._place(recorded.counted * ratio), kept))
        low, high = recorded.bounds
        found = self._decided(recorded, None, (self._place(low * ratio), self._place(high * ratio)), kept)
        if found is not None:
            return Redecided(found)
        tokens, doubt = likely_tokens(recorded)
        if tokens is None:
            return Redecided(None)
        likely = tokens * ratio
        place = self._place(likely)
        sure = self._place(likely / SURELY) == self._place(likely * SURELY)
        return Redecided(self._decided(recorded, tokens, place, kept), None if sure else doubt)

    def _place(self, tokens: float) -> int:
        """Between which thresholds an estimate lies."""
        return bisect_right(self._thresholds, round(tokens))

    def hangs_on(self, recorded: Recorded) -> str:
        """The label of the rule that leaves a request undecided."""
        tokens = recorded.counted if recorded.counted is not None else likely_tokens(recorded)[0]
        features, low = recorded.features(tokens), 0 if tokens is None else tokens
        high = ENDLESS if tokens is None else tokens
        return next((rule.label for rule in self._book.rules if rule.test(features, low, high) is UNKNOWN), "")

    def _decided(self, recorded: Recorded, tokens: int | None, place: Any, kept: Collection[str]) -> Decision | None:
        """By what is remembered of requests that are the same to this book, else anew."""
        who = (recorded.session or recorded.id) if self._splits else ""
        key = None if self._read is None else (self._read(recorded), place, kept, who)
        if key is not None and key in self._known:
            return self._known[key]
        made = decide(self._book, recorded.features(tokens), self._ratio_then(recorded), kept, recorded.id)
        found = None if made is NEED_TOKENS else made
        if key is not None:
            self._known[key] = found
        return found

    def _ratio_then(self, recorded: Recorded) -> Calibration:
        if recorded.ratio is None:
            return self._calibration
        key = (recorded.asked, recorded.requested, recorded.ratio)
        found = self._ratios.get(key)
        if found is None:
            found = self._ratios[key] = Calibration({key[:2]: recorded.ratio})
        return found


def likely_tokens(recorded: Recorded) -> tuple[int | None, Doubt | None]:
    """The o200k_base count that nobody took, and how it was come by; None where nothing is known."""
    low, high = recorded.bounds
    if recorded.source == "reported" and recorded.total_input and recorded.target_ratio > 0:
        tokens = round(recorded.total_input / recorded.target_ratio)
        return max(low, min(tokens, high)), Doubt.REPORTED_TOKENS
    if recorded.tokens_high is None:
        return None, None
    return (low + high) // 2, Doubt.GUESSED_TOKENS


def _test(term: Term) -> Test:
    """Its test, if what it asks about was recorded; the query of a path was not."""
    known = term.fact.recorded
    if term.fact == conditions.PATH and not isinstance(term.domain, Numbers):
        known = not any("?" in pattern.text for pattern in term.domain.patterns)
    return term.test() if known else _unknown


def _unknown(*_given: object) -> None:
    return UNKNOWN


def _thresholds(terms: Iterable[Term]) -> list[int]:
    """Where token conditions turn over: two estimates between the same two of them are the same to all rules."""
    found = set()
    for term in terms:
        if term.fact == INPUT_TOKENS and isinstance(term.domain, Numbers):
            found.add(term.domain.low)
            found.update(() if term.domain.high is None else (term.domain.high + 1,))
    return sorted(found)


def _reader(terms: Iterable[Term]) -> Callable[[Recorded], Hashable] | None:
    """What gives all that the rules look at, tokens aside, of a recorded request; None where that is not known.

    Of the decision only its label and route are looked at: the ratio is no part of the key, only what it leads to.
    """
    facts = {term.fact for term in terms if term.fact.recorded and term.fact not in NO_FIELD}
    if not facts <= FIELDS.keys():
        return None
    places = sorted(Recorded._fields.index(FIELDS[fact]) for fact in facts)
    return itemgetter(*places) if places else _nothing


def _nothing(_recorded: Recorded) -> Hashable:
    return ()
