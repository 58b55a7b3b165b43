"""Which rule takes a request, and where it goes: a pure function of rules, features and the learned token ratio.

Two designs do not work. Counting tokens here would make deciding slow and impure, since counting wants a thread and a
memory of what was counted before. Counting beforehand, always, would tokenise half a megabyte to learn that a request
offers tools. So `decide` asks instead of fetching: it answers NEED_TOKENS when, and only when, a rule hangs on a
threshold that lies between the bounds known from the byte length. Who asked counts, and asks again with
`exact_tokens` set; then there is always a decision.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Literal

from ringlet_mitm.rules.conditions import UNKNOWN, Cost, Term, Truth
from ringlet_mitm.rules.matching import AnyOf, Match, Node, Not, compiled, walk
from ringlet_mitm.rules.peek import RequestFeatures
from ringlet_mitm.rules.reliability import Policy
from ringlet_mitm.rules.routing_file import Sticky
from ringlet_mitm.rules.rulebook import Default, Route, Rule, RuleBook
from ringlet_mitm.rules.splits import chosen
from ringlet_mitm.rules.tokens import Calibration

__all__ = [
    "NEED_TOKENS",
    "Check",
    "Decision",
    "Estimate",
    "Need",
    "Route",
    "Verdict",
    "decide",
    "decide_unreadable",
    "estimate",
    "verdicts",
]


class Need(Enum):
    """What `decide` asks for."""

    TOKENS = "the exact token count"


NEED_TOKENS: Final = Need.TOKENS


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a request goes and why. `index` is the rule's place, None for the default.

    `estimate` is the estimated number of input tokens, None where nobody had to count; `ratio` is the one that it was
    (or would have been) made with. Both are recorded: a backtest could not repeat the decision without them.
    `policy` is how patiently the route and its fallbacks are tried. `sticky` is the rule's; `kept` is true where it was
    not asked again, since it has taken the conversation before. `arm` is that of a rule that splits, "" else. `shadow`
    is where a copy is to go once there is an answer.
    """

    label: str
    index: int | None
    route: Route
    estimate: int | None
    ratio: float
    policy: Policy = field(default_factory=Policy)
    sticky: Sticky | None = None
    kept: bool = False
    arm: str = ""
    shadow: Route | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated input tokens: `low` to `high`, equal where they were counted."""

    low: int
    high: int
    ratio: float
    counted: int | None

    def __str__(self) -> str:
        times = "" if self.ratio == 1 else f" × {self.ratio:.3f}"
        if self.counted is None:
            return f"between {self.low:,} and {self.high:,} (not counted{', bounds' + times if times else ''})"
        return f"{self.low:,} ({self.counted:,} counted{times})" if times else f"{self.low:,} (counted)"


def estimate(features: RequestFeatures, calibration: Calibration) -> Estimate:
    """o200k_base tokens times the learned ratio, rounded: what thresholds are compared with, shown and recorded."""
    ratio = calibration.ratio(features.provider, features.model)
    counted = features.exact_tokens
    if counted is not None:
        tokens = round(counted * ratio)
        return Estimate(tokens, tokens, ratio, counted)
    bounds = features.token_bounds
    return Estimate(round(bounds.low * ratio), round(bounds.high * ratio), ratio, None)


def decide(
    book: RuleBook,
    features: RequestFeatures,
    calibration: Calibration,
    kept: Collection[str] = (),
    request_id: str = "",
) -> Decision | Literal[Need.TOKENS]:
    """The first rule that matches, else the default; NEED_TOKENS where that hangs on the exact token count.

    `kept` are the labels of rules that have taken the request's conversation before: the sticky ones among them take
    it again, whatever their conditions say now. So it never goes on to a rule further down. A rule that splits does so
    by the agent's session; a request without one takes its own way, by `request_id`.
    """
    tokens = estimate(features, calibration)
    low, high = tokens.low, tokens.high
    taken: Rule | None = None
    held = kept if book.sticks else ()
    for rule in book.rules:
        truth = True if held and _keeps(rule, held) else rule.test(features, low, high)
        if truth is UNKNOWN:
            return NEED_TOKENS
        if truth:
            taken = rule
            break
    known = None if tokens.counted is None else low
    who = features.session or request_id
    if taken is None:
        return _by_default(book.default, known, tokens.ratio, who)
    route, arm = _way(taken, who)
    return Decision(
        taken.label,
        taken.index,
        route,
        known,
        tokens.ratio,
        taken.policy,
        taken.sticky,
        _keeps(taken, held),
        arm,
        taken.shadow,
    )


def _keeps(rule: Rule, kept: Collection[str]) -> bool:
    return rule.sticky is not None and rule.label in kept


def decide_unreadable(book: RuleBook, request_id: str = "") -> Decision:
    """The default: nothing is known that a rule could ask about."""
    return replace(_by_default(book.default, None, 1.0, request_id), shadow=None)


def _by_default(default: Default, known: int | None, ratio: float, who: str) -> Decision:
    route, arm = _way(default, who)
    return Decision(default.label, None, route, known, ratio, default.policy, arm=arm, shadow=default.shadow)


def _way(one: Rule | Default, who: str) -> tuple[Route, str]:
    """Where it sends `who`, and the arm that this is. The label is in it: two rules split the same sessions anew."""
    if not one.arms:
        return one.route, ""
    arm = chosen(one.arms, f"{one.label}\0{who}")
    return arm.route, arm.name


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a rule (or `any`, `all`, `not` around some) and what decided it.

    `fact` is what was looked at, `value` what it was, both "" for a combinator; `depth` is how far inside of
    combinators it stands.
    """

    condition: str
    fact: str
    value: str
    truth: Truth
    depth: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says to a request. `reached` is false behind the rule that took it or is open without counting."""

    rule: Rule
    truth: Truth
    reached: bool
    checks: tuple[Check, ...]


def verdicts(book: RuleBook, features: RequestFeatures, calibration: Calibration) -> tuple[Verdict, ...]:
    """Every rule's verdict, also of those that were not reached."""
    tokens = estimate(features, calibration)
    found: list[Verdict] = []
    reached = True
    for rule in book.rules:
        truth = rule.test(features, tokens.low, tokens.high)
        checks = tuple(_check(node, depth, features, tokens) for depth, node in walk(rule.match))
        found.append(Verdict(rule, truth, reached, checks))
        reached = reached and truth is False
    return tuple(found)


def _check(node: Node, depth: int, features: RequestFeatures, tokens: Estimate) -> Check:
    truth = compiled(node)(features, tokens.low, tokens.high)
    match node:
        case Term():
            value = str(tokens) if node.cost is Cost.TOKENS else node.fact.shown(features)
            return Check(str(node), node.fact.name, value, truth, depth)
        case AnyOf():
            return Check("any of", "", "", truth, depth)
        case Not():
            return Check("not", "", "", truth, depth)
        case Match():
            return Check("all of", "", "", truth, depth)
