"""What other rules would have cost: a history, replayed in the order of time.

A `Replay` takes one request after the other and says where the rules would have sent it and what it would have cost
there; it keeps what conversations bring along (sticky rules, prompt caches). `compared` puts two of them side by side,
or one beside what happened. What cannot be known is said and counted, and takes no part in sums.

What is not replayed: limits (a request that one had sent elsewhere stays there), and failures (a request that a
fallback answered stays with it as long as what is tried first is the same). The rules that were in force give what
happened, request by request, but for one thing: a proxy that was restarted has forgotten which conversations its sticky
rules kept, and the replay has not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ringlet_mitm.rules.comparison import Comparison, Outcome, Undecided
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.recaching import (
    DAY_US,
    Caches,
    Cards,
    Tariff,
    Thread,
    Warm,
    counts_there,
    day_of,
    left_by,
    thread_of,
)
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.redeciding import Decider, Doubt
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.targets import Place, ProfilePin, places
from ringlet_mitm.rules.tokens import Calibration

NOBODY: frozenset[str] = frozenset()
Taker = Callable[[Recorded], Outcome | Undecided]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a replay stands on besides the rules: providers, what the profile fixes, learned ratios, prices."""

    registry: ProviderRegistry = field(repr=False)
    pin: ProfilePin
    calibration: Calibration
    cards: Cards


class Step(NamedTuple):
    """A request on its way: where it was, what its thread could have read from the cache there, and what it left."""

    recorded: Recorded
    then: Place
    thread: Thread | None
    warm: Warm | None
    left: Warm | None


def happened(recorded: Recorded) -> Outcome:
    """What the ledger says."""
    return Outcome(recorded.rule, Place(recorded.provider, recorded.model), recorded.cost)


