"""Files of flows without keys, whoever writes them: `--dump`, mitmdump's `-w`, what is saved in mitmweb."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mitmproxy.flow import Flow
from mitmproxy.io import FilteredFlowWriter, FlowWriter, tnetstring

from ringlet_mitm.rules.redaction import masked, masked_headers, masked_url


def masked_state(flow: Flow, *, bodies: bool = True) -> dict[str, Any]:
    """What mitmproxy writes of a flow, without keys; also of one in flight, which still has them.

    Bodies are as they are, or left out.
    """
    found: dict[str, Any] = dict(flow.get_state())
    found["backup"] = None  # what it was before a person edited it, keys included
    found["comment"] = masked(found["comment"])
    if found.get("error"):
        found["error"] = {**found["error"], "msg": masked(found["error"]["msg"])}
    for part in ("request", "response"):
        if isinstance(found.get(part), dict) and "headers" in found[part]:
            found[part] = _masked_message(found[part], bodies=bodies)
    if not bodies and found.get("websocket"):
        found["websocket"] = {**found["websocket"], "messages": []}
    return found


def mask_files() -> None:
    """Let mitmproxy's own writers mask, from here on."""
    if getattr(FlowWriter.add, "masks", False):
        return

    def add(self: FlowWriter, f: Flow) -> None:
        tnetstring.dump(masked_state(f), self.fo)

    def add_filtered(self: FilteredFlowWriter, f: Flow) -> None:
        if self.flt is None or self.flt(f):
            tnetstring.dump(masked_state(f), self.fo)

    add.masks = True  # type: ignore[attr-defined]
    FlowWriter.add = add  # type: ignore[method-assign]
    FilteredFlowWriter.add = add_filtered  # type: ignore[method-assign]


def _masked_message(message: dict[str, Any], *, bodies: bool) -> dict[str, Any]:
    made = {**message, "headers": _pairs(message["headers"])}
    if message.get("trailers"):
        made["trailers"] = _pairs(message["trailers"])
    if "path" in message:
        made["path"] = masked_url(message["path"].decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if not bodies:
        made["content"] = None
    return made


def _pairs(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    return masked_headers((name, value) for name, value in headers)
