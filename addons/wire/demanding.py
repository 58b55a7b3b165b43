"""Makes a rendered body one that the provider takes, where that is narrower than its format."""

from __future__ import annotations

from ringlet_mitm.addons.wire.canonical import Json
from ringlet_mitm.rules.demands import Demands
from ringlet_mitm.rules.shapes import Loss


def as_demanded(body: Json, demands: Demands) -> tuple[Json, tuple[Loss, ...]]:
    """The body with the provider's wishes met, and what was left out for them."""
    made = dict(body)
    for name, other in demands.rename.items():
        if name in made:
            made.setdefault(other, made.pop(name))
            made.pop(name, None)
    lost = _left_out(made, demands.refuse)
    messages = made.get("messages")
    if demands.refuse_in_messages and isinstance(messages, list):
        made["messages"] = [dict(message) if isinstance(message, dict) else message for message in messages]
        for message in made["messages"]:
            if isinstance(message, dict):
                lost |= _left_out(message, demands.refuse_in_messages)
    return {**demands.default, **made, **demands.force}, tuple(Loss(key, "the provider refuses it") for key in lost)


def _left_out(place: Json, keys: tuple[str, ...]) -> dict[str, None]:
    """Delete `keys`; those that said something, in their order."""
    return {key: None for key in keys if place.pop(key, None) is not None}
