"""What the list of flows says of a WebSocket: its turns in all."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ringlet_mitm.addons.usage.rows import RequestRow


@dataclass(slots=True)
class SocketSums:
    """The turns that have ended on one; `usd` is None once the price of one was not known."""

    turns: int = 0
    failed: int = 0
    input: int = 0
    output: int = 0
    usd: Decimal | None = Decimal(0)
    way: str = ""

    def add(self, row: RequestRow) -> None:
        """One turn more."""
        self.turns += 1
        self.failed += row.failed
        self.input += row.usage.total_input
        self.output += row.usage.total_output
        self.usd = None if self.usd is None or row.cost_total is None else self.usd + row.cost_total
        self.way = f"{row.rule} → {row.routed_model}" if row.routed_model else row.rule

    def __str__(self) -> str:
        """Like `default → passthrough → gpt-5 | 3 turns | 1,234 in / 56 out | $0.0042`."""
        failed = f", {self.failed} failed" if self.failed else ""
        turns = f"{self.turns} turn{'' if self.turns == 1 else 's'}{failed}"
        money = "$?" if self.usd is None else f"${self.usd:.4f}"
        return " | ".join(filter(None, (self.way, turns, f"{self.input:,} in / {self.output:,} out", money)))
