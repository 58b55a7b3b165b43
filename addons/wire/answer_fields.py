"""The few fields of vendors' answers that are read as they pass: events of a stream and whole answers alike."""

from __future__ import annotations

from msgspec import Raw, Struct

from ringlet_mitm.addons.wire.usage_fields import ChatUsage, GeminiUsage, MessagesUsage, ResponsesUsage


def size_of(text: str | None) -> int:
    """Bytes of a text; half a surrogate pair, which JSON can escape, counts as well."""
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Text(Struct):
    """A delta or block of Messages; one of the first four is there."""

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    input: Raw | None = None
    stop_reason: str | None = None

    def size(self) -> int:
        """Bytes of what the model says in it."""
        said = self.text or self.thinking or self.partial_json
        return size_of(said) if said else len(self.input or b"")


class Message(Struct):
    """An answer of Messages; in `message_start` without its content."""

    model: str | None = None
    content: list[Text] | None = None
    stop_reason: str | None = None
    usage: MessagesUsage | None = None


class MessagesEvent(Message):
    """An event of Messages, or a whole answer, whose fields stand at the top."""

    type: str = ""
    message: Message | None = None
    delta: Text | None = None
    error: Raw | None = None


class ChatFunction(Struct):
    """A called function's arguments, or a piece of them."""

    arguments: str | None = None


class ChatCall(Struct):
    """A tool call."""

    function: ChatFunction | None = None


class ChatText(Struct):
    """What a choice says: a delta, or a whole message."""

    content: str | None = None
    reasoning_content: str | None = None  # DeepSeek, Moonshot, Z.ai
    reasoning: str | None = None  # OpenRouter, Groq
    refusal: str | None = None
    tool_calls: list[ChatCall] | None = None

    def size(self) -> int:
        """Bytes of what the model says in it."""
        size = size_of(self.content or self.refusal) + size_of(self.reasoning_content or self.reasoning)
        for call in self.tool_calls or ():
            size += size_of(call.function.arguments if call.function else None)
        return size


class Choice(Struct):
    """One of a Chat answer's choices."""

    finish_reason: str | None = None
    delta: ChatText | None = None
    message: ChatText | None = None
    usage: ChatUsage | None = None  # Moonshot


class GroqChunk(Struct):
    """Groq's own corner of its first and last chunk."""

    usage: ChatUsage | None = None
    error: Raw | None = None


class ChatChunk(Struct):
    """A chunk of Chat, or a whole answer."""

    model: str | None = None
    choices: list[Choice] | None = None
    usage: ChatUsage | None = None
    x_groq: GroqChunk | None = None
    error: Raw | None = None


class Incomplete(Struct):
    """Why an answer of Responses ended early."""

    reason: str | None = None


class Response(Struct):
    """An answer of Responses."""

    model: str | None = None
    status: str | None = None
    usage: ResponsesUsage | None = None
    incomplete_details: Incomplete | None = None
    error: Raw | None = None


class ResponsesEvent(Response):
    """An event of Responses, or a whole answer, whose fields stand at the top."""

    type: str = ""
    response: Response | None = None
    delta: str | None = None


class GeminiCall(Struct):
    """A tool call."""

    args: Raw | None = None


class Part(Struct, rename="camel"):
    """One piece of what Gemini says."""

    text: str | None = None
    function_call: GeminiCall | None = None

    def size(self) -> int:
        """Bytes of what the model says in it."""
        call = self.function_call
        return size_of(self.text) + (len(call.args or b"") if call else 0)


class GeminiContent(Struct):
    """What a candidate says."""

    parts: list[Part] | None = None


class Candidate(Struct, rename="camel"):
    """One of Gemini's answers."""

    content: GeminiContent | None = None
    finish_reason: str | None = None


class PromptFeedback(Struct, rename="camel"):
    """Why Gemini does not answer a prompt; there are no candidates then."""

    block_reason: str | None = None


class GeminiChunk(Struct, rename="camel"):
    """A chunk of Gemini, or a whole answer."""

    model_version: str | None = None
    candidates: list[Candidate] | None = None
    usage_metadata: GeminiUsage | None = None
    prompt_feedback: PromptFeedback | None = None
    error: Raw | None = None


class GeminiEvent(GeminiChunk):
    """The same, or Code Assist's wrapping of it."""

    response: GeminiChunk | None = None
