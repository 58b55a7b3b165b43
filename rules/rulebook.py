"""`routing.toml` as a `RuleBook`: read once, checked as a whole, then only asked.

What the file says is read in routing_file.py. Here each rule gets its place, its label, its compiled test, and what
holds for it where it says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from ringlet_mitm.rules.conditions import Cost, Term, Test
from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.hints import hinted
from ringlet_mitm.rules.limits import NO_LIMITS, Limits
from ringlet_mitm.rules.limits_file import Way, WrittenLimits, in_force
from ringlet_mitm.rules.matching import Match, compiled, walk, words
from ringlet_mitm.rules.naming import ProviderNames
from ringlet_mitm.rules.policies import NOTHING_USUAL, Usual, policy_of
from ringlet_mitm.rules.reliability import Policy
from ringlet_mitm.rules.routes import Route, with_fallback
from ringlet_mitm.rules.routing_file import DEFAULT, DefaultKeys, RouteKeys, RoutingFile, RuleKeys, read_routing
from ringlet_mitm.rules.settings import NO_SETTINGS, ModelRoute, Settings
from ringlet_mitm.rules.shadowing import USUAL, Shadowing
from ringlet_mitm.rules.splits import Arm

__all__ = ["Default", "Route", "Rule", "RuleBook", "RuleKeys", "load_rulebook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(RuleKeys):
    """A rule at its place in a book. `index` counts from 0; `label` is unlike any other's in the book.

    `file` is the one that it stands in: a routing.toml, or the config.toml for a route by model name. `route`, `arms`
    and `policy` are what comes of its keys and of what holds where it says nothing. `route` is the first of several
    arms; there are none where it goes to one place.
    """

    index: int
    label: str
    file: str
    line: int | None
    route: Route
    arms: tuple[Arm, ...] = ()
    policy: Policy = field(default_factory=Policy)
    test: Test = field(repr=False, compare=False)

    @property
    def ways(self) -> tuple[Route, ...]:
        """Every route that a request may take."""
        return tuple(arm.route for arm in self.arms) or (self.route,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Default(DefaultKeys):
    """Where everything goes that no rule takes; `route`, `arms` and `policy` as in a rule."""

    route: Route
    arms: tuple[Arm, ...] = ()
    policy: Policy = field(default_factory=Policy)

    @property
    def label(self) -> str:
        """What rows and reports call it."""
        return f"{DEFAULT} → {self.goal}"

    @property
    def ways(self) -> tuple[Route, ...]:
        """As in a rule."""
        return tuple(arm.route for arm in self.arms) or (self.route,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules in order, those of the routing file before the routes of config.toml, and where everything else goes.

    `file` is the routing file. `sticks` says whether a rule keeps conversations. `default_line` is None where neither
    file says where everything else goes, and `default_file` then "". `digest` tells one book from another.
    `counts_tokens` says whether a rule may hang on an exact token count. `shadowing` is what holds for all copies.
    """

    rules: tuple[Rule, ...]
    default: Default
    default_line: int | None
    file: str
    digest: str
    counts_tokens: bool
    default_file: str = ""
    sticks: bool = False
    limits: Limits = NO_LIMITS
    shadowing: Shadowing = USUAL

    @property
    def every(self) -> tuple[Rule | Default, ...]:
        """The rules in their order, and the default."""
        return (*self.rules, self.default)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a row can carry, the default's last."""
        return (*(rule.label for rule in self.rules), self.default.label)

    @property
    def counted(self) -> tuple[int, int]:
        """How many rules the routing file has, and how many routes config.toml."""
        own = sum(rule.file == self.file for rule in self.rules)
        return own, len(self.rules) - own

    def place(self, line: int | None, file: str) -> str:
        """A place in words: `line 3`, or `line 3 of config.toml` where that is not the routing file."""
        return f"line {line}" if file == self.file else f"line {line} of {PurePath(file).name}"


def load_rulebook(
    text: str,
    file: str,
    providers: ProviderNames,
    default_provider: str | None = None,
    settings: Settings = NO_SETTINGS,
    usual: Usual = NOTHING_USUAL,
) -> RuleBook:
    """Read and check the text of a routing file; `file` is its name in messages.

    The routes of `settings` come after its rules. Where the text has no `[default]`, requests that nothing takes go to
    `default_provider` (the profile's), else to that of `settings`, else they pass through. `usual` is what the profile
    says for rules that say nothing of it.
    Raises ConfigError for the first problem by line; its `others` are the rest.
    """
    document = Document.parse(text, file)
    said = read_routing(document, providers)
    labels = _labels(said.rule)
    own = tuple(_placed(keys, index, labels[index], document) for index, keys in enumerate(said.rule))
    default, default_line, default_file = _default(said, document, default_provider, providers, settings)
    rules = tuple(replace(rule, **_settled(rule, usual, settings)) for rule in (*own, *_model_rules(settings, labels)))
    default = replace(default, **_settled(default, usual, settings))
    return RuleBook(
        rules=rules,
        default=default,
        default_line=default_line,
        default_file=default_file,
        file=file,
        digest=sha256(f"{text}{settings.digest}".encode()).hexdigest()[:16],
        counts_tokens=any(_counts_tokens(keys.match) for keys in said.rule),
        sticks=any(keys.sticky for keys in said.rule),
        limits=_limits(said.limits, rules, default, policy_of(usual.patience, settings.reliability.policy_keys)),
        shadowing=said.shadow,
    )


