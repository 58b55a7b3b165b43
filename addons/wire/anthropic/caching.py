"""Prompt cache breakpoints: as marks, and set where another format's conversation has none.

Anthropic caches nothing that is not marked, other vendors whatever repeats: an agent that comes from there would pay
each turn in full. Four breakpoints are allowed. Ours stand behind the tools, behind the system prompt and behind the
last two messages of the user: the last is what the next turn finds, the one before is what this one does (a look-back
goes only over twenty blocks, which one turn of many calls exceeds).

Source: Anthropic "Prompt caching", accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringlet_mitm.addons.wire.canonical import CacheMark, Json, Native, fields_of
from ringlet_mitm.rules.shapes import WireFormat

KEY = "cache_control"
TTLS = ("5m", "1h")
MOST = 4
USER_MARKS = 2
UNMARKABLE = ("thinking", "redacted_thinking")
PLAIN = CacheMark()


def mark_in(said: Json) -> CacheMark | None:
    """The breakpoint on a block, a tool or a request; None where there is none, or one of an unknown kind."""
    value = said.get(KEY)
    if not isinstance(value, dict) or value.get("type") != "ephemeral":
        return None
    if len(value) == 1:
        return PLAIN
    ttl = value.get("ttl")
    known = ttl if isinstance(ttl, str) and ttl in TTLS else ""
    left = {name: item for name, item in value.items() if name != "type" and not (name == "ttl" and known)}
    return CacheMark(known, Native(WireFormat.MESSAGES, left) if left else None)


def put_mark(written: Json, mark: CacheMark | None) -> None:
    """Sets it on what was written."""
    if mark is not None:
        ttl = {"ttl": mark.ttl} if mark.ttl in TTLS else {}
        written[KEY] = {"type": "ephemeral", **ttl, **fields_of(mark.native, WireFormat.MESSAGES)}


def mark_automatically(body: Json) -> None:
    """Sets breakpoints in a request that we wrote where it has none, and takes away what is more than four."""
    marked = [part for part in _markable(body) if KEY in part]
    room = MOST - (KEY in body)
    for part in marked[: max(0, len(marked) - room)]:
        del part[KEY]
    if marked or KEY in body:
        return
    ends = [[tool for tool in body.get("tools", ()) if "input_schema" in tool], body.get("system", [])]
    asked = [message["content"] for message in body["messages"] if message["role"] == "user"]
    for parts in (*ends, *asked[-USER_MARKS:]):
        if parts and parts[-1].get("type") not in UNMARKABLE:
            put_mark(parts[-1], PLAIN)


def _markable(body: Json) -> Iterator[Json]:
    """What may have a breakpoint, in the order in which the vendor reads a request."""
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for message in body["messages"]:
        for block in message["content"]:
            yield block
            inside: Any = block.get("content")
            if isinstance(inside, list):
                yield from inside
