"""Opening and closing wait for each other, and for nothing else."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from children import child
from ledgers import request

from ringlet_mitm.addons.usage.ledger import LedgerBusy, insert, reading, stored, transaction, writing
from ringlet_mitm.addons.usage.opening import at_the_door, first_in_line
from ringlet_mitm.rules.errors import LedgerError

HOLD = """
from ringlet_mitm.addons.usage.opening import at_the_door
with at_the_door(database, only_to_read=sys.argv[2] == "read"):
    say("in")
    sys.stdin.readline()
"""


FIRST = """
from ringlet_mitm.addons.usage.opening import first_in_line
with first_in_line(database):
    say("first")
    sys.stdin.readline()
"""
# Three of these leave no moment in which nobody reads.
READ = """
def read():
    with reading(database, spool_dir) as connection:
        connection.execute("SELECT count(*) FROM requests").fetchall()
        time.sleep(0.2)
read()
say("read")
while True:
    read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    database = tmp_path / "data" / "usage.duckdb"
    with writing(database) as connection, transaction(connection):
        insert(connection, [(request(id="a"), ())])
    return database


def passes(database: Path, only_to_read: bool) -> threading.Thread:
    """A thread that is through the door when it has ended."""

    def through() -> None:
        with at_the_door(database, only_to_read=only_to_read):
            pass

    thread = threading.Thread(target=through, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("inside", "only_to_read", "waits"),
    [("write", False, True), ("write", True, True), ("read", False, True), ("read", True, False)],
    ids=["two writers", "a reader behind a writer", "a writer behind a reader", "two readers"],
)
def test_who_waits(database: Path, tmp_path: Path, inside: str, only_to_read: bool, waits: bool) -> None:
    with child(HOLD, tmp_path, inside) as holder:
        assert holder.line() == "in"
        waiting = passes(database, only_to_read)
        waiting.join(0.1 if waits else 20)
        assert waiting.is_alive() == waits
        holder.go()
        waiting.join(20)
        assert not waiting.is_alive()


def test_nobody_waits_while_the_database_is_open(database: Path) -> None:
    """Whether it is in use is DuckDB's to say, at once."""
    with writing(database):
        for only_to_read in (True, False):
            waiting = passes(database, only_to_read)
            waiting.join(20)
            assert not waiting.is_alive()
    with reading(database, database.parent), stored(database):
        waiting = passes(database, False)
        waiting.join(20)
        assert not waiting.is_alive()


def test_who_is_first_in_line_keeps_readers_out_and_nobody_else(database: Path, tmp_path: Path) -> None:
    with child(FIRST, tmp_path) as first:
        assert first.line() == "first"
        for only_to_read in (False, True):
            waiting = passes(database, only_to_read)
            waiting.join(0.1 if only_to_read else 20)
            assert waiting.is_alive() == only_to_read
        with first_in_line(database):
            assert waiting.is_alive()
        first.go()
        waiting.join(20)
        assert not waiting.is_alive()
    assert [path.name for path in database.parent.iterdir()] == ["usage.duckdb"]


def test_a_writer_gets_in_between_readers_that_never_stop(database: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(child(READ, tmp_path)) for _ in range(3)]
        assert [one.line() for one in readers] == ["read"] * 3
        for number in range(3):
            with writing(database, wait_s=10) as connection, transaction(connection):
                insert(connection, [(request(id=f"b{number}"), ())])
    assert [path.name for path in database.parent.iterdir()] == ["usage.duckdb"]


def test_who_is_killed_first_in_line_leaves_it_open(database: Path, tmp_path: Path) -> None:
    with child(FIRST, tmp_path) as first:
        assert first.line() == "first"
        first.kill()
    with stored(database):
        pass
    with first_in_line(database):
        pass
    assert [path.name for path in database.parent.iterdir()] == ["usage.duckdb"]


def test_who_is_killed_at_the_door_leaves_it_open(database: Path, tmp_path: Path) -> None:
    with child(HOLD, tmp_path, "write") as holder:
        assert holder.line() == "in"
        holder.kill()
    with writing(database) as connection:
        assert connection.execute("SELECT count(*) FROM requests").fetchall() == [(1,)]


def test_where_there_is_no_folder(tmp_path: Path) -> None:
    with at_the_door(tmp_path / "nowhere" / "usage.duckdb"):
        pass
    with pytest.raises(LedgerError) as told, stored(tmp_path / "nowhere" / "usage.duckdb"):
        pass
    assert not isinstance(told.value, LedgerBusy)
