"""Rules that would have saved money: a threshold below which requests go to a cheaper place.

Only what no rule takes is looked at: where a rule was written, somebody has decided. A suggested rule stands behind
those that are there, before `[default]`. What it would have saved is found by replaying the history with it, so that
prompt caches left behind count; for the curve a part of the conversations does, for the rule that is suggested all of
them. Of the quality of answers nothing is known here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil, floor, log10
from zlib import crc32

from ringlet_mitm.rules.backtest import Ground, Replay, Taker, compared
from ringlet_mitm.rules.comparison import Outcome, Undecided
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.redeciding import likely_tokens
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.rulebook import RuleBook

DAY_US = 86_400_000_000
MONTH_DAYS = 30
# The curve is worked out on so many requests, all of some conversations: some twenty replays have to take seconds.
SAMPLE = 6_000
STEPS = (10, 20, 30, 40, 50, 60, 70, 80, 90)
# Fewer are no habit.
LEAST_REQUESTS = 20

# From the text of rules to a book that has them behind its own.
Load = Callable[[str], RuleBook]


@dataclass(frozen=True, slots=True)
class Lever:
    """Something that tells small requests from large ones; `match` is the condition that is met below a threshold."""

    name: str
    words: str
    match: str
    read: Callable[[Recorded], int | None] = field(repr=False)


def _tokens(recorded: Recorded) -> int | None:
    tokens = recorded.counted if recorded.counted is not None else likely_tokens(recorded)[0]
    return None if tokens is None else round(tokens * (recorded.ratio or 1.0))


LEVERS = (
    Lever("input-tokens", "fewer input tokens than", "{{ input-tokens-lt = {} }}", _tokens),
    Lever(
        "messages", "no more messages than", "{{ not = {{ messages-gt = {} }} }}", lambda recorded: recorded.messages
    ),
    Lever("tools", "fewer tools than", "{{ not = {{ tools-gte = {} }} }}", lambda recorded: recorded.tools),
)


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does: requests that move, their share of all, and USD less in 30 days, None where unknown."""

    threshold: int
    moved: int
    share: float
    saved_a_month: Decimal | None


