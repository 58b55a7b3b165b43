"""`routing.toml` as a `RuleBook`: read once, checked as a whole, then only asked.

The dataclasses are what pydantic validates into; a rule's place, label and compiled test are added when the book is
put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import PurePath
from typing import Annotated, ClassVar

from pydantic import ConfigDict, PlainValidator, TypeAdapter, ValidationError

from ringlet_mitm.rules.complaints import complaint
from ringlet_mitm.rules.conditions import Cost, Term, Test, Text
from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.hints import hinted
from ringlet_mitm.rules.matching import Match, compiled, walk, words
from ringlet_mitm.rules.naming import ProviderNames
from ringlet_mitm.rules.routes import Route, route_of
from ringlet_mitm.rules.settings import NO_SETTINGS, ModelRoute, Settings

__all__ = ["Default", "Route", "Rule", "RuleBook", "RuleKeys", "load_rulebook"]

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleKeys:
    """The keys of a `[[rule]]`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    match: Match
    to: Annotated[Route, PlainValidator(route_of)]
    model: Text | None = None
    name: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """The keys of `[default]`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    to: Annotated[Route, PlainValidator(route_of)]
    model: Text | None = None

    @property
    def route(self) -> Route:
        """Provider and model."""
        return _with_model(self.to, self.model)

    @property
    def label(self) -> str:
        """What rows and reports call it."""
        return f"{DEFAULT} → {self.to.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingFile:
    """The keys of the file."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    rule: tuple[RuleKeys, ...] = ()
    default: Default | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(RuleKeys):
    """A rule at its place in a book. `index` counts from 0; `label` is unlike any other's in the book.

    `file` is the one that it stands in: a routing.toml, or the config.toml for a route by model name.
    """

    index: int
    label: str
    file: str
    line: int | None
    route: Route
    test: Test = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules in order, those of the routing file before the routes of config.toml, and where everything else goes.

    `file` is the routing file. `default_line` is None where neither file says where everything else goes, and
    `default_file` then "". `digest` tells one book from another. `counts_tokens` says whether a rule may hang on an
    exact token count.
    """

    rules: tuple[Rule, ...]
    default: Default
    default_line: int | None
    file: str
    digest: str
    counts_tokens: bool
    default_file: str = ""

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


_ROUTING_FILE: TypeAdapter[RoutingFile] = TypeAdapter(RoutingFile)


def load_rulebook(
    text: str,
    file: str,
    providers: ProviderNames,
    default_provider: str | None = None,
    settings: Settings = NO_SETTINGS,
) -> RuleBook:
    """Read and check the text of a routing file; `file` is its name in messages.

    The routes of `settings` come after its rules. Where the text has no `[default]`, requests that nothing takes go to
    `default_provider` (the profile's), else to that of `settings`, else they pass through.
    Raises ConfigError for the first problem by line; its `others` are the rest.
    """
    document = Document.parse(text, file)
    try:
        said = _ROUTING_FILE.validate_python(document.data, context=providers)
    except ValidationError as error:
        raise _first_of(complaint(details, document) for details in error.errors(include_url=False)) from None
    problems = list(_contradictions(said, document))
    if problems:
        raise _first_of(problems)
    labels = _labels(said.rule)
    own = tuple(_placed(keys, index, labels[index], document) for index, keys in enumerate(said.rule))
    default, default_line, default_file = _default(said, document, default_provider, providers, settings)
    return RuleBook(
        rules=(*own, *_model_rules(settings, labels)),
        default=default,
        default_line=default_line,
        default_file=default_file,
        file=file,
        digest=sha256(f"{text}{settings.digest}".encode()).hexdigest()[:16],
        counts_tokens=any(_counts_tokens(keys.match) for keys in said.rule),
    )


def _counts_tokens(match: Match) -> bool:
    return any(isinstance(node, Term) and node.cost is Cost.TOKENS for _, node in walk(match))


def _with_model(route: Route, model: str | None) -> Route:
    return route if model is None else replace(route, model=model)


def _default(
    said: RoutingFile, document: Document, profiles: str | None, providers: ProviderNames, settings: Settings
) -> tuple[Default, int | None, str]:
    """Where everything else goes, and the line and file that say so."""
    if said.default is not None:
        return said.default, document.line_of((DEFAULT,)), document.file
    if profiles is not None:
        named = providers.get(profiles)
        return Default(to=Route(named.provider_id if named else profiles)), None, ""
    if settings.default_provider is not None:
        to = Route(settings.default_provider)
        return Default(to=to, model=settings.default_model), settings.default_line, settings.file
    return Default(to=Route()), None, ""


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
        match=keys.match,
        to=keys.to,
        model=keys.model,
        name=keys.name,
        index=index,
        label=label,
        file=document.file,
        line=document.line_of(("rule", index)),
        route=_with_model(keys.to, keys.model),
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
    return f"{keys.name or words(keys.match, detail)} → {keys.to.name}"


def _contradictions(said: RoutingFile, document: Document) -> Iterable[ConfigError]:
    """What each key alone does not show."""
    seen: dict[str, int | None] = {DEFAULT: None}
    for index, keys in enumerate(said.rule):
        path: KeyPath = ("rule", index)
        if keys.model is not None and keys.to.model is not None:
            yield document.error((*path, "model"), f"the model is already in `to` ('{keys.to.model}'); say it once")
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
    if said.default is not None and said.default.model is not None and said.default.to.model is not None:
        yield document.error(
            (DEFAULT, "model"), f"the model is already in `to` ('{said.default.to.model}'); say it once"
        )


def _first_of(problems: Iterable[ConfigError]) -> ConfigError:
    first, *others = sorted(problems, key=lambda problem: problem.line or 0)
    first.others = tuple(others)
    return first
