"""The form in the middle: what any wire format says, in words that belong to none of them.

A codec parses its format into these and renders them again. What a format can say and this form has no word for rides
along as `native`, fields by their own names, and comes back only in the format it came from. Two rules make parse and
render of one format the identity:

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

from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
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


# The events of a stream. Blocks are numbered from 0 in the order in which they begin; several may be open at once
# (parallel calls, interleaved). Each Started is followed by what it announces and, at last, Finished and Ended, or by
# Failed. A renderer copes with blocks still open at Finished: they end there.


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins."""

    id: str
    model: str
    usage: Usage | None = None
    created: int | None = None
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """A block begins: Text, Thinking, ToolCall or Refusal with what is known yet (name, id; text empty), or a whole
    block that comes in one piece (Foreign, Media)."""

    index: int
    block: Block


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of a block: of a Text, Thinking or Refusal, or of a ToolCall's arguments."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Signed:
    """The signature of a Thinking block; replaces one given before."""

    index: int
    signature: str
    signer: WireFormat


@dataclass(frozen=True, slots=True)
class BlockEnded:
    """A block is complete. `block` is its final form where the format says it at the end (Responses), else None."""

    index: int
    block: Block | None = None


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """The provider reports usage; a later one replaces an earlier one."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped."""

    stop: Stop
    stop_sequence: str | None = None
    stop_said: str = ""
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is complete, nothing follows."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider ends the stream with an error; nothing follows. `status` is the HTTP status that fits."""

    error: ProviderError
    status: int = 500


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life."""


Event = Started | BlockStarted | Delta | Signed | BlockEnded | UsageSeen | Finished | Ended | Failed | Ping