class Replay:
    """One book's replay; `take` wants the requests in the order in which they arrived.

    `in_force` are the rules that decided then, as far as they are still known: where a provider rested, its fallback
    was asked at once, and only the rule tells that this is not where it leads.
    """

    def __init__(self, book: RuleBook, ground: Ground, in_force: RuleBook | None = None) -> None:
        self._ground = ground
        self._then_ways = {} if in_force is None else _ways(in_force)
        self._decider = Decider(book, ground.calibration)
        self._sticky = frozenset(rule.label for rule in book.rules if rule.sticky)
        self._kept: dict[tuple[str, str], frozenset[str]] = {}
        self._places: dict[tuple[Route, str, str], tuple[Place, ...]] = {}
        self._scales: dict[tuple[Place, Place], tuple[float, bool]] = {}
        self._tariffs: dict[tuple[Place, int], Tariff] = {}
        self._then = Caches()
        self._now = Caches()

    def take(self, recorded: Recorded) -> Outcome | Undecided:
        """The next request."""
        kept = self._kept_of(recorded)
        decision, doubt = self._decider.of(recorded, kept)
        step = self._step(recorded)
        if decision is None:
            self._now.feed(step.thread, step.then, step.left)
            return Undecided(self._decider.hangs_on(recorded))
        if decision.sticky and recorded.session:
            self._kept[recorded.conversation] = kept | {decision.label}
        doubts = () if doubt is None else (doubt,)
        if recorded.limited:
            return self._settled(step, recorded.rule, step.then, (*doubts, Doubt.LIMITED))
        return self._settled(step, decision.label, self._place(step, decision), doubts)

    def _step(self, recorded: Recorded) -> Step:
        """What happened then, also to the cache."""
        then, thread = Place(recorded.provider, recorded.model), thread_of(recorded)
        left = None if thread is None else left_by(recorded, recorded.total_input)
        step = Step(recorded, then, thread, self._then.warm(recorded, thread, then), left)
        self._then.feed(thread, then, left)
        return step

    def _kept_of(self, recorded: Recorded) -> frozenset[str]:
        """The sticky rules that have taken the conversation; where it began before the history, what its row says."""
        if not self._sticky or not recorded.session:
            return NOBODY
        kept = self._kept.get(recorded.conversation)
        if kept is None:
            kept = self._sticky & {recorded.rule} if recorded.kept else NOBODY
        return kept

    def _place(self, step: Step, decision: Decision) -> Place:
        """Where the decision leads; where a fallback had answered, and would be asked again, to that."""
        recorded = step.recorded
        chain = self._chain(decision.route, recorded)
        first = chain[0]
        if not recorded.readable and not self._speaks(first, recorded.format):
            # Nobody can translate what nobody can read: it passed through.
            first, *_ = chain = self._chain(Route(), recorded)
        if first == step.then or step.then not in chain:
            return first
        if first == (recorded.first_provider, recorded.first_model):
            return step.then
        way = self._then_ways.get((recorded.rule, recorded.arm))
        return step.then if way is not None and self._chain(way, recorded)[0] == first else first

    def _chain(self, route: Route, recorded: Recorded) -> tuple[Place, ...]:
        key = (route, recorded.asked, recorded.requested)
        found = self._places.get(key)
        if found is None:
            ground = self._ground
            found = places(route, recorded.asked, recorded.requested, ground.registry, ground.pin)
            self._places[key] = found
        return found

    def _speaks(self, place: Place, wire_format: str) -> bool:
        spec = self._ground.registry.get(place.provider)
        return spec is None or wire_format in spec.formats_for(place.model)

    def _settled(self, step: Step, label: str, place: Place, doubts: tuple[Doubt, ...]) -> Outcome:
        """What it costs there; from then on it is in that place's cache."""
        recorded, stays = step.recorded, place == step.then
        scale, known = (1.0, True) if stays else self._scale(step.then, place)
        warm = self._now.warm(recorded, step.thread, place)
        left = step.left
        if left is not None and scale != 1.0:
            left = left._replace(tokens=round(left.tokens * scale))
        self._now.feed(step.thread, place, left)
        if stays and (warm is step.warm or (warm and warm.id) == (step.warm and step.warm.id)):
            return Outcome(label, place, recorded.cost, doubts)
        if recorded.source == "none":
            return Outcome(label, place, recorded.cost, doubts if stays else (*doubts, Doubt.FAILED))
        if not known:
            doubts = (*doubts, Doubt.TOKENIZER)
        if recorded.source == "estimated":
            doubts = (*doubts, Doubt.ESTIMATED)
        tariff = self._tariff(place, recorded)
        if tariff.rates is None:
            return Outcome(label, place, None, doubts, True)
        marked = self._tariff(step.then, recorded).marks
        counts = counts_there(recorded, marked, tariff.marks, scale, step.warm, warm)
        usd, output_usd = tariff.rates.amounts(counts)
        return Outcome(label, place, usd, doubts, True, output_usd)

    def _scale(self, then: Place, place: Place) -> tuple[float, bool]:
        """How many tokens there are one of then, and whether that was learned; 1 where it was not."""
        found = self._scales.get((then, place))
        if found is None:
            ratios, found = self._ground.calibration, (1.0, False)
            if ratios.knows(*place) and ratios.knows(*then):
                found = ratios.ratio(*place) / ratios.ratio(*then), True
            self._scales[then, place] = found
        return found

    def _tariff(self, place: Place, recorded: Recorded) -> Tariff:
        day = recorded.started_us // DAY_US
        found = self._tariffs.get((place, day))
        if found is None:
            found = self._tariffs[place, day] = Tariff.of(self._ground.cards(place.provider, place.model, day_of(day)))
        return found


def compared(history: Iterable[Recorded], was: Taker, now: Taker, *, keep: bool = False) -> Comparison:
    """Two ways to send a history side by side; `keep` says whether to list the requests that move."""
    found = Comparison()
    for recorded in history:
        one, other = was(recorded), now(recorded)
        if recorded.within:
            found.add(recorded, one, other, keep=keep)
    return found


def replay(
    history: Iterable[Recorded],
    book: RuleBook,
    ground: Ground,
    *,
    against: RuleBook | None = None,
    in_force: RuleBook | None = None,
    keep: bool = False,
) -> Comparison:
    """What `book` would have done, beside what happened or what the book `against` would have done."""
    was = happened if against is None else Replay(against, ground, in_force).take
    return compared(history, was, Replay(book, ground, in_force).take, keep=keep)


def _ways(book: RuleBook) -> dict[tuple[str, str], Route]:
    """Where each rule leads, by its label and the arm of its split."""
    split = {(one.label, arm.name): arm.route for one in book.every for arm in one.arms}
    return split | {(one.label, ""): one.route for one in book.every if not one.arms}
