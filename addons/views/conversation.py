"""A conversation, and an answer, as lines: who said what, what was thought, which tools were offered and called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ringlet_mitm.addons.views.page import Page, clipped, one_line, size_words
from ringlet_mitm.addons.views.reading import ReadAnswer, ReadRequest
from ringlet_mitm.addons.wire.canonical import (
    Block,
    ChoiceMode,
    Conversation,
    Foreign,
    Media,
    Message,
    Reasoning,
    Refusal,
    Reply,
    Role,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import write_json
from ringlet_mitm.rules.redaction import masked
from ringlet_mitm.rules.shapes import WireFormat

# Of a tool's description and of what belongs on one line with a name.
SHORT = 160
# Tokens of base64 are bytes of a picture.
BASE64 = 3 / 4


def put_request(page: Page, read: ReadRequest, wire_format: WireFormat) -> None:
    """The conversation in a request."""
    found = read.conversation
    page.title(f"Conversation, as it was sent ({wire_format})")
    for caveat in read.caveats:
        page.note(caveat)
    if found is None:
        return
    for name, value in _asked(found):
        page.field(name, value)
    if found.system:
        page.field("system", size_words(sum(len(block.text) for block in found.system if isinstance(block, Text))))
        for block in found.system:
            put_block(page, block, {})
    _put_tools(page, found.tools)
    _put_messages(page, found.messages, read.skipped)


def put_answer(page: Page, read: ReadAnswer) -> None:
    """What the model said."""
    page.title("Answer")
    for caveat in read.caveats:
        page.note(caveat)
    if read.error is not None:
        code = f" ({read.error.code})" if read.error.code else ""
        page.field("error", f"{read.error.type}{code}: {masked(read.error.message)}")
    if read.reply is None:
        return
    _put_reply(page, read.reply)
    if not read.finished and read.error is None:
        page.note("it breaks off here")


def _put_reply(page: Page, reply: Reply) -> None:
    if reply.model:
        page.field("model", reply.model)
    for block in reply.blocks:
        put_block(page, block, {})
    if reply.stop_said or reply.blocks:
        said = f" ({reply.stop_said})" if reply.stop_said and reply.stop_said != str(reply.stop) else ""
        hit = f" {reply.stop_sequence!r}" if reply.stop_sequence else ""
        page.field("stop", f"{reply.stop}{hit}{said}")


def _asked(found: Conversation) -> Iterator[tuple[str, str]]:
    """What is asked for beside the messages."""
    yield "model", found.model or "not said"
    wishes = ["a stream" if found.stream else "the whole answer"]
    options = found.options
    if options.max_tokens is not None:
        wishes.append(f"at most {options.max_tokens:,} tokens")
    for name in ("temperature", "top_p", "top_k", "seed", "service_tier", "verbosity"):
        value = getattr(options, name)
        if value is not None:
            wishes.append(f"{name} {value}")
    if found.answer_format is not None:
        wishes.append("JSON of a schema" if found.answer_format.schema is not None else "JSON")
    yield "asks for", ", ".join(wishes)
    if found.reasoning is not None:
        yield "thinking", _thinking_words(found.reasoning)
    choice = found.tool_choice
    if choice is not None and choice.mode is not ChoiceMode.AUTO:
        yield "tool choice", " ".join((str(choice.mode), *choice.names))
    if found.previous_id:
        yield "goes on from", found.previous_id


def _thinking_words(asked: Reasoning) -> str:
    """`effort high, up to 4,000 tokens`."""
    words = [f"effort {asked.effort}"] if asked.effort else []
    if asked.budget is not None:
        words.append("as much as it likes" if asked.budget < 0 else f"up to {asked.budget:,} tokens")
    return ", ".join(words) or "asked for"


def _put_tools(page: Page, tools: Sequence[Tool | ServerTool]) -> None:
    if not tools:
        return
    page.field("tools", f"{len(tools)} offered")
    for tool in tools[: page.limits.tools]:
        if isinstance(tool, ServerTool):
            page.field(tool.what, f"the provider's own ({tool.kind})", 2)
        else:
            page.field(_named(tool.name, tool.namespace), _short(tool.description), 2)
    if len(tools) > page.limits.tools:
        page.note(f"… {len(tools) - page.limits.tools:,} more tools", 2)


def _put_messages(page: Page, messages: Sequence[Message], skipped: int) -> None:
    """The first of them and the last, where they are many."""
    tools = {block.id: block.name for message in messages for block in message.blocks if isinstance(block, ToolCall)}
    total = skipped + len(messages)
    from_here = max(0, len(messages) - page.limits.turns)
    page.field("messages", f"{total:,}" if not skipped else f"{total:,}, of which the last {len(messages):,} were read")
    if from_here:
        # The first of them is the task.
        _put_message(page, messages[0], 1 + skipped, tools)
        page.note(f"… {from_here - 1:,} messages are left out here" if from_here > 1 else "…")
    for place, message in enumerate(messages[from_here:], from_here + skipped + 1):
        _put_message(page, message, place, tools)


def _put_message(page: Page, message: Message, place: int, tools: dict[str, str]) -> None:
    role = "tool" if message.role is Role.USER and _only_results(message.blocks) else str(message.role)
    page.field(f"{place}. {role}", "")
    for block in message.blocks:
        put_block(page, block, tools)


def _only_results(blocks: Sequence[Block]) -> bool:
    return bool(blocks) and all(isinstance(block, ToolResult) for block in blocks)


def put_block(page: Page, block: Block, tools: dict[str, str]) -> None:
    """One block; `tools` are the names of called tools, by the id of the call."""
    match block:
        case Text(text):
            page.text(text)
        case Refusal(text):
            page.field("refusal", "", 2)
            page.text(text, 3)
        case Thinking():
            _put_thinking(page, block)
        case ToolCall():
            page.field(f"calls {_named(block.name, block.namespace)}", block.id, 2)
            page.text(block.arguments or "no arguments", 3)
        case ToolResult():
            name = block.name or tools.get(block.call_id, "")
            page.field(f"{'error' if block.is_error else 'result'}{f' of {name}' if name else ''}", block.call_id, 2)
            for item in block.content:
                _put_item(page, item)
        case Media():
            page.field(str(block.kind), media_words(block), 2)
        case Foreign():
            page.field(block.what, _short(write_json(dict(block.data)).decode("utf-8", "replace")), 2)


def _put_item(page: Page, item: Text | Media | Foreign) -> None:
    if isinstance(item, Text):
        page.text(item.text, 3)
    else:
        put_block(page, item, {})


def _put_thinking(page: Page, block: Thinking) -> None:
    kept = f"{size_words(len(block.signature))} of signature" if block.signature else "no signature"
    if block.text:
        page.field("thinking", kept, 2)
        page.text(block.text, 3)
    else:
        page.field("thinking", f"not shown by the provider, {kept}", 2)


def media_words(media: Media) -> str:
    """A picture in words: `image/png, 12.3 KB`."""
    if media.data:
        where = size_words(int(len(media.data) * BASE64))
    else:
        where = masked(clipped(media.url, SHORT)) or f"file {media.file_id}"
    return ", ".join(filter(None, (media.mime, media.name, where)))


def _named(name: str, namespace: str) -> str:
    return f"{namespace}.{name}" if namespace else name


def _short(text: str) -> str:
    return clipped(one_line(text.strip()), SHORT)
