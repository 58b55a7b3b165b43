from __future__ import annotations

import pytest
from ollama_api import rendered

from ringlet_mitm.addons.wire.canonical import Json, Media, MediaKind, Message, Role

TEXT64 = "aMOp"  # hé


@pytest.mark.parametrize(
    ("media", "message", "losses"),
    [
        pytest.param(Media(MediaKind.IMAGE, url="https://x/y.png"), None, ["image URL"], id="image by URL"),
        pytest.param(Media(MediaKind.IMAGE, file_id="file-1"), None, ["image file"], id="image by file"),
        pytest.param(Media(MediaKind.IMAGE, data="A", detail="low"), {"images": ["A"]}, ["image detail"], id="detail"),
        pytest.param(Media(MediaKind.DOCUMENT, "application/pdf", data="A"), None, ["document"], id="PDF"),
        pytest.param(
            Media(MediaKind.DOCUMENT, "text/plain", data=TEXT64, name="a.txt"), {"content": "a.txt:\nhé"}, [], id="text"
        ),
        pytest.param(Media(MediaKind.DOCUMENT, "text/plain", data="?"), None, ["document"], id="text, no base64"),
        pytest.param(Media(MediaKind.AUDIO, "audio/wav", data="A"), None, ["audio"], id="audio"),
    ],
)
def test_media(media: Media, message: Json | None, losses: list[str]) -> None:
    body, lost = rendered(Message(Role.USER, (media,)))
    expected = [] if message is None else [{"role": "user", "content": "", **message}]
    assert (body["messages"], lost) == (expected, losses)
