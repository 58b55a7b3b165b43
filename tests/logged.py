"""Logs of agents for tests: files of JSON lines, calls as they are read of them, and the real ones in fixtures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ledgers import NOON

from ringlet_mitm.addons.usage.imports.bills import Bills
from ringlet_mitm.addons.usage.imports.calls import Log, LoggedCall, Section
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.providers import ProviderRegistry

FIXTURES = Path(__file__).parents[1] / "fixtures" / "logs"
SECOND_US = 1_000_000


def call(**given: Any) -> LoggedCall:
    """A call of Claude Code; `given` says what matters."""
    said: dict[str, Any] = {
        "agent": "claude",
        "key": "msg_1 req_1",
        "session": "one",
        "started_us": NOON,
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "usage": Usage(input_tokens=1000, output_tokens=100),
    } | given
    return LoggedCall(**{"ended_us": said["started_us"], **said})


def iso(us: int) -> str:
    """A time as logs write it."""
    return datetime.fromtimestamp(us / SECOND_US, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def written(file: Path, records: Iterable[Any]) -> Path:
    """A file of JSON lines; text and bytes are taken as they are."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as target:
        for record in records:
            raw = record.encode() if isinstance(record, str) else record
            target.write(raw if isinstance(raw, bytes) else json.dumps(record).encode() + b"\n")
    return file


def read(log: Log, place: Path) -> Section:
    """All that is at a place, as one section."""
    whole = Section()
    for file in log.files(place):
        for section in log.sections(file):
            for found in section.calls.values():
                whole.add(found)
            whole.skipped += section.skipped
            whole.copies += section.copies
    return whole


def calls(log: Log, place: Path) -> list[LoggedCall]:
    """The calls at a place."""
    return list(read(log, place).calls.values())


def later(one: LoggedCall, seconds: float, **given: Any) -> LoggedCall:
    """The same some time later."""
    us = round(seconds * SECOND_US)
    return replace(one, started_us=one.started_us + us, ended_us=one.ended_us + us, **given)


@cache
def bills() -> Bills:
    """With the prices that are built in."""
    return Bills(ProviderRegistry.default(), PriceBook())
