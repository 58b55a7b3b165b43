"""Pictures, files and sounds: `input_image`, `input_file` and `input_audio` both ways.

Sources: OpenAI "Images and vision", "File inputs", ResponseInputContent; accessed 2026-11-21.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes

from ringlet_mitm.addons.wire.canonical import CacheMark, Json, Media, MediaKind
from ringlet_mitm.addons.wire.leftovers import leftovers
from ringlet_mitm.addons.wire.responses.marks import FORMAT, Losses, own, said, string
from ringlet_mitm.rules.shapes import WireFormat

BREAKPOINT = "prompt_cache_breakpoint"
LONG = "12h"  # how long a breakpoint lasts; the other word is 30m, the default
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_ENDINGS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/html": "html",
    "application/json": "json",
}
_MIMES = {ending: mime for mime, ending in _ENDINGS.items()}
_SPOKEN = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav"}


def cache_mark(part: Mapping[str, Any]) -> CacheMark | None:
    """The cache breakpoint behind a content part."""
    found = part.get(BREAKPOINT)
    if not isinstance(found, dict):
        return None
    return CacheMark("1h" if found.get("ttl") == LONG else "", said(found))


def marked(part: Json, cache: CacheMark | None) -> Json:
    """`part` with the breakpoint that stood there. One of another vendor's is not written: older models answer it with
    400, and all cache a prompt's beginning without being asked."""
    if cache is not None and own(cache.native) is not None:
        part[BREAKPOINT] = dict(own(cache.native) or {})
    return part


def parse_image(part: Mapping[str, Any]) -> Media | None:
    """An `input_image`; None where it holds no picture that we understand."""
    url, file_id, detail = string(part, "image_url"), string(part, "file_id"), string(part, "detail")
    if not url and not file_id:
        return None
    mime, data = _opened(url)
    url = "" if data else url
    file_id = "" if data or url else file_id
    return _read(part, Media(MediaKind.IMAGE, mime, data, url, file_id, "", detail, cache_mark(part)))


def parse_file(part: Mapping[str, Any]) -> Media | None:
    """An `input_file`; None where it holds nothing."""
    raw, url, file_id = string(part, "file_data"), string(part, "file_url"), string(part, "file_id")
    if not raw and not url and not file_id:
        return None
    name, detail = string(part, "filename"), string(part, "detail")
    mime, data = _opened(raw)
    if raw and not data:  # base64 without the URL around it, as some SDKs send
        mime, data = _MIMES.get(name.rpartition(".")[2].lower(), "application/pdf"), raw
    url = "" if data else url
    file_id = "" if data or url else file_id
    return _read(part, Media(MediaKind.DOCUMENT, mime, data, url, file_id, name, detail, cache_mark(part)))


def parse_audio(part: Mapping[str, Any]) -> Media | None:
    """An `input_audio`; None where it holds no sound."""
    audio = part.get("input_audio")
    if not isinstance(audio, dict) or not string(audio, "data"):
        return None
    mime = f"audio/{string(audio, 'format') or 'wav'}"
    return _read(part, Media(MediaKind.AUDIO, mime, string(audio, "data"), cache=cache_mark(part)))


def _read(part: Mapping[str, Any], media: Media) -> Media:
    """`media` with what writing it would not say in the words of `part`."""
    return replace(media, native=said(leftovers(part, WRITERS[media.kind](media))))


def _opened(url: str) -> tuple[str, str]:
    """Type and base64 of a data URL; two empty texts of any other."""
    found = _DATA_URL.match(url)
    if not found:
        return "", ""
    mime, options, data = found[1].lower(), found[2].lower(), url[found.end() :]
    if not options.endswith(";base64"):
        data = base64.b64encode(unquote_to_bytes(data.encode("utf-8", "surrogatepass"))).decode()
    return mime or "text/plain", data


def _write_image(media: Media) -> Json:
    part: Json = {"type": "input_image"}
    if media.file_id:
        part["file_id"] = media.file_id
    else:
        part["image_url"] = media.url or _data_url(media)
    if media.detail:
        part["detail"] = media.detail
    return marked(part, media.cache)


def _write_file(media: Media) -> Json:
    part: Json = {"type": "input_file"}
    if media.file_id:
        part["file_id"] = media.file_id
    elif media.url:
        part["file_url"] = media.url
    else:
        part["file_data"] = _data_url(media)
    if media.name:
        part["filename"] = media.name
    if media.detail:
        part["detail"] = media.detail
    return marked(part, media.cache)


def _write_audio(media: Media) -> Json:
    spoken = _SPOKEN.get(media.mime, media.mime.removeprefix("audio/"))
    return marked({"type": "input_audio", "input_audio": {"data": media.data, "format": spoken}}, media.cache)


def _data_url(media: Media) -> str:
    return f"data:{media.mime or 'application/octet-stream'};base64,{media.data}"


WRITERS: dict[MediaKind, Callable[[Media], Json]] = {
    MediaKind.IMAGE: _write_image,
    MediaKind.DOCUMENT: _write_file,
    MediaKind.AUDIO: _write_audio,
    MediaKind.VIDEO: _write_file,
}


def render_media(media: Media, losses: Losses) -> Json | None:
    """The content part of a medium; None for one that Responses does not take."""
    fields = own(media.native)
    if fields is not None:
        return WRITERS[media.kind](media) | fields
    if media.kind in (MediaKind.AUDIO, MediaKind.VIDEO):
        losses.add(media.kind.value, "Responses takes pictures and documents only")
        return None
    if media.file_id and _of_another_vendor(media):
        losses.add("file id", "a file uploaded to another vendor cannot be read by this one")
        return None
    part = WRITERS[media.kind](media)
    if media.kind is MediaKind.IMAGE:
        part.setdefault("detail", "auto")
    elif media.data:
        part.setdefault("filename", f"document.{_ENDINGS.get(media.mime, 'bin')}")
    return part


def _of_another_vendor(media: Media) -> bool:
    """OpenAI's files have the same ids in Chat."""
    return media.native is not None and media.native.format not in (FORMAT, WireFormat.CHAT)
