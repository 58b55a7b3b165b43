"""What a proxy's snapshot says, as requests come to an end and days do."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import request

from ringlet_mitm.addons import snapshots
from ringlet_mitm.addons.snapshots import Snapshots
from ringlet_mitm.addons.usage.earlier import Earlier
from ringlet_mitm.addons.usage.snapshot import MOST_SESSIONS, MOST_STREAMS, Session, Snapshot, Stream, Sums, all_of
from ringlet_mitm.rules.errors import LedgerError

START = datetime(2026, 11, 20, 12).timestamp()
MIDNIGHT = datetime(2026, 11, 21).timestamp()


class Proxy:
    """A proxy's snapshots, its clock, and the ledger that it reads."""

    def __init__(self, folder: Path, *found: Earlier | LedgerError, streams: int = 0) -> None:
        self.now = START
        self.found = list(found)
        self.asked: list[tuple[int, int]] = []
        self.streams = [Stream(id=f"{n}", started_us=n, phase="streaming") for n in range(streams)]
        self.folder = folder
        self.kept = Snapshots("work", folder, self.read, lambda: self.streams, lambda: self.now)

    async def read(self, day_us: int, month_us: int) -> Earlier:
        self.asked.append((day_us, month_us))
        found = self.found.pop(0) if self.found else Earlier()
        if isinstance(found, LedgerError):
            raise found
        return found

    def record(self, **given: Any) -> None:
        us = round(self.now * 1e6)
        self.kept.record(request(**{"started_us": us, "ended_us": us + 5, "session": "s", **given}), ())

    @property
    def said(self) -> Snapshot:
        return self.kept.snapshot()

    @property
    def session(self) -> Session:
        return self.said.sessions[0]


@pytest.fixture
def proxy(tmp_path: Path) -> Proxy:
    return Proxy(tmp_path)


def test_sums_of_each_kind(proxy: Proxy) -> None:
    proxy.record(input_tokens=10, cache_read_tokens=5, output_tokens=3, cost_total=Decimal("0.5"))
    proxy.record(usage_source="estimated", output_tokens=1, cost_total=Decimal("0.25"))
    proxy.record(cost_total=None)
    proxy.record(cost_total=None, usage_source="none", status=429, error_class="rate-limited")
    sums = Sums(4, 1, 15, 4, Decimal("0.75"), 1, 1)
    assert (proxy.said.today, proxy.said.since_start, proxy.said.minute, proxy.session.sums) == (sums,) * 4


class TestSessions:
    """What answered last, and how long the conversation was."""

    def test_the_last_answer(self, proxy: Proxy) -> None:
        proxy.record(provider="groq", routed_model="llama", rule="tool-use → groq", input_tokens=7, output_tokens=2)
        said = proxy.session
        assert (said.provider, said.model, said.rule, said.context) == ("groq", "llama", "tool-use → groq", 9)

    def test_a_title_that_is_written_aside_is_not_the_conversation(self, proxy: Proxy) -> None:
        proxy.record(routed_model="large", tools=9, input_tokens=5000)
        proxy.record(routed_model="small", tools=0, input_tokens=50)
        assert (proxy.session.model, proxy.session.context, proxy.session.sums.requests) == ("large", 5000, 2)

    def test_nor_is_what_failed(self, proxy: Proxy) -> None:
        proxy.record(routed_model="large", input_tokens=5000)
        proxy.record(routed_model="other", status=500)
        assert (proxy.session.model, proxy.session.context, proxy.session.sums.failed) == ("large", 5000, 1)

    def test_nor_is_a_copy(self, proxy: Proxy) -> None:
        proxy.record(routed_model="large", input_tokens=5000)
        proxy.record(routed_model="other", origin="shadow", shadow_of="id-1")
        assert (proxy.session.model, proxy.session.sums.requests) == ("large", 2)

    def test_the_last_ones_are_kept(self, proxy: Proxy) -> None:
        for number in range(MOST_SESSIONS + 3):
            proxy.now += 1
            proxy.record(session=f"s{number}")
        assert [one.session for one in proxy.said.sessions] == [f"s{n}" for n in range(MOST_SESSIONS + 2, 2, -1)]

    def test_memory_is_bounded(self, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(snapshots, "REMEMBERED", 3)
        for number in range(9):
            proxy.record(session=f"s{number}")
        assert {one.session for one in proxy.said.sessions} == {"s6", "s7", "s8"}

    def test_no_session_no_entry(self, proxy: Proxy) -> None:
        proxy.record(session="")
        assert proxy.said.sessions == []


class TestTime:
    """Minutes and days go by."""

    def test_a_minute(self, proxy: Proxy) -> None:
        for _ in range(3):
            proxy.record(input_tokens=10)
            proxy.now += 25
        assert (proxy.said.minute.requests, proxy.said.minute.input) == (2, 20)
        proxy.now += 60
        assert (proxy.said.minute, proxy.said.today.requests) == (Sums(), 3)

    def test_a_clock_that_is_set_back(self, proxy: Proxy) -> None:
        proxy.record()
        proxy.now -= 3600
        assert proxy.said.minute == Sums()

    def test_a_new_day(self, tmp_path: Path) -> None:
        proxy = Proxy(tmp_path, Earlier(Sums(requests=5)), Earlier(Sums(requests=1)))
        asyncio.run(proxy.kept.follow())
        proxy.record()
        assert (proxy.said.today.requests, proxy.said.complete) == (6, True)
        proxy.now = MIDNIGHT
        assert (proxy.said.today.requests, proxy.said.complete) == (0, False)
        # It had arrived yesterday.
        proxy.record(started_us=round(MIDNIGHT * 1e6) - 1)
        asyncio.run(proxy.kept.follow())
        proxy.record()
        assert (proxy.said.today.requests, proxy.said.since_start.requests) == (2, 3)
        assert proxy.said.day_us == round(MIDNIGHT * 1e6)
        assert proxy.said.day_ends_us == round(datetime(2026, 11, 22).timestamp()) * 1_000_000

    @given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 1000)), max_size=30))
    def test_no_more_and_no_less_than_sixty_seconds(self, steps: list[tuple[int, int]]) -> None:
        proxy, seen = Proxy(Path()), []
        for pause, tokens in steps:
            proxy.now += pause
            seen.append((proxy.now, tokens))
            proxy.record(input_tokens=tokens)
            assert proxy.said.minute.input == sum(count for at, count in seen if proxy.now - at < 60)


