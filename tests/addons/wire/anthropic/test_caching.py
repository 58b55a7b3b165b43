from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.anthropic.caching import KEY, mark_automatically, mark_in, put_mark
from ringlet_mitm.addons.wire.canonical import CacheMark, Json

EPHEMERAL: Json = {"type": "ephemeral"}


@pytest.mark.parametrize(
    "value",
    [
        EPHEMERAL,
        EPHEMERAL | {"ttl": "1h"},
        EPHEMERAL | {"ttl": "5m", "scope": "global"},
        EPHEMERAL | {"ttl": None},
        EPHEMERAL | {"ttl": "2h"},
    ],
)
def test_marks_come_back_as_they_were(value: Json) -> None:
    written: Json = {}
    put_mark(written, mark_in({KEY: value}))
    assert written == {KEY: value}


@pytest.mark.parametrize("value", [None, "ephemeral", {}, {"type": "eternal"}])
def test_what_is_no_mark(value: object) -> None:
    assert mark_in({KEY: value}) is None


def test_a_duration_of_another_vendor_is_the_default_here() -> None:
    written: Json = {}
    put_mark(written, CacheMark("24h"))
    assert written == {KEY: EPHEMERAL}


def message(role: str, *blocks: Json) -> Json:
    return {"role": role, "content": list(blocks)}


def text(**more: object) -> Json:
    return {"type": "text", "text": "x", **more}


def marked(body: Json) -> list[str]:
    found = [f"tools.{at}" for at, tool in enumerate(body.get("tools", ())) if KEY in tool]
    found += [f"system.{at}" for at, block in enumerate(body.get("system", ())) if KEY in block]
    for at, said in enumerate(body["messages"]):
        found += [f"{at}.{number}" for number, block in enumerate(said["content"]) if KEY in block]
    return found


def test_breakpoints_of_our_own() -> None:
    turns = [message("user", text(), text()), message("assistant", text())] * 3
    body = {
        "tools": [
            {"name": "a", "input_schema": {}},
            {"name": "b", "input_schema": {}},
            {"type": "web_search_20250305"},
        ],
        "system": [text(), text()],
        "messages": [*turns, message("user", text())],
    }
    body["messages"] = [message(said["role"], *map(dict, said["content"])) for said in body["messages"]]
    mark_automatically(body)
    assert marked(body) == ["tools.1", "system.1", "4.1", "6.0"]


def test_none_beside_one_at_the_top() -> None:
    body = {KEY: EPHEMERAL, "messages": [message("user", text())]}
    mark_automatically(body)
    assert marked(body) == []


def test_the_last_four_stay() -> None:
    inside = {"type": "tool_result", "tool_use_id": "c", "content": [text(cache_control=EPHEMERAL)]}
    body = {
        "tools": [{"name": "a", "input_schema": {}, KEY: EPHEMERAL}],
        "system": [text(cache_control=EPHEMERAL)],
        "messages": [message("user", inside, *(text(cache_control=EPHEMERAL) for _ in range(3)))],
    }
    mark_automatically(body)
    assert marked(body) == ["0.1", "0.2", "0.3"] and KEY in inside["content"][0]
