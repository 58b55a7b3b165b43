"""Requests of generateContent and streamGenerateContent; model and method are in the path.

Source: Gemini API "Generating content" and "Function calling", accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from ringlet_mitm.addons.wire.canonical import Conversation, Foreign, Json, Native, Role, Text, Tool
from ringlet_mitm.addons.wire.codec import Rendered, Untranslatable, within_depth
from ringlet_mitm.addons.wire.gemini.contents import Writer, contents_for, messages_of, own_contents
from ringlet_mitm.addons.wire.gemini.fields import (
    GEMINI,
    Whole,
    extended,
    field,
    inner,
    kept,
    leftover,
    over,
    own,
    several,
)
from ringlet_mitm.addons.wire.gemini.models import generation
from ringlet_mitm.addons.wire.gemini.options import (
    answer_format_of,
    config_for,
    options_of,
    own_config,
    reasoning_of,
)
from ringlet_mitm.addons.wire.gemini.tools import choice_of, tool_config, tools_of, written_tools
from ringlet_mitm.rules.shapes import Loss

DEEP = ("systemInstruction", "toolConfig", "generationConfig")
STREAM = "streamGenerateContent"


@within_depth("the request")
def parse_request(body: Json, path: str) -> Conversation:
    """A request as a conversation."""
    if not isinstance(body, dict):
        raise Untranslatable("a Gemini request is a JSON object with `contents`")
    contents = field(body, "contents")
    if not isinstance(contents, list) or not contents:
        raise Untranslatable("`contents` has to be a list with at least one content")
    model, method = model_in(path)
    config = inner(body, "generationConfig")
    found = Conversation(
        model,
        messages_of(contents, generation(model)),
        system=_system_of(inner(body, "systemInstruction")),
        tools=tools_of(several(body, "tools")),
        tool_choice=choice_of(inner(body, "toolConfig")),
        reasoning=reasoning_of(config),
        answer_format=answer_format_of(config),
        options=options_of(config),
        stream=method == STREAM,
    )
    rest = {name: value for name, value in body.items() if name != "contents"}
    fields = leftover(rest, _own_top(found), DEEP)
    if not all(isinstance(content, dict) for content in contents):
        fields = extended(fields, {"contents": contents})
    return replace(found, native=Native(GEMINI, fields))


@within_depth("the request")
def render_request(conversation: Conversation) -> Rendered:
    """A conversation as a request; its model and whether it streams go into the path."""
    from_gemini = conversation.native is not None and conversation.native.format is GEMINI
    return _own_request(conversation) if from_gemini else _request(conversation)


def model_in(path: str) -> tuple[str, str]:
    """The model and the method in a path; "" for what is not there."""
    last = unquote(urlsplit(path).path)
    before, _, method = last.rpartition(":")
    for mark in ("/models/", "/tunedModels/"):
        if mark in before:
            return before.rpartition(mark)[2], method
    return before.rpartition("/")[2], method


def _system_of(content: Json) -> tuple[Text | Foreign, ...]:
    found: list[Text | Foreign] = []
    for part in several(content, "parts"):
        said = field(part, "text") if isinstance(part, dict) else None
        if isinstance(said, str):
            found.append(Text(said, native=kept(part, {"text": said})))
        elif isinstance(part, dict):
            found.append(Foreign(GEMINI, part))
    return tuple(found)


def _own_top(conversation: Conversation) -> Json:
    """All but the contents of a request that came from Gemini."""
    top: Json = {}
    if conversation.system:
        top["systemInstruction"] = {
            "parts": Writer(generation(conversation.model), own=True).parts(conversation.system)
        }
    if conversation.tools:
        top["tools"] = written_tools(conversation.tools, generation(conversation.model), [], from_gemini=True)
    if conversation.tool_choice is not None:
        top["toolConfig"] = tool_config(conversation.tool_choice)
    config = own_config(conversation)
    if config:
        top["generationConfig"] = config
    return top


def _own_request(conversation: Conversation) -> Rendered:
    writer = Writer(generation(conversation.model), own=True)
    contents = own_contents(conversation.messages, writer)
    fields = own(conversation.native)
    if isinstance(fields, Whole):
        return Rendered({"contents": contents, **fields}, _each_once(writer.losses))
    return Rendered(over({"contents": contents, **_own_top(conversation)}, fields, DEEP), _each_once(writer.losses))


def _request(conversation: Conversation) -> Rendered:
    if (conversation.options.candidates or 1) > 1:
        raise Untranslatable("several answers to one request are asked for, of which one would come back; ask for one")
    writer = Writer(generation(conversation.model), own=False)
    losses = writer.losses
    first = next(
        (place for place, one in enumerate(conversation.messages) if one.role is not Role.SYSTEM),
        len(conversation.messages),
    )
    said = [block for message in conversation.messages[:first] for block in message.blocks]
    body: Json = {"contents": contents_for(conversation.messages[first:], writer)}
    system = writer.parts([*conversation.system, *said])
    if system:
        body["systemInstruction"] = {"parts": system}
    tools = written_tools(conversation.tools, writer.generation, losses, from_gemini=False)
    functions = any(isinstance(tool, Tool) for tool in conversation.tools)
    if tools:
        body["tools"] = tools
    if functions and conversation.tool_choice is not None:
        body["toolConfig"] = tool_config(conversation.tool_choice)
    if functions and conversation.parallel_calls is False:
        losses.append(Loss("parallel tool calls", "Gemini calls as many tools at once as it likes"))
    config = config_for(conversation, losses, functions=functions)
    if config:
        body["generationConfig"] = config
    return Rendered(body, _each_once(losses))


def _each_once(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    found: dict[str, Loss] = {}
    for loss in losses:
        found.setdefault(loss.what, loss)
    return tuple(found.values())
