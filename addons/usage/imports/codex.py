"""Codex's logs: `sessions/YYYY/MM/DD/rollout-TIME-THREAD.jsonl`, packed as `.zst` when old, and `archived_sessions/`.

What an answer took is said in two ways:

    token_usage_record (since 2026)  one a response, with its id; `usage` is the response's
    event_msg token_count            `info.last_token_usage` is the last response's, `info.total_token_usage` the sum of
                                     the thread; written again, with the same sum, whenever limits are shown anew

From a file's first record on only records are read. Before, a count is a response where the sum has grown, and what it
took is by how much. A sum that falls (the thread was resumed without its past) begins anew.

A thread that was forked or spawned begins with a copy of its parent's lines, with the time of the fork. Records say
whose they are. Counts do not: those that follow on the first line, or on each other, within a second are copies, for no
model answers that fast. Counts alone of a parent that was copied that way would be 2 to 90 times too many (ccusage
#950, #1288, #1370; t3code #5887; accessed 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Raw, Struct

from ringlet_mitm.addons.usage.imports.calls import NO_TIME, LoggedCall, Section, microseconds
from ringlet_mitm.addons.usage.imports.lines import PACKED, decoded, lines
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.usage_fields import MOST
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.projects import last_part
from ringlet_mitm.rules.shapes import WireFormat

AGENT = "codex"
COPIED = "copied from the thread that it was forked from"
FOLDERS = ("sessions", "archived_sessions")
SECOND_US = 1_000_000
MARKS = (b'"token_count"', b'"token_usage_record"', b'"turn_context"', b'"session_meta"')


class _Tokens(Struct):
    """Codex's figures: cached and written ones are inside the input, reasoning inside the output."""

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_output_tokens: int | None = None

    @property
    def figures(self) -> Figures:
        """Sums of a thread too, and so of any size."""
        return tuple(max(0, getattr(self, name) or 0) for name in self.__struct_fields__)


# The fields of _Tokens in their order.
Figures = tuple[int, ...]


class _Info(Struct):
    total_token_usage: _Tokens | None = None
    last_token_usage: _Tokens | None = None


class _Payload(Struct):
    type: str | None = None
    # session_meta
    id: str | None = None
    cwd: str | None = None
    model_provider: str | None = None
    forked_from_id: str | None = None
    source: Raw | None = None
    # turn_context
    model: str | None = None
    # token_count
    info: _Info | None = None
    # token_usage_record
    thread_id: str | None = None
    response_id: str | None = None
    usage: _Tokens | None = None


class _Line(Struct):
    timestamp: str | None = None
    type: str | None = None
    payload: _Payload | None = None


_decoder = LenientDecoder(_Line)


def places(environ: Mapping[str, str], home: Path) -> list[Path]:
    """Codex's folder."""
    named = environ.get("CODEX_HOME", "")
    return [Path(named).expanduser() if named else home / ".codex"]


class CodexLog:
    """Reads them."""

    def files(self, place: Path) -> list[Path]:
        """Rollouts by the time in their names; of one that is in both folders the one that is still in use."""
        if place.is_file():
            return [place]
        known = [place / name for name in FOLDERS if (place / name).is_dir()] or [place]
        found: dict[str, Path] = {}
        for folder in known:
            for path in (*folder.rglob("rollout-*.jsonl"), *folder.rglob(f"rollout-*.jsonl{PACKED}")):
                if path.is_file():
                    found.setdefault(path.name.removesuffix(PACKED), path)
        return [found[name] for name in sorted(found)]

    def sections(self, file: Path) -> Iterator[Section]:
        """A file is a thread."""
        rollout = _Rollout(Section())
        for line in lines(file, rollout.section):
            if not any(mark in line.text for mark in MARKS):
                continue
            found = decoded(_decoder, line, rollout.section)
            if found is not None and found.payload is not None:
                rollout.read(found, found.payload)
        rollout.finish()
        yield rollout.section


@dataclass(frozen=True, slots=True)
class _Count:
    """A count that may be a copy: it is known once the next one has come."""

    at_us: int
    usage: Usage
    model: str
    key: str


