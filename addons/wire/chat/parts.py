"""Parts of a message's content both ways: text, pictures, sound, files, films, refusals, Mistral's thinking.

Sources: OpenAI "Create chat completion", messages; OpenRouter "Multimodal capabilities" (`video_url`, PDFs as `file`);
Mistral "Chat", ContentChunk (`image_url` as a text, `thinking`); accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    CacheMark,
    Foreign,
    Json,
    Media,
    MediaKind,
    Refusal,
    Text,
    Thinking,
)
from ringlet_mitm.addons.wire.chat.leftovers import leftovers, restored
from ringlet_mitm.addons.wire.chat.thinking import PART
from ringlet_mitm.rules.shapes import WireFormat

CHAT = WireFormat.CHAT
Part = Text | Media | Refusal | Thinking | Foreign
PDF = "application/pdf"
MARK = "cache_control"
_KINDS = {"image/": MediaKind.IMAGE, "audio/": MediaKind.AUDIO, "video/": MediaKind.VIDEO}


def read_content(content: Any) -> list[Part]:
    """What a message says; "" and null say nothing."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    return [read_part(part) for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def read_part(said: Mapping[str, Any]) -> Part:
    """A part; one that is not understood is carried whole."""
    if len(said) == 2 and said.get("type") == "text" and type(said.get("text")) is str:
        return Text(said["text"])
    reader = READERS.get(str(said.get("type")))
    found = reader(said) if reader is not None else None
    if found is None:
        return Foreign(CHAT, said)
    if isinstance(found, Text | Media):
        found = replace(found, cache=read_mark(said))
    left = leftovers(said, _written(found))
    if not left.fields or isinstance(found, Foreign):
        return found
    return replace(found, native=left)


def write_part(block: Block) -> Json:
    """The part that says `block`."""
    if isinstance(block, Foreign):
        return dict(block.data)
    return restored(_written(block), block.native)


def read_mark(said: Mapping[str, Any]) -> CacheMark | None:
    """The cache breakpoint behind a part or tool."""
    mark = said.get(MARK)
    if not isinstance(mark, dict):
        return None
    ttl = mark.get("ttl")
    found = CacheMark(ttl if isinstance(ttl, str) else "")
    left = leftovers(mark, _mark(found))
    return replace(found, native=left) if left.fields else found


def write_mark(cache: CacheMark | None) -> Json:
    """The field of a cache breakpoint, nothing where there is none."""
    return {MARK: restored(_mark(cache), cache.native)} if cache is not None else {}


def parsed_data_url(url: str) -> tuple[str, str] | None:
    """Type and base64 of a data URL; None for any other."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url.partition(",")
    mime, _, encoding = head[5:].rpartition(";")
    return (mime, data) if comma and encoding == "base64" else None


def kind_of(mime: str) -> MediaKind:
    """What a type of media is."""
    return next((kind for begin, kind in _KINDS.items() if mime.startswith(begin)), MediaKind.DOCUMENT)


def source_of(media: Media) -> str:
    """Where a medium is: its address, or itself as one."""
    return media.url or f"data:{media.mime};base64,{media.data}"


def _mark(cache: CacheMark) -> Json:
    return {"type": "ephemeral", **({"ttl": cache.ttl} if cache.ttl else {})}


def _read_text(said: Mapping[str, Any]) -> Part | None:
    text = said.get("text")
    return Text(text) if isinstance(text, str) else None


def _read_refusal(said: Mapping[str, Any]) -> Part | None:
    text = said.get("refusal")
    return Refusal(text) if isinstance(text, str) else None


def _read_thinking(said: Mapping[str, Any]) -> Part | None:
    pieces = said.get("thinking")
    if isinstance(pieces, str):
        return Thinking(pieces, PART, CHAT)
    if not isinstance(pieces, list):
        return None
    texts = [piece.get("text") for piece in pieces if isinstance(piece, dict)]
    return Thinking("".join(text for text in texts if isinstance(text, str)), PART, CHAT)


def _addressed(field: str, kind: MediaKind) -> Callable[[Mapping[str, Any]], Part | None]:
    """Reads `{field: {"url": …}}`, or the address alone as Mistral has it."""

    def read(said: Mapping[str, Any]) -> Part | None:
        inner = said.get(field)
        source = inner if isinstance(inner, dict) else {"url": inner}
        url, detail = source.get("url"), source.get("detail")
        if not isinstance(url, str) or not url:
            return None
        detail = detail if isinstance(detail, str) else ""
        data = parsed_data_url(url)
        if data is None or not data[1]:
            return Media(kind, url=url, detail=detail)
        return Media(kind, mime=data[0], data=data[1], detail=detail)

    return read


def _read_audio(said: Mapping[str, Any]) -> Part | None:
    inner = said.get("input_audio")
    data = inner.get("data") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(data, str) or not data:
        return None
    return Media(MediaKind.AUDIO, mime=f"audio/{inner.get('format') or 'wav'}", data=data)


def _read_file(said: Mapping[str, Any]) -> Part | None:
    inner = said.get("file")
    if not isinstance(inner, dict):
        return None
    texts = {name: value for name, value in inner.items() if isinstance(value, str)}
    name, content = texts.get("filename", ""), texts.get("file_data", "")
    if not content:
        file_id = texts.get("file_id", "")
        return Media(MediaKind.DOCUMENT, file_id=file_id, name=name) if file_id else None
    if content.startswith(("https:", "http:")):
        return Media(MediaKind.DOCUMENT, url=content, name=name)
    mime, data = parsed_data_url(content) or (PDF, content)
    return Media(kind_of(mime), mime=mime, data=data, name=name) if data else None


READERS: dict[str, Callable[[Mapping[str, Any]], Part | None]] = {
    "text": _read_text,
    "refusal": _read_refusal,
    "thinking": _read_thinking,
    "image_url": _addressed("image_url", MediaKind.IMAGE),
    "video_url": _addressed("video_url", MediaKind.VIDEO),
    "input_audio": _read_audio,
    "file": _read_file,
}


def _written(block: Block) -> Json:
    match block:
        case Text():
            return {"type": "text", "text": block.text, **write_mark(block.cache)}
        case Media():
            return {**_written_media(block), **write_mark(block.cache)}
        case Refusal():
            return {"type": "refusal", "refusal": block.text}
        case Thinking():
            return {"type": "thinking", "thinking": [{"type": "text", "text": block.text}]}
        case _:
            return {}


def _written_media(media: Media) -> Json:
    if media.file_id:
        return {"type": "file", "file": {"file_id": media.file_id, **({"filename": media.name} if media.name else {})}}
    if media.kind is MediaKind.IMAGE:
        detail = {"detail": media.detail} if media.detail else {}
        return {"type": "image_url", "image_url": {"url": source_of(media), **detail}}
    if media.kind is MediaKind.VIDEO:
        return {"type": "video_url", "video_url": {"url": source_of(media)}}
    if media.kind is MediaKind.AUDIO and media.data:
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": audio_format(media.mime)}}
    return {"type": "file", "file": {"filename": media.name or "document.pdf", "file_data": source_of(media)}}


def audio_format(mime: str) -> str:
    """OpenAI's word for a type of sound."""
    word = mime.partition("/")[2].partition(";")[0].removeprefix("x-")
    return {"mpeg": "mp3", "wave": "wav"}.get(word, word or "wav")
