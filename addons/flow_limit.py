"""mitmweb's list of flows, kept within bounds: the oldest go, with their bodies, once there are too many or too large.

Those in flight stay, those that a person has marked, and those that somebody has just opened.
"""

from __future__ import annotations

from collections.abc import Collection

from mitmproxy import ctx, flow, http, tcp, udp
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.view import View

from ringlet_mitm.addons.looked_at import LookedAt

FLOWS = 2_000
MEGABYTES = 256
# What a flow takes beside its bodies: connections, headers, certificates, its account (measured, 2026-11).
EACH_BYTES = 40 * 1024


class FlowLimit:
    """Drops old flows; `own_marks` are the markers that no person has set."""

    def __init__(self, looked: LookedAt, own_marks: Collection[str]) -> None:
        self._looked = looked
        self._own_marks = frozenset(("", *own_marks))
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self.dropped = 0

    def load(self, loader: Loader) -> None:
        """Its options; mitmweb's page can change them while it runs."""
        loader.add_option("ringlet_flows", int, FLOWS, "Flows to keep in the list; the oldest beyond that are dropped.")
        loader.add_option("ringlet_flows_mb", int, MEGABYTES, "Megabytes that the flows in the list may take.")

    def running(self) -> None:
        """Called once the list is there."""
        view = self._view()
        if view is not None:
            view.sig_store_remove.connect(self._removed)
            view.sig_store_refresh.connect(self._refreshed)

    def configure(self, updated: set[str]) -> None:
        """A smaller limit holds at once."""
        if updated & {"ringlet_flows", "ringlet_flows_mb"}:
            self.trim()

    def response(self, flow: http.HTTPFlow) -> None:
        """The flow has all of its body; for a streamed one the annotations have put it there."""
        self._measure(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """It failed, and may have had some."""
        self._measure(flow)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        """It grows."""
        self._measure(flow)

    def tcp_end(self, flow: tcp.TCPFlow) -> None:
        """A stream of bytes, where somebody has turned them on."""
        self._measure(flow)

    def trim(self) -> None:
        """Drop what is too much, the oldest first."""
        view = self._view()
        if view is None:
            return
        limit_bytes = ctx.options.ringlet_flows_mb * 1_000_000
        surplus = view.store_count() - ctx.options.ringlet_flows
        if surplus <= 0 and self._bytes <= limit_bytes:
            return
        for found in view.resolve("@all"):
            if surplus <= 0 and self._bytes <= limit_bytes:
                return
            if self._may_go(found):
                _let_go_of_bodies(found)
                view.remove([found])
                surplus -= 1
                self.dropped += 1

    def _measure(self, found: flow.Flow) -> None:
        size = EACH_BYTES + _body_bytes(found)
        self._bytes += size - self._sizes.get(found.id, 0)
        self._sizes[found.id] = size
        self.trim()

    def _may_go(self, found: flow.Flow) -> bool:
        return not found.live and found.marked in self._own_marks and found.id not in self._looked

    def _removed(self, flow: flow.Flow) -> None:
        self._bytes -= self._sizes.pop(flow.id, 0)

    def _refreshed(self) -> None:
        """The list was cleared, or read from a file."""
        view = self._view()
        there = {found.id for found in view.resolve("@all")} if view is not None else set()
        self._sizes = {name: size for name, size in self._sizes.items() if name in there}
        self._bytes = sum(self._sizes.values())

    def _view(self) -> View | None:
        found = getattr(ctx.master, "view", None)
        return found if isinstance(found, View) else None


def _body_bytes(found: flow.Flow) -> int:
    if isinstance(found, http.HTTPFlow):
        pieces = [found.request.raw_content, found.response.raw_content if found.response else None]
        pieces += [message.content for message in found.websocket.messages] if found.websocket else []
        return sum(len(piece) for piece in pieces if piece)
    if isinstance(found, tcp.TCPFlow | udp.UDPFlow):
        return sum(len(message.content) for message in found.messages)
    return 0


def _let_go_of_bodies(found: flow.Flow) -> None:
    """A flow lies in reference cycles: its bodies would wait for the garbage collector."""
    if isinstance(found, http.HTTPFlow):
        found.request.data.content = None
        if found.response is not None:
            found.response.data.content = None
