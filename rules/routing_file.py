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

DEFAULT = "default"

To = Annotated[Route, PlainValidator(route_of)]
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

    `fallback` is None where nothing is said of it, and empty where nothing shall be tried.
    """

    to: To
    model: Text | None = None
    fallback: tuple[To, ...] | None = None


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


_ADAPTER: TypeAdapter[RoutingFile] = TypeAdapter(RoutingFile)


def read_routing(document: Document, providers: ProviderNames) -> RoutingFile:
    """The keys of a file; raises ConfigError for the first problem by line, its `others` are the rest."""
    limits, problems = read_limits(document, providers, _rule_names(document))
    rest = {key: value for key, value in document.data.items() if key != LIMITS}
    try:
        said = _ADAPTER.validate_python(rest, context=providers)
    except ValidationError as error:
        problems += [complaint(details, document) for details in error.errors(include_url=False)]
        raise _first_of(problems) from None
    problems += _contradictions(said, document)
    if problems:
        raise _first_of(problems)
    return replace(said, limits=limits) if LIMITS in document.data else said


def _rule_names(document: Document) -> set[str]:
    """Those that limits may lead to, as far as they are texts."""
    rules = document.data.get("rule")
    named = (rule.get("name") for rule in rules if isinstance(rule, dict)) if isinstance(rules, list) else ()
    return {DEFAULT, *(name for name in named if isinstance(name, str))}


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
    if keys.model is not None and keys.to.model is not None:
        yield document.error((*path, "model"), f"the model is already in `to` ('{keys.to.model}'); say it once")
    for name, message in out_of_range(keys):
        yield document.error(as_written((*path, _kebab(name)), document), message)
    others = keys.fallback or ()
    first = Route(keys.to.provider, keys.model or keys.to.model)
    for index, other in enumerate(others):
        if other == first:
            yield document.error((*path, "fallback", index), f"'{other}' is what has failed when it would be tried")
        elif other in others[:index]:
            yield document.error((*path, "fallback", index), f"'{other}' is already in the list")


def _first_of(problems: Iterable[ConfigError]) -> ConfigError:
    first, *others = sorted(problems, key=lambda problem: problem.line or 0)
    first.others = tuple(others)
    return first
