"""Tools for models whose provider has no calls of its own: described in the prompt, read back out of the text.

The model is told to write `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, the form that most open models were
trained on. Earlier calls and results stand in the conversation in the same form, so that it sees what it did. What the
tools are stands in the user's first message: it is the same in every turn, so that a prompt cache holds, and it also
reaches models that know no system prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    ChoiceMode,
    Conversation,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Message,
    Reply,
    Role,
    ServerTool,
    Signed,
    Stop,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import read_json, write_json
from ringlet_mitm.addons.wire.tagged_calls import CLOSE, OPEN, CallScanner, Piece, WrittenCall
from ringlet_mitm.addons.wire.toolset import Losses

RESULT = "tool_result"
INTRODUCTION = """\
You can call tools. These are their names, what they do, and the JSON schemas of their arguments, one tool a line:

<tools>
{tools}
</tools>

To call a tool, write its name and its arguments as JSON between these tags:

{open}
{{"name": "…", "arguments": {{…}}}}
{close}

{rules}

"""
SEVERAL = "For several calls, write several of these, one behind the other."
ONE = "Write one call at a time."
WAIT = (
    f"End your answer behind the calls. What the tools give back comes in the next message, in <{RESULT}> tags; never "
    "write these yourself."
)
# Words for a choice; `{names}` is filled in.
CHOICES: dict[ChoiceMode, tuple[str, str]] = {
    # mode               no names                             names
    ChoiceMode.AUTO: ("", "Call none but these: {names}."),
    ChoiceMode.REQUIRED: ("You must call a tool now.", "You must call one of these now: {names}."),
    ChoiceMode.NAMED: ("You must call a tool now.", "You must call {names} now."),
    ChoiceMode.NONE: ("Do not call a tool now.", "Do not call a tool now."),
}
# Stops that say nothing else than that the model had nothing more to write.
ENDS = (Stop.END, Stop.STOP_SEQUENCE, Stop.OTHER, Stop.PAUSE)


def prompted(conversation: Conversation, losses: Losses) -> Conversation:
    """The conversation without native tools: described in the prompt, calls and results as text."""
    tools = [tool for tool in conversation.tools if isinstance(tool, Tool)]
    for server_tool in conversation.tools:
        if isinstance(server_tool, ServerTool):
            losses.setdefault(server_tool.what, "the model has no tools of its own")
    losses.setdefault("native tool calls", "the tools are described in the prompt, calls are read out of the text")
    messages = [_as_text(message) for message in conversation.messages]
    if tools:
        told = _introduction(tools, conversation.tool_choice, conversation.parallel_calls)
        messages = _told_first(messages, Text(told))
    return replace(conversation, messages=tuple(messages), tools=(), tool_choice=None, parallel_calls=None)


def _introduction(tools: Sequence[Tool], choice: ToolChoice | None, parallel: bool | None) -> str:
    rules = [ONE if parallel is False else SEVERAL, WAIT]
    if choice is not None:
        words = CHOICES[choice.mode][bool(choice.names)]
        rules += [words.format(names=", ".join(choice.names))] if words else []
    lines = "\n".join(_described(tool) for tool in tools)
    return INTRODUCTION.format(tools=lines, open=OPEN, close=CLOSE, rules=" ".join(rules))


def _described(tool: Tool) -> str:
    said = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return _text({key: value for key, value in said.items() if value})


def _told_first(messages: Sequence[Message], told: Text) -> list[Message]:
    """The messages with `told` at the beginning of the user's first one."""
    for at, message in enumerate(messages):
        if message.role is Role.USER:
            return [*messages[:at], Message(Role.USER, (told, *message.blocks)), *messages[at + 1 :]]
    return [Message(Role.USER, (told,)), *messages]


def _as_text(message: Message) -> Message:
    if not any(isinstance(block, ToolCall | ToolResult) for block in message.blocks):
        return message
    return Message(message.role, tuple(text for block in message.blocks for text in _block_as_text(block)))


def _block_as_text(block: Block) -> Iterable[Block]:
    match block:
        case ToolCall():
            return (Text(_written_call(block), cache=block.cache),)
        case ToolResult():
            return _written_result(block)
        case _:
            return (block,)


def _written_call(call: ToolCall) -> str:
    """The call in its tags; its arguments stay the text that they are where that is JSON."""
    arguments = call.arguments.strip() or "{}"
    try:
        read_json(arguments)
    except ValueError:
        arguments = _text(call.arguments)
    return f'{OPEN}\n{{"name": {_text(call.name)}, "arguments": {arguments}}}\n{CLOSE}'


