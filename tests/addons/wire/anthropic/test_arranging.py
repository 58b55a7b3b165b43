from __future__ import annotations

from typing import Any

import pytest

from ringlet_mitm.addons.wire.anthropic.arranging import EMPTY_ERROR, GO_ON, arranged, ended, fitting_system
from ringlet_mitm.addons.wire.anthropic.families import family_of
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.canonical import (
    Block,
    Conversation,
    Foreign,
    Media,
    MediaKind,
    Message,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.rules.shapes import WireFormat

PICTURE = Media(MediaKind.IMAGE, "image/png", data="AAAA")
CALL = ToolCall("c", "t", "{}")
RESULT = ToolResult("c", (Text("r"),))
SIGNED = Thinking("hm", "sig", WireFormat.MESSAGES)


def user(*blocks: Block) -> Message:
    return Message(Role.USER, blocks)


def said(*blocks: Block) -> Message:
    return Message(Role.ASSISTANT, blocks)


def system(text: str) -> Message:
    return Message(Role.SYSTEM, (Text(text),))


def reminder(text: str) -> Text:
    return Text(f"<system-reminder>\n{text}\n</system-reminder>")


def put(*messages: Message, model: str = "claude-sonnet-4-5") -> tuple[list[Message], list[str]]:
    losses = Losses()
    found = arranged(messages, family_of(model), losses)
    return list(found), [loss.what for loss in losses.found]


HI, YES = Text("hi"), Text("yes")


@pytest.mark.parametrize(
    ("given", "put_in_order", "lost"),
    [
        pytest.param([user(HI), user(YES)], [user(HI, YES)], [], id="two of one role are one"),
        pytest.param([said(YES), user(HI)], [user(GO_ON), said(YES), user(HI)], [], id="the user begins"),
        pytest.param([], [user(GO_ON)], [], id="nothing"),
        pytest.param([user(Text(" \n")), user(HI, Text(""))], [user(HI)], [], id="blank texts"),
        pytest.param([user(HI), said(Text("")), user(YES)], [user(HI, YES)], [], id="an empty message"),
        pytest.param(
            [user(HI), said(CALL), user(YES), user(RESULT, PICTURE)],
            [user(HI), said(CALL), user(RESULT, YES, PICTURE)],
            [],
            id="results come first",
        ),
        pytest.param(
            [user(HI), said(PICTURE, YES)], [user(HI), said(YES)], ["image in an answer"], id="a picture made"
        ),
        pytest.param([user(HI), said(SIGNED, CALL)], [user(HI), said(SIGNED, CALL)], [], id="a thought of its own"),
        pytest.param(
            [user(HI), said(Thinking("hm", "s", WireFormat.GEMINI), YES)],
            [user(HI), said(YES)],
            ["thinking"],
            id="a thought of another",
        ),
        pytest.param(
            [user(HI), said(Thinking("hm"), YES)], [user(HI), said(YES)], ["thinking"], id="a thought unsigned"
        ),
        pytest.param([user(HI), said(Refusal("no"))], [user(HI), said(Text("no"))], [], id="a refusal is a text"),
        pytest.param(
            [user(HI, Foreign(WireFormat.CHAT, {"type": "odd"}))], [user(HI)], ["odd"], id="what another vendor knows"
        ),
        pytest.param([user(HI, CALL)], [user(HI)], ["tool call of a user"], id="a call of the user"),
        pytest.param(
            [user(HI), said(CALL), system("now!"), user(RESULT)],
            [user(HI), said(CALL), user(RESULT, reminder("now!"))],
            ["system message"],
            id="a system message between a call and its result",
        ),
        pytest.param(
            [user(HI), system("a"), system("b"), said(YES)],
            [user(HI, reminder("a"), reminder("b")), said(YES)],
            ["system message"],
            id="system messages in the middle",
        ),
    ],
)
def test_order(given: list[Message], put_in_order: list[Message], lost: list[str]) -> None:
    assert put(*given) == (put_in_order, lost)


@pytest.mark.parametrize(
    ("given", "put_in_order", "lost"),
    [
        ([user(HI), system("a"), said(YES)], [user(HI), system("a"), said(YES)], []),
        ([user(HI), system("a")], [user(HI), system("a")], []),
        ([user(HI), system("a"), user(YES)], [user(HI, reminder("a"), YES)], ["system message"]),
        ([user(HI), said(YES), system("a")], [user(HI), said(YES), user(reminder("a"))], ["system message"]),
    ],
    ids=["between the two", "at the end", "within the user's", "behind the assistant's"],
)
def test_a_system_message_stays_where_the_model_takes_it(
    given: list[Message], put_in_order: list[Message], lost: list[str]
) -> None:
    assert put(*given, model="claude-opus-4-8") == (put_in_order, lost)


@pytest.mark.parametrize(
    ("given", "found", "lost"),
    [
        (ToolResult("c", ()), ToolResult("c", ()), []),
        (ToolResult("c", (Text(""), PICTURE)), ToolResult("c", (PICTURE,)), []),
        (ToolResult("c", (), True), ToolResult("c", (EMPTY_ERROR,), True), []),
        (ToolResult("c", (HI, PICTURE), True), ToolResult("c", (HI, PICTURE)), ["error flag of a result"]),
        (ToolResult("c", (HI,), name="t"), ToolResult("c", (HI,)), []),
    ],
    ids=["empty", "a picture", "an empty error", "an error with a picture", "with the tool's name"],
)
def test_results(given: ToolResult, found: ToolResult, lost: list[str]) -> None:
    assert put(user(given)) == ([user(found)], lost)


@pytest.mark.parametrize(
    ("model", "thinks", "last", "end", "lost"),
    [
        ("claude-sonnet-4-5", False, said(Text("so \n")), [said(Text("so"))], []),
        ("claude-sonnet-4-5", True, said(YES), [said(YES), user(GO_ON)], ["beginning of the answer"]),
        ("claude-opus-4-6", False, said(YES), [said(YES), user(GO_ON)], ["beginning of the answer"]),
        ("claude-sonnet-4-5", False, said(CALL), [said(CALL), user(GO_ON)], ["beginning of the answer"]),
    ],
    ids=["goes on writing", "not while thinking", "not any more", "not at a call"],
)
def test_the_assistants_word_at_the_end(
    model: str, thinks: bool, last: Message, end: list[Message], lost: list[str]
) -> None:
    losses = Losses()
    found = ended((user(HI), last), family_of(model), thinks, losses)
    assert list(found) == [user(HI), *end]
    assert [loss.what for loss in losses.found] == lost


def test_system_messages_in_front_are_the_system_prompt() -> None:
    messages: tuple[Any, ...] = (system("b"), Message(Role.SYSTEM, (Text(""), PICTURE)), user(HI), system("c"))
    losses = Losses()
    found, rest = fitting_system(Conversation("m", messages, system=(Text("a"),)), losses)
    assert found == (Text("a"), Text("b")) and rest == messages[2:]
    assert [loss.what for loss in losses.found] == ["image in a system message"]