class TestBefore:
    """What other processes of the profile came to."""

    def test_it_is_added(self, tmp_path: Path) -> None:
        before = Session(session="s", sums=Sums(requests=4, usd=Decimal(3)), model="old", last_us=1)
        other = Session(session="t", sums=Sums(requests=2), model="other", last_us=2)
        proxy = Proxy(tmp_path, Earlier(Sums(requests=6, usd=Decimal(3)), [before, other]))
        proxy.record(cost_total=Decimal(1), routed_model="new")
        assert not proxy.said.complete
        asyncio.run(proxy.kept.follow())
        assert (proxy.said.today.requests, proxy.said.today.usd) == (7, Decimal(4))
        assert proxy.said.since_start.requests == 1
        assert [(one.session, one.model, one.sums.requests) for one in proxy.said.sessions] == [
            ("s", "new", 5),
            ("t", "other", 2),
        ]

    def test_a_ledger_that_cannot_be_read(self, tmp_path: Path) -> None:
        proxy = Proxy(tmp_path, LedgerError("in use"))
        with pytest.raises(LedgerError):
            asyncio.run(proxy.kept.follow())
        proxy.record()
        assert (proxy.said.complete, proxy.said.today.requests) == (False, 1)


class TestWriting:
    """Once, and again when there is something to tell."""

    def test_only_what_is_new(self, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        wrote: list[Snapshot] = []
        monkeypatch.setattr(snapshots, "write", lambda path, snapshot: wrote.append(snapshot))

        async def goes_on() -> None:
            for _ in range(3):
                await proxy.kept.turn()
                proxy.now += 1
            proxy.record()
            for _ in range(3):
                await proxy.kept.turn()

        asyncio.run(goes_on())
        assert [one.today.requests for one in wrote] == [0, 1]

    def test_a_running_proxy_and_its_end(self, proxy: Proxy) -> None:
        async def runs() -> None:
            keeping = asyncio.create_task(proxy.kept.keep("127.0.0.1:8484"))
            while not all_of(proxy.folder) or not all_of(proxy.folder)[0].complete:
                await asyncio.sleep(0.01)
                await proxy.kept.turn()
            keeping.cancel()

        asyncio.run(runs())
        (said,) = all_of(proxy.folder)
        assert (said.running, said.address) == (True, "127.0.0.1:8484")
        proxy.kept.close()
        assert [one.running for one in all_of(proxy.folder)] == [False]

    def test_a_disk_that_takes_nothing_is_said_once(self, proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
        proxy.folder.joinpath("work").write_text("")
        kept = Snapshots("x", proxy.folder / "work" / "no-folder", proxy.read, list, lambda: proxy.now)
        for _ in range(3):
            kept.close()
        assert caplog.text.count("the status line is not up to date") == 1

    def test_streams(self, tmp_path: Path) -> None:
        proxy = Proxy(tmp_path, streams=MOST_STREAMS + 5)
        assert (len(proxy.said.streams), proxy.said.streams_in_all) == (MOST_STREAMS, MOST_STREAMS + 5)
