"""The column list of the ledger: what one request and one attempt leave behind.

This is *the* list. Spool lines, table definitions, inserts, Parquet and JSON names all derive from it.
A column is added here with the next schema version as `since`, and by a migration file of that number.
"""

# ruff: noqa: RUF009 - what it takes for calls are dataclass fields.
from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar

import msgspec

from ringlet_mitm.rules.pricing import Usage, in_order

SCHEMA_VERSION = 2


def _column(sql: str, meaning: str, *, since: int = 1, **options: Any) -> Any:
    return field(metadata={"sql": sql, "meaning": meaning, "since": since}, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request of an agent. Times are microseconds since the epoch, money is USD, None is unknown."""

    id: str = _column("VARCHAR PRIMARY KEY", "unique, sortable by time")
    started_us: int = _column("BIGINT", "when the request had arrived")
    first_byte_us: int | None = _column("BIGINT", "when the first byte of the answer's body came", default=None)
    ended_us: int = _column("BIGINT", "when the answer was complete, or had failed")
    profile: str = _column("VARCHAR", "profile of the proxy")
    agent: str = _column("VARCHAR", "recognised agent, '' where none", default="")
    session: str = _column("VARCHAR", "session id as the agent says it, or a hash", default="")
    agent_format: str = _column("VARCHAR", "wire format of the agent")
    provider_format: str = _column("VARCHAR", "wire format sent to the provider", default="")
    asked_host: str = _column("VARCHAR", "host the agent asked for")
    path: str = _column("VARCHAR", "path the agent asked for, without the query")
    rule: str = _column("VARCHAR", "label of the rule that decided, like 'tool-use → anthropic'")
    provider: str = _column("VARCHAR", "provider that answered, or was to", default="")
    requested_model: str = _column("VARCHAR", "model the agent asked for", default="")
    routed_model: str = _column("VARCHAR", "model the provider was asked for", default="")
    answered_model: str = _column("VARCHAR", "model the provider says it was, '' where it does not", default="")
    stream: bool = _column("BOOLEAN", "the agent asked for a stream", default=False)
    messages: int = _column("INTEGER", "messages in the conversation", default=0)
    tools: int = _column("INTEGER", "tools offered", default=0)
    tool_result: bool = _column("BOOLEAN", "the last turn carries a tool result", default=False)
    has_system: bool = _column("BOOLEAN", "a system prompt is there", default=False)
    thinking: bool = _column("BOOLEAN", "thinking or reasoning was asked for", default=False)
    images: int = _column("INTEGER", "images in the request", default=0)
    max_output_tokens: int | None = _column("BIGINT", "output limit asked for", default=None)
    counted_tokens: int | None = _column(
        "BIGINT", "input counted with o200k_base; NULL where nobody needed it", default=None
    )
    calibration: float = _column("DOUBLE", "learned ratio the estimate used", default=1.0)
    estimated_input_tokens: int | None = _column("BIGINT", "counted_tokens x calibration", default=None)
    input_tokens: int = _column("BIGINT", "uncached text input", default=0)
    image_input_tokens: int = _column("BIGINT", "uncached image input", default=0)
    audio_input_tokens: int = _column("BIGINT", "uncached audio input", default=0)
    cache_read_tokens: int = _column("BIGINT", "input read from the prompt cache", default=0)
    cache_write_5m_tokens: int = _column("BIGINT", "input written to the 5-minute cache", default=0)
    cache_write_1h_tokens: int = _column("BIGINT", "input written to the 1-hour cache", default=0)
    output_tokens: int = _column("BIGINT", "visible output", default=0)
    reasoning_tokens: int = _column("BIGINT", "reasoning output", default=0)
    image_output_tokens: int = _column("BIGINT", "image output", default=0)
    audio_output_tokens: int = _column("BIGINT", "audio output", default=0)
    usage_source: str = _column("VARCHAR", "reported, estimated, or none", default="none")
    cost_input: Decimal | None = _column("DECIMAL(18,10)", "USD of uncached input", default=None)
    cost_cache_read: Decimal | None = _column("DECIMAL(18,10)", "USD of cache reads", default=None)
    cost_cache_write: Decimal | None = _column("DECIMAL(18,10)", "USD of cache writes", default=None)
    cost_output: Decimal | None = _column("DECIMAL(18,10)", "USD of output", default=None)
    cost_total: Decimal | None = _column("DECIMAL(18,10)", "USD in all; NULL where a price is unknown", default=None)
    price_source: str = _column("VARCHAR", "where the prices are from, '' where unknown", default="")
    status: int | None = _column("INTEGER", "HTTP status given to the agent; NULL where none was", default=None)
    error_class: str = _column("VARCHAR", "kind of failure, '' where it went well", default="")
    attempts: int = _column("INTEGER", "tries made upstream", default=1)
    request_bytes: int = _column("BIGINT", "body bytes from the agent", default=0)
    response_bytes: int = _column("BIGINT", "body bytes to the agent", default=0)
    decision_us: int = _column("BIGINT", "time from body to decision", default=0)
    losses: str = _column("VARCHAR", "what translation dropped, comma separated", default="")
    note: str = _column("VARCHAR", "why it was handled in an unusual way, '' else", default="")
    switched_from: str = _column(
        "VARCHAR",
        "provider/model that answered this conversation before, '' where the same or not known",
        since=2,
        default="",
    )
    cost_switch: Decimal | None = _column(
        "DECIMAL(18,10)",
        "USD of cost_total that reading the cache left behind would have saved; 0 where none, NULL where unknown",
        since=2,
        default=Decimal(0),
    )
    asked_provider: str = _column("VARCHAR", "provider whose host the agent asked for", since=2, default="")
    project: str = _column("VARCHAR", "folder the agent works in, its last part only; '' unknown", since=2, default="")
    cost_as_asked: Decimal | None = _column(
        "DECIMAL(18,10)",
        "USD that the model asked for would have cost at the provider asked for; NULL where that is unknown",
        since=2,
        default=None,
    )
    tokens_low: int | None = _column(
        "BIGINT", "input o200k_base tokens at least, from its length", since=2, default=None
    )
    tokens_high: int | None = _column("BIGINT", "at most", since=2, default=None)
    origin: str = _column("VARCHAR", "proxy, shadow, or import:AGENT", since=2, default="proxy")
    arm: str = _column("VARCHAR", "arm of a rule's split that it was sent to, '' else", since=2, default="")
    stop_reason: str = _column(
        "VARCHAR",
        "why the answer ended: end, tool calls, max tokens, context full, refusal …; '' unknown",
        since=2,
        default="",
    )
    shadow_of: str = _column("VARCHAR", "id of the request that it is a copy of, '' else", since=2, default="")
    decision_ratio: float | None = _column(
        "DOUBLE", "learned ratio that token thresholds were compared with; NULL unknown", since=2, default=None
    )
    cost_uncached: Decimal | None = _column(
        "DECIMAL(18,10)",
        "USD that the same tokens would have cost without any prompt cache; NULL where that is unknown",
        since=2,
        default=None,
    )

    @property
    def failed(self) -> bool:
        """The agent got an error, or no whole answer."""
        return bool(self.error_class) or self.status is None or self.status >= 400

    @property
    def unpriced(self) -> bool:
        """Tokens were used, or may have been, and the price is not known; as in the view `spend`."""
        return self.cost_total is None and not (self.failed and self.usage_source == "none")

    around: bool = _column(
        "BOOLEAN", "imported, and not among what the proxy saw at that time: it went around it", since=2, default=False
    )

    @property
    def usage(self) -> Usage:
        """The token columns as one value."""
        return Usage(*in_order(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try at one provider."""

    request_id: str = _column("VARCHAR", "the request it belongs to")
    number: int = _column("INTEGER", "1 is the first")
    provider: str = _column("VARCHAR", "provider tried")
    model: str = _column("VARCHAR", "model asked for")
    key_label: str = _column("VARCHAR", "name of the key used, never the key", default="")
    status: int | None = _column("INTEGER", "HTTP status, NULL where none came", default=None)
    error_class: str = _column("VARCHAR", "kind of failure, '' where it went well", default="")
    wait_ms: int = _column("BIGINT", "waited before it", default=0)
    started_us: int = _column("BIGINT", "when it was sent")
    first_byte_us: int | None = _column("BIGINT", "when the first byte came", default=None)
    ended_us: int | None = _column("BIGINT", "when it had ended", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyRow:
    """What is left of a day's requests that were pruned: sums of all that are alike; made by SQL only."""

    day: date = _column("DATE", "the day, in the time zone of the machine that pruned", since=2)
    started_us: int = _column("BIGINT", "when that day began", since=2)
    profile: str = _column("VARCHAR", "as in the view spend, like all up to switch", since=2)
    rule: str = _column("VARCHAR", "", since=2)
    provider: str = _column("VARCHAR", "", since=2)
    model: str = _column("VARCHAR", "", since=2)
    agent: str = _column("VARCHAR", "", since=2)
    project: str = _column("VARCHAR", "", since=2)
    status: int | None = _column("INTEGER", "", since=2)
    origin: str = _column("VARCHAR", "", since=2)
    arm: str = _column("VARCHAR", "", since=2)
    switch: str = _column("VARCHAR", "", since=2)
    requests: int = _column("BIGINT", "how many they were", since=2)
    failed: int = _column("BIGINT", "of them, how many failed", since=2)
    input_tokens: int = _column("BIGINT", "sums of the columns of `requests`, like all up to known_cost", since=2)
    image_input_tokens: int = _column("BIGINT", "", since=2)
    audio_input_tokens: int = _column("BIGINT", "", since=2)
    cache_read_tokens: int = _column("BIGINT", "", since=2)
    cache_write_5m_tokens: int = _column("BIGINT", "", since=2)
    cache_write_1h_tokens: int = _column("BIGINT", "", since=2)
    output_tokens: int = _column("BIGINT", "", since=2)
    reasoning_tokens: int = _column("BIGINT", "", since=2)
    image_output_tokens: int = _column("BIGINT", "", since=2)
    audio_output_tokens: int = _column("BIGINT", "", since=2)
    known_cost: Decimal | None = _column("DECIMAL(18,10)", "USD as far as prices are known", since=2)
    unpriced: int = _column("BIGINT", "requests without a known price", since=2)
    estimated: int = _column("BIGINT", "requests whose tokens are estimated", since=2)
    switches: int = _column("BIGINT", "requests that switched their conversation", since=2)
    switch_cost: Decimal | None = _column("DECIMAL(18,10)", "USD for that, as far as it is known", since=2)
    switch_unpriced: int = _column("BIGINT", "switches whose cost is not known", since=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedRow:
    """A request that is counted in `daily` now: should its row come again, it is none."""

    id_hash: int = _column("UBIGINT", "md5_number_lower(id)", since=2)
    before_us: int = _column("BIGINT", "it had arrived before then", since=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedSessionRow:
    """A session of which the proxy saw a request that is pruned."""

    session_hash: int = _column("UBIGINT", "md5_number_lower(session)", since=2)
    first_us: int = _column("BIGINT", "when the first of them had arrived", since=2)


AnyRow = RequestRow | AttemptRow | DailyRow | PrunedRow | PrunedSessionRow

# What the rows of each table are.
KINDS: Mapping[str, type[AnyRow]] = {
    "requests": RequestRow,
    "attempts": AttemptRow,
    "daily": DailyRow,
    "pruned": PrunedRow,
    "pruned_sessions": PrunedSessionRow,
}


def columns(row: type[AnyRow]) -> dict[str, str]:
    """Column name to SQL type, in table order."""
    return {item.name: item.metadata["sql"] for item in fields(row)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A spool line: what one exchange left, and the schema version it was written with."""

    v: int = SCHEMA_VERSION
    request: RequestRow
    attempts: tuple[AttemptRow, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Line)


def encode_line(request: RequestRow, attempts: tuple[AttemptRow, ...]) -> bytes:
    """One line of JSON, with its newline; money is text, so that no digit is lost."""
    line = Line(request=request, attempts=attempts)
    try:
        return _encoder.encode(line) + b"\n"
    except UnicodeEncodeError:
        # mitmproxy hands on bytes that are not UTF-8 (of a path, say) as lone surrogates, which JSON cannot hold.
        line = Line(request=_printable(request), attempts=tuple(_printable(attempt) for attempt in attempts))
        return _encoder.encode(line) + b"\n"


def decode_line(line: bytes) -> tuple[RequestRow, tuple[AttemptRow, ...]]:
    """The rows of a line; columns it does not have get their defaults, columns unknown here are passed over.

    Raises ValueError where it is no line of ours: torn, or without a column that every version has.
    """
    found = _decoder.decode(line)
    return found.request, found.attempts


_Row = TypeVar("_Row", RequestRow, AttemptRow)


def _printable(row: _Row) -> _Row:
    values = {item.name: getattr(row, item.name) for item in fields(row)}
    texts: dict[str, Any] = {
        name: value.encode(errors="replace").decode() for name, value in values.items() if isinstance(value, str)
    }
    return replace(row, **texts)


_process = os.urandom(4).hex()
_numbers = count()


def _renew_process() -> None:
    global _process
    _process = os.urandom(4).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_process)


def new_id() -> str:
    """An id that sorts by time: nanoseconds, a running number, and 32 random bits that are this process's own."""
    return f"{time.time_ns():016x}{next(_numbers) & 0xFFFF:04x}{_process}"


def own_ending() -> str:
    """What the ids of this process end in, and no other's."""
    return _process
