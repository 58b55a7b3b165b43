"""A flow's comment in mitmweb: rule, provider, model, tokens and cost at a glance."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.exchange import exchange_of
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.redaction import masked_headers, masked_url


class Annotations:
    """Writes what was decided and what it cost onto the flow when the answer is complete."""

    def response(self, flow: http.HTTPFlow) -> None:
        """Also called for streamed answers, after their end."""
        annotate(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """Failed exchanges say why."""
        annotate(flow)


def conceal(request: http.Request) -> None:
    """Mask what a flow's request says to be let in: it was sent, and from here on only people and dumps look at it."""
    request.data.headers = http.Headers(masked_headers(request.headers.fields))
    if "?" in request.path:
        request.path = masked_url(request.path)


def annotate(flow: http.HTTPFlow) -> None:
    """Set the comment of a recorded model call, and mask the keys of any."""
    conceal(flow.request)
    exchange = exchange_of(flow)
    if exchange is not None and exchange.row is not None:
        flow.comment = comment(exchange.row)
        flow.marked = ":red_circle:" if exchange.row.error_class else ""


def comment(row: RequestRow) -> str:
    """One line, like `tool-use → anthropic | claude-sonnet-4-5 | 1,234 in / 56 out | $0.0042`."""
    money = "$?" if row.cost_total is None else f"${row.cost_total:.4f}"
    mark = "~" if row.usage_source == "estimated" else ""
    tokens = f"{mark}{row.usage.total_input:,} in / {mark}{row.usage.total_output:,} out"
    parts = (row.rule, row.routed_model, tokens, money, row.error_class)
    return " | ".join(part for part in parts if part)