def _limits(written: WrittenLimits, rules: Iterable[Rule], default: Default, policy: Policy) -> Limits:
    ways = {rule.name: Way(rule.route, rule.policy, rule.label, rule.index) for rule in rules if rule.name}
    return in_force(written, {**ways, DEFAULT: Way(default.route, default.policy, default.label)}, policy)


def _counts_tokens(match: Match) -> bool:
    return any(isinstance(node, Term) and node.cost is Cost.TOKENS for _, node in walk(match))


def _settled(one: Rule | Default, usual: Usual, settings: Settings) -> dict[str, Any]:
    """The routes and policy of a rule or default, with what it says itself before what holds for all."""
    arms = (replace(arm, route=with_fallback(arm.route, one.fallback, usual.fallback)) for arm in one.split or ())
    return {
        "route": with_fallback(one.route, one.fallback, usual.fallback),
        "arms": tuple(arms),
        "policy": policy_of(one, usual.patience, settings.reliability.policy_keys),
    }


def _route(keys: RouteKeys) -> Route:
    return keys.firsts[0]


def _said(keys: RouteKeys) -> dict[str, Any]:
    return {item.name: getattr(keys, item.name) for item in fields(keys)}


def _default(
    said: RoutingFile, document: Document, profiles: str | None, providers: ProviderNames, settings: Settings
) -> tuple[Default, int | None, str]:
    """Where everything else goes, and the line and file that say so."""
    if said.default is not None:
        return _as_default(said.default), document.line_of((DEFAULT,)), document.file
    if profiles is not None:
        named = providers.get(profiles)
        return _as_default(DefaultKeys(to=Route(named.provider_id if named else profiles))), None, ""
    if settings.default_provider is not None:
        keys = DefaultKeys(to=Route(settings.default_provider), model=settings.default_model)
        return _as_default(keys), settings.default_line, settings.file
    return _as_default(DefaultKeys(to=Route())), None, ""


def _as_default(keys: DefaultKeys) -> Default:
    return Default(**_said(keys), route=_route(keys))


def _model_rules(settings: Settings, taken: tuple[str, ...]) -> Iterable[Rule]:
    """The routes by model name as rules, numbered on from those that have the labels `taken`."""
    labels = list(taken)
    for route in settings.model_routes:
        plain = f"model-route {route.hint} → {route.provider}"
        count = labels.count(plain)
        label = plain
        while label in labels:
            count += 1
            label = f"{plain} #{count}"
        yield _model_rule(route, settings.file, len(labels), label)
        labels.append(label)


def _model_rule(route: ModelRoute, file: str, index: int, label: str) -> Rule:
    match = Match((hinted(route.hint),))
    return Rule(
        match=match,
        to=Route(route.provider, key=route.key),
        model=route.model,
        index=index,
        label=label,
        file=file,
        line=route.line,
        route=Route(route.provider, route.model, key=route.key),
        test=compiled(match),
    )


def _placed(keys: RuleKeys, index: int, label: str, document: Document) -> Rule:
    return Rule(
        **_said(keys),
        index=index,
        label=label,
        file=document.file,
        line=document.line_of(("rule", index)),
        route=_route(keys),
        test=compiled(keys.match),
    )


def _labels(rules: tuple[RuleKeys, ...]) -> tuple[str, ...]:
    """One for each rule, all different: by name, else by conditions, else also by their values, at last by number.

    All rules of the same conditions get their values, not only the later ones: if a rule took over the plain label of
    another when one is put in front of it, a report over both times would add up two different rules.
    """
    labels = [_label(keys, detail=False) for keys in rules]
    labels = _retold(labels, rules, lambda index, _label_so_far: _label(rules[index], detail=True))
    return tuple(_retold(labels, rules, lambda index, label: f"{label} #{index + 1}"))


def _retold(labels: list[str], rules: tuple[RuleKeys, ...], tell: Callable[[int, str], str]) -> list[str]:
    counts = Counter(labels)
    return [
        tell(index, label) if counts[label] > 1 and rules[index].name is None else label
        for index, label in enumerate(labels)
    ]


def _label(keys: RuleKeys, *, detail: bool) -> str:
    return f"{keys.name or words(keys.match, detail)} → {keys.goal}"
