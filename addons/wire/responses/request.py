"""Requests, both ways.

A request of this format is written as it was said. One of another format is written in full, the way that does not
depend on OpenAI keeping anything: not stored, with encrypted reasoning, so that thoughts come back with the next turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    Conversation,
    Json,
    Message,
    Role,
    ServerTool,
    Text,
    Tool,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Rendered, Untranslatable, within_depth
from ringlet_mitm.addons.wire.leftovers import leftovers
from ringlet_mitm.addons.wire.responses.adapted import adapted_settings
from ringlet_mitm.addons.wire.responses.input import additional_tools, render_input
from ringlet_mitm.addons.wire.responses.items import parse_item
from ringlet_mitm.addons.wire.responses.marks import Losses, own, said
from ringlet_mitm.addons.wire.responses.settings import bare_settings, laid_over, parse_settings
from ringlet_mitm.addons.wire.responses.tools import parse_choice, parse_tools, render_tools

INPUT = "input"
TOOLS = "tools"
# The one message of an `input` that is a text keeps it under this key; it never reaches the wire.
_WHOLE = " input"
_APART = frozenset({INPUT, TOOLS})


@within_depth("the request")
def parse_request(body: Json, path: str) -> Conversation:
    """A request as a conversation.

    Raises Untranslatable where `input` is neither a text nor a list, or is nested too deep.
    """
    if not isinstance(body, dict):
        raise Untranslatable("the request is not a JSON object")
    return _parse(body)


def _parse(body: Json) -> Conversation:
    left: Json = {}
    messages = _parse_input(body, left)
    conversation = Conversation(
        messages=messages,
        tools=parse_tools(body.get(TOOLS)) + tuple(_additional(messages)),
        tool_choice=parse_choice(body.get("tool_choice")),
        **parse_settings(body),
    )
    settings = bare_settings(conversation)
    left.update((key, value) for key, value in leftovers(body, settings).items() if key not in _APART)
    if "user" in body and "safety_identifier" in settings and body.get("safety_identifier"):
        left["safety_identifier"] = body["safety_identifier"]
    if TOOLS in body and (not body[TOOLS] or _own_tools(conversation) != body[TOOLS]):
        left[TOOLS] = body[TOOLS]
    return replace(conversation, native=said(left))


def _parse_input(body: Json, left: Json) -> tuple[Message, ...]:
    """The messages; into `left` goes a list that they do not tell again: an empty one, or with other than objects."""
    found = body.get(INPUT)
    if isinstance(found, str):
        return (Message(Role.USER, (Text(found),) if found else (), said({_WHOLE: found})),)
    if found is None:
        left.update({INPUT: None} if INPUT in body else {})
        return ()
    if not isinstance(found, list):
        raise Untranslatable("`input` is neither a text nor a list of items")
    items = [item for item in found if isinstance(item, dict)]
    if not items or len(items) < len(found):
        left[INPUT] = found
    return tuple(parse_item(item) for item in items)


def _additional(messages: tuple[Message, ...]) -> Iterator[Tool | ServerTool]:
    """The tools that stand among the messages."""
    for message in messages:
        tools = additional_tools(message)
        if tools is not None:
            yield from parse_tools(tools)


def _own_tools(conversation: Conversation) -> list[Json]:
    """The tools that do not stand among the messages."""
    elsewhere = list(_additional(conversation.messages))
    return render_tools([tool for tool in conversation.tools if tool not in elsewhere], Losses())


@within_depth("the request")
def render_request(conversation: Conversation) -> Rendered:
    """A conversation as a request.

    Raises Untranslatable where several answers are asked for, or where it is nested too deep.
    """
    losses = Losses()
    body = _render(conversation, losses)
    return Rendered(body, losses.listed())


def _render(conversation: Conversation, losses: Losses) -> Json:
    fields = own(conversation.native)
    if fields is not None:
        return _render_own(conversation, fields, losses)
    body = adapted_settings(conversation, losses)
    body[INPUT] = render_input(conversation.messages, losses)
    tools = render_tools(conversation.tools, losses)
    if tools:
        body[TOOLS] = tools
    for key in () if tools else ("tool_choice", "parallel_tool_calls"):
        body.pop(key, None)
    if conversation.answer_format is not None and conversation.answer_format.schema is None:
        _say_json(conversation, body[INPUT])
    return body


def _render_own(conversation: Conversation, fields: Json, losses: Losses) -> Json:
    body = bare_settings(conversation)
    tools = _own_tools(conversation)
    if tools:
        body[TOOLS] = tools
    messages = conversation.messages
    whole = own(messages[0].native) if len(messages) == 1 else None
    if whole is not None and _WHOLE in whole:
        body[INPUT] = whole[_WHOLE]
    elif messages:
        body[INPUT] = render_input(messages, losses)
    return laid_over(body, fields)


def settings_of(conversation: Conversation) -> Json:
    """All that a request says but its input, for the answer to repeat."""
    fields = own(conversation.native)
    if fields is None:
        losses = Losses()
        return adapted_settings(conversation, losses) | {TOOLS: render_tools(conversation.tools, losses)}
    body = laid_over(bare_settings(conversation) | {TOOLS: _own_tools(conversation)}, fields)
    body.pop(INPUT, None)
    return body


def _say_json(conversation: Conversation, items: list[Json]) -> None:
    """OpenAI refuses `json_object` where no message has the word in it."""
    texts = (text for message in conversation.messages for text in _texts(message))
    if not any("json" in text.lower() for text in texts):
        part = {"type": "input_text", "text": "Answer with a JSON object."}
        items.append({"type": "message", "role": "developer", "content": [part]})


def _texts(message: Message) -> Iterator[str]:
    for block in message.blocks:
        if isinstance(block, Text):
            yield block.text
        elif isinstance(block, ToolResult):
            yield from (part.text for part in block.content if isinstance(part, Text))
