"""Where requests are sent: a provider, a model, a key; and how a routing file says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.naming import PASSTHROUGH, Named, ProviderNames, unknown


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: without a provider the host that the agent asked for; without a model its model.

    `key` is one for this route alone; without it, it is the provider's.
    """

    provider: str | None = None
    model: str | None = None
    fallback: tuple[Route, ...] = ()
    key: KeyRef | None = None

    @property
    def name(self) -> str:
        """The provider as labels and reports say it."""
        return self.provider or PASSTHROUGH


def route_of(value: object, info: ValidationInfo) -> Route:
    """`to`: a provider by id or alias, `provider/model`, or `passthrough`."""
    providers = cast(ProviderNames, info.context)
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "")
    if value == PASSTHROUGH:
        return Route()
    known = _named(value, providers)
    if known is not None:
        return Route(known.provider_id)
    prefix, _, model = value.partition("/")
    known = _named(prefix, providers) if model else None
    if known is not None:
        return Route(known.provider_id, model)
    closest = nearest(prefix, (*providers.names(), PASSTHROUGH))
    suggestion = f"{closest}/{model}" if closest and model else closest
    raise PydanticCustomError("provider", "{said}", {"said": unknown(value, closest), "suggestion": suggestion})


def _named(name: str, providers: ProviderNames) -> Named | None:
    try:
        return providers.get(name)
    except ConfigError as error:  # a `custom:` with what is no URL
        raise PydanticCustomError("provider", "{said}", {"said": error.message, "suggestion": None}) from None
