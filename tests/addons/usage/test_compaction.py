"""The ledger written anew: smaller, the same to read, and nobody loses a row meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from children import HOLD, child
from ledgers import request

from ringlet_mitm.addons.usage import compaction
from ringlet_mitm.addons.usage.compaction import Size, compact, size
from ringlet_mitm.addons.usage.ledger import LedgerBusy, insert, reading, transaction, writing
from ringlet_mitm.addons.usage.rows import RequestRow, encode_line
from ringlet_mitm.rules.errors import LedgerError

COMPACT = """
import signal
from ringlet_mitm.addons.usage.compaction import compact
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))
compact(database)
"""
# As a proxy's writer does it, time and again, until it is told to stop.
WRITE = """
import select
say("ready")
sys.stdin.readline()
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        with writing(database) as connection, transaction(connection):
            insert(connection, [(request(id=f"{sys.argv[2]}-{number}-{place}"), ()) for place in range(5)])
        number += 1
    except LedgerBusy:
        time.sleep(0.005)
say(number * 5)
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "usage.duckdb"


def store(database: Path, rows: Iterable[RequestRow]) -> None:
    with writing(database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in rows])


def ids(database: Path) -> list[str]:
    with reading(database, database.parent / "spool", wait_s=5, views=()) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM requests ORDER BY id").fetchall()]


def with_holes(database: Path, numbers: int = 300_000) -> None:
    """Ten rows, and much room of what was deleted."""
    store(database, (request(id=f"{number:08}") for number in range(10)))
    with writing(database) as connection:
        connection.execute(f"CREATE TABLE filler AS SELECT md5(range::VARCHAR) FROM range({numbers})")
        connection.execute("CHECKPOINT")
        connection.execute("DROP TABLE filler")


def everything(database: Path) -> list[Any]:
    with reading(database, database.parent / "spool", wait_s=5, views=["spend"]) as connection:
        return [
            connection.execute("FROM requests ORDER BY id").fetchall(),
            connection.execute("SELECT rule, sum(requests), sum(known_cost) FROM spend GROUP BY ALL").fetchall(),
        ]


def test_smaller_and_the_same(database: Path) -> None:
    with_holes(database)
    there = everything(database)
    before, after = compact(database)
    assert after < before
    assert everything(database) == there
    assert database.stat().st_size == after
    assert [path.name for path in database.parent.iterdir()] == ["usage.duckdb"]
    assert database.stat().st_mode & 0o777 == 0o600


def test_it_goes_on_as_before(database: Path) -> None:
    """Keys, defaults, views and the version are there, and the format is the one that any DuckDB 1 reads."""
    with_holes(database)
    compact(database)
    store(database, [request(id="00000001"), request(id="new")])
    assert len(ids(database)) == 11
    head = database.read_bytes()[:16]
    assert (head[8:12], int.from_bytes(head[12:16], "little")) == (b"DUCK", 64)
    compact(database)
    assert len(ids(database)) == 11


def test_a_persons_own_table_is_kept(database: Path) -> None:
    store(database, [request()])
    with writing(database) as connection:
        connection.execute("CREATE TABLE budget AS SELECT 42 AS usd")
    compact(database)
    with writing(database) as connection:
        assert connection.execute("FROM budget").fetchall() == [(42,)]


class TestAtTheSameTime:
    """Writers lose nothing, and are told to wait."""

    def test_proxies_write(self, database: Path, tmp_path: Path) -> None:
        with_holes(database, 10_000)
        with child(WRITE, tmp_path, "a") as one, child(WRITE, tmp_path, "b") as other:
            assert (one.line(), other.line()) == ("ready", "ready")
            one.go()
            other.go()
            done = 0
            while done < 1:
                try:
                    compact(database)
                    done += 1
                except LedgerBusy:
                    continue
            one.go()
            other.go()
            written = int(one.line()), int(other.line())
        found = ids(database)
        assert [sum(one.startswith(name) for one in found) for name in ("a-", "b-")] == list(written)
        assert len(found) == 10 + sum(written)

    def test_somebody_holds_it(self, database: Path, tmp_path: Path) -> None:
        store(database, [request()])
        with child(HOLD, tmp_path) as holder:
            assert holder.line() == "locked"
            with pytest.raises(LedgerBusy, match="in use by"):
                compact(database)
            holder.go()

    def test_another_compacts_it(self, database: Path) -> None:
        store(database, [request()])
        with compaction._alone(database), pytest.raises(LedgerBusy, match="being compacted"):
            compact(database)


class TestKilled:
    """With signal 9."""

    def test_at_any_time(self, database: Path, tmp_path: Path) -> None:
        with_holes(database)
        there = everything(database)
        for after_s in (0.08, 0.16):
            with child(COMPACT, tmp_path, str(after_s)) as running:
                running.rest()
            assert everything(database) == there
            store(database, [])
        compact(database)
        assert everything(database) == there
        assert [path.name for path in database.parent.iterdir()] == ["usage.duckdb"]


class TestErrors:
    """One line, and all is as it was."""

    def test_there_is_none(self, database: Path) -> None:
        with pytest.raises(LedgerError, match="there is no ledger"):
            compact(database)
        assert not database.exists()

    def test_a_disk_without_room(self, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(path: Path) -> None:
            raise OSError(28, "No space left on device")

        with_holes(database)
        there = everything(database)
        monkeypatch.setattr(compaction, "_synced", full)
        with pytest.raises(LedgerError, match="No space left on device"):
            compact(database)
        assert everything(database) == there
        assert [path.name for path in database.parent.iterdir()] == ["usage.duckdb"]


class TestSize:
    """Of everything that belongs to it."""

    def test_nothing_yet(self, database: Path, tmp_path: Path) -> None:
        assert size(database, tmp_path / "spool") == Size()

    def test_database_and_spool(self, database: Path, tmp_path: Path) -> None:
        with_holes(database)
        (tmp_path / "spool").mkdir()
        line = encode_line(request(id="spooled", started_us=7), ())
        (tmp_path / "spool" / "work.1.1.jsonl").write_bytes(line)
        found = size(database, tmp_path / "spool")
        assert found.file_bytes == database.stat().st_size
        assert (found.spool_bytes, found.spool_files, found.requests) == (len(line), 1, 11)
        assert found.first_us == 7
        assert found.free_bytes > 0
        assert found.total_bytes == found.file_bytes + found.log_bytes + found.spool_bytes
