from __future__ import annotations

from ringlet_mitm.addons.looked_at import REMEMBERED, LookedAt


def test_the_last_few_are_remembered() -> None:
    looked = LookedAt()
    for name in ("first", *map(str, range(REMEMBERED - 1)), "first", "last"):
        looked.look(name)
    assert [name in looked for name in ("first", "last", "0", "other")] == [True, True, False, False]
