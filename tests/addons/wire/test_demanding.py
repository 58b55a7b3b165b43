from __future__ import annotations

from typing import Any

import pytest

from ringlet_mitm.addons.wire.demanding import as_demanded
from ringlet_mitm.rules.demands import Demands

CASES: dict[str, tuple[Demands, dict[str, Any], dict[str, Any], list[str]]] = {
    "nothing is wanted": (Demands(), {"a": 1}, {"a": 1}, []),
    "refused": (Demands(refuse=("a", "b")), {"a": 1, "c": 2}, {"c": 2}, ["a"]),
    "a refused null is no loss": (Demands(refuse=("a",)), {"a": None}, {}, []),
    "refused in messages": (
        Demands(refuse_in_messages=("name",)),
        {"name": "x", "messages": [{"role": "user", "name": "n"}, 5, {"role": "user", "name": None}]},
        {"name": "x", "messages": [{"role": "user"}, 5, {"role": "user"}]},
        ["name"],
    ),
    "renamed": (Demands(rename={"a": "b"}), {"a": 1}, {"b": 1}, []),
    "renamed, and there already": (Demands(rename={"a": "b"}), {"a": 1, "b": 2}, {"b": 2}, []),
    "forced": (Demands(force={"store": False}), {"store": True}, {"store": False}, []),
    "by default": (Demands(default={"a": 1, "b": 2}), {"a": 3}, {"a": 3, "b": 2}, []),
}


@pytest.mark.parametrize(("demands", "body", "made", "lost"), CASES.values(), ids=CASES)
def test_a_body_as_the_provider_wants_it(
    demands: Demands, body: dict[str, Any], made: dict[str, Any], lost: list[str]
) -> None:
    before = dict(body)
    found, losses = as_demanded(body, demands)
    assert (found, [loss.what for loss in losses]) == (made, lost)
    assert body == before


@pytest.mark.parametrize(
    ("demands", "concerned"),
    [
        (Demands(refuse=("store",)), True),
        (Demands(rename={"stop": "stops"}), False),
        (Demands(force={"x": 1}), True),
        (Demands(), False),
    ],
)
def test_a_quick_look_tells_whether_a_body_is_concerned(demands: Demands, concerned: bool) -> None:
    assert demands.concern(b'{"model":"m","store":true}') is concerned
