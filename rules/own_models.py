"""The models that a person adds: `models.toml`, written by `models add` and read here.

A model with a base URL becomes a provider, so that `to = "NAME"` is all that a rule needs. One of a provider that is
known adds what it costs there and how much it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.endpoint_urls import check_url
from ringlet_mitm.rules.errors import ConfigError, UsageError, nearest
from ringlet_mitm.rules.model_names import provider_name
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.validated import validated

Capability = Literal["vision", "function-calling", "json", "thinking"]

# Not providers but shapes: any endpoint that speaks them.
CUSTOM: Mapping[str, str] = {"custom": "openai", "anthropic-custom": "anthropic"}

# Of a provider that a model is served like: what is true of that place only.
ALONE: Mapping[str, Any] = {
    "docs-url": "",
    "free-models": [],
    "slugs": {},
    "prefixed-models": [],
    "formats-by-model": {},
    "auths": {},
    "fingerprints": [],
    "discovery": "",
}

# The keys with prices, and the words of a price table that each stands for.
PRICE_WORDS: Mapping[str, tuple[str, ...]] = {
    "input_price": ("input",),
    "output_price": ("output",),
    "cache_read_price": ("cache-read",),
    "cache_write_price": ("cache-write-5m", "cache-write-1h"),
}


@dataclass(frozen=True, slots=True)
class OwnModel:
    """One `[[model]]`; in the file, keys have dashes. Prices are USD per million tokens, None is unknown.

    provider: `custom` (OpenAI's format), `anthropic-custom`, or a provider by its name.
    base_url: where it is; with it, the model is a provider of its own with the provider's formats and paths.
    key_env: the variable with the key for the base URL. The provider's own key is never sent to another host.
    insecure: allow `http://` to a host that is not on this machine or its private network.
    """

    id: str = ""
    provider: str = "custom"
    base_url: str | None = None
    key_env: str | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cache_read_price: Decimal | None = None
    cache_write_price: Decimal | None = None
    context: int | None = None
    max_output: int | None = None
    capabilities: tuple[Capability, ...] | None = None
    insecure: bool = False

    @property
    def provider_id(self) -> str:
        """The provider that a rule names to reach it."""
        return provider_name(self.id) if self.base_url else self.provider

    @property
    def prices(self) -> dict[str, Decimal]:
        """Its row of a price table; empty where nothing is known."""
        given = ((words, getattr(self, key)) for key, words in PRICE_WORDS.items())
        return {word: price for words, price in given if price is not None for word in words}


@cache
def _adapter() -> TypeAdapter[OwnModel]:
    """Made when there is a model to read: 5 ms that most starts do without."""
    return TypeAdapter(OwnModel)


def read_models(text: str, file: str) -> tuple[OwnModel, ...]:
    """The models of a file; `file` is its name in messages. Raises ConfigError with line and key."""
    document = Document.parse(text, file)
    for key in document.data:
        if key != "model":
            raise document.error((key,), "unknown key; models stand under [[model]]")
    rows = document.data.get("model", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise document.error(("model",), "models stand under [[model]]")
    models: dict[tuple[str, str], OwnModel] = {}
    for number in range(len(rows)):
        model = _read(document, number)
        name = (model.provider_id, model.id.lower())
        same = next((other for other in models.values() if model.base_url and other.provider_id == name[0]), None)
        if name in models or same:
            raise document.error(("model", number, "id"), f"'{model.id}' is there already")
        models[name] = model
    return tuple(models.values())


def as_toml(models: Iterable[OwnModel]) -> dict[str, Any]:
    """The models as `models.toml` has them: what is given, and nothing that is the default."""
    return {"model": [_row(model) for model in models]}


def provider_files(models: Iterable[OwnModel], file: str) -> dict[str, dict[str, Any]]:
    """A provider file for each model with a base URL, by the provider's name; `file` is the models' in messages.

    Raises ConfigError where a provider is unknown or its name is taken.
    """
    placed = [model for model in models if model.base_url]
    if not placed:
        return {}
    built_in = ProviderRegistry.default()
    return {model.provider_id: _provider_file(model, built_in, file) for model in placed}


def price_rows(models: Iterable[OwnModel]) -> dict[str, dict[str, dict[str, Decimal]]]:
    """What models of known providers cost there: provider -> name -> row of a price table."""
    found: dict[str, dict[str, dict[str, Decimal]]] = {}
    for model in models:
        if not model.base_url and model.prices:
            found.setdefault(model.provider_id, {})[model.id] = model.prices
    return found


def check(model: OwnModel) -> None:
    """Raises UsageError, with the remedy, for a model that cannot be meant."""
    if not provider_name(model.id):
        raise UsageError("a model needs an id of letters and digits")
    if model.provider in CUSTOM and not model.base_url:
        raise UsageError(f"provider '{model.provider}' needs --base-url, like http://192.168.1.50:8000/v1")
    if model.key_env and not model.base_url:
        raise UsageError("--key-env goes with --base-url; a provider's own key is set in its file or by a profile")
    for key in PRICE_WORDS:
        price = getattr(model, key)
        if price is not None and not (price.is_finite() and price >= 0):
            raise UsageError(f"{key.replace('_', '-')}: a price is a number of USD per million tokens, 0 or more")
    for key in ("context", "max_output"):
        tokens = getattr(model, key)
        if tokens is not None and tokens <= 0:
            raise UsageError(f"{key.replace('_', '-')}: has to be a number of tokens")
    if model.base_url:
        _check_url(model.base_url, insecure=model.insecure)


def _check_url(url: str, *, insecure: bool) -> None:
    try:
        check_url(url, insecure=insecure)
    except ConfigError as error:
        said = error.message.replace("say 'insecure = true'", "say --insecure")
        raise UsageError(f"base-url: {said}") from None


def _read(document: Document, number: int) -> OwnModel:
    """One element as a document of its own, with the lines that its keys have in the file."""
    here = ("model", number)
    lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == here}
    part = Document(document.data["model"][number], document.file, lines)
    model, _ = validated(OwnModel, _adapter(), part)
    try:
        check(model)
    except UsageError as error:
        raise document.error(here, str(error).replace("--", "")) from None
    return model


def _row(model: OwnModel) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for item in fields(OwnModel):
        value = getattr(model, item.name)
        if value != item.default or item.name == "provider":
            given[item.name.replace("_", "-")] = list(value) if isinstance(value, tuple) else value
    return given


def _provider_file(model: OwnModel, built_in: ProviderRegistry, file: str) -> dict[str, Any]:
    name = model.provider_id
    if name in built_in.names():
        raise ConfigError(f"'{name}' is a provider already; give your model another id", file=file, key=name)
    made: dict[str, Any] = {
        **_spoken(model, built_in, file),
        "name": name,
        "endpoint": model.base_url,
        "display-name": model.id,
        "category": "Custom",
        "default-model": model.id,
        "models": [model.id],
        "example-models": [model.id],
        # Nothing of the price library holds at a place of the person's own.
        "prices-of": name,
    }
    made |= {"key-env": model.key_env} if model.key_env else {"auth": "none", "requires-key": False}
    if model.insecure:
        made["insecure"] = True
    if model.prices:
        made["prices"] = {model.id: model.prices}
    return made


def _spoken(model: OwnModel, built_in: ProviderRegistry, file: str) -> dict[str, Any]:
    """Formats and paths: those of a custom endpoint, or of the provider that is named, without what is its alone."""
    if model.provider in CUSTOM:
        return {"shape": CUSTOM[model.provider]}
    spec = built_in.get(model.provider)
    if spec is None:
        close = nearest(model.provider, (*built_in.names(), *CUSTOM))
        raise ConfigError(f"unknown provider '{model.provider}'", file=file, key=model.id, suggestion=close)
    return {"like": spec.provider_id, **ALONE}
