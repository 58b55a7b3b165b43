"""What `rules check` and `rules list` say of rules and settings that could be read."""

from __future__ import annotations

from pathlib import PurePath

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.limit_words import limit_words
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.reachability import warnings
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.settings import Reliability, Settings


def report(book: RuleBook, *, there: bool = True) -> list[str]:
    """What is odd about rules, and how many there are; `there` is false where the file is not."""
    found = warnings(book)
    lines = [f"{one.file}:{one.line}: warning: {one.rule}: {one.message}" for one in found]
    lines += [f"{book.file}:{line}: limit: {said}" for line, said in limit_words(book.limits)]
    own, routes = book.counted
    if there:
        sticky = sum(rule.sticky is not None for rule in book.rules)
        which = f" ({sticky} sticky)" if sticky else ""
        also = f" and {_several(routes, 'model route')}" if routes else ""
        said = f"OK, {_several(own, 'rule')}{which}{also}, {goes(book)}"
    else:
        but = f" but {_several(routes, 'model route')}" if routes else ""
        said = f"not there, so there are no rules{but}: {goes(book)}"
    return [*lines, f"{book.file}: {said}" + (f", {_several(len(found), 'warning')}" if found else "")]


def settings_report(settings: Settings) -> list[str]:
    """What a config.toml says."""
    said = [
        f"default provider {settings.default_provider}" if settings.default_provider else "",
        f"default model {settings.default_model}" if settings.default_model else "",
        f"at {settings.api_url}" if settings.api_url else "",
        _several(len(settings.model_routes), "model route") if settings.model_routes else "",
    ]
    said += _reliability(settings.reliability)
    return [f"{settings.file}: " + ", ".join(["OK", *filter(None, said)])]


def _reliability(said: Reliability) -> list[str]:
    """What it adds to what happens anyway."""
    models = len(said.model_fallbacks)
    return [
        _several(len(said.api_keys), "further key") if said.api_keys else "",
        f"fallbacks of {_several(models, 'model')}" if models else "",
        f"fallback to {', then '.join(said.fallback_providers)}" if said.fallback_providers else "",
    ]


def provider_cautions(settings: Settings, providers: ProviderRegistry) -> list[str]:
    """Providers that are named and cannot be asked yet: their URL needs variables that are not set."""
    named = [(settings.default_provider, settings.default_line)] if settings.default_provider else []
    named += [(route.provider, route.line) for route in settings.model_routes]
    found = []
    for provider, line in named:
        try:
            providers.require(provider)
        except ConfigError as error:
            found.append(f"{settings.file}:{line}: {error}")
    return found


def limits(book: RuleBook) -> list[str]:
    """The limits, below the rules of `rules list`."""
    found = [f"  {said}" for _, said in limit_words(book.limits)]
    return ["", "Limits:", *found] if found else []


def goes(book: RuleBook) -> str:
    """Where what no rule takes goes."""
    rest = "everything" if not book.rules else "everything else"
    route = book.default.route
    model = f", model {route.model}" if route.model else ""
    return f"{rest} goes {f'to {route.provider}' if route.provider else 'where the agent sent it'}{model}"


def rows(book: RuleBook) -> list[dict[str, str | int | None]]:
    """The rules in their order and the default, as `rules list` shows them."""
    found: list[dict[str, str | int | None]] = [
        {
            "rule": rule.index + 1,
            "label": rule.label,
            "provider": rule.route.provider,
            "model": rule.route.model,
            "sticky": rule.sticky,
            "file": rule.file,
            "line": rule.line,
        }
        for rule in book.rules
    ]
    default = book.default
    return [
        *found,
        {
            "rule": None,
            "label": default.label,
            "provider": default.route.provider,
            "model": default.route.model,
            "sticky": None,
            "file": book.default_file or None,
            "line": book.default_line,
        },
    ]


def cells(row: dict[str, str | int | None]) -> tuple[str, ...]:
    """A row for people."""
    place = f"{PurePath(str(row['file'])).name}:{row['line']}" if row["file"] else "-"
    label = f"{row['label']} (sticky)" if row["sticky"] else str(row["label"])
    return str(row["rule"] or "-"), label, str(row["model"] or "as asked"), place


def _several(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
