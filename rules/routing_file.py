"""What a routing.toml can say: its keys, and what several of them together cannot mean.

The dataclasses are what pydantic validates into, from keys in kebab-case or snake_case. A rule's place, label and
compiled test are added when the book is put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, PlainValidator, TypeAdapter, ValidationError

from ringlet_mitm.rules.complaints import as_written, complaint
from ringlet_mitm.rules.conditions import Text
from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.limits_file import LIMITS, NOTHING_WRITTEN, WrittenLimits, read_limits
from ringlet_mitm.rules.matching import Match
from ringlet_mitm.rules.naming import ProviderNames
from ringlet_mitm.rules.policies import PolicyKeys, out_of_range
from ringlet_mitm.rules.routes import Route, route_of
from ringlet_mitm.rules.shadowing import USUAL, Shadowing
from ringlet_mitm.rules.splits import SPLIT, Arm, split_of

DEFAULT = "default"
NO_ROUTE = (
    'is missing: a provider, or "passthrough" for the host that the agent asked for; `split` in its place names several'
)

To = Annotated[Route, PlainValidator(route_of)]
Split = Annotated[tuple[Arm, ...], PlainValidator(split_of)]
Sticky = Literal["session"]


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _unasked(value: object) -> object:
    """Never called: pydantic is not shown the limits, and need not learn what they are made of."""
    return value


_KEYS = ConfigDict(extra="forbid", alias_generator=_kebab, populate_by_name=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteKeys(PolicyKeys):
    """What rules and the default have in common: where to, what after it, and how patiently.

    `read_routing` sees to it that there is a `to` or a `split`, and not both. `fallback` is None where nothing is said
    of it, and empty where nothing shall be tried. `shadow` is where copies go.
    """

    to: To | None = None
    split: Split | None = None
    model: Text | None = None
    fallback: tuple[To, ...] | None = None
    shadow: To | None = None

    @property
    def goal(self) -> str:
        """Where they go, as labels say it: a provider, or that there are several."""
        return SPLIT if self.to is None else self.to.name

    @property
    def firsts(self) -> tuple[Route, ...]:
        """Where a request may go first."""
        if self.to is None:
            return tuple(arm.route for arm in self.split or ())
        return (self.to if self.model is None else replace(self.to, model=self.model),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleKeys(RouteKeys):
    """The keys of a `[[rule]]`.

    A sticky rule that has taken a conversation once takes all that comes of it: its conditions are for the first time.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _KEYS

    match: Match
    name: Text | None = None
    sticky: Sticky | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultKeys(RouteKeys):
    """The keys of `[default]`."""

    __pydantic_config__: ClassVar[ConfigDict] = _KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingFile:
    """The keys of the file; `[limits]` is read by limits_file.py."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    rule: tuple[RuleKeys, ...] = ()
    default: DefaultKeys | None = None
    limits: Annotated[WrittenLimits, PlainValidator(_unasked)] = NOTHING_WRITTEN
    shadow: Shadowing = USUAL


_ADAPTER: TypeAdapter[RoutingFile] = TypeAdapter(RoutingFile)


def read_routing(document: Document, providers: ProviderNames) -> RoutingFile:
    """The keys of a file; raises ConfigError for the first problem by line, its `others` are the rest."""
    limits, problems = read_limits(document, providers, _rule_names(document))
    problems += _without_route(document)
    rest = {key: value for key, value in document.data.items() if key != LIMITS}
    try:
        said = _ADAPTER.validate_python(rest, context=providers)
    except ValidationError as error:
        problems += [complaint(details, document) for details in error.errors(include_url=False)]
        raise _first_of(problems) from None
    problems += (*_contradictions(said, document), *_limits_to_splits(said, limits, document))
    if problems:
        raise _first_of(problems)
    return replace(said, limits=limits) if LIMITS in document.data else said


def _rule_names(document: Document) -> set[str]:
    """Those that limits may lead to, as far as they are texts."""
    rules = document.data.get("rule")
    named = (rule.get("name") for rule in rules if isinstance(rule, dict)) if isinstance(rules, list) else ()
    return {DEFAULT, *(name for name in named if isinstance(name, str))}


def _without_route(document: Document) -> Iterator[ConfigError]:
    """Rules in which nothing says where requests go, the default as well.

    Not left to pydantic: it looks at a rule as a whole only where each key is right, and `too` is not.
    """
    rules = document.data.get("rule")
    places: list[tuple[KeyPath, object]] = [((DEFAULT,), document.data.get(DEFAULT))]
    places += [(("rule", index), rule) for index, rule in enumerate(rules if isinstance(rules, list) else ())]
    for path, keys in places:
        if isinstance(keys, dict) and not keys.keys() & {"to", SPLIT}:
            yield document.error((*path, "to"), NO_ROUTE)


def _contradictions(said: RoutingFile, document: Document) -> Iterator[ConfigError]:
    """What each key alone does not show."""
    yield from _names(said, document)
    for index, keys in enumerate(said.rule):
        yield from _route_problems(keys, ("rule", index), document)
    if said.default is not None:
        yield from _route_problems(said.default, (DEFAULT,), document)


def _names(said: RoutingFile, document: Document) -> Iterator[ConfigError]:
    seen: dict[str, int | None] = {DEFAULT: None}
    for index, keys in enumerate(said.rule):
        path: KeyPath = ("rule", index)
        if keys.name is None:
            continue
        if keys.name == DEFAULT:
            yield document.error(
                (*path, "name"), "'default' is what requests are counted under that no rule takes; choose another"
            )
        elif keys.name in seen:
            yield document.error(
                (*path, "name"), f"'{keys.name}' is already the name of the rule in line {seen[keys.name]}"
            )
        seen[keys.name] = document.line_of(path)


def _route_problems(keys: RouteKeys, path: KeyPath, document: Document) -> Iterator[ConfigError]:
    yield from _split_problems(keys, path, document)
    if keys.model is not None and keys.to is not None and keys.to.model is not None:
        yield document.error((*path, "model"), f"the model is already in `to` ('{keys.to.model}'); say it once")
    for name, message in out_of_range(keys):
        yield document.error(as_written((*path, _kebab(name)), document), message)
    others = keys.fallback or ()
    for index, other in enumerate(others):
        if keys.firsts == (other,):
            yield document.error((*path, "fallback", index), f"'{other}' is what has failed when it would be tried")
        elif other in others[:index]:
            yield document.error((*path, "fallback", index), f"'{other}' is already in the list")


def _split_problems(keys: RouteKeys, path: KeyPath, document: Document) -> Iterator[ConfigError]:
    """Of several arms, and of copies."""
    if keys.split is not None and keys.to is not None:
        yield document.error((*path, SPLIT), "`to` says where requests go as well; keep one of the two")
    elif keys.split is not None and keys.model is not None:
        yield document.error((*path, "model"), 'belongs into the arms of the split: "PROVIDER/MODEL" = 20')
    if keys.shadow is None:
        return
    if keys.shadow.provider is None:
        said = "needs a provider: a copy never goes with the agent's own key, so it cannot pass through"
        yield document.error((*path, "shadow"), said)
    elif keys.shadow in keys.firsts:
        said = f"'{keys.shadow}' is where requests go anyway; name another provider or model to compare with"
        yield document.error((*path, "shadow"), said)


def _limits_to_splits(said: RoutingFile, limits: WrittenLimits, document: Document) -> Iterator[ConfigError]:
    """A limit needs to know one place that is not limited."""
    splitting = {keys.name for keys in said.rule if keys.split}
    if said.default is not None and said.default.split:
        splitting.add(DEFAULT)
    for written in limits.limits:
        if written.rule is not None and written.rule in splitting:
            message = f"the rule '{written.rule}' splits; a limit needs a rule with one `to`, or a provider"
            key = f"{written.limit.table}.{written.limit.kind}.to"
            yield ConfigError(message, file=document.file, line=written.limit.line, key=key)


def _first_of(problems: Iterable[ConfigError]) -> ConfigError:
    first, *others = sorted(problems, key=lambda problem: problem.line or 0)
    first.others = tuple(others)
    return first
