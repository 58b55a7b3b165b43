"""Reads `config.toml`: every name checked, `${NAME}` filled in where it is no secret, all that is wrong said at once.

A key never gets out of here: what the file says of one is checked and forgotten, and the settings hold its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from ringlet_mitm.rules.document import Document, KeyPath
from ringlet_mitm.rules.endpoint_urls import check_url, is_local
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.interpolation import interpolated, variables
from ringlet_mitm.rules.keys import KeyRef, edition_of
from ringlet_mitm.rules.ledger_target import LedgerTarget, WrongTarget, target_of
from ringlet_mitm.rules.naming import ProviderNames, canonical
from ringlet_mitm.rules.policies import MOST_BACKOFF_MS, MOST_RETRIES, TimeoutKeys, out_of_range
from ringlet_mitm.rules.settings import ModelRoute, Reliability, Settings, Telemetry
from ringlet_mitm.rules.settings_keys import SECTIONS, LedgerKeys, ReliabilityKeys, RouteKeys, TelemetryKeys, TopKeys
from ringlet_mitm.rules.strangers import strangers
from ringlet_mitm.rules.validated import validated

T = TypeVar("T")
BY_URL = ("custom:", "anthropic-custom:")


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in SECTIONS.values()}


def load_settings(home: Home, providers: ProviderNames, environ: Mapping[str, str]) -> Settings:
    """The settings of a home, empty where it has no config.toml. Raises ConfigError like `read_settings`."""
    path = home.config_file
    text = config_text(path)
    return Settings(file=str(path)) if text is None else read_settings(text, str(path), providers, environ)


def config_text(path: Path) -> str | None:
    """What the file says, None where it is not there; raises ConfigError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"cannot be read: {reason}", file=str(path)) from None


