"""OpenCode's logs: SQLite databases `opencode.db` or `opencode-CHANNEL.db`, and before 1.2 a JSON file a message.

    since 2.0  table session_message, type 'assistant'; a session's folder is in session_v2
    since 1.2  table message, role 'assistant'; parts of type 'step-finish' have the tokens of each of its calls
    before     storage/message/SESSION/MESSAGE.json, storage/part/MESSAGE/PART.json; moved into the database later on

A fork of a session copies its messages under new ids and with their old times. So an answer is known by its time, its
model and its tokens, and not by its id. `input` lacks what was read from and written to a cache, `output` lacks
reasoning; older versions had it inside, which the total tells.

Read from OpenCode 1.18.33, 2026-11-21; 2.0 as described in vibe-usage #114 and codeburn #1500 (accessed 2026-11-21).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct

from ringlet_mitm.addons.usage.imports.calls import BROKEN, NO_TIME, NO_TOKENS, LoggedCall, Section, microseconds
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.usage_fields import MOST
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.projects import last_part

AGENT = "opencode"
# OpenCode writes while we read, and waits for nobody.
BUSY_S = 5.0


class _Cache(Struct):
    read: float | None = None
    write: float | None = None


class _Tokens(Struct):
    total: float | None = None
    input: float | None = None
    output: float | None = None
    reasoning: float | None = None
    cache: _Cache | None = None

    def usage(self) -> Usage:
        """As disjoint kinds."""
        cache = self.cache or _Cache()
        given, read, written, output, reasoning = (
            _n(count) for count in (self.input, cache.read, cache.write, self.output, self.reasoning)
        )
        if reasoning and _n(self.total) == given + read + written + output:
            output = max(0, output - reasoning)
        return Usage(
            input_tokens=given,
            cache_read_tokens=read,
            cache_write_5m_tokens=written,
            output_tokens=output,
            reasoning_tokens=reasoning,
        )


class _Time(Struct):
    created: float | None = None
    completed: float | None = None


class _Place(Struct):
    cwd: str | None = None
    root: str | None = None


class _Model(Struct, rename={"provider_id": "providerID"}):
    provider_id: str | None = None
    id: str | None = None


class _Message(Struct, rename={"session_id": "sessionID", "provider_id": "providerID", "model_id": "modelID"}):
    id: str | None = None
    session_id: str | None = None
    role: str | None = None
    provider_id: str | None = None
    model_id: str | None = None
    model: _Model | None = None
    path: _Place | None = None
    time: _Time | None = None
    tokens: _Tokens | None = None
    cost: float | None = None


class _Part(Struct):
    type: str | None = None
    tokens: _Tokens | None = None
    cost: float | None = None


_messages, _parts = LenientDecoder(_Message), LenientDecoder(_Part)


@dataclass(frozen=True, slots=True)
class _Found:
    """A message's text and those of its steps; `project` where it is said elsewhere."""

    session: str
    text: bytes
    steps: tuple[bytes, ...] = ()
    project: str = ""


def places(environ: Mapping[str, str], home: Path) -> list[Path]:
    """OpenCode's folder of data, and its database where it is said to be elsewhere."""
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "opencode"
    named = environ.get("OPENCODE_DB", "")
    own = [] if named in ("", ":memory:") else [data / named]
    return [*own, Path(environ["OPENCODE_DATA_DIR"]) if environ.get("OPENCODE_DATA_DIR") else data]


class OpenCodeLog:
    """Reads them."""

    def files(self, place: Path) -> list[Path]:
        """Databases first: what was moved there is still in the files, too. A folder of messages stands for them."""
        if place.is_file():
            return [place]
        databases = sorted(path for path in place.glob("opencode*.db") if path.is_file())
        folders = [path for path in (place / "storage" / "message").glob("*") if path.is_dir()]
        return [*databases, *sorted(folders, key=_first_message)]

    def sections(self, file: Path) -> Iterator[Section]:
        """A session at a time; raises OSError for what is no database."""
        found = _in_files(file) if file.is_dir() else _in_database(file)
        for _, group in groupby(found, key=lambda one: one.session):
            section = Section()
            for one in group:
                _take(section, one)
            yield section


def _first_message(folder: Path) -> str:
    return min((path.name for path in folder.glob("*.json")), default="")


