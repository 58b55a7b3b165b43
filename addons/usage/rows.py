"""The column list of the ledger: what one request and one attempt leave behind.

This is *the* list. Spool lines, table definitions, inserts, Parquet and JSON names all derive from it.
A column is added here with the next schema version as `since`, and by a migration file of that number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from ringlet_mitm.rules.pricing import TOKEN_KINDS, Usage

SCHEMA_VERSION = 1


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
    counted_tokens: int | None = _column("BIGINT", "input counted with o200k_base; NULL where nobody needed it", default=None)
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

    @property
    def usage(self) -> Usage:
        """The token columns as one value."""
        return Usage(**{kind: getattr(self, kind) for kind in TOKEN_KINDS})


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


def columns(row: type[RequestRow] | type[AttemptRow]) -> dict[str, str]:
    """Column name to SQL type, in table order."""
    return {item.name: item.metadata["sql"] for item in fields(row)}
