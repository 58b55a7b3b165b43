"""A request as it will leave for one target; every attempt, the first included, is prepared here."""

from __future__ import annotations

from dataclasses import dataclass, field

from ringlet_mitm.rules.peek import Headers
from ringlet_mitm.rules.shapes import Loss


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes `start` to `end` (exclusive) of the original body become `new`; an insertion where both are equal."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request ready to be signed and sent. `edits` are relative to the agent's body; empty means untouched."""

    method: str
    scheme: str
    host: str
    port: int
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    edits: tuple[Edit, ...] = ()
    losses: tuple[Loss, ...] = ()
    hide_usage_chunk: bool = False
