"""`routing.toml` as a `RuleBook`: read once, checked as a whole, then only asked.

The dataclasses are what pydantic validates into; a rule's place, label and compiled test are added when the book is
put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Annotated, ClassVar, Protocol, cast

from pydantic import ConfigDict, PlainValidator, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from ringlet_mitm.rules.complaints import complaint
from ringlet_mitm.rules.conditions import Cost, Term, Test, Text
from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.matching import Match, compiled, walk, words

PASSTHROUGH = "passthrough"
DEFAULT = "default"


class Named(Protocol):
    """What a provider's name leads to."""

    @property
    def provider_id(self) -> str:
        """The canonical name."""


class ProviderNames(Protocol):
    """Knows providers by id or alias; a ProviderRegistry does."""

    def get(self, provider_name: str, /) -> Named | None:
        """The provider, None for an unknown name."""

    def names(self) -> tuple[str, ...]:
        """Every id and alias, to suggest one."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: without a provider the host that the agent asked for; without a model its model."""

    provider: str | None = None
    model: str | None = None
    fallback: tuple[Route, ...] = ()

    @property
    def name(self) -> str:
        """The provider as labels and reports say it."""
        return self.provider or PASSTHROUGH


def _route(value: object, info: ValidationInfo) -> Route:
    """`to`: a provider by id or alias, `provider/model`, or `passthrough`."""
    providers = cast(ProviderNames, info.context)
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "")
    if value == PASSTHROUGH:
        return Route()
    known = providers.get(value)
    if known is not None:
        return Route(known.provider_id)
    prefix, _, model = value.partition("/")
    known = providers.get(prefix) if model else None
    if known is not None:
        return Route(known.provider_id, model)
    closest = nearest(prefix, (*providers.names(), PASSTHROUGH))
    suggestion = f"{closest}/{model}" if closest and model else closest
    text = (
        "unknown provider '{name}'"
        if closest
        else "unknown provider '{name}'; `ringlet-mitm providers list` names them"
    )
    raise PydanticCustomError("provider", text, {"name": value, "suggestion": suggestion})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleKeys:
    """The keys of a `[[rule]]`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    match: Match
    to: Annotated[Route, PlainValidator(_route)]
    model: Text | None = None
    name: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """The keys of `[default]`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    to: Annotated[Route, PlainValidator(_route)]
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
    """A rule at its place in a book. `index` counts from 0; `label` is unlike any other's in the book."""

    index: int
    label: str
    line: int | None
    route: Route
    test: Test = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules of a file, in order, and where everything else goes.

    `default_line` is None where the file has no `[default]`. `digest` tells one text from another. `counts_tokens` says
    whether a rule may hang on an exact token count.
    """

    rules: tuple[Rule, ...]
    default: Default
    default_line: int | None
    file: str
    digest: str
    counts_tokens: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a row can carry, the default's last."""
        return (*(rule.label for rule in self.rules), self.default.label)


_ROUTING_FILE: TypeAdapter[RoutingFile] = TypeAdapter(RoutingFile)


def load_rulebook(text: str, file: str, providers: ProviderNames, default_provider: str | None = None) -> RuleBook:
    """Read and check the text of a routing file; `file` is its name in messages.

    Where the text has no `[default]`, requests that no rule takes go to `default_provider`, or pass through.
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
    return RuleBook(
        rules=tuple(_placed(keys, index, labels[index], document) for index, keys in enumerate(said.rule)),
        default=said.default or _default(default_provider, providers),
        default_line=document.line_of((DEFAULT,)),
        file=file,
        digest=sha256(text.encode()).hexdigest()[:16],
        counts_tokens=any(_counts_tokens(keys.match) for keys in said.rule),
    )


def _counts_tokens(match: Match) -> bool:
    return any(isinstance(node, Term) and node.cost is Cost.TOKENS for _, node in walk(match))


def _with_model(route: Route, model: str | None) -> Route:
    return route if model is None else replace(route, model=model)


def _default(provider: str | None, providers: ProviderNames) -> Default:
    named = providers.get(provider) if provider else None
    return Default(to=Route(named.provider_id if named else provider))


def _placed(keys: RuleKeys, index: int, label: str, document: Document) -> Rule:
    return Rule(
        match=keys.match,
        to=keys.to,
        model=keys.model,
        name=keys.name,
        index=index,
        label=label,
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