def _in_files(folder: Path) -> Iterator[_Found]:
    parts = folder.parent.parent / "part"
    for path in sorted(folder.glob("*.json")):
        steps = sorted((parts / path.stem).glob("*.json"))
        texts = (step.read_bytes() for step in steps)
        yield _Found(folder.name, path.read_bytes(), tuple(text for text in texts if b"step-finish" in text))


# What is read of the tables that there are. Sessions in the order of their first messages, since ids of messages go up
# with time (those of sessions go down): what was copied comes after what it was copied from.
QUERIES: Mapping[str, str] = {
    "message": """
        SELECT m.session_id, m.data, '', p.data
        FROM message m
        JOIN (SELECT session_id, min(id) AS first FROM message GROUP BY session_id) f ON f.session_id = m.session_id
        LEFT JOIN part p ON p.message_id = m.id AND p.data LIKE '%"step-finish"%'
        WHERE m.data LIKE '%"assistant"%' ORDER BY f.first, m.id, p.id
    """,
    "session_message": """
        SELECT m.session_id, m.data, coalesce(s.directory, ''), NULL
        FROM session_message m
        JOIN (SELECT session_id, min(id) AS first FROM session_message GROUP BY session_id) f
        ON f.session_id = m.session_id
        LEFT JOIN {sessions} s ON s.id = m.session_id
        WHERE m.type = 'assistant' ORDER BY f.first, m.id
    """,
}


def _in_database(file: Path) -> Iterator[_Found]:
    try:
        with closing(_connected(file)) as connection:
            tables = {
                _text(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            sessions = "session_v2" if "session_v2" in tables else "session"
            for query in (query for table, query in QUERIES.items() if table in tables):
                yield from _rows(connection.execute(query.format(sessions=sessions)))
    except sqlite3.Error as error:
        raise OSError(f"{file} cannot be read: {error}") from None


def _connected(file: Path) -> sqlite3.Connection:
    """Only to be read, beside whoever writes it; as it lies there, where its folder cannot be written."""
    address = file.absolute().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=BUSY_S)
    connection.text_factory = bytes
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        connection = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, timeout=BUSY_S)
        connection.text_factory = bytes
    return connection


def _rows(rows: Iterable[tuple[Any, ...]]) -> Iterator[_Found]:
    """A message's rows, one a step, as one."""
    for (session, text, folder), group in groupby(rows, key=lambda row: row[:3]):
        steps = tuple(step for *_, step in group if step is not None)
        yield _Found(_text(session), text, steps, last_part(_text(folder)))


def _take(section: Section, found: _Found) -> None:
    try:
        message = _messages.decode(found.text)
        steps = [_parts.decode(step) for step in found.steps]
    except (DecodeError, UnicodeDecodeError, RecursionError):
        section.skipped[BROKEN] += 1
        return
    if message.role not in (None, "assistant"):
        return
    said = [(step.tokens, step.cost) for step in steps if step.type == "step-finish" and step.tokens]
    for place, (tokens, cost) in enumerate(said or [(message.tokens, message.cost)]):
        if tokens is None:
            section.skipped[NO_TOKENS] += 1
        else:
            _add(section, found, message, tokens, cost, place)


def _add(section: Section, found: _Found, message: _Message, tokens: _Tokens, cost: float | None, place: int) -> None:
    time, model, where = message.time or _Time(), message.model or _Model(), message.path or _Place()
    started_us = microseconds(time.created)
    if not started_us:
        section.skipped[NO_TIME] += 1
        return
    usage = tokens.usage()
    name, provider = message.model_id or model.id or "", message.provider_id or model.provider_id or ""
    figures = (usage.total_input, usage.cache_read_tokens, usage.total_output)
    section.add(
        LoggedCall(
            agent=AGENT,
            key=f"{time.created:.0f} {provider}/{name} {figures} {place}",
            session=message.session_id or found.session,
            started_us=started_us,
            ended_us=max(started_us, microseconds(time.completed)),
            provider=provider,
            model=name,
            usage=usage,
            project=found.project or last_part(where.cwd or where.root or ""),
            cost=Decimal(str(cost)) if cost and cost > 0 else None,
        )
    )


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _n(count: float | None) -> int:
    return int(min(max(0, count or 0), MOST))
