"""What runs right now, from the small files that running proxies keep (`usage/snapshot.py`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ringlet_mitm.addons.usage.reports import Shown, Table, Unit
from ringlet_mitm.addons.usage.snapshot import Snapshot, Stream, all_of

SUMS = ("requests", "failed", "input", "output", "usd", "unpriced", "estimated")
PROXIES = ("profile", "address", "streams", "minute", *SUMS, "known")
STREAMS = ("profile", "phase", "agent", "rule", "provider", "model", "session", "attempt", "age_ms", "bytes")


def running(folder: Path | None) -> list[Snapshot]:
    """Of each proxy that runs; none where nobody knows the folder."""
    return [one for one in all_of(folder) if one.running] if folder is not None else []


def proxies(found: Iterable[Snapshot]) -> Table:
    """A row a proxy, with what its profile spent today."""
    rows = []
    for one in found:
        today = one.today
        known = None if today.unpriced or not one.complete else today.usd
        sums = (getattr(today, name) for name in SUMS)
        rows.append((one.profile, one.address, one.streams_in_all, one.minute.requests, *sums, known))
    shown = (
        Shown("PROFILE", Unit.NAME, ("profile",)),
        Shown("ADDRESS", Unit.TEXT, ("address",)),
        Shown("STREAMS", Unit.COUNT, ("streams",)),
        Shown("LAST MINUTE", Unit.COUNT, ("minute",)),
        Shown("TODAY", Unit.COUNT, ("requests",)),
        Shown("TOKENS", Unit.TOKENS, ("input", "output", "estimated")),
        Shown("COST", Unit.COST, ("known", "usd", "unpriced", "estimated")),
        Shown("ERRORS", Unit.COUNT, ("failed",), if_any="failed"),
    )
    return Table(PROXIES, shown, tuple(sorted(rows, key=lambda row: row[:2])))


def streams(found: Iterable[Snapshot], now_us: int) -> Table:
    """A row a request under way, the oldest first."""
    every = sorted(((one.profile, stream) for one in found for stream in one.streams), key=_age)
    rows = tuple(
        (
            profile,
            stream.phase,
            *(stream.agent, stream.rule, stream.provider, stream.model, stream.session, stream.attempt),
            max(0, now_us - stream.started_us) / 1000,
            stream.bytes,
        )
        for profile, stream in every
    )
    shown = (
        Shown("PROFILE", Unit.NAME, ("profile",)),
        *(Shown(name.upper(), Unit.NAME, (name,)) for name in ("agent", "rule", "provider", "model", "session")),
        Shown("PHASE", Unit.TEXT, ("phase",)),
        Shown("ATTEMPT", Unit.COUNT, ("attempt",)),
        Shown("SINCE", Unit.MS, ("age_ms",)),
        Shown("BYTES", Unit.COUNT, ("bytes",)),
    )
    return Table(STREAMS, shown, rows)


def _age(one: tuple[str, Stream]) -> int:
    return one[1].started_us
