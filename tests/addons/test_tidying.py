"""Memory is given back when nobody waits, and not for little."""

from __future__ import annotations

import gc
import weakref

from ringlet_mitm.addons.tidying import WORTH_REQUESTS, Tidying


class Knot:
    """Refers to itself, as mitmproxy's flows do."""

    def __init__(self) -> None:
        self.me = self


def test_only_when_it_is_worth_it_and_nobody_waits() -> None:
    counts = {"requests": WORTH_REQUESTS - 1, "busy": 0}
    tidying = Tidying(lambda: counts["requests"], lambda: counts["busy"])
    assert not tidying.look()
    counts |= {"requests": WORTH_REQUESTS, "busy": 1}
    assert not tidying.look()
    counts["busy"] = 0
    assert tidying.look()
    assert not tidying.look()
    counts["requests"] += WORTH_REQUESTS
    assert tidying.look()


def test_what_is_left_lying_about_is_gone() -> None:
    gc.disable()
    try:
        knot = Knot()
        seen = weakref.ref(knot)
        del knot
        assert seen() is not None
        assert Tidying(lambda: WORTH_REQUESTS, lambda: 0).look()
        assert seen() is None
    finally:
        gc.enable()
