"""What the prompt cache was worth, and what the rules saved."""

from __future__ import annotations

from decimal import Decimal

from ringlet_mitm.addons.usage.analyses import (
    ESTIMATED,
    REQUESTS,
    Analysis,
    Derived,
    Values,
    all_known,
    part,
    total_of,
    usd_of,
)
from ringlet_mitm.addons.usage.groups import Measure
from ringlet_mitm.addons.usage.reports import Shown, Unit


def _saved(row: Values, _: Values) -> Decimal | None:
    return None if row["cost_usd"] is None else Decimal(row["as_asked_usd"] - row["cost_usd"])


CACHE = Analysis(
    view="cache",
    about="prompt cache",
    nothing="no requests that used tokens",
    by=("provider", "model"),
    order="input_tokens",
    measures={
        "requests": REQUESTS,
        "input_tokens": Measure(total_of("input"), "tokens in, cached ones included"),
        "cache_read_tokens": Measure(total_of("cache_read_tokens"), "of them, read from the cache"),
        "cache_write_tokens": Measure(total_of("cache_write_tokens"), "of them, written to the cache"),
        "known_saved_usd": Measure(
            usd_of("saved"), "USD that the cache saved, writing to it subtracted, as far as prices are known"
        ),
        "unpriced_requests": Measure(total_of("unpriced"), "requests of which that is not known"),
        "estimated_requests": ESTIMATED,
        "switches": Measure(
            total_of("switches"), "requests that switched their conversation to another provider or model"
        ),
        "known_switch_cost_usd": Measure(usd_of("switch_cost"), "USD that this cost, as far as prices are known"),
        "unpriced_switches": Measure(total_of("switch_unpriced"), "switches whose cost is not known"),
    },
    derived={
        "hit_share": Derived(
            lambda row, _: part(row["cache_read_tokens"], row["input_tokens"]),
            "part of the input read from the cache, 0 to 1",
        ),
        "saved_usd": Derived(
            all_known("known_saved_usd", "unpriced_requests"),
            "USD that the cache saved; null as soon as one price is unknown",
        ),
        "switch_cost_usd": Derived(
            all_known("known_switch_cost_usd", "unpriced_switches"), "USD that switches cost; null likewise"
        ),
    },
    shown=(
        Shown("REQUESTS", Unit.COUNT, ("requests",)),
        Shown("INPUT", Unit.AMOUNT, ("input_tokens",)),
        Shown("READ", Unit.AMOUNT, ("cache_read_tokens",)),
        Shown("HITS", Unit.PART, ("hit_share",)),
        Shown("WRITTEN", Unit.AMOUNT, ("cache_write_tokens",)),
        Shown("SAVED", Unit.COST, ("saved_usd", "known_saved_usd", "unpriced_requests", "estimated_requests")),
        Shown("SWITCHES", Unit.COUNT, ("switches",), if_any="switches"),
        Shown(
            "THEY COST",
            Unit.COST,
            ("switch_cost_usd", "known_switch_cost_usd", "unpriced_switches", "estimated_requests"),
            if_any="switches",
        ),
    ),
)

SAVINGS = Analysis(
    view="savings",
    about="savings",
    nothing="no requests that used tokens",
    by=("rule",),
    order="requests",
    measures={
        "requests": REQUESTS,
        "kept_requests": Measure(total_of("kept"), "of them, how many the model asked for answered"),
        "unknown_requests": Measure(
            total_of("unknown"), "of them, how many are left out of the sums: one of the two prices is unknown"
        ),
        "estimated_requests": ESTIMATED,
        "cost_usd": Measure("sum(cost)", "USD that the others cost"),
        "as_asked_usd": Measure("sum(as_asked)", "USD that these would have cost as asked, cache included"),
    },
    derived={
        "compared_requests": Derived(lambda row, _: row["requests"] - row["unknown_requests"], "requests in the sums"),
        "saved_usd": Derived(_saved, "the difference; below 0 it cost more"),
        "saved_share": Derived(
            lambda row, _: part(_saved(row, _), row["as_asked_usd"]), "that as a part of as_asked_usd"
        ),
    },
    shown=(
        Shown("REQUESTS", Unit.COUNT, ("requests",)),
        Shown("COMPARED", Unit.COUNT, ("compared_requests",), if_any="unknown_requests"),
        Shown("COST", Unit.USD, ("cost_usd", "estimated_requests")),
        Shown("AS ASKED", Unit.USD, ("as_asked_usd", "estimated_requests")),
        Shown("SAVED", Unit.USD, ("saved_usd", "estimated_requests")),
        Shown("PART", Unit.PART, ("saved_share",)),
    ),
)
