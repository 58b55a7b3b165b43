"""The pass between two formats: a conversation made such that another vendor takes it, before its renderer sees it.

What a renderer may rely on afterwards:

- names of tools and ids of calls are such as the format accepts, each once, and alike in tools, calls, results, choice;
- the format has every kind of tool that is left: no namespaces and no free text where it knows none, no tools that
  only another vendor runs (what several vendors have is the renderer's to map);
- every call has one result, in the message behind it, and every result a call (`pairing.py`);
- no blocks that only another format knows; no pictures and no calls for models that take none.

Nothing goes without a word: what is dropped or only nearly the same is a Loss. A node that stays as it was keeps its
`native`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    ChoiceMode,
    Conversation,
    Foreign,
    Media,
    MediaKind,
    Message,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.pairing import paired
from ringlet_mitm.addons.wire.prompted_tools import prompted
from ringlet_mitm.addons.wire.toolset import Key, Losses, Origin, Toolset, tools_of
from ringlet_mitm.rules.shapes import Loss, WireFormat

SEEN = {MediaKind.IMAGE: "image", MediaKind.VIDEO: "video"}
# Formats that refuse calls in the history where no tools are offered.
DECLARING = (WireFormat.CONVERSE,)
EARLIER = "A tool of an earlier turn, which is not there any more. Do not call it."


@dataclass(frozen=True, slots=True)
class Fitted:
    """A conversation for another format, and what bringing its answer back needs: the agent's tools by the namespace
    and name that the provider knows, and whether calls come as text (`prompted`)."""

    conversation: Conversation
    losses: tuple[Loss, ...]
    origins: Mapping[Key, Origin]
    prompted: bool = False


def fit(
    conversation: Conversation, wire_format: WireFormat, *, native_tools: bool = True, vision: bool = True
) -> Fitted:
    """The conversation as `wire_format` can hold it, for a model that has tools and eyes, or has not.

    Raises Untranslatable where several answers are asked for.
    """
    count = conversation.options.candidates
    if count is not None and count > 1:
        raise Untranslatable(f"{count} answers are asked for, and only one can be translated; ask for one (n: 1)")
    losses: Losses = {}
    toolset = Toolset(conversation, wire_format, plain=not native_tools)
    cleaning = _Cleaning(wire_format, vision, losses)
    messages = paired(list(cleaning.messages(conversation.messages)), toolset, wire_format, losses)
    fitted = replace(
        conversation,
        messages=tuple(messages),
        system=cleaning.texts(conversation.system),
        tools=tools_of(conversation, toolset, losses),
    )
    fitted = _declared(_chosen(fitted, toolset, losses), wire_format)
    prompts = not native_tools and (bool(fitted.tools) or _has_calls(fitted))
    if prompts:
        fitted = prompted(fitted, losses)
    said = tuple(Loss(what, why) for what, why in losses.items())
    return Fitted(fitted, said, toolset.origins, prompts)


def _chosen(conversation: Conversation, toolset: Toolset, losses: Losses) -> Conversation:
    """With the choice that fits the tools; both choice and parallel calls are refused where there are none."""
    choice = conversation.tool_choice
    if choice is not None:
        choice = toolset.choice(choice, losses)
    if conversation.tools:
        return replace(conversation, tool_choice=choice)
    if choice is not None and choice.mode in (ChoiceMode.REQUIRED, ChoiceMode.NAMED):
        losses.setdefault("tool choice", "there is no tool left to choose")
    return replace(conversation, tool_choice=None, parallel_calls=None)


def _declared(conversation: Conversation, wire_format: WireFormat) -> Conversation:
    """With stand-ins for the tools of earlier calls where the format wants some and the agent offers none."""
    if wire_format not in DECLARING or any(isinstance(tool, Tool) for tool in conversation.tools):
        return conversation
    names = dict.fromkeys(call.name for call in _calls(conversation))
    standing_in = (Tool(name, EARLIER, {"type": "object", "properties": {}}) for name in names)
    return replace(conversation, tools=(*conversation.tools, *standing_in))


def _calls(conversation: Conversation) -> list[ToolCall]:
    return [block for message in conversation.messages for block in message.blocks if isinstance(block, ToolCall)]


def _has_calls(conversation: Conversation) -> bool:
    return bool(_calls(conversation)) or any(isinstance(tool, ServerTool) for tool in conversation.tools)


class _Cleaning:
    """Blocks without those that the format, or the model, cannot take."""

    def __init__(self, wire_format: WireFormat, vision: bool, losses: Losses) -> None:
        self._format = wire_format
        self._vision = vision
        self._losses = losses

    def messages(self, messages: Iterable[Message]) -> Iterable[Message]:
        """The messages; one that changes loses its `native`, and one of which nothing stays goes."""
        for message in messages:
            blocks = tuple(block for said in message.blocks for block in self._block(said))
            if blocks:
                yield message if blocks == message.blocks else Message(message.role, blocks)

    def texts(self, blocks: Iterable[Text | Foreign]) -> tuple[Text | Foreign, ...]:
        """The same for the system prompt."""
        return tuple(block for block in blocks if isinstance(block, Text) or self._known(block))

    def _block(self, block: Block) -> tuple[Block, ...]:
        match block:
            case Foreign():
                return (block,) if self._known(block) else ()
            case Media():
                return (self._seen(block),)
            case ToolResult():
                return (self._result(block),)
            case _:
                return (block,)

    def _result(self, result: ToolResult) -> ToolResult:
        known = (block for block in result.content if not isinstance(block, Foreign) or self._known(block))
        content = tuple(self._seen(block) if isinstance(block, Media) else block for block in known)
        return result if content == result.content else replace(result, content=content, native=None)

    def _known(self, block: Foreign) -> bool:
        if block.format is self._format:
            return True
        self._losses.setdefault(block.what, f"only {block.format.value} knows it")
        return False

    def _seen(self, media: Media) -> Media | Text:
        word = SEEN.get(media.kind)
        if self._vision or word is None:
            return media
        self._losses.setdefault(word, "the model cannot see; a note stands in its place")
        name = f" ({media.name})" if media.name else ""
        return Text(f"[Left out here: {word}{name}. You cannot see it.]", cache=media.cache)
