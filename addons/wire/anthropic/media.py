"""Pictures and documents, and which of them Messages takes.

A document of plain text is text in Messages and base64 in the canonical form.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from ringlet_mitm.addons.wire.anthropic.caching import KEY, mark_in, put_mark
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.canonical import Json, Media, MediaKind, Native, Text, fields_of
from ringlet_mitm.rules.shapes import WireFormat

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
SAME_IMAGES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
PDF = "application/pdf"
PLAIN = "text/plain"
TEXTS = ("application/json", "application/xml", "application/yaml", "application/javascript", "application/x-sh")


def parse_media(said: Json) -> Media | Text | None:
    """An image or document block; None where its source is of a kind that nobody knows."""
    kind, source = MediaKind(said["type"]), said.get("source")
    if not isinstance(source, dict):
        return None
    if source.get("type") == "content":
        return _of_content(said, source)
    found = _from_source(kind, source)
    if found is None:
        return None
    name = said.get("title") if kind is MediaKind.DOCUMENT else None
    title = name if isinstance(name, str) else ""
    cache = mark_in(said)
    read = {"type", "source", *(("title",) if title else ()), *((KEY,) if cache else ())}
    left = {key: value for key, value in said.items() if key not in read}
    if _source(found) != source:
        left["source"] = source
    return Media(
        found.kind,
        found.mime,
        found.data,
        found.url,
        found.file_id,
        title,
        cache=cache,
        native=Native(WireFormat.MESSAGES, left) if left else None,
    )


def _from_source(kind: MediaKind, source: Json) -> Media | None:
    mime, data, url, file_id = (source.get(name) for name in ("media_type", "data", "url", "file_id"))
    match source.get("type"):
        case "base64" if isinstance(data, str) and isinstance(mime, str):
            return Media(kind, mime, data=data)
        case "text" if isinstance(data, str):
            encoded = base64.b64encode(data.encode("utf-8", "surrogatepass")).decode()
            return Media(kind, mime if isinstance(mime, str) else PLAIN, data=encoded)
        case "url" if isinstance(url, str):
            return Media(kind, url=url)
        case "file" if isinstance(file_id, str):
            return Media(kind, file_id=file_id)
    return None


def _of_content(said: Json, source: Json) -> Text | None:
    """A document made of blocks of text is text to everybody else."""
    parts = source.get("content")
    parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
    return text_of(said, parts)


def text_of(said: Json, parts: object) -> Text | None:
    """A block of which only the texts in `parts` mean something elsewhere; it rides along whole."""
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return None
    texts = [part.get("text") for part in parts]
    if not all(isinstance(text, str) for text in texts):
        return None
    return Text("\n".join(map(str, texts)), native=Native(WireFormat.MESSAGES, said))


def render_media(media: Media) -> Json:
    """The block of a medium that fits."""
    written: Json = {"type": media.kind.value, "source": _source(media)}
    if media.name and media.kind is MediaKind.DOCUMENT:
        written["title"] = media.name
    put_mark(written, media.cache)
    written.update(fields_of(media.native, WireFormat.MESSAGES))
    return written


def _source(media: Media) -> Json:
    if media.file_id:
        return {"type": "file", "file_id": media.file_id}
    if media.url:
        return {"type": "url", "url": media.url}
    if media.kind is MediaKind.DOCUMENT and media.mime != PDF:
        return {"type": "text", "media_type": media.mime or PLAIN, "data": _decoded(media.data) or ""}
    return {"type": "base64", "media_type": media.mime, "data": media.data}


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(data).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return None


def fitting_media(media: Media, losses: Losses) -> Media | None:
    """A medium of another format as Messages takes it; None, and a loss, where it does not."""
    if media.detail and media.detail != "auto":
        losses.note("image detail", "Messages has no such setting")
    if media.file_id:
        losses.note(f"{media.kind.value} by file id", "the file is at another vendor")
        return None
    fit = FITS.get(media.kind)
    found = fit(media) if fit is not None else None
    if found is None:
        what = f"{media.kind.value} {media.mime}".strip()
        losses.note(what, "Messages takes JPEG, PNG, GIF, WebP, PDF and plain text")
    return found


def _image(media: Media) -> Media | None:
    if media.url:
        return Media(media.kind, url=media.url, cache=media.cache) if _on_the_web(media.url) else None
    mime = media.mime.partition(";")[0].strip().lower()
    mime = SAME_IMAGES.get(mime, mime)
    if mime not in IMAGES or not media.data:
        return None
    return Media(media.kind, mime, data=media.data, cache=media.cache)


def _document(media: Media) -> Media | None:
    if media.url:
        kept = _on_the_web(media.url) and media.mime in ("", PDF)
        return Media(media.kind, url=media.url, name=media.name, cache=media.cache) if kept else None
    mime = media.mime.partition(";")[0].strip().lower()
    if mime == PDF and media.data:
        return Media(media.kind, PDF, data=media.data, name=media.name, cache=media.cache)
    textual = mime.startswith("text/") or mime in TEXTS
    if not textual or not (_decoded(media.data) or "").strip():
        return None
    return Media(media.kind, PLAIN, data=media.data, name=media.name, cache=media.cache)


def _on_the_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


FITS: dict[MediaKind, Callable[[Media], Media | None]] = {MediaKind.IMAGE: _image, MediaKind.DOCUMENT: _document}