@dataclass(slots=True)
class _Rollout:
    """A thread as it is read, line by line."""

    section: Section
    thread: str = ""
    provider: str = ""
    project: str = ""
    model: str = ""
    forked: bool = False
    copying: bool = False
    has_records: bool = False
    total: Figures = ()
    latest_us: int = 0
    waiting: list[_Count] = field(default_factory=list)

    def read(self, line: _Line, payload: _Payload) -> None:
        """One line."""
        read = READERS.get(payload.type or "" if line.type == "event_msg" else line.type or "")
        if read is not None:
            read(self, payload, microseconds(line.timestamp))

    def finish(self) -> None:
        """There is no more: what waited alone was no copy."""
        for count in self.waiting:
            self._add(count.at_us, count.usage, count.model, count.key)
        self.waiting.clear()

    def meta(self, said: _Payload, at_us: int) -> None:
        """The first is of the thread itself, further ones are its parents'."""
        if self.thread or not said.id:
            return
        self.thread, self.provider, self.project = said.id, said.model_provider or "", last_part(said.cwd or "")
        self.forked = bool(said.forked_from_id) or b"parent_thread_id" in bytes(said.source or b"")
        self.copying, self.latest_us = self.forked, at_us

    def context(self, said: _Payload, at_us: int) -> None:
        """What the next turn is done with."""
        self.model = said.model or self.model
        self.project = last_part(said.cwd or "") or self.project

    def record(self, said: _Payload, at_us: int) -> None:
        """A response."""
        self.has_records = True
        if said.usage is None or not said.response_id:
            return
        if self.forked and said.thread_id not in (None, self.thread):
            self.section.skipped[COPIED] += 1
            return
        self._drop_same(said.usage.figures, at_us)
        self._add(at_us, _usage(said.usage.figures), self.model, said.response_id)

    def count(self, said: _Payload, at_us: int) -> None:
        """The sum of the thread, grown or not."""
        info = said.info
        if self.has_records or info is None:
            return
        taken = self._taken(info)
        if taken is None:
            return
        if not at_us:
            self.section.skipped[NO_TIME] += 1
        elif self.copying and at_us - self.latest_us < SECOND_US:
            self.section.skipped[COPIED] += 1 + len(self.waiting)
            self.waiting.clear()
        else:
            self.copying = self.copying and not self.waiting and not self.section.skipped[COPIED]
            self.finish()
            total = self.total if info.total_token_usage else at_us
            self.waiting.append(_Count(at_us, _usage(taken), self.model, f"{self.thread} {total}"))
        self.latest_us = at_us or self.latest_us

    def _taken(self, info: _Info) -> Figures | None:
        """What the last response took; None where the sum is as it was."""
        last = info.last_token_usage.figures if info.last_token_usage else None
        if info.total_token_usage is None:
            return last
        before, self.total = self.total, info.total_token_usage.figures
        if self.total == before:
            return None
        if not before or any(now < then for now, then in zip(self.total, before, strict=True)):
            return last or self.total
        return tuple(now - then for now, then in zip(self.total, before, strict=True))

    def _drop_same(self, figures: Figures, at_us: int) -> None:
        """A count that came right before the first record is of the same response."""
        usage = _usage(figures)
        self.waiting = [one for one in self.waiting if one.usage != usage or at_us - one.at_us > 5 * SECOND_US]
        self.finish()

    def _add(self, at_us: int, usage: Usage, model: str, key: str) -> None:
        if not at_us:
            self.section.skipped[NO_TIME] += 1
            return
        self.section.add(
            LoggedCall(
                agent=AGENT,
                key=key,
                session=self.thread,
                started_us=at_us,
                ended_us=at_us,
                provider=self.provider or "openai",
                model=model,
                usage=usage,
                project=self.project,
                wire_format=WireFormat.RESPONSES,
            )
        )


READERS: Mapping[str, Callable[[_Rollout, _Payload, int], None]] = {
    "session_meta": _Rollout.meta,
    "turn_context": _Rollout.context,
    "token_usage_record": _Rollout.record,
    "token_count": _Rollout.count,
}


def _usage(figures: Figures) -> Usage:
    given, cached, written, taken, reasoning = (min(count, MOST) for count in figures)
    cached = min(cached, given)
    written = min(written, given - cached)
    reasoning = min(reasoning, taken)
    return Usage(
        input_tokens=given - cached - written,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        output_tokens=taken - reasoning,
        reasoning_tokens=reasoning,
    )
