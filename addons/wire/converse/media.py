"""Pictures, documents, films and sounds: bytes (base64 in JSON) with a format, documents with a name.

What lies in S3 stays Converse's own: no other vendor can read it there.
"""

from __future__ import annotations

import re
from typing import Any

from ringlet_mitm.addons.wire.canonical import Json, Media, MediaKind, fields_of
from ringlet_mitm.addons.wire.leftovers import laid_over, remembered
from ringlet_mitm.rules.shapes import Loss, WireFormat

CONVERSE = WireFormat.CONVERSE
OFFICE = "application/vnd.openxmlformats-officedocument"
FORMATS: dict[MediaKind, dict[str, str]] = {
    MediaKind.IMAGE: {name: f"image/{name}" for name in ("png", "jpeg", "gif", "webp")},
    MediaKind.DOCUMENT: {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": f"{OFFICE}.wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": f"{OFFICE}.spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
    MediaKind.VIDEO: {
        "mkv": "video/x-matroska",
        "mov": "video/quicktime",
        "mp4": "video/mp4",
        "webm": "video/webm",
        "flv": "video/x-flv",
        "mpeg": "video/mpeg",
        "mpg": "video/mpg",
        "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
    MediaKind.AUDIO: {
        "mp3": "audio/mpeg",
        "wav": "audio/wav",
        "ogg": "audio/ogg",
        "flac": "audio/flac",
        "aac": "audio/aac",
        "opus": "audio/opus",
        "m4a": "audio/mp4",
        "webm": "audio/webm",
        "pcm": "audio/pcm",
    },
}
ALSO = {"image/jpg": "jpeg", "audio/mp3": "mp3", "audio/x-wav": "wav", "audio/x-m4a": "m4a", "text/x-markdown": "md"}
NAMES = {mime: name for formats in FORMATS.values() for name, mime in formats.items()} | ALSO
S3 = "s3://"
MOST_DOCUMENTS = 5


def parse_media(kind: MediaKind, said: Any) -> Media | None:
    """A medium whose bytes are there; None where they lie elsewhere, or where it is something new."""
    source = said.get("source") if isinstance(said, dict) else None
    data = source.get("bytes") if isinstance(source, dict) and len(source) == 1 else None
    name = said.get("format") if isinstance(said, dict) else None
    mime = FORMATS[kind].get(name) if isinstance(name, str) else None
    if not isinstance(data, str) or mime is None:
        return None
    name = said.get("name") if kind is MediaKind.DOCUMENT else ""
    media = Media(kind, mime, data, name=name if isinstance(name, str) else "")
    return Media(kind, mime, data, name=media.name, native=remembered(CONVERSE, said, own_media(media)[kind.value]))


def own_media(media: Media) -> Json:
    """A medium as it was said here."""
    written: Json = {"format": NAMES.get(media.mime, ""), "source": {"bytes": media.data}}
    if media.name:
        written["name"] = media.name
    return {media.kind.value: laid_over(written, fields_of(media.native, CONVERSE))}


class Documents:
    """Names for documents: they are demanded, of few characters, and each only once in a request.

    A name follows from what came before it in the request, which grows at its end: a turn later it is the same.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether there are as many as a request may hold."""
        return len(self._taken) >= MOST_DOCUMENTS

    def named(self, name: str) -> str:
        """A name that is accepted, as near to `name` as it goes."""
        clean = re.sub(r"\s+", " ", re.sub(r"[^A-Za-z0-9\s()\[\]-]", "-", name)).strip()[:180] or "document"
        found, turn = clean, 1
        while found in self._taken:
            turn += 1
            found = f"{clean} ({turn})"
        self._taken.add(found)
        return found


def rendered_media(media: Media, documents: Documents, losses: list[Loss]) -> Json | None:
    """A medium of another format's; None, with a loss, where Converse cannot hold it."""
    what = media.kind.value
    if not media.data and not media.url.startswith(S3):
        losses.append(Loss(f"{what} {'URL' if media.url else 'file'}", "Converse takes bytes only, it fetches none"))
        return None
    name = NAMES.get(media.mime.partition(";")[0].lower(), "")
    if name not in FORMATS[media.kind]:
        losses.append(Loss(what, f"Converse takes no {media.mime or 'such type'}"))
        return None
    source: Json = {"bytes": media.data} if media.data else {"s3Location": {"uri": media.url}}
    if media.detail not in ("", "auto"):
        losses.append(Loss("image detail", "Converse has one"))
    written: Json = {"format": name, "source": source}
    if media.kind is MediaKind.DOCUMENT:
        if documents.full:
            losses.append(Loss("document", f"a request may hold {MOST_DOCUMENTS}"))
            return None
        written["name"] = documents.named(media.name)
    return {what: written}
