"""Calls and results in the order that every vendor takes."""

from __future__ import annotations

import pytest
from canonicals import FORMATS
from spoken import ASKED, SCHEMA, assistant, call, result, said, shape, user

from ringlet_mitm.addons.wire.canonical import (
    Message,
    Role,
    Text,
    Tool,
    ToolResult,
)
from ringlet_mitm.addons.wire.fitting import fit
from ringlet_mitm.rules.shapes import WireFormat

CHAT = WireFormat.CHAT
PLAIN = [one for one in FORMATS if one is not WireFormat.RESPONSES]


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
    "a late result between two words of the assistant's": (
        [assistant(call("1")), user(Text("hi")), assistant(Text("so")), user(result("1")), assistant(call("2"))],
        ["a: call(1)", "u: result(1) hi", "a: so call(2)", "u: result(2!)"],
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
    "an id only of the call": (
        [assistant(call("1"), call("2", "b")), user(result("", name="b"), result("", name="a"))],
        ["a: call(1) call(2)", "u: result(1) result(2)"],
    ),
    "an id only of the result": (
        [assistant(call("")), user(result("1", name="a"))],
        ["a: call(call_1)", "u: result(call_1)"],
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
