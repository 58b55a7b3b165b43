"""What a connector's calls have used so far, from the rows that it leaves in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ringlet_mitm.addons.usage.rows import RequestRow

COUNTERS = ("total_calls", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True, slots=True)
class Sum:
    """Calls that were answered, of one model or of all. `cost_usd` is of those whose price is known.

    `estimated` counts calls whose tokens the provider did not report, `unpriced` those without a known price.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    estimated: int = 0
    unpriced: int = 0

    def with_row(self, row: RequestRow) -> Sum:
        """One call more."""
        return Sum(
            calls=self.calls + 1,
            prompt_tokens=self.prompt_tokens + row.usage.total_input,
            completion_tokens=self.completion_tokens + row.usage.total_output,
            cost_usd=self.cost_usd + (row.cost_total or 0),
            estimated=self.estimated + (row.usage_source == "estimated"),
            unpriced=self.unpriced + (row.cost_total is None),
        )

    def as_dict(self, calls: str) -> dict[str, Any]:
        """By name; `calls` is what the number of calls is called."""
        return {
            calls: self.calls,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_usd": self.cost_usd,
            "estimated_calls": self.estimated,
            "unpriced_calls": self.unpriced,
        }


@dataclass(slots=True)
class Tally:
    """Adds up rows as they are written."""

    total: Sum = field(default_factory=Sum)
    by_model: dict[str, Sum] = field(default_factory=dict)
    last: dict[str, Any] | None = None

    def add(self, row: RequestRow) -> None:
        """Count an answered call; one that failed used nothing that anybody knows of."""
        if row.error_class:
            return
        name = f"{row.provider}/{row.routed_model}"
        one = Sum().with_row(row)
        self.total = self.total.with_row(row)
        self.by_model[name] = self.by_model.get(name, Sum()).with_row(row)
        self.last = {
            "timestamp": datetime.fromtimestamp(row.started_us / 1e6, UTC).isoformat(timespec="milliseconds"),
            "model": name,
            "usage_source": row.usage_source,
            **one.as_dict("calls"),
        }

    def summary(self) -> dict[str, Any]:
        """Totals, each model as `provider/model`, and the last call (None before the first)."""
        return {
            "totals": self.total.as_dict("total_calls"),
            "by_model": {name: found.as_dict("calls") for name, found in self.by_model.items()},
            "last_call": None if self.last is None else dict(self.last),
        }

    def snapshot(self) -> dict[str, int]:
        """The counters as they are now."""
        total = replace(self.total)
        return dict(zip(COUNTERS, (total.calls, total.prompt_tokens, total.completion_tokens), strict=True))


def delta(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What was used between two snapshots."""
    return {name: after.get(name, 0) - before.get(name, 0) for name in COUNTERS}
