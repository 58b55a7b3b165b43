from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ringlet_mitm.addons.dashboard.queries import now_running
from ringlet_mitm.addons.usage.snapshot import Snapshot, Stream, Sums, file_of, write

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW_US = round(NOW.timestamp()) * 1_000_000


def snapshot(profile: str, pid: int, **given: Any) -> Snapshot:
    times = {"started_us": NOW_US - 60_000_000, "written_us": NOW_US, "day_us": NOW_US, "day_ends_us": NOW_US}
    return Snapshot(profile=profile, pid=pid, **{**times, **given})


def rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def test_what_runs(tmp_path: Path) -> None:
    streams = [
        Stream(id="2", started_us=NOW_US - 1_000_000, phase="waiting", model="b"),
        Stream(id="1", started_us=NOW_US - 2_500_000, phase="streaming", model="a", bytes=1234),
    ]
    today = Sums(requests=3, input=10, output=4, usd=Decimal("0.25"))
    own = snapshot("work", os.getpid(), streams=streams, streams_in_all=2, today=today, complete=True)
    write(file_of(tmp_path, "work", os.getpid()), own)
    write(file_of(tmp_path, "gone", 1), snapshot("gone", os.getpid(), running=False))
    found = json.loads(now_running(tmp_path, NOW))
    (proxy,) = rows(found["proxies"])
    assert (proxy["profile"], proxy["streams"], proxy["requests"], proxy["known"]) == ("work", 2, 3, 0.25)
    assert [(row["model"], row["age_ms"], row["bytes"]) for row in rows(found["streams"])] == [
        ("a", 2500.0, 1234),
        ("b", 1000.0, 0),
    ]


def test_what_is_not_all_is_not_shown_as_all(tmp_path: Path) -> None:
    write(file_of(tmp_path, "work", os.getpid()), snapshot("work", os.getpid(), today=Sums(requests=1, usd=Decimal(1))))
    (proxy,) = rows(json.loads(now_running(tmp_path, NOW))["proxies"])
    assert proxy["known"] is None


def test_nothing_runs(tmp_path: Path) -> None:
    for folder in (None, tmp_path, tmp_path / "nowhere"):
        found = json.loads(now_running(folder, NOW))
        assert found["proxies"]["rows"] == found["streams"]["rows"] == []
