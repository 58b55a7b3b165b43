"""From a logged call to the row that it leaves in the ledger, priced once and now, as the proxy's own are."""

from __future__ import annotations

from datetime import UTC, datetime

from ringlet_mitm.addons.usage.imports.calls import LoggedCall
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import TOKEN_KINDS, cost, cost_uncached
from ringlet_mitm.rules.providers import ProviderRegistry

ORIGIN = "import:"
RULE = "imported"
ANSWERED = 200


class Bills:
    """Makes rows with the prices of the day of each call."""

    def __init__(self, providers: ProviderRegistry, prices: PriceBook) -> None:
        self._providers = providers
        self._prices = prices
        self._known: dict[str, str] = {}

    def row(self, call: LoggedCall, *, around: bool = False) -> RequestRow:
        """As if it had gone to where the agent sent it, which is what it did; `around` the proxy, if that is known.

        A price that only the log knows is the log's. The agent's plan may have paid for it all the same.
        """
        provider = self._provider(call.provider)
        day = datetime.fromtimestamp(call.started_us / 1_000_000, UTC).date()
        card = self._prices.card(provider, call.model, day) if provider and call.model else None
        bill = cost(call.usage, card)
        total, source = bill.total, card.source if card else ""
        if total is None and call.cost is not None:
            total, source = call.cost, f"{call.agent}'s log"
        return RequestRow(
            id=f"{call.started_us * 1000:016x}{call.digest:016x}",
            started_us=call.started_us,
            ended_us=call.ended_us,
            profile="",
            agent=call.agent,
            session=call.session,
            agent_format=call.wire_format,
            provider_format=call.wire_format,
            asked_host="",
            path="",
            rule=RULE,
            provider=provider,
            asked_provider=provider,
            requested_model=call.model,
            routed_model=call.model,
            answered_model=call.model,
            usage_source="reported" if call.sure else "estimated",
            cost_input=bill.input,
            cost_cache_read=bill.cache_read,
            cost_cache_write=bill.cache_write,
            cost_output=bill.output,
            cost_total=total,
            cost_as_asked=total,
            cost_uncached=cost_uncached(call.usage, card),
            price_source=source,
            status=ANSWERED,
            project=call.project,
            origin=f"{ORIGIN}{call.agent}",
            around=around,
            **{kind: getattr(call.usage, kind) for kind in TOKEN_KINDS},
        )

    def _provider(self, said: str) -> str:
        """Our name of a provider that a log names; its own word where we have none."""
        if said not in self._known:
            try:
                spec = self._providers.get(said)
            except ConfigError:
                spec = None
            self._known[said] = spec.provider_id if spec else said
        return self._known[said]
