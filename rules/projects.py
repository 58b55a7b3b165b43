"""The project of a request: the last part of the folder that the agent works in, where its prompt says it.

Each agent has its own sentence for it, in `agents/*.toml`. It is looked for at the beginning of what comes before the
model's first words, nowhere else: what tools read and what the model wrote may say anything. Of the path only the last
part is kept, for the rest of it tells of the person and the machine.

What stands there does not change in a conversation, so it is looked for once and remembered: 0.7 us for the turns after
that, whatever their length (measured 2026-11 on half a megabyte).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from msgspec import Raw

from ringlet_mitm.rules.agents import folder_sentences
from ringlet_mitm.rules.remembering import Remembered
from ringlet_mitm.rules.turns import MODEL_ROLES, MODEL_TYPES, item_of

FOLDER = "{folder}"
# Bytes of each piece: Claude Code's and Gemini CLI's prompts have 30 KB with the person's own instructions.
LOOKED_AT = 65_536
# Codex says it in its fifth message.
FRONT = 8
LONGEST = 100
# A JSON string's inside up to the end of the line; escapes stay whole, for `C:\\new` has no line end in it.
PATH = rb'((?:[^"\\]|\\[^nr]){1,1000}?)'

# Whatever else follows the words, in a person's own instructions say, is no folder.
ABSOLUTE = re.compile(r"/|~|\\\\|[A-Za-z]:[\\/]")

_projects: Remembered[str] = Remembered(4096)


class Sentence(NamedTuple):
    """How an agent says its folder, in JSON: what is searched for, and what it has to look like there."""

    before: bytes
    whole: re.Pattern[bytes]
    is_markup: bool


def project_of(agent: str, system: Raw | None, messages: Sequence[Raw], digests: Sequence[bytes]) -> str:
    """The project, "" where nothing says it. `digests` are those of the system prompt, if any, and of the messages."""
    sentences = _sentences(agent)
    if not sentences:
        return ""
    key = b"".join((agent.encode(), *digests[: FRONT + 1]))
    project = _projects.get(key)
    if project is None:
        project = _said(sentences, system, messages[:FRONT])
        _projects.put(key, project)
    return project


def last_part(path: str) -> str:
    """Of a folder's path on whatever system; "" for a root, which is nobody's project."""
    parts = (path if path.startswith("/") else path.replace("\\", "/")).rstrip("/").split("/")
    return "" if parts[-1].endswith(":") else parts[-1][:LONGEST]


@cache
def _sentences(agent: str) -> tuple[Sentence, ...]:
    return tuple(map(_sentence, folder_sentences(agent)))


def _sentence(words: str) -> Sentence:
    before, after = (json.dumps(part, ensure_ascii=False)[1:-1].encode() for part in words.split(FOLDER))
    pattern = re.compile(re.escape(before) + PATH + rb"(?:" + re.escape(after) + rb'|(?=")|(?=\\[nr]))')
    return Sentence(before, pattern, before.startswith(b"<"))


def _said(sentences: tuple[Sentence, ...], system: Raw | None, messages: Sequence[Raw]) -> str:
    for place, piece in enumerate((system, *messages)):
        if piece is None:
            continue
        # The first message is never the model's, and may be half a megabyte.
        if place > 1 and _is_models(piece):
            break
        beginning = bytes(memoryview(piece)[:LOOKED_AT])
        for sentence in sentences:
            project = _found(sentence, beginning)
            if project:
                return project
    return ""


def _is_models(message: Raw) -> bool:
    item = item_of(message)
    return item.role in MODEL_ROLES or item.type in MODEL_TYPES or (item.type or "").endswith("_call")


def _found(sentence: Sentence, content: bytes) -> str:
    place = content.find(sentence.before)
    if place < 0:
        return ""
    found = sentence.whole.match(content, place)
    if found is None:
        return ""
    try:
        path = json.loads(b'"' + found[1] + b'"')
    except ValueError:
        return ""
    path = (html.unescape(path) if sentence.is_markup else path).strip()
    return last_part(path) if ABSOLUTE.match(path) else ""
