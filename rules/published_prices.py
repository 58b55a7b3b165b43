"""Price data that was published after the library was installed, as a catalogue: checked and converted.

Two forms are read: what the project genai-prices publishes between its releases (`data.json` and `data_slim.json`: an
array of providers, prices under the library's words), and our own compact catalogue (`price_catalogue`), which is what
`models update` writes, so that one machine's can be given to another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.price_catalogue import CLAUSES, PER_REQUEST, PublishedModel
from ringlet_mitm.rules.pricing import TOKEN_KINDS

# The library's words; the first that is priced counts.
LIBRARY_WORDS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input_mtok", "input_text_mtok"),
    "image_input_tokens": ("input_image_mtok",),
    "audio_input_tokens": ("input_audio_mtok",),
    "cache_read_tokens": ("cache_read_mtok", "cache_text_read_mtok"),
    "cache_write_5m_tokens": ("cache_write_5m_mtok", "cache_write_mtok", "cache_text_write_mtok"),
    "cache_write_1h_tokens": ("cache_write_1h_mtok", "cache_text_write_1h_mtok"),
    "output_tokens": ("output_mtok", "output_text_mtok"),
    "reasoning_tokens": ("output_reasoning_mtok",),
    "image_output_tokens": ("output_image_mtok",),
    "audio_output_tokens": ("output_audio_mtok",),
}

# Text that a stranger wrote is matched against every name; longer patterns are not in use (the longest has 60 letters).
LONGEST_PATTERN = 300
DEEPEST_CLAUSE = 5


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known about fetched data besides what it says: when, from where, over which installed library."""

    day: date
    origin: str
    installed: str


def converted(text: bytes, said: Provenance) -> bytes:
    """Published data as a catalogue in JSON; raises ConfigError, naming the place, for what is none.

    A `version` or `date` inside counts; without, the day it was fetched.
    """
    try:
        # Prices stay as they are written: 0.1 is a tenth and not the nearest binary number.
        data = msgspec.json.Decoder(float_hook=str).decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"is not JSON: {error}", file=said.origin) from None
    except RecursionError:
        raise ConfigError("is nested too deeply", file=said.origin) from None
    try:
        if isinstance(data, list):
            head: dict[str, Any] = {"providers": dict(map(_provider, data))}
        else:
            head = _compact(data)
        _check_not_empty(head["providers"])
    except ConfigError as error:
        raise ConfigError(error.message, file=said.origin, key=error.key) from None
    made = {"version": "", "dated": said.day.isoformat(), **head, "over": said.installed, "origin": said.origin}
    return msgspec.json.encode(made)


