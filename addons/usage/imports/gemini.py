"""Gemini CLI's logs: `tmp/PROJECT/chats/session-*.jsonl`, subagents' in a folder of the session beside them.

Since 2026-04 a file is a line with the session and its folder, then messages, each written again when it changes, and
`$set` lines that may hold them all once more; before that it was one JSON object. A session that is resumed is copied
from the old file into a new one. Tokens are said once for each answer: `input` has the cached ones in it and lacks
those of a tool's results, `output` lacks thoughts. Calls beside the conversation (which model to take, summaries) are
not logged. Read from Gemini CLI 0.61.0, 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, field

from ringlet_mitm.addons.usage.imports.calls import NO_TIME, LoggedCall, Section, microseconds
from ringlet_mitm.addons.usage.imports.lines import LONGEST, TOO_LONG, Line, decoded, lines, oldest_first
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.usage_fields import MOST
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.projects import last_part
from ringlet_mitm.rules.shapes import WireFormat

AGENT = "gemini"
PROJECT_FILE = ".project_root"


class _Tokens(Struct):
    input: int | None = None
    output: int | None = None
    cached: int | None = None
    thoughts: int | None = None
    tool: int | None = None

    def usage(self) -> Usage:
        """As disjoint kinds."""
        given, cached = _n(self.input), min(_n(self.cached), _n(self.input))
        return Usage(
            input_tokens=given - cached + _n(self.tool),
            cache_read_tokens=cached,
            output_tokens=_n(self.output),
            reasoning_tokens=_n(self.thoughts),
        )


class _Message(Struct):
    id: str | None = None
    timestamp: str | None = None
    type: str | None = None
    model: str | None = None
    tokens: _Tokens | None = None


class _Changes(Struct, rename="camel"):
    session_id: str | None = None
    directories: list[str] | None = None
    messages: list[_Message] | None = None


class _Record(_Message, rename="camel"):
    """A line of any kind, and a whole file of before."""

    session_id: str | None = None
    directories: list[str] | None = None
    messages: list[_Message] | None = None
    changes: _Changes | None = field(default=None, name="$set")


_decoder = LenientDecoder(_Record)


def places(environ: Mapping[str, str], home: Path) -> list[Path]:
    """Gemini CLI's folder of what belongs to projects; its variable stands for the person's home."""
    named = environ.get("GEMINI_CLI_HOME", "")
    return [(Path(named).expanduser() if named else home) / ".gemini" / "tmp"]


class GeminiLog:
    """Reads them."""

    def files(self, place: Path) -> list[Path]:
        """Chats by the time of their last line."""
        if place.is_file():
            return [place]
        return oldest_first(path for path in place.rglob("*.json*") if _is_chat(path))

    def sections(self, file: Path) -> Iterator[Section]:
        """A file is a session."""
        section = Section()
        chat = _Chat(section, _project(file))
        if file.suffix == ".json":
            _read_whole(file, section, chat)
        else:
            for line in lines(file, section):
                chat.read(line)
        yield section


class _Chat:
    def __init__(self, section: Section, project: str) -> None:
        self._section = section
        self._project = project
        self._session = ""

    def read(self, line: Line) -> None:
        record = decoded(_decoder, line, self._section)
        if record is None:
            return
        self._head(record)
        if record.changes is not None:
            self._head(record.changes)
        self._take(record)

    def _head(self, said: _Record | _Changes) -> None:
        """The session, and messages where they are all said at once."""
        self._session = said.session_id or self._session
        self._project = self._project or last_part((said.directories or [""])[0])
        for message in said.messages or ():
            self._take(message)

    def _take(self, message: _Message) -> None:
        if message.type != "gemini" or message.tokens is None:
            return
        at_us = microseconds(message.timestamp)
        if not at_us:
            self._section.skipped[NO_TIME] += 1
            return
        self._section.add(
            LoggedCall(
                agent=AGENT,
                key=f"{self._session} {message.id or message.timestamp}",
                session=self._session,
                started_us=at_us,
                ended_us=at_us,
                provider="gemini",
                model=message.model or "",
                usage=message.tokens.usage(),
                project=self._project,
                wire_format=WireFormat.GEMINI,
            )
        )


def _read_whole(file: Path, section: Section, chat: _Chat) -> None:
    if file.stat().st_size > LONGEST:
        section.skipped[TOO_LONG] += 1
        return
    text = file.read_bytes()
    chat.read(Line(text, whole=text.rstrip().endswith(b"}")))


def _is_chat(path: Path) -> bool:
    """Beside chats are logs of what was typed, and whatever tools have put there."""
    return path.suffix in (".json", ".jsonl") and "chats" in path.parts[-3:-1]


def _project(file: Path) -> str:
    """What the project's folder was, as a file beside the chats says."""
    for folder in file.parents[1:3]:
        try:
            return last_part((folder / PROJECT_FILE).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def _n(count: int | None) -> int:
    return min(max(0, count or 0), MOST)
