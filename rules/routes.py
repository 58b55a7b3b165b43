"""Where requests are sent: a provider, a model, a key; and how a routing file says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.naming import PASSTHROUGH, ProviderNames, unknown


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: without a provider the host that the agent asked for; without a model its model.

    `key` is one for this route alone; without it, it is the provider's. `fallback` is what this route itself says to
    try after it; `alone` is said where nothing at all shall be tried, whatever holds for other routes.
    """

    provider: str | None = None
    model: str | None = None
    fallback: tuple[Route, ...] = ()
    key: KeyRef | None = None
    alone: bool = False

    @property
    def name(self) -> str:
        """The provider as labels and reports say it."""
        return self.provider or PASSTHROUGH

    def __str__(self) -> str:
        return f"{self.name}/{self.model}" if self.model else self.name


def route_of(value: object, info: ValidationInfo) -> Route:
    """`to`, and each of `fallback`, for pydantic."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "")
    try:
        return named_route(value, cast(ProviderNames, info.context))
    except ConfigError as error:
        said = {"said": error.message, "suggestion": error.suggestion}
        raise PydanticCustomError("provider", "{said}", said) from None


def named_route(text: str, providers: ProviderNames) -> Route:
    """A provider by id or alias, `provider/model`, or `passthrough`.

    Raises ConfigError with the nearest name, and for a `custom:` with what is no URL.
    """
    if text == PASSTHROUGH:
        return Route()
    known = providers.get(text)
    if known is not None:
        return Route(known.provider_id)
    prefix, _, model = text.partition("/")
    known = providers.get(prefix) if model else None
    if known is not None:
        return Route(known.provider_id, model)
    closest = nearest(prefix, (*providers.names(), PASSTHROUGH))
    raise ConfigError(unknown(text, closest), suggestion=f"{closest}/{model}" if closest and model else closest)


def with_fallback(route: Route, own: tuple[Route, ...] | None, usual: tuple[Route, ...] = ()) -> Route:
    """`route`, and after it its `own` fallbacks, where it says nothing (None) the `usual` ones."""
    if own is None:
        return replace(route, fallback=usual) if usual else route
    return replace(route, fallback=own, alone=not own)
