"""What a proxy says of itself (`/health`) as a person reads it: a heading, then labels and aligned lines.

A proxy may be older or newer than this program: what is missing or of another shape is left out, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ringlet_mitm.cli.amounts import compact, span, usd
from ringlet_mitm.cli.columns import printable
from ringlet_mitm.rules.reliability import AGENTS_OWN

Health = Mapping[str, Any]

GAP = "  "
MOST_RULES = 8
SOUND = "sound"
# What a limit does at each threshold, in the order in which they are reached.
CONSEQUENCES = {"warn": "warns", "switch": "goes to {to}", "refuse": "refuses"}


def in_words(health: Health, url: str) -> str:
    """All that a running proxy says, in a few lines."""
    name = printable(str(health.get("profile")))
    uptime = _number(health.get("uptime_s"))
    up = "" if uptime is None else f", up {span(uptime)}"
    groups: dict[str, list[Sequence[str]]] = {
        "requests": [[_requests(health)]],
        "unsaved": [[text] for text in _unsaved(health)],
        "rules": [[text] for text in _rules(health, name)],
        "resting": [_resting(one) for one in _at_rest(health)],
        "queues": [_line(one) for one in _tables(health, "lines")],
        "limits": [_limit(one) for one in _tables(health, "limits")],
    }
    width = max(map(len, groups))
    lines = [f"{name} is running at {url}{up}"]
    for label, rows in groups.items():
        labels = [label, *[""] * len(rows)]
        lines += [f"{begin:{width}}{GAP}{text}" for begin, text in zip(labels, _aligned(rows), strict=False)]
    return "\n".join(line.rstrip() for line in lines)


def requests_of(health: Health) -> str:
    """How many requests it has answered."""
    count = _whole(health.get("requests"))
    return "?" if count is None else f"{count:,}"


def uptime_of(health: Health) -> str:
    """For how long it has been running."""
    seconds = _number(health.get("uptime_s"))
    return "?" if seconds is None else span(seconds)


def remarks_of(health: Health) -> str:
    """What is not as usual, in a word or two each; "" where all is well."""
    resting = len({_text(one.get("provider")) for one in _at_rest(health)})
    waiting = sum(_whole(one.get("waiting")) or 0 for one in _tables(health, "lines"))
    reached = sum(str(one.get("action")) in CONSEQUENCES for one in _tables(health, "limits"))
    unsaved = _whole(health.get("unsaved_rows")) or 0
    found = {
        f"{resting} provider{_s(resting)} resting": resting,
        f"{waiting} waiting": waiting,
        f"{reached} limit{_s(reached)} reached": reached,
        f"{unsaved} row{_s(unsaved)} unsaved": unsaved,
    }
    return ", ".join(text for text, count in found.items() if count)


def resting_of(health: Health) -> list[str]:
    """A line for each provider, key or model that rests."""
    return _aligned([_resting(one) for one in _at_rest(health)])


def queues_of(health: Health) -> list[str]:
    """A line for each provider that somebody waits in line for."""
    return _aligned([_line(one) for one in _tables(health, "lines")])


def limits_of(health: Health) -> list[str]:
    """A line for each limit."""
    return _aligned([_limit(one) for one in _tables(health, "limits")])


def _requests(health: Health) -> str:
    under_way = _whole(health.get("in_flight"))
    return requests_of(health) + ("" if under_way is None else f", {under_way:,} in flight")


def _unsaved(health: Health) -> Iterator[str]:
    """The proxy writes each row down before the agent has the end of its answer; what it cannot, it keeps."""
    if count := _whole(health.get("unsaved_rows")):
        yield f"{count:,} usage row{_s(count)} that the disk does not take; lost if the proxy ends now"


def _rules(health: Health, profile: str) -> Iterator[str]:
    labels = health.get("rules")
    labels = [printable(str(label)) for label in labels] if isinstance(labels, list) else []
    yield from labels[:MOST_RULES]
    if len(labels) > MOST_RULES:
        yield f"… {len(labels) - MOST_RULES} more:  ringlet-mitm rules list --profile {profile}"
    if isinstance(default := health.get("default"), str):
        yield printable(default)


def _at_rest(health: Health) -> list[Health]:
    return [one for one in _tables(health, "resting") if one.get("state") != SOUND]


def _resting(one: Health) -> Sequence[str]:
    """Provider, key, model where it is about one only; why, and until when."""
    reason = _text(one.get("reason")) or "failing"
    failures = _whole(one.get("failures"))
    often = f", {failures} failure{_s(failures)} in a row" if failures else ""
    left = _number(one.get("rests_for_s"))
    if one.get("state") == "probing":
        then = "; one request is trying it now"
    else:
        then = "" if left is None else f"; tried again in {span(left)}" if left > 0 else "; the next request tries it"
    key = "agent's own key" if one.get("key") == AGENTS_OWN else _text(one.get("key"))
    return _text(one.get("provider")) or "?", key, _text(one.get("model")), f"{reason}{often}{then}"


def _line(one: Health) -> Sequence[str]:
    """The requests in front of a provider that takes only so many at once."""
    running, most, waiting = (_whole(one.get(key)) for key in ("running", "most", "waiting"))
    of = "" if most is None else f" of {most:,}"
    return _text(one.get("provider")) or "?", f"{running or 0:,}{of} running, {waiting or 0:,} waiting"


def _limit(one: Health) -> Sequence[str]:
    """What is used, and what happens when; `(now)` marks what is in force."""
    name, action = _text(one.get("limit")) or "?", one.get("action")
    said = [f"{_amount(name, one.get('used'))} used"]
    for key, consequence in CONSEQUENCES.items():
        threshold = one.get(key)
        if threshold is not None:
            words = consequence.format(to=_text(one.get("to")) or "another provider")
            said.append(f"{words} at {_amount(name, threshold)}{' (now)' if action == key else ''}")
    if unpriced := _whole(one.get("unpriced", one.get("unpriced_requests"))):
        said.append(f"{unpriced:,} request{_s(unpriced)} without a known price not counted")
    return name, _text(one.get("provider")), ", ".join(said)


def _amount(limit: str, value: object) -> str:
    """Dollars are decimal text, all else whole numbers."""
    if limit.startswith("usd"):
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            return "?"
        return usd(amount) if amount.is_finite() else "?"
    count = _whole(value)
    if count is None:
        return "?"
    return compact(count) if limit.startswith("tokens") else f"{count:,}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns; a column that is empty throughout is left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in zip(*columns, strict=True)
    ]


def _tables(health: Health, key: str) -> list[Health]:
    found = health.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(value: object) -> str:
    return printable(value) if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 and not math.isnan(value) else None


def _s(count: int) -> str:
    return "" if count == 1 else "s"
