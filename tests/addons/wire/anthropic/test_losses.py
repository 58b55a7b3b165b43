from __future__ import annotations

from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.rules.shapes import Loss


def test_each_thing_once_with_its_first_reason() -> None:
    losses = Losses()
    losses.note("top_k", "one")
    losses.note("top_k", "two")
    losses.take((Loss("seed", "three"), Loss("top_k", "four")))
    assert losses.found == (Loss("top_k", "one"), Loss("seed", "three"))
