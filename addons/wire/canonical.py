"""The form in the middle: what any wire format says, in words that belong to none of them.

A codec parses its format into these and renders them again; blocks are in `blocks.py`, stream events in `events.py`,
all are imported from here. What a format can say and this form has no word for rides along as `native`, fields by their
own names, and comes back only in the format it came from. Two rules make parse and render of one format the identity:

- a renderer builds its object from the canonical fields, then lays the fields of a `native` of its own format over it;
- a parser therefore puts into `native` each field that it does not read, and each one that the renderer would write
  in another form (`content: "hi"` where blocks are written). A field that is absent stays absent.

Who changes a node (a renamed tool, a merged message) drops its `native` or replaces it: it describes what was.

Bytes in JSON stay text: pictures are base64, arguments of calls are the JSON text that the model wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ringlet_mitm.addons.wire.blocks import (
    Block,
    CacheMark,
    CallKind,
    Foreign,
    Json,
    Media,
    MediaKind,
    Native,
    Refusal,
    Role,
    Stop,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    fields_of,
    native,
)
from ringlet_mitm.addons.wire.events import (
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Ping,
    Signed,
    Started,
    UsageSeen,
)
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

__all__ = [
    "AnswerFormat",
    "Block",
    "BlockEnded",
    "BlockStarted",
    "CacheMark",
    "CallKind",
    "ChoiceMode",
    "Conversation",
    "Delta",
    "Effort",
    "Ended",
    "Event",
    "Failed",
    "Finished",
    "Foreign",
    "Json",
    "Media",
    "MediaKind",
    "Message",
    "Native",
    "Options",
    "Ping",
    "Reasoning",
    "Refusal",
    "Reply",
    "Role",
    "ServerTool",
    "ServerToolKind",
    "Signed",
    "Started",
    "Stop",
    "Text",
    "Thinking",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "UsageSeen",
    "fields_of",
    "native",
]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Tool results are blocks of a USER message, also where a format has a role or item of their own.

    A parser makes one Message of each message of its format (Responses: of each item); renderers merge what must be
    merged. System messages at the beginning are the parser's choice of `Conversation.system` or a SYSTEM Message:
    what its format has as a separate field goes to `system`, messages stay messages.
    """

    role: Role
    blocks: tuple[Block, ...]
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the agent offers. `schema` is the JSON schema of its arguments; a CUSTOM one has `grammar` instead
    (`{"type": "grammar", "syntax": "lark", "definition": …}` or `{"type": "text"}`)."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None
    kind: CallKind = CallKind.FUNCTION
    grammar: Mapping[str, Any] | None = None
    namespace: str = ""
    strict: bool | None = None
    cache: CacheMark | None = None
    native: Native | None = None


class ServerToolKind(StrEnum):
    """Tools that the vendor runs itself, where more than one vendor has the same."""

    WEB_SEARCH = "web search"
    WEB_FETCH = "web fetch"
    CODE_EXECUTION = "code execution"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool that the vendor runs. `data` is the whole object in its own format."""

    kind: ServerToolKind
    format: WireFormat
    data: Mapping[str, Any]

    @property
    def what(self) -> str:
        """Its name or type, for the list of losses."""
        return str(self.data.get("type") or next(iter(self.data), "server tool"))


class ChoiceMode(StrEnum):
    """Whether the model has to call a tool."""

    AUTO = "auto"
    REQUIRED = "required"
    NONE = "none"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`names` holds the one of NAMED, or those that REQUIRED and AUTO are limited to."""

    mode: ChoiceMode = ChoiceMode.AUTO
    names: tuple[str, ...] = ()
    native: Native | None = None


class Effort(StrEnum):
    """How hard to think, ascending."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What is asked of thinking. `budget` is in tokens, -1 for the model's own choice (adaptive, dynamic).

    `visible` says whether the agent wants to see thoughts or their summary; None where it does not say.
    """

    effort: Effort | None = None
    budget: int | None = None
    visible: bool | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """JSON is asked for; any without a `schema`, else one that fits it."""

    schema: Mapping[str, Any] | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The knobs of a request; None is "not said". `user` is the end user's or session's id, `cache_key` what groups
    requests for the prompt cache. `top_logprobs` None with `logprobs` true asks for those of the chosen tokens."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    candidates: int | None = None
    user: str | None = None
    cache_key: str | None = None
    service_tier: str | None = None
    verbosity: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole request. `parallel_calls` is None where it is not said; `usage_chunk` whether the agent asked to see
    Chat's usage chunk; `previous_id` and `store` are of Responses."""

    model: str
    messages: tuple[Message, ...]
    system: tuple[Text | Foreign, ...] = ()
    tools: tuple[Tool | ServerTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_calls: bool | None = None
    reasoning: Reasoning | None = None
    answer_format: AnswerFormat | None = None
    options: Options = field(default_factory=Options)
    stream: bool = False
    usage_chunk: bool = False
    previous_id: str = ""
    store: bool | None = None
    cache: CacheMark | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `model` is what the provider calls it; `stop_said` the vendor's own word for the stop, and
    `stop_sequence` the one that was hit. `usage` None is not reported; `created` is in seconds since the epoch."""

    id: str
    model: str
    blocks: tuple[Block, ...]
    stop: Stop
    usage: Usage | None = None
    stop_sequence: str | None = None
    stop_said: str = ""
    created: int | None = None
    native: Native | None = None
