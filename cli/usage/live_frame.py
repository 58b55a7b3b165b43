"""One frame of `usage live` as lines of text: what proxies have written down, and what they say of themselves.

Pure: a snapshot, an answer of `/health` or none, a time and a width in, lines out. A line is cut where the terminal
ends; it is refreshed, so nobody can scroll to the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.cells import cell_len, set_cell_size

from ringlet_mitm.addons.usage.snapshot import Session, Snapshot, Stream, Sums
from ringlet_mitm.cli.amounts import compact, span, usd
from ringlet_mitm.cli.columns import printable
from ringlet_mitm.cli.status_words import limits_of, queues_of, resting_of

SECOND_US = 1_000_000
# Streams and sessions of a proxy, and of how many less where there is no room.
SHOWN = ((12, 6), (12, 2), (6, 1), (3, 0), (1, 0))
# A session that nobody asks anything in any more is not what is going on.
SESSION_S = 3600
GAP = "  "
Health = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A line and how it is meant: head, title, plain, dim or warn."""

    text: str
    role: str = "plain"


@dataclass(frozen=True, slots=True)
class Proxy:
    """What there is of one proxy; `health` is None where it does not answer."""

    snapshot: Snapshot
    health: Health | None = None


def frame(proxies: Sequence[Proxy], now: float, width: int, height: int | None = None) -> list[Said]:
    """All lines; `now` in seconds since the epoch. Sessions, then streams give way where there is no such `height`."""
    found: list[Said] = []
    for streams, sessions in SHOWN:
        found = [line for proxy in proxies for line in _proxy(proxy, now, streams, sessions)][:-1]
        if height is None or len(found) <= height:
            break
    return [_cut(line, width) for line in found[:height]]


def _cut(line: Said, width: int) -> Said:
    return line if cell_len(line.text) <= width else Said(set_cell_size(line.text, max(width, 1)), line.role)


def _proxy(proxy: Proxy, now: float, most_streams: int, most_sessions: int) -> Iterator[Said]:
    one = proxy.snapshot
    yield Said(_head(one, now), "head")
    today = one.today if now * SECOND_US < one.day_ends_us else Sums()
    if one.running or today.requests:
        unread = "" if one.complete or not one.running else "  (the ledger is still being read)"
        yield Said(f"today      {_sums(today)}{unread}")
    if not one.running:
        yield Said("")
        return
    yield Said(f"minute     {_minute(one.minute)}")
    for label, rows in _of_health(proxy.health):
        for place, text in enumerate(rows):
            yield Said(f"{label if not place else '':9}  {text}", "warn" if label in ("resting", "health") else "plain")
    yield from _streams(one, now, most_streams)
    yield from _sessions(one, now, most_sessions)
    yield Said("")


def _head(one: Snapshot, now: float) -> str:
    if not one.running:
        ended = datetime.fromtimestamp(one.written_us / SECOND_US)
        return f"{one.profile}  not running; last seen {ended:%Y-%m-%d %H:%M:%S}"
    up = span(now - one.started_us / SECOND_US)
    return f"{one.profile}  http://{one.address or '?'}  up {up}  {datetime.fromtimestamp(now):%H:%M:%S}"


def cost(sums: Sums) -> str:
    """As in reports: `≥` where a price is unknown, `~` where tokens are estimated, `?` where nothing is known."""
    if sums.unpriced and not sums.usd:
        return "?"
    return f"{'≥' if sums.unpriced else ''}{'~' if sums.estimated else ''}{usd(Decimal(sums.usd))}"


def _sums(sums: Sums) -> str:
    said = [
        f"{sums.requests:,} request{'' if sums.requests == 1 else 's'}",
        f"{'~' if sums.estimated else ''}{compact(sums.input)} in / {compact(sums.output)} out",
        cost(sums),
        f"{sums.failed:,} failed" if sums.failed else "",
    ]
    return ", ".join(text for text in said if text)


def _minute(sums: Sums) -> str:
    if not sums.requests:
        return "nothing answered"
    # What an hour would cost that goes on like this.
    return f"{_sums(sums)}; {cost(Sums(**{**_fields(sums), 'usd': sums.usd * 60}))} an hour at this rate"


def _fields(sums: Sums) -> dict[str, Any]:
    return {name: getattr(sums, name) for name in sums.__struct_fields__}


def _of_health(health: Health | None) -> Iterable[tuple[str, list[str]]]:
    if health is None:
        return [("health", ["it does not answer /health"])]
    return [("resting", resting_of(health)), ("queues", queues_of(health)), ("limits", limits_of(health))]


def _streams(one: Snapshot, now: float, most: int) -> Iterator[Said]:
    if not one.streams:
        yield Said("")
        yield Said("no request is under way", "dim")
        return
    shown = one.streams[:most]
    yield Said("")
    yield from _grid(("STREAM", "MODEL", "RULE", "SINCE", "BYTES"), [_stream(stream, now) for stream in shown])
    if one.streams_in_all > len(shown):
        yield Said(f"… {one.streams_in_all - len(shown):,} more", "dim")


def _stream(stream: Stream, now: float) -> Sequence[str]:
    again = f", try {stream.attempt}" if stream.attempt > 1 else ""
    return (
        stream.phase + again,
        _target(stream.provider, stream.model),
        stream.rule,
        span(now - stream.started_us / SECOND_US),
        compact(stream.bytes) if stream.bytes else "-",
    )


def _sessions(one: Snapshot, now: float, most: int) -> Iterator[Said]:
    last = [session for session in one.sessions if now - session.last_us / SECOND_US < SESSION_S][:most]
    if last:
        yield Said("")
        head = ("SESSION", "AGENT", "MODEL", "REQUESTS", "CONTEXT", "COST", "LAST")
        yield from _grid(head, [_session(session, now) for session in last])


def _session(session: Session, now: float) -> Sequence[str]:
    return (
        session.session[:8],
        session.agent or "-",
        _target(session.provider, session.model),
        f"{session.sums.requests:,}",
        compact(session.context) if session.context else "-",
        cost(session.sums),
        f"{span(now - session.last_us / SECOND_US)} ago",
    )


def _target(provider: str, model: str) -> str:
    return f"{provider}/{model}" if provider and model else provider or model or "-"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Said]:
    cells = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(row[place]) for row in cells) for place in range(len(head))]
    for number, row in enumerate(cells):
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        yield Said(GAP.join(padded).rstrip(), "plain" if number else "title")
