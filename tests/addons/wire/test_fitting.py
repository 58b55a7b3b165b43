"""A conversation made to fit another format: what comes out holds for anything that goes in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from canonicals import FORMATS, conversations, wild_conversations
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.canonical import (
    Block,
    CallKind,
    ChoiceMode,
    Conversation,
    Foreign,
    Json,
    Media,
    MediaKind,
    Message,
    Native,
    Options,
    Role,
    ServerTool,
    ServerToolKind,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable, read_json
from ringlet_mitm.addons.wire.fitting import EARLIER, fit
from ringlet_mitm.addons.wire.identifiers import IDS, NAMES
from ringlet_mitm.addons.wire.pairing import NO_RESULT
from ringlet_mitm.addons.wire.toolset import Origin
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES
GEMINI, OLLAMA, CONVERSE = WireFormat.GEMINI, WireFormat.OLLAMA, WireFormat.CONVERSE
PLAIN = [one for one in FORMATS if one is not RESPONSES]
SCHEMA: Json = {"type": "object", "properties": {}}
GRAMMAR: Json = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
PICTURE = Media(MediaKind.IMAGE, "image/png", data="AAAA", name="cat.png")


def user(*blocks: Block) -> Message:
    """A message of the user's."""
    return Message(Role.USER, blocks)


def assistant(*blocks: Block) -> Message:
    """A message of the assistant's."""
    return Message(Role.ASSISTANT, blocks)


def call(call_id: str, name: str = "a", **fields: str) -> ToolCall:
    """A call without arguments."""
    return ToolCall(call_id, name, "{}", **fields)  # type: ignore[arg-type]


def result(call_id: str, text: str = "done", name: str = "") -> ToolResult:
    """A result of one text."""
    return ToolResult(call_id, (Text(text),), name=name)


def said(*messages: Message, tools: tuple[Tool | ServerTool, ...] = (), **fields: object) -> Conversation:
    """A conversation of these."""
    return replace(Conversation("m", messages, tools=tools), **fields)  # type: ignore[arg-type]


def shape(conversation: Conversation) -> list[str]:
    """What stands where: a line a message."""
    return [f"{message.role[0]}: {' '.join(map(_word, message.blocks))}" for message in conversation.messages]


def _word(block: Block) -> str:
    match block:
        case ToolCall():
            return f"call({block.id})"
        case ToolResult(call_id, content):
            texts = [one.text for one in content if isinstance(one, Text)]
            return f"result({call_id}{'!' if texts == [NO_RESULT] else ''})"
        case Text(text):
            return text.split("]")[0] if text.startswith("[") else text
        case _:
            return type(block).__name__