def _written_result(result: ToolResult) -> Iterable[Block]:
    """The result in its tags: one text, or one before and one behind its pictures."""
    failed = ' error="true"' if result.is_error else ""
    begin = f'<{RESULT} name="{result.name}"{failed}>\n' if result.name else f"<{RESULT}{failed}>\n"
    blocks: list[Block] = []
    for block in (Text(begin), *result.content, Text(f"\n</{RESULT}>")):
        last = blocks[-1] if blocks else None
        if isinstance(block, Text) and isinstance(last, Text):
            blocks[-1] = Text(last.text + block.text)
        else:
            blocks.append(block)
    if result.cache is not None and isinstance(blocks[-1], Text):
        blocks[-1] = replace(blocks[-1], cache=result.cache)
    return blocks


def _text(value: Any) -> str:
    return write_json(value).decode()


@dataclass(slots=True)
class _TextBlock:
    """A block of text as the provider sends it. `open` is the number of what the agent sees of it, -1 for none yet."""

    block: Text
    scanner: CallScanner = field(default_factory=CallScanner)
    open: int = -1
    fed: bool = False
    whole: bool = True  # nothing but its text has come out of it


class ToolCallReader:
    """The events of a prompted model's stream, calls in its texts as calls. Blocks are numbered anew."""

    def __init__(self) -> None:
        self._texts: dict[int, _TextBlock] = {}
        self._others: dict[int, int] = {}
        self._begun = 0
        self._called = False

    def feed(self, events: Sequence[Event]) -> list[Event]:
        """The events with calls; text that may still become one is held back."""
        return [seen for event in events for seen in self._one(event)]

    @staticmethod
    def whole(reply: Reply) -> Reply:
        """The same for a whole answer."""
        blocks = [seen for block in reply.blocks for seen in _read(block)]
        called = any(isinstance(block, ToolCall) for block in blocks)
        if not called or blocks == list(reply.blocks):
            return reply
        if reply.stop in ENDS:
            reply = replace(reply, stop=Stop.TOOL_CALLS, stop_said="", stop_sequence=None)
        return replace(reply, blocks=tuple(blocks))

    def _one(self, event: Event) -> list[Event]:
        match event:
            case BlockStarted(index, Text() as block):
                self._texts[index] = _TextBlock(block)
                return self._said(index, block.text)
            case BlockStarted(index, block):
                self._others[index] = self._number()
                self._called |= isinstance(block, ToolCall)
                return [replace(event, index=self._others[index])]
            case Delta(index, text) if index in self._texts:
                return self._said(index, text)
            case BlockEnded(index, block) if index in self._texts:
                return self._ended(index, block)
            case Delta(index) | BlockEnded(index) | Signed(index):
                return [replace(event, index=self._others[index])] if index in self._others else []
            case Finished():
                return [*self._rest(), self._finished(event)]
            case Ended() | Failed():
                return [*self._rest(), event]
            case _:
                return [event]

    def _finished(self, event: Finished) -> Finished:
        if not self._called or event.stop not in ENDS:
            return event
        return replace(event, stop=Stop.TOOL_CALLS, stop_said="", stop_sequence=None)

    def _number(self) -> int:
        self._begun += 1
        return self._begun - 1

    def _said(self, index: int, text: str) -> list[Event]:
        found = self._texts[index]
        found.fed |= bool(text)
        return self._pieces(found, found.scanner.feed(text))

    def _rest(self) -> list[Event]:
        return [event for index in list(self._texts) for event in self._ended(index, None)]

    def _ended(self, index: int, block: Block | None) -> list[Event]:
        found = self._texts[index]
        final = block if isinstance(block, Text) else None
        late = self._said(index, final.text) if final is not None and not found.fed else []
        events = [*late, *self._pieces(found, found.scanner.finish())]
        del self._texts[index]
        if found.open < 0:
            return events
        return [*events, BlockEnded(found.open, final if found.whole else None)]

    def _pieces(self, found: _TextBlock, pieces: Sequence[Piece]) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            if isinstance(piece, WrittenCall):
                events += self._call(found, piece)
                continue
            if found.open < 0:
                found.open = self._number()
                events.append(BlockStarted(found.open, replace(found.block, text="")))
            events.append(Delta(found.open, piece))
        return events

    def _call(self, found: _TextBlock, call: WrittenCall) -> list[Event]:
        self._called = True
        events: list[Event] = [BlockEnded(found.open)] if found.open >= 0 else []
        found.open, found.whole = -1, False
        found.block = Text("")
        index = self._number()
        started = BlockStarted(index, ToolCall("", call.name, ""))
        return [*events, started, Delta(index, call.arguments), BlockEnded(index)]


def _read(block: Block) -> list[Block]:
    """A block as it is, or what its text holds."""
    if not isinstance(block, Text):
        return [block]
    scanner = CallScanner()
    blocks: list[Block] = []
    for piece in [*scanner.feed(block.text), *scanner.finish()]:
        last = blocks[-1] if blocks else None
        if isinstance(piece, WrittenCall):
            blocks.append(ToolCall("", piece.name, piece.arguments))
        elif isinstance(last, Text):
            blocks[-1] = Text(last.text + piece)
        else:
            blocks.append(Text(piece))
    return blocks if any(isinstance(found, ToolCall) for found in blocks) else [block]
