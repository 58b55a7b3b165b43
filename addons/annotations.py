"""What a model call's flow says of it in mitmweb: comment and marker in the list, facts for `~meta`, an account of the
whole for the content view, and the body of a streamed answer, which mitmproxy does not keep."""

from __future__ import annotations

import asyncio

from mitmproxy import http

from ringlet_mitm.addons.concealing import conceal
from ringlet_mitm.addons.exchange import Exchange, describe, exchange_of
from ringlet_mitm.addons.kept_answers import keep_answer, show_answer
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.views.account import account_of

# Not the mark that people set in mitmweb, which is :red_circle:.
FAILED = ":x:"
TRIED_AGAIN = ":warning:"
# An answer is on its way as soon as the hooks are done.
SENT_S = 1.0
OUR_MARKS = frozenset({FAILED, TRIED_AGAIN})


class Annotations:
    """Writes what was decided and what it cost onto the flow: a first word when it is sent, the rest at its end.

    `keeps_bodies` is false where the profile's `capture` is `none`: then bodies go as soon as each request is over.
    """

    def __init__(self, *, keeps_bodies: bool = True) -> None:
        self._keeps_bodies = keeps_bodies

    def request(self, flow: http.HTTPFlow) -> None:
        """Called once it is prepared."""
        exchange = exchange_of(flow)
        if exchange is not None:
            flow.comment = running(exchange)

    def upstream_failed(self, flow: http.HTTPFlow) -> None:
        """An attempt has failed, another one was prepared."""
        self.request(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """The request has been sent, so nobody needs its keys any more: before addons that write flows to files."""
        conceal(flow.request)
        if self._keeps_bodies and flow.response is not None:
            keep_answer(flow.response)

    def response(self, flow: http.HTTPFlow) -> None:
        """Also called for streamed answers, after their end."""
        self._annotate(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """Failed exchanges say why."""
        self._annotate(flow)

    def _annotate(self, flow: http.HTTPFlow) -> None:
        conceal(flow.request)
        streamed = flow.response is not None and callable(flow.response.stream)
        missed = show_answer(flow.response) if flow.response is not None else 0
        exchange = exchange_of(flow)
        if exchange is None or exchange.row is None:
            return
        row = exchange.row
        if missed:
            exchange.remark(f"the last {missed:,} bytes of the answer were not kept")
        flow.comment = comment(row)
        flow.marked = flow.marked or mark(row)
        describe(flow, facts(row), account_of(exchange).packed())
        if not self._keeps_bodies:
            _forget_bodies(flow, streamed=streamed)
        exchange.let_go()


def running(exchange: Exchange) -> str:
    """What is known before there is a row: `tool-use → groq/llama-3.3 | running, attempt 2`."""
    target, turn = exchange.target, exchange.turn
    parts = (
        [_way(turn.decision.label, target.provider if target else "", target.model if target else "")] if turn else []
    )
    again = f", attempt {len(exchange.attempts)}" if len(exchange.attempts) > 1 else ""
    return " | ".join((*parts, f"running{again}"))


def comment(row: RequestRow) -> str:
    """One line, like `tool-use → anthropic/claude-sonnet-4-5 | 1,234 in / 56 out | $0.0042`."""
    money = "$?" if row.cost_total is None else f"${row.cost_total:.4f}"
    mark = "~" if row.usage_source == "estimated" else ""
    tokens = f"{mark}{row.usage.total_input:,} in / {mark}{row.usage.total_output:,} out"
    parts = (_way(row.rule, row.provider, row.routed_model), tokens, money, row.error_class)
    return " | ".join(part for part in parts if part)


def mark(row: RequestRow) -> str:
    """The marker of a request that failed, or that needed more than one attempt; "" for others."""
    return FAILED if row.error_class else TRIED_AGAIN if row.attempts > 1 else ""


def facts(row: RequestRow) -> dict[str, str]:
    """What `~meta` finds, as `rule: …`, `provider: …`."""
    said = {
        "rule": row.rule,
        "provider": row.provider,
        "model": row.routed_model,
        "asked": row.requested_model,
        "agent": row.agent,
        "session": row.session,
        "stop": row.stop_reason,
        "error": row.error_class,
        "usage": row.usage_source,
        "cost": "unknown" if row.cost_total is None else f"{row.cost_total:.6f}",
    }
    return {name: text for name, text in said.items() if text}


def _way(rule: str, provider: str, model: str) -> str:
    """Rule, provider and model; many rules' labels end with the provider."""
    if not rule or not provider:
        return " → ".join(filter(None, (rule, model)))
    name = f"{provider}/{model}" if model else provider
    if rule.endswith(f"→ {provider}"):
        return rule.removesuffix(provider) + name
    return f"{rule} → {name}"


def _forget_bodies(flow: http.HTTPFlow, *, streamed: bool) -> None:
    """Drop the bodies of a flow that is over; what was not streamed is sent only after the hooks, so it goes later."""
    flow.request.data.content = None
    response = flow.response
    if response is None:
        return
    if streamed or flow.error:
        response.data.content = None
    else:
        asyncio.get_running_loop().call_later(SENT_S, setattr, response.data, "content", None)