@dataclass(frozen=True, slots=True)
class Curve:
    """What a lever does, threshold by threshold; `knee` is the one behind which more moves for less money."""

    lever: Lever
    to: Route
    points: tuple[Point, ...]
    knee: Point | None

    def rule(self, point: Point) -> str:
        """The rule with that threshold, as TOML."""
        model = f'model = "{self.to.model}"\n' if self.to.model else ""
        return f'[[rule]]\nmatch = {self.lever.match.format(point.threshold)}\nto = "{self.to.name}"\n{model}'


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The curves that save anything, the one that saves most first. `sampled` is how many requests they are of.

    `open_requests` are those of the history that no rule takes, out of `requests`; `days` is how long it is.
    """

    requests: int
    open_requests: int
    sampled: int
    days: float
    curves: tuple[Curve, ...] = ()


def destinations(book: RuleBook) -> tuple[Route, ...]:
    """Where the rules send requests to, but for where everything else goes."""
    ways = [way for one in book.every for way in one.ways]
    every = (Route(one.provider, one.model, key=one.key) for way in ways for one in (way, *way.fallback))
    default = (book.default.route.provider, book.default.route.model)
    return tuple(dict.fromkeys(one for one in every if one.provider and (one.provider, one.model) != default))


def suggest(
    history: Sequence[Recorded], book: RuleBook, load: Load, ground: Ground, to: Sequence[Route]
) -> Suggestions:
    """What thresholds would save, going to the best of `to`; requests cost what `book` would have made them cost."""
    within = sum(recorded.within for recorded in history)
    days = _days(history)
    sample, part = _sample(history, within)
    trial = _Trial(sample, book, load, ground, MONTH_DAYS / days * part if days else 0.0)
    open_requests = round(len(trial.open) * part)
    if len(trial.open) < LEAST_REQUESTS or not to:
        return Suggestions(within, open_requests, trial.counted, days)
    best = max(to, key=trial.promise)
    curves = (trial.curve(lever, best) for lever in LEVERS)
    found = sorted((curve for curve in curves if curve.knee), key=_worth, reverse=True)
    return Suggestions(within, open_requests, trial.counted, days, tuple(found))


def _worth(curve: Curve) -> Decimal:
    return (curve.knee and curve.knee.saved_a_month) or Decimal(0)


class _Trial:
    """Replays of one sample, each beside that of the rules as they are."""

    def __init__(self, sample: Sequence[Recorded], book: RuleBook, load: Load, ground: Ground, a_month: float) -> None:
        self._sample, self._load, self._ground = sample, load, ground
        self._a_month = Decimal(a_month)
        self._book = book
        now = Replay(book, ground, book).take
        self._was = [now(recorded) for recorded in sample]
        self.counted = sum(recorded.within for recorded in sample)
        pairs = zip(sample, self._was, strict=True)
        self.open = [one for one, was in pairs if one.within and _is_open(was, book.default.label)]

    def promise(self, to: Route) -> Decimal:
        """What it would save to send the smaller half of the open requests there; how destinations are compared."""
        curve = self.curve(LEVERS[0], to, (50,))
        return max(
            (point.saved_a_month for point in curve.points if point.saved_a_month is not None), default=Decimal(0)
        )

    def curve(self, lever: Lever, to: Route, steps: Sequence[int] = STEPS) -> Curve:
        """What each of some thresholds does."""
        values = sorted(value for value in map(lever.read, self.open) if value is not None)
        bare = Curve(lever, to, (), None)
        points = tuple(self._point(bare, threshold) for threshold in thresholds(values, steps))
        return Curve(lever, to, points, knee(points))

    def _with(self, rule: str) -> Taker:
        return Replay(self._load(rule), self._ground, self._book).take

    def _point(self, curve: Curve, threshold: int) -> Point:
        point = Point(threshold, 0, 0.0, None)
        was = iter(self._was)
        total = compared(self._sample, lambda _: next(was), self._with(curve.rule(point))).total
        known = total.requests > total.change_unpriced and total.now_unpriced <= total.was_unpriced
        saved = -total.change * self._a_month if known else None
        return Point(threshold, total.moved, total.moved / self.counted if self.counted else 0.0, saved)


def thresholds(values: Sequence[int], steps: Iterable[int] = STEPS) -> Iterator[int]:
    """Round numbers of two digits, about a tenth of the sorted `values` apart, each with some below it and some not."""
    last = 0
    for step in steps if values else ():
        value = values[min(len(values) - 1, len(values) * step // 100)]
        found = rounded(value + 1)
        below = bisect_left(values, found)
        # The same requests are below it as below the last one where no value lies between; one above all is none.
        if found > last and bisect_left(values, last) < below < len(values):
            yield found
            last = found


def rounded(number: int) -> int:
    """The next number of two digits and zeros that is no smaller."""
    size = 10 ** max(0, floor(log10(number)) - 1) if number > 0 else 1
    return ceil(number / size) * size


def knee(points: Sequence[Point]) -> Point | None:
    """Where a curve bends: the largest distance between the part of the money saved and the part of requests moved.

    None where nothing is saved. (Satopää and others, "Finding a Kneedle in a Haystack", 2011, without the smoothing.)
    """
    good = [
        (point, point.saved_a_month) for point in points if point.saved_a_month is not None and point.saved_a_month > 0
    ]
    if not good:
        return None
    most_usd = max(usd for _, usd in good)
    most_moved = max(point.moved for point, _ in good) or 1
    return max(good, key=lambda one: (float(one[1] / most_usd) - one[0].moved / most_moved, one[1]))[0]


def _is_open(was: Outcome | Undecided, default: str) -> bool:
    return isinstance(was, Outcome) and was.label == default


def _days(history: Sequence[Recorded]) -> float:
    """How long the history is, a day at the least: less says nothing of a month."""
    times = [recorded.started_us for recorded in history if recorded.within]
    return max(1.0, (times[-1] - times[0]) / DAY_US) if times else 0.0


def _sample(history: Sequence[Recorded], within: int) -> tuple[Sequence[Recorded], int]:
    """All requests of one conversation in so many, and in how many: the same ones each time."""
    part = max(1, ceil(within / SAMPLE))
    if part == 1:
        return history, 1
    return [one for one in history if crc32((one.session or one.id).encode()) % part == 0], part
