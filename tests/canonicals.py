"""Made-up conversations, answers and streams in canonical form, for what holds for all of them.

`conversations()` are in order: calls are answered in the next message, names and ids are such as every format takes.
`wild_conversations()` are as agents and gateways also send them, for what has to put them in order or must not crash.
Everything draws `native` as None: what rides along belongs to one format and its tests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from string import ascii_letters, ascii_lowercase, digits

from bodies import png
from hypothesis import strategies as st
from made_up import SCHEMAS, TEXTS, VALUES

from ringlet_mitm.addons.wire.canonical import (
    AnswerFormat,
    Block,
    BlockEnded,
    BlockStarted,
    CallKind,
    ChoiceMode,
    Conversation,
    Delta,
    Effort,
    Ended,
    Event,
    Finished,
    Foreign,
    Media,
    MediaKind,
    Message,
    Options,
    Ping,
    Reasoning,
    Refusal,
    Reply,
    Role,
    ServerTool,
    ServerToolKind,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    UsageSeen,
)
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

WORDS = st.text(min_size=1, max_size=40).filter(str.strip)
# Texts, and no regular expressions: those draw each letter apart.
NAMES = st.builds(str.__add__, st.sampled_from(ascii_lowercase), st.text(ascii_lowercase + digits + "_", max_size=15))
CALL_IDS = st.text(ascii_letters + digits, min_size=8, max_size=20).map("call_".__add__)
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=3).map(json.dumps)
REPLY_IDS = st.builds(
    "{}_{}".format,
    st.text(ascii_lowercase, min_size=3, max_size=3),
    st.text(ascii_letters + digits, min_size=12, max_size=12),
)
SIGNATURES = st.text(ascii_letters + digits + "+/", min_size=4, max_size=40)
AGENT_FORMATS = (WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI)
FORMATS = tuple(WireFormat)

TEXT = st.builds(Text, WORDS)
IMAGE = st.integers(1, 8).map(lambda side: Media(MediaKind.IMAGE, "image/png", data=png(side, side)))
TOOLS = st.builds(Tool, NAMES, st.one_of(st.just(""), WORDS), SCHEMAS)
USAGES = st.builds(
    Usage,
    input_tokens=st.integers(0, 10**6),
    cache_read_tokens=st.integers(0, 10**5),
    output_tokens=st.integers(0, 10**5),
    reasoning_tokens=st.integers(0, 10**4),
)
OPTIONS = st.builds(
    Options,
    max_tokens=st.none() | st.integers(1, 64_000),
    temperature=st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    top_p=st.none() | st.sampled_from([0.1, 0.9, 1.0]),
    top_k=st.none() | st.integers(1, 100),
    stop=st.lists(WORDS, max_size=2, unique=True).map(tuple),
    seed=st.none() | st.integers(0, 2**31 - 1),
    user=st.none() | NAMES,
)
REASONING = st.one_of(
    st.none(),
    st.builds(Reasoning, effort=st.sampled_from(list(Effort))),
    st.builds(Reasoning, budget=st.sampled_from([-1, 0, 1024, 8000]), visible=st.none() | st.booleans()),
)
ANSWER_FORMATS = st.none() | st.builds(AnswerFormat, schema=st.none() | SCHEMAS, name=NAMES)


@st.composite
def conversations(
    draw: st.DrawFn, *, images: bool = True, thinking: WireFormat | None = None, turns: int = 3
) -> Conversation:
    """A conversation in order. `thinking` puts thoughts signed by that format in front of what the assistant says."""
    tools = draw(st.lists(TOOLS, max_size=3, unique_by=lambda tool: tool.name))
    messages: list[Message] = []
    ids = draw(st.lists(CALL_IDS, min_size=turns * 2, max_size=turns * 2, unique=True))
    for _ in range(draw(st.integers(1, turns))):
        messages.append(draw(_asked(images)))
        if not tools or not draw(st.booleans()):
            messages.append(Message(Role.ASSISTANT, draw(_said(thinking))))
            continue
        called = draw(st.lists(st.sampled_from(tools), min_size=1, max_size=2))
        calls = [ToolCall(ids.pop(), tool.name, draw(ARGUMENTS)) for tool in called]
        messages.append(Message(Role.ASSISTANT, (*draw(_said(thinking, least=0)), *calls)))
        messages.append(Message(Role.USER, tuple(draw(_result(call, images)) for call in calls)))
        messages.append(Message(Role.ASSISTANT, draw(_said(thinking))))
    messages.append(draw(_asked(images)))
    return Conversation(
        model="some-model",
        messages=tuple(messages),
        system=tuple(draw(st.lists(TEXT, max_size=2))),
        tools=tuple(tools),
        tool_choice=draw(_choice(tools)),
        reasoning=draw(REASONING),
        answer_format=draw(ANSWER_FORMATS),
        options=draw(OPTIONS),
        stream=draw(st.booleans()),
    )


@st.composite
def _asked(draw: st.DrawFn, images: bool) -> Message:
    blocks: list[Block] = [draw(TEXT)]
    if images and draw(st.booleans()):
        blocks.insert(draw(st.integers(0, 1)), draw(IMAGE))
    return Message(Role.USER, tuple(blocks))


@st.composite
def _said(draw: st.DrawFn, thinking: WireFormat | None, least: int = 1) -> tuple[Block, ...]:
    blocks: list[Block] = list(draw(st.lists(TEXT, min_size=least, max_size=1)))
    if thinking is not None and draw(st.booleans()):
        blocks.insert(0, Thinking(draw(WORDS), draw(SIGNATURES), thinking))
    return tuple(blocks)


@st.composite
def _result(draw: st.DrawFn, call: ToolCall, images: bool) -> ToolResult:
    content: list[Text | Media] = list(draw(st.lists(TEXT, max_size=1)))
    if images and draw(st.booleans()):
        content.append(draw(IMAGE))
    return ToolResult(call.id, tuple(content), is_error=draw(st.booleans()), name=call.name)


def _choice(tools: Sequence[Tool]) -> st.SearchStrategy[ToolChoice | None]:
    if not tools:
        return st.none()
    modes = st.sampled_from([ChoiceMode.AUTO, ChoiceMode.REQUIRED, ChoiceMode.NONE]).map(ToolChoice)
    named = st.sampled_from(tools).map(lambda tool: ToolChoice(ChoiceMode.NAMED, (tool.name,)))
    return st.one_of(st.none(), modes, named)


ODD_NAMES = st.one_of(NAMES, TEXTS, st.sampled_from(["a.b", "a_b", "a b", "x" * 70, "x" * 200, "1st", "functions"]))
ODD_IDS = st.one_of(CALL_IDS, TEXTS, st.sampled_from(["", "0", "functions.bash:0", "call_" + "9" * 80]))
ODD_TOOLS: st.SearchStrategy[Tool | ServerTool] = st.one_of(
    st.builds(Tool, ODD_NAMES, WORDS, SCHEMAS, namespace=st.sampled_from(["", "", "functions", "mcp", "a"])),
    st.builds(
        Tool,
        ODD_NAMES,
        WORDS,
        kind=st.just(CallKind.CUSTOM),
        grammar=st.sampled_from(
            [None, {"type": "text"}, {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}]
        ),
        namespace=st.sampled_from(["", "mcp"]),
    ),
    st.builds(
        ServerTool,
        st.sampled_from(list(ServerToolKind)),
        st.sampled_from(FORMATS),
        st.sampled_from([{"type": "web_search"}, {"googleSearch": {}}, {}]),
    ),
)
FOREIGN = st.builds(Foreign, st.sampled_from(FORMATS), st.sampled_from([{"type": "container"}, {"odd": {}}, {}]))
ODD_BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Text, TEXTS),
    IMAGE,
    FOREIGN,
    st.builds(Refusal, TEXTS),
    st.builds(Thinking, TEXTS, SIGNATURES, st.none() | st.sampled_from(FORMATS)),
    st.builds(ToolCall, ODD_IDS, ODD_NAMES, ARGUMENTS | TEXTS, namespace=st.sampled_from(["", "functions", "mcp"])),
    st.builds(ToolCall, ODD_IDS, ODD_NAMES, TEXTS, kind=st.just(CallKind.CUSTOM)),
    st.builds(ToolResult, ODD_IDS, st.lists(st.builds(Text, TEXTS) | IMAGE | FOREIGN, max_size=2).map(tuple)),
)


@st.composite
def wild_conversations(draw: st.DrawFn) -> Conversation:
    """A conversation out of order: anything in any message, odd names, results of no call, calls without results."""
    messages = draw(
        st.lists(
            st.builds(Message, st.sampled_from(list(Role)), st.lists(ODD_BLOCKS, max_size=4).map(tuple)), max_size=5
        )
    )
    tools = draw(st.lists(ODD_TOOLS, max_size=4))
    names = tuple(draw(st.lists(ODD_NAMES, max_size=2)))
    return Conversation(
        model="some-model",
        messages=tuple(messages),
        system=tuple(draw(st.lists(st.builds(Text, TEXTS) | FOREIGN, max_size=2))),
        tools=tuple(tools),
        tool_choice=draw(st.none() | st.builds(ToolChoice, st.sampled_from(list(ChoiceMode)), st.just(names))),
        options=draw(OPTIONS),
    )


@st.composite
def replies(draw: st.DrawFn, *, thinking: WireFormat | None = None, calls: bool = True) -> Reply:
    """An answer in the order that all formats share: a thought, a text, calls, or some of them."""
    blocks: list[Block] = list(draw(_said(thinking, least=0)))
    if calls:
        ids = draw(st.lists(CALL_IDS, max_size=3, unique=True))
        blocks += [ToolCall(call_id, draw(NAMES), draw(ARGUMENTS)) for call_id in ids]
    if not any(isinstance(block, Text | ToolCall) for block in blocks):
        blocks.append(draw(TEXT))
    called = any(isinstance(block, ToolCall) for block in blocks)
    stop = Stop.TOOL_CALLS if called else draw(st.sampled_from([Stop.END, Stop.MAX_TOKENS]))
    return Reply(
        id=draw(REPLY_IDS),
        model="some-model",
        blocks=tuple(blocks),
        stop=stop,
        usage=draw(USAGES),
        created=draw(st.integers(10**9, 2 * 10**9)),
    )


@st.composite
def event_streams_of(draw: st.DrawFn, reply: Reply, *, interleaved: bool = True, pings: bool = False) -> list[Event]:
    """A stream of `reply`: its texts cut anywhere, calls side by side if `interleaved`, usage early, late or both."""
    lanes = [draw(_events_of(index, block)) for index, block in enumerate(reply.blocks)]
    body = draw(_woven(lanes)) if interleaved else [event for lane in lanes for event in lane]
    closing: list[Event] = [Finished(reply.stop, reply.stop_sequence, reply.stop_said, reply.native)]
    if reply.usage is not None:
        closing.insert(draw(st.integers(0, 1)), UsageSeen(reply.usage))
        if draw(st.booleans()):
            body.insert(draw(st.integers(0, len(body))), UsageSeen(replace(reply.usage, output_tokens=0)))
    if pings:
        body.insert(draw(st.integers(0, len(body))), Ping())
    return [Started(reply.id, reply.model, created=reply.created), *body, *closing, Ended()]


def emptied(block: Block) -> tuple[Block, str]:
    """A block as it begins, and the text that is still to come."""
    match block:
        case Text() | Refusal():
            return replace(block, text=""), block.text
        case Thinking():
            return replace(block, text="", signature="", signer=None), block.text
        case ToolCall():
            return replace(block, arguments=""), block.arguments
        case _:
            return block, ""


@st.composite
def _events_of(draw: st.DrawFn, index: int, block: Block) -> list[Event]:
    start, text = emptied(block)
    events: list[Event] = [BlockStarted(index, start), *(Delta(index, piece) for piece in draw(pieces_of(text)))]
    if isinstance(block, Thinking) and block.signature and block.signer is not None:
        events.append(Signed(index, block.signature, block.signer))
    return [*events, BlockEnded(index, block if draw(st.booleans()) else None)]


@st.composite
def pieces_of(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in pieces, cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(1, max(1, len(text) - 1)), max_size=6))) if text else []
    edges = [0, *(cut for cut in cuts if cut < len(text)), len(text)]
    return [text[start:end] for start, end in pairwise(edges) if start < end]


@st.composite
def _woven(draw: st.DrawFn, lanes: list[list[Event]]) -> list[Event]:
    """The lanes side by side, each in its order, each begun only after the one before; thoughts and texts alone."""
    woven: list[Event] = []
    for lane in lanes:
        first = lane[0]
        if not (isinstance(first, BlockStarted) and isinstance(first.block, ToolCall)):
            woven += lane
            continue
        begin = next((at for at, event in enumerate(woven) if _begins_calls(event)), len(woven))
        begin = max(begin, _last_start(woven) + 1)
        spots = sorted(draw(st.lists(st.integers(begin, len(woven)), min_size=len(lane), max_size=len(lane))))
        for offset, (spot, event) in enumerate(zip(spots, lane, strict=True)):
            woven.insert(spot + offset, event)
    return woven


def _begins_calls(event: Event) -> bool:
    return isinstance(event, BlockStarted) and isinstance(event.block, ToolCall)


def _last_start(events: list[Event]) -> int:
    return max((at for at, event in enumerate(events) if isinstance(event, BlockStarted)), default=-1)
