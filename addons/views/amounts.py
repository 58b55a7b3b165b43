"""Tokens, money and time of a row, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.views.page import Line, Style
from ringlet_mitm.rules.pricing import TOKEN_KINDS

COSTS = {
    "cost_input": "input",
    "cost_cache_read": "cache reads",
    "cost_cache_write": "cache writes",
    "cost_output": "output",
}


def usage_lines(row: RequestRow) -> Iterator[Line]:
    """Tokens by kind, and whether the provider said so or somebody guessed."""
    if row.usage_source == "none":
        yield Line(Style.TITLE, "Usage: none was reported")
        return
    estimated = row.usage_source == "estimated"
    mark = "~" if estimated else ""
    yield Line(
        Style.TITLE,
        "Usage: estimated, the provider reported none or not all"
        if estimated
        else "Usage: as the provider reported it",
    )
    for kind in TOKEN_KINDS:
        tokens = getattr(row, kind)
        if tokens:
            yield Line(Style.FIELD, f"{mark}{tokens:,}", kind.removesuffix("_tokens").replace("_", " "), 1)
    usage = row.usage
    yield Line(Style.FIELD, f"{mark}{usage.total_input:,} in, {mark}{usage.total_output:,} out", "in all", 1)


def cost_lines(row: RequestRow) -> Iterator[Line]:
    """What it cost, by part; what is unknown is said to be."""
    if row.usage_source == "none" and row.cost_total is None:
        return
    source = f", by {row.price_source}" if row.price_source else ""
    yield Line(Style.TITLE, f"Cost: {money(row.cost_total)}{source}")
    for name, said in COSTS.items():
        part: Decimal | None = getattr(row, name)
        if part is None or part:
            yield Line(Style.FIELD, money(part), said, 1)
    if row.cost_as_asked is not None and row.cost_as_asked != row.cost_total:
        yield Line(Style.FIELD, money(row.cost_as_asked), f"as asked, {row.requested_model}", 1)
    if row.cost_switch:
        yield Line(Style.FIELD, f"{money(row.cost_switch)}, from {row.switched_from}", "of it for switching", 1)


def money(amount: Decimal | None) -> str:
    """`$0.0042`; `unknown` where no price is known."""
    if amount is None:
        return "unknown"
    return f"${amount:.4f}" if amount >= Decimal("0.0001") or not amount else f"${amount:.7f}"


def seconds(us: int) -> str:
    """`812 ms`, `3.4 s`."""
    return f"{us / 1000:.0f} ms" if us < 1_000_000 else f"{us / 1_000_000:.1f} s"
