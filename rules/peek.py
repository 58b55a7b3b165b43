"""The only cheap reader of a request body: features to decide on, and the spans that may be edited."""

from __future__ import annotations

from dataclasses import dataclass, field

from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import TextParts, TokenBounds

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """What the agent sent; kept unchanged to the end, every attempt is prepared from it.

    `host` is the one the agent asked for; in base-URL mode (`direct`), where it asked the proxy itself, the host of the
    vendor whose format it speaks. `path` includes the query. `body` has its content-encoding undone.
    """

    format: WireFormat
    method: str
    scheme: str
    host: str
    port: int
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    direct: bool = False

    def header(self, name: str) -> str:
        """The first value of a header, "" without one; `name` in lower case."""
        wanted = name.encode()
        for key, value in self.headers:
            if len(key) == len(wanted) and key.lower() == wanted:
                return value.decode("utf-8", "replace")
        return ""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` (exclusive) of a body."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Spans:
    """Where an edit may go: the model's JSON string with its quotes, the `stream_options` object, the first byte after the opening brace."""

    model: Span | None
    stream_options: Span | None
    after_brace: int


@dataclass(frozen=True, slots=True)
class RequestFeatures:
    """All that rules may ask about; cheap, and small enough to record with the row.

    `provider` is the id of the provider that the agent asked (by host), "" where the host is nobody's.
    `exact_tokens` is None until somebody counted.
    """

    format: WireFormat
    path: str
    provider: str
    model: str
    stream: bool
    messages: int
    tools: int
    tool_result: bool
    has_system: bool
    thinking: bool
    images: int
    max_output_tokens: int | None
    agent: str
    session: str
    body_bytes: int
    token_bounds: TokenBounds
    exact_tokens: int | None = None
    headers: Headers = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Peek:
    """All that one pass over a body gives."""

    features: RequestFeatures
    spans: Spans
    parts: TextParts


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body without features, and why."""

    why: str
