"""A call of a tool both ways, as it stands in a message.

Google hangs a thought signature on calls (`extra_content`), which becomes an empty Thinking in front. Sources: OpenAI
"Create chat completion", tool_calls; Gemini API "OpenAI compatibility", thought signatures; accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import Block, CallKind, Json, Thinking, ToolCall
from ringlet_mitm.addons.wire.chat.leftovers import leftovers, restored
from ringlet_mitm.addons.wire.chat.parts import read_mark
from ringlet_mitm.addons.wire.codec import write_json
from ringlet_mitm.rules.shapes import WireFormat


def read_call(said: Mapping[str, Any], spare_id: str) -> list[Block]:
    """A call, with the thought signature that Google hangs on it in front."""
    if (plain := _plain_call(said)) is not None:
        return [plain]
    kind = CallKind.CUSTOM if said.get("type") == "custom" or "custom" in said else CallKind.FUNCTION
    inner = said.get(kind.value)
    inner = inner if isinstance(inner, dict) else {}
    name, call_id = inner.get("name"), said.get("id")
    call = ToolCall(
        id=call_id if isinstance(call_id, str) and call_id else spare_id,
        name=name if isinstance(name, str) else "",
        arguments=arguments_of(inner.get("input" if kind is CallKind.CUSTOM else "arguments")),
        kind=kind,
        cache=read_mark(said),
    )
    signature = thought_signature(said)
    left = leftovers(said, _written_call(call, signature))
    call = replace(call, native=left) if left.fields else call
    return [Thinking("", signature, WireFormat.GEMINI), call] if signature else [call]


def write_call(call: ToolCall, signature: str = "") -> Json:
    """A call, with Google's thought signature where it has one."""
    return restored(_written_call(call, signature), call.native)


def thought_signature(said: Mapping[str, Any]) -> str:
    """Google's thought signature on a call or delta, "" for none."""
    extra = said.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    found = google.get("thought_signature") if isinstance(google, dict) else None
    return found if isinstance(found, str) else ""


def arguments_of(said: Any) -> str:
    """Arguments as text; some servers give the object itself."""
    if isinstance(said, str):
        return said
    return write_json(said).decode() if isinstance(said, dict) else ""


def _plain_call(said: Mapping[str, Any]) -> ToolCall | None:
    """A call as nearly all are, of which nothing is left."""
    inner = said.get("function")
    if len(said) != 3 or said.get("type") != "function" or not isinstance(inner, dict) or len(inner) != 2:
        return None
    call_id, name, arguments = said.get("id"), inner.get("name"), inner.get("arguments")
    if type(call_id) is str and type(name) is str and type(arguments) is str and call_id and arguments:
        return ToolCall(call_id, name, arguments)
    return None


def _written_call(call: ToolCall, signature: str) -> Json:
    """A call without arguments has an empty object of them: agents and vendors parse what is there."""
    custom = call.kind is CallKind.CUSTOM
    inner = {"input": call.arguments} if custom else {"arguments": call.arguments or "{}"}
    kind = "custom" if custom else "function"
    written: Json = {"id": call.id, "type": kind, kind: {"name": call.name, **inner}}
    return {**written, "extra_content": {"google": {"thought_signature": signature}}} if signature else written
