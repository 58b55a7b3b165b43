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
    refused = [key for key in demands.refuse if key in made]
    losses = tuple(Loss(key, "the provider refuses it") for key in refused if made[key] is not None)
    for key in refused:
        del made[key]
    return {**demands.default, **made, **demands.force}, losses