def read_settings(text: str, file: str, providers: ProviderNames, environ: Mapping[str, str]) -> Settings:
    """A config.toml as text; `file` is where it is, for messages and for whoever reads the keys.

    Raises ConfigError for the first problem by line; its `others` are the rest.
    """
    document = Document.parse(text, file)
    known = {name: tuple(item.name for item in fields(kind)) for name, kind in SECTIONS.items()}
    reading = _Reading(document, edition_of(text), providers, environ, list(strangers(document, known)))
    settings = reading.settings() if not reading.problems else None
    if settings is None or reading.problems:
        first, *others = sorted(reading.problems, key=lambda problem: problem.line or 0)
        first.others = tuple(others)
        raise first
    return settings


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of one file. What is wrong is put into `problems`, and reading goes on."""

    document: Document
    edition: str
    providers: ProviderNames
    environ: Mapping[str, str]
    problems: list[ConfigError]

    def settings(self) -> Settings | None:
        top = self._table(TopKeys, ())
        if top is None:
            return None
        provider = self._provider(top.default_provider, ("default_provider",))
        self._check_default(top, provider)
        return Settings(
            default_provider=provider,
            default_model=self._text(top.default_model, ("default_model",)),
            api_key=self._key(top.api_key, ("api_key",)),
            api_url=self._url(top.api_url, ("api_url",)),
            model_routes=tuple(filter(None, map(self._route, range(len(top.model_routes))))),
            reliability=self._reliability() or Reliability(),
            ledger=self._ledger(),
            telemetry=self._telemetry(),
            file=self.document.file,
            default_line=self.document.line_of(self._as_written(("default_provider",))),
            reliability_line=self.document.line_of(("reliability",)),
            digest=self._digest(top),
        )

    def _check_default(self, top: TopKeys, provider: str | None) -> None:
        """What belongs to the default provider needs one, and says things once."""
        if top.default_provider is None:
            for key, what in (("default_model", "model"), ("api_key", "key"), ("api_url", "endpoint")):
                if getattr(top, key) is not None:
                    self._wrong((key,), f'is the {what} of default_provider, which is missing: default_provider = "…"')
        elif top.api_url is not None and provider and top.default_provider.lower().startswith(BY_URL):
            self._wrong(("api_url",), "is already in default_provider; say it once")

    def _route(self, index: int) -> ModelRoute | None:
        path: KeyPath = ("model_routes", index)
        keys = self._table(RouteKeys, path)
        if keys is None:
            return None
        hint = self._text(keys.hint, (*path, "hint"))
        provider = self._provider(keys.provider, (*path, "provider"))
        if not hint or not provider:
            return None
        return ModelRoute(
            hint=hint,
            provider=provider,
            model=self._text(keys.model, (*path, "model")),
            key=self._key(keys.api_key, (*path, "api_key")),
            line=self.document.line_of(self._as_written(path)),
        )

    def _reliability(self) -> Reliability | None:
        path: KeyPath = ("reliability",)
        keys = self._table(ReliabilityKeys, path)
        if keys is None:
            return None
        self._range(keys.provider_retries, MOST_RETRIES, (*path, "provider_retries"))
        self._range(keys.provider_backoff_ms, MOST_BACKOFF_MS, (*path, "provider_backoff_ms"))
        for name, message in out_of_range(keys):
            self._wrong((*path, name), message)
        return Reliability(
            provider_retries=keys.provider_retries,
            provider_backoff_ms=keys.provider_backoff_ms,
            fallback_providers=self._fallbacks(keys.fallback_providers, (*path, "fallback_providers")),
            api_keys=tuple(filter(None, self._each(self._key, keys.api_keys, (*path, "api_keys")))),
            model_fallbacks=self._model_fallbacks(keys.model_fallbacks, (*path, "model_fallbacks")),
            **{item.name: getattr(keys, item.name) for item in fields(TimeoutKeys)},
        )

    def _ledger(self) -> LedgerTarget | None:
        keys = self._table(LedgerKeys, ("ledger",))
        if keys is None:
            return None
        try:
            return target_of(keys.target, keys.data_path, self.environ)
        except WrongTarget as error:
            self._wrong(("ledger", error.name), error.message)
            return None

    def _telemetry(self) -> Telemetry:
        path: KeyPath = ("telemetry",)
        keys = self._table(TelemetryKeys, path)
        if keys is None:
            return Telemetry()
        endpoint = self._text(keys.endpoint, (*path, "endpoint"))
        if endpoint is not None:
            try:
                check_url(endpoint, insecure=True)
            except ConfigError as error:
                self._wrong((*path, "endpoint"), error.message.partition(";")[0])
        return Telemetry(endpoint, keys.enabled)

    def _fallbacks(self, names: tuple[str, ...], path: KeyPath) -> tuple[str, ...]:
        found: list[str] = []
        for index, provider in enumerate(self._each(self._provider, names, path)):
            if provider in found:
                self._wrong((*path, index), f"'{provider}' is already in the list")
            elif provider:
                found.append(provider)
        return tuple(found)

    def _model_fallbacks(self, table: Mapping[str, tuple[str, ...]], path: KeyPath) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for model, others in table.items():
            names = tuple(filter(None, self._each(self._text, others, (*path, model))))
            if not others:
                self._wrong((*path, model), "is an empty list; name a model to ask for instead")
            elif model in names:
                self._wrong((*path, model, names.index(model)), f"'{model}' would fall back to itself")
            found[model] = names
        return found

    def _each(self, read: Callable[[str, KeyPath], T], texts: tuple[str, ...], path: KeyPath) -> list[T]:
        return [read(text, (*path, index)) for index, text in enumerate(texts)]

    def _text(self, text: str | None, path: KeyPath) -> str | None:
        """A text that is no secret, with the values of the variables that it names."""
        if text is None:
            return None
        try:
            return interpolated(text, self.environ)
        except ConfigError as error:
            self._wrong(path, error.message)
            return None

    def _provider(self, text: str | None, path: KeyPath) -> str | None:
        name = self._text(text, path)
        if name is None:
            return None
        try:
            return canonical(name, self.providers)
        except ConfigError as error:
            self._wrong(path, error.message, error.suggestion)
            return None

    def _url(self, text: str | None, path: KeyPath) -> str | None:
        url = self._text(text, path)
        if url is None:
            return None
        try:
            check_url(url, insecure=True)
        except ConfigError as error:
            self._wrong(path, error.message.partition(";")[0])  # behind it is what a provider file can do
            return None
        parts = urlsplit(url)
        if parts.scheme == "http" and not is_local(parts.hostname or ""):
            self._wrong(path, f"would send the key unencrypted to {parts.hostname}; use https://")
        return url

    def _key(self, text: str | None, path: KeyPath) -> KeyRef | None:
        """Where the key is. Its text is only looked at for a `${…}` that names nothing."""
        if text is None:
            return None
        try:
            variables(text)
        except ConfigError as error:
            self._wrong(path, error.message)
        return KeyRef(file=self.document.file, key=self._as_written(path), edition=self.edition)

    def _range(self, number: int, most: int, path: KeyPath) -> None:
        if not 0 <= number <= most:
            self._wrong(path, f"has to be 0 to {most:,}")

    def _table(self, kind: type[T], path: KeyPath) -> T | None:
        """The keys of a table, those of the whole file for an empty path."""
        written = self._as_written(path)
        table: Any = self.document.data
        for step in written:
            table = table[step] if isinstance(step, int) or step in table else {}
        depth = len(written)
        lines = {key[depth:]: line for key, line in self.document.lines.items() if key[:depth] == written}
        try:
            found: T = validated(kind, _ADAPTERS[kind], Document(table, self.document.file, lines))[0]
        except ConfigError as error:
            line = error.line or self.document.line_of(written)
            key = ".".join([*(step for step in written if isinstance(step, str)), *([error.key] if error.key else [])])
            self.problems.append(
                ConfigError(error.message, file=error.file, line=line, key=key, suggestion=error.suggestion)
            )
            return None
        return found

    def _as_written(self, path: KeyPath) -> KeyPath:
        """The path in the file's own spelling of our keys."""
        found: KeyPath = ()
        for step in path:
            kebab = step.replace("_", "-") if isinstance(step, str) else step
            found = (*found, kebab if (*found, kebab) in self.document.lines else step)
        return found

    def _wrong(self, path: KeyPath, message: str, suggestion: str | None = None) -> None:
        self.problems.append(self.document.error(self._as_written(path), message, suggestion))

    def _digest(self, top: TopKeys) -> str:
        """Of what routes; a new key or retry makes no other rules."""
        routing = [top.default_provider, top.default_model]
        routing += [f"{route.get('hint')}\0{route.get('provider')}\0{route.get('model')}" for route in top.model_routes]
        return sha256(repr(routing).encode()).hexdigest()[:16]
