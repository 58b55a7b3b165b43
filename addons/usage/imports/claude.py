"""Claude Code's logs: `projects/FOLDER/SESSION.jsonl`, and `SESSION/subagents/agent-*.jsonl` beside it.

A line is a message, or a piece of one: a message of three blocks is three lines with the same message id and request
id, each with the usage of the whole message as far as it was known. Some versions wrote a line before the stream's end,
with the output tokens of its beginning (a handful) and no stop reason, and never the final figure. A forked session
begins with a copy of what was before, with its ids and times. Gateways send no request id.

Seen in Claude Code 2.1.197, 2026-11-21; before that as described in ccusage's and Claude Code's issue lists (ccusage
#985, claude-code #22686 and #28197; accessed 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from ringlet_mitm.addons.usage.imports.calls import NO_TIME, LoggedCall, Section, microseconds
from ringlet_mitm.addons.usage.imports.lines import decoded, lines, oldest_first
from ringlet_mitm.addons.wire.answer_fields import Message
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.rules.projects import last_part
from ringlet_mitm.rules.shapes import WireFormat

AGENT = "claude"
OWN_ANSWERS = "the agent's own words"
# Messages that the agent makes itself, of errors as a rule.
SYNTHETIC = "<synthetic>"
BYTES_PER_TOKEN = 4
TIMESTAMP = re.compile(rb'"timestamp":\s*"([^"]{20,30})"')
LOOKED_AT = 65_536
# Which provider an answer is from shows in its id; other models than Claude come from a gateway, whichever.
ID_BEGINNINGS: Mapping[str, str] = {"msg_bdrk_": "bedrock", "msg_vrtx_": "vertex"}


class _Message(Message):
    id: str | None = None


class _Entry(Struct, rename="camel"):
    type: str | None = None
    timestamp: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    uuid: str | None = None
    cwd: str | None = None
    is_api_error_message: bool | None = None
    cost_usd: float | None = None
    message: _Message | None = None


_entries = LenientDecoder(_Entry)


def places(environ: Mapping[str, str], home: Path) -> list[Path]:
    """Where Claude Code keeps its logs; the variable may name several folders, the second default is of 2025."""
    named = [
        Path(part.strip()).expanduser() for part in environ.get("CLAUDE_CONFIG_DIR", "").split(",") if part.strip()
    ]
    return [folder / "projects" for folder in named or (home / ".claude", home / ".config" / "claude")]


class ClaudeLog:
    """Reads them."""

    def files(self, place: Path) -> list[Path]:
        """Those of sessions and of their subagents; what was copied comes after what it was copied from."""
        return [place] if place.is_file() else sorted(oldest_first(place.rglob("*.jsonl")), key=_began)

    def sections(self, file: Path) -> Iterator[Section]:
        """A file is a session."""
        section, blocks = Section(), _Blocks()
        for line in lines(file, section):
            if b'"usage"' not in line.text:
                continue
            entry = decoded(_entries, line, section)
            if entry is not None and entry.type == "assistant" and entry.message is not None:
                _take(section, blocks, entry, entry.message)
        for key, call in section.calls.items():
            section.calls[key] = blocks.completed(call)
        yield section


def _began(file: Path) -> str:
    """The first time in a file, as text: a copy is put below lines of its own. Files that say none come first."""
    try:
        with file.open("rb") as source:
            found = TIMESTAMP.search(source.read(LOOKED_AT))
    except OSError:
        return ""
    return found[1].decode() if found else ""


class _Blocks:
    """How much text the lines of each message have, for messages whose figures are those of a stream's beginning."""

    def __init__(self) -> None:
        self._sizes: dict[str, dict[str, int]] = {}

    def add(self, key: str, entry: _Entry, message: _Message) -> None:
        size = sum(block.size() for block in message.content or ())
        self._sizes.setdefault(key, {})[entry.uuid or ""] = size

    def completed(self, call: LoggedCall) -> LoggedCall:
        """With as many output tokens as the text has at least, where the log's figure is not the final one."""
        if call.sure:
            return call
        least = sum(self._sizes.get(call.key, {}).values()) // BYTES_PER_TOKEN
        unsaid = max(0, least - call.usage.total_output)
        return replace(call, usage=replace(call.usage, output_tokens=call.usage.output_tokens + unsaid))


def _take(section: Section, blocks: _Blocks, entry: _Entry, message: _Message) -> None:
    if message.usage is None:
        return
    if message.model == SYNTHETIC or entry.is_api_error_message:
        section.skipped[OWN_ANSWERS] += 1
        return
    at_us = microseconds(entry.timestamp)
    if not at_us:
        section.skipped[NO_TIME] += 1
        return
    key = _key(entry, message)
    blocks.add(key, entry, message)
    section.add(
        LoggedCall(
            agent=AGENT,
            key=key,
            session=entry.session_id or "",
            started_us=at_us,
            ended_us=at_us,
            provider=_provider(message),
            model=message.model or "",
            usage=message.usage.usage(),
            project=last_part(entry.cwd or ""),
            wire_format=WireFormat.MESSAGES,
            sure=bool(message.stop_reason),
        )
    )


def _key(entry: _Entry, message: _Message) -> str:
    """The message's id and the request's; without the first, the line's own."""
    if message.id:
        return f"{message.id} {entry.request_id or ''}"
    return entry.request_id or entry.uuid or f"{entry.session_id} {entry.timestamp}"


def _provider(message: _Message) -> str:
    for beginning, provider in ID_BEGINNINGS.items():
        if (message.id or "").startswith(beginning):
            return provider
    return "anthropic" if "claude" in (message.model or "") else ""
