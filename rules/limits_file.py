"""`[limits]` of a routing file: what may stand there, and what several of its keys together cannot mean.

Read by hand: which keys a table takes depends on whether its name is a limit's or a provider's. No built-in provider
is called like a limit (a test looks); a person's own that is gets its limits by an alias.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import combinations
from typing import Any

from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.limits import NO_LIMITS, Amount, Limit, LimitKind, Limits, amount_words
from ringlet_mitm.rules.naming import ProviderNames, canonical, unknown
from ringlet_mitm.rules.redaction import masked
from ringlet_mitm.rules.reliability import Policy
from ringlet_mitm.rules.routes import Route, named_route

LIMITS = "limits"
PARALLEL = "parallel"
TO = "to"
KINDS: tuple[str, ...] = tuple(LimitKind)
# In the order in which they are reached.
STEPS = ("warn", "switch", "refuse")
MOST_PARALLEL = 1000
# Of anything: beyond it is a slip of the pen.
MOST = 10**12


@dataclass(frozen=True, slots=True)
class WrittenLimit:
    """A limit as its table says it; `rule` is the name of the rule that `to` means, where it means one."""

    limit: Limit
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenLimits:
    """`[limits]` as it stands in the file."""

    limits: tuple[WrittenLimit, ...] = ()
    parallel: Mapping[str, int] = field(default_factory=dict)
    parallel_lines: Mapping[str, int | None] = field(default_factory=dict)


NOTHING_WRITTEN = WrittenLimits()


@dataclass(frozen=True, slots=True)
class Way:
    """Where a rule leads, for limits that name it."""

    route: Route
    policy: Policy
    label: str
    index: int | None = None


def read_limits(
    document: Document, providers: ProviderNames, rules: Collection[str]
) -> tuple[WrittenLimits, list[ConfigError]]:
    """What the document says under `limits`, and all that is wrong with it; `rules` are the names that `to` may say."""
    if LIMITS not in document.data:
        return NOTHING_WRITTEN, []
    reading = _Reading(document, providers, rules)
    reading.read(document.data[LIMITS])
    return WrittenLimits(tuple(reading.limits), reading.parallel, reading.parallel_lines), reading.problems


def in_force(written: WrittenLimits, ways: Mapping[str, Way], policy: Policy) -> Limits:
    """With the way of each rule that a `to` names; `policy` is for those that name none.

    Where a `to` is no rule, nothing is tried after it: what else there is may be what the limit is for.
    """
    if not written.limits and not written.parallel:
        return NO_LIMITS
    limits = tuple(_settled(one, ways, policy) for one in written.limits)
    return Limits(limits, written.parallel, written.parallel_lines)


def _settled(written: WrittenLimit, ways: Mapping[str, Way], policy: Policy) -> Limit:
    limit = written.limit
    if written.rule is not None:
        way = ways[written.rule]
        return replace(limit, to=way.route, policy=way.policy, label=way.label, index=way.index)
    if limit.to is None:
        return limit
    label = f"limit {limit.name} → {limit.to.name}"
    return replace(limit, to=replace(limit.to, alone=True), policy=policy, label=label)


@dataclass(slots=True)
class _Reading:
    """One reading of one file. What is wrong is put into `problems`, and reading goes on."""

    document: Document
    providers: ProviderNames
    rules: Collection[str]
    limits: list[WrittenLimit] = field(default_factory=list)
    parallel: dict[str, int] = field(default_factory=dict)
    parallel_lines: dict[str, int | None] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)
    tables: dict[str, KeyPath] = field(default_factory=dict)

    def read(self, table: object) -> None:
        """The whole section."""
        if not isinstance(table, dict):
            self._wrong((LIMITS,), "has to be a table: [limits]")
            return
        for name, path, value in self._keys(table, (LIMITS,)):
            if name in KINDS:
                self._limit(LimitKind(name), None, path, value)
            elif isinstance(value, dict):
                self._provider(path, value)
            elif name == PARALLEL:
                self._wrong(path, "is for one provider at a time: put it under [limits.PROVIDER]")
            else:
                self._unknown(path, name, KINDS)

    def _provider(self, path: KeyPath, table: dict[str, Any]) -> None:
        key = str(path[-1])
        try:
            provider = canonical(key, self.providers)
        except ConfigError:
            closest = nearest(key, (*KINDS, *self.providers.names()))
            self._wrong(path, unknown(key, closest), closest)
            return
        if provider in self.tables:
            line = self.document.line_of(self.tables[provider])
            self._wrong(path, f"the limits of '{provider}' stand in line {line} already; put all of them there")
            return
        self.tables[provider] = path
        for name, place, value in self._keys(table, path):
            if name in KINDS:
                self._limit(LimitKind(name), provider, place, value)
            elif name == PARALLEL:
                self._parallel(provider, place, value)
            else:
                self._unknown(place, name, (*KINDS, PARALLEL))

    def _parallel(self, provider: str, path: KeyPath, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            self._wrong(path, "has to be a whole number")
        elif not 1 <= value <= MOST_PARALLEL:
            self._wrong(path, f"has to be 1 to {MOST_PARALLEL:,}")
        else:
            self.parallel[provider] = value
            self.parallel_lines[provider] = self.document.line_of(path)

    def _limit(self, kind: LimitKind, provider: str | None, path: KeyPath, value: object) -> None:
        """A bare number refuses."""
        line, table = self.document.line_of(path), ".".join(str(step) for step in path[:-1])
        limit = Limit(kind, provider, line=line, table=table)
        if not isinstance(value, dict):
            amount = self._amount(kind, path, value, "has to be a number, or a table as in { warn = 10, refuse = 20 }")
            self.limits.append(WrittenLimit(replace(limit, refuse=amount)))
            return
        steps: dict[str, Any] = {}
        to: tuple[Route | None, str | None] = (None, None)
        for name, place, said in self._keys(value, path):
            if name in STEPS:
                steps[name] = self._amount(kind, place, said, "has to be a number")
            elif name == TO:
                to = self._to(place, said)
            else:
                self._unknown(place, name, (*STEPS, TO))
        self._check(kind, path, value, steps)
        route, rule = to
        self.limits.append(WrittenLimit(replace(limit, to=route, **steps), rule))

    def _check(self, kind: LimitKind, path: KeyPath, table: Mapping[str, Any], steps: Mapping[str, Any]) -> None:
        """What each key alone does not show."""
        if not table:
            self._wrong(path, "says nothing; it takes warn, refuse, or switch with a `to`")
        elif "switch" in steps and TO not in table:
            self._wrong((*path, "switch"), 'needs a `to`: the name of a rule, a provider, or "provider/model"')
        elif TO in table and "switch" not in steps:
            self._wrong((*path, TO), "is where `switch` leads, which is missing: switch = …")
        for low, high in combinations(STEPS, 2):
            first, second = steps.get(low), steps.get(high)
            if first is not None and second is not None and first >= second:
                message = f"has to be below {high} ({amount_words(kind, second)}), or it never comes to that"
                self._wrong((*path, low), message)
                return

    def _to(self, path: KeyPath, value: object) -> tuple[Route | None, str | None]:
        """A route, or the name of a rule."""
        if not isinstance(value, str):
            self._wrong(path, 'has to be the name of a rule, a provider, or "provider/model"')
            return None, None
        if value in self.rules:
            return None, value
        try:
            return named_route(value, self.providers), None
        except ConfigError as error:
            closest = nearest(value, self.rules) or error.suggestion
            said = f"there is no rule and no provider '{masked(value)}'"
            self._wrong(path, said if closest else f"{said}; `ringlet-mitm providers list` names those", closest)
            return None, None

    def _amount(self, kind: LimitKind, path: KeyPath, value: object, otherwise: str) -> Amount | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(path, otherwise)
        elif not kind.is_money and not isinstance(value, int):
            self._wrong(path, "has to be a whole number")
        elif not value > 0:
            self._wrong(path, "has to be more than 0")
        elif value > MOST:
            self._wrong(path, f"has to be at most {MOST:,}")
        else:
            return Decimal(str(value)) if kind.is_money else int(value)
        return None

    def _keys(self, table: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[str, KeyPath, Any]]:
        """Each key in kebab-case, with its place as written and its value."""
        seen: dict[str, str] = {}
        for key, value in table.items():
            name = key.replace("_", "-")
            if name in seen:
                self._wrong((*path, key), f"stands here twice, also as '{seen[name]}'")
                continue
            seen[name] = key
            yield name, (*path, key), value

    def _unknown(self, path: KeyPath, name: str, known: tuple[str, ...]) -> None:
        closest = nearest(name, known)
        self._wrong(path, "unknown key" if closest else f"unknown key; there are {', '.join(known)}", closest)

    def _wrong(self, path: KeyPath, message: str, suggestion: str | None = None) -> None:
        self.problems.append(self.document.error(path, message, suggestion))
