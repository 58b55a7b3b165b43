"""mitmweb's master with our addons: the traffic in a browser. Not in `master.py`, since importing it takes 0.2 s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mitmproxy import http
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.tools.web import app
from mitmproxy.tools.web.master import WebMaster

from ringlet_mitm.addons.concealing import conceal
from ringlet_mitm.addons.flow_files import mask_files
from ringlet_mitm.addons.web_gate import Gate, own_token
from ringlet_mitm.rules.redaction import masked, masked_headers, masked_url

# The comment has rule, model, tokens and cost.
COLUMNS = ["icon", "path", "comment", "status", "size", "time"]


class SaysWhere:
    """Tells the address of the web page; a token that lets nobody else in is part of it."""

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        self._address = address
        self._say = say

    def running(self) -> None:
        """Called once it listens."""
        self._say(self._address)


class Concealment:
    """Masks the keys of a failed flow before mitmproxy's own addons write it to a file; the annotations come last."""

    def error(self, flow: http.HTTPFlow) -> None:
        """It was sent, or never will be."""
        conceal(flow.request)


def web_master(port: int, say: Callable[[str], None], options: Options) -> Master:
    """mitmweb on loopback; it opens no browser by itself, and `say` gets its address."""
    master = WebMaster(options, with_termlog=False)
    master.options.update(web_host="127.0.0.1", web_port=port, web_open_browser=False, web_columns=COLUMNS)
    gate = Gate(master.app, port, own_token(getattr(master, "web_url", "")))
    master.app = gate  # type: ignore[assignment]  # all that is done with it is to serve it
    master.addons.add(SaysWhere(f"http://127.0.0.1:{port}/?token={gate.token}", say), Concealment())
    master.addons.chain.insert(0, master.addons.chain.pop())
    mask_lists()
    mask_files()
    return master


def mask_lists() -> None:
    """Flows in flight still have their keys, and mitmweb tells every open page of them: without, from here on.

    Its list of log lines has them as they were written, before our formatter.
    """
    plain, plain_line = app.flow_to_json, app.logentry_to_json
    if getattr(plain, "masks", False):
        return

    def flow_to_json(flow: Any) -> dict[str, Any]:
        found: dict[str, Any] = plain(flow)
        return _masked_flow(found)

    def logentry_to_json(entry: Any) -> dict[str, Any]:
        found: dict[str, Any] = plain_line(entry)
        return {**found, "message": masked(str(found["message"]))}

    flow_to_json.masks = True  # type: ignore[attr-defined]
    app.flow_to_json = flow_to_json
    app.logentry_to_json = logentry_to_json  # type: ignore[assignment]


def _masked_flow(found: dict[str, Any]) -> dict[str, Any]:
    for part in ("request", "response"):
        said = found.get(part)
        if isinstance(said, dict) and "headers" in said:
            said["headers"] = masked_pairs(said["headers"])
            if said.get("trailers"):
                said["trailers"] = masked_pairs(said["trailers"])
    request = found.get("request")
    if isinstance(request, dict) and "path" in request:
        request["path"] = masked_url(request["path"])
    if isinstance(found.get("error"), dict):
        found["error"]["msg"] = masked(str(found["error"].get("msg", "")))
    return found


def masked_pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    """Headers as mitmweb has them, without keys."""
    encoded = (
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")) for name, value in headers
    )
    return tuple(
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in masked_headers(encoded)
    )
