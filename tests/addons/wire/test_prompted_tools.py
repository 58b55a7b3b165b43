"""Tools described in the prompt, calls read back out of the text (promise C-062)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from canonicals import FORMATS, conversations, event_streams_of, replies, wild_conversations
from hypothesis import given
from hypothesis import strategies as st
from parsed import together

from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    CacheMark,
    CallKind,
    ChoiceMode,
    Conversation,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Media,
    MediaKind,
    Message,
    Ping,
    Reply,
    Role,
    ServerTool,
    ServerToolKind,
    Started,
    Stop,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.addons.wire.fitting import Fitted, fit
from ringlet_mitm.addons.wire.prompted_tools import ToolCallReader
from ringlet_mitm.addons.wire.restoring import Restorer
from ringlet_mitm.addons.wire.tagged_calls import CLOSE, OPEN
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.shapes import WireFormat

CHAT = WireFormat.CHAT
READ = Tool("read", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
PATCH = Tool("patch", "Change a file.", kind=CallKind.CUSTOM, namespace="files")
ASKED = Message(Role.USER, (Text("go"),))
PICTURE = Media(MediaKind.IMAGE, "image/png", data="AAAA")
A_TEXT = '<tool_call>\n{"name": "read", "arguments": {"path": "x"}}\n</tool_call>'
A_CALL = ToolCall("", "read", '{"path": "x"}')


def prompted(*messages: Message, **fields: object) -> Fitted:
    """The conversation for a model without tools; READ is offered where nothing else is said."""
    conversation = Conversation("m", messages, tools=(READ,))
    return fit(replace(conversation, **fields), CHAT, native_tools=False)  # type: ignore[arg-type]


def first_text(fitted: Fitted) -> str:
    """The first text of the first message."""
    block = fitted.conversation.messages[0].blocks[0]
    assert isinstance(block, Text)
    return block.text


def test_tools_stand_in_the_users_first_message() -> None:
    fitted = prompted(ASKED, Message(Role.ASSISTANT, (Text("yes"),)), tools=(READ, PATCH))
    conversation = fitted.conversation
    told = first_text(fitted)
    lines = [json.loads(line) for line in told.split("<tools>\n")[1].split("\n</tools>")[0].splitlines()]
    assert [line["name"] for line in lines] == ["read", "files__patch"]
    assert lines[0] == {"name": "read", "description": "Read a file.", "parameters": READ.schema}
    assert lines[1]["parameters"]["required"] == ["input"]
    assert OPEN in told
    assert CLOSE in told
    assert conversation.messages[0].blocks[1:] == ASKED.blocks
    assert conversation.messages[1:] == (Message(Role.ASSISTANT, (Text("yes"),)),)
    assert conversation.tools == ()
    assert fitted.prompted
    assert "native tool calls" in [loss.what for loss in fitted.losses]


WORDS = {
    "auto": (ToolChoice(ChoiceMode.AUTO), None, "\n\nFor several calls"),
    "required": (ToolChoice(ChoiceMode.REQUIRED), None, "You must call a tool now."),
    "one of": (ToolChoice(ChoiceMode.REQUIRED, ("read",)), None, "You must call one of these now: read."),
    "named": (ToolChoice(ChoiceMode.NAMED, ("read",)), None, "You must call read now."),
    "limited": (ToolChoice(ChoiceMode.AUTO, ("read",)), None, "Call none but these: read."),
    "none": (ToolChoice(ChoiceMode.NONE), None, "Do not call a tool now."),
    "one at a time": (None, False, "Write one call at a time."),
}


@pytest.mark.parametrize("name", WORDS)
def test_the_choice_in_words(name: str) -> None:
    choice, parallel, words = WORDS[name]
    fitted = prompted(ASKED, tool_choice=choice, parallel_calls=parallel)
    assert words in first_text(fitted)
    assert fitted.conversation.tool_choice is None
    assert fitted.conversation.parallel_calls is None


def test_earlier_calls_and_results_are_text() -> None:
    mark = CacheMark()
    fitted = prompted(
        ASKED,
        Message(Role.ASSISTANT, (Text("ok"), ToolCall("1", "read", '{"path":"x"}', cache=mark))),
        Message(Role.USER, (ToolResult("1", (Text("a"), PICTURE, Text("b")), is_error=True, cache=mark), Text("so?"))),
    )
    assert [message.blocks for message in fitted.conversation.messages[1:]] == [
        (Text("ok"), Text('<tool_call>\n{"name": "read", "arguments": {"path":"x"}}\n</tool_call>', cache=mark)),
        (
            Text('<tool_result name="read" error="true">\na'),
            PICTURE,
            Text("b\n</tool_result>", cache=mark),
            Text("so?"),
        ),
    ]


def test_arguments_that_are_no_json_stay_readable() -> None:
    fitted = prompted(ASKED, Message(Role.ASSISTANT, (ToolCall("1", "read", "{oops"), ToolCall("2", "read", ""))))
    texts = [block.text for block in fitted.conversation.messages[1].blocks if isinstance(block, Text)]
    assert '"arguments": "{oops"}' in texts[0]
    assert '"arguments": {}}' in texts[1]


def test_history_without_tools_is_text_and_nothing_is_told() -> None:
    history = Message(Role.ASSISTANT, (ToolCall("1", "read", "{}"),)), Message(Role.USER, (ToolResult("1", ()),))
    fitted = prompted(ASKED, *history, tools=())
    assert fitted.conversation.messages[0] == ASKED
    assert fitted.prompted


def test_a_conversation_without_tools_is_left_alone() -> None:
    fitted = prompted(ASKED, tools=())
    assert fitted.conversation.messages == (ASKED,)
    assert not fitted.prompted
    assert fitted.losses == ()


def test_tools_that_the_vendor_runs_go() -> None:
    search = ServerTool(ServerToolKind.WEB_SEARCH, CHAT, {"type": "web_search"})
    fitted = prompted(ASKED, tools=(search,))
    assert fitted.conversation.tools == ()
    assert "web_search" in [loss.what for loss in fitted.losses]


def test_where_the_user_says_nothing_the_tools_come_first() -> None:
    system = Message(Role.SYSTEM, (Text("be good"),))
    assert [message.role for message in prompted(system).conversation.messages] == [Role.USER, Role.SYSTEM]
    assert [message.role for message in prompted(system, ASKED).conversation.messages] == [Role.SYSTEM, Role.USER]


@given(conversations(), st.sampled_from(FORMATS))
def test_our_own_words_are_read_back(conversation: Conversation, wire_format: WireFormat) -> None:
    """What the model sees as its earlier calls is what we would read if it wrote the same again."""
    fitted = fit(conversation, wire_format, native_tools=False)
    native = fit(conversation, wire_format)
    for message, said in zip(fitted.conversation.messages, native.conversation.messages, strict=True):
        if message.role is not Role.ASSISTANT:
            continue
        reply = ToolCallReader.whole(Reply("", "", message.blocks, Stop.END))
        calls = [(block.name, json.loads(block.arguments)) for block in reply.blocks if isinstance(block, ToolCall)]
        wanted = [(block.name, json.loads(block.arguments)) for block in said.blocks if isinstance(block, ToolCall)]
        assert calls == wanted


@given(wild_conversations(), st.sampled_from(FORMATS))
def test_nothing_of_tools_is_left(wild: Conversation, wire_format: WireFormat) -> None:
    found = fit(wild, wire_format, native_tools=False).conversation
    assert not any(isinstance(block, ToolCall | ToolResult) for message in found.messages for block in message.blocks)
    assert not found.tools


def heard(events: list[Event]) -> Reply:
    """The events read and put together."""
    return together(ToolCallReader().feed(events))


def test_a_stream_with_calls() -> None:
    events: list[Event] = [
        Started("r", "m"),
        BlockStarted(0, Thinking("")),
        Delta(0, "hm"),
        BlockEnded(0),
        BlockStarted(1, Text("")),
        Delta(1, "I look.\n<tool"),
        Delta(1, '_call>{"name": "read", "arg'),
        Ping(),
        Delta(1, 'uments": {"path": "x"}}</tool_call>'),
        Delta(1, "\n"),
        BlockEnded(1),
        Finished(Stop.END, stop_said="stop"),
        Ended(),
    ]
    assert ToolCallReader().feed(events) == [
        Started("r", "m"),
        BlockStarted(0, Thinking("")),
        Delta(0, "hm"),
        BlockEnded(0),
        BlockStarted(1, Text("")),
        Delta(1, "I look."),
        Ping(),
        BlockEnded(1),
        BlockStarted(2, ToolCall("", "read", "")),
        Delta(2, '{"path": "x"}'),
        BlockEnded(2),
        Finished(Stop.TOOL_CALLS),
        Ended(),
    ]


def test_a_call_alone_begins_no_block_of_text() -> None:
    events: list[Event] = [BlockStarted(0, Text("")), Delta(0, A_TEXT), Finished(Stop.STOP_SEQUENCE, "x")]
    assert ToolCallReader().feed(events) == [
        BlockStarted(0, ToolCall("", "read", "")),
        Delta(0, '{"path": "x"}'),
        BlockEnded(0),
        Finished(Stop.TOOL_CALLS),
    ]


def test_a_stream_that_fails_gives_what_was_held_back() -> None:
    failed = Failed(ProviderError("overloaded", "later"))
    events: list[Event] = [BlockStarted(0, Text("")), Delta(0, "a <tool_c"), failed]
    assert ToolCallReader().feed(events) == [
        BlockStarted(0, Text("")),
        Delta(0, "a"),
        Delta(0, " <tool_c"),
        BlockEnded(0),
        failed,
    ]


def test_text_that_is_only_said_at_the_end_is_read() -> None:
    events: list[Event] = [BlockStarted(0, Text("")), BlockEnded(0, Text(A_TEXT)), Finished(Stop.END)]
    assert heard(events).blocks == (A_CALL,)


STOPS = {Stop.END: Stop.TOOL_CALLS, Stop.STOP_SEQUENCE: Stop.TOOL_CALLS, Stop.MAX_TOKENS: Stop.MAX_TOKENS}


@pytest.mark.parametrize("stop", STOPS)
def test_the_stop_of_an_answer_with_calls(stop: Stop) -> None:
    assert ToolCallReader.whole(Reply("r", "m", (Text(A_TEXT),), stop)).stop is STOPS[stop]
    assert ToolCallReader.whole(Reply("r", "m", (Text("no"),), stop)).stop is stop


PIECES = st.lists(
    st.sampled_from([A_TEXT, "<tool_call>", "</tool_call>", "text", " ", "\n\n", "<", '{"name":', '"', A_TEXT[:-3]]),
    min_size=1,
    max_size=6,
).map("".join)


@given(replies(thinking=WireFormat.MESSAGES), st.lists(PIECES, max_size=2), st.data())
def test_whole_and_stream_agree(reply: Reply, texts: list[str], data: st.DataObject) -> None:
    reply = replace(reply, blocks=(*reply.blocks, *map(Text, texts)))
    whole = ToolCallReader.whole(reply)
    found = heard(data.draw(event_streams_of(reply, interleaved=False, pings=True)))
    assert found.blocks == whole.blocks
    assert (found.stop, found.usage) == (whole.stop, whole.usage)


@given(replies(calls=False), st.data())
def test_an_answer_without_tags_is_untouched(reply: Reply, data: st.DataObject) -> None:
    assert ToolCallReader.whole(reply) is reply
    assert heard(data.draw(event_streams_of(reply))).blocks == reply.blocks


def test_the_agent_gets_its_own_tools_back() -> None:
    agents = Conversation("m", (ASKED,), tools=(PATCH,))
    fitted = fit(agents, CHAT, native_tools=False)
    text = '<tool_call>{"name": "files__patch", "arguments": {"input": "*** Begin"}}</tool_call>'
    reply = ToolCallReader.whole(Reply("r", "m", (Text(text),), Stop.END))
    (call,) = Restorer(agents, fitted, WireFormat.RESPONSES).reply(reply).blocks
    assert isinstance(call, ToolCall)
    assert (call.namespace, call.name, call.arguments, call.kind) == ("files", "patch", "*** Begin", CallKind.CUSTOM)
    assert call.id.startswith("call_")
