"""What stands in messages, in the canonical form (see `canonical.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ringlet_mitm.rules.shapes import WireFormat

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Native:
    """Fields of one format, by their own names, that the canonical form has no word for."""

    format: WireFormat
    fields: Mapping[str, Any]


def native(wire_format: WireFormat, fields: Mapping[str, Any]) -> Native | None:
    """`fields` as leftovers; None where there are none."""
    return Native(wire_format, fields) if fields else None


def fields_of(found: Native | None, wire_format: WireFormat) -> Mapping[str, Any]:
    """The leftovers to lay over what a renderer of `wire_format` wrote; none from another format."""
    return found.fields if found is not None and found.format is wire_format else {}


class Role(StrEnum):
    """Who speaks. SYSTEM stands also for developer, which rides in `native` where it came from."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class CacheMark:
    """A prompt cache breakpoint behind a block, a tool or a message; `ttl` is "5m", "1h" or ""."""

    ttl: str = ""
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text; `native` carries citations, annotations and the like."""

    text: str
    cache: CacheMark | None = None
    native: Native | None = None


class MediaKind(StrEnum):
    """What a medium is, whatever its exact type."""

    IMAGE = "image"
    DOCUMENT = "document"
    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, PDF, sound or film; exactly one of `data` (base64), `url`, `file_id` is set.

    `mime` may be "" where the format does not say it (a URL). `detail` is OpenAI's: low, high, auto, original.
    """

    kind: MediaKind
    mime: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""
    cache: CacheMark | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning. `signature` is what its vendor wants back byte for byte: Anthropic's signature, the encrypted content
    of Responses, Gemini's thought signature (then often without text, in front of the block that it signs).

    `signer` is the format that the signature is of; `id` the item's name where it has one (Responses: rs_…).
    `redacted` marks Anthropic's redacted_thinking, whose `data` is the signature.
    """

    text: str
    signature: str = ""
    signer: WireFormat | None = None
    id: str = ""
    redacted: bool = False
    native: Native | None = None


class CallKind(StrEnum):
    """FUNCTION takes JSON, CUSTOM free text, perhaps of a grammar."""

    FUNCTION = "function"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool of the agent's. `arguments` is JSON text, or the free text of a custom tool.

    `namespace` is the group that the tool stands in (Responses), "" for none.
    """

    id: str
    name: str
    arguments: str
    kind: CallKind = CallKind.FUNCTION
    namespace: str = ""
    cache: CacheMark | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back. `name` is the tool's, "" where the format does not say it; empty `content` is allowed."""

    call_id: str
    content: tuple[Text | Media | Foreign, ...]
    is_error: bool = False
    name: str = ""
    kind: CallKind = CallKind.FUNCTION
    cache: CacheMark | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model declines, in a block of its own (OpenAI)."""

    text: str
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A block that only its own format knows: a server tool's call or result, a container, anything new.

    `data` is the whole object. Another format's renderer leaves it out and declares the loss of `what`.
    """

    format: WireFormat
    data: Mapping[str, Any]

    @property
    def what(self) -> str:
        """Its type, for the list of losses."""
        return str(self.data.get("type") or next(iter(self.data), "block"))


Block = Text | Media | Thinking | ToolCall | ToolResult | Refusal | Foreign


class Stop(StrEnum):
    """Why the model ended. `stops.py` has each vendor's words."""

    END = "end"
    TOOL_CALLS = "tool calls"
    MAX_TOKENS = "max tokens"
    CONTEXT_FULL = "context full"
    STOP_SEQUENCE = "stop sequence"
    REFUSAL = "refusal"
    SAFETY = "safety"
    PAUSE = "pause"
    MALFORMED_CALL = "malformed call"
    OTHER = "other"
