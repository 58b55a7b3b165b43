"""What `rules check` and `rules list` say of rules and settings that could be read."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.limit_words import limit_words
from ringlet_mitm.rules.limits import LimitKind, amount_words
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.reachability import warnings
from ringlet_mitm.rules.rulebook import Default, Rule, RuleBook
from ringlet_mitm.rules.settings import Reliability, Settings
from ringlet_mitm.rules.shadowing import Shadowing
from ringlet_mitm.rules.splits import share_words, shares

Listed = dict[str, Any]


def report(book: RuleBook, *, there: bool = True) -> list[str]:
    """What is odd about rules, and how many there are; `there` is false where the file is not."""
    found = warnings(book)
    lines = [f"{one.file}:{one.line}: warning: {one.rule}: {one.message}" for one in found]
    lines += [f"{book.file}:{line}: limit: {said}" for line, said in limit_words(book.limits)]
    own, routes = book.counted
    if there:
        which = _which(book)
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
    """The limits, below the rules of `rules list`, and what copies may cost."""
    found = [f"  {said}" for _, said in limit_words(book.limits)]
    copies = [f"  {_copies(book.shadowing)}"] if any(one.shadow for one in book.every) else []
    return [*(["", "Limits:", *found] if found else []), *(["", "Copies:", *copies] if copies else [])]


def _copies(said: Shadowing) -> str:
    """`up to $1.00 a day, of 25 % of the conversations, none of more than 50,000 input tokens`."""
    share = "" if said.share >= 100 else f", of {said.share:g} % of the conversations"
    most = "" if said.max_tokens is None else f", none of more than {said.max_tokens:,} input tokens"
    return f"up to {amount_words(LimitKind.USD_PER_DAY, said.usd_per_day)} a day{share}{most}"


def _which(book: RuleBook) -> str:
    """How many of the rules do more than to lead somewhere; the default counts where it does."""
    counts = {
        "sticky": sum(rule.sticky is not None for rule in book.rules),
        "split": sum(bool(one.arms) for one in book.every),
        "with a shadow": sum(one.shadow is not None for one in book.every),
    }
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f" ({said})" if said else ""


def goes(book: RuleBook) -> str:
    """Where what no rule takes goes."""
    rest = "everything" if not book.rules else "everything else"
    if book.default.arms:
        return f"{rest} is split: {share_words(shares(book.default.arms))}"
    route = book.default.route
    model = f", model {route.model}" if route.model else ""
    return f"{rest} goes {f'to {route.provider}' if route.provider else 'where the agent sent it'}{model}"


def rows(book: RuleBook) -> list[Listed]:
    """The rules in their order and the default, as `rules list` shows them."""
    found: list[Listed] = [
        {
            "rule": rule.index + 1,
            "label": rule.label,
            **_way(rule),
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
            **_way(default),
            "sticky": None,
            "file": book.default_file or None,
            "line": book.default_line,
        },
    ]


def _way(one: Rule | Default) -> Listed:
    """Where it leads: a provider and a model, or the part of each arm; and where copies go."""
    return {
        "provider": None if one.arms else one.route.provider,
        "model": None if one.arms else one.route.model,
        "split": shares(one.arms) or None,
        "shadow": str(one.shadow) if one.shadow else None,
    }


def cells(row: Listed) -> tuple[str, ...]:
    """A row for people."""
    place = f"{PurePath(str(row['file'])).name}:{row['line']}" if row["file"] else "-"
    also = (row["sticky"] and "sticky", row["shadow"] and f"copies to {row['shadow']}")
    said = ", ".join(str(word) for word in also if word)
    label = f"{row['label']} ({said})" if said else str(row["label"])
    return str(row["rule"] or "-"), label, share_words(row["split"] or {}) or str(row["model"] or "as asked"), place


def _several(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