def library_prices(said: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Prices under the library's words by kind of token: base, then [threshold, price]; amounts as text."""
    found: dict[str, list[Any]] = {}
    for kind, words in LIBRARY_WORDS.items():
        value = next((said[word] for word in words if said.get(word) is not None), None)
        if value is not None:
            found[kind] = _amounts(value)
    if said.get(PER_REQUEST) is not None:
        found[PER_REQUEST] = [_amount(said[PER_REQUEST])]
    return found


# ---- the published form ----


def _provider(said: Any) -> tuple[str, dict[str, Any]]:
    name = _text(said, "id", "provider")
    models = said.get("models")
    if not isinstance(models, list):
        raise ConfigError("has no list of models", key=name)
    return name, {"models": [_model(name, model) for model in models], "also": _names(said, name)}


def _names(said: Mapping[str, Any], provider: str) -> list[str]:
    also = said.get("fallback_model_providers") or []
    if not isinstance(also, list) or not all(isinstance(name, str) for name in also):
        raise ConfigError("fallback_model_providers has to be a list of names", key=provider)
    return also


def _model(provider: str, said: Any) -> list[Any]:
    name = _text(said, "id", f"model of {provider}")
    try:
        return [name, _clause(said.get("match")), _periods(said.get("prices")), _context(said.get("context_window"))]
    except ConfigError as error:
        raise ConfigError(error.message, key=f"{provider}/{name}") from None


def _clause(said: Any, depth: int = 0) -> list[Any]:
    """`{"starts_with": "x"}` as `["starts_with", "x"]`, and so on down."""
    if not isinstance(said, dict) or len(said) != 1:
        raise ConfigError("match has to be one clause")
    ((word, what),) = said.items()
    return _checked_clause(
        [word, [_clause(inner, depth + 1) for inner in _clauses(what, depth)]]
        if word in ("or", "and")
        else [word, what]
    )


def _clauses(what: Any, depth: int) -> list[Any]:
    if not isinstance(what, list) or depth >= DEEPEST_CLAUSE:
        raise ConfigError("match is no list of clauses, or too deep")
    return what


def _checked_clause(clause: list[Any]) -> list[Any]:
    word, what = clause
    if word not in CLAUSES:
        raise ConfigError(f"match: unknown word '{word}'")
    if word in ("or", "and"):
        return clause
    if not isinstance(what, str) or len(what) > LONGEST_PATTERN:
        raise ConfigError("match: has to be text of at most 300 letters")
    if word != "regex":
        return [word, what.lower()]
    try:
        re.compile(what)
    except re.error as error:
        raise ConfigError(f"match: is no regular expression: {error}") from None
    return clause


def _periods(said: Any) -> list[list[Any]]:
    """Prices with the day they begin; prices by the hour of the day (one vendor has them) are left out."""
    if isinstance(said, dict):
        return [["", library_prices(said)]]
    if not isinstance(said, list):
        raise ConfigError("has no prices")
    periods = []
    for item in said:
        constraint = item.get("constraint") if isinstance(item, dict) else ""
        if constraint is None:
            periods.append(["", library_prices(_table(item.get("prices")))])
        elif not isinstance(constraint, dict):
            raise ConfigError("prices: has to be a list of tables")
        elif "start_date" in constraint:
            periods.append([_day(constraint["start_date"]), library_prices(_table(item.get("prices")))])
    return periods


def _table(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise ConfigError("prices: has to be a table")
    return said


def _amounts(value: Any) -> list[Any]:
    """`3`, or `{"base": 3, "tiers": [{"start": 200000, "price": 6}]}`."""
    if not isinstance(value, dict):
        return [_amount(value)]
    tiers = value.get("tiers")
    if not isinstance(tiers, list) or not all(isinstance(tier, dict) for tier in tiers):
        raise ConfigError("prices: tiers have to be a list of tables")
    return [_amount(value.get("base")), *([_start(tier.get("start")), _amount(tier.get("price"))] for tier in tiers)]


def _start(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError("prices: a tier starts at a number of tokens")
    return value


def _amount(value: Any) -> str:
    """As text; floats arrive as text already, see `converted`."""
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d+(\.\d+)?([eE][-+]?\d{1,3})?", text):
        raise ConfigError("a price is a number of USD, 0 or more")
    return text


def _context(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ConfigError("context_window has to be a number of tokens")
    return value


def _text(said: Any, key: str, what: str) -> str:
    value = said.get(key) if isinstance(said, dict) else None
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_PATTERN:
        raise ConfigError(f"a {what} has no {key}")
    return value


def _day(value: Any) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise ConfigError(f"'{value}' is no day like 2026-11-21") from None


# ---- our own form ----


def _compact(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict) or not isinstance(said.get("providers"), dict):
        raise ConfigError("is neither the price data that genai-prices publishes nor a price catalogue of ringlet-mitm")
    head: dict[str, Any] = {
        "providers": {name: _compact_provider(name, one) for name, one in said["providers"].items()}
    }
    if said.get("version"):
        head["version"] = _text(said, "version", "catalogue")
    if said.get("dated") or said.get("date"):
        head["dated"] = _day(said.get("dated") or said["date"])
    return head


def _compact_provider(name: str, said: Any) -> dict[str, Any]:
    models = said.get("models") if isinstance(said, dict) else None
    if not isinstance(models, list):
        raise ConfigError("has no list of models", key=name)
    also = {"fallback_model_providers": said.get("also")}
    return {"models": [_compact_model(name, model) for model in models], "also": _names(also, name)}


def _compact_model(provider: str, said: Any) -> list[Any]:
    try:
        model = msgspec.convert(said, PublishedModel)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), key=provider) from None
    try:
        periods = [[_day(start) if start else "", _compact_prices(prices)] for start, prices in model.periods]
        return [model.id, _compact_clause(model.clause), periods, _context(model.context)]
    except ConfigError as error:
        raise ConfigError(error.message, key=f"{provider}/{model.id}") from None


def _compact_clause(clause: Any, depth: int = 0) -> list[Any]:
    if not isinstance(clause, list) or len(clause) != 2 or not isinstance(clause[0], str):
        raise ConfigError("match has to be a word and what it is about")
    word, what = clause
    if word in ("or", "and"):
        return [word, [_compact_clause(inner, depth + 1) for inner in _clauses(what, depth)]]
    return _checked_clause(clause)


def _compact_prices(prices: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for kind, amounts in prices.items():
        if kind not in (*TOKEN_KINDS, PER_REQUEST) or not amounts:
            raise ConfigError(f"prices: unknown kind of price '{kind}'")
        base, *tiers = amounts
        if not all(isinstance(tier, list) and len(tier) == 2 for tier in tiers):
            raise ConfigError("prices: a tier is a number of tokens and a price")
        found[kind] = [_amount(base), *([_start(start), _amount(price)] for start, price in tiers)]
    return found


def _check_not_empty(providers: Mapping[str, Any]) -> None:
    if not any(provider["models"] for provider in providers.values()):
        raise ConfigError("has no models in it")
