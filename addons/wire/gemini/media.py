"""Pictures, documents, sounds and films: `inlineData` and `fileData` both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ringlet_mitm.addons.wire.canonical import Json, Media, MediaKind
from ringlet_mitm.addons.wire.gemini.fields import inner, kept, over, own, text
from ringlet_mitm.rules.shapes import Loss

KINDS = {"image": MediaKind.IMAGE, "audio": MediaKind.AUDIO, "video": MediaKind.VIDEO}
MIMES = {
    MediaKind.IMAGE: "image/png",
    MediaKind.DOCUMENT: "application/pdf",
    MediaKind.AUDIO: "audio/wav",
    MediaKind.VIDEO: "video/mp4",
}
ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
# Files that only Google can open; any other address is a URL that anybody can fetch.
GOOGLE_FILES = ("https://generativelanguage.googleapis.com/", "gs://", "files/")


def media_of(part: Mapping[str, Any]) -> Media | None:
    """The medium of a part with `inlineData` or `fileData`; None where there is none in it that can be read."""
    blob, file = inner(part, "inlineData"), inner(part, "fileData")
    data, uri = text(blob, "data"), text(file, "fileUri")
    if not data and not uri:
        return None
    found = blob if data else file
    mime = text(found, "mimeType")
    kind = KINDS.get(mime.partition("/")[0], MediaKind.DOCUMENT)
    name = text(found, "displayName")
    if data:
        return _with_rest(part, Media(kind, mime=mime, data=data, name=name))
    if uri.startswith(GOOGLE_FILES):
        return _with_rest(part, Media(kind, mime=mime, file_id=uri, name=name))
    return _with_rest(part, Media(kind if mime else _kind_of(uri), mime=mime, url=uri, name=name))


def _with_rest(part: Mapping[str, Any], media: Media) -> Media:
    written = _written(media)
    left = kept(part, written)
    return media if left is None else replace(media, native=left)


def _kind_of(uri: str) -> MediaKind:
    """What an address points to; one that does not say it is a film (YouTube)."""
    mime = ENDINGS.get(_path(uri).rpartition(".")[2].lower(), "video/mp4")
    return KINDS.get(mime.partition("/")[0], MediaKind.DOCUMENT)


def media_part(media: Media, losses: list[Loss]) -> Json | None:
    """The part for a medium; None, with a loss, where Gemini cannot have it."""
    if media.detail not in ("", "auto"):
        losses.append(Loss("image detail", "not asked for picture by picture"))
    if own(media.native):
        return over(_written(media), own(media.native))
    if media.file_id and not media.file_id.startswith(GOOGLE_FILES):
        losses.append(Loss("file", "it lies with another vendor"))
        return None
    inline = _inline(media)
    return _written(inline) if inline.data or inline.url or inline.file_id else None


def _inline(media: Media) -> Media:
    """The medium with its type known, and a data URL unpacked."""
    head, comma, data = media.url.partition(",") if media.url.startswith("data:") else ("", "", "")
    if comma and head.endswith(";base64"):
        mime = head.removeprefix("data:").partition(";")[0]
        return Media(media.kind, mime=mime or MIMES[media.kind], data=data, name=media.name)
    ending = _path(media.url).rpartition(".")[2].lower()
    mime = media.mime or ENDINGS.get(ending) or ("image/jpeg" if media.url else MIMES[media.kind])
    if media.url and not media.mime and ending not in ENDINGS and media.kind is not MediaKind.IMAGE:
        mime = MIMES[media.kind]
    return Media(media.kind, mime=mime, data=media.data, url=media.url, file_id=media.file_id, name=media.name)


def _path(url: str) -> str:
    """The path of an address; "" of one that is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _written(media: Media) -> Json:
    mime = {"mimeType": media.mime} if media.mime else {}
    if media.data:
        return {"inlineData": {**mime, "data": media.data}}
    return {"fileData": {**mime, "fileUri": media.url or media.file_id}}
