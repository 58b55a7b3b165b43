"""A conversation made to fit another format: what comes out holds for anything that goes in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from canonicals import FORMATS, conversations, wild_conversations
from hypothesis import given
from hypothesis import strategies as st
from spoken import ASKED, SCHEMA, assistant, call, result, said, shape, user

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Conversation,
    Foreign,
    Media,
    MediaKind,
    Message,
    Native,
    Options,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.fitting import EARLIER, fit
from ringlet_mitm.addons.wire.identifiers import IDS, NAMES
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES
GEMINI, OLLAMA, CONVERSE = WireFormat.GEMINI, WireFormat.OLLAMA, WireFormat.CONVERSE
PICTURE = Media(MediaKind.IMAGE, "image/png", data="AAAA", name="cat.png")


@given(wild_conversations(), st.sampled_from(FORMATS), st.booleans(), st.booleans())
def test_what_comes_out_fits(wild: Conversation, wire_format: WireFormat, tools: bool, vision: bool) -> None:
    fitted = fit(wild, wire_format, native_tools=tools, vision=vision)
    found = fitted.conversation
    blocks = [block for message in found.messages for block in message.blocks]
    calls = [block for block in blocks if isinstance(block, ToolCall)]
    results = [block for block in blocks if isinstance(block, ToolResult)]
    assert len({one.id for one in calls}) == len(calls)
    assert [one.id for one in calls] == [one.call_id for one in results]
    assert all(IDS[wire_format].accepts(one.id) and one.id for one in calls)
    offered = [tool for tool in found.tools if isinstance(tool, Tool)]
    assert len({(tool.namespace, tool.name) for tool in offered}) == len(offered)
    assert all(NAMES[wire_format].accepts(one.name) for one in [*calls, *results, *offered])
    assert all(message.blocks for message in found.messages)
    contents = [*blocks, *found.system, *(part for one in results for part in one.content)]
    assert all(block.format is wire_format for block in contents if isinstance(block, Foreign))
    assert vision or not any(isinstance(block, Media) for block in contents)
    assert tools or not (calls or results or found.tools or found.tool_choice)
    if wire_format is not RESPONSES:
        kinds = {one.kind for one in [*calls, *results, *offered]}
        assert kinds <= {CallKind.FUNCTION}
        assert not any(one.namespace for one in [*calls, *offered])
    if found.tool_choice is not None:
        assert set(found.tool_choice.names) <= {tool.name for tool in offered}
    assert len({loss.what for loss in fitted.losses}) == len(fitted.losses)


@given(wild_conversations(), st.sampled_from(FORMATS))
def test_fitting_twice_changes_nothing_more(wild: Conversation, wire_format: WireFormat) -> None:
    once = fit(wild, wire_format)
    assert fit(once.conversation, wire_format).conversation == once.conversation


@given(wild_conversations(), st.sampled_from(FORMATS))
def test_a_longer_conversation_begins_the_same(wild: Conversation, wire_format: WireFormat) -> None:
    """Ids and order are alike in every turn: providers cache what is the same."""
    turn = assistant(call("call_new", "a")), user(result("call_new")), user(Text("and now?"))
    before = fit(replace(wild, messages=(*wild.messages, ASKED)), wire_format).conversation.messages
    after = fit(replace(wild, messages=(*wild.messages, ASKED, *turn)), wire_format).conversation.messages
    assert after[: len(before)] == before


@given(conversations(), st.sampled_from(FORMATS))
def test_what_fits_stays_as_it_is(conversation: Conversation, wire_format: WireFormat) -> None:
    fitted = fit(conversation, wire_format)
    choice = conversation.tool_choice
    assert fitted.conversation == replace(conversation, tool_choice=choice)
    assert fitted.losses == ()
    assert not fitted.prompted


def test_a_node_that_stays_keeps_what_rides_along() -> None:
    native = Native(CHAT, {"x": 1})
    kept = Message(Role.ASSISTANT, (ToolCall("1", "a", "{}", native=native),), native=native)
    tool = Tool("a", schema=SCHEMA, native=native)
    answer = Message(Role.USER, (ToolResult("1", (Text("x"),), native=native),), native=native)
    fitted = fit(said(kept, answer, tools=(tool,)), CHAT).conversation
    assert fitted.messages[0] is kept
    assert fitted.tools == (tool,)
    assert fitted.messages[1].blocks == (ToolResult("1", (Text("x"),), name="a", native=native),)


def test_nothing_is_chosen_where_there_is_no_tool() -> None:
    plain = said(ASKED, tool_choice=ToolChoice(ChoiceMode.AUTO), parallel_calls=True)
    must = replace(plain, tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert fit(plain, CHAT).conversation == said(ASKED)
    assert fit(plain, CHAT).losses == ()
    assert [loss.what for loss in fit(must, CHAT).losses] == ["tool choice"]


def test_converse_gets_stand_ins_for_tools_of_earlier_turns() -> None:
    history = said(ASKED, assistant(call("1", "gone")), user(result("1")))
    assert fit(history, CONVERSE).conversation.tools == (Tool("gone", EARLIER, SCHEMA),)
    assert fit(history, MESSAGES).conversation.tools == ()


def test_blocks_that_only_another_format_knows_go() -> None:
    odd = Foreign(MESSAGES, {"type": "server_tool_use"})
    inner = ToolResult("1", (Foreign(MESSAGES, {"type": "tool_reference"}), Text("x")))
    conversation = said(ASKED, assistant(odd, Text("found"), call("1")), user(inner), assistant(odd))
    fitted = fit(conversation, CHAT)
    assert shape(fitted.conversation) == ["u: go", "a: found call(1)", "u: result(1)"]
    assert [loss.what for loss in fitted.losses] == ["server_tool_use", "tool_reference"]
    assert fit(conversation, MESSAGES).losses == ()


def test_a_model_that_cannot_see_gets_a_note() -> None:
    pdf = Media(MediaKind.DOCUMENT, "application/pdf", data="AAAA")
    conversation = said(user(PICTURE, pdf), assistant(call("1")), user(ToolResult("1", (PICTURE,))))
    fitted = fit(conversation, CHAT, vision=False)
    note = Text("[Left out here: image (cat.png). You cannot see it.]")
    assert fitted.conversation.messages[0].blocks == (note, pdf)
    assert fitted.conversation.messages[2].blocks == (ToolResult("1", (note,), name="a"),)
    assert [loss.what for loss in fitted.losses] == ["image"]


def test_several_answers_are_refused() -> None:
    with pytest.raises(Untranslatable, match="3 answers"):
        fit(said(ASKED, options=Options(candidates=3)), CHAT)
    assert fit(said(ASKED, options=Options(candidates=1)), CHAT).losses == ()


def test_thoughts_and_system_messages_stay_for_the_renderer() -> None:
    messages = (ASKED, assistant(Thinking("hm", "sig", MESSAGES), Text("a")), Message(Role.SYSTEM, (Text("now"),)))
    assert fit(said(*messages), GEMINI).conversation.messages == messages