ASKED = user(Text("go"))
ORDERS = {
    "in order": (
        [ASKED, assistant(call("1")), user(result("1"))],
        ["u: go", "a: call(1)", "u: result(1)"],
    ),
    "a message an item, as in Responses": (
        [ASKED, assistant(call("1")), assistant(call("2")), user(result("1")), user(result("2")), user(Text("and"))],
        ["u: go", "a: call(1) call(2)", "u: result(1) result(2)", "u: and"],
    ),
    "results in another order than calls": (
        [assistant(call("1"), call("2")), user(result("2"), result("1"), Text("and"))],
        ["a: call(1) call(2)", "u: result(1) result(2) and"],
    ),
    "text in front of results": (
        [assistant(call("1")), user(Text("see"), result("1"))],
        ["a: call(1)", "u: result(1) see"],
    ),
    "text of the assistant behind its calls": (
        [assistant(call("1")), assistant(Text("so")), user(result("1"))],
        ["a: call(1) so", "u: result(1)"],
    ),
    "a result that comes late": (
        [assistant(call("1")), user(Text("hi")), assistant(Text("yes")), user(result("1"))],
        ["a: call(1)", "u: result(1) hi", "a: yes"],
    ),
    "a system message between call and result": (
        [assistant(call("1")), Message(Role.SYSTEM, (Text("note"),)), user(result("1"))],
        ["a: call(1)", "u: result(1)", "s: note"],
    ),
    "a call without a result": (
        [assistant(call("1"), call("2")), user(result("2"))],
        ["a: call(1) call(2)", "u: result(1!) result(2)"],
    ),
    "a call at the end": ([ASKED, assistant(call("1"))], ["u: go", "a: call(1)", "u: result(1!)"]),
    "a call without a result before a question": (
        [assistant(call("1")), user(Text("stop"))],
        ["a: call(1)", "u: result(1!) stop"],
    ),
    "a result without its call": (
        [user(result("9", name="a"))],
        ["u: [Result of a, of a call that is not part of this conversation done"],
    ),
    "a second result": (
        [assistant(call("1")), user(result("1"), result("1", "again"))],
        ["a: call(1)", "u: result(1) [Result, of a call that is not part of this conversation again"],
    ),
    "a call of the user's": ([user(Text("go"), call("1"))], ["u: go"]),
    "empty messages": ([user(), ASKED, assistant()], ["u: go"]),
    "ids that each turn counts from 0": (
        [assistant(call("0")), user(result("0", "one")), assistant(call("0")), user(result("0", "two"))],
        ["a: call(0)", "u: result(0)", "a: call(0_40c7469f7618)", "u: result(0_40c7469f7618)"],
    ),
    "no ids": (
        [assistant(call(""), call("", "b")), user(result("", "two", "b"), result("", "one", "a"))],
        ["a: call(call_1) call(call_2)", "u: result(call_1) result(call_2)"],
    ),
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("wire_format", PLAIN)
def test_calls_and_results_in_order(name: str, wire_format: WireFormat) -> None:
    messages, wanted = ORDERS[name]
    tools = (Tool("a", schema=SCHEMA), Tool("b", schema=SCHEMA))
    assert shape(fit(said(*messages, tools=tools), wire_format).conversation) == wanted


def test_results_of_one_id_go_to_the_call_of_their_turn() -> None:
    turns = [assistant(call("0")), user(result("0", "one")), assistant(call("0")), user(result("0", "two"))]
    found = fit(said(*turns), CHAT).conversation.messages
    assert [one.content[0].text for message in found for one in message.blocks if isinstance(one, ToolResult)] == [  # type: ignore[union-attr]
        "one",
        "two",
    ]


def test_a_result_knows_the_name_of_its_tool() -> None:
    found = fit(said(assistant(call("1", "a.b")), user(result("1"))), CHAT).conversation
    assert found.messages[1].blocks == (ToolResult("1", (Text("done"),), name="a_b"),)


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


CODEX = (
    Tool("exec", "Run.", kind=CallKind.CUSTOM, grammar=GRAMMAR, namespace="functions"),
    Tool("wait", "Wait.", SCHEMA, namespace="functions"),
    Tool("sleep", "Sleep.", SCHEMA, namespace="clock"),
    Tool("wait", "Wait there.", SCHEMA, namespace="mcp__far__"),
)


def test_namespaces_become_part_of_the_name() -> None:
    fitted = fit(said(ASKED, tools=CODEX), MESSAGES)
    assert [tool.name for tool in fitted.conversation.tools if isinstance(tool, Tool)] == [
        "exec",
        "wait",
        "clock__sleep",
        "mcp__far__wait",
    ]
    assert fitted.origins["", "clock__sleep"] == Origin("clock", "sleep", CallKind.FUNCTION)
    assert fitted.origins["", "exec"] == Origin("functions", "exec", CallKind.CUSTOM)


def test_the_name_is_bare_only_where_it_is_the_only_one() -> None:
    tools = (Tool("x", schema=SCHEMA, namespace="functions"), Tool("x", schema=SCHEMA))
    fitted = fit(said(ASKED, tools=tools), CHAT).conversation
    assert [tool.name for tool in fitted.tools if isinstance(tool, Tool)] == ["functions__x", "x"]


def test_a_tool_of_free_text_becomes_a_function() -> None:
    history = (
        assistant(ToolCall("1", "exec", 'say "hi"', CallKind.CUSTOM)),
        user(ToolResult("1", (Text("hi"),), kind=CallKind.CUSTOM)),
    )
    fitted = fit(said(ASKED, *history, tools=CODEX), CHAT)
    tool, found = fitted.conversation.tools[0], fitted.conversation.messages
    assert isinstance(tool, Tool)
    assert tool.kind is CallKind.FUNCTION
    assert tool.schema is not None
    assert tool.schema["required"] == ["input"]
    assert "Run." in tool.description
    assert 'Lark grammar:\n```\nstart: "x"\n```' in tool.description
    written = found[1].blocks[0]
    assert isinstance(written, ToolCall)
    assert (written.name, written.kind, read_json(written.arguments)) == (
        "exec",
        CallKind.FUNCTION,
        {"input": 'say "hi"'},
    )
    assert found[2].blocks == (ToolResult("1", (Text("hi"),), name="exec"),)
    assert [loss.what for loss in fitted.losses] == ["tool grammar"]


def test_responses_keeps_namespaces_and_free_text() -> None:
    fitted = fit(said(ASKED, tools=CODEX), RESPONSES)
    assert fitted.conversation.tools == CODEX
    assert fitted.losses == ()


def test_one_name_in_two_namespaces_stays_in_responses() -> None:
    tools = (Tool("x", schema=SCHEMA, namespace="a"), Tool("x", schema=SCHEMA, namespace="b"))
    fitted = fit(said(ASKED, tools=tools), RESPONSES)
    assert fitted.conversation.tools == tools
    assert fitted.origins["b", "x"] == Origin("b", "x", CallKind.FUNCTION)


def test_names_that_become_alike_stay_two() -> None:
    tools = tuple(Tool(name, schema=SCHEMA) for name in ("a.b", "a_b", "a b"))
    names = [tool.name for tool in fit(said(ASKED, tools=tools), CHAT).conversation.tools if isinstance(tool, Tool)]
    assert names[1] == "a_b"
    assert len({*names}) == 3


def test_a_tool_offered_twice_is_offered_once() -> None:
    tool = Tool("a", "first", SCHEMA)
    fitted = fit(said(ASKED, tools=(tool, Tool("a", "second", SCHEMA))), CHAT)
    assert fitted.conversation.tools == (tool,)
    assert [loss.what for loss in fitted.losses] == ["tool offered twice"]


def test_tools_that_only_their_vendor_runs_go() -> None:
    search = ServerTool(ServerToolKind.WEB_SEARCH, MESSAGES, {"type": "web_search_20250305", "name": "web_search"})
    computer = ServerTool(ServerToolKind.OTHER, MESSAGES, {"type": "computer_20250124", "name": "computer"})
    there = fit(said(ASKED, tools=(search, computer)), GEMINI)
    here = fit(said(ASKED, tools=(search, computer)), MESSAGES)
    assert there.conversation.tools == (search,)
    assert [loss.what for loss in there.losses] == ["computer_20250124"]
    assert here.conversation.tools == (search, computer)


CHOICES = {
    "a tool under its new name": (ToolChoice(ChoiceMode.NAMED, ("sleep",)), ChoiceMode.NAMED, ("clock__sleep",), False),
    "a tool that is not there": (ToolChoice(ChoiceMode.NAMED, ("nobody",)), ChoiceMode.AUTO, (), True),
    "some that are not there": (
        ToolChoice(ChoiceMode.REQUIRED, ("nobody", "exec")),
        ChoiceMode.REQUIRED,
        ("exec",),
        False,
    ),
    "none by name": (ToolChoice(ChoiceMode.REQUIRED), ChoiceMode.REQUIRED, (), False),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_choice_of_a_tool(name: str) -> None:
    choice, mode, names, lost = CHOICES[name]
    fitted = fit(said(ASKED, tools=CODEX, tool_choice=choice), CHAT)
    found = fitted.conversation.tool_choice
    assert found is not None
    assert (found.mode, found.names) == (mode, names)
    assert ("tool choice" in [loss.what for loss in fitted.losses]) is lost


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
    note = Text("[Here was a picture (cat.png), which you cannot see.]")
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
