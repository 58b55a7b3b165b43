"""Requests of the Messages API, both ways.

One that came in this format goes out as it came. One of another format is arranged and fitted to what the model takes,
and gets breakpoints for the prompt cache.

Source: Anthropic "Messages" of both API versions, accessed 2026-11-21.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.anthropic.arranging import arranged, ended, fitting_system
from ringlet_mitm.addons.wire.anthropic.caching import mark_automatically, mark_in, put_mark
from ringlet_mitm.addons.wire.anthropic.content import parse_blocks, render_blocks
from ringlet_mitm.addons.wire.anthropic.families import family_of
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.options import (
    fitting_format,
    fitting_length,
    fitting_options,
    parse_format,
    parse_options,
    render_format,
    render_options,
)
from ringlet_mitm.addons.wire.anthropic.thinking import fitting_reasoning, parse_reasoning, render_reasoning
from ringlet_mitm.addons.wire.anthropic.tools import (
    fitting_choice,
    fitting_tools,
    is_forced,
    parse_choice,
    parse_tool,
    render_choice,
    render_tool,
)
from ringlet_mitm.addons.wire.canonical import (
    Conversation,
    Effort,
    Foreign,
    Json,
    Message,
    Native,
    Role,
    ServerTool,
    Text,
    Tool,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import Rendered, Untranslatable, within_depth
from ringlet_mitm.addons.wire.leftovers import leftovers
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES
ROLES = {role.value: role for role in Role}
APART = ("system", "messages", "tools")


@within_depth("the request")
def parse_request(body: Json, path: str) -> Conversation:
    """A request; its `native` is there even if nothing is left over: it says that the request is of this format.

    Raises Untranslatable where there is no conversation in it.
    """
    model, messages = body.get("model", ""), body.get("messages")
    if not isinstance(model, str):
        raise Untranslatable("'model' is not a text")
    if not isinstance(messages, list):
        raise Untranslatable("'messages' is not a list")
    config = body.get("output_config")
    choice, parallel = parse_choice(body.get("tool_choice"))
    left: Json = {}
    conversation = Conversation(
        model=model,
        messages=tuple(_message(said, at) for at, said in enumerate(messages)),
        system=_system(body, left),
        tools=_tools(body, left),
        tool_choice=choice,
        parallel_calls=parallel,
        reasoning=parse_reasoning(body.get("thinking"), config.get("effort") if isinstance(config, dict) else None),
        answer_format=parse_format(body),
        options=parse_options(body),
        stream=body.get("stream") is True,
        cache=mark_in(body),
    )
    others = {name: value for name, value in body.items() if name not in APART}
    left |= leftovers(others, _knobs(conversation))
    return replace(conversation, native=Native(HERE, left))


def _message(said: Any, at: int) -> Message:
    if not isinstance(said, dict) or "content" not in said or not isinstance(said.get("role"), str):
        raise Untranslatable(f"messages[{at}] has no role or no content")
    role, content = said["role"], said["content"]
    blocks, same = parse_blocks(content)
    read = {*(("role",) if role in ROLES else ()), *(("content",) if same else ())}
    left = {name: value for name, value in said.items() if name not in read}
    return Message(ROLES.get(role, Role.USER), blocks, Native(HERE, left) if left else None)


def _system(body: Json, left: Json) -> tuple[Text | Foreign, ...]:
    if "system" not in body:
        return ()
    blocks, same = parse_blocks(body["system"])
    held = tuple(block for block in blocks if isinstance(block, Text | Foreign))
    if not same or not held or len(held) < len(blocks):
        left["system"] = body["system"]
    return held


def _tools(body: Json, left: Json) -> tuple[Tool | ServerTool, ...]:
    if "tools" not in body:
        return ()
    said = body["tools"]
    known = tuple(parse_tool(tool) for tool in said if isinstance(tool, dict)) if isinstance(said, list) else ()
    if not known or len(known) < len(said):
        left["tools"] = said
    return known


@within_depth("the request")
def render_request(conversation: Conversation) -> Rendered:
    """The request, as the vendor takes it. Raises Untranslatable for what Messages cannot hold at all."""
    losses = Losses()
    if conversation.native is not None and conversation.native.format is HERE:
        body = _body(conversation, losses)
        body.update(fields_of(conversation.native, HERE))
        if conversation.stream:
            body["stream"] = True
    else:
        body = _body(_fitted(conversation, losses), losses)
        mark_automatically(body)
    return Rendered(body, losses.found)


def _fitted(conversation: Conversation, losses: Losses) -> Conversation:
    """Another format's request in the form in which one of this format would be."""
    family = family_of(conversation.model)
    if conversation.previous_id:
        losses.note("previous_response_id", "Messages keeps no conversations")
    tools = fitting_tools(conversation, family, losses)
    choice = fitting_choice(conversation, tools, family, losses)
    system, behind = fitting_system(conversation, losses)
    messages = arranged(behind, family, losses)
    length = fitting_length(conversation.options.max_tokens, family, losses)
    reasoning = fitting_reasoning(conversation.reasoning, messages, family, length, is_forced(choice), losses)
    thinks = reasoning.effort is not Effort.NONE if reasoning is not None else family.by_default
    answer_format, request = fitting_format(conversation.answer_format, family, losses)
    return Conversation(
        model=conversation.model,
        messages=ended(messages, family, thinks, losses),
        system=(*system, *((request,) if request is not None else ())),
        tools=tools,
        tool_choice=choice,
        parallel_calls=False if choice is not None and conversation.parallel_calls is False else None,
        reasoning=reasoning,
        answer_format=answer_format,
        options=fitting_options(conversation, family, thinks, losses),
        stream=conversation.stream,
        cache=conversation.cache,
    )


def _body(conversation: Conversation, losses: Losses) -> Json:
    body = _knobs(conversation)
    if conversation.system:
        body["system"] = render_blocks(conversation.system, losses)
    body["messages"] = [_written(message, losses) for message in conversation.messages]
    if conversation.tools:
        body["tools"] = [render_tool(tool) for tool in conversation.tools]
    return body


def _written(message: Message, losses: Losses) -> Json:
    left = fields_of(message.native, HERE)
    written: Json = {"role": message.role.value}
    if "content" not in left:
        written["content"] = render_blocks(message.blocks, losses)
    written.update(left)
    return written


def _knobs(conversation: Conversation) -> Json:
    """All but what is said and the tools."""
    knobs: Json = {"model": conversation.model} if conversation.model else {}
    knobs |= render_options(conversation.options)
    thinking, effort = render_reasoning(conversation.reasoning)
    config: Json = {"effort": effort} if effort is not None else {}
    if conversation.answer_format is not None:
        place, form = render_format(conversation.answer_format)
        if place == "output_config":
            config["format"] = form
        else:
            knobs[place] = form
    found = {
        "thinking": thinking,
        "output_config": config or None,
        "tool_choice": render_choice(conversation.tool_choice, conversation.parallel_calls),
        "stream": conversation.stream or None,
    }
    knobs |= {name: value for name, value in found.items() if value is not None}
    put_mark(knobs, conversation.cache)
    return knobs
