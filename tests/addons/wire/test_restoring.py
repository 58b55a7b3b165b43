"""Answers brought back to the agent: whole and as a stream, they are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from canonicals import AGENT_FORMATS, ODD_IDS, ODD_NAMES, event_streams_of, replies, wild_conversations
from hypothesis import given
from hypothesis import strategies as st
from made_up import TEXTS
from parsed import together

from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    CallKind,
    Conversation,
    Delta,
    Ended,
    Event,
    Finished,
    Message,
    Native,
    Reply,
    Role,
    Started,
    Stop,
    Text,
    Tool,
    ToolCall,
)
from ringlet_mitm.addons.wire.fitting import fit
from ringlet_mitm.addons.wire.identifiers import IDS
from ringlet_mitm.addons.wire.restoring import Restorer
from ringlet_mitm.addons.wire.toolset import custom_arguments
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES
LONG = "mcp__a_server_of_a_long_name__a_tool_of_a_name_that_is_even_longer"
TOOLS = (
    Tool("exec", kind=CallKind.CUSTOM, namespace="functions"),
    Tool("sleep", schema={}, namespace="clock"),
    Tool(LONG, schema={}),
)
EARLIER = Message(Role.ASSISTANT, (ToolCall("call_0", "sleep", "{}", namespace="clock"),))
AGENTS = Conversation("m", (Message(Role.USER, (Text("go"),)), EARLIER), tools=TOOLS)


def answer(*calls: ToolCall) -> Reply:
    """An answer with these calls."""
    return Reply("msg_1", "m", (Text("ok"), *calls), Stop.TOOL_CALLS)


def restored(*calls: ToolCall, agent: WireFormat = RESPONSES, provider: WireFormat = CHAT) -> list[ToolCall]:
    """The calls as the agent gets them."""
    reply = Restorer(AGENTS, fit(AGENTS, provider), agent).reply(answer(*calls))
    return [block for block in reply.blocks if isinstance(block, ToolCall)]


NAMED = {
    "a namespace": (ToolCall("c1", "clock__sleep", "{}"), ToolCall("c1", "sleep", "{}", namespace="clock")),
    "free text": (
        ToolCall("c1", "exec", '{"input": "ls\\n"}'),
        ToolCall("c1", "exec", "ls\n", CallKind.CUSTOM, "functions"),
    ),
    "a name that nobody gave": (ToolCall("c1", "nobody", "{}"), ToolCall("c1", "nobody", "{}")),
    "a name without its namespace": (ToolCall("c1", "sleep", "{}"), ToolCall("c1", "sleep", "{}")),
}


@pytest.mark.parametrize("name", NAMED)
def test_the_agent_gets_its_own_names(name: str) -> None:
    called, wanted = NAMED[name]
    assert restored(called) == [wanted]


def test_a_name_that_was_shortened_comes_back_whole() -> None:
    sent = fit(AGENTS, CHAT).conversation.tools[2]
    assert isinstance(sent, Tool)
    assert len(sent.name) == 64
    assert [call.name for call in restored(ToolCall("c1", sent.name, "{}"))] == [LONG]


IDENTITIES = {
    "one that fits": ("toolu_1", MESSAGES, "toolu_1"),
    "one that the agent's format refuses": ("functions.bash:0", MESSAGES, "functions_bash_0_8497fe9cce69"),
    "one that it takes": ("functions.bash:0", CHAT, "functions.bash:0"),
    "one that stands in the conversation": ("call_0", MESSAGES, "call_0_801178adf4f5"),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_ids(name: str) -> None:
    said, agent, wanted = IDENTITIES[name]
    assert [call.id for call in restored(ToolCall(said, "clock__sleep", "{}"), agent=agent)] == [wanted]


def test_calls_without_ids_get_some_that_differ_between_answers() -> None:
    calls = ToolCall("", "clock__sleep", "{}"), ToolCall("", "clock__sleep", "{}")
    fitted = fit(AGENTS, CHAT)
    ids = [
        call.id
        for reply in (answer(*calls), replace(answer(*calls), id="msg_2"))
        for call in Restorer(AGENTS, fitted, MESSAGES).reply(reply).blocks
        if isinstance(call, ToolCall)
    ]
    assert len({*ids}) == 4
    assert all(IDS[MESSAGES].accepts(call_id) for call_id in ids)


def test_what_does_not_change_keeps_what_rides_along() -> None:
    call = ToolCall("c1", "nobody", "{}", native=Native(CHAT, {"x": 1}))
    reply = answer(call)
    assert Restorer(AGENTS, fit(AGENTS, CHAT), CHAT).reply(reply) is reply
    changed = restored(replace(call, name="clock__sleep"))
    assert changed[0].native is None


def test_free_text_streams_while_it_comes() -> None:
    restorer = Restorer(AGENTS, fit(AGENTS, CHAT), RESPONSES)
    events: list[Event] = [
        Started("r", "m"),
        BlockStarted(0, ToolCall("c1", "exec", "")),
        Delta(0, '{"input": "l'),
        Delta(0, "s \\"),
        Delta(0, 'n."}'),
        BlockEnded(0),
        Finished(Stop.TOOL_CALLS),
        Ended(),
    ]
    assert restorer.events(events) == [
        Started("r", "m"),
        BlockStarted(0, ToolCall("c1", "exec", "", CallKind.CUSTOM, "functions")),
        Delta(0, "l"),
        Delta(0, "s "),
        Delta(0, "\n."),
        BlockEnded(0),
        Finished(Stop.TOOL_CALLS),
        Ended(),
    ]


def test_a_block_that_nobody_ends_ends_with_the_answer() -> None:
    restorer = Restorer(AGENTS, fit(AGENTS, CHAT), RESPONSES)
    events = [BlockStarted(0, ToolCall("c1", "exec", "")), Delta(0, "ls"), Finished(Stop.TOOL_CALLS)]
    assert restorer.events(events)[1:] == [Delta(0, "ls"), Finished(Stop.TOOL_CALLS)]


CALLS = st.builds(
    ToolCall,
    ODD_IDS,
    st.one_of(ODD_NAMES, st.sampled_from(["exec", "clock__sleep", LONG[:51]])),
    st.one_of(TEXTS, TEXTS.map(custom_arguments)),
)


@given(replies(), st.lists(CALLS, max_size=3), st.sampled_from(AGENT_FORMATS), st.data())
def test_whole_and_stream_agree(reply: Reply, calls: list[ToolCall], agent: WireFormat, data: st.DataObject) -> None:
    reply = replace(reply, blocks=(*reply.blocks, *calls))
    fitted = fit(AGENTS, CHAT)
    heard = together(Restorer(AGENTS, fitted, agent).events(data.draw(event_streams_of(reply))))
    whole = Restorer(AGENTS, fitted, agent).reply(reply)
    assert heard.blocks == whole.blocks
    ids = [block.id for block in whole.blocks if isinstance(block, ToolCall)]
    assert len({*ids}) == len(ids)
    assert all(IDS[agent].accepts(call_id) and call_id for call_id in ids)


@given(wild_conversations(), st.sampled_from(AGENT_FORMATS), st.data())
def test_every_tool_of_the_agents_comes_back(wild: Conversation, provider: WireFormat, data: st.DataObject) -> None:
    fitted = fit(wild, provider)
    offered = [tool for tool in fitted.conversation.tools if isinstance(tool, Tool)]
    calls = [ToolCall(f"new_{at}", tool.name, "{}", tool.kind, tool.namespace) for at, tool in enumerate(offered)]
    reply = Restorer(wild, fitted, MESSAGES).reply(answer(*calls))
    found = [(call.namespace, call.name, call.kind) for call in reply.blocks if isinstance(call, ToolCall)]
    own = [(tool.namespace, tool.name, tool.kind) for tool in wild.tools if isinstance(tool, Tool)]
    firsts = {(namespace, name): kind for namespace, name, kind in reversed(own)}
    assert found == [(*key, firsts[key]) for key in dict.fromkeys((namespace, name) for namespace, name, _ in own)]
