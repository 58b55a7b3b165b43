"""Amounts as a person reads them: tokens, dollars, shares, durations."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise

UNITS = ((10**3, "K"), (10**6, "M"), (10**9, "B"), (10**12, "T"))
CENT = Decimal("0.01")
LEAST_SHOWN = Decimal("0.0001")
# Two neighbours are shown of these, the larger one first: 2 h 14 min, but not 2 h 14 min 9 s.
SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def compact(count: int) -> str:
    """Tokens in two or three digits and a unit, like 280K or 1.1M; as they are below a thousand."""
    for size, unit in UNITS if count >= 1000 else ():
        scaled = count / size
        text = f"{scaled:.1f}" if scaled < 9.95 else f"{scaled:.0f}"
        # Rounding may carry: 999,600 is 1.0M and not 1000K.
        if float(text) < 1000 or unit == UNITS[-1][1]:
            return text + unit
    return str(count)


def usd(amount: Decimal) -> str:
    """Dollars and cents; below a cent as many places as it takes to see it."""
    if amount < 0:
        return f"-{usd(-amount)}"
    if amount == 0 or amount >= CENT:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= LEAST_SHOWN else f"<${LEAST_SHOWN}"


def percent(share: float) -> str:
    """Whole percents; what is not all and not nothing does not look so."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share * 100:.0f}%"


def span(seconds: float) -> str:
    """A duration in its one or two largest units, like 45 s, 2 h 14 min or 3 d; a part of a second counts as one."""
    left = math.ceil(max(seconds, 0))
    for (size, unit), (smaller, next_unit) in pairwise(SPANS):
        if left >= size:
            rest = left % size // smaller
            return f"{left // size} {unit} {rest} {next_unit}" if rest else f"{left // size} {unit}"
    return f"{left} s"


def milliseconds(ms: float) -> str:
    """A short time in three digits or so: 0.42 ms, 820 ms, 2.4 s, 3 min 20 s."""
    if ms < 10:
        return f"{ms:.2g} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 59_950 else span(ms / 1000)


def data_size(count: int) -> str:
    """Bytes in two or three digits and a unit of a thousand, like 3.4 MB."""
    text = compact(count)
    return f"{text[:-1]} {text[-1].replace('K', 'k').replace('B', 'G')}B" if count >= 1000 else f"{text} B"
